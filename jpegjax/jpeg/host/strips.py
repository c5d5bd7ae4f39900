"""A scan of all components, one MCU row at a time over the same strips of blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...coding.geometry import ADDRESS, COLUMNS, FIELDS, LAST, ROWS, H, V
from ...types import Frame

__all__ = ["Coding", "strip_geometry"]


class Coding(NamedTuple):
    """What entropy coding goes on with from strip to strip, as `coding.sequential` describes it."""

    geometry: np.ndarray
    """int64 [n, FIELDS] of `strip_geometry`"""
    mcus_wide: int
    tables: np.ndarray
    """int64 [n, 2]: addresses of each component's DC and AC tables"""
    state: np.ndarray
    """of the encoder or the decoder"""
    work: np.ndarray
    """uint8 scratch"""


def strip_geometry(frame: Frame, blocks: np.ndarray, last: np.ndarray | None = None) -> np.ndarray:
    """int64 [n, FIELDS], see coding/geometry.py. blocks, last: int64 [n], addresses of each component's strip."""
    table = np.zeros((len(frame.components), FIELDS), np.int64)
    table[:, ADDRESS] = blocks
    if last is not None:
        table[:, LAST] = last
    alone = len(table) == 1
    for c, k in enumerate(frame.components):
        table[c, ROWS], table[c, COLUMNS] = frame.blocks(c)
        table[c, H], table[c, V] = (1, 1) if alone else (k.h, k.v)
    return table
