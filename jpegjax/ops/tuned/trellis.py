"""Trellis quantisation: the levels of each block that cost least in distortion and Huffman bits together. Exact.

Everything is int32, so that CPU, GPU and the numba twin decide alike. Costs count 1/128 bits. Distortion of an error e,
in steps with 8 fractional bits, is (((min(e, 4095)² >> 6) · M) >> 9, M = clip(weight · field >> 8, 1, 8191).

Blocks come in segments, each with a table of its own: one call serves any mixture of images and components.

AC: progressive scans code bands of zigzag positions by themselves, with rates and ends of their own; sequential ones have
a single band. Blocks lie along the last axis, and one step of a scan handles one position of all of them. The cheapest way
to reach a level from a nonzero one 16 or more positions before goes over a ZRL symbol exactly 16 before, whatever the
level; hence f[p] = min(base[p], f[p - 16] + ZRL) and a window of 16 positions in place of all 63.

DC: candidates of a row of blocks form a chain of 3 × 3 (min, +) matrices, and the way back one of maps of 3 states;
both are associative, so that a row takes logarithmic time.

Ties: among predecessors the nearest; the rounded level before the smaller one; fewer levels before more. DC: the rounded
level before the one below before the one above.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...types import ZIGZAG

__all__ = ["EMPTY", "ac_counts", "dc_counts", "trellis_ac", "trellis_dc"]

EMPTY = 0x10
"""The AC symbol that stands for the end of a block without any AC: none that files have, but progressive ones pay less."""
_FAR = 1 << 30
_LARGEST = 1023
_AC = ZIGZAG[1:]
_PLACES = np.arange(1, 64, dtype=np.int32)
_NATURAL = np.argsort(ZIGZAG)[1:] - 1  # row among zigzag positions 1..63 of each natural AC index


def _reciprocals(steps: jax.Array) -> jax.Array:
    """round(2^17 / step): turns 8 × orthonormal into steps with 8 fractional bits, 12 bits too many."""
    steps = steps.astype(jnp.int32)
    return ((1 << 18) + steps) // (2 * steps)


def _strength(weight: jax.Array, field: jax.Array) -> jax.Array:
    return jnp.clip((weight * field) >> 8, 1, 8191)


def _distortion(error: jax.Array, strength: jax.Array) -> jax.Array:
    error = jnp.minimum(jnp.abs(error), 4095)
    return (((error * error) >> 6) * strength) >> 9


def _size(level: jax.Array) -> jax.Array:
    """Bits of a level's magnitude, T.81's category."""
    return 32 - lax.clz(jnp.abs(level))


class _Bands(NamedTuple):
    """Of every table and position 1..63, each [T, 63]: the number of its band, and whether it begins or ends there."""

    number: jax.Array
    begins: jax.Array
    ends: jax.Array


def _bands(last: jax.Array) -> _Bands:
    """last: int32 [T, N], the last position of each band."""
    number = (jnp.asarray(_PLACES) > last[:, :-1, None]).sum(1, dtype=jnp.int32)
    begins = jnp.diff(number, axis=1, prepend=jnp.full_like(number[:, :1], -1)) > 0
    return _Bands(number, begins, jnp.take_along_axis(last, number, 1) == _PLACES)


def _forward(x: jax.Array, table: jax.Array, field: jax.Array, tables: tuple, bands: _Bands) -> tuple:
    """The cheapest path: (last [B], (predecessor, magnitude, last of the band before), each [63, B]).

    x: int16 [63, B], zigzag; table, field: [B].
    """
    scales, weights, rates = tables
    count = rates.shape[1]
    by_run = rates.reshape(-1, 16, 16).transpose(1, 0, 2).reshape(16, -1)  # [run, table and band and size]
    zrl, eob, empty = (rates[:, :, symbol].reshape(-1) for symbol in (0xF0, 0, EMPTY))

    def step(state: tuple, row: tuple) -> tuple:
        cost, origin, least, last = state
        x, scale, weight, band, i = row
        begins, ends = band.begins[table], band.ends[table]
        own = table * count + band.number[table]
        before = last
        cost = jnp.where(begins, fresh, cost)
        origin, last = jnp.where(begins, i - 1, origin), jnp.where(begins, i - 1, last)
        least = jnp.where(begins, empty[own], least)
        y = (jnp.abs(x.astype(jnp.int32)) * scale[table]) >> 12
        v = jnp.minimum((y + 128) >> 8, _LARGEST)
        strength = _strength(weight[table], field)
        size, zeroed = _size(v), _distortion(y, strength)

        def reach(v: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array]:
            ways = cost + by_run[:, 16 * own + size]
            best = ways.min(0)
            nearest = jnp.where(ways == best, origin, jnp.int8(0)).max(0)
            return best + _distortion(y - (v << 8), strength) - zeroed, nearest

        (here, source), (lower, lower_source) = reach(v, size), reach(v - 1, size - 1)
        drop = (v >= 2) & ((v & (v - 1)) == 0) & (lower < here)
        base = jnp.where(v > 0, jnp.where(drop, lower, here), _FAR)
        total = base + jnp.where(ends, 0, eob[own])
        least, last = jnp.minimum(least, total), jnp.where(total < least, i, last)
        around = cost[15] + zrl[own]
        cost = jnp.concatenate([jnp.minimum(base, around)[None], cost[:15]])
        origin = jnp.concatenate([jnp.where(base <= around, i, origin[15])[None], origin[:15]])
        kept = jnp.where(drop, v - 1, v).astype(jnp.int16)
        return (cost, origin, least, last), (jnp.where(drop, lower_source, source), kept, before)

    none = jnp.zeros_like(field)
    fresh = jnp.concatenate([none[None], jnp.broadcast_to(none + _FAR, (15, *none.shape))])
    start = fresh, jnp.zeros_like(fresh, jnp.int8), none, none.astype(jnp.int8)
    steps = x, scales.T, weights.T, jax.tree.map(jnp.transpose, bands), jnp.asarray(_PLACES.astype(np.int8))
    out: tuple = lax.scan(step, start, steps)
    return out[0][3], out[1]


def _levels(x: jax.Array, table: jax.Array, field: jax.Array, tables: tuple, bands: _Bands) -> jax.Array:
    """AC levels int16 [B, 64] of blocks x, int16 [B, 64]."""
    rows = x[:, _AC].T
    last, (sources, kept, before) = _forward(rows, table, field, tables, bands)

    def back(at: jax.Array, row: tuple) -> tuple[jax.Array, jax.Array]:
        x, source, v, before, begins, i = row
        here = at == i
        after = jnp.where(begins[table], before, jnp.where(here, source, at))
        return after, jnp.where(here, jnp.where(x < 0, -v, v), jnp.int16(0))

    steps = rows, sources, kept, before, bands.begins.T, jnp.asarray(_PLACES.astype(np.int8))
    _, levels = lax.scan(back, last, steps, reverse=True)
    return jnp.concatenate([jnp.zeros_like(x[:, :1]), levels[_NATURAL].T], 1)


def _paged(function: Callable, page: int, used: jax.Array, *arrays: jax.Array) -> jax.Array:
    """function of the first `used` entries, a page of them at a time, so that what is in work stays small; zeros behind."""
    count = arrays[0].shape[0]
    if count <= page:
        return function(*arrays)
    if count % page:
        raise ValueError(f"page={page}: must divide {count} segments")

    def turn(i: jax.Array, out: jax.Array) -> jax.Array:
        part = function(*(lax.dynamic_slice_in_dim(a, i * page, page) for a in arrays))
        return lax.dynamic_update_slice_in_dim(out, part, i * page, 0)

    shape = jax.eval_shape(function, *(jax.ShapeDtypeStruct((page, *a.shape[1:]), a.dtype) for a in arrays))
    empty = jnp.zeros((count, *shape.shape[1:]), shape.dtype) + (arrays[0].ravel()[0] * 0).astype(shape.dtype)
    return lax.fori_loop(0, (used + page - 1) // page, turn, empty)


def trellis_ac(
    x: jax.Array, table: jax.Array, field: jax.Array, steps: jax.Array, weights: jax.Array, bands: jax.Array, rates: jax.Array,
    *, page: int = 32, used: int | jax.Array | None = None,
) -> jax.Array:  # fmt: skip
    """AC levels of blocks, int16 [S, B, 64] in natural order; DC entries are 0. Exact.

    x: raw `fdct_islow` output (8 × orthonormal), integers within ±8200, [S, B, 64]: S segments of B blocks.
    table: int32 [S], which of the T tables a segment takes.
    field: integers 0..65535, [S, B], each block's factor of the weights, 256 for 1.
    steps: integers 1..65535, [T, 64], natural order. weights: integers 0..8191, [T, 64], natural order: bits per squared
        step, 6 fractional bits.
    bands: int32 [T, N], the last zigzag index of each band, rising to 63, which may stand several times.
    rates: integers 0..65535, [T, N, 256], cost of each AC symbol with its value bits, 7 fractional bits; EMPTY (0x10) is the
        end of a band without coefficients, EOB (0) of others.
    page: segments in work at a time, some 0.5 kB a block; divides S where it is smaller.
    used: how many segments count, all by default; levels of others may be anything.
    """
    tables = _reciprocals(steps)[:, _AC], weights.astype(jnp.int32)[:, _AC], rates.astype(jnp.int32)
    parts = _bands(bands)

    def one(x: jax.Array, table: jax.Array, field: jax.Array) -> jax.Array:
        each = jnp.repeat(table, x.shape[1])
        return _levels(x.reshape(-1, 64), each, field.reshape(-1), tables, parts).reshape(x.shape)

    used = jnp.asarray(x.shape[0] if used is None else used, jnp.int32)
    return _paged(one, page, used, x.astype(jnp.int16), table, field.astype(jnp.int32))


def _segment_counts(levels: jax.Array, valid: jax.Array, table: jax.Array, last: jax.Array) -> jax.Array:
    """int32 [S, N, 256] of segments int16 [S, B, 64]."""
    rows = levels[:, :, _AC].astype(jnp.int32).transpose(2, 0, 1)
    number = _bands(last).number[table].T[:, :, None]  # [63, S, 1]
    position = jnp.asarray(_PLACES)[:, None, None]
    coded = (rows != 0) & valid
    up_to = lax.cummax(jnp.where(rows != 0, position, 0), axis=0)
    ends = jnp.concatenate([jnp.zeros_like(last[:, :1]), last], 1)[table]  # [S, N + 1]
    first = jnp.take_along_axis(ends, number[:, :, 0].T, 1).T[:, :, None]  # the position before the band
    before = jnp.maximum(first, jnp.concatenate([jnp.zeros_like(up_to[:1]), up_to[:-1]]))
    run = position - 1 - before
    symbol = jnp.where(coded, (run & 15) << 4 | _size(rows), 256)  # 256: dropped
    segment = lax.broadcasted_iota(jnp.int32, rows.shape, 1)
    counts = jnp.zeros((rows.shape[1], last.shape[1], 256), jnp.int32).at[segment, number, symbol].add(1, mode="drop")
    for b in range(last.shape[1]):
        own = number == b
        at = jnp.where(own, jnp.where(rows != 0, position, 0), 0).max(0)
        closing = jnp.where(valid & (at < ends[:, b + 1, None]), jnp.where(at > 0, 0, EMPTY), 256)
        counts = counts.at[segment[0], b, closing].add(1, mode="drop")
        counts = counts.at[:, b, 0xF0].add(jnp.where(coded & own, run >> 4, 0).sum((0, 2), dtype=jnp.int32))
    return counts


def ac_counts(
    levels: jax.Array, valid: jax.Array, table: jax.Array, bands: jax.Array,
    *, page: int = 32, used: int | jax.Array | None = None,
) -> jax.Array:  # fmt: skip
    """How often each AC symbol codes the blocks of each segment: int32 [S, N, 256], with ZRL (0xF0), EOB (0) and EMPTY.

    levels: integers [S, B, 64], natural order, within ±1023. valid: bool [S, B], the blocks that count. The others: as for
    `trellis_ac`, at some 2 kB a block. Where 63 stands several times among the bands, those behind the first count nothing
    but EMPTY.
    """
    used = jnp.asarray(levels.shape[0] if used is None else used, jnp.int32)
    count = partial(_segment_counts, last=bands)
    return _paged(count, page, used, levels.astype(jnp.int16), valid, table)


def _compose(a: jax.Array, b: jax.Array) -> jax.Array:
    """(min, +) product of matrices [3, 3, ...] over the leading axes."""
    return (a[:, :, None] + b[None]).min(1)


def _follow(a: jax.Array, b: jax.Array) -> jax.Array:
    """b after a, maps of three states as [3, ...]."""
    return jnp.where(a == 0, b[0], jnp.where(a == 1, b[1], b[2]))


def _products(function: Callable, x: jax.Array, first: jax.Array, turns: jax.Array) -> jax.Array:
    """function's products along the last axis from each entry of `first` on, up to 2^turns long."""
    place = lax.iota(jnp.int32, x.shape[-1])

    def double(k: jax.Array, state: tuple) -> tuple:
        x, first = state
        stride = jnp.int32(1) << k
        done = first | (place < stride)
        return jnp.where(done, x, function(jnp.roll(x, stride, -1), x)), done | jnp.roll(first, stride, -1)

    return lax.fori_loop(0, turns, double, (x, first))[0]


