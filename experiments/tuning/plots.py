"""Plots of what `evaluate.py` and `ablation.py` have measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from . import pictures, scores

__all__ = ["draw_ablation", "draw_curves"]

_PEERS = {
    "moz": "mozjpeg",
    "mozpsnr": "mozjpeg -tune-psnr",
    "jpegli420": "jpegli 4:2:0",
    "turbo_opt": "turbo optimised",
}
_NAMES = {"psnr": "PSNR-RGB (dB)", "psnr_y": "PSNR-Y (dB)", "ms_ssim_db": "MS-SSIM (dB)", "ssimulacra2": "SSIMULACRA2"}


def _canvas(columns: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, np.atleast_1d(figure.subplots(1, columns))


def draw_curves(path: Path) -> None:
    """`tuning-kodak-<metric>.png`: rate saved against Pillow at equal quality, tunes and peers."""
    stored = json.loads(path.read_text())
    curves = {name: c for name, c in stored["curves"].items() if "arithmetic" not in name}
    anchor = curves.pop("Pillow")
    peers = scores.peer_curves(pictures.shared() / "facts" / "jpeg-peers-kodak.json")
    for metric, label in _NAMES.items():
        figure, (left, right) = _canvas(2, 13, 5)
        drawn = {**{n: (c, "-") for n, c in curves.items()}, **{_PEERS[k]: (peers[k][1], "--") for k in _PEERS}}
        reference = np.array([(p[metric], np.log(p["bpp"])) for p in anchor])
        left.plot([p["bpp"] for p in anchor], reference[:, 0], "k:", label="Pillow")
        for name, (curve, style) in drawn.items():
            quality = np.array([p[metric] for p in curve])
            rate = np.array([p["bpp"] for p in curve])
            left.plot(rate, quality, style, label=name, linewidth=1.3)
            inside = (quality >= reference[0, 0]) & (quality <= reference[-1, 0])
            plain = np.interp(quality[inside], reference[:, 0], reference[:, 1])
            right.plot(quality[inside], 100 * np.expm1(np.log(rate[inside]) - plain), style, marker=".", label=name)
        left.set(xlabel="bits per pixel", ylabel=label, xscale="log", title="Kodak, means of 24 pictures")
        right.set(xlabel=label, ylabel="rate against Pillow at equal quality (%)", title="lower is better")
        right.axhline(0, color="k", linestyle=":")
        for axes in (left, right):
            axes.grid(alpha=0.3)
        left.legend(fontsize=8)
        figure.savefig(path.with_name(f"tuning-kodak-{metric.replace('_', '-')}.png"), dpi=90)


def draw_ablation(path: Path) -> None:
    """`tuning-ablation.png`: what taking out each part costs, in points of BD-rate of the tune's own metric."""
    found = json.loads(path.read_text())["bd_rate_percent"]
    figure, axes = _canvas(len(found), 16, 4.5)
    for axis, (tune, parts) in zip(axes, found.items(), strict=True):
        names = [p for p in parts if p != "everything"][::-1]
        losses = [parts[p]["own"] - parts["everything"]["own"] for p in names]
        axis.barh(names, losses)
        for y, loss in enumerate(losses):
            axis.text(max(loss, 0) + 0.1, y, f"{loss:+.1f}", va="center", fontsize=8)
        axis.set(title=f"tune={tune}: {parts['everything']['own']:+.1f} %", xlabel="lost points of BD-rate")
        axis.grid(alpha=0.3, axis="x")
        axis.margins(x=0.15)
    figure.savefig(path.with_suffix(".png"), dpi=90)
