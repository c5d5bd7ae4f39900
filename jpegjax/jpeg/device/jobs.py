"""Images of any sizes through the pages: a page is sent as soon as it is full, an image comes out as soon as it is
complete, so that the caller's entropy coding overlaps the device's work.

`Encode` and `Decode` say what a page of each direction needs from the host: buffers, how to fill them, and where the
result goes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ...run.capacity import room, shaped, taken
from ...run.devices import Devices
from ...run.flow import Job, flow
from ...run.mesh import parts
from ...run.threads import copy_parallel
from .pages import (
    PLENTY,
    Item,
    Page,
    Planner,
    Region,
    neighbours,
    pack_levels,
    pack_pixels,
    page_sizes,
    unpack_levels,
    unpack_pixels,
)
from .programs import SEGMENT, program
from .specs import Spec

__all__ = ["Decode", "Encode", "through_pages"]

Buffers = tuple[np.ndarray, ...]


def _flat(image: np.ndarray) -> np.ndarray:
    """[H, W] or [H, W, C] → [H, W·C] with contiguous rows, no copy where possible."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim == 3 and image.strides[1:] != (channels, 1):
        image = np.ascontiguousarray(image)
    if image.ndim == 2 and image.strides[1] != 1:
        image = np.ascontiguousarray(image)
    return image.reshape(image.shape[0], -1)


class Encode:
    """Images uint8 [H, W] or [H, W, 3] → per component int16 [rows, columns, 8, 8]."""

    kind = "encode"

    def __init__(self, spec: Spec, parts: int):
        self.spec: Spec = spec
        self.parts: int = parts

    def buffers(self, size: int) -> Buffers:
        spec = self.spec
        pixels = np.zeros((self.parts, 8 * spec.vmax, size, 8 * spec.hmax * spec.channels), np.uint8)
        return pixels, np.full((self.parts, size), 8 * spec.vmax, np.int32)

    def arguments(self, buffers: Buffers, page: Page) -> tuple[Any, ...]:
        pixels, rows = buffers
        return pixels.view(np.int32), rows, page.tables

    def pack(self, buffers: Buffers, source: np.ndarray, region: Region) -> None:
        pixels, rows = buffers
        pack_pixels(_flat(source), self.spec, pixels[region.part], rows[region.part], region)

    def target(self, item: Item) -> list[np.ndarray]:
        shapes = [item.frame.blocks(c) for c in range(len(item.frame.components))]
        return [np.empty((*s, 8, 8), np.int16) for s in shapes]

    def unpack(self, target: list[np.ndarray], part: list[np.ndarray], region: Region) -> None:
        unpack_levels(target, self.spec, [levels.view(np.int16) for levels in part], region)


class Decode:
    """Per component int16 [rows, columns, 8, 8] → images uint8 [H, W] or [H, W, 3]."""

    kind = "decode"

    def __init__(self, spec: Spec, parts: int):
        self.spec: Spec = spec
        self.parts: int = parts

    def buffers(self, size: int) -> Buffers:
        levels = [np.zeros((self.parts, v, size, h, 64), np.int16) for h, v in self.spec.sampling]
        return *levels, np.zeros((self.parts, 5, size), np.int32)

    def arguments(self, buffers: Buffers, page: Page) -> tuple[Any, ...]:
        return tuple(b.view(np.int32) for b in buffers[:-1]), buffers[-1], page.tables

    def pack(self, buffers: Buffers, source: Sequence[np.ndarray], region: Region) -> None:
        pack_levels(source, self.spec, [b[region.part] for b in buffers[:-1]], region)
        neighbours(buffers[-1][region.part], self.spec, region)

    def target(self, item: Item) -> np.ndarray:
        size = item.frame.height, item.frame.width
        return np.empty((*size, self.spec.channels) if self.spec.channels > 1 else size, np.uint8)

    def unpack(self, target: np.ndarray, part: list[np.ndarray], region: Region) -> None:
        [pixels] = part
        unpack_pixels(_flat(target), self.spec, pixels.view(np.uint8), region)


