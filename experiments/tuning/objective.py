"""What a tune is worth on pictures that a search may see: BD-rates of a panel of metrics, on photographs and on drawings.

pictures ──▶ Crop, the reference's side of every metric ──▶ curves of an encoder ──▶ BD-rate of each picture ──▶ means by kind

A rate is taken between the qualities that Pillow's files of 20 and 90 have, in each picture by itself, and a curve that
does not cover these pays: a number that moves the curves apart gains nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

import jpegjax
from jpegjax.jpeg.tuned.encode import encode_tuned
from jpegjax.jpeg.tuned.recipe import Recipe
from jpegjax.metrics import bd_rate
from jpegjax.options import EncodeOptions

from . import graphics, pictures
from .evaluate import pillow
from .fast import Reference
from .model import make_recipe
from .panel.butteraugli import Butteraugli
from .panel.rates import rising
from .panel.structure import Panel
from .scores import decoded

CROP = 192, 256
CROPS = (6, 8, 18, 21, 27, 35, 38, 41, 48, 59, 2, 12, 20, 29, 3, 45, 58, 63, 65, 69, 10, 28, 40, 53)
"""Places in `pictures.listing(validation=False)`: outdoors, people, buildings, textures; calm and busy."""
METRICS = (
    "psnr", "ms_ssim", "ssimulacra2", "butteraugli_3", "psnr_hvs_m", "gmsd", "haarpsi", "vif", "ssim", "ms_ssim_rgb",
)  # fmt: skip
ANCHOR = (12, 20, 30, 40, 50, 60, 70, 80, 90, 96)
_ENDS = 20, 90  # Pillow's qualities between whose scores BD-rates are means
KINDS = "photographs", "drawings"


def marker_bytes(file: bytes) -> int:
    """Bytes of a file that are not entropy-coded data."""
    at, total = 2, 2
    while file[at + 1] != 0xD9:
        length = 2 + int.from_bytes(file[at + 2 : at + 4], "big")
        scan = file[at + 1] == 0xDA
        at, total = at + length, total + length
        while scan and (file[at] != 0xFF or file[at + 1] == 0 or 0xD0 <= file[at + 1] <= 0xD7):
            at = file.index(0xFF, at + 1)
    return total + 2


class Crop:
    """The middle of a picture, uint8 [H, W, 3], and what METRICS need of it."""

    def __init__(self, picture: np.ndarray):
        y, x = (max(0, (side - crop) // 2) for side, crop in zip(picture.shape, CROP, strict=False))
        self.image = np.ascontiguousarray(picture[y : y + CROP[0], x : x + CROP[1]])
        self._scorers = Reference(self.image), Butteraugli(self.image), Panel(self.image)
        pixels = self.image.shape[0] * self.image.shape[1]
        self.pixels, self._spared = pixels, 1 - pixels / 393_216  # a crop must not pay for a whole picture's tables

    def point(self, data: bytes, image: np.ndarray) -> list[float]:
        """Bits per pixel and METRICS of a file and what it shows, all so that more is better and about linear in the rate's
        logarithm."""
        reference, butteraugli, panel = self._scorers
        others = panel.scores(image)
        rest = [-10 * math.log10(max(1 - others[m], 1e-9)) for m in ("haarpsi", "vif", "ssim", "ms_ssim_rgb")]
        return [
            8 * (len(data) - self._spared * marker_bytes(data)) / self.pixels, *reference.scores(image),
            -10 * math.log10(butteraugli.scores(image)[1] + 1e-3), others["psnr_hvs_m"],
            -10 * math.log10(others["gmsd"] + 1e-4), *rest,
        ]  # fmt: skip


Encode = Callable[[np.ndarray, Any], bytes]
Decode = Callable[[list[bytes]], Sequence[np.ndarray]]


def shown(files: list[bytes]) -> list[np.ndarray]:
    """What decoders show of files."""
    return [decoded(data) for data in files]


def restored(files: list[bytes]) -> list[np.ndarray]:
    """What this library's decoder shows of files with its network behind it."""
    return jpegjax.decode(files, restore=True)


