"""Coefficients to pixels with the precision that they hold, on the CPU: float32 from dequantisation to colour.

levels ──▶ points in their bins ──▶ inverse DCT ──▶ samples of a band ──▶ upsampling, colour ──▶ floats, or rounded once
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ...kernels.precise import rows
from ...kernels.precise.points import points_of
from ...kernels.precise.transform import dequantiser, inverse_rows, matrix_of
from ...kernels.sampling import (
    CHEIGHT,
    CWIDTH,
    FANCY_H1V2,
    FANCY_H2V1,
    FANCY_H2V2,
    FIELDS,
    HRATIO,
    KIND,
    SAMPLES,
    STRIDE,
    VRATIO,
)
from ...options import DecodeOptions
from ...run.memory import address, borrow, scratch
from ...types import Coefficients, ColorSpace, Frame
from ..inks import are_inks, rgb_of_inks
from .window import Share, Window, channels_of, used_of, whole

__all__ = ["component_planes", "precise_nbytes", "precise_picture"]

_BAND = 64
"""Rows of pixels that are made at once, or an MCU row, so that samples stay in cache."""


def precise_nbytes(window: Window, options: DecodeOptions) -> int:
    """Bytes of a picture's pixels on their way."""
    frame = window.frame
    inks = options.mode == "RGB" and are_inks(frame)
    channels = channels_of(frame, None if inks else options.mode)
    return prod(window.shape) * (7 * 4 if inks else channels * options.layout(frame.precision)[0].itemsize)


def _purpose(frame: Frame, channels: int) -> int:
    color = frame.color
    if color in (ColorSpace.CMYK, ColorSpace.YCCK):
        return rows.YCCK if color is ColorSpace.YCCK else rows.INKS
    if channels == 1:
        return rows.LUMA if color is ColorSpace.RGB else rows.GREY
    return {ColorSpace.YCBCR: rows.YCC, ColorSpace.GRAY: rows.GREY}.get(color, rows.PLANES)


class _Bands:
    """The components of a window, on their way to samples a band of MCU rows at a time.

    clipped: hold samples in 0..2^bits - 1.
    """

    def __init__(
        self,
        planes: Sequence[np.ndarray],
        window: Window,
        qtables: Sequence[np.ndarray],
        reconstruction: str,
        used: int,
        fancy: bool,
        clipped: bool = True,
    ):
        centre, largest = float(1 << (window.frame.precision - 1)), float((1 << window.frame.precision) - 1)
        low, high = (0.0, largest) if clipped else (-np.inf, np.inf)
        self.window = window
        self.shares: list[Share] = window.shares()[:used]
        self.planes = [p.reshape(*p.shape[:2], 64) for p in planes[:used]]
        upsampling = window.upsampling(used, fancy)
        self.table = np.zeros((used, FIELDS), np.int64)
        self.table[:, [KIND, HRATIO, VRATIO]] = upsampling
        filtered = [(kind in (FANCY_H2V1, FANCY_H2V2), kind in (FANCY_H1V2, FANCY_H2V2)) for kind, _, _ in upsampling]
        shifts = points_of(planes, reconstruction, filtered)
        self.steps = [dequantiser(q, s, centre, low, high) for q, s in zip(qtables[:used], shifts, strict=True)]
        for row, share in zip(self.table, self.shares, strict=True):
            row[CHEIGHT], row[CWIDTH] = share.height, share.width
            row[STRIDE] = share.columns * share.size
        self.context = [int(row[KIND] in (FANCY_H1V2, FANCY_H2V2)) for row in self.table]
        self.centre, self.largest = np.float32(centre), np.float32(largest)

    def emit(self, purpose: int, scale: float, out: np.ndarray) -> None:
        """All rows of the window to `out`, C-contiguous [height, width, channels]; the rest as for the kernel."""
        high, height = self.window.row1 - self.window.row0, self.window.mcu[0]
        step = max(1, _BAND // height)
        sizes = [
            s.columns * s.size**2 * (step * s.down + 2 * c) for s, c in zip(self.shares, self.context, strict=True)
        ]
        memory = scratch("precise", 4 * sum(sizes))[: 4 * sum(sizes)].view(np.float32)
        for m in range(0, high, step):
            at = 0
            for c, (share, context) in enumerate(zip(self.shares, self.context, strict=True)):
                first = max(m * share.down - context, 0)
                end = min((m + step) * share.down + context, share.rows)
                stride = share.columns * share.size
                samples = memory[at : at + (end - first) * share.size * stride].reshape(-1, stride)
                self.table[c, SAMPLES] = at - first * share.size * stride
                inverse_rows(
                    self.planes[c], address(self.planes[c]), share.top + first, share.left, self.steps[c],
                    address(self.steps[c]), matrix_of(share.size), samples, address(samples),
                )  # fmt: skip
                at += sizes[c]
            row1 = min((m + step) * height, out.shape[0])
            rows.emit_rows(
                memory, self.table, purpose, self.centre, self.largest, np.float32(scale), m * height, row1, out
            )


def precise_picture(
    planes: Sequence[np.ndarray], window: Window, qtables: Sequence[np.ndarray], options: DecodeOptions
) -> np.ndarray:
    """Pixels of a window from whole planes, as `options` want them: [H, W] or [H, W, channels].

    planes: of all components, C-contiguous int16 [rows, columns, 8, 8]. qtables: per component uint16 [64].
    """
    frame = window.frame
    inks = options.mode == "RGB" and are_inks(frame)
    mode = None if inks else options.mode
    used, channels = used_of(frame, mode), channels_of(frame, mode)
    dtype, scale = options.layout(frame.precision)
    bands = _Bands(planes, window, qtables, options.reconstruction, used, options.upsample == "fancy")
    out = borrow((*window.shape, channels), np.float32 if inks else dtype)
    bands.emit(_purpose(frame, channels), 0 if inks else scale, out)
    if inks:
        rgb = rgb_of_inks(out, (1 << frame.precision) - 1)
        return (rgb * np.float32(scale) + np.float32(0.5)).astype(dtype) if scale else rgb
    return out[..., 0] if channels == 1 else out


def component_planes(coefficients: Coefficients, reconstruction: str = "midpoint") -> np.ndarray:
    """All components of pictures at full size, as their coefficients say: float32 [N, H, W, components]. For networks.

    They are the file's own, such as Y, Cb and Cr, or grey: not level-shifted, that is 0..2^bits - 1 with chroma about
    2^(bits - 1), and not clipped, so that values may lie beyond. Chroma grows by libjpeg's triangle filter. Planes and tables
    fit the frame, as `codec.read` gives them. reconstruction: as for `decode`, by the statistics of each picture.
    UnsupportedJpeg for sampling without a rule.
    """
    frame, n = coefficients.frame, len(coefficients.frame.components)
    window = whole(frame)
    window.upsampling(n, True)
    out = borrow((coefficients.batch, frame.height, frame.width, n), np.float32)
    for i in range(coefficients.batch):
        planes = [np.ascontiguousarray(p[i], np.int16) for p in coefficients.planes]
        tables = [np.asarray(q if q.ndim == 2 else q[i]).reshape(64) for q in coefficients.qtables]
        bands = _Bands(planes, window, tables, reconstruction, n, True, clipped=False)
        bands.emit(rows.GREY if n == 1 else rows.PLANES, 0, out[i])
    return out
