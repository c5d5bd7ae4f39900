"""Divisions, bases and levels of planes as bytes, and back.

planes ─▶ tiles in raster order ─▶ halvings, basis, box of classes, levels ─▶ decisions under contexts ─▶ mixing coder

One walk serves both ways. A level's contexts: levels before it in its rectangle (rows from above, each from the left), its
place and the rectangle's shape and basis, how busy the rectangles to the left and above were, and what the component before
held there. The first coefficient is predicted from the means of the neighbours. Integers only: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..coding.mixing import INPUTS, Coder, code_bit, code_even, finish
from ..simd import clz64, kernel
from .basis import KINDS
from .search import LEAST, SIDES, TILE

__all__ = ["LARGEST", "read_planes", "write_planes"]

LARGEST = 1 << 21
"""Magnitudes that are read are at most this; those written must be at most a quarter of it."""

_N = len(SIDES)
_CELLS = TILE // LEAST
_KINDS = len(KINDS)
_LEAST_BITS = LEAST.bit_length() - 1
_CLASSES = TILE.bit_length()
_MAPS = 6
_BUSY, _MEAN, _SHAPE, _KIND, _TALL, _WIDE = range(_MAPS)
"""Of each cell: magnitudes a sample in classes, mean, shape, kind, and the finest classes of rows and columns, from the end."""

_AREA = 1 << 15  # contexts of one input
_SETS = 1024
_LONGEST = 20


@kernel(inline=True)
def _log2(x):
    """Bits of x >= 0: 0, 1, 2, 2, 3, …"""
    return 64 - np.int64(clz64(np.int64(x))) if x > 0 else np.int64(0)


@kernel(inline=True)
def _size(x):
    """0..15: two classes for each doubling, from 4 on."""
    if x < 4:
        return np.int64(x)
    bits = 64 - np.int64(clz64(np.int64(x)))
    return min(np.int64(15), 2 * bits - 2 + (x >> (bits - 2) & 1))


@kernel(inline=True)
def _put(at, i, value):
    """Context number `value` of input i."""
    at[i] = i * _AREA + (value & (_AREA - 1))


@kernel
def _number(value, decoding, kind, place, at, states, weights, bounds, data):
    """A magnitude from 0 on, Elias–Gamma of value + 1 under contexts. kind: 0..7, place: 0..15."""
    length = np.int64(0)
    goal = _log2(value + 1) - 1
    base = 24576 + (kind * 16 + place) * 32
    while length < _LONGEST:
        for i in range(INPUTS):
            _put(at, i, (base if i & 1 else 24576 + 4096 + kind * 32) + length)
        bit = code_bit(np.int64(length < goal), decoding, at, 900 + kind, 910 + length, states, weights, bounds, data)
        if not bit:
            break
        length += 1
    found = np.int64(1)
    for i in range(length - 1, -1, -1):
        bit = (value + 1) >> i & 1
        if i == length - 1:
            for j in range(INPUTS):
                _put(at, j, 24576 + 6144 + (kind * 32 + length) * (1 + (j & 1) * 0))
            bit = code_bit(bit, decoding, at, 932, 933, states, weights, bounds, data)
        else:
            bit = code_even(bit, decoding, bounds, data)
        found = 2 * found + bit
    return found - 1


@kernel(inline=True)
def _mean_of(level, e):
    """Mean of a rectangle of 2^e samples, in 1/256 step, of its first coefficient."""
    return (level << 8) >> (e >> 1) if e & 1 == 0 else (level * 362) >> ((e + 1) >> 1)


@kernel(inline=True)
def _level_of(mean, e):
    """Inverse of `_mean_of`, rounded."""
    return ((mean << (e >> 1)) + 128) >> 8 if e & 1 == 0 else ((mean * 181 << ((e - 1) >> 1)) + (1 << 14)) >> 15


@kernel
def _split(how, decoding, a, b, r, c, chroma, maps, at, states, weights, bounds, data):
    """How a rectangle of sides 2^a, 2^b cells at cell (r, c) is divided: 0 not at all, 1 across, 2 along."""
    if a + b == 0:
        return np.int64(0)
    left, up = maps[_SHAPE, r + 1, c], maps[_SHAPE, r, c + 1]
    la, lb, ua, ub = left // _N, left % _N, up // _N, up % _N
    busy = (maps[_BUSY, r + 1, c] + maps[_BUSY, r, c + 1] + 1) >> 1
    shape = a * _N + b
    finer = np.int64(la < a) + np.int64(lb < b) + np.int64(ua < a) + np.int64(ub < b)
    _put(at, 0, 8192 + (chroma * 16 + shape) * 8 + finer)
    _put(at, 1, 8192 + ((chroma * 16 + shape) * 16 + left) * 2)
    _put(at, 2, 8192 + ((chroma * 16 + shape) * 16 + up) * 2)
    _put(at, 3, 8192 + (chroma * 16 + shape) * 16 + busy)
    _put(at, 4, 8192 + ((a + b) * 8 + finer) * 16 + busy)
    _put(at, 5, 8192 + chroma * 16 + shape)
    _put(at, 6, 8192 + (shape * 16 + left) * 16 + up)
    bit = code_bit(np.int64(how > 0), decoding, at, 800 + chroma, 802 + shape, states, weights, bounds, data)
    if not bit:
        return np.int64(0)
    if a == 0:
        return np.int64(2)
    if b == 0:
        return np.int64(1)
    for i in range(INPUTS):
        _put(at, i, at[i] + 8192)
    return 1 + code_bit(np.int64(how == 2), decoding, at, 820 + chroma, 822 + shape, states, weights, bounds, data)


@kernel
def _kind(kind, decoding, a, b, r, c, chroma, maps, at, states, weights, bounds, data):
    """The number of a rectangle's basis, one yes or no after the other."""
    left, up = maps[_KIND, r + 1, c], maps[_KIND, r, c + 1]
    busy = (maps[_BUSY, r + 1, c] + maps[_BUSY, r, c + 1] + 1) >> 1
    for k in range(_KINDS - 1):
        here = k * 2 + chroma
        _put(at, 0, 20480 + (here * 8 + left) * 8 + up)
        _put(at, 1, 20480 + here * 16 + a * _N + b)
        _put(at, 2, 20480 + here)
        _put(at, 3, 20480 + here * 16 + busy)
        _put(at, 4, 20480 + (here * 8 + left) * 16 + a * _N + b)
        _put(at, 5, 20480 + (here * 8 + up) * 16 + a * _N + b)
        _put(at, 6, 20480 + here * 4 + np.int64(left == k) + np.int64(up == k))
        if code_bit(np.int64(kind == k), decoding, at, 840 + here, 856 + chroma, states, weights, bounds, data):
            return np.int64(k)
    return np.int64(_KINDS - 1)


