"""Batches of one size that lie, or shall lie, on the device: tiled and untiled there, around the page programs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...run.capacity import room, shaped, taken
from ...run.devices import Devices
from ...run.flow import DEPTH, Job, flow
from ...run.mesh import mapped, parts
from ...types import Frame
from .direct import direct_levels, is_direct
from .pages import PLENTY, Item, Region, neighbours, page_sizes
from .programs import decode_page, encode_page
from .specs import Spec

__all__ = [
    "Chunk", "chunks", "from_words", "near_of", "page_of", "part_of", "pixels_of", "reconstruct", "shape_of", "step_tables",
    "transform", "words_of",
]  # fmt: skip


def words_of(x: jax.Array) -> jax.Array:
    """Bytes or 16-bit levels [..., n] as int32 words."""
    return lax.bitcast_convert_type(x.reshape(*x.shape[:-1], -1, 4 // x.dtype.itemsize), jnp.int32)


def from_words(x: jax.Array, dtype: Any) -> jax.Array:
    parts = lax.bitcast_convert_type(x, dtype)
    return parts.reshape(*x.shape[:-1], -1)


def page_of(spec: Spec, frame: Frame, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`encode_page`'s pixels and rows of images uint8 [N, H, W] or [N, H, W, C], one behind the other."""
    count, (rows, columns) = images.shape[0], frame.mcus
    high, wide = 8 * spec.vmax, 8 * spec.hmax
    pad = [(0, 0), (0, rows * high - frame.height), (0, columns * wide - frame.width), (0, 0)]
    x = jnp.pad(images.reshape(*images.shape[:3], -1), pad, mode="edge")
    x = x.reshape(count, rows, high, columns, -1).transpose(2, 0, 1, 3, 4).reshape(high, count * rows * columns, -1)
    inside = jnp.minimum(high, frame.height - high * jnp.arange(rows, dtype=jnp.int32))
    return words_of(x), jnp.broadcast_to(inside[:, None], (count, rows, columns)).reshape(-1)


def _encode(platform: str, spec: Spec, frame: Frame, images: jax.Array, tables: jax.Array) -> list[jax.Array]:
    count, (rows, columns) = images.shape[0], frame.mcus

    def plane(c: int, y: jax.Array) -> jax.Array:
        (h, v), (r, k) = spec.sampling[c], frame.blocks(c)
        return y.reshape(count, rows * v, columns * h, 8, 8)[:, :r, :k]

    if is_direct(platform, spec):
        whole = [levels(np.arange(64)) for levels in direct_levels(spec, frame, images, tables)]
        every = [y.reshape(*y.shape[:3], count, rows, columns).transpose(3, 4, 1, 5, 2, 0) for y in whole]
    else:
        page = encode_page(platform, spec, *page_of(spec, frame, images), tables)
        sampled = zip(spec.sampling, page, strict=True)
        every = [from_words(y, jnp.int16).reshape(v, count, rows, columns, h, 64) for (h, v), y in sampled]
        every = [y.transpose(1, 2, 0, 3, 4, 5) for y in every]
    return [plane(c, y) for c, y in enumerate(every)]


def _decode(
    platform: str, spec: Spec, frame: Frame, planes: list[jax.Array], near: jax.Array, tables: jax.Array
) -> jax.Array:
    count, (rows, columns) = planes[0].shape[0], frame.mcus
    levels = []
    for (h, v), y in zip(spec.sampling, planes, strict=True):
        pad = [(0, 0), (0, rows * v - y.shape[1]), (0, columns * h - y.shape[2]), (0, 0)]
        y = jnp.pad(y.reshape(*y.shape[:3], 64), pad).reshape(count, rows, v, columns, h, 64)
        levels.append(words_of(y.transpose(2, 0, 1, 3, 4, 5).reshape(v, count * rows * columns, h, 64)))
    return pixels_of(platform, spec, frame, tuple(levels), near, tables)


def pixels_of(
    platform: str, spec: Spec, frame: Frame, levels: tuple[jax.Array, ...], near: jax.Array, tables: jax.Array
) -> jax.Array:
    """`decode_page` of pictures of one frame, one behind the other: uint8 [N, H, W] or [N, H, W, C]. near: int32 [N, 5, MCUs]."""
    count, (rows, columns) = near.shape[0], frame.mcus
    x = decode_page(platform, spec, levels, near.transpose(1, 0, 2).reshape(5, -1), tables)
    x = from_words(x, jnp.uint8).reshape(8 * spec.vmax, count, rows, columns, -1).transpose(1, 2, 0, 3, 4)
    x = x.reshape(count, 8 * spec.vmax * rows, -1)[:, : frame.height, : frame.width * spec.channels]
    return x.reshape(count, frame.height, frame.width, *([spec.channels] if spec.channels > 1 else []))


Chunk = tuple[list[Item], Devices]
Need = Callable[[int, Devices], int]
"""Bytes that a dispatch takes on each device, of the number of its images and the devices."""


