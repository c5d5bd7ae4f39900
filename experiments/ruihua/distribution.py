"""KID: how far the distribution of restored patches is from that of the originals, whatever each shows for itself.

    pictures ─▶ patches of 128×128 ─▶ AlexNet ─▶ mean of each channel of its five activations ─▶ 1152 numbers ─▶ MMD²

The squared maximum mean discrepancy with the kernel (⟨x, y⟩ / d + 1)³ of Bińkowski et al. 2018 (arXiv:1801.01401), unbiased.
Their features are Inception's, and no package found brings those; these are AlexNet's, so numbers compare among themselves
only.

What is restored shows the same scenes as the originals, so both sets are one sample of pairs. The estimator is the one of
Gretton et al. 2012 (JMLR 13, eq. 4) for pairs: it leaves out k(xᵢ, yᵢ), and here whatever is of one picture; it is 0 for equal
sets, and 0 on the average where both have one distribution.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .perceptual import Weights, activations

__all__ = ["SIDE", "Kid", "features", "kid", "levelled", "patches"]

SIDE = 128
"""Of a patch, in pixels."""


class Kid(NamedTuple):
    """value: MMD², not biased, so it may fall below 0. error: its standard error over pictures, by jackknife."""

    value: float
    error: float


def patches(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """What of a picture [H, W, 3] whole patches cover from its middle out: [N, side, side, 3], row by row."""
    rows, columns = (length // side for length in picture.shape[:2])
    y, x = ((length - side * count) // 2 for length, count in zip(picture.shape[:2], (rows, columns), strict=True))
    kept = picture[y : y + rows * side, x : x + columns * side]
    return kept.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(rows * columns, side, side, 3)


@jax.jit
def features(weights: Weights, pixels: jax.Array) -> jax.Array:
    """Mean of each channel of AlexNet's activations, float32 [N, 1152], of patches [N, H, W, 3], 0..255."""
    return jnp.concatenate([jnp.mean(x, (1, 2)) for x in activations(weights, pixels)], -1)


def levelled(weights: Weights, reference: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Features in units of the reference's root mean square [N, D] at each of the five layers, so that all count alike."""
    at = np.cumsum([len(bias) for bias in weights.biases])[:-1]
    scales = [np.sqrt(np.mean(part.astype(np.float64) ** 2)) for part in np.split(reference, at, -1)]
    return np.concatenate([part / scale for part, scale in zip(np.split(found, at, -1), scales, strict=True)], -1)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def kid(reference: np.ndarray, found: np.ndarray, pictures: np.ndarray | None = None) -> Kid:
    """KID of pairs of features, [N, D] each, row i of one belonging to row i of the other.

    Args:
        reference, found: Features, float.
        pictures: int [N], the picture that a row is of; by default each row is of its own. Rows of one picture are not set
            against each other.

    Raises:
        ValueError: Shapes differ, or there are fewer than three pictures.
    """
    x, y = (np.asarray(part, np.float64) for part in (reference, found))
    if x.shape != y.shape or x.ndim != 2:
        raise ValueError(f"features of pairs must have one shape [N, D], not {x.shape} and {y.shape}")
    names, of = np.unique(np.arange(len(x)) if pictures is None else pictures, return_inverse=True)
    if len(names) < 3:
        raise ValueError(f"{len(names)} pictures: at least three are needed")
    cross = _kernel(x, y)
    terms = _kernel(x, x) + _kernel(y, y) - cross - cross.T
    member = np.eye(len(names))[of]
    sums = member.T @ terms @ member
    np.fill_diagonal(sums, 0)
    rows = member.sum(0)
    total, pairs = sums.sum(), len(x) ** 2 - np.sum(rows**2)
    without = (total - 2 * sums.sum(0)) / (pairs - 2 * rows * (len(x) - rows))
    n = len(names)
    return Kid(float(total / pairs), float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))))
