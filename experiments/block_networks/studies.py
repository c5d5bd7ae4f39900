"""Rao's study of preprocessing and transfer functions, and what "PSNR constant while MSE varies" can mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jpegjax.learned.perceptron.network import PerceptronSize

from .train import SCALE, Scale, kept, trained

__all__ = ["SCALES", "TRANSFERS", "paradox", "transfers"]

SCALES: dict[str, Scale] = {"−1..1": SCALE, "0..1": (0.0, 255.0), "0..255": (0.0, 1.0)}
TRANSFERS = (
    ("linear", "linear"), ("tanh", "linear"), ("sigmoid", "linear"), ("tanh", "tanh"), ("sigmoid", "sigmoid"),
)  # fmt: skip
"""Of the hidden layer, and of the last."""


def transfers(
    blocks: np.ndarray, seen: Sequence[np.ndarray], f: str, g: str, units: int, steps: int
) -> list[dict[str, Any]]:
    """PSNR on pictures' blocks of a network of transfers f and g for each preprocessing: scale of samples, mean of blocks taken
    off or not. Samples of 0..255 have linear last layers alone: no other's range holds them.
    """
    n, rows = round(blocks.shape[1] ** 0.5), []
    for scale, (zero, unit) in SCALES.items():
        if scale == "0..255" and g != "linear":
            continue
        for mean in (True, False):
            size = PerceptronSize(n, units, f, g, mean)
            row: dict[str, Any] = {"hidden": f, "output": g, "scale": scale, "mean removed": mean}
            model, told = trained(size, blocks, steps=steps, nested=False, scale=(zero, unit))
            rows.append(row | {"psnr": round(kept(model, seen, None, (zero, unit)), 3), "seconds": told["seconds"]})
    return rows


def paradox(picture: np.ndarray, again: np.ndarray) -> dict[str, Any]:
    """One picture and its reconstruction, uint8, measured in several units.

    At a fixed peak, PSNR = 10·log10(peak² / MSE) has one MSE for each PSNR: "spread" is what a change of 0.01 dB allows. The two
    part only where samples are scaled and the peak with them: MSE varies by the square of the scale, PSNR stays.
    """
    x, y = picture.astype(np.float64), again.astype(np.float64)
    rows = []
    for name, unit in (("0..255", 1.0), ("0..1", 255.0), ("−1..1", 127.5)):
        mse, peak = float(np.mean((x - y) ** 2)) / unit**2, 255 / unit
        rows.append({
            "scale": name, "peak": peak, "mse": mse, "psnr": round(10 * np.log10(peak**2 / mse), 4),
            "psnr at peak 255": round(10 * np.log10(255**2 / mse), 4),
        })  # fmt: skip
    return {"rows": rows, "spread": round(10 ** (0.01 / 10) - 1, 5)}
