"""Samples of a picture between its file and the encoder: how deep they are, clear, turned; and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Raster", "Refused", "over", "scaled", "turned"]


class Refused(ValueError):
    """A picture that is fine in itself, but not one to make a JPEG of without being told more; or a damaged one."""


@dataclass(slots=True)
class Raster:
    """Samples as a file has them: grey [H, W], RGB [H, W, 3] or CMYK [H, W, 4], uint8 or uint16, values 0..largest.

    alpha: [H, W], 0 clear and largest opaque, None where everything is. blended: colours are multiplied by it already.
    """

    samples: np.ndarray
    largest: int
    alpha: np.ndarray | None = None
    blended: bool = False


def scaled(samples: np.ndarray, largest: int, wanted: int) -> np.ndarray:
    """Samples 0..largest as 0..wanted, each to the nearest: uint8 up to 255, else uint16.

    The way there and back gives the same samples wherever the way there made no two of them one.
    """
    dtype = np.uint8 if wanted <= 255 else np.uint16
    if largest == wanted:
        return samples.astype(dtype, copy=False)
    levels = (np.arange(largest + 1, dtype=np.int64) * wanted + largest // 2) // largest
    return levels.astype(dtype)[samples]


def over(raster: Raster, color: tuple[int, int, int]) -> np.ndarray:
    """Samples [H, W] or [H, W, 3] over a background of 8-bit `color`; grey stays grey where that is grey."""
    alpha, largest, samples = raster.alpha, raster.largest, raster.samples
    assert alpha is not None
    if samples.ndim == 2 and len(set(color)) > 1:
        samples = np.repeat(samples[..., None], 3, axis=2)
    below = scaled(np.array(color, np.uint8), 255, largest)[: 3 if samples.ndim == 3 else 1].astype(np.int64)
    out = np.empty_like(samples)
    for y in range(len(samples)):
        a = alpha[y].astype(np.int64)
        a, ground = (a, below[0]) if samples.ndim == 2 else (a[:, None], below)
        ink = samples[y].astype(np.int64) * (largest if raster.blended else a)
        out[y] = np.minimum((ink + ground * (largest - a) + largest // 2) // largest, largest)
    return out


def turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """A picture upright that a file holds by EXIF orientation 1..8; a view of it."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    down, right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return samples[:: -1 if down else 1, :: -1 if right else 1]
