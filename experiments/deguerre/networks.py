"""A small SSD: a front of its own for pixels or coefficients, then the same layers and heads.

    pixels at half size [N, 240, 320, 3] ─▶ 16 at 120×160 ─▶ 32 at 60×80 ─▶ 48 at 30×40 ─┐
    luma [N, 60, 80, 64] in cells of 2×2 blocks, chroma [N, 30, 40, 128] ─▶ dense ─▶ 32 ─┴▶ 32 at 30×40 ─▶ 96 at 15×20 ─▶ 96
                                                                                            └▶ small boxes    large ones ◀─┘

The pictures are 640×480; pixels come from the decoder at half the size (scale=1/2), which makes decoding and network cheaper. A
place at 30×40 is 16 pixels wide for both. Blocks come out of their one layer with fewer channels than pixels out of three:
that is where most of their operations are.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.pistono.networks import Convolution
from jpegjax.learned.dct.statistics import BlockStatistics, Normalised
from jpegjax.learned.detect.boxes import anchors
from jpegjax.learned.layers.dense import Dense

from .data import CLASSES

__all__ = ["Detector", "OnBlocks", "OnPixels", "built", "places"]

WIDTH, BLOCKS_WIDTH, NARROWER, WIDER = 48, 32, 32, 96
FINE = ((32.0, 32.0), (46.0, 46.0))
"""Anchors at 30×40, pixels: platelets."""
COARSE = ((84.0, 84.0), (106.0, 106.0), (100.0, 70.0), (70.0, 100.0), (165.0, 165.0), (230.0, 220.0))
"""Anchors at 15×20, pixels: red cells, whole and cut at the border, white cells."""


def places() -> np.ndarray:
    """All anchors, [4200, 4], those at 30×40 first."""
    return np.concatenate([anchors(30, 40, 16, FINE), anchors(15, 20, 32, COARSE)])


class OnPixels(nnx.Module):
    """(pixels less 128 [N, 240, 320, 3],) → [N, 30, 40, 48]."""

    width = WIDTH

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([Convolution(a, b, stride=2, rngs=rngs) for a, b in ((3, 16), (16, 32), (32, WIDTH))])

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        x = found[0] / 64
        for layer in self.layers:
            x = layer(x)
        return x


class OnBlocks(nnx.Module):
    """(Y [N, 60, 80, 64], Cb and Cr [N, 30, 40, 64]) → [N, 30, 40, 32]: each frequency normalised, one dense layer."""

    width = BLOCKS_WIDTH

    def __init__(self, statistics: list[BlockStatistics], *, rngs: nnx.Rngs) -> None:
        self.normal = nnx.List([Normalised(one) for one in statistics])
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), (384, self.width)))
        self.norm = nnx.BatchNorm(self.width, momentum=0.9, rngs=rngs)

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        y, cb, cr = (normal(plane) for normal, plane in zip(self.normal, found, strict=True))
        n, rows, columns, _ = cb.shape
        pairs = y.reshape(n, rows, 2, columns, 128)  # of two blocks side by side; no number has to move
        upper, lower, *others = jnp.split(self.kernel[...], (128, 256, 320))
        x = pairs[:, :, 0] @ upper + pairs[:, :, 1] @ lower + cb @ others[0] + cr @ others[1]
        return jax.nn.relu(self.norm(x))


class Detector(nnx.Module):
    """A front and what both have in common: found → (scores [N, A, 4], offsets [N, A, 4]) of `places`."""

    def __init__(self, front: Any, *, rngs: nnx.Rngs) -> None:
        self.front = front
        self.fine = Convolution(front.width, NARROWER, rngs=rngs)
        self.smaller = Convolution(NARROWER, WIDER, stride=2, rngs=rngs)
        self.coarse = Convolution(WIDER, WIDER, rngs=rngs)
        self.outputs = len(CLASSES) + 1 + 4
        heads = ((NARROWER, FINE), (WIDER, COARSE))
        self.heads = nnx.List([Dense(width, len(sizes) * self.outputs, rngs=rngs) for width, sizes in heads])

    def __call__(self, found: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        fine = self.fine(self.front(found))
        coarse = self.smaller(fine)
        coarse = coarse + self.coarse(coarse)
        told = [h(x).reshape(len(x), -1, self.outputs) for h, x in zip(self.heads, (fine, coarse), strict=True)]
        whole = jnp.concatenate(told, 1)
        return whole[..., :-4], whole[..., -4:]


def built(name: str, seed: int, statistics: list[BlockStatistics]) -> Detector:
    """The detector on "pixels" or "blocks", with first weights by a seed. statistics: of the three components' blocks."""
    rngs = nnx.Rngs(seed)
    front = OnPixels(rngs=rngs) if name == "pixels" else OnBlocks(statistics, rngs=rngs)
    return Detector(front, rngs=rngs)
