"""Coefficients to pixels with the precision that they hold: floats from dequantisation to colour, rounded once or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ..types import ColorSpace
from .blocks import merge_blocks
from .color import FORWARD, ycbcr_to_rgb_float
from .dct import idct_float
from .planes import Sampling, sampling_ratios, steps_of
from .sampling import pad_plane, upsample_float

__all__ = ["precise_pixels", "precise_planes"]


def precise_planes(
    planes: Sequence[jax.Array],
    qtables: Sequence[jax.Array],
    shifts: Sequence[jax.Array],
    sampling: Sampling,
    size: tuple[int, int],
    fancy: bool = True,
    precision: int = 8,
    clipped: bool = False,
) -> list[jax.Array]:
    """Components at full size: float32 [N, H, W] each, 0..2^precision - 1 where clipped, chroma about the middle.

    planes, qtables, sampling, size and fancy as for `decode_planes`, of as many components as there are planes. shifts: per
    component float [64] in natural order, what levels lose towards zero, in steps. clipped: hold samples in that range
    before chroma grows. Differentiable by shifts and tables.
    """
    height, width = size
    largest, found = (1 << precision) - 1, []
    for blocks, table, shift, (h, v) in zip(planes, qtables, shifts, sampling_ratios(sampling), strict=False):
        levels, steps = blocks.astype(jnp.float32), steps_of(table).astype(jnp.float32)
        points = (levels - jnp.sign(levels) * steps_of(shift).astype(jnp.float32)) * steps
        samples = merge_blocks(idct_float(points)) + jnp.float32(1 << (precision - 1))
        if clipped:
            samples = jnp.clip(samples, 0, largest)
        true = pad_plane(samples, -(-height // v), -(-width // h))
        found.append(upsample_float(true, h, v, fancy)[..., :height, :width])
    return found


def precise_pixels(
    channels: Sequence[jax.Array], color: ColorSpace, mode: str | None, precision: int, dtype: str, scale: float
) -> jax.Array:
    """Pixels of `precise_planes`: [N, H, W, 3 or 4], or [N, H, W] where the result is grey.

    color, mode: as for `decode_planes`; mode RGB is for CMYK and YCCK too, by the plain formula. Values are 0..2^precision - 1,
    clipped; with a scale multiplied by it and rounded to `dtype`, else float32.
    """
    largest, x = (1 << precision) - 1, list(channels)
    inks = color in (ColorSpace.CMYK, ColorSpace.YCCK)
    if color in (ColorSpace.YCBCR, ColorSpace.YCCK) and mode != "L":
        ycc = jnp.stack(x[:3], -1) + jnp.float32(128 - (1 << (precision - 1))) * jnp.asarray(
            [0.0, 1.0, 1.0], jnp.float32
        )
        pixels = jnp.clip(ycbcr_to_rgb_float(ycc), 0, largest)
    elif color is ColorSpace.RGB and mode == "L":
        pixels = jnp.tensordot(
            jnp.stack(x, -1), jnp.asarray(FORWARD[0], jnp.float32), 1, precision=lax.Precision.HIGHEST
        )
    elif len(x) == 1 or mode == "L":
        pixels = jnp.stack(x * 3, -1) if mode == "RGB" else x[0]
    else:
        pixels = jnp.stack(x[:3], -1)
    if inks:
        if color is ColorSpace.CMYK:
            pixels = largest - pixels
        black = (largest - x[3])[..., None]
        light = largest - black
        pixels = light * (1 - pixels / largest) if mode == "RGB" else jnp.concatenate([pixels, black], -1)
    return jnp.floor(pixels * jnp.float32(scale) + 0.5).astype(dtype) if scale else pixels
