"""Pixels that lie on a device become entropy-coded data there, and nothing else comes back (`ops.bits.packing`).

    pixels ─▶ blocks ─▶ lengths ─▶ data, stuffed ─▶ as many bytes as there are
                 ╰▶ counts ─▶ tables ─▶╯ (optimised)

Each arrow is a program, over as many pictures of one size as a page holds on each device. Between two of them only sizes come
to the host, so that no buffer is guessed, while the batches in flight are at work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...coding.huffman import encode_codes, optimal_spec
from ...ops.bits.joining import join_by_lanes
from ...ops.bits.packing import (
    DC_AT,
    INVALID,
    LENGTH_AT,
    MAX_BITS,
    MAX_BLOCK_BITS,
    NO_CODE,
    SILENT,
    TABLE,
    WINDOWS,
    Blocks,
    Extent,
    Lengths,
    count_symbols,
    join_by_sums,
    measure,
    place,
    prepare,
    stuff,
)
from ...run.capacity import shaped, taken
from ...run.devices import Devices
from ...run.flow import Job, flow
from ...run.mesh import mapped, parts
from ...types import ZIGZAG, Frame, HuffmanSpec
from .direct import direct_levels, is_direct
from .pages import Item
from .programs import quantised_page, stages
from .resident import chunks, page_of, part_of, shape_of, step_tables
from .specs import Coded, Coding, Spec, Tables

__all__ = ["NBYTES", "code", "fits", "stacked", "up"]

NBYTES = 20
"""Memory a sample that the programs behind the transform take at most: 16 on a CPU, 14 on an H100, by their compilers, for noise
at quality 100."""


ACCELERATOR_PAGES = 8
"""Of pictures in a dispatch there. By reckoning, not measured: its dozen calls and three waits take the host a millisecond, as
long as a GPU takes to code so many pages and to send the files. With ten blocks an MCU, no JPEG has more, half of MAX_BITS."""


def _pages(platform: str) -> int:
    return 1 if platform == "cpu" else ACCELERATOR_PAGES


def fits(frame: Frame) -> bool:
    """Whether a picture's bits can be counted in 32 bits, whatever it shows: some 110 Mpixel at 4:2:0."""
    rows, columns = frame.mcus
    return rows * columns * sum(k.h * k.v for k in frame.components) * MAX_BLOCK_BITS <= MAX_BITS


def _blocks(
    platform: str, spec: Spec, frame: Frame, interval: int, images: jax.Array, tables: jax.Array
) -> tuple[Blocks, ...]:
    """Each component's blocks of uint8 [N, H, W] or [N, H, W, C]."""
    rows, columns = frame.mcus
    mcu = lax.iota(jnp.int32, images.shape[0] * rows * columns) % (rows * columns)
    first = mcu % (interval or rows * columns) == 0

    def real(c: int) -> jax.Array:
        h, v = spec.sampling[c]
        real_rows, real_columns = frame.blocks(c)
        at_row = mcu // columns * v + lax.broadcasted_iota(jnp.int32, (v, h, mcu.size), 0)
        at_column = mcu % columns * h + lax.broadcasted_iota(jnp.int32, (v, h, mcu.size), 1)
        return ((at_row < real_rows) & (at_column < real_columns)).reshape(-1, mcu.size)

    if is_direct(platform, spec):
        found = []
        for c, levels in enumerate(direct_levels(spec, frame, images, tables)):
            y, dc = (levels(places).reshape(len(places), -1, mcu.size) for places in (ZIGZAG, ZIGZAG[:1]))
            found.append(prepare(y, real(c), first, dc[0]))
        return tuple(found)
    stage = stages(platform, tables)
    return tuple(
        stage(lambda y, *where: prepare(_zigzag(y), *where), y, real(c), first)
        for c, y in enumerate(quantised_page(platform, spec, *page_of(spec, frame, images), tables))
    )


def _zigzag(levels: jax.Array) -> jax.Array:
    """[v, 8, h, 8, P] → [64, v·h, P]."""
    return levels.transpose(1, 3, 0, 2, 4).reshape(64, -1, levels.shape[-1])[ZIGZAG]


def _counts(slots: tuple[int, ...], pictures: int, blocks: Sequence[Blocks]) -> jax.Array:
    return count_symbols(blocks, slots, pictures)


def _lengths(
    slots: tuple[int, ...], pictures: int, interval: int, blocks: Sequence[Blocks], lengths: jax.Array
) -> tuple[list[Lengths], Extent]:
    return measure(blocks, lengths, slots, pictures, interval)


def _data(
    platform: str,
    slots: tuple[int, ...],
    capacity: int,
    window: int,
    blocks: Sequence[Blocks],
    codes: jax.Array,
    lengths: Sequence[Lengths],
    extent: Extent,
) -> tuple[jax.Array, jax.Array]:
    join = join_by_lanes if platform == "gpu" else join_by_sums
    return stuff(place(blocks, codes, slots, lengths, extent, capacity, window, join), extent)


def _beginning(size: int, data: jax.Array) -> jax.Array:
    return data[:size]


