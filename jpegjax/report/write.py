"""The files of a comparison: results.json, plots, and the page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bulk.journal import plain
from ..bulk.local import write_whole
from .measured import Comparison
from .score import METRICS, column

__all__ = ["summary", "write"]

RATES = (0.25, 0.5, 1.0)
FORMATS = ("png", "svg")


def summary(
    comparison: Comparison, anchor: str | None = None, intervals: Mapping[str, tuple[float, float]] | None = None
) -> dict[str, Any]:
    """Everything but the single rows, as JSON holds it: runs, mean curves, BD-rates, what failed."""
    means = comparison.means()
    table = comparison.bd_rates(anchor, intervals)
    curves = [
        {
            "curve": curve.label, "codec": curve.codec.name, "about": curve.codec.about, "version": curve.codec.version,
            "settings": dict(curve.fixed), "sweep": curve.codec.sweep, "points": means[curve.label],
        }
        for curve in comparison.curves
    ]  # fmt: skip
    return {
        "what": "mean curves over the images; points by rising bpp; null is infinite; seconds a picture "
        "and a million pixels, without compilation",
        "runs": list(comparison.runs.values()),
        "images": [picture.name for picture in comparison.pictures],
        "metrics": {name: {"label": METRICS[name].axis, "drawn": column(name)} for name in comparison.metrics},
        "curves": curves,
        "bd_rate": {
            "what": "percent of rate against the anchor at equal quality, over low..high of the metric as drawn; "
            "images_mean: mean of single pictures' BD-rates",
            "anchor": anchor or comparison.curves[0].label,
            "rows": {label: {name: asdict(delta) for name, delta in row.items()} for label, row in table.items()},
        },
        "failed": comparison.failed,
    }


def write(
    comparison: Comparison,
    out: str | os.PathLike[str],
    *,
    anchor: str | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    formats: Sequence[str] = FORMATS,
    images: int = 2,
    rates: Sequence[float] = RATES,
    crop: int = 512,
) -> list[Path]:
    """Write results.json, plots/mean.* and plots/IMAGE.* in each format, and report.html.

    Args:
        comparison: What `compare` gave.
        out: Folder to write into.
        anchor: Label of the curve that BD-rates are against; the first by default.
        intervals: {metric: (low, high)} that BD-rates are means over; by default what both curves cover.
        formats: Of the plots: "png", "svg", "pdf"; none for no plots.
        images: How many pictures the page's slider shows, spread over the set.
        rates: At which bits a pixel it matches codecs.
        crop: Longer side in pixels of the middle that it shows at most.

    Returns:
        The paths of all files written.

    Raises:
        ImportError: Matplotlib is not installed and formats asks for plots.
        ValueError: There is no such curve.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    made = summary(comparison, anchor, intervals)
    results = folder / "results.json"
    text = json.dumps(made, indent=1, default=plain, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(results, text.encode())
    written = [results]
    if formats:
        from .plots import draw

        written += draw(comparison, folder / "plots", formats)
    from .page import render

    page = folder / "report.html"
    shown = render(comparison, made, folder=folder, images=images, rates=rates, crop=crop)
    write_whole(page, shown.encode())
    return [*written, page]
