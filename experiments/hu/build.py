"""A face model of portraits and their shape codes: means, bases, deviations of persons left out, tables of the coder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.spatial import Delaunay

from jpegjax.coding.rans import SKIP
from jpegjax.learned.faces.model import LOW, Faces, FaceSize, cosines, planes_of
from jpegjax.learned.faces.search import NOISE, Candidate, aligned, code, leading_of, moved, unmoved
from jpegjax.learned.faces.shape import sample, sampling, thin_plate
from jpegjax.learned.faces.symbols import costs, with_flag
from jpegjax.learned.faces.weights import Coder, LoadedFaces, export, loaded
from jpegjax.learned.layers.density import level_of
from jpegjax.learned.tables import LEVELS, REACH, fitted

from .components import levels_of, principal, spectra
from .data import Portraits

__all__ = [
    "Recipe",
    "Shapes",
    "align",
    "built",
    "coder_of",
    "every_of",
    "left_out",
    "planes_of_all",
    "ready",
    "textures",
]

FOLDS = 3
MOVED = 100
"""About so many portraits are looked at in their own shape too."""
QUALITIES = (10, 25, 40, 55, 70, 85)
"""At which symbols are counted."""

_GAUSSIAN = with_flag(fitted(np.zeros((LEVELS, REACH + 1), np.int64)), 0.5)
UNFITTED = Coder(np.zeros((0, 0), np.uint8), np.zeros(0, np.uint8), _GAUSSIAN)
UNFITTED_COSTS = costs(_GAUSSIAN)


@dataclass(frozen=True)
class Recipe:
    """What a model is made of. plain, plain_behind: latents of texture and background that are single DCT coefficients; shrink:
    of the covariance, 0..1; reach: pixels of shifts."""

    size: FaceSize
    plain: int = 0
    plain_behind: int = 0
    shrink: float = 0.25
    reach: int = 2


@dataclass(frozen=True)
class Shapes:
    """points [K, 2], moves [S, K, 2] and deviations [S] of codes, (row, column); codes [N, S] of the portraits."""

    points: np.ndarray
    moves: np.ndarray
    spread: np.ndarray
    codes: np.ndarray

    def of(self, chosen: np.ndarray) -> Shapes:
        """The same of some portraits."""
        return replace(self, codes=self.codes[chosen])


def planes_of_all(portraits: Portraits) -> np.ndarray:
    """float32 [N, C, H, W]."""
    return np.stack([np.asarray(planes_of(jnp.asarray(image))) for image in portraits.images])


@partial(jax.jit, static_argnames="margin")
def _texture(planes: jax.Array, points: jax.Array, moved: jax.Array, margin: int) -> jax.Array:
    _, high, wide = planes.shape
    rows, columns = jnp.meshgrid(jnp.arange(high + 2 * margin), jnp.arange(wide + 2 * margin), indexing="ij")
    at = jnp.stack([rows.ravel(), columns.ravel()], 1).astype(jnp.float32) - margin
    where = sampling(thin_plate(points, moved, at, float(high)), (high, wide))
    return sample(planes.reshape(len(planes), -1).T, *where).T.reshape(len(planes), *rows.shape)


def textures(planes: np.ndarray, shapes: Shapes, margin: int) -> np.ndarray:
    """Each portrait's planes in the mean shape, [N, C, canvas]."""
    points = jnp.asarray(shapes.points, jnp.float32)
    moved = shapes.points + np.tensordot(shapes.codes, shapes.moves, 1)
    return np.stack(
        [
            np.asarray(_texture(p, points, jnp.asarray(m, jnp.float32), margin))
            for p, m in zip(planes, moved, strict=True)
        ]
    )


