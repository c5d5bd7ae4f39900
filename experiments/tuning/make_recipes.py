"""The recipes that ship, from `found.json`: `python -m experiments.tuning.make_recipes`. About six minutes.

For each tune and sampling: what the plain encoder scores at each quality, on training pictures; the d at which the tuned
encoder scores as much in the tune's own metric, so that quality numbers keep their meaning; the recipe there; and as prior
of its first pass the optimal code lengths over those pictures, 4:2:0's for all. Writes `jpegjax/jpeg/tuned/data/<tune>.npz`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jpegjax
from jpegjax.jpeg.tuned.encode import encode_tuned
from jpegjax.jpeg.tuned.recipe import SAMPLINGS, Recipe
from jpegjax.options import EncodeOptions

from . import pictures
from .model import FOUND, found, make_recipe, sampled
from .objective import CROPS, KINDS, METRICS, Panelists

DATA = Path(jpegjax.__file__).parent / "jpeg" / "tuned" / "data"
MEANING = {"psnr": ("psnr",), "restored": ("psnr",), "ms-ssim": ("ms_ssim",)} | dict.fromkeys(
    ("ssimulacra2", "butteraugli", "all"), ("ssimulacra2", "butteraugli_3")
)
"""By tune, the metrics in which files of equal quality are no worse than plain ones, photographs and drawings alike, at the
median; "all" is tune=True, "restored" is with the network behind it."""
PLAIN = (1, 2, 4, 7, 10, 14, 20, 30, 40, 50, 60, 70, 80, 86, 90, 93, 95, 97, 98, 99, 100)
GRID = 0.02, 0.07, 0.2, *(float(x) for x in np.geomspace(0.4, 160, 18))
CROP = 384
KNOTS = (1, 5, 10, 20, 35, 50, 65, 75, 85, 92, 97, 100)


def training() -> list[np.ndarray]:
    """Middles of the search's pictures, for mapping qualities and counting symbols."""
    found, listed = [], pictures.listing(validation=False)
    for picture in pictures.load([listed[i] for i in CROPS]):
        y, x = (max(0, (side - CROP) // 2) for side in picture.shape[:2])
        found.append(np.ascontiguousarray(picture[y : y + CROP, x : x + CROP]))
    return found


def symbol_counts(file: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Sequential Huffman symbols of a 4:2:0 file: AC [2, 256] and DC [2, 12], luma and chroma."""
    coefficients = jpegjax.read_coefficients(file)
    assert isinstance(coefficients, jpegjax.Coefficients)
    ac, dc = np.zeros((2, 256), np.int64), np.zeros((2, 12), np.int64)
    for c, plane in enumerate(coefficients.planes):
        blocks = plane[0].reshape(-1, 64)[:, jpegjax.types.ZIGZAG].astype(np.int64)
        size = np.vectorize(lambda v: int(v).bit_length(), otypes=[np.int64])(np.arange(2048))
        slot = int(c > 0)
        block, k = np.nonzero(blocks[:, 1:])
        first = np.append(True, block[1:] != block[:-1]) if len(block) else np.zeros(0, bool)
        run = np.where(first, k, np.diff(k, prepend=0) - 1)
        level = size[np.abs(blocks[:, 1:][block, k])]
        np.add.at(ac[slot], (run % 16) << 4 | level, 1)
        ac[slot, 0xF0] += (run // 16).sum()
        ac[slot, 0] += len(blocks) - np.count_nonzero(blocks[:, 63])
        np.add.at(dc[slot], size[np.abs(np.diff(blocks[:, 0], prepend=0))], 1)
    return ac, dc


def prior(tune: Mapping[str, Any], d: float, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bits of AC [2, 256] and DC [2, 12] symbols in the files of `images` at d."""
    ac, dc = np.zeros((2, 256), np.int64), np.zeros((2, 12), np.int64)
    for image in images:
        more = symbol_counts(encode_tuned(image, make_recipe(tune, d), EncodeOptions(tune=True, progressive=False)))
        ac, dc = ac + more[0], dc + more[1]
    return code_bits(ac, np.arange(256) % 16), code_bits(dc, np.arange(12))


def stored(tune: Mapping[str, Any], images: Sequence[np.ndarray]) -> dict[str, Any]:
    """The arrays of a data file: recipes of qualities 1..100, priors counted at KNOTS and interpolated between them.

    Those of other samplings than 4:2:0 have names such as "steps_444", and stand there where they differ.
    """
    steps = tune["d"]
    counted = [prior(tune, steps[q - 1], images) for q in KNOTS]
    ac, dc = (np.stack([c[i] for c in counted]) for i in (0, 1))
    qualities = np.arange(1, 101)
    at = np.interp(qualities, KNOTS, np.arange(len(KNOTS)))
    low = np.minimum(at.astype(int), len(KNOTS) - 2)
    part = (at - low)[:, None, None]
    ac, dc = (x[low] * (1 - part) + x[low + 1] * part for x in (ac, dc))
    recipes = [make_recipe(tune, d, a, b) for d, a, b in zip(steps, ac, dc, strict=True)]
    one: Recipe = recipes[0]
    arrays = {
        "quality": qualities,
        **_tables(recipes), **{name: np.stack([getattr(r, name) for r in recipes]) for name in ("rates", "dc_rates")},
        "chroma": one.chroma, "compensate": np.array(one.compensate), "passes": one.passes, "bands": np.array(one.bands),
    }  # fmt: skip
    for sampling in SAMPLINGS[1:]:
        own = _tables([make_recipe(tune, d, sampling=sampling) for d in sampled(tune, sampling)["d"]])
        differing = {k: v for k, v in own.items() if not np.array_equal(v, arrays[k])}
        arrays |= {f"{name}_{sampling.replace(':', '')}": array for name, array in differing.items()}
    return arrays


def _tables(recipes: Sequence[Recipe]) -> dict[str, np.ndarray]:
    """What depends on the sampling, [qualities, ...]."""
    tables = {name: np.stack([getattr(r, name) for r in recipes]) for name in ("steps", "weights")}
    return tables | {"field": np.array([r.field for r in recipes], np.int32)}


def code_bits(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Bits of each symbol with its value bits: its entropy, at most 16, 1 at least."""
    share = (counts + 0.3) / (counts + 0.3).sum(-1, keepdims=True)
    return np.clip(-np.log2(share), 1, 16) + sizes


def quality_steps(name: str, plain: Mapping[str, np.ndarray], tuned: Mapping[str, np.ndarray]) -> np.ndarray:
    """d [100] of qualities 1..100: the coarsest at which the tuned files score as the plain ones, in every metric of the tune.

    plain, tuned: curves of `objective.curves` by kind, at PLAIN and at GRID.
    """
    wanted, fine = np.arange(1, 101), np.geomspace(GRID[0], GRID[-1], 2000)
    coarsest = np.full(100, GRID[-1])
    for kind in KINDS:
        for metric in MEANING[name]:
            m = 1 + METRICS.index(metric)
            own = np.array([np.interp(np.log(fine), np.log(GRID), curve[:, m]) for curve in tuned[kind]])
            theirs = np.array([np.interp(wanted, PLAIN, curve[:, m]) for curve in plain[kind]])
            for q in range(100):
                gains = np.median(own - theirs[:, q, None], axis=0)
                enough = np.nonzero(gains >= 0)[0]
                coarsest[q] = min(coarsest[q], fine[enough[-1]] if len(enough) else GRID[0])
    return np.minimum.accumulate(coarsest)


def mapped(names: Sequence[str], samplings: Sequence[str], images: Sequence[np.ndarray]) -> None:
    """Makes the recipes of tunes, all behind the network or none."""
    panelists = Panelists(restored="restored" in names)
    plain = {s: panelists.curves(None, PLAIN, s) for s in samplings}
    for name in names:
        for sampling in samplings:
            tuned = panelists.curves(sampled(found()[name], sampling), GRID, sampling)
            steps = np.round(quality_steps(name, plain[sampling], tuned), 4)
            numbers = found()  # anew: a search may have written meanwhile
            tune = numbers[name]
            own = tune if sampling == "4:2:0" else tune.setdefault("samplings", {}).setdefault(sampling, {})
            own["d"] = steps.tolist()
            FOUND.write_text(json.dumps(numbers, indent=1) + "\n")
            at = " ".join(f"{steps[q - 1]:.2f}" for q in (10, 50, 75, 95, 100))
            print(name, sampling, "d at quality 10, 50, 75, 95, 100:", at, flush=True)
        np.savez_compressed(DATA / f"{name}.npz", **stored(found()[name], images))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.tuning.make_recipes", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--tune", nargs="*", choices=tuple(MEANING), default=list(MEANING))
    parser.add_argument("--sampling", nargs="*", choices=SAMPLINGS, default=SAMPLINGS, help="those to map anew")
    arguments = parser.parse_args()
    images = training()
    DATA.mkdir(exist_ok=True)
    for names in ([n for n in arguments.tune if (n == "restored") is own] for own in (False, True)):
        if names:
            mapped(names, arguments.sampling, images)


if __name__ == "__main__":
    main()
