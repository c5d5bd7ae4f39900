"""Tables of the entropy coder, fitted to what a trained model really leaves: each part's levels have their own.

A Gaussian is what training assumes. What is left of photographs has heavier tails where little is known yet, so a table is a
mixture of zero-mean Gaussians of several widths about the level's, weighted by expectation maximisation over counts of
symbols from training pictures (Dempster et al. 1977). Fitted once, at export; a model's file holds the integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..coding.rans import TOTAL, Tables, tables
from .layers.density import SCALES, scale_grid, threshold_of

__all__ = ["LEVELS", "REACH", "counted", "fitted", "thresholds"]

LEVELS = SCALES - 1
"""Tables of a part: the lowest level's symbols are not coded."""
REACH = 4096
"""Largest symbol that is counted."""

_WIDTHS = np.array([0.2, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 9.0])
_ROUNDS = 60
_PRIOR = 200.0  # symbols' worth of belief in the Gaussian


def counted(parts: Iterable[tuple[np.ndarray, np.ndarray]], counts: np.ndarray) -> None:
    """Adds coded symbols and their indexes to counts, int64 [tables, REACH + 1], of their sizes."""
    for symbols, indexes in parts:
        np.add.at(counts, (indexes, np.minimum(np.abs(symbols), REACH)), 1)


def _masses(scale: float, length: int) -> np.ndarray:
    """Of N(0, scale²) rounded: the mass of sizes 0..length−1, both signs together."""
    root = scale * math.sqrt(2)
    beyond = np.array([math.erfc((k + 0.5) / root) for k in range(length)])
    return -np.diff(beyond, prepend=1.0)


def _fit(scale: float, counts: np.ndarray) -> tuple[int, np.ndarray]:
    """A table as `coding.rans.tables` takes it: first symbol and masses."""
    length = min(REACH, math.ceil(12 * scale) + 4)
    shapes = np.stack([_masses(scale * w, length) for w in _WIDTHS])
    seen = counts[:length] + _PRIOR * shapes[_WIDTHS == 1.0][0]
    weights = np.full(len(_WIDTHS), 1 / len(_WIDTHS))
    for _ in range(_ROUNDS):
        shares = weights[:, None] * shapes
        shares /= np.maximum(shares.sum(0), 1e-300)
        weights = (shares * seen).sum(1)
        weights /= weights.sum()
    sizes = weights @ shapes
    half = np.append(sizes[0], sizes[1:] / 2)
    worth = np.flatnonzero(half >= 1 / TOTAL)
    last = int(worth[-1]) if len(worth) else 0
    half = half[: last + 1]
    return -last, np.concatenate([half[:0:-1], half])


def fitted(counts: np.ndarray) -> Tables:
    """Tables of all parts.

    Args:
        counts: int64 [parts · LEVELS, REACH + 1]: how often a symbol of each size came under each table. Zeros give Gaussians.
    """
    scales = np.tile(scale_grid()[1:], len(counts) // LEVELS)
    return tables([_fit(float(scale), row) for scale, row in zip(scales, counts, strict=True)])


def thresholds(made: Tables, first: int) -> np.ndarray:
    """From which size on a value is coded as ±1 and not as 0, float32 [256] by index: where a bit saved is worth the error.

    first: Tables whose values are rounded to nearest, because what comes after depends on them: z's.
    """
    found = np.full(256, 0.5, np.float32)
    start = 0
    for number, (low, size) in enumerate(zip(made.first.tolist(), made.sizes.tolist(), strict=True)):
        if number >= first and low < 0:
            zero, one = made.frequencies[start - low], made.frequencies[start - low + 1]
            found[number] = threshold_of(float(zero), float(one))
        start += size + 1
    return found
