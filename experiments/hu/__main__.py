"""Faces in a hundred bytes (Hu 2020): `python -m experiments.hu`.

Half an hour on two idle cores; `--set orl` and `--set colour` do one set; what runs/hu holds already is not done again.
Models of each set's training persons: the mean shape alone, the shape coded and the texture warped, and on colour faces the
background apart. The variant that costs persons left out least gets a refinement (`train.fit`) and becomes runs/hu/NAME.jxw; all
are measured on persons that were not seen, in real bytes, beside JPEG, JPEG 2000, WebP and AVIF at the same. Writes
experiments/results/hu.json, .md, .png and .svg. Expect at least 22.5 dB in 100 bytes on ORL's persons 33–40.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT, describe
from jpegjax.learned.faces.codec import decode_all, fitting
from jpegjax.learned.faces.model import FaceSize
from jpegjax.learned.faces.weights import LoadedFaces, load, trainable, write

from .build import Recipe, Shapes, planes_of_all
from .data import Portraits, colour, orl
from .measure import TARGETS, found_shapes, ours, recognised, rivals
from .register import affine, grid, principal_moves, register
from .report import write_report
from .train import refined, trained

SHARED = Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared")
COMMAND = "python -m experiments.hu"
RESULTS = ROOT / "experiments" / "results"
ORL = FaceSize(112, 92, 1, 0, ((40, 34),), 640, 0, 16, 0, refine=32)
COLOUR = FaceSize(96, 96, 3, 0, ((34, 34), (12, 12), (12, 12)), 384, 0, 68, 0, refine=32)


def still(portraits: Portraits, points: np.ndarray) -> Shapes:
    """Shapes that do not move."""
    return Shapes(points, np.zeros((0, len(points), 2)), np.zeros(0), np.zeros((len(portraits), 0)))


def orl_variants(portraits: Portraits) -> dict[str, Callable[[], tuple[Shapes, Recipe]]]:
    """Of each variant its shapes and recipe."""

    def warped() -> tuple[Shapes, Recipe]:
        points = grid(ORL.height, ORL.width)
        moves = affine(points)
        size = replace(ORL, margin=8)
        codes = register(planes_of_all(portraits), points, moves, Recipe(size, shrink=0.2, reach=1), rounds=5)
        shapes = principal_moves(points, points + np.tensordot(codes, moves, 1), 6, 1.0)
        return shapes, Recipe(replace(size, shape=6), plain=384, reach=1)

    return {
        "still": lambda: (still(portraits, grid(ORL.height, ORL.width)), Recipe(ORL, plain=384)),
        "affine": warped,
    }


def colour_variants(portraits: Portraits) -> dict[str, Callable[[], tuple[Shapes, Recipe]]]:
    """As `orl_variants`; landmarks are the set's own."""
    assert portraits.landmarks is not None
    marks = portraits.landmarks[..., ::-1]

    def shapes() -> Shapes:
        return principal_moves(marks.mean(0), marks, 12, 0.8)

    return {
        "still": lambda: (still(portraits, marks.mean(0)), Recipe(COLOUR, plain=128, reach=1)),
        "warped": lambda: (shapes(), Recipe(replace(COLOUR, shape=12, margin=6), plain=128, reach=1)),
        "apart": lambda: (
            shapes(),
            Recipe(replace(COLOUR, shape=12, margin=0, latents=224, behind=160), plain=64, plain_behind=64, reach=1),
        ),
    }


def shape_errors(shapes: Shapes, test: Portraits) -> dict[str, float]:
    """Of landmarks coded: mean distance in pixels of a point, by the principal components alone and rounded too."""
    assert test.landmarks is not None
    marks = test.landmarks[..., ::-1]
    moves = shapes.moves.reshape(len(shapes.moves), -1)
    apart = (marks - shapes.points).reshape(len(marks), -1)
    codes = np.linalg.lstsq(moves.T, apart.T, rcond=None)[0].T

    def distance(found: np.ndarray) -> float:
        return float(np.linalg.norm((apart - found).reshape(-1, 2), axis=1).mean())

    return {
        "mean_shape": distance(np.zeros_like(apart)),
        "components": distance(codes @ moves),
        "coded": distance(np.rint(codes) @ moves),
    }


def one_variant(
    name: str, fit: Portraits, test: Portraits, shapes: Shapes, recipe: Recipe, path: Path
) -> dict[str, Any]:
    """Trains a variant and measures it on test pictures."""
    found = trained(fit, shapes, recipe)
    row: dict[str, Any] = {"left_out": {"cost": found.cost, "psnr_db": found.db, "nbytes": found.nbytes}}
    if recipe.size.shape and test.landmarks is not None:
        row["landmarks_px"] = shape_errors(shapes, test)
    write(path, name, found.model, found.coder)
    this = load(path)
    cases = found_shapes(this, test, given=False)
    row["curve"] = ours(this, test, cases)
    if recipe.size.shape:
        row["unmoved"] = ours(this, test, [one[:1] for one in cases])
        if test.landmarks is not None:
            row["given"] = ours(this, test, found_shapes(this, test, given=True))
    print(name, json.dumps(row["left_out"]), {k: v["psnr_db"] for k, v in row["curve"].items()}, flush=True)
    return row


