"""How likely an integer is: the zero-mean Gaussians of the scale grid, differentiable, in bits.

The grid is what streams are coded with: `SCALES` tables, from `SCALE_MIN` to `SCALE_MAX` in equal ratios, chosen by an
integer level. In training the level is a real number between them.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from .quantise import add_noise

__all__ = ["SCALES", "SCALE_MAX", "SCALE_MIN", "gaussian_bits", "level_of", "scale_grid", "scale_of", "trained_bits"]

SCALES, SCALE_MIN, SCALE_MAX = 64, 0.11, 160.0
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


def trained_bits(residual: jax.Array, scale: jax.Array, key: jax.Array | None) -> jax.Array:
    """Bits of rounded residuals under N(0, scale²), with gradients to train by.

    Their value, and the scale's gradient, are those of the symbols themselves. The residual's gradient is that of noise in place
    of rounding: smooth. Noise alone would charge symbols that are surely 0 some 1.4 · scale bits, and hide what zeros save.

    Args:
        residual: What is rounded.
        scale: Standard deviations, to broadcast against it.
        key: Of the noise; None for the value without noise.
    """
    exact = gaussian_bits(jax.lax.stop_gradient(jnp.round(residual)), scale)
    if key is None:
        return exact
    smooth = gaussian_bits(add_noise(residual, key), jax.lax.stop_gradient(scale))
    return exact + smooth - jax.lax.stop_gradient(smooth)
