"""The decisions of the stream, each under its contexts, both ways: coder is `coding.mixing.Coder.state`.

What a decision is coded under are numbers of contexts, one for each input of the mixing coder: input i's are below AREA.
"""

from __future__ import annotations

import numpy as np

from ..coding.mixing import INPUTS, code_bit, code_even
from ..simd import clz64, kernel
from .basis import KINDS
from .search import LEAST, SIDES, TILE

__all__ = [
    "AREA",
    "BUSY",
    "CELLS",
    "KIND",
    "LARGEST",
    "LEAST_BITS",
    "MAPS",
    "MEAN",
    "SETS",
    "SHAPE",
    "TALL",
    "WIDE",
    "N",
    "code_extent",
    "code_first",
    "code_kind",
    "code_levels",
    "code_split",
    "level_of",
    "log2",
    "mean_of",
    "size_class",
]  # fmt: skip

LARGEST = 1 << 21
"""Magnitudes that are read are at most this; those written must be at most a quarter of it."""

N = len(SIDES)
CELLS = TILE // LEAST
_KINDS = len(KINDS)
LEAST_BITS = LEAST.bit_length() - 1
MAPS = 6
BUSY, MEAN, SHAPE, KIND, TALL, WIDE = range(MAPS)
"""Of each cell: magnitudes a sample in classes, mean, shape, kind, and the finest classes of rows and columns, from the end."""

AREA = 1 << 15  # contexts of one input
SETS = 1024
_LONGEST = 20


@kernel(inline=True)
def log2(x):
    """Bits of x >= 0: 0, 1, 2, 2, 3, …"""
    return 64 - np.int64(clz64(np.int64(x))) if x > 0 else np.int64(0)


@kernel(inline=True)
def size_class(x):
    """0..15: two classes for each doubling, from 4 on."""
    if x < 4:
        return np.int64(x)
    bits = 64 - np.int64(clz64(np.int64(x)))
    return min(np.int64(15), 2 * bits - 2 + (x >> (bits - 2) & 1))


@kernel(inline=True)
def _put(at, i, value):
    """Context number `value` of input i."""
    at[i] = i * AREA + (value & (AREA - 1))


@kernel
def code_number(value, kind, place, coder):
    """A magnitude from 0 on, Elias–Gamma of value + 1 under contexts. kind: 0..7, place: 0..15."""
    at = coder[1]
    length = np.int64(0)
    goal = log2(value + 1) - 1
    base = 24576 + (kind * 16 + place) * 32
    while length < _LONGEST:
        for i in range(INPUTS):
            _put(at, i, (base if i & 1 else 24576 + 4096 + kind * 32) + length)
        bit = code_bit(np.int64(length < goal), 900 + kind, 910 + length, coder)
        if not bit:
            break
        length += 1
    found = np.int64(1)
    for i in range(length - 1, -1, -1):
        bit = (value + 1) >> i & 1
        if i == length - 1:
            for j in range(INPUTS):
                _put(at, j, 24576 + 6144 + kind * 32 + length)
            bit = code_bit(bit, 932, 933, coder)
        else:
            bit = code_even(bit, coder)
        found = 2 * found + bit
    return found - 1


@kernel(inline=True)
def mean_of(level, e):
    """Mean of a rectangle of 2^e samples, in 1/256 step, of its first coefficient."""
    return (level << 8) >> (e >> 1) if e & 1 == 0 else (level * 362) >> ((e + 1) >> 1)


@kernel(inline=True)
def level_of(mean, e):
    """Inverse of `mean_of`, rounded."""
    return ((mean << (e >> 1)) + 128) >> 8 if e & 1 == 0 else ((mean * 181 << ((e - 1) >> 1)) + (1 << 14)) >> 15


@kernel
def code_split(how, a, b, r, c, chroma, maps, coder):
    """How a rectangle of sides 2^a, 2^b cells at cell (r, c) is divided: 0 not at all, 1 across, 2 along."""
    at = coder[1]
    if a + b == 0:
        return np.int64(0)
    left, up = maps[SHAPE, r + 1, c], maps[SHAPE, r, c + 1]
    la, lb, ua, ub = left // N, left % N, up // N, up % N
    busy = (maps[BUSY, r + 1, c] + maps[BUSY, r, c + 1] + 1) >> 1
    shape = a * N + b
    finer = np.int64(la < a) + np.int64(lb < b) + np.int64(ua < a) + np.int64(ub < b)
    _put(at, 0, 8192 + (chroma * 16 + shape) * 8 + finer)
    _put(at, 1, 8192 + ((chroma * 16 + shape) * 16 + left) * 2)
    _put(at, 2, 8192 + ((chroma * 16 + shape) * 16 + up) * 2)
    _put(at, 3, 8192 + (chroma * 16 + shape) * 16 + busy)
    _put(at, 4, 8192 + ((a + b) * 8 + finer) * 16 + busy)
    _put(at, 5, 8192 + chroma * 16 + shape)
    _put(at, 6, 8192 + (shape * 16 + left) * 16 + up)
    bit = code_bit(np.int64(how > 0), 800 + chroma, 802 + shape, coder)
    if not bit:
        return np.int64(0)
    if a == 0:
        return np.int64(2)
    if b == 0:
        return np.int64(1)
    for i in range(INPUTS):
        _put(at, i, at[i] + 8192)
    return 1 + code_bit(np.int64(how == 2), 820 + chroma, 822 + shape, coder)


