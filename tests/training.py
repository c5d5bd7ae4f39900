"""What the tests of training train: a tiny autoencoder with a random state of its own, and patches to train it on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

if TYPE_CHECKING:
    from jpegjax.train import Arrays, FitConfig

__all__ = ["Tiny", "config", "differ", "lines", "loss", "params", "patches"]

for package in ("optax", "orbax.checkpoint", "grain"):
    pytest.importorskip(package, reason="training needs jpegjax[train]")


class Tiny(nnx.Module):
    """Patches of 4×4 grey pixels to a few numbers and back; counts its calls, drops some numbers out."""

    def __init__(self, rngs: nnx.Rngs, width: int = 6, drop: float = 0.1) -> None:
        self.encoder = nnx.List([nnx.Linear(16, 16, rngs=rngs), nnx.Linear(16, width, rngs=rngs)])
        self.decoder = nnx.Linear(width, 16, rngs=rngs)
        self.drop = nnx.Dropout(drop, rngs=rngs)
        self.calls = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x: jax.Array) -> jax.Array:
        self.calls[...] += 1
        x = x.astype(self.decoder.kernel.dtype)
        return self.decoder(self.drop(nnx.gelu(self.encoder[1](nnx.gelu(self.encoder[0](x))))))


def loss(model: Tiny, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean squared error of noisy patches [N, 16] uint8, and its root."""
    x = batch["patch"].astype(jnp.float32) / 255 - 0.5
    noisy = x + 0.02 * jax.random.normal(key, x.shape)
    error = jnp.mean((model(noisy).astype(jnp.float32) - x) ** 2)
    return error, {"root": jnp.sqrt(error)}


def patches(seed: int = 0, rows: int = 50) -> Arrays:
    """Smooth patches, the same in every process."""
    from jpegjax.train import Arrays

    random = np.random.default_rng(7)
    corners = random.integers(0, 256, (rows, 2, 2))
    found = np.kron(corners, np.ones((2, 2)))
    return Arrays({"patch": found.reshape(rows, 16).astype(np.uint8)}, seed)


def config(**given: Any) -> FitConfig:
    """Short, on one device, silent."""
    from jpegjax.train import FitConfig

    return FitConfig(**{"steps": 6, "learning_rate": 1e-2, "log_every": 2, "devices": 1, "progress": False, **given})


def params(model: Any) -> dict[str, np.ndarray]:
    from jpegjax.train.shard import names

    state = nnx.state(model, nnx.Param)
    return {name: np.asarray(x) for name, x in zip(names(state), jax.tree.leaves(state), strict=True)}


def differ(a: Any, b: Any) -> float:
    """Largest relative difference of two models' parameters, each against its largest value."""
    mine, others = params(a), params(b)
    assert mine.keys() == others.keys()
    return max(float(np.abs(mine[n] - others[n]).max() / np.abs(others[n]).max()) for n in mine)


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]
