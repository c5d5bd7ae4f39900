"""MNIST by a perceptron of one hidden layer of 128: pixels, the first ten coefficients of each block, and all 64."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from flax import nnx

import jpegjax
from jpegjax.learned.dct.statistics import Normalised, block_statistics
from jpegjax.types import ZIGZAG

from . import data
from .cost import macs
from .train import inputs, trained

__all__ = ["WAYS", "Perceptron", "batches", "digits"]

HIDDEN = 128
WAYS = {"pixels": None, "first 10": 10, "all 64": 64}
"""Coefficients kept of each block, in zigzag order."""


class Perceptron(nnx.Module):
    """(grey pixels [N, 32, 32],) or (blocks [N, 4, 4, 64],) → [N, 10].

    Args:
        train: The batch whose mean is taken off. Pixels are divided by their deviation; frequencies, each, by the geometric mean
            of their own and all frequencies' deviation: halfway to white, for what is rare at high frequencies is mostly noise.
        kept: Coefficients of a block, or None for pixels.
        rngs: Of the weights.
    """

    def __init__(self, train: dict[str, Any], kept: int | None, *, rngs: nnx.Rngs) -> None:
        if kept is None:
            self.mean, self.scale = float(train["pixels"].mean()) - 128, 1 / float(train["pixels"].std())
            self.normal, self.places = None, None
        else:
            known = block_statistics([train["coefficients"]])[0]
            whole = np.sqrt(np.mean(known.deviation**2))
            self.normal = Normalised(known._replace(deviation=np.sqrt(whole * known.deviation)))
            self.places = tuple(int(i) for i in ZIGZAG[:kept])
        self.hidden = nnx.Linear(1024 if kept is None else 16 * kept, HIDDEN, rngs=rngs)
        self.out = nnx.Linear(HIDDEN, 10, rngs=rngs)

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        x = found[0]
        x = (x - self.mean) * self.scale if self.normal is None else self.normal(x)[..., np.array(self.places)]
        return self.out(jax.nn.relu(self.hidden(x.reshape(len(x), -1))))


def batches(count: int, tests: int) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """{"pixels" or "coefficients": (to train on, to test)}, of files of quality 80."""
    parts = [(data.files(p.data), p.labels) for p in data.mnist(count, tests)]
    found: dict[str, Any] = {"pixels": [], "coefficients": []}
    for files, labels in parts:
        found["pixels"].append({"pixels": np.stack(jpegjax.decode(files)), "labels": labels})
        found["coefficients"].append({"coefficients": data.batched(files), "labels": labels})
    return {kind: (pair[0], pair[1]) for kind, pair in found.items()}


def digits(seed: int, epochs: int, count: int = 20_000, tests: int = 10_000) -> dict[str, Any]:
    """{way: {"accuracy": per cent, "macs": of one picture, …}} of one seed."""
    parts = batches(count, tests)
    found = {}
    for way, kept in WAYS.items():
        train, test = parts["pixels" if kept is None else "coefficients"]
        model = Perceptron(train, kept, rngs=nnx.Rngs(seed))
        one = inputs(jax.tree.map(lambda x: x[:1], train))
        cost = macs(model, one)
        _, result = trained(model, train, test, epochs=epochs, seed=seed, rate=2e-3, vary=False)
        found[way] = {**result, "macs": cost}
    return found
