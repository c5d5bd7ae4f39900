"""Batches without grain, made ahead by threads; and batches on their way to the devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any, Protocol

import numpy as np
from jax.sharding import Sharding

from ..order import Order
from ..shard import batch_on

__all__ = ["Batches", "on_devices"]

THREADS = 2
"""One reads files while another's batch is decoded, which takes all cores."""
AHEAD = 3
"""Batches in work, or ready, before they are asked for."""


class Elements(Protocol):
    """Elements by number, as `Encoded` has them."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


Make = Callable[[Sequence[Any], np.random.Generator], Any]
"""Elements and random numbers to a batch, as `PixelBatch` and `CoefficientBatch` do it."""


class Batches:
    """Batches of a source's elements, each element once before any comes again. Something for `fit`, too.

        for batch in Batches(Encoded("photos"), PixelBatch(size=64), seed=1).stream(0, 32): ...

    What is in batch n depends on n, the seed and the source alone, so that a position is one number. While one batch is in use
    threads read and decode the next ones.

    Args:
        source: Such as `Encoded`, or a list of files.
        make: Makes a batch of a list of elements. Called in threads.
        seed: Of the order, anew each time round, and of what is random in a batch; None for the source's order.
        rounds: How many times round; None for ever. What is left at the end of the last one is a smaller batch, but for several
            processes, which leave it out.

    Raises:
        ValueError: The source is empty.
    """

    def __init__(self, source: Elements, make: Make, *, seed: int | None = 0, rounds: int | None = None) -> None:
        if not len(source):
            raise ValueError("source: there is nothing in it")
        if rounds is not None and rounds < 1:
            raise ValueError(f"rounds={rounds}: must be at least 1, or None for ever")
        self.source, self.make, self.seed, self.rounds = source, make, seed, rounds
        self._order = Order(len(source), seed)

    def __len__(self) -> int:
        """Elements, not batches."""
        return len(self.source)

    def about(self) -> dict[str, Any]:
        """As `jpegjax.train.Source` has it."""
        return {"kind": type(self).__name__, "samples": len(self), "seed": self.seed, "make": repr(self.make)}

    def stream(self, start: int, batch: int, process: int = 0, processes: int = 1) -> Generator[Any]:
        """Batches number start, start + 1, …; of each the rows of one process of several, in their order.

        batch: Rows of a whole batch, a multiple of `processes`. An error of a batch is raised where that batch is due, and
        ends the stream.
        """
        if batch < 1 or batch % processes:
            raise ValueError(f"batch={batch}: must be a multiple of the {processes} processes")
        numbers: Iterable[int] = count(start)
        if self.rounds is not None:
            left = batch - 1 if processes == 1 else 0
            numbers = range(start, (self.rounds * len(self) + left) // batch)
        rows = batch // processes
        return _ahead(lambda number: self._made(number, number * batch + process * rows, rows, process), numbers)

    def _made(self, number: int, first: int, rows: int, process: int) -> Any:
        """The batch of elements first, first + 1, … of all times round."""
        if self.rounds is not None:
            rows = min(rows, self.rounds * len(self) - first)
        elements = [self.source[int(i)] for i in self._order.places(first, rows)]
        bits = np.random.PCG64((0 if self.seed is None else self.seed, number))
        bits.advance(2 * process * rows)  # behind what the rows of the processes before draw, two numbers each
        return self.make(elements, np.random.Generator(bits))


def _ahead(make: Callable[[int], Any], numbers: Iterable[int]) -> Generator[Any]:
    """make(number) of each number in order, by threads that are up to AHEAD of what is asked for."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="jpegjax-batches") as threads:
        try:
            for number in numbers:
                waiting.append(threads.submit(make, number))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def on_devices(batches: Iterable[Any], sharding: Sharding, ahead: int = 1) -> Iterator[Any]:
    """Batches on devices: copies begin before they are asked for, and run behind what the devices compute.

    Args:
        batches: Pytrees of NumPy arrays with a row for each sample, such as a pipeline gives. With several processes each gives
            its own rows.
        sharding: Of the arrays' first axis: `NamedSharding(mesh, P("data"))` for training on several devices, or
            `SingleDeviceSharding(device)`.
        ahead: Batches on the devices beside the one that is in use. The state of an iterator of grain's is that many batches
            further than what has come out; with 0 it is not.

    Yields:
        The same with jax.Array, the rows of all processes together.
    """
    waiting: deque[Any] = deque()
    source = iter(batches)
    try:
        for batch in source:
            waiting.append(batch_on(sharding, batch))
            if len(waiting) > ahead:
                yield waiting.popleft()
        yield from waiting
    finally:
        if isinstance(source, Generator):
            source.close()
