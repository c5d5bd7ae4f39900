"""Decoded pixels turned upright as their file's EXIF says."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..container import parse_header
from ..errors import CorruptJpeg
from ..options import DecodeOptions

__all__ = ["upright"]


def upright(pixels: Any, data: bytes | memoryview, options: DecodeOptions) -> tuple[Any, list[tuple[str, int]]]:
    """(pixels [H, W, ...] of `data`, NumPy or JAX, turned by its EXIF orientation; warnings where that is damaged).

    Damaged EXIF turns nothing; with options.strict the pixels are a CorruptJpeg instead.
    """
    metadata = parse_header(data, options.limits, options.strict, options.tables).metadata
    damaged = [note for note in metadata.warnings if note[0].startswith("EXIF")]
    if damaged and options.strict:
        return CorruptJpeg(*damaged[0]), []
    orientation = metadata.orientation or 1
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels) if isinstance(pixels, np.ndarray) else pixels, damaged
