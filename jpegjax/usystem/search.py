"""Which rectangles, in which bases, at which levels? Every tile of a plane, all at once, on any JAX device.

A tile of TILE×TILE samples is halved, across or along, as often as it pays, down to sides of LEAST. All rectangles that
halving can reach lie on grids of their own shape, so each shape is transformed once for the whole batch, by every basis;
the cheapest division of a rectangle is then that of one half beside that of the other, from small shapes to large ones.

Cost is squared error + lambda · bits, in units of the squared step; bits are estimated (`_leaf_bits`), in float32. What
comes out is integers; another backend may decide otherwise where two costs are nearly equal.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..types import Array
from .basis import KINDS, kind_basis

__all__ = ["LEAST", "SHAPES", "SIDES", "TILE", "Choice", "Found", "offered", "search", "stacked"]

TILE, LEAST = 32, 4
SIDES = tuple(LEAST << i for i in range((TILE // LEAST).bit_length()))
SHAPES = [(h, w) for h in SIDES for w in SIDES]
"""(height, width) of the rectangles that there are, by their numbers, small sides first."""

hold = jax.lax.optimization_barrier
LAMBDA, EPSILON, ROUNDING, FITTED = range(4)
"""Where they are in the controls of `search`."""

_PRICE = 0.5, 4.0  # bits to name the DCT, and another basis
_HALVING = 0.7  # bits to say how a rectangle is divided
_GROUPS = np.array(["duv".index(kind[0]) for kind in KINDS], np.int32)
_ODDS = np.array([[1.08, -1.33, 1.12, -0.14], [0.46, -0.95, 1.01, -0.15], [1.08, -1.02, 0.93, -0.27]], np.float32)
"""log2 of the odds of a level above zero, of DCT, U and V: 1, log2(1 + place), log2(1 + neighbours), log2 of a mean side.

Fitted to training photographs' levels at steps 10, 24 and 60."""
_MAX = float(1 << 19)
"""Largest magnitude of a level."""


class Found(NamedTuple):
    """What is coded of B tiles. levels: int32 [B, TILE, TILE], each rectangle's where it lies; shape, kind: int8
    [B, TILE/LEAST, TILE/LEAST], numbers into SHAPES and KINDS of the rectangle that a cell is in."""

    levels: jax.Array
    shape: jax.Array
    kind: jax.Array


class Choice(NamedTuple):
    """m bases: their numbers int32 [m], bits float32 [m] to name each, and float32 [m, n, n] for each of SIDES."""

    kinds: Array
    price: Array
    bases: tuple[Array, ...]


def offered(names: tuple[str, ...]) -> Choice:
    """The choice among bases of KINDS."""
    kinds = np.array([KINDS.index(name) for name in names], np.int32)
    price = np.where(kinds == 0, *_PRICE) if len(kinds) > 1 else np.zeros(1)
    return Choice(kinds, price.astype(np.float32), tuple([stacked(n)[kinds] for n in SIDES]))


@cache
def stacked(n: int) -> np.ndarray:
    """float32 [kinds, n, n]."""
    return np.stack([kind_basis(kind, n) for kind in KINDS]).astype(np.float32)


@cache
def _classes(n: int) -> np.ndarray:
    """Class of each index 0..n-1: 0, 1, 2–3, 4–7, …"""
    return np.array([i.bit_length() for i in range(n)], np.int32)