@kernel
def _extent(value, decoding, top, other, side, shape, around, busy, chroma, at, states, weights, bounds, data):
    """A class 0..top, counted down from top. other: the class of the other axis, or _CLASSES where it is yet to come."""
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
        if not code_bit(bit, decoding, at, 860 + found * 2 + side, 880 + below, states, weights, bounds, data):
            break
        found -= 1
    return found


@kernel
def _levels(block, decoding, tall, wide, a, b, kind, busy, beside, chroma, at, states, weights, bounds, data):
    """The levels [h, w] of a rectangle but for the first, in the box of its classes; returns the sum of magnitudes."""
    h, w = (np.int64(1) << tall) if tall else np.int64(1), (np.int64(1) << wide) if wide else np.int64(1)
    group = min(np.int64(2), (kind + 2) // 3)  # dct, u, v
    shape = a * _N + b
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
            around = _size(2 * (near_left + near_up) + rest)
            ci, cj = _log2(i), _log2(j)
            # place: both frequencies, as parts of what 32 samples have
            band = min(np.int64(15), _size((i << (_N - 1 - a)) + (j << (_N - 1 - b))) + 0)
            before = _size(total)
            level = np.int64(block[i, j])
            size = abs(level)
            value = np.int64(0)
            while value < 3:
                t = value * 2 + chroma
                low = min(around, np.int64(3))
                _put(at, 0, ((t * 16 + around) * 16 + band) * 3 + group if t < 4 else (t * 16 + around) * 16 + band)
                _put(at, 1, ((t * 6 + ci) * 6 + cj) * 16 + shape)
                _put(
                    at,
                    2,
                    (
                        ((t * 4 + min(near_left, np.int64(3))) * 4 + min(near_up, np.int64(3))) * 4
                        + min(rest, np.int64(3))
                    )
                    * 3
                    + group,
                )
                _put(at, 3, ((t * 16 + busy) * 16 + band) * 4 + low)
                _put(at, 4, ((t * 16 + beside) * 16 + band) * 4 + low)
                _put(at, 5, ((t * 16 + before) * 16 + band) * 4 + (_log2(h * w) >> 1))
                _put(at, 6, ((t * 6 + ci) * 6 + cj) * 7 + kind)
                bit = code_bit(
                    np.int64(size > value),
                    decoding,
                    at,
                    (t * 3 + group) * 16 + around,
                    320 + t * 16 + band,
                    states,
                    weights,
                    bounds,
                    data,
                )
                if not bit:
                    break
                value += 1
            if value == 3:
                value += _number(size - 3, decoding, chroma, around, at, states, weights, bounds, data)
            if value:
                negative = code_even(np.int64(level < 0), decoding, bounds, data)
                if decoding:
                    block[i, j] = -value if negative else value
            total += value
    return total


@kernel
def _first(level, decoding, guess, spread, e, chroma, at, states, weights, bounds, data):
    """The first coefficient, beside its guess."""
    guess = min(max(guess, np.int64(-(LARGEST >> 2))), np.int64(LARGEST >> 2))
    gap = level - guess
    size = abs(gap)
    for i in range(INPUTS):
        _put(at, i, 32000 + (chroma * 16 + spread) * 11 + e if i & 1 else 32000 + (chroma * 16 + spread))
    some = code_bit(np.int64(size > 0), decoding, at, 940 + chroma, 942 + e, states, weights, bounds, data)
    if not some:
        return guess
    size = 1 + _number(size - 1, decoding, 2 + chroma, spread, at, states, weights, bounds, data)
    negative = code_even(np.int64(gap < 0), decoding, bounds, data)
    return min(max(guess - size if negative else guess + size, np.int64(-LARGEST)), np.int64(LARGEST))


@kernel
def _leaf(block, kind, decoding, a, b, r, c, chroma, maps, others, shift, at, states, weights, bounds, data):
    """One rectangle at cell (r, c) of its plane; returns the number of its basis."""
    high, wide_ = np.int64(1) << a, np.int64(1) << b
    e = a + b + 2 * _LEAST_BITS
    shape = a * _N + b
    left = up = busy = beside = np.int64(0)
    for i in range(high):
        left += maps[_MEAN, r + 1 + i, c]
        busy += maps[_BUSY, r + 1 + i, c]
    for j in range(wide_):
        up += maps[_MEAN, r, c + 1 + j]
        busy += maps[_BUSY, r, c + 1 + j]
    left, up = left // high, up // wide_
    corner = np.int64(maps[_MEAN, r, c])
    if r == 0 or c == 0:
        guess = left + up if r + c else np.int64(0)
    elif corner >= max(left, up):
        guess = min(left, up)
    elif corner <= min(left, up):
        guess = max(left, up)
    else:
        guess = left + up - corner
    if r and c:
        guess = (guess + ((left + up) >> 1)) >> 1
    busy = busy // (high + wide_)
    if chroma:
        for i in range(high):
            for j in range(wide_):
                beside = max(
                    beside,
                    np.int64(
                        others[
                            min((r + i << shift) + 1, others.shape[0] - 1),
                            min((c + j << shift) + 1, others.shape[1] - 1),
                        ]
                    ),
                )
    spread = _size(min(abs(left - up), np.int64(1 << 20)) >> 4)
    first = _first(
        np.int64(block[0, 0]), decoding, _level_of(guess, e), spread, e, chroma, at, states, weights, bounds, data
    )
    if decoding:
        block[0, 0] = first
    tall = wide = np.int64(0)
    h, w = block.shape
    if not decoding:
        for i in range(h):
            for j in range(w):
                if i + j and block[i, j]:
                    tall, wide = max(tall, _log2(i)), max(wide, _log2(j))
    top_tall, top_wide = a + _LEAST_BITS, b + _LEAST_BITS
    near_tall = min(maps[_TALL, r + 1, c], maps[_TALL, r, c + 1])
    near_wide = min(maps[_WIDE, r + 1, c], maps[_WIDE, r, c + 1])
    tall = _extent(
        tall,
        decoding,
        top_tall,
        np.int64(7),
        np.int64(0),
        shape,
        near_tall,
        busy,
        chroma,
        at,
        states,
        weights,
        bounds,
        data,
    )
    wide = _extent(
        wide, decoding, top_wide, tall, np.int64(1), shape, near_wide, busy, chroma, at, states, weights, bounds, data
    )
    total = np.int64(0)
    if tall + wide:
        kind = _kind(kind, decoding, a, b, r, c, chroma, maps, at, states, weights, bounds, data)
        total = _levels(
            block, decoding, tall, wide, a, b, kind, busy, beside, chroma, at, states, weights, bounds, data
        )
    else:
        kind = np.int64(0)
    mean = _mean_of(first, e)
    activity = _size(64 * min(total, np.int64(1 << 20)) >> e)
    for i in range(high):
        for j in range(wide_):
            maps[_BUSY, r + 1 + i, c + 1 + j] = activity
            maps[_MEAN, r + 1 + i, c + 1 + j] = mean
            maps[_SHAPE, r + 1 + i, c + 1 + j] = shape
            maps[_KIND, r + 1 + i, c + 1 + j] = kind
            maps[_TALL, r + 1 + i, c + 1 + j] = top_tall - tall
            maps[_WIDE, r + 1 + i, c + 1 + j] = top_wide - wide
    return kind


@kernel
def _walk(decoding, levels, shapes, kinds, chroma, maps, others, shift, at, states, weights, bounds, data):
    """All tiles of a plane. levels: int32 [R, C, TILE, TILE]; shapes, kinds: int8 [R, C, cells, cells]."""
    rows, columns = levels.shape[:2]
    todo = np.empty((32, 4), np.int64)
    for row in range(rows):
        for column in range(columns):
            todo[0] = 0, 0, _N - 1, _N - 1
            count = 1
            shape, kind = shapes[row, column], kinds[row, column]
            while count:
                count -= 1
                r, c, a, b = todo[count]
                own = a * _N + b
                how = np.int64(0)
                if not decoding and shape[r, c] != own:
                    how = np.int64(1) if a else np.int64(2)
                    for i in range(1 << a):
                        for j in range(1 << b):
                            if shape[r + i, c + j] // _N == a:
                                how = np.int64(2)
                where_r, where_c = row * _CELLS + r, column * _CELLS + c
                how = _split(how, decoding, a, b, where_r, where_c, chroma, maps, at, states, weights, bounds, data)
                if how == 1:
                    todo[count] = r + (1 << a - 1), c, a - 1, b
                    todo[count + 1] = r, c, a - 1, b
                    count += 2
                elif how == 2:
                    todo[count] = r, c + (1 << b - 1), a, b - 1
                    todo[count + 1] = r, c, a, b - 1
                    count += 2
                else:
                    block = levels[
                        row, column, r * LEAST : r + (1 << a) << _LEAST_BITS, c * LEAST : c + (1 << b) << _LEAST_BITS
                    ]
                    found = _leaf(
                        block, np.int64(kind[r, c]), decoding, a, b, where_r, where_c, chroma, maps, others, shift,
                        at, states, weights, bounds, data,
                    )  # fmt: skip
                    if decoding:
                        for i in range(1 << a):
                            for j in range(1 << b):
                                shape[r + i, c + j] = own
                                kind[r + i, c + j] = found


Plane = tuple[np.ndarray, np.ndarray, np.ndarray]
"""levels int32 [R, C, TILE, TILE], shapes and kinds int8 [R, C, TILE/LEAST, TILE/LEAST]."""


def _code(decoding: int, planes: Sequence[Plane], coder: Coder, halved: bool) -> None:
    others = np.zeros((1, 1), np.int32)
    for number, (levels, shapes, kinds) in enumerate(planes):
        rows, columns = (n * _CELLS + 1 for n in levels.shape[:2])
        maps = np.zeros((_MAPS, rows, columns + 1), np.int32)
        maps[_SHAPE] = _N * _N - 1
        shift = int(halved and number == 1)
        _walk(
            decoding, levels, shapes, kinds, int(number > 0), maps, others, shift, np.zeros(INPUTS, np.int64),
            coder.states, coder.weights, coder.bounds, coder.bytes,
        )  # fmt: skip
        others = maps[_BUSY]


def write_planes(planes: Sequence[Plane], halved: bool = False) -> bytes:
    """The code of one plane or three, magnitudes up to LARGEST/4; halved: the planes behind the first have half its sides.

    No header: the reader is told the numbers of tiles. Kinds of rectangles without levels but the first are not told.
    """
    room = sum(levels.size for levels, _, _ in planes) + (1 << 12)
    while True:
        coder = Coder(INPUTS * _AREA, _SETS, room=room)
        _code(0, planes, coder, halved)
        if (data := finish(coder)) is not None:
            return data
        room *= 4


def read_planes(data: bytes | memoryview, tiles: Sequence[tuple[int, int]], halved: bool = False) -> list[Plane]:
    """Planes of (rows, columns) of tiles, inverse of `write_planes`. Any bytes give some, in time linear in the tiles."""
    planes: list[Plane] = []
    for size in tiles:
        shapes, kinds = (np.zeros((*size, _CELLS, _CELLS), np.int8) for _ in range(2))
        planes.append((np.zeros((*size, TILE, TILE), np.int32), shapes, kinds))
    _code(1, planes, Coder(INPUTS * _AREA, _SETS, data), halved)
    return planes
