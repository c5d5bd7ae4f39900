"""Line drawings of thin strokes, besides the tuning's that are held apart: no photograph, nothing that anything is trained on."""

from __future__ import annotations

import math

import numpy as np

from experiments.tuning.drawn.ink import Sheet, random

__all__ = ["DRAWINGS"]

_INK, _PAPER = (0, 0, 0), (255, 255, 255)
_ROMAN, _SERIF = "cmr10", "STIXGeneral"


def plan() -> np.ndarray:
    """The plan of a flat: thick and thin walls, doors as arcs, measures with arrows."""
    sheet = Sheet(512, 384, _PAPER)
    pen = sheet.draw
    for box in ((40, 40, 470, 330), (40, 40, 240, 190), (240, 40, 470, 150), (40, 190, 180, 330)):
        pen.rectangle(box, outline=_INK, width=6)
    for x, y, start in ((186, 187, 180), (240, 120, 90), (300, 147, 0), (92, 187, 270)):
        pen.rectangle((x - 3, y - 3, x + 32, y + 6), _PAPER)
        pen.arc((x - 32, y - 32, x + 32, y + 32), start, start + 90, _INK, 1)
        pen.line((x, y, x + 32 * math.cos(math.radians(start)), y + 32 * math.sin(math.radians(start))), _INK, 1)
    for x, y, name in ((140, 110, "cubiculum"), (355, 90, "culina"), (110, 255, "balneum"), (330, 240, "atrium")):
        sheet.write(x, y, name, _ROMAN, 17, _INK, "mm")
    for k in range(9):
        pen.line((60 + 12 * k, 300, 60 + 12 * k, 324), (90, 90, 90), 1)
    for left, right in ((40, 240), (240, 470)):
        pen.line((left, 356, right, 356), _INK, 1)
        for x, way in ((left, 1), (right, -1)):
            pen.line((x, 346, x, 366), _INK, 1)
            pen.polygon((x, 356, x + 9 * way, 353, x + 9 * way, 359), _INK)
        sheet.write((left + right) / 2, 354, f"{(right - left) / 50:.2f}", _SERIF, 13, _INK, "md")
    return sheet.pixels


def staves() -> np.ndarray:
    """A page of music: five lines, heads, stems and beams, ties."""
    rng, sheet = random("staves"), Sheet(560, 400, (253, 251, 244))
    pen = sheet.draw
    sheet.write(280, 12, "Cantus", _ROMAN, 24, _INK, "ma")
    for top in (66, 152, 238, 324):
        for k in range(5):
            pen.line((24, top + 8 * k, 536, top + 8 * k), (60, 60, 60), 1)
        for x in (24, 152, 280, 408, 536):
            pen.line((x, top, x, top + 32), _INK, 1 if x < 536 else 3)
        xs = [44 + 32 * k for k in range(16)]
        ys = [top + 4 * int(v) for v in np.clip(np.cumsum(rng.integers(-2, 3, 16)) + 4, -1, 9)]
        for k, (x, y) in enumerate(zip(xs, ys, strict=True)):
            full = rng.random() < 0.7
            pen.ellipse((x - 5, y - 4, x + 5, y + 4), _INK if full else _PAPER, _INK, 2)
            pen.line((x + 5, y, x + 5, y - 28), _INK, 1)
            if k % 4 == 0 and full:
                pen.line((x + 5, y - 28, xs[k + 1] + 5, ys[k + 1] - 28), _INK, 4)
            if k % 5 == 1:
                pen.arc((x, y + 4, x + 34, y + 18), 20, 160, _INK, 1)
    return sheet.pixels


def sprites() -> np.ndarray:
    """A game's screen of large pixels: a palette of twelve, figures by mirrored noise, tiles of bricks."""
    rng = random("sprites")
    inks = np.array(
        [
            (29, 43, 83), (126, 37, 83), (0, 135, 81), (171, 82, 54), (95, 87, 79), (194, 195, 199), (255, 241, 232),
            (255, 0, 77), (255, 163, 0), (255, 236, 39), (0, 228, 54), (41, 173, 255),
        ], np.uint8,
    )  # fmt: skip
    cells = np.zeros((90, 128), int)
    for _ in range(60):
        cells[int(rng.integers(60)), int(rng.integers(128))] = 6
    y, x = np.mgrid[:18, :128]
    cells[72:] = np.where((y % 6 == 0) | ((x + 6 * (y // 6 % 2)) % 12 == 0), 4, 3)
    for k in range(11):
        half = rng.random((10, 5)) < 0.55
        figure = np.concatenate([half, half[:, ::-1]], 1)
        ink, top, left = 7 + k % 5, 60 if k % 2 else int(rng.integers(4, 44)), 4 + 11 * k
        part = cells[top : top + 10, left : left + 10]
        part[figure] = ink
        part[3, 3], part[3, 6] = 6, 6
    return inks[cells].repeat(4, 0).repeat(4, 1)


def engraving() -> np.ndarray:
    """A sphere and its shadow in black hatching on white, as banknotes have them: strokes as wide as the shade is dark."""
    height, width = 384, 448
    y, x = np.mgrid[:height, :width] + 0.5
    u, v = (x - 205) / 140, (y - 180) / 140
    inside = u**2 + v**2 < 1
    z = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
    light = np.clip(-0.5 * u - 0.55 * v + 0.67 * z, 0, 1)
    shadow = np.exp(-(((x - 290) / 120) ** 2) - ((y - 320) / 22) ** 2)
    dark = np.where(inside, 0.85 - 0.8 * light, 0.75 * shadow)
    bent = np.where(inside, v / (0.35 + z), y / 60)
    first = np.abs(np.mod(bent * 10, 1) - 0.5) * 2
    second = np.abs(np.mod((x + y) / 7, 1) - 0.5) * 2
    strokes = np.clip((np.maximum(first - (1 - dark), second - (1.5 - dark))) * 4, 0, 1)
    edge = np.clip(1.5 - np.abs(np.hypot(u, v) - 1) * 140, 0, 1)
    grey = np.rint(255 * (1 - np.maximum(strokes, edge))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


DRAWINGS = (plan, staves, sprites, engraving)
