"""The tuned encoder on any JAX device: pictures to quantised planes, the same as the host's.

Pictures travel in buckets of few sizes, several a part and one part a device, so that the number of compiled programs does
not depend on the pictures. Raw blocks stay on the device, and the counts of symbols that a pass's rates come from: of a group of
pictures only levels come to the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from ...kernels.tuned.importance import ONE
from ...ops.tuned.rates import next_rates
from ...run.capacity import room
from ...run.devices import Devices, local_devices
from ...run.flow import Job, flow
from ...run.mesh import mapped, spread
from ...types import Frame
from ..files import table_slot
from .plan import Plan
from .programs import END, SEGMENT, VALID, Blocks, Coded, Layout, Pictures, page_size, quantise, transform
from .rates import Rates
from .recipe import Recipe

__all__ = ["quantise_batch"]

_PIXELS = {"cpu": 1}
_ACCELERATOR_PIXELS = 1 << 24
"""Pixels of a part, where its pictures are not larger."""
_NBYTES = 96
"""Memory that a pixel takes at most."""
_COMPONENTS, _BANDS = 3, 3
"""Tables a picture, and bands a table, that programs have room for: fewer of them are no reason to compile another."""


def _up(n: int, least: int) -> int:
    """The smallest of least, …, 8, 10, 12, 14, 16, 20, … that holds n."""
    step = 1 << max(0, (n - 1).bit_length() - 3)
    return max(least, -(-n // step) * step)


class _Order(NamedTuple):
    """Blocks of a component, those of every share-th row of MCUs first; the blocks of a row in coding order.

    raster: int32 [n], their indices in the plane. previous: int32 [n], which of them comes before each in the file, -1 for
    none. ends: bool [n], where a row of MCUs ends. first: how many the share has. longest: the most blocks a row.
    """

    raster: np.ndarray
    previous: np.ndarray
    ends: np.ndarray
    first: int
    longest: int


@lru_cache(maxsize=64)
def _coding_order(rows: int, columns: int, h: int, v: int, share: int) -> _Order:
    high, wide = -(-rows // v), -(-columns // h)
    index = np.full((high * v, wide * h), -1, np.int32)
    index[:rows, :columns] = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    lines = index.reshape(high, v, wide, h).transpose(0, 2, 1, 3).reshape(high, -1)
    real = lines >= 0
    counts = real.sum(1)
    number = np.full(lines.shape, -1, np.int32)  # in the file
    number[real] = np.arange(rows * columns, dtype=np.int32)
    turn = np.argsort(np.arange(high) % share > 0, kind="stable")
    raster, number, counts = lines[turn][real[turn]], number[turn][real[turn]], counts[turn]
    ends = np.zeros(rows * columns, bool)
    ends[np.cumsum(counts) - 1] = True
    place = np.empty(rows * columns + 1, np.int32)
    place[number], place[-1] = np.arange(rows * columns, dtype=np.int32), -1
    return _Order(raster, place[number - 1], ends, int(counts[: -(-high // share)].sum()), int(counts.max()))


@dataclass(frozen=True, slots=True)
class _Item:
    index: int
    image: Any
    plan: Plan

    def order(self, c: int) -> _Order:
        plan = self.plan
        return _coding_order(*plan.frame.blocks(c), *plan.order(c), plan.share(plan.recipe.passes - 1))

    def layout(self, group: tuple[int, ...]) -> Layout:
        plan, recipe, first = self.plan, self.plan.recipe, 0 in group
        narrow = plan.compensate and plan.frame.samples(1)[1] <= 2
        adaptive = first and (recipe.field[0] > 0 or recipe.field[-1] > 0)
        return Layout(
            plan.sampling, group, recipe.chroma == "lsq", adaptive, first and plan.compensate, narrow,
            recipe.network if adaptive else None, first and recipe.dering, recipe.importance is not None,
        )  # fmt: skip

    @property
    def parameters(self) -> tuple[int, ...]:
        """`Pictures.parameters`."""
        recipe = self.plan.recipe
        power, *others = field = recipe.field
        network, known = recipe.network, (0, 0)
        if network is not None:
            power, known = network.effective_power(power), network.inputs(field, recipe.steps[0])
        return power, *others, *recipe.compensate, *known

    @property
    def bucket(self) -> tuple[int, int]:
        """Height and width of the pixels as they travel."""
        high, wide = self.plan.mcus
        hmax, vmax = map(max, zip(*self.plan.sampling, strict=True))
        return 8 * vmax * _up(high, 8), 8 * hmax * _up(wide, 8)


def _are_one_batch(images: Sequence[Any]) -> bool:
    """Whether images are JAX's, of one size and in one place. Of many sizes each would compile a program."""
    return all(isinstance(x, jax.Array) for x in images) and len({(x.shape, x.sharding) for x in images}) == 1


