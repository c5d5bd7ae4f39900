"""Bytes and quality on faces of persons that were not seen, of ours and of the codecs that people have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image

from jpegjax import codecs, metrics
from jpegjax.learned.faces.codec import checked_landmarks, decode_all, fitting
from jpegjax.learned.faces.search import Candidate, candidates
from jpegjax.learned.faces.weights import LoadedFaces

from .data import Portraits

__all__ = ["RIVALS", "TARGETS", "found_shapes", "ours", "recognised", "rival"]

TARGETS = (80, 100, 150, 220, 300, 450)
"""The most bytes that a file may have, header and checksum counted."""
RIVALS: dict[str, tuple[str, dict[str, Any], Sequence[Any]]] = {
    "jpeg": ("quality", {"optimize": True}, range(1, 101)),
    "jpeg2000": ("rate", {}, [round(1000 * 0.95**i, 2) for i in range(120)]),
    "webp": ("quality", {"method": 6}, range(101)),
    "avif": ("quality", {}, range(101)),
}
"""Of each the setting that is searched, what else is set, and values from the smallest file to the largest."""


def _largest(made: Callable[[int], bytes], count: int, most: int) -> bytes | None:
    """Of files that mostly grow with their number 0..count − 1 one of at most so many bytes, or None."""
    low, high, best = 0, count - 1, None
    while low <= high:
        middle = (low + high) // 2
        data = made(middle)
        if len(data) <= most:
            low, best = middle + 1, data
        else:
            high = middle - 1
    return best


def _row(images: Sequence[np.ndarray], files: Sequence[bytes], shown: Sequence[np.ndarray]) -> dict[str, Any]:
    """Means over pictures."""
    psnr = [float(metrics.psnr(a, b)) for a, b in zip(images, shown, strict=True)]
    ssim = [float(metrics.ssim(a, b)) for a, b in zip(images, shown, strict=True)]
    nbytes = [len(data) for data in files]
    return {
        "nbytes": round(float(np.mean(nbytes)), 1), "most_nbytes": max(nbytes), "psnr_db": round(float(np.mean(psnr)), 3),
        "ssim": round(float(np.mean(ssim)), 4), "least_psnr_db": round(min(psnr), 2), "worst": int(np.argmin(psnr)),
    }  # fmt: skip


def found_shapes(found: LoadedFaces, portraits: Portraits, given: bool) -> list[list[Candidate]]:
    """The shapes that each picture may have. given: whether landmarks are."""
    marks = portraits.landmarks if given else None
    return [
        candidates(found, image, None if marks is None else checked_landmarks(marks[i], found.size.points))
        for i, image in enumerate(portraits.images)
    ]


def ours(found: LoadedFaces, portraits: Portraits, shapes: list[list[Candidate]]) -> dict[str, Any]:
    """{target: row} of files that are decoded from their bytes."""
    rows: dict[str, Any] = {}
    for target in TARGETS:
        files = [fitting(found, one, target) for one in shapes]
        if any(data is None for data in files):
            continue
        made = [data for data in files if data is not None]
        rows[str(target)] = _row(list(portraits.images), made, decode_all(made, [found]))
    return rows


def _alike(pixels: np.ndarray, portraits: Portraits) -> np.ndarray:
    """Pixels of a codec that gives grey pictures back in colour, as grey."""
    if pixels.ndim == portraits.images.ndim - 1:
        return pixels
    return np.asarray(Image.fromarray(pixels).convert("L"))


def rival(name: str, portraits: Portraits) -> dict[str, Any]:
    """Of a codec {target: row}, without targets that some picture has no file for, and the mean of its smallest files."""
    setting, fixed, values = RIVALS[name]
    codec = codecs.get(name)

    @cache
    def file(i: int, k: int) -> bytes:
        return codec.encode(portraits.images[i], **{setting: values[k]}, **fixed)

    rows: dict[str, Any] = {}
    for target in (*TARGETS, 600):
        files = [_largest(partial(file, i), len(values), target) for i in range(len(portraits))]
        made = [data for data in files if data is not None]
        if len(made) == len(files):
            rows[str(target)] = _row(
                list(portraits.images), made, [_alike(codec.decode(data), portraits) for data in made]
            )
    least = [len(file(i, 0)) for i in range(len(portraits))]
    return {"rows": rows, "least_nbytes": round(float(np.mean(least)), 1)}


def recognised(
    gallery: np.ndarray, persons: np.ndarray, probes: np.ndarray, truth: np.ndarray, count: int = 40
) -> float:
    """Share of probes whose nearest picture in the gallery's eigenfaces is of their person (Turk and Pentland 1991)."""
    flat = gallery.reshape(len(gallery), -1).astype(np.float64)
    mean = flat.mean(0)
    basis = np.linalg.svd(flat - mean, full_matrices=False)[2][: min(count, len(flat) - 1)]
    known, asked = (flat - mean) @ basis.T, (probes.reshape(len(probes), -1) - mean) @ basis.T
    nearest = np.argmin(((asked[:, None] - known[None]) ** 2).sum(-1), 1)
    return float(np.mean(persons[nearest] == truth))
