"""Huffman decoding of a batch of blocks (T.81 F.2.2), without a branch that depends on the data in the common case.

A batch is a list of slots, one a block, in scan order. The loop over symbols runs through the whole list: a lookup
(lookup.py) gives up to two coefficients and whether the block ends, which selects the next table. Rare cases (long
codes, a coefficient 63, the end of the batch) share one exit, since their entries advance past the block. DC
differences become values at the end.
"""

from __future__ import annotations

import numpy as np

from ...simd import (
    bswap64,
    kernel,
    load_i8,
    load_i16,
    load_i64,
    load_u8,
    load_u16,
    load_u64,
    prefetch,
    shift_right,
    store,
    store_i16,
    store_u8,
    store_u64,
    vectorized,
    zero,
)  # fmt: skip
from ...types import ZIGZAG
from ..geometry import COLUMNS, FIRST_ROW, LAST, ROWS, H, V, place_blocks
from .lookup import BITS, SLOW, VALUES, extend, long_symbol

__all__ = ["BATCH", "SLOT", "decode_slots", "finish_slots", "link_slots", "place_slots"]

BATCH = 120  # blocks; MCUs have at most 10
SLOT = 32  # bytes: block address, AC table, AC table ^ DC table of the next block, last index + 1
_OFFSETS = (ZIGZAG.astype(np.uint8) * 2).astype(np.uint8)


@vectorized
def _clear_block(address):
    blank = zero(address, 64, 8)
    store(address, blank)
    store(address + 64, blank)


@kernel(inline=True)
def _word(address):
    return np.int64(bswap64(load_u64(address)))


@kernel(inline=True)
def _step(w, count, k, table, slot, code, after, zigzag):
    """Consume one lookup: two values, maybe the end of the block. Only the low 6 bits of `count` mean something."""
    e = load_i8(table + code)
    values = table + VALUES + (code << 3)
    block = load_i64(slot)
    at = zigzag + k
    mask = np.int64(load_u16(values + 6))
    second = shift_right(w, np.int64(load_u8(values + 3))) & mask
    second -= mask if 2 * second <= mask else 0
    store_i16(block + np.int64(load_u8(at + np.int64(load_u8(values + 1)))), second)
    store_i16(block + np.int64(load_u8(at + np.int64(load_u8(values)))), load_i16(values + 4))
    store_u8(slot + 24, after)
    ends = e >> 63
    table = load_i64(slot + 8) ^ (load_i64(slot + 16) & ends)
    return w << (e & 63), count - e, after & ~ends, table, slot + (ends & SLOT)


@kernel
def decode_slots(slot, table, window, window_bytes, bit, stop, patient):
    """Decode the blocks of a list of slots that ends in the `stop` table, from bit `bit` of the window.

    Returns (bit, overrun, invalid codes). Without `patient`, an overrun of the window ends it at once; with it, zero
    bits follow for ever, as libjpeg supplies them.
    """
    zigzag = _OFFSETS.ctypes.data
    limit = window + window_bytes + 24
    p = window + (bit >> 3)
    w = _word(p) << (bit & 7)
    count = 56 - (bit & 7)
    p += 7
    ahead = _word(p)
    k = np.int64(0)
    overrun = np.int64(0)
    invalid = np.int64(0)
    while True:
        while True:
            w |= shift_right(ahead, count)
            p += ((63 - count) >> 3) & 7
            count |= 56
            ahead = _word(p)
            if p > limit:
                break
            code = shift_right(w, 64 - BITS)
            after = k + np.int64(load_u8(table + VALUES + 2 + (code << 3)))
            if after > 63:
                break
            w, count, k, table, slot = _step(w, count, k, table, slot, code, after, zigzag)
            code = shift_right(w, 64 - BITS)
            after = k + np.int64(load_u8(table + VALUES + 2 + (code << 3)))
            if after > 63:
                break
            w, count, k, table, slot = _step(w, count, k, table, slot, code, after, zigzag)
            code = shift_right(w, 64 - BITS)
            after = k + np.int64(load_u8(table + VALUES + 2 + (code << 3)))
            if after > 63:
                break
            w, count, k, table, slot = _step(w, count, k, table, slot, code, after, zigzag)
        if p > limit:
            overrun = np.int64(1)
            if not patient:
                break
            p = limit - 16
            ahead = np.int64(0)
            continue
        if table == stop:
            break
        w |= shift_right(ahead, count)
        p += ((63 - count) >> 3) & 7
        count |= 56
        ahead = _word(p)
        block = load_i64(slot)
        values = table + VALUES + (shift_right(w, 64 - BITS) << 3)
        symbol, length = load_i16(values + 4), np.int64(load_u8(values + 3))
        if length == 0 or load_u8(values + 2) != SLOW:
            symbol, length = long_symbol(w, table)
            if length > 16:
                invalid += 1
        size = symbol & 15
        value = np.int64(0)
        if size > 0:
            value = extend(shift_right(w << length, 64 - size), size)
        w <<= length + size
        count -= length + size
        if k == 0:
            store_i16(block, value)
            store_u8(slot + 24, 1)
            k = np.int64(1)
            table = load_i64(slot + 8)
            continue
        k += symbol >> 4
        if size > 0:
            k = min(k, np.int64(63))
            store_i16(block + np.int64(load_u8(zigzag + k)), value)
            store_u8(slot + 24, k + 1)
        elif symbol != 0xF0:
            k = np.int64(63)
        k += 1
        if k > 63:
            k = np.int64(0)
            table = load_i64(slot + 8) ^ load_i64(slot + 16)
            slot += SLOT
    return ((p - window) << 3) - (count & 63), overrun, invalid


