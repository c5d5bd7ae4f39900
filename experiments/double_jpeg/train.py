"""Trains the network that ships: `python -m experiments.double_jpeg.train --folder runs/double_jpeg`.

1,200 recipes of `samples` from the training packs, both files of each; 5 % of the pictures are held out, by the hash of their
names, and give 400 recipes more: there the logit's scale is fitted. One model for each seed, with evidence, and one from
histograms alone, as DJPEG; the first seed's ships: `--weights jpegjax/forensics/models/double.jxw`. Six minutes on one
core, three of them for making samples, half a one for each model. $JPEGJAX_SHARED names the folder of the data.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jpegjax.forensics.network import History, HistorySize, write
from jpegjax.forensics.traces import Traces
from jpegjax.train import Arrays, FitConfig, fit

from . import samples

PIECES, SEEDS = 3, (0, 1, 2)
EVIDENCE, HISTOGRAMS = HistorySize(), HistorySize(evidence=False)
Data = Mapping[str, np.ndarray]


def traces_of(data: Data) -> list[np.ndarray]:
    """The network's arguments."""
    return [data[name] for name in Traces._fields]


def loss(model: History, batch: Data, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Cross-entropy, and the share that is told right; of each file up to seven tenths of the frequencies are hidden."""
    few, which = jax.random.split(key)
    count, frequencies = batch["evidence"].shape[:2]
    hidden = jax.random.uniform(which, (count, frequencies, 1)) < jax.random.uniform(few, (count, 1, 1), maxval=0.7)
    seen = {name: jnp.where(hidden, 0, jnp.asarray(batch[name], jnp.float32)) for name in ("shares", "evidence")}
    logits = model(*traces_of({**batch, **seen}))
    right = (logits > 0) == (batch["double"] > 0.5)
    return optax.sigmoid_binary_cross_entropy(logits, batch["double"]).mean(), {"accuracy": right.mean()}


def logits(model: History, data: Data, chunk: int = 1000) -> np.ndarray:
    """float32 [N]."""
    run = nnx.jit(lambda m, *parts: m(*parts))
    count = len(data["double"])
    return np.concatenate([
        np.asarray(run(model, *(part[i : i + chunk] for part in traces_of(data)))) for i in range(0, count, chunk)
    ])  # fmt: skip


def cross_entropy(found: np.ndarray, double: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(double > 0.5, -found, found)).mean())


def calibrated(model: History, data: Data) -> History:
    """The model with the scale of its logits that gives held-out files the least cross-entropy."""
    found = logits(model, data)
    scales = np.geomspace(0.1, 4, 120)
    best = scales[np.argmin([cross_entropy(found * s, data["double"]) for s in scales])]
    model.scale[...] = model.scale[...] * jnp.float32(best)
    return model


def together(folder: Path, store: str, pieces: int) -> dict[str, np.ndarray]:
    """Pieces of samples, one behind the other."""
    found = [samples.piece(folder, store, number) for number in range(pieces)]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def train(data: Data, held: Data, size: HistorySize, seed: int, steps: int = 800, batch: int = 128) -> Any:
    """(model with its scale fitted, log)."""
    config = FitConfig(
        steps=steps, batch=batch, learning_rate=2e-3, warmup=steps // 40, weight_decay=0.02, ema=1 - 10 / steps, seed=seed,
        log_every=max(1, steps // 10), evaluate_every=max(1, steps // 4), devices=1,
    )  # fmt: skip

    def evaluate(model: History) -> dict[str, float]:
        found = logits(model, held)
        right = (found > 0) == (held["double"] > 0.5)
        return {"held_accuracy": float(right.mean()), "held_loss": cross_entropy(found, held["double"])}

    found = fit(History(size, rngs=nnx.Rngs(seed)), loss, Arrays(dict(data), seed), config, evaluate=evaluate)
    return calibrated(found.model, held), {"history": found.history, "held": found.evaluation}


def name_of(size: HistorySize, seed: int) -> str:
    return f"{'evidence' if size.evidence else 'histograms'}-{seed}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.double_jpeg.train", description="Trains the network.")
    parser.add_argument("--folder", type=Path, required=True, help="for samples and models")
    parser.add_argument("--pieces", type=int, default=PIECES, help="of 400 recipes each")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--weights", type=Path, help="also write the first model here")
    given = parser.parse_args(arguments)
    data, held = together(given.folder, "train", given.pieces), together(given.folder, "held", 1)
    for seed in given.seeds:
        for size in (EVIDENCE, HISTOGRAMS):
            path = given.folder / f"{name_of(size, seed)}.npz"
            if path.exists():
                continue
            model, log = train(data, held, size, seed, given.steps)
            print(path.stem, log["held"], f"scale {float(model.scale[...]):.3f}", flush=True)
            write(path, path.stem, model)
            if given.weights and size == EVIDENCE and seed == given.seeds[0]:
                write(given.weights, given.weights.stem, model)


if __name__ == "__main__":
    main()
