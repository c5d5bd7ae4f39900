"""What a small network adds to the field of masking: integers in float32, exact in any order of summing."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .field import held, integer_logs

__all__ = ["field_correction"]

_SHIFT, _OUT_SHIFT = 6, 4


def _dense(x: jax.Array, layer: tuple[np.ndarray, np.ndarray]) -> jax.Array:
    """int32 [O, R, C] of activations float32 [I, R, C], integers: sums stay below 2^24."""
    weights, bias = (jnp.asarray(a) for a in layer)
    sums = jnp.einsum("irc,io->orc", x, weights.astype(jnp.float32), precision="highest")
    return sums.astype(jnp.int32) + bias[:, None, None]


def _activation(sums: jax.Array) -> jax.Array:
    return jnp.clip(sums >> _SHIFT, 0, 255).astype(jnp.float32)


def field_correction(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], raw: jax.Array, logs: jax.Array, rows: jax.Array, columns: jax.Array,
    middle: jax.Array, step: jax.Array,
) -> jax.Array:  # fmt: skip
    """log2 of the cost that is not the formula's, 8 fractional bits, int32 [R, C]; outside rows and columns: anything.

    layers: (int8 [inputs, outputs], int32 [outputs]) each, 3×3 ones by row, column and channel, the last for one output.
    raw: 8·DCT of luma, [R, C, 8, 8]. logs: the formula's logarithms, int32 [R, C]. rows, columns: of real blocks, traced.
    middle, step: int32, the middle of such logarithms and the mean of luma's steps, 0..255.
    """
    x = raw.astype(jnp.int32).reshape(*logs.shape, 64).transpose(2, 0, 1)
    dc = jnp.clip((x[:1] + 8192) >> 6, 0, 255)
    sizes = jnp.minimum((integer_logs(jnp.abs(x[1:]) + 8) - 768) >> 4, 255)
    formula = (jnp.clip(logs - middle, -1024, 1023) + 1024) >> 3
    features = jnp.concatenate([dc, sizes, formula[None], jnp.broadcast_to(step, (1, *logs.shape))])
    x = _activation(_dense(features.astype(jnp.float32), layers[0]))
    for layer in layers[1:-1]:
        x = jnp.pad(held(x, rows, columns), [(0, 0), (1, 1), (1, 1)], mode="edge")
        high, wide = x.shape[1] - 2, x.shape[2] - 2
        x = jnp.concatenate([x[:, dy : dy + high, dx : dx + wide] for dy in range(3) for dx in range(3)])
        x = _activation(_dense(x, layer))
    return _dense(x, layers[-1])[0] >> _OUT_SHIFT
