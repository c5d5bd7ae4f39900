"""Quantisation and its tables."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["dequantise", "dequantise_float", "quality_table", "quantise", "quantise_float"]


def quantise(dct: jax.Array, steps: jax.Array) -> jax.Array:
    """int16 levels of int32 `fdct_islow` output (8 × orthonormal): halves round away from zero.

    steps: integers 1..65535 that broadcast against `dct`. Exact (jcdctmgr). Division-free: with q = 8·step,
    n = |x| + q/2 is below 2^20, so (n + ½)·(1/q) stays ½/q away from every integer, more than float32 can lose.
    """
    q = jnp.asarray(steps).astype(jnp.float32) * 8
    return quantise_by(dct, 1 / q, q * 0.5 + 0.5)


def quantise_by(dct: jax.Array, reciprocal: jax.Array, bias: jax.Array) -> jax.Array:
    """`quantise` with float32 1/(8·step) and 4·step + ½ at hand."""
    x = dct.astype(jnp.float32)
    return (jnp.where(x < 0, x - bias, x + bias) * reciprocal).astype(jnp.int16)


def dequantise(levels: jax.Array, steps: jax.Array, precision: int = 8) -> jax.Array:
    """int16 coefficients of int16 levels, modulo 2^16 like the decoder's SIMD lanes; int32 at 12 bits. Exact (jddctmgr)."""
    if precision == 12:
        return jnp.asarray(levels).astype(jnp.int32) * jnp.asarray(steps).astype(jnp.int32)
    return jnp.asarray(levels).astype(jnp.int16) * jnp.asarray(steps).astype(jnp.int16)


def quantise_float(dct: jax.Array, steps: jax.Array) -> jax.Array:
    """Orthonormal float coefficients in units of `steps`, not rounded: that is the caller's choice. Differentiable."""
    return jnp.asarray(dct) / steps


def dequantise_float(levels: jax.Array, steps: jax.Array) -> jax.Array:
    """Inverse of `quantise_float`. Differentiable."""
    return jnp.asarray(levels) * steps


def quality_table(base: jax.Array, quality: jax.Array, *, rounded: bool = True) -> jax.Array:
    """Steps of IJG quality 1..100 (clipped), traced: base [..., 64 or 8, 8] with quality's shape in front of base's.

    rounded: integer steps 1..255, equal to libjpeg's with force_baseline, int32; takes integer quality. Otherwise float
    steps 1..255 without rounding, differentiable in `quality` between the clips.
    """
    base, quality = jnp.asarray(base), jnp.asarray(quality)
    quality = quality.reshape(quality.shape + (1,) * base.ndim)
    if rounded:
        quality = jnp.clip(quality, 1, 100).astype(jnp.int32)
        scale = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
        return jnp.clip((base.astype(jnp.int32) * scale + 50) // 100, 1, 255)
    quality = jnp.clip(quality.astype(jnp.float32), 1.0, 100.0)
    scale = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    return jnp.clip(base.astype(jnp.float32) * scale / 100, 1.0, 255.0)
