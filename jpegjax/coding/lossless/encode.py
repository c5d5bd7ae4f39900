"""Lossless encoding: differences of a row, what they cost, and their bits.

Images are C-contiguous [height, width * n] with n interleaved components. A row is held in a buffer behind n margin
samples, which stand for the neighbours that its first samples lack, so that one loop serves all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...simd import bswap64, clz64, kernel, store_u8, store_u64
from ...types import HuffmanSpec
from ..huffman import encode_codes, optimal_spec
from ..stuffing import PADDING, stuff

__all__ = ["CATEGORIES", "encode_rows", "entropy_bits", "measure"]

CATEGORIES = 17
_SYMBOL_BYTES = 4  # at most 16 bits of code and 15 of value


@kernel
def _load_row(samples, shift, n, initial, fresh, before, row):
    """A row of samples behind its margin, which is also set in the row before it."""
    for i in range(samples.size):
        row[n + i] = samples[i] >> shift
    for i in range(n):
        first = initial if fresh else before[n + i]
        row[i] = first
        before[i] = first


@kernel
def _differences(predictor, n, before, row, out):
    """int16 [width] of a row and the one before it, both uint16 [n + width]. predictor: 1..7."""
    here = row[n:]
    a = row[: out.size]
    b = before[n:]
    c = before[: out.size]
    if predictor == 1:
        for i in range(out.size):
            out[i] = here[i] - a[i]
    elif predictor == 2:
        for i in range(out.size):
            out[i] = here[i] - b[i]
    elif predictor == 3:
        for i in range(out.size):
            out[i] = here[i] - c[i]
    elif predictor == 4:
        for i in range(out.size):
            out[i] = here[i] - a[i] - b[i] + c[i]
    # Halves without a 17th bit, so that lanes of 16 suffice.
    elif predictor == 5:
        for i in range(out.size):
            out[i] = here[i] - a[i] - ((b[i] >> 1) - (c[i] >> 1) - (~b[i] & c[i] & 1))
    elif predictor == 6:
        for i in range(out.size):
            out[i] = here[i] - b[i] - ((a[i] >> 1) - (c[i] >> 1) - (~a[i] & c[i] & 1))
    else:
        for i in range(out.size):
            out[i] = here[i] - ((a[i] & b[i]) + ((a[i] ^ b[i]) >> 1))


@kernel(inline=True)
def _category(difference):
    return 64 - np.int64(clz64(abs(difference)))


@kernel
def _count(differences, counts):
    """Add the categories of differences to counts, int64 [4, CATEGORIES]."""
    for i in range(differences.size):
        # Neighbours often count the same category: taking turns spares the wait for the counter.
        counts[i & 3, _category(np.int64(differences[i]))] += 1


@kernel
def _measure(image, n, shift, initial, restart_rows, step, predictors, counts):
    height, width = image.shape
    rows = np.zeros((2, n + width), np.uint16)
    out = np.empty(width, np.int16)
    parts = np.zeros((4, CATEGORIES), np.int64)
    for y in range(0, height, step):
        fresh = y == 0 or (restart_rows > 0 and y % restart_rows == 0)
        before, row = rows[0], rows[1]
        if not fresh:
            _load_row(image[y - 1], shift, n, initial, True, row, before)
        _load_row(image[y], shift, n, initial, fresh, before, row)
        for k in range(predictors.size):
            _differences(1 if fresh else predictors[k], n, before, row, out)
            parts[:] = 0
            _count(out, parts)
            for i in range(4):
                for category in range(CATEGORIES):
                    counts[k, category] += parts[i, category]


def measure(
    image: np.ndarray, n: int, shift: int, initial: int, restart_rows: int, predictors: Sequence[int], step: int = 1
) -> np.ndarray:
    """How often each category of differences occurs: int64 [predictors, CATEGORIES].

    image: C-contiguous uint8 or uint16 [height, width * n]. shift: point transform. initial: prediction of the first
    sample. restart_rows: rows of a restart segment, 0 for none. step: only every step-th row is counted.
    """
    counts = np.zeros((len(predictors), CATEGORIES), np.int64)
    _measure(image, n, shift, initial, restart_rows, step, np.array(predictors, np.int64), counts)
    return counts


def entropy_bits(counts: np.ndarray) -> tuple[int, HuffmanSpec]:
    """(bits of all codes and values, the best table) for counts int64 [CATEGORIES]; category 16 has no value bits."""
    symbols = np.zeros(256, np.int64)
    symbols[:CATEGORIES] = counts
    spec = optimal_spec(symbols)
    lengths = encode_codes(spec)[:CATEGORIES].astype(np.int64) & 255
    return int((counts * (lengths + np.arange(CATEGORIES) % 16)).sum()), spec


@kernel(inline=True)
def _word(difference, codes):
    """(bits, how many) of a difference. codes: uint64 [CATEGORIES], code << 16 | its length << 8 | value bits."""
    difference = np.int64(difference)
    entry = np.int64(codes[_category(difference)])
    size = entry & 15
    value = (difference + (difference >> 63)) & ((np.int64(1) << size) - 1)
    return np.uint64((entry >> 16) << size | value), ((entry >> 8) & 255) + size


@kernel
def _emit_row(differences, codes, pairs, bits, held, at):
    """Append a row's bits to bytes at `at`; the last `held` (below 8) stay in `bits`. pairs: two words fit 56 bits."""
    start = 0
    if pairs:
        start = differences.size & ~1
        for i in range(0, start, 2):
            word, length = _word(differences[i], codes)
            second, more = _word(differences[i + 1], codes)
            length += more
            bits = bits << np.uint64(length) | word << np.uint64(more) | second
            held += length
            store_u64(at, bswap64((bits << np.uint64(1)) << np.uint64(63 - held)))
            at += held >> 3
            held &= 7
    for i in range(start, differences.size):
        word, length = _word(differences[i], codes)
        bits = bits << np.uint64(length) | word
        held += length
        store_u64(at, bswap64((bits << np.uint64(1)) << np.uint64(63 - held)))
        at += held >> 3
        held &= 7
    return bits, held, at


