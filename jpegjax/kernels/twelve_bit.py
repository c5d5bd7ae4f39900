"""Pictures of 12 bits a sample on the CPU: libjpeg's "islow" integers in 64 bits, in plain loops.

The formulas are those of 8 bits with 1 bit of extra precision between the passes in place of 2, centre 2048 and samples
0..4095. Out of range, inverse transforms wrap as the C code does, which has no SIMD for 12 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..run.memory import borrow
from ..simd import kernel
from ..types import ColorSpace, Frame
from .sampling import CHEIGHT, COPY, CWIDTH, FANCY_H1V2, FANCY_H2V1, FANCY_H2V2, HRATIO, KIND, VRATIO

__all__ = ["Pixels", "convert_row", "inverse_plane", "picture", "pixels_of", "shrink", "transform"]

_CENTRE, _LARGEST = 2048, 4095
_GREY, _RGB, _YCC, _LUMA, _INVERTED, _YCCK = range(6)  # what becomes of the components, either way


@kernel(inline=True)
def _inverse_1d(x0, x1, x2, x3, x4, x5, x6, x7):
    """Eight outputs of one pass, scaled by 2^13."""
    p = (x2 + x6) * 4433
    e0, e1, e2, e3 = (x0 + x4) << 13, (x0 - x4) << 13, p - 15137 * x6, p + 6270 * x2
    a0, a1, a2, a3 = e0 + e3, e1 + e2, e1 - e2, e0 - e3
    m = (x7 + x5 + x3 + x1) * 9633
    r, s, t, w = m - 16069 * (x7 + x3), m - 3196 * (x5 + x1), -7373 * (x7 + x1), -20995 * (x5 + x3)
    b0, b1, b2, b3 = 2446 * x7 + t + r, 16819 * x5 + w + s, 25172 * x3 + w + r, 12299 * x1 + t + s
    return a0 + b3, a1 + b2, a2 + b1, a3 + b0, a3 - b0, a2 - b1, a1 - b2, a0 - b3


@kernel(inline=True)
def _word(x):
    """The low 32 bits, signed."""
    return np.int64(np.int32((x + 2048) >> 12))


@kernel(inline=True)
def _sample(x):
    """A descaled output plus 2048 as uint16 0..4095, modulo 2^14 as libjpeg's table of clamped samples has it."""
    low = ((((x + 65536) >> 17) + 8192) & 16383) - 8192
    return np.uint16(min(max(low + 2048, 0), 4095))


