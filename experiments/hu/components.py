"""Means and bases of faces: principal components of a shrunk covariance, in DCT coefficients, and the coder's integers.

Few persons are to train on. What pictures shifted by some pixels add, and shrinking towards the covariance's own diagonal, which
is what a smooth texture without a face would have, carries to persons that were not seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jpegjax.coding.rans import SKIP
from jpegjax.learned.faces.model import QUALITIES, cosines, step_of
from jpegjax.learned.layers.density import SCALES, level_of

__all__ = ["levels_of", "principal", "shifted", "spectra"]

Kept = tuple[tuple[int, int], ...]


def spectra(planes: np.ndarray, kept: Kept) -> np.ndarray:
    """Low DCT coefficients [N, D] of planes [N, C, H, W]."""
    high, wide = planes.shape[2:]
    parts = [cosines(high, h) @ planes[:, c] @ cosines(wide, w).T for c, (h, w) in enumerate(kept)]
    return np.concatenate([part.reshape(len(planes), -1) for part in parts], 1)


def shifted(planes: np.ndarray, reach: int, flip: bool = True) -> Iterator[np.ndarray]:
    """Planes [N, C, H, W] by up to so many pixels aside, mirrored too."""
    high, wide = planes.shape[2:]
    around = np.pad(planes, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            found = around[:, :, dy : dy + high, dx : dx + wide]
            yield found
            if flip:
                yield found[..., ::-1]


def principal(
    planes: np.ndarray, kept: Kept, count: int, plain: int, shrink: float, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and basis [count + plain, D] of planes [N, C, H, W]: components, orthonormal, and the single coefficients of which
    they leave most. shrink: share 0..1 of the diagonal."""
    total = sum(h * w for h, w in kept)
    mean, square, seen = np.zeros(total), np.zeros((total, total)), 0
    for found in shifted(planes.astype(np.float32), reach):
        x = spectra(found, kept)
        mean += x.sum(0, dtype=np.float64)
        square += (x.T @ x).astype(np.float64)
        seen += len(x)
    mean /= seen
    covariance = square / seen - np.outer(mean, mean)
    diagonal = np.diag(covariance).copy()
    covariance *= 1 - shrink
    covariance[np.diag_indices(total)] += shrink * diagonal
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1][:, :count].T
    left = np.diag(covariance) - (values[::-1][:count, None] * vectors**2).sum(0)
    return mean, np.concatenate([vectors, np.eye(total)[np.sort(np.argsort(-left, stable=True)[:plain])]])


def levels_of(spread: np.ndarray) -> np.ndarray:
    """Tables uint8 [QUALITIES, L] of latents of these deviations; SKIP where every symbol is 0."""
    steps = np.array([step_of(quality) for quality in range(1, QUALITIES + 1)])
    found = np.clip(np.rint(level_of(np.maximum(spread[None] / steps[:, None], 1e-3))), 0, SCALES - 1).astype(np.int64)
    return np.where(found == 0, SKIP, found - 1).astype(np.uint8)
