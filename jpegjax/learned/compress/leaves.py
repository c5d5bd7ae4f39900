"""One array as bytes and back, bit for bit: the smallest of a few codings, found by trying them.

    array ──bit patterns──▶ [differences down the first axis] ──▶ words ──▶ [gaps between those that are not 0] ──┐
                                                                                                                  ▼
    a codebook and indexes into it (256 different values at most), or planes of bytes, the exponents first ◀── words

What is dropped in brackets is a flag. Floats are turned left by a bit, so that the highest plane is the exponent alone and the
sign joins the mantissa, which is near to random; integers with a sign become 0, 1, 2, … for 0, −1, 1, …. A plane below the
highest may have the plane above it as its context. Gaps are 0..254 zeros before a value, 255 for as many zeros without one
(the relative index of Han, Mao and Dally 2016, "Deep Compression", arXiv:1510.00149, without its filler values).
In place of gaps there may be a bit a value, with its row's class as a context, ⌊2 log2(values that are not 0, plus 1)⌋: some
inputs of a layer matter more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np

from ...coding import sequences
from ...coding.sequences import Cursor, varint
from ...errors import CorruptStream, LimitExceeded

__all__ = ["DTYPES", "Coded", "decode_leaf", "encode_leaf", "refuse"]

DTYPES = tuple(
    map(
        np.dtype,
        (
            *(bool, "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
            *("float16", "float32", "float64"),
            *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2),
        ),
    )
)
"""What can be packed; a file holds a type's place here."""
_SPARSE, _CODEBOOK, _DIFFERENCES, _ROWS = 1, 2, 4, 8
_NAMES = (_SPARSE, "sparse"), (_CODEBOOK, "codebook"), (_DIFFERENCES, "differences"), (_ROWS, "rows")
_POSSIBLE = (0, _SPARSE, _CODEBOOK, _SPARSE | _CODEBOOK, _DIFFERENCES, _ROWS, _ROWS | _CODEBOOK)
_MOST_DIMENSIONS = 32
_MOST_VALUES = 256
_FAR = 255  # a gap that no value follows

Coded = tuple[np.ndarray, str]
"""An array and its coding in words."""


def refuse(array: np.ndarray) -> str | None:
    """What keeps an array from being packed, in words, or None."""
    if array.dtype not in DTYPES:
        return f"dtype {array.dtype}; must be one of {', '.join(d.name for d in DTYPES)}"
    return None if array.ndim <= _MOST_DIMENSIONS else f"{array.ndim} dimensions; at most {_MOST_DIMENSIONS}"


def _unsigned(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"<u{dtype.itemsize}")


def _is_signed(dtype: np.dtype) -> bool:
    return dtype.kind == "i"


def _is_float(dtype: np.dtype) -> bool:
    return dtype not in DTYPES[:9]


def _turned(words: np.ndarray) -> np.ndarray:
    """The highest bit becomes the lowest."""
    return words << words.dtype.type(1) | words >> words.dtype.type(8 * words.itemsize - 1)


def _turned_back(words: np.ndarray) -> np.ndarray:
    return words >> words.dtype.type(1) | words << words.dtype.type(8 * words.itemsize - 1)


def _folded(words: np.ndarray) -> np.ndarray:
    """0, 1, 2, … for 0, −1, 1, … in two's complement."""
    one = words.dtype.type(1)
    return words << one ^ (0 - (words >> words.dtype.type(8 * words.itemsize - 1)))


def _unfolded(words: np.ndarray) -> np.ndarray:
    one = words.dtype.type(1)
    return words >> one ^ (0 - (words & one))


def _same(words: np.ndarray) -> np.ndarray:
    return words


def _maps(dtype: np.dtype, differences: bool) -> tuple[Callable[[np.ndarray], np.ndarray], ...]:
    """What is done to words before their planes are taken, and its inverse. 0 stays 0."""
    if _is_float(dtype):
        return _turned, _turned_back
    return (_folded, _unfolded) if differences or _is_signed(dtype) else (_same, _same)


def _gaps(filled: np.ndarray) -> np.ndarray:
    """Of a flat mask the gaps before each True, uint8; far ones as several."""
    places = np.flatnonzero(filled)
    gaps = np.diff(places, prepend=-1) - 1
    far, near = np.divmod(gaps, _FAR)
    out = np.full(places.size + int(far.sum()), _FAR, np.uint8)
    out[np.arange(places.size) + np.cumsum(far)] = near
    return out


