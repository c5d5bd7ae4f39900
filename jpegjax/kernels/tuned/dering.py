"""Overshoot at the range's ends: samples of 0 and 255 may go beyond them where that saves bits, since decoders clamp.

    samples, 8·DCT ──▶ blocks with samples at an end and others ──▶ 3 × (quantise, invert, project, transform) ──▶ 8·DCT

Hard edges against white or black ring once high frequencies are quantised. What rings beyond the range is clamped away, so
a block may be replaced by any other that differs only there. This one is found by projections in turn (Youla 1978): onto
the blocks that the steps can express, with small levels dropped as the trellis does, and back onto those that decode
alike, each time by 7/4 of the way. They start with all such samples half a mean step beyond the end, out of reach of what
rings. The idea is mozjpeg's, which draws a smooth bump over such runs of samples instead (measured alone and as the start of
the projections: neither is better than this).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...run.memory import address
from ...simd import (
    Int,
    Vec,
    bitcast_mask,
    constant,
    join,
    kernel,
    load,
    maximum,
    minimum,
    mulhi_u,
    select,
    store,
    vectorized,
    with_sign,
)
from ..dct import fdct_1d, fdct_strip, idct_1d
from ..lanes import transposed
from ..quant import quantiser

__all__ = ["CHOSEN", "ROUNDED", "dering", "deringed_strip", "deringer"]

ROUNDED, CHOSEN = 4, 5
"""Zones of levels that are rounded, and of those that the trellis chooses."""
_TURNS = 3
_START = 48
_MOST = 96
"""How far samples go beyond the range: -384..639 is what decoders' tables hold, and 8·DCT stays in int16."""
_LEVELS = 1023


