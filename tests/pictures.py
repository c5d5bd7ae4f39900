"""Pictures made by formula, for any size, and a photograph. Sizes of files and thresholds rest on them: they are for good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["astronaut", "deep_picture", "noise", "picture", "rgb", "ripples", "slopes", "waves"]


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A ramp with edges and noise, uint8 [height, width, channels], or [height, width] for one channel."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(height * 1000 + width + seed).integers(0, 60, (height, width, channels))
    bands = [x * 3 + y, 255 * ((x // 5 + y // 7) % 2), 200 - y * 2, 90 + x * 2 - y][:channels]
    image = ((np.stack(bands, axis=-1) + noise) % 256).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


def waves(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with a little grain, about as easy to code as a photograph: uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width]
    bands = np.stack([np.sin((x + seed) / 7) * np.cos(y / 9), np.sin((x + y) / 11), np.cos(x / 13 - y / 5)], axis=2)
    grain = np.random.default_rng(seed).normal(scale=4, size=bands.shape)
    return np.clip(128 + 80 * bands + grain, 0, 255).astype(np.uint8)


def slopes(height: int, width: int, noise: float = 8.0, seed: int = 0) -> np.ndarray:
    """Slopes, edges and as much noise as wanted, uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width]
    bands = np.stack([128 + 90 * np.sin(x / 9.0), y * 255 / height, 255 * ((x // 7 + y // 9) % 2)], -1)
    grain = np.random.default_rng(seed).normal(0, noise, bands.shape)
    return np.clip(bands + grain, 0, 255).astype(np.uint8)


def ripples(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Waves of any number of channels with coarse grain, uint8 [height, width, channels]."""
    y, x = np.mgrid[:height, :width]
    bands = np.stack([128 + 90 * np.sin(x / (5 + 3 * i) + i) * np.cos(y / (7 - i)) for i in range(channels)], -1)
    return np.clip(bands + np.random.default_rng(seed).normal(0, 12, bands.shape), 0, 255).astype(np.uint8)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Nothing but noise, uint8 [height, width, channels]."""
    rng = np.random.default_rng([seed, height, width])
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def astronaut() -> np.ndarray:
    """The photograph that scikit-image brings along, uint8 [512, 512, 3]."""
    from skimage import data

    return data.astronaut()


def rgb(path: Path) -> np.ndarray:
    """The pixels of a file, uint8 [height, width, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def deep_picture(height: int, width: int, channels: int = 3, seed: int = 1) -> np.ndarray:
    """A wave with noise that reaches both ends of 12 bits, uint16 0..4095."""
    y, x = np.mgrid[:height, :width]
    wave = 2048 + 1800 * np.sin(x / 9 + y / 13)
    grain = np.random.default_rng(seed).normal(0, 300, (height, width, channels))
    image = np.clip(wave[..., None] + grain, 0, 4095).astype(np.uint16)
    return image[..., 0] if channels == 1 else image
