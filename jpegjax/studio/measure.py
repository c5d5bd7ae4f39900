"""What is told of a result while a person looks at it: the file's tables and coefficients, then one metric after the other."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import numpy as np

from .. import info, read_coefficients
from ..report.matched import middle
from ..report.score import METRICS, measure
from .store import Rect, Result

__all__ = ["ORDER", "WHOLE_PIXELS", "Measurer", "inside", "part_of"]

ORDER = (
    "psnr", "psnr_y", "ssim", "ms_ssim", "psnr_hvs_m", "ssimulacra2", "butteraugli", "psnr_b", "ssim_y", "psnr_hvs", "gmsd",
    "haarpsi", "vif", "fsim", "fsimc", "butteraugli_max",
)  # fmt: skip
"""Of the metrics the quick ones first; those that are not named here follow."""
_WHOLE = ("psnr", "psnr_y")
WHOLE_PIXELS = 2048 * 1536
"""Larger pictures have all metrics but squared errors of a part in their middle: others take minutes, and gigabytes."""
_LEVELS = 24
log = logging.getLogger(__name__)


def part_of(pixels: np.ndarray) -> Rect:
    """The part of a picture that slow metrics look at."""
    height, width = pixels.shape[:2]
    if height * width <= WHOLE_PIXELS:
        return 0, 0, width, height
    rows, columns = middle(height, width, 2048)
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def _component_names(color: str, count: int) -> list[str]:
    known = {
        "gray": ["Y"],
        "ycbcr": ["Y", "Cb", "Cr"],
        "rgb": ["R", "G", "B"],
        "cmyk": list("CMYK"),
        "ycck": ["Y", "Cb", "Cr", "K"],
    }
    names = known.get(color, [])
    return names if len(names) == count else [str(i + 1) for i in range(count)]


def _counts(levels: np.ndarray) -> list[int]:
    """How many levels are −24, −23, … 24; the ends count what lies beyond."""
    clipped = np.clip(levels, -_LEVELS, _LEVELS).astype(np.int64).ravel()
    return np.bincount(clipped + _LEVELS, minlength=2 * _LEVELS + 1).tolist()


def inside(data: bytes) -> dict[str, Any]:
    """Tables and histograms of a JPEG file's coefficients, and what its markers say; {"why": …} of what has none here."""
    if data[:2] != b"\xff\xd8" or data[:4] == b"\xff\xd8\xff\xf7":
        return {"why": "no JPEG file: its coefficients are not shown here"}
    if info(data).process.lossless:
        return {"why": "a lossless file has no DCT coefficients"}
    found = read_coefficients(data)
    components = []
    for name, plane, table in zip(
        _component_names(found.frame.color.value, len(found.planes)), found.planes, found.qtables, strict=True
    ):
        blocks = np.asarray(plane).reshape(-1, 64)
        total = np.asarray(_counts(blocks))
        of_dc = np.asarray(_counts(blocks[:, 0]))
        components.append({
            "name": name, "table": np.asarray(table).reshape(8, 8).tolist(), "ac": (total - of_dc).tolist(),
            "blocks": len(blocks), "zeros": float((total - of_dc)[_LEVELS] / max(1, 63 * len(blocks))),
            "nonzero": (np.count_nonzero(blocks, axis=0) / max(1, len(blocks))).reshape(8, 8).round(5).tolist(),
        })  # fmt: skip
    sampling = ", ".join(f"{c.h}×{c.v}" for c in found.frame.components)
    return {
        "process": found.frame.process.name.lower().replace("_", " "),
        "sampling": sampling,
        "levels": _LEVELS,
        "components": components,
    }


class Measurer:
    """One thread that measures the result that is looked at; asked for another one, it leaves the rest of the last."""

    def __init__(self, names: tuple[str, ...] | None = None) -> None:
        self.names = names or (*ORDER, *(name for name in METRICS if name not in ORDER))
        self._asked: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._wanted: str | None = None
        self._thread = threading.Thread(target=self._run, name="studio-metrics", daemon=True)
        self._thread.start()

    def look_at(self, result: Result) -> None:
        """Measure what is not measured yet of a result, in the background, in place of any other."""
        self._wanted = result.id
        if self.left(result):
            self._asked.put(result)

    def left(self, result: Result) -> list[str]:
        """Metrics that a result has neither a value nor a reason for."""
        return [name for name in self.names if name not in result.metrics and name not in result.failed]

    def close(self) -> None:
        """End after the metric at work."""
        self._wanted = None
        self._asked.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while (result := self._asked.get()) is not None:
            try:
                self._measure(result)
            except Exception:
                log.exception("measuring failed")
            result.busy = None

    def _measure(self, result: Result) -> None:
        if self._wanted == result.id and result.inside is None:
            result.busy = "coefficients"
            try:
                result.inside = inside(result.data)
            except (ValueError, MemoryError) as error:
                result.inside = {"why": str(error)}
        result.measured = part_of(result.reference)
        x, y, width, height = result.measured
        whole = result.reference, result.decoded
        a, b = (np.ascontiguousarray(one[y : y + height, x : x + width]) for one in whole)
        for name in self.left(result):
            if self._wanted != result.id:
                return
            result.busy = name
            value, why = _one(whole if name in _WHOLE else (a, b), name)
            if why is not None:
                result.failed[name] = why
            else:
                result.metrics[name] = value


def _one(pair: tuple[np.ndarray, np.ndarray], name: str) -> tuple[float | None, str | None]:
    try:
        found, notes = measure(pair[0], pair[1], [name])
    except Exception as error:
        log.exception("metric %s", name)
        return None, f"failed: {type(error).__name__}"
    return (None, notes[0].partition(": ")[2]) if name not in found else (found[name], None)
