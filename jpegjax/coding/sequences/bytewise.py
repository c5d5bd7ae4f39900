"""Bytes under one Huffman code each, without markers or stuffing: the plainest use of the code tables of T.81 Annex K.2.

bytes ──▶ encode_bytes ──▶ (HuffmanSpec, bits from the highest of a byte on, zeros at the end) ──▶ decode_bytes
"""

from __future__ import annotations

import numpy as np

from ...errors import CorruptJpeg, CorruptStream
from ...simd import kernel
from ...types import HuffmanSpec
from ..huffman import SEARCH_SIZE, check_table, encode_codes, fill_decoder, optimal_spec

__all__ = ["decode_bytes", "encode_bytes"]

_LONGEST = 16


@kernel
def _emit(symbols, codes, out):
    held, bits, at = np.uint64(0), np.uint64(0), 0
    for i in range(symbols.size):
        entry = np.uint64(codes[symbols[i]])
        length = entry & np.uint64(255)
        held = held << length | entry >> np.uint64(8)
        bits += length
        while bits >= np.uint64(8):
            bits -= np.uint64(8)
            out[at] = held >> bits & np.uint64(255)
            at += 1
    if bits:
        out[at] = held << np.uint64(8) - bits & np.uint64(255)


@kernel
def _read(data, short, out):
    """Fills `out`; the number of bits read, or -1 where bits match no code. short: of 16 bits, so it has every code."""
    held, bits, at, used = np.uint64(0), 0, 0, 0
    for i in range(out.size):
        while bits < 16:
            held = (held << np.uint64(8) | np.uint64(data[at] if at < data.size else 0)) & np.uint64(0xFFFFFFFF)
            at += 1
            bits += 8
        entry = short[(held >> np.uint64(bits - 16)) & np.uint64(0xFFFF)]
        if entry == 0:
            return -1
        out[i] = entry & 255
        bits -= entry >> 8
        used += entry >> 8
    return used


def encode_bytes(symbols: np.ndarray) -> tuple[HuffmanSpec, bytes]:
    """The best table of at most 16 bits a code, and the symbols under it.

    symbols: uint8 [n], below 2^30 of them. Raises ValueError where counts are too skewed for a code of 32 bits.
    """
    counts = np.bincount(symbols, minlength=256)
    spec = optimal_spec(counts)
    codes = encode_codes(spec)
    out = np.zeros(-(-int(counts @ (codes & 255).astype(np.int64)) // 8), np.uint8)
    _emit(np.ascontiguousarray(symbols), codes, out)
    return spec, out.tobytes()


def decode_bytes(data: bytes | memoryview, spec: HuffmanSpec, count: int, offset: int = 0) -> np.ndarray:
    """Inverse of `encode_bytes`: uint8 [count].

    offset: where the data begins in the file, for messages. Raises CorruptStream for a table that is no prefix code, bits
    that match no code, and where the bits are more or fewer than `count` symbols have.
    """
    try:
        check_table("Huffman table", spec)
    except CorruptJpeg as error:
        raise CorruptStream(error.message, offset) from None
    if count and not spec.symbols:
        raise CorruptStream("a Huffman table without symbols", offset)
    if count > 8 * len(data):
        raise CorruptStream(f"{len(data)} bytes cannot hold {count} Huffman codes", offset)
    short, search = np.empty(1 << _LONGEST, np.int32), np.empty(SEARCH_SIZE, np.int32)
    counts, symbols = np.frombuffer(spec.counts, np.uint8), np.frombuffer(spec.symbols, np.uint8)
    fill_decoder(counts, symbols, np.int64(_LONGEST), short, search)
    out = np.empty(count, np.uint8)
    used = int(_read(np.frombuffer(data, np.uint8), short, out))
    if used < 0:
        raise CorruptStream("bits that match no Huffman code", offset)
    if -(-used // 8) != len(data):
        raise CorruptStream(f"{count} Huffman codes of {used} bits in {len(data)} bytes", offset)
    return out