def _cuts(count: int, share: int, devices: Devices) -> Iterator[tuple[int, Devices]]:
    """(images, devices) of each dispatch, at most `share` a device."""
    while count:
        even = count >= len(devices) and (count > share or count % len(devices) == 0)
        used = devices if even else devices[: 1 if count <= share else count]
        size = min(share, count // len(used)) * len(used)
        yield size, used
        count -= size


def chunks(
    items: Sequence[Item], devices: Devices, need: Need, stay: bool = False, pages: int = 1
) -> list[Chunk] | None:
    """(items, devices) of each dispatch: as many images as so many pages hold and memory allows, at least one a device.

    None where memory does not allow one. stay: pixels will stay on the devices.
    """
    frame = items[0].frame
    samples = items[0].samples
    kept = frame.height * frame.width * len(frame.components) * -(-len(items) // len(devices)) if stay else 0
    share = max(1, pages * page_sizes(devices[0].platform)[-1] // items[0].mcus)
    free = room(devices, kept)
    while free is not None:
        size, used = next(_cuts(len(items), share, devices))
        if size // len(used) * samples * PLENTY <= free or need(size, used) <= free:
            break
        if share == 1:
            return None
        share //= 2
    source = iter(items)
    return [(list(islice(source, size)), used) for size, used in _cuts(len(items), share, devices)]


def part_of(images: Any, chunk: Sequence[Item]) -> jax.Array:
    """A chunk's images of an array, or of a list of arrays, as one array."""
    part = images if len(chunk) == len(images) else images[chunk[0].index : chunk[-1].index + 1]
    return part if isinstance(part, jax.Array) else jnp.stack(part)


def shape_of(images: Any) -> tuple[int, ...]:
    """Of one of an array's or a list's images; to take it from the array would be work for the device."""
    return images.shape[1:] if isinstance(images, jax.Array) else images[0].shape


def step_tables(items: Sequence[Item]) -> np.ndarray:
    """uint16 [N, components, 64], quantisation tables."""
    first = items[0].tables
    if all(item.tables is first for item in items):
        return np.broadcast_to(np.stack(first), (len(items), len(first), 64))
    return np.stack([np.stack(item.tables) for item in items])


def near_of(spec: Spec, chunk: Sequence[Item], devices: int) -> np.ndarray:
    """`pixels_of`'s near, int32 [N, 5, MCUs], of pictures of one frame that so many devices share evenly."""
    rows, columns = chunk[0].frame.mcus
    one = np.zeros((5, rows * columns), np.int32)
    neighbours(one, spec, Region(chunk[0], (0, rows), (0, columns), (0, rows, 0, columns), 0, 0))
    near = np.repeat(one[None], len(chunk), 0)
    place = np.arange(len(chunk), dtype=np.int32) % (len(chunk) // devices)
    near[:, :2] += place[:, None, None] * (rows * columns)
    return near


def transform(
    images: Any, items: Sequence[Item], spec: Spec, devices: Devices
) -> Iterator[tuple[int, list[np.ndarray]]] | None:
    """`transform_batch` of uint8 [N, H, W] or [N, H, W, C], or of a list of such images; None where memory is short of one."""
    frame, shape = items[0].frame, shape_of(images)

    def need(size: int, used: Devices) -> int:
        run, sharding = mapped(_encode, used, used[0].platform, spec, frame, split=True)
        pixels = shaped((size, *shape), np.uint8, sharding)
        return taken(run, pixels, shaped((size, len(items[0].tables), 64), np.uint16, sharding))

    def job(chunk: list[Item], used: Devices) -> Job[tuple[int, list[np.ndarray]]]:
        run, sharding = mapped(_encode, used, used[0].platform, spec, frame, split=True)
        result = run(*jax.device_put((part_of(images, chunk), step_tables(chunk)), sharding))
        yield result
        planes = jax.device_get(result)
        return [(item.index, [plane[j] for plane in planes]) for j, item in enumerate(chunk)]

    cut = chunks(items, devices, need)
    return None if cut is None else flow((job(*chunk) for chunk in cut), devices)


def reconstruct(
    planes: Iterable[Sequence[np.ndarray] | None], items: Sequence[Item], spec: Spec, devices: Devices
) -> Iterator[tuple[int, jax.Array]] | None:
    """`reconstruct_batch` of images of one frame: the pixels stay on the devices, which are at most DEPTH batches behind.

    None where memory is short of one.
    """
    source = iter(planes)
    behind: deque[jax.Array] = deque()
    frame = items[0].frame

    def need(size: int, used: Devices) -> int:
        run, sharding = mapped(_decode, used, used[0].platform, spec, frame, split=True)
        stacked = [shaped((size, *frame.blocks(c), 8, 8), np.int16, sharding) for c in range(len(spec.sampling))]
        near = shaped((size, 5, items[0].mcus), np.int32, sharding)
        return taken(run, stacked, near, shaped((size, len(items[0].tables), 64), np.uint16, sharding))

    def job(chunk: list[Item], used: Devices) -> Job[tuple[int, jax.Array]]:
        run, sharding = mapped(_decode, used, used[0].platform, spec, frame, split=True)
        found = list(islice(source, len(chunk)))
        some = next((p for p in found if p is not None), None)
        if some is None:
            return []
        held = [some if p is None else p for p in found]
        stacked = [np.stack([p[c] for p in held]) for c in range(len(spec.sampling))]
        near = near_of(spec, chunk, len(used))
        if len(behind) == DEPTH:
            jax.block_until_ready(behind.popleft())
        result = run(*jax.device_put((stacked, near, step_tables(chunk)), sharding))
        behind.append(result)
        yield ()  # nothing comes to the host
        pixels = [part[j] for part in parts(result) for j in range(len(part))]
        return [(item.index, x) for item, x, p in zip(chunk, pixels, found, strict=True) if p is not None]

    cut = chunks(items, devices, need, stay=True)
    return None if cut is None else flow((job(*chunk) for chunk in cut), devices)
