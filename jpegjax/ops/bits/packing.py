"""Symbols to bits on a device: baseline sequential Huffman coding of quantised blocks (T.81 F.1.2). Exact integers.

    levels ──▶ prepare ──▶ count_symbols ──▶ tables (the host's)
                  │            ╭─────────────────╯
                  ╰──▶ measure ──▶ place ──▶ stuff ──▶ bytes

Coefficients stand in front and MCUs last, int16 [64, J, M] for the J blocks that a component has in each of M MCUs, so that
a step is plain vector arithmetic and nothing of a coefficient's size is ever moved to coding order. Each coefficient is at
most one symbol: zeros are silent, but for the 16th of a run (ZRL) and the last of a block (EOB). Pictures, P of them in a row,
are M / P MCUs each; a segment is what lies between restart markers, a whole number of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = [
    "CODE", "DC_AT", "INVALID", "LENGTH_AT", "MAX_BITS", "MAX_BLOCK_BITS", "NO_CODE", "SILENT", "TABLE",
    "WINDOWS", "Blocks", "Extent", "Lengths", "count_symbols", "join_by_sums", "last_of", "measure", "place", "prepare",
    "stuff",
]  # fmt: skip

DC_AT = 256  # in a table: AC symbols, then the categories of DC differences
SILENT = 510  # stands for no symbol
INVALID = 511  # stands for a coefficient that baseline JPEG has no symbol for; no table has a code for it
TABLE = 512

MAX_BITS = (1 << 32) - 4096
"""Bits of all pictures that one call may code."""

NO_CODE = 255
"""Length that stands for no code."""

LENGTH_AT, CODE = 16, 0xFFFF
"""Of an entry of codes: the bit at which the length stands, and what is the code."""

MAX_BLOCK_BITS = 27 + 63 * 26
"""Of a block: codes of 16 bits, values of 11 and 10."""

WINDOWS = (6, 12, 24, 54)
"""Numbers of words, one of which a block's bits touch at most; the last is enough for any."""

_ALL, _BEFORE = 0x01010101, 0x01010100  # products with them: the sum of a word's bytes on top; sums of lower bytes


class Blocks(NamedTuple):
    """A component's blocks, ready to be coded.

    levels: int16 [64, J, M] in zigzag order; the DC level does not count. dc: int32 [J, M], DC differences.
    present: uint32 [2, J, M], bit k of the 64: whether coefficient k is not zero; the DC's always is set.
    """

    levels: jax.Array
    dc: jax.Array
    present: jax.Array


class Lengths(NamedTuple):
    """Where a component's bits go. four: uint32 [16, J, M], the number of bits of four coefficients each, a byte for each,
    the first one's lowest. start: uint32 [4, J, M], the bit at which each quarter of a block begins."""

    four: jax.Array
    start: jax.Array


class Extent(NamedTuple):
    """What the bits take up. first, bits: uint32 [P, S], first byte and number of bits of each segment.
    nbytes: uint32 [P], bytes of a picture before stuffing. valid: bool [P], whether everything has a code.
    longest: uint32 [1], the most bits of a block."""

    first: jax.Array
    bits: jax.Array
    nbytes: jax.Array
    valid: jax.Array
    longest: jax.Array


def _top_bit(x: jax.Array) -> jax.Array:
    """Index of the highest set bit of uint32, -1 for none."""
    return 31 - lax.clz(x).astype(jnp.int32)


def last_of(low: jax.Array, high: jax.Array) -> jax.Array:
    """Index of the highest set bit of 64."""
    return jnp.where(high != 0, 32 + _top_bit(high), _top_bit(low))


def _before(sums: jax.Array, axis: int) -> jax.Array:
    """Sums of all that stands before each."""
    return jnp.cumsum(sums, axis, dtype=sums.dtype) - sums


def _before_few(values: jax.Array, axis: int) -> jax.Array:
    """`_before` of a short axis, without a pass over memory of its own."""
    index = lax.broadcasted_iota(jnp.int32, values.shape, axis)
    every = lax.split(values, [1] * values.shape[axis], axis)
    return sum((jnp.where(index > i, x, 0) for i, x in enumerate(every[:-1])), start=jnp.zeros_like(values))


