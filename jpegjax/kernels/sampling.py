"""Chroma sampling, a row at a time: averages on the way in, libjpeg's "fancy" triangle or repetition on the way out. Exact."""

from __future__ import annotations

import numpy as np

from ..simd import (
    Vec,
    constant,
    join,
    kernel,
    load,
    load_u8,
    store,
    store_i16,
    store_u8,
    vectorized,
)
from .rows import copy_bytes

__all__ = [
    "CHEIGHT", "COPY", "CWIDTH", "FANCY_H1V2", "FANCY_H2V1", "FANCY_H2V2", "FIELDS", "HRATIO", "KIND", "REPLICATE",
    "SAMPLES", "STRIDE", "VRATIO", "downsample_row", "upsample_row", "upsampling_kind",
]  # fmt: skip


def _pair_sums(x: Vec) -> Vec:
    wide = x.bitcast(16)
    return (wide & 255) + wide.shift_right_logical(8)


@vectorized
def _halve_h2v2(above, below, out):
    """2×32 samples to 16: (a + b + c + d + bias) >> 2, bias 1, 2, 1, 2… along the row."""
    sums = _pair_sums(load(above, 32, 8)) + _pair_sums(load(below, 32, 8))
    store(out, ((sums + constant(sums, [1, 2] * 8)) >> 2).truncate(8))


@vectorized
def _halve_h2v1(row, out):
    """32 samples to 16: (a + b + bias) >> 1, bias 0, 1, 0, 1… along the row."""
    sums = _pair_sums(load(row, 32, 8))
    store(out, ((sums + constant(sums, [0, 1] * 8)) >> 1).truncate(8))


@vectorized
def _halve_h1v2(above, below, out):
    """2×32 samples to 32: (a + b + 1) >> 1."""
    halves = []
    for half in (0, 16):
        total = load(above + half, 16, 8).zero_extend(16) + load(below + half, 16, 8).zero_extend(16) + 1
        halves.append(total.shift_right_logical(1).truncate(8))
    store(out, join(halves[0], halves[1]))


@vectorized
def _quarter_h4v1(row, out):
    """32 samples to 8: (a + b + c + d + 2) >> 2."""
    pairs_of_pairs = _pair_sums(load(row, 32, 8)).bitcast(32)
    sums = (pairs_of_pairs & 65535) + pairs_of_pairs.shift_right_logical(16)
    store(out, ((sums + 2) >> 2).truncate(8))


