"""Quantised activations as bytes: `coding.sequences`, unit after unit.

    unit 0 ──less what its neighbours say──▶ one run         units 1–2, 3–5, 6–9, … ──▶ a run each, under how large the units
                                                             before are in and around the block

Each run is Huffman-coded or by rANS, whichever is shorter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...coding.sequences import Cursor, decode_integers, encode_integers
from ...errors import CorruptStream
from ...simd import kernel

__all__ = ["MOST", "decode_levels", "encode_levels"]

MOST = 1 << 20
"""Greatest magnitude of a level."""
_CLASSES = np.array([1, 2, 3, 5, 8, 13, 21])
"""From where on the classes of neighbourhoods reach."""


@kernel(inline=True)
def _foreseen(plane, y, x):
    """The median of left, upper, and their plane through the third (LOCO-I, Weinberger et al. 2000); 0 for the first."""
    if x == 0:
        return plane[y - 1, 0] if y > 0 else np.int64(0)
    if y == 0:
        return plane[0, x - 1]
    left, up, corner = plane[y, x - 1], plane[y - 1, x], plane[y - 1, x - 1]
    if corner >= max(left, up):
        return min(left, up)
    if corner <= min(left, up):
        return max(left, up)
    return left + up - corner


@kernel
def _differences(plane, out):
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            out[y, x] = plane[y, x] - _foreseen(plane, y, x)


@kernel
def _sums(found, plane):
    """Inverse of `_differences`."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            plane[y, x] = found[y, x] + _foreseen(plane, y, x)


def _bands(units: int) -> Iterator[tuple[int, int]]:
    """(first unit, behind the last) of each run but that of unit 0: as long as the diagonals of a block's DCT, at most 32."""
    start, length = 1, 2
    while start < units:
        yield start, min(start + length, units)
        start, length = start + length, min(length + 1, 32)


def _contexts(levels: np.ndarray, start: int, stop: int) -> np.ndarray:
    """uint8 [R, C, stop − start], 0..7: classes of what the band's place in `levels` [R, C, k] sees of the units before it."""
    before = max(1, start - 2 * (stop - start))
    if before == start:
        return np.zeros((*levels.shape[:2], stop - start), np.uint8)
    size = np.minimum(np.abs(levels[:, :, before:start]), 64).sum(2)
    around = np.pad(size, 1)
    total = 4 * size + around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    found = np.searchsorted(_CLASSES, total // 2, side="right").astype(np.uint8)
    return np.repeat(found[:, :, None], stop - start, 2)


def encode_levels(levels: np.ndarray) -> bytes:
    """Bytes of levels int [R, C, k], each within ±`MOST`."""
    plane = np.ascontiguousarray(levels[:, :, 0], np.int64)
    first = np.empty_like(plane)
    _differences(plane, first)
    runs = [encode_integers(first)]
    for start, stop in _bands(levels.shape[2]):
        # unit after unit, so that equal ones stand together
        values = np.moveaxis(levels[:, :, start:stop], 2, 0)
        runs.append(encode_integers(values, np.moveaxis(_contexts(levels, start, stop), 2, 0)))
    return b"".join(runs)


def decode_levels(data: bytes | memoryview, offset: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Inverse of `encode_levels`: int32 [R, C, k].

    offset: of the data in its file, for messages. Raises CorruptStream. The caller bounds the shape.
    """
    cursor = Cursor(memoryview(data), offset)
    levels = np.zeros(shape, np.int32)
    rows, columns, units = shape
    plane = np.empty((rows, columns), np.int64)
    _sums(decode_integers(cursor, (rows, columns)).astype(np.int64), plane)
    _check(plane, cursor)
    levels[:, :, 0] = plane
    for start, stop in _bands(units):
        contexts = np.moveaxis(_contexts(levels, start, stop), 2, 0)
        found = decode_integers(cursor, contexts.shape, contexts)
        _check(found, cursor)
        levels[:, :, start:stop] = np.moveaxis(found, 0, 2)
    if cursor.at != len(cursor.data):
        raise CorruptStream("bytes behind the activations", cursor.place)
    return levels


def _check(found: np.ndarray, cursor: Cursor) -> None:
    if found.size and np.abs(found.astype(np.int64)).max() > MOST:
        raise CorruptStream(f"an activation beyond ±{MOST}", cursor.place)
