"""One loss and one training for all networks: cross-entropy, pictures mirrored and moved by chance, in pixels or in blocks alike.

Half of the pictures are mirrored, and each is moved by −4, 0 or 4 pixels down and across, grey coming in at the border. On
coefficients both are linear, without a transform to pixels: signs, and blocks taken apart into those of half the size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jpegjax.learned.dct.blocks import dequantised, mirrored, moved
from jpegjax.train import Arrays, FitConfig, fit

__all__ = ["accuracy", "inputs", "loss", "trained", "varied"]

SMOOTHING = 0.1
BATCH = 128
PACES = (("^(luma|chroma)/", 0.05),)
"""Stems that start as the inverse DCT keep near it: Adam's steps are as large as their weights."""
MOVE = 4
"""Pixels that pictures are moved by, half a block."""

Inputs = tuple[jax.Array, ...]


def inputs(batch: Mapping[str, Any]) -> Inputs:
    """What networks take: (pixels less 128,), float32 [N, H, W, 3], or dequantised blocks [N, R, C, 64] of each component."""
    if "pixels" in batch:
        return (batch["pixels"].astype(jnp.float32) - 128,)
    return dequantised(batch["coefficients"])


def _moved_pixels(pixels: jax.Array, down: jax.Array, across: jax.Array) -> jax.Array:
    padded = jnp.pad(pixels, ((0, 0), (MOVE, MOVE), (MOVE, MOVE), (0, 0)))

    def one(picture: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(picture, (MOVE * (1 - y), MOVE * (1 - x), jnp.int32(0)), pixels.shape[1:])

    return jax.vmap(one)(padded, down, across)


def varied(found: Inputs, key: jax.Array) -> Inputs:
    """Pictures mirrored and moved by chance: the same changes by the same key, whether pixels or blocks (chroma at half size)."""
    first, second = jax.random.split(key)
    turned = jax.random.bernoulli(first, shape=(len(found[0]),))
    down, across = jax.random.randint(second, (2, len(found[0])), -1, 2)
    changed = []
    for plane in found:
        if plane.shape[-1] == 64:
            blocks = plane.reshape(*plane.shape[:3], 8, 8)
            blocks = jnp.where(turned[:, None, None, None, None], mirrored(blocks), blocks)
            step = MOVE * plane.shape[1] // found[0].shape[1]
            changed.append(moved(blocks, down, across, step).reshape(plane.shape))
        else:
            pixels = jnp.where(turned[:, None, None, None], jnp.flip(plane, 2), plane)
            changed.append(_moved_pixels(pixels, down, across))
    return tuple(changed)


def loss(vary: bool = True) -> Callable[[Any, Mapping[str, Any], jax.Array], tuple[jax.Array, dict[str, jax.Array]]]:
    """For `fit`: cross-entropy with smoothed labels; the share of pictures that are recognised is logged."""

    def found(model: Any, batch: Mapping[str, Any], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        model.train()
        seen = inputs(batch)
        scores = model(varied(seen, key) if vary else seen)
        wanted = optax.smooth_labels(jax.nn.one_hot(batch["labels"], scores.shape[-1]), SMOOTHING)
        right = jnp.mean((scores.argmax(-1) == batch["labels"]).astype(jnp.float32))
        return optax.softmax_cross_entropy(scores, wanted).mean(), {"right": right}

    return found


@nnx.jit
def scored(model: Any, batch: Mapping[str, Any]) -> jax.Array:
    """Scores [N, classes] of a batch; `model` is in its state for use."""
    return model(inputs(batch))


def accuracy(model: nnx.Module, test: Mapping[str, Any], batch: int = 500) -> float:
    """Share of pictures recognised, in per cent."""
    model.eval()
    right, count = 0, len(test["labels"])
    for start in range(0, count, batch):
        part = jax.tree.map(lambda x: x[start : start + batch], dict(test))  # noqa: B023  (used at once)
        right += int(np.sum(np.asarray(scored(model, part)).argmax(-1) == part["labels"]))
    return 100 * right / count


def trained(
    model: nnx.Module,
    train: Mapping[str, Any],
    test: Mapping[str, Any],
    *,
    epochs: int,
    seed: int,
    rate: float = 1e-2,
    vary: bool = True,
) -> tuple[nnx.Module, dict[str, float]]:
    """(the model, {"accuracy": in per cent at the end, "right_in_training": in its last tenth, "seconds"})."""
    began, steps = time.monotonic(), max(1, epochs * len(train["labels"]) // BATCH)
    config = FitConfig(
        steps=steps, batch=BATCH, learning_rate=rate, warmup=min(200, steps // 4), weight_decay=0.05, ema=0.0, clip=5.0,
        paces=PACES if getattr(model, "known", False) else (), log_every=max(1, steps // 10), devices=1, seed=seed,
        progress=False,
    )  # fmt: skip
    result = fit(model, loss(vary), Arrays(dict(train), seed), config)
    return result.model, {
        "accuracy": round(accuracy(result.model, test), 3),
        "right_in_training": round(100 * result.history[-1]["right"], 3),
        "seconds": round(time.monotonic() - began, 1),
    }
