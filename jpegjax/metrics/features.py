"""Feature similarity: FSIM of luma, FSIMc with chroma (Zhang, Zhang, Mou and Zhang 2011)."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..types import Array
from .pair import LUMA, check_pair
from .phase import LogGabor, log_gabor, phase_congruency, root

__all__ = ["fsim", "fsimc"]

VIEWED = 256
"""Pictures are averaged down to about this many samples on their shorter side."""
T1, T2, T3, T4 = 0.85, 160.0, 200.0, 200.0
CHROMA_WEIGHT = 0.03
YIQ = np.array([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], np.float32)


def fsim(reference: Array, image: Array, data_range: float = 255) -> jax.Array:
    """Feature similarity of luma, 0..1 (Zhang, Zhang, Mou and Zhang, IEEE Trans. Image Processing 20(8), 2011).

    Phase congruency (4 scales, 4 orientations, noise compensated) and Scharr gradients compared with T1 = .85, T2 = 160,
    weighted by the larger phase congruency. The picture is first averaged down by round(min(H, W) / 256), as the authors'
    programme does. Where neither picture has a feature (both flat) the similarity is averaged evenly.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 255 for uint8, 1 for pictures in 0..1.

    Returns:
        float32, 1 for equal pictures: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 2; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, chromatic=False)


def fsimc(reference: Array, image: Array, data_range: float = 255) -> jax.Array:
    """FSIM with chroma, 0..1: the similarity of I and Q (YIQ; T3 = T4 = 200) as a factor to the power of .03.

    All else as `fsim`; of grey pictures it is `fsim`, as their I and Q are 0. Where I and Q disagree in sign, the real part
    of the power counts, as in the authors' programme.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 255 for uint8, 1 for pictures in 0..1.

    Returns:
        float32, 1 for equal pictures, of grey ones that of `fsim`: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 2; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, chromatic=True)


def _measure(reference: Any, image: Any, data_range: float, *, chromatic: bool) -> jax.Array:
    x, y, peak, batched = check_pair(reference, image, data_range, least=2, why="FSIM")
    height, width = x.shape[1:3]
    factor = max(1, int(min(height, width) / VIEWED + 0.5))
    filters = log_gabor(-(-height // factor), -(-width // factor))
    values = _fsim(x, y, peak, filters, factor=factor, chromatic=chromatic)
    return values if batched else values[0]


def _averaged(image: jax.Array, factor: int) -> jax.Array:
    """float32 `[N, C, ⌈H/f⌉, ⌈W/f⌉]`: every f-th of the f×f means, zeros around (MATLAB's conv2 "same")."""
    values = jnp.moveaxis(image, -1, 1).astype(jnp.float32)
    before = factor - 1 - factor // 2
    for axis in (2, 3) if factor > 1 else ():
        size = values.shape[axis]
        blocks = -(-size // factor)
        padding = [(before, blocks * factor - size - before, 0) if a == axis else (0, 0, 0) for a in range(4)]
        values = lax.pad(values, np.float32(0), padding)
        taps = [lax.slice_in_dim(values, k, None, stride=factor, axis=axis) for k in range(factor)]
        values = sum(taps[1:], start=taps[0]) * np.float32(1 / factor)
    return values


def _gradient(planes: jax.Array) -> jax.Array:
    """Scharr gradient magnitude of `[..., h, w]`, zeros around."""
    padded = jnp.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(1, 1), (1, 1)])

    def smooth(p: jax.Array, axis: int) -> jax.Array:
        n = p.shape[axis] - 2
        a, b, c = (lax.slice_in_dim(p, k, k + n, axis=axis) for k in range(3))
        return (a + c) * np.float32(3 / 16) + b * np.float32(10 / 16)

    across, down = smooth(padded, -2), smooth(padded, -1)
    dx, dy = across[..., 2:] - across[..., :-2], down[..., 2:, :] - down[..., :-2, :]
    return root(jnp.square(dx) + jnp.square(dy))


def _similar(pair: jax.Array, constant: float) -> jax.Array:
    a, b = pair
    return (2 * a * b + constant) / (jnp.square(a) + jnp.square(b) + constant)


def _real_power(x: jax.Array, exponent: float) -> jax.Array:
    """Real part of x^exponent, held within ±.001 of 0, where its slope would be infinite."""
    power = jnp.exp(exponent * jnp.log(jnp.maximum(jnp.abs(x), 1e-3)))
    return jnp.where(x < 0, np.float32(np.cos(np.pi * exponent)) * power, power)


@partial(jax.jit, static_argnames=("factor", "chromatic"))
def _fsim(x: jax.Array, y: jax.Array, peak: jax.Array, filters: LogGabor, *, factor: int, chromatic: bool) -> jax.Array:
    pair = jnp.stack([_averaged(x, factor), _averaged(y, factor)]) * (255 / peak)
    chroma = []
    if pair.shape[2] == 3:
        luma, *chroma = (sum(row[i] * pair[:, :, i] for i in range(3)) for row in YIQ)
    else:
        luma = pair[:, :, 0]
    congruency, gradients = phase_congruency(luma, filters), _gradient(luma)
    similarity = _similar(congruency, T1) * _similar(gradients, T2)
    if chromatic and chroma:
        similarity *= _real_power(_similar(chroma[0], T3) * _similar(chroma[1], T4), CHROMA_WEIGHT)
    weights = congruency.max(0)
    total = weights.sum((1, 2), keepdims=True)
    weights = jnp.where(total == 0, 1 / weights[0].size, weights / jnp.where(total == 0, 1.0, total))
    return (similarity * weights).sum((1, 2))
