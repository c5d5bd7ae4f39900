"""The "islow" DCT of 8×8 blocks, both ways and exact, fused with quantisation; two blocks share a register, one in each half.

Lane arithmetic wraps and saturates as the SIMD of libjpeg-turbo does, so that even impossible coefficients give its pixels.
"""

from __future__ import annotations

import numpy as np

from ..simd import (
    Int,
    Vec,
    bitcast_mask,
    join,
    kernel,
    load,
    load_i16,
    load_u8,
    mulhi_u,
    pack_i8,
    pack_i16,
    store,
    store_u8,
    unpack_high,
    unpack_low,
    vectorized,
    with_sign,
    zero,
)
from .lanes import descaled, dot, less, pairs, plus, sample_rows, transposed

__all__ = ["fdct_1d", "fdct_strip", "idct_1d", "idct_strip", "quantised_strip"]


def fdct_1d(x: list[Vec], n: int) -> list[Vec]:
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
def _quantised_pair(samples, stride, table, out0, out1):
    """Two neighbouring 8×8 uint8 blocks to quantised int16 [64] blocks in natural order; of one address, the first stays."""
    x = [load(samples + stride * i, 16, 8).zero_extend(16) for i in range(8)]
    y = fdct_1d(transposed(fdct_1d(transposed(x), 11)), 15)
    for v in range(8):
        corr, recip, scale = (load(table + (96 * v + 32 * i), 16, 16) for i in range(3))
        q = with_sign(mulhi_u(mulhi_u(y[v].abs() + corr, recip), scale), y[v])
        store(out1 + 16 * v, q.shuffle(range(8, 16)))
        store(out0 + 16 * v, q.shuffle(range(8)))


@vectorized
def _fdct_pair(samples, stride, out0, out1):
    """As `_quantised_pair`, to 8·DCT."""
    x = [load(samples + stride * i, 16, 8).zero_extend(16) for i in range(8)]
    y = fdct_1d(transposed(fdct_1d(transposed(x), 11)), 15)
    for v in range(8):
        store(out1 + 16 * v, y[v].shuffle(range(8, 16)))
        store(out0 + 16 * v, y[v].shuffle(range(8)))


@kernel
def quantised_strip(samples, stride, rows, columns, table, out):
    """FDCT and quantisation of rows × columns blocks.

    samples: address of uint8, `stride` bytes a row, readable to an even number of block columns. table: address of a
    `quantiser`. out: address of int16 [rows, columns, 64].
    """
    for r in range(rows):
        source, target = samples + r * 8 * stride, out + r * columns * 128
        for c in range(0, columns - 1, 2):
            _quantised_pair(source + 8 * c, stride, table, target + 128 * c, target + 128 * c + 128)
        if columns & 1:
            c = columns - 1
            _quantised_pair(source + 8 * c, stride, table, target + 128 * c, target + 128 * c)


@kernel
def fdct_strip(samples, stride, rows, columns, out):
    """`quantised_strip` without quantisation: the islow DCT as it leaves its column pass, 8 times the orthonormal one."""
    for r in range(rows):
        source, target = samples + r * 8 * stride, out + r * columns * 128
        for c in range(0, columns - 1, 2):
            _fdct_pair(source + 8 * c, stride, target + 128 * c, target + 128 * c + 128)
        if columns & 1:
            c = columns - 1
            _fdct_pair(source + 8 * c, stride, target + 128 * c, target + 128 * c)


def _scaled(x: Vec) -> tuple[Vec, Vec]:
    """x·2^13 in int32."""
    nothing = zero(x, x.lanes, 16)
    return unpack_low(nothing, x).bitcast(32) >> 3, unpack_high(nothing, x).bitcast(32) >> 3


