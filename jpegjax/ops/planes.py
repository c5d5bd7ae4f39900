"""The whole transform half: pixels → quantised coefficients, and back. Exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from ..types import ColorSpace
from .blocks import merge_blocks, split_blocks
from .color import chroma, luma, to_rgb
from .dct import fdct_islow, idct_islow
from .quant import dequantise, quantise
from .sampling import downsample, pad_plane, smooth_downsample, upsample
from .tuned.dering import ROUNDED
from .tuned.dering import dering as overshoot

__all__ = ["decode_planes", "encode_planes"]

Sampling = Sequence[tuple[int, int]]  # (h, v) per component


def sampling_ratios(sampling: Sampling) -> list[tuple[int, int]]:
    """(columns, rows) of full resolution for one sample of each component."""
    hmax, vmax = max(h for h, _ in sampling), max(v for _, v in sampling)
    if any(hmax % h or vmax % v for h, v in sampling):
        raise ValueError(f"sampling={tuple(sampling)!r}: every factor must divide the largest one")
    return [(hmax // h, vmax // v) for h, v in sampling]


def steps_of(table: jax.Array) -> jax.Array:
    """[64], [8, 8], [N, 64] or [N, 8, 8] → [(N,) 1, 1, 8, 8]."""
    table = jnp.asarray(table)
    if table.shape[-1] == 64:
        table = table.reshape(*table.shape[:-1], 8, 8)
    return table[..., None, None, :, :]


def encode_planes(
    images: jax.Array,
    qtables: Sequence[jax.Array],
    sampling: Sampling,
    color: ColorSpace | None = None,
    precision: int = 8,
    smoothing: int = 0,
    dering: bool = False,
) -> tuple[jax.Array, ...]:
    """Quantised DCT coefficients of images: int16 [N, rows, columns, 8, 8] per component, real blocks only. Exact.

    images: [N, H, W, 3] or [N, H, W, 4], or [N, H, W] for one component; uint8, uint16 0..4095 at 12 bits.
    qtables: per component integers 1..65535, natural order, [64] or [8, 8], with an optional N in front.
    sampling: (h, v) per component; every factor divides the largest one.
    color: YCBCR (the default for three components) converts from RGB, RGB keeps the channels; CMYK (the default for
    four) inverts them, as Adobe stores them. smoothing: 0..100, as for `smooth_downsample`. dering: let the first
        component overshoot (`tuned.dering`), where it is luma or grey of 8 bits.
    """
    samples = encoder_samples(images, sampling, color, precision, smoothing)
    transformed = [fdct_islow(split_blocks(x), precision=precision) for x in samples]
    if dering:
        transformed[0] = overshoot(split_blocks(samples[0]), transformed[0], steps_of(qtables[0]), ROUNDED)
    return tuple(quantise(x, steps_of(steps)) for x, steps in zip(transformed, qtables, strict=True))


def encoder_samples(
    images: jax.Array,
    sampling: Sampling,
    color: ColorSpace | None = None,
    precision: int = 8,
    smoothing: int = 0,
) -> list[jax.Array]:
    """What `encode_planes` transforms: int32 [N, 8·rows, 8·columns] per component, padded to whole blocks. Exact."""
    images = jnp.asarray(images)
    n = len(sampling)
    dtype = jnp.dtype(jnp.uint8 if precision == 8 else jnp.uint16)
    if images.dtype != dtype or images.ndim != (3 if n == 1 else 4) or (n > 1 and images.shape[-1] != n):
        shape = "[N, H, W]" if n == 1 else f"[N, H, W, {n}]"
        raise TypeError(f"images: must be {dtype} {shape}, not {images.dtype} {list(images.shape)}")
    images = images.astype(jnp.int32)
    channels = [images] if n == 1 else [images[..., i] for i in range(n)]
    if n == 3 and color in (None, ColorSpace.YCBCR):
        r, g, b = channels
        channels = [luma(r, g, b), *chroma(r, g, b, precision)]
    elif n == 4 and color in (None, ColorSpace.CMYK):
        channels = [(1 << precision) - 1 - x for x in channels]
    if smoothing and is_smoothed(sampling):
        return _smoothed_blocks(channels, sampling, smoothing)
    return to_blocks(channels, sampling, downsample)


def is_smoothed(sampling: Sampling) -> bool:
    """Whether libjpeg smooths any component of a picture."""
    return any(ratio in ((1, 1), (2, 2)) for ratio in sampling_ratios(sampling))


def _smoothed_blocks(channels: Sequence[jax.Array], sampling: Sampling, smoothing: int) -> list[jax.Array]:
    """`to_blocks` with smoothing: rows below the picture repeat its last one before they are sampled down, not after."""
    height, width = channels[0].shape[-2:]
    planes = []
    for x, (h, v) in zip(channels, sampling_ratios(sampling), strict=True):
        high, wide = -(-height // (8 * v)), -(-width // (8 * h))
        planes.append(smooth_downsample(pad_plane(x, 8 * v * high, 8 * h * wide), h, v, smoothing))
    return planes


def to_blocks(channels: Sequence[jax.Array], sampling: Sampling, mean: Callable[..., jax.Array]) -> list[jax.Array]:
    """Components [N, H, W] downsampled by `mean` and padded to whole blocks, as libjpeg orders it (jcprepct)."""
    height, width = channels[0].shape[-2:]
    ratios = sampling_ratios(sampling)
    rows_per_cell = max(v for _, v in ratios)
    planes = []
    for x, (h, v) in zip(channels, ratios, strict=True):
        high, wide = -(-height // (8 * v)), -(-width // (8 * h))
        full = pad_plane(x, -(-height // rows_per_cell) * rows_per_cell, 8 * h * wide)
        planes.append(pad_plane(mean(full, h, v), 8 * high, 8 * wide))
    return planes


def decode_planes(
    planes: Sequence[jax.Array],
    qtables: Sequence[jax.Array],
    sampling: Sampling,
    size: tuple[int, int],
    color: ColorSpace = ColorSpace.YCBCR,
    mode: str | None = None,
    fancy: bool = True,
    precision: int = 8,
) -> jax.Array:
    """Pixels of quantised DCT coefficients: [N, H, W, 3 or 4], or [N, H, W] where the result is grey. Exact.

    uint8 0..255, or uint16 0..4095 where precision is 12.

    planes: int16 [N, rows, columns, 8, 8] per component; qtables, sampling as for `encode_planes`.
    size: (H, W). color: GRAY, YCBCR, RGB, CMYK or YCCK, the meaning of the components. mode: "L", "RGB" or None for
    what the components are; CMYK and YCCK give CMYK, 255 (4095) minus what the file holds.
    fancy: libjpeg's triangle filter for chroma, else repeated samples.
    """
    height, width = size
    ratios = sampling_ratios(sampling)
    if color is not ColorSpace.RGB and mode == "L":
        planes, qtables, ratios = planes[:1], qtables[:1], ratios[:1]
    channels = []
    for blocks, steps, (h, v) in zip(planes, qtables, ratios, strict=True):
        samples = merge_blocks(idct_islow(dequantise(blocks, steps_of(steps), precision), precision=precision))
        true = pad_plane(samples, -(-height // v), -(-width // h))
        channels.append(upsample(true, h, v, fancy)[..., :height, :width])
    return combine(channels, color, mode, precision=precision)


def combine(
    channels: Sequence[jax.Array], color: ColorSpace, mode: str | None, axis: int = -1, precision: int = 8
) -> jax.Array:
    """uint8 (12 bits: uint16) pixels of full-resolution int32 components; several channels go to `axis`. Exact."""
    dtype = jnp.uint8 if precision == 8 else jnp.uint16
    largest = (1 << precision) - 1
    if color is ColorSpace.RGB and mode == "L":
        return luma(*channels).astype(dtype)
    if mode == "L" or (mode is None and color is ColorSpace.GRAY):
        return channels[0].astype(dtype)
    if color is ColorSpace.YCBCR:
        y, cb, cr = channels
        channels = to_rgb(y, cb, cr, precision)
    elif color is ColorSpace.CMYK:
        channels = [largest - x for x in channels]
    elif color is ColorSpace.YCCK:
        # YCbCr holds 255 minus the inverted C, M and Y, and so the ink itself
        y, cb, cr, k = channels
        channels = [*to_rgb(y, cb, cr, precision), largest - k]
    elif color is ColorSpace.GRAY:
        channels = [channels[0]] * 3
    return jnp.stack(channels, axis).astype(dtype)
