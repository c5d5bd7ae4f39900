"""The restoration network.

Command: jpegjax train restore folder=runs/restore
Time: about an hour on two idle CPU cores (0.24 s a step); a model goes on where it stopped, and start=blind goes on from the
    one that ships
Expect: gain (dB, mean over the validation part's files) of 1.26: what the weights that ship have after 43,771 steps; 1.25 after
    30,771, 1.20 after 12,271 (learned/restoring/models/blind.md). chroma=true does little there and much for drawings at 4:4:4
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jpegjax.train import FitResult


def run(
    *,
    steps: int = 14_000,
    batch: int = 4,
    crop: int = 128,
    learning_rate: float = 2e-3,
    folder: str = "runs/restore",
    data: Any = None,
    start: str | None = None,
    chroma: bool = False,
    max_seconds: float | None = None,
    devices: int | None = None,
    seed: int = 0,
    evaluate_every: int = 1000,
) -> FitResult:
    """Trains; settings as for `FitConfig` and `train_restorer`."""
    from jpegjax.train import FitConfig
    from jpegjax.train.restoration import train_restorer

    config = FitConfig(
        folder=Path(folder), evaluate_every=evaluate_every, checkpoint_every=500, final_rate=0.02,
        steps=steps, batch=batch, learning_rate=learning_rate, warmup=min(200, steps // 2), max_seconds=max_seconds,
        devices=devices, seed=seed,
    )  # fmt: skip
    return train_restorer("blind", config, crop=crop, data=data, start=start, chroma=chroma)
