"""Finds the numbers of `found.json`: `python -m experiments.tuning.search --tune ssimulacra2 --minutes 10`.

Coordinate descent with parabolas over the numbers of `model.py`, from where they stand. One evaluation encodes 24 crops of
training pictures with the real encoder at five d, and takes the BD-rate of the mean curve against Pillow's default over
an interval that must be covered: a number that moves the curves apart gains nothing. Guards of other metrics are penalties.
With --sampling 4:4:4 or 4:2:2, against Pillow's of that sampling and over chroma's numbers alone: luma's are 4:2:0's.
Each evaluation takes about two seconds of one core; the tables that ship came of some 1,500.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from jpegjax.jpeg.tuned.encode import encode_tuned
from jpegjax.jpeg.tuned.recipe import SAMPLINGS
from jpegjax.metrics import bd_rate
from jpegjax.options import EncodeOptions

from . import pictures
from .evaluate import pillow
from .fast import Reference
from .model import CHROMA, FOUND, found, make_recipe, sampled

CROP = 192, 256
CROPS = (6, 8, 18, 21, 27, 35, 38, 41, 48, 59, 2, 12, 20, 29, 3, 45, 58, 63, 65, 69, 10, 28, 40, 53)
"""Places in `pictures.listing(validation=False)`: outdoors, people, buildings, textures; calm and busy."""
GRID = {"psnr": (40, 22, 12, 6.3, 3.2), "ms-ssim": (16, 8.6, 4.6, 2.4, 1.1), "ssimulacra2": (17, 8.5, 4.4, 2.3, 1.1)}
GRID["all"] = 19, 9.5, 5, 2.6, 1.2
INTERVALS = (28.0, 36.0), (16.3, 28.6), (44.0, 86.9), (60.0, 85.0)
"""Of PSNR, MS-SSIM in dB and SSIMULACRA2 (twice) on the crops: Pillow's range from quality 20 to 90."""
STEPS = {
    "la": 0.15, "lp": 0.08, "ldc": 0.1, "las": 0.05, "lpr": 0.08, "la_t": 0.1, "bc": 0.1, "ba": 0.2, "bp": 0.08, "bdc": 0.12,
    "rc": 0.1, "ra": 0.2, "rdc": 0.12, "c_t": 0.1, "ca_t": 0.15, "ml": 0.12, "me": 0.15, "ml_t": 0.1, "me_t": 0.15, "mc": 0.15,
    "mce": 0.2, "mc_t": 0.15, "mdc": 0.3, "mcdc": 0.3, "fp": 0.06, "fw1": 0.3, "fw2": 0.3, "fw3": 0.3, "fc": 0.25, "fp_t": 0.06,
    "p2": 0.12, "kb": 0.1, "kr": 0.1,
}  # fmt: skip
RELATIVE = {"la", "ba", "ra"}  # steps in parts of the number


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


def excess(value: float, limit: float) -> float:
    """Twice what is above a limit."""
    return 2 * max(0.0, value - limit)


def goal(tune: str, psnr: float, ms_ssim: float, ssimulacra2: float, middle: float) -> float:
    """What the search lowers, of BD-rates in percent. Guards keep a distance from 0, for pictures unlike these."""
    if tune == "psnr":
        return psnr + excess(ssimulacra2, -6)
    if tune == "ms-ssim":
        return ms_ssim + excess(psnr, -4) + excess(ssimulacra2, -8)
    if tune == "ssimulacra2":
        return 0.75 * ssimulacra2 + 0.25 * middle + excess(psnr, -4) + excess(ms_ssim, -4)
    return 0.5 * psnr + 0.5 * ssimulacra2 + 0.15 * ms_ssim + excess(psnr, -18) + excess(ssimulacra2, -23)


