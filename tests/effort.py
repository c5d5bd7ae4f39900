"""How much work a call is: CPU time in units of a fixed loop that runs beside it, so that a busy machine changes neither.

A unit is about 10 ms of one core; wall-clock time is never looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

__all__ = ["LIMIT", "cpu_seconds", "growth", "spent", "unit"]

LIMIT = 200.0
"""Units that any file may take, some two seconds of one core: eight times what the worst file of the tests takes."""


def unit() -> float:
    """CPU seconds of the fixed loop, as this machine is now."""
    found = []
    for _ in range(3):
        start, total = time.thread_time(), 0
        for i in range(450_000):
            total += i & 7
        found.append(time.thread_time() - start)
    return min(found)


def cpu_seconds(function: Callable, *given: object, enough: float = 0.0, **options: object) -> float:
    """CPU seconds of a call, in all threads: the least of three, or the first that is as little as `enough`."""
    least = float("inf")
    for _ in range(3):
        start = time.process_time()
        function(*given, **options)
        least = min(least, time.process_time() - start)
        if least <= enough:
            break
    return least


@cache
def _first_unit() -> float:
    return unit()


def spent(function: Callable, *given: object, **options: object) -> float:
    """Units that a call takes; what comes near LIMIT is measured again, since kernels may have been compiled."""
    seconds = cpu_seconds(function, *given, enough=_first_unit() * LIMIT / 4, **options)
    return seconds / (_first_unit() if seconds < _first_unit() * LIMIT / 4 else max(_first_unit(), unit()))


def growth(function: Callable, small: object, large: object) -> float:
    """How many times the CPU time of `small` a call takes for `large`; a quarter of a unit is the least."""
    first, second = (cpu_seconds(function, given) for given in (small, large))
    return second / max(first, unit() / 4)
