"""Decoded pixels turned upright as their file's EXIF, or else its XMP, says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...container import orientation_of, parse_header
from ...container.behind import chosen
from ...errors import CorruptJpeg
from ...options import DecodeOptions

__all__ = ["upright"]


Notes = Sequence[tuple[str, int]]


def upright(pixels: Any, found: Notes, data: bytes | memoryview, options: DecodeOptions) -> tuple[Any, Notes]:
    """(pixels [H, W, ...] of `data`, NumPy or JAX, turned by its orientation; `found`, and warnings where it is damaged).

    Where damaged EXIF or XMP hides it nothing is turned; with options.strict the pixels are a CorruptJpeg instead. Pixels
    that are an error stay one.
    """
    if isinstance(pixels, Exception):
        return pixels, found
    data, base = chosen(data, options.picture, upright=True)
    reader = parse_header(data, options.limits, options.strict, options.tables)
    orientation, notes = orientation_of(reader.data, reader.segments)
    damaged = [(note, at + base) for note, at in notes]
    if damaged and options.strict:
        return CorruptJpeg(*damaged[0]), []
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels) if isinstance(pixels, np.ndarray) else pixels, [*found, *damaged]
