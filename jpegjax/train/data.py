"""Sources of batches. What is in batch n depends on n, the seed and the samples alone, so that a position is one number.

samples ──shuffle, a new order each time round──▶ sample(index, random) ──▶ rows of batch n ──threads, ahead──▶ fit
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import grain
import jax
import numpy as np

from .order import Order
from .pictures import Store, Unreadable
from .shard import names

__all__ = ["Arrays", "Crops", "Samples", "Source"]

AHEAD = 4
"""Batches made before they are asked for."""


class Source(Protocol):
    """What `fit` trains on."""

    def stream(self, start: int, batch: int, process: int, processes: int) -> Iterator[Any]:
        """Batches number start, start + 1, … for ever: of each the rows of one process of several, in their order.

        batch: rows of a whole batch, a multiple of `processes`. Yields pytrees of NumPy arrays [batch // processes, …].
        """

    def about(self) -> dict[str, Any]:
        """What tells these samples and their order from others, for JSON; a checkpoint keeps it."""


class Samples:
    """A source of numbered samples in random order, each once before any comes again. Subclasses give `sample` and len().

    Args:
        seed: Of the order and of what is random in a sample.
        threads: Threads that make batches ahead.
    """

    def __init__(self, seed: int = 0, threads: int = 2) -> None:
        self.seed, self.threads = seed, threads

    def __len__(self) -> int:
        raise NotImplementedError

    def sample(self, index: int, random: np.random.Generator) -> Any:
        """Sample `index` as a pytree of NumPy arrays; alike in structure, shapes and dtypes for all. Called in threads."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        return {"kind": type(self).__name__, "samples": len(self), "seed": self.seed}

    def stream(self, start: int, batch: int, process: int = 0, processes: int = 1) -> Iterator[Any]:
        picks = grain.MapDataset.range(len(self)).seed(self.seed).shuffle().repeat().random_map(self.sample)
        groups = picks.batch(batch // processes)[start * processes + process :: processes]
        return iter(groups.to_iter_dataset(grain.ReadOptions(self.threads, max(AHEAD, self.threads))))


class Arrays:
    """Rows of arrays in memory, in random order, each once before any comes again.

    Args:
        arrays: Pytree of arrays, NumPy's or memory-mapped, all with one sample a row of their first axis.
        seed: Of the order.

    Raises:
        ValueError: There are no rows, or arrays differ in their number.
    """

    def __init__(self, arrays: Any, seed: int = 0) -> None:
        lengths = {name: len(leaf) for name, leaf in zip(names(arrays), jax.tree.leaves(arrays), strict=True)}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"arrays: must all have the same number of rows, not {lengths}")
        self.arrays, self.seed, self._length = arrays, seed, next(iter(lengths.values()))
        if not self._length:
            raise ValueError("arrays: there are no rows to train on")
        self._order = Order(self._length, seed)

    def __len__(self) -> int:
        return self._length

    def about(self) -> dict[str, Any]:
        return {"kind": type(self).__name__, "samples": len(self), "seed": self.seed}

    def stream(self, start: int, batch: int, process: int = 0, processes: int = 1) -> Iterator[Any]:
        count = batch // processes
        for number in itertools.count(start):
            rows = self._order.places(number * batch + process * count, count)
            yield jax.tree.map(lambda array: array[rows], self.arrays)  # noqa: B023  (used at once)


class Crops(Samples):
    """Square crops of pictures at random places, half of them mirrored: {"pixels": uint8 [N, size, size, 3]}.

    Pictures smaller than the crop are continued by reflection at their right and lower edges. One that cannot be read is named
    in a warning, and the next one takes its place.

    Args:
        store: `Files`, `Pack`, or a part of either.
        size: Side of a crop in pixels.
        seed: Of the order, places and flips.
        threads: Threads that read and cut; compressed files and fast accelerators want one a core.

    Raises:
        ValueError: The store is empty; or, while it runs, none of its pictures can be read.
    """

    def __init__(self, store: Store, size: int, seed: int = 0, threads: int = 2) -> None:
        super().__init__(seed, threads)
        if size < 1:
            raise ValueError(f"size={size}: must be at least 1 pixel")
        if not store.names:
            raise ValueError("store: there are no pictures to train on")
        self.store, self.size, self._unreadable = store, size, dict[int, Unreadable]()

    def __len__(self) -> int:
        return len(self.store.names)

    def about(self) -> dict[str, Any]:
        return {**super().about(), "size": self.size}

    def sample(self, index: int, random: np.random.Generator) -> Mapping[str, np.ndarray]:
        pixels, size = self._read(int(index)), self.size
        missing = [max(0, size - length) for length in pixels.shape[:2]]
        if any(missing):
            pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
        y, x, flip = random.integers(0, (pixels.shape[0] - size + 1, pixels.shape[1] - size + 1, 2))
        crop = pixels[y : y + size, x : x + size]
        if not flip:
            return {"pixels": np.ascontiguousarray(crop)}
        mirrored = np.empty((size, size, 3), np.uint8)
        for channel in range(3):  # mirroring bytes is six times as fast as mirroring triples
            mirrored[..., channel] = crop[:, ::-1, channel]
        return {"pixels": mirrored}

    def _read(self, index: int) -> np.ndarray:
        for tried in range(len(self)):
            at = (index + tried) % len(self)
            if at in self._unreadable:
                continue
            try:
                return self.store.read(at)
            except Unreadable as error:
                if self._unreadable.setdefault(at, error) is error:  # no other thread has said so
                    warnings.warn(f"{error}; it is left out", stacklevel=2)
        raise ValueError(f"store: none of the {len(self)} pictures can be read, {self.store.names[0]!r} among them")
