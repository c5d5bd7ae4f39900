"""What a network makes of a recovered plane: the missing coefficients anew, the known ones inside their quantisation cells.

recovered blocks ──▶ DCT of each block and of the four half a block away ──▶ Dense ─▶ + table, what is missing ─▶ Blocks ─▶ Dense
                 └────────────────── DCT of each block ──────────────────────────────────────────────────▶ + correction ─▶ pixels

It works on the grid of blocks; everything is [N, R, C, channels]. One network for luma and chroma, all qualities, anchors and
numbers of missing coefficients, which it is told. A coefficient that was sent is known to half a step, and stays within it. The
library's restorer holds every coefficient so, and looks only a few blocks around: it restores what was rounded, not what is gone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jpegjax.learned.layers.dense import Block, Dense, hard_swish
from jpegjax.ops.blocks import merge_blocks, split_blocks
from jpegjax.ops.dct import fdct_float, idct_float
from jpegjax.run.writing import write_file
from jpegjax.train.shard import names
from jpegjax.types import Coefficients

from .recover import WEIGHTS, Weights, deviations, recover_blocks, samples
from .thin import Dropped

__all__ = ["Refiner", "load", "refine", "refined_blocks", "save"]

WIDTH, DEPTH = 128, 7
_FIRST = 0.02  # gain of the last layer's first weights: training starts at what was recovered


def _half_away(blocks: jax.Array) -> list[jax.Array]:
    """Blocks half a block to the left, right, above and below: each [N, R, C, 8, 8]; the picture's border is repeated."""
    plane = merge_blocks(blocks)
    height, width = plane.shape[1:]
    padded = jnp.pad(plane, ((0, 0), (4, 4), (4, 4)), mode="edge")
    starts = [(4, 0), (4, 8), (0, 4), (8, 4)]
    return [split_blocks(padded[:, y : y + height, x : x + width]) for y, x in starts]


class Refiner(nnx.Module):
    """Recovered blocks → refined ones. width: channels. depth: residual blocks, each of which sees one block further."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH, *, rngs: nnx.Rngs) -> None:
        self.width, self.depth = width, depth
        self.front = Dense(5 * 64 + 1, width, rngs=rngs)
        self.told = Dense(2 * 64, 2 * width, rngs=rngs, gain=0.1)
        self.blocks = nnx.List([Block(width, rngs=rngs) for _ in range(depth)])
        self.out = Dense(width, 64, rngs=rngs, gain=_FIRST)

    def __call__(self, blocks: jax.Array, table: jax.Array, missing: jax.Array) -> jax.Array:
        """Refined pixels, neither rounded nor clipped.

        Args:
            blocks: Recovered pixels float32 [N, R, C, 8, 8], about 0..255, not clipped.
            table: Quantisation tables float32 [N, 8, 8], 1..255.
            missing: bool [N, R, C, 8, 8], the same AC in all blocks of a picture.

        Returns:
            float32 [N, R, C, 8, 8].
        """
        unit = jnp.asarray(deviations())
        lost = missing.reshape(*missing.shape[:3], 64)
        seen = [fdct_float(b - 128).reshape(*b.shape[:3], 64) for b in (blocks, *_half_away(blocks))]
        x = self.front(jnp.concatenate([*[s / unit for s in seen], lost[..., :1].astype(jnp.float32)], -1))
        steps = table.reshape(-1, 1, 1, 64)
        about = jnp.concatenate([jnp.log(steps) / 4, lost[:, :1, :1].at[..., 0].set(False)], -1)
        scale, shift = jnp.split(self.told(about), 2, -1)
        x = x * (1 + scale) + shift
        for block in self.blocks:
            x = block(x)
        change = self.out(hard_swish(x))
        change = jnp.where(lost, unit * change, 0.5 * steps * jnp.tanh(change))
        return idct_float((seen[0] + change).reshape(blocks.shape)) + 128


@nnx.jit
def _refined(model: Refiner, blocks: jax.Array, table: jax.Array, missing: jax.Array) -> jax.Array:
    return model(blocks, table, missing)


def refined_blocks(model: Refiner, blocks: np.ndarray, table: np.ndarray, dropped: Dropped) -> np.ndarray:
    """float32 [N, R, C, 8, 8] of what `recover_blocks` found, of a table [8, 8] or [N, 8, 8], and what was missing."""
    count = len(blocks)
    tables = np.broadcast_to(np.asarray(table, np.float32).reshape(-1, 8, 8), (count, 8, 8))
    missing = np.broadcast_to(dropped.mask(*blocks.shape[1:3]), blocks.shape)
    return np.asarray(_refined(model, jnp.asarray(blocks), jnp.asarray(tables), jnp.asarray(missing)))


def refine(
    model: Refiner, coefficients: Coefficients, dropped: Dropped, weights: Weights = WEIGHTS
) -> list[np.ndarray]:
    """Planes of a thin file's pictures, recovered and then refined: the counterpart of `recover`.

    Returns:
        Of each component uint8 [N, height, width] at its own sampling, the samples that the frame has.
    """
    planes = []
    for c, (levels, table) in enumerate(zip(coefficients.planes, coefficients.qtables, strict=True)):
        blocks = refined_blocks(model, recover_blocks(np.asarray(levels), table, dropped, weights), table, dropped)
        planes.append(samples(blocks, *coefficients.frame.samples(c)))
    return planes


def save(path: Path, model: Refiner) -> None:
    """Writes a model's weights, in float16, as .npz."""
    params = nnx.state(model, nnx.Param)
    arrays: dict[str, Any] = {
        name: np.asarray(leaf, np.float16) for name, leaf in zip(names(params), jax.tree.leaves(params), strict=True)
    }
    arrays["about"] = np.frombuffer(json.dumps({"width": model.width, "depth": model.depth}).encode(), np.uint8)
    write_file(path, lambda out: np.savez_compressed(out, **arrays))


def load(path: Path) -> Refiner:
    """The model that `save` wrote."""
    with np.load(path) as stored:
        arrays = dict(stored)
    model = Refiner(**json.loads(arrays.pop("about").tobytes()), rngs=nnx.Rngs(0))
    params = nnx.state(model, nnx.Param)
    leaves, structure = jax.tree.flatten(params)
    listed = names(params)
    if set(listed) != set(arrays) or any(arrays[n].shape != x.shape for n, x in zip(listed, leaves, strict=True)):
        raise ValueError(f"{path}: holds weights of another model")
    nnx.update(model, jax.tree.unflatten(structure, [jnp.asarray(arrays[n], jnp.float32) for n in listed]))
    return model
