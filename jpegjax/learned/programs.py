"""A model's programs over batches of windows, on all devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..coding.rans import LARGEST
from ..run.capacity import memory_named
from ..run.devices import Devices
from ..run.mesh import mapped
from ..run.windows import WINDOW, Window
from .parts import SKIP, Loaded

__all__ = ["Item", "Programs", "floats", "indexes", "pixels", "symbols"]

BATCH = 16
"""Windows of the largest batch on one device."""

Item = tuple[int, Window, tuple[np.ndarray, ...]]
"""A quality, a window, and what it sees."""


Whole = tuple[Any, jax.Array]
"""A model's state, and its thresholds."""


def floats(graph: Any, whole: Whole, quality: jax.Array, pixels: jax.Array) -> Any:
    return nnx.merge(graph, whole[0]).floats(pixels, quality)


def indexes(graph: Any, part: int, whole: Whole, quality: jax.Array, *symbols: jax.Array) -> jax.Array:
    return nnx.merge(graph, whole[0]).indexes(part, tuple(s.astype(jnp.float32) for s in symbols), quality)


def symbols(graph: Any, part: int, whole: Whole, quality: jax.Array, floats: jax.Array, *symbols: jax.Array) -> Any:
    """Indexes uint8, and the symbols int16 that they are of; 0 where nothing is coded."""
    (state, thresholds), known = whole, tuple(s.astype(jnp.float32) for s in symbols)
    model = nnx.merge(graph, state)
    indexes = model.indexes(part, known, quality)
    residual = floats - model.means(part, known, quality, jnp.float32)
    size = jnp.abs(residual)
    size = jnp.where(size < thresholds[model.streams[part]][indexes], 0, jnp.clip(jnp.round(size), 1, LARGEST))
    return indexes, jnp.where(indexes == SKIP, 0, jnp.sign(residual) * size).astype(jnp.int16)


def pixels(graph: Any, kind: Any, whole: Whole, quality: jax.Array, *symbols: jax.Array) -> jax.Array:
    return nnx.merge(graph, whole[0]).pixels(tuple(s.astype(jnp.float32) for s in symbols), quality, kind)


class Programs:
    """Runs a model's programs over windows of pictures."""

    def __init__(self, model: Loaded, devices: Devices) -> None:
        self.model, self.devices = model, devices

    def run(self, function: Any, static: tuple[Any, ...], items: Sequence[Item]) -> Iterator[tuple[Any, ...]]:
        """Results, as tuples of NumPy arrays, of (quality, window, its arrays), in order."""
        for _, alike in groupby(items, key=lambda item: (item[1].h, item[1].w)):
            yield from self._alike(function, static, list(alike))

    def _alike(self, function: Any, static: tuple[Any, ...], items: list[Any]) -> Iterator[tuple[Any, ...]]:
        area = items[0][1].h * items[0][1].w
        most = max(1, min(BATCH, WINDOW * WINDOW // area))
        at = 0
        while at < len(items):
            each = min(most, 1 << (-(-(len(items) - at) // len(self.devices)) - 1).bit_length())
            used = self.devices[: len(items) - at]
            batch = items[at : at + each * len(used)]
            at += len(batch)
            full = batch + batch[-1:] * (each * len(used) - len(batch))
            run, sharding = mapped(function, used, self.model.graph, *static, split=True, whole=True)
            quality = np.array([q for q, _, _ in full], np.int32)
            arrays = [np.stack(part) for part in zip(*(views for _, _, views in full), strict=True)]
            with memory_named(used):
                result = run((self.model.state, self.model.thresholds), *jax.device_put((quality, *arrays), sharding))
                leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(result)]
            yield from (tuple(leaf[i] for leaf in leaves) for i in range(len(batch)))
