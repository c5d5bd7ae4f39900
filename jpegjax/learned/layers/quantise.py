"""Quantisation and bounds that gradients pass: noise in place of rounding, rounding and bounds with gradients of their own."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["add_noise", "at_least", "round_through"]


def round_through(x: jax.Array) -> jax.Array:
    """x to the nearest integer (ties to even), gradient 1 (Theis et al. 2017, arXiv:1703.00395)."""
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


def add_noise(x: jax.Array, key: jax.Array) -> jax.Array:
    """x plus noise uniform in ±1/2: what rounding does, on average and smoothly (Ballé et al. 2017, arXiv:1611.01704)."""
    return x + jax.random.uniform(key, x.shape, x.dtype, -0.5, 0.5)


@jax.custom_vjp
def at_least(x: jax.Array, bound: float) -> jax.Array:
    """max(x, bound); below the bound a gradient passes where descent leads back (Ballé et al. 2017, arXiv:1611.01704)."""
    return jnp.maximum(x, bound)


def _at_least_backward(kept: tuple[jax.Array, float], g: jax.Array) -> tuple[jax.Array, None]:
    x, bound = kept
    return jnp.where((x >= bound) | (g < 0), g, 0), None


at_least.defvjp(lambda x, bound: (jnp.maximum(x, bound), (x, bound)), _at_least_backward)
