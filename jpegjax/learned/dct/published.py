"""Stems of the literature, for three components with chroma at luma's size or half of it: ([N, R, C, 64], …) →
[N, R', C', width].

    Gueguen et al. 2018      UpsampledStem: chroma grown to luma's blocks, by repetition or a trained deconvolution, concatenated
                             LateStem: luma through layers of its own to chroma's size, then concatenated (Late-Concat-RFA)
    Park and Johnson 2023    PatchStem: the blocks of a patch together, one dense layer: tokens of a vision transformer

Gueguen, Sergeev, Kadlec, Liu and Yosinski, "Faster Neural Networks Straight from JPEG", NeurIPS 2018; Park and Johnson, "RGB no
more: Minimally-decoded JPEG Vision Transformers", CVPR 2023, arXiv:2211.16421. Inputs are `dequantised` blocks, best normalised
by `Normalised`. A block is 8 pixels wide, so that the first 3×3 layer over blocks sees 24: "receptive field aware" (RFA) networks
have 1×1 layers there, and reach no further in the picture than the pixels' network does at the same depth.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..layers.dense import Dense, depth_to_space, space_to_depth
from .blocks import reblocked

__all__ = ["LateStem", "PatchStem", "UpsampledStem"]


class _Layer(nnx.Module):
    """k×k convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        kernel = nnx.initializers.he_normal()
        self.mix = nnx.Conv(inputs, outputs, (side, side), stride, use_bias=False, kernel_init=kernel, rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.relu(self.norm(self.mix(x)))


class UpsampledStem(nnx.Module):
    """Chroma grown to luma's blocks and concatenated: ([N, R, C, 64], 2 × [N, R/f, C/f, 64]) → [N, R, C, width].

    Args:
        width: Channels out.
        factor: f, 1 or 2: luma blocks to one of chroma, down and across.
        growing: "repeat", or "deconvolution": a trained f×f one of stride f, 64 → 64.
        side: Of the layer behind, 1 (RFA) or 3.
        rngs: Where weights come from.
    """

    def __init__(
        self,
        width: int,
        *,
        factor: int = 2,
        growing: Literal["repeat", "deconvolution"] = "deconvolution",
        side: int = 1,
        rngs: nnx.Rngs,
    ) -> None:
        self.factor = factor
        learned = growing == "deconvolution"
        self.grown = nnx.List([Dense(64, 64 * factor**2, rngs=rngs) for _ in range(2)]) if learned else None
        self.mixed = _Layer(192, width, side, rngs=rngs)

    def _reached(self, c: int, blocks: jax.Array) -> jax.Array:
        if self.grown is not None:
            return depth_to_space(self.grown[c](blocks), self.factor)
        return jnp.repeat(jnp.repeat(blocks, self.factor, 1), self.factor, 2)

    def __call__(self, planes: tuple[jax.Array, ...]) -> jax.Array:
        y, *chroma = planes
        return self.mixed(jnp.concatenate([y, *(self._reached(c, plane) for c, plane in enumerate(chroma))], -1))


class LateStem(nnx.Module):
    """Luma through layers of its own down to chroma's size, chroma through one: … → [N, R/f, C/f, luma + chroma].

    Luma: 1×1 layers, then one of 3×3 with stride f, so that what a place sees grows as it does on pixels.

    Args:
        luma, chroma: Channels that they end with.
        factor: f, 1 or 2: luma blocks to one of chroma, down and across.
        depth: 1×1 layers of luma.
        rngs: Where weights come from.
    """

    def __init__(self, luma: int, chroma: int, *, factor: int = 2, depth: int = 2, rngs: nnx.Rngs) -> None:
        widths = [64, *[luma] * depth]
        self.first = nnx.List([_Layer(a, b, 1, rngs=rngs) for a, b in pairwise(widths)])
        self.smaller = _Layer(widths[-1], luma, 3, factor, rngs=rngs)
        self.chroma = _Layer(128, chroma, 1, rngs=rngs)

    def __call__(self, planes: tuple[jax.Array, ...]) -> jax.Array:
        y, cb, cr = planes
        for layer in self.first:
            y = layer(y)
        return jnp.concatenate([self.smaller(y), self.chroma(jnp.concatenate([cb, cr], -1))], -1)


class PatchStem(nnx.Module):
    """Patches to tokens: ([N, R, C, 64], 2 × [N, R/f, C/f, 64]) → [N, 8R/patch, 8C/patch, width].

    A patch's blocks of each component, in blocks of at most its own size: where the patch is smaller than a block of chroma's
    8·f pixels, blocks are taken apart without loss (`reblocked`), as RGB-no-more does it.

    Args:
        width: Channels of a token, even shares of the components where they are embedded apart.
        patch: Pixels a side: a power of two, at least f.
        factor: f, 1 or 2: luma samples to one of chroma, down and across.
        embedding: "grouped", one dense layer over all of a patch's coefficients; or "concatenated", one a component, of 1/2,
            1/4 and 1/4 of the width.
        rngs: Where weights come from.

    Raises:
        ValueError: The patch is no power of two or too small, or the width no multiple of 4.
    """

    def __init__(
        self,
        width: int,
        *,
        patch: int = 16,
        factor: int = 2,
        embedding: Literal["grouped", "concatenated"] = "grouped",
        rngs: nnx.Rngs,
    ) -> None:
        if patch < factor or patch & (patch - 1):
            raise ValueError(f"patch={patch}: must be a power of two, at least {factor}")
        if width % 4:
            raise ValueError(f"width={width}: must be a multiple of 4")
        self.sides = patch, patch // factor, patch // factor
        counts = [side * side for side in self.sides]
        if embedding == "grouped":
            self.layers = nnx.List([Dense(sum(counts), width, rngs=rngs)])
        else:
            widths = width // 2, width // 4, width // 4
            self.layers = nnx.List([Dense(a, b, rngs=rngs) for a, b in zip(counts, widths, strict=True)])

    def __call__(self, planes: tuple[jax.Array, ...]) -> jax.Array:
        found = [_of_patches(plane, side) for plane, side in zip(planes, self.sides, strict=True)]
        if len(self.layers) == 1:
            return self.layers[0](jnp.concatenate(found, -1))
        return jnp.concatenate([layer(x) for layer, x in zip(self.layers, found, strict=True)], -1)


def _of_patches(blocks: jax.Array, side: int) -> jax.Array:
    """All coefficients of patches of side×side of the component's samples: [N, R, C, 64] → [N, 8R/side, 8C/side, side²]."""
    if side >= 8:
        return space_to_depth(blocks, side // 8)
    n, rows, columns, _ = blocks.shape
    small = reblocked(blocks.reshape(n, rows, columns, 8, 8), side)
    return small.reshape(*small.shape[:3], side * side)
