"""First layers of networks that take DCT blocks in place of pixels, and start as what a decoder does.

    blocks [N, R, C, 64] ─▶ dense, the (scaled) inverse DCT at first ─▶ depth to space ─▶ [N, R·side, C·side, 1]
                                                                     └▶ or less of it ──▶ [N, R·side/cell, C·side/cell, cell²]

    luma   ─▶ stem ───────────────────────┐
    Cb, Cr ─▶ stems that reach its size ──┴▶ + ─▶ dense, YCbCr → RGB at first ─▶ [N, H, W, 3]

The inverse DCT of a block is linear, and so is all that a decoder does between it and RGB but for rounding and clamping. As a
layer's first weights it costs 64·64 products a block, and training goes on from pixels. With fewer pixels a side it is libjpeg's
scaled decoding: of the lowest side×side frequencies, the DCT of side points. Blocks are those of `dequantised`.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...ops.color import INVERSE
from ...ops.sampling import upsample_float
from ..layers.dense import Dense, depth_to_space
from .blocks import basis

__all__ = ["BlockStem", "RGBStem", "inverse_weights"]

SIDES = (1, 2, 4, 8, 16)
"""Pixels a side that a block can become."""

Initial = Literal["idct", "random"]


def inverse_weights(side: int, repeat: int = 1, cell: int = 1) -> np.ndarray:
    """The scaled inverse DCT as a matrix: float64 [64, (side·repeat)²], from natural order to pixels.

    Args:
        side: Pixels a side that a block becomes, 1, 2, 4, 8 or 16: of the lowest side×side frequencies, or with zeros beyond
            the eighth (jidctint.c's `jpeg_idct_NxN`, without its rounding). Levels stay.
        repeat: How often each of them stands there, down and across, as decoders grow chroma without "fancy" upsampling.
        cell: Pixels come in cells of cell×cell, for `depth_to_space` with side·repeat/cell; 1 for row by row.
    """
    kept, whole = min(side, 8), side * repeat
    one = np.zeros((8, side))
    one[:kept] = basis(side)[:kept] * np.sqrt(side / 8)  # the DC of a flat block then gives its level at any side
    one = np.repeat(one, repeat, 1)
    places = whole // cell
    pixels = np.einsum("vy,ux->vuyx", one, one).reshape(64, places, cell, places, cell)
    return np.ascontiguousarray(pixels.transpose(0, 1, 3, 2, 4)).reshape(64, whole * whole)


class BlockStem(nnx.Module):
    """Blocks to what lies in them: float32 [N, R, C, 64] → [N, R·side·repeat/cell, C·side·repeat/cell, cell²].

    At first exactly the pixels, less 128, over `unit`; all of it is trained. Only the frequencies that count are read. Weights
    are below 1/4, many small: with a rate that suits fresh layers Adam forgets them within a few steps, so give the stem a small
    share of it (`FitConfig.paces`).

    Args:
        side: Pixels a side that a block becomes: 8 all of them, 4 and 2 half and quarter pictures, 1 their means, 16 twice.
        repeat: How often each of them stands there; see `inverse_weights`.
        cell: Pixels a side that share a place, as its channels: side·repeat/cell must be whole. With 2 a network works at half
            the size and loses nothing.
        unit: Samples that count as 1.
        initial: "idct", or "random": a learned depth to space.
        rngs: Where random weights come from.

    Raises:
        ValueError: There is no such side, or cells do not fill blocks.
    """

    def __init__(
        self,
        side: int = 8,
        *,
        repeat: int = 1,
        cell: int = 1,
        unit: float = 1.0,
        initial: Initial = "idct",
        rngs: nnx.Rngs,
    ) -> None:
        if side not in SIDES:
            raise ValueError(f"side={side}: must be one of {', '.join(map(str, SIDES))}")
        if repeat < 1 or cell < 1 or side * repeat % cell:
            raise ValueError(f"repeat={repeat}, cell={cell}: {side} · repeat / cell must be a whole number")
        self.kept, self.places = min(side, 8), side * repeat // cell
        self.unit = unit
        weights = inverse_weights(side, repeat, cell)
        low = weights.reshape(8, 8, -1)[: self.kept, : self.kept].reshape(self.kept**2, -1)
        self.dense = Dense(*low.shape, rngs=rngs, weights=low if initial == "idct" else None)

    def __call__(self, blocks: jax.Array) -> jax.Array:
        if self.kept < 8:
            low = blocks.reshape(*blocks.shape[:-1], 8, 8)[..., : self.kept, : self.kept]
            blocks = low.reshape(*blocks.shape[:-1], self.kept**2)
        return depth_to_space(self.dense(blocks / self.unit), self.places)


class RGBStem(nnx.Module):
    """Blocks of three components to RGB: ([N, R, C, 64], …) → [N, H, W, 3], exact at first.

    At first (pixels − 128) / unit as a decoder has them, neither rounded nor clamped. All of it is trained, but for the filter.

    Args:
        factors: (down, across) of each component: luma samples that one of its own stands for, 1, 2 or 4.
        side: Pixels a side of a luma block; see `BlockStem`.
        fancy: Chroma grows by libjpeg's triangle filter, as `decode` has it by default, rather than by repetition, which is
            part of the first layer (`decode(upsample="nearest")`). Of whole blocks: a decoder repeats the last true sample.
        unit: Samples that count as 1.
        rngs: Unused by the inverse DCT's weights.

    Raises:
        ValueError: Components are not three; or a factor differs down and across where blocks are scaled.
    """

    def __init__(
        self,
        factors: tuple[tuple[int, int], ...] = ((1, 1), (2, 2), (2, 2)),
        *,
        side: int = 8,
        fancy: bool = False,
        unit: float = 1.0,
        rngs: nnx.Rngs,
    ) -> None:
        if len(factors) != 3:
            raise ValueError(f"factors={factors}: must be of three components")
        if side != 8 and any(down != across for down, across in factors):
            raise ValueError(f"factors={factors}, side={side}: must be alike down and across where blocks are scaled")
        self.fancy = fancy
        stems, left = [], []
        for down, across in factors:
            own = min(8, side * down)
            grows = side * down // own, side * across // own
            inside = grows[0] if grows[0] == grows[1] and not fancy else 1
            stems.append(BlockStem(own, repeat=inside, unit=unit, rngs=rngs))
            left.append((grows[0] // inside, grows[1] // inside))
        self.stems, self.grows = nnx.List(stems), tuple(left)
        # (Y, Cb, Cr) less 128 → RGB less 128: the matrix of JFIF, whose rows' first weights are 1
        self.colour = Dense(3, 3, rngs=rngs, weights=INVERSE.T)

    def __call__(self, planes: tuple[jax.Array, ...]) -> jax.Array:
        found = [stem(plane)[..., 0] for stem, plane in zip(self.stems, planes, strict=True)]
        whole = [upsample_float(x, h, v, self.fancy) for x, (v, h) in zip(found, self.grows, strict=True)]
        return self.colour(jnp.stack(whole, -1))
