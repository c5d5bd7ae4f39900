"""Pillow's test pictures and how its tests look at files, for `test_pillow_suite.py` and `test_pillow_metadata.py`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from pictures import waves
from PIL import Image

import jpegjax
from jpegjax import JpegWarning

__all__ = ["HOPPER", "Load", "difference", "exif_of", "quietly"]

HOPPER = waves(128, 128)
"""In place of Pillow's hopper()."""

Load = Callable[[str], bytes]
"""The bytes of one of Pillow's pictures, by its name."""


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Pillow's measure of likeness: the mean over pixels of the sum of absolute differences."""
    return float(np.abs(a.astype(int) - b).sum() / (a.shape[0] * a.shape[1]))


def exif_of(data: bytes) -> Image.Exif:
    """The EXIF that `info` hands on, read by Pillow."""
    exif = Image.Exif()
    exif.load(jpegjax.info(data).metadata.exif)
    return exif


def quietly(data: bytes, **options: Any) -> np.ndarray:
    """`decode` without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        return jpegjax.decode(data, **options)