def prepare(levels: jax.Array, real: jax.Array, first: jax.Array, dc: jax.Array | None = None) -> Blocks:
    """Blocks of one component. levels: int16 [64, J, M] in zigzag order, blocks of an MCU and MCUs in coding order.

    real: bool [J, M]; blocks outside the picture are coded as zero difference and end of block (T.81 A.2.4); the first of
    an MCU is never one. first: bool [M], MCUs whose differences begin anew: those of a picture, and behind a restart.
    dc: int16 [J, M], levels[0] where a compiler shall see that it comes from elsewhere.
    """
    dc = (levels[0] if dc is None else dc).astype(jnp.int32)
    filled = [dc[0]]
    for j in range(1, len(dc)):
        filled.append(jnp.where(real[j], dc[j], filled[-1]))
    previous = [jnp.where(first, 0, jnp.roll(filled[-1], 1)), *filled[:-1]]
    levels = jnp.where(real, levels, 0)
    index = lax.broadcasted_iota(jnp.uint32, (32, 1, 1), 0)
    bits = jnp.where(levels != 0, 1, 0).astype(jnp.uint32).reshape(2, 32, *levels.shape[1:]) << index
    present = bits.sum(1, dtype=jnp.uint32)
    return Blocks(levels, jnp.stack(filled) - jnp.stack(previous), present.at[0].set(present[0] | 1))


