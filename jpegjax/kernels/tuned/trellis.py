"""Trellis quantisation: the levels of a block, or of a row of DC, that cost least in bits and weighted squared error.

raw DCT blocks + steps, weights, field, rates ──▶ ac_rows, dc_rows ──▶ quantised blocks and the counts of their symbols

All costs are integers in 1/128 bit, so that every engine decides alike. Levels are 8-bit fractions of a step; the error e
of a level costs D(e) = (((min(e, 4095)²) >> 6)·M) >> 9, M = clip((weight·field) >> 8, 1, 8191).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
    "EMPTY", "NO_FIELD", "RATE_FIELDS", "Blocks", "Costs", "Counts", "ac_rows", "ac_tables", "dc_rows", "reciprocals",
    "trellis_rows", "work_bytes",
]  # fmt: skip

EMPTY = 0x10
"""The AC symbol that stands for the end of a block without any AC: none that files have, but progressive ones pay less."""
NO_FIELD = np.empty((0, 0), np.uint16)
"""`Blocks.field` of a component whose blocks all count alike."""
MOST_LEVEL = 1023
_ZIGZAG = ZIGZAG.astype(np.int64)

# tables of `ac_tables`, 64 runs of zeros a level size: what size and run cost, and the least that this or any longer run
# costs; then the end of a block or band, and of one without coefficients
RATE_AT, LEAST_AT, END_AT, EMPTY_AT = 0, 11 * 64, 22 * 64, 22 * 64 + 1
RATE_FIELDS = 22 * 64 + 2

# scratch of a block, bytes: levels int16 [64], gains int32 [2, 64], masks uint64 [4], then int32 [65] a candidate
_LEVELS, _GAINS, _MASKS, _AT, _BASE, _LOW, _FROM, _VALUE = 0, 128, 640, 704, 1024, 1344, 1664, 1984
_NEVER = 1 << 28
_WORK = 2304
_DC_WORK = 32  # bytes of scratch that `dc_rows` takes for each block of an MCU row


class Blocks(NamedTuple):
    """A component's blocks, before and behind the trellis.

    raw, out: int16 [rows, columns, 8, 8], natural order, C-contiguous, raw of scale 8. field: uint16 [rows, columns], or
    NO_FIELD for 256 everywhere. h, v: blocks an MCU, 1 and 1 for a component alone.
    """

    raw: np.ndarray
    out: np.ndarray
    field: np.ndarray
    h: int
    v: int


class Costs(NamedTuple):
    """What levels and errors of a component cost.

    reciprocal, weight: int32 [64], natural order. bands: int64 [n], the last zigzag index of each band that a scan codes by
    itself, rising to 63: (63,) in sequential files. ac: int32 [n, RATE_FIELDS], as `ac_tables` makes them. dc: int32 [12].
    """

    reciprocal: np.ndarray
    weight: np.ndarray
    bands: np.ndarray
    ac: np.ndarray
    dc: np.ndarray


class Counts(NamedTuple):
    """How often each symbol occurred. ac: int64 [n, 257], by band; dc: int64 [257]; the last of each is free."""

    ac: np.ndarray
    dc: np.ndarray


def work_bytes(v: int, columns: int) -> int:
    """Bytes of scratch that rows of MCUs take which are v blocks high and `columns` wide."""
    return max(_WORK, _DC_WORK * v * columns)


def reciprocals(steps: np.ndarray) -> np.ndarray:
    """int32 of the shape of steps: round(2^17 / step), which turn 8·DCT into levels with 8 fractional bits."""
    wide = np.asarray(steps, np.int64)
    return ((1 << 18) // wide + 1 >> 1).astype(np.int32)


@kernel
def _fill_tables(rates, tables):
    for b in range(len(tables)):
        own, table = rates[b], tables[b]
        for size in range(1, 11):
            least = np.int64(1) << 30
            for run in range(63, -1, -1):
                cost = np.int64(own[0xF0]) * (run >> 4) + np.int64(own[(run & 15) << 4 | size])
                least = min(least, cost)
                table[RATE_AT + 64 * size + run] = cost
                table[LEAST_AT + 64 * size + run] = least
        table[END_AT] = own[0]
        table[EMPTY_AT] = own[EMPTY]


def ac_tables(rates: np.ndarray) -> np.ndarray:
    """AC costs int32 [n, 256] spread over runs of zeros, as the trellis reads them: int32 [n, RATE_FIELDS]."""
    tables = np.empty((len(rates), RATE_FIELDS), np.int32)
    _fill_tables(rates, tables)
    return tables


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
    end = load_i32(rates + 4 * END_AT)
    least, chain = load_i32(rates + 4 * EMPTY_AT), 0
    while mask:
        k = np.int64(ctz64(mask))
        mask &= mask - np.uint64(1)
        natural = _ZIGZAG[k]
        value = load_i16(work + _LEVELS + 2 * natural)
        gain, less = load_i32(work + _GAINS + 4 * natural), load_i32(work + _GAINS + 256 + 4 * natural)
        # costs of the level by its runs of zeros, and of one less where that has fewer bits; then what they cannot go below
        table = rates + 4 * (RATE_AT + 64 * (64 - np.int64(clz64(value))) + k - 1)
        smaller = table - 256 * (less < _NEVER)
        at = load_i32(work + _AT + 4 * n - 4)
        base = load_i32(work + _BASE + 4 * n - 4)
        best, other = gain + base + load_i32(table - 4 * at), less + base + load_i32(smaller - 4 * at)
        chosen = n - 1
        before = n - 1
        for j in range(n - 2, -1, -1):
            at = load_i32(work + _AT + 4 * j)
            floor = load_i32(work + _LOW + 4 * j)
            offset = 4 * (LEAST_AT - RATE_AT) - 4 * at
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


@kernel(inline=True)
def _address(array):
    return np.int64(array.ctypes.data)


@kernel
def ac_rows(row0, row1, blocks, costs, counts, scratch):
    """AC levels of MCU rows row0..row1-1 of a component, DC 0; their symbols are added to counts.

    blocks, costs: `Blocks`, `Costs`. counts: as `Counts.ac`; the end of a band without coefficients counts as EMPTY. scratch:
    uint8 of `work_bytes`.
    """
    rows, columns = blocks.raw.shape[:2]
    raw, out, field = _address(blocks.raw), _address(blocks.out), _address(blocks.field)
    reciprocal, weight, tables = _address(costs.reciprocal), _address(costs.weight), _address(costs.ac)
    field = field if blocks.field.size else 0
    bands, work = costs.bands, _address(scratch)
    start, stop = min(row0 * blocks.v, rows) * columns, min(row1 * blocks.v, rows) * columns
    raw += 128 * start
    out += 128 * start
    for i in range(start, stop):
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
                table = tables + 4 * RATE_FIELDS * b
                _code_band(raw, out, part, first, last, table, counts[b], work)
            else:
                counts[b, EMPTY] += 1
            first = last + 1
        raw += 128
        out += 128


@kernel(inline=True)
def _distance(error, strength):
    error = min(abs(error), 4095)
    return (((error * error) >> 6) * strength) >> 9


@kernel(inline=True)
def _strength(weight, field):
    return min(max((weight * field) >> 8, 1), 8191)


@kernel(inline=True)
def _dc_level(block, reciprocal):
    """(exact, rounded) DC level of a raw block; exact has 8 fractional bits."""
    x = load_i16(block)
    y = (abs(x) * reciprocal) >> 12
    level = min((y + 128) >> 8, MOST_LEVEL)
    return (-y, -level) if x < 0 else (y, level)


@kernel
def _row_order(m, blocks, work):
    """The real blocks of MCU row m in coding order, their indices to `work`; returns how many there are."""
    rows, columns = blocks.raw.shape[:2]
    h, v = blocks.h, blocks.v
    n = 0
    for x in range((columns + h - 1) // h):
        for row in range(m * v, min(m * v + v, rows)):
            for column in range(x * h, min(x * h + h, columns)):
                store_u32(work + _DC_WORK * n, row * columns + column)
                n += 1
    return n


@kernel
def dc_rows(row0, row1, blocks, costs, counts, scratch):
    """DC levels of MCU rows row0..row1-1 of a component, added to its blocks; their differences' categories to counts.

    Arguments as for `ac_rows`; counts: as `Counts.dc`.
    The last block of a row is rounded, not chosen, so that rows do not depend on one another.
    """
    rows, columns = blocks.raw.shape[:2]
    raw, out, field = _address(blocks.raw), _address(blocks.out), _address(blocks.field)
    field = field if blocks.field.size else 0
    reciprocal, weight, rates = np.int64(costs.reciprocal[0]), np.int64(costs.weight[0]), costs.dc
    work = _address(scratch)
    cost, error = np.empty(3, np.int64), np.empty(3, np.int64)
    new, value = np.empty(3, np.int64), np.empty(3, np.int64)
    before = np.int64(0)
    if row0 > 0:
        before = _dc_level(raw + 128 * (min(row0 * blocks.v, rows) * columns - 1), reciprocal)[1]
    for m in range(row0, row1):
        n = _row_order(m, blocks, work)
        previous = before
        for t in range(n):
            at = work + _DC_WORK * t
            index = load_i32(at)
            strength = _strength(weight, np.int64(load_u16(field + 2 * index)) if field else 256)
            exact, rounded = _dc_level(raw + 128 * index, reciprocal)
            for i in range(3):
                shift = i * (3 * i - 5) >> 1  # 0, -1, 1
                value[i] = rounded if t == n - 1 else min(max(rounded + shift, -MOST_LEVEL), MOST_LEVEL)
                error[i] = _distance(exact - (value[i] << 8), strength)
                if t == 0:
                    new[i] = error[i] + rates[64 - np.int64(clz64(abs(value[i] - previous)))]
                    continue
                best, chosen = np.int64(1) << 60, 0
                for j in range(3):
                    difference = value[i] - load_i32(at - _DC_WORK + 4 + 4 * j)
                    total = cost[j] + rates[64 - np.int64(clz64(abs(difference)))]
                    if total < best:
                        best, chosen = total, j
                new[i] = best + error[i]
                store_u32(at + 16 + 4 * i, chosen)
            for i in range(3):
                store_u32(at + 4 + 4 * i, value[i])
                cost[i] = new[i]
        chosen = 0
        for t in range(n - 1, -1, -1):
            at = work + _DC_WORK * t
            store_i16(out + 128 * load_i32(at), load_i32(at + 4 + 4 * chosen))
            if t:
                chosen = load_i32(at + 16 + 4 * chosen)
        for t in range(n):
            level = load_i16(out + 128 * load_i32(work + _DC_WORK * t))
            counts[64 - np.int64(clz64(abs(level - before)))] += 1
            before = level


@kernel
def trellis_rows(row0, row1, share, blocks, costs, counts, scratch):
    """`ac_rows` and `dc_rows` of every `share`-th MCU row among row0..row1-1. counts: `Counts`."""
    for m in range(row0, row1):
        if m % share == 0:
            ac_rows(m, m + 1, blocks, costs, counts.ac, scratch)
            dc_rows(m, m + 1, blocks, costs, counts.dc, scratch)
