"""One stream for parts that are decoded one after the other: the indexes of each may depend on the symbols before.

    nothing                       one lane whose state is 0: nothing was coded, or what is likeliest again and again
    an even byte, ...             one lane: its state · 2 in 1..4 bytes, lowest first, then words
    1 | 2 · log2(lanes), ...      2..32 lanes: their states of 4 bytes each, then words

Words are of 16 bits, lowest byte first. A single state is as short as its value; words are behind it where the stream
has more than 4 bytes, and it then has the 3 or 4 bytes that leave whole words. Lanes begin and end at 2**16, a single
one at 0. So a stream is some 2 bytes longer than what its symbols cost, and 2 to 4 bytes a lane with several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import CorruptStream
from .kernels import (
    compact,
    compact_indexes,
    decode_escapes,
    decode_symbols,
    encode_escapes,
    encode_symbols,
    look_up,
    spread,
    survey,
)
from .tables import LARGEST, SKIP, Tables

__all__ = ["Decoder", "encode"]

Part = tuple[np.ndarray, np.ndarray]
_LEAST_STATE = 1 << 16
_MAX_LANES_LOG2 = 5
_FOUR_LANES = 1 << 14  # symbols that are not 0: some 8 KB, of which four states are a six-hundredth
_EIGHT_LANES = 1 << 17


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of the one type that kernels read: they are compiled once."""
    view = array.view()
    view.flags.writeable = False
    return view


def _array(name: str, values: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """What the kernels are compiled for, or TypeError."""
    if not isinstance(values, np.ndarray) or values.dtype != kind or values.ndim != 1:
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"{name}: must be a one-dimensional NumPy array of {np.dtype(kind)}, not {found}")
    return _read_only(np.require(values, requirements=("C", "A")))


def _start(lanes: int) -> np.ndarray:
    return np.full(lanes, 0 if lanes == 1 else _LEAST_STATE, np.uint32)


