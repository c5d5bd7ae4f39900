"""Feature similarity: FSIM of luma, FSIMc with chroma (Zhang, Zhang, Mou and Zhang 2011)."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..types import Array
from .pair import LUMA, check_pair
from .phase import LogGabor, congruency_of, log_gabor, phase_congruency, responses

__all__ = ["fsim", "fsimc", "opponents", "similar"]

VIEWED = 256
"""Pictures are averaged down to about this many samples on their shorter side."""
MOST_HELD = 1 << 20
"""Averaged samples up to which NumPy transforms what the host holds; more take 256 bytes each."""
T1, T2, T3, T4 = 0.85, 160.0, 200.0, 200.0
CHROMA_WEIGHT = 0.03
YIQ = np.array([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], np.float32)


def fsim(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """Feature similarity of luma, 0..1 (Zhang, Zhang, Mou and Zhang, IEEE Trans. Image Processing 20(8), 2011).

    Phase congruency (4 scales, 4 orientations, noise compensated) and Scharr gradients compared with T1 = .85, T2 = 160,
    weighted by the larger phase congruency. The picture is first averaged down by round(min(H, W) / 256), as the authors'
    programme does. Where neither picture has a feature (both flat) the similarity is averaged evenly.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32, 1 for equal pictures: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 2; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, chromatic=False)