def idct_1d(x: list[Vec], n: int) -> list[Vec]:
    """One 1-D pass of eight inputs, or of the first four with the others 0; descaled by n (11 columns, 18 rows)."""
    half = 1 << (n - 1)
    if len(x) == 8:
        e0, e1 = plus(_scaled(x[0] + x[4]), half), plus(_scaled(x[0] - x[4]), half)
        even = pairs(x[2], x[6])
        e2, e3 = dot(even, 4433, -10704), dot(even, 10703, 4433)
        z = pairs(x[7] + x[3], x[5] + x[1])
        r, s = dot(z, -6436, 9633), dot(z, 9633, 6437)
        ad, bc = pairs(x[7], x[1]), pairs(x[5], x[3])
        b0, b3 = plus(dot(ad, -4927, -7373), r), plus(dot(ad, -7373, 4926), s)
        b1, b2 = plus(dot(bc, -4176, -20995), s), plus(dot(bc, -20995, 4177), r)
    else:
        e0 = e1 = plus(_scaled(x[0]), half)
        even = pairs(x[2], zero(x[2], x[2].lanes, 16))
        e2, e3 = dot(even, 4433, 0), dot(even, 10703, 0)
        odd = pairs(x[3], x[1])
        b0, b3 = dot(odd, -6436, 2260), dot(odd, 9633, 11363)
        b1, b2 = dot(odd, -11362, 6437), dot(odd, -2259, 9633)
    out: list[Vec] = [x[0]] * 8
    for k, (a, b) in enumerate(((plus(e0, e3), b3), (plus(e1, e2), b2), (less(e1, e2), b1), (less(e0, e3), b0))):
        top, bottom = plus(a, b), less(a, b)
        out[k] = pack_i16(top[0] >> n, top[1] >> n)
        out[7 - k] = pack_i16(bottom[0] >> n, bottom[1] >> n)
    return out


def _store_samples(y: list[Vec], samples: Int, stride: Int) -> None:
    """Store int16 columns of two blocks as 16 bytes a row."""
    for i, two in enumerate(sample_rows(y)):
        rows = two.shuffle([0, 2, 1, 3])
        store(samples + stride * (2 * i), rows.shuffle([0, 1]))
        store(samples + stride * (2 * i + 1), rows.shuffle([2, 3]))


def _rows(block0: Int, block1: Int, table: Int, count: int) -> list[Vec]:
    raw = [join(load(block0 + 16 * v, 8, 16), load(block1 + 16 * v, 8, 16)) for v in range(count)]
    return [x * load(table + 32 * v, 16, 16) for v, x in enumerate(raw)]


def _extreme(row: Vec) -> Int:
    """A bit for each dequantised value that pass 1 could not carry in 16 bits."""
    return bitcast_mask(((row + 8192) & -16384).compare("!=", 0))


@vectorized
def _idct_full(block0, block1, table, samples, stride) -> Int:
    """Two blocks to 8 rows of 16 samples; nonzero where the exact scalar path must take over."""
    x = _rows(block0, block1, table, 8)
    _store_samples(idct_1d(transposed(idct_1d(x, 11)), 18), samples, stride)
    return _extreme(x[0])


@vectorized
def _idct_4x4(block0, block1, table, samples, stride) -> Int:
    """As `_idct_full` for blocks whose coefficients all have u, v < 4."""
    x = _rows(block0, block1, table, 4)
    columns = idct_1d(x, 11)
    # only the first four lanes of each half are not zero: half of the transpose suffices
    a = [unpack_low(columns[i], columns[i + 1]).bitcast(32) for i in (0, 2, 4, 6)]
    b = [f(a[i], a[i + 1]).bitcast(64) for i in (0, 2) for f in (unpack_low, unpack_high)]
    rows = [f(b[i], b[i + 2]).bitcast(16) for i in (0, 1) for f in (unpack_low, unpack_high)]
    _store_samples(idct_1d(rows, 18), samples, stride)
    return _extreme(x[0])


@vectorized
def _fill_pair(samples, stride, value0, value1):
    """Two flat blocks."""
    row = join(value0.splat(8, 8), value1.splat(8, 8))
    for y in range(8):
        store(samples + stride * y, row)


@vectorized
def _nonzero(block) -> Int:
    """A bit for each nonzero coefficient; bytes lie as rows 0 2 1 3 4 6 5 7."""
    low = pack_i8(load(block, 16, 16), load(block + 32, 16, 16))
    high = pack_i8(load(block + 64, 16, 16), load(block + 96, 16, 16))
    return bitcast_mask(join(low, high).compare("!=", 0))


_DC_ONLY, _LOW, _ANY = range(3)


@kernel
def _extent(block):
    """Where a block's coefficients lie: DC only, all within u, v < 4, or anywhere."""
    found = np.uint64(_nonzero(block))
    if found <= np.uint64(1):
        return _DC_ONLY
    return _LOW if found & ~np.uint64(0x0F0F0F0F) == np.uint64(0) else _ANY


@kernel
def _wrap16(x):
    return ((x + 32768) & 65535) - 32768


