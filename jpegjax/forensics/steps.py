"""The first quantiser's step at one frequency, by likelihood.

    y = step1 · round(x / step1) + noise        what the first file's decoder showed, pixels rounded
    n = round(y / step2)                        what the second file holds

x has a smooth density, of which only its shape near zero is known to be a mixture of centred Gaussians; the mixture is fitted to
the histogram of n anew for each step1, so that steps are told apart by the comb alone (gaps and peaks with the period of step1 /
step2), not by how wide the histogram is. Once compressed is the hypothesis without the first line.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..annex_k import LUMA_QUANTIZATION, quality_table
from .features import BINS, FREQUENCIES

__all__ = ["MAX_STEP", "first_quality", "quality_evidence", "quality_places", "step_evidence"]

MAX_STEP = 128
"""Largest first step that is looked for."""
_NOISE = 0.4
"""Standard deviation of what rounding pixels, and colours, adds to a coefficient; of luma alone it is 12^-½ = 0.29."""
_ASTRAY = 0.02
"""Share of coefficients that do not follow the comb: clipped pixels, pasted parts."""
_SCALES = np.geomspace(0.4, 300, 16)
"""Gaussians of the mixture, standard deviations in units of coefficients; neighbours make any width between."""
_ROUNDS, _ROUNDS_ALONE = 40, 100
"""Of expectation and maximisation, which fit the mixture: from that of one compression on, and that one."""
_CLEAR, _SEVERAL, _EXPLAINED = 8.0, 8, 0.92
"""Evidence from which on a step is told clearly, how many make a table, the least share of theirs that an IJG table explains."""


def _within(x: np.ndarray) -> np.ndarray:
    """Share of a normal distribution within ±x standard deviations, x >= 0 (Abramowitz and Stegun 7.1.26, error < 2e-7)."""
    z = x * 0.5**0.5
    t = 1 / (1 + 0.3275911 * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return 1 - poly * np.exp(-(z**2))


@lru_cache(maxsize=256)
def _predicted(step: int) -> np.ndarray:
    """Probabilities of magnitudes: float32 [first steps 1..MAX_STEP, scales, BINS]; step: the second one, 1 first: no first."""
    edges = (np.arange(BINS - 1) + 0.5) * step
    scales = _SCALES[:, None]
    single = _within(edges / scales)
    first = np.arange(1, MAX_STEP + 1)[:, None, None]
    nearest = np.floor(edges / first + 0.5)
    below = _within(np.maximum(nearest - 0.5, 0) * first / scales)
    inside = _within((nearest + 0.5) * first / scales) - below
    over = (edges - nearest * first) / _NOISE
    reached = 0.5 + 0.5 * np.sign(over) * _within(np.abs(over))
    reached = np.where(nearest == 0, _within(edges / _NOISE), reached)
    comb = (1 - _ASTRAY) * (below + inside * reached) + _ASTRAY * single
    comb = np.where(first == 1, single, comb)
    none, all_ = np.zeros((MAX_STEP, len(_SCALES), 1)), np.ones((MAX_STEP, len(_SCALES), 1))
    return np.maximum(np.diff(np.concatenate([none, comb, all_], -1)), 1e-9).astype(np.float32)


def step_evidence(counts: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """What the histograms say for each first step, against there being none.

    Args:
        counts: [frequencies, 64] as of `histograms`.
        steps: The file's own steps 1..65,535 at these frequencies.

    Returns:
        float32 [frequencies, 128]: natural logarithm of the likelihood of the histogram with first step 1..128, less that of
        the one without a first quantiser. A step of 1 leaves no trace: 0. Above 0 says that such a step was there.
    """
    out = np.empty((len(counts), MAX_STEP), np.float32)
    for row, step, found in zip(counts, steps, out, strict=True):
        used = int(np.flatnonzero(row).max(initial=0)) + 1
        if used == 1:  # zeros alone fit any step
            found[:] = 0
            continue
        model, seen = _predicted(min(int(step), 255))[:, :, :used], row[:used].astype(np.float32)
        alone = _fitted(model[:1], seen, np.full((1, 1, len(_SCALES)), 1 / len(_SCALES), np.float32), _ROUNDS_ALONE)
        start = np.broadcast_to(0.9 * alone + 0.1 / len(_SCALES), (MAX_STEP, 1, len(_SCALES)))
        weights = _fitted(model, seen, start, _ROUNDS)
        weights[:1] = alone
        found[:] = np.log((weights @ model)[:, 0]) @ seen
    return out - out[:, :1]


def _fitted(model: np.ndarray, seen: np.ndarray, weights: np.ndarray, rounds: int) -> np.ndarray:
    """Weights [steps, 1, scales] of the mixture that fits counts [bins], after some rounds of expectation and maximisation."""
    share, back = seen / max(seen.sum(), 1), model.swapaxes(1, 2)
    for _ in range(rounds):
        weights = weights * ((share / (weights @ model)[:, 0])[:, None] @ back)
    return weights


@lru_cache(maxsize=1)
def quality_places() -> np.ndarray:
    """Where in `step_evidence` [63, 128] each IJG quality 1..100 looks: int64 [63, 100], its step at each frequency less 1."""
    tables = np.stack([quality_table(LUMA_QUANTIZATION, q, True) for q in range(1, 101)]).astype(np.int64)
    return np.minimum(tables[:, FREQUENCIES], MAX_STEP).T - 1


def quality_evidence(evidence: np.ndarray) -> np.ndarray:
    """Evidence for each first IJG quality 1..100, float32 [100]: `step_evidence` [63, 128] summed over frequencies."""
    return np.take_along_axis(evidence, quality_places(), 1).sum(0)


def first_quality(evidence: np.ndarray) -> int:
    """The likeliest first IJG quality 1..99 of `step_evidence` [63, 128], supposing that there was a first compression.

    Where steps are told clearly at several frequencies and no IJG table has them, as of other encoders: the quality whose steps
    there are nearest in ratio. Qualities near the file's own, and those whose steps divide its steps, leave little to see.
    """
    of_quality = np.take_along_axis(evidence, quality_places(), 1)[:, :99]
    best, free = int(of_quality.sum(0).argmax()), evidence.max(1)
    clear = free > _CLEAR
    if clear.sum() >= _SEVERAL and of_quality[clear, best].sum() < _EXPLAINED * free[clear].sum():
        ratios = np.log((quality_places()[clear, :99] + 1) / (evidence[clear].argmax(1)[:, None] + 1))
        best = int(np.abs(ratios).sum(0).argmin())
    return best + 1
