"""Windows: what of a picture a program sees at a time. They overlap by what networks see, so that there are no seams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = ["WINDOW", "Pitch", "Window", "padded", "windows"]

WINDOW = 1024
"""Pixels a side of the largest window."""
_SIDES = 64, 128, 192, 256, 384, 512, 768, 1024


def padded(side: int, align: int) -> int:
    """What a picture's side is padded to: one of a few lengths, so that pictures of all sizes share programs; above 1024
    pixels the next multiple of align. Nothing beyond the picture is coded. Part of the format: it decides what networks see.
    """
    return next((s for s in _SIDES if s >= side and s % align == 0), -(-side // align) * align)


Pitch: TypeAlias = int | tuple[int, int]
"""Pixels from one entry of a map to the next: down and across, or both alike. Windows and cores are multiples of it."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a program looks, [y, y + h) × [x, x + w) in pixels, and the core of it that is kept, in pixels of the picture."""

    y: int
    x: int
    h: int
    w: int
    core: tuple[int, int, int, int]  # y0, y1, x0, x1

    def view(self, array: np.ndarray, pitch: Pitch) -> np.ndarray:
        """What the window sees of a map of that pitch: less where the map ends before."""
        down, across = _sides(pitch)
        y, x = self.y // down, self.x // across
        return array[y : y + self.h // down, x : x + self.w // across]

    def keep(self, whole: np.ndarray, found: np.ndarray, pitch: Pitch) -> None:
        """Puts the core of a program's result where it belongs, as far as there is such a place."""
        down, across = _sides(pitch)
        y0, y1, x0, x1 = self.core
        core = whole[y0 // down : y1 // down, x0 // across : x1 // across]
        y, x = (y0 - self.y) // down, (x0 - self.x) // across
        core[:] = found[y : y + core.shape[0], x : x + core.shape[1]]


def _sides(pitch: Pitch) -> tuple[int, int]:
    return pitch if isinstance(pitch, tuple) else (pitch, pitch)


def _spans(side: int, align: int, margin: int, most: int) -> list[tuple[int, int, int, int]]:
    """(start, length, core start, core end) of windows along a side, a multiple of align; all of one length."""
    if side <= most:
        return [(0, side, 0, side)]
    inner = most - 2 * margin
    count = math.ceil((side - 2 * margin) / inner)
    starts = [min(k * inner, side - most) // align * align for k in range(count)]
    ends = [*(start + margin for start in starts[1:]), side]
    return [(s, most, 0 if k == 0 else ends[k - 1], ends[k]) for k, s in enumerate(starts)]


def windows(height: int, width: int, align: int, margin: int, most: int | None = None) -> list[Window]:
    """Windows of one shape whose cores tile a picture. All arguments: in pixels, multiples of align. most: a side, by default
    `WINDOW`.
    """
    most = most or WINDOW
    return [
        Window(y, x, h, w, (y0, y1, x0, x1))
        for y, h, y0, y1 in _spans(height, align, margin, most)
        for x, w, x0, x1 in _spans(width, align, margin, most)
    ]
