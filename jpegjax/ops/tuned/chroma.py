"""Chroma that suits the decoder: least-squares downsampling, and luma that makes up for what coding chroma did. Exact.

Decoders enlarge chroma by the triangle filter, and its pseudo-inverse, (2/3)(-1/3)ⁿ on every second sample, makes the
small plane that they turn into the nearest large one. The taps here ring a little less, since coding adds errors too.
At hard edges of saturated colours what rings leaves the colours that there are, and decoders clamp it to specks: there samples
stay between their neighbours.
"""

from __future__ import annotations

from functools import reduce

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["compensate_luma", "fit_plane"]

_TAPS = 42, -13, 4, -1  # 64ths, for the samples 0, 2, 4 and 6 before the pair and behind it
_REACH = 6
_CONTRAST = (
    96  # from which a sample may not leave the range of those that it is shown at; below by as much as is missing
)


def _halved(x: jax.Array, axis: int) -> jax.Array:
    """Half the samples along `axis`, 64 × their scale; edges repeat."""
    pad = [(0, 0)] * x.ndim
    pad[axis] = (_REACH, _REACH)
    length = x.shape[axis]
    x = jnp.pad(x, pad, mode="edge")

    def each(start: int) -> jax.Array:
        return lax.slice_in_dim(x, start, start + length - 1, 2, axis)

    pairs = [each(_REACH - 2 * i) + each(_REACH + 1 + 2 * i) for i in range(len(_TAPS))]
    return jnp.asarray(sum(tap * pair for tap, pair in zip(_TAPS, pairs, strict=True)))


def _range(x: jax.Array, axis: int, least: bool) -> jax.Array:
    """The least or the greatest of the four samples along `axis` that each of half as many is shown at; edges repeat."""
    pad = [(0, 0)] * x.ndim
    pad[axis] = (1, 1)
    length, x = x.shape[axis], jnp.pad(x, pad, mode="edge")
    each = [lax.slice_in_dim(x, start, start + length - 1, 2, axis) for start in range(4)]
    return reduce(jnp.minimum if least else jnp.maximum, each)


def fit_plane(plane: jax.Array, down: bool) -> jax.Array:
    """Integers 0..255 [..., H, W] → int32 [..., H/2 or H, W/2], from which the triangle filter gives nearly `plane` back.

    Each is held in the range of the samples of `plane` that it takes part in, widened by what their contrast lacks to 96.
    down: halve rows too (4:2:0), else columns alone (4:2:2). Both sides must be even where they are halved.
    """
    plane = plane.astype(jnp.int32)
    x = _halved(plane, plane.ndim - 1)
    low, high = (_range(plane, plane.ndim - 1, least) for least in (True, False))
    if down:
        x = (_halved(x, plane.ndim - 2) + 2048) >> 12
        low, high = _range(low, plane.ndim - 2, True), _range(high, plane.ndim - 2, False)
    else:
        x = (x + 32) >> 6
    margin = jnp.maximum(_CONTRAST - (high - low), 0)
    return jnp.clip(jnp.clip(x, low - margin, high + margin), 0, 255)


def compensate_luma(
    luma: jax.Array, blue: jax.Array, red: jax.Array, coded_blue: jax.Array, coded_red: jax.Array, blue_gain: jax.Array,
    red_gain: jax.Array,
) -> jax.Array:  # fmt: skip
    """Luma int32 0..255 that keeps brightness where Cb and Cr, all integers 0..255 [..., H, W], become the coded ones.

    Black and white stay: decoders clamp red, green and blue there, so that one error of chroma cannot make up for another.
    Gains: int32, 256 is 1: what an error of one in chroma takes from luma, at most 122 and 59 for all that it adds.
    """
    e_blue, e_red = coded_blue.astype(jnp.int32) - blue, coded_red.astype(jnp.int32) - red
    changed = jnp.clip(luma - ((blue_gain * e_blue + red_gain * e_red + 128) >> 8), 0, 255)
    return jnp.where((luma == 0) | (luma == 255), luma, changed)