def guess_of(planes: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the linear guess of codes from coarse luma, by ridge regression."""
    low = cosines(planes.shape[2], LOW) @ planes[:, 0] @ cosines(planes.shape[3], LOW).T
    x = low.reshape(len(low), -1) / 1000
    middle, mean = x.mean(0), codes.mean(0)
    x, y = x - middle, codes - mean
    kernel = np.linalg.solve(x.T @ x + 0.02 * np.trace(x.T @ x) / x.shape[1] * np.eye(x.shape[1]), x.T @ y)
    return kernel, mean - middle @ kernel


def _filled(planes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Planes [N, C, H, W] where their weights [N, H, W] are 1, and beyond what is near to that, smoothly."""
    found, known = planes * weights[:, None], weights.copy()
    out, left = found.copy(), 1 - weights
    for width in (2, 4, 8, 16, 32):
        near = gaussian_filter(known, (0, width, width))
        shown = gaussian_filter(found, (0, 0, width, width)) / np.maximum(near, 1e-6)[:, None]
        share = left * np.minimum(near * 4, 1)
        out += share[:, None] * shown
        left = left - share
    return out


def inside(shapes: Shapes, size: FaceSize) -> np.ndarray:
    """A mask [canvas] of the mean shape's hull and some pixels more, soft at its border."""
    rows, columns = np.meshgrid(*(np.arange(n) - size.margin for n in size.canvas), indexing="ij")
    hull = Delaunay(shapes.points)
    held = hull.find_simplex(np.stack([rows.ravel(), columns.ravel()], 1)) >= 0
    return gaussian_filter(binary_dilation(held.reshape(rows.shape), iterations=5).astype(np.float64), 2.0)


def built(planes: np.ndarray, shapes: Shapes, recipe: Recipe, spread: np.ndarray | None = None) -> Faces:
    """A model without refinement of what it was trained. spread: of latents; by default those of the training textures."""
    size = replace(recipe.size, refine=0)
    model = Faces(size, rngs=nnx.Rngs(0))
    model.points[...], model.moves[...] = (
        jnp.asarray(shapes.points, jnp.float32),
        jnp.asarray(shapes.moves, jnp.float32),
    )
    found = textures(planes, shapes, size.margin) if size.shape else planes
    parts = [(model.face, found, recipe.plain)]
    if size.behind:
        mask = inside(shapes, size)
        model.mask[...] = jnp.asarray(mask, jnp.float32)
        shown = jax.jit(jax.vmap(lambda c: sample(jnp.asarray(mask.ravel(), jnp.float32), *model.sampling(c))))
        masks = np.asarray(shown(jnp.asarray(shapes.codes, jnp.float32))).reshape(-1, size.height, size.width)
        parts[0] = model.face, _filled(found, np.broadcast_to(mask, (len(found), *mask.shape))), recipe.plain
        parts.append((model.behind, _filled(planes, 1 - masks), recipe.plain_behind))
    if size.shape:
        kernel, bias = guess_of(planes, shapes.codes)
        model.guess.kernel[...], model.guess.bias[...] = (
            jnp.asarray(kernel, jnp.float32),
            jnp.asarray(bias, jnp.float32),
        )
    spreads = []
    for part, pictures, plain in parts:
        count = part.basis.shape[0] - plain
        mean, basis = principal(pictures, size.kept, count, plain, recipe.shrink, recipe.reach)
        part.mean[...], part.basis[...] = jnp.asarray(mean, jnp.float32), jnp.asarray(basis, jnp.float32)
        spreads.append(((spectra(pictures, size.kept) - mean) @ basis.T).std(0))
    spread = np.concatenate(spreads) if spread is None else spread
    model.spread[...] = jnp.asarray(np.maximum(np.concatenate([shapes.spread, spread]), 1e-3), jnp.float32)
    return model


_align = nnx.jit(
    lambda model, planes, codes, leading, rounds: jax.vmap(lambda p, c: aligned(model, p, c, leading, rounds))(
        planes, codes
    ),
    static_argnames="rounds",
)


def align(
    model: Faces, planes: np.ndarray, codes: np.ndarray, leading: int, rounds: int, batch: int = 16
) -> np.ndarray:
    """Shape codes [N, S] found by synthesis with some leading latents, from others."""
    which, out = leading_of(model, leading), []
    for i in range(0, len(planes), batch):
        p, c = planes[i : i + batch], codes[i : i + batch]
        short = batch - len(p)
        p, c = np.concatenate([p, p[:1].repeat(short, 0)]), np.concatenate([c, c[:1].repeat(short, 0)])
        out.append(
            np.asarray(_align(model, jnp.asarray(p), jnp.asarray(c, jnp.float32), which, rounds=rounds))[
                : batch - short
            ]
        )
    return np.concatenate(out)


def every_of(count: int) -> int:
    """Of so many portraits each which one is looked at in its own shape too."""
    return max(1, count // MOVED)


def left_out(portraits: Portraits, planes: np.ndarray, shapes: Shapes, recipe: Recipe) -> list[list[Candidate]]:
    """Of each portrait its least squares under a model of other persons, in the mean shape; of some also in their own."""
    found: list[list[Candidate]] = [[] for _ in planes]
    for own in portraits.folds(FOLDS):
        model = built(planes[~own], shapes.of(~own), recipe)
        this = LoadedFaces("", recipe.size, b"", model, UNFITTED, UNFITTED_COSTS)
        for i in np.flatnonzero(own):
            found[i].append(unmoved(this, planes[i]))
            if recipe.size.shape and i % every_of(len(planes)) == 0:
                found[i].append(moved(model, jnp.asarray(planes[i]), np.rint(shapes.codes[i]).astype(np.int32)))
    return found


def coder_of(cases: list[list[Candidate]], shapes: Shapes, recipe: Recipe) -> tuple[Coder, np.ndarray]:
    """The coder's integers and the latents' deviations, of portraits left out."""
    size = recipe.size
    spread = np.full(size.latents + size.behind, 1000.0)
    solved: dict[int, np.ndarray] = {}
    for _ in range(3):
        squares = np.zeros_like(spread)
        prior, solved = np.diag(NOISE / spread**2), {}
        for one in (ones[-1] for ones in cases):
            if id(one.gram) not in solved:  # that of the mean shape is many portraits'
                solved[id(one.gram)] = np.linalg.inv(one.gram + prior)
            squares += (solved[id(one.gram)] @ one.target) ** 2
        spread = np.sqrt(squares / len(cases))
    shape = np.clip(np.rint(level_of(np.maximum(shapes.spread, 0.3))), 1, LEVELS).astype(np.uint8) - 1
    coder = Coder(levels_of(spread), shape.astype(np.uint8), UNFITTED.tables)
    model = Faces(replace(size, refine=0), rngs=nnx.Rngs(0))
    for _ in range(2):
        counts, shown = np.zeros((LEVELS, REACH + 1), np.int64), []
        this = LoadedFaces("", size, b"", model, coder, costs(coder.tables))
        for quality in QUALITIES:
            for one in cases:
                made = code(this, one, quality)
                if len(one) > 1:
                    shown.append(made.shown)
                kept = coder.levels[quality - 1] != SKIP
                np.add.at(counts, (coder.levels[quality - 1][kept], np.abs(made.latents[kept])), 1)
                if made.shown:
                    np.add.at(counts, (coder.shape, np.abs(made.shape)), 1)
        coder = replace(coder, tables=with_flag(fitted(counts), float(np.mean(shown)) if shown else 0.0))
    return coder, spread


def ready(name: str, model: Faces, coder: Coder) -> LoadedFaces:
    """The model as a file of it would have it."""
    return loaded(name, model.size, export(model, coder))
