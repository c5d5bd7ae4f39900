"""How much detail chroma has that halving it loses: whole numbers, the same everywhere."""

from __future__ import annotations

import numpy as np

from ..run.memory import address
from ..simd import kernel, load_u8
from .color import rgb_to_ycbcr_row

__all__ = ["chroma_detail"]


@kernel
def _detail_rows(image, row0, row1, width, lines):
    """`chroma_detail` of pairs of rows row0..row1-1 of an image at this address. lines: uint8 [6, stride]."""
    stride = lines.shape[1]
    top = np.int64(lines.ctypes.data)
    tail = top + 6 * stride - 128
    total = np.int64(0)
    for pair in range(row0, row1):
        for i in range(2):
            at = top + 3 * i * stride
            rgb_to_ycbcr_row(
                image + (2 * pair + i) * 3 * width, at, at + stride, at + 2 * stride, width, width, tail, 0
            )
        for c in range(1, 3):
            a, b = top + c * stride, top + (c + 3) * stride
            for x in range(0, width - 1, 2):
                p, q, r, s = load_u8(a + x), load_u8(a + x + 1), load_u8(b + x), load_u8(b + x + 1)
                mean = p + q + r + s
                total += 4 * (p * p + q * q + r * r + s * s) - mean * mean
    return total


def chroma_detail(image: np.ndarray, pairs: tuple[int, int] | None = None) -> int:
    """4 times the sum of squared distances of Cb and Cr to their means over 2×2 pixels.

    image: uint8 [H, W, 3], C-contiguous. The last row and column of odd sides do not count. pairs: of these pairs of rows alone.
    """
    height, width = image.shape[:2]
    first, end = (0, height // 2) if pairs is None else pairs
    return int(_detail_rows(address(image), first, end, width, np.empty((6, width + 256), np.uint8)))
