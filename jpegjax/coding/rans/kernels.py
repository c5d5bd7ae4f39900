"""The loops: states of 32 bits in [2**16, 2**32), words of 16 bits, divisions as multiplications by reciprocals.

Symbol i of a part belongs to lane i mod lanes; all lanes share one run of words. An encoder runs backwards, from the
last symbol to the first and with words from the buffer's end downwards, and every step here is its partner's inverse.

A lane below 2**16 takes a word, if any is left: a single lane may so begin at 0, since it gives no word before it has
grown to its range, and none is left then for the decoder.

Outside of its table a symbol is an escape there; what it is follows behind the part, as bits: k zeros and a one, then
the side (1 below) and the k lower bits of its distance 1, 2, ... from the table, 2**k ≤ distance < 2**(k + 1), k ≤ 15.
"""

from __future__ import annotations

import numpy as np

from ...simd import clz64, ctz64, kernel, load_u16, load_u32, load_u64, mulhi_u64, shift_right, store_i16, store_u32
from .tables import BITS, ESCAPE, LARGEST, SKIP

__all__ = [
    "compact", "compact_indexes", "decode_escapes", "decode_symbols", "encode_escapes", "encode_symbols", "look_up", "spread",
    "survey",
]  # fmt: skip

_LOW = np.uint64(1 << 16)  # the least state
_WORD = np.uint64(16)
_ONE = np.uint64(1)
_BITS = np.uint64(BITS)
_SLOTS = np.uint64((1 << BITS) - 1)
_FIELD = np.uint64(0xFFFF)
_SYMBOL = np.uint64(32)
_ESCAPED = np.uint64(48)
_MAX_PREFIX = 15


@kernel
def survey(indexes, tables):
    """How many indexes are SKIP, and how many more name no table."""
    skips = others = np.int32(0)
    for i in range(indexes.size):
        skips += np.int32(indexes[i] == SKIP)
        others += np.int32(indexes[i] >= tables)
    return skips, others - skips


@kernel
def compact(symbols, indexes, kept_symbols, kept):
    """What is not skipped; returns whether all that is skipped is 0. kept_symbols, kept: room for one more than that."""
    count, skipped = np.uint64(0), np.int32(0)
    for i in range(indexes.size):
        index, symbol = indexes[i], symbols[i]
        kept_symbols[count], kept[count] = symbol, index
        skipped |= symbol if index == SKIP else 0
        count += np.uint64(index != SKIP)
    return skipped == 0


@kernel
def look_up(symbols, indexes, rows, entries, escapes):
    """Fill in each symbol's entry, and the positions of those outside of their table: escapes, as many as are returned.

    Returns (number of escapes, whether no symbol is beyond the limit). indexes: none skipped.
    """
    escaped, beyond = np.uint64(0), np.int32(0)
    for i in range(symbols.size):
        index, symbol = np.uint64(indexes[i]), np.int64(symbols[i])
        place, size = symbol - rows[index, 0], np.int64(rows[index, 1])
        beyond |= np.int32(np.uint64(symbol + LARGEST) > np.uint64(2 * LARGEST))
        if np.uint64(place) >= np.uint64(size):
            escapes[escaped] = i
            escaped += _ONE
            place = size
        entries[i] = rows[index, 2] + place
    return np.int64(escaped), beyond == 0


@kernel
def encode_symbols(entries, encoding, states, buffer, at):
    """Push entries onto the lanes, the last one first; returns where the words begin now. at: 2 or more."""
    mask = np.int64(states.size - 1)
    table, base = np.int64(encoding.ctypes.data), np.int64(buffer.ctypes.data)
    at += base
    for i in range(entries.size - 1, -1, -1):
        lane = np.uint64(i & mask)
        record = table + (np.int64(entries[np.uint64(i)]) << 4)
        x = np.uint64(states[lane])
        store_i16(at - 2, x)
        full = x >= load_u32(record + 8)
        x = x >> _WORD if full else x
        at -= np.int64(full) << 1
        quotient = mulhi_u64(x << _ONE, load_u64(record))
        states[lane] = x + load_u16(record + 14) + quotient * load_u16(record + 12)
    return at - base


@kernel(inline=True)
def _push_bits(x, value, count, base, at):
    """State and place after `count` bits (1..16) more."""
    if x >> np.uint64(32 - count):
        at -= 2
        store_i16(base + at, x)
        x = x >> _WORD
    return x << np.uint64(count) | value, at


@kernel
def encode_escapes(symbols, indexes, escapes, rows, states, buffer, at):
    """Push what the symbols at the positions `escapes` are, the last one first; returns where the words begin now."""
    mask, base = np.int64(states.size - 1), np.int64(buffer.ctypes.data)
    for i in range(escapes.size - 1, -1, -1):
        symbol, index = np.int64(symbols[escapes[i]]), indexes[escapes[i]]
        below = np.int64(rows[index, 0]) - symbol
        side = np.int64(below > 0)
        distance = below if below > 0 else 1 - below - np.int64(rows[index, 1])
        k = 63 - np.int64(clz64(distance))
        bits = np.uint64((distance - (np.int64(1) << k)) << 1 | side)
        x, at = _push_bits(np.uint64(states[i & mask]), bits, k + 1, base, at)
        x, at = _push_bits(x, _ONE << np.uint64(k), k + 1, base, at)
        states[i & mask] = x
    return at


