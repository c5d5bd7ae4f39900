"""Details before, after and in the original, to be judged by eye: `python -m experiments.restoration.plate`.

Writes `experiments/results/restoration-plate.png`: a row a scene (faces, hair, text, foliage, sky, coloured edges), of
pictures that nothing is trained on; the original, then plain files of quality 10, 25 and 50 and one of tune="restored", each by
the plain decoder and restored. Enlarged twice, every pixel four times. Captions: quality, bits a pixel of the whole file, PSNR
of RGB over the detail.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import jpegjax
from experiments.tuning import graphics, pictures
from experiments.tuning.crops import Scene

from . import measure

__all__ = ["SCENES", "Kind", "Scene", "kinds", "plate"]

CROP = 104, 80
"""Pixels of a scene, width and height."""
GAP, CAPTION = 4, 15


SCENES = (
    Scene("face", "kodim15", 415, 100),
    Scene("face", "kodim04", 190, 300),
    Scene("hair", "kodim04", 230, 205),
    Scene("text", "article", 30, 100),
    Scene("lettering", "kodim03", 140, 155),
    Scene("foliage", "kodim24", 60, 40),
    Scene("sky", "kodim16", 430, 60),
    Scene("coloured edges", "kodim23", 455, 130),
)


@dataclass(frozen=True)
class Kind:
    """Files of one column pair: a title and what makes them."""

    title: str
    encode: Callable[[np.ndarray], bytes]


def kinds() -> list[Kind]:
    """Plain files of three qualities and one made by search for the restorer."""
    plain = [Kind(f"quality {q}", lambda image, q=q: measure.plain_file(image, q)) for q in (10, 25, 50)]
    return [*plain, Kind("tuned 30", lambda image: jpegjax.encode(image, quality=30, tune="restored"))]


def _detail(pixels: np.ndarray, scene: Scene) -> np.ndarray:
    return pixels[scene.top : scene.top + CROP[1], scene.left : scene.left + CROP[0]]


def plate(scenes: Sequence[Scene], images: Mapping[str, np.ndarray], columns: Sequence[Kind]) -> Any:
    """A Pillow image of scenes [rows] by kinds of files [pairs of columns]. images: uint8 [H, W, 3] by name."""
    names = list(dict.fromkeys(scene.picture for scene in scenes))
    files = [[kind.encode(images[name]) for name in names] for kind in columns]
    before, after = (
        [dict(zip(names, measure.shown(some, way), strict=True)) for some in files] for way in ("plain", "restored")
    )
    wide, tall = 2 * CROP[0] + GAP, 2 * CROP[1] + CAPTION + GAP
    sheet = Image.new("RGB", (wide * (1 + 2 * len(columns)) - GAP, tall * len(scenes)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    rates = [{n: 8 * len(f) / images[n][..., 0].size for n, f in zip(names, some, strict=True)} for some in files]
    for row, scene in enumerate(scenes):
        original = _detail(images[scene.picture], scene)
        cells = [(original, f"{scene.title}: original")]
        for k, kind in enumerate(columns):
            file = f"{kind.title}, {rates[k][scene.picture]:.2f} bpp"
            for said, shown in ((file, before[k]), ("restored", after[k])):
                detail = _detail(shown[scene.picture], scene)
                cells.append((detail, f"{said}: {measure.psnr(original, detail):.2f} dB"))
        for column, (detail, said) in enumerate(cells):
            left, top = wide * column, tall * row
            sheet.paste(Image.fromarray(detail.repeat(2, 0).repeat(2, 1)), (left, top + CAPTION))
            pen.text((left, top + 1), said, "black", font)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.restoration.plate", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("--scenes", type=int, help="only the first so many")
    parser.add_argument("--to", type=Path, default=measure.RESULTS, help="folder of the plate")
    given = parser.parse_args()
    scenes = SCENES[: given.scenes]
    images = {**pictures.kodak(), **{g.name: np.ascontiguousarray(g.pixels) for g in graphics.graphics(apart=True)}}
    given.to.mkdir(parents=True, exist_ok=True)
    path = given.to / "restoration-plate.png"
    plate(scenes, images, kinds()).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
