"""What was promised about speed, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["line", "verdicts"]

Result = dict[str, Any]


def line(result: Result) -> str:
    """One result in one line."""
    head = f"{result['section']:<13}{result['case']:<32}"
    if "times_raw" in result:
        return f"{head}{result['extra_bytes'] / 1e6:8.1f} MB above the input, {result['times_raw']:.2f} × raw"
    if isinstance(result["seconds"], float):
        return f"{result['section']:<13}{result['case']:<56}{result['seconds']:8.3f} s"
    cells = []
    for name, seconds in result["seconds"].items():
        speed = f"{result['mpixel_per_second'][name]:.0f} Mpixel/s"
        shown = f"{seconds * 1e6:.0f} µs" if result["section"] == "latency" else speed
        ratio = result["ratios"].get(name)
        cells.append(f"{name} {shown}" + (f" (×{ratio['median']:.2f})" if ratio else ""))
    return head + ", ".join(cells)


def _over(result: Result, peer: str) -> float | None:
    """Our speed over the peer's; over the faster one of its loop and its pool where there are two."""
    names = [name for name in result["ratios"] if name == peer or name.startswith(f"{peer} ")]
    if not names:
        return None
    best = min(names, key=lambda name: result["seconds"][name])
    return result["ratios"][best]["median"]


def _at_least(what: str, measured: float | None, threshold: float) -> Iterator[Result]:
    if measured is not None:
        yield {"what": what, "measured": measured, "threshold": f"≥ {threshold}", "met": measured >= threshold}


def _at_most(what: str, measured: float, threshold: float) -> Iterator[Result]:
    yield {"what": what, "measured": measured, "threshold": f"≤ {threshold}", "met": measured <= threshold}


_SPEED = {"encode": {"simplejpeg": 1.4, "Pillow": 2.0}, "decode": {"simplejpeg": 1.5, "Pillow": 2.0}}


def _judge(result: Result) -> Iterator[Result]:
    section, case = result["section"], result["case"]
    if section in _SPEED and "kept" not in case:
        for peer, threshold in _SPEED[section].items():
            yield from _at_least(f"{section} {case} over {peer}", _over(result, peer), threshold)
    elif section == "coefficients" and " read," in case:
        yield from _at_least(f"coefficients {case} over simplejpeg's decode", _over(result, "simplejpeg"), 2.5)
    elif section == "modes":
        peer = "Pillow" if "Pillow" in result["ratios"] else "simplejpeg"
        yield from _at_least(f"{case} over {peer}", _over(result, peer), 1.0)
    elif section == "xla":
        yield from _at_least("xla transform, Mpixel/s", result["mpixel_per_second"]["encode, transform"], 100)
    elif section == "start" and "--help" in case:
        yield from _at_most(f"{case}, seconds", result["seconds"], 0.5)
    elif section == "start" and "warm cache" in case:
        yield from _at_most(f"{case}, seconds", result["seconds"], 5.0)
    elif section == "metrics" and case == "all":
        yield from _at_least("all metrics over their fastest peers", _over(result, "fastest peers"), 2.0)
    elif section == "memory":
        yield from _at_most(f"{case}, peak above the input over raw size", result["times_raw"], 2.0)


def verdicts(results: Sequence[Result]) -> list[Result]:
    """Each promise that the results bear on: what, measured, threshold, met."""
    return [verdict for result in results for verdict in _judge(result)]
