"""Trainings, a piece a way and seed, and accuracy on real files of each quality."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jpegjax
from experiments.pistono.data import Labelled, cifar10
from experiments.pistono.measure import spread
from jpegjax.train import Arrays, FitConfig, fit
from jpegjax.train.losses.consistency import consistent

from .network import Form, Network, forward, task, turned

__all__ = ["LOW", "QUALITIES", "SEEDS", "WAYS", "piece", "summed", "table"]

SEEDS = (0, 1, 2)
BATCH, EPOCHS = 64, 20
QUALITIES = (5, 10, 15, 20, 40, 75, 95)
LOW = (5, 10, 15, 20)
"""Those that the mean of low qualities is over."""


class Way(NamedTuple):
    """features, scores: weights of their distances; form: of the network."""

    features: float
    scores: float
    form: Form


WAYS = {
    "augmentation": Way(0.0, 0.0, "plain"),
    "consistency": Way(0.0, 1.0, "plain"),
    "consistency, mapped": Way(0.0, 1.0, "mapped"),
    "consistency, mapped, 0.7": Way(0.0, 0.7, "mapped"),
    "consistency, mapped, 0.5": Way(0.0, 0.5, "mapped"),
    "of features": Way(0.3, 0.0, "plain"),
    "of features, mapped": Way(0.3, 0.0, "mapped"),
    "augmentation, tables": Way(0.0, 0.0, "tables"),
}
"""All see the same pictures and files, as many steps. The last is the modern baseline (QABN).

The first weight of scores, 1, was chosen on 4,000 pictures of the training part, one seed, 12 epochs: at low qualities and clean,
63.0 and 70.3 % by augmentation, 64.2 and 70.2 by a weight of 1, 63.2 and 68.6 by 3. The smaller ones were tried because clean
pictures had lost more than half a point in the test: they show what is traded for what."""


@nnx.jit
def _scores(model: Network, pictures: jax.Array, quality: jax.Array) -> jax.Array:
    return model(pictures, quality)[0]


def accuracy(model: Network, pictures: np.ndarray, labels: np.ndarray, quality: int) -> float:
    """Share of pictures recognised, in per cent; uint8 [N, 32, 32, 3] out of files of one quality, 0 for none."""
    model.eval()
    right, step = 0, 500
    for at in range(0, len(labels), step):
        seen = jnp.asarray(pictures[at : at + step], jnp.float32)
        found = _scores(model, seen, jnp.full(len(seen), quality, jnp.int32))
        right += int((np.asarray(found).argmax(-1) == labels[at : at + step]).sum())
    return 100 * right / len(labels)


def _files(pictures: np.ndarray, quality: int) -> np.ndarray:
    """What decoders show of files of pictures."""
    return np.stack(jpegjax.decode(jpegjax.encode(pictures, quality=quality)))


def scores(model: Network, test: Labelled) -> dict[str, float]:
    """Accuracy by quality of the files, "clean" for none."""
    found = {"clean": accuracy(model, test.data, test.labels, 0)}
    for quality in QUALITIES:
        found[str(quality)] = accuracy(model, _files(test.data, quality), test.labels, quality)
    return {name: round(value, 3) for name, value in found.items()}


def _path(name: str, seed: int, work: Path) -> Path:
    return work / f"{name.replace(', ', '-')}-{seed}.json"


def piece(name: str, seed: int, work: Path, epochs: int = EPOCHS, count: int | None = None) -> dict[str, Any]:
    """Accuracies of a way from a seed, stored in `work` and taken from there. count: pictures, None for all."""
    path = _path(name, seed, work)
    if path.is_file():
        return json.loads(path.read_text())
    train, test = (Labelled(part.data[:count], part.labels[:count]) for part in cifar10())
    way, began = WAYS[name], time.monotonic()
    model = Network(way.form, rngs=nnx.Rngs(seed))
    steps = max(1, epochs * len(train.labels) // BATCH)
    config = FitConfig(
        steps=steps, batch=BATCH, learning_rate=5e-3, warmup=min(200, steps // 4), weight_decay=0.05, ema=0.0, clip=5.0,
        log_every=max(1, steps // 10), devices=1, seed=seed, progress=False,
    )  # fmt: skip
    loss = consistent(forward, task, weight=way.features, score_weight=way.scores, augment=turned)
    result = fit(model, loss, Arrays({"images": train.data, "labels": train.labels}, seed), config)
    found = {
        "accuracy": scores(result.model, test), "epochs": epochs, "seconds": round(time.monotonic() - began, 1),
        "last": {key: round(value, 4) for key, value in result.history[-1].items()},
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found) + "\n")
    return found


def summed(work: Path, seeds: Sequence[int] = SEEDS, stored: bool = False) -> dict[str, Any]:
    """Of each way: accuracy by quality, and what it gains over augmentation alone, seed by seed; stored: only of ways whose
    pieces are all there."""
    names = [name for name in WAYS if not stored or all(_path(name, seed, work).is_file() for seed in seeds)]
    pieces = {name: [piece(name, seed, work) for seed in seeds] for name in names}

    def low(one: dict[str, Any]) -> float:
        return round(float(np.mean([one["accuracy"][str(q)] for q in LOW])), 3)

    found: dict[str, Any] = {}
    for name, each in pieces.items():
        base = pieces["augmentation"]
        found[name] = {
            "accuracy": {key: spread([one["accuracy"][key] for one in each]) for key in each[0]["accuracy"]},
            "low": spread([low(one) for one in each]),
            "gain_low": spread([round(low(a) - low(b), 3) for a, b in zip(each, base, strict=True)]),
            "gain_clean": spread(
                [round(a["accuracy"]["clean"] - b["accuracy"]["clean"], 3) for a, b in zip(each, base, strict=True)]
            ),
            "epochs": each[0]["epochs"],
            "seconds": round(float(np.mean([one["seconds"] for one in each])), 1),
        }
    return found


def table(found: dict[str, Any]) -> str:
    """Markdown: accuracy in per cent, mean ± deviation over seeds."""
    keys = ["clean", *map(str, reversed(QUALITIES))]
    head = ["way", *(k if k == "clean" else f"q {k}" for k in keys), "q 5–20, over augmentation", "clean, over it"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, row in found.items():
        cells = [f"{row['accuracy'][k]['mean']:.1f} ± {row['accuracy'][k]['deviation']:.1f}" for k in keys]
        gains = [f"{row[k]['mean']:+.2f} ± {row[k]['deviation']:.2f}" for k in ("gain_low", "gain_clean")]
        rows.append([name, *cells, *gains])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
