"""Float samples to rows of pixels: upsampling and colour, rounded at the end for integers."""

from __future__ import annotations

import numpy as np

from ...simd import kernel
from ..sampling import (
    CHEIGHT,
    COPY,
    CWIDTH,
    FANCY_H1V2,
    FANCY_H2V1,
    FANCY_H2V2,
    HRATIO,
    KIND,
    SAMPLES,
    STRIDE,
    VRATIO,
)

__all__ = ["GREY", "INKS", "LUMA", "PLANES", "YCC", "YCCK", "emit_rows"]

GREY, PLANES, YCC, LUMA, INKS, YCCK = range(6)
"""What becomes of components: one in all channels; a channel each; RGB of YCbCr; grey of RGB; inverted; inks of YCCK."""

_Q, _T = np.float32(0.25), np.float32(0.75)
_R, _G, _B = np.float32(0.299), np.float32(0.587), np.float32(0.114)
_CR_R, _CB_B = np.float32(1.402), np.float32(1.772)
_CB_G, _CR_G = np.float32(-0.114 * 1.772 / 0.587), np.float32(-0.299 * 1.402 / 0.587)


@kernel
def _blend(near, far, out):
    for i in range(len(near)):
        out[i] = _T * near[i] + _Q * far[i]


@kernel
def _double(x, out):
    """The triangle filter along a row: float32 [n] to [2n]."""
    last = len(x) - 1
    out[0] = x[0]
    out[2 * last + 1] = x[last]
    for i in range(last):
        out[2 * i + 1] = _T * x[i] + _Q * x[i + 1]
        out[2 * i + 2] = _T * x[i + 1] + _Q * x[i]


@kernel
def _widen(memory, t, y, width, sums, out):
    """Row y of a component at full resolution, float32 [>= width]: `out`, or where the samples are.

    t: the component's row of the table. sums: scratch.
    """
    kind, stride, columns = t[KIND], t[STRIDE], t[CWIDTH]
    j = y // t[VRATIO]
    at = t[SAMPLES] + j * stride
    near = memory[at : at + columns]
    if kind in (FANCY_H1V2, FANCY_H2V2):
        other = min(max(j + 2 * (y & 1) - 1, 0), t[CHEIGHT] - 1)
        at = t[SAMPLES] + other * stride
        mixed = (out if kind == FANCY_H1V2 else sums)[:columns]
        _blend(near, memory[at : at + columns], mixed)
        near = mixed
    if kind in (FANCY_H2V1, FANCY_H2V2):
        _double(near, out)
        return out
    h = t[HRATIO]
    if kind == COPY or h == 1:
        return near
    if kind != FANCY_H1V2:
        for i in range(columns):
            for k in range(h):
                out[i * h + k] = near[i]
    return out


@kernel(inline=True)
def _held(x, largest):
    return min(max(x, np.float32(0)), largest)


@kernel
def _colours(a, b, c, d, purpose, centre, largest, out):
    """A row of pixels, float32 [width, channels], from four components at full resolution, of which only some count."""
    width, channels = out.shape
    if purpose == GREY:
        for k in range(channels):
            for x in range(width):
                out[x, k] = a[x]
    elif purpose == LUMA:
        for x in range(width):
            out[x, 0] = _R * a[x] + _G * b[x] + _B * c[x]
    elif purpose in (YCC, YCCK):
        for x in range(width):
            y, cb, cr = a[x], b[x] - centre, c[x] - centre
            out[x, 0] = _held(y + _CR_R * cr, largest)
            out[x, 1] = _held(y + _CB_G * cb + _CR_G * cr, largest)
            out[x, 2] = _held(y + _CB_B * cb, largest)
        if purpose == YCCK:
            for x in range(width):
                out[x, 3] = largest - d[x]
    else:
        for x in range(width):
            out[x, 0], out[x, 1], out[x, 2] = a[x], b[x], c[x]
            if channels == 4:
                out[x, 3] = d[x]
        if purpose == INKS:
            for x in range(width):
                for k in range(channels):
                    out[x, k] = largest - out[x, k]


@kernel
def emit_rows(memory, table, purpose, centre, largest, scale, row0, row1, out):
    """Rows row0..row1-1 of a picture.

    memory: float32 samples of all components. table: int64 [n, FIELDS] of `sampling`, but SAMPLES is the index of a
    component's row 0 in memory, had it one there, and STRIDE counts samples. centre: of chroma. largest: the value of white,
    all float32. scale: what pixels are multiplied by before they are rounded, 0 for floats, which are not.
    out: float32, uint16 or uint8 [height, width, channels].
    """
    width, channels = out.shape[1:]
    n = len(table)
    wide = np.empty((4, width + 16), np.float32)
    sums = np.empty(width + 16, np.float32)
    row = np.empty((width, channels), np.float32)
    for y in range(row0, row1):
        a = _widen(memory, table[0], y, width, sums, wide[0])
        b, c, d = a, a, a
        if n > 1:
            b = _widen(memory, table[1], y, width, sums, wide[1])
        if n > 2:
            c = _widen(memory, table[2], y, width, sums, wide[2])
        if n > 3:
            d = _widen(memory, table[3], y, width, sums, wide[3])
        _colours(a, b, c, d, purpose, centre, largest, row)
        if scale == 0:
            out[y] = row
        else:
            for x in range(width):
                for k in range(channels):
                    out[y, x, k] = np.int32(row[x, k] * scale + np.float32(0.5))
