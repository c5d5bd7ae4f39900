"""The photographs of a benchmark: a folder's, else scikit-image's, else made up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import jpegjax
from jpegjax.cli.samples import photographs

__all__ = ["pictures", "pixels_of", "synthetic", "tiled", "write_files"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ppm"}


def synthetic(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3]: gradients, edges and film grain, about as hard to code as a photograph."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40.0
    planes = []
    for _ in range(3):
        a, b, c, d = random.uniform(0.2, 1.0, 4)
        waves = 60 * np.sin(a * x + np.cos(b * y)) + 40 * np.sign(np.sin(c * y + d * x))
        planes.append(128 + waves + random.normal(0, 6, (height, width)))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def pixels_of(images: Iterable[np.ndarray]) -> int:
    """How many pixels images [H, W] or [H, W, C] have together."""
    return sum(image.shape[0] * image.shape[1] for image in images)


def pictures(folder: Path | None, quick: bool = False) -> tuple[str, list[np.ndarray]]:
    """(where from, RGB images uint8 [H, W, 3]). quick: two crops of 96 rows and 128 columns, for a rehearsal."""
    source, images = _whole(folder)
    return source, [np.ascontiguousarray(image[:96, :128]) for image in images[:2]] if quick else images


def tiled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image [height, width, C], a copy, made of one that may be smaller."""
    times = -(-height // image.shape[0]), -(-width // image.shape[1]), 1
    return np.ascontiguousarray(np.tile(image, times)[:height, :width])


def write_files(folder: Path, images: Sequence[np.ndarray], count: int, side: int | None) -> int:
    """`count` files in a folder, of pictures or of squares cut out of them; the number of their pixels."""
    random = np.random.default_rng(0)
    pixels = 0
    folder.mkdir()
    for i in range(count):
        image = images[i % len(images)]
        if side is not None:
            y, x = (int(random.integers(0, max(n - side, 0) + 1)) for n in image.shape[:2])
            image = image[y : y + side, x : x + side]
        (folder / f"{i:04}.jpg").write_bytes(jpegjax.encode(np.ascontiguousarray(image), quality=75))
        pixels += image.shape[0] * image.shape[1]
    return pixels


def _whole(folder: Path | None) -> tuple[str, list[np.ndarray]]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES) if folder else photographs()
    if paths:
        return folder.name if folder else "scikit-image", [np.asarray(Image.open(p).convert("RGB")) for p in paths]
    return "synthetic", [synthetic(512, 768, seed) for seed in range(24)]
