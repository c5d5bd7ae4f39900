"""The networks that the package brings, trained on the training packs alone: never on Kodak, nor on any other test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jpegjax.learned.perceptron.network import PerceptronSize
from jpegjax.learned.perceptron.weights import measured, write

from . import data
from .train import cosines, trained, visible

__all__ = ["SHIPPED", "ship"]


def _visible_order() -> np.ndarray:
    """The DCT's rows, those first that Annex K quantises finest."""
    rows = cosines(8)
    return rows[np.argsort(-np.einsum("ij,jk,ik->i", rows, visible(), rows) + 100 * (np.arange(64) > 0), kind="stable")]


SHIPPED: dict[str, tuple[PerceptronSize, dict[str, Any]]] = {
    "linear8": (PerceptronSize(8, 64), {"steps": 6000, "rate": 1e-3, "start": cosines(8)}),
    "visual8": (
        PerceptronSize(8, 64),
        {"steps": 6000, "rate": 1e-3, "weighting": visible(), "active": True, "start": _visible_order()},
    ),
    "tanh8": (PerceptronSize(8, 64, "tanh"), {"steps": 6000, "rate": 1e-3, "start": cosines(8)}),
    "linear4": (PerceptronSize(4, 16), {"steps": 6000, "rate": 1e-3, "start": cosines(4)}),
    "linear16": (PerceptronSize(16, 96), {"steps": 3000, "rate": 1e-3, "batch": 256, "start": cosines(16)}),
}
"""Name: network, and how it is trained: all from the DCT on."""


def ship(name: str, folder: Path) -> dict[str, Any]:
    """Trains one and writes NAME.jxw: {"seconds", "psnr" in training, "nbytes"}."""
    size, how = SHIPPED[name]
    blocks = data.of_packs((4, 8, 16))[size.block]
    network, told = trained(size, blocks, **how)
    weighting = how.get("weighting")
    seen = blocks[:200_000]
    path = folder / f"{name}.jxw"
    folder.mkdir(parents=True, exist_ok=True)
    write(path, measured(name, network, seen, None if weighting is None else np.asarray(weighting, np.float64)))
    return {"seconds": told["seconds"], "psnr": told["psnr"], "blocks": len(blocks), "nbytes": path.stat().st_size}
