"""Work in the background of a page: the newest of a kind counts, what still waits of it is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..bounds import Refused

__all__ = ["Turns"]

T = TypeVar("T")


class Turns:
    """One worker a kind; a call that waits gives way to the next one of its kind."""

    def __init__(self, kinds: tuple[str, ...]):
        self._pools = {kind: ThreadPoolExecutor(1, thread_name_prefix=f"studio-{kind}") for kind in kinds}
        self._newest: dict[str, object] = {}
        self._open = dict.fromkeys(kinds, 0)

    async def __call__(self, kind: str, work: Callable[[], T], *, droppable: bool = True) -> T:
        """What work gives, run on its kind's worker. Refused (409) where a newer call came before it began."""
        mine = object()
        if droppable:
            self._newest[kind] = mine

        def begin() -> T:
            if droppable and self._newest.get(kind) is not mine:
                raise Refused("a newer one was asked for", 409)
            return work()

        self._open[kind] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pools[kind], begin)
        finally:
            self._open[kind] -= 1

    def busy(self, kind: str) -> bool:
        """Whether something of a kind is at work or waits."""
        return self._open[kind] > 0

    def close(self) -> None:
        """Drop what waits; what runs is waited for."""
        self._newest.clear()
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
