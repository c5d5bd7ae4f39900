"""Files of equal size: plain, with qualities mixed by the map as published, and with the map in the trellis."""

from __future__ import annotations

import numpy as np

import jpegjax

__all__ = ["QUALITY", "WAYS", "importance_of", "made", "ranks"]

QUALITY = 50
"""Of the plain file whose bytes all others may have."""
_FIRST, _LAST = 90, 21
_OVER = 1.01
_DOUBLINGS = 6
"""Between what counts most and what counts least of a map."""
WAYS = "plain", "mixed", "tuned", "guided", "tuned psnr", "guided psnr"
"""Plain; qualities mixed pixel by pixel; tuned for the eye, without and with the map; for squared error, alike."""


def ranks(saliency: np.ndarray) -> np.ndarray:
    """The share of a map's values below each: float32 [H, W] in 0..1."""
    flat = np.sort(saliency, axis=None)
    return (np.searchsorted(flat, saliency, "left") / flat.size).astype(np.float32)


def importance_of(rank: np.ndarray) -> np.ndarray:
    """What errors cost: 1 where the map is largest, half as much for each sixth of the pixels that it is not."""
    return np.exp2(_DOUBLINGS * (rank - 1)).astype(np.float32)


def _mixed(picture: np.ndarray, rank: np.ndarray, size: int) -> bytes:
    """Pixels of decoded files of quality 10, 20 … 100 by tenths of the map, coded at the largest quality that is small enough."""
    decoded = [jpegjax.decode(jpegjax.encode(picture, quality=q)) for q in range(10, 101, 10)]
    level = np.minimum((10 * rank).astype(int), 9)
    mixed = np.choose(level[..., None], decoded).astype(np.uint8)
    for quality in range(_FIRST, _LAST - 1, -1):
        data = jpegjax.encode(mixed, quality=quality, optimize=True)
        if len(data) <= _OVER * size:
            return data
    return data


def made(picture: np.ndarray, rank: np.ndarray) -> dict[str, bytes]:
    """The files of `WAYS`, of a picture uint8 [H, W, 3] and `ranks` of its map."""
    plain = jpegjax.encode(picture, quality=QUALITY, optimize=True)
    files = {"plain": plain, "mixed": _mixed(picture, rank, len(plain))}
    weights = importance_of(rank)
    for name, tune in (("", True), (" psnr", "psnr")):
        files["tuned" + name] = jpegjax.encode(picture, tune=tune, target_bytes=round(_OVER * len(plain)))
        files["guided" + name] = jpegjax.encode(
            picture, tune=tune, target_bytes=round(_OVER * len(plain)), importance=weights
        )
    return files
