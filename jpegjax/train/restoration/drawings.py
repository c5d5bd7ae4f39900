"""Random drawings to train on: words, lines, charts and flat shapes on plain or shaded grounds, as on screens and pages."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["drawing"]

_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def drawing(size: int, random: np.random.Generator) -> np.ndarray:
    """One of endlessly many, uint8 [size, size, 3].

    Drawn at its size; or two or three times as large and averaged, so that edges are smooth; or smaller with pixels repeated.
    Words are in Pillow's own fonts, with or without anti-aliasing.
    """
    from PIL import Image, ImageDraw

    kind = random.random()
    finer, coarser = (1 if kind < 0.6 else 2 if kind < 0.8 else 3), (int(random.integers(2, 5)) if kind > 0.92 else 1)
    side = -(-size // coarser) if coarser > 1 else size * finer
    image = Image.fromarray(_ground(side, random))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1" if random.random() < 0.3 else "L"
    for _ in range(int(random.integers(1, 5))):
        made = random.choice(len(_KINDS), p=_SHARES)
        _KINDS[made](draw, side, random)
    if coarser > 1:
        return np.asarray(image).repeat(coarser, 0).repeat(coarser, 1)[:size, :size]
    return np.asarray(image.reduce(finer) if finer > 1 else image)


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
    old, ink = random.random() < 0.2, _ink(random)
    font: Any = ImageFont.load_default_imagefont() if old else ImageFont.load_default(height)
    bold = int(not old and random.random() < 0.25) * (1 + int(height > 20))
    x, y = (int(v) for v in random.integers(-8, size // 2, 2))
    for _ in range(int(random.integers(1, max(2, int(size / height))))):
        line = " ".join(_word(random) for _ in range(int(random.integers(1, 12))))
        draw.text((x, y), line, fill=ink, font=font, stroke_width=bold)
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


def _glyphs(draw: Any, size: int, random: np.random.Generator) -> None:
    """Lines of signs with thick stems, hairlines and serifs, upright or leaning, as of a book's page."""
    ink, height = _ink(random), int(random.integers(6, 34))
    thick, thin, lean = (
        max(1, height // int(random.integers(5, 9))),
        max(1, height // 14),
        float(random.choice([0, 0, 0.25])),
    )
    x0, y = (int(v) for v in random.integers(0, 16, 2))
    for _ in range(int(random.integers(1, 12))):
        x = float(x0)
        while x < size:
            top = y - int(0.4 * height * (random.random() < 0.2))
            for stem in range(int(random.integers(1, 4))):
                foot = y + height
                draw.line((x + lean * (foot - top), top, x, foot), fill=ink, width=thick if stem % 2 == 0 else thin)
                if random.random() < 0.7:
                    draw.line((x - thick, foot, x + thick, foot), fill=ink, width=thin)
                if random.random() < 0.5:
                    across = x + height * 0.35
                    draw.arc((x, top, across + thick, top + height * 0.6), 180, 360, fill=ink, width=thin)
                x += height * 0.35
            x += height * (0.25 if random.random() < 0.8 else 0.6)
        y += int(height * 1.6)


def _hatch(draw: Any, size: int, random: np.random.Generator) -> None:
    """Parallel lines, straight or bent, once or crossed, as engravers shade."""
    ink, pitch = _ink(random), float(random.uniform(2, 7))
    x, y = (float(v) for v in random.uniform(-0.2 * size, 0.6 * size, 2))
    w, h = (float(v) for v in random.uniform(0.2 * size, size, 2))
    bend, slope = float(random.uniform(-0.3, 0.3)) * h, float(random.uniform(-1, 1))
    for crossed in range(1 + int(random.random() < 0.3)):
        along = np.linspace(0, 1, 9)
        for start in np.arange(0, h, pitch * (1 + crossed)):
            rise = start + slope * w * (along - 0.5) * (1 - 2 * crossed) + bend * np.sin(np.pi * along)
            points = np.stack([x + w * along, y + rise], 1).ravel().tolist()
            draw.line(points, fill=ink, width=1 + int(random.random() < 0.2))


def _sprite(draw: Any, size: int, random: np.random.Generator) -> None:
    """Small figures of few colours, mirrored, of square dots."""
    for _ in range(int(random.integers(1, 5))):
        count, dot = int(random.integers(5, 12)), int(random.integers(1, 5))
        inks = [_ink(random) for _ in range(int(random.integers(2, 5)))]
        half = random.integers(-1, len(inks), (count, -(-count // 2)))
        figure = np.concatenate([half, half[:, ::-1]], 1)
        x, y = (int(v) for v in random.integers(0, max(1, size - count * dot), 2))
        for row, column in zip(*np.nonzero(figure >= 0), strict=True):
            left, top = x + dot * int(column), y + dot * int(row)
            draw.rectangle((left, top, left + dot - 1, top + dot - 1), fill=inks[figure[row, column]])


_KINDS = _words, _lines, _shapes, _chart, _table, _glyphs, _hatch, _sprite
_SHARES = 0.32, 0.1, 0.15, 0.08, 0.08, 0.12, 0.08, 0.07
