"""What a person looks at: the bases, a photograph under its rectangles, and curves. Matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jpegjax import usystem
from jpegjax.usystem.basis import KINDS, kind_basis
from jpegjax.usystem.search import LEAST, SHAPES, TILE

__all__ = ["draw_bases", "draw_curves", "overlay"]

_INKS = {"dct": (255, 255, 255), "v1": (255, 90, 60), "v2": (255, 200, 0), "u3": (60, 200, 255)}


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    for kind in ("png", "svg"):
        figure.savefig(path.with_suffix(f".{kind}"), dpi=100, metadata={"Date": None} if kind == "svg" else None)


def draw_bases(path: Path, n: int = 16) -> None:
    """All functions of all bases on n samples."""
    plt = _pyplot()
    figure, axes = plt.subplots(1, len(KINDS), figsize=(2.1 * len(KINDS), 9), layout="constrained")
    for axis, kind in zip(axes, KINDS, strict=True):
        for i, row in enumerate(kind_basis(kind, n)):
            axis.axhline(-2.2 * i, color="0.85", linewidth=0.6)
            axis.step(np.arange(n + 1), np.append(row, row[-1]) * 1.1 - 2.2 * i, where="post", linewidth=1.1)
        axis.set(title=kind, yticks=[], xticks=[0, n // 2, n])
    figure.suptitle(f"Orthonormal functions on {n} samples, coarse first")
    _save(figure, path)
    plt.close(figure)


def draw_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    """Mean PSNR over mean bits a pixel, one panel a set."""
    plt = _pyplot()
    names = list(dict.fromkeys(row["set"] for row in rows))
    figure, axes = plt.subplots(1, len(names), figsize=(5.2 * len(names), 4.6), layout="constrained", squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for codec in dict.fromkeys(row["codec"] for row in rows if row["set"] == name):
            points = []
            for quality in dict.fromkeys(r["quality"] for r in rows if (r["set"], r["codec"]) == (name, codec)):
                own = [r for r in rows if (r["set"], r["codec"], r["quality"]) == (name, codec, quality)]
                points.append((np.mean([r["bpp"] for r in own]), np.mean([r["psnr"] for r in own])))
            style = {"color": "black", "linestyle": "--"} if codec == "jpeg" else {}
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=codec, **style)
        count = len({r["picture"] for r in rows if r["set"] == name})
        axis.set(xlabel="bits per pixel", ylabel="PSNR, dB", title=f"{name}, {count} pictures")
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    _save(figure, path)
    plt.close(figure)


def overlay(data: bytes) -> np.ndarray:
    """The decoded picture of a file at twice its size under the rectangles of luma, in the colours of their bases."""
    shown = np.asarray(usystem.decode(data))
    shown = np.repeat(shown[..., None], 3, 2) if shown.ndim == 2 else shown
    height, width = shown.shape[:2]
    big = shown.repeat(2, 0).repeat(2, 1)
    _, shapes, kinds = usystem.parts(data)[0]
    for number, (h, w) in enumerate(SHAPES):
        mark = (shapes == number)[..., :: h // LEAST, :: w // LEAST]
        for row, column, r, c in zip(*np.nonzero(mark), strict=True):
            y, x = row * TILE + r * h, column * TILE + c * w
            ink = _INKS.get(KINDS[kinds[row, column, r * h // LEAST, c * w // LEAST]], (0, 255, 0))
            if y < height and x < width:
                big[2 * y, 2 * x : 2 * (x + w)] = ink
                big[2 * y : 2 * (y + h), 2 * x] = ink
    return big
