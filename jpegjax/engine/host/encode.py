"""Pixels to files on the CPU: colour, downsampling, FDCT and Huffman coding by strips that stay in cache."""

from __future__ import annotations

import numpy as np

from ...coding.geometry import ADDRESS, COLUMNS, FIELDS, FIRST_ROW, H, ROWS, V
from ...simd import kernel
from ...types import Frame
from .forward import fill_strip, quantiser, transform_strip
from .scratch import Strips, scratch

__all__ = ["transform"]


class Source:
    """Everything the kernels need to turn one picture into a frame's strips of blocks."""

    def __init__(self, image: np.ndarray, frame: Frame, qtables):
        self.image, self.strips = image, Strips(frame)
        s = self.strips
        self.height, self.width = frame.height, frame.width
        self.channels = len(frame.components)
        self.quantisers = [quantiser(q) for q in qtables]
        self.tables = np.array([q.ctypes.data for q in self.quantisers], np.int64)
        self.full_stride = -(-s.mcus_wide * 8 * s.hmax // 64) * 64 + 64
        self.full = scratch("full", 13 * self.full_stride + 256)
        self.spare = scratch("spare", 128)


@kernel
def load_strip(m, image, height, width, channels, sampling, samples, strides, full, full_stride, tables, grid, out, spare):
    """MCU row m of an image to quantised blocks. out: int64 [n], address of the component's first block of that row."""
    fill_strip(image, height, width, channels, m, sampling, samples, strides, full, full_stride)
    for c in range(len(sampling)):
        rows = min(sampling[c, 1], grid[c, 0] - m * sampling[c, 1])
        transform_strip(samples[c], strides[c], rows, grid[c, 1], tables[c], out[c], spare)


@kernel
def transform_rows(row0, row1, image, height, width, channels, sampling, samples, strides, full, full_stride, tables, grid, planes,
                   spare):
    """MCU rows row0..row1-1 to whole planes. planes: int64 [n], addresses of int16 [rows, columns, 64]."""
    n = len(sampling)
    out = np.zeros(n, np.int64)
    for m in range(row0, row1):
        for c in range(n):
            out[c] = planes[c] + m * sampling[c, 1] * grid[c, 1] * 128
        load_strip(m, image, height, width, channels, sampling, samples, strides, full, full_stride, tables, grid, out, spare)


def transform(image: np.ndarray, frame: Frame, qtables) -> list[np.ndarray]:
    """Quantised coefficients of one image: per component int16 [rows, columns, 8, 8], natural order.

    image: C-contiguous uint8 [H, W] or [H, W, 3]. qtables: per component uint16 [64].
    """
    s = Source(image, frame, qtables)
    t = s.strips
    planes = [np.empty((*frame.blocks(c), 8, 8), np.int16) for c in range(s.channels)]
    addresses = np.array([p.ctypes.data for p in planes], np.int64)
    transform_rows(0, t.mcus_high, image.ctypes.data, s.height, s.width, s.channels, t.sampling, t.samples, t.strides,
                   s.full.ctypes.data, s.full_stride, s.tables, t.grid, addresses, s.spare.ctypes.data)
    return planes
