"""Two neighbouring blocks at once, one in each half of a register: the sizes that pictures at 5/8, 6/8 and 7/8 need.

Even and odd coefficients are summed apart, since outputs n and N-1-n share both sums. Products of 16 bits, sums of 32.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np

from ...simd import (
    Int,
    Vec,
    bitcast_mask,
    constant,
    join,
    kernel,
    load,
    pack_i16,
    store,
    unpack_high,
    unpack_low,
    vectorized,
    zero,
)
from ..lanes import dot, less, pairs, plus, sample_rows
from .factors import TWICE_AT, factors

__all__ = ["PAIRED", "transform_pair"]

PAIRED = (5, 6, 7, 10, 12, 14)
"""Samples a side of luma, and of chroma that is subsampled twice each way."""

_PAIRS = ((0, 2), (1, 3), (4, 6), (5, 7))
"""Coefficients that are multiplied together; the first two are all that blocks of low frequencies have."""


def _pass(size: int, pairs: list[tuple[Vec, Vec]], half: int) -> list[tuple[Vec, Vec]]:
    """All outputs of a pass, in int32 halves that `pack_i16` joins; from the first pairs."""
    matrix, out = factors(size), [pairs[0]] * size
    for n in range((size + 1) // 2):
        terms = [dot(pairs[p], *[int(matrix[n, k]) for k in _PAIRS[p]]) for p in range(len(pairs))]
        even, odd = reduce(plus, terms[::2]), reduce(plus, terms[1::2])
        if half:
            even = plus(even, half)
        out[n] = even if 2 * n + 1 == size else plus(even, odd)
        if 2 * n + 1 < size:
            out[size - 1 - n] = less(even, odd)
    return out


def _wrapped(a: Vec, b: Vec, neighbours: bool) -> Vec:
    """Bits 18 to 27 of rows 0 to 3 and 4 to 7: libjpeg's table of clamped samples sees no others.

    neighbours: rows i and i + 4 lie side by side, which takes less where registers are short.
    """
    if neighbours:
        return (((a.shift_right_logical(16) | (b & -65536)).bitcast(16)) << 4) >> 6
    return pack_i16((a << 4) >> 22, (b << 4) >> 22)


def _store_row(target: Int, size: int, parts: list[Vec], which: int) -> None:
    """A row of two blocks, the left one first since it writes into the other. parts: of 8 columns, as of `sample_rows`."""
    if size <= 8:
        left, right = parts[0].shuffle([which]), parts[0].shuffle([2 + which])
    else:
        both = (unpack_high if which else unpack_low)(parts[0], parts[1])
        left, right = both.shuffle([0, 1]), both.shuffle([2, 3])
    store(target, left)
    store(target + size, right)


def _unrolled(size: int, reach: int, block0: Int, block1: Int, steps: Int, samples: Int, stride: Int) -> Int:
    """Two neighbouring blocks, all of whose u, v are below `reach`; nonzero where their numbers do not fit."""
    count = min(size, reach)
    products, overs = [], []
    for v in range(count):
        raw = join(load(block0 + 16 * v, 8, 16), load(block1 + 16 * v, 8, 16))
        overs.append((raw ^ (raw >> 15)).compare(">", load(steps + (TWICE_AT + 64 * v + 32), 16, 16)))
        product = raw * load(steps + (TWICE_AT + 64 * v), 16, 16)
        products.append(product.shuffle([half + k for half in (0, 8) for pair in _PAIRS for k in pair]))
    nothing = zero(products[0], 16, 16)
    used = [p for p in _PAIRS if p[0] < count]
    products += [nothing] * (8 - count)
    sums = _pass(size, [pairs(products[a], products[b]) for a, b in used], 1 << 10)
    y = [pack_i16(a >> 11, b >> 11) for a, b in sums]
    reached = reduce(or_, [row ^ (row >> 15) for row in y])
    overs.append(reached.compare(">", 16383))  # pictures stay below 2^13; the 2^15 of saturation is seen, too
    for top in range(0, size, 8):
        x = [row.bitcast(32) for row in (y[top : top + 8] + [nothing] * 8)[:8]]
        turned = []
        for f in (unpack_low, unpack_high):
            a = [f(x[i], x[i + 1]).bitcast(64) for i in (0, 2, 4, 6)]
            turned += [(g(a[0], a[1]).bitcast(16), g(a[2], a[3]).bitcast(16)) for g in (unpack_low, unpack_high)]
        # the rounding, 2^17: all factors of k = 0 are 2^13
        turned[0] = plus(turned[0], (constant(nothing, [1 << 4, 0] * 8),) * 2)
        sums = _pass(size, turned[: len(used)], 0)
        columns = [_wrapped(a, b, size > 8) for a, b in sums] + [nothing] * 7
        parts = [sample_rows(columns[left : left + 8]) for left in range(0, size, 8)]
        for i in range(min(8, size - top)):
            register, which = (i % 4, i // 4) if size > 8 else (i // 2, i % 2)
            _store_row(samples + stride * (top + i), size, [part[register] for part in parts], which)
    return bitcast_mask(reduce(or_, overs))


@vectorized
def _low_5(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(5, 4, block0, block1, steps, samples, stride)


@vectorized
def _all_5(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(5, 8, block0, block1, steps, samples, stride)


@vectorized
def _low_6(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(6, 4, block0, block1, steps, samples, stride)


@vectorized
def _all_6(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(6, 8, block0, block1, steps, samples, stride)


@vectorized
def _low_7(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(7, 4, block0, block1, steps, samples, stride)


@vectorized
def _all_7(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(7, 8, block0, block1, steps, samples, stride)


@vectorized
def _low_10(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(10, 4, block0, block1, steps, samples, stride)


@vectorized
def _all_10(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(10, 8, block0, block1, steps, samples, stride)


@vectorized
def _low_12(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(12, 4, block0, block1, steps, samples, stride)


@vectorized
def _all_12(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(12, 8, block0, block1, steps, samples, stride)


@vectorized
def _low_14(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(14, 4, block0, block1, steps, samples, stride)


@vectorized
def _all_14(block0, block1, steps, samples, stride) -> Int:
    return _unrolled(14, 8, block0, block1, steps, samples, stride)


@kernel
def transform_pair(size, low, block0, block1, steps, samples, stride):
    """Two blocks to samples of one of the sizes `PAIRED`; False where their numbers do not fit.

    low: whether all coefficients that are not 0 have u, v < 4. Others as for `strips.scaled_strip`; 16 bytes of each
    block's rows may be written.
    """
    if size == 5:
        beyond = (
            _low_5(block0, block1, steps, samples, stride) if low else _all_5(block0, block1, steps, samples, stride)
        )
    elif size == 6:
        beyond = (
            _low_6(block0, block1, steps, samples, stride) if low else _all_6(block0, block1, steps, samples, stride)
        )
    elif size == 7:
        beyond = (
            _low_7(block0, block1, steps, samples, stride) if low else _all_7(block0, block1, steps, samples, stride)
        )
    elif size == 10:
        beyond = (
            _low_10(block0, block1, steps, samples, stride) if low else _all_10(block0, block1, steps, samples, stride)
        )
    elif size == 12:
        beyond = (
            _low_12(block0, block1, steps, samples, stride) if low else _all_12(block0, block1, steps, samples, stride)
        )
    else:
        beyond = (
            _low_14(block0, block1, steps, samples, stride) if low else _all_14(block0, block1, steps, samples, stride)
        )
    return beyond == np.uint64(0)
