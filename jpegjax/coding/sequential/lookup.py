"""Lookup tables of Huffman decoding (T.81 F.2.2.3): what the next 11 bits hold, up to a second coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...errors import CorruptJpeg
from ...simd import kernel, load_i64, shift_right
from ...types import HuffmanSpec

__all__ = ["BITS", "SLOW", "VALUES", "DecodeTables", "decode_tables", "extend", "long_symbol"]

BITS = 11
VALUES = 1 << BITS
"""Offset in a table of the 8-byte values, behind one byte of length for each index."""

_AUX = 9 << BITS  # behind those, int64 each: limits and symbol offsets of the code lengths 0..17, 256 symbols
_TABLE_BYTES = _AUX + 8 * (18 + 18 + 256)
_MOST = 18  # bits that one lookup consumes at most: three lookups fit a refill of 56
SLOW = 64
"""Advance, past any block, where no whole symbol fits; byte 3 then is the length of its code or 0, byte 4 it."""


@kernel(inline=True)
def extend(bits, size):
    return bits if bits >= (np.int64(1) << (size - 1)) else bits - (np.int64(1) << size) + 1


@kernel
def _first_symbols(counts, symbols, largest, aux, firsts):
    """Code limits, symbol offsets and symbols in `aux`; per 11 bits the first symbol: length of its code | symbol << 8.

    False where T.81 C.2 allows no such code, or a symbol exceeds `largest`.
    """
    firsts[:] = 0
    aux[:] = 0
    code = np.int64(0)
    used = np.int64(0)
    for length in range(1, 17):
        n = np.int64(counts[length - 1])
        if used + n > len(symbols) or (n > 0 and code + n >= (np.int64(1) << length)):
            return False
        aux[18 + length] = used - code
        for i in range(used, used + n):
            symbol = np.int64(symbols[i])
            if symbol > largest:
                return False
            aux[36 + i] = symbol
            if length <= BITS:
                firsts[code << (BITS - length) : (code + 1) << (BITS - length)] = length | symbol << 8
            code += 1
        used += n
        aux[length] = code << (16 - length)
        code <<= 1
    aux[17] = 1 << 17
    return True


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
        used = np.int64(firsts[i]) & 63
        symbol = np.int64(firsts[i]) >> 8
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
            code = second & 63
            size = (second >> 8) & 15
            if code > 0 and size > 0 and used + code <= BITS and used + code + size <= _MOST:
                used += code + size
                at2 = advance + (second >> 12)
                advance = at2 + 1
                shift = 64 - used
                mask = (np.int64(1) << size) - 1
        second = np.int64(following[(i << used) & last])
        code = second & 63
        if code > 0 and used + code <= BITS and (second >> 8) & 15 == 0 and second >> 12 < 15:
            used += code
            done = np.int64(128)
        lengths[i] = used | done
        values[i] = at | at2 << 8 | advance << 16 | shift << 24 | (value & 0xFFFF) << 32 | mask << 48


@kernel
def _build_pair(dc_counts, dc_symbols, ac_counts, ac_symbols, lengths, values, aux):
    """Fill the DC and the AC row of each array; 1 or 2 where the DC or AC table is none."""
    firsts = np.empty((2, 1 << BITS), np.uint16)
    if not _first_symbols(dc_counts, dc_symbols, 15, aux[0], firsts[0]):
        return 1
    if not _first_symbols(ac_counts, ac_symbols, 255, aux[1], firsts[1]):
        return 2
    for i in range(2):
        _join_symbols(firsts[i], firsts[1], i == 0, lengths[i], values[i])
    return 0


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(data), np.uint8)


_STOP = np.zeros(_AUX, np.uint8)
_STOP[VALUES:].view(np.int64)[:] = SLOW << 16


@lru_cache(maxsize=64)
def _pair(dc: HuffmanSpec, ac: HuffmanSpec) -> np.ndarray:
    tables = np.empty((2, _TABLE_BYTES), np.uint8)
    values, aux = tables[:, VALUES:_AUX].view(np.int64), tables[:, _AUX:].view(np.int64)
    specs = [_bytes(b) for b in (dc.counts, dc.symbols, ac.counts, ac.symbols)]
    bad = _build_pair(*specs, tables[:, :VALUES], values, aux)
    if bad:
        raise CorruptJpeg(f"{'DC' if bad == 1 else 'AC'} Huffman table is not a prefix code (T.81 C.2)")
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


@kernel
def long_symbol(w, table):
    """(symbol, bits of its code) by comparing with the limit of each length; (0, 17) where no code matches."""
    top = shift_right(w, 48)
    aux = table + _AUX
    length = np.int64(1)
    while top >= load_i64(aux + 8 * length):
        length += 1
    if length > 16:
        return np.int64(0), np.int64(17)
    index = shift_right(top, 16 - length) + load_i64(aux + 8 * (18 + length))
    return load_i64(aux + 8 * (36 + index)), length
