"""What a JPEG file's luma coefficients show of its past: Markov features of magnitudes, histograms of frequencies.

Both take quantised coefficients as `read_coefficients` gives them, so that nothing is decoded to pixels.
"""

from __future__ import annotations

import numpy as np

from ..types import ZIGZAG, Array

__all__ = ["BINS", "FREQUENCIES", "MARKOV_FEATURES", "THRESHOLD", "histograms", "markov_features"]

THRESHOLD = 4
"""T: differences beyond ±T count as ±T."""
_STATES = 2 * THRESHOLD + 1
MARKOV_FEATURES = 4 * _STATES**2
"""324: four directions of 9×9 transitions."""

FREQUENCIES = ZIGZAG[1:].astype(np.int64)
"""Natural indices (8v + u) of the 63 AC frequencies, in zigzag order."""
FREQUENCIES.flags.writeable = False
BINS = 64
"""Bins of a histogram: magnitudes 0..62, and 63 with all above."""


def _blocks(blocks: Array) -> np.ndarray:
    found = np.asarray(blocks)
    if found.ndim < 4 or found.shape[-2:] != (8, 8) or found.dtype.kind not in "iu":
        raise ValueError(
            f"blocks: {found.dtype} {found.shape}; must be quantised coefficients, integers [rows, columns, 8, 8]"
        )
    return found


def _transitions(differences: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Shares [9·9] of each following difference, of those that come after the same one; zeros where none does."""
    pairs = (np.clip(differences, -THRESHOLD, THRESHOLD) + THRESHOLD) * _STATES
    pairs += np.clip(following, -THRESHOLD, THRESHOLD) + THRESHOLD
    counts = np.bincount(pairs.ravel(), minlength=_STATES**2).reshape(_STATES, _STATES).astype(np.float64)
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).ravel()


def markov_features(blocks: Array) -> np.ndarray:
    """Chen and Shi's features of double compression (Chen, Shi, Su, ICPR 2008).

    The magnitudes of quantised luma coefficients are one array, 8·rows by 8·columns, each block in its place. Its differences
    to the next place, along rows, columns, diagonals and antidiagonals, clipped to ±4, are a Markov chain along the same
    direction; the features are its transition probabilities.

    Args:
        blocks: Quantised coefficients, integers [rows, columns, 8, 8] in natural order, such as planes[0][0] of `Coefficients`.

    Returns:
        float64 [324], 0..1: directions horizontal, vertical, diagonal, antidiagonal, of each the probability of the next
        difference −4..4 (faster) after a difference −4..4. Zeros after differences that do not occur.

    Raises:
        ValueError: Blocks are of another shape or no integers.
    """
    found = _blocks(blocks)
    rows, columns = found.shape[-4:-2]
    j = np.abs(found.reshape(rows, columns, 8, 8).astype(np.int32)).swapaxes(1, 2).reshape(8 * rows, 8 * columns)
    across, down = j[:, :-1] - j[:, 1:], j[:-1] - j[1:]
    diagonal, anti = j[:-1, :-1] - j[1:, 1:], j[1:, :-1] - j[:-1, 1:]
    return np.concatenate([
        _transitions(across[:, :-1], across[:, 1:]),
        _transitions(down[:-1], down[1:]),
        _transitions(diagonal[:-1, :-1], diagonal[1:, 1:]),
        _transitions(anti[1:, :-1], anti[:-1, 1:]),
    ])  # fmt: skip


def histograms(blocks: Array) -> np.ndarray:
    """How often magnitudes occur at each AC frequency.

    Args:
        blocks: Quantised coefficients, integers [..., rows, columns, 8, 8] in natural order.

    Returns:
        int64 [63, 64], frequencies as in `FREQUENCIES`; magnitudes 0..62, and in the last bin all above.

    Raises:
        ValueError: Blocks are of another shape or no integers.
    """
    low = np.abs(_blocks(blocks).reshape(-1, 64)[:, FREQUENCIES].astype(np.int64))
    places = np.minimum(low, BINS - 1) + BINS * np.arange(len(FREQUENCIES))
    return np.bincount(places.ravel(), minlength=BINS * len(FREQUENCIES)).reshape(-1, BINS)
