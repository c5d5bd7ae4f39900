"""A run of symbols 0..255, stored in whole bits, under a Huffman code or by rANS: whichever has the fewest bytes.

    0, bits, packed bits                                       each symbol in as many bits as the largest has
    1, counts [16], symbols, varint length, bits               Huffman, `bytewise`
    2, first, varint size, varint frequencies, varint length, stream        rANS, one table
    3, varint contexts, each and its table, varint length, stream           rANS, a table of each context

Nothing at all where there are no symbols: both ends know their number.
"""

from __future__ import annotations

import numpy as np

from ...errors import CorruptStream
from ...types import HuffmanSpec
from .. import rans
from ..varints import Cursor, varint
from .bytewise import decode_bytes, encode_bytes

__all__ = ["decode", "encode"]

_BITS, _HUFFMAN, _RANS, _CONTEXTS = range(4)
_MOST_FREQUENCIES = 1 << 16
"""In all tables of a stream together."""


def _in_bits(symbols: np.ndarray) -> bytes:
    width = int(symbols.max()).bit_length()
    planes = np.unpackbits(symbols[:, None], axis=1)[:, 8 - width :]
    return bytes((_BITS, width)) + np.packbits(planes).tobytes()


def _in_huffman(symbols: np.ndarray) -> bytes | None:
    try:
        spec, data = encode_bytes(symbols)
    except ValueError:  # counts too skewed for a code: rANS has them in less
        return None
    return bytes((_HUFFMAN,)) + spec.counts + spec.symbols + varint(len(data)) + data


def _table(symbols: np.ndarray) -> tuple[int, np.ndarray]:
    first = int(symbols.min())
    counts = np.bincount(symbols - first).astype(np.float64)
    return first, counts / counts.sum()


def _written(tables: rans.Tables) -> list[bytes]:
    """Each table as bytes: its first symbol, size, and frequencies but the escape's, which the sum gives."""
    out, at = [], 0
    for first, size in zip(tables.first.tolist(), tables.sizes.tolist(), strict=True):
        held = tables.frequencies[at : at + size].tolist()
        out.append(bytes((first,)) + varint(size) + b"".join(map(varint, held)))
        at += size + 1
    return out


def _in_rans(symbols: np.ndarray) -> bytes:
    tables = rans.tables([_table(symbols)])
    data = rans.encode([(symbols.astype(np.int32), np.zeros(symbols.size, np.uint8))], tables)
    return bytes((_RANS,)) + _written(tables)[0] + varint(len(data)) + data


def _in_contexts(symbols: np.ndarray, contexts: np.ndarray) -> bytes | None:
    """One table for each context 0..K−1 that occurs, in their order. None where there are too many frequencies."""
    used, indexes = np.unique(contexts, return_inverse=True)
    found = [_table(symbols[indexes == k]) for k in range(len(used))]
    if len(used) > 64 or sum(len(p) + 1 for _, p in found) >= _MOST_FREQUENCIES:
        return None
    tables = rans.tables(found)
    data = rans.encode([(symbols.astype(np.int32), indexes.astype(np.uint8))], tables)
    head = varint(len(used)) + b"".join(bytes((k,)) + t for k, t in zip(used.tolist(), _written(tables), strict=True))
    return bytes((_CONTEXTS,)) + head + varint(len(data)) + data


def encode(symbols: np.ndarray, contexts: np.ndarray | None = None) -> bytes:
    """The shortest of the ways. symbols: uint8 [n]. contexts: uint8 [n], what the decoder knows of each symbol."""
    if not symbols.size:
        return b""
    ways = [_in_bits(symbols), _in_huffman(symbols), _in_rans(symbols)]
    if contexts is not None:
        ways.append(_in_contexts(symbols, contexts))
    return min((way for way in ways if way is not None), key=len)


def _read_table(cursor: Cursor) -> tuple[int, np.ndarray]:
    """First symbol and frequencies, the escape's too."""
    at, first = cursor.place, cursor.byte("a rANS table")
    size = cursor.varint("a rANS table")
    if not 1 <= size <= 256 - first:
        raise CorruptStream(f"a rANS table of {size} symbols from {first} on; they must end at 255", at)
    held = [cursor.varint("a rANS table") for _ in range(size)]
    held.append(rans.TOTAL - sum(held))
    if min(held) < 1:
        raise CorruptStream(f"a rANS table's frequencies must be at least 1 and sum to less than {rans.TOTAL}", at)
    return first, np.array(held)


def _read_rans(cursor: Cursor, found: list[tuple[int, np.ndarray]], indexes: np.ndarray) -> np.ndarray:
    tables = rans.Tables(
        np.array([first for first, _ in found]),
        np.array([len(f) - 1 for _, f in found]),
        np.concatenate([f for _, f in found]),
    )
    length = cursor.varint("a rANS stream")
    at = cursor.place
    decoder = rans.Decoder(cursor.take(length, "a rANS stream"), tables, at)
    symbols = decoder.read(indexes)
    decoder.finish()
    if symbols.min() < 0 or symbols.max() > 255:
        raise CorruptStream("a rANS stream has a symbol outside of 0..255", at)
    return symbols.astype(np.uint8)


def decode(cursor: Cursor, count: int, contexts: np.ndarray | None = None) -> np.ndarray:
    """Inverse of `encode`: uint8 [count]. Raises CorruptStream for what it does not write, with the place."""
    if not count:
        return np.zeros(0, np.uint8)
    at, method = cursor.place, cursor.byte("a sequence")
    if method == _BITS:
        width = cursor.byte("a sequence")
        if width > 8:
            raise CorruptStream(f"symbols of {width} bits; 8 is the most", at)
        data = np.frombuffer(cursor.take(-(-count * width // 8), "a sequence"), np.uint8)
        planes = np.zeros((count, 8), np.uint8)
        planes[:, 8 - width :] = np.unpackbits(data, count=count * width).reshape(count, width)
        return np.packbits(planes, axis=1)[:, 0]
    if method == _HUFFMAN:
        counts = bytes(cursor.take(16, "a Huffman table"))
        spec = HuffmanSpec(counts, bytes(cursor.take(sum(counts), "a Huffman table")))
        length = cursor.varint("Huffman codes")
        at = cursor.place
        return decode_bytes(cursor.take(length, "Huffman codes"), spec, count, at)
    if method == _RANS:
        return _read_rans(cursor, [_read_table(cursor)], np.zeros(count, np.uint8))
    if method == _CONTEXTS and contexts is not None:
        return _read_contexts(cursor, contexts)
    raise CorruptStream(f"a sequence of method {method}, which is none here", at)


def _read_contexts(cursor: Cursor, contexts: np.ndarray) -> np.ndarray:
    at, groups = cursor.place, cursor.varint("contexts")
    if not 1 <= groups <= 64:
        raise CorruptStream(f"{groups} contexts; 1..64 are possible", at)
    index_of = np.full(256, rans.SKIP, np.uint8)
    found = []
    for number in range(groups):
        index_of[cursor.byte("contexts")] = number
        found.append(_read_table(cursor))
    indexes = index_of[contexts]
    if (indexes == rans.SKIP).any():
        raise CorruptStream("a context without a table", at)
    return _read_rans(cursor, found, indexes)
