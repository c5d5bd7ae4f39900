"""One scheduler for every codec: the host fills and empties batches while the devices work on those between.

    plan ──▶ send ──▶ compute ──▶ collect
    host     copies   devices     host, a few batches later

A job is one batch on its way, and a generator: it sends its arrays, starts its programs and yields the arrays that it
wants on the host; when they are due it goes on from there, to collect its results or to send once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, TypeVar

import jax

from .capacity import IN_FLIGHT, memory_named
from .devices import Devices
from .mesh import mapped, parts, spread

__all__ = ["DEPTH", "Call", "Job", "flow", "singly"]

DEPTH = IN_FLIGHT - 1
"""Batches in flight while the host works on another."""

R = TypeVar("R")
Job = Generator[Any, None, Iterable[R]]
"""Yields pytrees of jax.Array to wait for; returns what it has made."""

Call = tuple[Callable[..., Any], tuple[Any, ...], Any]
"""A function, its static arguments, and the tuple of its arrays."""


def flow(jobs: Iterable[Job[R]], devices: Devices = ()) -> Iterator[R]:
    """What the jobs return, one result after the other, as jobs come to an end; in order where all yield as often.

    Jobs are planned, that is taken from the iterable, when there is room for them. Copies to the host begin at once and run
    behind the programs; jobs that wait take turns, the longest waiting first. devices: whose memory it is that may end.
    """
    waiting: deque[Job[R]] = deque()

    def advance(job: Job[R]) -> Iterable[R]:
        with memory_named(devices):
            try:
                wanted = next(job)
            except StopIteration as end:
                return end.value
            for leaf in jax.tree.leaves(wanted):
                leaf.copy_to_host_async()
        waiting.append(job)
        return ()

    for job in jobs:
        yield from advance(job)
        while len(waiting) > DEPTH:
            yield from advance(waiting.popleft())
    while waiting:
        yield from advance(waiting.popleft())


def singly(calls: Iterable[Call], devices: Devices, stay: bool = False) -> Iterator[Any]:
    """The result of each call, in order, every one a program run of its own: neighbours that differ in their arrays alone
    run side by side, one a device.

    Results are pytrees of NumPy arrays or, with `stay`, of jax.Array on the device that made them.
    """

    def job(function: Callable[..., Any], static: tuple[Any, ...], batch: list[Any]) -> Job[Any]:
        used = devices[: len(batch)] if len(batch) == 1 else devices
        run, sharding = mapped(function, used, *static)
        result = run(*spread(batch + batch[-1:] * (len(used) - len(batch)), sharding))
        yield () if stay else result
        leaves, tree = jax.tree.flatten(result)
        found = [parts(leaf) if stay else jax.device_get(parts(leaf)) for leaf in leaves]
        return [jax.tree.unflatten(tree, [part[i][0] for part in found]) for i in range(len(batch))]

    def jobs() -> Iterator[Job[Any]]:
        for (function, static), alike in groupby(calls, key=lambda call: call[:2]):
            while batch := [arrays for _, _, arrays in islice(alike, len(devices))]:
                yield job(function, static, batch)

    return flow(jobs(), devices)
