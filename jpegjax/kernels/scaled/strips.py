"""Blocks of 8×8 coefficients to blocks of 1×1 … 16×16 samples: libjpeg-turbo's inverse DCTs of other sizes, exact.

Each of their two passes is one integer matrix, without rounding inside: output n of a transform of size N is the sum of
x_k·factor[n, k] over k, descaled. The factors are cosines of N points times 2^13; 2 and 4 points average the outputs of
eight in fours and pairs. All are rounded but for a few, one or two off because the C code adds rounded constants.

The sizes of 5/8, 6/8 and 7/8 and of chroma beside them go two blocks at once, see `pairs`. The others' fast path does
eight columns, then up to sixteen outputs of a row: products of 16 bits summed in 32. Blocks whose numbers do not fit
take an exact path in 64 bits, which wraps and saturates as libjpeg-turbo does on x86-64.
"""

from __future__ import annotations

import numpy as np

from ...simd import (
    Int,
    bitcast_mask,
    constant,
    kernel,
    load,
    load_i16,
    load_i64,
    load_u8,
    madd,
    pack_i8,
    pack_i16,
    store,
    store_i16,
    store_u8,
    store_u64,
    vectorized,
)
from .factors import COLUMN_AT, EXACT_AT, EXTRA_BITS, KEPT, ROW_AT, SHIFT1, SHIFT2, STEPS_AT, factors
from .pairs import PAIRED, transform_pair

__all__ = ["WORK_BYTES", "plane_samples", "scaled_strip"]

_COLUMNS = 4 * 32  # in the scratch of a block, behind pairs of dequantised rows: int16 [16, 8] between the passes
_WIDE = _COLUMNS + 16 * 16  # int64 [24, 8] of the exact path
WORK_BYTES = _WIDE + 8 * 64 + 8 * 128
"""Scratch that `scaled_strip` takes."""


@vectorized
def _dequantise(block, steps, pairs) -> Int:
    """Products with the steps, neighbouring rows interleaved; nonzero where one may not be below 2^13 in size."""
    beyond = []
    for p in range(4):
        raw = load(block + 32 * p, 16, 16)
        magnitude = raw ^ (raw >> 15)
        beyond.append(magnitude.compare(">", load(steps + (64 * p + 32), 16, 16)))
        product = raw * load(steps + 64 * p, 16, 16)
        store(pairs + 32 * p, product.shuffle([i + half for i in range(8) for half in (0, 8)]))
    return bitcast_mask(beyond[0] | beyond[1] | beyond[2] | beyond[3])


@vectorized
def _no_ac(block) -> Int:
    """0 where the DC coefficient alone may be nonzero."""
    first = load(block, 32, 16)
    total = first & constant(first, [0] + [-1] * 31) | load(block + 64, 32, 16)
    return bitcast_mask(total.compare("!=", 0))


@vectorized
def _transform_columns(pairs, row, half, shift, out) -> Int:
    """One output of the column pass of eight columns; nonzero where one does not fit. row: negated factors."""
    total = half.splat(8, 32)
    for p in range(4):
        factor = load(row + 4 * p, 1, 32).shuffle([0] * 8).bitcast(16)
        total = total - madd(load(pairs + 32 * p, 16, 16), factor)
    total = total >> shift.splat(8, 32)
    store(out, total.truncate(16))
    return bitcast_mask(((total + 32768) & -65536).compare("!=", 0))


def _row_sums(columns, matrix, first, half, shift, drop):
    """Eight samples of the row pass, less 128, before they are clamped."""
    total = half.splat(8, 32)
    for p in range(4):
        pair = load(columns + 4 * p, 1, 32).shuffle([0] * 8).bitcast(16)
        total = total - madd(pair, load(matrix + (64 * p + 4 * first), 16, 16))
    count = drop.splat(8, 32)
    return ((total >> shift.splat(8, 32)) << count) >> count


@vectorized
def _transform_row_8(columns, matrix, half, shift, drop, target):
    """One row of at most 8 samples; writes 8 bytes."""
    words = pack_i16(*[_row_sums(columns, matrix, 0, half, shift, drop)] * 2)
    samples = pack_i8(words, words).bitcast(32).shuffle([0, 4])
    store(target, samples.bitcast(8) ^ 128)


@vectorized
def _transform_row_16(columns, matrix, half, shift, drop, target):
    """One row of at most 16 samples; writes 16 bytes."""
    words = pack_i16(*[_row_sums(columns, matrix, first, half, shift, drop) for first in (0, 8)])
    samples = pack_i8(words, words).bitcast(32).shuffle([0, 4, 1, 5])
    store(target, samples.bitcast(8) ^ 128)