def _places(gaps: np.ndarray, count: int, size: int, at: int) -> np.ndarray:
    """Inverse of `_gaps`: the places of `count` values among `size`."""
    near = gaps != _FAR
    if int(near.sum()) != count or (gaps.size and not near[-1]):
        raise CorruptStream(f"{int(near.sum())} gaps for {count} values", at)
    places = (np.cumsum(gaps, dtype=np.int64) + np.cumsum(near) - 1)[near]
    if count and places[-1] >= size:
        raise CorruptStream(f"a value at place {places[-1]} of an array of {size}", at)
    return places


def _planes(words: np.ndarray) -> np.ndarray:
    """uint8 [itemsize, n], the highest plane first."""
    return np.ascontiguousarray(words.view(np.uint8).reshape(words.size, words.itemsize)[:, ::-1].T)


def _classes(filled: np.ndarray) -> np.ndarray:
    """uint8 [rows] of a mask [rows, n]."""
    squares = (filled.sum(1).astype(np.int64) + 1) ** 2
    return np.array([square.bit_length() - 1 for square in squares.tolist()], np.uint8)


def _put_filled(filled: np.ndarray, rows: bool) -> bytes:
    """A mask [..., n]: where the values are."""
    if not rows:
        gaps = _gaps(filled.ravel())
        return varint(int(filled.sum())) + varint(gaps.size) + sequences.encode(gaps)
    lines = filled.reshape(-1, filled.shape[-1])
    classes = _classes(lines)
    return sequences.encode(classes) + sequences.encode(
        lines.ravel().view(np.uint8), np.repeat(classes, lines.shape[1])
    )


