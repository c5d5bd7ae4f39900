"""Pictures of one size on a GPU: their levels in two passes over memory, pixels to samples and samples to levels.

    pixels u8 [N, H, W, C]  ──▶  samples u8 [8, 8, M], v·h arrays a component  ──▶  levels i16 [64, v, h, M]

A cell is what the coarsest component has one sample for: 8 × 8 of them are an MCU, and each array has one sample a cell, of
all M MCUs. So all arrays of a picture have one shape, and one loop over the pixels writes them all. Each level is computed
from its block's 64 samples alone, the rows' pass anew for each of a column: more arithmetic, but nothing between the passes
of the DCT is ever written. `programs` has the same numbers for CPUs and TPUs, whose compilers make more loops of this.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...ops.dct import fdct_islow_each
from ...ops.quant import quantise_by
from ...ops.sampling import rounded_means
from ...types import Frame
from .programs import colors
from .specs import Spec

__all__ = ["direct_levels", "is_direct"]

Levels = Callable[[np.ndarray], jax.Array]
"""Levels int16 [n, v, h, M] of one component, at n places of its blocks, int [n] in natural order."""

Cells = Sequence[Sequence[jax.Array]]
"""Of one component: [8, 8, M] for each row and column of a cell."""


def is_direct(platform: str, spec: Spec) -> bool:
    """Whether pictures on a platform go this way."""
    return platform == "gpu" and not spec.dering and all(8 % h == 8 % v == 0 for h, v in spec.sampling)


def _filled(x: jax.Array, length: int, axis: int, last: jax.Array | None = None) -> jax.Array:
    """x with `last`, or its own last entry, behind it on `axis`. Not `jnp.pad`, which no loop takes in."""
    have, pad, shape = x.shape[axis], [(0, 0, 0)] * x.ndim, [1] * x.ndim
    if have >= length:
        return x
    pad[axis], shape[axis] = (0, length - have, 0), length
    inside = lax.broadcasted_iota(jnp.int32, shape, axis) < have
    last = lax.slice_in_dim(x, have - 1, have, axis=axis) if last is None else last
    return jnp.where(inside, lax.pad(x, x.dtype.type(0), pad), last)


def _pixels(spec: Spec, frame: Frame, images: jax.Array, v: int) -> list[Cells]:
    """int32 pixels of all components, with such ones outside the picture as one of v rows a cell needs."""
    (rows, columns), (vmax, hmax) = frame.mcus, (spec.vmax, spec.hmax)
    images = images.reshape(*images.shape[:3], -1)
    last = (frame.height - 1) // vmax
    x, end = (_filled(x, columns * 8 * hmax, 2) for x in (images, images[:, last * vmax :]))
    x, end = _filled(x, (last + 1) * vmax, 1), _filled(end, vmax, 1)[:, vmax - vmax // v :]
    # below, the component's own last row is repeated, not the picture's
    x = _filled(x.reshape(len(x), last + 1, vmax, *x.shape[2:]), 8 * rows, 1, jnp.tile(end, (1, v, 1, 1))[:, None])
    x = x.reshape(len(x), rows, 8, vmax, columns, 8, hmax, -1)

    def pixel(i: int, j: int) -> list[jax.Array]:
        # in this order, or else the compiler writes what lies between: pixels widened, or samples to be transposed
        one = x[:, :, :, i, :, :, j].transpose(2, 4, 0, 1, 3, 5).reshape(8, 8, -1, spec.channels).astype(jnp.int32)
        return colors(spec, [one[..., c] for c in range(spec.channels)])

    cells = [[pixel(i, j) for j in range(hmax)] for i in range(vmax)]
    return [[[parts[c] for parts in row] for row in cells] for c in range(len(spec.sampling))]


def _samples(pixels: Cells, h: int, v: int) -> Cells:
    """uint8 samples of a component that has h × v in a cell."""
    high, wide = len(pixels) // v, len(pixels[0]) // h
    column = lax.broadcasted_iota(jnp.int32, (8, 1), 0) * h

    def sample(i: int, j: int) -> jax.Array:
        own = [x for row in pixels[i * high : (i + 1) * high] for x in row[j * wide : (j + 1) * wide]]
        return rounded_means(reduce(operator.add, own), wide, high, column + j).astype(jnp.uint8)

    return [[sample(i, j) for j in range(h)] for i in range(v)]


def _component(cells: Cells, tables: jax.Array) -> Levels:
    """tables: uint16 [N, 64], of pictures that are as many MCUs each."""
    v, h, mcus = len(cells), len(cells[0]), cells[0][0].shape[2]
    blocks = [[x.reshape(v, 8 // v, h, 8 // h, mcus) for x in row] for row in cells]
    samples = [[blocks[y % v][x % h][:, y // v, :, x // h] for x in range(8)] for y in range(8)]

    def levels(places: np.ndarray) -> jax.Array:
        steps = tables.astype(jnp.float32).T[places] * 8
        steps = jnp.repeat(steps, mcus // len(tables), 1)[:, None, None]
        return quantise_by(fdct_islow_each(samples, places), 1 / steps, steps * 0.5 + 0.5)

    return levels


def direct_levels(spec: Spec, frame: Frame, images: jax.Array, tables: jax.Array) -> list[Levels]:
    """Of each component of uint8 [N, H, W] or [N, H, W, C]; tables: uint16 [N, components, 64]. Exact."""
    alike = 8 * spec.vmax * frame.mcus[0] - frame.height < spec.vmax  # components need the same outside
    pixels = {v: _pixels(spec, frame, images, v) for v in {spec.vmax if alike else v for _, v in spec.sampling}}
    samples = [_samples(pixels[spec.vmax if alike else v][c], h, v) for c, (h, v) in enumerate(spec.sampling)]
    return [_component(cells, tables[:, c]) for c, cells in enumerate(lax.optimization_barrier(samples))]
