"""All that restoration needs of a GPU, in one command: `python -m experiments.restoration.device OUT [--small]`.

Trains the restoration network in bfloat16 on batches of 64 crops of 192×192 for so many seconds, its cosine fitted to the steps
that this machine does in them, from the weights of the package unless --start says otherwise; goes on where OUT has checkpoints;
writes OUT/blind/blind.npz, the log and OUT/device.json with what was run, and compares pixels of the device with the CPU's.
Data: data/train-*.zip of $JPEGJAX_SHARED, or --data. `--small`: seconds, on any machine, to see that it runs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jpegjax
from benchmarks.machine import describe
from jpegjax.learned.restoring.model import STANDARD, RestorerSize
from jpegjax.train import FitConfig
from jpegjax.train.restoration import train_restorer

TRIAL = 40
"""Steps by which the speed is measured."""
SMALL = RestorerSize(stages=1, width=8, hidden=8, chroma=8, chroma_hidden=8, tables=8)


def settings(folder: Path, steps: int, small: bool, seconds: float | None = None) -> FitConfig:
    """The training."""
    return FitConfig(
        steps=steps, batch=8 if small else 64, learning_rate=2e-3, warmup=min(steps // 4, 300), final_rate=0.02,
        compute="bfloat16", stay_float32=r"analysis|tables|steer|cell|phase", folder=folder,
        checkpoint_every=max(steps // 8, 1), evaluate_every=max(steps // 4, 1), log_every=20, max_seconds=seconds,
    )  # fmt: skip


def agreement(weights: Path) -> dict[str, Any]:
    """The largest difference of pixels between the CPU and the default device, of noise and of a slope, 0..255."""
    slope = np.add.outer(np.arange(200), np.arange(264))[..., None] * np.array([0.5, 0.3, 0.2])
    pictures = [np.random.default_rng(0).integers(0, 256, (200, 264, 3), np.uint8), slope.astype(np.uint8)]
    found = [jpegjax.read_coefficients(jpegjax.encode(p, quality=q)) for p in pictures for q in (10, 50, 90)]
    here, there = (
        jpegjax.restore(found, model=str(weights), device=device)
        for device in (jax.devices("cpu")[0], jax.devices()[0])
    )
    far = [int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max()) for a, b in zip(here, there, strict=True)]
    return {"devices": ["cpu", jax.devices()[0].device_kind], "largest_difference": max(far)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=1000.0)
    parser.add_argument("--steps", type=int, help="in all, in place of what the speed allows")
    parser.add_argument("--data", nargs="*")
    parser.add_argument("--start", default="blind", help="weights to start from: a name, a path to a .npz, or none")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    crop, size = (64, SMALL) if given.small else (192, STANDARD)
    start = None if given.small or given.start == "none" else given.start
    steps = given.steps
    if steps is None:
        config = settings(given.out / "trial", 8 if given.small else TRIAL, given.small)
        trial = train_restorer("trial", config, crop=crop, data=given.data, size=size)
        steps = max(int(given.seconds * trial.history[-1]["steps_per_second"] * 0.9), 8)
    begin = time.perf_counter()
    config = settings(given.out / "blind", steps, given.small, None if given.small else given.seconds)
    result = train_restorer("blind", config, crop=crop, data=given.data, start=start, size=size)
    report = {
        **describe(), "device": f"{jax.devices()[0].platform} {jax.devices()[0].device_kind}", "steps": result.step,
        "seconds": time.perf_counter() - begin, "evaluation": result.evaluation,
        "agreement": agreement(given.out / "blind" / "blind.npz"),
    }  # fmt: skip
    (given.out / "device.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({**report["evaluation"], **report["agreement"]}))


if __name__ == "__main__":
    main()
