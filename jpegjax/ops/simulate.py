"""JPEG as a layer of a network: pixels → what the decoder shows, for training through it. Float, differentiable.

pixels ──▶ colour, chroma ──▶ DCT ÷ steps ──▶ rounding ──▶ × steps, inverse DCT ──▶ clamp, chroma, colour, clamp ──▶ pixels

Planes stay planes: block (r, c)'s coefficient (v, u) stands where its sample (v, u) stood, as [..., R, 8, C, 8], so that
nothing is transposed. The exact form is the same chain in integers, and has the float form's gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..types import ColorSpace
from .color import FORWARD, INVERSE
from .dct import BASIS, fdct_islow_planes, idct_islow_planes
from .planes import combine, encoder_samples, sampling_ratios, to_blocks
from .quant import quantise
from .sampling import downsample_float, pad_plane, upsample, upsample_float

__all__ = [
    "coded_pixels", "encoder_coefficients", "float_samples", "rounded_samples", "scaled_dct", "simulate_images",
    "soft_clip", "soft_round",
]  # fmt: skip

Sampling = tuple[tuple[int, int], ...]  # (h, v) per component
Tables = tuple[jax.Array, ...]
Planes = list[jax.Array]  # per component [N, R, 8, C, 8], centred at 0

_NEAR_HALF = 0.55  # steps from a level up to which the integer transform may be right
_KNEE = 0.5  # levels about 0 and 255 within which the soft clamp bends


def soft_round(x: jax.Array, exponent: int = 5) -> jax.Array:
    """round(x) + (x − round(x))^exponent: Shin and Song 2017 at 3, no rounding at 1, nearer to round(x) the higher.

    exponent: odd, 1 or more. Differentiable but for a jump at the halves: any form without one is either far from
    round(x), or has next to no slope except at the halves.
    """
    nearest = lax.stop_gradient(jnp.round(x))
    return nearest + lax.integer_pow(x - nearest, exponent)


def soft_clip(x: jax.Array) -> jax.Array:
    """Floats held to 0..255 with a slope above 0 everywhere; within ¼ of the clamp. Differentiable."""

    def positive(x: jax.Array) -> jax.Array:
        return 0.5 * (x + jnp.sqrt(x * x + _KNEE * _KNEE))

    return 255 - positive(255 - positive(x))


@jax.custom_jvp
def _through_clip(x: jax.Array) -> jax.Array:
    """Clamped to 0..255, with the slope of the identity."""
    return jnp.clip(x, 0, 255)


_through_clip.defjvps(lambda tangent, _answer, _x: tangent)


def _blockwise(x: jax.Array, matrix: np.ndarray) -> jax.Array:
    """matrix · block · matrixᵀ for each block of [..., R, 8, C, 8]."""
    *lead, rows, _, columns, _ = x.shape
    weights = jnp.asarray(matrix, x.dtype)
    left = jnp.broadcast_to(weights, (*lead, rows, 8, 8))
    x = jnp.matmul(left, x.reshape(*lead, rows, 8, 8 * columns), precision=lax.Precision.HIGHEST)
    return jnp.matmul(x.reshape(*lead, rows, 8, columns, 8), weights.T, precision=lax.Precision.HIGHEST)


def _settled(x: jax.Array) -> jax.Array:
    """x [..., 8] itself, times the identity: XLA then computes it once, instead of once for each use by fusing it there."""
    return jnp.matmul(x, jnp.eye(8, dtype=x.dtype), precision=lax.Precision.HIGHEST)


def _spread(table: jax.Array) -> jax.Array:
    """[(N,) 8, 8] → [(N,) 1, 8, 1, 8]."""
    return table[..., None, :, None, :]


def _table_sum(x: jax.Array, table: jax.Array) -> jax.Array:
    """Sum of [N, R, 8, C, 8] over blocks, and over images where they share the table: the shape of `table`."""
    summed = jnp.sum(x, (-4, -2))
    return jnp.sum(summed, 0) if table.ndim == 2 else summed


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _coded(samples: jax.Array, table: jax.Array, exponent: int, through: bool) -> jax.Array:
    """Samples after coding with softly rounded levels, [N, R, 8, C, 8] centred at 0.

    table: [8, 8] or [N, 8, 8]. through: the rounding has the slope of the identity, else its own.
    """
    return _coded_forward(samples, table, exponent, through)[0]


def _coded_forward(samples, table, exponent, through):
    scaled = scaled_dct(samples, table)
    level = _encoder_levels(samples, scaled, table)
    soft = level + lax.integer_pow(scaled - level, exponent)
    return _blockwise(soft * _spread(table), BASIS.T), (scaled, level, table)


def _coded_backward(exponent, through, saved, cotangent):
    # the transform is orthonormal: where the rounding's slope is 1, it drops out of the samples' gradient
    scaled, level, table = saved
    coefficients = _blockwise(cotangent, BASIS)
    rest = scaled - level
    slope = 1 if through else exponent * lax.integer_pow(rest, exponent - 1)
    to_samples = cotangent if through else _blockwise(coefficients * slope, BASIS.T)
    by_block = jnp.sum(coefficients * (level + lax.integer_pow(rest, exponent) - scaled * slope), (-4, -2))
    return to_samples, jnp.sum(by_block, 0) if table.ndim == 2 else by_block


_coded.defvjp(_coded_forward, _coded_backward)


def _encoder_levels(samples: jax.Array, scaled: jax.Array, table: jax.Array) -> jax.Array:
    """What an encoder rounds `scaled` to, by its integer transform; the nearest integer where steps are far from whole.

    In pictures that were JPEG files before, coefficients stand at halves by the thousand: floats would go either way there.
    """
    integers = jnp.round(samples).astype(jnp.int32) + 128
    steps = jnp.maximum(jnp.round(table), 1).astype(jnp.int32)
    exact = quantise(fdct_islow_planes(integers), _spread(steps)).astype(scaled.dtype)
    return jnp.where(jnp.abs(scaled - exact) < _NEAR_HALF, exact, jnp.round(scaled))


def scaled_dct(samples: jax.Array, table: jax.Array) -> jax.Array:
    """Coefficients in units of their steps, not rounded: [N, R, 8, C, 8] like the samples. Differentiable.

    samples: floats centred at 0. table: float steps [8, 8] or [N, 8, 8].
    """
    return _blockwise(samples, BASIS) / _spread(table)


def _in_blocks(plane: jax.Array) -> jax.Array:
    *lead, height, width = plane.shape
    return plane.reshape(*lead, height // 8, 8, width // 8, 8)


def float_samples(images: jax.Array, sampling: Sampling) -> Planes:
    """What an encoder transforms, without its roundings. images: floats [N, H, W, 1 or 3], 0..255. Differentiable."""
    count = images.shape[-1]
    channels = [x[..., 0] for x in lax.split(images, (1,) * count, axis=3)]
    if count == 3:
        r, g, b = channels
        channels = [float(x) * r + float(y) * g + float(z) * b for x, y, z in FORWARD]
    channels[0] = channels[0] - 128  # chroma's own centre cancels
    return [_in_blocks(x) for x in to_blocks(channels, sampling, downsample_float)]


def rounded_samples(images: jax.Array, sampling: Sampling) -> Planes:
    """What an encoder transforms: integers as floats. Their gradient is that of `float_samples`."""
    return _rounded(images, sampling)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _rounded(images: jax.Array, sampling: Sampling) -> Planes:
    samples = encoder_samples(_pixels(images), sampling)
    return [_in_blocks(x).astype(images.dtype) - 128 for x in samples]


def _rounded_forward(images, sampling):
    return _rounded(images, sampling), jnp.zeros_like(images)


def _rounded_backward(sampling, zeros, cotangent):
    return jax.vjp(lambda x: float_samples(x, sampling), zeros)[1](cotangent)


_rounded.defvjp(_rounded_forward, _rounded_backward)


def _pixels(images: jax.Array) -> jax.Array:
    """uint8 [N, H, W, 3] or [N, H, W] of floats; 0 for NaN."""
    pixels = jnp.where(jnp.isnan(images), 0, jnp.clip(jnp.round(images), 0, 255)).astype(jnp.uint8)
    return pixels[..., 0] if images.shape[-1] == 1 else pixels


def coded_pixels(
    samples: Planes, tables: Tables, sampling: Sampling, size: Sequence[int], exponent: int, through: bool
) -> jax.Array:
    """What a decoder shows of an encoder's samples: floats [N, *size, C], size (H, W). The smooth form, differentiable."""
    clip = _through_clip if through else soft_clip
    height, width = size
    channels = []
    for x, table, (h, v) in zip(samples, tables, sampling_ratios(sampling), strict=True):
        n, rows, _, columns, _ = x.shape
        coded = _settled(clip(_coded(x, table, exponent, through) + 128)).reshape(n, 8 * rows, 8 * columns)
        true = pad_plane(coded, -(-height // v), -(-width // h))
        channels.append(upsample_float(true, h, v)[:, :height, :width])
    if len(channels) == 1:
        return channels[0][..., None]
    return clip(_rgb(channels))


@jax.custom_vjp
def _rgb(channels: Planes) -> jax.Array:
    """[N, H, W, 3] of full-resolution YCbCr, not clamped."""
    y, cb, cr = channels[0], channels[1] - 128, channels[2] - 128
    return jnp.stack([float(a) * y + float(b) * cb + float(c) * cr for a, b, c in INVERSE], -1)


def _rgb_backward(_: None, cotangent: jax.Array) -> tuple[Planes]:
    # a product of matrices, because XLA would fuse sums into what follows, and slope each clamp many times over
    matrix = jnp.asarray(INVERSE, cotangent.dtype)
    planes = jnp.einsum("nhwc,cd->dnhw", cotangent, matrix, precision=lax.Precision.HIGHEST)
    return ([planes[i] for i in range(3)],)


_rgb.defvjp(lambda channels: (_rgb(channels), None), _rgb_backward)


def encoder_coefficients(images: jax.Array, tables: Sequence[jax.Array], sampling: Sequence[tuple[int, int]]) -> Planes:
    """What an encoder rounds: per component float coefficients over steps [N, R, 8, C, 8]. Differentiable.

    Arguments as for `simulate_images`. What `estimate_bits` takes.
    """
    return [scaled_dct(x, table) for x, table in zip(rounded_samples(images, tuple(sampling)), tables, strict=True)]


def _smooth(images: jax.Array, tables: Tables, sampling: Sampling, exponent: int, through: bool) -> jax.Array:
    return coded_pixels(rounded_samples(images, sampling), tables, sampling, images.shape[1:3], exponent, through)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _exact(images: jax.Array, tables: Tables, sampling: Sampling, exponent: int, through: bool) -> jax.Array:
    """Exact forward, gradient of `_smooth` at the same point."""
    planes = []
    ratios = sampling_ratios(sampling)
    height, width = images.shape[1:3]
    for samples, table, (h, v) in zip(encoder_samples(_pixels(images), sampling), tables, ratios, strict=True):
        steps = _spread(jnp.round(table).astype(jnp.int32))
        levels = quantise(fdct_islow_planes(_in_blocks(samples)), steps)
        decoded = _settled(idct_islow_planes(levels.astype(jnp.int32) * steps).astype(jnp.float32))
        true = pad_plane(decoded.astype(jnp.int32).reshape(samples.shape), -(-height // v), -(-width // h))
        planes.append(upsample(true, h, v)[:, :height, :width])
    shown = combine(planes, ColorSpace.GRAY if len(planes) == 1 else ColorSpace.YCBCR, None).reshape(images.shape)
    return shown.astype(images.dtype)


def _exact_forward(images, tables, sampling, exponent, through):
    return _exact(images, tables, sampling, exponent, through), (images, tables)


def _exact_backward(sampling, exponent, through, saved, cotangent):
    _, pull = jax.vjp(lambda images, tables: _smooth(images, tables, sampling, exponent, through), *saved)
    return pull(cotangent)


_exact.defvjp(_exact_forward, _exact_backward)


def simulate_images(
    images: jax.Array,
    tables: Sequence[jax.Array],
    sampling: Sequence[tuple[int, int]],
    *,
    exact: bool = True,
    through: bool = True,
    exponent: int = 5,
) -> jax.Array:
    """What a decoder shows of images after JPEG coding: floats [N, H, W, C] like `images`, 0..255. Differentiable.

    images: floats [N, H, W, 1 or 3], grey or RGB, 0..255. tables: per component float steps [8, 8] or [N, 8, 8].
    sampling: (h, v) per component.
    exact: the pixels of a file decoded, bit for bit, of images and steps rounded to integers. Else floats: transform,
        `soft_round` with its exponent, triangle filter and clamps without rounding, while pixels, colour and chroma keep
        the encoder's roundings as constants, without which coefficients near a half would fall to the other side.
    through: roundings and clamps of the decoded have the slope of the identity in the gradient, else soft_round's and
        soft_clip's, and the smooth form clamps with the latter.
    A NaN stays in its own pixel, and is coded as 0.
    """
    form = _exact if exact else _smooth
    return jnp.where(jnp.isnan(images), images, form(images, tuple(tables), tuple(sampling), exponent, through))
