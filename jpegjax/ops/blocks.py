"""Planes ↔ blocks. Pure data movement: exact for every dtype, differentiable for floats."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["merge_blocks", "split_blocks"]


def split_blocks(plane: jax.Array, size: int = 8) -> jax.Array:
    """[..., R·size, C·size] → [..., R, C, size, size]."""
    *lead, height, width = plane.shape
    if height % size or width % size:
        raise ValueError(f"plane: height and width must be multiples of {size}, not {height}×{width}; see pad_plane")
    return jnp.asarray(plane).reshape(*lead, height // size, size, width // size, size).swapaxes(-3, -2)


def merge_blocks(blocks: jax.Array) -> jax.Array:
    """[..., R, C, n, m] → [..., n·R, m·C]."""
    *lead, rows, columns, n, m = blocks.shape
    return jnp.asarray(blocks).swapaxes(-3, -2).reshape(*lead, n * rows, m * columns)
