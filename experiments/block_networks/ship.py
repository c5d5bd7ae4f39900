"""The networks that the package brings, trained on the training packs alone: never on Kodak, nor on any other test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jpegjax.learned.perceptron.network import PerceptronSize
from jpegjax.learned.perceptron.weights import measured, write

from . import data
from .train import trained, visible

__all__ = ["SHIPPED", "ship"]

SHIPPED: dict[str, tuple[PerceptronSize, dict[str, Any]]] = {
    "linear8": (PerceptronSize(8, 64), {"steps": 30_000, "batch": 1024}),
    "visual8": (PerceptronSize(8, 64), {"steps": 15_000, "batch": 1024, "weighting": visible(), "active": True}),
    "tanh8": (PerceptronSize(8, 64, "tanh"), {"steps": 15_000, "batch": 1024}),
    "linear4": (PerceptronSize(4, 16), {"steps": 15_000, "batch": 1024}),
    "linear16": (PerceptronSize(16, 128), {"steps": 8_000, "batch": 512}),
}
"""Name: network, and how it is trained."""


def ship(name: str, folder: Path) -> dict[str, Any]:
    """Trains one and writes NAME.jxw: {"seconds", "psnr" in training, "nbytes"}."""
    size, how = SHIPPED[name]
    blocks = data.of_packs((size.block,))[size.block]
    network, told = trained(size, blocks, **how)
    weighting = how.get("weighting")
    seen = blocks[:200_000]
    path = folder / f"{name}.jxw"
    folder.mkdir(parents=True, exist_ok=True)
    write(path, measured(name, network, seen, None if weighting is None else np.asarray(weighting, np.float64)))
    return {"seconds": told["seconds"], "psnr": told["psnr"], "blocks": len(blocks), "nbytes": path.stat().st_size}
