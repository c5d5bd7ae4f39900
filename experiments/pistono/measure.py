"""Accuracies from pieces, a piece a network and seed; and files a second, from bytes to scores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jpegjax
from jpegjax.train import CoefficientBatch, PixelBatch

from . import data
from .cost import macs
from .digits import digits
from .networks import built
from .train import inputs, scored, trained

__all__ = [
    "NETWORKS", "SEEDS", "SPEED_BATCH", "cifar", "claim", "gaps", "mnist", "piece", "pieces", "plot", "speed", "speed_table",
    "spread", "table",
]  # fmt: skip

SEEDS = (0, 1, 2)
EPOCHS = 20
DIGIT_EPOCHS = 15
NETWORKS = ("pixels", "blocks", "stem", "cells", "cells-pixels")
LABELS = {"blocks": "plain network on coefficients", "stem": "inverse-DCT stem", "cells": "inverse-DCT stem in cells"}
SPEED_BATCH = 250


def _batch(part: data.Labelled, pixels: bool) -> dict[str, Any]:
    """What a network trains on, from files."""
    files = data.files(part.data)
    seen = {"pixels": np.stack(jpegjax.decode(files))} if pixels else {"coefficients": data.batched(files)}
    return {**seen, "labels": part.labels}


def _stored(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A piece, made if it is not there yet."""
    if not path.is_file():
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found) + "\n")
    return json.loads(path.read_text())


def piece(name: str, seed: int, work: Path, epochs: int = EPOCHS, count: int | None = None) -> dict[str, Any]:
    """{"accuracy": in per cent, "mflop": of one picture, "parameters", …} of a network trained on CIFAR-10 from a seed.

    Stored in `work`, and taken from there. count: pictures to train and test on, None for all.
    """

    def make() -> dict[str, Any]:
        parts = [data.Labelled(p.data[:count], p.labels[:count]) for p in data.cifar10()]
        train, test = (_batch(part, name.endswith("pixels")) for part in parts)
        model = built(name, seed)
        model.eval()
        cost = macs(model, inputs(jax.tree.map(lambda x: x[:1], train)))
        _, found = trained(model, train, test, epochs=epochs, seed=seed)
        return {**found, "mflop": round(2e-6 * cost, 3), "epochs": epochs}

    return _stored(work / f"{name}-{seed}.json", make)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and sample deviation over seeds, and each."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {
        "mean": round(float(np.mean(values)), 2),
        "deviation": round(deviation, 2),
        "seeds": [round(v, 2) for v in values],
    }


def pieces(
    make: Callable[[str, int, Path], dict[str, Any]], names: Sequence[str], work: Path, stored: bool
) -> dict[str, dict[int, dict[str, Any]]]:
    """{name: {seed: piece}}, missing ones trained, or left out where only what is stored counts."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for name in names:
        seeds = [seed for seed in SEEDS if not stored or (work / f"{name}-{seed}.json").is_file()]
        if seeds:
            found[name] = {seed: make(name, seed, work) for seed in seeds}
    return found


def gaps(mine: Mapping[int, float], base: Mapping[int, float]) -> dict[str, Any]:
    """What scores are above those of the base, by seeds that both have."""
    return spread([mine[seed] - base[seed] for seed in sorted(mine.keys() & base.keys())])


def cifar(work: Path, stored: bool = False) -> dict[str, Any]:
    """Of each network accuracy over seeds, and what it has less than pixels, seed by seed."""
    each = pieces(piece, NETWORKS, work, stored)
    accuracies = {name: {seed: one["accuracy"] for seed, one in mine.items()} for name, mine in each.items()}
    found: dict[str, Any] = {}
    for name, mine in each.items():
        first = next(iter(mine.values()))
        found[name] = {
            "mflop": first["mflop"],
            "epochs": first["epochs"],
            "accuracy": spread(list(accuracies[name].values())),
            "to_pixels": gaps(accuracies[name], accuracies["pixels"]),
            "seconds": round(float(np.mean([one["seconds"] for one in mine.values()])), 1),
        }
    return found


def mnist(work: Path, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Of each way accuracy over seeds, and what it has less than pixels, seed by seed."""
    each = [_stored(work / f"mnist-{seed}.json", lambda: digits(seed, DIGIT_EPOCHS)) for seed in seeds]  # noqa: B023  (used at once)
    found: dict[str, Any] = {}
    for way in each[0]:
        accuracies = [one[way]["accuracy"] for one in each]
        away = [a - one["pixels"]["accuracy"] for a, one in zip(accuracies, each, strict=True)]
        found[way] = {"macs": each[0][way]["macs"], "accuracy": spread(accuracies), "to_pixels": spread(away)}
    return found


