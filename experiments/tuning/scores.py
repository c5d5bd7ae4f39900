"""Rate–distortion points, mean curves and BD-rates over fixed intervals, of whole files that libjpeg-turbo decodes."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["INTERVALS", "METRICS", "Curve", "bd_rates", "intervals_of", "measure_curve", "peer_curves", "score"]

METRICS = ("psnr", "psnr_y", "ms_ssim_db", "ssimulacra2")
Intervals = Mapping[str, tuple[str, float, float]]
INTERVALS: Intervals = {
    "psnr": ("psnr", 29.7, 39.8),
    "psnr_y": ("psnr_y", 30.8, 40.5),
    "ms_ssim": ("ms_ssim_db", 16.2, 28.1),
    "ssimulacra2": ("ssimulacra2", 44.0, 87.0),
    "ssimulacra2_60_85": ("ssimulacra2", 60.0, 85.0),
    "ssimulacra2_wide": ("ssimulacra2", 29.0, 88.0),
}
"""Column of the results: the metric and the interval of it that BD-rates are means over. All but the wide one, which is
Pillow's own range from quality 20 to 95, are what the curves of the peers have in common, those of jpegli and mozjpeg."""

Curve = list[dict[str, float]]
"""Points {"quality", "bpp", and METRICS}: means over pictures, of decibels too."""


@dataclass(frozen=True)
class Point:
    """One picture at one setting: file size in bits per pixel, and its scores."""

    bpp: float
    scores: Mapping[str, float]


def score(reference: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """METRICS of a picture, uint8 [H, W, 3]: PSNR of RGB and of luma, dB; MS-SSIM of luma, −10 log10(1 − x); SSIMULACRA2."""
    from jpegjax import metrics
    from jpegjax.metrics import ssimulacra2

    return {
        "psnr": float(metrics.psnr(reference, image)),
        "psnr_y": float(metrics.psnr(reference, image, channel="y")),
        "ms_ssim_db": -10 * math.log10(1 - float(metrics.ms_ssim(reference, image))),
        "ssimulacra2": float(ssimulacra2(reference, image)),
    }


def decoded(data: bytes) -> np.ndarray:
    """What Pillow, hence libjpeg-turbo, shows of a file: uint8 [H, W, 3]."""
    from PIL import Image, ImageFile

    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, len(data))  # arithmetic files only decode from one block
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def measure_curve(
    pictures: Sequence[np.ndarray], encode: Callable[[np.ndarray, int], bytes], qualities: Iterable[int],
    each: dict[int, list[Point]] | None = None,
) -> Curve:  # fmt: skip
    """The mean curve of an encoder. each: takes the points of every picture, by quality."""
    curve = []
    for quality in qualities:
        points = []
        for picture in pictures:
            data = encode(picture, quality)
            bpp = 8 * len(data) / (picture.shape[0] * picture.shape[1])
            points.append(Point(bpp, score(picture, decoded(data))))
        if each is not None:
            each[quality] = points
        means = {m: sum(p.scores[m] for p in points) / len(points) for m in METRICS}
        curve.append({"quality": quality, "bpp": sum(p.bpp for p in points) / len(points), **means})
    return curve


def peer_curves(path: Path) -> dict[str, tuple[str, Curve]]:
    """(settings, curve) of each encoder of `jpeg-peers-kodak.json`."""
    stored = json.loads(path.read_text())["codecs"]
    return {name: (codec["settings"], codec["curve"]) for name, codec in stored.items()}


def intervals_of(anchor: Curve) -> Intervals:
    """Intervals for pictures other than Kodak: what the anchor spans from quality 20 to 90, and SSIMULACRA2's 60–85."""
    ends = [next(p for p in anchor if p["quality"] == quality) for quality in (20, 90)]
    spans = {
        metric.removesuffix("_db"): (metric, round(ends[0][metric], 1), round(ends[1][metric], 1)) for metric in METRICS
    }
    return {**spans, "ssimulacra2_60_85": INTERVALS["ssimulacra2_60_85"]}


def bd_rates(anchor: Curve, curve: Curve, intervals: Intervals = INTERVALS) -> dict[str, float | None]:
    """BD-rate in percent for each of the intervals; None where the two curves do not both cover one."""
    from jpegjax.metrics import bd_rate

    found: dict[str, float | None] = {}
    for column, (metric, low, high) in intervals.items():
        a, t = ([(p["bpp"], p[metric]) for p in c] for c in (anchor, curve))
        covered = all(min(q for _, q in c) <= low and high <= max(q for _, q in c) for c in (a, t))
        found[column] = float(bd_rate(a, t, interval=(low, high))) if covered else None
    return found


def table(rows: Mapping[str, Mapping[str, Any]], intervals: Intervals = INTERVALS) -> str:
    """Markdown of BD-rates by encoder; a dash where an interval is not covered."""
    heads = [f"{metric} {low:g}–{high:g}" for metric, low, high in intervals.values()]
    lines = ["| encoder | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, found in rows.items():
        cells = ["–" if found[c] is None else f"{found[c]:+.1f}" for c in intervals]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