def _refuse(number: int, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> ValueError:
    """What is wrong with a part, in words."""
    skipped = indexes == SKIP
    faults = (
        ((indexes >= len(tables)) & ~skipped, f"an index must be below {len(tables)} or SKIP"),
        (np.abs(symbols.astype(np.int64)) > LARGEST, f"a symbol must be {-LARGEST}..{LARGEST}"),
        (skipped & (symbols != 0), "a symbol whose index is SKIP must be 0"),
    )
    at, why = next((int(np.argmax(fault)), why) for fault, why in faults if fault.any())
    return ValueError(f"part {number}, position {at}: symbol {symbols[at]}, index {indexes[at]}; {why}")


@dataclass(frozen=True, slots=True)
class _Found:
    """A part without what it skips: symbols, indexes, their entries, and the positions of escapes."""

    symbols: np.ndarray
    indexes: np.ndarray
    entries: np.ndarray
    escapes: np.ndarray


def _look_up(number: int, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> _Found:
    """Raises ValueError for what cannot be coded."""
    if len(symbols) != len(indexes):
        raise ValueError(f"part {number}: {len(symbols)} symbols, but {len(indexes)} indexes")
    skips, others = survey(indexes, len(tables))
    if others:
        raise _refuse(number, symbols, indexes, tables)
    kept_symbols, kept = symbols, indexes
    if skips:
        size = len(symbols) - skips
        kept_symbols, kept = np.empty(size + 1, np.int32), np.empty(size + 1, np.uint8)
        if not compact(symbols, indexes, kept_symbols, kept):
            raise _refuse(number, symbols, indexes, tables)
        kept_symbols, kept = _read_only(kept_symbols[:size]), _read_only(kept[:size])
    entries, escapes = np.empty(len(kept), np.uint16), np.empty(len(kept), np.int64)
    escaped, within = look_up(kept_symbols, kept, tables.rows, entries, escapes)
    if not within:
        raise _refuse(number, symbols, indexes, tables)
    return _Found(kept_symbols, kept, entries, escapes[:escaped])


def encode(parts: Sequence[Part], tables: Tables, *, lanes: int | None = None) -> bytes:
    """One stream of several parts.

    Args:
        parts: (symbols int32 [n], indexes uint8 [n]) each: of every symbol the table that it is coded with, or SKIP
            where it is certainly 0. Symbols outside of their table cost more; −32767..32767 is the limit.
        tables: the models.
        lanes: 1, 2, 4, 8, 16 or 32 states. Default: 1 for small streams, 4 from 16384 symbols other than 0 on, 8 from
            131072 on: they are faster and cost some bytes.

    Returns:
        The stream: as long as `Tables.bits` says, and some 2 bytes more, or 2 to 4 a lane. None for skipped symbols alone.

    Raises:
        TypeError: arrays of other types or dimensions.
        ValueError: another number of lanes, arrays of unequal length, indexes without a table, symbols beyond the limit,
            and SKIP for a symbol other than 0; names the part and the position.
    """
    arrays = [
        (_array(f"part {i}: symbols", symbols, np.int32), _array(f"part {i}: indexes", indexes, np.uint8))
        for i, (symbols, indexes) in enumerate(parts)
    ]
    if lanes is None:
        filled = sum(int(np.count_nonzero(symbols)) for symbols, _ in arrays)
        lanes = 1 if filled < _FOUR_LANES else 4 if filled < _EIGHT_LANES else 8
    elif lanes not in [1 << n for n in range(_MAX_LANES_LOG2 + 1)]:
        raise ValueError(f"lanes: must be 1, 2, 4, 8, 16 or 32, not {lanes}")
    found = [_look_up(i, symbols, indexes, tables) for i, (symbols, indexes) in enumerate(arrays)]
    pushes = sum(len(part.entries) + 2 * len(part.escapes) for part in found)
    buffer = np.empty(2 * pushes + 2, np.uint8)  # a word for each at most; one more is written, but not kept
    at, states = len(buffer), _start(lanes)
    for part in reversed(found):
        at = encode_escapes(part.symbols, part.indexes, part.escapes, tables.rows, states, buffer, at)
        at = encode_symbols(part.entries, tables.encoding, states, buffer, at)
    words = buffer[at:].tobytes()
    if lanes > 1:
        return bytes((1 | (lanes.bit_length() - 1) << 1,)) + states.astype("<u4").tobytes() + words
    x = int(states[0])
    if x >> 31:
        x, words = x >> 16, (x & 0xFFFF).to_bytes(2, "little") + words
    x <<= 1
    return x.to_bytes((x.bit_length() + 7) // 8, "little") + words


class Decoder:
    """Reads the parts of a stream, in their order; one thread may use it at a time.

    Args:
        data: the stream, all of it and nothing else.
        tables: those that it was encoded with.
        offset: where it begins in the file, for the offsets in messages.

    Raises:
        CorruptStream: what cannot be the beginning of a stream, with its offset in bytes.
    """

    def __init__(self, data: bytes | memoryview, tables: Tables, offset: int = 0) -> None:
        self._data, self._tables, self._offset = _read_only(np.frombuffer(data, np.uint8)), tables, offset
        size = len(self._data)
        self._at = 0
        first = int(self._data[0]) if size else 0
        if first & 1:
            self._open_lanes(first >> 1)
            return
        self._states = _start(1)
        if size:
            self._open_one()

    def _open_lanes(self, log2: int) -> None:
        if not 1 <= log2 <= _MAX_LANES_LOG2:
            raise CorruptStream(
                f"a rANS stream of 2**{log2} lanes; 2..{1 << _MAX_LANES_LOG2} are possible", self._offset
            )
        self._at = 1 + (4 << log2)
        if self._at > len(self._data) or (len(self._data) - self._at) % 2:
            raise CorruptStream(f"a rANS stream of {1 << log2} lanes cannot have {len(self._data)} bytes", self._offset)
        self._states = self._data[1 : self._at].copy().view("<u4").astype(np.uint32)
        small = np.flatnonzero(self._states < _LEAST_STATE)
        if len(small):
            raise CorruptStream(f"state {small[0]} of a rANS stream is too small", self._offset + 1 + 4 * int(small[0]))

    def _open_one(self) -> None:
        size = len(self._data)
        self._at = size if size <= 4 else 4 - size % 2
        doubled = int.from_bytes(self._data[: self._at].tobytes(), "little")
        if not doubled >> 8 * (self._at - 1):
            raise CorruptStream("the state of a rANS stream is shorter than its bytes", self._offset + self._at - 1)
        x = doubled >> 1
        if x < _LEAST_STATE and self._at < size:
            x = x << 16 | int.from_bytes(self._data[self._at : self._at + 2].tobytes(), "little")
            self._at += 2
        self._states[0] = x

    @property
    def lanes(self) -> int:
        """How many states the stream has."""
        return len(self._states)

    def read(self, indexes: np.ndarray) -> np.ndarray:
        """The next part.

        Args:
            indexes: uint8 [n], the part's own: below the number of tables, or SKIP.

        Returns:
            int32 [n], −32767..32767; 0 where the index is SKIP. Damaged streams give wrong symbols: `finish` tells.

        Raises:
            TypeError: an array of another type or dimension.
            ValueError: an index without a table.
            CorruptStream: a symbol beyond the limit, with the offset in bytes that reading has got to.
        """
        indexes = _array("indexes", indexes, np.uint8)
        tables = self._tables
        skips, others = survey(indexes, len(tables))
        if others:
            raise ValueError(f"indexes: {others} of them name no table; must be below {len(tables)}, or SKIP")
        if not skips:
            return self._read(indexes, len(indexes))
        count = len(indexes) - skips
        kept = np.empty(count + 1, np.uint8)
        compact_indexes(indexes, kept)
        out = np.empty(len(indexes), np.int32)
        spread(self._read(kept, count), indexes, out)
        return out

    def _read(self, indexes: np.ndarray, count: int) -> np.ndarray:
        """Symbols of the first `count` indexes, which name tables; the rest, as long as indexes, means nothing."""
        tables, states, data = self._tables, self._states, self._data
        out = np.empty(len(indexes), np.int32)
        used = _read_only(indexes[:count])
        arrays = tables.heads, tables.buckets, tables.decoding
        self._at, escaped = decode_symbols(used, arrays, states, data, self._at, out)
        if escaped:
            self._at, well = decode_escapes(used, tables.rows, states, data, self._at, out)
            if not well:
                raise CorruptStream(f"a rANS stream has a symbol beyond {LARGEST}", self._offset + self._at)
        return out

    def finish(self) -> None:
        """After the last part: whether the stream ends where it must.

        That finds nearly all damage, but not that all bytes are gone: an empty stream is whole, one of likely symbols.

        Raises:
            CorruptStream: with the offset in bytes.
        """
        left = len(self._data) - self._at
        if left:
            raise CorruptStream(f"a rANS stream has {left} bytes behind its last symbol", self._offset + self._at)
        if not np.array_equal(self._states, _start(self.lanes)):
            raise CorruptStream("a rANS stream does not end as it must: it is damaged or cut", self._offset + self._at)