def _transformed(x: jax.Array, down: Array, right: Array) -> jax.Array:
    """Coefficients [m, B, R, C, h, w] of samples [B, TILE, TILE] in rectangles. down [m, h, h], right [m, w, w]: bases."""
    b, (n, h), w = x.shape[0], down.shape[:2], right.shape[1]
    exact = jax.lax.Precision.HIGHEST
    rows = jnp.matmul(x.reshape(b * TILE * TILE // w, w), right.reshape(n * w, w).T, precision=exact)
    cells = rows.reshape(b, TILE // h, h, TILE // w, n, w).transpose(4, 0, 1, 3, 5, 2)
    columns = jnp.matmul(cells.reshape(n, -1, h), down.swapaxes(1, 2), precision=exact)
    return columns.reshape(n, b, TILE // h, TILE // w, w, h).swapaxes(-2, -1)


def _shifted(x: jax.Array, down: int, right: int) -> jax.Array:
    """x [..., h, w] moved, zeros behind it; right: -1 for one to the left."""
    h, w = x.shape[-2:]
    pad = [(0, 0)] * (x.ndim - 2) + [(down, 0), (max(right, 0), max(-right, 0))]
    return jnp.pad(x, pad)[..., :h, max(-right, 0) :][..., :w]


def _leaf_bits(sizes: jax.Array, group: jax.Array) -> jax.Array:
    """Estimated bits [...] of the magnitudes [..., h, w] of rectangles in bases of groups int32 [...], without the first.

    Coded is the box of classes that holds all that is not zero; in it, odds of a level above zero grow with its neighbours.
    """
    h, w = sizes.shape[-2:]
    some = sizes > 0
    some = some.at[..., 0, 0].set(False)
    rows, columns = jnp.asarray(_classes(h)), jnp.asarray(_classes(w))
    last_row = jnp.max(jnp.where(some.any(-1), rows, 0), -1)
    last_column = jnp.max(jnp.where(some.any(-2), columns, 0), -1)
    inside = (rows[:, None] <= last_row[..., None, None]) & (columns <= last_column[..., None, None])
    near = jnp.minimum(sizes, 40.0).at[..., 0, 0].set(0)
    around = 2 * (_shifted(near, 1, 0) + _shifted(near, 0, 1)) + _shifted(near, 1, 1) + _shifted(near, 1, -1)
    around = hold(around + _shifted(near, 2, 0) + _shifted(near, 0, 2))
    place = jnp.asarray(np.log2(1.0 + np.arange(h)[:, None] * (8 / h) + np.arange(w) * (8 / w)).astype(np.float32))
    fit = jnp.asarray(_ODDS)[group][..., None, None, :]
    odds = fit[..., 0] + fit[..., 1] * place + fit[..., 2] * jnp.log2(1 + around) + fit[..., 3] * (np.log2(h * w) / 2)
    zero = jnp.log2(1 + jnp.exp2(odds))
    mean = jnp.where(around > 0, 0.1, 0.8) + 0.09 * around
    more = jnp.log2(1 + mean) + (sizes - 1) * jnp.minimum(jnp.log2(1 + 1 / mean), 4 / jnp.maximum(sizes - 1, 1) ** 0.5)
    bits = jnp.where(sizes > 0, zero - odds + 1 + more, zero)
    inside = inside.at[..., 0, 0].set(False)
    return jnp.sum(jnp.where(inside, bits, 0), (-2, -1)) + 0.8 * (last_row + last_column) + 1


def _constant_bits(constants: jax.Array) -> jax.Array:
    """Estimated bits [B, R, C] of the first coefficients, predicted from those beside and above."""
    left = jnp.concatenate([constants[:, :, :1], constants[:, :, :-1]], 2)
    up = jnp.concatenate([constants[:, :1], constants[:, :-1]], 1)
    edge = (np.arange(constants.shape[1])[:, None] == 0) | (np.arange(constants.shape[2]) == 0)
    return 1.0 + 1.6 * jnp.log2(1 + jnp.abs(constants - (left + up) / 2)) + jnp.where(edge, 1.0, 0.0)


class _Shape(NamedTuple):
    """Of all rectangles of a shape: cost [B, R, C], kind [B, R, C], levels [B, TILE, TILE], bilinear fit's squared error."""

    cost: jax.Array
    kind: jax.Array
    levels: jax.Array
    misfit: jax.Array


def _best(x: jax.Array, h: int, w: int, controls: jax.Array, choice: Choice) -> _Shape:
    """The cheapest basis of each rectangle of a shape. x: samples over their step.

    Bases are told apart by a plainer estimate of bits, that of the levels' number and size; the best one then has its own.
    """
    b, rows, columns = x.shape[0], TILE // h, TILE // w
    price = choice.price
    found = hold(_transformed(x, choice.bases[SIDES.index(h)], choice.bases[SIDES.index(w)]))
    misfit = jnp.maximum(jnp.sum(x.reshape(b, rows, h, columns, w) ** 2, (2, 4)) - _fitted(x, h, w), 0)
    plain = jnp.floor(jnp.abs(found) + controls[ROUNDING])
    bits = jnp.where(plain > 0, 4.2 + 1.3 * plain / (1 + 0.1 * plain), 0)
    rough = jnp.sum((jnp.abs(found) - plain) ** 2 + controls[LAMBDA] * bits, (-2, -1))
    best = jnp.argmin(rough + controls[LAMBDA] * price[:, None, None, None], 0)
    numbers = np.arange(price.size).reshape(-1, 1, 1, 1, 1, 1)
    chosen = hold(jnp.sum(jnp.where(best[..., None, None] == numbers, found, 0), 0))
    sizes = jnp.minimum(jnp.floor(jnp.abs(chosen) + controls[ROUNDING]), _MAX)
    sizes = hold(sizes.at[..., 0, 0].set(jnp.minimum(jnp.round(jnp.abs(chosen[..., 0, 0])), _MAX)))
    error = jnp.sum((jnp.abs(chosen) - sizes) ** 2, (-2, -1))
    total = (
        _leaf_bits(sizes, jnp.asarray(_GROUPS)[choice.kinds][best]) + price[best] + _constant_bits(chosen[..., 0, 0])
    )
    levels = (jnp.sign(chosen) * sizes).transpose(0, 1, 3, 2, 4).reshape(b, TILE, TILE).astype(jnp.int32)
    return _Shape(error + controls[LAMBDA] * total, choice.kinds[best], levels, misfit)


def _fitted(x: jax.Array, h: int, w: int) -> jax.Array:
    """Energy [B, R, C] of each rectangle's bilinear least-squares fit: that of its first 2×2 Legendre coefficients."""
    b = x.shape[0]
    u = KINDS.index("u1")
    cells = x.reshape(b, TILE // h, h, TILE // w, w)
    exact = jax.lax.Precision.HIGHEST
    fit = jnp.einsum("brycx,iy,jx->brcij", cells, stacked(h)[u, :2], stacked(w)[u, :2], precision=exact)
    return jnp.sum(fit**2, (-2, -1))


def _pairs(x: jax.Array, axis: int) -> jax.Array:
    """Sums of neighbours along an axis."""
    shape = (*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
    return x.reshape(shape).sum(axis + 1)


def search(x: jax.Array, controls: jax.Array, choice: Choice) -> Found:
    """The division of tiles and their levels.

    x: float32 [B, TILE, TILE], samples less their middle, over the step.
    controls: float32 [4]: LAMBDA of bits, in squared steps; EPSILON, the root mean squared error in steps at which a bilinear
        fit is close enough for a rectangle to stay whole; ROUNDING of levels; FITTED: whether rectangles are divided until
        the fit is close enough, by that alone, where the halves' fits err less.
    choice: bases to choose from, as `offered` gives them. One program serves all choices of as many.
    """
    shapes = {(h, w): _best(x, h, w, controls, choice) for h, w in SHAPES}
    fitted, side = controls[FITTED] > 0, controls[LAMBDA] * _HALVING
    total: dict[tuple[int, int], jax.Array] = {}
    divided: dict[tuple[int, int], jax.Array] = {}
    for h, w in SHAPES:
        own = shapes[h, w]
        never = jnp.full_like(own.cost, jnp.inf)
        costs, fits = [own.cost + side], [never]
        for half, axis in (((h // 2, w), 1), ((h, w // 2), 2)):
            costs.append(_pairs(total[half], axis) + side if half in total else never)
            fits.append(_pairs(shapes[half].misfit, axis) if half in total else never)
        close = own.misfit <= controls[EPSILON] ** 2 * (h * w)
        total[h, w] = jnp.where(close, costs[0], jnp.minimum(costs[0], jnp.minimum(costs[1], costs[2])))
        by_rate = jnp.argmin(jnp.stack(costs), 0)
        by_fit = jnp.where(fits[1] <= fits[2], 1, 2) if h + w > 2 * LEAST else jnp.zeros_like(by_rate)
        divided[h, w] = jnp.where(close, 0, jnp.where(fitted, by_fit, by_rate))
    return _leaves(shapes, divided)


def _leaves(shapes: dict[tuple[int, int], _Shape], divided: dict[tuple[int, int], jax.Array]) -> Found:
    """What the tiles are divided into, from the whole tile down."""
    b = shapes[TILE, TILE].cost.shape[0]
    cells = TILE // LEAST
    live = {(h, w): jnp.zeros((b, TILE // h, TILE // w), bool) for h, w in SHAPES}
    live[TILE, TILE] = jnp.ones((b, 1, 1), bool)
    levels = jnp.zeros((b, TILE, TILE), jnp.int32)
    shape, kind = jnp.zeros((b, cells, cells), jnp.int32), jnp.zeros((b, cells, cells), jnp.int32)
    for number in reversed(range(len(SHAPES))):
        h, w = SHAPES[number]
        here, how = live[h, w], divided[h, w]
        if h > LEAST:
            live[h // 2, w] |= jnp.repeat(here & (how == 1), 2, 1)
        if w > LEAST:
            live[h, w // 2] |= jnp.repeat(here & (how == 2), 2, 2)
        own = here & (how == 0)
        spread = jnp.repeat(jnp.repeat(own, h // LEAST, 1), w // LEAST, 2)
        shape = jnp.where(spread, number, shape)
        kinds = jnp.repeat(jnp.repeat(shapes[h, w].kind, h // LEAST, 1), w // LEAST, 2)
        kind = jnp.where(spread, kinds, kind)
        samples = jnp.repeat(jnp.repeat(spread, LEAST, 1), LEAST, 2)
        levels = jnp.where(samples, shapes[h, w].levels, levels)
    return Found(levels, shape.astype(jnp.int8), kind.astype(jnp.int8))
