"""From rows to curves: means over pictures, and Bjøntegaard deltas between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plan import Curve
from .score import METRICS, column

__all__ = ["Delta", "Point", "bd_table", "mean_points"]

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delta:
    """A BD-rate in percent of the mean curves over [low, high] of the metric, or why there is none.

    images_mean: mean of the BD-rates of single pictures, over the `images` ones that have one.
    """

    percent: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    images_mean: float | None = None
    images: int = 0


def mean_points(rows: Iterable[Mapping[str, Any]], curves: Sequence[Curve]) -> dict[str, list[Point]]:
    """{curve: points by rising rate}: value of the sweep, bpp, metrics and seconds, averaged over the pictures.

    encode_seconds_per_mpixel, decode_seconds_per_mpixel: mean seconds by the mean size. A metric is None where it is infinite
    for a picture, and missing where it does not exist for all of them.
    """
    grouped: dict[tuple[str, Any], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["curve"], row["value"]].append(row)
    made: dict[str, list[Point]] = {}
    for curve in curves:
        points = []
        for value in curve.values:
            group = grouped.get((curve.label, value))
            if not group:
                continue
            point: Point = {"value": value, "images": len(group), "bpp": _mean([row["bpp"] for row in group])}
            for name in group[0]["metrics"]:
                if all(name in row["metrics"] for row in group):
                    point[name] = _mean([row["metrics"][name] for row in group])
            for name in ("encode_seconds", "decode_seconds"):
                point[name] = _mean([row[name] for row in group])
            point["pixels"] = _mean([row["width"] * row["height"] for row in group])
            for way in ("encode", "decode"):
                point[f"{way}_seconds_per_mpixel"] = 1e6 * point[f"{way}_seconds"] / point["pixels"]
            points.append(point)
        made[curve.label] = sorted(points, key=lambda one: one["bpp"])
    return made


def _mean(values: Sequence[float | None]) -> float | None:
    return None if any(value is None for value in values) else sum(values) / len(values)  # type: ignore[arg-type]


def _curve(points: Iterable[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(point["bpp"], point[name]) for point in points if point.get(name) is not None]


def bd_table(
    rows: Sequence[Mapping[str, Any]],
    curves: Sequence[Curve],
    metrics: Sequence[str],
    anchor: str | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, dict[str, Delta]]:
    """{curve: {metric: Delta}} against the curve named anchor, the first one unless given.

    intervals: {metric: (low, high)} in place of the common range; similarities are in decibels. Curves that share no range
    or do not cover the interval have no BD-rate, and `Delta.why` says so. ValueError for an anchor that is no curve.
    """
    labels = [curve.label for curve in curves]
    anchor = anchor or labels[0]
    if anchor not in labels:
        raise ValueError(f"anchor={anchor!r}: must be one of {', '.join(labels)}")
    unknown = [name for name in intervals or () if name not in metrics]
    if unknown:
        raise ValueError(f"interval of {unknown[0]!r}: must be of one of {', '.join(metrics)}")
    means = mean_points(rows, curves)
    single: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for row in rows:
        single[row["image"], row["curve"]].append({"bpp": row["bpp"], **row["metrics"]})
    images = list(dict.fromkeys(row["image"] for row in rows))
    table: dict[str, dict[str, Delta]] = {}
    for label in labels:
        table[label] = {}
        for name in metrics:
            within = (intervals or {}).get(name)
            delta = _delta(means[anchor], means[label], name, within)
            each = [_delta(single[image, anchor], single[image, label], name, within) for image in images]
            known = [one.percent for one in each if one.percent is not None]
            mean = sum(known) / len(known) if known else None
            table[label][name] = Delta(delta.percent, delta.low, delta.high, delta.why, mean, len(known))
    return table


def _delta(anchor: Iterable[Point], test: Iterable[Point], name: str, interval: tuple[float, float] | None) -> Delta:
    from ..metrics import bd_rate

    key = column(name)
    curves = [_curve(points, key) for points in (anchor, test)]
    if lower := METRICS[name].lower:  # of the negative, which rises with the rate
        curves = [[(bpp, -value) for bpp, value in curve] for curve in curves]
        interval = interval and (-interval[1], -interval[0])
    try:
        found = bd_rate(*curves, interval=interval)
    except ValueError as error:
        return Delta(why=str(error))
    return Delta(float(found), -found.high, -found.low) if lower else Delta(float(found), found.low, found.high)
