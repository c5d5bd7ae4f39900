"""Few different values in place of many: k-means in one dimension, and uniform steps.

weights ──▶ kmeans or linear ──▶ Clustered: a codebook and each weight's index into it ──▶ dense: weights again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Clustered", "kmeans", "linear"]

_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Clustered:
    """codebook: floats [K], ascending. indexes: uint8, or uint16 for more than 256, of the array's shape."""

    codebook: np.ndarray
    indexes: np.ndarray

    def dense(self) -> np.ndarray:
        """The array: codebook[indexes]."""
        return self.codebook[self.indexes]


def _floats(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.floating) and array.dtype.name != "bfloat16":
        raise TypeError(f"values: must be floats, not {array.dtype}")
    if not array.size or not np.isfinite(array.astype(np.float64)).all():
        raise ValueError("values: must be finite, and some")
    return array


def _clustered(array: np.ndarray, codebook: np.ndarray, indexes: np.ndarray) -> Clustered:
    kind = np.uint8 if len(codebook) <= 256 else np.uint16
    return Clustered(codebook.astype(array.dtype), indexes.astype(kind).reshape(array.shape))


def kmeans(
    values: Any, count: int, *, weights: np.ndarray | None = None, keep_zero: bool = True, ends: float | None = None
) -> Clustered:
    """Lloyd's iteration in one dimension (Lloyd 1957/1982), from equal steps between the least and the greatest value.

    Equal steps to start with leave centroids to large weights, which are few but matter (Han, Mao and Dally 2016, section 3.2).
    Deterministic.

    Args:
        values: Finite floats, any shape.
        count: Centroids, 1..65536, that of zero counted.
        weights: How much the error of each value counts, ≥ 0, of the same shape; default: all the same.
        keep_zero: Exact zeros, those of pruned weights, stay zero and have a centroid of their own.
        ends: Share 0..1 of values outside of the first centroids; default: none, they start at the extremes.

    Raises:
        TypeError: No floats.
        ValueError: Values not finite, or counts out of range.
    """
    array = _floats(values)
    if not 1 <= count <= 1 << 16:
        raise ValueError(f"count={count}: must be 1..65536")
    flat = array.astype(np.float64).ravel()
    zero = keep_zero and bool((flat == 0).any())
    if zero and count == 1 and flat.any():
        raise ValueError("count=1: a codebook of one that keeps zero has no place for the other values")
    moved = flat != 0 if zero else np.ones(flat.size, bool)
    mass = np.ones(flat.size) if weights is None else np.asarray(weights, np.float64).ravel()
    if mass.size != flat.size or not (mass >= 0).all():
        raise ValueError(f"weights: must be of shape {array.shape}, and none negative")
    centres = _lloyd(flat[moved], mass[moved], count - zero, ends)
    book = np.unique(np.append(centres, 0.0) if zero else centres)
    indexes = _nearest(flat, book)
    if zero:
        place = int(np.searchsorted(book, 0.0))
        others = np.delete(book, place)
        away = _nearest(flat, others)
        indexes = np.where(moved, away + (away >= place), place)
    return _clustered(array, book, indexes)


def _nearest(values: np.ndarray, book: np.ndarray) -> np.ndarray:
    """The nearest of ascending centroids; the lower one where two are."""
    return np.searchsorted((book[1:] + book[:-1]) / 2, values)


def _lloyd(values: np.ndarray, mass: np.ndarray, count: int, ends: float | None) -> np.ndarray:
    if not values.size or not count:
        return np.zeros(0)
    order = np.argsort(values, kind="stable")
    values, mass = values[order], mass[order]
    held = np.concatenate([[0.0], np.cumsum(mass)])
    moments = np.concatenate([[0.0], np.cumsum(mass * values)])
    low, high = (values[0], values[-1]) if ends is None else np.quantile(values, [ends / 2, 1 - ends / 2])
    book = np.linspace(low, high, count)
    for _ in range(_ROUNDS):
        cuts = np.searchsorted(values, (book[1:] + book[:-1]) / 2, side="right")
        edges = np.concatenate([[0], cuts, [values.size]])
        weight = np.diff(held[edges])
        moved = np.where(weight > 0, np.diff(moments[edges]) / np.maximum(weight, 1e-300), book)
        moved.sort()
        if np.array_equal(moved, book):
            break
        book = moved
    return book


def linear(values: Any, bits: int, *, symmetric: bool = True) -> Clustered:
    """Uniform steps: the values are rounded to the nearest of 2^bits − 1 levels k·step that are symmetric about 0, or of
    2^bits levels from the least to the greatest value. Zero stays zero in the first case.

    Args:
        values: Finite floats, any shape.
        bits: 2..16 (1..16 where not symmetric).

    Raises:
        TypeError: No floats.
        ValueError: Values not finite, or bits out of range.
    """
    array = _floats(values)
    if not (2 if symmetric else 1) <= bits <= 16:
        raise ValueError(f"bits={bits}: must be {2 if symmetric else 1}..16")
    flat = array.astype(np.float64).ravel()
    if symmetric:
        most = (1 << bits - 1) - 1
        step = float(np.abs(flat).max()) / most or 1.0
        levels = np.arange(-most, most + 1) * step
        places = np.rint(flat / step).astype(np.int64) + most
    else:
        low, steps = float(flat.min()), (1 << bits) - 1
        step = (float(flat.max()) - low) / steps or 1.0
        levels = low + np.arange(steps + 1) * step
        places = np.rint((flat - low) / step).astype(np.int64)
    used, indexes = np.unique(places, return_inverse=True)
    return _clustered(array, levels[used], indexes)
