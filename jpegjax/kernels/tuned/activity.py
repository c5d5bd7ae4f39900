"""How busy a picture is: one number that its recipe leans by."""

from __future__ import annotations

from math import isqrt

import numpy as np

from ...run.memory import address
from ...simd import clz64, kernel, load_u8
from .network import LOG

__all__ = ["activity"]

_FLOOR = 5 << 12
"""Added to 4096 variances, so that flat blocks count alike."""
_BLOCKS = 1024
"""Larger pictures are judged by some of their blocks, about so many."""


@kernel
def _sum_logs(image, width, channels, rows, columns, stride):
    """Sum of 256 log2(4096·variance + _FLOOR) of every stride-th block of every stride-th row. image: address."""
    total = np.int64(0)
    for row in range(0, rows, stride):
        for column in range(0, columns, stride):
            first = second = np.int64(0)
            for y in range(8 * row, 8 * row + 8):
                at = image + channels * (y * width + 8 * column)
                for x in range(8):
                    if channels == 1:
                        value = np.int64(load_u8(at + x))
                    else:
                        pixel = at + 3 * x
                        value = (
                            77 * np.int64(load_u8(pixel))
                            + 150 * np.int64(load_u8(pixel + 1))
                            + 29 * np.int64(load_u8(pixel + 2))
                        ) >> 8
                    first += value
                    second += value * value
            found = 64 * second - first * first + _FLOOR
            n = 63 - np.int64(clz64(found))
            total += 256 * n + np.int64(LOG[(found >> (n - 7)) & 127])
    return total


def activity(image: np.ndarray) -> int | None:
    """Mean over 8×8 blocks of 256 log2(variance of luma + 5), whole blocks only; None for a picture without any.

    image: uint8 [H, W] or [H, W, 3], C-contiguous. 594 for flat pictures, 900 to 2600 for photographs.
    """
    height, width = image.shape[:2]
    rows, columns = height // 8, width // 8
    if not rows * columns:
        return None
    stride = max(1, isqrt(rows * columns // _BLOCKS))
    total = _sum_logs(address(image), width, image.size // (height * width), rows, columns, stride)
    return int(total) // (-(-rows // stride) * -(-columns // stride)) - 256 * 12
