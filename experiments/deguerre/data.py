"""BCCD: 364 pictures of blood cells as they came, and their boxes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.machine import ROOT

__all__ = ["CLASSES", "MOST", "SIZE", "Part", "bccd", "folder"]

CLASSES = ("red cells", "white cells", "platelets")
"""Numbers 1, 2, 3 of boxes here; 0 is none."""
SIZE = (480, 640)
MOST = 40
"""Boxes of a picture at most; fewer are filled up with class 0."""


class Part(NamedTuple):
    """names: of pictures. files: their bytes. boxes: float32 [N, MOST, 4] in pixels. classes: int32 [N, MOST]."""

    names: list[str]
    files: list[bytes]
    boxes: np.ndarray
    classes: np.ndarray


def folder() -> Path:
    """Where the set is: data/bccd of $JPEGJAX_SHARED."""
    return Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared") / "data" / "bccd"


def bccd(split: str, count: int | None = None) -> Part:
    """The pictures of a split, "train" (205), "val" (87) or "test" (72), by name; boxes without area are left out."""
    about = json.loads((folder() / "boxes.json").read_text())
    names = sorted(name for name, one in about["images"].items() if one["split"] == split)[:count]
    boxes, classes = np.zeros((len(names), MOST, 4), np.float32), np.zeros((len(names), MOST), np.int32)
    for i, name in enumerate(names):
        real = [box for box in about["images"][name]["boxes"] if box[3] > box[1] and box[4] > box[2]]
        for k, (kind, *corners) in enumerate(real):
            boxes[i, k], classes[i, k] = corners, kind + 1
    return Part(names, [(folder() / f"{name}.jpg").read_bytes() for name in names], boxes, classes)