def claim(report: Mapping[str, Any]) -> dict[str, str]:
    """The row of this system in a table of the literature."""
    digits, rows = report["mnist"]["first 10"], report["cifar10"]

    def gap(name: str) -> str:
        return f"{rows[name]['to_pixels']['mean']:+.1f} points at {100 * rows[name]['mflop'] / rows['pixels']['mflop']:.0f} %"

    return {
        "system": "Pistono 2020 (classification from coefficients)",
        "claims": "quality 80: 45 % less complexity, 13 % less accuracy (CNN)",
        "measured": (
            f"MNIST {digits['to_pixels']['mean']:+.2f} points at {digits['macs']:,} instead of "
            f"{report['mnist']['pixels']['macs']:,} multiply-adds; CIFAR-10, of the pixels' FLOP: "
            + ", ".join(f"{LABELS[name]} {gap(name)}" for name in rows if name in LABELS)
        ),
        "command": report["command"],
    }


def _parts(files: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(files), SPEED_BATCH):
        yield files[start : start + SPEED_BATCH]


def speed(names: Sequence[str], rounds: int = 7, count: int | None = None) -> dict[str, Any]:
    """Of each network files a second over CIFAR-10's test part, from bytes to scores: the best of several rounds, interleaved.

    Also what reading alone takes, and the network alone on what was read, in microseconds a file. Nothing is compiled in these.
    """
    files = data.files(data.cifar10()[1].data[:count])
    files = files[: len(files) // SPEED_BATCH * SPEED_BATCH]
    makers: Mapping[bool, Any] = {True: PixelBatch(), False: CoefficientBatch()}
    models = {name: built(name, 0) for name in names}
    best: dict[str, dict[str, float]] = {name: {} for name in names}

    def note(name: str, what: str, work: Callable[[], Any]) -> None:
        began = time.perf_counter()
        work()
        each = (time.perf_counter() - began) / len(files)
        best[name][what] = min(each, best[name].get(what, each))

    for model in models.values():
        model.eval()
    for turn in range(rounds + 1):
        for name, model in models.items():
            make = makers[name.endswith("pixels")]
            read = [make(part) for part in _parts(files)]
            if turn == 0:  # compiles
                jax.block_until_ready([scored(model, batch) for batch in read])
                continue
            note(name, "reading", lambda: [make(part) for part in _parts(files)])  # noqa: B023  (used at once)
            note(name, "network", lambda: jax.block_until_ready([scored(model, batch) for batch in read]))  # noqa: B023
            note(
                name,
                "both",
                lambda: jax.block_until_ready([scored(model, make(part)) for part in _parts(files)]),  # noqa: B023
            )
    base = best["pixels"]["both"]
    return {
        name: {
            **{f"{what}_us": round(1e6 * seconds, 2) for what, seconds in found.items()},
            "files_a_second": round(1 / found["both"]),
            "times_pixels": round(base / found["both"], 3),
        }
        for name, found in best.items()
    }


def table(report: Mapping[str, Any]) -> str:
    """Markdown: digits, then CIFAR-10."""

    def shown(spread: Mapping[str, Any], sign: str = "") -> str:
        return f"{spread['mean']:{sign}.2f} ± {spread['deviation']:.2f}"

    lines = [
        "| MNIST, quality 80 | multiply-adds | fewer | accuracy, % | to pixels, points |\n", "|---" * 5 + "|\n"
    ]  # fmt: skip
    whole = report["mnist"]["pixels"]["macs"]
    for way, row in report["mnist"].items():
        fewer = f"{100 * (1 - row['macs'] / whole):.1f} %"
        lines.append(
            f"| {way} | {row['macs']:,} | {fewer} | {shown(row['accuracy'])} | {shown(row['to_pixels'], '+')} |\n"
        )
    lines += ["\n| CIFAR-10, quality 80, 4:2:0 | MFLOP | accuracy, % | to pixels, points |\n", "|---" * 4 + "|\n"]
    for name, row in report["cifar10"].items():
        lines.append(f"| {name} | {row['mflop']:.2f} | {shown(row['accuracy'])} | {shown(row['to_pixels'], '+')} |\n")
    return "".join(lines)


def speed_table(report: Mapping[str, Any]) -> str:
    """Markdown: microseconds a file, files a second."""
    lines = ["| network | reading, µs | network, µs | both, µs | files a second | times pixels |\n", "|---" * 6 + "|\n"]
    for name, row in report["speed"].items():
        parts = " | ".join(f"{row[f'{what}_us']:.1f}" for what in ("reading", "network", "both"))
        lines.append(f"| {name} | {parts} | {row['files_a_second']:,} | {row['times_pixels']:.2f} |\n")
    return "".join(lines)


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Accuracy over operations, CIFAR-10, with the spread over seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for name, row in report["cifar10"].items():
        mean, deviation = row["accuracy"]["mean"], row["accuracy"]["deviation"]
        marker = "s" if name.endswith("pixels") else "o"
        axis.errorbar(row["mflop"], mean, yerr=deviation, marker=marker, capsize=3, linestyle="", label=name)
    axis.set(
        xlabel="MFLOP a picture",
        ylabel="accuracy, %",
        xlim=(4, 8),
        title="CIFAR-10, JPEG files of quality 80, 4:2:0",
    )
    axis.margins(0.3)
    axis.legend(loc="lower right")
    axis.grid(alpha=0.3)
    figure.savefig(path, dpi=90)
