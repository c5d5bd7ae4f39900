"""Random drawings to train on: words, lines, charts and flat shapes on plain or shaded grounds, as on screens and pages."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["drawing"]

_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def drawing(size: int, random: np.random.Generator) -> np.ndarray:
    """One of endlessly many, uint8 [size, size, 3]. Words are in Pillow's own font, with or without anti-aliasing."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(_ground(size, random))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1" if random.random() < 0.3 else "L"
    for _ in range(int(random.integers(1, 5))):
        made = random.choice(len(_KINDS), p=_SHARES)
        _KINDS[made](draw, size, random)
    return np.asarray(image)


def _ink(random: np.random.Generator) -> tuple[int, int, int]:
    """Black, white, a grey, or any colour, saturated ones often."""
    kind = random.random()
    if kind < 0.35:
        return (0, 0, 0)
    if kind < 0.5:
        return (255, 255, 255)
    if kind < 0.6:
        return (int(random.integers(256)),) * 3
    chosen = random.integers(0, 256, 3) if kind < 0.8 else random.choice([0, 255, 128], 3)
    return int(chosen[0]), int(chosen[1]), int(chosen[2])


def _ground(size: int, random: np.random.Generator) -> np.ndarray:
    kind = random.random()
    if kind < 0.45:
        return np.full((size, size, 3), (255, 255, 255), np.uint8)
    if kind < 0.8:
        return np.full((size, size, 3), _ink(random), np.uint8)
    first, last = (np.array(_ink(random), float) for _ in range(2))
    along = np.linspace(0, 1, size)[:, None, None] * (last - first) + first
    field = np.broadcast_to(along, (size, size, 3))
    return np.ascontiguousarray(np.rint(field if random.random() < 0.5 else field.transpose(1, 0, 2)).astype(np.uint8))


def _word(random: np.random.Generator) -> str:
    count = int(random.integers(1, 10))
    places = np.minimum(random.geometric(0.09, count) - 1, 25)
    word = "".join(_LETTERS[i] for i in places)
    kind = random.random()
    return (
        word.upper()
        if kind < 0.1
        else word.capitalize()
        if kind < 0.25
        else str(random.integers(10**6))
        if kind > 0.92
        else word
    )


def _words(draw: Any, size: int, random: np.random.Generator) -> None:
    from PIL import ImageFont

    height = float(random.choice([9, 10, 11, 12, 13, 14, 16, 20, 28, 44]))
    font, ink = ImageFont.load_default(height), _ink(random)
    x, y = (int(v) for v in random.integers(-8, size // 2, 2))
    for _ in range(int(random.integers(1, max(2, int(size / height))))):
        line = " ".join(_word(random) for _ in range(int(random.integers(1, 12))))
        draw.text((x, y), line, fill=ink, font=font)
        y += int(1.25 * height)


def _lines(draw: Any, size: int, random: np.random.Generator) -> None:
    ink, width = _ink(random), int(random.integers(1, 5))
    for _ in range(int(random.integers(1, 12))):
        ends = [int(v) for v in random.integers(-8, size + 8, 4)]
        kind = random.random()
        if kind < 0.35:
            ends[3] = ends[1]
        elif kind < 0.7:
            ends[2] = ends[0]
        draw.line(ends, fill=ink, width=width)


def _shapes(draw: Any, size: int, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 6))):
        x, y = (int(v) for v in random.integers(-size // 4, size, 2))
        w, h = (int(v) for v in random.integers(4, size // 2, 2))
        outline = _ink(random) if random.random() < 0.5 else None
        make = random.choice(["rectangle", "ellipse", "rounded_rectangle"])
        more = {"radius": min(w, h) / 4} if make == "rounded_rectangle" else {}
        getattr(draw, make)((x, y, x + w, y + h), fill=_ink(random), outline=outline, **more)


def _chart(draw: Any, size: int, random: np.random.Generator) -> None:
    """Bars, or a line through points, on axes."""
    count, ink = int(random.integers(4, 16)), _ink(random)
    heights = random.integers(4, size - 16, count)
    step = (size - 16) / count
    draw.line((8, 8, 8, size - 8, size - 8, size - 8), fill=_ink(random))
    tops = [(8 + step * (i + 0.5), size - 8 - int(top)) for i, top in enumerate(heights)]
    if random.random() < 0.5:
        draw.line(tops, fill=ink, width=int(random.integers(1, 4)))
        return
    for x, y in tops:
        draw.rectangle((x - step / 3, y, x + step / 3, size - 8), fill=ink)


def _table(draw: Any, size: int, random: np.random.Generator) -> None:
    """A grid with numbers in it."""
    from PIL import ImageFont

    across, down = int(random.integers(24, 64)), int(random.integers(12, 30))
    line, ink, font = _ink(random), _ink(random), ImageFont.load_default(float(random.choice([9, 10, 12])))
    for x in range(0, size, across):
        draw.line((x, 0, x, size), fill=line)
        for y in range(0, size, down):
            draw.text((x + 3, y + 1), str(random.integers(1000)), fill=ink, font=font)
    for y in range(0, size, down):
        draw.line((0, y, size, y), fill=line)


_KINDS = _words, _lines, _shapes, _chart, _table
_SHARES = 0.45, 0.15, 0.2, 0.1, 0.1
