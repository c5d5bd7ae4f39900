"""Densities that are learned, one a channel: a cumulative that is a small monotone network.

Of each the codec needs the median, about which values are rounded, and a table of integers. J. Ballé et al., "Variational image
compression with a scale hyperprior", 2018, arXiv:1802.01436, appendix 6.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

__all__ = ["FactorisedDensity"]

_LEAST = 1e-30
_FILTERS = (1, 3, 3, 3, 3, 1)
_FIRST_SPREAD = 10.0
_REACH = 4096.0
"""Medians are looked for in ± this."""
_HALVINGS = 40
_WORTH = 2**-16.5
"""An integer less likely than this has no entry in a table: the coder's escape stands for it."""
_ENTRIES = 1024
"""A table holds integers within ± this."""


def _log_odds(layers: Sequence[tuple[Any, ...]], x: Any, xp: Any) -> Any:
    """Logarithm of the odds of a value below x, [..., C]: layers of (matrix [C, to, from], bias [C, to], factor [C, to]).

    The last has no factor. Everything is element-wise along C, one array a unit. xp: `numpy` or `jax.numpy`.
    """
    units = [x]
    for matrix, bias, *factor in layers:
        weights = xp.logaddexp(matrix, 0)
        units = [
            sum(weights[:, i, j] * unit for j, unit in enumerate(units)) + bias[:, i] for i in range(bias.shape[1])
        ]
        if factor:
            units = [unit + xp.tanh(factor[0][:, i]) * xp.tanh(unit) for i, unit in enumerate(units)]
    return units[0]


class FactorisedDensity(nnx.Module):
    """A density of each channel. It starts ten or so wide, as CompressAI's does."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        matrices, biases, factors = [], [], []
        for inputs, outputs in pairwise(_FILTERS):
            start = math.log(math.expm1(_FIRST_SPREAD ** (-1 / (len(_FILTERS) - 1)) / outputs))
            matrices.append(nnx.Param(jnp.full((channels, outputs, inputs), start)))
            biases.append(nnx.Param(jax.random.uniform(rngs.params(), (channels, outputs), jnp.float32, -0.5, 0.5)))
            factors.append(nnx.Param(jnp.zeros((channels, outputs))))
        self.matrices, self.biases, self.factors = nnx.List(matrices), nnx.List(biases), nnx.List(factors[:-1])

    def _layers(self, xp: Any = jnp) -> list[tuple[Any, ...]]:
        groups = (self.matrices, self.biases, self.factors)
        kind = np.float64 if xp is np else jnp.float32
        matrices, biases, factors = ([xp.asarray(p[...], kind) for p in group] for group in groups)
        return [*zip(matrices, biases, factors, strict=False), (matrices[-1], biases[-1])]

    def bits(self, x: jax.Array) -> jax.Array:
        """−log2 of the mass on [x − 1/2, x + 1/2], [..., C], in float32 whatever comes in; at most 100."""
        layers, x = self._layers(), x.astype(jnp.float32)
        below, above = _log_odds(layers, x - 0.5, jnp), _log_odds(layers, x + 0.5, jnp)
        side = jax.lax.stop_gradient(jnp.where(below + above > 0, -1.0, 1.0))  # where a sigmoid has its small values
        mass = jnp.abs(jax.nn.sigmoid(side * above) - jax.nn.sigmoid(side * below))
        return -jnp.log2(jnp.maximum(mass, _LEAST))

    def medians(self) -> jax.Array:
        """float32 [C], by bisection, without gradients."""
        layers = jax.lax.stop_gradient(self._layers())
        start = jnp.full(layers[0][0].shape[:1], _REACH)

        def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            low, high = ends
            middle = (low + high) / 2
            right = _log_odds(layers, middle, jnp) < 0
            return jnp.where(right, middle, low), jnp.where(right, high, middle)

        low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (-start, start))
        return (low + high) / 2

    def pmfs(self, medians: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Of each channel the first integer and the probabilities, float64, of value − median, as `coding.rans.tables` has it."""
        edges = np.arange(-_ENTRIES, _ENTRIES + 2)[:, None] - 0.5 + np.asarray(medians, np.float64)
        odds = _log_odds(self._layers(np), edges, np)
        below, above = odds[:-1], odds[1:]
        side = np.where(below + above > 0, -1, 1)
        mass = np.abs(_sigmoid(side * above) - _sigmoid(side * below))
        found = []
        for column in mass.T:
            kept = np.flatnonzero(column >= _WORTH)
            first, last = (int(kept[0]), int(kept[-1])) if len(kept) else (_ENTRIES, _ENTRIES)
            found.append((first - _ENTRIES, column[first : last + 1]))
        return found


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
