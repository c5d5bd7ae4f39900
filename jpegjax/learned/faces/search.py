"""The encoder: shapes that a picture may have, and for each what least squares needs to find its latents.

The shape is searched by synthesis: the likeliest texture of a few latents under the shape at hand, then Gauss–Newton steps of the
shape towards the picture (T. F. Cootes et al., "Active appearance models", 2001, with derivatives of the decoder itself).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .model import Faces, planes_of, step_of
from .symbols import FLAG, REACH, bits_of, descend
from .weights import LoadedFaces

__all__ = [
    "LAMBDA",
    "NOISE",
    "Candidate",
    "Coded",
    "aligned",
    "candidates",
    "code",
    "fitted",
    "leading_of",
    "moved",
    "unmoved",
]

Leading = tuple[jax.Array, jax.Array]

LAMBDA = 0.1
"""Squared steps that a bit may cost."""
NOISE = 300.0
"""Squared grey levels a sample that a shape and a few latents do not explain."""
_LEADING, _ROUNDS, _MOST = 40, 6, 40


@dataclass(frozen=True, eq=False)
class Candidate:
    """A shape of a picture, and the least squares of its latents.

    Attributes:
        shape: int32 [S]. shown: whether it is coded; if not it is 0.
        gram, target, energy: DᵀD, Dᵀx and |x|² of what the mean leaves.
    """

    shape: np.ndarray
    shown: bool
    gram: np.ndarray
    target: np.ndarray
    energy: float


@dataclass(frozen=True, eq=False)
class Coded:
    """Symbols of a picture at a quality: of the shape, where it is shown, and of the latents; squared error and bits expected."""

    shape: np.ndarray
    shown: bool
    latents: np.ndarray
    error: float
    bits: float


@nnx.jit
def system(model: Faces, planes: jax.Array, code: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(DᵀD, Dᵀx, |x|²) of planes [C, H, W] under a shape, x what the mean leaves of them."""
    means, columns = model.columns(code)
    x = jnp.moveaxis(planes, 0, -1).reshape(-1) - means
    gram = jnp.matmul(columns.T, columns, precision="highest")
    return gram, jnp.matmul(x, columns, precision="highest"), jnp.sum(x * x)


def aligned(model: Faces, planes: jax.Array, start: jax.Array, leading: Leading, rounds: int) -> jax.Array:
    """A shape code [S] that planes [C, H, W] are near to, from another: rounds of a texture and a Gauss–Newton step.

    leading: which latents of texture and background describe the picture meanwhile.
    """
    size = model.size
    latents = size.latents + size.behind
    which = jnp.concatenate([leading[0], leading[1] + size.latents])
    spread = model.spread[...][: size.shape]
    priors = NOISE / spread**2, NOISE / model.spread[...][size.shape :][which] ** 2

    def texture(code: jax.Array) -> jax.Array:
        """The likeliest leading latents, the others 0."""
        means, columns = model.columns(code, leading)
        x = jnp.moveaxis(planes, 0, -1).reshape(-1) - means
        found = jnp.linalg.solve(columns.T @ columns + jnp.diag(priors[1]), x @ columns)
        return jnp.zeros(latents).at[which].set(found)

    def step(code: jax.Array, _: None) -> tuple[jax.Array, None]:
        z = texture(code)
        shown, pull = model.planes(code, z), jax.jacfwd(lambda c: model.planes(c, z))(code)
        slopes = pull.reshape(-1, size.shape)
        left = slopes.T @ slopes + jnp.diag(priors[0])
        right = slopes.T @ (shown - planes).reshape(-1) + priors[0] * code
        move = jnp.linalg.solve(left, right)
        return code - jnp.clip(move, -2 * spread, 2 * spread), None

    return jax.lax.scan(step, start, None, length=rounds)[0]


_aligned = nnx.jit(aligned, static_argnames="rounds")


