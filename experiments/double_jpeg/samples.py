"""Files with one compression or two, from pictures that never were JPEG, and what they show.

    picture ─▶ scaled, cut ─▶ (file of table 1 ─▶ pixels) ─▶ file of table 2 ─▶ traces

Tables are drawn from the 1,170 that the DJPEG work met in the wild, half the time from the IJG's among them. Each recipe gives
both files, once and twice compressed. Recipes depend on their number alone; pieces of them are made on all cores and kept.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import jpegjax
from benchmarks.machine import ROOT
from jpegjax.forensics.traces import Traces, observe
from jpegjax.train.pictures import Files, Store, split

__all__ = ["PIECE", "SHARED", "Recipe", "Recipes", "held_tables", "pair", "parallel", "piece", "stored", "tables"]

SHARED = Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared")
PIECE = 400
"""Recipes of a piece."""
SAMPLINGS, OFTEN = ("4:2:0", "4:4:4", "4:2:2"), (0.6, 0.3, 0.1)


@cache
def tables() -> np.ndarray:
    """Luma tables, uint16 [1170, 8, 8], natural order; 1..100 are the IJG's, 0 is 1 again."""
    return np.load(SHARED / "data" / "q_tables.npz")["q"]


def held_tables() -> np.ndarray:
    """Which tables no training file has, as a second or a first one: bool [1170]; none of the IJG's."""
    numbers = np.arange(len(tables()))
    return (numbers > 100) & (numbers % 10 == 7)


@dataclass(frozen=True)
class Recipe:
    """How a pair of files is made of pixels. first, second: tables; tuned: quality of a second encoder that has its own table
    and leaves out coefficients that are not worth their bits, 0 for a plain one."""

    pixels: np.ndarray
    first: np.ndarray
    second: np.ndarray
    samplings: tuple[str, str]
    tuned: int = 0


def pair(recipe: Recipe) -> tuple[bytes, bytes]:
    """(compressed once, compressed twice), both by the second table."""
    before, after = recipe.samplings
    first = jpegjax.encode(recipe.pixels, qtables=[recipe.first, recipe.first], subsampling=before)
    how: dict[str, Any] = {"quality": recipe.tuned, "tune": True} if recipe.tuned else {"qtables": [recipe.second] * 2}
    second: Callable[[Any], bytes] = partial(jpegjax.encode, subsampling=after, **how)
    return second(recipe.pixels), second(jpegjax.decode(first))


def stored(store: str) -> Store:
    """Training pictures, or the held out ones: "train" or "held"."""
    packs = sorted((SHARED / "data").glob("train-*.zip"))
    return split(Files(*packs))[("train", "held").index(store)]


class Recipes:
    """Recipes by number. store: as `stored` has it. Held-out tables are never drawn."""

    def __init__(self, store: str, seed: int = 0) -> None:
        self.store, self.seed = stored(store), seed
        self.free = np.flatnonzero(~held_tables())

    def _table(self, random: np.random.Generator) -> np.ndarray:
        number = random.integers(30, 101) if random.random() < 0.5 else random.choice(self.free)
        return tables()[number]

    def __getitem__(self, number: int) -> Recipe:
        random = np.random.default_rng((self.seed, number))
        pixels = self.store.read(int(random.integers(len(self.store.names))))
        if random.random() < 0.35:
            scale = np.exp(random.uniform(-0.5, 0.5))
            height, width = (max(96, round(scale * length)) for length in pixels.shape[:2])
            kind = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR)[random.integers(2)]
            pixels = np.asarray(Image.fromarray(pixels).resize((width, height), kind))
        high, wide = (int(min(length, np.exp(random.uniform(np.log(96), np.log(512))))) for length in pixels.shape[:2])
        y, x = random.integers(0, (pixels.shape[0] - high + 1, pixels.shape[1] - wide + 1))
        pixels = np.ascontiguousarray(pixels[y : y + high, x : x + wide])
        first, second = self._table(random), self._table(random)
        while np.array_equal(first, second):
            first = self._table(random)
        before, after = random.choice(SAMPLINGS, 2, p=OFTEN)
        tuned = int(random.integers(40, 96)) if random.random() < 0.08 else 0
        return Recipe(pixels, first, second, (str(before), str(after)), tuned)


def _observed(store: str, seed: int, number: int) -> tuple[Traces, Traces]:
    once, twice = pair(_recipes(store, seed)[number])
    return observe(jpegjax.read_coefficients(once)), observe(jpegjax.read_coefficients(twice))


@cache
def _recipes(store: str, seed: int) -> Recipes:
    return Recipes(store, seed)


def parallel(function: Callable[[Any], Any], items: Iterable[Any], chunk: int = 16) -> list[Any]:
    """Results in order, by as many processes as there are cores, each with one thread for matrices."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        return list(pool.map(function, items, chunksize=chunk))


def piece(folder: Path, store: str, number: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Piece `number` of recipes, made where it is not there: `Traces` as arrays [800, …], float16 or float32, and "double"."""
    path = folder / f"{store}-{seed}-{number}.npz"
    if not path.exists():
        numbers = range(number * PIECE, (number + 1) * PIECE)
        found = [one for both in parallel(partial(_observed, store, seed), numbers) for one in both]
        arrays = {name: np.stack([getattr(one, name) for one in found]) for name in Traces._fields}
        arrays |= {name: np.clip(arrays[name], -6e4, 6e4).astype(np.float16) for name in ("shares", "evidence")}
        arrays |= {"double": np.tile(np.float32([0, 1]), PIECE)}
        folder.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, **arrays)
        path.with_suffix(".part").rename(path)
    with np.load(path) as kept:
        return {name: kept[name] for name in kept.files}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.double_jpeg.samples", description="Makes pieces.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--store", choices=("train", "held"), default="train")
    parser.add_argument("--pieces", type=int, nargs=2, default=(0, 1), help="first, and the one behind the last")
    given = parser.parse_args()
    for number in range(*given.pieces):
        piece(given.folder, given.store, number)


if __name__ == "__main__":
    main()
