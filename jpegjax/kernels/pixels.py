"""Component samples to pixels, row by row: chroma upsampling and colour (libjpeg's defaults, exact)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..simd import (
    Int,
    Vec,
    constant,
    join,
    kernel,
    load,
    load_u8,
    madd,
    mulhi,
    pack_i16,
    pack_u8,
    store,
    store_i16,
    store_u8,
    unpack_high,
    unpack_low,
    vectorized,
    zero,
)
from .forward import copy_bytes

__all__ = [
    "CHEIGHT",
    "COPY",
    "CWIDTH",
    "FANCY_H1V2",
    "FANCY_H2V1",
    "FANCY_H2V2",
    "FIELDS",
    "HRATIO",
    "KIND",
    "REPLICATE",
    "SAMPLES",
    "STRIDE",
    "VRATIO",
    "emit_rows",
    "upsample_row",
    "upsampling_kind",
]  # fmt: skip

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


def _to_rgb(y: Int, cb: Int, cr: Int) -> tuple[Vec, Vec, Vec]:
    """R, G, B of 32 pixels YCbCr: R = Y + (91881·cr + 2^15 >> 16) and so on, each clamped."""
    none = zero(y, 32, 8)
    luma32, blue32, red32 = load(y, 32, 8), load(cb, 32, 8), load(cr, 32, 8)
    planes = []
    for half in (unpack_low, unpack_high):
        luma = half(luma32, none).bitcast(16)
        blue, red = half(blue32, none).bitcast(16) - 128, half(red32, none).bitcast(16) - 128
        blue2, red2 = blue + blue, red + red
        r = luma + red + ((mulhi(red2, constant(red2, 26345)) + 1) >> 1)
        b = luma + blue2 + ((mulhi(blue2, constant(blue2, -14942)) + 1) >> 1)
        weights = constant(blue, [-22554, 18734] * 8)
        low = (madd(unpack_low(blue, red), weights) + 32768) >> 16
        high = (madd(unpack_high(blue, red), weights) + 32768) >> 16
        planes.append((r, luma - red + pack_i16(low, high), b))
    red, green, blue = (pack_u8(p, q) for p, q in zip(*planes, strict=True))
    return red, green, blue


@vectorized
def _rgb_32(y, cb, cr, out):
    _interleave(*_to_rgb(y, cb, cr), out)


def _interleave(r, g, b, out):
    """32 pixels to 96 bytes: each channel takes its places modulo 16 by one shuffle, then blends pick the parts."""
    turned = []
    for k, channel in enumerate((r, g, b)):
        place = [0] * 16
        for p in range(16):
            place[(3 * p + k) % 16] = p
        turned.append(channel.shuffle([16 * half + p for half in (0, 1) for p in place]))
    for part in range(3):
        owner = [(16 * part + i) % 3 for i in range(16)]
        rg = turned[0].shuffle([i + 32 * (owner[i % 16] == 1) for i in range(32)], turned[1])
        rgb = rg.shuffle([i + 32 * (owner[i % 16] == 2) for i in range(32)], turned[2])
        store(out + 16 * part, rgb.shuffle(range(16)))
        store(out + (48 + 16 * part), rgb.shuffle(range(16, 32)))


@vectorized
def _interleave_32(r, g, b, out):
    _interleave(load(r, 32, 8), load(g, 32, 8), load(b, 32, 8), out)


def _interleave_four(*inks_and_out: Any) -> None:
    """32 pixels to 128 bytes: four registers, then the address."""
    a, b, c, d, out = inks_and_out
    pairs = [[p.shuffle([i + n for i in range(half, half + 16) for n in (0, 32)], q).bitcast(16) for half in (0, 16)]
             for p, q in ((a, b), (c, d))]  # fmt: skip
    for half in (0, 1):
        for part in (0, 1):
            places = [i + n for i in range(8 * part, 8 * part + 8) for n in (0, 16)]
            store(out + (64 * half + 32 * part), pairs[0][half].shuffle(places, pairs[1][half]))


@vectorized
def _cmyk_32(c, m, y, k, out):
    """32 pixels of inverted CMYK, as Adobe stores it, to CMYK."""
    _interleave_four(*(load(row, 32, 8) ^ -1 for row in (c, m, y, k)), out)


@vectorized
def _ycck_32(y, cb, cr, k, out):
    """32 pixels of YCCK to CMYK: YCbCr holds 255 minus the inverted C, M and Y, and so the ink itself."""
    _interleave_four(*_to_rgb(y, cb, cr), load(k, 32, 8) ^ -1, out)


@kernel
def upsample_row(t, row, out, sums, top, vmax):
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


@kernel
def _copy_exact(target, source, n):
    for i in range(n):
        store_u8(target + i, load_u8(source + i))


@kernel
def _emit_four(a, b, c, d, width, color, target, tail):
    """One row of four channels. color: 1 for YCCK, 0 for CMYK. tail: address of 128 bytes of scratch."""
    whole = width & ~31
    for x in range(0, width, 32):
        out = target + 4 * x if x < whole else tail
        if color == 1:
            _ycck_32(a + x, b + x, c + x, d + x, out)
        else:
            _cmyk_32(a + x, b + x, c + x, d + x, out)
    _copy_exact(target + 4 * whole, tail, 4 * (width - whole))


@kernel
def emit_rows(table, row0, row1, top, vmax, width, color, channels, pixels, scratch, span):
    """Write image rows row0..row1-1.

    table: int64 [n, FIELDS]. top: image row where the strip starts. color: 1 where the first three components are YCbCr,
    0 where they are the output's own. channels: 1 writes the first component, 3 RGB (a single component is repeated), 4
    CMYK, 255 minus what the file holds. pixels: address of uint8 [height, width, channels]. scratch: address of 8 parts
    of `span` >= width + 128 bytes.
    """
    n = len(table)
    whole = width & ~31
    sums = scratch + 4 * span + 64
    tail = scratch + 7 * span
    for row in range(row0, row1):
        target = pixels + row * width * channels
        a = upsample_row(table[0], row, scratch, sums, top, vmax)
        if channels == 1:
            copied = width & ~31
            copy_bytes(target, a, copied)
            _copy_exact(target + copied, a + copied, width - copied)
            continue
        b, c = a, a
        if n > 1:
            b = upsample_row(table[1], row, scratch + span, sums, top, vmax)
            c = upsample_row(table[2], row, scratch + 2 * span, sums, top, vmax)
        if channels == 4:
            d = upsample_row(table[3], row, scratch + 3 * span, sums, top, vmax)
            _emit_four(a, b, c, d, width, color, target, tail)
            continue
        if n > 1 and color == 1:
            for x in range(0, whole, 32):
                _rgb_32(a + x, b + x, c + x, target + 3 * x)
            if whole < width:
                _rgb_32(a + whole, b + whole, c + whole, tail)
        else:
            for x in range(0, whole, 32):
                _interleave_32(a + x, b + x, c + x, target + 3 * x)
            if whole < width:
                _interleave_32(a + whole, b + whole, c + whole, tail)
        if whole < width:
            _copy_exact(target + 3 * whole, tail, 3 * (width - whole))
