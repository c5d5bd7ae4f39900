"""Channels taken out of a trained network: structured pruning, after which layers are smaller, not sparse.

    arrays by path ──▶ importance of each channel ──▶ the channels that stay ──▶ sliced arrays of a smaller network

A channel stands in several arrays at once: as an output of some, as an input of others, in biases between. `Place`s name them.
Importance is what Li et al. 2017 ("Pruning filters for efficient ConvNets", arXiv:1608.08710) rank filters by, the norm of
weights, over all arrays that a channel stands in; Kim et al. 2020 prune a decoder so and tune it after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Place", "importance", "kept", "sliced"]

Arrays = Mapping[str, np.ndarray]


class Place(NamedTuple):
    """Where channels stand in an array.

    path: the array's. axis: the one that they are along. groups: how many times over, one behind the other, as outputs that
    `depth_to_space` takes apart are: channel c at c, C + c, 2 C + c, …
    """

    path: str
    axis: int
    groups: int = 1


def _by_channel(arrays: Arrays, place: Place) -> np.ndarray:
    """float64 [C, all else] of an array. KeyError for no such array, ValueError for an axis that does not go into groups."""
    array = np.moveaxis(np.asarray(arrays[place.path], np.float64), place.axis, 0)
    if len(array) % place.groups:
        raise ValueError(f"{place.path}: axis {place.axis} of {len(array)} does not go into {place.groups} groups")
    return array.reshape(place.groups, -1, array[0].size).transpose(1, 0, 2).reshape(len(array) // place.groups, -1)


def importance(arrays: Arrays, places: Sequence[Place]) -> np.ndarray:
    """float64 [C]: of each channel the sum, over arrays of two axes, of its share of the array's squared norm.

    Raises:
        ValueError: Arrays hold unlike numbers of channels.
    """
    total: np.ndarray | float = 0.0
    for place in places:
        if np.ndim(arrays[place.path]) < 2:
            continue
        norms = np.square(_by_channel(arrays, place)).sum(1)
        if np.ndim(total) and np.shape(total) != norms.shape:
            raise ValueError(
                f"{place.path}: {len(norms)} channels, where the arrays before have {len(np.atleast_1d(total))}"
            )
        total = total + norms / max(norms.sum(), np.finfo(np.float64).tiny)
    if not np.ndim(total):
        raise ValueError("places: none of the arrays has two axes, so nothing says which channels matter")
    return np.asarray(total)


def kept(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` highest scores, ascending; of equal ones the first. ValueError for a count outside 1..C."""
    if not 1 <= count <= len(scores):
        raise ValueError(f"count={count}: must be 1 to {len(scores)}, the channels there are")
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def sliced(arrays: Arrays, places: Sequence[Place], channels: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays, those at `places` with these channels alone, in this order."""
    found = dict(arrays)
    for path, axis, groups in places:
        size = found[path].shape[axis] // groups
        found[path] = np.take(found[path], (np.arange(groups)[:, None] * size + channels).ravel(), axis)
    return found
