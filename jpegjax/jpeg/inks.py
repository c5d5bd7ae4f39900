"""CMYK pixels to RGB by the plain formula, which knows no paper and no press."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..run.memory import borrow
from ..types import ColorSpace, Frame

__all__ = ["are_inks", "rgb_of_inks"]

_ROWS = 1 << 20  # samples that are converted at once


def are_inks(frame: Frame) -> bool:
    """Whether a file's components are CMYK or YCCK."""
    return frame.color in (ColorSpace.CMYK, ColorSpace.YCCK)


def rgb_of_inks(pixels: Any, largest: int) -> Any:
    """RGB [H, W, 3] of CMYK [H, W, 4], NumPy or JAX, values 0..largest, which is full ink: uint8, uint16 or float32.

    R = k − round(C·k / largest), k = largest − K, and so G of M and B of Y: Pillow's `convert("RGB")`, of any depth. Floats are
    not rounded.
    """
    if not isinstance(pixels, np.ndarray):
        return _plain(pixels, largest)
    height, width = pixels.shape[:2]
    out = borrow((height, width, 3), pixels.dtype)
    step = max(1, _ROWS // (4 * width))
    for y in range(0, height, step):
        out[y : y + step] = _plain(pixels[y : y + step], largest)
    return out


def _plain(pixels: Any, largest: int) -> Any:
    if pixels.dtype == np.float32:
        return (largest - pixels[..., 3:]) * (1 - pixels[..., :3] / np.float32(largest))
    wide = pixels.astype(np.uint16 if largest <= 255 else np.uint32)  # 255² + 127 fits 16 bits
    light = largest - wide[..., 3:]
    return (light - (wide[..., :3] * light + largest // 2) // largest).astype(pixels.dtype)
