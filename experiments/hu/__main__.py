"""Faces in a hundred bytes (Hu 2020): `python -m experiments.hu`.

Half an hour on two idle cores; `--piece` does one piece; what runs/hu holds already is not done again.
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
from jpegjax.learned.faces.weights import load, trainable, write

from .build import Recipe, Shapes, planes_of_all
from .data import Portraits, colour, orl
from .measure import RIVALS, TARGETS, found_shapes, ours, recognised, rival
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


class Pieces:
    """What is to be found of a set, piece by piece, each kept in a file: variants, the refined model, its curve and others'.

    every: of the test pictures that variants are compared on one in so many is looked at; the final curve has all.
    """

    def __init__(
        self, name: str, sets: tuple[Portraits, Portraits], variants: Any, work: Path, steps: int, every: int
    ) -> None:
        self.name, self.variants, self.work, self.steps, self.every = name, variants, work, steps, every
        self.fit, self.test = sets
        work.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """All pieces, in their order."""
        later = [
            "refined",
            "curve",
            *(f"rival-{codec}" for codec in RIVALS),
            *(["identity"] if self.name == "orl" else []),
        ]
        return [f"{self.name}-{piece}" for piece in (*self.variants, *later)]

    def path(self, piece: str) -> Path:
        """The file of a piece."""
        return self.work / f"{piece}.json"

    def there(self) -> dict[str, Any]:
        """What was found so far."""
        return {name: json.loads(self.path(name).read_text()) for name in self.names() if self.path(name).exists()}

    def find(self, name: str) -> None:
        """Finds a piece, unless it is there."""
        if not self.path(name).exists():
            found = describe() | self._found(name.removeprefix(f"{self.name}-"))
            self.path(name).write_text(json.dumps(found))
            print(name, {k: v["psnr_db"] for k, v in found.get("curve", {}).items()}, flush=True)

    def _found(self, piece: str) -> dict[str, Any]:
        model = self.work / f"{self.name}.jxw"
        if piece in self.variants:
            shapes, recipe = self.variants[piece]()
            path = self.work / f"{self.name}-{piece}.jxw"
            np.savez(path.with_suffix(".npz"), **vars(shapes))
            some = self.test.of(np.arange(len(self.test)) % self.every == 0)
            row = one_variant(f"{self.name}-{piece}", self.fit, some, shapes, recipe, path)
            return row | {"recipe": asdict(recipe), "test": len(some)}
        if piece == "refined":
            return self._refined(model)
        if piece == "curve":
            this = load(model)
            return {"curve": ours(this, self.test, found_shapes(this, self.test, given=False)), "test": len(self.test)}
        if piece == "identity":
            return {"shares": identity(model, self.test)}
        return rival(piece.removeprefix("rival-"), self.test)

    def _refined(self, to: Path) -> dict[str, Any]:
        """The variant of the least cost, refined where steps are more than 0."""
        rows = {variant: self.there().get(f"{self.name}-{variant}") for variant in self.variants}
        chosen = min((v for v, row in rows.items() if row), key=lambda v: rows[v]["left_out"]["cost"])
        model, coder = trainable(self.work / f"{self.name}-{chosen}.jxw")
        gain = None
        if self.steps:
            with np.load(self.work / f"{self.name}-{chosen}.npz") as stored:
                shapes = Shapes(**stored)
            told = rows[chosen]["recipe"]
            size = FaceSize(**(told["size"] | {"kept": tuple(map(tuple, told["size"]["kept"]))}))
            recipe = Recipe(**(told | {"size": size}))
            folder = self.work / f"{self.name}-refine"
            model, gain = refined(model, coder, self.fit, shapes, recipe, folder, self.steps)
        write(to, self.name, model, coder)
        return {"chosen": chosen, "gain_db": gain, "nbytes": to.stat().st_size, "fit": len(self.fit)}


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
        "--piece", help="one piece alone, or those of a set: orl-still, orl; the report has what is there"
    )
    parser.add_argument("--steps", type=int, default=1200, help="updates of the refinement")
    given = parser.parse_args(words)
    if not (SHARED / "data" / "orl.npz").exists():
        parser.error(f"no faces in {SHARED / 'data'}: set JPEGJAX_SHARED")
    command = shlex.join(["python", "-m", "experiments.hu", *(sys.argv[1:] if words is None else words)])
    sets = [
        Pieces("orl", orl(SHARED), orl_variants(orl(SHARED)[0]), given.work, given.steps, 1),
        Pieces("colour", colour(SHARED), colour_variants(colour(SHARED)[0]), given.work, given.steps, 4),
    ]
    for one in sets:
        for piece in one.names():
            if given.piece in (None, piece) or given.piece == one.name:
                one.find(piece)
    write_report(given.to, {**describe(), "command": command, "pieces": sets[0].there() | sets[1].there()})


if __name__ == "__main__":
    main()
