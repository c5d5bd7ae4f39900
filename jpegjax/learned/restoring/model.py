"""The restoration network: one blind model for all qualities, tables, samplings, grey and colour.

    tables ─▶ a few numbers that steer every stage
    luma ───▶ stage ─▶ stage ─▶ stage ─▶ stage ─▶ changes of coefficients, at most about half a step ─▶ + ─▶ luma restored ─┐
    chroma, with that luma beside it: stage at half its size ─▶ stage ─▶ chroma restored ◀──────────────────────────────────┘

    a stage: planes ─▶ 8×8 patches, overlapping ─▶ dense, from the DCT ─▶ log ─▶ dense ─▶ dense ─▶ patches, added up ─▶ + planes

Patches overlap by steps of two pixels, so that what one place learns all places know, as in trainable reaction diffusion (Chen
and Pock 2017, arXiv:1508.02848); each knows its place on the grid of 8×8 blocks by a bias. Everything is in units of the
tables' steps, for what a file has lost is of their order: fine files are hardly touched. That tables steer a network on the
JPEG grid is of Ehrlich et al. 2020 (arXiv:2004.09320).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from ...ops.dct import BASIS
from ..layers.dense import Dense, depth_to_space, hard_swish, product, space_to_depth

__all__ = ["STANDARD", "Restorer", "RestorerSize", "Seen", "block_steps", "from_blocks", "to_blocks"]


@dataclass(frozen=True, slots=True)
class RestorerSize:
    """Stages and channels.

    Args:
        stages: Of luma.
        width: Channels of luma's patches.
        hidden: Channels between a patch and its change.
        chroma: Channels of a patch of three planes.
        chroma_hidden: Channels between it and its change.
        tables: Numbers that the tables are summed up in.
    """

    stages: int = 4
    width: int = 64
    hidden: int = 112
    chroma: int = 96
    chroma_hidden: int = 144
    tables: int = 64


STANDARD = RestorerSize()
"""Of the model that the package brings."""


class Seen(NamedTuple):
    """What the network sees of pictures.

    Attributes:
        planes: float32 [N, H, W, 3], sides multiples of 16: Y, Cb, Cr at the luma's size, less 128; zeros for the
            chroma of grey ones.
        steps: float32 [N, 3, 64], quantisation steps of those planes' blocks, natural order, see `block_steps`; zeros for
            the chroma of grey ones.
        sampling: int32 [N, 2]: how many luma samples a chroma sample stands for, down and across, 1, 2 or 4.
    """

    planes: jax.Array
    steps: jax.Array
    sampling: jax.Array


_BASIS = np.einsum("vy,ux->yxvu", BASIS, BASIS).reshape(64, 64).astype(np.float32)
"""[pixel, frequency] of the orthonormal 8×8 DCT."""


def to_blocks(planes: jax.Array) -> jax.Array:
    """Orthonormal 8×8 DCTs: [N, H, W, C] → [N, H/8, W/8, C, 64], natural order. Inverse: `from_blocks`."""
    n, h, w, c = planes.shape
    tiles = planes.reshape(n, h // 8, 8, w // 8, 8, c).transpose(0, 1, 3, 5, 2, 4)
    return tiles.reshape(n, h // 8, w // 8, c, 64) @ _BASIS


def from_blocks(blocks: jax.Array) -> jax.Array:
    """Inverse of `to_blocks`."""
    n, h, w, c, _ = blocks.shape
    tiles = (blocks @ _BASIS.T).reshape(n, h, w, c, 8, 8)
    return tiles.transpose(0, 1, 4, 2, 5, 3).reshape(n, 8 * h, 8 * w, c)


def block_steps(table: np.ndarray, down: int = 1, across: int = 1) -> np.ndarray:
    """Steps of 8×8 blocks of a plane that was upsampled, float32 [64]: frequency f of a block is f · factor of the file's block.

    table: [8, 8] of the component, natural order. down, across: luma samples that one of the component stands for.
    """
    v, u = (np.minimum(7, np.arange(8) * factor) for factor in (down, across))
    return np.asarray(table, np.float32).reshape(8, 8)[np.ix_(v, u)].reshape(64)


class Stage(nnx.Module):
    """Changes of planes [N, H, W, inputs], in units of the scale: [N, H, W, outputs].

    Args:
        inputs, outputs: Planes in and out.
        pitch: Pixels from one patch to the next, 2 or 4.
        width, hidden: Channels of a patch, and between it and its change.
        tables: Numbers that steer it.
        gain: Of the initial change.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        pitch: int,
        width: int,
        hidden: int,
        tables: int,
        gain: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.pitch, self.inputs, self.outputs = pitch, inputs, outputs
        taps = 8 // pitch
        known = np.concatenate([_BASIS * np.where(np.arange(64), 1, 0.1)] * inputs)[:, :width]
        noise = jax.random.normal(rngs.params(), (64 * inputs, max(0, width - 64))) / 8
        first = jnp.concatenate([jnp.asarray(known, jnp.float32), noise], 1)
        # [pixel of the patch, plane, channel] as a convolution over what `space_to_depth` makes of the planes
        taken = first.reshape(inputs, taps, pitch, taps, pitch, width).transpose(1, 3, 2, 4, 0, 5)
        self.analysis = nnx.Param(taken.reshape(taps, taps, pitch * pitch * inputs, width))
        self.wide = Dense(width, hidden, rngs=rngs)
        self.phase = nnx.Param(jnp.zeros((4, 4, hidden)))
        self.steer = Dense(tables, 2 * hidden, rngs=rngs, gain=0.1)
        limit = gain * (3 / hidden) ** 0.5 / taps**2
        shape = (taps, taps, hidden, pitch * pitch * outputs)
        self.synthesis = nnx.Param(jax.random.uniform(rngs.params(), shape, jnp.float32, -limit, limit))

    def __call__(self, planes: jax.Array, tables: jax.Array) -> jax.Array:
        taps = 8 // self.pitch
        before, after = (taps - 1) // 2, taps // 2
        x = _convolved(space_to_depth(planes, self.pitch), self.analysis[...].astype(planes.dtype), (before, after))
        x = (jnp.sign(x) * jnp.log1p(jnp.abs(x))).astype(self.wide.kernel.dtype)
        x = product(x, self.wide.kernel[...]) + self.wide.bias[...]
        scale, shift = jnp.split(self.steer(tables)[:, None, None, :], 2, -1)
        phase = jnp.tile(self.phase[...], (x.shape[1] // 4, x.shape[2] // 4, 1))
        x = hard_swish(x * (1 + scale).astype(x.dtype) + (shift + phase).astype(x.dtype))
        changes = _added_up(x, self.synthesis[...].astype(x.dtype)).astype(planes.dtype)
        return depth_to_space(changes, self.pitch)


def _convolved(x: jax.Array, kernel: jax.Array, pad: tuple[int, int]) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), (pad, pad), dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_vjp
def _added_up(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Patches of every place, [N, H, W, C] by [taps, taps, C, D], added up where they overlap: [N, H, W, D].

    The kernel's gradient is one product with the gradient's own patches: on the CPU ten times as fast as the convolution's.
    """
    taps = len(kernel)
    return _convolved(x, kernel, (taps // 2, (taps - 1) // 2))


def _added_up_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _added_up(x, kernel), (x, kernel)


def _added_up_backward(kept: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    n, h, w, c = x.shape
    taps, pads = len(kernel), ((len(kernel) - 1) // 2, len(kernel) // 2)
    padded = jnp.pad(g, ((0, 0), pads, pads, (0, 0)))
    rows = jnp.concatenate([padded[:, :, i : i + w] for i in reversed(range(taps))], -1)
    seen = jnp.concatenate([rows[:, i : i + h] for i in reversed(range(taps))], -1)
    each = jnp.einsum("brc,brd->bcd", x.reshape(n, h * w, c), seen.reshape(n, h * w, -1))
    change = each.sum(0).reshape(c, taps, taps, -1).transpose(1, 2, 0, 3)
    return _convolved(g, kernel[::-1, ::-1].transpose(0, 1, 3, 2), pads), change


_added_up.defvjp(_added_up_forward, _added_up_backward)


def _halved(planes: jax.Array) -> jax.Array:
    n, h, w, c = planes.shape
    return planes.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


class Restorer(nnx.Module):
    """The network. Sees `Seen`, gives the planes restored, float32 [N, H, W, 3], not clipped."""

    margin = 64
    """Pixels that a window needs around what is kept of it: more than what any stage sees."""

    def __init__(self, size: RestorerSize = STANDARD, *, rngs: nnx.Rngs) -> None:
        t = size.tables
        self.size = size
        self.tables = nnx.List([Dense(128 + 3, t, rngs=rngs), Dense(t, t, rngs=rngs)])
        self.luma = nnx.List([Stage(1, 1, 2, size.width, size.hidden, t, 1.0, rngs=rngs) for _ in range(size.stages)])
        self.cell = Dense(t, 64, rngs=rngs, gain=0.1)
        self.coarse = Stage(3, 2, 2, size.chroma, size.chroma_hidden, t, 0.1, rngs=rngs)
        self.fine = Stage(3, 2, 4, size.chroma, size.chroma_hidden, t, 0.1, rngs=rngs)

    def macs(self, colour: bool = True) -> float:
        """Multiply-adds a pixel of all products: those of the stages, and of the DCT that changes go through."""
        stages = [*[(stage, 1) for stage in self.luma], *([(self.coarse, 4), (self.fine, 1)] if colour else [])]
        sizes = ((s.analysis.size + s.wide.kernel.size + s.synthesis.size) / (s.pitch**2 * n) for s, n in stages)
        return 2 * 64 + sum(sizes)

    def __call__(self, seen: Seen) -> jax.Array:
        """Planes restored, float32 [N, H, W, 3]."""
        tables = self._about(seen)
        luma = self._restored_luma(seen, tables)
        return jnp.concatenate([luma, self._restored_chroma(seen, luma, tables)], -1)

    def restored_luma(self, seen: Seen) -> jax.Array:
        """The first of the planes alone, [N, H, W, 1]."""
        return self._restored_luma(seen, self._about(seen))

    def _restored_luma(self, seen: Seen, tables: jax.Array) -> jax.Array:
        luma = seen.planes[..., :1]
        scale = 0.5 * _middle(seen.steps[:, 0])
        x = luma / scale
        for stage in self.luma:
            x = x + stage(x, tables)
        # the change as coefficients, each held to about its cell
        widths = seen.steps[:, 0] * (0.55 * jnp.exp(self.cell(tables).astype(jnp.float32)))
        change = to_blocks(x * scale - luma)
        return luma + from_blocks(jnp.clip(change, *(sign * widths[:, None, None, None] for sign in (-1, 1))))

    def _restored_chroma(self, seen: Seen, luma: jax.Array, tables: jax.Array) -> jax.Array:
        """The other two, [N, H, W, 2], guided by the restored luma; zeros for grey."""
        chroma = seen.planes[..., 1:]
        scale = 0.5 * jnp.maximum(_middle(seen.steps[:, 1]), 0.1)
        x, guide = chroma / scale, lax.stop_gradient(luma / scale)
        small = self.coarse(_halved(jnp.concatenate([guide, x], -1)), tables)
        x = x + jnp.repeat(jnp.repeat(small, 2, 1), 2, 2)
        x = x + self.fine(jnp.concatenate([guide, x], -1), tables)
        return jnp.where(_tinted(chroma), x * scale, chroma) * _coloured(seen)[:, None, None, None]

    def _about(self, seen: Seen) -> jax.Array:
        """What the tables say, [N, tables]."""
        steps = jnp.log2(jnp.maximum(seen.steps[:, :2], 1)).reshape(-1, 128)
        x = jnp.concatenate(
            [0.25 * steps - 1, jnp.log2(seen.sampling.astype(jnp.float32)), _coloured(seen)[:, None]], -1
        )
        for dense in self.tables:
            x = hard_swish(dense(x.astype(dense.kernel.dtype)))
        return x


def _tinted(chroma: jax.Array) -> jax.Array:
    """Where there is any colour within two blocks: bool [N, H, W, 1]. Elsewhere greys of colour files stay grey."""
    n, h, w, _ = chroma.shape
    found = jnp.abs(chroma).reshape(n, h // 8, 8, w // 8, 8, 2).max((2, 4, 5)) > 0.05
    near = lax.reduce_window(found, False, lax.bitwise_or, (1, 5, 5), (1, 1, 1), "SAME")
    return jnp.repeat(jnp.repeat(near, 8, 1), 8, 2)[..., None]


def _coloured(seen: Seen) -> jax.Array:
    """1 for colour, 0 for grey: [N]."""
    return (seen.steps[:, 1, 0] > 0).astype(jnp.float32)


def _middle(steps: jax.Array) -> jax.Array:
    """Root mean square of the steps of the lower frequencies: [N, 64] → [N, 1, 1, 1]."""
    return jnp.sqrt(jnp.mean(steps.reshape(-1, 8, 8)[:, :4, :4] ** 2, (1, 2)))[:, None, None, None]
