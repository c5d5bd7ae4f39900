"""Planes ↔ 8×8 blocks. Pure data movement: exact for every dtype, differentiable for floats."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["merge_blocks", "split_blocks"]


def split_blocks(plane: jax.Array) -> jax.Array:
    """[..., 8R, 8C] → [..., R, C, 8, 8]."""
    *lead, height, width = plane.shape
    if height % 8 or width % 8:
        raise ValueError(f"plane: height and width must be multiples of 8, not {height}×{width}; see pad_plane")
    return jnp.asarray(plane).reshape(*lead, height // 8, 8, width // 8, 8).swapaxes(-3, -2)


def merge_blocks(blocks: jax.Array) -> jax.Array:
    """[..., R, C, 8, 8] → [..., 8R, 8C]."""
    *lead, rows, columns, _, _ = blocks.shape
    return jnp.asarray(blocks).swapaxes(-3, -2).reshape(*lead, 8 * rows, 8 * columns)
