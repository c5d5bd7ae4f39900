"""Pictures that are no photographs: text, screens, charts and drawings, for the search and, held apart, for judging it.

Drawn by code from fonts that come with Matplotlib and Pillow, with a few real drawings of the training packs. The two sides share
nothing: other generators, fonts, words, colours and numbers, and the packs' pictures by the split of `pictures.py`.
`python -m experiments.tuning.graphics FOLDER` writes both as PNG, with a sheet of each to look at.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import pictures
from .drawn import apart as held
from .drawn import training

__all__ = ["KINDS", "Graphic", "drawings", "graphics"]

KINDS = ("text", "screen", "chart")


@dataclass(frozen=True)
class Graphic:
    """A picture's name, its kind of KINDS ("chart": charts, diagrams, maps, cartoons), and uint8 [H, W, 3]."""

    name: str
    kind: str
    pixels: np.ndarray


def drawings(apart: bool, photograph: np.ndarray) -> list[Graphic]:
    """What code draws on one side, with a photograph, uint8 [H, W, 3] of 320×320 or more, to place in a screen."""
    side = held.DRAWINGS if apart else training.DRAWINGS
    return [Graphic(draw.__name__, kind, draw(photograph)) for kind, makers in side.items() for draw in makers]


def graphics(apart: bool) -> list[Graphic]:
    """One side: for the search, or held apart for judging. RuntimeError: no folder of training packs."""
    chosen = next(entry for entry in pictures.listing(validation=apart) if "CID22" in entry[1])
    found = drawings(apart, pictures.load([chosen])[0])
    files = held.REAL if apart else training.REAL
    if any(pictures.is_validation(file) != apart for file in files):
        raise RuntimeError("a drawing of the packs stands on the wrong side of the split")
    real = pictures.load([(pictures.pack_of(file), file) for file in files])
    return found + [Graphic(Path(f).stem, "chart", pixels) for f, pixels in zip(files, real, strict=True)]


def main() -> None:
    from PIL import Image

    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.graphics", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for side, apart in (("training", False), ("apart", True)):
        found = graphics(apart)
        sheet = Image.new("RGB", (4 * 420, -(-len(found) // 4) * 340), (128, 128, 128))
        for i, graphic in enumerate(found):
            Image.fromarray(graphic.pixels).save(folder / f"{side}-{graphic.kind}-{graphic.name}.png")
            small = Image.fromarray(graphic.pixels)
            small.thumbnail((410, 330))
            sheet.paste(small, (420 * (i % 4), 340 * (i // 4)))
        sheet.save(folder / f"{side}.png")


if __name__ == "__main__":
    main()
