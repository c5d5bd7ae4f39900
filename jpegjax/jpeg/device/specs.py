"""Batches through the pages: the host packs and unpacks while the device works on the pages between.

A page is dispatched as soon as it is full and its result is copied back in the background; up to `DEPTH` pages are in
flight. An image comes out as soon as it is complete, so that the caller's entropy coding overlaps the device's work.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import numpy as np

from ...errors import UnsupportedJpeg
from ...ops.sampling import is_fancy
from ...run.devices import DEPTH, page_sizes
from ...run.threads import cores
from ...types import ColorSpace, Frame
from .jobs import Buffers, Decode, Encode
from .pages import Item, Page, Planner, Region
from .programs import Spec, program

__all__ = ["decode_spec", "encode_spec", "flow"]


def encode_spec(frame: Frame) -> Spec:
    """The encoding program of a frame."""
    return Spec(frame.hmax, frame.vmax, tuple((c.h, c.v) for c in frame.components), frame.color)


def decode_spec(frame: Frame, mode: str | None, upsample: str) -> Spec:
    """The decoding program of a frame, with only those components that `mode` needs."""
    hmax, vmax = frame.hmax, frame.vmax
    if any(hmax % c.h or vmax % c.v for c in frame.components):
        raise UnsupportedJpeg("sampling factors that do not divide the largest ones")
    count = 1 if mode == "L" and frame.color is ColorSpace.YCBCR else len(frame.components)
    sampling = tuple((c.h, c.v) for c in frame.components[:count])
    fancy = tuple(
        upsample == "fancy" and is_fancy(hmax // h, vmax // v, frame.samples(c)[1]) for c, (h, v) in enumerate(sampling)
    )
    natural = {ColorSpace.GRAY: "L", ColorSpace.CMYK: "CMYK", ColorSpace.YCCK: "CMYK"}.get(frame.color, "RGB")
    return Spec(hmax, vmax, sampling, frame.color, None if mode == natural else mode, fancy)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, cores()), "jpegjax-pages")


def _each(function: Callable[[Region], None], regions: Sequence[Region]) -> None:
    """function(region) for all regions, on threads: NumPy's copies release the interpreter."""
    if len(regions) == 1:
        function(regions[0])
    else:
        deque(_pool().map(function, regions), maxlen=0)


def _parts(array: jax.Array) -> list[np.ndarray]:
    """A page's parts on the host, in order, without the leading axis."""
    shards = sorted(array.addressable_shards, key=lambda s: s.index[0].start or 0)
    return [jax.device_get(s.data)[0] for s in shards]


@dataclass(frozen=True, slots=True)
class _Flight:
    """A page on its way: its result on the device, and the host buffers that must live until it is there."""

    lane: _Lane
    page: Page
    result: Any
    buffers: Buffers


class _Lane:
    """The pages of one program."""

    def __init__(self, job: type[Encode] | type[Decode], spec: Spec, devices: tuple[jax.Device, ...], expected: int):
        self.run, self.sharding = program(job.kind, spec, devices)
        self.job = job(spec, len(devices))
        self.planner = Planner(page_sizes(devices), len(devices), int(any(spec.fancy)), expected)
        self.spare: dict[int, list[Buffers]] = defaultdict(list)  # fresh buffers cost more, in page faults, than copies

    def launch(self, page: Page, sources: dict[int, Any]) -> _Flight:
        spare = self.spare[page.size]
        buffers = spare.pop() if spare else self.job.buffers(page.size)
        _each(lambda region: self.job.pack(buffers, sources[region.item.index], region), page.regions)
        result = self.run(*jax.device_put(self.job.arguments(buffers, page), self.sharding))
        for leaf in jax.tree.leaves(result):
            leaf.copy_to_host_async()
        return _Flight(self, page, result, buffers)

    def land(self, flight: _Flight, targets: dict[int, Any]) -> None:
        parts = [_parts(leaf) for leaf in jax.tree.leaves(flight.result)]
        for region in flight.page.regions:
            if region.item.index not in targets:
                targets[region.item.index] = self.job.target(region.item)
        _each(lambda region: self.job.unpack(targets[region.item.index], parts, region), flight.page.regions)
        self.spare[flight.page.size].append(flight.buffers)


def flow(
    job: type[Encode] | type[Decode],
    sources: Iterable[Any],
    specs: Sequence[Spec],
    items: Sequence[Item],
    devices: tuple[jax.Device, ...],
) -> Iterator[tuple[int, Any]]:
    """(item's index, the job's result) of each source, as images become complete."""
    costs: list[int] = []
    expected: Counter[Spec] = Counter()
    before: dict[Spec, Item] = {}
    for item, spec in zip(items, specs, strict=True):
        costs.append(Planner.cost(item, before.get(spec)))
        expected[spec] += costs[-1]
        before[spec] = item
    lanes = {spec: _Lane(job, spec, devices, expected[spec]) for spec in expected}
    packed = {item.index: item.mcus for item in items}
    ready = dict(packed)
    held: dict[int, Any] = {}
    targets: dict[int, Any] = {}
    flights: deque[_Flight] = deque()

    def launch(lane: _Lane, page: Page) -> None:
        flights.append(lane.launch(page, held))
        for region in page.regions:
            packed[region.item.index] -= region.kept_count
            if not packed[region.item.index]:
                del held[region.item.index]

    def land(depth: int) -> Iterator[tuple[int, Any]]:
        while len(flights) > depth:
            flight = flights.popleft()
            flight.lane.land(flight, targets)
            for region in flight.page.regions:
                index = region.item.index
                ready[index] -= region.kept_count
                if not ready[index]:
                    yield index, targets.pop(index)

    for item, spec, cost, source in zip(items, specs, costs, sources, strict=True):
        held[item.index] = source
        for page in lanes[spec].planner.add(item, cost):
            launch(lanes[spec], page)
            yield from land(DEPTH)
    for lane in lanes.values():
        for page in lane.planner.close():
            launch(lane, page)
            yield from land(DEPTH)
    yield from land(0)
