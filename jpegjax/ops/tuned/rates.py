"""What symbols cost in a pass, by how often they occurred in the one before: bits of libjpeg's best code for them. Exact.

Huffman's merging takes as many steps as there are symbols that occur, each over the tables of all pictures at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["best_lengths", "next_rates"]

_SYMBOLS, _LIMIT, _LONGEST = 256, 16, 32
_EMPTY = 0x10
"""The AC symbol under which blocks without coefficients are counted."""
_UNSEEN_BITS, _RUN_RATE = 16, 64
_NONE = (1 << 31) - 1

State = tuple[jax.Array, jax.Array, jax.Array]
"""Weights, roots and sizes of all symbols, int32 [N, 257]."""


def _sizes(counts: jax.Array) -> jax.Array:
    """Bits of each symbol's code where nothing limits them, int32 [N, 257], the reserved symbol last; 0 for what has none."""
    index = lax.iota(jnp.int32, _SYMBOLS + 1)
    counts = jnp.pad(counts, ((0, 0), (0, 1)), constant_values=1)

    def last_least(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(weight [N, 1], index [N, 1]) of the lightest, the last of equal ones; none: (_NONE, 256)."""
        least = weights.min(1, keepdims=True)
        return least, jnp.where(weights == least, index, -1).max(1, keepdims=True)

    def unfinished(state: State) -> jax.Array:
        return ((state[0] < _NONE).sum(1) > 1).any()

    def merged(state: State) -> State:
        weights, root, sizes = state
        first, least = last_least(weights)
        second, other = last_least(jnp.where(index == least, _NONE, weights))
        any_left = second < _NONE
        inside = (root == least) | (root == other)
        grown = jnp.where(index == least, first + jnp.where(any_left, second, 0), weights)
        return (
            jnp.where(any_left, jnp.where(index == other, _NONE, grown), weights),
            jnp.where(any_left & inside, least, root),
            sizes + (any_left & inside),
        )

    start = jnp.where(counts > 0, counts, _NONE), jnp.broadcast_to(index, counts.shape), jnp.zeros_like(counts)
    return lax.while_loop(unfinished, merged, start)[2]


def _limited(bits: jax.Array) -> jax.Array:
    """Numbers of codes of each length, int32 [N, 33], so that none is longer than 16 bits (T.81 figure K.3)."""
    length = lax.iota(jnp.int32, _LONGEST + 1)

    def change(bits: jax.Array) -> jax.Array:
        longest = jnp.where(bits > 0, length, 0).max(1, keepdims=True)
        shorter = jnp.where((bits > 0) & (length <= longest - 2), length, 0).max(1, keepdims=True)
        moved = -2 * (length == longest) + (length == longest - 1) + 2 * (length == shorter + 1) - (length == shorter)
        return bits + jnp.where(longest > _LIMIT, moved, 0)

    return lax.while_loop(lambda bits: (bits[:, _LIMIT + 1 :] > 0).any(), change, bits)


def best_lengths(counts: jax.Array) -> jax.Array:
    """Bits of each symbol in libjpeg's best table (T.81 K.2), int32 [N, 256]; 0 where it does not occur, and for all where
    Huffman's code would be longer than 32 bits. counts: int32 [N, 256], below 2^30 in sum."""
    sizes = _sizes(counts)
    possible = sizes.max(1, keepdims=True) <= _LONGEST
    length = lax.iota(jnp.int32, _LONGEST + 1)
    bits = (jnp.where(possible, sizes, 0)[:, :, None] == length).sum(1, dtype=jnp.int32) * (length > 0)
    bits = _limited(bits)
    longest = jnp.where(bits > 0, length, 0).max(1, keepdims=True)
    bits -= (length == longest) & (length > 0)  # the reserved symbol is the last of the longest
    own = jnp.where(sizes > 0, sizes, _LONGEST + 1)[:, :_SYMBOLS]
    order = lax.iota(jnp.int32, _SYMBOLS)
    before = (own[:, None] < own[:, :, None]) | ((own[:, None] == own[:, :, None]) & (order < order[:, None]))
    place = before.sum(2, dtype=jnp.int32)
    ends = jnp.cumsum(bits, 1, dtype=jnp.int32)
    found = (ends[:, None, 1:_LIMIT] <= place[:, :, None]).sum(2, dtype=jnp.int32) + 1
    return jnp.where((counts > 0) & possible, found, 0)


def _rates(counts: jax.Array) -> jax.Array:
    lengths = best_lengths(counts)
    return 128 * (jnp.where(lengths == 0, _UNSEEN_BITS, lengths) + (lax.iota(jnp.int32, _SYMBOLS) & 15))


def next_rates(
    slots: Sequence[int], tables: int, progressive: bool, ac: jax.Array, dc: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Rates in 1/128 bit, value bits included, int32 as the counts are: ac [T, N, 256], N bands a table, and dc [T, 12].

    slots: the Huffman table of each component of a picture; tables: rows that one has, at least as many. Components of one
    slot share DC tables and, in sequential files, AC tables. progressive: blocks without coefficients only lengthen a run
    of ended bands.
    """

    def shared(counts: jax.Array) -> jax.Array:
        rows = counts.reshape(-1, tables, *counts.shape[1:])
        sums = [sum(rows[:, j] for j, other in enumerate(slots) if other == slot) for slot in slots]
        rest = [rows[:, j] for j in range(len(slots), tables)]
        return jnp.stack([*sums, *rest], 1).reshape(counts.shape)

    ended = ac[..., _EMPTY]
    if not progressive:
        ac = shared(ac.at[..., 0].add(ended))
    ac = ac.at[..., _EMPTY].set(0)
    dc = jnp.pad(shared(dc), ((0, 0), (0, _SYMBOLS - dc.shape[1])))
    found = _rates(jnp.concatenate([ac.reshape(-1, _SYMBOLS), dc]))
    rates = found[: -len(dc)].reshape(ac.shape)
    run = rates[..., 0] + (_RUN_RATE if progressive else 0)
    rates = rates.at[..., 0].set(run).at[..., _EMPTY].set(0 if progressive else run)
    return rates, found[-len(dc) :, :12]
