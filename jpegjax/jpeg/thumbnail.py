"""The small picture that EXIF carries, made of the picture itself."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..container import parse_header
from ..options import DecodeOptions, EncodeOptions, Limits
from ..types import ColorSpace
from .codec import decode, encode

__all__ = ["thumbnail_of"]

_COLORS = ColorSpace.GRAY, ColorSpace.YCBCR, ColorSpace.RGB


def _areas(have: int, want: int) -> np.ndarray:
    """float64 [want, have]: the share of each of `have` samples in each of `want` <= `have` that they are averaged to."""
    edges = np.arange(want + 1) * (have / want)
    cells = np.arange(have)
    shared = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.clip(shared, 0, None) * (want / have)


def thumbnail_of(data: bytes, box: tuple[int, int], limits: Limits) -> tuple[bytes | None, tuple[int, int]]:
    """(A baseline JPEG that shows the picture of a file, as large as fits in `box`; its (width, height)).

    box: (width, height). It is decoded at the least scale k/8 that is large enough, averaged and coded at quality 75. None
    for pictures that are not 8-bit grey or colour, and for those that do not decode within `limits`.
    """
    frame = parse_header(data, limits).require_frame()
    share = min(box[0] / frame.width, box[1] / frame.height, 1.0)
    size = max(round(frame.width * share), 1), max(round(frame.height * share), 1)
    if frame.precision != 8 or frame.color not in _COLORS:
        return None, size
    eighths = next(
        k for k in range(1, 9) if -(-frame.width * k // 8) >= size[0] and -(-frame.height * k // 8) >= size[1]
    )
    ((pixels, _),) = decode([data], DecodeOptions(scale=Fraction(eighths, 8), limits=limits), "host", None)
    if isinstance(pixels, Exception):
        return None, size
    down, across = _areas(pixels.shape[0], size[1]), _areas(pixels.shape[1], size[0])
    small = np.einsum("yh,hw...,xw->yx...", down, pixels.astype(np.float64), across, optimize=True)
    (made,) = encode([np.round(small).astype(np.uint8)], EncodeOptions(), "host", None)
    return (None if isinstance(made, Exception) else made), size
