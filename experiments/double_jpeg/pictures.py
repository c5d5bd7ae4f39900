"""Patches of 256×256 pixels that never were JPEG, each with the number of its picture: Kodak, and lossless training pictures."""

from __future__ import annotations

import csv
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image

import jpegjax
from jpegjax.train.pictures import Files

from .samples import SHARED

__all__ = ["SIDE", "Patches", "again", "every", "joined", "kodak", "kodak_patches", "lossless_patches"]

SIDE = 256


class Patches(NamedTuple):
    """pixels: uint8 [N, 256, 256, 3]; of: picture of each, int64 [N]."""

    pixels: np.ndarray
    of: np.ndarray


def _cut(pictures: list[np.ndarray], most: int | None = None) -> Patches:
    found, of = [], []
    for number, pixels in enumerate(pictures):
        places = [(y, x) for y in range(pixels.shape[0] // SIDE) for x in range(pixels.shape[1] // SIDE)][:most]
        found += [pixels[SIDE * y : SIDE * (y + 1), SIDE * x : SIDE * (x + 1)] for y, x in places]
        of += [number] * len(places)
    return Patches(np.stack(found), np.array(of))


@cache
def kodak() -> list[np.ndarray]:
    """The 24 pictures, RGB uint8."""
    paths = sorted((SHARED / "data" / "kodak").glob("*.png"))
    return [np.ascontiguousarray(Image.open(path).convert("RGB")) for path in paths]


def kodak_patches() -> Patches:
    """144 patches of 24 pictures, side by side."""
    return _cut(kodak())


@cache
def lossless_patches(most: int | None = None) -> Patches:
    """Patches of the 195 training pictures whose sources are lossless files of their own size; most: of each picture."""
    with (SHARED / "data" / "train.csv").open() as file:
        mine = {
            row["file"] for row in csv.DictReader(file) if not row["source_jpeg_quality_est"] and row["scale"] == "1.0"
        }
    files = Files(*sorted((SHARED / "data").glob("train-*.zip")))
    return _cut([files.read(i) for i, name in enumerate(files.names) if name.rpartition("/")[2] in mine], most)


def joined(first: Patches, second: Patches) -> Patches:
    """Both, of different pictures."""
    return Patches(
        np.concatenate([first.pixels, second.pixels]), np.concatenate([first.of, second.of + first.of.max() + 1])
    )


def every(patches: Patches, step: int) -> Patches:
    """Each so manieth patch."""
    return Patches(patches.pixels[::step], patches.of[::step])


def again(pixels: np.ndarray, first: int | None, second: int) -> bytes:
    """A file of a quality; first: the quality of one that the pixels were decoded from, None for none. All 4:2:0."""
    if first is not None:
        pixels = np.asarray(jpegjax.decode(jpegjax.encode(pixels, quality=first)))
    return jpegjax.encode(pixels, quality=second)
