"""The page: one HTML file with everything inside, curves, tables, and the slider."""

from __future__ import annotations

import html
import json
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..bulk.journal import plain
from .matched import slider_pictures
from .measured import Comparison
from .plots import COLORS, MARKERS
from .score import METRICS, column

__all__ = ["fill", "part", "render"]


def _number(value: float | None, digits: int = 5) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")


def _points(points: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[list[Any]]:
    """[value of the sweep, bpp, each metric, Mpixel/s encoding, decoding]"""
    rows = []
    for point in points:
        speeds = [
            _number(point["pixels"] / 1e6 / max(point[f"{way}_seconds"], 1e-6), 3) for way in ("encode", "decode")
        ]
        rows.append([point["value"], _number(point["bpp"]), *(_number(point.get(name)) for name in columns), *speeds])
    return rows


def _data(comparison: Comparison, summary: dict[str, Any], slider: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [column(name) for name in comparison.metrics]
    single: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in comparison.rows:
        single[row["image"]][row["curve"]].append({**row, **row["metrics"], "pixels": row["height"] * row["width"]})
    means = comparison.means()
    return {
        "metrics": [{"name": m, "label": METRICS[m].label, "axis": METRICS[m].axis} for m in comparison.metrics],
        "curves": [
            {
                "label": curve.label, "about": curve.codec.about, "version": curve.codec.version, "sweep": curve.codec.sweep,
                "color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)], "dashed": i >= len(COLORS),
                "points": _points(means[curve.label], columns),
            }
            for i, curve in enumerate(comparison.curves)
        ],
        "images": {
            name: {label: _points(sorted(rows, key=lambda r: r["bpp"]), columns) for label, rows in curves.items()}
            for name, curves in single.items()
        },
        "bd": summary["bd_rate"],
        "runs": summary["runs"],
        "failed": comparison.failed,
        "slider": [
            picture | {
                "results": [
                    result | {"metrics": [_number(result["metrics"].get(name)) for name in columns]}
                    for result in picture["results"]
                ]
            }
            for picture in slider
        ],
    }  # fmt: skip


def part(name: str) -> str:
    """The text of one of the page's parts: base.css, slider.css, slider.js, page.css, page.js or page.html."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def fill(title: str, data: str) -> str:
    """The page with its styles and scripts, a title, and data as JSON."""
    css = "".join(map(part, ("base.css", "slider.css", "page.css")))
    js = "".join(map(part, ("slider.js", "page.js")))
    filled = part("page.html").replace("{{css}}", css).replace("{{js}}", js).replace("{{title}}", html.escape(title))
    return filled.replace("{{data}}", data.replace("<", "\\u003c"))  # "<" could end the script element


def render(
    comparison: Comparison, summary: dict[str, Any], *, folder: Path, images: int, rates: Sequence[float], crop: int
) -> str:
    """The page as one HTML document without a single outside reference.

    summary: as `write.summary` makes it. folder: where what is searched for the slider is kept. images, rates, crop: how
    many pictures the slider shows, at which bits a pixel, and how much of their middle.
    """
    slider = slider_pictures(comparison, folder, images, rates, crop) if images else []
    data = json.dumps(_data(comparison, summary, slider), default=plain, ensure_ascii=False, allow_nan=False)
    count = len(comparison.pictures)
    pictures = f"{count} pictures" if count != 1 else comparison.pictures[0].name
    title = f"{len(comparison.curves)} {'codecs' if len(comparison.curves) != 1 else 'codec'} on {pictures}"
    return fill(title, data)