@kernel
def place_slots(scan, wide, mcu, n, per_mcu, slots, spare):
    """Point the slots of `n` MCUs of one row at their zeroed blocks; those outside the picture at `spare` ones."""
    place_blocks(scan, wide, mcu, n, slots, np.int64(SLOT))
    first = np.int64(0)
    for c in range(scan.shape[0]):
        # strips are in cache, planes may not be
        next_batch = 0 if scan[c, FIRST_ROW] > 0 else n * scan[c, H] * 128
        for _ in range(scan[c, H] * scan[c, V]):
            for slot in range(first, n * per_mcu, per_mcu):
                block = load_i64(slots + slot * SLOT)
                if block == 0:
                    store_u64(slots + slot * SLOT, spare + slot * 128)
                    continue
                _clear_block(block)
                prefetch(block + next_batch)
                prefetch(block + next_batch + 64)
            first += 1


@kernel
def finish_slots(scan, wide, mcu, n, per_mcu, slots, predictors, blank):
    """Turn the DC differences of a batch into values and write the last indices; `blank`: blocks left zero."""
    row, column = mcu // wide, mcu % wide
    first = np.int64(0)
    for c in range(scan.shape[0]):
        h, v, columns = scan[c, H], scan[c, V], scan[c, COLUMNS]
        if not blank:
            value = predictors[c]
            for m in range(n):
                slot = slots + (m * per_mcu + first) * SLOT
                for _ in range(h * v):
                    block = load_i64(slot)
                    value += load_i16(block)
                    store_i16(block, value)
                    slot += SLOT
            predictors[c] = value
        if scan[c, LAST] != 0:
            for y in range(v):
                at_row = row * v + y
                if at_row >= scan[c, ROWS]:
                    break
                line = scan[c, LAST] + (at_row - scan[c, FIRST_ROW]) * columns
                for x in range(h):
                    at = column * h + x
                    slot = slots + (first + y * h + x) * SLOT + 24
                    for _ in range(min(n, (columns - at + h - 1) // h)):
                        store_u8(line + at, 0 if blank else np.int64(load_u8(slot)) - 1)
                        at += h
                        slot += per_mcu * SLOT
        first += h * v


@kernel
def link_slots(scan, tables, per_mcu, slots):
    """The tables of a full list of slots; they repeat every MCU."""
    slot = np.int64(0)
    while slot + per_mcu <= BATCH:
        for c in range(scan.shape[0]):
            blocks = scan[c, H] * scan[c, V]
            following = tables[(c + 1) % scan.shape[0], 0]
            for i in range(blocks):
                at = slots + slot * SLOT
                store_u64(at + 8, tables[c, 1])
                store_u64(at + 16, tables[c, 1] ^ (following if i == blocks - 1 else tables[c, 0]))
                slot += 1
