"""What a learned codec's file format asks of a model: symbols and their tables, part by part.

    encoding   pixels ─▶ encode_symbols ─▶ parts, in their order
    decoding   decode_steps: asks for a part's symbols by the tables that they are coded with, is sent them, asks for the next,
               whose tables may depend on them; returns pixels

All arrays have a first axis of pictures: `symbols[i]` and `indexes[i]` are picture i's own, whatever is in the batch.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol

import jax
import numpy as np

from ..coding.rans import Tables

__all__ = ["Asked", "Model", "Part", "Steps"]


class Part(NamedTuple):
    """What is coded together. symbols: int32 [N, n]. indexes: uint8 [N, n], into `Model.tables[stream]`."""

    symbols: np.ndarray
    indexes: np.ndarray
    stream: int


class Asked(NamedTuple):
    """The next part to be decoded: its indexes, uint8 [N, n], into `Model.tables[stream]`."""

    indexes: np.ndarray
    stream: int


Steps = Generator[Asked, np.ndarray, jax.Array]
"""Yields what is asked for, is sent its symbols, int32 [N, n], and returns pixels, float32 [N, H, W, 3], not clipped."""


class Model(Protocol):
    """A trained model with the integers that its streams are coded with.

    align: Sides of pictures are padded to multiples of this.
    tables: One a stream; a file holds as many streams, each of all parts that name it, in their order.
    """

    @property
    def align(self) -> int: ...

    @property
    def tables(self) -> Sequence[Tables]: ...

    def encode_symbols(self, pixels: np.ndarray | jax.Array, quality: float) -> list[Part]:
        """Parts in the order in which they are decoded. pixels: float32 [N, H, W, 3], 0..1, H and W multiples of `align`."""

    def decode_steps(self, count: int, height: int, width: int, quality: float) -> Steps:
        """The inverse of `encode_symbols` for a batch of `count` pictures; height and width are multiples of `align`."""