@kernel
def _encode(image, n, shift, initial, restart_rows, predictor, codes, pairs, raw, out):
    height, width = image.shape
    rows = np.zeros((2, n + width), np.uint16)
    differences = np.empty(width, np.int16)
    start = np.int64(out.ctypes.data)
    first = np.int64(raw.ctypes.data)
    written = start
    bits = np.uint64(0)
    held = np.int64(0)
    segment = np.int64(0)
    for y in range(height):
        fresh = y == 0
        if y and restart_rows > 0 and y % restart_rows == 0:
            fresh = True
            if held:
                store_u8(first, bits << np.uint64(8 - held) | np.uint64(0xFF >> held))
                written += stuff(first, 1, written)
                held = np.int64(0)
            store_u8(written, 0xFF)
            store_u8(written + 1, 0xD0 | segment & 7)
            written += 2
            segment += 1
        before, row = rows[(y + 1) & 1], rows[y & 1]
        _load_row(image[y], shift, n, initial, fresh, before, row)
        _differences(1 if fresh else predictor, n, before, row, differences)
        bits, held, at = _emit_row(differences, codes, pairs, bits, held, first)
        written += stuff(first, at - first, written)
    if held:
        store_u8(first, bits << np.uint64(8 - held) | np.uint64(0xFF >> held))
        written += stuff(first, 1, written)
    return written - start


def encode_rows(
    image: np.ndarray, n: int, shift: int, initial: int, restart_rows: int, predictor: int, spec: HuffmanSpec, bits: int
) -> memoryview:
    """Entropy-coded bytes of an image, with stuffing, restart markers and final padding, no EOI.

    Arguments as for `measure`; spec: table of all components; bits: what `entropy_bits` says of all rows.
    """
    table = encode_codes(spec)[:CATEGORIES].astype(np.uint64)
    sizes = np.arange(CATEGORIES, dtype=np.uint64) % 16
    codes = (table >> 8) << 16 | (table & 255) << 8 | sizes
    pairs = bool(((table & 255) + sizes).max() <= 28)
    segments = -(-image.shape[0] // restart_rows) if restart_rows else 1
    raw = np.empty(image.shape[1] * _SYMBOL_BYTES + 2 * PADDING, np.uint8)
    out = np.empty(2 * (bits // 8 + 2 * segments) + 2 * PADDING, np.uint8)
    return out[: _encode(image, n, shift, initial, restart_rows, predictor, codes, pairs, raw, out)].data