def _take_filled(cursor: Cursor, shape: tuple[int, ...], rows: bool) -> np.ndarray:
    """Inverse of `_put_filled`: the places of values in a flat array."""
    at, size = cursor.place, math.prod(shape)
    if rows:
        classes = sequences.decode(cursor, size // shape[-1])
        return np.flatnonzero(sequences.decode(cursor, size, np.repeat(classes, shape[-1])))
    count, length = cursor.varint("an array"), cursor.varint("an array")
    if not count <= min(size, length) or length > count + size // _FAR:
        raise CorruptStream(f"{length} gaps of {count} values in an array of {size}", at)
    return _places(sequences.decode(cursor, length), count, size, at)


def _put_codebook(words: np.ndarray) -> bytes | None:
    """None for more different words than a codebook holds."""
    if words.size > 4 * _MOST_VALUES and np.unique(words[: 4 * _MOST_VALUES]).size > _MOST_VALUES:
        return None
    book, indexes = np.unique(words, return_inverse=True)
    if book.size > _MOST_VALUES:
        return None
    return varint(book.size) + book.tobytes() + sequences.encode(indexes.astype(np.uint8).ravel())


def _put_planes(words: np.ndarray) -> bytes:
    above, out = None, b""
    for plane in _planes(words):
        out += sequences.encode(plane, above)
        above = plane
    return out


def _put(words: np.ndarray, flags: int, dtype: np.dtype) -> bytes | None:
    """The array's bytes under a coding, or None where it is not possible."""
    if flags & _DIFFERENCES:
        words = np.concatenate([words[:1], words[1:] - words[:-1]])
    flat, head = words.ravel(), b""
    if flags & (_SPARSE | _ROWS):
        head = _put_filled(words != 0, bool(flags & _ROWS))
        flat = flat[flat != 0]
    if flags & _CODEBOOK:
        coded = _put_codebook(flat)
        return None if coded is None else head + coded
    return head + _put_planes(_maps(dtype, bool(flags & _DIFFERENCES))[0](flat))


def encode_leaf(array: np.ndarray) -> bytes:
    """Type, shape and bits of an array of one of DTYPES, in the coding that is shortest.

    Empty arrays have no bits. Every bit pattern comes back: −0.0, infinities, NaNs with what they carry.
    """
    dtype = array.dtype
    shape = b"".join(map(varint, array.shape))
    head = bytes((DTYPES.index(dtype), array.ndim)) + shape
    if not array.size:
        return head
    little = np.ascontiguousarray(array).astype(dtype.newbyteorder("<"), copy=False)
    words = little.view(_unsigned(dtype)).reshape(array.shape)
    choices = [0, _CODEBOOK]
    if (words == 0).any():
        choices += [_SPARSE, _SPARSE | _CODEBOOK]
        if array.ndim > 1:
            choices += [_ROWS, _ROWS | _CODEBOOK]
    if not _is_float(dtype) and array.ndim > 1 and len(array) > 1:
        choices.append(_DIFFERENCES)
    tried = ((flags, _put(words, flags, dtype)) for flags in choices)
    flags, body = min(((f, b) for f, b in tried if b is not None), key=lambda found: len(found[1]))
    return head + bytes((flags,)) + body


def _shape(cursor: Cursor, dimensions: int, itemsize: int, left: int) -> tuple[int, ...]:
    at = cursor.place
    if dimensions > _MOST_DIMENSIONS:
        raise CorruptStream(f"an array of {dimensions} dimensions; at most {_MOST_DIMENSIONS}", at)
    shape = tuple(cursor.varint("a shape") for _ in range(dimensions))
    nbytes = math.prod(shape) * itemsize
    if nbytes > left or max(shape, default=0) > left:
        raise LimitExceeded(f"an array of shape {shape} has {nbytes} bytes; max_nbytes leaves {left}", at)
    return shape


def _take_words(cursor: Cursor, count: int, flags: int, dtype: np.dtype) -> np.ndarray:
    at, word = cursor.place, _unsigned(dtype)
    if flags & _CODEBOOK:
        size = cursor.varint("a codebook")
        if size > min(count, _MOST_VALUES) or bool(size) != bool(count):
            raise CorruptStream(f"a codebook of {size} for {count} values; {_MOST_VALUES} at most", at)
        book = np.frombuffer(cursor.take(size * word.itemsize, "a codebook"), word)
        indexes = sequences.decode(cursor, count)
        if count and indexes.max() >= size:
            raise CorruptStream(f"index {indexes.max()} into a codebook of {size}", at)
        return book[indexes]
    planes = np.empty((count, word.itemsize), np.uint8)
    above = None
    for number in range(word.itemsize - 1, -1, -1):
        above = planes[:, number] = sequences.decode(cursor, count, above)
    return _maps(dtype, bool(flags & _DIFFERENCES))[1](planes.view(word).reshape(count))


def decode_leaf(cursor: Cursor, left: int) -> Coded:
    """Inverse of `encode_leaf`. left: bytes that an array may have yet.

    Raises CorruptStream for what no encoder writes, LimitExceeded for a larger array, with the place.
    """
    at, number = cursor.place, cursor.byte("an array")
    if number >= len(DTYPES):
        raise CorruptStream(f"an array of type {number}, which is none here", at)
    dtype = DTYPES[number]
    shape = _shape(cursor, cursor.byte("an array"), dtype.itemsize, left)
    size, word = math.prod(shape), _unsigned(dtype)
    if not size:
        return np.zeros(shape, dtype), "empty"
    at, flags = cursor.place, cursor.byte("an array")
    flat = len(shape) < 2 and flags & (_DIFFERENCES | _ROWS)
    if flags not in _POSSIBLE or flat or (flags & _DIFFERENCES and _is_float(dtype)):
        raise CorruptStream(f"coding {flags} of an array of {dtype}, which is none here", at)
    if flags & (_SPARSE | _ROWS):
        places = _take_filled(cursor, shape, bool(flags & _ROWS))
        words = np.zeros(size, word)
        words[places] = _take_words(cursor, places.size, flags, dtype)
    else:
        words = _take_words(cursor, size, flags, dtype)
    words = words.reshape(shape)
    if flags & _DIFFERENCES:
        words = np.cumsum(words, axis=0, dtype=word)
    if dtype == np.dtype(bool) and words.max() > 1:
        raise CorruptStream("a truth value that is neither 0 nor 1", at)
    value = words.view(dtype.newbyteorder("<")).astype(dtype.newbyteorder("="), copy=False)
    return value, ", ".join(name for bit, name in _NAMES if flags & bit) or "planes"
