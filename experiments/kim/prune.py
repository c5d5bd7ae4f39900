"""The light codec's decoder with fewer channels: which stand together, which stay, and what that costs in multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.pistono.cost import macs
from jpegjax.learned import shipped
from jpegjax.learned.compress import Place, importance, kept, sliced
from jpegjax.learned.light import SYNTHESIS, Light, LightSize

__all__ = ["DEEP", "SHOWN", "Student", "pruned", "student", "synthesis_macs", "whole"]

SHOWN, DEEP = 64, 96
"""Channels that stay at 8×8 and at 16×16 pixels, half of 128 and 192: 42 % of the multiply-adds."""


class Frozen(nnx.Variable):
    """Weights that are not trained."""


class Student(nnx.Module):
    """What of a model turns y into pixels; its gains by quality stay as they are, for the encoder has them too."""

    def __init__(self, model: Light) -> None:
        self.ungain = model.ungain
        self.ungain.table = Frozen(self.ungain.table[...])
        for name in SYNTHESIS:
            setattr(self, name, getattr(model, name))

    def __call__(self, y: jax.Array, quality: jax.Array) -> jax.Array:
        """Pixels [N, H, W, 3], about 0..1, of y."""
        return Light.synthesise(self, y, quality)  # type: ignore[arg-type]


def _block(name: str) -> tuple[Place, ...]:
    """Where the channels that a block leaves as they are stand in it."""
    return (
        Place(f"{name}/mix/kernel", 1), Place(f"{name}/wide/kernel", 0), Place(f"{name}/narrow/kernel", 1),
        Place(f"{name}/narrow/bias", 0),
    )  # fmt: skip


def _inside(name: str) -> tuple[Place, ...]:
    """Where the channels inside a block stand."""
    return Place(f"{name}/wide/kernel", 1), Place(f"{name}/wide/bias", 0), Place(f"{name}/narrow/kernel", 0)


def _together(size: LightSize, shown: int, deep: int) -> Iterator[tuple[tuple[Place, ...], int]]:
    """(places of channels that stand together, how many of them stay)."""
    blocks = [f"decoder/{i}" for i in range(size.decoder)]
    ends = Place("up/kernel", 1, 4), Place("up/bias", 0, 4), Place("up_scale/table", 1), Place("out/kernel", 0)
    yield (*ends, *(place for name in blocks for place in _block(name))), shown
    ends = Place("deep/kernel", 1), Place("deep/bias", 0), Place("deep_scale/table", 1), Place("up/kernel", 0)
    yield (*ends, *_block("deep_block")), deep
    for name, count in (*((name, shown) for name in blocks), ("deep_block", deep)):
        yield _inside(name), 2 * count


def pruned(model: Light, shown: int = SHOWN, deep: int = DEEP) -> Light:
    """A model whose decoder has the most important channels alone. All else is the same."""
    arrays = {path: np.asarray(leaf[...]) for path, leaf in shipped.leaves(model).items()}
    together = _together(model.size, shown, deep)
    for places, stay in [(places, kept(importance(arrays, places), count)) for places, count in together]:
        arrays = sliced(arrays, places, stay)
    small = Light(replace(model.size, deep=deep, decoded=shown), rngs=nnx.Rngs(0))
    for path, leaf in shipped.leaves(small).items():
        if leaf.shape != arrays[path].shape:
            raise ValueError(f"{path}: shape {arrays[path].shape} after pruning; {leaf.shape} wanted")
        leaf[...] = jnp.asarray(arrays[path])
    return small


def student(model: Light) -> Student:
    """The decoder of a model, in arrays of its own."""
    return Student(nnx.clone(model))


def whole(model: Light, tuned: Student) -> Light:
    """A model with another decoder in it, of its shape."""
    found, own = nnx.clone(model), shipped.leaves(tuned)
    for path, leaf in shipped.leaves(found).items():
        if path in own:
            leaf[...] = own[path][...]
    return found


def synthesis_macs(model: Light) -> float:
    """Multiply-adds a pixel of turning y into pixels, layers by quality left out."""
    y = jax.ShapeDtypeStruct((1, 4, 4, model.size.latents), jnp.float32)
    return macs(lambda y: model.synthesise(y, jnp.full(1, 50.0)), y) / 64**2
