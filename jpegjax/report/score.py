"""The metrics that can be asked for, and what each means on an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["DEFAULT_METRICS", "METRICS", "Metric", "column", "measure"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of `jpegjax.metrics`, called with these keywords. decibels: drawn and averaged as −10 log10(1 − value).
    lower: less is better; BD-rates are those of its negative."""

    label: str
    function: str
    keywords: Mapping[str, Any]
    unit: str = ""
    decibels: bool = False
    lower: bool = False

    @property
    def axis(self) -> str:
        unit = "dB" if self.decibels else "lower is better" if self.lower else self.unit
        return f"{self.label} ({unit})" if unit else self.label


METRICS = {
    "psnr": Metric("PSNR", "psnr", {"channel": "rgb"}, "dB"),
    "psnr_y": Metric("PSNR of luma", "psnr", {"channel": "y"}, "dB"),
    "psnr_b": Metric("PSNR-B of luma", "psnr_b", {"channel": "y"}, "dB"),
    "ssim": Metric("SSIM", "ssim", {"channel": "rgb"}, decibels=True),
    "ssim_y": Metric("SSIM of luma", "ssim", {"channel": "y"}, decibels=True),
    "ms_ssim": Metric("MS-SSIM", "ms_ssim", {"channel": "y"}, decibels=True),
    "fsim": Metric("FSIM", "fsim", {}, decibels=True),
    "fsimc": Metric("FSIMc", "fsimc", {}, decibels=True),
    "psnr_hvs": Metric("PSNR-HVS", "psnr_hvs", {}, "dB"),
    "psnr_hvs_m": Metric("PSNR-HVS-M", "psnr_hvs_m", {}, "dB"),
    "gmsd": Metric("GMSD", "gmsd", {}, lower=True),
    "haarpsi": Metric("HaarPSI", "haarpsi", {}, decibels=True),
    "vif": Metric("VIF", "vif", {}),
    "ssimulacra2": Metric("SSIMULACRA2", "ssimulacra2", {}),
    "butteraugli": Metric("Butteraugli 3-norm", "butteraugli", {}, lower=True),
    "butteraugli_max": Metric("Butteraugli max", "butteraugli", {"norm": "max"}, lower=True),
}
DEFAULT_METRICS = ("psnr", "psnr_y", "ms_ssim", "ssimulacra2")


def column(name: str) -> str:
    """The key of what is drawn and averaged: the metric itself, or its decibels."""
    return f"{name}_db" if METRICS[name].decibels else name


def measure(
    reference: np.ndarray, image: np.ndarray, names: Sequence[str]
) -> tuple[dict[str, float | None], list[str]]:
    """({column: value}, why some are missing) of uint8 images of one shape. None is infinity: equal images."""
    from .. import metrics

    found: dict[str, float | None] = {}
    notes = []
    for name in names:
        metric = METRICS[name]
        try:
            value = float(getattr(metrics, metric.function)(reference, image, **metric.keywords))
        except ValueError as error:  # too small for its windows
            notes.append(f"{name}: {error}")
            continue
        found[name] = value if math.isfinite(value) else None
        if metric.decibels:
            found[column(name)] = -10 * math.log10(1 - value) if value < 1 else None
    return found, notes
