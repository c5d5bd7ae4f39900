"""Which weights stay: the largest by magnitude, and how many of them as a training goes on."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["cubic_density", "magnitude_mask"]


def magnitude_mask(values: Any, density: float) -> np.ndarray:
    """Bool of the values' shape: True for the `density` share of largest magnitude, at least one of them.

    density: above 0 and up to 1. Of equal magnitudes the first ones stay. Raises ValueError for another density.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density={density}: must be above 0 and at most 1")
    array = np.abs(np.asarray(values, np.float64))
    kept = max(1, round(density * array.size))
    mask = np.zeros(array.size, bool)
    mask[np.argsort(-array.ravel(), kind="stable")[:kept]] = True
    return mask.reshape(array.shape)


def cubic_density(step: Any, begin: int, end: int, final: float, initial: float = 1.0) -> jax.Array:
    """Density at a step: `initial` until `begin`, `final` from `end` on, falling by a cubic between them, fast at first.

    Zhu and Gupta 2017, "To prune, or not to prune", arXiv:1710.01878, equation 1, as 1 − sparsity.
    """
    left = 1 - jnp.clip((jnp.asarray(step, jnp.float32) - begin) / max(end - begin, 1), 0, 1)
    return final + (initial - final) * left**3
