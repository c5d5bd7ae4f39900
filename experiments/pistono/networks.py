"""The networks. Each takes (pixels less 128 [N, 32, 32, 3],), or blocks [N, R, C, 64] of (Y, Cb, Cr), and gives [N, 10].

pixels       pixels ─▶ 16 channels at 32×32 ─▶ 32 at 16×16 ─▶ 64 at 8×8 ─▶ 64 at 4×4 ─▶ mean ─▶ 10
blocks       all 192 coefficients of a place ─▶ residual network at 4×4: the plain way to feed coefficients
depth        as `pixels`, but luma by a random 64×64 layer and depth to space, chroma at half the size
stem         the same, but that layer starts as the inverse DCT
cells        luma in cells of 2×2 pixels, chroma beside them: 16×16 places of 6 channels, a network of half the operations
cells-pixels the network of `cells` on decoded pixels in cells: what the smaller network alone does
half         luma by the 4×4 inverse DCT, half the size: 16×16 places of 3 channels
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jpegjax.learned.dct.stems import BlockStem
from jpegjax.learned.layers.dense import neighbours, space_to_depth

__all__ = ["MODELS", "Blocks", "Stemmed", "Tower", "built"]

UNIT = 64.0
"""Samples that count as 1."""
CLASSES = 10


_NARROW = 2
"""Inputs up to which a product with nine shifted copies is faster on a CPU than XLA's convolution."""


class Convolution(nnx.Module):
    """k×k convolution, k odd, batch normalisation, ReLU: [N, H, W, inputs] → [N, H/stride, W/stride, outputs]."""

    def __init__(
        self, inputs: int, outputs: int, side: int = 3, *, stride: int = 1, active: bool = True, rngs: nnx.Rngs
    ) -> None:
        first = nnx.initializers.he_normal()(rngs.params(), (side, side, inputs, outputs))
        self.kernel = nnx.Param(first)
        self.norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        self.stride, self.active = stride, active

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel, stride = self.kernel[...], self.stride
        if x.shape[-1] <= _NARROW and kernel.shape[0] == 3:
            x = jnp.concatenate([part[:, ::stride, ::stride] for part in neighbours(x)], -1) @ kernel.reshape(
                -1, kernel.shape[-1]
            )
        else:
            pads = ((kernel.shape[0] // 2,) * 2,) * 2
            x = jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = self.norm(x)
        return jax.nn.relu(x) if self.active else x


def halved(x: jax.Array) -> jax.Array:
    """The largest of each 2×2 places."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // 2, 2, w // 2, 2 * c)
    x = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(x[..., :c], x[..., c:])


class Tower(nnx.Module):
    """Convolutions, each at half the size of the one before, then a mean and a dense layer: [N, H, W, inputs] → [N, 10].

    joined: channels that come beside the first layer's outputs, once they are halved. residual: further layers at the last size,
    each added to what it sees.
    """

    def __init__(
        self, inputs: int, widths: Sequence[int], *, joined: int = 0, residual: int = 0, rngs: nnx.Rngs
    ) -> None:
        before = [inputs, widths[0] + joined, *widths[1:-1]]
        self.layers = nnx.List([Convolution(a, b, rngs=rngs) for a, b in zip(before, widths, strict=True)])
        last = widths[-1]
        self.added = nnx.List([Convolution(last, last, rngs=rngs) for _ in range(residual)])
        self.out = nnx.Linear(last, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array, beside: jax.Array | None = None) -> jax.Array:
        x = halved(self.layers[0](x))
        if beside is not None:
            x = jnp.concatenate([x, beside], -1)
        for layer in self.layers[1:-1]:
            x = halved(layer(x))
        x = self.layers[-1](x)
        for layer in self.added:
            x = x + layer(x)
        return self.out(x.mean((1, 2)))


class Pixels(nnx.Module):
    """`Tower` on RGB. cell: pixels a side that share a place."""

    def __init__(self, widths: Sequence[int], cell: int = 1, *, residual: int = 0, rngs: nnx.Rngs) -> None:
        self.cell = cell
        self.tower = Tower(3 * cell * cell, widths, residual=residual, rngs=rngs)

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        x = found[0] / UNIT
        return self.tower(space_to_depth(x, self.cell) if self.cell > 1 else x)


class Stemmed(nnx.Module):
    """`Tower` behind stems of luma and chroma, each [N, R, C, 64].

    Args:
        widths: Of the tower.
        side, cell: Of luma's stem: pixels a side of a block, and of a place.
        residual: Further layers of the tower.
        initial: "idct" or "random".
        rngs: Of the weights.

    Chroma's stems give what lies in its blocks, 16×16, which joins luma where that has the same size.
    """

    def __init__(
        self,
        widths: Sequence[int],
        side: int = 8,
        cell: int = 1,
        *,
        residual: int = 0,
        initial: Any = "idct",
        rngs: nnx.Rngs,
    ) -> None:
        self.late, self.known = side // cell == 8, initial == "idct"
        self.luma = BlockStem(side, cell=cell, unit=UNIT, initial=initial, rngs=rngs)
        self.chroma = nnx.List([BlockStem(8, unit=UNIT, initial=initial, rngs=rngs) for _ in range(2)])
        first, joined = (cell * cell, 2) if self.late else (cell * cell + 2, 0)
        self.tower = Tower(first, widths, joined=joined, residual=residual, rngs=rngs)

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        y, *chroma = found
        x = self.luma(y)
        beside = jnp.concatenate([stem(c) for stem, c in zip(self.chroma, chroma, strict=True)], -1)
        if self.late:
            return self.tower(x, beside)
        return self.tower(jnp.concatenate([x, beside], -1))


class Blocks(nnx.Module):
    """Residual network at the places of luma's blocks, chroma's repeated: 192 channels, each normalised over the batch."""

    def __init__(self, width: int = 64, depth: int = 2, *, rngs: nnx.Rngs) -> None:
        self.norm = nnx.BatchNorm(192, momentum=0.9, use_scale=False, use_bias=False, rngs=rngs)
        self.first = Convolution(192, width, 1, rngs=rngs)
        self.inner = nnx.List([Convolution(width, width, rngs=rngs) for _ in range(depth)])
        self.outer = nnx.List([Convolution(width, width, active=False, rngs=rngs) for _ in range(depth)])
        self.out = nnx.Linear(width, CLASSES, rngs=rngs)

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        y, *chroma = found
        whole = [y, *(jnp.repeat(jnp.repeat(c, 2, 1), 2, 2) for c in chroma)]
        x = self.first(self.norm(jnp.concatenate(whole, -1)))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            x = jax.nn.relu(x + outer(inner(x)))
        return self.out(x.mean((1, 2)))


FULL, CELLS = (16, 32, 64, 64), (24, 48, 96)
MODELS = {
    "pixels": lambda rngs: Pixels(FULL, rngs=rngs),
    "blocks": lambda rngs: Blocks(rngs=rngs),
    "depth": lambda rngs: Stemmed(FULL, initial="random", rngs=rngs),
    "stem": lambda rngs: Stemmed(FULL, rngs=rngs),
    "cells": lambda rngs: Stemmed(CELLS, 8, 2, residual=1, rngs=rngs),
    "cells-pixels": lambda rngs: Pixels(CELLS, 2, residual=1, rngs=rngs),
    "half": lambda rngs: Stemmed(CELLS, 4, residual=1, rngs=rngs),
}


def built(name: str, seed: int) -> nnx.Module:
    """A network with first weights by a seed."""
    return MODELS[name](nnx.Rngs(seed))