def leading_of(model: Faces, count: int) -> Leading:
    """The latents of the largest spread, those of the texture and those of the background."""
    spread = np.asarray(model.spread[...])[model.size.shape :]
    first = np.sort(np.argsort(-spread, stable=True)[:count])
    latents = model.size.latents
    return jnp.asarray(first[first < latents]), jnp.asarray(first[first >= latents] - latents)


def _rounded(code: Any, model: Faces) -> np.ndarray:
    """A shape code in whole numbers, within four deviations."""
    most = np.minimum(np.ceil(4 * np.asarray(model.spread[...])[: model.size.shape]), _MOST)
    found = np.nan_to_num(np.asarray(code, np.float64))
    return np.clip(np.rint(found), -most, most).astype(np.int32)


def fitted(model: Faces, landmarks: np.ndarray) -> np.ndarray:
    """The shape code float64 [S] nearest to landmarks [K, 2], (x, y) in pixels."""
    moves = np.asarray(model.moves[...], np.float64).reshape(model.size.shape, -1)
    apart = (landmarks[:, ::-1] - np.asarray(model.points[...], np.float64)).reshape(-1)
    return np.linalg.lstsq(moves.T, apart, rcond=None)[0]


def searched(model: Faces, planes: jax.Array, start: np.ndarray) -> np.ndarray:
    """`aligned`, compiled once."""
    return np.asarray(
        _aligned(model, planes, jnp.asarray(start, jnp.float32), leading_of(model, _LEADING), rounds=_ROUNDS)
    )


def candidates(found: LoadedFaces, image: np.ndarray, landmarks: np.ndarray | None = None) -> list[Candidate]:
    """Shapes of a picture: none, that of the landmarks or of the network's guess, and what the search makes of this.

    Args:
        found: The model.
        image: uint8 of its size.
        landmarks: [K, 2], (x, y) in pixels, or None.
    """
    model = found.model
    planes = planes_of(jnp.asarray(image))
    codes = [np.zeros(model.size.shape, np.int32)]
    if model.size.shape:
        start = np.asarray(model.guessed(planes)) if landmarks is None else fitted(model, landmarks)
        for one in (start, searched(model, planes, start)):
            rounded = _rounded(one, model)
            if not any(np.array_equal(rounded, other) for other in codes):
                codes.append(rounded)
    return [unmoved(found, planes), *(moved(model, planes, shape) for shape in codes[1:])]


def unmoved(found: LoadedFaces, planes: jax.Array) -> Candidate:
    """The least squares of a picture in the mean shape."""
    means, columns, gram = found.still
    x = np.moveaxis(np.asarray(planes), 0, -1).reshape(-1) - means
    return Candidate(np.zeros(found.size.shape, np.int32), False, gram, (x @ columns).astype(np.float64), float(x @ x))


def moved(model: Faces, planes: jax.Array, shape: np.ndarray) -> Candidate:
    """The least squares of a picture under a shape int32 [S]."""
    gram, target, energy = jax.device_get(system(model, planes, jnp.asarray(shape, jnp.float32)))
    return Candidate(shape, True, gram.astype(np.float64), target.astype(np.float64), float(energy))


def code(found: LoadedFaces, shapes: Sequence[Candidate], quality: int, weight: float = LAMBDA) -> Coded:
    """The cheapest of some shapes with its latents, at a quality 1..100. weight: squared steps that a bit may cost."""
    step, indexes = step_of(quality), found.coder.levels[quality - 1]
    best: tuple[float, Coded] | None = None
    for one in shapes:
        latents = descend(one.gram, one.target, step, indexes, found.costs, weight * step**2)
        z = step * latents
        error = one.energy - 2 * one.target @ z + z @ one.gram @ z
        bits = bits_of(latents, indexes, found.costs) + found.costs[FLAG, REACH + one.shown]
        if one.shown:
            bits += bits_of(one.shape, found.coder.shape, found.costs)
        cost = float(error + weight * step**2 * bits)
        if best is None or cost < best[0]:
            best = cost, Coded(one.shape, one.shown, latents, float(error), float(bits))
    assert best is not None
    return best[1]
