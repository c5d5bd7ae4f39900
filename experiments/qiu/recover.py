"""What a thin file lacks, from the continuity across the borders of blocks: sparse least squares, by conjugate gradients.

known coefficients ──▶ pixels p₀ ─┐
missing coefficients x ───────────┴▶ p = p₀ + D x: the x of least energy, over the whole picture at once

    energy = jump · Σ (p₊ − p₋)²                                        values on both sides of each border
           + slope · Σ (p₊ − 2 p₋ + p₋₋)² + (p₊₊ − 2 p₊ + p₋)²          the slope across it and those on both its sides
           + prior · Σ (x / σ)²                                         what is missing is about as large as it usually is
           + Σ (p − clip(p, 0, 255))²                                   the range of pixels

Jumps of slopes are an idea of Minami and Zakhor, IEEE Trans. Circuits and Systems for Video Technology 5(2), 1995. They compare
the slope across with the mean of both sides, which a crease on the border passes; here with each side. The last term makes it
no plain least squares: it is solved a few times, each time with the pixels that left the range before held to its ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jpegjax.ops.dct import idct_float
from jpegjax.types import ZIGZAG, Coefficients

from .thin import Dropped

__all__ = ["WEIGHTS", "Weights", "deviations", "recover", "recover_blocks", "samples"]


class Weights(NamedTuple):
    """Of the energy's terms. Found on held-out training pictures, qualities 30 to 90."""

    jump: float = 1.0
    slope: float = 0.3
    prior: float = 500.0


WEIGHTS = Weights()
ROUNDS = 3
"""Solutions, each with the range of the one before."""
STEPS = 80
"""Of conjugate gradients in each, at most."""
TOLERANCE = 1e-4
"""Share of the right side's norm that may be left."""
_DC, _AC, _POWER = 500.0, 107.0, 1.0
_GROUP = 8  # unknowns of a block come in multiples, so that programs are few


def deviations() -> np.ndarray:
    """About the standard deviation of each coefficient of the orthonormal 8×8 DCT in photographs: float32 [64], natural order."""
    frequency = np.hypot(*np.mgrid[:8, :8]).ravel()
    return np.where(frequency == 0, _DC, _AC * np.maximum(frequency, 1) ** -_POWER).astype(np.float32)


def _jumps(p: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Jumps of (values, slopes on both sides) at vertical borders, then at horizontal ones, of blocks [N, R, C, 8, 8]."""
    left, right, upper, lower = p[:, :, :-1], p[:, :, 1:], p[:, :-1], p[:, 1:]
    across = [
        (left[..., 6], left[..., 7], right[..., 0], right[..., 1]),
        (upper[..., 6, :], upper[..., 7, :], lower[..., 0, :], lower[..., 1, :]),
    ]
    return [(c - b, jnp.stack([c - 2 * b + a, d - 2 * c + b])) for a, b, c, d in across]


@jax.jit
def _solve(
    start: jax.Array, free: jax.Array, units: jax.Array, weights: Weights, rounds: int, steps: int, tolerance: float
) -> jax.Array:
    """Pixels [N, R, C, 8, 8] of known coefficients, where unknowns [N, R, C, K] are free, and coefficients [K, 8, 8] of each."""
    known, basis = idct_float(start) + 128, idct_float(units)

    def pixels(x: jax.Array) -> jax.Array:
        return jnp.einsum("nrck,kyx->nrcyx", free * x, basis)

    def weighted(p: jax.Array) -> list[jax.Array]:
        jump, slope = jnp.sqrt(weights.jump), jnp.sqrt(weights.slope)
        return [part for j, s in _jumps(p) for part in (jump * j, slope * s)]

    def once(_: Any, x: jax.Array) -> jax.Array:
        p = known + pixels(x)
        outside = ((p < 0) | (p > 255)).astype(p.dtype)
        wanted = outside * (jnp.clip(p, 0, 255) - known)

        def terms(x: jax.Array) -> list[jax.Array]:
            change = pixels(x)
            return [*weighted(change), jnp.sqrt(weights.prior) * x, outside * change]

        transpose = jax.linear_transpose(terms, x)
        right = [*[-part for part in weighted(known)], jnp.zeros_like(x), wanted]
        (b,) = transpose(right)
        found, _ = jax.scipy.sparse.linalg.cg(lambda x: transpose(terms(x))[0], b, x0=x, maxiter=steps, tol=tolerance)
        return found

    x = jax.lax.fori_loop(0, rounds, once, jnp.zeros(known.shape[:3] + basis.shape[:1], known.dtype))
    return known + pixels(x)


def recover_blocks(
    levels: np.ndarray,
    table: np.ndarray,
    dropped: Dropped,
    weights: Weights = WEIGHTS,
    *,
    rounds: int = ROUNDS,
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> np.ndarray:
    """Blocks of pixels of a plane of a thin file, by continuity alone.

    Args:
        levels: Its quantised coefficients, integers [N, R, C, 8, 8] in natural order.
        table: Its quantisation table [8, 8], or one for each picture [N, 8, 8].
        dropped: What is missing.
        weights: Of the energy's terms.
        rounds: Solutions; 1 leaves the range of pixels out.
        steps: Of conjugate gradients in each, at most.
        tolerance: Share of the right side's norm that may be left.

    Returns:
        float32 [N, R, C, 8, 8], about 0..255: neither rounded nor clipped, so that what is known stays as it was sent.
    """
    missing = dropped.mask(*levels.shape[1:3])
    steps_of = np.asarray(table, np.float32).reshape(-1, 1, 1, 8, 8)
    start = np.asarray(levels, np.float32) * steps_of
    start[..., 1:, :] *= ~missing[..., 1:, :]
    start[..., 0, 1:] *= ~missing[
        ..., 0, 1:
    ]  # DC between anchors stays where it was held: that is where the search begins
    count = min(64, -(-dropped.count // _GROUP) * _GROUP)
    at = ZIGZAG[:count]
    free = missing.reshape(*missing.shape[:2], 64)[..., at].astype(np.float32)
    units = np.zeros((count, 64), np.float32)
    units[np.arange(count), at] = deviations()[at]
    return np.asarray(_solve(start, free[None], units.reshape(count, 8, 8), weights, rounds, steps, tolerance))


def samples(blocks: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [N, height, width] of blocks of pixels, rounded and clipped, without what fills the last blocks."""
    n, rows, columns = blocks.shape[:3]
    whole = blocks.swapaxes(2, 3).reshape(n, 8 * rows, 8 * columns)
    return np.clip(np.rint(whole[:, :height, :width]), 0, 255).astype(np.uint8)


def recover(coefficients: Coefficients, dropped: Dropped, weights: Weights = WEIGHTS) -> list[np.ndarray]:
    """Planes of a thin file's pictures, by continuity alone.

    Returns:
        Of each component uint8 [N, height, width] at its own sampling, the samples that the frame has.
    """
    planes = []
    for c, (levels, table) in enumerate(zip(coefficients.planes, coefficients.qtables, strict=True)):
        blocks = recover_blocks(np.asarray(levels), table, dropped, weights)
        planes.append(samples(blocks, *coefficients.frame.samples(c)))
    return planes
