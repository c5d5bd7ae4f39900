"""`--importance`: grey pictures that say what errors cost where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...api.beside import checked
from .. import pictures
from ..paths import UsageError, shown

__all__ = ["Maps"]


@dataclass(frozen=True, slots=True)
class Maps:
    """Where maps come from. place: one picture for all, or a folder with one of each picture's name, of any format.

    UsageError where there is nothing at that place.
    """

    place: Path

    def __post_init__(self) -> None:
        if not self.place.exists():
            raise UsageError(f"--importance {shown(self.place)}: no such file or folder")

    def of(self, name: str, size: tuple[int, ...], limit_pixels: int | None) -> np.ndarray:
        """The map of a picture of this stem and so many rows and columns: float32, black 0 and white 1.

        ValueError for a picture that is no map of it, OSError for one that cannot be read.
        """
        path = self.place
        if path.is_dir():
            known = pictures.offered_suffixes()
            found = sorted(p for p in path.iterdir() if p.stem == name and p.suffix.lower() in known)
            if len(found) != 1:
                kinds = "no picture" if not found else "several pictures"
                raise ValueError(f"--importance {shown(path)}: {kinds} named {shown(name)}")
            path = found[0]
        try:
            loaded = pictures.load(
                path, background=None, transpose=False, gray=True, limit_pixels=limit_pixels, precision=None, lossless=True,
                depth=None, strip=True,
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"--importance {shown(path)}: {error}") from None
        scale = np.float32((1 << loaded.bits) - 1)
        return checked(loaded.pixels.astype(np.float32) / scale, size, f"--importance {shown(path)}")
