"""What a model shows to the codec: maps of symbols, coded part by part, each under tables that the parts before it choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from ..coding.rans import SKIP, Tables
from .layers.density import SCALES

__all__ = ["SKIP", "Loaded", "Maps", "Model", "indexes_of"]

Maps = tuple[jax.Array, ...]
"""A model's maps, [N, H / pitch, W / pitch, C] each."""


class Model(Protocol):
    """pixels ─▶ floats ─▶ minus means, rounded: symbols of part 0, 1, …, with indexes of their tables ─▶ pixels

    `indexes` is what must not differ between machines by one: integers only. `floats`, `means` and `pixels` may.
    quality: int32 [N], 1..100.

    Attributes:
        pitches: Pixels a side to a place of each map; all divide the first.
        parts: Of each part, the map that it is of.
        streams: Of each part, the stream that it is coded in; each has tables of its own.
        channels: Of each map.
        margin: Pixels around a window beyond which nothing changes what is inside.
    """

    pitches: tuple[int, ...]
    parts: tuple[int, ...]
    streams: tuple[int, ...]
    channels: tuple[int, ...]
    margin: int

    def floats(self, pixels: jax.Array, quality: jax.Array) -> Maps:
        """Of pixels uint8 [N, H, W, 3]: the maps before quantisation."""
        ...

    def indexes(self, part: int, symbols: Any, quality: jax.Array) -> jax.Array:
        """Tables of a part's symbols, uint8, SKIP for what it does not hold."""
        ...

    def means(self, part: int, symbols: Any, quality: jax.Array, kind: Any) -> jax.Array:
        """What is taken off a part's floats before they are rounded."""
        ...

    def pixels(self, symbols: Any, quality: jax.Array, kind: Any) -> jax.Array:
        """uint8 [N, H, W, 3] of all symbols, computed in `kind`."""
        ...


@dataclass(frozen=True)
class Loaded:
    """A model that codes.

    Attributes:
        name: What `--model` and streams call it.
        digest: 4 bytes of a hash of the numbers that streams depend on.
        own: 4 bytes of a hash of all its numbers.
        graph, state: The module, a `Model`, as `nnx.split` gives it; the state is a pytree of arrays.
        tables: Of its entropy coder, for each stream.
        thresholds: float32 [streams, 256], by index of a table: sizes below become 0.
    """

    name: str
    digest: bytes
    own: bytes
    graph: Any
    state: Any
    tables: tuple[Tables, ...]
    thresholds: jax.Array

    def __hash__(self) -> int:
        return hash(self.own)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loaded) and self.own == other.own


def indexes_of(level: jax.Array, part: int) -> jax.Array:
    """Indexes uint8 of levels of the scale grid, rounded half up, among a part's own tables; SKIP at the lowest level, where
    every symbol is 0."""
    index = jnp.clip(jnp.floor(level + 0.5), 0, SCALES - 1)
    return jnp.where(index == 0, SKIP, index - 1 + (SCALES - 1) * part).astype(jnp.uint8)
