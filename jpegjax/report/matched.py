"""Results at matched rates for the eye: every codec brought to the same bits a pixel on a few pictures."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..bulk.journal import plain, row_key
from ..bulk.local import write_whole
from .measured import Comparison, Picture
from .plan import Curve
from .score import measure

__all__ = ["data_uri", "middle", "slider_pictures", "spread"]

_TOLERANCE = 0.15  # of the rate; nothing further off is shown as matched
_TRIALS = 6


def spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """`count` of the pictures, evenly spread over the set."""
    count = min(count, len(pictures))
    return [pictures[(2 * i + 1) * len(pictures) // (2 * count)] for i in range(count)]


def middle(height: int, width: int, crop: int) -> tuple[slice, slice]:
    """Rows and columns of the middle, at most `crop` along the longer side and two thirds of it along the other.

    It starts on multiples of 16, so that block edges stay where they are.
    """
    high, wide = (crop * 2 // 3, crop) if width >= height else (crop, crop * 2 // 3)
    top, left = (max(0, side - most) // 2 // 16 * 16 for side, most in ((height, high), (width, wide)))
    return slice(top, top + min(height, high)), slice(left, left + min(width, wide))


def data_uri(pixels: np.ndarray) -> str:
    """The exact pixels as a data URI: lossless WebP, or PNG where this Pillow has none."""
    from PIL import Image, features

    file = io.BytesIO()
    webp = features.check("webp")
    how: dict[str, Any] = (
        {"format": "WEBP", "lossless": True, "method": 4} if webp else {"format": "PNG", "optimize": True}
    )
    Image.fromarray(pixels).save(file, **how)
    return f"data:image/{'webp' if webp else 'png'};base64,{base64.b64encode(file.getvalue()).decode()}"


def _between(low: tuple[float, Any], high: tuple[float, Any], rate: float) -> Any:
    """The value between two measured ones where a rate that is exponential in it would be `rate`; None where none is left."""
    (bpp_low, a), (bpp_high, b) = low, high
    share = math.log(rate / bpp_low) / math.log(bpp_high / bpp_low)
    trial = a + share * (b - a)
    if not (isinstance(a, int) and isinstance(b, int)):
        return trial
    return min(max(round(trial), min(a, b) + 1), max(a, b) - 1) if abs(a - b) > 1 else None


def _search(pixels: np.ndarray, curve: Curve, known: Sequence[tuple[float, Any]], rate: float) -> Any:
    """The value of the sweep whose file comes nearest to `rate` bits a pixel, between measured ones (bpp, value)."""
    tried = sorted(known)
    for _ in range(_TRIALS):
        below, above = [one for one in tried if one[0] <= rate], [one for one in tried if one[0] > rate]
        best = min(tried, key=lambda one: abs(math.log(one[0] / rate)))
        if abs(best[0] / rate - 1) < 0.02 or not below or not above:
            break
        trial = _between(below[-1], above[0], rate)
        if trial is None or any(trial == value for _, value in tried):
            break
        bpp = 8 * len(curve.codec.encode(pixels, **curve.settings(trial))) / (pixels.shape[0] * pixels.shape[1])
        tried = sorted([*tried, (bpp, trial)])
    return best[1] if abs(best[0] / rate - 1) <= _TOLERANCE else None


class _Found:
    """Values of sweeps that were searched for before, kept beside the rows."""

    def __init__(self, folder: Path):
        self.path = folder / "matched.json"
        self._lock = threading.Lock()
        self.values: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def keep(self, key: str, value: Any) -> None:
        """Note one value, at once: on slow codecs the search takes a while."""
        with self._lock:
            self.values[key] = value
            write_whole(self.path, (json.dumps(self.values, indent=1, default=plain) + "\n").encode())


def slider_pictures(
    comparison: Comparison, folder: Path, images: int, rates: Sequence[float], crop: int
) -> list[dict[str, Any]]:
    """For each of a few pictures its middle, and every curve's result at every rate that the curve reaches.

    [{image, width, height, uri, results: [{curve, value, rate, bpp, nbytes, metrics, uri}]}]; the figures are of the whole
    picture. What was searched for is kept in folder/matched.json.
    """
    found = _Found(folder)
    pictures = spread(comparison.pictures, images)

    def one(picture: Picture, curve: Curve, rate: float) -> dict[str, Any] | None:
        pixels = picture.pixels()
        rows = [r for r in comparison.rows if r["image"] == picture.name and r["curve"] == curve.label]
        if len(rows) < 2 or curve.codec.sweep is None:
            return None
        key = row_key(picture.digest, curve.codec.name, curve.codec.version, {**curve.fixed, "bpp": rate})
        if key not in found.values:
            found.keep(key, _search(pixels, curve, [(r["bpp"], r["value"]) for r in rows], rate))
        value = found.values[key]
        if value is None:
            return None
        data = curve.codec.encode(pixels, **curve.settings(value))
        decoded = np.asarray(curve.codec.decode(data))
        reference = pixels if decoded.ndim == pixels.ndim else np.repeat(pixels[:, :, None], 3, axis=2)
        return {
            "curve": curve.label, "value": value, "rate": rate, "nbytes": len(data),
            "bpp": 8 * len(data) / (pixels.shape[0] * pixels.shape[1]),
            "metrics": measure(reference, decoded, comparison.metrics)[0],
            "uri": data_uri(np.ascontiguousarray(decoded[middle(pixels.shape[0], pixels.shape[1], crop)])),
        }  # fmt: skip

    jobs = [(picture, curve, rate) for picture in pictures for curve in comparison.curves for rate in rates]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda job: one(*job), jobs))
    shown = []
    for picture in pictures:
        pixels = picture.pixels()
        rows, columns = middle(pixels.shape[0], pixels.shape[1], crop)
        mine = [r for (of, _, _), r in zip(jobs, results, strict=True) if of.name == picture.name and r]
        if mine:
            uri = data_uri(np.ascontiguousarray(pixels[rows, columns]))
            size = {"width": columns.stop - columns.start, "height": rows.stop - rows.start}
            shown.append({"image": picture.name, **size, "uri": uri, "results": mine})
    return shown
