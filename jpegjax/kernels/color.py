"""Colour, a row of pixels at a time and both ways (libjpeg's integers, exact)."""

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
    prefetch,
    store,
    store_u8,
    unpack_high,
    unpack_low,
    vectorized,
    zero,
)
from .lanes import descaled, dot, less, plus
from .rows import copy_exact, extend_row

__all__ = [
    "cmyk_to_planes_row", "interleave_row", "planes_to_cmyk_row", "rgb_to_gray_row", "rgb_to_planes_row",
    "rgb_to_ycbcr_row", "ycbcr_to_rgb_row",
]  # fmt: skip


def _deinterleaved(a: Vec, b: Vec, c: Vec) -> list[Vec]:
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
    r, g, b = _deinterleaved(*(join(load(rgb + 16 * i, 16, 8), load(rgb + (48 + 16 * i), 16, 8)) for i in range(3)))
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


@kernel
def rgb_to_ycbcr_row(rgb, y, cb, cr, width, padded, tail, ahead):
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
def _planes_32(rgb, r, g, b):
    """32 pixels of three channels to three planes."""
    parts = [join(load(rgb + 16 * i, 16, 8), load(rgb + (48 + 16 * i), 16, 8)) for i in range(3)]
    for address, plane in zip((r, g, b), _deinterleaved(*parts), strict=True):
        store(address, plane)


@kernel
def rgb_to_planes_row(rgb, r, g, b, width, padded, tail):
    """One row of RGB to three rows, as they are, extended to `padded` samples. tail: address of 96 bytes of scratch."""
    whole = width & ~31
    for x in range(0, whole, 32):
        _planes_32(rgb + 3 * x, r + x, g + x, b + x)
    if whole < width:
        for i in range(3 * (width - whole)):
            store_u8(tail + i, load_u8(rgb + 3 * whole + i))
        _planes_32(tail, r + whole, g + whole, b + whole)
    extend_row(r, width, padded)
    extend_row(g, width, padded)
    extend_row(b, width, padded)


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
def cmyk_to_planes_row(cmyk, c, m, y, k, width, padded, tail):
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
def ycbcr_to_rgb_row(y, cb, cr, out, width, tail):
    """One row of samples to `width` pixels RGB. tail: address of 96 bytes of scratch."""
    whole = width & ~31
    for x in range(0, whole, 32):
        _rgb_32(y + x, cb + x, cr + x, out + 3 * x)
    if whole < width:
        _rgb_32(y + whole, cb + whole, cr + whole, tail)
        copy_exact(out + 3 * whole, tail, 3 * (width - whole))


@kernel
def interleave_row(r, g, b, out, width, tail):
    """One row of samples to `width` pixels of three channels, as they are. tail: address of 96 bytes of scratch."""
    whole = width & ~31
    for x in range(0, whole, 32):
        _interleave_32(r + x, g + x, b + x, out + 3 * x)
    if whole < width:
        _interleave_32(r + whole, g + whole, b + whole, tail)
        copy_exact(out + 3 * whole, tail, 3 * (width - whole))


@kernel
def rgb_to_gray_row(r, g, b, out, width):
    """One row of samples to `width` pixels of libjpeg's luma."""
    for x in range(width):
        red, green, blue = np.int64(load_u8(r + x)), np.int64(load_u8(g + x)), np.int64(load_u8(b + x))
        store_u8(out + x, (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16)


@kernel
def planes_to_cmyk_row(a, b, c, d, ycck, out, width, tail):
    """One row of inverted CMYK samples, as Adobe stores it, to `width` pixels CMYK. tail: address of 128 bytes of scratch.

    ycck: the first three are YCbCr.
    """
    whole = width & ~31
    for x in range(0, width, 32):
        target = out + 4 * x if x < whole else tail
        if ycck:
            _ycck_32(a + x, b + x, c + x, d + x, target)
        else:
            _cmyk_32(a + x, b + x, c + x, d + x, target)
    copy_exact(out + 4 * whole, tail, 4 * (width - whole))