def fsimc(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """FSIM with chroma, 0..1: the similarity of I and Q (YIQ; T3 = T4 = 200) as a factor to the power of .03.

    All else as `fsim`; of grey pictures it is `fsim`, as their I and Q are 0. Where I and Q disagree in sign, the real part
    of the power counts, as in the authors' programme.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32, 1 for equal pictures, of grey ones that of `fsim`: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 2; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, chromatic=True)


def _measure(reference: Any, image: Any, data_range: float | None, *, chromatic: bool) -> jax.Array:
    x, y, peak, _, batched = check_pair(reference, image, data_range, least=2, why="FSIM", padded=False)
    height, width = x.shape[1:3]
    factor = max(1, int(min(height, width) / VIEWED + 0.5))
    shape = -(-height // factor), -(-width // factor)
    filters = log_gabor(*shape)
    if isinstance(x, np.ndarray) and shape[0] * shape[1] <= MOST_HELD:
        return _held(np.concatenate([x, y]), peak, filters, factor, chromatic)
    values = _fsim(x, y, peak, filters, factor=factor, chromatic=chromatic)
    return values if batched else values[0]


def _held(pair: np.ndarray, peak: np.ndarray, filters: LogGabor, factor: int, chromatic: bool) -> jax.Array:
    """FSIM of a pair `[2, H, W, C]` that the host holds: what depends on the size by NumPy, the rest over pixels in a row,
    as many as a power of two, so that few programs serve all sizes."""
    planes = _averaged(pair, factor, np) * np.float32(255 / peak)
    luma, chroma = opponents(planes, chromatic)
    count = luma[0].size
    length = max(1 << 10, 1 << (count - 1).bit_length())

    def in_a_row(maps: np.ndarray) -> np.ndarray:
        return np.pad(maps.reshape(*maps.shape[:-2], count), [*[(0, 0)] * (maps.ndim - 2), (0, length - count)])

    rows = in_a_row(_gradient(luma, np)), None if chroma is None else in_a_row(chroma)
    return _of_rows(responses(luma, filters, length), filters.noise, *rows, np.int32(count))


@jax.jit
def _of_rows(
    response: jax.Array, noise: jax.Array, gradients: jax.Array, chroma: jax.Array | None, count: jax.Array
) -> jax.Array:
    congruency = congruency_of(response, noise, count)
    return _compared(congruency, gradients, chroma, np.arange(gradients.shape[-1]) < count)


def _compared(congruency: Any, gradients: Any, chroma: Any, counted: Any = True) -> jax.Array:
    """The similarity of pairs `[2, ..., P]` of maps, chroma (I, Q) of them, weighted by phase congruency where it counts."""
    similarity = similar(congruency, T1) * similar(gradients, T2)
    if chroma is not None:
        similarity *= _real_power(similar(chroma[0], T3) * similar(chroma[1], T4), CHROMA_WEIGHT)
    weights = jnp.where(counted, congruency.max(0), 0)
    total = weights.sum(-1, keepdims=True)
    # two flat pictures have no features: every pixel counts alike
    weights = jnp.where(total == 0, jnp.where(counted, np.float32(1), np.float32(0)), weights)
    return 1 - ((1 - similarity) * weights).sum(-1) / weights.sum(-1)


def _averaged(images: Any, factor: int, xp: Any = jnp) -> Any:
    """float32 `[N, C, ⌈H/f⌉, ⌈W/f⌉]`: every f-th of the f×f means, zeros around (MATLAB's conv2 "same"). xp: whose arrays."""
    values = xp.moveaxis(images, -1, 1).astype(np.float32)
    before = factor - 1 - factor // 2
    for axis in (2, 3) if factor > 1 else ():
        size = values.shape[axis]
        blocks = -(-size // factor)
        # what follows the last block is cut off, or zeros
        behind = max(0, blocks * factor - size - before)
        values = xp.pad(values, [(before, behind) if a == axis else (0, 0) for a in range(4)])
        ends = [slice(None)] * axis
        taps = [values[(*ends, slice(k, blocks * factor, factor))] for k in range(factor)]
        values = sum(taps[1:], start=taps[0]) * np.float32(1 / factor)
    return values


def _gradient(planes: Any, xp: Any = jnp) -> Any:
    """Scharr gradient magnitude of `[..., h, w]`, zeros around; NumPy's, as JAX's, is 1e-6 where there is none."""
    padded = xp.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(1, 1), (1, 1)])
    outer, middle = np.float32(3 / 16), np.float32(10 / 16)
    across = (padded[..., :-2, :] + padded[..., 2:, :]) * outer + padded[..., 1:-1, :] * middle
    down = (padded[..., :-2] + padded[..., 2:]) * outer + padded[..., 1:-1] * middle
    dx, dy = across[..., 2:] - across[..., :-2], down[..., 2:, :] - down[..., :-2, :]
    return xp.sqrt(xp.maximum(xp.square(dx) + xp.square(dy), np.float32(1e-12)))


def opponents(pair: Any, chromatic: bool) -> tuple[Any, Any]:
    """(luma `[2, ..., h, w]`, I and Q `[2, 2, ..., h, w]` or None) of planes `[2, ..., C, h, w]`, C 1 or 3 (RGB)."""
    if pair.shape[-3] == 1:
        return pair[..., 0, :, :], None
    luma, *chroma = (sum(row[i] * pair[..., i, :, :] for i in range(3)) for row in YIQ)
    return luma, (np if isinstance(pair, np.ndarray) else jnp).stack(chroma) if chromatic else None


def similar(pair: jax.Array, constant: float) -> jax.Array:
    """(2ab + c) / (a² + b² + c), and exactly 1 for equals."""
    a, b = pair
    return 1 - jnp.square(a - b) / (jnp.square(a) + jnp.square(b) + constant)


def _real_power(x: jax.Array, exponent: float) -> jax.Array:
    """Real part of x^exponent, held within ±.001 of 0, where its slope would be infinite."""
    power = jnp.exp(exponent * jnp.log(jnp.maximum(jnp.abs(x), 1e-3)))
    return jnp.where(x < 0, np.float32(np.cos(np.pi * exponent)) * power, power)


@partial(jax.jit, static_argnames=("factor", "chromatic"))
def _fsim(x: jax.Array, y: jax.Array, peak: jax.Array, filters: LogGabor, *, factor: int, chromatic: bool) -> jax.Array:
    luma, chroma = opponents(jnp.stack([_averaged(x, factor), _averaged(y, factor)]) * (255 / peak), chromatic)
    maps = phase_congruency(luma, filters), _gradient(luma), chroma
    congruency, gradients, chroma = (None if m is None else m.reshape(*m.shape[:-2], -1) for m in maps)
    return _compared(congruency, gradients, chroma)
