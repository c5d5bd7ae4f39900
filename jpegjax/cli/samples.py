"""Photographs that need no download: those inside scikit-image's wheel."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ["photographs"]

_NAMES = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png",
    "motorcycle_right.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip


def photographs() -> list[Path]:
    """Their paths, without importing scikit-image; empty where it is not installed."""
    found = find_spec("skimage")
    folders = [Path(root, "data") for root in (found.submodule_search_locations or [])] if found else []
    return [folder / name for folder in folders for name in _NAMES if (folder / name).is_file()]
