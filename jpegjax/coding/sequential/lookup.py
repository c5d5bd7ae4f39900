"""Lookup tables of Huffman decoding (T.81 F.2.2.3): what the next 11 bits hold, up to a second coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...simd import kernel
from ...types import HuffmanSpec
from ..huffman import SEARCH_SIZE, check_table, fill_decoder, find_code

__all__ = ["BITS", "SLOW", "VALUES", "DecodeTables", "decode_tables", "extend", "long_symbol"]

BITS = 11
VALUES = 1 << BITS
"""Offset in a table of the 8-byte values, behind one byte of length for each index."""

_SEARCH = 9 << BITS  # behind those what `find_code` takes
_TABLE_BYTES = _SEARCH + 4 * SEARCH_SIZE
_MOST = 18  # bits that one lookup consumes at most: three lookups fit a refill of 56
SLOW = 64
"""Advance, past any block, where no whole symbol fits; byte 3 then is the length of its code or 0, byte 4 it."""


@kernel(inline=True)
def extend(bits, size):
    return bits if bits >= (np.int64(1) << (size - 1)) else bits - (np.int64(1) << size) + 1


@kernel
def _join_symbols(firsts, following, dc, lengths, values):
    """What 11 bits hold: a symbol, a second coefficient and an end of block where they fit.

    lengths: bits 0-5 what is consumed, bit 7 end of block. values: bytes 0 and 1 the offsets of two coefficients from
    the block's next index, byte 2 how far that moves, byte 3 the right shift that brings the second value's bits down,
    4-5 the first value, 6-7 the mask of the second one, whose bits may lie behind the 11. With no second value its
    offset repeats the first and its mask is 0; with no first one a zero lands where one is.
    """
    last = np.int64(1 << BITS) - 1
    for i in range(last + 1):
        used = np.int64(firsts[i]) >> 8
        symbol = np.int64(firsts[i]) & 255
        run = np.int64(0) if dc else symbol >> 4
        size = symbol & 15
        lengths[i] = 0
        values[i] = SLOW << 16 | used << 24 | symbol << 32
        if used == 0 or used + size > _MOST:
            continue
        value = shift = mask = at = at2 = done = np.int64(0)
        if size == 0 and not dc and run < 15:
            lengths[i] = used | 128
            values[i] = 0
            continue
        if used + size > BITS:
            used += size
            at = run + 1
            at2 = run
            advance = run + 1
            shift = 64 - used
            mask = (np.int64(1) << size) - 1
        else:
            if size == 0:
                advance = run + 1
            else:
                used += size
                value = extend((i >> (BITS - used)) & ((np.int64(1) << size) - 1), size)
                at = at2 = run
                advance = run + 1
            second = np.int64(following[(i << used) & last])
            code = second >> 8
            size = second & 15
            if code > 0 and size > 0 and used + code <= BITS and used + code + size <= _MOST:
                used += code + size
                at2 = advance + (second >> 4 & 15)
                advance = at2 + 1
                shift = 64 - used
                mask = (np.int64(1) << size) - 1
        second = np.int64(following[(i << used) & last])
        code = second >> 8
        if code > 0 and used + code <= BITS and second & 15 == 0 and second & 255 < 0xF0:
            used += code
            done = np.int64(128)
        lengths[i] = used | done
        values[i] = at | at2 << 8 | advance << 16 | shift << 24 | (value & 0xFFFF) << 32 | mask << 48


@kernel
def _build_pair(dc_counts, dc_symbols, ac_counts, ac_symbols, lengths, values, searches):
    """Fill the DC and the AC row of each array."""
    firsts = np.empty((2, 1 << BITS), np.uint16)
    fill_decoder(dc_counts, dc_symbols, BITS, firsts[0], searches[0])
    fill_decoder(ac_counts, ac_symbols, BITS, firsts[1], searches[1])
    for i in range(2):
        _join_symbols(firsts[i], firsts[1], i == 0, lengths[i], values[i])


_STOP = np.zeros(_SEARCH, np.uint8)
_STOP[VALUES:].view(np.int64)[:] = SLOW << 16


@lru_cache(maxsize=64)
def _pair(dc: HuffmanSpec, ac: HuffmanSpec) -> np.ndarray:
    check_table("DC Huffman table", dc, 15)
    check_table("AC Huffman table", ac)
    tables = np.empty((2, _TABLE_BYTES), np.uint8)
    values, searches = tables[:, VALUES:_SEARCH].view(np.int64), tables[:, _SEARCH:].view(np.int32)
    specs = [np.frombuffer(b, np.uint8) for b in (dc.counts, dc.symbols, ac.counts, ac.symbols)]
    _build_pair(*specs, tables[:, :VALUES], values, searches)
    return tables


@dataclass(frozen=True, slots=True)
class DecodeTables:
    """addresses: int64 [components + 1, 2], DC and AC table of each scan component, then the one that ends a batch.

    `arrays` hold what is there.
    """

    addresses: np.ndarray
    arrays: tuple[np.ndarray, ...]


@lru_cache(maxsize=64)
def decode_tables(dc: tuple[HuffmanSpec, ...], ac: tuple[HuffmanSpec, ...]) -> DecodeTables:
    """Lookup tables of a scan, cached. dc, ac: one specification per scan component.

    Raises CorruptJpeg where one is no prefix code, or a DC symbol exceeds 15. Keep the result while kernels use it.
    """
    arrays = tuple(_pair(d, a) for d, a in zip(dc, ac, strict=True))
    addresses = [[t[0].ctypes.data, t[1].ctypes.data] for t in arrays]
    return DecodeTables(np.array([*addresses, [_STOP.ctypes.data] * 2], np.int64), arrays)


@kernel(inline=True)
def long_symbol(w, table):
    """(symbol, bits of its code) of any code; (0, 17) where none matches."""
    return find_code(table + _SEARCH, w, np.int64(1))
