"""Trellis quantisation: the levels of a block, or of a row of DC, that cost least in bits and weighted squared error.

raw DCT blocks + steps, weights, field, rates ──▶ ac_bands, dc_rows ──▶ quantised blocks and the counts of their symbols

All costs are integers in 1/128 bit, so that every engine decides alike. Levels are 8-bit fractions of a step; the error e
of a level costs D(e) = (((min(e, 4095)²) >> 6)·M) >> 9, M = clip((weight·field) >> 8, 1, 8191).
"""

from __future__ import annotations

import numpy as np

from ...coding.huffman import best_lengths
from ...coding.symbols import store_masks
from ...simd import (
    clz64,
    constant,
    ctz64,
    kernel,
    load,
    load_i16,
    load_i32,
    load_u16,
    load_u64,
    maximum,
    minimum,
    select,
    store,
    store_i16,
    store_u32,
    vectorized,
    zero,
)  # fmt: skip
from ...types import ZIGZAG

__all__ = [
    "DC_WORK", "EMPTY", "RATE_FIELDS", "WORK", "ac_bands", "ac_rates", "ac_rows", "dc_rows", "pass_rates", "reciprocals",
    "symbol_rates",
]  # fmt: skip

EMPTY = 0x10
"""The AC symbol that stands for the end of a block without any AC: none that files have, but progressive ones pay less."""
MOST_LEVEL = 1023
UNSEEN_BITS = 16
_RUN_RATE = 64
_ZIGZAG = ZIGZAG.astype(np.int64)

# int32 tables of `ac_rates`, 64 runs of zeros a level size: what size and run cost, and the least that this or any longer
# run costs
_RATE, _LEAST, _END, _EMPTY = 0, 11 * 64, 22 * 64, 22 * 64 + 1
RATE_FIELDS = 22 * 64 + 2

# scratch of a block, bytes: levels int16 [64], gains int32 [2, 64], masks uint64 [4], then int32 [65] a candidate
_LEVELS, _GAINS, _MASKS, _AT, _BASE, _LOW, _FROM, _VALUE = 0, 128, 640, 704, 1024, 1344, 1664, 1984
_NEVER = 1 << 28
WORK = 2304
"""Bytes of scratch that `ac_rows` takes."""
DC_WORK = 32
"""Bytes of scratch that `dc_rows` takes for each block of an MCU row."""


