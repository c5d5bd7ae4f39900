"""A published model as the codec runs it: its maps, parts and tables (`parts.Model`).

Densities are described by tables of 255 channels at most, one stream each; behind them, for a model with scales, those of the
grid. Values are rounded about medians and means, without a dead zone, as published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...coding.rans import SKIP, Tables, gaussian_tables, tables
from ..layers.density import scale_grid
from ..layers.integers import check_sums
from ..parts import Loaded
from .models import Hyperprior, Published

__all__ = ["Coded", "assemble", "export"]

_MOST = 255
"""Tables of one stream."""


class Coded(nnx.Module):
    """What `parts.Model` asks for. quality: that of the model, whatever a stream says.

    Args:
        model: Its weights; those of the integer layers are rounded on the way.
        medians: float32 [C], of the channels with densities.
    """

    margin = 256

    def __init__(self, model: Published, medians: np.ndarray) -> None:
        self.model = model
        self.medians = nnx.Param(jnp.asarray(medians))
        self.pitches: tuple[int, ...]
        self.channels: tuple[int, ...]
        self.parts: tuple[int, ...]
        groups = -(-len(medians) // _MOST)
        if isinstance(model, Hyperprior):
            self.pitches, self.channels = (64, 16), (len(medians), model.latents)
            self.parts, self.streams = (0,) * groups + (1,), (*range(groups), groups)
        else:
            self.pitches, self.channels = (16,), (len(medians),)
            self.parts, self.streams = (0,) * groups, tuple(range(groups))

    def floats(self, pixels: jax.Array, quality: jax.Array) -> tuple[jax.Array, ...]:
        """See `parts.Model`."""
        y = self.model.analysis.in_bands(pixels.astype(jnp.float32) * (1 / 255))
        if isinstance(self.model, Hyperprior):
            return self.model.hyper(y), y
        return (y,)

    def indexes(self, part: int, symbols: Any, quality: jax.Array) -> jax.Array:
        """See `parts.Model`: a table for each channel, or the scale's."""
        if self.parts[part] == 1:
            assert isinstance(self.model, Hyperprior)
            return self.model.levels(symbols[0])
        own = jnp.arange(self.channels[0]) - part * _MOST
        own = jnp.where((own >= 0) & (own < _MOST), own, SKIP).astype(jnp.uint8)
        return jnp.broadcast_to(own, symbols[0].shape)

    def means(self, part: int, symbols: Any, quality: jax.Array, kind: Any) -> jax.Array:
        """See `parts.Model`."""
        if self.parts[part] == 0:
            return jnp.broadcast_to(self.medians[...], symbols[0].shape)
        assert isinstance(self.model, Hyperprior)
        return self.model.means(symbols[0], self.medians[...])

    def pixels(self, symbols: Any, quality: jax.Array, kind: Any) -> jax.Array:
        """See `parts.Model`; whatever `kind`, means are in float32."""
        y = symbols[-1] + self.means(len(self.parts) - 1, symbols, quality, kind)
        x = self.model.synthesis.in_bands(y.astype(kind)).astype(jnp.float32)
        return jnp.clip(jnp.round(x * 255), 0, 255).astype(jnp.uint8)


def export(model: Published, name: str) -> Loaded:
    """A trained model that codes, with tables made from its densities.

    Args:
        model: Of `factorized`, `hyperprior` or `mean_scale`.
        name: What streams call it, ASCII.

    Raises:
        ValueError: An integer layer's sums can be too large to be exact, or the densities are too wide to be tabulated.
    """
    if isinstance(model, Hyperprior):
        for number, layer in enumerate(model.hyper_synthesis.layers):
            check_sums(f"hyper synthesis, layer {number}", *(np.asarray(part) for part in layer.integers()))
    medians = np.asarray(model.density.medians())
    pmfs = model.density.pmfs(medians)
    made: list[Tables] = [tables(pmfs[start : start + _MOST]) for start in range(0, len(pmfs), _MOST)]
    if isinstance(model, Hyperprior):
        made.append(gaussian_tables(scale_grid()))
    return assemble(name, Coded(model, medians), made)


def assemble(name: str, coded: Coded, made: Sequence[Tables]) -> Loaded:
    """A model and its tables, with their digest."""
    graph, state = nnx.split(coded)
    digest = hashlib.sha256()
    for leaf in (*jax.tree.leaves(state), *(a for one in made for a in one.pack().values())):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    cut = jnp.full((len(made), SKIP + 1), 0.5, jnp.float32)
    short = digest.digest()[:4]
    return Loaded(name, short, short, graph, state, tuple(made), cut)
