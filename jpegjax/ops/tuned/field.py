"""How much each luma block's errors count: masking by local variance, in integers. Exact.

luma ──▶ variances in Gaussian windows at four scales ──▶ 1/(2σ² + c) ──▶ block means ──▶ power, geometric mean 1

The windows are those of SSIM and MS-SSIM (σ 1.5), by sums of 2×2 samples under a binomial window.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["held", "integer_logs", "still_cells", "strength_field", "to_field", "unit_logs"]

SCALES = 4
_ONE = 1 << 24
_STILL, _BUSY = 16, 512  # as in kernels.tuned.field
_LOG = np.floor(256 * np.log2(1 + (np.arange(128) + 0.5) / 128) + 0.5).astype(np.int32)
_EXP = np.floor(256 * 2 ** (np.arange(256) / 256) + 0.5).astype(np.int32)


def held(x: jax.Array, rows: jax.Array | int, columns: jax.Array | int) -> jax.Array:
    """[..., R, C] with what lies outside its first rows and columns, traced numbers of them, replaced by their edge."""
    for axis, end in ((x.ndim - 2, rows), (x.ndim - 1, columns)):
        x = jnp.take(x, jnp.minimum(lax.iota(jnp.int32, x.shape[axis]), end - 1), axis=axis, mode="clip")
    return x


def _binomial(x: jax.Array, axis: int) -> jax.Array:
    """[1 2 1] along an axis, edges repeated."""
    pad = [(0, 0)] * x.ndim
    pad[axis] = (1, 1)
    x, length = jnp.pad(x, pad, mode="edge"), x.shape[axis]
    before, here, after = (lax.slice_in_dim(x, i, i + length, axis=axis) for i in range(3))
    return before + 2 * here + after


def _cells(x: jax.Array) -> jax.Array:
    """Sums of 2×2 samples."""
    rows = x[::2] + x[1::2]
    return rows[:, ::2] + rows[:, 1::2]


def integer_logs(value: jax.Array) -> jax.Array:
    """log2 of int32 above 0, 8 fractional bits."""
    n = 31 - lax.clz(value)
    part = jnp.where(n >= 7, value >> jnp.maximum(n - 7, 0), value << jnp.maximum(7 - n, 0))
    return 256 * n + jnp.asarray(_LOG)[part & 127]


def strength_field(plane: jax.Array, rows: jax.Array, columns: jax.Array, parameters: jax.Array) -> jax.Array:
    """What errors in each luma block cost, relative to others: int32 [R, C], 256 is 1.

    plane: integers 0..255, [8R, 8C]. rows, columns: how many blocks of it are the picture's, from the first; traced.
    parameters: int32 (power, c, w0, w1, w2, w3, share, middle, drawn), with Σ ws · (2^24 // c) below 2^31: the field is
        (Σ ws · mean 1/(8σs² + c))^(power/64) over its geometric mean among blocks that are not flat, clipped to 1/16..16;
        σs² is the variance at scale s. Of the geometric mean's logarithm, less middle / 256, share / 64 stays. Busy blocks
        with still cells go to 2^((drawn - 128) / 16), from 4 of their 16 on a quarter a cell; drawn 0 leaves them.
    """
    return to_field(unit_logs(plane, rows, columns, parameters), still_cells(plane), rows, columns, parameters)


def still_cells(plane: jax.Array) -> jax.Array:
    """Cells of 2×2 samples without contrast in each block, 0..16, int32 [R, C]. plane: integers 0..255, [8R, 8C]."""
    x = plane.astype(jnp.int32)
    still = 4 * _cells(x * x) - _cells(x) ** 2 <= _STILL
    return still.reshape(plane.shape[0] // 8, 4, plane.shape[1] // 8, 4).sum((1, 3), dtype=jnp.int32)


def unit_logs(plane: jax.Array, rows: jax.Array, columns: jax.Array, parameters: jax.Array) -> jax.Array:
    """log2 of Σ ws · mean 2^24/(8σs² + c) by block, 8 fractional bits, int32 [R, C]. Arguments as for `strength_field`."""
    c, weights = parameters[1], parameters[2:6]
    high, wide = plane.shape[0] // 8, plane.shape[1] // 8
    x = plane.astype(jnp.int32)
    tall, broad = 8 * rows, 8 * columns
    total = jnp.zeros((high, wide), jnp.int32)
    for scale in range(SCALES):
        x = held(x, tall, broad)
        if scale == SCALES - 1:
            x = jnp.pad(x, [(0, high % 2), (0, wide % 2)], mode="edge")
        tall, broad = (tall + 1) // 2, (broad + 1) // 2
        sums, squares = (held(_cells(a), tall, broad) for a in (x, x * x))
        sums_in, squares_in = (_binomial(_binomial(a, 0), 1) for a in (sums, squares))
        variance = ((squares_in << 6) - sums_in * sums_in) >> 12
        inverse = _ONE // (8 * variance + c)
        if scale < SCALES - 1:
            side = 4 >> scale
            means = inverse.reshape(high, side, wide, side).sum((1, 3), dtype=jnp.int32) >> (4 - 2 * scale)
        else:
            means = jnp.repeat(jnp.repeat(inverse, 2, 0), 2, 1)[:high, :wide]
        total += weights[scale] * means
        x = (sums + 2) >> 2
    return integer_logs(jnp.maximum(total, 1))


def _mean(values: jax.Array, inside: jax.Array, flat: jax.Array) -> jax.Array:
    """Of int32 [R, C] where `inside`, rounded down row by row and then once more; `flat` if nowhere."""
    counts = inside.sum(1, dtype=jnp.int32)
    row_means = jnp.where(inside, values, 0).sum(1, dtype=jnp.int32) // jnp.maximum(counts, 1)
    rows_in = (counts > 0).sum(dtype=jnp.int32)
    return jnp.where(rows_in > 0, row_means.sum(dtype=jnp.int32) // jnp.maximum(rows_in, 1), flat)


def to_field(
    logs: jax.Array, still: jax.Array, rows: jax.Array, columns: jax.Array, parameters: jax.Array,
    learned: jax.Array | None = None, learned_share: int = 0,
) -> jax.Array:  # fmt: skip
    """The field, int32 [R, C], of `unit_logs` and `still_cells`. learned: other logarithms, of which 64ths count, less
    their mean."""
    power, c, share, middle, drawn = (parameters[i] for i in (0, 1, 6, 7, 8))
    flat = integer_logs(parameters[2:6].sum(dtype=jnp.int32) * (_ONE // c))
    row_in, column_in = (lax.iota(jnp.int32, n) < end for n, end in zip(logs.shape, (rows, columns), strict=True))
    inside = row_in[:, None] & column_in & (logs < flat)
    mean = _mean(logs, inside, flat)
    e = power * (logs - mean) + share * (mean - middle)
    if learned is not None:
        e += learned_share * (learned - _mean(learned, inside, flat))
    e = jnp.clip(e >> 6, -1024, 1024)
    weight = jnp.where((drawn > 0) & (logs <= flat - _BUSY), jnp.clip(still - 3, 0, 4), 0)
    e += (weight * (16 * (drawn - 128) - e)) >> 2
    return jnp.clip((jnp.asarray(_EXP)[e & 255] << 4) >> (4 - (e >> 8)), 16, 4096)
