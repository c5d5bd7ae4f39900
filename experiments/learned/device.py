"""All that the learned codec needs of a GPU, in one command: `python -m experiments.learned.device OUT [--small]`.

Trains the light codec in bfloat16 on batches of 64 crops of 256×256 for so many seconds, its cosine fitted to the steps that
this machine does in them; goes on where OUT has checkpoints; writes weights, log and OUT/device.json with what was run.
Data: data/train-*.zip of $JPEGJAX_SHARED, or --data. Afterwards `python -m experiments.learned.kodak OUT/light.npz` draws its
curve, and `python benchmarks/device.py` tells whether streams of both machines read the same. `--small`: seconds, on any
machine, to see that it runs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jax

from benchmarks.machine import describe
from jpegjax.learned.light import STANDARD, LightSize
from jpegjax.train import FitConfig
from jpegjax.train.losses.rate_distortion import train_light

TRIAL = 40
"""Steps by which the speed is measured."""
SMALL = LightSize(width=8, latents=32, hyper=8, features=8, hidden=16, encoder=1, decoder=1, deep=8)


def settings(folder: Path, steps: int, small: bool, seconds: float | None = None) -> FitConfig:
    """The training: learning rate by the square root of the batch over the CPU's 8."""
    return FitConfig(
        steps=steps, batch=8 if small else 64, learning_rate=2e-3, warmup=min(steps // 4, 1000), final_rate=0.02,
        paces=((r"^(front|back|merge|split)/", 0.1),), compute="bfloat16", stay_float32=r"^(hyper|prior|gain|ungain)/",
        folder=folder, checkpoint_every=max(steps // 8, 1), evaluate_every=max(steps // 8, 1), log_every=20,
        max_seconds=seconds, best="bd_rate",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=1000.0)
    parser.add_argument("--steps", type=int, help="in all, in place of what the speed allows")
    parser.add_argument("--data", nargs="*")
    parser.add_argument("--start", help="weights to start from: a name, or a path to a .npz")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    crop, size = (64, SMALL) if given.small else (256, STANDARD)
    middles = 4 if given.small else 96
    steps = given.steps
    if steps is None:
        trial = train_light(
            "trial", "mse", settings(given.out / "trial", 8 if given.small else TRIAL, given.small), crop=crop, data=given.data,
            size=size, middles=4,
        )  # fmt: skip
        steps = max(int(given.seconds * trial.history[-1]["steps_per_second"] * 0.9), 8)
    begin = time.perf_counter()
    config = settings(given.out / "light", steps, given.small, None if given.small else given.seconds)
    result = train_light(
        "light", "mse", config, crop=crop, data=given.data, start=given.start, size=size, middles=middles
    )
    report = {
        **describe(), "device": f"{jax.devices()[0].platform} {jax.devices()[0].device_kind}", "steps": result.step,
        "seconds": time.perf_counter() - begin, "evaluation": result.evaluation,
    }  # fmt: skip
    (given.out / "device.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["evaluation"]))


if __name__ == "__main__":
    main()
