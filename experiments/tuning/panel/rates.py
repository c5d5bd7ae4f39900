"""BD-rates picture by picture, of scores that may run either way, not rise everywhere, or not meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["METRICS", "Metric", "Rate", "equal_quality", "rate", "rising", "summary"]

Points = Sequence[Mapping[str, float]]
"""By quality: {"quality", "bpp", and scores}."""


@dataclass(frozen=True)
class Metric:
    """A metric's label, and what makes its scores rise with quality, about evenly in the logarithm of the rate."""

    label: str
    lifted: Callable[[float], float]


def _same(score: float) -> float:
    return score


def _shrinks(distance: float) -> float:
    """−10 log10(x), of what is 0 at best."""
    return -10 * math.log10(distance) if distance > 0 else math.inf


def _nears_one(likeness: float) -> float:
    """−10 log10(1 − x), of what is 1 at best."""
    return _shrinks(1 - likeness)


METRICS = {
    "ssimulacra2": Metric("SSIMULACRA2", _same),
    "butteraugli_3": Metric("Butteraugli 3-norm", _shrinks),
    "butteraugli_max": Metric("Butteraugli max", _shrinks),
    "psnr_hvs_m": Metric("PSNR-HVS-M", _same),
    "gmsd": Metric("GMSD", _shrinks),
    "haarpsi": Metric("HaarPSI", _nears_one),
    "fsimc": Metric("FSIMc", _nears_one),
    "vif": Metric("VIF", _same),
    "ssim": Metric("SSIM (luma)", _nears_one),
    "ms_ssim": Metric("MS-SSIM (luma)", _nears_one),
    "ms_ssim_rgb": Metric("MS-SSIM (RGB)", _nears_one),
    "psnr": Metric("PSNR (RGB)", _same),
}
SPAN = 20, 90
"""Quality numbers of the anchor whose scores are the ends of what BD-rates are means over: all encoders reach them."""
FEWEST, LEAST_SHARE = 4, 0.5


@dataclass(frozen=True)
class Rate:
    """Percent of rate against the anchor; the share of the anchor's SPAN that both cover; how many points of the two curves were
    dropped because a smaller file is as good."""

    percent: float
    share: float
    dropped: int


def rising(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (rate, quality), those that no smaller file equals, by rate: strictly rising in both; nothing that is not finite."""
    kept: list[tuple[float, float]] = []
    for bpp, quality in sorted((p for p in points if all(map(math.isfinite, p))), key=lambda p: (p[0], -p[1])):
        if not kept or (quality > kept[-1][1] and bpp > kept[-1][0]):
            kept.append((bpp, quality))
    return kept


def rate(anchor: Points, test: Points, metric: str) -> Rate | None:
    """BD-rate of one picture over what both curves cover of the anchor's SPAN; None: less than half of it, or a curve has fewer
    than four rising points."""
    from jpegjax.metrics import bd_rate

    lifted = METRICS[metric].lifted
    both = [[(p["bpp"], lifted(p[metric])) for p in curve] for curve in (anchor, test)]
    a, t = map(rising, both)
    if min(len(a), len(t)) < FEWEST:
        return None
    first, last = (next(lifted(p[metric]) for p in anchor if p["quality"] == q) for q in SPAN)
    first, last = max(first, a[0][1]), min(last, a[-1][1])
    low, high = max(first, t[0][1]), min(last, t[-1][1])
    if last <= first or (share := (high - low) / (last - first)) < LEAST_SHARE:
        return None
    dropped = sum(map(len, both)) - len(a) - len(t)
    return Rate(float(bd_rate(a, t, interval=(low, high))), share, dropped)


def summary(rates: Sequence[Rate | None]) -> dict[str, float | int | None]:
    """Over pictures: the mean, how many it is of, how many were left out, the mean share covered, points dropped."""
    found = [r for r in rates if r is not None]
    return {
        "mean_percent": float(np.mean([r.percent for r in found])) if found else None,
        "pictures": len(found),
        "left_out": len(rates) - len(found),
        "share_covered": float(np.mean([r.share for r in found])) if found else None,
        "dropped_points": sum(r.dropped for r in found),
    }


def equal_quality(plain: Sequence[Points], tuned: Sequence[Points]) -> list[dict[str, float]]:
    """By quality number of the plain curves, medians over pictures: SSIMULACRA2 less plain's, and Butteraugli's 3-norm and bytes
    over plain's. KeyError: a tuned curve lacks a quality."""
    numbered = [{point["quality"]: point for point in curve} for curve in tuned]
    rows = []
    for points in zip(*plain, strict=True):
        same = [(p, t[p["quality"]]) for p, t in zip(points, numbered, strict=True)]
        rows.append(
            {
                "quality": same[0][0]["quality"],
                "ssimulacra2_more": float(np.median([t["ssimulacra2"] - p["ssimulacra2"] for p, t in same])),
                "butteraugli_3_ratio": float(
                    np.median([t["butteraugli_3"] / p["butteraugli_3"] if p["butteraugli_3"] else 1 for p, t in same])
                ),
                "bytes_ratio": float(np.median([t["bpp"] / p["bpp"] for p, t in same])),
            }
        )
    return rows