def _reduced(size: int, block: Int, steps: Int, samples: Int, stride: Int) -> Int:
    """A block to 4×4 or 2×2 samples as libjpeg-turbo's SIMD does it in 16 bits; nonzero where `_exact` must take over.

    That is where its short cut for blocks without AC would wrap (4×4), and where the DC column, which it does not
    saturate, does not fit (2×2). Four bytes of each row are written.
    """
    matrix, extra = factors(size), EXTRA_BITS[size]
    products = [load(block + 32 * p, 16, 16) * load(steps + 64 * p, 16, 16) for p in range(4)]
    pairs = [x.shuffle([i + half for i in range(8) for half in (0, 8)]) for x in products]
    total = []
    for row in matrix:
        terms = [madd(pair, constant(pair, (-row[2 * p : 2 * p + 2]).tolist() * 8)) for p, pair in enumerate(pairs)]
        half = constant(terms[0], 1 << (10 + extra))
        total.append((half - terms[0] - terms[1] - terms[2] - terms[3]) >> (11 + extra))
    if size == 4:
        first = products[0].shuffle(range(8))
        beyond = bitcast_mask(((first + 8192) & -16384).compare("!=", 0))
    else:
        wide = ((total[0] + 32768) | (total[1] + 32768)) & -65536
        beyond = bitcast_mask(wide.compare("!=", 0)) & 1
    rows = []
    for n in range(0, size, 2):
        words = pack_i16(total[n], total[n + 1]).bitcast(64).shuffle([0, 2, 1, 3]).bitcast(32)
        sums = constant(words, 1 << (17 + extra))
        for p in range(4):
            pair = words.shuffle([p] * 4 + [4 + p] * 4).bitcast(16)
            across = -matrix[:, 2 * p : 2 * p + 2].reshape(-1)
            sums = sums - madd(pair, constant(pair, np.resize(across, 16).tolist()))
        rows.append(sums >> (18 + extra))
    words = pack_i16(rows[0], rows[-1])
    octets = (pack_i8(words, words) ^ -128).bitcast(32)
    for n, word in enumerate((0, 4, 1, 5)[:size]):
        store(samples + stride * n, octets.shuffle([word]))
    return beyond


@vectorized
def _transform_4x4(block, steps, samples, stride) -> Int:
    return _reduced(4, block, steps, samples, stride)


@vectorized
def _transform_2x2(block, steps, samples, stride) -> Int:
    return _reduced(2, block, steps, samples, stride)


@vectorized
def _fill_16(target, value):
    store(target, value.splat(16, 8))


@kernel
def _wrap(x, bits):
    half = np.int64(1) << (bits - 1)
    return ((x + half) & (2 * half - 1)) - half


@kernel
def _clamp(x, low, high):
    return min(max(x, low), high)


@kernel
def _exact(block, steps, transform, work, samples, stride, width):
    """One block in 64 bits. steps: address of int64 [64]. work: of int64 [24, 8]. width: bytes a sample, 1 or 2.

    Sizes 2 and 4 of 8 bits, which keep 32 bits, are those that libjpeg-turbo has as SIMD: 16 and 32 bits, saturating.
    """
    size, shift1, shift2 = load_i64(transform), load_i64(transform + 8 * SHIFT1), load_i64(transform + 8 * SHIFT2)
    kept, matrix = load_i64(transform + 8 * KEPT), transform + EXACT_AT
    simd = kept == 32
    between = work + 512
    flat = np.int64(0)
    for i in range(64):
        level = load_i16(block + 2 * i)
        product = level * load_i64(steps + 8 * i)
        store_u64(work + 8 * i, _wrap(product, 16) if simd else product)
        if i >= 8 and i >> 3 != 4:
            flat |= level
    for n in range(size):
        for u in range(8):
            total = np.int64(1) << (shift1 - 1)
            for k in range(8):
                total += load_i64(matrix + 64 * n + 8 * k) * load_i64(work + 64 * k + 8 * u)
            if not simd:
                value = _wrap(total >> shift1, 32)
            elif size == 4 and flat == 0:
                value = _wrap(load_i64(work + 8 * u) << 2, 16)
            else:
                value = _wrap(total, 32) >> shift1
                if size == 4 or u > 0:
                    value = _clamp(value, -32768, 32767)
            store_u64(between + 64 * n + 8 * u, value)
    for n in range(size):
        for j in range(size):
            total = np.int64(1) << (shift2 - 1)
            for u in range(8):
                total += load_i64(matrix + 64 * j + 8 * u) * load_i64(between + 64 * n + 8 * u)
            value = _wrap(total, 32) >> shift2 if simd else _wrap(total >> shift2, kept)
            if width == 1:
                store_u8(samples + n * stride + j, _clamp(value + 128, 0, 255))
            else:
                store_i16(samples + n * stride + 2 * j, _clamp(value + 2048, 0, 4095))


@vectorized
def _no_high(block) -> Int:
    """0 where the coefficients that are not 0 all have u, v < 4."""
    first = load(block, 32, 16)
    total = first & constant(first, ([0] * 4 + [-1] * 4) * 4) | load(block + 64, 32, 16)
    return bitcast_mask(total.compare("!=", 0))


