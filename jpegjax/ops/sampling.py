"""Chroma sampling and what happens at the picture's edges.

Exact functions take and give integers 0..255 and equal libjpeg's jcsample and jdsample. Ratios are integers: `h`
columns and `v` rows of full resolution for one sample.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["downsample", "downsample_float", "pad_plane", "smooth_downsample", "upsample", "upsample_float"]

Axes = tuple[int, int]  # (vertical, horizontal)


def _fit(x: jax.Array, length: int, axis: int) -> jax.Array:
    """Cut, or repeat the last entry, until `axis` has `length` entries."""
    have = x.shape[axis]
    if have >= length:
        return lax.slice_in_dim(x, 0, length, axis=axis)
    shape = list(x.shape)
    shape[axis] = length - have
    return jnp.concatenate([x, jnp.broadcast_to(lax.slice_in_dim(x, have - 1, have, axis=axis), shape)], axis)


def pad_plane(plane: jax.Array, height: int, width: int) -> jax.Array:
    """[..., H, W] → [..., height, width]: the last row and column are repeated, or what is too much is cut."""
    plane = jnp.asarray(plane)
    return _fit(_fit(plane, width, plane.ndim - 1), height, plane.ndim - 2)


def _cells(x: jax.Array, h: int, v: int, axes: Axes) -> tuple[jax.Array, int]:
    """(sum over each cell of v rows and h columns, horizontal axis)."""
    vertical, horizontal = (a % x.ndim for a in axes)
    if x.shape[vertical] % v or x.shape[horizontal] % h:
        raise ValueError(f"plane: {x.shape[vertical]}×{x.shape[horizontal]} is no multiple of the ratio {v}×{h}")
    rows = jnp.asarray(sum(lax.slice_in_dim(x, i, None, v, vertical) for i in range(v)))
    return jnp.asarray(sum(lax.slice_in_dim(rows, i, None, h, horizontal) for i in range(h))), horizontal


def downsample(plane: jax.Array, h: int, v: int, axes: Axes = (-2, -1)) -> jax.Array:
    """int32 means of cells of v rows × h columns of integers 0..255. Exact (jcsample).

    2×1 and 2×2 cells (h×v) round by a bias that alternates along a row, 0 1 0 1 … and 1 2 1 2 …; others round to
    nearest, halves up. Both axes must be multiples of the ratio.
    """
    x = jnp.asarray(plane).astype(jnp.int32)
    if (h, v) == (1, 1):
        return x
    cells, horizontal = _cells(x, h, v, axes)
    shape = [1] * cells.ndim
    shape[horizontal] = cells.shape[horizontal]
    return rounded_means(cells, h, v, np.arange(cells.shape[horizontal], dtype=np.int32).reshape(shape))


def rounded_means(sums: jax.Array, h: int, v: int, columns: jax.Array | np.ndarray) -> jax.Array:
    """`downsample` of int32 sums over cells; columns: int32, each one's place in its row, or 0 or 1 by its parity."""
    if (h, v) == (1, 1):
        return sums
    if h == 2 and v in (1, 2):
        return (sums + ((columns & 1) + (v - 1))) >> v
    return (sums + h * v // 2) // (h * v)


def smooth_downsample(plane: jax.Array, h: int, v: int, smoothing: int) -> jax.Array:
    """`downsample` of integers 0..4095 at most, [..., R, C], whose neighbours are mixed in first. Exact (jcsample).

    smoothing: 1..100; each pixel takes smoothing/1024 of its eight neighbours, edges repeated. Only at 1×1 and 2×2.
    """
    x = jnp.asarray(plane).astype(jnp.int32)
    if (h, v) not in ((1, 1), (2, 2)):
        return downsample(x, h, v)
    rows, columns = x.shape[-2:]
    p = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1), (1, 1)], mode="edge")

    def part(i: int, j: int) -> jax.Array:
        return p[..., i : i + rows - v + 1 : v, j : j + columns - h + 1 : h]

    size = h + 2
    around = jnp.asarray(sum(part(i, j) for i in range(size) for j in range(size)))
    member = jnp.asarray(sum(part(i, j) for i in range(1, 1 + v) for j in range(1, 1 + h)))
    if h == 1:
        return (member * (65536 - 512 * smoothing) + (around - member) * (64 * smoothing) + 32768) >> 16
    corners = jnp.asarray(sum(part(i, j) for i in (0, 3) for j in (0, 3)))
    # pixels beside an edge of the cell are neighbours of two of its pixels, those at its corners of one
    neighbours = 2 * (around - member) - corners
    return (member * (16384 - 80 * smoothing) + neighbours * (16 * smoothing) + 32768) >> 16


