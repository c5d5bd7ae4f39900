"""Timing that a noisy machine cannot spoil: contestants take turns, and ratios are formed within each round."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Race", "one_core", "processor_seconds", "race", "timed"]


@dataclass(frozen=True, slots=True)
class Race:
    """Seconds per call of each contestant, one entry a round. pixels: what one call codes."""

    section: str
    case: str
    pixels: int
    seconds: Mapping[str, list[float]]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def ratio(self, peer: str, ours: str = "jpegjax") -> float:
        """How many times faster we are than a peer: median over rounds of the ratio within the round."""
        return statistics.median(self._ratios(peer, ours))

    def _ratios(self, peer: str, ours: str) -> list[float]:
        return [theirs / mine for theirs, mine in zip(self.seconds[peer], self.seconds[ours], strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Medians, and ratios with their quartiles, as JSON types."""
        medians = {name: statistics.median(found) for name, found in self.seconds.items()}
        ratios = {}
        for peer in self.seconds:
            if peer != "jpegjax" and "jpegjax" in self.seconds:
                found = sorted(self._ratios(peer, "jpegjax"))
                quarter = len(found) // 4
                ratios[peer] = {"median": self.ratio(peer), "low": found[quarter], "high": found[-1 - quarter]}
        return {
            "section": self.section,
            "case": self.case,
            "pixels": self.pixels,
            "rounds": len(next(iter(self.seconds.values()))),
            "seconds": medians,
            "mpixel_per_second": {name: self.pixels / 1e6 / s for name, s in medians.items()},
            "ratios": ratios,
            **self.extra,
        }


def race(
    section: str,
    case: str,
    pixels: int,
    contestants: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    repeat: int = 1,
    seconds: float = math.inf,
    **extra: Any,
) -> Race:
    """Call every contestant once to warm up, then in each round once each, beginning with another one every time.

    repeat: calls in a row that make one measurement, for what takes microseconds. seconds: after them no round begins but
    the first.
    """
    for call in contestants.values():
        call()
    names = list(contestants)
    taken: dict[str, list[float]] = {name: [] for name in names}
    collecting = gc.isenabled()
    gc.disable()
    begin = time.perf_counter()
    try:
        for number in range(rounds):
            if number and time.perf_counter() - begin > seconds:
                break
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                call = contestants[name]
                start = time.perf_counter()
                for _ in range(repeat):
                    call()
                taken[name].append((time.perf_counter() - start) / repeat)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return Race(section, case, pixels, taken, extra)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Pin this thread, so that nothing inside divides one picture among cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def processor_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call, over all threads and the processes that it starts and awaits.

    Unlike the clock's, they hold on a machine that others use too.
    """

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used)

    start = spent()
    call()
    return spent() - start
