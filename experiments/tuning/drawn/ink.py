"""What drawn pictures are made with: sheets, fonts that come with Python packages, three kinds of text edges, gradients."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Color", "Sheet", "font", "painted", "prose", "random", "shade", "width"]

Color = tuple[int, int, int]


@cache
def font(name: str, size: int) -> Any:
    """A font of Matplotlib's by the stem of its file ("DejaVuSans", "STIXGeneral", "cmss10"), or "Pillow": its own."""
    if name == "Pillow":
        return ImageFont.load_default(size)
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


def random(name: str) -> np.random.Generator:
    """Numbers of a picture's own, from its name."""
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))


def prose(rng: np.random.Generator, words: tuple[str, ...], count: int) -> str:
    """Sentences of `count` words in all."""
    text: list[str] = []
    while count > 0:
        length = min(int(rng.integers(4, 13)), count)
        sentence = [words[int(rng.integers(len(words)))] for _ in range(length)]
        text.append(" ".join(sentence).capitalize() + ".")
        count -= length
    return " ".join(text)


def width(text: str, name: str, size: int) -> int:
    """Pixels a line takes."""
    return int(np.ceil(font(name, size).getlength(text)))


def shade(size: tuple[int, int], first: Color, last: Color, across: bool = False) -> Image.Image:
    """A linear gradient of (width, height), downwards, or across."""
    steps = np.linspace(0, 1, size[0] if across else size[1])[:, None]
    line = np.round(np.array(first) + steps * (np.array(last) - np.array(first))).astype(np.uint8)
    shape = (size[1], size[0], 3)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(line[None] if across else line[:, None], shape)))


def painted(figure: Any) -> np.ndarray:
    """A Matplotlib figure as pixels, uint8 [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


class Sheet:
    """A picture under way. draw: Pillow's pen; write and paragraph: text with gray, hard or LCD edges."""

    def __init__(self, width: int, height: int, ground: Color | Image.Image, edges: str = "gray"):
        self.image = Image.new("RGB", (width, height), ground if isinstance(ground, tuple) else None)
        if not isinstance(ground, tuple):
            self.image.paste(ground)
        self.draw = ImageDraw.Draw(self.image)
        self.edges = edges
        self.draw.fontmode = "1" if edges == "hard" else "L"

    def write(self, x: float, y: float, text: str, name: str, size: int, ink: Color, anchor: str = "la") -> None:
        """A line of text at its anchor, as Pillow names them."""
        if self.edges == "lcd":
            self._subpixels(x, y, text, name, size, ink, anchor)
        else:
            self.draw.text((x, y), text, ink, font(name, size), anchor)

    def _subpixels(self, x: float, y: float, text: str, name: str, size: int, ink: Color, anchor: str) -> None:
        """Red, green and blue a third of a pixel apart, five taps wide, as screens of liquid crystals are written."""
        tall = Image.new("L", (3 * self.image.width, 3 * self.image.height))
        ImageDraw.Draw(tall).text((3 * x, 3 * y), text, 255, font(name, 3 * size), anchor)
        thirds = np.asarray(tall, np.float64).reshape(self.image.height, 3, -1).mean(1) / 255
        smooth = sum(w * np.roll(thirds, k, 1) for w, k in zip((1, 2, 3, 2, 1), range(-2, 3), strict=True)) / 9
        cover = smooth.reshape(self.image.height, -1, 3)
        mixed = np.asarray(self.image) * (1 - cover) + np.array(ink) * cover
        self.image.paste(Image.fromarray(np.round(mixed).astype(np.uint8)))

    def paragraph(
        self, box: tuple[int, int, int, int], text: str, name: str, size: int, ink: Color, leading: float = 1.35
    ) -> int:
        """Wrapped text inside (left, top, right, bottom). The y below its last line."""
        left, y, right, bottom = box
        line = ""
        for word in [*text.split(), ""]:
            longer = f"{line} {word}".strip()
            if word and width(longer, name, size) <= right - left:
                line = longer
                continue
            if y + size > bottom:
                break
            self.write(left, y, line, name, size, ink)
            y, line = y + round(leading * size), word
        return y

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [H, W, 3]."""
        return np.asarray(self.image).copy()
