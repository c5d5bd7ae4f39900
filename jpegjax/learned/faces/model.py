"""The decoder: latents ─▶ texture of the mean shape ─▶ warped ─▶ before the background ─▶ refined ─▶ pixels.

All is linear in the latents but the refinement, so that an encoder finds the best latents of a shape by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ... import ops
from ..layers.dense import Block, Dense, depth_to_space, space_to_depth
from .shape import sample, sampling, thin_plate

__all__ = ["LOW", "QUALITIES", "Components", "FaceSize", "Faces", "Refinement", "cosines", "planes_of", "step_of"]

QUALITIES = 100
_STEPS = 1000.0, 16.0
LOW = 10
"""DCT coefficients a side of luma from which the shape is guessed."""
_PATCH = 4


def step_of(quality: int) -> float:
    """The quantiser's step of a quality 1..100, in grey levels of the orthonormal basis: 1000 to 16, in equal ratios."""
    return float(_STEPS[0] * (_STEPS[1] / _STEPS[0]) ** ((quality - 1) / (QUALITIES - 1)))


@dataclass(frozen=True, slots=True)
class FaceSize:
    """What a model is of.

    Attributes:
        height, width, channels: Of its pictures; channels 1 (grey) or 3 (RGB).
        margin: Pixels around the picture that the texture has besides.
        kept: Of each channel (Y, Cb, Cr) the rows and columns of DCT coefficients that mean and basis have.
        latents, behind: Of the texture, and of the background; without background the texture is everywhere.
        points, shape: Points of a shape, and numbers of its code.
        refine, blocks: Channels and blocks of the refinement; 0 for none.
    """

    height: int
    width: int
    channels: int
    margin: int
    kept: tuple[tuple[int, int], ...]
    latents: int
    behind: int
    points: int
    shape: int
    refine: int = 0
    blocks: int = 2

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the texture."""
        return self.height + 2 * self.margin, self.width + 2 * self.margin

    @property
    def coefficients(self) -> int:
        """DCT coefficients of all channels."""
        return sum(h * w for h, w in self.kept)


@cache
def cosines(size: int, kept: int) -> np.ndarray:
    """The first rows of the orthonormal DCT-II, float32 [kept, size]."""
    k, n = np.arange(kept)[:, None], np.arange(size)[None]
    rows = np.cos(np.pi * k * (2 * n + 1) / (2 * size)) * np.sqrt(2 / size)
    rows[0] *= np.sqrt(0.5)
    return rows.astype(np.float32)


class Components(nnx.Module):
    """Pictures as a mean and a sum of basis pictures, both the low DCT coefficients of each channel.

    Args:
        count: Basis pictures.
        side: Height and width of the pictures.
        kept: As `FaceSize.kept`.
    """

    def __init__(self, count: int, side: tuple[int, int], kept: tuple[tuple[int, int], ...]) -> None:
        total = sum(h * w for h, w in kept)
        self.mean = nnx.Param(jnp.zeros(total))
        self.basis = nnx.Param(jnp.zeros((count, total)))
        self.side, self.kept = side, kept

    def planes(self, coefficients: jax.Array) -> jax.Array:
        """[N, D] → [N, C, H, W]."""
        out, at = [], 0
        for h, w in self.kept:
            part = coefficients[:, at : at + h * w].reshape(-1, h, w)
            at += h * w
            rows, columns = cosines(self.side[0], h), cosines(self.side[1], w)
            out.append(jnp.einsum("nij,ih,jw->nhw", part, rows, columns, precision="highest"))
        return jnp.stack(out, 1)

    def of(self, latents: jax.Array) -> jax.Array:
        """Coefficients [N, D] of latents [N, L]."""
        return self.mean[...] + jnp.matmul(latents, self.basis[...], precision="highest")


class Refinement(nnx.Module):
    """What a small network adds to the planes, [N, C, H, W] in units of 64 grey levels; it starts as nothing.

    It sees patches of 4×4, and how coarse the latents are.
    """

    def __init__(self, channels: int, width: int, blocks: int, *, rngs: nnx.Rngs) -> None:
        self.first = Dense(channels * _PATCH**2 + 1, width, rngs=rngs)
        self.blocks = nnx.List([Block(width, rngs=rngs) for _ in range(blocks)])
        self.last = Dense(width, channels * _PATCH**2, rngs=rngs, gain=0)

    def __call__(self, planes: jax.Array, step: jax.Array) -> jax.Array:
        """What is to be added. step: [N], of the latents."""
        n, _, high, wide = planes.shape
        pad = ((0, 0), (0, -high % _PATCH), (0, -wide % _PATCH), (0, 0))
        x = space_to_depth(jnp.pad(planes.transpose(0, 2, 3, 1), pad, mode="edge"), _PATCH)
        coarse = jnp.broadcast_to(jnp.log(step / 100).reshape(n, 1, 1, 1), (*x.shape[:3], 1))
        x = self.first(jnp.concatenate([x, coarse], -1))
        for block in self.blocks:
            x = block(x)
        return depth_to_space(self.last(x), _PATCH)[:, :high, :wide].transpose(0, 3, 1, 2)


class Faces(nnx.Module):
    """Shape codes [S] and latents [L] to planes, one picture at a time; codes and latents are real numbers here.

    Latents are the texture's, then the background's. A shape is points + code · moves; code 0 is the mean shape.
    """

    def __init__(self, size: FaceSize, *, rngs: nnx.Rngs) -> None:
        self.size = size
        self.points = nnx.Param(jnp.zeros((size.points, 2)))
        self.moves = nnx.Param(jnp.zeros((size.shape, size.points, 2)))
        self.spread = nnx.Param(jnp.ones(size.shape + size.latents + size.behind))
        self.face = Components(size.latents, size.canvas, size.kept)
        if size.behind:
            self.behind = Components(size.behind, (size.height, size.width), size.kept)
            self.mask = nnx.Param(jnp.ones(size.canvas))
        self.guess = Dense(LOW * LOW, size.shape, rngs=rngs, gain=0)
        if size.refine:
            self.refine = Refinement(size.channels, size.refine, size.blocks, rngs=rngs)

    def sampling(self, code: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Where in the texture the picture's pixels lie, as `shape.sample` takes it."""
        size = self.size
        rows, columns = jnp.meshgrid(jnp.arange(size.height), jnp.arange(size.width), indexing="ij")
        at = jnp.stack([rows.ravel(), columns.ravel()], 1).astype(jnp.float32)
        mean = self.points[...]
        here = mean + jnp.tensordot(code, self.moves[...], 1)
        return sampling(thin_plate(here, mean, at, float(size.height)) + size.margin, size.canvas)

    def _over(self, front: jax.Array, back: jax.Array | None, where: tuple[jax.Array, jax.Array]) -> jax.Array:
        """Texture [canvas, C, L] before a background [pixels, C, L]: [pixels, C, L]."""
        shown = sample(front, *where)
        if back is None:
            return shown
        mask = sample(self.mask[...].ravel(), *where)[:, None, None]
        return mask * shown + (1 - mask) * back

    def _flat(self, planes: jax.Array) -> jax.Array:
        """[N, C, H, W] → [H·W, C, N]."""
        return planes.reshape(*planes.shape[:2], -1).transpose(2, 1, 0)

    def columns(
        self, code: jax.Array, chosen: tuple[jax.Array, jax.Array] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Planes without latents, float32 [H·W·C], and what each latent adds, [H·W·C, L].

        chosen: which of the texture's and which of the background's, all by default.
        """
        where = self.sampling(code)
        front = self.face.basis[...] if chosen is None else self.face.basis[...][chosen[0]]
        shown = sample(self._flat(self.face.planes(front)), *where)
        back = self._flat(self.behind.planes(self.behind.mean[...][None])) if self.size.behind else None
        means = self._over(self._flat(self.face.planes(self.face.mean[...][None])), back, where)
        if self.size.behind:
            basis = self.behind.basis[...] if chosen is None else self.behind.basis[...][chosen[1]]
            mask = sample(self.mask[...].ravel(), *where)[:, None, None]
            behind = self._flat(self.behind.planes(basis))
            shown = jnp.concatenate([mask * shown, (1 - mask) * behind], -1)
        return means.reshape(-1), shown.reshape(-1, shown.shape[-1])

    def planes(self, code: jax.Array, latents: jax.Array) -> jax.Array:
        """Planes [C, H, W], grey or Y, Cb, Cr, about ±128, not refined."""
        size = self.size
        front = self._flat(self.face.planes(self.face.of(latents[None, : size.latents])))
        back = None
        if size.behind:
            back = self._flat(self.behind.planes(self.behind.of(latents[None, size.latents :])))
        shown = self._over(front, back, self.sampling(code))
        return shown[..., 0].T.reshape(size.channels, size.height, size.width)

    def refined(self, planes: jax.Array, step: jax.Array) -> jax.Array:
        """Planes [N, C, H, W] with what the refinement adds; step: [N]."""
        return planes + 64 * self.refine(planes / 64, step) if self.size.refine else planes

    def pixels(self, code: jax.Array, latents: jax.Array, step: jax.Array) -> jax.Array:
        """uint8 [H, W] or [H, W, 3]."""
        planes = self.refined(self.planes(code, latents)[None], step[None])[0] + 128
        x = planes[0] if self.size.channels == 1 else ops.ycbcr_to_rgb_float(jnp.moveaxis(planes, 0, -1))
        return jnp.clip(jnp.round(x), 0, 255).astype(jnp.uint8)

    def guessed(self, planes: jax.Array) -> jax.Array:
        """A first shape code [S] of planes [C, H, W], from coarse luma."""
        rows, columns = cosines(self.size.height, LOW), cosines(self.size.width, LOW)
        low = jnp.einsum("hw,ih,jw->ij", planes[0], rows, columns)
        return self.guess(low.reshape(1, -1) / 1000)[0]


def planes_of(pixels: jax.Array) -> jax.Array:
    """float32 [C, H, W], about ±128, of uint8 [H, W] or [H, W, 3]."""
    x = pixels.astype(jnp.float32)
    planes = x[None] if x.ndim == 2 else jnp.moveaxis(ops.rgb_to_ycbcr_float(x), -1, 0)
    return planes - 128
