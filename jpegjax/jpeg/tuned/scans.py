"""The scans that make a progressive file smallest: candidates are coded to symbols, and their best tables' bits counted.

planes ──▶ every candidate scan of a component ──▶ its bits ──▶ the cheapest set of scans a component ──▶ script
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ...coding.progressive.encode import ac_first, ac_refine
from ...coding.symbols import AC_SLOT, SLOTS, block_masks, histogram
from ...run.threads import run_parallel
from ...simd import kernel
from ...types import MAX_MCU_BLOCKS, Frame, Scan
from .rates import code_lengths

__all__ = ["best_script"]

Way = tuple[tuple[int, ...], int]
"""How a component's AC is sent: the last index of each band, and the low bits that refinements send afterwards."""

_CHROMA: tuple[Way, ...] = (((63,), 0), ((8, 63), 0), ((63,), 1))
_LUMA: tuple[Way, ...] = (((63,), 0), ((8, 63), 0), ((8, 63), 1), ((8, 63), 2))
_HEADER_BYTES = 31
"""Of a scan: SOS, and DHT without its symbols."""
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


def _first_scans(way: Way) -> list[tuple[int, int, int, int]]:
    """(first, last, high, low) of a way's scans, refinements behind."""
    bands, shift = way
    starts = (1, *(k + 1 for k in bands))
    first = [(a, b, 0, shift) for a, b in zip(starts, bands, strict=False)]
    return first + [(1, 63, low + 1, low) for low in range(shift - 1, -1, -1)]


def _cheapest(plane: np.ndarray, ways: tuple[Way, ...]) -> Way:
    """The way that codes a plane int16 [rows, columns, 8, 8] in the fewest bytes; the first of equal ones."""
    rows, columns = plane.shape[:2]
    share = min(-(-rows * columns // _SAMPLE_BLOCKS), _MOST_SHARE)
    if share > 1:
        plane = plane[np.arange(rows) // _GROUP % share == 0]
    blocks = len(plane) * columns
    by_shift = cache(lambda shift: block_masks(plane, shift))
    words = np.empty(9 * blocks + 3 * by_shift(0)[1] + 64, np.uint32)

    @cache
    def nbytes(first: int, last: int, high: int, low: int) -> float:
        found, listed = _scan_bits(plane.ctypes.data, blocks, by_shift(low)[0], first, last, high, low, words)
        return share * found / 8 + _HEADER_BYTES + listed

    return min(ways, key=lambda way: sum(nbytes(*scan) for scan in _first_scans(way)))


def best_script(planes: list[np.ndarray], frame: Frame, bands: tuple[int, ...]) -> tuple[Scan, ...]:
    """A progressive script for these coefficients, int16 [rows, columns, 8, 8] a component.

    bands: those that luma's trellis reckoned with, one of the ways to send it. DC goes first and whole; then each
    component's AC by the cheapest of a few ways: bands, and bits left to refinements.
    """
    count = len(planes)
    ways = [((bands, 0), *_LUMA) if c == 0 else _CHROMA for c in range(count)]
    several = planes[0].size > _SHARED
    chosen = [
        *(run_parallel if several else map)(lambda c: _cheapest(planes[c], tuple(dict.fromkeys(ways[c]))), range(count))
    ]
    together = count == 1 or sum(k.h * k.v for k in frame.components) <= MAX_MCU_BLOCKS
    dc = [tuple(range(count))] if together else [(c,) for c in range(count)]
    script = [Scan(group, spectral=(0, 0)) for group in dc]
    todo = [(_first_scans(way), c) for c, way in enumerate(chosen)]
    for step in range(max(len(scans) for scans, _ in todo)):
        for scans, c in todo:
            if step < len(scans):
                first, last, high, low = scans[step]
                script.append(Scan((c,), spectral=(first, last), approximation=(high, low)))
    return tuple(script)
