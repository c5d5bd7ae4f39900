"""Where in its bin a coefficient most likely was, from the levels of the file alone.

DCT coefficients are near to Laplacian, so that within a bin more of them lie towards zero. Let a frequency have S, the sum of
its levels' magnitudes, in n levels that are not zero. Magnitudes of a Laplacian, rounded, are geometric from 1 on, with the
ratio θ of one bin to the one before whose estimate of maximum likelihood is 1 − n/S (Sullivan 1996 has the density and its
centroids). The centroid of a bin k >= 1 is then k − δ in steps, δ = ½ + 1/ln θ + θ/(1 − θ), the same for all k (Price and
Rabbani 2000, eq. 5). They, and jpegli's decoder, estimate θ from the zeros too (eq. 11); zeros are more than the tail foretells,
as real densities are steeper there, and many more in tuned files, so that only the tail is asked here.

An encoder that weighs rate against distortion drops or lowers the levels that cost most, so that bins do not lie about their
middles any more and centroids move away from zero again. It leaves a trace: what it drops first are ones at the ends of
blocks, behind zeros. The odds of such runs there against those further to the front say how far δ is to be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...simd import kernel
from ...types import ZIGZAG

__all__ = ["Counts", "count_levels", "kept_detail", "points_of", "shifts", "trust"]

_ORDER = ZIGZAG.astype(np.int64)
_LONG = 3
"""Zeros before a one that make its run a long one."""

_PRIOR = 0.25, 0.75
"""What θ's numerator and denominator have from the start: a quarter of a second level, and half a one."""

_UNSHIFTED = 4
"""Frequency of filtered components from which on nothing is shifted, the best for RGB of training photographs, 4:2:0 to 4:4:0."""

_ODDS, _PER_LEVEL, _SPAN = 0.3, 0.24, 0.86
"""Log odds of files whose δ is to be left out, what they gain with each e-fold of levels a block, and how far those of plain
quantisation are: fitted to plain and tuned files of training photographs (`experiments/reconstruction.py --fit`)."""


class Counts(NamedTuple):
    """What a component's levels say. blocks: how many there are."""

    levels: np.ndarray
    """int64 [64, 2]: by frequency, natural order, the levels that are not zero and the sum of their magnitudes"""
    ones: np.ndarray
    """int64 [2, 2]: AC levels ±1, those that are not a block's last and those that are; behind no zeros, behind three or more"""
    blocks: int


@kernel
def _count(plane, order, levels, ones):
    """plane: int16 [rows, columns, 64]."""
    for r in range(plane.shape[0]):
        for c in range(plane.shape[1]):
            block = plane[r, c]
            if block[0] != 0:
                levels[0, 0] += 1
                levels[0, 1] += abs(np.int64(block[0]))
            before, last, kind = 0, np.int64(0), -1
            for i in range(1, 64):
                k = order[i]
                level = abs(np.int64(block[k]))
                if level == 0:
                    continue
                levels[k, 0] += 1
                levels[k, 1] += level
                if kind >= 0 and last == 1:
                    ones[0, kind] += 1
                run = i - before - 1
                kind = 0 if run == 0 else (1 if run >= _LONG else -1)
                before, last = i, level
            if kind >= 0 and last == 1:
                ones[1, kind] += 1


def count_levels(plane: np.ndarray) -> Counts:
    """plane: C-contiguous int16 [rows, columns, 8, 8], levels in natural order."""
    levels, ones = np.zeros((64, 2), np.int64), np.zeros((2, 2), np.int64)
    _count(plane.reshape(*plane.shape[:2], 64), _ORDER, levels, ones)
    return Counts(levels, ones, plane.shape[0] * plane.shape[1])


def shifts(counts: Counts) -> np.ndarray:
    """δ of each frequency: float64 [64], 0..½ of a step by which levels move towards zero; 0 for DC and where all are zero."""
    n, total = counts.levels.T.astype(np.float64)
    ratio = (total - n + _PRIOR[0]) / (total + _PRIOR[1])
    found = 0.5 + 1 / np.log(ratio) + ratio / (1 - ratio)
    found[n == 0] = 0
    found[0] = 0
    return found


def trust(counts: Sequence[Counts]) -> float:
    """How far δ holds in a file, 0..1, from its components' counts: of the one that has the most levels."""
    most = max(counts, key=lambda one: int(one.levels[1:, 0].sum()))
    inner, last = most.ones + 0.5
    odds = np.log(last[1] / last[0] * inner[0] / inner[1])
    density = most.levels[1:, 0].sum() / most.blocks
    return float(np.clip((odds - _ODDS - _PER_LEVEL * np.log(density + 0.01)) / _SPAN, 0, 1))


def kept_detail(filtered: tuple[bool, bool]) -> np.ndarray:
    """How much of its shift each frequency has in a component that grows twofold: float64 [64], 1 for one at full size.

    filtered: whether columns, and rows, grow by the triangle filter. It takes from fine detail what a shift would take once more,
    so that none is left from frequency 4 on.
    """
    v, u = np.mgrid[:8, :8]
    across, down = filtered
    return np.maximum(1 - np.hypot(u * across, v * down) / _UNSHIFTED, 0).ravel()


def points_of(
    planes: Sequence[np.ndarray], reconstruction: str, filtered: Sequence[tuple[bool, bool]]
) -> list[np.ndarray]:
    """What the levels of each component lose towards zero: float64 [64], in steps.

    planes: of all components of a file, int16 [rows, columns, 8, 8]. reconstruction: "laplacian", `shifts` as far as `trust`
    and `kept_detail` go, or "midpoint", which are zeros. filtered: as for `kept_detail`, of the components that are wanted.
    """
    if reconstruction == "midpoint":
        return [np.zeros(64)] * len(filtered)
    counts = [count_levels(plane) for plane in planes]
    share = trust(counts)
    return [share * shifts(one) * kept_detail(grows) for one, grows in zip(counts, filtered, strict=False)]