@kernel
def _wrap32(x):
    return ((x + 2147483648) & 4294967295) - 2147483648


@kernel
def _clamp16(x):
    return min(max(x, -32768), 32767)


@kernel
def _idct_scalar_1d(x, n):
    half = 1 << (n - 1)
    p, q = _wrap16(x[0] + x[4]) << 13, _wrap16(x[0] - x[4]) << 13
    e2, e3 = 4433 * x[2] - 10704 * x[6], 10703 * x[2] + 4433 * x[6]
    z3, z4 = _wrap16(x[7] + x[3]), _wrap16(x[5] + x[1])
    r, s = -6436 * z3 + 9633 * z4, 9633 * z3 + 6437 * z4
    b0, b3 = -4927 * x[7] - 7373 * x[1] + r, -7373 * x[7] + 4926 * x[1] + s
    b1, b2 = -4176 * x[5] - 20995 * x[3] + s, -20995 * x[5] + 4177 * x[3] + r
    a0, a3, a1, a2 = p + e3, p - e3, q + e2, q - e2
    x[0], x[7] = _clamp16(_wrap32(a0 + b3 + half) >> n), _clamp16(_wrap32(a0 - b3 + half) >> n)
    x[1], x[6] = _clamp16(_wrap32(a1 + b2 + half) >> n), _clamp16(_wrap32(a1 - b2 + half) >> n)
    x[2], x[5] = _clamp16(_wrap32(a2 + b1 + half) >> n), _clamp16(_wrap32(a2 - b1 + half) >> n)
    x[3], x[4] = _clamp16(_wrap32(a3 + b0 + half) >> n), _clamp16(_wrap32(a3 - b0 + half) >> n)


@kernel
def _idct_scalar(block, table, samples, stride):
    """One block with out-of-range coefficients, exactly as libjpeg-turbo's SIMD: rows 1..7 all zero take a shortcut."""
    x = np.empty((8, 8), np.int64)
    flat = True
    for v in range(8):
        for u in range(8):
            raw = load_i16(block + 16 * v + 2 * u)
            flat = flat and (v == 0 or raw == 0)
            x[v, u] = _wrap16(raw * load_i16(table + 32 * v + 2 * u))
    if flat:
        for u in range(8):
            x[:, u] = _wrap16(x[0, u] << 2)
    else:
        for u in range(8):
            _idct_scalar_1d(x[:, u], np.int64(11))
    for v in range(8):
        _idct_scalar_1d(x[v, ::1], np.int64(18))  # of the other's type
        for u in range(8):
            store_u8(samples + v * stride + u, min(max(x[v, u], -128), 127) + 128)


@kernel
def idct_strip(blocks, last, pitch, rows, columns, table, samples, stride):
    """Dequantisation and inverse DCT of rows × columns blocks.

    blocks: address of int16 [rows, pitch, 64]. last: address of uint8 [rows, pitch] with the zigzag index of each
    block's last nonzero coefficient, or 0: then the blocks are looked at. table: address of a `dequantiser`. samples:
    address of uint8, `stride` bytes a row, writable to an even number of block columns.
    """
    step = load_i16(table)
    for r in range(rows):
        source, target = blocks + r * pitch * 128, samples + r * 8 * stride
        for c in range(0, columns, 2):
            block0 = source + c * 128
            pair = c + 1 < columns
            block1 = block0 + 128 if pair else block0
            if last:
                at = last + r * pitch + c
                k = load_u8(at)
                k = max(k, load_u8(at + 1)) if pair else k
                extent = _DC_ONLY if k == 0 else (_LOW if k <= 9 else _ANY)
            else:
                extent = max(_extent(block0), _extent(block1))
            out = target + 8 * c
            if extent == _DC_ONLY:
                dc0, dc1 = _wrap16(load_i16(block0) * step), _wrap16(load_i16(block1) * step)
                s0, s1 = _wrap16(dc0 << 2), _wrap16(dc1 << 2)
                s0, s1 = (s0 + 16) >> 5, (s1 + 16) >> 5
                _fill_pair(out, stride, min(max(s0, -128), 127) + 128, min(max(s1, -128), 127) + 128)
            else:
                if extent == _LOW:
                    odd = _idct_4x4(block0, block1, table, out, stride)
                else:
                    odd = _idct_full(block0, block1, table, out, stride)
                if odd:
                    _idct_scalar(block0, table, out, stride)
                    _idct_scalar(block1, table, out + 8, stride)
