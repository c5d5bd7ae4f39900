"""The whole transform half: pixels → quantised coefficients, and back. Exact."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ..types import ColorSpace
from .blocks import merge_blocks, split_blocks
from .color import chroma, luma, to_rgb
from .dct import fdct_islow, idct_islow
from .quant import dequantise, quantise
from .sampling import downsample, pad_plane, upsample

__all__ = ["decode_planes", "encode_planes"]

Sampling = Sequence[tuple[int, int]]  # (h, v) per component


def _ratios(sampling: Sampling) -> list[tuple[int, int]]:
    hmax, vmax = max(h for h, _ in sampling), max(v for _, v in sampling)
    if any(hmax % h or vmax % v for h, v in sampling):
        raise ValueError(f"sampling={tuple(sampling)!r}: every factor must divide the largest one")
    return [(hmax // h, vmax // v) for h, v in sampling]


def _steps(table: jax.Array) -> jax.Array:
    """[64], [8, 8], [N, 64] or [N, 8, 8] → [(N,) 1, 1, 8, 8]."""
    table = jnp.asarray(table)
    if table.shape[-1] == 64:
        table = table.reshape(*table.shape[:-1], 8, 8)
    return table[..., None, None, :, :]


def encode_planes(
    images: jax.Array, qtables: Sequence[jax.Array], sampling: Sampling, color: ColorSpace | None = None
) -> tuple[jax.Array, ...]:
    """Quantised DCT coefficients of images: int16 [N, rows, columns, 8, 8] per component, real blocks only. Exact.

    images: uint8 [N, H, W, 3], or [N, H, W] for one component.
    qtables: per component integers 1..65535, natural order, [64] or [8, 8], with an optional N in front.
    sampling: (h, v) per component; every factor divides the largest one.
    color: YCBCR (the default for three components) converts from RGB, RGB keeps the channels.
    """
    images = jnp.asarray(images)
    one = len(sampling) == 1
    if images.dtype != jnp.uint8 or images.ndim != (3 if one else 4) or (not one and images.shape[-1] != 3):
        shape = "[N, H, W]" if one else "[N, H, W, 3]"
        raise TypeError(f"images: must be uint8 {shape}, not {images.dtype} {list(images.shape)}")
    images = images.astype(jnp.int32)
    channels = [images] if one else [images[..., i] for i in range(3)]
    height, width = channels[0].shape[-2:]
    if not one and color in (None, ColorSpace.YCBCR):
        channels = [luma(*channels), *chroma(*channels)]
    ratios = _ratios(sampling)
    rows_per_cell = max(v for _, v in ratios)
    planes = []
    for x, (h, v), steps in zip(channels, ratios, qtables, strict=True):
        high, wide = -(-height // (8 * v)), -(-width // (8 * h))
        full = pad_plane(x, -(-height // rows_per_cell) * rows_per_cell, 8 * h * wide)
        samples = pad_plane(downsample(full, h, v), 8 * high, 8 * wide)
        planes.append(quantise(fdct_islow(split_blocks(samples)), _steps(steps)))
    return tuple(planes)


def decode_planes(
    planes: Sequence[jax.Array],
    qtables: Sequence[jax.Array],
    sampling: Sampling,
    size: tuple[int, int],
    color: ColorSpace = ColorSpace.YCBCR,
    mode: str | None = None,
    fancy: bool = True,
) -> jax.Array:
    """Pixels of quantised DCT coefficients: uint8 [N, H, W, 3], or [N, H, W] where the result is grey. Exact.

    planes: int16 [N, rows, columns, 8, 8] per component; qtables, sampling as for `encode_planes`.
    size: (H, W). color: GRAY, YCBCR or RGB, the meaning of the components.
    mode: "L", "RGB" or None for what the components are.
    fancy: libjpeg's triangle filter for chroma, else repeated samples.
    """
    height, width = size
    ratios = _ratios(sampling)
    if color is not ColorSpace.RGB and mode == "L":
        planes, qtables, ratios = planes[:1], qtables[:1], ratios[:1]
    channels = []
    for blocks, steps, (h, v) in zip(planes, qtables, ratios, strict=True):
        samples = merge_blocks(idct_islow(dequantise(blocks, _steps(steps))))
        true = pad_plane(samples, -(-height // v), -(-width // h))
        channels.append(upsample(true, h, v, fancy)[..., :height, :width])
    return combine(channels, color, mode)


def combine(channels: Sequence[jax.Array], color: ColorSpace, mode: str | None, axis: int = -1) -> jax.Array:
    """uint8 pixels of full-resolution int32 components 0..255; three channels go to `axis`. Exact."""
    if color is ColorSpace.RGB and mode == "L":
        return luma(*channels).astype(jnp.uint8)
    if mode == "L" or (mode is None and color is ColorSpace.GRAY):
        return channels[0].astype(jnp.uint8)
    if color is ColorSpace.YCBCR:
        channels = to_rgb(*channels)
    elif color is ColorSpace.GRAY:
        channels = [channels[0]] * 3
    return jnp.stack(channels, axis).astype(jnp.uint8)
