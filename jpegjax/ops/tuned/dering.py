"""Overshoot at the range's ends: samples of 0 and 255 may go beyond them where that saves bits, since decoders clamp. Exact.

    samples, 8·DCT ──▶ 3 × (quantise, invert, project, transform) ──▶ 8·DCT of blocks with samples at an end and others

`kernels.tuned.dering` says why and how.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from ..dct import Axes, fdct_islow, idct_islow_unclamped
from ..quant import quantise

__all__ = ["CHOSEN", "ROUNDED", "dering", "is_mixed"]

ROUNDED, CHOSEN = 4, 5
"""Zones of levels that are rounded, and of those that the trellis chooses."""

_TURNS, _START, _MOST, _LEVELS = 3, 48, 96, 1023


def is_mixed(samples: jax.Array, axes: Axes = (-2, -1)) -> jax.Array:
    """Whether blocks have samples at an end of the range and others: bool, the axes of length 1. Arguments as for `dering`."""
    white, black = samples == 255, samples == 0

    def every(x: jax.Array) -> jax.Array:
        return x.all(axes, keepdims=True)

    return ~(every(~(white | black)) | every(white) | every(black))


def dering(samples: jax.Array, raw: jax.Array, steps: jax.Array, zone: int, axes: Axes = (-2, -1)) -> jax.Array:
    """Luma's 8·DCT, int32, with samples at the range's ends beyond them, at most 96, where that suits the steps.

    axes: (vertical, horizontal) of blocks, 8 long each. samples: integers 0..255. raw: `fdct_islow` of them. steps:
    integers 1..65535 that broadcast against it, by which the result will be quantised. zone: eighths of a step, 4 or more;
    what is smaller is taken to become 0. Blocks that are not mixed stay as they are.
    """
    x, first, steps = (a.astype(jnp.int32) for a in (samples, raw, steps))
    white, black = x == 255, x == 0
    ac = sum(lax.broadcasted_iota(jnp.int32, steps.shape, axis % steps.ndim) for axis in axes)
    passing = jnp.where(ac > 0, steps, 1)

    start = jnp.minimum(steps.sum(axes, keepdims=True, dtype=jnp.int32) >> 7, _START)

    def moved_by(beyond: jax.Array) -> tuple[jax.Array, jax.Array]:
        return beyond, first + fdct_islow(beyond + 128, axes)

    def turn(_: int, state: tuple) -> tuple:
        beyond, y = state
        coded = jnp.where(jnp.abs(y) < zone * passing, 0, quantise(y, passing).astype(jnp.int32)) * passing
        moved = beyond + (((idct_islow_unclamped(coded, axes) + 128 - x - beyond) * 7 + 2) >> 2)
        return moved_by(jnp.where(white, jnp.clip(moved, 0, _MOST), jnp.where(black, jnp.clip(moved, -_MOST, 0), 0)))

    _, y = lax.fori_loop(0, _TURNS, turn, moved_by(jnp.where(white, start, jnp.where(black, -start, 0))))
    fits = (jnp.abs(y) <= 8 * _LEVELS * steps).all(axes, keepdims=True)
    return jnp.where(fits & is_mixed(samples, axes), y, first)
