"""Quantisation that gradients pass: noise in place of rounding, and rounding with a straight-through gradient."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["add_noise", "round_through"]


def round_through(x: jax.Array) -> jax.Array:
    """x to the nearest integer (ties to even), gradient 1 (Theis et al. 2017, arXiv:1703.00395)."""
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


def add_noise(x: jax.Array, key: jax.Array) -> jax.Array:
    """x plus noise uniform in ±1/2: what rounding does, on average and smoothly (Ballé et al. 2017, arXiv:1611.01704)."""
    return x + jax.random.uniform(key, x.shape, x.dtype, -0.5, 0.5)
