"""Dequantisation and inverse DCT in float32: a block of 8×8 in sixteen vectors, other sizes as matrix products."""

from __future__ import annotations

from functools import cache

import numpy as np

from ...simd import Int, kernel, load, load_i64, maximum, minimum, vectorized
from ...simd.floats import Floats, as_floats, load_floats, splat_float, store_floats

__all__ = ["dequantiser", "inverse_rows", "matrix_of"]


@cache
def matrix_of(size: int) -> np.ndarray:
    """float32 [size, 8]: samples of a block of `size` a side by frequency, along one axis; 1..16.

    As libjpeg's scaled transforms: samples of 1, 2 and 4 a side are means of those of 8 (jidctred), others the DCT of that size
    of the frequencies that it has, scaled so that a flat block stays one (jidctint).
    """
    own = 8 if size in (1, 2, 4) else size
    u, y = np.mgrid[:8, :own]
    basis = np.cos((2 * y + 1) * u * np.pi / (2 * own)) * np.where(u == 0, np.sqrt(1 / 8), 1 / 2)
    samples = np.where(u < own, basis, 0).T.reshape(size, -1, 8).mean(axis=1)
    matrix = np.ascontiguousarray(samples, np.float32)
    matrix.flags.writeable = False
    return matrix


_EIGHT = matrix_of(8).astype(np.float64)


def dequantiser(steps: np.ndarray, shifts: np.ndarray, centre: float, low: float, high: float) -> np.ndarray:
    """What the kernels need of a component: float32 [131], 64 steps, what levels lose by their shifts, centre, low and high.

    steps: [64]. shifts: [64] of a step. centre: what is added to samples, which are then held in low..high.
    """
    steps = steps.astype(np.float64)
    return np.concatenate([steps, -steps * shifts, [centre, low, high]]).astype(np.float32)


def _pass(x: list[Floats]) -> list[Floats]:
    """One 1-D inverse DCT of eight vectors: sums of even frequencies, plus and minus those of odd ones."""
    out = [x[0]] * 8
    for y in range(4):
        even, odd = x[0] * _EIGHT[y, 0], x[1] * _EIGHT[y, 1]
        for u in (2, 4, 6):
            even, odd = even + x[u] * _EIGHT[y, u], odd + x[u + 1] * _EIGHT[y, u + 1]
        out[y], out[7 - y] = even + odd, even - odd
    return out


def _transposed(x: list[Floats]) -> list[Floats]:
    """An 8×8 matrix of eight vectors about its diagonal."""
    low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    a = [x[i].shuffle(mask, x[i + 1]) for i in (0, 2, 4, 6) for mask in (low, high)]
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    b = [a[i].shuffle(mask, a[i + 2]) for i in (0, 1, 4, 5) for mask in (low, high)]
    low, high = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
    return [b[i].shuffle(mask, b[i + 4]) for mask in (low, high) for i in range(4)]


def _points(block: Int, table: Int, count: int) -> list[Floats]:
    """The first rows of a block, dequantised at their points."""
    rows = []
    for v in range(count):
        levels = load(block + 16 * v, 8, 16)
        signs = minimum(maximum(levels, -1), 1)
        steps, lost = load_floats(table + 32 * v, 8), load_floats(table + 256 + 32 * v, 8)
        rows.append(as_floats(levels.sign_extend(32)) * steps + as_floats(signs.sign_extend(32)) * lost)
    return rows


@vectorized
def _inverse_block(block, table, samples, stride):
    """A block of int16 [64] to 8 rows of 8 float32 samples, `stride` bytes apart."""
    x = _transposed(_pass(_transposed(_pass(_points(block, table, 8)))))
    centre, low, high = (splat_float(table + 512 + 4 * i, 8) for i in range(3))
    for y, row in enumerate(x):
        store_floats(samples + stride * y, (row + centre).clamp(low, high))


@vectorized
def _inverse_flat(block, table, samples, stride):
    """`_inverse_block` where there is only DC."""
    row = _points(block, table, 1)[0]
    centre, low, high = (splat_float(table + 512 + 4 * i, 8) for i in range(3))
    value = (row.shuffle([0] * 8, row) * 0.125 + centre).clamp(low, high)
    for y in range(8):
        store_floats(samples + stride * y, value)


@kernel
def _is_flat(block):
    found = load_i64(block) & ~np.int64(65535)
    for i in range(8, 128, 8):
        found |= load_i64(block + i)
    return found == 0


@kernel
def _inverse_sized(levels, steps, matrix, columns, x, out):
    """A block to samples of another size. levels: int16 [64]. columns: float32 [size, 8], x: float32 [8, 8], scratch."""
    size = matrix.shape[0]
    for v in range(8):
        for u in range(8):
            level = np.float32(levels[8 * v + u])
            sign = np.float32(1) if level > 0 else (np.float32(-1) if level < 0 else np.float32(0))
            x[v, u] = level * steps[8 * v + u] + sign * steps[64 + 8 * v + u]
    for y in range(size):
        for u in range(8):
            total = np.float32(0)
            for v in range(8):
                total += matrix[y, v] * x[v, u]
            columns[y, u] = total
    centre, low, high = steps[128], steps[129], steps[130]
    for y in range(size):
        for k in range(size):
            total = centre
            for u in range(8):
                total += columns[y, u] * matrix[k, u]
            out[y, k] = min(max(total, low), high)


@kernel
def inverse_rows(plane, plane_address, first, left, steps, steps_address, matrix, samples, samples_address):
    """Block rows from `first` on, block columns from `left` on, as many as fit, to samples.

    plane: int16 [rows, columns, 64], steps: float32 [131] as `dequantiser` has them, samples: float32 [size·rows, >=
    size·columns]; each with its address. matrix: `matrix_of` the size.
    """
    size = matrix.shape[0]
    stride = samples.shape[1] * 4
    rows, columns = samples.shape[0] // size, samples.shape[1] // size
    work, x = np.empty((size, 8), np.float32), np.empty((8, 8), np.float32)
    for r in range(rows):
        for c in range(columns):
            if size != 8:
                part = samples[r * size : (r + 1) * size, c * size : (c + 1) * size]
                _inverse_sized(plane[first + r, left + c], steps, matrix, work, x, part)
                continue
            block = plane_address + ((first + r) * plane.shape[1] + left + c) * 128
            out = samples_address + r * 8 * stride + c * 32
            if _is_flat(block):
                _inverse_flat(block, steps_address, out, stride)
            else:
                _inverse_block(block, steps_address, out, stride)
