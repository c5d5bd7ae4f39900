"""The two sets of faces, split by person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["Portraits", "colour", "orl"]


@dataclass(frozen=True)
class Portraits:
    """Pictures of persons.

    Attributes:
        images: uint8 [N, H, W] or [N, H, W, 3].
        persons: Integers [N].
        landmarks: float64 [N, K, 2], (x, y) in pixels, or None.
    """

    images: np.ndarray
    persons: np.ndarray
    landmarks: np.ndarray | None = None

    def of(self, chosen: np.ndarray) -> Portraits:
        """Some of them."""
        marks = None if self.landmarks is None else self.landmarks[chosen]
        return Portraits(self.images[chosen], self.persons[chosen], marks)

    def folds(self, count: int) -> list[np.ndarray]:
        """Masks of pictures, each of other persons."""
        numbers = np.unique(self.persons, return_inverse=True)[1]
        return [numbers % count == k for k in range(count)]

    def __len__(self) -> int:
        return len(self.images)


def orl(shared: Path) -> tuple[Portraits, Portraits]:
    """AT&T/ORL: persons 1–32 to train on, 33–40 to test on."""
    with np.load(shared / "data" / "orl.npz") as stored:
        found = Portraits(stored["x"], stored["y"])
    return found.of(found.persons < 32), found.of(found.persons >= 32)


def colour(shared: Path) -> tuple[Portraits, Portraits]:
    """Aligned colour faces with 68 landmarks, as the set's own split has them."""
    folder = shared / "data" / "faces"
    mosaic = np.asarray(Image.open(folder / "faces.webp"))
    high, wide = mosaic.shape[0] // 96, mosaic.shape[1] // 96
    with np.load(folder / "faces.npz") as stored:
        test, marks, persons = stored["split"] == "test", stored["landmarks"].astype(np.float64), stored["person"]
    images = mosaic.reshape(high, 96, wide, 96, 3).swapaxes(1, 2).reshape(-1, 96, 96, 3)[: len(persons)]
    found = Portraits(images, persons, marks)
    return found.of(~test), found.of(test)
