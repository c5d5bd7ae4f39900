"""How much blocks count: a map of what errors cost, pixel by pixel, as factors of the trellis's weights.

map [H, W] ──▶ 8 fractional bits ──▶ means over the pixels of a block ──▶ factors, 256 is 1 ──▶ times the field
"""

from __future__ import annotations

import numpy as np

from ...simd import kernel

__all__ = ["LARGEST", "LEAST", "ONE", "block_factors", "weighted"]

ONE = 256
LEAST, LARGEST = ONE // 64, 16 * ONE
"""Factors that there are: a 64th to 16."""
_MOST = 65_535


@kernel
def _fill_factors(importance, down, across, sums, out):
    """down, across: int64 [rows + 1], [columns + 1], the pixels at which blocks begin and end. sums: int32 [W], scratch."""
    top, one = np.float32(16), np.float32(256)
    for row in range(out.shape[0]):
        for x in range(sums.size):
            sums[x] = 0
        for y in range(down[row], down[row + 1]):
            line = importance[y]
            for x in range(sums.size):
                sums[x] += np.int32(min(line[x], top) * one + np.float32(0.5))
        for column in range(out.shape[1]):
            total = np.int64(0)
            for x in range(across[column], across[column + 1]):
                total += sums[x]
            count = (down[row + 1] - down[row]) * (across[column + 1] - across[column])
            out[row, column] = min(max((2 * total + count) // (2 * count), 4), 4096)


def block_factors(importance: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Factors of blocks, uint16 [rows, columns], `LEAST`..`LARGEST`: the means, rounded, of a map's pixels in them. Exact.

    importance: float32 [H, W], C-contiguous, none negative or NaN. down, across: int64 [rows + 1] and [columns + 1], where
    blocks begin, rising, and the last one ends.
    """
    out = np.empty((len(down) - 1, len(across) - 1), np.uint16)
    _fill_factors(importance, down, across, np.empty(importance.shape[1], np.int32), out)
    return out


def weighted(field: np.ndarray | None, own: np.ndarray) -> np.ndarray:
    """The field, uint16, times the factors, as the trellis takes both; None is 1 everywhere."""
    if field is None:
        return own
    return np.clip((field.astype(np.uint32) * own + ONE // 2) >> 8, 1, _MOST).astype(np.uint16)
