"""Shapes of faces: points that principal components move, and the smooth map from a picture to the mean shape.

Coordinates are (row, column) in pixels, pixel centres at integers. F. L. Bookstein, "Principal warps: thin-plate splines and the
decomposition of deformations", 1989.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["sample", "sampling", "thin_plate"]

_SMOOTH = 1e-4
"""Of a spline: points that a damaged code puts on one another still have one."""


def _kernel(a: jax.Array, b: jax.Array) -> jax.Array:
    """r² log r² of all pairs, [N, K]."""
    squares = jnp.sum((a[:, None] - b[None]) ** 2, -1)
    return squares * jnp.log(jnp.maximum(squares, 1e-12))


def thin_plate(source: jax.Array, target: jax.Array, at: jax.Array, unit: float) -> jax.Array:
    """Where the smoothest map that takes points to points takes others.

    Args:
        source, target: float32 [K, 2], K ≥ 3 that are not on one line.
        at: float32 [N, 2].
        unit: A length of the picture's size, for numbers near 1.

    Returns:
        float32 [N, 2]. Exact up to a little smoothing; affine maps stay what they are.
    """
    source, at, count = source / unit, at / unit, len(source)
    flat = jnp.concatenate([jnp.ones((count, 1)), source], 1)
    left = jnp.block([[_kernel(source, source) + _SMOOTH * jnp.eye(count), flat], [flat.T, jnp.zeros((3, 3))]])
    solved = jnp.linalg.solve(left, jnp.concatenate([target, jnp.zeros((3, 2))]))
    terms = jnp.concatenate([_kernel(at, source), jnp.ones((len(at), 1)), at], 1)
    return jnp.matmul(terms, solved, precision="highest")


def sampling(at: jax.Array, size: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Bilinear sampling of a flat picture: places int32 [4, N] and weights float32 [4, N] at coordinates [N, 2].

    Beyond the border the nearest pixel counts, and anything that is not finite is the first.
    """
    high, wide = size
    row = jnp.clip(jnp.nan_to_num(at[:, 0]), 0, high - 1)
    column = jnp.clip(jnp.nan_to_num(at[:, 1]), 0, wide - 1)
    y, x = jnp.clip(jnp.floor(row), 0, max(high - 2, 0)), jnp.clip(jnp.floor(column), 0, max(wide - 2, 0))
    v, u = row - y, column - x
    corner = (y * wide + x).astype(jnp.int32)
    down, right = (wide if high > 1 else 0), (1 if wide > 1 else 0)
    places = jnp.stack([corner, corner + right, corner + down, corner + down + right])
    return places, jnp.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u])


def sample(flat: jax.Array, places: jax.Array, weights: jax.Array) -> jax.Array:
    """Pictures [pixels, ...] at sampled places: [N, ...]."""
    shape = (-1,) + (1,) * (flat.ndim - 1)
    parts = [flat[p] * w.reshape(shape) for p, w in zip(places, weights, strict=True)]
    return parts[0] + parts[1] + parts[2] + parts[3]
