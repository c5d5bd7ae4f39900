"""Activations as a JPEG of fixed size: what a layer keeps from its forward to its backward pass.

    x [N, H, W, C] ──largest of each channel──▶ int8 ──8×8 DCT──▶ coefficients ──shifts──▶ 8, 4 or 2 bits each ──▶ bytes

After Evans, Liu and Aamodt 2020, "JPEG-ACT: accelerating deep learning via transform-based lossy compression" (ISCA 2020): their
scaling to int8 (SFPR), transform and quantisation by powers of two. They then leave out zeros, so that sizes depend on the data.
A compiled JAX program has static shapes: here each frequency has a fixed number of bits, and the shift is the least with which
the largest coefficient of its channel and frequency fits. Nothing can overflow, and nothing is cut off.

Maps of fewer than 8 rows or columns share a block with those of other pictures: as many DCTs of 4, 2 or 1, their frequencies
interleaved. Vectors [N, F] stay int8.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...types import ZIGZAG

__all__ = ["TABLES", "Packed", "compress", "decompress", "levels", "nbytes"]

TABLES = {"gentle": (16, 48, 0), "strong": (6, 34, 24)}
"""How many frequencies, in zigzag order, have 8, 4 and 2 bits: 40 and 29 bytes a block of 64 values."""
_LARGEST = 127
_MOST_SHIFT = 15
_POWERS = np.exp2(np.arange(_MOST_SHIFT + 1)).astype(np.float32)


class Packed(NamedTuple):
    """scales: float32 [C], the largest magnitude of each channel. shifts: uint8 [C, 64], zigzag order. data: uint8
    [blocks, C, bytes]. Of vectors: shifts [0], data int8 [N, F]."""

    scales: jax.Array
    shifts: jax.Array
    data: jax.Array


def _check(table: str) -> tuple[int, int, int]:
    if table not in TABLES:
        raise ValueError(f"table={table!r}: must be one of {', '.join(TABLES)}")
    return TABLES[table]


def _side(length: int) -> tuple[int, int]:
    """(length of a DCT 1..8, padded length) of a map's side."""
    if length >= 8:
        return 8, -(-length // 8) * 8
    size = 1 << (length - 1).bit_length()
    return size, size


@cache
def _transform(size: int) -> np.ndarray:
    """float32 [8, 8]: 8 // size orthonormal DCTs of `size` points on neighbouring runs, frequency by frequency."""
    k, t = np.arange(size)[:, None], np.arange(size)
    one = np.sqrt(np.where(k == 0, 1, 2) / size) * np.cos((2 * t + 1) * k * math.pi / (2 * size))
    apart = np.kron(np.eye(8 // size), one)
    order = [i * size + u for u in range(size) for i in range(8 // size)]
    return apart[order].astype(np.float32)


def _limits(table: str) -> np.ndarray:
    """float32 [frequencies that are kept]: the largest magnitude that their bits hold."""
    counts = _check(table)
    return np.repeat(np.array([127, 7, 1], np.float32), counts)


def _blocks(x: jax.Array) -> jax.Array:
    """[N, H, W, C] → [blocks, C, 8, 8]; sides continued by their last value, N by zeros."""
    count, high, wide, channels = x.shape
    (rows, tall), (columns, broad) = _side(high), _side(wide)
    a, b = 8 // rows, 8 // columns
    groups = -(-count // (a * b))
    x = jnp.pad(x, ((0, 0), (0, tall - high), (0, broad - wide), (0, 0)), mode="edge")
    x = jnp.pad(x, ((0, groups * a * b - count), (0, 0), (0, 0), (0, 0)))
    x = x.reshape(groups, a, b, tall // rows, rows, broad // columns, columns, channels)
    return x.transpose(0, 3, 5, 7, 1, 4, 2, 6).reshape(-1, channels, 8, 8)


def _maps(blocks: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Inverse of `_blocks` for maps of this shape."""
    count, high, wide, channels = shape
    (rows, tall), (columns, broad) = _side(high), _side(wide)
    a, b = 8 // rows, 8 // columns
    x = blocks.reshape(-1, tall // rows, broad // columns, channels, a, rows, b, columns)
    x = x.transpose(0, 4, 6, 1, 5, 2, 7, 3).reshape(-1, tall, broad, channels)
    return x[:count, :high, :wide]


def _product(x: jax.Array, rows: np.ndarray, columns: np.ndarray) -> jax.Array:
    """rows · x · columnsᵀ of each block, in float32."""
    return jnp.einsum("ki,ncij,lj->nckl", rows, x, columns, precision=jax.lax.Precision.HIGHEST)


def _packed_bits(values: jax.Array, bits: int) -> jax.Array:
    """uint8 [..., n] below 2^bits → [..., n · bits / 8], the first in the lowest bits."""
    each = 8 // bits
    parts = values.reshape(*values.shape[:-1], -1, each)
    out = parts[..., 0]
    for k in range(1, each):
        out = out | parts[..., k] << jnp.uint8(k * bits)
    return out


def _unpacked_bits(data: jax.Array, bits: int) -> jax.Array:
    each = 8 // bits
    parts = [data >> jnp.uint8(k * bits) & jnp.uint8((1 << bits) - 1) for k in range(each)]
    return jnp.stack(parts, -1).reshape(*data.shape[:-1], -1)


def _scaled(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(largest magnitude of each channel, whole numbers −127..127 as float32)."""
    values = x.astype(jnp.float32)
    scales = jnp.max(jnp.abs(values), tuple(range(x.ndim - 1)))
    return scales, jnp.rint(values * (_LARGEST / jnp.maximum(scales, jnp.finfo(jnp.float32).tiny)))


def compress(x: jax.Array, table: str = "gentle") -> Packed:
    """Floats [N, H, W, C] or [N, F] in 5.0 or 3.6 bits a value (vectors 8), by the table, and some bytes a channel.

    Raises ValueError for another table, or number of dimensions.
    """
    counts = _check(table)
    if x.ndim not in (2, 4):
        raise ValueError(f"activations of shape {x.shape}; must be [N, H, W, C] or [N, F]")
    scales, whole = _scaled(x)
    if x.ndim == 2:
        return Packed(scales, jnp.zeros(0, jnp.uint8), whole.astype(jnp.int8))
    rows, columns = (_transform(_side(length)[0]) for length in x.shape[1:3])
    blocks = _product(_blocks(whole), rows, columns)
    limits = _limits(table)
    kept = blocks.reshape(*blocks.shape[:2], 64)[..., ZIGZAG[: len(limits)]]
    largest = jnp.max(jnp.abs(kept), 0)
    # The rounded value fits where largest ≤ (limit + ½) 2^shift; a hair less, so that rounding up is none.
    shifts = jnp.sum(largest[..., None] > (limits[:, None] + np.float32(0.49)) * _POWERS[:-1], -1, dtype=jnp.uint8)
    biased = (jnp.rint(kept / jnp.asarray(_POWERS)[shifts]) + (limits + 1)).astype(jnp.uint8)
    ends = np.cumsum(counts)
    parts = [
        _packed_bits(biased[..., end - count : end], bits)
        for bits, count, end in zip((8, 4, 2), counts, ends, strict=True)
        if count
    ]
    return Packed(scales, shifts, jnp.concatenate(parts, -1))


def levels(packed: Packed, table: str = "gentle") -> jax.Array:
    """The quantised coefficients of maps, whole numbers as float32 [blocks, C, frequencies], zigzag order."""
    parts, at = [], 0
    for bits, count in zip((8, 4, 2), _check(table), strict=True):
        if count:
            parts.append(_unpacked_bits(packed.data[..., at : at + count * bits // 8], bits))
            at += count * bits // 8
    return jnp.concatenate(parts, -1).astype(jnp.float32) - (_limits(table) + 1)


def decompress(packed: Packed, shape: tuple[int, ...], dtype: jnp.dtype, table: str = "gentle") -> jax.Array:
    """What `compress` keeps of an array of this shape and type."""
    unit = packed.scales / _LARGEST
    if len(shape) == 2:
        return (packed.data.astype(jnp.float32) * unit).astype(dtype)
    found = levels(packed, table)
    kept = found * jnp.asarray(_POWERS)[packed.shifts] * unit[:, None]
    place = np.argsort(ZIGZAG)
    blocks = jnp.pad(kept, ((0, 0), (0, 0), (0, 64 - found.shape[-1])))[..., place].reshape(*kept.shape[:2], 8, 8)
    rows, columns = (_transform(_side(length)[0]) for length in shape[1:3])
    return _maps(_product(blocks, rows.T, columns.T), shape).astype(dtype)


def nbytes(shape: tuple[int, ...], table: str = "gentle") -> int:
    """Bytes that `compress` makes of an array of this shape, all parts together."""
    made = jax.eval_shape(lambda x: compress(x, table), jax.ShapeDtypeStruct(shape, jnp.float32))
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(made))
