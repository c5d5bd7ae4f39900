"""CIFAR-10 and MNIST as JPEG files of quality 80.

What is kept of CIFAR-10 at hand: 20,000 pictures to train on, 5,000 to test. Files are 4:2:0: luma 4×4 blocks, chroma 2×2.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import jpegjax
from benchmarks.machine import ROOT
from jpegjax.types import Coefficients

__all__ = ["QUALITY", "Labelled", "batched", "cifar10", "files", "folder", "mnist"]

QUALITY = 80


class Labelled(NamedTuple):
    """data: pictures uint8, or files. labels: int32 [N]."""

    data: Any
    labels: np.ndarray


def folder() -> Path:
    """Where the sets are: data/ of $JPEGJAX_SHARED."""
    return Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared") / "data"


def _tiles(path: Path, side: int) -> np.ndarray:
    """Pictures of a mosaic, row by row: uint8 [N, side, side, 3]."""
    whole = np.asarray(Image.open(path))
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    return whole.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(rows * columns, side, side, 3)


def cifar10() -> tuple[Labelled, Labelled]:
    """(20,000 to train on, 5,000 to test): uint8 [N, 32, 32, 3], ten classes."""
    here = folder() / "cifar10"
    with np.load(here / "labels.npz") as labels:
        known = labels["y_train"].astype(np.int32), labels["y_test"].astype(np.int32)
    train = np.concatenate([_tiles(here / f"train-{i}.webp", 32) for i in (0, 1)])
    return Labelled(train, known[0]), Labelled(_tiles(here / "test.webp", 32), known[1])


def mnist(train: int = 20_000, test: int = 10_000) -> tuple[Labelled, Labelled]:
    """The first pictures of MNIST's two parts: uint8 [N, 32, 32], two pixels of black around the 28×28."""
    with np.load(folder() / "mnist.npz") as stored:
        parts = [(stored[f"x_{part}"], stored[f"y_{part}"]) for part in ("train", "test")]
    found = []
    for (pixels, labels), count in zip(parts, (train, test), strict=True):
        padded = np.pad(pixels[:count], ((0, 0), (2, 2), (2, 2)))
        found.append(Labelled(padded, labels[:count].astype(np.int32)))
    return found[0], found[1]


def files(pictures: np.ndarray, quality: int = QUALITY) -> list[bytes]:
    """JPEG files of pictures uint8 [N, H, W] or [N, H, W, 3], the latter 4:2:0."""
    return jpegjax.encode(list(pictures), quality=quality, subsampling="4:2:0")


def batched(found: list[bytes]) -> Coefficients:
    """Coefficients of files of one kind as one batch, a table for each file."""
    each = jpegjax.read_coefficients(found)
    planes = tuple(np.concatenate(parts) for parts in zip(*(c.planes for c in each), strict=True))
    tables = tuple(np.stack(parts) for parts in zip(*(c.qtables for c in each), strict=True))
    return Coefficients(planes, tables, each[0].frame)
