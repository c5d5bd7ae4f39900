"""How likely an integer is: the zero-mean Gaussians of the scale grid, differentiable, in bits.

The grid is what streams are coded with: `SCALES` tables, from `SCALE_MIN` to `SCALE_MAX` in equal ratios, chosen by an
integer level. In training the level is a real number between them.
"""

from __future__ import annotations

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from .quantise import add_noise

__all__ = [
    "ERROR", "SCALES", "SCALE_MAX", "SCALE_MIN", "dead_zone", "gaussian_bits", "level_of", "scale_grid", "scale_of",
    "threshold_of", "trained_bits",
]  # fmt: skip

SCALES, SCALE_MIN, SCALE_MAX = 64, 0.11, 160.0
ERROR = 14.0
"""Bits that the encoder takes a squared error of one step to be worth. λ and the first gains say 26 (a uniform
quantiser's step² / 12 at high rates); over all rates this is better, found on validation pictures."""
_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1)
_LEAST = 1e-30


def scale_grid() -> np.ndarray:
    """Standard deviations of the tables, float64 [SCALES]."""
    return SCALE_MIN * np.exp(_STEP * np.arange(SCALES))


def scale_of(level: jax.Array) -> jax.Array:
    """Standard deviation at a level 0..SCALES-1."""
    return SCALE_MIN * jnp.exp(_STEP * level)


def level_of(scale: np.ndarray) -> np.ndarray:
    """Inverse of `scale_of`, in NumPy."""
    return np.log(scale / SCALE_MIN) / _STEP


def gaussian_bits(residual: jax.Array, scale: jax.Array) -> jax.Array:
    """−log2 of the mass of N(0, scale²) on [residual − 1/2, residual + 1/2], in float32 whatever comes in; at most 100."""
    size, inverse = jnp.abs(residual.astype(jnp.float32)), 1 / (scale.astype(jnp.float32) * math.sqrt(2))
    mass = 0.5 * (jax.lax.erfc((size - 0.5) * inverse) - jax.lax.erfc((size + 0.5) * inverse))
    return -jnp.log2(jnp.maximum(mass, _LEAST))


def dead_zone(residual: jax.Array, level: jax.Array) -> jax.Array:
    """Symbols of residuals, with gradient 1: rounded, but 0 where ±1 costs more bits under the level's Gaussian than it saves
    error (`ERROR`); the encoder does so by its tables (`tables.thresholds`)."""
    threshold = jnp.asarray(_thresholds())[jnp.round(jnp.clip(level, 0, SCALES - 1)).astype(jnp.int32)]
    size = jnp.abs(residual)
    symbols = jnp.where(size < threshold, 0, jnp.sign(residual) * jnp.maximum(jnp.round(size), 1))
    return residual + jax.lax.stop_gradient(symbols - residual)


def threshold_of(zero: float, one: float) -> float:
    """From which size on a value is worth a symbol ±1 in place of 0, of their probabilities."""
    return min(max(0.5 + math.log2(zero / one) / (2 * ERROR), 0.5), 0.9)


@cache
def _thresholds() -> np.ndarray:
    """Of each level, float32 [SCALES]."""
    found = []
    for scale in scale_grid().tolist():
        inner, outer = (math.erfc(x / (scale * math.sqrt(2))) for x in (0.5, 1.5))
        found.append(threshold_of(1 - inner, max((inner - outer) / 2, 1e-300)))
    return np.array(found, np.float32)


def trained_bits(residual: jax.Array, symbols: jax.Array, scale: jax.Array, key: jax.Array | None) -> jax.Array:
    """Bits of symbols under N(0, scale²), with gradients to train by.

    Their value, and the scale's gradient, are those of the symbols themselves. The residual's gradient is that of noise in place
    of rounding: smooth. Noise alone would charge symbols that are surely 0 some 1.4 · scale bits, and hide what zeros save.

    Args:
        residual: What is quantised.
        symbols: What it becomes, integers.
        scale: Standard deviations, to broadcast against it.
        key: Of the noise; None for the value without noise.
    """
    exact = gaussian_bits(jax.lax.stop_gradient(symbols), scale)
    if key is None:
        return exact
    smooth = gaussian_bits(add_noise(residual, key), jax.lax.stop_gradient(scale))
    return exact + smooth - jax.lax.stop_gradient(smooth)
