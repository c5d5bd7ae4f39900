"""Files to pixels on the CPU: entropy decoding, inverse DCT, upsampling and colour by strips that stay in cache."""

from __future__ import annotations

import numpy as np

from ...coding.geometry import ADDRESS, COLUMNS, FIRST_ROW, LAST
from ...errors import UnsupportedJpeg
from ...simd import kernel
from ...types import ColorSpace, Frame
from .forward import copy_bytes
from .inverse import dequantiser, inverse_strip
from .pixels import (
    CHEIGHT,
    COPY,
    CWIDTH,
    FANCY_H1V2,
    FANCY_H2V1,
    FANCY_H2V2,
    FIELDS,
    HRATIO,
    KIND,
    REPLICATE,
    SAMPLES,
    STRIDE,
    VRATIO,
    emit_rows,
)
from .scratch import Strips, scratch

__all__ = ["output_channels", "reconstruct"]

_NOTHING = np.zeros(64, np.int16)


def output_channels(frame: Frame, mode: str | None) -> int:
    """1 or 3 channels of the decoded picture; UnsupportedJpeg for frames that are neither grey nor of three colours."""
    if frame.color in (ColorSpace.GRAY, ColorSpace.YCBCR, ColorSpace.RGB):
        grey = frame.color is ColorSpace.GRAY if mode is None else mode == "L"
        return 1 if grey else 3
    raise UnsupportedJpeg(f"{frame.color.value} pictures of {len(frame.components)} components are not decoded to pixels yet")


def _upsampling(frame: Frame, c: int, strips: Strips, fancy: bool) -> tuple[int, int, int]:
    """(kind, h ratio, v ratio) of component c."""
    h, v = (int(f) for f in strips.sampling[c])
    if strips.hmax % h or strips.vmax % v:
        raise UnsupportedJpeg(f"component {c}: sampling {h}x{v} does not divide {strips.hmax}x{strips.vmax}")
    ratio = strips.hmax // h, strips.vmax // v
    wide = frame.samples(c)[1] > 2
    kind = REPLICATE
    if ratio == (1, 1):
        kind = COPY
    elif fancy and ratio == (1, 2):
        kind = FANCY_H1V2
    elif fancy and wide and ratio == (2, 1):
        kind = FANCY_H2V1
    elif fancy and wide and ratio == (2, 2):
        kind = FANCY_H2V2
    return kind, *ratio


class Target:
    """Everything the kernels need to turn a frame's strips into one picture."""

    def __init__(self, frame: Frame, qtables, mode: str | None, upsample: str, out: np.ndarray | None = None):
        self.strips = strips = Strips(frame)
        self.channels = output_channels(frame, mode)
        if self.channels == 1 and frame.color is ColorSpace.RGB:
            raise UnsupportedJpeg("an RGB file is not decoded to grey; decode it to RGB")
        self.used = 1 if self.channels == 1 else len(frame.components)
        self.color = int(frame.color is ColorSpace.YCBCR)
        self.table = np.zeros((self.used, FIELDS), np.int64)
        for c, row in enumerate(self.table):
            kind, hratio, vratio = _upsampling(frame, c, strips, upsample == "fancy")
            row[SAMPLES], row[STRIDE] = strips.samples[c], strips.strides[c]
            row[KIND], row[HRATIO], row[VRATIO] = kind, hratio, vratio
            row[CHEIGHT], row[CWIDTH] = frame.samples(c)
        self.lag = int(any(row[KIND] in (FANCY_H1V2, FANCY_H2V2) for row in self.table))
        self.dequantisers = [dequantiser(np.asarray(q)) for q in qtables[: self.used]]
        self.steps = np.array([d.ctypes.data for d in self.dequantisers], np.int64)
        shape = (frame.height, frame.width) if self.channels == 1 else (frame.height, frame.width, 3)
        self.pixels = np.empty(shape, np.uint8) if out is None else out
        self.span = int(strips.strides.max()) + 256
        self.rows = scratch("rows", 8 * self.span)


@kernel
def finish_strip(m, last_row, blocks, extents, grid, sampling, steps, table, vmax, lag, height, width, color, channels, pixels,
                 rows, span, nothing):
    """Inverse DCT of MCU row m and the picture rows that it completes; keeps the last rows as context for the next strip.

    blocks, extents: int64 [n], addresses of the strip's blocks and of their last indices (0: not known).
    """
    for c in range(len(table)):
        v = sampling[c, 1]
        here = min(v, grid[c, 0] - m * v)
        inverse_strip(blocks[c], extents[c], here, grid[c, 1], steps[c], table[c, SAMPLES], table[c, STRIDE], nothing)
    top = m * 8 * vmax
    row0 = max(top - lag, 0)
    end = top + 8 * vmax
    row1 = height if end >= height else end - lag
    emit_rows(table, row0, row1, top, vmax, width, color, channels, pixels, rows, span)
    if lag:
        for c in range(len(table)):
            first, stride = table[c, SAMPLES], table[c, STRIDE]
            copy_bytes(first - stride, first + (8 * sampling[c, 1] - 1) * stride, stride - 64)


@kernel
def reconstruct_rows(row0, row1, planes, grid, sampling, steps, table, vmax, lag, height, width, color, channels, pixels, rows,
                     span, nothing):
    """MCU rows row0..row1-1 of whole coefficient planes to pixels. planes: int64 [n], addresses of int16 [rows, columns, 64]."""
    n = len(table)
    blocks, extents = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for m in range(row0, row1):
        for c in range(n):
            blocks[c] = planes[c] + m * sampling[c, 1] * grid[c, 1] * 128
        finish_strip(m, 0, blocks, extents, grid, sampling, steps, table, vmax, lag, height, width, color, channels, pixels,
                     rows, span, nothing)


def reconstruct(planes: list[np.ndarray], frame: Frame, qtables, *, mode: str | None = None, upsample: str = "fancy") -> np.ndarray:
    """Pixels of one image from its coefficients.

    planes: per component C-contiguous int16 [rows, columns, 8, 8]. qtables: per component uint16 [64]. Returns uint8
    [H, W] or [H, W, 3]. UnsupportedJpeg for colour spaces and sampling ratios without a rule.
    """
    t = Target(frame, qtables, mode, upsample)
    addresses = np.array([p.ctypes.data for p in planes[: t.used]], np.int64)
    s = t.strips
    reconstruct_rows(0, s.mcus_high, addresses, s.grid, s.sampling, t.steps, t.table, s.vmax, t.lag, frame.height, frame.width,
                     t.color, t.channels, t.pixels.ctypes.data, t.rows.ctypes.data, t.span, _NOTHING.ctypes.data)
    return t.pixels
