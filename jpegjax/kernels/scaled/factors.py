"""The inverse DCTs of libjpeg-turbo's other sizes as matrices, and the tables that the kernels take."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

__all__ = [
    "COLUMN_AT", "EXACT_AT", "EXTRA_BITS", "KEPT", "ROW_AT", "SHIFT1", "SHIFT2", "SIZES", "STEPS_AT", "TWICE_AT", "factors",
    "scaled_dequantiser", "transform_of",
]  # fmt: skip

SIZES = range(1, 17)

_OFF_BY = {
    3: "12-1", 5: "01+1 02-1 14+1 22+1 24-1", 6: "14-1", 8: "05+1 13+1 15+1 16-1 21+1 23+1 25+1 26+1",
    9: "16-1 42-1 44+1 46-1", 10: "02+1 03-1 17+1 24-1 33+1 42-1 47+1", 11: "01+1 07+1 25+1 26+1 31+1 32+1 43+1",
    12: "01+1 05+1 21+1 25+1 43-1 45+1 51+1", 13: "01-2 14+1 25-1 34+1 43+1 46-1 56-1 57+1",
    14: "01+1 16+1 25+1 34-1 53+1 56-1", 15: "07-1 11+1 12-1 22-1 24+1 26-1 31-1 44+1 52-1 64+1 72+1 74-1 76-1",
    16: "06-1 22+1 25+1 37+1 52-1 55-1 63+1 76+1",
}  # fmt: skip
"""By size: n, k and how far libjpeg's factor[n, k] is from the rounded cosine, for the upper half of the outputs."""

EXTRA_BITS = {2: 2, 4: 1}
"""Sums of four and of two outputs of the eight-point transform are that many bits larger."""

# what a kernel knows of a transform, int64 each, the samples a side first
SHIFT1, SHIFT2 = 1, 2  # bits to descale by after the columns and after the rows
KEPT = 3  # bits of a sample before it is clamped: 10 by libjpeg's table of clamped samples, 32 for SIMD's saturation
_TRANSFORM_FIELDS = 4
COLUMN_AT = 8 * _TRANSFORM_FIELDS  # int16 [16, 8], factors negated, since -2^15 fits
ROW_AT = COLUMN_AT + 2 * 16 * 8  # int16 [4, 16, 2], the same by pairs of k
EXACT_AT = ROW_AT + 2 * 16 * 8  # int64 [16, 8], factors
_TRANSFORM_BYTES = EXACT_AT + 8 * 16 * 8

STEPS_AT = 4 * 2 * 32  # in a `scaled_dequantiser`: int64 [64]
TWICE_AT = STEPS_AT + 8 * 64  # int16 [8, 2, 16]


@cache
def factors(size: int) -> np.ndarray:
    """The matrix of one pass, int64 [size, 8]: what output n takes of coefficient k, times 2^13 (4: 2^14, 2: 2^15)."""
    points = 8 if size in EXTRA_BITS else size
    n, k = np.arange(points)[:, None], np.arange(8)
    cosines = np.where(k == 0, 1, np.sqrt(2)) * np.cos((2 * n + 1) * k * np.pi / (2 * points))
    cosines = cosines.reshape(size, points // size, 8).sum(1)
    if points == size:
        cosines[:, size:] = 0
    matrix = np.rint(cosines * 8192).astype(np.int64)
    for word in _OFF_BY.get(size, "").split():
        n0, k0, off = int(word[0]), int(word[1]), int(word[2:])
        matrix[n0, k0] += off
        if n0 != size - 1 - n0:
            matrix[size - 1 - n0, k0] += off if k0 % 2 == 0 else -off
    matrix.flags.writeable = False
    return matrix


@cache
def transform_of(size: int, precision: int = 8) -> np.ndarray:
    """What the kernels need of one size: uint8 buffer. precision: 8, or 12 for `plane_samples` alone."""
    buffer = np.zeros(_TRANSFORM_BYTES, np.uint8)
    extra, less = EXTRA_BITS.get(size, 0), int(precision == 12)
    kept = 32 if precision == 8 and extra else precision + 2
    buffer[:COLUMN_AT].view(np.int64)[:] = size, 11 + extra + less, 18 + extra - less, kept
    matrix = np.zeros((16, 8), np.int64)
    matrix[:size] = factors(size)
    buffer[COLUMN_AT:ROW_AT].view(np.int16)[:] = -matrix.reshape(-1)
    buffer[ROW_AT:EXACT_AT].view(np.int16)[:] = -matrix.reshape(16, 4, 2).transpose(1, 0, 2).reshape(-1)
    buffer[EXACT_AT:].view(np.int64)[:] = matrix.reshape(-1)
    return buffer


@lru_cache(maxsize=256)
def _dequantiser(steps: bytes, precision: int) -> np.ndarray:
    rows = np.frombuffer(steps, np.int16).reshape(4, 16)
    step = np.abs(rows.astype(np.int64))
    reach = np.where(step > 8191, -1, np.maximum(8191 // np.maximum(step, 1) - 1, 0)).astype(np.int16)
    whole = np.frombuffer(steps, np.int16 if precision == 8 else np.uint16).astype(np.int64)
    pairs = np.stack([rows, reach], axis=1)
    singles = np.tile(pairs.reshape(4, 2, 2, 8).swapaxes(1, 2).reshape(8, 2, 8), 2)
    return np.concatenate([part.reshape(-1).view(np.uint8) for part in (pairs, whole, singles)])


def scaled_dequantiser(qtable: np.ndarray, precision: int = 8) -> np.ndarray:
    """What the kernels need of a table of steps, a uint8 buffer. qtable: uint16 [64], natural order.

    Pairs of rows of steps, each before what its coefficients may reach for products below 2^13 in size; then all steps
    as int64; then single rows of steps and reaches, each twice over. With 8 bits, steps are signed 16-bit numbers, as in
    libjpeg-turbo with SIMD.
    """
    return _dequantiser(np.ascontiguousarray(qtable, np.uint16).tobytes(), precision)
