"""The bases by themselves: how orthogonal, and how few coefficients steps, cartoons and photographs take; float64, NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jpegjax.usystem.basis import KINDS, kind_basis

__all__ = ["blocks_by_count", "orthogonality", "photographs"]

SIDES = (4, 8, 16, 32)


def orthogonality() -> dict[str, float]:
    """Largest |B·Bᵀ − 1| in float32, and |Bᵀ·(B·x·Cᵀ)·C − x| in float64 of samples -128..127, over all bases and sides."""
    x = np.random.default_rng(1).integers(-128, 128, (32, 32)).astype(float)
    gram = back = 0.0
    for kind in KINDS:
        for n in SIDES:
            single = kind_basis(kind, n).astype(np.float32)
            gram = max(gram, float(abs(single @ single.T - np.eye(n, dtype=np.float32)).max()))
            for m in SIDES:
                rows, columns, part = kind_basis(kind, n), kind_basis(kind, m), x[:n, :m]
                again = rows.T @ (rows @ part @ columns.T) @ columns
                back = max(back, float(abs(again - part).max()))
    return {"orthogonality_float32": gram, "reconstruction_float64": back}


def _steps(n: int) -> np.ndarray:
    """A step across at every place, and a smaller one along at every place: [n², n, n]."""
    x = np.arange(n)
    return np.stack([100.0 * (x < i)[:, None] + 20.0 * (x >= j) for i in x for j in x])


def _cartoons(n: int, count: int = 256) -> np.ndarray:
    """Two slopes that meet at an edge of any place and angle: [count, n, n]."""
    draw = np.random.default_rng(n)
    y, x = np.mgrid[:n, :n] / n - 0.5
    found = []
    for _ in range(count):
        angle, offset = draw.uniform(0, 2 * np.pi), draw.uniform(-0.4, 0.4)
        sides = [a + b * x + c * y for a, b, c in draw.uniform(-60, 60, (2, 3))]
        found.append(np.where(np.cos(angle) * x + np.sin(angle) * y > offset, *sides))
    return np.stack(found)


def _kept(blocks: np.ndarray, kind: str, count: int) -> float:
    """Mean RMSE of blocks [k, n, n] from their `count` largest coefficients each."""
    basis = kind_basis(kind, blocks.shape[-1])
    energies = np.sort(((basis @ blocks @ basis.T) ** 2).reshape(len(blocks), -1), 1)
    return float(np.mean(np.sqrt(energies[:, :-count].sum(1) / energies.shape[1])))


def blocks_by_count() -> dict[str, dict[str, dict[str, float]]]:
    """{blocks, side and number of coefficients: {basis: RMSE}}."""
    table: dict[str, Any] = {}
    for name, make in (("steps", _steps), ("cartoons", _cartoons)):
        for n in (8, 16, 32):
            for count in (6, 12):
                blocks = make(n)
                table[f"{name} {n}×{n}, {count}"] = {kind: round(_kept(blocks, kind, count), 3) for kind in KINDS}
    return table


def photographs(planes: Sequence[np.ndarray], share: float = 0.1) -> dict[str, dict[str, float]]:
    """{side: {basis: PSNR, dB}} of planes from the largest tenth of each one's coefficients, means."""
    table: dict[str, Any] = {}
    for n in (8, 16, 32):
        for kind in KINDS:
            basis, found = kind_basis(kind, n), []
            for plane in planes:
                blocks = plane.reshape(plane.shape[0] // n, n, -1, n).swapaxes(1, 2)
                energies = np.sort(((basis @ blocks @ basis.T) ** 2).ravel())
                left = energies[: -round(share * energies.size)].sum() / energies.size
                found.append(10 * np.log10(255**2 / left))
            table.setdefault(f"{n}×{n}", {})[kind] = round(float(np.mean(found)), 3)
    return table
