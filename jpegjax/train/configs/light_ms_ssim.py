"""The light codec, for MS-SSIM: fine-tuned from the one for squared error.

Command: jpegjax train light_ms_ssim folder=runs/light-ms-ssim
Time: about 40 min on two idle CPU cores (0.2 s a step)
Expect: bd_rate (in MS-SSIM) on the validation part below -49.9, what 3,800 steps gave (learned/models/light-ms-ssim.md)
"""

from __future__ import annotations

from typing import Any

from jpegjax.train import FitResult


def run(
    *,
    steps: int = 12_000,
    batch: int = 4,
    crop: int = 192,
    learning_rate: float = 5e-4,
    warmup: int = 200,
    folder: str = "runs/light-ms-ssim",
    data: Any = None,
    start: str | None = "light",
    max_seconds: float | None = None,
    devices: int | None = None,
    seed: int = 1,
    evaluate_every: int = 1000,
) -> FitResult:
    """Trains; settings as for `FitConfig` and `train_light`."""
    from jpegjax.train.losses.rate_distortion import light_config, train_light

    config = light_config(
        folder=folder, evaluate_every=evaluate_every, steps=steps, batch=batch, learning_rate=learning_rate, warmup=warmup,
        max_seconds=max_seconds, devices=devices, seed=seed,
    )  # fmt: skip
    return train_light("light-ms-ssim", "ms-ssim", config, crop=crop, data=data, start=start)