@kernel
def compact_indexes(indexes, kept):
    """The indexes that are not SKIP. kept: room for one more than there are."""
    count = np.uint64(0)
    for i in range(indexes.size):
        kept[count] = indexes[i]
        count += np.uint64(indexes[i] != SKIP)


@kernel
def spread(symbols, indexes, out):
    """Symbols at the places of the indexes that are not SKIP, else 0. symbols: one more than there are such places."""
    count = np.uint64(0)
    for i in range(indexes.size):
        kept = indexes[i] != SKIP
        out[i] = symbols[count] if kept else 0
        count += np.uint64(kept)


@kernel(inline=True)
def _refill(x, at, end):
    """State and address after a word more, where it needs one and one is left."""
    if x < _LOW and at < end:
        return x << _WORD | load_u16(at), at + 2
    return x, at


@kernel(inline=True)
def _pop(x, index, heads, buckets, decoding):
    """(state without its symbol, the symbol's record). heads, buckets, decoding: addresses of what `Tables` has."""
    slot = x & _SLOTS
    head = np.int64(load_u64(heads + (np.int64(index) << 3)))
    bucket = shift_right(head, 8) + shift_right(np.int64(slot), head & 15)
    entry = decoding + (np.int64(load_u16(buckets + (bucket << 1))) << 3)
    record, second = load_u64(entry), load_u64(entry + 8)
    record = second if slot - (record >> _WORD & _FIELD) >= (record & _FIELD) else record
    behind = slot - (record >> _WORD & _FIELD)
    while behind >= (record & _FIELD):  # few slots: see Tables
        entry += 8
        record = load_u64(entry + 8)
        behind = slot - (record >> _WORD & _FIELD)
    return (record & _FIELD) * (x >> _BITS) + behind, record


@kernel
def decode_symbols(indexes, tables, states, data, at, out):
    """Pop a symbol for each index; returns (place in the data, whether some are ESCAPE). Any data will do.

    tables: (heads, buckets, decoding). indexes: none skipped.
    """
    heads, buckets, decoding = tables[0].ctypes.data, tables[1].ctypes.data, tables[2].ctypes.data
    base, lanes = np.int64(data.ctypes.data), np.int64(states.ctypes.data)
    last_lane = np.int64(states.size - 1)
    end = base + data.size
    at += base
    done, seen = np.int64(0), np.uint64(0)
    while done < indexes.size and at < end:
        stop = min(done + ((end - at) >> 1), indexes.size)  # so many symbols cannot read beyond the end
        for i in range(done, stop):
            lane = lanes + ((i & last_lane) << 2)
            x, record = _pop(load_u32(lane), indexes[np.uint64(i)], heads, buckets, decoding)
            word = load_u16(at)
            low = x < _LOW
            x = x << _WORD | word if low else x
            at += np.int64(low) << 1
            store_u32(lane, x)
            out[np.uint64(i)] = np.int16(record >> _SYMBOL)
            seen |= record
        done = stop
    for i in range(done, indexes.size):  # no word is left
        lane = lanes + ((i & last_lane) << 2)
        x, record = _pop(load_u32(lane), indexes[np.uint64(i)], heads, buckets, decoding)
        store_u32(lane, x)
        out[np.uint64(i)] = np.int16(record >> _SYMBOL)
        seen |= record
    return at - base, seen >> _ESCAPED != 0


@kernel
def decode_escapes(indexes, rows, states, data, at, out):
    """Replace each ESCAPE of a part by what it is; returns (place in the data, whether all can be)."""
    mask, base = np.int64(states.size - 1), np.int64(data.ctypes.data)
    end = base + data.size
    at += base
    turn = np.int64(0)
    for i in range(indexes.size):
        if out[i] != ESCAPE:
            continue
        x = np.uint64(states[turn & mask])
        k = np.int64(ctz64(x)) if x else np.int64(64)
        if k > _MAX_PREFIX:
            return at - base, False
        count = np.uint64(k + 1)
        x, at = _refill(x >> count, at, end)
        bits = np.int64(x & ((_ONE << count) - _ONE))
        x, at = _refill(x >> count, at, end)
        states[turn & mask] = x
        turn += 1
        distance = (np.int64(1) << k) + (bits >> 1)
        first, size = np.int64(rows[indexes[i], 0]), np.int64(rows[indexes[i], 1])
        symbol = first - distance if bits & 1 else first + size - 1 + distance
        if abs(symbol) > LARGEST:
            return at - base, False
        out[i] = symbol
    return at - base, True
