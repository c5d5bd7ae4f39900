"""The command line in tests: what a run answers, and the pictures it is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

__all__ = ["Answer", "Run", "opened", "photo", "without_waiting"]


class Answer(NamedTuple):
    code: int
    out: bytes
    err: str


Run = Callable[..., Answer]


def without_waiting(err: str) -> str:
    """What is said on stderr but for why it takes long, which depends on how busy the machine is."""
    return re.sub(r"^jpegjax: (?:[^\n]*…|compiling took \d+ s)\n", "", err, flags=re.M)


def photo(seed: int = 0, size: tuple[int, int] = (50, 35)) -> Image.Image:
    """A smooth colour picture with some noise."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    noise = np.random.default_rng(seed).integers(0, 40, (*x.shape, 3))
    return Image.fromarray((np.stack([x * 3, y * 4, x + y], -1) % 200 + noise).astype(np.uint8))


def opened(path: str) -> Image.Image:
    """A picture, its file closed."""
    with Image.open(path) as image:
        image.load()
    return image