@kernel
def code_kind(kind, a, b, r, c, chroma, maps, coder):
    """The number of a rectangle's basis, one yes or no after the other."""
    at = coder[1]
    left, up = maps[KIND, r + 1, c], maps[KIND, r, c + 1]
    busy = (maps[BUSY, r + 1, c] + maps[BUSY, r, c + 1] + 1) >> 1
    for k in range(_KINDS - 1):
        here = k * 2 + chroma
        _put(at, 0, 20480 + (here * 8 + left) * 8 + up)
        _put(at, 1, 20480 + here * 16 + a * N + b)
        _put(at, 2, 20480 + here)
        _put(at, 3, 20480 + here * 16 + busy)
        _put(at, 4, 20480 + (here * 8 + left) * 16 + a * N + b)
        _put(at, 5, 20480 + (here * 8 + up) * 16 + a * N + b)
        _put(at, 6, 20480 + here * 4 + np.int64(left == k) + np.int64(up == k))
        if code_bit(np.int64(kind == k), 840 + here, 856 + chroma, coder):
            return np.int64(k)
    return np.int64(_KINDS - 1)


@kernel
def code_extent(value, top, other, side, shape, around, busy, chroma, coder):
    """A class 0..top, counted down from top. other: the class of the other axis, or 7 where it is yet to come."""
    at = coder[1]
    found = top
    while found > 0:
        below = top - found
        _put(at, 0, 22528 + ((chroma * 2 + side) * 8 + below) * 16 + shape)
        _put(at, 1, 22528 + ((chroma * 2 + side) * 8 + below) * 8 + around)
        _put(at, 2, 22528 + ((side * 8 + below) * 8 + other) * 16 + shape)
        _put(at, 3, 22528 + ((chroma * 2 + side) * 8 + below) * 16 + busy)
        _put(at, 4, 22528 + ((side * 8 + found) * 8 + other) * 8 + around)
        _put(at, 5, 22528 + (side * 8 + found) * 16 + busy)
        _put(at, 6, 22528 + ((chroma * 2 + side) * 8 + found) * 8 + other)
        bit = np.int64(value < found)
        if not code_bit(bit, 860 + found * 2 + side, 880 + below, coder):
            break
        found -= 1
    return found


@kernel
def code_levels(block, tall, wide, a, b, kind, busy, beside, chroma, coder):
    """The levels [h, w] of a rectangle but for the first, in the box of its classes; returns the sum of magnitudes."""
    at = coder[1]
    h, w = (np.int64(1) << tall) if tall else np.int64(1), (np.int64(1) << wide) if wide else np.int64(1)
    group = min(np.int64(2), (kind + 2) // 3)  # dct, u, v
    shape = a * N + b
    total = np.int64(0)
    for i in range(h):
        for j in range(w):
            if i + j == 0:
                continue
            near_left = abs(np.int64(block[i, j - 1])) if j > 0 and i + j > 1 else np.int64(0)
            near_up = abs(np.int64(block[i - 1, j])) if i > 0 and i + j > 1 else np.int64(0)
            rest = abs(np.int64(block[i - 1, j - 1])) if i > 0 and j > 0 and i + j > 2 else np.int64(0)
            rest += abs(np.int64(block[i - 1, j + 1])) if i > 0 and j + 1 < w else np.int64(0)
            rest += abs(np.int64(block[i, j - 2])) if j > 2 or (j == 2 and i > 0) else np.int64(0)
            rest += abs(np.int64(block[i - 2, j])) if i > 2 or (i == 2 and j > 0) else np.int64(0)
            around = size_class(2 * (near_left + near_up) + rest)
            ci, cj = log2(i), log2(j)
            # place: both frequencies, as parts of what 32 samples have
            band = size_class((i << (N - 1 - a)) + (j << (N - 1 - b)))
            before = size_class(total)
            level = np.int64(block[i, j])
            size = abs(level)
            value = np.int64(0)
            while value < 3:
                t = value * 2 + chroma
                low = min(around, np.int64(3))
                close = (min(near_left, np.int64(3)) * 4 + min(near_up, np.int64(3))) * 4 + min(rest, np.int64(3))
                _put(at, 0, ((t * 16 + around) * 16 + band) * 3 + group)
                _put(at, 1, ((t * 6 + ci) * 6 + cj) * 16 + shape)
                _put(at, 2, (t * 64 + close) * 3 + group)
                _put(at, 3, ((t * 16 + busy) * 16 + band) * 4 + low)
                _put(at, 4, ((t * 16 + beside) * 16 + band) * 4 + low)
                _put(at, 5, ((t * 16 + before) * 16 + band) * 4 + min(log2(h * w) >> 1, np.int64(3)))
                _put(at, 6, ((t * 6 + ci) * 6 + cj) * 7 + kind)
                bit = code_bit(np.int64(size > value), (t * 3 + group) * 16 + around, 320 + t * 16 + band, coder)
                if not bit:
                    break
                value += 1
            if value == 3:
                value += code_number(size - 3, chroma, around, coder)
            if value:
                negative = code_even(np.int64(level < 0), coder)
                if coder[0]:
                    block[i, j] = -value if negative else value
            total += value
    return total


@kernel
def code_first(level, guess, spread, e, chroma, coder):
    """The first coefficient, beside its guess."""
    at = coder[1]
    guess = min(max(guess, np.int64(-(LARGEST >> 2))), np.int64(LARGEST >> 2))
    gap = level - guess
    size = abs(gap)
    for i in range(INPUTS):
        _put(at, i, 32000 + (chroma * 16 + spread) * 11 + e if i & 1 else 32000 + (chroma * 16 + spread))
    some = code_bit(np.int64(size > 0), 940 + chroma, 942 + e, coder)
    if not some:
        return guess
    size = 1 + code_number(size - 1, 2 + chroma, spread, coder)
    negative = code_even(np.int64(gap < 0), coder)
    return min(max(guess - size if negative else guess + size, np.int64(-LARGEST)), np.int64(LARGEST))