def _pick(state: jax.Array, values: jax.Array) -> jax.Array:
    return jnp.where(state == 0, values[0], jnp.where(state == 1, values[1], values[2]))


def _before(levels: jax.Array, previous: jax.Array) -> jax.Array:
    """Levels [..., n] of each block's predecessor [n], 0 where that is negative."""
    return jnp.where(previous < 0, 0, levels[..., jnp.maximum(previous, 0)])


def trellis_dc(
    x: jax.Array, table: jax.Array, field: jax.Array, steps: jax.Array, weights: jax.Array, rates: jax.Array,
    previous: jax.Array, end: jax.Array, turns: int | jax.Array,
) -> jax.Array:  # fmt: skip
    """DC levels of blocks, the blocks of a row of MCUs in coding order, int16 [S, B]. Exact.

    x: raw DC of `fdct_islow`, integers within ±8200, [S, B]. steps, weights: [T], of DC. rates: [T, 12], cost of each size of
    a difference with its value bits. table, field and units: as for `trellis_ac`.
    previous: int32 [S, B], the block among all S·B by which a block is predicted: within a row the one before, at its
        beginning the last one of any row, or -1 for a prediction of 0. end: bool [S, B], the last block of a row, or one
        that does not count.
    turns: no row has more than 2^turns blocks.

    Candidates are the rounded level and its neighbours. The last block of a row is only rounded, so that rows do not
    depend on one another.
    """
    shape, size = x.shape, x.shape[1]
    each = jnp.repeat(table, size)
    x, field, previous, end = (a.reshape(-1) for a in (x.astype(jnp.int32), field.astype(jnp.int32), previous, end))
    y = (jnp.abs(x) * _reciprocals(steps)[each]) >> 12
    rounded = jnp.minimum((y + 128) >> 8, _LARGEST)
    y, rounded = (jnp.where(x < 0, -a, a) for a in (y, rounded))
    offsets = jnp.array([0, -1, 1], jnp.int32)[:, None]
    levels = jnp.where(end, rounded, jnp.clip(rounded + offsets, -_LARGEST, _LARGEST))
    costs = _distortion(y - (levels << 8), _strength(weights.astype(jnp.int32)[each], field))
    before = _before(levels, previous)
    # [from, to, block]; a row's first block has three equal ways to reach it
    moves = costs + rates.astype(jnp.int32)[each, _size(levels - before[:, None])]
    first = jnp.roll(end, 1).at[0].set(True)
    turns = jnp.asarray(turns, jnp.int32)
    reached = _products(_compose, moves, first, turns)[0]
    source = jnp.argmin(jnp.roll(reached, 1, -1)[:, None] + moves, 0).astype(jnp.int8)  # the first of equals
    back = jnp.where(end, jnp.int8(0), jnp.roll(source, -1, -1))
    state = _products(_follow, back[:, ::-1], end[::-1], turns)[0, ::-1]
    return _pick(state, levels).astype(jnp.int16).reshape(shape)


def dc_counts(levels: jax.Array, previous: jax.Array, valid: jax.Array) -> jax.Array:
    """How often each size of a DC difference is coded in each segment: int32 [S, 12].

    levels: [S, B]. valid: bool [S, B], the blocks that count. previous: as for `trellis_dc`.
    """
    flat = levels.astype(jnp.int32).reshape(-1)
    size = _size(flat - _before(flat, previous.reshape(-1))).reshape(levels.shape)
    return ((size == jnp.arange(12, dtype=jnp.int32)[:, None, None]) & valid).sum(2, dtype=jnp.int32).T