class Objective:
    """Evaluations of one tune, on CROPS or on the first 48 validation pictures; counts them."""

    def __init__(self, tune: str, validation: bool = False, sampling: str = "4:2:0"):
        self.tune, self.sampling, self.entry, self.count = tune, sampling, sampled(found()[tune], sampling), 0
        listed = pictures.listing(validation)
        self.references = []
        for picture in pictures.load(listed[:48] if validation else [listed[i] for i in CROPS]):
            y, x = ((side - crop) // 2 for side, crop in zip(picture.shape, CROP, strict=False))
            self.references.append(Reference(np.ascontiguousarray(picture[y : y + CROP[0], x : x + CROP[1]])))
        self.spared = 1 - CROP[0] * CROP[1] / 393_216  # a crop must not pay for a whole picture's tables
        plain = partial(pillow, sampling=sampling)
        self.anchor = self._curve(plain, (16, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95))

    def _curve(self, encode, settings) -> np.ndarray:
        """[settings, (bpp, PSNR, MS-SSIM, SSIMULACRA2)] means."""
        from PIL import Image

        rows = []
        for setting in settings:
            points = []
            for reference in self.references:
                data = encode(reference.image, setting)
                bpp = 8 * (len(data) - self.spared * marker_bytes(data)) / (CROP[0] * CROP[1])
                points.append([bpp, *reference.scores(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))])
            rows.append(np.mean(points, 0))
        return np.array(rows)

    def rates(self, numbers: Mapping[str, float]) -> list[float]:
        """BD-rates over INTERVALS; what is missing at an interval's ends costs 20 % a unit."""
        self.count += 1
        options, entry = EncodeOptions(tune=True), {**self.entry, "numbers": numbers}
        made = {d: make_recipe(entry, d, sampling=self.sampling) for d in GRID[self.tune]}
        curve = self._curve(lambda image, d: encode_tuned(image, made[d], options), GRID[self.tune])
        rates = []
        for metric, (low, high) in zip((1, 2, 3, 3), INTERVALS, strict=True):
            first, last = max(low, curve[:, metric].min()), min(high, curve[:, metric].max())
            a, t = (c[:, [0, metric]].tolist() for c in (self.anchor, curve))
            rates.append(float(bd_rate(a, t, interval=(first, last))) + 20 * (first - low + high - last))
        return rates

    def __call__(self, numbers: Mapping[str, float]) -> float:
        try:
            return goal(self.tune, *self.rates(numbers))
        except ValueError:  # a curve that does not rise, or leaves the interval
            return 1e3


def descend(
    objective: Objective, numbers: dict[str, float], seconds: float, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Numbers after sweeps of steps and parabolas, until nothing gains 0.02 or the time is over. names: those that may move."""
    end, best = time.monotonic() + seconds, objective(numbers)
    steps = {k: STEPS[k] * (abs(numbers[k]) if k in RELATIVE else 1) for k in names or numbers}
    while True:
        before = best
        for name, step in steps.items():
            if time.monotonic() > end:
                return numbers
            here = numbers[name]
            up = objective({**numbers, name: here + step})
            tried = [(best, here), (up, here + step)]
            if up < best - 0.02:
                tried.append((objective({**numbers, name: here + 2 * step}), here + 2 * step))
            else:
                down = objective({**numbers, name: here - step})
                tried.append((down, here - step))
                bend = up + down - 2 * best
                vertex = (
                    here + float(np.clip(step * (down - up) / (2 * bend), -2 * step, 2 * step)) if bend > 1e-6 else here
                )
                if abs(vertex - here) / step > 0.1 and abs(abs(vertex - here) / step - 1) > 0.25:
                    tried.append((objective({**numbers, name: vertex}), vertex))
            best, numbers[name] = min(tried)
            steps[name] *= 0.5 if abs(numbers[name] - here) < 0.6 * step else 1
        print(f"{objective.count} evaluations: {best:.3f}", {k: round(v, 3) for k, v in numbers.items()}, flush=True)
        if before - best < 0.02:
            return numbers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.search", description=__doc__.split("\n")[0])
    parser.add_argument("--tune", choices=tuple(GRID), required=True)
    parser.add_argument("--sampling", choices=SAMPLINGS, default=SAMPLINGS[0])
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    objective = Objective(arguments.tune, sampling=arguments.sampling)
    whole = arguments.sampling == SAMPLINGS[0]
    numbers = dict(objective.entry["numbers"]) if whole else dict.fromkeys(CHROMA, 0.0) | objective.entry["numbers"]
    print("before:", *(f"{x:.2f}" for x in objective.rates(numbers)), flush=True)
    numbers = descend(objective, numbers, 60 * arguments.minutes, None if whole else CHROMA)
    rates = [round(x, 2) for x in objective.rates(numbers)]
    print("after:", *rates)
    stored = found()
    trained = dict(zip(("psnr", "ms_ssim", "ssimulacra2", "ssimulacra2_60_85"), rates, strict=True))
    tune = stored[arguments.tune]
    rounded = {k: round(float(v), 4) for k, v in numbers.items()}
    if whole:
        tune |= {"numbers": rounded, "bd_rate_training": trained}
    else:
        own = tune.setdefault("samplings", {}).setdefault(arguments.sampling, {})
        own |= {"numbers": {k: rounded[k] for k in CHROMA if rounded[k] != tune["numbers"].get(k, 0.0)}}
        own["bd_rate_training"] = trained
    FOUND.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