@partial(jax.jit, static_argnums=(1, 2))
def _edged(images: Sequence[jax.Array], high: int, wide: int) -> jax.Array:
    """Images [H, W] or [H, W, C] as one [N, high, wide, C], edges repeated."""
    batch = jnp.stack(images).reshape(len(images), *images[0].shape[:2], -1)
    return jnp.pad(batch, ((0, 0), (0, high - batch.shape[1]), (0, wide - batch.shape[2]), (0, 0)), mode="edge")


class _Group:
    """Pictures of one bucket on their way through the device: `parts` parts of `count` pictures, the last ones missing."""

    def __init__(self, items: Sequence[_Item], count: int, devices: Devices):
        self.items, self.count, self.devices, self.parts = items, count, devices, len(devices)
        self.page = page_size(devices[0].platform)
        self.planes = [
            [np.empty((*i.plan.frame.blocks(c), 8, 8), np.int16) for c in range(len(i.plan.sampling))] for i in items
        ]

    def each(self) -> Iterator[tuple[int, int, int, _Item]]:
        """(number, part, place in it, item)."""
        for k, item in enumerate(self.items):
            yield k, k // self.count, k % self.count, item

    def pictures(self, sharding: NamedSharding) -> Pictures:
        """All pictures, on the devices."""
        lead = self.parts, self.count
        sides, blocks = np.ones((2, *lead, 2), np.int32)
        parameters, steps = np.ones((*lead, 13), np.int32), np.ones((*lead, 64), np.uint16)
        for _, p, j, item in self.each():
            sides[p, j] = item.image.shape[:2]
            blocks[p, j], parameters[p, j] = item.plan.frame.blocks(0), item.parameters
            steps[p, j] = item.plan.recipe.steps[0]
        images = [item.image for item in self.items]
        stay = _are_one_batch(images)
        pixels = spread(self._resident_pixels(images), sharding) if stay else self._pixels()
        return jax.device_put(Pictures(pixels, sides, blocks, parameters, steps), sharding)

    def _pixels(self) -> np.ndarray:
        """uint8 [parts, count, H, W, C], edges repeated."""
        high, wide = self.items[0].bucket
        pixels = np.zeros((self.parts, self.count, high, wide, 1 if self.items[0].plan.alone else 3), np.uint8)
        for _, p, j, item in self.each():
            image = np.asarray(jax.device_get(item.image))
            h, w = image.shape[:2]
            target = pixels[p, j]
            target[:h, :w] = image.reshape(h, w, -1)
            target[:h, w:] = target[:h, w - 1 : w]
            target[h:] = target[h - 1]
        return pixels

    def _resident_pixels(self, images: Sequence[jax.Array]) -> list[jax.Array]:
        """The parts of `_pixels` of pictures of one size, made where they lie; the last picture stands for missing ones."""
        first = range(0, self.parts * self.count, self.count)
        shares = [[images[min(i + j, len(images) - 1)] for j in range(self.count)] for i in first]
        return [_edged(share, *self.items[0].bucket) for share in shares]

    def grids(self, group: tuple[int, ...]) -> dict[int, tuple[int, int]]:
        """Rows and columns of blocks of the group's components in a bucket."""
        (high, wide), sampling = self.items[0].bucket, self.items[0].plan.sampling
        hmax, vmax = (max(f) for f in zip(*sampling, strict=True))
        return {c: (high * sampling[c][1] // (8 * vmax), wide * sampling[c][0] // (8 * hmax)) for c in group}

    def factors(self, group: tuple[int, ...]) -> np.ndarray:
        """What the maps of importance make of the group's blocks, uint16 [parts, count, blocks]."""
        grids = self.grids(group)
        found = [np.full((self.parts, self.count, *grid), ONE, np.uint16) for grid in grids.values()]
        for _, p, j, item in self.each():
            for own, target in zip(item.plan.factors(group).values(), found, strict=True):
                target[p, j, : own.shape[0], : own.shape[1]] = own
        return np.concatenate([f.reshape(self.parts, self.count, -1) for f in found], 2)

    def blocks(self, group: tuple[int, ...]) -> tuple[Blocks, np.ndarray, list[list[np.ndarray]]]:
        """Where the blocks of the group's components stand; how many segments passes that count and others take, int32
        [2, parts]; and for each picture and component the places of its blocks in their part."""
        grids = self.grids(group)
        bases = np.cumsum([0, *(rows * columns for rows, columns in grids.values())]).tolist()
        segments = self.count * sum(rows * columns // SEGMENT + 2 for rows, columns in grids.values())
        size = SEGMENT * self.page * _up(-(-segments // self.page), 1)
        lead, tables = (self.parts,), self.count * _COMPONENTS
        order, previous = np.full((*lead, size), self.count * bases[-1], np.int32), np.full((*lead, size), -1, np.int32)
        flags, table = np.full((*lead, size), END, np.uint8), np.zeros((*lead, size // SEGMENT), np.int32)
        used, turns = np.zeros((2, *lead), np.int32), np.zeros(lead, np.int32)
        steps, weights = np.ones((2, *lead, tables, 64), np.uint16)
        bands = np.full((*lead, tables, self.bands(group)), 63, np.int32)
        places = [[np.empty(item.order(c).raster.size, np.int32) for c in group] for item in self.items]
        for section in (0, 1):
            used[1] = used[0] if section else 0
            for k, p, _, item in self.each():
                for i, c in enumerate(group):
                    found = item.order(c)
                    part = slice(found.first, None) if section else slice(found.first)
                    count = len(found.raster[part])
                    places[k][i][part] = SEGMENT * used[section, p] + np.arange(count, dtype=np.int32)
                    used[section, p] += -(-count // SEGMENT)
        for k, p, j, item in self.each():
            for i, (c, (_, pitch)) in enumerate(grids.items()):
                found, place, columns, row = (
                    item.order(c),
                    places[k][i],
                    item.plan.frame.blocks(c)[1],
                    j * _COMPONENTS + i,
                )
                order[p, place] = j * bases[-1] + bases[i] + found.raster // columns * pitch + found.raster % columns
                previous[p, place] = np.where(found.previous < 0, -1, place[found.previous])
                flags[p, place] = VALID | found.ends * np.uint8(END)
                table[p, place // SEGMENT] = row
                turns[p] = max(turns[p], (found.longest - 1).bit_length())
                steps[p, row], weights[p, row] = item.plan.recipe.steps[c], item.plan.recipe.weights[c]
                bands[p, row, : len(item.plan.bands(c))] = item.plan.bands(c)
        return Blocks(order, previous, table, flags, turns, steps, weights, bands), used, places

    def bands(self, group: tuple[int, ...]) -> int:
        return max(_BANDS, *(len(item.plan.bands(c)) for item in self.items for c in group))

    def rates(self, group: tuple[int, ...]) -> Rates:
        """Rates of the first pass, int32 [parts, T, N, 256] and [parts, T, 12]."""
        lead = self.parts, self.count * _COMPONENTS
        rates = Rates(np.ones((*lead, self.bands(group), 256), np.int32), np.ones((*lead, 12), np.int32))
        for _, p, j, item in self.each():
            self.fill(rates, p, j, {c: item.plan.first_rates(c) for c in group})
        return rates

    def fill(self, rates: Rates, part: int, place: int, found: Mapping[int, Rates]) -> None:
        """Write the rates of a picture's components where they belong."""
        for i, own in enumerate(found.values()):
            row = place * _COMPONENTS + i
            rates.ac[part, row, : len(own.ac)], rates.dc[part, row] = own

    def job(self) -> Job[tuple[int, list[np.ndarray]]]:
        """All programs in turn."""
        plan, platform = self.items[0].plan, self.devices[0].platform
        quantised, sharding = mapped(quantise, self.devices, platform)
        pictures = self.pictures(sharding)
        coded: Coded | None = None
        for group in plan.groups:
            host, used, places = self.blocks(group)
            blocks = jax.device_put(host, sharding)
            layout = self.items[0].layout(group)
            factors = jax.device_put(self.factors(group), sharding) if layout.weighted else None
            raw, field = mapped(transform, self.devices, layout).run(pictures, blocks.order, coded, factors)
            slots = tuple(table_slot(plan.frame, c) for c in group)
            priced = mapped(next_rates, self.devices, slots, _COMPONENTS, plan.progressive).run
            rates = jax.device_put(self.rates(group), sharding)
            for left in range(plan.recipe.passes - 1, -1, -1):
                now = used[1 if left == 0 else 0], np.full(self.parts, left > 0)
                levels, *counts = quantised(raw, field, blocks, *rates, *jax.device_put(now, sharding))
                rates = priced(*counts) if left else None
            if group != plan.groups[-1]:
                steps = host.steps.reshape(self.parts, self.count, _COMPONENTS, 64)[:, :, : len(group)]
                coded = Coded(levels, blocks.order, jax.device_put(steps, sharding))
            yield levels
            self.collect(group, np.asarray(levels), places)
        return [(item.index, planes) for item, planes in zip(self.items, self.planes, strict=True)]

    def collect(self, group: tuple[int, ...], levels: np.ndarray, places: list[list[np.ndarray]]) -> None:
        for k, p, _, item in self.each():
            for c, place in zip(group, places[k], strict=True):
                self.planes[k][c].reshape(-1, 64)[item.order(c).raster] = levels[p, place]


def _grouped(items: Sequence[_Item], devices: Devices) -> Iterator[_Group]:
    """Pictures of equal programs together, as many as a dispatch holds."""
    alike: dict[Any, list[_Item]] = defaultdict(list)
    for item in items:
        layouts = tuple(item.layout(group) for group in item.plan.groups)
        alike[item.bucket, layouts, item.plan.recipe.passes, item.plan.progressive].append(item)
    budget, free = _PIXELS.get(devices[0].platform, _ACCELERATOR_PIXELS), room(devices)
    if free is not None:
        budget = min(budget, free // _NBYTES)
    for (bucket, *_), same in alike.items():
        most = max(1, budget // (bucket[0] * bucket[1]))
        done = 0
        while done < len(same):
            left = len(same) - done
            used = devices if left > 1 else devices[:1]
            share = min(most, -(-left // len(used)))
            count = 1 << (share.bit_length() - 1)  # powers of two only
            yield _Group(same[done : done + count * len(used)], count, used)
            done += count * len(used)


def quantise_batch(
    images: Sequence[Any], frames: Sequence[Frame], recipes: Sequence[Recipe], device: Any = None
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """(picture's index, its levels per component) of each picture, as pictures become complete; as `tuned_planes` has them.

    images: uint8 [H, W] or [H, W, 3], NumPy or JAX, of any sizes. frames: grey or YCbCr. device: as for `transform_batch`.
    Levels: int16 [rows, columns, 8, 8], real blocks only.
    """
    devices = local_devices(device)
    items = [
        _Item(i, image, Plan(frame, recipe))
        for i, (image, frame, recipe) in enumerate(zip(images, frames, recipes, strict=True))
    ]
    return flow((group.job() for group in _grouped(items, devices)), devices)
