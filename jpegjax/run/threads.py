"""CPU cores as a pool of threads, for many items or the parts of one, and how many items are worked on together.

Pools survive `os.fork`: a child starts its own.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

__all__ = ["batches", "copy_parallel", "cores", "run_parallel", "spare_cores", "submit", "undivided"]

T = TypeVar("T")
R = TypeVar("R")
_COPIERS = 8


def batches(sized: Iterable[tuple[T, int]], most: int, most_items: int | None = None) -> Iterator[list[T]]:
    """Items in order, as many together as add up to `most` of their sizes and are `most_items` or fewer; one at least."""
    batch: list[T] = []
    total = 0
    for item, size in sized:
        if batch and (total + size > most or len(batch) == most_items):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_here = threading.local()


def _mark_worker() -> None:
    _here.worker = True


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="jpegjax", initializer=_mark_worker)


@cache
def _copiers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(_COPIERS, cores()), thread_name_prefix="jpegjax-copy")


def _forget_threads() -> None:
    _here.worker = False  # where a worker forked, its child is nobody's
    _pool.cache_clear()
    _copiers.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)  # the parent's threads are not there


def spare_cores() -> int:
    """Threads among which one image may be divided: 1 inside `run_parallel`, whose items have the cores already."""
    return 1 if getattr(_here, "worker", False) else cores()


@contextmanager
def undivided() -> Iterator[None]:
    """What this thread does inside is not divided among cores: other processes, or other items, have them."""
    before = getattr(_here, "worker", False)
    _here.worker = True
    try:
        yield
    finally:
        _here.worker = before


def run_parallel(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """function over items on all cores, results in order. Where one fails, no more begin, and its error is raised at the end.

    The calling thread takes its share, so that a few large items wait for no other thread to wake.
    """
    threads = min(spare_cores(), len(items)) if len(items) > 1 else 1
    if threads < 2:
        return [function(item) for item in items]
    results: list[Any] = [None] * len(items)
    order = iter(range(len(items)))

    def work() -> None:
        try:
            for i in order:
                results[i] = function(items[i])
        except BaseException:
            for _ in order:
                pass
            raise

    others = [_pool().submit(work) for _ in range(threads - 1)]
    _here.worker = True
    try:
        work()
    finally:
        _here.worker = False
        wait(others)
    for other in others:
        other.result()
    return results


def submit(function: Callable[..., R], *arguments: Any) -> Any:
    """A future of function(*arguments) on the pool of `run_parallel`."""
    return _pool().submit(function, *arguments)


def copy_parallel(function: Callable[[T], None], items: Sequence[T]) -> None:
    """function(item) for all items, on threads that wait behind no other work; for NumPy's copies, which release the
    interpreter."""
    if len(items) == 1:
        function(items[0])
    else:
        deque(_copiers().map(function, items), maxlen=0)
