"""Pixels to quantised coefficients, strip by strip: colour, chroma downsampling, FDCT, quantisation.

A strip is one row of MCUs. Its samples and blocks stay in cache, so that the entropy coder reads them from there.
Exact: libjpeg's "islow" integers throughout. Two neighbouring blocks share a 256-bit register, one in each half.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..simd import (
    Vec,
    constant,
    join,
    kernel,
    load,
    load_u8,
    mulhi_u,
    pack_u8,
    prefetch,
    store,
    store_u8,
    unpack_high,
    unpack_low,
    vectorized,
    with_sign,
    zero,
)
from .lanes import descaled, dot, less, pairs, plus, transposed

__all__ = ["fill_strip", "quantiser", "raw_strip", "transform_strip"]


def _fdct_1d(x: list[Vec], n: int) -> list[Vec]:
    """One 1-D pass, descaled by n (11 rows, 15 columns): Loeffler, Ligtenberg and Moschytz with 13-bit constants.

    The row pass takes samples 0..255 and shifts their level by its DC, the one output that sees it.
    """
    half = 1 << (n - 1)
    s0, s1, s2, s3 = (x[k] + x[7 - k] for k in range(4))
    d, c, b, a = (x[k] - x[7 - k] for k in range(4))
    e0, e3, e1, e2 = s0 + s3, s0 - s3, s1 + s2, s1 - s2
    if n == 11:
        y0, y4 = (e0 + e1 - 8 * 128) << 2, (e0 - e1) << 2
    else:
        y0, y4 = (e0 + e1 + 2) >> 2, (e0 - e1 + 2) >> 2
    even = pairs(e2, e3)
    y2 = descaled(plus(dot(even, 4433, 10703), half), n)
    y6 = descaled(plus(dot(even, -10704, 4433), half), n)
    z = pairs(a + c, b + d)
    r, s = plus(dot(z, -6436, 9633), half), plus(dot(z, 9633, 6437), half)
    ad, bc = pairs(a, d), pairs(b, c)
    y7 = descaled(plus(dot(ad, -4927, -7373), r), n)
    y1 = descaled(plus(dot(ad, -7373, 4926), s), n)
    y5 = descaled(plus(dot(bc, -4176, -20995), s), n)
    y3 = descaled(plus(dot(bc, -20995, 4177), r), n)
    return [y0, y1, y2, y3, y4, y5, y6, y7]


@vectorized
def _transform_pair(samples, stride, table, out0, out1):
    """Two neighbouring 8×8 uint8 blocks to quantised int16 [64] blocks in natural order."""
    x = [load(samples + stride * i, 16, 8).zero_extend(16) for i in range(8)]
    y = _fdct_1d(transposed(_fdct_1d(transposed(x), 11)), 15)
    for v in range(8):
        corr, recip, scale = (load(table + (96 * v + 32 * i), 16, 16) for i in range(3))
        q = with_sign(mulhi_u(mulhi_u(y[v].abs() + corr, recip), scale), y[v])
        store(out0 + 16 * v, q.shuffle(range(8)))
        store(out1 + 16 * v, q.shuffle(range(8, 16)))


@vectorized
def _raw_pair(samples, stride, out0, out1):
    """Two neighbouring 8×8 uint8 blocks to 8·DCT, int16 [64] blocks in natural order."""
    x = [load(samples + stride * i, 16, 8).zero_extend(16) for i in range(8)]
    y = _fdct_1d(transposed(_fdct_1d(transposed(x), 11)), 15)
    for v in range(8):
        store(out0 + 16 * v, y[v].shuffle(range(8)))
        store(out1 + 16 * v, y[v].shuffle(range(8, 16)))


@lru_cache(maxsize=256)
def _quantiser(steps: bytes) -> np.ndarray:
    table = np.zeros((64, 3), np.uint16)
    for i, step in enumerate(np.frombuffer(steps, np.uint16).tolist()):
        divisor = 8 * step
        if divisor > 65535:
            continue  # |8·DCT| stays below half of it: always 0
        r = 16 + divisor.bit_length() - 1
        quotient, rest = divmod(1 << r, divisor)
        correction = divisor // 2
        if rest == 0:
            quotient, r = quotient >> 1, r - 1
        elif rest <= divisor // 2:
            correction += 1
        else:
            quotient += 1
        table[i] = correction, quotient, 1 << (32 - r)
    rows = table.reshape(8, 8, 3).transpose(0, 2, 1)
    return np.ascontiguousarray(np.concatenate([rows, rows], axis=2))


def quantiser(qtable: np.ndarray) -> np.ndarray:
    """uint16 [8, 3, 16]: per row of coefficients the correction, reciprocal and scale of x → round(x / (8·step)).

    qtable: uint16 [64], natural order. |x|·2 + 8·step < 2^17; exact for every step below 8192, 0 from there on.
    """
    return _quantiser(np.ascontiguousarray(qtable, np.uint16).tobytes())


@kernel
def transform_strip(samples, stride, rows, columns, table, out, spare):
    """FDCT and quantisation of rows × columns blocks.

    samples: address of uint8, `stride` bytes a row, readable to an even number of block columns. out: address of int16
    [rows, columns, 64]. spare: address of 128 bytes that take the block beside an odd last column.
    """
    for r in range(rows):
        source, target = samples + r * 8 * stride, out + r * columns * 128
        for c in range(0, columns - 1, 2):
            _transform_pair(source + 8 * c, stride, table, target + 128 * c, target + 128 * c + 128)
        if columns & 1:
            c = columns - 1
            _transform_pair(source + 8 * c, stride, table, target + 128 * c, spare)


@kernel
def raw_strip(samples, stride, rows, columns, out, spare):
    """`transform_strip` without quantisation: the islow DCT as it leaves its column pass, 8 times the orthonormal one."""
    for r in range(rows):
        source, target = samples + r * 8 * stride, out + r * columns * 128
        for c in range(0, columns - 1, 2):
            _raw_pair(source + 8 * c, stride, target + 128 * c, target + 128 * c + 128)
        if columns & 1:
            c = columns - 1
            _raw_pair(source + 8 * c, stride, target + 128 * c, spare)


def deinterleaved(a: Vec, b: Vec, c: Vec) -> list[Vec]:
    """R, G, B of 2×16 pixels whose 48 bytes lie in three 128-bit parts; 3 and 16 are coprime, so blends never collide."""
    channels = []
    for k in range(3):
        at = [(3 * p + k) for p in range(16)]  # byte of pixel p in the 48
        part = [0] * 16
        for byte in at:
            part[byte % 16] = byte // 16
        ab = a.shuffle([i + 32 * (part[i % 16] == 1) for i in range(32)], b)
        abc = ab.shuffle([i + 32 * (part[i % 16] == 2) for i in range(32)], c)
        channels.append(abc.shuffle([16 * half + byte % 16 for half in (0, 1) for byte in at]))
    return channels


@vectorized
def _ycc_32(rgb, y, cb, cr):
    """32 pixels RGB to Y, Cb, Cr. Cb and Cr add one half minus one unit, so that they need no clamp."""
    r, g, b = deinterleaved(*(join(load(rgb + 16 * i, 16, 8), load(rgb + (48 + 16 * i), 16, 8)) for i in range(3)))
    none = zero(rgb, 32, 8)
    planes: list[list[Vec]] = [[], [], []]
    for half in (unpack_low, unpack_high):
        # byte pairs widen to int16 pairs in the same step that splits them
        rg, bg = (tuple(f(half(p, g), none).bitcast(16) for f in (unpack_low, unpack_high)) for p in (r, b))
        luma = plus(plus(dot(rg, 19595, 22086), dot(bg, 7471, 16384)), 32768)
        blue = plus(less(dot(rg, -11059, -21709), dot(bg, -32768, 0)), 8421375)
        red = plus(less(dot(bg, -5329, -27439), dot(rg, -32768, 0)), 8421375)
        for plane, value in zip(planes, (luma, blue, red), strict=True):
            plane.append(descaled(value, 16))
    for address, (low, high) in zip((y, cb, cr), planes, strict=True):
        store(address, pack_u8(low, high))


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


@vectorized
def _copy_32(source, target):
    store(target, load(source, 32, 8))


@vectorized
def _fill_32(target, value):
    store(target, value.splat(32, 8))


@kernel
def copy_bytes(target, source, n):
    """Copy n bytes; writes up to 31 beyond them, reads none beyond. Regions must not overlap."""
    whole = n & ~31
    for i in range(0, whole, 32):
        _copy_32(source + i, target + i)
    for i in range(whole, n):
        store_u8(target + i, load_u8(source + i))


@kernel
def extend_row(row, width, padded):
    """Repeat sample width-1 up to `padded`; writes up to 31 bytes beyond it."""
    last = load_u8(row + width - 1)
    i = width
    while i < padded:
        _fill_32(row + i, last)
        i += 32


@kernel
def ycc_row(rgb, y, cb, cr, width, padded, tail, ahead):
    """One row of RGB to three rows, extended to `padded` samples.

    tail: address of 96 bytes of scratch. ahead: bytes from here to the row that the cache should fetch meanwhile.
    """
    whole = width & ~31
    for x in range(0, whole, 32):
        prefetch(rgb + 3 * x + ahead)
        prefetch(rgb + 3 * x + ahead + 64)
        _ycc_32(rgb + 3 * x, y + x, cb + x, cr + x)
    if whole < width:
        for i in range(3 * (width - whole)):
            store_u8(tail + i, load_u8(rgb + 3 * whole + i))
        _ycc_32(tail, y + whole, cb + whole, cr + whole)
    extend_row(y, width, padded)
    extend_row(cb, width, padded)
    extend_row(cr, width, padded)


@vectorized
def _inverted_32(cmyk, c, m, y, k):
    """32 pixels of four channels to four planes, 255 minus each."""
    quads = [load(cmyk + 32 * i, 32, 8) for i in range(4)]
    apart = [(q ^ -1).shuffle([4 * p + channel for channel in range(4) for p in range(8)]).bitcast(64) for q in quads]
    even = [apart[i].shuffle([0, 4, 2, 6], apart[i + 1]) for i in (0, 2)]
    odd = [apart[i].shuffle([1, 5, 3, 7], apart[i + 1]) for i in (0, 2)]
    for out, pair, first in ((c, even, 0), (m, odd, 0), (y, even, 2), (k, odd, 2)):
        store(out, pair[0].shuffle([first, first + 1, first + 4, first + 5], pair[1]).bitcast(8))


@kernel
def cmyk_row(cmyk, c, m, y, k, width, padded, tail):
    """One row of CMYK to four rows, inverted as Adobe stores them and extended to `padded` samples.

    tail: address of 128 bytes of scratch.
    """
    whole = width & ~31
    for x in range(0, whole, 32):
        _inverted_32(cmyk + 4 * x, c + x, m + x, y + x, k + x)
    if whole < width:
        for i in range(4 * (width - whole)):
            store_u8(tail + i, load_u8(cmyk + 4 * whole + i))
        _inverted_32(tail, c + whole, m + whole, y + whole, k + whole)
    extend_row(c, width, padded)
    extend_row(m, width, padded)
    extend_row(y, width, padded)
    extend_row(k, width, padded)


@kernel
def _full_row(c, j, row, sampling, hmax, vmax, planes, strides, full, full_stride):
    """Where full-resolution row j of a vertical group goes: the strip's `row`, or `full` if it waits for downsampling."""
    if sampling[c, 0] == hmax and sampling[c, 1] == vmax:
        return planes[c] + row * strides[c]
    return full + (4 * c + j) * full_stride


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


