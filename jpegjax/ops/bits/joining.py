"""The bits of each block joined to words by one kernel of a GPU's (Pallas, Triton): `packing.join_by_sums` for them.

A lane takes one block, coefficient by coefficient: its symbol, code and bits, and the word that they fill up, never leave
the registers. XLA writes where each coefficient's bits go and what they are instead: some fifty bytes a pixel more.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .packing import CODE, DC_AT, LENGTH_AT, TABLE, Blocks, Lengths, last_of

__all__ = ["LANES", "join_by_lanes"]

LANES = 128
"""Blocks of one instance of the kernel."""


def _size(value: jax.Array) -> jax.Array:
    """Bits of the magnitude of int32 below 2^24: what a float's exponent says, for Triton cannot count leading zeros."""
    exponent = lax.bitcast_convert_type(jnp.maximum(value, -value).astype(jnp.float32), jnp.int32) >> 23
    return jnp.maximum(exponent - 126, 0)


def _kernel(
    blocks: int, mcus: int, share: int, tables: int, slot: int, window: int,
    levels: Any, dc: Any, last: Any, start: Any, entries: Any, out: Any,
) -> None:  # fmt: skip
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    lane = pl.program_id(0) * LANES + lax.iota(jnp.int32, LANES)
    none, inside = jnp.zeros(LANES, jnp.int32), lane < blocks
    row = (lax.div(lax.rem(lane, jnp.int32(mcus)), jnp.int32(share)) * tables + slot) * TABLE

    def loaded(source: Any, index: Any, zero: Any = 0) -> jax.Array:
        return triton.load(source.at[index], mask=inside, other=zero)

    def emit(word: jax.Array, value: jax.Array, here: jax.Array) -> None:
        triton.store(out.at[lane * window + jnp.where(here, word, 0)], value, mask=inside & here)

    end, begin = loaded(last, lane), (loaded(start, lane) & 31).astype(jnp.int32)

    def step(k: Any, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        word, bit, filled, run = state
        k = none + k  # a scalar's comparison would choose nothing here
        level = jnp.where(k == 0, loaded(dc, lane), loaded(levels, k * blocks + lane).astype(jnp.int32))
        size = _size(level)
        shown = (level != 0) | (k == 0)
        gap = jnp.where(shown, 0, run + 1)
        ends = (k == 63) | ((gap & 15 == 0) & (k < end))
        symbol = jnp.where(k == 63, 0, 0xF0)
        symbol = jnp.where(shown, jnp.where(k == 0, DC_AT + size, (run & 15) << 4 | jnp.minimum(size, 15)), symbol)
        entry = loaded(entries, row + symbol, 0)
        entry = jnp.where(shown | ends, entry, 0)
        count = entry >> LENGTH_AT
        extra = jnp.where(shown, jnp.where(level < 0, level - 1, level) & ((1 << size) - 1), 0)
        code = lax.bitcast_convert_type((entry & CODE) << jnp.where(shown, size, 0) | extra, jnp.uint32)
        left = code << (32 - count & 31).astype(jnp.uint32)
        at = bit.astype(jnp.uint32)
        filled = filled | left >> at
        full = bit + count > 31
        emit(word, filled, full & (word < window))
        filled = jnp.where(full, left << 31 - at << 1, filled)
        return jnp.where(full, word + 1, word), bit + count & 31, filled, gap

    word, _, filled, _ = lax.fori_loop(0, 64, step, (none, begin, none.astype(jnp.uint32), none))

    for w in range(window):
        emit(none + w, jnp.where(word == w, filled, none.astype(jnp.uint32)), word <= w)


def join_by_lanes(
    blocks: Blocks, codes: jax.Array, slot: int, lengths: Lengths, window: int, interpret: bool = False
) -> jax.Array:
    """Words uint32 [window, J, M] of each block's bits, from the word on that the block begins in; see `packing.place`.

    For GPUs. interpret: by XLA instead, on any device, for tests.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    count, mcus = blocks.dc.size, blocks.dc.shape[1]
    kernel = partial(_kernel, count, mcus, mcus // codes.shape[0], codes.shape[1], slot, window)
    arrays = blocks.levels, blocks.dc, last_of(*blocks.present), lengths.start[0], codes
    found = pl.pallas_call(
        kernel,
        jax.ShapeDtypeStruct((count * window,), jnp.uint32),
        grid=(-(-count // LANES),),
        compiler_params=triton.CompilerParams(num_warps=LANES // 32, num_stages=1),
        interpret=interpret,
    )(*(x.reshape(-1) for x in arrays))
    return jnp.moveaxis(found.reshape(*blocks.dc.shape, window), -1, 0)
