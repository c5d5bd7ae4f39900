"""Which sample comes when, without a list of all that came before."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["Order"]


class Order:
    """Each of some samples once a round, in a new random order each time, or always in their own.

    Args:
        length: How many, from 1 on.
        seed: Of the orders; None for their own.
    """

    def __init__(self, length: int, seed: int | None) -> None:
        self.length, self.seed = length, seed
        self._round = lru_cache(maxsize=2)(self._shuffled)

    def places(self, first: int, count: int) -> np.ndarray:
        """int64 [count]: the samples number first, first + 1, … of all rounds."""
        rounds, places = np.divmod(np.arange(first, first + count), self.length)
        if self.seed is None or not count:
            return places
        return np.concatenate([self._round(int(r))[places[rounds == r]] for r in np.unique(rounds)])

    def _shuffled(self, round_: int) -> np.ndarray:
        assert self.seed is not None
        return np.random.default_rng((self.seed, round_)).permutation(self.length)
