"""Details of text, screens and photographs at equal bytes, encoder beside encoder: `python -m experiments.tuning.crops FOLDER`.

For each scene, of the pictures that nothing is tuned on, the sizes of Pillow's files of quality 12 and 40 are given to every
encoder, which takes its quality of the closest size. A PNG a scene (rows: the two sizes; columns: encoders; enlarged twice), and
`index.html` with all of them. Captions: bytes, quality number, SSIMULACRA2 of the whole picture (`fast.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import graphics, peers, pictures
from .fast import Reference
from .scores import decoded

__all__ = ["SCENES", "Scene", "closest", "sheet"]

CROP = 176, 144
ANCHOR_QUALITIES = {"low": 12, "middle": 40}


@dataclass(frozen=True)
class Scene:
    """A detail, CROP pixels (width, height) at (left, top), of a drawing by its name or a photograph by the end of its file's."""

    title: str
    picture: str
    left: int
    top: int


SCENES = (
    Scene("black text", "article", 30, 100),
    Scene("text without anti-aliasing", "terminal", 0, 0),
    Scene("coloured text", "poster", 14, 20),
    Scene("red on yellow, pink on green", "poster", 14, 320),
    Scene("text with LCD edges", "listing", 0, 100),
    Scene("buttons", "player", 70, 370),
    Scene("coloured strips", "calendar", 0, 200),
    Scene("windows over a gradient", "desktop", 150, 110),
    Scene("a gradient that glows", "player", 60, 100),
    Scene("contours and colours", "levels", 120, 60),
    Scene("cartoon", "cartoon", 80, 60),
    Scene("haze", "4b458dcb25.avif", 160, 150),
    Scene("sky", "8e8b4106dc.avif", 150, 60),
    Scene("neon", "ebb4c9fad3.avif", 120, 120),
    Scene("face", "30e17e534c.avif", 160, 130),
    Scene("face in the shade", "609d3d17ff.avif", 250, 60),
)


def _pictures() -> dict[str, np.ndarray]:
    """By scene's name of a picture."""
    found = {g.name: np.ascontiguousarray(g.pixels) for g in graphics.graphics(apart=True)}
    for name in {s.picture for s in SCENES} - set(found):
        found[name] = pictures.load([e for e in pictures.listing(validation=True) if e[1].endswith(name)])[0]
    return found


def closest(encode: Any, picture: np.ndarray, size: int) -> tuple[int, bytes]:
    """(quality, file) of the quality number, 1..100, whose file is closest to so many bytes. Sizes rise with quality."""
    files: dict[int, bytes] = {}

    def of(quality: int) -> int:
        if quality not in files:
            files[quality] = encode(picture, quality)
        return len(files[quality])

    low, high = 1, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if of(middle) <= size else (low, middle)
    quality = min((low, high), key=lambda q: abs(of(q) - size))
    return quality, files[quality]


def sheet(scene: Scene, picture: np.ndarray, encoders: Sequence[peers.Encoder]) -> Any:
    """A Pillow image of a scene."""
    from PIL import Image, ImageDraw

    wide, tall = 2 * CROP[0] + 8, 2 * CROP[1] + 24
    image = Image.new("RGB", (wide * (1 + len(encoders)), tall * len(ANCHOR_QUALITIES)), "white")
    pen = ImageDraw.Draw(image)

    def place(pixels: np.ndarray, column: int, row: int, caption: str) -> None:
        detail = pixels[scene.top : scene.top + CROP[1], scene.left : scene.left + CROP[0]]
        image.paste(Image.fromarray(detail.repeat(2, 0).repeat(2, 1)), (wide * column, tall * row + 20))
        pen.text((wide * column + 2, tall * row + 3), caption, "black")

    pillow, judge = peers.Encoder("Pillow", "pillow"), Reference(picture)
    for row, (name, quality) in enumerate(ANCHOR_QUALITIES.items()):
        size = len(pillow.encode(picture, quality))
        place(picture, 0, row, f"{scene.title}, {name}: {size} bytes")
        for column, encoder in enumerate(encoders, 1):
            number, data = closest(encoder.encode, picture, size)
            shown = decoded(data)
            score = judge.ssimulacra2(shown)
            place(shown, column, row, f"{encoder.label}: {len(data)} bytes, q {number}, SSIMULACRA2 {score:.1f}")
    return image


def main() -> None:
    known = peers.tunes()
    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.crops", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sampling", choices=("4:2:0", "4:2:2", "4:4:4"), help="of all but Pillow")
    parser.add_argument("--tune", choices=[str(t) for t in known.values()], nargs="*", default=["True"])
    arguments = parser.parse_args()
    chosen = {label: tune for label, tune in known.items() if str(tune) in arguments.tune}
    encoders = peers.line_up(arguments.sampling, chosen)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    found, parts = _pictures(), []
    for scene in SCENES:
        file = scene.title.replace(",", "").replace(" ", "-") + ".png"
        sheet(scene, found[scene.picture], encoders).save(arguments.folder / file)
        parts.append(f'<h2>{scene.title}</h2>\n<img src="{file}" alt="{scene.title}">')
        print(file, flush=True)
    page = "<!DOCTYPE html>\n<meta charset=utf-8>\n<title>Details at equal bytes</title>\n" + "\n".join(parts) + "\n"
    (arguments.folder / "index.html").write_text(page)


if __name__ == "__main__":
    main()
