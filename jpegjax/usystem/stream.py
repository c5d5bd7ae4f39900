"""Divisions, bases and levels of planes as bytes, and back.

planes ─▶ tiles in raster order ─▶ halvings, basis, box of classes, levels ─▶ decisions under contexts ─▶ mixing coder

One walk serves both ways. A level's contexts: levels before it in its rectangle (rows from above, each from the left), its
place and the rectangle's shape and basis, how busy the rectangles to the left and above were, and what the component before
held there. The first coefficient is predicted from the means of the neighbours. Integers only: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..coding.mixing import INPUTS, Coder, finish
from ..simd import kernel
from .contexts import (
    AREA,
    BUSY,
    CELLS,
    KIND,
    LEAST_BITS,
    MAPS,
    MEAN,
    SETS,
    SHAPE,
    TALL,
    WIDE,
    N,
    code_extent,
    code_first,
    code_kind,
    code_levels,
    code_split,
    level_of,
    log2,
    mean_of,
    size_class,
)  # fmt: skip
from .search import LEAST, TILE

__all__ = ["read_planes", "write_planes"]


@kernel
def _leaf(block, kind, a, b, r, c, chroma, maps, others, shift, coder):
    """One rectangle at cell (r, c) of its plane; returns the number of its basis."""
    high, wide_ = np.int64(1) << a, np.int64(1) << b
    e = a + b + 2 * LEAST_BITS
    shape = a * N + b
    left = up = busy = beside = np.int64(0)
    for i in range(high):
        left += maps[MEAN, r + 1 + i, c]
        busy += maps[BUSY, r + 1 + i, c]
    for j in range(wide_):
        up += maps[MEAN, r, c + 1 + j]
        busy += maps[BUSY, r, c + 1 + j]
    left, up = left // high, up // wide_
    corner = np.int64(maps[MEAN, r, c])
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
    spread = size_class(min(abs(left - up), np.int64(1 << 20)) >> 4)
    first = code_first(np.int64(block[0, 0]), level_of(guess, e), spread, e, chroma, coder)
    if coder[0]:
        block[0, 0] = first
    tall = wide = np.int64(0)
    h, w = block.shape
    if not coder[0]:
        for i in range(h):
            for j in range(w):
                if i + j and block[i, j]:
                    tall, wide = max(tall, log2(i)), max(wide, log2(j))
    top_tall, top_wide = a + LEAST_BITS, b + LEAST_BITS
    near_tall = min(maps[TALL, r + 1, c], maps[TALL, r, c + 1])
    near_wide = min(maps[WIDE, r + 1, c], maps[WIDE, r, c + 1])
    tall = code_extent(tall, top_tall, np.int64(7), np.int64(0), shape, near_tall, busy, chroma, coder)
    wide = code_extent(wide, top_wide, tall, np.int64(1), shape, near_wide, busy, chroma, coder)
    total = np.int64(0)
    if tall + wide:
        kind = code_kind(kind, a, b, r, c, chroma, maps, coder)
        total = code_levels(block, tall, wide, a, b, kind, busy, beside, chroma, coder)
    else:
        kind = np.int64(0)
    mean = mean_of(first, e)
    activity = size_class(64 * min(total, np.int64(1 << 20)) >> e)
    for i in range(high):
        for j in range(wide_):
            maps[BUSY, r + 1 + i, c + 1 + j] = activity
            maps[MEAN, r + 1 + i, c + 1 + j] = mean
            maps[SHAPE, r + 1 + i, c + 1 + j] = shape
            maps[KIND, r + 1 + i, c + 1 + j] = kind
            maps[TALL, r + 1 + i, c + 1 + j] = top_tall - tall
            maps[WIDE, r + 1 + i, c + 1 + j] = top_wide - wide
    return kind


@kernel
def _walk(levels, shapes, kinds, chroma, maps, others, shift, coder):
    """All tiles of a plane. levels: int32 [R, C, TILE, TILE]; shapes, kinds: int8 [R, C, cells, cells]."""
    rows, columns = levels.shape[:2]
    todo = np.empty((32, 4), np.int64)
    for row in range(rows):
        for column in range(columns):
            todo[0] = 0, 0, N - 1, N - 1
            count = 1
            shape, kind = shapes[row, column], kinds[row, column]
            while count:
                count -= 1
                r, c, a, b = todo[count]
                own = a * N + b
                how = np.int64(0)
                if not coder[0] and shape[r, c] != own:
                    how = np.int64(1) if a else np.int64(2)
                    for i in range(1 << a):
                        for j in range(1 << b):
                            if shape[r + i, c + j] // N == a:
                                how = np.int64(2)
                where_r, where_c = row * CELLS + r, column * CELLS + c
                how = code_split(how, a, b, where_r, where_c, chroma, maps, coder)
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
                        row, column, r * LEAST : r + (1 << a) << LEAST_BITS, c * LEAST : c + (1 << b) << LEAST_BITS
                    ]
                    found = _leaf(
                        block, np.int64(kind[r, c]), a, b, where_r, where_c, chroma, maps, others, shift, coder)  # fmt: skip
                    if coder[0]:
                        for i in range(1 << a):
                            for j in range(1 << b):
                                shape[r + i, c + j] = own
                                kind[r + i, c + j] = found


Plane = tuple[np.ndarray, np.ndarray, np.ndarray]
"""levels int32 [R, C, TILE, TILE], shapes and kinds int8 [R, C, TILE/LEAST, TILE/LEAST]."""


def _code(planes: Sequence[Plane], coder: Coder, halved: bool) -> None:
    others, state = np.zeros((1, 1), np.int32), coder.state
    for number, (levels, shapes, kinds) in enumerate(planes):
        rows, columns = (n * CELLS + 1 for n in levels.shape[:2])
        maps = np.zeros((MAPS, rows, columns + 1), np.int32)
        maps[SHAPE] = N * N - 1
        _walk(levels, shapes, kinds, int(number > 0), maps, others, int(halved and number == 1), state)
        others = maps[BUSY]


def write_planes(planes: Sequence[Plane], halved: bool = False) -> bytes:
    """The code of one plane or three, magnitudes up to LARGEST/4; halved: the planes behind the first have half its sides.

    No header: the reader is told the numbers of tiles. Kinds of rectangles without levels but the first are not told.
    """
    room = sum(levels.size for levels, _, _ in planes) + (1 << 12)
    while True:
        coder = Coder(INPUTS * AREA, SETS, room=room)
        _code(planes, coder, halved)
        if (data := finish(coder)) is not None:
            return data
        room *= 4


def read_planes(data: bytes | memoryview, tiles: Sequence[tuple[int, int]], halved: bool = False) -> list[Plane]:
    """Planes of (rows, columns) of tiles, inverse of `write_planes`. Any bytes give some, in time linear in the tiles."""
    planes: list[Plane] = []
    for size in tiles:
        shapes, kinds = (np.zeros((*size, CELLS, CELLS), np.int8) for _ in range(2))
        planes.append((np.zeros((*size, TILE, TILE), np.int32), shapes, kinds))
    _code(planes, Coder(INPUTS * AREA, SETS, data), halved)
    return planes
