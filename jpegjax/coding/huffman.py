"""Huffman tables: canonical codes, decoding look-ups, and the best table for given counts (T.81 Annex C, F.2.2.3, K.2).

counts ──▶ optimal_spec ──▶ HuffmanSpec ──▶ encode_codes (symbol → code) and decode_lookup (bits → symbol)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import CorruptJpeg
from ..simd import kernel
from ..types import HuffmanSpec

__all__ = [
    "LOOKAHEAD",
    "LOOKUP_SIZE",
    "MAX_CODE",
    "SYMBOLS",
    "VALUE_OFFSET",
    "best_lengths",
    "decode_lookup",
    "encode_codes",
    "fill_codes",
    "optimal_spec",
]

LOOKAHEAD = 9  # bits that the first look-up resolves
MAX_CODE = 1 << LOOKAHEAD  # + length: largest code of that length, -1 for none; + 17 ends every search
VALUE_OFFSET = MAX_CODE + 18  # + length: what turns a code of that length into an index of SYMBOLS
SYMBOLS = VALUE_OFFSET + 18
LOOKUP_SIZE = SYMBOLS + 256

_FAULTS = {
    1: "has more than 256 codes",
    2: "assigns more codes than their lengths allow",
    3: "lists fewer symbols than codes",
    4: "holds a DC category above 15",
    5: "lists a symbol twice",
}


@kernel
def _canonical(counts, symbols, codes, lengths):
    """Codes and lengths in code order (T.81 C.2). Returns their number, or minus a fault."""
    total = 0
    code = 0
    for length in range(1, 17):
        n = np.int64(counts[length - 1])
        if total + n > 256:
            return -1
        for _ in range(n):
            codes[total] = code
            lengths[total] = length
            total += 1
            code += 1
        # The code of all ones stays free, so that padding cannot look like a code.
        if n > 0 and code >= 1 << length:
            return -2
        code <<= 1
    return -3 if total > symbols.size else total


@kernel
def fill_codes(counts, symbols, dc, table):
    codes = np.empty(256, np.int64)
    lengths = np.empty(256, np.int64)
    total = _canonical(counts, symbols, codes, lengths)
    for i in range(total):
        symbol = np.int64(symbols[i])
        if dc and symbol > 15:
            return -4
        if table[symbol]:
            return -5
        table[symbol] = np.uint32(codes[i] << 8 | lengths[i])
    return total


@kernel
def _fill_lookup(counts, symbols, dc, value_bits, table):
    codes = np.empty(256, np.int64)
    lengths = np.empty(256, np.int64)
    total = _canonical(counts, symbols, codes, lengths)
    if total < 0:
        return total
    for length in range(18):
        table[MAX_CODE + length] = -1
        table[VALUE_OFFSET + length] = 0
    table[MAX_CODE + 17] = 0x7FFFFFFF
    for i in range(total):
        symbol = np.int64(symbols[i])
        if dc and symbol > 15:
            return -4
        length = lengths[i]
        table[SYMBOLS + i] = symbol
        table[MAX_CODE + length] = codes[i]
        table[VALUE_OFFSET + length] = i - codes[i]
        if length <= LOOKAHEAD:
            first = codes[i] << (LOOKAHEAD - length)
            entry = (length + min(symbol & 15, value_bits)) << 16 | length << 8 | symbol
            for j in range(first, first + (1 << (LOOKAHEAD - length))):
                table[j] = entry
    return total


def _checked(status: int) -> None:
    if status < 0:
        raise CorruptJpeg(f"Huffman table {_FAULTS[-status]}")


def _arrays(spec: HuffmanSpec) -> tuple[np.ndarray, np.ndarray]:
    if len(spec.counts) != 16:
        raise ValueError(f"HuffmanSpec.counts: {len(spec.counts)} bytes given; must be 16")
    return np.frombuffer(spec.counts, np.uint8), np.frombuffer(spec.symbols, np.uint8)


@lru_cache(maxsize=64)
def encode_codes(spec: HuffmanSpec, dc: bool = False) -> np.ndarray:
    """Code of each symbol: read-only uint32 [256], code << 8 | length in bits; 0 for those without (T.81 C.2, C.3).

    dc: symbols are DC categories, 0..15. Raises CorruptJpeg for what is no prefix code, or has a code of all ones.
    """
    table = np.zeros(256, np.uint32)
    _checked(fill_codes(*_arrays(spec), dc, table))
    table.flags.writeable = False
    return table


@lru_cache(maxsize=64)
def decode_lookup(spec: HuffmanSpec, dc: bool = False, value_bits: int = 15) -> np.ndarray:
    """Decoding table of `progressive_decode`: read-only int32 [LOOKUP_SIZE] (T.81 F.2.2.3).

    [bits]: step << 16 | length << 8 | symbol of the code that these LOOKAHEAD bits start with, 0 where it is longer;
    then the fields MAX_CODE, VALUE_OFFSET and SYMBOLS. step: bits of the code and of the value behind it, the low four
    bits of the symbol and at most value_bits. Raises CorruptJpeg like `encode_codes`; repeated symbols are allowed.
    """
    table = np.zeros(LOOKUP_SIZE, np.int32)
    _checked(_fill_lookup(*_arrays(spec), dc, value_bits, table))
    table.flags.writeable = False
    return table


@kernel
def best_lengths(counts, bits, symbols):
    """Fill bits [33] and symbols [256]; returns the number of symbols, or -1 where a code would exceed 32 bits."""
    index = np.empty(257, np.int64)
    weight = np.empty(257, np.int64)
    size = np.zeros(257, np.int64)
    chain = np.full(257, -1, np.int64)
    used = 0
    for i in range(257):
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
