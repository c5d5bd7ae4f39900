"""Shards on this machine: a guarded child process for each of some threads, or this process alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from ..manifest import Record
from ..places.entries import Shard
from ..work import Task, run_shard
from .guarded import Guarded, ShardFailed, Tell

__all__ = ["Result", "here", "processes"]

Result = tuple[Shard, Record | str]
"""A shard, and its record or why it failed."""


def here(task: Task, shards: Iterable[Shard], tell: Tell) -> Iterator[Result]:
    """Shards in this process, one after another: for targets that only it sees."""
    for shard in shards:
        begun = [0]

        def at(first: int, stop: int, begun: list[int] = begun) -> None:
            tell(max(0, stop - max(begun[0], first)))
            begun[0] = max(begun[0], stop)

        try:
            record = run_shard(task, shard, at)
            tell(max(0, record["pictures"] - begun[0]))
            yield shard, record
        except OSError as error:
            yield shard, f"{type(error).__name__}: {error}"


def processes(task: Task, shards: Iterable[Shard], workers: int, tell: Tell) -> Iterator[Result]:
    """Shards in so many child processes, as they are done; each takes the next one that waits."""
    waiting, lock = iter(shards), threading.Lock()
    done: queue.Queue[Result | None] = queue.Queue()
    stop = threading.Event()
    guards = [Guarded(task) for _ in range(workers)]

    def work(guard: Guarded) -> None:
        try:
            while not stop.is_set():
                with lock:
                    shard = next(waiting, None)
                if shard is None:
                    return
                try:
                    done.put((shard, guard.run(shard, tell)))
                except ShardFailed as error:
                    done.put((shard, str(error)))
                except Exception as error:  # no memory for a child, no right to start one
                    done.put((shard, f"{type(error).__name__}: {error}"))
        finally:
            done.put(None)

    threads = [threading.Thread(target=work, args=(guard,), daemon=True) for guard in guards]
    for thread in threads:
        thread.start()
    try:
        left = workers
        while left:
            result = done.get()
            if result is None:
                left -= 1
            else:
                yield result
    finally:
        stop.set()
        for guard in guards:
            guard.close()
