"""The scans that make a progressive file smallest: candidates are coded to symbols, and their best tables' bits counted.

planes ──▶ every candidate scan of a component ──▶ its bits ──▶ the cheapest chain of scans a component ──▶ script
"""

from __future__ import annotations

import numpy as np

from ...coding.progressive.encode import ac_first, ac_refine
from ...coding.symbols import AC_SLOT, SLOTS, block_masks, histogram
from ...run.threads import run_parallel
from ...simd import clz64, kernel
from ...types import MAX_MCU_BLOCKS, Frame, Scan
from .rates import code_lengths

__all__ = ["best_script"]

Way = tuple[tuple[int, ...], int]
"""How a component's AC is sent: the last index of each band, and the low bits that refinements send afterwards."""

Cuts = tuple[tuple[int, ...], ...]
"""Where bands may end besides 63, by the low bits that are left to refinements."""

_CHROMA: Cuts = ((8,), ())
_LUMA: Cuts = ((1, 2, 9, 20, 44), (2, 9, 20), (9,))
_HEADER_BYTES = 31
"""Of a scan: SOS, and DHT without its symbols."""
_DC_HEADER_BYTES = 12
"""More for one DC scan more."""
_SAMPLE_BLOCKS = 1 << 10
"""Larger planes are judged by some of their block rows, an eighth at least."""
_GROUP = 2
_MOST_SHARE = 8
_SHARED = 1 << 18
"""Coefficients of luma from which threads pay."""


@kernel
def _scan_bits(plane, blocks, masks, first, last, high, low, words):
    """(bits of a scan's codes and values, symbols in its table). plane: address. words: room for 3 a block and coefficient."""
    segments, seen = np.zeros(2, np.int64), np.zeros(3, np.int64)
    if high:
        used = ac_refine(blocks, 0, masks, first, last, words, segments)
    else:
        used = ac_first(plane, blocks, 0, masks, first, last, low, words, segments, seen)
    pair = np.zeros((2, SLOTS * 256), np.int64)
    total = histogram(words[:used], pair)
    counts, lengths = np.zeros(257, np.int64), np.empty(256, np.int64)
    for symbol in range(256):
        counts[symbol] = pair[0, 256 * AC_SLOT + symbol] + pair[1, 256 * AC_SLOT + symbol]
    listed = code_lengths(counts, lengths)
    for symbol in range(256):
        total += lengths[symbol] * counts[symbol]
    return total, listed


def _scans(way: Way) -> list[tuple[int, int, int, int]]:
    """(first, last, high, low) of a way's scans, refinements behind."""
    bands, shift = way
    starts = (1, *(k + 1 for k in bands))
    first = [(a, b, 0, shift) for a, b in zip(starts, bands, strict=False)]
    return first + [(1, 63, low + 1, low) for low in range(shift - 1, -1, -1)]


def _cheapest(plane: np.ndarray, cuts: Cuts) -> Way:
    """The way that codes a plane int16 [rows, columns, 8, 8] in the fewest bytes; the one of fewer refinements of equal ones."""
    rows, columns = plane.shape[:2]
    share = min(-(-rows * columns // _SAMPLE_BLOCKS), _MOST_SHARE)
    if share > 1:
        plane = plane[np.arange(rows) // _GROUP % share == 0]
    blocks = len(plane) * columns
    masks = [block_masks(plane, shift) for shift in range(len(cuts))]
    words = np.empty(9 * blocks + 3 * masks[0][1] + 64, np.uint32)

    def nbytes(first: int, last: int, high: int, low: int) -> float:
        found, listed = _scan_bits(plane.ctypes.data, blocks, masks[low][0], first, last, high, low, words)
        return share * found / 8 + _HEADER_BYTES + listed

    ways, refined = [], 0.0
    for shift, inner in enumerate(cuts):
        refined += nbytes(1, 63, shift, shift - 1) if shift else 0
        best: dict[int, tuple[float, tuple[int, ...]]] = {0: (refined, ())}  # of bands up to each cut
        for last in (*inner, 63):
            best[last] = min(
                (cost + nbytes(k + 1, last, 0, shift), (*bands, last)) for k, (cost, bands) in best.items()
            )
        cost, bands = best[63]
        ways.append((cost, (bands, shift)))
    return min(ways, key=lambda way: way[0])[1]


@kernel
def _difference_bits(dc, h, v):
    """Bits of DC's differences, int16 [rows, columns], in the order of MCUs of h × v blocks, those beyond the edges too."""
    rows, columns = dc.shape
    counts, lengths = np.zeros(257, np.int64), np.empty(256, np.int64)
    before = np.int64(0)
    for row in range(0, rows, v):
        for column in range(0, columns, h):
            for y in range(row, row + v):
                for x in range(column, column + h):
                    value = np.int64(dc[y, x]) if y < rows and x < columns else before
                    counts[64 - np.int64(clz64(abs(value - before)))] += 1
                    before = value
    total = np.int64(0)
    for size in range(12):
        total += size * counts[size]
    code_lengths(counts.copy(), lengths)
    for size in range(12):
        total += lengths[size] * counts[size]
    return total


def _dc_groups(planes: list[np.ndarray], frame: Frame) -> list[tuple[int, ...]]:
    """Components by DC scan: all in one, or luma by itself where its blocks follow their left neighbours in fewer bytes."""
    every = tuple(range(len(planes)))
    if len(every) == 1:
        return [every]
    if sum(k.h * k.v for k in frame.components) > MAX_MCU_BLOCKS:
        return [(c,) for c in every]
    luma = frame.components[0]
    together, alone = (_difference_bits(planes[0][:, :, 0, 0], h, v) for h, v in ((luma.h, luma.v), (1, 1)))
    return [every] if together <= alone + 8 * _DC_HEADER_BYTES else [(0,), every[1:]]


def best_script(planes: list[np.ndarray], frame: Frame) -> tuple[Scan, ...]:
    """A progressive script for these coefficients, int16 [rows, columns, 8, 8] a component.

    Luma's DC goes first, by itself where that pays; then each component's AC by the cheapest choice of bands, and of bits
    left to refinements.
    """
    several = planes[0].size > _SHARED
    cuts = [_CHROMA if c else _LUMA for c in range(len(planes))]
    chosen = [*(run_parallel if several else map)(lambda c: _cheapest(planes[c], cuts[c]), range(len(planes)))]
    script = [Scan(group, spectral=(0, 0)) for group in _dc_groups(planes, frame)]
    todo = [(_scans(way), c) for c, way in enumerate(chosen)]
    for step in range(max(len(scans) for scans, _ in todo)):
        for scans, c in todo:
            if step < len(scans):
                first, last, high, low = scans[step]
                script.append(Scan((c,), spectral=(first, last), approximation=(high, low)))
    return tuple(script)