def one_set(
    name: str, fit: Portraits, test: Portraits, variants: Any, work: Path, steps: int, every: int
) -> dict[str, Any]:
    """Trains and measures all variants of a set, on one test picture in so many, and refines the best."""
    work.mkdir(parents=True, exist_ok=True)
    some = test.of(np.arange(len(test)) % every == 0)
    rows: dict[str, Any] = {}
    for variant, made in variants.items():
        path = work / f"{name}-{variant}.json"
        if not path.exists():
            shapes, recipe = made()
            row = one_variant(f"{name}-{variant}", fit, some, shapes, recipe, path.with_suffix(".jxw"))
            np.savez(path.with_suffix(".npz"), **vars(shapes))
            path.write_text(json.dumps(row | {"recipe": asdict(recipe)}))
        rows[variant] = json.loads(path.read_text())
    chosen = min(rows, key=lambda variant: rows[variant]["left_out"]["cost"])
    model, coder = trainable(work / f"{name}-{chosen}.jxw")
    with np.load(work / f"{name}-{chosen}.npz") as stored:
        shapes = Shapes(**stored)
    told = rows[chosen]["recipe"]
    size = FaceSize(**(told["size"] | {"kept": tuple(map(tuple, told["size"]["kept"]))}))
    recipe = Recipe(**(told | {"size": size}))
    model, refinement = refined(model, coder, fit, shapes, recipe, work / f"{name}-refine", steps)
    path = work / f"{name}.jxw"
    write(path, name, model, coder)
    return {
        "fit": len(fit), "test": len(some), "variants": rows, "chosen": chosen, "refinement": refinement,
        "nbytes": path.stat().st_size,
    }  # fmt: skip


def whole(name: str, path: Path, test: Portraits) -> dict[str, Any]:
    """The model of a file on all test pictures, and the others."""
    this: LoadedFaces = load(path)
    return {"curve": ours(this, test, found_shapes(this, test, given=False)), "rivals": rivals(test)}


def identity(path: Path, test: Portraits) -> dict[str, float]:
    """Recognition of the test persons: their first five pictures are known, the others asked for, as they are and coded."""
    this = load(path)
    first = np.concatenate([np.arange(10) < 5 for _ in np.unique(test.persons)])
    known, asked = test.of(first), test.of(~first)
    shares = {"uncoded": recognised(known.images, known.persons, asked.images, asked.persons)}
    cases = found_shapes(this, asked, given=False)
    for target in TARGETS:
        files = [data for data in (fitting(this, one, target) for one in cases) if data is not None]
        shares[str(target)] = recognised(
            known.images, known.persons, np.stack(decode_all(files, [this])), asked.persons
        )
    return shares


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/hu"), help="weights, and what was found so far")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument(
        "--set", choices=("orl", "colour"), help="one set alone; the report has the other as it was found"
    )
    parser.add_argument("--steps", type=int, default=1200, help="updates of the refinement")
    given = parser.parse_args(words)
    if not (SHARED / "data" / "orl.npz").exists():
        parser.error(f"no faces in {SHARED / 'data'}: set JPEGJAX_SHARED")
    command = shlex.join(["python", "-m", "experiments.hu", *(sys.argv[1:] if words is None else words)])
    found: dict[str, Any] = {}
    for name, read, variants, every in (("orl", orl, orl_variants, 1), ("colour", colour, colour_variants, 4)):
        if given.set not in (None, name):
            continue
        fit, test = read(SHARED)
        trained_at, measured_at = given.work / f"{name}-trained.json", given.work / f"{name}-measured.json"
        if not trained_at.exists():
            made = describe() | one_set(name, fit, test, variants(fit), given.work, given.steps, every)
            trained_at.write_text(json.dumps(made))
        if not measured_at.exists():
            path = given.work / f"{name}.jxw"
            made = describe() | whole(name, path, test)
            if name == "orl":
                made["identity"] = identity(path, test)
            measured_at.write_text(json.dumps(made))
        found[name] = {"training": json.loads(trained_at.read_text()), "measured": json.loads(measured_at.read_text())}
    for name in {"orl", "colour"} - {given.set}:
        files = [given.work / f"{name}-{part}.json" for part in ("trained", "measured")]
        if name not in found and all(file.exists() for file in files):
            found[name] = {"training": json.loads(files[0].read_text()), "measured": json.loads(files[1].read_text())}
    write_report(given.to, {**describe(), "command": command, "sets": found})


if __name__ == "__main__":
    main()