@kernel
def downsample_row(rows, stride, h, v, out, width):
    """v full-resolution rows to one of `width` samples, h:1 by v:1; writes up to 31 samples beyond."""
    if h == 2 and v == 2:
        for x in range(0, width, 16):
            _halve_h2v2(rows + 2 * x, rows + stride + 2 * x, out + x)
    elif h == 2 and v == 1:
        for x in range(0, width, 16):
            _halve_h2v1(rows + 2 * x, out + x)
    elif h == 1 and v == 2:
        for x in range(0, width, 32):
            _halve_h1v2(rows + x, rows + stride + x, out + x)
    elif h == 4 and v == 1:
        for x in range(0, width, 8):
            _quarter_h4v1(rows + 4 * x, out + x)
    elif h == 1 and v == 1:
        copy_bytes(out, rows, width)
    else:
        n = h * v
        for x in range(width):
            total = n // 2
            for j in range(v):
                for i in range(h):
                    total += np.int64(load_u8(rows + j * stride + x * h + i))
            store_u8(out + x, total // n)


# columns of the int64 table of components
SAMPLES = 0  # address of uint8 row 0 of the strip; the row before it holds the last one of the strip before
STRIDE = 1  # bytes a row
KIND = 2  # how it is upsampled, below
HRATIO, VRATIO = 3, 4  # hmax / h, vmax / v
CWIDTH, CHEIGHT = 5, 6  # true samples of the component
FIELDS = 8

COPY, FANCY_H2V1, FANCY_H1V2, FANCY_H2V2, REPLICATE = range(5)


def upsampling_kind(ratio: tuple[int, int], width: int, fancy: bool) -> int:
    """How libjpeg-turbo enlarges a component by (h, v) ratio. width: of its true samples in the whole picture."""
    if ratio == (1, 1):
        return COPY
    if fancy and ratio == (1, 2):
        return FANCY_H1V2
    if fancy and width > 2 and ratio == (2, 1):
        return FANCY_H2V1
    return FANCY_H2V2 if fancy and width > 2 and ratio == (2, 2) else REPLICATE


@vectorized
def _double_16(row, out):
    """16 samples, each twice."""
    store(out, load(row, 16, 8).shuffle([i // 2 for i in range(32)]))


@vectorized
def _quadruple_8(row, out):
    """8 samples, each four times."""
    store(out, load(row, 8, 8).shuffle([i // 4 for i in range(32)]))


@vectorized
def _weigh_16(near, far, out):
    """3·near + far of 16 samples, to int16."""
    n = load(near, 16, 8).zero_extend(16)
    store(out, (n << 1) + n + load(far, 16, 8).zero_extend(16))


@vectorized
def _widen_16(row, out):
    store(out, load(row, 16, 8).zero_extend(16))


@vectorized
def _triangle_16(row, out):
    """16 int16 sums 3·near + far to 32 samples: (3c + left + 8) >> 4, (3c + right + 7) >> 4."""
    c = load(row, 16, 16)
    three = (c << 1) + c
    even = (three + load(row - 2, 16, 16) + 8).shift_right_logical(4)
    odd = (three + load(row + 2, 16, 16) + 7).shift_right_logical(4)
    store(out, even | (odd << 8))


@vectorized
def _triangle_h_16(row, out):
    """16 samples as int16 to 32: (3s + left + 1) >> 2, (3s + right + 2) >> 2."""
    c = load(row, 16, 16)
    three = (c << 1) + c
    even = (three + load(row - 2, 16, 16) + 1).shift_right_logical(2)
    odd = (three + load(row + 2, 16, 16) + 2).shift_right_logical(2)
    store(out, even | (odd << 8))


@vectorized
def _triangle_v_32(near, far, bias, out):
    """32 samples between two rows: (3·near + far + bias) >> 2."""
    halves = []
    for half in (0, 16):
        n = load(near + half, 16, 8).zero_extend(16)
        total = (n << 1) + n + load(far + half, 16, 8).zero_extend(16) + bias.splat(16, 16)
        halves.append(total.shift_right_logical(2).truncate(8))
    store(out, join(halves[0], halves[1]))


@kernel
def upsample_row(t, row, out, sums, top):
    """Row `row` of the image, one component: address of its full-width samples, `out` where they had to be made.

    t: the component's row of the table. top: first image row of the strip. sums: address of int16 scratch with 32 bytes
    before and 64 behind.
    """
    kind, stride, vratio, cwidth = t[KIND], t[STRIDE], t[VRATIO], t[CWIDTH]
    j = row // vratio  # component row, also outside the strip: only the row before it is kept
    first = top // vratio
    near = t[SAMPLES] + (j - first) * stride
    if kind == COPY:
        return near
    if kind == REPLICATE:
        h = t[HRATIO]
        if h == 1:
            return near
        if h == 2:
            for x in range(0, cwidth, 16):
                _double_16(near + x, out + 2 * x)
        elif h == 4:
            for x in range(0, cwidth, 8):
                _quadruple_8(near + x, out + 4 * x)
        else:
            for x in range(cwidth):
                value = load_u8(near + x)
                for i in range(h):
                    store_u8(out + x * h + i, value)
        return out
    if kind == FANCY_H2V1:
        for x in range(0, cwidth, 16):
            _widen_16(near + x, sums + 2 * x)
        store_i16(sums - 2, load_u8(near))
        store_i16(sums + 2 * cwidth, load_u8(near + cwidth - 1))
        for x in range(0, cwidth, 16):
            _triangle_h_16(sums + 2 * x, out + 2 * x)
        return out
    odd = row % 2
    other = j + 1 if odd else j - 1
    other = min(max(other, 0), t[CHEIGHT] - 1)
    far = t[SAMPLES] + (other - first) * stride
    if kind == FANCY_H1V2:
        for x in range(0, cwidth, 32):
            _triangle_v_32(near + x, far + x, 1 + odd, out + x)
        return out
    for x in range(0, cwidth, 16):
        _weigh_16(near + x, far + x, sums + 2 * x)
    store_i16(sums - 2, 3 * np.int64(load_u8(near)) + np.int64(load_u8(far)))
    store_i16(sums + 2 * cwidth, 3 * np.int64(load_u8(near + cwidth - 1)) + np.int64(load_u8(far + cwidth - 1)))
    for x in range(0, cwidth, 16):
        _triangle_16(sums + 2 * x, out + 2 * x)
    return out