def up(n: int, steps: int) -> int:
    """The next size, from 64 on, that holds n, of which so many lie between one power of two and the next (one, two, four …)."""
    step = (1 << max(n - 1, 64).bit_length() - 1) // steps
    return -(-max(n, 64) // step) * step


def _fetched(array: jax.Array) -> np.ndarray:
    """What all devices have of a program's result, [devices, …]."""
    return np.concatenate(jax.device_get(parts(array)))


@lru_cache(maxsize=64)
def _table(dc: HuffmanSpec, ac: HuffmanSpec) -> tuple[np.ndarray, np.ndarray]:
    """(lengths uint8 [TABLE], codes int32 [TABLE]) as `ops.bits.packing` has them."""
    codes = np.concatenate([encode_codes(ac), encode_codes(dc, True)])
    symbol = np.arange(TABLE)
    size = np.where(symbol < DC_AT, symbol & 15, symbol - DC_AT)
    lengths = np.where(codes == 0, NO_CODE, (codes & 255) + size)
    lengths[SILENT], lengths[INVALID] = 0, NO_CODE
    return lengths.astype(np.uint8), (lengths.astype(np.int32) << LENGTH_AT) | (codes >> 8).astype(np.int32)


def stacked(tables: Sequence[Tables]) -> tuple[np.ndarray, np.ndarray]:
    """(lengths uint8, codes int32) [tables, slots, TABLE]."""
    slots = range(1 + max(slot for _, slot in tables[0]))
    pairs = [[_table(t[0, slot], t[1, slot]) for slot in slots] for t in tables]
    lengths, codes = ([[pair[i] for pair in row] for row in pairs] for i in range(2))
    return np.array(lengths), np.array(codes)


def _best(counts: np.ndarray) -> Tables:
    """The best tables of a picture. counts: int32 [slots, TABLE]."""
    found = {}
    for slot, row in enumerate(counts.astype(np.int64)):
        found[0, slot] = optimal_spec(np.pad(row[DC_AT : DC_AT + 16], (0, 240)))
        found[1, slot] = optimal_spec(row[:DC_AT])
    return found


def code(images: Any, items: Sequence[Item], spec: Spec, coding: Coding, devices: Devices) -> Iterator[Any] | None:
    """(item's index, `Coded`) of each of uint8 [N, H, W] or [N, H, W, C], or of a list of such images, whose `Item`s have one
    frame that `fits`; None where memory is short of one."""
    frame, shape = items[0].frame, shape_of(images)

    def need(size: int, used: Devices) -> int:
        run, sharding = mapped(_blocks, used, used[0].platform, spec, frame, coding.interval)
        lead = len(used), size // len(used)
        pixels = shaped((*lead, *shape), np.uint8, sharding)
        transform = taken(run, pixels, shaped((*lead, len(items[0].tables), 64), np.uint16, sharding))
        return max(transform, NBYTES * lead[1] * items[0].samples)

    found = chunks(items, devices, need, pages=_pages(devices[0].platform))
    return None if found is None else flow((_job(images, chunk, spec, coding, used) for chunk, used in found), devices)


def _job(images: Any, chunk: Sequence[Item], spec: Spec, coding: Coding, used: Devices) -> Job[tuple[int, Coded]]:
    frame, share = chunk[0].frame, len(chunk) // len(used)
    slots, interval = coding.slots, coding.interval

    def split(x: Any) -> Any:
        return x.reshape(len(used), share, *x.shape[1:])

    def run(function: Any, *static: Any) -> Any:
        return mapped(function, used, *static).run

    transform, sharding = mapped(_blocks, used, used[0].platform, spec, frame, interval)
    blocks = transform(*jax.device_put((split(part_of(images, chunk)), split(step_tables(chunk))), sharding))
    if coding.tables is None:
        counts = run(_counts, slots, share)(blocks)
        yield counts
        tables = [_best(c) for c in _fetched(counts).reshape(len(chunk), -1, TABLE)]
        bits, codes = map(split, stacked(tables))
    else:
        tables = [coding.tables] * len(chunk)
        bits, codes = (np.repeat(t[None], len(used), 0) for t in stacked(tables[:1]))
    bits, codes = jax.device_put((bits, codes), sharding)
    lengths, extent = run(_lengths, slots, share, interval)(blocks, bits)
    yield extent.nbytes, extent.valid, extent.longest
    capacity = up(-(-int(_fetched(extent.nbytes).sum(1).max()) // 4), 2)  # the more, the more programs
    longest = int(_fetched(extent.longest).max())
    window = next((w for w in WINDOWS if 32 * w >= 31 + longest), WINDOWS[-1])
    data, nbytes = run(_data, used[0].platform, slots, capacity, window)(blocks, codes, lengths, extent)
    yield nbytes
    sizes = _fetched(nbytes)
    data = run(_beginning, up(int(sizes.sum(1).max()), 8))(data)
    yield data
    files = [
        octets[a:b]
        for octets, ends in zip(map(bytes, _fetched(data)), sizes.cumsum(1).tolist(), strict=True)
        for a, b in pairwise([0, *ends])
    ]
    valid = _fetched(extent.valid).reshape(-1).tolist()
    return [
        (item.index, Coded(file if good else None, specs))
        for item, file, good, specs in zip(chunk, files, valid, tables, strict=True)
    ]