@kernel
def _fill_block(product, size, kept, samples, stride):
    """Fill a block that has but its DC coefficient; False where that is out of range."""
    if size > 1 and (product <= -8192 or product >= 8192):
        return False
    value = _clamp(_wrap((product + 4) >> 3, kept) + 128, 0, 255)
    if size == 1:
        store_u8(samples, value)
    else:
        for n in range(size):
            _fill_16(samples + n * stride, value)
    return True


@kernel
def _scaled_block(block, transform, steps, work, samples, stride):
    """One block by the fast path; False where its numbers do not fit."""
    size, shift1, shift2 = load_i64(transform), load_i64(transform + 8 * SHIFT1), load_i64(transform + 8 * SHIFT2)
    drop = 32 - load_i64(transform + 8 * KEPT)
    beyond = np.uint64(_dequantise(block, steps, work))
    half = np.int64(1) << (shift1 - 1)
    for n in range(size):
        out = work + _COLUMNS + 16 * n
        beyond |= np.uint64(_transform_columns(work, transform + COLUMN_AT + 16 * n, half, shift1, out))
    if beyond != np.uint64(0):
        return False
    half = np.int64(1) << (shift2 - 1)
    for n in range(size):
        columns, target = work + _COLUMNS + 16 * n, samples + n * stride
        if size <= 8:
            _transform_row_8(columns, transform + ROW_AT, half, shift2, drop, target)
        else:
            _transform_row_16(columns, transform + ROW_AT, half, shift2, drop, target)
    return True


@kernel
def _two_blocks(block, last, both, transform, steps, work, samples, stride):
    """A block and, where there are both, its neighbour, of a size in `PAIRED`. last: address, or 0."""
    size, kept, step = load_i64(transform), load_i64(transform + 8 * KEPT), load_i16(steps)
    other, beside = (block + 128, samples + size) if both else (block, samples)
    if last:
        end = max(load_u8(last), load_u8(last + 1)) if both else load_u8(last)
        flat, low = end == 0, end <= 9
    else:
        low = np.uint64(_no_high(block)) | np.uint64(_no_high(other)) == np.uint64(0)
        flat = low and np.uint64(_no_ac(block)) | np.uint64(_no_ac(other)) == np.uint64(0)
    done = flat and _fill_block(load_i16(block) * step, size, kept, samples, stride)
    if done and both:
        done = _fill_block(load_i16(other) * step, size, kept, beside, stride)
    if not (done or transform_pair(size, low, block, other, steps, samples, stride)):
        _exact(block, steps + STEPS_AT, transform, work + _WIDE, samples, stride, 1)
        _exact(other, steps + STEPS_AT, transform, work + _WIDE, beside, stride, 1)


@kernel
def scaled_strip(blocks, last, pitch, rows, columns, transform, steps, work, samples, stride):
    """rows × columns blocks to samples of 8 bits.

    blocks: address of int16 [rows, pitch, 64]. last: of uint8 [rows, pitch], the zigzag index of each block's last
    nonzero coefficient, or 0: then the blocks are looked at. transform, steps: addresses of a `transform_of` and a
    `scaled_dequantiser`. work: of WORK_BYTES. samples: address of uint8, `stride` bytes a row, writable for a block
    and 16 bytes more.
    """
    size, kept = load_i64(transform), load_i64(transform + 8 * KEPT)
    paired = size in PAIRED
    for r in range(rows):
        for c in range(0, columns, 2 if paired else 1):
            block, out = blocks + (r * pitch + c) * 128, samples + r * size * stride + c * size
            known = last + r * pitch + c if last else last
            if paired:
                _two_blocks(block, known, c + 1 < columns, transform, steps, work, out, stride)
                continue
            flat = size == 1 or (load_u8(known) == 0 if last else np.uint64(_no_ac(block)) == np.uint64(0))
            if flat and _fill_block(load_i16(block) * load_i16(steps), size, kept, out, stride):
                continue
            if size == 4:
                done = np.uint64(_transform_4x4(block, steps, out, stride)) == np.uint64(0)
            elif size == 2:
                done = np.uint64(_transform_2x2(block, steps, out, stride)) == np.uint64(0)
            else:
                done = _scaled_block(block, transform, steps, work, out, stride)
            if not done:
                _exact(block, steps + STEPS_AT, transform, work + _WIDE, out, stride, 1)


@kernel
def plane_samples(blocks, pitch, rows, columns, transform, steps, work, samples, stride):
    """`scaled_strip` of 12 bits: samples: address of uint16, `stride` bytes a row; every block by the exact path."""
    size = load_i64(transform)
    for r in range(rows):
        for c in range(columns):
            out = samples + r * size * stride + 2 * c * size
            _exact(blocks + (r * pitch + c) * 128, steps + STEPS_AT, transform, work + _WIDE, out, stride, 2)
