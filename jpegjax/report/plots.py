"""Rate–distortion plots by Matplotlib: the mean over all pictures, and each picture; a panel for every metric."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bulk.local import write_whole
from .curves import Point
from .measured import Comparison
from .score import METRICS, column

__all__ = ["COLORS", "MARKERS", "draw"]

COLORS = (
    "#e4572e", "#7a8699", "#d99a00", "#5f9e2f", "#00a0a0", "#2f7de1", "#9457e0", "#d6267f", "#97694f", "#4b5cc4",
)  # fmt: skip
MARKERS = ("circle", "square", "triangle", "diamond")
_MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D"}
_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def draw(comparison: Comparison, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write mean.* and one file a picture; the paths. ImportError with the pip line where Matplotlib is missing."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            'plots need Matplotlib: pip install matplotlib, or "jpegjax[report]"; or ask for none'
        ) from None
    count = len(comparison.pictures)
    single: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for row in comparison.rows:
        single[row["image"]][row["curve"]].append({"bpp": row["bpp"], **row["metrics"]})
    charts: list[tuple[str, str, Mapping[str, list[Point]]]] = [
        ("mean", f"Mean of {count} pictures" if count > 1 else "One picture", comparison.means())
    ]
    charts += [(re.sub(r"[^\w.-]+", "_", name), name, single[name]) for name in single] if count > 1 else []
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.rc_context(
        {"svg.hashsalt": "jpegjax", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        for stem, title, curves in charts:
            figure = _figure(Figure, title, curves, comparison)
            for format in formats:
                path = folder / f"{stem}.{format}"
                drawn = io.BytesIO()
                about = {"Date": None} if format == "svg" else None
                figure.savefig(drawn, format=format, dpi=150, metadata=about)
                write_whole(path, drawn.getbuffer())
                written.append(path)
    return written


def _figure(make: Any, title: str, curves: Mapping[str, list[Point]], comparison: Comparison) -> Any:
    columns = min(2, len(comparison.metrics))
    rows = -(-len(comparison.metrics) // columns)
    figure = make(figsize=(5.2 * columns + 0.2, 3.7 * rows + 0.9), layout="constrained")
    figure.suptitle(title, fontsize=12, fontweight="bold")
    for position, name in enumerate(comparison.metrics):
        axes = figure.add_subplot(rows, columns, position + 1)
        for i, curve in reversed(list(enumerate(comparison.curves))):  # the first on top
            points = sorted(
                (one["bpp"], one[column(name)])
                for one in curves.get(curve.label, ())
                if one.get(column(name)) is not None
            )
            if points:
                axes.plot(
                    *zip(*points, strict=True), label=curve.label, color=COLORS[i % len(COLORS)], linewidth=1.5 if i else 2.2,
                    marker=_MARKERS[MARKERS[i % len(MARKERS)]], markersize=3.2, linestyle="-" if i < len(COLORS) else "--",
                )  # fmt: skip
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        ticks = [tick for tick in _TICKS if low <= tick <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.set_xlabel("bits per pixel")
        axes.set_ylabel(METRICS[name].axis)
    handles, labels = (part[::-1] for part in figure.axes[0].get_legend_handles_labels())
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, max(1, len(labels))), frameon=False)
    return figure