def _symbols(blocks: Blocks) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(value, its size in bits, symbol) of each coefficient, int32 [64, J, M]; symbol -1 where there is none."""
    k = lax.broadcasted_iota(jnp.int32, (64, 1, 1), 0)
    low, high = blocks.present
    below = (jnp.uint32(1) << (k & 31).astype(jnp.uint32)) - 1
    gap = k - last_of(jnp.where(k < 32, low & below, low), jnp.where(k < 32, 0, high & below))
    value = jnp.where(k == 0, blocks.dc, blocks.levels.astype(jnp.int32))
    size = _top_bit(jnp.abs(value).astype(jnp.uint32)) + 1
    silent = jnp.where(k == 63, 0, jnp.where((gap & 15 == 0) & (k < last_of(low, high)), 0xF0, -1))
    symbol = jnp.where(value != 0, (gap - 1 & 15) << 4 | size, silent)
    symbol = jnp.where(k == 0, DC_AT + size, symbol)
    return value, size, jnp.where(size > jnp.where(k == 0, 11, 10), INVALID, symbol)


def _rows(count: int, mcus: int) -> jax.Array:
    """int32 [M], the row of tables of each MCU, where there is one a picture, or one for all."""
    return lax.iota(jnp.int32, mcus) // (mcus // count)


def count_symbols(components: Sequence[Blocks], slots: Sequence[int], pictures: int) -> jax.Array:
    """int32 [P, slots, TABLE], how often each symbol occurs. slots: the tables that each component uses."""
    tables = max(slots) + 1
    counts = jnp.zeros(pictures * tables * TABLE, jnp.int32)
    for blocks, slot in zip(components, slots, strict=True):
        _, _, symbol = _symbols(blocks)
        row = _rows(pictures, symbol.shape[2]) * tables + slot
        counts = counts.at[jnp.where(symbol < 0, counts.size, row * TABLE + symbol)].add(1, mode="drop")
    return counts.reshape(pictures, tables, TABLE)


def _look_up(table: jax.Array, symbol: jax.Array, slot: int) -> jax.Array:
    """Entries [64, J, M] of [1 or P, slots, TABLE]."""
    row = _rows(table.shape[0], symbol.shape[2]) * table.shape[1] + slot
    return table.reshape(-1)[jnp.where(symbol < 0, SILENT, symbol) + row * TABLE]


def measure(
    components: Sequence[Blocks], lengths: jax.Array, slots: Sequence[int], pictures: int, interval: int
) -> tuple[list[Lengths], Extent]:
    """How many bits everything takes, and where they go.

    lengths: uint8 [1 or P, slots, TABLE], bits of each symbol and its value, NO_CODE, or 0 for SILENT. interval: MCUs of a
    segment, 0 for a picture's all. At most MAX_BITS bits in all.
    """
    four = [_join_bytes(_look_up(lengths, _symbols(b)[2], slot)) for b, slot in zip(components, slots, strict=True)]
    quarters = [_quarter_bits(x) for x in four]
    total = jnp.concatenate([x.sum(0, dtype=jnp.uint32) for x in quarters])
    count = total.shape[1] // pictures
    valid = (total <= MAX_BLOCK_BITS).reshape(-1, pictures, count).all((0, 2))
    blocks = jnp.where(jnp.repeat(valid, count), total, 0)
    start, extent = _extent(blocks, valid, interval or count)
    starts = jnp.split(start, np.cumsum([x.shape[1] for x in quarters])[:-1].tolist())
    found = [begin + jnp.minimum(_before_few(x, 0), MAX_BLOCK_BITS) for begin, x in zip(starts, quarters, strict=True)]
    return [Lengths(*pair) for pair in zip(four, found, strict=True)], extent


def _join_bytes(x: jax.Array) -> jax.Array:
    """uint8 [4 n, …] as words uint32 [n, …], the first byte lowest."""
    place = lax.broadcasted_iota(jnp.uint32, (1, 4, *[1] * (x.ndim - 1)), 1) * 8
    return (x.reshape(-1, 4, *x.shape[1:]).astype(jnp.uint32) << place).sum(1, dtype=jnp.uint32)


def _quarter_bits(four: jax.Array) -> jax.Array:
    """uint32 [4, …], bits of each quarter of a block; more than a block can have where a symbol has no code."""
    missing = four & np.uint32(0x80808080) != 0
    bits = jnp.where(missing, jnp.uint32(MAX_BLOCK_BITS + 1), four * _ALL >> 24)
    return bits.reshape(4, -1, *four.shape[1:]).sum(1, dtype=jnp.uint32)


def _extent(blocks: jax.Array, valid: jax.Array, interval: int) -> tuple[jax.Array, Extent]:
    """(uint32 [J, M], the bit at which each block begins, out of reach where a picture is not valid; the extent).
    blocks: uint32 [J, M], their bits, in coding order of MCUs; valid: bool [P]."""
    pictures, count = len(valid), blocks.shape[1] // len(valid)
    segments = -(-count // interval)
    mcus = blocks.sum(0, dtype=jnp.uint32).reshape(pictures, count)
    mcus = jnp.pad(mcus, ((0, 0), (0, segments * interval - count))).reshape(pictures, segments, interval)
    bits = mcus.sum(2, dtype=jnp.uint32)
    nbytes = bits + 7 >> 3
    first = _before(nbytes.reshape(-1), 0).reshape(nbytes.shape)
    at = (first[:, :, None] * 8 + _before(mcus, 2)).reshape(pictures, -1)[:, :count]
    start = jnp.where(valid[:, None], at, jnp.uint32(MAX_BITS)).reshape(-1) + _before(blocks, 0)
    return start, Extent(first, bits, nbytes.sum(1, dtype=jnp.uint32), valid, blocks.max()[None])


def _add_windows(words: jax.Array, index: jax.Array, windows: jax.Array) -> jax.Array:
    """Add uint32 [W, …] to the W words from index […] on; those beyond the end are left out."""
    where = lax.ScatterDimensionNumbers((0,), (), (0,))
    return lax.scatter_add(words, index[..., None], windows, where, mode="drop")


def join_by_sums(blocks: Blocks, codes: jax.Array, slot: int, lengths: Lengths, window: int) -> jax.Array:
    """Words uint32 [window, J, M] of each block's bits, from the word on that the block begins in.

    The words are sums over the coefficients. codes, slot, window: as `place` has them.
    """
    value, size, symbol = _symbols(blocks)
    extra = (value - (value < 0)) & (1 << size) - 1
    code = _look_up((codes & CODE).astype(jnp.uint16), symbol, slot).astype(jnp.uint32)
    bits = code << size.astype(jnp.uint32) | extra.astype(jnp.uint32)
    four = lengths.four.reshape(4, 4, 1, *bits.shape[1:])
    octet = lax.broadcasted_iota(jnp.uint32, (1, 1, 4, 1, 1), 2)
    start = (lengths.start - (lengths.start[:1] & ~jnp.uint32(31)))[:, None, None]
    at = start + _before_few(four * _ALL >> 24, 1) + (four * _BEFORE >> 8 * octet & 255)
    left = bits.reshape(at.shape) << (32 - (four >> 8 * octet) & 31)
    # written once, as narrow as they are, rather than made anew for each word
    at, left = lax.optimization_barrier((at.astype(jnp.uint16), left))
    at = at.astype(jnp.uint32)
    shift = at & 31
    word = lax.broadcasted_iota(jnp.uint32, (window, *[1] * at.ndim), 0)
    here = jnp.where(at >> 5 == word, left >> shift, 0)
    here = jnp.where((at >> 5) + 1 == word, left << 31 - shift << 1, here)
    return here.sum((1, 2, 3), dtype=jnp.uint32).reshape(window, *bits.shape[1:])


Join = Callable[[Blocks, jax.Array, int, Lengths, int], jax.Array]


def place(
    components: Sequence[Blocks],
    codes: jax.Array,
    slots: Sequence[int],
    lengths: Sequence[Lengths],
    extent: Extent,
    capacity: int,
    window: int,
    join: Join,
) -> jax.Array:
    """All bits, uint32 [capacity], most significant first; segments are filled up with ones. Pictures that are not valid
    have no bytes.

    codes: int32 [1 or P, slots, TABLE]: a symbol's code, and from bit LENGTH_AT on its and its value's length, as for
    `measure`. capacity: words, no fewer than `measure` says. window: words, room for
    extent.longest + 31 bits; one of WINDOWS. join: `join_by_sums`, or `joining.join_by_lanes` on GPUs; the same words.
    """
    words = jnp.zeros(capacity + window, jnp.uint32)
    for blocks, slot, where in zip(components, slots, lengths, strict=True):
        begin = jnp.minimum(where.start[0] >> 5, words.size).astype(jnp.int32)
        words = _add_windows(words, begin, join(blocks, codes, slot, where, window))
    end = extent.first * 8 + extent.bits
    spare = -end & 7
    padding = ((jnp.uint32(1) << spare) - 1) << 24 - (end & 24)
    return words.at[end >> 5].add(padding, mode="drop")[:capacity]


def stuff(words: jax.Array, extent: Extent) -> tuple[jax.Array, jax.Array]:
    """(uint8 [n], int32 [P]): the data of all pictures, one behind the other, and the bytes of each.

    Zeros stand behind bytes of 0xFF (T.81 B.1.1.5), restart markers before all segments but a picture's first. n: twice
    `place`'s capacity, and room for the markers.
    """
    segments, size = extent.first.shape[1], words.size
    first = extent.first.astype(jnp.int32)
    added = jnp.zeros_like(words)
    for i in range(4):
        added |= jnp.where(words >> 24 - 8 * i & 255 == 255, jnp.uint32(1 << 8 * i), 0)
    if segments > 1:  # two bytes more behind the last of each segment
        last = jnp.where(extent.valid[:, None], first[:, 1:] - 1, 4 * size)
        added = added.at[last >> 2].add(jnp.uint32(2) << 8 * (last & 3).astype(jnp.uint32), mode="drop")
    sums = added * _ALL >> 24
    octet = lax.broadcasted_iota(jnp.uint32, (4, 1), 0)
    index = lax.broadcasted_iota(jnp.int32, (4, size), 1) * 4 + lax.broadcasted_iota(jnp.int32, (4, size), 0)
    target = index + (_before(sums, 0) + (added * _BEFORE >> 8 * octet & 255)).astype(jnp.int32)
    total = extent.nbytes.sum(dtype=jnp.uint32).astype(jnp.int32)
    room = 8 * size + 2 * first.size
    target = jnp.where(index < total, target, room + index)
    octets = (words >> 24 - 8 * octet).astype(jnp.uint8)
    out = jnp.zeros(room, jnp.uint8).at[target].set(octets, mode="drop", unique_indices=True)
    if segments > 1:
        behind = jnp.where(extent.valid[:, None], first[:, 1:], 4 * size)
        marker = target.at[behind & 3, behind >> 2].get(mode="fill", fill_value=room + 2) - 2
        codes = (0xD0 + (lax.iota(jnp.int32, segments - 1) & 7)).astype(jnp.uint8)
        out = out.at[marker].set(jnp.uint8(255), mode="drop").at[marker + 1].set(codes, mode="drop")
    end = total + sums.sum(dtype=jnp.uint32).astype(jnp.int32)
    begin = first[:, 0]
    begin = jnp.where(begin < total, target.at[begin & 3, begin >> 2].get(mode="clip"), end)
    return out, jnp.diff(begin, append=end)
