"""A published model with its integer tables: pixels to symbols, and symbols back to pixels (`model.Model`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...coding.rans import LARGEST, Tables, gaussian_tables, tables
from ..layers.density import scale_grid
from ..layers.integers import check_sums
from ..model import Asked, Part, Steps
from .models import Hyperprior, Published

__all__ = ["Coder", "export"]

_MOST = 255
"""Tables of one stream."""


def _symbols(values: jax.Array) -> jax.Array:
    return jnp.clip(jnp.round(values), -LARGEST, LARGEST).astype(jnp.int32)


def _rows(values: Any, kind: Any) -> np.ndarray:
    """[N, n] of [N, h, w, C], on the host."""
    return np.ascontiguousarray(np.asarray(values, kind).reshape(len(values), -1))


class Coder:
    """A model that can be coded with.

    Args:
        model: Its weights; those of the integer layers are rounded on the way.
        medians: float32 [C], of the channels with densities; values are rounded about them.
        tables: Of their densities, 255 channels to one at most; and behind them, for a model with scales, those of the grid.
            A checkpoint stores them: made again on another machine they could differ.

    Raises:
        ValueError: An integer layer's sums can be too large to be exact.
    """

    def __init__(self, model: Published, medians: np.ndarray, tables: Sequence[Tables]) -> None:
        self.align, self.tables, self.medians = model.align, tuple(tables), medians
        self.quality = model.quality
        graph, self._weights = nnx.split(model)
        self._scaled = isinstance(model, Hyperprior)
        if isinstance(model, Hyperprior):
            for number, layer in enumerate(model.hyper_synthesis.layers):
                check_sums(f"hyper synthesis, layer {number}", *(np.asarray(part) for part in layer.integers()))

        def means(made: Any, coded: jax.Array) -> jax.Array:
            return made.means(coded.astype(jnp.float32), medians)

        def levels(made: Any, coded: jax.Array) -> jax.Array:
            return made.levels(coded.astype(jnp.float32))

        def encode(weights: Any, pixels: jax.Array) -> tuple[jax.Array, ...]:
            made = nnx.merge(graph, weights)
            y = made.analysis.in_bands(pixels)
            if not isinstance(made, Hyperprior):
                return (_symbols(y - medians),)
            coded = _symbols(made.hyper(y) - medians)
            return coded, levels(made, coded), _symbols(y - means(made, coded))

        def decode(weights: Any, coded: jax.Array, residuals: jax.Array | None) -> jax.Array:
            made = nnx.merge(graph, weights)
            y = coded + medians if residuals is None else residuals + means(made, coded)
            return made.synthesis.in_bands(y)

        self._encode, self._decode = jax.jit(encode), jax.jit(decode)
        self._levels = jax.jit(lambda weights, coded: levels(nnx.merge(graph, weights), coded))

    def _check(self, height: int, width: int, quality: float) -> None:
        if height % self.align or width % self.align:
            raise ValueError(f"pixels: sides must be multiples of {self.align}, not {height} and {width}")
        if quality != self.quality:
            raise ValueError(f"quality={quality}: this model has only {self.quality}")

    def _channels(self) -> Iterator[tuple[int, slice]]:
        """(stream, channels) of what densities describe."""
        for stream in range(-(-len(self.medians) // _MOST)):
            yield stream, slice(stream * _MOST, min((stream + 1) * _MOST, len(self.medians)))

    def _indexes(self, shape: tuple[int, ...], channels: slice) -> np.ndarray:
        count = channels.stop - channels.start
        return np.tile(np.arange(count, dtype=np.uint8), (shape[0], shape[1] * shape[2]))

    def encode_symbols(self, pixels: np.ndarray | jax.Array, quality: float) -> list[Part]:
        """See `model.Model`. Raises ValueError for sides that do not fit, and for a quality that is not the model's."""
        self._check(pixels.shape[1], pixels.shape[2], quality)
        coded, *scaled = (np.asarray(found) for found in self._encode(self._weights, jnp.asarray(pixels)))
        parts = [
            Part(_rows(coded[..., channels], np.int32), self._indexes(coded.shape, channels), stream)
            for stream, channels in self._channels()
        ]
        if scaled:
            levels, residuals = scaled
            parts.append(Part(_rows(residuals, np.int32), _rows(levels, np.uint8), len(self.tables) - 1))
        return parts

    def decode_steps(self, count: int, height: int, width: int, quality: float) -> Steps:
        """See `model.Model`. Raises ValueError like `encode_symbols`."""
        self._check(height, width, quality)
        shape = (count, height // self.align, width // self.align)
        groups = []
        for stream, channels in self._channels():
            indexes = self._indexes(shape, channels)
            symbols = yield Asked(indexes, stream)
            groups.append(symbols.reshape(*shape, channels.stop - channels.start))
        coded = jnp.asarray(np.concatenate(groups, -1))
        if not self._scaled:
            return self._decode(self._weights, coded, None)
        levels = np.asarray(self._levels(self._weights, coded))
        symbols = yield Asked(_rows(levels, np.uint8), len(self.tables) - 1)
        return self._decode(self._weights, coded, jnp.asarray(symbols.reshape(levels.shape)))


def export(model: Published) -> Coder:
    """A trained model with tables made from its densities.

    Raises:
        ValueError: An integer layer's sums can be too large to be exact, or the densities are too wide to be tabulated.
    """
    medians = np.asarray(model.density.medians())
    pmfs = model.density.pmfs(medians)
    made = [tables(pmfs[start : start + _MOST]) for start in range(0, len(pmfs), _MOST)]
    if isinstance(model, Hyperprior):
        made.append(gaussian_tables(scale_grid()))
    return Coder(model, medians, made)
