"""Colour: RGB ↔ YCbCr as JFIF defines it (ITU-R BT.601, full range), RGB → grey. Samples are 0..255.

Exact functions use libjpeg's 16-bit fixed point; they take and give integers. Float functions are the same matrices
over the reals, without rounding or clamping: linear, so differentiable everywhere.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["rgb_to_gray", "rgb_to_ycbcr", "rgb_to_ycbcr_float", "ycbcr_to_rgb", "ycbcr_to_rgb_float"]

HALF = 1 << 15

FORWARD = np.array(
    [[0.299, 0.587, 0.114], [-0.299 / 1.772, -0.587 / 1.772, 0.5], [0.5, -0.587 / 1.402, -0.114 / 1.402]]
)
INVERSE = np.linalg.inv(FORWARD)


def luma(r: jax.Array, g: jax.Array, b: jax.Array) -> jax.Array:
    """Y of int32 R, G, B in 0..255, exact."""
    return (19595 * r + 38470 * g + 7471 * b + HALF) >> 16


def chroma(r: jax.Array, g: jax.Array, b: jax.Array, precision: int = 8) -> tuple[jax.Array, jax.Array]:
    """(Cb, Cr) of int32 R, G, B, all 0..2^precision - 1, exact."""
    # half minus one: the largest chroma is 2^precision - 1, so that no clamp is needed
    centre = (1 << (15 + precision)) + HALF - 1
    cb = (-11059 * r - 21709 * g + 32768 * b + centre) >> 16
    cr = (32768 * r - 27439 * g - 5329 * b + centre) >> 16
    return cb, cr


def to_rgb(y: jax.Array, cb: jax.Array, cr: jax.Array, precision: int = 8) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(R, G, B) of int32 Y, Cb, Cr, all 0..2^precision - 1, exact, clamped."""
    centre, largest = 1 << (precision - 1), (1 << precision) - 1
    cb, cr = cb - centre, cr - centre
    r = y + ((91881 * cr + HALF) >> 16)
    g = y + ((-22554 * cb - 46802 * cr + HALF) >> 16)  # one rounding for both terms, unlike R and B's own
    b = y + ((116130 * cb + HALF) >> 16)
    return jnp.clip(r, 0, largest), jnp.clip(g, 0, largest), jnp.clip(b, 0, largest)


def _channels(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    r, g, b = (lax.index_in_dim(x, i, axis, keepdims=False).astype(jnp.int32) for i in range(3))
    return r, g, b


def rgb_to_ycbcr(rgb: jax.Array, axis: int = -1) -> jax.Array:
    """uint8 YCbCr of integer RGB 0..255, channels on `axis`. Exact (jccolor: 16-bit fixed point)."""
    r, g, b = _channels(jnp.asarray(rgb), axis)
    return jnp.stack([luma(r, g, b), *chroma(r, g, b)], axis).astype(jnp.uint8)


def ycbcr_to_rgb(ycbcr: jax.Array, axis: int = -1) -> jax.Array:
    """uint8 RGB of integer YCbCr 0..255, channels on `axis`. Exact (jdcolor)."""
    return jnp.stack(to_rgb(*_channels(jnp.asarray(ycbcr), axis)), axis).astype(jnp.uint8)


def rgb_to_gray(rgb: jax.Array, axis: int = -1) -> jax.Array:
    """uint8 luma of integer RGB 0..255; `axis` disappears. Exact."""
    return luma(*_channels(jnp.asarray(rgb), axis)).astype(jnp.uint8)


def _linear(x: jax.Array, matrix: np.ndarray, axis: int) -> jax.Array:
    moved = jnp.moveaxis(jnp.asarray(x), axis, -1)
    weights = jnp.asarray(matrix.T, moved.dtype)
    return jnp.moveaxis(jnp.matmul(moved, weights, precision=lax.Precision.HIGHEST), -1, axis)


def rgb_to_ycbcr_float(rgb: jax.Array, axis: int = -1) -> jax.Array:
    """Float YCbCr (Y 0..255, chroma centred at 128) of float RGB 0..255. Differentiable."""
    rgb = jnp.asarray(rgb)
    shape = [1] * rgb.ndim
    shape[axis] = 3
    return _linear(rgb, FORWARD, axis) + jnp.asarray([0.0, 128.0, 128.0], rgb.dtype).reshape(shape)


def ycbcr_to_rgb_float(ycbcr: jax.Array, axis: int = -1) -> jax.Array:
    """Float RGB of float YCbCr (chroma centred at 128), not clamped. Differentiable."""
    ycbcr = jnp.asarray(ycbcr)
    shape = [1] * ycbcr.ndim
    shape[axis] = 3
    return _linear(ycbcr - jnp.asarray([0.0, 128.0, 128.0], ycbcr.dtype).reshape(shape), INVERSE, axis)
