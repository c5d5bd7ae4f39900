"""Structural similarity: SSIM and MS-SSIM with an 11-tap Gaussian window, σ = 1.5, over whole windows only."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..types import Array
from .pair import Channel, Size, check_channel, check_pair, extended, flatten, halved, pooled

__all__ = ["gaussian", "gaussian_window", "ms_ssim", "ssim"]

K1, K2 = 0.01, 0.03
TAPS, SIGMA = 11, 1.5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, finest first (Wang, Simoncelli and Bovik 2003)."""


def ssim(reference: Array, image: Array, data_range: float | None = None, *, channel: Channel = "rgb") -> jax.Array:
    """Structural similarity over RGB unless told otherwise, −1..1 (Wang, Bovik, Sheikh and Simoncelli 2004).

    K1 = .01, K2 = .03; 11×11 Gaussian window, σ = 1.5, whole windows only, weighted (population) variances, no downsampling:
    scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`. "rgb" is the mean
    over the channels.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
        channel: "rgb" for all channels as they are, "y" for luma (BT.601, full range), "each" for one value a channel.

    Returns:
        float32, 1 for equal pictures.
        A scalar for one picture, [N] for a batch; with channel="each" a last axis of channels.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 11;
            data_range is not positive; channel is none of the three; a NumPy array holds NaN or infinity.
    """
    check_channel(channel)
    x, y, peak, size, batched = check_pair(reference, image, data_range, least=TAPS, why="SSIM's 11×11 window")
    values = _ssim(x, y, peak, size, channel=channel)
    return values if batched else values[0]


def ms_ssim(reference: Array, image: Array, data_range: float | None = None, *, channel: Channel = "y") -> jax.Array:
    """Multi-scale structural similarity of luma unless told otherwise, 0..1 (Wang, Simoncelli and Bovik 2003).

    Π cs_i^w_i over five scales, the coarsest with its luminance term; w = .0448 .2856 .3001 .2363 .1333; SSIM's window at
    each scale; 2×2 means between scales, the last row or column repeated where a size is odd. A scale whose mean is
    negative counts as 0. "rgb" is the mean of the three channels' values, as TensorFlow and pytorch-msssim have it.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
        channel: "rgb" for all channels as they are, "y" for luma (BT.601, full range), "each" for one value a channel.

    Returns:
        float32, 1 for equal pictures; in decibels it is −10 log10(1 − MS-SSIM).
        A scalar for one picture, [N] for a batch; with channel="each" a last axis of channels.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 161 (its fifth scale then holds no window);
            data_range is not positive; channel is none of the three; a NumPy array holds NaN or infinity.
    """
    check_channel(channel)
    least = (TAPS - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
    x, y, peak, size, batched = check_pair(reference, image, data_range, least=least, why="MS-SSIM's fifth scale")
    values = _ms_ssim(x, y, peak, size, channel=channel)
    return values if batched else values[0]


def gaussian(taps: int, sigma: float) -> np.ndarray:
    """Weights with sum 1, float32; taps: odd."""
    weights = np.exp(-0.5 * ((np.arange(taps) - taps // 2) / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _windowed(planes: jax.Array, step: int, taps: int, sigma: float) -> jax.Array:
    weights, reach = gaussian(taps, sigma), taps - 1
    for axis, stride in ((-2, 1), (-1, step)):
        size = planes.shape[axis] - reach * stride
        shifted = [lax.slice_in_dim(planes, k * stride, k * stride + size, axis=axis) for k in range(taps)]
        middle = taps // 2
        pairs = [(shifted[k] + shifted[-1 - k]) * weights[k] for k in range(middle)]
        planes = sum(pairs, start=shifted[middle] * weights[middle])
    return planes


def _forward(planes: jax.Array, step: int, taps: int, sigma: float) -> tuple[jax.Array, None]:
    return _windowed(planes, step, taps, sigma), None


def _backward(step: int, taps: int, sigma: float, _: None, slopes: jax.Array) -> tuple[jax.Array]:
    reach = taps - 1
    padding = [(0, 0)] * (slopes.ndim - 2) + [(reach, reach), (reach * step, reach * step)]
    return (_windowed(jnp.pad(slopes, padding), step, taps, sigma),)


_windowed.defvjp(_forward, _backward)


def gaussian_window(planes: jax.Array, step: int = 1, taps: int = TAPS, sigma: float = SIGMA) -> jax.Array:
    """Gaussian means of whole windows: `[..., H, W*step]` → `[..., H - t + 1, (W - t + 1)*step]`; step: channels interleaved.

    Its gradient is the same filter over zero padding, said here because the sums of padded slices that JAX would make of it
    compile and run slowly; that leaves reverse mode only.
    """
    return _windowed(planes, step, taps, sigma)


def _similarity(a: jax.Array, b: jax.Array, peak: jax.Array, step: int) -> tuple[jax.Array, jax.Array]:
    """(luminance, contrast and structure) maps of planes `[N, H, W*step]`.

    In sum and difference of the pictures four means are enough, and equal pictures come out exactly 1:
    var(a + b) − var(a − b) = 4 cov(a, b), var(a + b) + var(a − b) = 2 (var a + var b).
    """
    c1, c2 = 2 * jnp.square(K1 * peak), 2 * jnp.square(K2 * peak)
    total, difference = a + b - peak, a - b  # centred, for float32's sake
    stacked = jnp.stack([total, difference, jnp.square(total), jnp.square(difference)])
    mean_t, mean_d, square_t, square_d = gaussian_window(stacked, step)
    var_t, var_d = square_t - jnp.square(mean_t), square_d - jnp.square(mean_d)
    t2, d2 = jnp.square(mean_t + peak), jnp.square(mean_d)
    return (t2 - d2 + c1) / (t2 + d2 + c1), (var_t - var_d + c2) / (var_t + var_d + c2)


def _windows(size: Size) -> Size:
    """How many whole windows a size holds each way."""
    return None if size is None else size - (TAPS - 1)


@partial(jax.jit, static_argnames="channel")
def _ssim(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size, *, channel: Channel) -> jax.Array:
    (a, step), (b, _) = flatten(x, channel), flatten(y, channel)
    luminance, structure = _similarity(a, b, peak, step)
    return pooled(luminance * structure, step, channel, _windows(size))


def _halve(planes: jax.Array, step: int, size: Size) -> jax.Array:
    """2×2 means of `[N, H, W*step]`."""
    n, height, width = planes.shape
    planes = extended(planes.reshape(n, height, width // step, step), size)
    odd = (height % 2, width // step % 2)
    if any(odd):
        planes = jnp.pad(planes, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
    quads = planes.reshape(n, planes.shape[1] // 2, 2, planes.shape[2] // 2, 2, step)
    return quads.mean((2, 4)).reshape(n, planes.shape[1] // 2, -1)


@partial(jax.jit, static_argnames="channel")
def _ms_ssim(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size, *, channel: Channel) -> jax.Array:
    (a, step), (b, _) = flatten(x, channel), flatten(y, channel)
    product = jnp.float32(1)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            a, b, size = _halve(a, step, size), _halve(b, step, size), halved(size)
        luminance, structure = _similarity(a, b, peak, step)
        last = scale == len(SCALE_WEIGHTS) - 1
        mean = pooled(luminance * structure if last else structure, step, "each", _windows(size))
        # the power of 0 has no finite slope
        product *= jnp.where(mean > 0, jnp.where(mean > 0, mean, 1.0) ** weight, jnp.where(jnp.isnan(mean), mean, 0.0))
    return product if channel == "each" else product.mean(-1)