def reciprocals(steps: np.ndarray) -> np.ndarray:
    """int32 of the shape of steps: round(2^17 / step), which turn 8·DCT into levels with 8 fractional bits."""
    wide = np.asarray(steps, np.int64)
    return ((1 << 18) // wide + 1 >> 1).astype(np.int32)


@kernel
def symbol_rates(counts, dc, rates):
    """Costs of symbols that occur so often, in 1/128 bit with their value bits: optimal code lengths, 16 for unseen ones.

    counts: int64 [257], the last one free. rates: int32 [256], or [12] for dc.
    """
    bits, symbols = np.empty(33, np.int64), np.empty(256, np.uint8)
    for i in range(rates.size):
        rates[i] = 128 * (UNSEEN_BITS + (i & 15))
    total = best_lengths(counts, bits, symbols)
    place, length, left = 0, 0, np.int64(0)
    while place < total:
        while left == 0:
            length += 1
            left = bits[length]
        symbol = np.int64(symbols[place])
        if symbol < rates.size:
            rates[symbol] = 128 * (length + (symbol & 15))
        place += 1
        left -= 1


def pass_rates(
    ac_counts: np.ndarray, dc_counts: np.ndarray, progressive: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Costs of the next pass, int32 [..., 256] and [12], from this one's counts: int64 [..., 257] and [257], which change.

    progressive: blocks without coefficients only lengthen a run of ended bands, which costs next to nothing; the run's
    value bits come to half a bit for the block that starts it.
    """
    if not progressive:
        ac_counts[..., 0] += ac_counts[..., EMPTY]
    ac_counts[..., EMPTY] = 0
    ac, dc = np.zeros((*ac_counts.shape[:-1], 256), np.int32), np.zeros(12, np.int32)
    for counts, rates in zip(ac_counts.reshape(-1, ac_counts.shape[-1]), ac.reshape(-1, 256), strict=True):
        symbol_rates(counts, False, rates)
    ac[..., 0] += _RUN_RATE if progressive else 0
    ac[..., EMPTY] = 0 if progressive else ac[..., 0]
    symbol_rates(dc_counts, True, dc)
    return ac, dc


@kernel
def ac_rates(rates, table):
    """Spread symbol costs int32 [256] into `table`, int32 [RATE_FIELDS], which `ac_rows` reads."""
    for size in range(1, 11):
        least = np.int64(1) << 30
        for run in range(63, -1, -1):
            cost = np.int64(rates[0xF0]) * (run >> 4) + np.int64(rates[(run & 15) << 4 | size])
            least = min(least, cost)
            table[_RATE + 64 * size + run] = cost
            table[_LEAST + 64 * size + run] = least
    table[_END] = rates[0]
    table[_EMPTY] = rates[EMPTY]


@vectorized
def _weigh_block(raw, reciprocal, weight, strength, work):
    """Rounded levels int16 [64] of a block, and the error's cost of each, and of one less, over that of zero: int32 [2, 64].

    One less only where it has fewer bits, else _NEVER.
    reciprocal, weight: addresses of int32 [64], natural order.
    """
    for i in range(0, 64, 16):
        y = (load(raw + 2 * i, 16, 16).abs().zero_extend(32) * load(reciprocal + 4 * i, 16, 32)) >> 12
        v = minimum((y + 128) >> 8, constant(y, MOST_LEVEL))
        m = (load(weight + 4 * i, 16, 32) * strength.splat(16, 32)) >> 8
        m = maximum(minimum(m, constant(m, 8191)), constant(m, 1))
        error = y - (v << 8)
        coded, less, dropped = (minimum(e, constant(y, 4095)) for e in (error.abs(), (error + 256).abs(), y))
        coded, less, dropped = ((((e * e) >> 6) * m) >> 9 for e in (coded, less, dropped))
        shorter = (v & (v - 1)).compare("==", 0) & v.compare(">", 1)
        store(work + (_LEVELS + 2 * i), v.truncate(16))
        store(work + (_GAINS + 4 * i), coded - dropped)
        store(work + (_GAINS + 256 + 4 * i), select(shorter, less - dropped, constant(y, _NEVER)))


@vectorized
def _clear_block(out):
    for i in range(0, 128, 32):
        store(out + i, zero(out, 16, 16))


@kernel
def _code_band(raw, out, mask, first, last, rates, counts, work):
    """The best levels of a block's band first..last whose candidates are in `mask`, written to `out`; counts symbols.

    A state is a coefficient that is coded, at _AT, with the least cost so far at _BASE, counted from all zeros; state 0 is
    the band's start. _LOW: the least cost of this and all earlier states.
    """
    store_u32(work + _AT, first - 1)
    store_u32(work + _BASE, 0)
    store_u32(work + _LOW, 0)
    n = 1
    low = np.int64(0)
    end = load_i32(rates + 4 * _END)
    least, chain = load_i32(rates + 4 * _EMPTY), 0
    while mask:
        k = np.int64(ctz64(mask))
        mask &= mask - np.uint64(1)
        natural = _ZIGZAG[k]
        value = load_i16(work + _LEVELS + 2 * natural)
        gain, less = load_i32(work + _GAINS + 4 * natural), load_i32(work + _GAINS + 256 + 4 * natural)
        # costs of the level by its runs of zeros, and of one less where that has fewer bits; then what they cannot go below
        table = rates + 4 * (_RATE + 64 * (64 - np.int64(clz64(value))) + k - 1)
        smaller = table - 256 * (less < _NEVER)
        at = load_i32(work + _AT + 4 * n - 4)
        base = load_i32(work + _BASE + 4 * n - 4)
        best, other = gain + base + load_i32(table - 4 * at), less + base + load_i32(smaller - 4 * at)
        chosen = n - 1
        before = n - 1
        for j in range(n - 2, -1, -1):
            at = load_i32(work + _AT + 4 * j)
            floor = load_i32(work + _LOW + 4 * j)
            offset = 4 * (_LEAST - _RATE) - 4 * at
            if floor + gain + load_i32(table + offset) >= min(best, other + 1) and floor + less + load_i32(
                smaller + offset
            ) >= min(best, other):
                break  # neither this state nor one before it can cost less
            base = load_i32(work + _BASE + 4 * j)
            cost = gain + base + load_i32(table - 4 * at)
            if cost < best:
                best, chosen = cost, j
            cost = less + base + load_i32(smaller - 4 * at)
            if cost < other:
                other, before = cost, j
        if other < best:
            best, chosen = other, before
            value -= 1
        low = min(low, best)
        at = work + 4 * n
        store_u32(at + _AT, k)
        store_u32(at + _BASE, best)
        store_u32(at + _LOW, low)
        store_u32(at + _FROM, chosen)
        store_u32(at + _VALUE, value)
        total = best + end if k < last else best
        if total < least:
            least, chain = total, n
        n += 1
    if load_i32(work + _AT + 4 * chain) < last:
        counts[0 if chain else EMPTY] += 1
    while chain > 0:
        k, value = load_i32(work + _AT + 4 * chain), load_i32(work + _VALUE + 4 * chain)
        chain = load_i32(work + _FROM + 4 * chain)
        run = k - 1 - load_i32(work + _AT + 4 * chain)
        counts[0xF0] += run >> 4
        counts[(run & 15) << 4 | 64 - np.int64(clz64(value))] += 1
        offset = 2 * _ZIGZAG[k]
        store_i16(out + offset, -value if load_i16(raw + offset) < 0 else value)


@kernel
def ac_bands(raw, out, blocks, field, reciprocal, weight, bands, rates, counts, work):
    """AC coefficients of `blocks` blocks: levels to `out`, their symbols added to counts. DC becomes 0.

    raw, out: addresses of int16 [blocks, 64], natural order, raw of scale 8. field: address of uint16 [blocks], or 0 for
    256 everywhere. reciprocal, weight: addresses of int32 [64] in natural order. bands: int64 [n], the last zigzag index
    of each band that a scan codes by itself, rising to 63: (63,) in sequential files. rates: address of an `ac_rates`
    table a band. counts: int64 [n, at least 256]; the end of a band without coefficients counts as EMPTY. work: address
    of WORK bytes.
    """
    for i in range(blocks):
        strength = np.int64(load_u16(field + 2 * i)) if field else 256
        _weigh_block(raw, reciprocal, weight, strength, work)
        _clear_block(out)
        store_masks(work + _LEVELS, 0, work + _MASKS)
        mask = np.uint64(load_u64(work + _MASKS))
        first = 1
        for b in range(len(bands)):
            last = bands[b]
            part = mask & (~np.uint64(0) << np.uint64(first)) & (~np.uint64(0) >> np.uint64(63 - last))
            if part:
                table = rates + 4 * RATE_FIELDS * b
                _code_band(raw, out, part, first, last, table, counts[b], work)
            else:
                counts[b, EMPTY] += 1
            first = last + 1
        raw += 128
        out += 128


@kernel
def ac_rows(raw, out, blocks, field, reciprocal, weight, rates, counts, work):
    """`ac_bands` of the one band that sequential files have. counts: int64 [256]."""
    whole = np.full(1, 63)
    ac_bands(raw, out, blocks, field, reciprocal, weight, whole, rates, counts.reshape((1, -1)), work)


@kernel(inline=True)
def _distance(error, strength):
    error = min(abs(error), 4095)
    return (((error * error) >> 6) * strength) >> 9


@kernel(inline=True)
def _strength(weight, k, field):
    return min(max((load_i32(weight + 4 * k) * field) >> 8, 1), 8191)


@kernel(inline=True)
def _dc_level(block, reciprocal):
    """(exact, rounded) DC level of a raw block; exact has 8 fractional bits."""
    x = load_i16(block)
    y = (abs(x) * reciprocal) >> 12
    level = min((y + 128) >> 8, MOST_LEVEL)
    return (-y, -level) if x < 0 else (y, level)


@kernel
def _row_order(m, rows, columns, h, v, work):
    """The real blocks of MCU row m in coding order, their indices to `work`; returns how many there are."""
    n = 0
    for x in range((columns + h - 1) // h):
        for row in range(m * v, min(m * v + v, rows)):
            for column in range(x * h, min(x * h + h, columns)):
                store_u32(work + DC_WORK * n, row * columns + column)
                n += 1
    return n


@kernel
def dc_rows(row0, row1, raw, out, rows, columns, h, v, field, reciprocal, weight, rates, counts, work):
    """DC levels of MCU rows row0..row1-1 of a component, added to its blocks; their differences' categories to counts.

    raw, out, field: addresses of whole planes, as for `ac_rows`. h, v: blocks an MCU, 1 and 1 for a component alone.
    reciprocal, weight: addresses of int32 [64], of which DC's count. rates: int32 [12]. work: address of DC_WORK bytes
    a block of an MCU row.
    The last block of a row is rounded, not chosen, so that rows do not depend on one another.
    """
    cost, error = np.empty(3, np.int64), np.empty(3, np.int64)
    costs, value = np.empty(3, np.int64), np.empty(3, np.int64)
    before = np.int64(0)
    reciprocal = load_i32(reciprocal)
    if row0 > 0:
        row = min(row0 * v, rows) - 1
        before = _dc_level(raw + 128 * (row * columns + columns - 1), reciprocal)[1]
    for m in range(row0, row1):
        n = _row_order(m, rows, columns, h, v, work)
        previous = before
        for t in range(n):
            at = work + DC_WORK * t
            index = load_i32(at)
            strength = _strength(weight, 0, np.int64(load_u16(field + 2 * index)) if field else 256)
            exact, rounded = _dc_level(raw + 128 * index, reciprocal)
            for i in range(3):
                shift = i * (3 * i - 5) >> 1  # 0, -1, 1
                value[i] = rounded if t == n - 1 else min(max(rounded + shift, -MOST_LEVEL), MOST_LEVEL)
                error[i] = _distance(exact - (value[i] << 8), strength)
                if t == 0:
                    costs[i] = error[i] + rates[64 - np.int64(clz64(abs(value[i] - previous)))]
                    continue
                best, chosen = np.int64(1) << 60, 0
                for j in range(3):
                    difference = value[i] - load_i32(at - DC_WORK + 4 + 4 * j)
                    total = cost[j] + rates[64 - np.int64(clz64(abs(difference)))]
                    if total < best:
                        best, chosen = total, j
                costs[i] = best + error[i]
                store_u32(at + 16 + 4 * i, chosen)
            for i in range(3):
                store_u32(at + 4 + 4 * i, value[i])
                cost[i] = costs[i]
        chosen = 0
        for t in range(n - 1, -1, -1):
            at = work + DC_WORK * t
            store_i16(out + 128 * load_i32(at), load_i32(at + 4 + 4 * chosen))
            if t:
                chosen = load_i32(at + 16 + 4 * chosen)
        for t in range(n):
            level = load_i16(out + 128 * load_i32(work + DC_WORK * t))
            counts[64 - np.int64(clz64(abs(level - before)))] += 1
            before = level
