"""Training of block networks by `train.fit`, and the transforms that they are held against as networks of the same kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jpegjax.annex_k import LUMA_QUANTIZATION
from jpegjax.learned.perceptron.network import UNIT, Perceptron, PerceptronSize, hidden
from jpegjax.learned.perceptron.weights import LoadedPerceptron, measured
from jpegjax.train import Arrays, FitConfig, fit

__all__ = [
    "SCALE",
    "Scale",
    "activity_weights",
    "as_network",
    "cosines",
    "dct",
    "decibels",
    "kept",
    "klt",
    "loss",
    "scaled",
    "trained",
    "visible",
]  # fmt: skip


Scale = tuple[float, float]
"""(grey level that is 0, grey levels in a unit) of what networks take."""
SCALE: Scale = (UNIT, UNIT)
"""The codec's: −1..1."""


def scaled(blocks: Any, scale: Scale = SCALE) -> jax.Array:
    """What networks take."""
    return (jnp.asarray(blocks, jnp.float32) - scale[0]) / scale[1]


def loss(
    nested: bool, weighting: np.ndarray | None = None, active: bool = False, scale: Scale = SCALE
) -> Callable[[Perceptron, Mapping[str, Any], jax.Array], tuple[jax.Array, dict[str, jax.Array]]]:
    """For `fit`: mean squared error of blocks.

    nested: from as many first units as chance has it, 1..k, the others at their means, so that units come in order. weighting
    [n², n²]: errors e weigh eᵀ·weighting·e. active: blocks weigh by `activity_weights`.
    """

    def found(model: Perceptron, batch: Mapping[str, Any], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        x, size, keep, centre = scaled(batch["blocks"], scale), model.size, None, 0.0
        if nested:
            keep = jax.random.randint(key, (len(x),), 1 + size.mean, size.units + 1)
            centre = jax.lax.stop_gradient(hidden(size, model.weights, x).mean(0))
        error = model(x, keep, centre) - x
        plain = jnp.mean(error**2)
        each = jnp.mean(error**2 if weighting is None else (error @ weighting) * error, 1)
        value = jnp.mean(each * activity_weights(x)) if active else jnp.mean(each)
        return value, {"psnr": 10 * jnp.log10((255 / scale[1]) ** 2 / plain)}

    return found


def activity_weights(x: jax.Array) -> jax.Array:
    """Weights [N] of three classes of blocks [N, n²] by the deviation of their samples: flat 2, middling 1, busy ½.

    The classes end at 5 and 20 grey levels. Noise is seen on flat ground and hides in busy one.
    """
    deviation = jnp.std(x, 1) * UNIT
    return jnp.where(deviation < 5, 2.0, jnp.where(deviation < 20, 1.0, 0.5))


def trained(
    size: PerceptronSize, blocks: np.ndarray, *, steps: int = 6000, batch: int = 512, rate: float = 3e-3, nested: bool = True,
    weighting: np.ndarray | None = None, active: bool = False, seed: int = 0, optimizer: Any = "adamw",
    scale: Scale = SCALE, start: np.ndarray | None = None,
) -> tuple[Perceptron, dict[str, Any]]:  # fmt: skip
    """start: orthonormal rows [k, n²], the first of them constant, that a network whose mean goes apart begins as; default: of
    chance. Returns (the network, {"seconds", "steps", "psnr" of the last tenth of training, in dB}). blocks: uint8 [N, n²]."""
    began = time.monotonic()
    config = FitConfig(
        steps=steps, batch=batch, learning_rate=rate, warmup=min(100, steps // 4), final_rate=0.01, ema=0.0, clip=None,
        devices=1, seed=seed, progress=False, log_every=max(1, steps // 10), optimizer=optimizer,
    )  # fmt: skip
    model = Perceptron(size, rngs=nnx.Rngs(seed))
    if start is not None:
        for kernel, rows in ((model.encoder, start[1 : size.units].T), (model.decoder, start[1 : size.units])):
            kernel[...] = jnp.asarray(
                rows * float(jnp.linalg.norm(kernel[...], axis=0 if kernel is model.encoder else 1)[0])
            )
    result = fit(model, loss(nested, weighting, active, scale), Arrays({"blocks": blocks}, seed), config)
    curve = [{"step": int(line["step"]), "psnr": round(line["psnr"], 3)} for line in result.history]
    told = {"seconds": round(time.monotonic() - began, 1), "steps": steps, "psnr": curve[-1]["psnr"], "curve": curve}
    return result.model, told


def decibels(errors: Any) -> float:
    """Mean PSNR in dB of pictures, peak 255, from the mean squared error of each in grey levels."""
    return float(np.mean(10 * np.log10(255**2 / np.asarray(errors))))


def kept(model: Perceptron, seen: Sequence[np.ndarray], units: int | None = None, scale: Scale = SCALE) -> float:
    """Mean PSNR in dB of pictures, blocks [N, n²] of each, from their first units, not quantised, the others at their means."""
    centre = hidden(model.size, model.weights, scaled(np.concatenate(list(seen)), scale)).mean(0)
    errors = []
    for blocks in seen:
        x = scaled(blocks, scale)
        again = model(x, None if units is None else jnp.full(len(x), units), centre)
        errors.append(float(jnp.mean((again - x) ** 2)) * scale[1] ** 2)
    return decibels(errors)


def _linear(name: str, basis: np.ndarray, middle: np.ndarray, blocks: np.ndarray) -> LoadedPerceptron:
    """Orthonormal rows [k, n²] as a linear network without training. middle [n²]: what stands for 0, in grey levels."""
    units, samples = basis.shape
    model = Perceptron(PerceptronSize(round(samples**0.5), units, mean=False), rngs=nnx.Rngs(0))
    shift = (middle - UNIT) / UNIT
    model.encoder[...] = jnp.asarray(basis.T, jnp.float32)
    model.encoder_bias[...] = jnp.asarray(-basis @ shift, jnp.float32)
    model.decoder[...] = jnp.asarray(basis, jnp.float32)
    model.decoder_bias[...] = jnp.asarray(shift, jnp.float32)
    return measured(name, model, blocks[:: max(1, len(blocks) // 100_000)])


def klt(blocks: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """(the KLT's first rows [k, n²], the mean block), float64: the least squared error that k numbers a block can have."""
    x = blocks.astype(np.float64)
    middle = x.mean(0)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    return vectors[:, np.argsort(-values)[:units]].T, middle


def cosines(n: int) -> np.ndarray:
    """The orthonormal DCT-II of n×n blocks: rows [n², n²], by rising sum of frequencies (zigzag but for its turns)."""
    u, v = np.divmod(np.arange(n * n), n)
    return _cosines(n)[np.lexsort((u, u + v))]


def _cosines(n: int) -> np.ndarray:
    at = np.arange(n)
    one = np.sqrt(2 / n) * np.cos(np.pi * (2 * at + 1) * at[:, None] / (2 * n))
    one[0] /= np.sqrt(2)
    return np.einsum("uy,vx->uvyx", one, one).reshape(n * n, n * n)


def dct(blocks: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """(the DCT's rows [k, n²] of the largest variance in blocks, the mean block): zones fitted to the same blocks."""
    x = blocks.astype(np.float64)
    middle = x.mean(0)
    rows = cosines(round(blocks.shape[1] ** 0.5))
    variance = ((x - middle) @ rows.T).var(0)
    return rows[np.argsort(-variance)[:units]], middle


def as_network(name: str, found: tuple[np.ndarray, np.ndarray], blocks: np.ndarray) -> LoadedPerceptron:
    """A transform as a network that codes, so that the same codec has it."""
    return _linear(name, *found, blocks)


def visible() -> np.ndarray:
    """[64, 64]: what an error of an 8×8 block weighs, as Annex K's luma table steps over its frequencies; 1 for a step of 16."""
    rows = _cosines(8)
    steps = LUMA_QUANTIZATION.astype(np.float64)
    return ((rows.T * (16 / steps) ** 2) @ rows).astype(np.float32)
