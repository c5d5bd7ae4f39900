"""Huffman tables: canonical codes, decoding look-ups, and the best table for given counts (T.81 Annex C, F.2.2.3, K.2).

counts ──▶ optimal_spec ──▶ HuffmanSpec ──▶ encode_codes (symbol → code) and decode_lookup (bits → symbol)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import CorruptJpeg
from ..simd import kernel, load_i32, shift_right
from ..types import HuffmanSpec
from .canonical import first_codes, table_fault

__all__ = [
    "LOOKAHEAD", "LOOKUP_SIZE", "SEARCH", "SEARCH_SIZE", "best_lengths", "check_table", "decode_lookup", "encode_codes",
    "fill_codes", "fill_decoder", "find_code", "long_entry", "optimal_spec", "walk_codes",
]  # fmt: skip

LOOKAHEAD = 9  # bits that the first look-up resolves
SEARCH = 1 << LOOKAHEAD  # behind it, what `find_code` takes
LIMITS = 0  # + length 1..17: what is behind its last code, as 16 bits; above all that 16 bits hold where none is left
OFFSETS = LIMITS + 18  # + length: what turns a code of that length into an index of SYMBOLS
SYMBOLS = OFFSETS + 18
SEARCH_SIZE = SYMBOLS + 256
LOOKUP_SIZE = SEARCH + SEARCH_SIZE

_first_codes = kernel(first_codes)


@kernel
def walk_codes(counts, codes, lengths):
    """Codes and lengths, int64 [256], in code order (T.81 C.2); returns their number. counts: of a prefix code."""
    first = np.empty(17, np.int64)
    _first_codes(counts, first)
    i = 0
    for length in range(1, 17):
        for code in range(first[length], first[length] + np.int64(counts[length - 1])):
            codes[i] = code
            lengths[i] = length
            i += 1
    return i


@kernel
def fill_codes(counts, symbols, table):
    """The code of each symbol of a prefix code: code << 8 | length in uint32 [256]; the rest of the table stays."""
    codes, lengths = np.empty(256, np.int64), np.empty(256, np.int64)
    for i in range(walk_codes(counts, codes, lengths)):
        table[symbols[i]] = codes[i] << 8 | lengths[i]


@kernel
def fill_decoder(counts, symbols, bits, short, search):
    """Both tables of decoding a prefix code.

    short: integers [1 << bits], length << 8 | symbol of the code that these bits start with, 0 for a longer one.
    search: int32 [SEARCH_SIZE], what `find_code` takes: the fields LIMITS, OFFSETS and SYMBOLS.
    """
    first = np.empty(17, np.int64)
    _first_codes(counts, first)
    short[:] = 0
    index = 0
    for length in range(1, 17):
        search[OFFSETS + length] = index - first[length]
        end = first[length] + np.int64(counts[length - 1])
        search[LIMITS + length] = end << (16 - length)
        for code in range(first[length], end):
            symbol = np.int64(symbols[index])
            search[SYMBOLS + index] = symbol
            index += 1
            if length <= bits:
                short[code << (bits - length) : (code + 1) << (bits - length)] = length << 8 | symbol
    search[LIMITS + 17] = 1 << 17


@kernel
def find_code(search, bits, length):
    """(symbol, length) of the code that 64 bits start with, `length` or longer; (0, 17) where none matches.

    search: its address, as `fill_decoder` has it.
    """
    top = shift_right(bits, 48)
    while top >= load_i32(search + 4 * (LIMITS + length)):
        length += 1
    if length > 16:
        return np.int64(0), np.int64(17)
    index = shift_right(top, 16 - length) + load_i32(search + 4 * (OFFSETS + length))
    return np.int64(load_i32(search + 4 * (SYMBOLS + index))), length


@kernel
def long_entry(search, bits, value_bits):
    """What `decode_lookup` would hold of a code beyond its look-up; symbol 0 of 17 bits where none matches."""
    symbol, length = find_code(search, bits, np.int64(LOOKAHEAD + 1))
    return (length + min(symbol & 15, value_bits)) << 16 | length << 8 | symbol


@kernel
def _fill_lookup(counts, symbols, value_bits, table):
    fill_decoder(counts, symbols, LOOKAHEAD, table[:SEARCH], table[SEARCH:])
    for i in range(SEARCH):
        entry = table[i]
        if entry:
            table[i] = ((entry >> 8) + min(entry & 15, value_bits)) << 16 | entry


def check_table(name: str, spec: HuffmanSpec, largest: int = 255) -> None:
    """CorruptJpeg where `table_fault` has something to say of a table."""
    fault = table_fault(spec, largest)
    if fault:
        raise CorruptJpeg(f"{name} {fault}")


def _arrays(spec: HuffmanSpec) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(spec.counts, np.uint8), np.frombuffer(spec.symbols, np.uint8)


@lru_cache(maxsize=64)
def encode_codes(spec: HuffmanSpec, dc: bool = False) -> np.ndarray:
    """Code of each symbol: read-only uint32 [256], code << 8 | length in bits; 0 for those without (T.81 C.2, C.3).

    dc: symbols are DC categories, 0..15. Raises CorruptJpeg for what is no prefix code, or has a code of all ones, and
    for a symbol that is listed twice.
    """
    check_table("Huffman table", spec, 15 if dc else 255)
    if len(set(spec.symbols)) < len(spec.symbols):
        raise CorruptJpeg("Huffman table lists a symbol twice")
    table = np.zeros(256, np.uint32)
    fill_codes(*_arrays(spec), table)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=64)
def decode_lookup(spec: HuffmanSpec, dc: bool = False, value_bits: int = 15) -> np.ndarray:
    """Decoding table of progressive and lossless scans: read-only int32 [LOOKUP_SIZE] (T.81 F.2.2.3).

    [bits]: step << 16 | length << 8 | symbol of the code that these LOOKAHEAD bits start with, 0 where it is longer;
    then what `find_code` takes. step: bits of the code and of the value behind it, the low four bits of the symbol and
    at most value_bits. Raises CorruptJpeg like `encode_codes`; repeated symbols are allowed.
    """
    check_table("Huffman table", spec, 15 if dc else 255)
    table = np.empty(LOOKUP_SIZE, np.int32)
    _fill_lookup(*_arrays(spec), value_bits, table)
    table.flags.writeable = False
    return table


@kernel
def best_lengths(counts, bits, symbols):
    """Fill bits [33] and symbols [256]; returns the number of symbols, or -1 where a code would exceed 32 bits."""
    index = np.empty(257, np.int64)
    weight = np.empty(257, np.int64)
    size = np.zeros(257, np.int64)
    chain = np.empty(257, np.int64)
    used = 0
    for i in range(257):
        chain[i] = -1
        if i == 256 or counts[i] > 0:
            index[used] = i
            weight[used] = 1 if i == 256 else counts[i]
            used += 1
    merged = np.int64(1) << 62
    for _ in range(used - 1):
        least = next_least = -1
        for i in range(used):
            if weight[i] == merged:
                continue
            if least < 0 or weight[i] <= weight[least]:
                least, next_least = i, least
            elif next_least < 0 or weight[i] <= weight[next_least]:
                next_least = i
        weight[least] += weight[next_least]
        weight[next_least] = merged
        i = least
        size[i] += 1
        while chain[i] >= 0:
            i = chain[i]
            size[i] += 1
        chain[i] = next_least
        while chain[i] >= 0:
            i = chain[i]
            size[i] += 1
    for i in range(33):
        bits[i] = 0
    for i in range(used):
        if size[i] > 32:
            return -1
        bits[size[i]] += 1
    # Symbols keep the order of their unlimited lengths; the reserved one (256) comes last.
    total = 0
    for length in range(1, 33):
        for i in range(used):
            if size[i] == length and index[i] < 256:
                symbols[total] = index[i]
                total += 1
    for length in range(32, 16, -1):
        while bits[length] > 0:
            shorter = length - 2
            while bits[shorter] == 0:
                shorter -= 1
            bits[length] -= 2
            bits[length - 1] += 1
            bits[shorter + 1] += 2
            bits[shorter] -= 1
    longest = 16
    while longest > 0 and bits[longest] == 0:
        longest -= 1
    bits[longest] -= 1
    return total


def optimal_spec(counts: np.ndarray) -> HuffmanSpec:
    """The table that libjpeg-turbo makes for these counts (T.81 K.2, figures K.1–K.4).

    counts: int64 [256] or [257], how often each symbol occurs, below 2^30 in sum; not changed. Symbol 256, which
    reserves the code of all ones, counts once. Raises ValueError where a code would be longer than 32 bits.
    """
    bits = np.empty(33, np.int64)
    symbols = np.empty(256, np.uint8)
    total = best_lengths(counts, bits, symbols)
    if total < 0:
        raise ValueError("counts: too skewed for a Huffman code of 32 bits")
    return HuffmanSpec(bits[1:17].astype(np.uint8).tobytes(), symbols[:total].tobytes())