@kernel
def fill_strip(image, height, width, channels, mcu_row, sampling, planes, strides, full, full_stride):
    """Cut MCU row `mcu_row` out of an image into the strips of its components, downsampled and padded (libjpeg's edges).

    image: address of uint8 [height, width, channels]. sampling: int64 [n, 2] (h, v). planes, strides: address and row
    bytes of each component's strip, 8·v rows. full: address of 4·channels + 1 rows of `full_stride` bytes for the
    full-resolution rows of one vertical group (vmax of them for each component; the last is scratch).
    """
    n = len(sampling)
    hmax, vmax = 1, 1
    for c in range(n):
        hmax, vmax = max(hmax, sampling[c, 0]), max(vmax, sampling[c, 1])
    if n == 1:
        hmax, vmax = 1, 1
    padded = -(-width // (8 * hmax)) * 8 * hmax
    top = mcu_row * 8 * vmax
    groups = min(8, -(-(height - top) // vmax))
    for g in range(groups):
        for j in range(vmax):
            source = image + min(top + g * vmax + j, height - 1) * width * channels
            if channels == 1:
                copy_bytes(planes[0] + g * strides[0], source, width)
                extend_row(planes[0] + g * strides[0], width, padded)
                continue
            row = g * vmax + j
            if channels == 4:
                a = _full_row(0, j, row, sampling, hmax, vmax, planes, strides, full, full_stride)
                b = _full_row(1, j, row, sampling, hmax, vmax, planes, strides, full, full_stride)
                c = _full_row(2, j, row, sampling, hmax, vmax, planes, strides, full, full_stride)
                d = _full_row(3, j, row, sampling, hmax, vmax, planes, strides, full, full_stride)
                cmyk_row(source, a, b, c, d, width, padded, full + 16 * full_stride)
                continue
            r0 = full + j * full_stride
            # components at full resolution go straight to their strips, the others wait in `full` for downsampling
            y = planes[0] + (g * vmax + j) * strides[0] if sampling[0, 0] == hmax and sampling[0, 1] == vmax else r0
            cb = (
                planes[1] + (g * vmax + j) * strides[1]
                if sampling[1, 0] == hmax and sampling[1, 1] == vmax
                else r0 + 4 * full_stride
            )
            cr = (
                planes[2] + (g * vmax + j) * strides[2]
                if sampling[2, 0] == hmax and sampling[2, 1] == vmax
                else r0 + 8 * full_stride
            )
            ycc_row(source, y, cb, cr, width, padded, full + 12 * full_stride, 8 * vmax * width * 3)
        if channels > 1:
            for c in range(n):
                h, v = hmax // sampling[c, 0], vmax // sampling[c, 1]
                if h * v > 1:
                    for k in range(sampling[c, 1]):
                        downsample_row(
                            full + (4 * c + k * v) * full_stride,
                            full_stride,
                            h,
                            v,
                            planes[c] + (g * sampling[c, 1] + k) * strides[c],
                            padded // h,
                        )
    for c in range(n):
        v = sampling[c, 1] if n > 1 else 1
        # rows below the image repeat the last downsampled row
        last = planes[c] + (groups * v - 1) * strides[c]
        for r in range(groups * v, 8 * v):
            copy_bytes(planes[c] + r * strides[c], last, strides[c])
