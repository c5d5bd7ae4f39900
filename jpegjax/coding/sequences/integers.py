"""Integers of either sign: small ones are symbols of their own, of larger ones a symbol says how many bits follow.

v ──▶ 2v, or −2v − 1 below 0 ──▶ up to 127 itself; from 128 on 120 + the number of its bits, and those behind the highest

The symbols stand first (`symbols.encode`), then all bits in one run from the highest of a byte on, zeros at its end.
"""

from __future__ import annotations

import numpy as np

from ...errors import CorruptStream
from ..varints import Cursor
from . import symbols

__all__ = ["LARGEST", "decode_integers", "encode_integers"]

LARGEST = (1 << 30) - 1
"""Greatest magnitude of a value."""
_PLAIN = 128
_BITS = _PLAIN - 8  # what a symbol is above the number of bits of what it stands for
_MOST = LARGEST.bit_length() + 1


def encode_integers(values: np.ndarray, contexts: np.ndarray | None = None) -> bytes:
    """Bytes of integers, none for none.

    Args:
        values: Integers of any shape, each within ±`LARGEST`.
        contexts: uint8 of the same shape, what the decoder knows of each: those with one context share a table where that
            is shorter. At most 64 different ones count.

    Raises:
        ValueError: A value beyond the limit, or contexts of another shape.
    """
    if contexts is not None and contexts.shape != values.shape:
        raise ValueError(f"contexts: shape {contexts.shape}; values have {values.shape}")
    v = values.astype(np.int64).ravel()
    if v.size and np.abs(v).max() > LARGEST:
        raise ValueError(f"values: {v[np.abs(v).argmax()]}; at most ±{LARGEST} can be coded")
    u = np.where(v < 0, -2 * v - 1, 2 * v)
    large = u >= _PLAIN
    count = np.frexp(u[large].astype(np.float64))[1]
    found = u.astype(np.int64)
    found[large] = _BITS + count
    head = symbols.encode(found.astype(np.uint8), None if contexts is None else contexts.ravel())
    planes = (u[large, None] >> np.arange(_MOST - 1, -1, -1)) & 1
    kept = np.arange(_MOST - 1, -1, -1) < count[:, None] - 1
    return head + np.packbits(planes[kept].astype(np.uint8)).tobytes()


def decode_integers(cursor: Cursor, shape: tuple[int, ...], contexts: np.ndarray | None = None) -> np.ndarray:
    """Inverse of `encode_integers`: int32 of a shape. Raises CorruptStream for what it does not write, with the place.

    The caller bounds the shape: for a file that claims more than it holds, nothing here does.
    """
    at = cursor.place
    found = symbols.decode(cursor, int(np.prod(shape)), None if contexts is None else contexts.ravel()).astype(np.int64)
    large = found >= _PLAIN
    count = found[large] - _BITS
    if (count > _MOST).any():
        raise CorruptStream(f"an integer of {int(count.max())} bits; {_MOST} is the most", at)
    total = int((count - 1).sum())
    bits = np.unpackbits(np.frombuffer(cursor.take(-(-total // 8), "the bits of integers"), np.uint8), count=total)
    kept = np.arange(_MOST - 1, -1, -1) < count[:, None] - 1
    planes = np.zeros(kept.shape, np.int64)
    planes[kept] = bits
    found[large] = (planes << np.arange(_MOST - 1, -1, -1)).sum(1) + (np.int64(1) << (count - 1))
    return np.where(found & 1, -(found + 1) // 2, found // 2).astype(np.int32).reshape(shape)