@kernel
def inverse_plane(plane, top, left, steps, out):
    """Inverse DCT of the blocks of a plane from (top, left) on.

    plane: int16 [.., .., 64]; steps: int64 [64]; out: uint16 [8·rows, 8·columns].
    """
    w = np.empty(64, np.int64)
    for r in range(out.shape[0] // 8):
        for c in range(out.shape[1] // 8):
            block = plane[top + r, left + c]
            below = np.int64(0)
            for i in range(8, 64):
                below |= block[i]
            for u in range(8):
                x0 = block[u] * steps[u]
                if below == 0:
                    y = np.int64(np.int32(x0 << 1))
                    for v in range(8):
                        w[8 * v + u] = y
                    continue
                y = _inverse_1d(
                    x0, block[u + 8] * steps[u + 8], block[u + 16] * steps[u + 16], block[u + 24] * steps[u + 24],
                    block[u + 32] * steps[u + 32], block[u + 40] * steps[u + 40], block[u + 48] * steps[u + 48],
                    block[u + 56] * steps[u + 56],
                )  # fmt: skip
                w[u], w[u + 8], w[u + 16], w[u + 24] = _word(y[0]), _word(y[1]), _word(y[2]), _word(y[3])
                w[u + 32], w[u + 40], w[u + 48], w[u + 56] = _word(y[4]), _word(y[5]), _word(y[6]), _word(y[7])
            for v in range(8):
                k = 8 * v
                y = _inverse_1d(w[k], w[k + 1], w[k + 2], w[k + 3], w[k + 4], w[k + 5], w[k + 6], w[k + 7])
                row = out[8 * r + v, 8 * c : 8 * c + 8]
                row[0], row[1], row[2], row[3] = _sample(y[0]), _sample(y[1]), _sample(y[2]), _sample(y[3])
                row[4], row[5], row[6], row[7] = _sample(y[4]), _sample(y[5]), _sample(y[6]), _sample(y[7])


@kernel
def _widen_row(plane, t, y, width, sums, out):
    """Row y of the picture of one component at full resolution: out int32 [>= width + 4].

    plane: uint16 [rows, columns]; t: its row of the table. sums: int32 scratch.
    """
    kind, hratio, columns = t[KIND], t[HRATIO], t[CWIDTH]
    j = y // t[VRATIO]
    near = plane[j]
    if kind in (FANCY_H1V2, FANCY_H2V2):
        odd = y & 1
        far = plane[min(max(j + 2 * odd - 1, 0), t[CHEIGHT] - 1)]
        for i in range(columns):
            sums[i] = 3 * np.int32(near[i]) + np.int32(far[i])
        if kind == FANCY_H1V2:
            for i in range(columns):
                out[i] = (sums[i] + 1 + odd) >> 2
            return
        shift, even_bias, odd_bias = 4, 8, 7
    else:
        for i in range(columns):
            sums[i] = near[i]
        shift, even_bias, odd_bias = 2, 1, 2
    if kind in (FANCY_H2V1, FANCY_H2V2):
        last = columns - 1
        for i in range(columns):
            out[2 * i] = (3 * sums[i] + sums[max(i - 1, 0)] + even_bias) >> shift
            out[2 * i + 1] = (3 * sums[i] + sums[min(i + 1, last)] + odd_bias) >> shift
    elif kind == COPY or hratio == 1:
        for i in range(width):
            out[i] = sums[i]
    else:
        for i in range(columns):
            for k in range(hratio):
                out[i * hratio + k] = sums[i]


@kernel(inline=True)
def _held(x):
    return np.uint16(min(max(x, 0), 4095))


@kernel
def _emit(rows, row, width, purpose, out):
    """One row of pixels. rows: int32 [n, >= width], full resolution; out: uint16 [height, width, channels]."""
    if purpose in (_GREY, _RGB, _INVERTED):
        for c in range(out.shape[2]):
            source = rows[min(c, rows.shape[0] - 1)]
            for x in range(width):
                out[row, x, c] = 4095 - source[x] if purpose == _INVERTED else source[x]
        return
    a, b, d = rows[0], rows[1], rows[2]
    if purpose == _LUMA:
        for x in range(width):
            out[row, x, 0] = (19595 * a[x] + 38470 * b[x] + 7471 * d[x] + 32768) >> 16
        return
    for x in range(width):
        y, cb, cr = np.int64(a[x]), np.int64(b[x]) - 2048, np.int64(d[x]) - 2048
        out[row, x, 0] = _held(y + ((91881 * cr + 32768) >> 16))
        out[row, x, 1] = _held(y + ((-22554 * cb - 46802 * cr + 32768) >> 16))
        out[row, x, 2] = _held(y + ((116130 * cb + 32768) >> 16))
    if purpose == _YCCK:
        for x in range(width):
            out[row, x, 3] = 4095 - rows[3, x]


@kernel
def _emit_rows(planes, table, purpose, out):
    """The picture, uint16 [height, width, channels]. planes: uint16 [rows, columns] each; table: as in `sampling`."""
    height, width = out.shape[:2]
    full = np.empty((len(planes), width + 8), np.int32)
    sums = np.empty(width + 8, np.int32)
    for row in range(height):
        for c in range(len(planes)):
            _widen_row(planes[c], table[c], row, width, sums, full[c])
        _emit(full, row, width, purpose, out)


def picture(
    samples: Sequence[np.ndarray], table: np.ndarray, color: ColorSpace, size: tuple[int, int], channels: int
) -> np.ndarray:
    """Pixels of 12-bit samples: uint16 [H, W] or [H, W, channels].

    samples: per component uint16 [rows, columns]. table: int64 [n, FIELDS] as in `sampling`. size: (H, W).
    """
    if color in (ColorSpace.CMYK, ColorSpace.YCCK):
        purpose = _YCCK if color is ColorSpace.YCCK else _INVERTED
    elif channels == 1:
        purpose = _LUMA if color is ColorSpace.RGB else _GREY
    else:
        purpose = _YCC if color is ColorSpace.YCBCR else _RGB
    pixels = borrow((*size, channels), np.uint16)
    _emit_rows(tuple(samples), table, purpose, pixels)
    return pixels[:, :, 0] if channels == 1 else pixels


@kernel(inline=True)
def _forward_1d(x0, x1, x2, x3, x4, x5, x6, x7):
    """(the two outputs that take no multiplication, the six others scaled by 2^13) of one pass."""
    s0, s1, s2, s3, d, c, b, a = x0 + x7, x1 + x6, x2 + x5, x3 + x4, x0 - x7, x1 - x6, x2 - x5, x3 - x4
    e0, e3, e1, e2 = s0 + s3, s0 - s3, s1 + s2, s1 - s2
    p = (e2 + e3) * 4433
    m = (a + b + c + d) * 9633
    r, s, t, w = m - 16069 * (a + c), m - 3196 * (b + d), -7373 * (a + d), -20995 * (b + c)
    odd = 12299 * d + t + s, 25172 * c + w + r, 16819 * b + w + s, 2446 * a + t + r
    return e0 + e1, e0 - e1, p + 6270 * e3, p - 15137 * e2, *odd


@kernel
def _forward_strip(samples, rows, scale, bias, out):
    """FDCT and quantisation. samples: int32 [>= 8·rows, >= 8·columns]; out: int16 [rows, columns, 64].

    scale, bias: float64 [64], 1 / (8·step) and 4·step + ½, with which products never come near an integer from below.
    """
    w = np.empty(64, np.int64)
    for r in range(rows):
        for c in range(out.shape[1]):
            for v in range(8):
                x = samples[8 * r + v, 8 * c : 8 * c + 8]
                y = _forward_1d(
                    np.int64(x[0]), np.int64(x[1]), np.int64(x[2]), np.int64(x[3]), np.int64(x[4]), np.int64(x[5]),
                    np.int64(x[6]), np.int64(x[7]),
                )  # fmt: skip
                k = 8 * v
                w[k], w[k + 4] = (y[0] - 8 * 2048) << 1, y[1] << 1
                w[k + 2], w[k + 6], w[k + 1] = (y[2] + 2048) >> 12, (y[3] + 2048) >> 12, (y[4] + 2048) >> 12
                w[k + 3], w[k + 5], w[k + 7] = (y[5] + 2048) >> 12, (y[6] + 2048) >> 12, (y[7] + 2048) >> 12
            for u in range(8):
                y = _forward_1d(w[u], w[u + 8], w[u + 16], w[u + 24], w[u + 32], w[u + 40], w[u + 48], w[u + 56])
                w[u], w[u + 32] = (y[0] + 1) >> 1, (y[1] + 1) >> 1
                w[u + 16], w[u + 48], w[u + 8] = (y[2] + 8192) >> 14, (y[3] + 8192) >> 14, (y[4] + 8192) >> 14
                w[u + 24], w[u + 40], w[u + 56] = (y[5] + 8192) >> 14, (y[6] + 8192) >> 14, (y[7] + 8192) >> 14
            block = out[r, c]
            for i in range(64):
                level = np.int64((abs(w[i]) + bias[i]) * scale[i])
                block[i] = -level if w[i] < 0 else level


@kernel
def convert_row(source, purpose, largest, full, j, padded):
    """One row of pixels [width, channels], 0..largest, to components full[c, j]; the last column repeats up to `padded`."""
    width = len(source)
    centre = (np.int64(largest + 1) << 15) + 32767
    if purpose == _YCC:
        y, cb, cr = full[0, j], full[1, j], full[2, j]
        for x in range(width):
            r, g, b = np.int64(source[x, 0]), np.int64(source[x, 1]), np.int64(source[x, 2])
            y[x] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
            cb[x] = (-11059 * r - 21709 * g + 32768 * b + centre) >> 16
            cr[x] = (32768 * r - 27439 * g - 5329 * b + centre) >> 16
    else:
        for c in range(len(full)):
            for x in range(width):
                full[c, j, x] = largest - source[x, c] if purpose == _INVERTED else source[x, c]
    for c in range(len(full)):
        full[c, j, width:padded] = full[c, j, width - 1]


@kernel
def shrink(rows, h, v, out, width):
    """v rows at full resolution to one of `width` samples with libjpeg's alternating bias."""
    for x in range(width):
        total = np.int64(0)
        for j in range(v):
            for i in range(h):
                total += rows[j, x * h + i]
        if h == 2 and v <= 2:
            out[x] = (total + (x & 1) + v - 1) >> v
        else:
            out[x] = (total + h * v // 2) // (h * v)


@kernel
def _load_strip(image, top, purpose, sampling, hmax, vmax, padded, full, samples):
    """The rows of one MCU row from image row `top` on, as samples int32 [n, 8·vmax, padded] of each component."""
    height = len(image)
    groups = min(8, -(-(height - top) // vmax))
    for g in range(groups):
        for j in range(vmax):
            convert_row(image[min(top + g * vmax + j, height - 1)], purpose, _LARGEST, full, j, padded)
        for c in range(len(sampling)):
            h, v = hmax // sampling[c, 0], vmax // sampling[c, 1]
            for k in range(sampling[c, 1]):
                shrink(full[c, k * v : (k + 1) * v], h, v, samples[c, g * sampling[c, 1] + k], padded // h)
    for c in range(len(sampling)):
        v = sampling[c, 1]
        for r in range(groups * v, 8 * v):
            samples[c, r] = samples[c, groups * v - 1]


class Pixels(NamedTuple):
    """A picture on its way to samples, an MCU row at a time."""

    image: np.ndarray
    """[H, W, channels]"""
    purpose: int
    sampling: np.ndarray
    """int64 [n, 2]: (h, v) of each component, (1, 1) of a single one"""
    hmax: int
    vmax: int
    padded: int
    """columns of whole MCUs"""


def pixels_of(image: np.ndarray, frame: Frame) -> Pixels:
    """A C-contiguous image [H, W] or [H, W, channels] of a frame."""
    n = len(frame.components)
    purpose = {ColorSpace.YCBCR: _YCC, ColorSpace.CMYK: _INVERTED}.get(frame.color, _RGB)
    sampling = np.array([(1, 1)] if n == 1 else [(k.h, k.v) for k in frame.components], np.int64)
    hmax, vmax = (int(m) for m in sampling.max(axis=0))
    padded = -(-frame.width // (8 * hmax)) * 8 * hmax
    return Pixels(image.reshape(frame.height, frame.width, n), purpose, sampling, hmax, vmax, padded)


def _strips(image: np.ndarray, frame: Frame) -> Iterator[np.ndarray]:
    """Samples of each MCU row, int32 [n, 8·vmax, padded], in the same array."""
    image, purpose, sampling, hmax, vmax, padded = pixels_of(image, frame)
    full = np.empty((len(sampling), vmax, padded), np.int32)
    samples = np.empty((len(sampling), 8 * vmax, padded), np.int32)
    for top in range(0, frame.height, 8 * vmax):
        _load_strip(image, top, purpose, sampling, hmax, vmax, padded, full, samples)
        yield samples


def transform(
    image: np.ndarray, frame: Frame, qtables: Sequence[np.ndarray], strips: Iterable[np.ndarray] | None = None
) -> list[np.ndarray]:
    """Quantised coefficients of one image: per component int16 [rows, columns, 8, 8], natural order.

    image: C-contiguous uint16 [H, W], [H, W, 3] or [H, W, 4], values 0..4095. qtables: per component uint16 [64]. strips:
    its samples by MCU rows, where they are not the plain ones.
    """
    n = len(frame.components)
    steps = [8 * q.astype(np.float64) for q in qtables]
    planes = [np.empty((*frame.blocks(c), 64), np.int16) for c in range(n)]
    for m, samples in enumerate(strips or _strips(image, frame)):
        for c, (k, plane) in enumerate(zip(frame.components, planes, strict=True)):
            v = 1 if n == 1 else k.v
            part = plane[m * v : (m + 1) * v]
            _forward_strip(samples[c], len(part), 1 / steps[c], steps[c] / 2 + 0.5, part)
    return [plane.reshape(*plane.shape[:2], 8, 8) for plane in planes]