def curves(crops: Sequence[Crop], encode: Encode, settings: Iterable[Any], decode: Decode = shown) -> np.ndarray:
    """[crops, settings, (bpp, METRICS)]."""
    found = []
    for setting in settings:
        files = [encode(crop.image, setting) for crop in crops]
        found.append([crop.point(*one) for crop, *one in zip(crops, files, decode(files), strict=True)])
    return np.array(found).swapaxes(0, 1)


def rates(anchor: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """BD-rate in percent of each picture and metric, NaN where there is none. What is missing at an interval's ends costs
    40 percent of its part of the interval."""
    found = np.full((len(anchor), len(METRICS)), np.nan)
    ends = [ANCHOR.index(quality) for quality in _ENDS]
    for p, (a, t) in enumerate(zip(anchor, curve, strict=True)):
        for m in range(1, len(METRICS) + 1):
            low, high = sorted(a[ends, m])
            first, last = max(low, t[:, m].min()), min(high, t[:, m].max())
            try:
                rate = bd_rate(*(rising(c[:, [0, m]].tolist()) for c in (a, t)), interval=(first, last))
            except ValueError:
                continue
            found[p, m - 1] = float(rate) + 40 * (first - low + high - last) / (high - low)
    return found


def training() -> dict[str, list[np.ndarray]]:
    """The pictures of a search, by KINDS."""
    listed = pictures.listing(validation=False)
    return {
        "photographs": pictures.load([listed[i] for i in CROPS]),
        "drawings": [drawing.pixels for drawing in graphics.graphics(apart=False)],
    }


_own: dict[str, Any] = {}


def _start(part: int, parts: int, behind: bool) -> None:
    """A worker's share of the pictures, and their anchors. behind: a network stands behind the decoder of tuned files, which
    takes its time, so that every second picture has to do."""
    _own["decode"] = restored if behind else shown
    step = 2 if behind else 1
    for kind, found in training().items():
        crops = [Crop(picture) for picture in found[step * part :: step * parts]]
        _own[kind] = crops, curves(crops, pillow, ANCHOR)


Job = tuple[Any, Sequence[Any], str]
"""(entry of `found`, d's, sampling), or (None, qualities, sampling) for plain files."""


def _tuned(recipes: Mapping[float, Recipe], options: EncodeOptions, image: np.ndarray, d: float) -> bytes:
    return encode_tuned(image, recipes[d], options)


def _curves(job: Job) -> dict[str, np.ndarray]:
    """Curves of a worker's pictures by kind."""
    entry, settings, sampling = job
    encode: Encode = partial(pillow, sampling=sampling)
    decode: Decode = shown
    if entry is not None:
        made = {d: make_recipe(entry, d, sampling=sampling) for d in settings}
        encode, decode = partial(_tuned, made, EncodeOptions(tune=True, subsampling=sampling)), _own["decode"]
    return {kind: curves(_own[kind][0], encode, settings, decode) for kind in KINDS}


def _rates(job: Job) -> dict[str, np.ndarray]:
    """Rates of a worker's pictures by kind, against Pillow's 4:2:0."""
    return {kind: rates(_own[kind][1], curve) for kind, curve in _curves(job).items()}


class Panelists:
    """Evaluations on two processes; `rates` gives mean BD-rates by kind and metric."""

    def __init__(self, processes: int = os.cpu_count() or 1, restored: bool = False):
        self._pools = [
            ProcessPoolExecutor(1, get_context("forkserver"), _start, (part, processes, restored))
            for part in range(processes)
        ]
        self.count = 0

    def _each(self, work: Callable[[Job], dict[str, np.ndarray]], job: Job) -> dict[str, np.ndarray]:
        parts = [pool.submit(work, job) for pool in self._pools]
        found = [part.result() for part in parts]
        return {kind: np.concatenate([part[kind] for part in found]) for kind in KINDS}

    def curves(self, *job: Any) -> dict[str, np.ndarray]:
        """[pictures, settings, (bpp, METRICS)] by kind, pictures in the workers' order. job: a `Job`."""
        return self._each(_curves, job)

    def rates(self, *job: Any) -> dict[str, dict[str, float]]:
        """Mean BD-rates; a picture without one counts as +50. job: a `Job`."""
        self.count += 1
        return {
            kind: dict(zip(METRICS, np.nan_to_num(rate, nan=50.0).clip(-90, 100).mean(0).tolist(), strict=True))
            for kind, rate in self._each(_rates, job).items()
        }