@dataclass(slots=True)
class _Image:
    """An image on its way: its source until all is packed, its target from when something has come back, and how many
    MCUs are still to go out and to come back."""

    source: Any
    outward: int
    homeward: int
    target: Any = None


class _Lane:
    """The pages of one program."""

    def __init__(self, direction: type[Encode] | type[Decode], spec: Spec, devices: Devices, expected: int):
        self.run, self.sharding = program(direction.kind, spec, devices)
        self.direction = direction(spec, len(devices))
        sizes = self._fitting(page_sizes(devices[0].platform), devices)
        self.planner = Planner(sizes, len(devices), int(any(spec.fancy)), expected)
        self.spare: dict[int, list[Buffers]] = defaultdict(list)  # fresh buffers cost more, in page faults, than copies

    def _fitting(self, sizes: Sequence[int], devices: Devices) -> Sequence[int]:
        """Those sizes that memory allows, or the smallest."""
        free = room(devices)
        if free is None:
            return sizes

        def need(size: int) -> int:
            tables = np.ones((len(devices), size // SEGMENT, len(self.direction.spec.sampling), 64), np.uint16)
            given = self.direction.arguments(self.direction.buffers(size), Page(size, tables))
            return taken(self.run, *jax.tree.map(lambda x: shaped(x.shape, x.dtype, self.sharding), given))

        samples = 64 * sum(h * v for h, v in self.direction.spec.sampling)
        return [s for s in sizes if s * samples * PLENTY <= free or need(s) <= free] or sizes[:1]

    def job(self, page: Page, images: dict[int, _Image]) -> Job[tuple[int, Any]]:
        """A page's way. Its host buffers live until the result is there."""
        direction, regions, spare = self.direction, page.regions, self.spare[page.size]
        buffers = spare.pop() if spare else direction.buffers(page.size)
        copy_parallel(lambda region: direction.pack(buffers, images[region.item.index].source, region), regions)
        for region in regions:
            image = images[region.item.index]
            image.outward -= region.kept_count
            if not image.outward:
                image.source = None
        result = self.run(*jax.device_put(direction.arguments(buffers, page), self.sharding))
        yield result
        leaves = [jax.device_get(parts(leaf)) for leaf in jax.tree.leaves(result)]
        for region in regions:
            image = images[region.item.index]
            if image.target is None:
                image.target = direction.target(region.item)

        def unpack(region: Region) -> None:
            part = [leaf[region.part][0] for leaf in leaves]
            direction.unpack(images[region.item.index].target, part, region)

        copy_parallel(unpack, regions)
        spare.append(buffers)
        complete = []
        for region in regions:
            index = region.item.index
            images[index].homeward -= region.kept_count
            if not images[index].homeward:
                complete.append((index, images.pop(index).target))
        return complete


def through_pages(
    direction: type[Encode] | type[Decode],
    sources: Iterable[Any],
    specs: Sequence[Spec],
    items: Sequence[Item],
    devices: Devices,
) -> Iterator[tuple[int, Any]]:
    """(item's index, its result) of each source, as images become complete; None for a source leaves its item out."""
    costs: list[int] = []
    expected: Counter[Spec] = Counter()
    before: dict[Spec, Item] = {}
    for item, spec in zip(items, specs, strict=True):
        costs.append(Planner.cost(item, before.get(spec)))
        expected[spec] += costs[-1]
        before[spec] = item
    lanes = {spec: _Lane(direction, spec, devices, expected[spec]) for spec in expected}
    images: dict[int, _Image] = {}

    def jobs() -> Iterator[Job[tuple[int, Any]]]:
        for item, spec, cost, source in zip(items, specs, costs, sources, strict=True):
            lane = lanes[spec]
            if source is None:
                lane.planner.left -= cost
                continue
            images[item.index] = _Image(source, item.mcus, item.mcus)
            yield from (lane.job(page, images) for page in lane.planner.add(item, cost))
        for lane in lanes.values():
            yield from (lane.job(page, images) for page in lane.planner.close())

    return flow(jobs(), devices)
