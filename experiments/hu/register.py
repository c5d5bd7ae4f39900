"""Points of faces without landmarks: a grid that all portraits together are registered by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .build import Recipe, Shapes, align, built

__all__ = ["affine", "flow", "grid", "principal_moves", "register"]


def grid(height: int, width: int, count: int = 4) -> np.ndarray:
    """Points [count², 2] over a picture."""
    rows, columns = np.meshgrid(np.linspace(0, height - 1, count), np.linspace(0, width - 1, count), indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], 1)


def _moves(patterns: list[np.ndarray]) -> np.ndarray:
    """Rows and columns by each pattern [K], a pixel in the mean."""
    made = []
    for pattern in patterns:
        pattern = pattern / np.sqrt(np.mean(pattern**2))
        made += [np.stack([pattern, 0 * pattern], 1), np.stack([0 * pattern, pattern], 1)]
    return np.stack(made)


def affine(points: np.ndarray) -> np.ndarray:
    """Moves [6, K, 2] of all affine maps."""
    v, u = (points - points.mean(0)).T
    return _moves([np.ones(len(points)), v, u])


def flow(points: np.ndarray, count: int = 3) -> np.ndarray:
    """Moves [2 count², K, 2]: a dense flow of low frequencies."""
    v, u = (points / points.max(0)).T
    return _moves([np.cos(np.pi * i * v) * np.cos(np.pi * j * u) for i in range(count) for j in range(count)])


def register(
    planes: np.ndarray, points: np.ndarray, moves: np.ndarray, recipe: Recipe, rounds: int = 8, more: int = 4
) -> np.ndarray:
    """Codes [N, S] under which portraits are most alike: each round a model of so many more components, and shapes under it."""
    size = recipe.size
    kept = tuple((h // 2, w // 2) for h, w in size.kept)
    latents = min(48, sum(h * w for h, w in kept))
    small = replace(
        recipe, size=replace(size, kept=kept, latents=latents, behind=0, shape=len(moves)), plain=0, reach=1
    )
    codes = np.zeros((len(planes), len(moves)))
    for k in range(rounds):
        shapes = Shapes(points, moves, np.full(len(moves), 2.5), codes)
        codes = align(built(planes, shapes, small), planes, codes, more * (1 + k), 2)
        codes = codes - codes.mean(0)
    return codes


def principal_moves(points: np.ndarray, moved: np.ndarray, count: int, unit: float) -> Shapes:
    """Shapes of points [N, K, 2] by principal components. unit: mean distance in pixels of a point by a code of 1."""
    mean = moved.mean(0)
    apart = (moved - mean).reshape(len(moved), -1)
    vectors = np.linalg.svd(apart, full_matrices=False)[2][:count]
    moves = vectors.reshape(count, -1, 2) * (unit * np.sqrt(mean.shape[0]))
    codes = apart @ vectors.T / (unit * np.sqrt(mean.shape[0]))
    return Shapes(mean, moves, codes.std(0), codes)
