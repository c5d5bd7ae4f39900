"""Tuning of a pruned decoder on what the whole model's encoder gives, at qualities by chance."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jpegjax.learned.light import Light, rate_weight
from jpegjax.train import Crops, FitConfig, fit
from jpegjax.train.pictures import Files, Pack, middles_of, shared_packs, split

from .prune import Student, student, whole

__all__ = ["loss", "tuned"]

SIDE = 256
QUALITIES = (5, 20, 35, 50, 65, 80, 95)


def loss(teacher: Light) -> Callable[[Student, Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]:
    """For `fit`: the squared error of a picture's pixels from the symbols that the teacher codes it by, rates as for its own."""
    graph, state = nnx.split(teacher)

    def found(model: Student, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        pixels = batch["pixels"].astype(jnp.float32) * (1 / 255)
        count = len(pixels)
        quality = 1 + 99 * (jnp.arange(count) + jax.random.uniform(key, (count,))) / count
        y = jax.lax.stop_gradient(nnx.merge(graph, state).quantised(pixels, quality)[0])
        error = jnp.mean((model(y, quality) - pixels) ** 2, (1, 2, 3))
        value = jnp.mean(error * jnp.sqrt(rate_weight(quality)))
        return value, {"psnr": -10 * jnp.mean(jnp.log10(error))}

    return found


def _evaluation(teacher: Light, pictures: np.ndarray) -> Callable[[Student], Mapping[str, float]]:
    """What the decoder loses against the teacher's own, decibels by quality and their mean."""

    @nnx.jit
    def decoded(model: Light, pixels: jax.Array, quality: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, _ = model.quantised(pixels, quality)
        return y, model.synthesise(y, quality)

    @nnx.jit
    def shown(model: Student, y: jax.Array, quality: jax.Array) -> jax.Array:
        return model(y, quality)

    def decibels(reference: jax.Array, found: jax.Array) -> float:
        error = jnp.mean((jnp.clip(found, 0, 1) - reference) ** 2, (1, 2, 3))
        return float(-10 * jnp.log10(error).mean())

    reference = jnp.asarray(pictures, jnp.float32) / 255
    kept = []
    for quality in QUALITIES:
        at = jnp.full(len(pictures), float(quality))
        y, own = decoded(teacher, reference, at)
        kept.append((np.asarray(y), at, decibels(reference, own)))

    def evaluate(model: Student) -> dict[str, float]:
        lost = [own - decibels(reference, shown(model, jnp.asarray(y), at)) for y, at, own in kept]
        return {"lost": float(np.mean(lost)), **{f"lost_{q}": x for q, x in zip(QUALITIES, lost, strict=True)}}

    return evaluate


def tuned(
    teacher: Light, small: Light, folder: Path, *, steps: int, batch: int = 8, crop: int = 128, rate: float = 1.5e-3,
    data: Any = None, seed: int = 0, evaluate_every: int = 1000,
) -> tuple[Light, dict[str, float], int]:  # fmt: skip
    """(the small model with its decoder tuned, what it loses in decibels on the validation part, steps done).

    data: folders or packs of pictures; default: data/train-*.zip of $JPEGJAX_SHARED. Goes on where the folder's training stopped.
    """
    pack = Pack.make(Files(*(data or shared_packs())), folder.parent / "pixels")
    mine, held = split(pack)
    config = FitConfig(
        steps=steps, batch=batch, learning_rate=rate, warmup=min(300, steps // 4), final_rate=0.02, folder=folder,
        checkpoint_every=evaluate_every, evaluate_every=evaluate_every, seed=seed, devices=1,
        paces=((r"^(back|split)/", 0.1),),
    )  # fmt: skip
    source = Crops(mine, crop, seed=seed, threads=min(4, os.cpu_count() or 2))
    evaluate = _evaluation(teacher, middles_of(held, 16, SIDE))
    result = fit(student(small), loss(teacher), source, config, evaluate=evaluate)
    return whole(small, result.model), result.evaluation, result.step
