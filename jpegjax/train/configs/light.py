"""The light codec, for squared error.

Command: jpegjax train light folder=runs/light
Time: about 2 h on two idle CPU cores (0.1 s a step); a model goes on where it stopped, and start=light goes on from the one
    that ships
Expect: bd_rate on the validation part below -43.8, what 24,000 steps in pieces gave (learned/models/light.md)
"""

from __future__ import annotations

from typing import Any

from jpegjax.train import FitResult


def run(
    *,
    steps: int = 60_000,
    batch: int = 8,
    crop: int = 128,
    learning_rate: float = 1.5e-3,
    warmup: int = 500,
    folder: str = "runs/light",
    data: Any = None,
    start: str | None = None,
    max_seconds: float | None = None,
    devices: int | None = None,
    seed: int = 0,
    evaluate_every: int = 1000,
) -> FitResult:
    """Trains; settings as for `FitConfig` and `train_light`."""
    from jpegjax.train.losses.rate_distortion import light_config, train_light

    config = light_config(
        folder=folder, evaluate_every=evaluate_every, steps=steps, batch=batch, learning_rate=learning_rate, warmup=warmup,
        max_seconds=max_seconds, devices=devices, seed=seed,
    )  # fmt: skip
    return train_light("light", "mse", config, crop=crop, data=data, start=start)
