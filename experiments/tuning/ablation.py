"""What each part of the tuned encoder is worth: `python -m experiments.tuning.ablation`, and the plots with --plots alone.

Each part is taken out of the shipped recipes in turn. Validation pictures, whole files, BD-rate against Pillow's default;
the scores are `fast.py`'s. Writes `experiments/results/tuning-ablation.json`, `.md` and `.png`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

import jpegjax
from benchmarks.machine import describe
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION
from jpegjax.jpeg.tuned.encode import encode_tuned
from jpegjax.jpeg.tuned.recipe import NO_FIELD, Recipe, load_recipe, standard_rates
from jpegjax.metrics import bd_rate
from jpegjax.options import EncodeOptions

from . import pictures
from .evaluate import RESULTS, pillow
from .fast import Reference, fast_curve

OWN = {"psnr": 1, "ms-ssim": 2, "ssimulacra2": 3, "all": 3}
"""Column of the tune's own metric in a curve."""
QUALITIES = 25, 45, 65, 80, 90, 95
_SURE = np.uint16(8191)  # a weight at which rounding is always best


def _rounding(recipe: Recipe, ac: bool) -> Recipe:
    weights = recipe.weights.copy()
    weights[:, slice(1, 64) if ac else 0] = _SURE
    return replace(recipe, weights=weights)


def _plain_tables(recipe: Recipe) -> Recipe:
    """Annex K's tables with the geometric mean steps of the recipe's."""
    base = np.stack([LUMA_QUANTIZATION, CHROMA_QUANTIZATION, CHROMA_QUANTIZATION]).reshape(3, 64).astype(float)
    scale = np.exp(np.log(recipe.steps / base).mean(1, keepdims=True))
    return replace(recipe, steps=np.clip(np.rint(base * scale), 1, 255).astype(np.uint16))


def _standard_prior(recipe: Recipe) -> Recipe:
    ac, dc = (np.rint(128 * bits).astype(np.uint16) for bits in standard_rates())
    return replace(recipe, rates=ac, dc_rates=dc)


LIBJPEG_SCANS = "libjpeg's scans"
PARTS: dict[str, tuple[Callable[[Recipe], Recipe], dict[str, Any]]] = {
    "everything": (lambda r: r, {}),
    "AC rounded, no trellis": (lambda r: _rounding(r, True), {}),
    "DC rounded, no trellis": (lambda r: _rounding(r, False), {}),
    "Annex K's tables": (_plain_tables, {}),
    "field by formula alone": (lambda r: replace(r, network=None), {}),
    "no field": (lambda r: replace(r, field=NO_FIELD), {}),
    "chroma averaged": (lambda r: replace(r, chroma="box"), {}),
    "luma not compensated": (lambda r: replace(r, compensate=(0, 0)), {}),
    "one pass": (lambda r: replace(r, passes=1), {}),
    "two passes": (lambda r: replace(r, passes=2), {}),
    "one pass, Annex K's rates": (lambda r: _standard_prior(replace(r, passes=1)), {}),
    "sequential": (lambda r: r, {"progressive": False}),
    LIBJPEG_SCANS: (lambda r: r, {"progressive": True}),
}


def _same(a: Recipe, b: Recipe) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Recipe))


def measure(count: int) -> dict[str, Any]:
    """BD-rates by tune and part: (own metric, PSNR, MS-SSIM, SSIMULACRA2), over what both curves cover."""
    references = [Reference(p) for p in pictures.load(pictures.listing(validation=True)[:count])]
    anchor = fast_curve(references, pillow, (14, 20, 30, 40, 50, 60, 70, 80, 90, 95, 97))
    found: dict[str, Any] = {}
    for tune, own in OWN.items():
        found[tune] = {}
        for part, (change, options) in PARTS.items():

            def encode(
                picture: np.ndarray, quality: int, tune: str = tune, part: str = part, change: Any = change,
                options: Any = options,
            ) -> bytes:  # fmt: skip
                file = encode_tuned(picture, change(load_recipe(tune, quality)), EncodeOptions(tune=True, **options))
                return jpegjax.transcode(file, progressive=True) if part == LIBJPEG_SCANS else file

            recipe = load_recipe(tune, 75)
            if change(recipe) is not recipe and _same(change(recipe), recipe):
                continue
            points = fast_curve(references, encode, QUALITIES)
            rates = [float(bd_rate(anchor[:, [0, m]].tolist(), points[:, [0, m]].tolist())) for m in (1, 2, 3)]
            found[tune][part] = {"own": rates[own - 1], "psnr": rates[0], "ms_ssim": rates[1], "ssimulacra2": rates[2]}
            print(tune, part, {k: round(v, 2) for k, v in found[tune][part].items()}, flush=True)
    return found


def markdown(found: dict[str, Any]) -> str:
    """BD-rate in the tune's own metric, and what taking the part out costs."""
    lines = ["| part out | " + " | ".join(f"tune={t}" for t in found) + " |", "|---" * (len(found) + 1) + "|"]
    for part in PARTS:
        cells = []
        for parts in found.values():
            loss = parts[part]["own"] - parts["everything"]["own"] if part in parts else None
            cells.append("–" if loss is None else f"{parts[part]['own']:+.1f} ({loss:+.1f})")
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--plots", action="store_true", help="only draw what is measured")
    arguments = parser.parse_args()
    path = RESULTS / "tuning-ablation.json"
    if not arguments.plots:
        command = shlex.join(["python", "-m", "experiments.tuning.ablation", *sys.argv[1:]])
        about = {**describe(), "command": command, "pictures": arguments.pictures, "qualities": QUALITIES}
        found = measure(arguments.pictures)
        path.write_text(json.dumps({**about, "bd_rate_percent": found}, indent=1) + "\n")
        path.with_suffix(".md").write_text(markdown(found))
        print(markdown(found))
    from .plots import draw_ablation, draw_curves

    draw_ablation(path)
    draw_curves(RESULTS / "tuning-kodak.json")


if __name__ == "__main__":
    main()
