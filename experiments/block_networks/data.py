"""Blocks to train on and pictures to look at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.learned.kodak import SHARED
from jpegjax.train.pictures import Files, Store, shared_packs, split

__all__ = ["blocks", "kodak", "luma", "of_packs", "pictures", "planes"]

DATA = SHARED / "data"


def pictures(name: str) -> dict[str, np.ndarray]:
    """A set's pictures by name: uint8 [H, W] or [H, W, 3]."""
    return {path.stem: np.asarray(Image.open(path)) for path in sorted((DATA / name).glob("*.png"))}


def luma(picture: np.ndarray) -> np.ndarray:
    """Y of BT.601 or the grey picture itself, uint8."""
    if picture.ndim == 2:
        return picture
    return np.rint(picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def planes(picture: np.ndarray) -> list[np.ndarray]:
    """Y, and Cb and Cr of half the size, as the codec takes them but for rounding: uint8 each."""
    if picture.ndim == 2:
        return [picture]
    r, g, b = np.moveaxis(picture.astype(np.float32), -1, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    chroma = [128 + (b - y) / 1.772, 128 + (r - y) / 1.402]
    height, width = (side // 2 * 2 for side in y.shape)
    halves = [c[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for c in chroma]
    return [np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (y, *halves)]


def blocks(plane: np.ndarray, n: int) -> np.ndarray:
    """Whole blocks of a plane [H, W] from its upper left on: [N, n²]."""
    height, width = (side // n * n for side in plane.shape)
    parted = plane[:height, :width].reshape(height // n, n, width // n, n)
    return np.ascontiguousarray(parted.swapaxes(1, 2).reshape(-1, n * n))


def kodak(n: int) -> np.ndarray:
    """All blocks of Kodak's luma, uint8 [N, n²]: for networks that are measured, none that ship."""
    return np.concatenate([blocks(luma(p), n) for p in pictures("kodak").values()])


@cache
def of_packs(
    sides: tuple[int, ...], count: int = 200, most: int = 600_000, paths: tuple[str | Path, ...] = ()
) -> dict[int, np.ndarray]:
    """Blocks of the training packs' luma and halved chroma: {n: uint8 [N, n²], N at most `most`}.

    Of `count` pictures of the training part (`train.split`) by chance, seed 0; the validation part and Kodak are not seen.
    """
    store: Store = split(Files(*(paths or shared_packs())))[0]
    random = np.random.default_rng(0)
    chosen = random.permutation(len(store.names))[:count]
    seen = [plane for i in np.sort(chosen) for plane in planes(store.read(int(i)))]
    found = {}
    for n in sides:
        parts = [blocks(plane[random.integers(n) :, random.integers(n) :], n) for plane in seen]
        whole = np.concatenate(parts)
        found[n] = whole[random.permutation(len(whole))[:most]]
    return found
