"""Squared error: MSE, PSNR, and PSNR-B, which counts blocking on top."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..types import Array
from .pair import Channel, Size, check_channel, check_pair, flatten, pooled, within

__all__ = ["decibels", "mse", "psnr", "psnr_b"]

BLOCK = 8


def mse(reference: Array, image: Array, data_range: float | None = None, *, channel: Channel = "rgb") -> jax.Array:
    """Mean squared error: over pixels and channels, of luma, or for each channel.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
            It does not change the error, and is there so that all metrics are called alike.
        channel: "rgb" for all channels as they are, "y" for luma (BT.601, full range), "each" for one value a channel.

    Returns:
        float32 in squared units of the samples, from 0.
        A scalar for one picture, [N] for a batch; with channel="each" a last axis of channels.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; data_range is not positive; channel is none of the three; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, channel, _mse)


def psnr(reference: Array, image: Array, data_range: float | None = None, *, channel: Channel = "rgb") -> jax.Array:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range² / MSE).

    MSE is the *mean* over pixels (some surveys print the sum, which would make PSNR depend on the picture's size), and
    "rgb" takes the logarithm once, of the error over all three channels.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
        channel: "rgb" for all channels as they are, "y" for luma (BT.601, full range), "each" for one value a channel.

    Returns:
        float32 in dB; equal pictures give +inf, and there the gradient is 0, as that of the MSE.
        A scalar for one picture, [N] for a batch; with channel="each" a last axis of channels.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; data_range is not positive; channel is none of the three; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, channel, _psnr)


def psnr_b(reference: Array, image: Array, data_range: float | None = None, *, channel: Channel = "rgb") -> jax.Array:
    """PSNR with a penalty for blocking, in dB (Yim and Bovik, IEEE Trans. Image Processing 20(1), 2011), 8×8 blocks.

    10 log10(data_range² / (MSE + BEF)). The blocking effect factor BEF looks at `image` alone: by how much the mean squared
    step across the edges of the 8×8 grid, which starts at the top left, exceeds the one between all other neighbours,
    times log2(8) / log2(min(H, W)); 0 where it does not exceed. Not symmetric, and finite for equal pictures when the
    reference itself has blocks.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
        channel: "rgb" for all channels as they are, "y" for luma (BT.601, full range), "each" for one value a channel.

    Returns:
        float32 in dB; +inf and gradients as for `psnr`.
        A scalar for one picture, [N] for a batch; with channel="each" a last axis of channels.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 2;
            data_range is not positive; channel is none of the three; a NumPy array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, channel, _psnr_b, least=2, why="PSNR-B")


def _measure(
    reference: Any, image: Any, data_range: float | None, channel: Channel, core: Any, **limits: Any
) -> jax.Array:
    check_channel(channel)
    x, y, peak, size, batched = check_pair(reference, image, data_range, **limits)
    values = core(x, y, peak, size, channel=channel)
    return values if batched else values[0]


@partial(jax.jit, static_argnames="channel")
def _mse(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size, *, channel: Channel) -> jax.Array:
    (a, channels), (b, _) = flatten(x, channel), flatten(y, channel)
    return pooled(jnp.square(a - b), channels, channel, size)


def decibels(error: jax.Array, peak: jax.Array) -> jax.Array:
    equal = error == 0
    ratio = jnp.square(peak) / jnp.where(equal, 1.0, error)
    return jnp.where(equal, jnp.inf, 10 * jnp.log10(ratio))


@partial(jax.jit, static_argnames="channel")
def _psnr(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size, *, channel: Channel) -> jax.Array:
    return decibels(_mse(x, y, peak, size, channel=channel), peak)


@partial(jax.jit, static_argnames="channel")
def _psnr_b(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size, *, channel: Channel) -> jax.Array:
    height, width = y.shape[1:3]
    plane, channels = flatten(y, channel)
    n = plane.shape[0]
    true_height, true_width = jnp.array([height, width], jnp.int32) if size is None else size
    # squared steps across each of the columns' and rows' edges: `[N, W - 1, C]` and `[N, H - 1, C]`; 0 where padded
    columns = within(jnp.square(plane[:, :, channels:] - plane[:, :, :-channels]), size, channels)
    columns = columns.sum(1).reshape(n, width - 1, channels)
    down = within(jnp.square(plane[:, 1:] - plane[:, :-1]), size, channels)
    if channel == "each":
        rows = down.reshape(n, height - 1, width, channels).sum(2)
    else:
        columns, rows = columns.sum(2, keepdims=True), down.sum(2, keepdims=True)
    at_column, at_row = (np.arange(1, length) % BLOCK == 0 for length in (width, height))
    across, along = (true_width - 1) // BLOCK, (true_height - 1) // BLOCK

    def mean_step(columns_in: np.ndarray, rows_in: np.ndarray, edges: tuple[jax.Array, jax.Array]) -> jax.Array:
        count = (true_height * edges[0] + true_width * edges[1]).astype(jnp.float32)
        count *= 1 if channel == "each" else channels
        return (columns[:, columns_in].sum(1) + rows[:, rows_in].sum(1)) / jnp.maximum(count, 1)

    inside = mean_step(~at_column, ~at_row, (true_width - 1 - across, true_height - 1 - along))
    excess = mean_step(at_column, at_row, (across, along)) - inside
    shorter = jnp.minimum(true_height, true_width).astype(jnp.float32)
    blocking = np.float32(np.log2(BLOCK)) / jnp.log2(shorter) * jnp.maximum(excess, 0)
    blocking = blocking if channel == "each" else blocking[:, 0]
    return decibels(_mse(x, y, peak, size, channel=channel) + blocking, peak)