@lru_cache(maxsize=64)
def _deringer(steps: bytes, zone: int) -> np.ndarray:
    wide = np.frombuffer(steps, np.uint16).astype(np.int64)
    passing = wide.copy()
    passing[0] = 1
    each = zone * passing, passing, 8 * _LEVELS * wide, np.full(64, min(wide.sum() // 128, _START))
    rows = np.stack([np.minimum(row, 32_767).astype(np.int16).reshape(8, 8) for row in each], 1)
    divisors = quantiser(passing.astype(np.uint16)).view(np.int16)
    return np.ascontiguousarray(np.concatenate([divisors, np.concatenate([rows, rows], 2)], 1))


def deringer(steps: np.ndarray, zone: int) -> np.ndarray:
    """int16 [8, 7, 16] of steps uint16 [64], natural order: by row of coefficients a `quantiser` (3), what falls to 0, the
    steps, the largest 8·DCT, and where samples start. DC is only rounded on the way: its step here is 1. zone: as for
    `dering`."""
    return _deringer(np.ascontiguousarray(steps, np.uint16).tobytes(), zone)


@vectorized
def _ends(samples, stride) -> Int:
    """Of two neighbouring blocks, a bit for each column: of samples at an end, of 255 alone, of 0 alone; 16 bits each."""
    rows = [load(samples + stride * i, 16, 8) for i in range(8)]
    low, high = rows[0].compare("==", 0), rows[0].compare("==", -1)
    some = low | high
    for row in rows[1:]:
        black, white = row.compare("==", 0), row.compare("==", -1)
        some, low, high = some | black | white, low & black, high & white
    return bitcast_mask(some) | bitcast_mask(high) << 16 | bitcast_mask(low) << 32


def _moved(raw: list[Vec], beyond: list[Vec]) -> list[Vec]:
    """8·DCT of samples that are so much beyond those of raw. Apart, so that no sum leaves int16."""
    change = fdct_1d(transposed(fdct_1d(transposed([row + 128 for row in beyond]), 11)), 15)
    return [a + b for a, b in zip(raw, change, strict=True)]


@vectorized
def _project_pair(samples0, samples1, stride, raw0, raw1, table):
    """New 8·DCT of two blocks, int16 [64] at raw0 and raw1; what would not fit levels stays as it was."""
    pixels = [join(load(samples0 + stride * i, 8, 8), load(samples1 + stride * i, 8, 8)) for i in range(8)]
    x = [row.zero_extend(16) for row in pixels]
    first = [join(load(raw0 + 16 * v, 8, 16), load(raw1 + 16 * v, 8, 16)) for v in range(8)]
    none = constant(x[0], 0)
    high, low = [row.compare("==", 255) for row in x], [row.compare("==", 0) for row in x]
    start = load(table + 192, 16, 16)
    beyond = [select(up, start, select(down, -start, none)) for up, down in zip(high, low, strict=True)]
    y = _moved(first, beyond)
    for _ in range(_TURNS):
        levels = []
        for v in range(8):
            corr, recip, scale, dead, step = (load(table + (224 * v + 32 * i), 16, 16) for i in range(5))
            size = y[v].abs()
            level = mulhi_u(mulhi_u(size + corr, recip), scale)
            levels.append(with_sign(select(size.compare("<", dead), none, level), y[v]) * step)
        seen = transposed(idct_1d(transposed(idct_1d(levels, 11)), 18))
        for i in range(8):
            now = x[i] + beyond[i]
            moved = beyond[i] + (((seen[i] + 128 - now) * 7 + 2) >> 2)
            up, down = maximum(minimum(moved, _MOST), 0), minimum(maximum(moved, -_MOST), 0)
            beyond[i] = select(high[i], up, select(low[i], down, none))
        y = _moved(first, beyond)
    bad = none
    for v in range(8):
        bad = bad | y[v].abs().compare(">", load(table + (224 * v + 160), 16, 16)).sign_extend(16)
    for apart in (1, 2, 4):
        bad = bad | bad.shuffle([lane ^ apart for lane in range(16)])
    for v in range(8):
        kept = select(bad.compare("!=", 0), first[v], y[v])
        store(raw1 + 16 * v, kept.shuffle(range(8, 16)))
        store(raw0 + 16 * v, kept.shuffle(range(8)))


@kernel
def _is_mixed(ends, half):
    """Of `_ends`, whether a block, the first (half 0) or the second (8), has samples at an end and others."""
    some, high, low = (ends >> half) & 255, (ends >> (16 + half)) & 255, (ends >> (32 + half)) & 255
    return some != 0 and high != 255 and low != 255


@kernel
def _dering_blocks(samples, stride, rows, columns, table, raw):
    """`dering` of rows × columns blocks. samples, raw: addresses, as `fdct_strip` has them; table: of a `deringer`."""
    waiting = np.int64(-1)
    waits = np.int64(0)
    for r in range(rows):
        for c in range(0, columns, 2):
            ends = np.int64(_ends(samples + r * 8 * stride + 8 * c, stride))
            if ends & 0xFFFF == 0:
                continue
            for half in range(min(columns - c, 2)):
                if not _is_mixed(ends, 8 * half):
                    continue
                source, target = samples + r * 8 * stride + 8 * (c + half), raw + 128 * (r * columns + c + half)
                if waiting < 0:
                    waiting, waits = source, target
                else:
                    _project_pair(waiting, source, stride, waits, target, table)
                    waiting = np.int64(-1)
    if waiting >= 0:
        _project_pair(waiting, waiting, stride, waits, waits, table)


def dering(samples: np.ndarray, raw: np.ndarray, steps: np.ndarray, zone: int = CHOSEN) -> None:
    """Let samples at the range's ends go beyond them, in luma's 8·DCT int16 [rows, columns, 8, 8], which changes.

    samples: uint8 [at least 8·rows, stride], of which raw is the transform, stride at least 8·columns + 8. steps: uint16
    [64], natural order, by which raw will be quantised. zone: eighths of a step; what is smaller is taken to become 0:
    ROUNDED or CHOSEN. Blocks without such samples, and those all white or all black, stay as they are.
    """
    table = deringer(steps, zone)
    _dering_blocks(address(samples), samples.shape[1], *raw.shape[:2], address(table), address(raw))


@vectorized
def _quantise_block(block, table):
    """int16 [64] of 8·DCT to levels, in their place."""
    for v in range(0, 8, 2):
        corr, recip, scale = (
            join(load(table + (96 * v + 32 * i), 8, 16), load(table + (96 * v + 96 + 32 * i), 8, 16)) for i in range(3)
        )
        y = load(block + 16 * v, 16, 16)
        store(block + 16 * v, with_sign(mulhi_u(mulhi_u(y.abs() + corr, recip), scale), y))


@kernel
def deringed_strip(samples, stride, rows, columns, ringing, table, out):
    """`kernels.dct.quantised_strip` of luma with overshoot. ringing: address of a `deringer`."""
    fdct_strip(samples, stride, rows, columns, out)
    _dering_blocks(samples, stride, rows, columns, ringing, out)
    for i in range(rows * columns):
        _quantise_block(out + 128 * i, table)
