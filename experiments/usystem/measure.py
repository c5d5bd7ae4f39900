"""Whole files: bits and PSNR of each picture at each quality, kept as soon as they are measured, and what follows from them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import jpegjax
from experiments.restoration.graphics import twenty
from jpegjax import metrics, usystem
from jpegjax.usystem.basis import KINDS
from jpegjax.usystem.search import SHAPES

__all__ = ["CODECS", "QUALITIES", "bd_rates", "measured", "pictures", "shares"]

Rows = list[dict[str, Any]]
QUALITIES = {"jpeg": (8, 20, 40, 60, 80, 92), "u-system": (12, 35, 60, 82)}
CODECS = {
    "adaptive": {}, "dct": {"basis": "dct"}, "u1": {"basis": "u1"}, "v1": {"basis": "v1"}, "v3": {"basis": "v3"},
    "fit, u1": {"partition": "fit", "basis": "u1"}, "fit, adaptive": {"partition": "fit"},
}  # fmt: skip
"""Settings of the U-system codec that are compared; the last but one is Zhang's."""


def pictures(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """{set: {name: pixels}}: Kodak in colour, Set12 in grey, twenty drawings in colour."""
    kodak = {p.stem: np.asarray(Image.open(p).convert("RGB")) for p in sorted((folder / "kodak").glob("*.png"))}
    set12 = {p.stem: np.asarray(Image.open(p).convert("L")) for p in sorted((folder / "set12").glob("*.png"))}
    return {"set12": set12, "drawings": twenty(), "kodak": kodak}


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return round(float(metrics.psnr(a, b)), 4)


def _row(image: np.ndarray, data: bytes, again: np.ndarray) -> dict[str, float]:
    return {"bpp": round(8 * len(data) / (image.shape[0] * image.shape[1]), 5), "psnr": _psnr(image, again)}


def shares(data: bytes) -> dict[str, Any]:
    """Parts of luma's samples by basis, of rectangles with more than their first level; of those without; and by area."""
    levels, shapes, kinds = usystem.parts(data)[0]
    busy = np.zeros(shapes.shape, bool)
    for number, (h, w) in enumerate(SHAPES):
        for t in zip(*np.nonzero((shapes == number)[..., :: h // 4, :: w // 4]), strict=True):
            r, c = t[2] * (h // 4), t[3] * (w // 4)
            block = levels[t[0], t[1], 4 * r : 4 * r + h, 4 * c : 4 * c + w]
            busy[t[0], t[1], r : r + h // 4, c : c + w // 4] = np.count_nonzero(block.ravel()[1:]) > 0
    areas = np.array([h * w for h, w in SHAPES])[shapes]
    return {
        "flat": round(float(np.mean(~busy)), 4),
        "basis": {kind: round(float(np.mean(busy & (kinds == i))), 4) for i, kind in enumerate(KINDS)},
        "area": {str(a): round(float(np.mean(areas == a)), 4) for a in sorted({h * w for h, w in SHAPES})},
    }


def measured(
    work: Path,
    sets: Mapping[str, Mapping[str, np.ndarray]],
    codecs: Mapping[str, tuple[str, ...]],
    tell: Callable[[str], None] = print,
) -> Rows:
    """Rows of every set's pictures by JPEG and by the codecs named for it; what work/rows.jsonl has already is not done again."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "rows.jsonl"
    rows: Rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(r["set"], r["picture"], r["codec"], r["quality"]) for r in rows}
    wanted = []
    for name, members in sets.items():
        for picture in members:
            for codec in ("jpeg", *codecs[name]):
                qualities = QUALITIES["jpeg" if codec == "jpeg" else "u-system"]
                wanted += [(name, picture, codec, quality) for quality in qualities]
    for key in wanted:
        if key in done:
            continue
        name, picture, codec, quality = key
        image = sets[name][picture]
        if codec == "jpeg":
            data: Any = jpegjax.encode(image, quality=quality, optimize=True)
            again = np.asarray(jpegjax.decode(data))
        else:
            data = usystem.encode(image, quality=quality, **CODECS[codec])
            again = np.asarray(usystem.decode(data))
        row = {"set": name, "picture": picture, "codec": codec, "quality": quality, **_row(image, data, again)}
        if codec == "adaptive":
            row |= shares(data)
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
        tell(f"{name} {picture} {codec} {quality}: {row['bpp']:.3f} bpp, {row['psnr']:.2f} dB")
    return [row for row in rows if (row["set"], row["picture"], row["codec"], row["quality"]) in set(wanted)]


def bd_rates(rows: Rows, anchor: str = "jpeg") -> dict[str, dict[str, Any]]:
    """{set: {codec: mean, least, most, worst and best picture}} of BD-rates (PSNR, %) against a codec, picture by picture."""
    curves: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        curves[row["set"], row["codec"], row["picture"]].append((row["bpp"], row["psnr"]))
    table: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(row["set"] for row in rows):
        for codec in dict.fromkeys(row["codec"] for row in rows if row["set"] == name):
            if codec == anchor:
                continue
            found = {
                picture: float(metrics.bd_rate(curves[name, anchor, picture], curve))
                for (s, c, picture), curve in curves.items()
                if (s, c) == (name, codec) and (name, anchor, picture) in curves
            }
            if not found:
                continue
            values = np.array(list(found.values()))
            table.setdefault(name, {})[codec] = {
                "mean": round(float(values.mean()), 2), "pictures": len(found),
                "best": [min(found, key=found.__getitem__), round(float(values.min()), 2)],
                "worst": [max(found, key=found.__getitem__), round(float(values.max()), 2)],
            }  # fmt: skip
    return table
