"""Pictures as planes of samples: colour at full resolution, then each component as its blocks see it."""

from __future__ import annotations

import numpy as np

from ...kernels.color import rgb_to_ycbcr_row
from ...kernels.rows import copy_bytes, extend_row
from ...kernels.sampling import downsample_row
from ...kernels.tuned.chroma import compensate_luma, fit_plane
from ...run.memory import address, borrow
from ...simd import kernel
from ...types import Frame

__all__ = ["Picture"]

_SLACK = 64
"""Bytes behind each row that kernels may read and write."""


@kernel
def _split_rows(image, row0, row1, width, channels, padded, planes, size, stride, tail):
    """Rows row0..row1-1 of uint8 [H, W, channels] to `channels` planes of `size` bytes, extended to `padded` samples."""
    for row in range(row0, row1):
        source, target = image + row * width * channels, planes + row * stride
        if channels == 1:
            copy_bytes(target, source, width)
            extend_row(target, width, padded)
        else:
            rgb_to_ycbcr_row(source, target, target + size, target + 2 * size, width, padded, tail, 0)


@kernel
def _repeat_row(plane, stride, row, end):
    """Row `row` again in rows row + 1..end - 1."""
    for r in range(row + 1, end):
        copy_bytes(plane + r * stride, plane + row * stride, stride)


@kernel
def _box_rows(row0, row1, plane, stride, h, v, out, out_stride, width):
    """Averages of h × v samples, as libjpeg rounds them."""
    for row in range(row0, row1):
        downsample_row(plane + row * v * stride, stride, h, v, out + row * out_stride, width)


class Picture:
    """The full-resolution planes of an image, uint8, its edges repeated to whole MCUs.

    planes: uint8 [n, 8·vmax·MCU rows, stride]; the last `_SLACK` samples of a row mean nothing.
    """

    def __init__(self, image: np.ndarray, frame: Frame):
        self.frame: Frame = frame
        count = len(frame.components)
        alone = count == 1
        self.hmax: int
        self.vmax: int
        self.hmax, self.vmax = (1, 1) if alone else (frame.hmax, frame.vmax)
        high, wide = frame.blocks(0) if alone else frame.mcus
        self.rows: int = 8 * self.vmax * high
        self.columns: int = 8 * self.hmax * wide
        self.planes: np.ndarray = borrow((count, self.rows, self.columns + _SLACK))
        stride, size = self.planes.shape[2], self.planes[0].size
        tail = np.zeros(128, np.uint8)
        # copies may end 31 bytes behind a plane: the next one is written later, the last has its slack
        _split_rows(
            address(image), 0, frame.height, frame.width, count, self.columns, address(self.planes), size, stride,
            address(tail),
        )  # fmt: skip
        for plane in self.planes:
            _repeat_row(address(plane), stride, frame.height - 1, self.rows)

    def compensate(self, coded: list[np.ndarray], qtables: list[np.ndarray], gains: tuple[int, int]) -> None:
        """Aim luma at the brightness that is left to it by Cb and Cr as coded, with their tables."""
        compensate_luma(self.planes, coded, self.frame, qtables, gains, self.columns)
        _repeat_row(address(self.planes[0]), self.planes.shape[2], self.frame.height - 1, self.rows)

    def component(self, c: int, chroma: str) -> np.ndarray:
        """Samples of component c, uint8 [8·v·MCU rows, stride], edges repeated. chroma: "box" or "lsq"."""
        k = self.frame.components[c]
        h, v = (1, 1) if len(self.frame.components) == 1 else (self.hmax // k.h, self.vmax // k.v)
        if h * v == 1:
            return self.planes[c]
        rows, columns = self.rows // v, self.columns // h
        real = -(-self.frame.height // v)
        out = borrow((rows, columns + _SLACK))
        stride = out.shape[1]
        if chroma == "lsq" and (h, v) in ((2, 1), (2, 2)):
            fit_plane(self.planes[c], self.frame.height, self.frame.width, v == 2, out, columns)
        else:
            _box_rows(0, real, address(self.planes[c]), self.planes.shape[2], h, v, address(out), stride, columns)
        _repeat_row(address(out), stride, real - 1, rows)
        return out