def downsample_float(plane: jax.Array, h: int, v: int, axes: Axes = (-2, -1)) -> jax.Array:
    """Means of cells of v rows × h columns of floats. Differentiable."""
    return _cells(jnp.asarray(plane), h, v, axes)[0] / (h * v)


def fancy_rows(x: jax.Array, up: jax.Array, down: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(even, odd) output rows of the triangle filter between x and its neighbours, 4 × their scale, not rounded."""
    return 3 * x + up, 3 * x + down


def fancy_columns(x: jax.Array, left: jax.Array, right: jax.Array, bits: int) -> tuple[jax.Array, jax.Array]:
    """(even, odd) output columns, rounded down by `bits`: 2 for samples, 4 after `fancy_rows`."""
    even, odd = (1, 2) if bits == 2 else (8, 7)
    return (3 * x + left + even) >> bits, (3 * x + right + odd) >> bits


def is_fancy(h: int, v: int, width: int) -> bool:
    """Whether libjpeg filters (else: repeats) a component of `width` true samples at ratio h, v."""
    return (h, v) == (1, 2) or (h == 2 and v in (1, 2) and width > 2)


def _interleave(even: jax.Array, odd: jax.Array, axis: int) -> jax.Array:
    stacked = jnp.stack([even, odd], axis + 1)
    return stacked.reshape(*even.shape[:axis], 2 * even.shape[axis], *even.shape[axis + 1 :])


def _neighbours(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    length = x.shape[axis]
    first, last = lax.slice_in_dim(x, 0, 1, axis=axis), lax.slice_in_dim(x, length - 1, length, axis=axis)
    before = jnp.concatenate([first, lax.slice_in_dim(x, 0, length - 1, axis=axis)], axis)
    return before, jnp.concatenate([lax.slice_in_dim(x, 1, length, axis=axis), last], axis)


def upsample(plane: jax.Array, h: int, v: int, fancy: bool = True) -> jax.Array:
    """[..., R, C] → int32 [..., v·R, h·C] of integers 0..255, cropped to true samples beforehand. Exact (jdsample).

    fancy: triangle filter at 2×1, 1×2 and 2×2 (h×v; where h = 2 only for C > 2). Everything else repeats samples.
    """
    x = jnp.asarray(plane).astype(jnp.int32)
    rows, columns = x.ndim - 2, x.ndim - 1
    if not (fancy and is_fancy(h, v, x.shape[columns])):
        return jnp.repeat(jnp.repeat(x, v, rows), h, columns)
    bits = 0
    if v == 2:
        x = _interleave(*fancy_rows(x, *_neighbours(x, rows)), rows)
        bits = 2
        if h == 1:
            parity = (jnp.arange(x.shape[rows], dtype=jnp.int32) & 1)[:, None]
            return (x + 1 + parity) >> 2
    return _interleave(*fancy_columns(x, *_neighbours(x, columns), bits + 2), columns)


def upsample_float(plane: jax.Array, h: int, v: int, fancy: bool = True) -> jax.Array:
    """`upsample` of floats, without rounding: [..., R, C] → [..., v·R, h·C]. Differentiable."""
    x = jnp.asarray(plane)
    rows, columns = x.ndim - 2, x.ndim - 1
    if not (fancy and is_fancy(h, v, x.shape[columns])):
        return jnp.repeat(jnp.repeat(x, v, rows), h, columns)
    for ratio, axis in ((v, rows), (h, columns)):
        if ratio == 2:
            before, after = _neighbours(x, axis)
            x = _interleave(0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after, axis)
    return x
