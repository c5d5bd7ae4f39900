"""Finds the numbers of `found.json`: `python -m experiments.tuning.search --tune ssimulacra2 --minutes 10`.

Coordinate descent with parabolas over the numbers of `model.py`, from where they stand. One evaluation encodes 24 crops of
training photographs and 17 of training drawings with the real encoder at five d, and takes BD-rates against Pillow's default
by ten metrics (`objective.py`). What a tune aims at is one of them or a few; the others are guards, with penalties. Of
"restored" the pictures are those behind the restoration network, which takes three times as long. With --sampling 4:4:4 or
4:2:2, over chroma's numbers alone: luma's are 4:2:0's. Each evaluation takes about 1.5 seconds of two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping

import numpy as np

from jpegjax.jpeg.tuned.recipe import SAMPLINGS

from .model import CHROMA, FOUND, found, sampled
from .objective import KINDS, Panelists

GRID = {"psnr": (40, 22, 12, 6.3, 3.2), "ms-ssim": (16, 8.6, 4.6, 2.4, 1.1), "ssimulacra2": (17, 8.5, 4.4, 2.3, 1.1)}
GRID["butteraugli"] = GRID["all"] = 19, 9.5, 5, 2.6, 1.2
GRID["restored"] = 50, 28, 15, 7.6, 3.5
STEPS = {
    "la": 0.15, "lp": 0.08, "ldc": 0.1, "las": 0.05, "lpr": 0.08, "la_t": 0.1, "bc": 0.1, "ba": 0.2, "bp": 0.08, "bdc": 0.12,
    "rc": 0.1, "ra": 0.2, "rdc": 0.12, "c_t": 0.1, "ca_t": 0.15, "ml": 0.12, "me": 0.15, "ml_t": 0.1, "me_t": 0.15, "mc": 0.15,
    "mce": 0.2, "mc_t": 0.15, "mdc": 0.3, "mcdc": 0.3, "fp": 0.06, "fw1": 0.3, "fw2": 0.3, "fw3": 0.3, "fc": 0.25, "fp_t": 0.06,
    "p2": 0.12, "kb": 0.1, "kr": 0.1, "fg": 0.4,
}  # fmt: skip
RELATIVE = {"la", "ba", "ra"}  # steps in parts of the number

AIMS: dict[str, dict[str, float]] = {
    "psnr": {"psnr": 1},
    "ms-ssim": {"ms_ssim": 1},
    "ssimulacra2": {"ssimulacra2": 1},
    "butteraugli": {"butteraugli_3": 1},
    "restored": {"psnr": 1},
    "all": {
        "ssimulacra2": 0.25, "butteraugli_3": 0.25, "ms_ssim_rgb": 0.12, "ssim": 0.08, "psnr_hvs_m": 0.1, "gmsd": 0.1,
        "haarpsi": 0.1,
    },
}  # fmt: skip
"""By tune: what it lowers, weights of BD-rates."""
DRAWINGS = {"psnr": 0.2, "restored": 0.2, "ms-ssim": 0.1, "ssimulacra2": 0.15, "butteraugli": 0.3, "all": 0.35}
"""How much of the aim is that of drawings."""
GUARDS: dict[str, dict[str, dict[str, float]]] = {
    "psnr": {"photographs": {"ssimulacra2": -9, "butteraugli_3": -8}},
    "restored": {"photographs": {"ssimulacra2": -12, "ms_ssim_rgb": -20}},
    "ms-ssim": {"photographs": {"psnr": -4, "ssimulacra2": -9, "ms_ssim_rgb": -13}},
    "ssimulacra2": {
        "photographs": {"psnr": -10, "ms_ssim": -4, "butteraugli_3": -15, "psnr_hvs_m": 5, "haarpsi": -11},
        "drawings": {"psnr_hvs_m": -30, "butteraugli_3": -22},
    },
    "butteraugli": {"photographs": {"psnr": -10, "ssimulacra2": -18, "psnr_hvs_m": 4, "haarpsi": -10}},
    "all": {
        "photographs": {
            "psnr": -15, "ssimulacra2": -23, "butteraugli_3": -18, "ms_ssim_rgb": -25.5, "psnr_hvs_m": -4, "gmsd": -4,
            "haarpsi": -16, "vif": -9.5, "ssim": -9,
        },
        "drawings": {"psnr_hvs_m": -33, "gmsd": -21, "haarpsi": -29, "ms_ssim_rgb": -36, "vif": -15, "ssim": -20},
    },
}  # fmt: skip
"""What a tune's other rates must not go above, twice the excess being added. Those of "all" are mozjpeg 5's and jpegli's rates
on the same crops, less what pictures unlike these may need."""

Rates = Mapping[str, Mapping[str, float]]


def goal(tune: str, rates: Rates) -> float:
    """What the search lowers, of mean BD-rates in percent by kind and metric."""
    aim = AIMS[tune]
    photographs, drawings = (sum(w * rates[kind][m] for m, w in aim.items()) / sum(aim.values()) for kind in KINDS)
    guards = ((rates[kind][m], limit) for kind, limits in GUARDS[tune].items() for m, limit in limits.items())
    excess = sum(max(0.0, rate - limit) for rate, limit in guards)
    return (1 - DRAWINGS[tune]) * photographs + DRAWINGS[tune] * drawings + 2 * excess


class Objective:
    """Evaluations of one tune; counts them."""

    def __init__(self, tune: str, sampling: str = "4:2:0"):
        self.tune, self.sampling, self.entry = tune, sampling, sampled(found()[tune], sampling)
        self._panelists = Panelists(restored=tune == "restored")

    @property
    def count(self) -> int:
        return self._panelists.count

    def rates(self, numbers: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Mean BD-rates by kind and metric."""
        return self._panelists.rates({**self.entry, "numbers": dict(numbers)}, GRID[self.tune], self.sampling)

    def __call__(self, numbers: Mapping[str, float]) -> float:
        try:
            return goal(self.tune, self.rates(numbers))
        except ValueError:  # no recipe has such numbers
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


def shown(rates: Rates) -> str:
    """A line by kind."""
    return "\n".join(f"{kind}: " + " ".join(f"{m} {r:.1f}" for m, r in rates[kind].items()) for kind in KINDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.search", description=__doc__.split("\n")[0])
    parser.add_argument("--tune", choices=tuple(GRID), required=True)
    parser.add_argument("--sampling", choices=SAMPLINGS, default=SAMPLINGS[0])
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    objective = Objective(arguments.tune, arguments.sampling)
    whole = arguments.sampling == SAMPLINGS[0]
    numbers = dict(objective.entry["numbers"]) if whole else dict.fromkeys(CHROMA, 0.0) | objective.entry["numbers"]
    print(f"before:\n{shown(objective.rates(numbers))}", flush=True)
    numbers = descend(objective, numbers, 60 * arguments.minutes, None if whole else CHROMA)
    rates = objective.rates(numbers)
    print(f"after:\n{shown(rates)}")
    stored = found()
    trained = {kind: {m: round(r, 2) for m, r in rates[kind].items()} for kind in KINDS}
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
