"""Training by network and seed: pictures mirrored and turned upside down by chance, in pixels, blocks and boxes alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.pistono.train import Inputs, inputs
from jpegjax.learned.dct.blocks import mirrored, upside_down
from jpegjax.learned.dct.statistics import block_statistics
from jpegjax.learned.detect.boxes import matched, offsets_of
from jpegjax.learned.detect.losses import detection_loss
from jpegjax.train import Arrays, CoefficientBatch, FitConfig, PixelBatch, fit

from .data import SIZE, Part
from .networks import Detector, built, places

__all__ = ["batch_of", "loss", "reader", "trained", "turned"]

BATCH = 8


def reader(name: str) -> Any:
    """Files to what a network takes: pixels at half the size, or quantised coefficients."""
    return PixelBatch(scale="1/2") if name == "pixels" else CoefficientBatch(subsampling="4:2:0")


def batch_of(part: Part, name: str) -> dict[str, Any]:
    """A whole part, with boxes and classes."""
    return {**reader(name)(part.files), "boxes": part.boxes, "classes": part.classes}


def turned(found: Inputs, boxes: jax.Array, key: jax.Array) -> tuple[Inputs, jax.Array]:
    """Each picture mirrored or not, upside down or not, and its boxes with it."""
    across, down = jax.random.bernoulli(key, shape=(2, len(boxes)))
    planes = []
    for plane in found:
        in_blocks = plane.shape[-1] == 64
        x = plane.reshape(*plane.shape[:3], 8, 8) if in_blocks else plane
        shape = (-1, *[1] * (x.ndim - 1))
        x = jnp.where(across.reshape(shape), mirrored(x) if in_blocks else jnp.flip(x, 2), x)
        x = jnp.where(down.reshape(shape), upside_down(x) if in_blocks else jnp.flip(x, 1), x)
        planes.append(x.reshape(plane.shape))
    height, width = SIZE
    left, top, right, bottom = jnp.moveaxis(boxes, -1, 0)
    left, right = (jnp.where(across[:, None], a, b) for a, b in ((width - right, left), (width - left, right)))
    top, bottom = (jnp.where(down[:, None], a, b) for a, b in ((height - bottom, top), (height - top, bottom)))
    return tuple(planes), jnp.stack([left, top, right, bottom], -1)


def loss(model: Detector, batch: Mapping[str, Any], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """SSD's: cross-entropy with three hard negatives to a positive, and smooth L1 of offsets."""
    model.train()
    found, boxes = turned(inputs(batch), batch["boxes"], key)
    known = jnp.asarray(places())
    classes, stood_for = jax.vmap(lambda b, c: matched(known, b, c))(boxes, batch["classes"])
    scores, offsets = model(found)
    named, placed = detection_loss(scores, offsets, classes, offsets_of(stood_for, known))
    return named + placed, {"classes": named, "places": placed}


def trained(name: str, seed: int, part: Part, epochs: int, rate: float = 5e-3) -> tuple[Detector, dict[str, float]]:
    """(the detector, {"loss": of the last tenth, "seconds"})."""
    began = time.monotonic()
    statistics = block_statistics([reader("blocks")(part.files)["coefficients"]])
    steps = max(1, epochs * len(part.files) // BATCH)
    config = FitConfig(
        steps=steps, batch=min(BATCH, len(part.files)), learning_rate=rate, warmup=min(100, steps // 4), weight_decay=0.05,
        ema=0.0, clip=5.0, log_every=max(1, steps // 10), devices=1, seed=seed, progress=False,
    )  # fmt: skip
    result = fit(built(name, seed, statistics), loss, Arrays(batch_of(part, name), seed), config)
    model: Any = result.model
    model.eval()
    return model, {
        "loss": round(result.history[-1]["loss"], 4),
        "parameters": int(sum(np.size(x) for x in jax.tree.leaves(nnx.state(model, nnx.Param)))),
        "seconds": round(time.monotonic() - began, 1),
    }
