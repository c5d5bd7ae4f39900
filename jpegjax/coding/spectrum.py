"""Adaptive arithmetic coding of quantised DFT blocks, or of anything laid out like them (ops/dft packs them so).

levels ──▶ cells of one frequency, 1, 2 or 4 reals each ──▶ decisions under contexts ──▶ QM-coder ──▶ bytes

Blocks go in raster order; inside a block the cells go by rows of |vertical| and then |horizontal| frequency, from 0 on.
What a real's decisions are coded under is how large its neighbours are: the cells before it in its block, the same
cells of the blocks to the left and above, and the reals before it in its own cell. The level of frequency zero is
predicted from those of its neighbours. Nothing is known beforehand: all statistics start even and adapt.
"""

from __future__ import annotations

import numpy as np

from ..simd import clz64, kernel, store_u32
from .arithmetic.coder import (
    STATES,
    decode_bit,
    decode_even,
    encode_bit,
    encode_even,
    finish_code,
    start_code,
    start_decode,
)

__all__ = ["MAX_LEVEL", "decode_spectrum", "encode_spectrum"]

MAX_LEVEL = 1 << 29
"""The largest magnitude that is coded."""

_FIRST = int(STATES[0])
_WORD = 4  # bytes of a statistics bin
_CLASSES = 26  # of neighbourhoods, by size
_INSIDE = 5  # of the reals before it in its cell: none, then by size
_PLACES = 12  # of cells: with no zero frequency, with one, with two; each in four bands
_LARGE = 64  # bins of a class for magnitudes above 2: 32 prefix lengths, 32 first bits behind them
_SIGNS = 6 * 4 * 9  # general or along an axis, first harmonic or later · real of the cell · two neighbours' signs

_ZERO = 0
_ONE = _ZERO + _PLACES * _INSIDE * _CLASSES
_TWO = _ONE + _INSIDE * _CLASSES
_MORE = _TWO + _INSIDE * _CLASSES
_SIGN = _MORE + _CLASSES * _LARGE
_BINS = _SIGN + _SIGNS

_MARGIN = 2  # cells of zeros before the first row and column of a block's
_ROOM = 1 << 10  # bytes that one cell takes at most


@kernel(inline=True)
def _size_class(total):
    """0..25, about two for each doubling."""
    if total < 4:
        return np.int64(total)
    bits = 64 - np.int64(clz64(total))
    return min(np.int64(_CLASSES - 1), 2 * bits - 2 + (total >> (bits - 2) & 1))


@kernel(inline=True)
def _neighbourhood(cells, above, here, c, fy, fx):
    """Size class of what is known around cell (fy, fx) of block c; here, above: this row of blocks, and the one before."""
    y, x = fy + _MARGIN, fx + _MARGIN
    own, left = cells[here, c + 1], cells[here, c]
    up, before, after = cells[above, c + 1], cells[above, c], cells[above, c + 2]
    total = 2 * (own[y, x - 1] + own[y - 1, x]) + own[y - 1, x - 1] + own[y - 1, x + 1] + own[y, x - 2] + own[y - 2, x]
    total += 2 * (left[y, x] + up[y, x]) + before[y, x] + after[y, x]
    total += left[y, x + 1] + left[y + 1, x] + up[y, x + 1] + up[y + 1, x]
    return _size_class(np.int64(total))


@kernel(inline=True)
def _place(fy, fx, height, width):
    """Which of _PLACES a cell is in: zero frequencies, and the sum of both frequencies in quarters of the sampling rate."""
    band = 4 * (fy * width + fx * height) // (height * width)
    return np.int64(fy == 0) + np.int64(fx == 0) + 3 * min(np.int64(3), band)


@kernel(inline=True)
def _sign_of(value):
    return np.int64(value > 0) - np.int64(value < 0) + 1


@kernel(inline=True)
def _sign_bin(levels, r, c, fy, fx, slot, y, x):
    """Bin of the sign of real (y, x).

    A block's ends differ, and the DFT joins them: along both axes the harmonics of that edge have one sign, which the step
    from the neighbouring block's mean to this one's already shows.
    """
    block = levels[r, c]
    axis = np.int64(fy == 0) + 2 * np.int64(fx == 0 and fy > 0)
    across = _sign_of(block[y, x + 1 if slot & 1 else x - 1]) if fx > 1 else np.int64(1)
    down = _sign_of(block[y + 1 if slot & 2 else y - 1, x]) if fy > 1 else np.int64(1)
    if fx == 1 and fy == 0 and c > 0:
        across = _sign_of(np.int64(block[0, 0]) - levels[r, c - 1, 0, 0])
    if fy == 1 and fx == 0 and r > 0:
        down = _sign_of(np.int64(block[0, 0]) - levels[r - 1, c, 0, 0])
    first = np.int64(fx == 1 or fy == 1)
    return _SIGN + ((axis * 2 + first) * 4 + slot) * 9 + across * 3 + down


@kernel(inline=True)
def _predicted(levels, r, c):
    """Level of frequency zero that the neighbours suggest (the median edge detector of LOCO-I)."""
    left = np.int64(levels[r, c - 1, 0, 0]) if c > 0 else np.int64(0)
    up = np.int64(levels[r - 1, c, 0, 0]) if r > 0 else np.int64(0)
    if r == 0 or c == 0:
        return left + up
    corner = np.int64(levels[r - 1, c - 1, 0, 0])
    if corner >= max(left, up):
        return min(left, up)
    if corner <= min(left, up):
        return max(left, up)
    return left + up - corner


@kernel(inline=True)
def _inside(total, count):
    """Class of the `count` reals of a cell that were coded before, of magnitude `total` together."""
    return min(np.int64(_INSIDE - 2), 2 * total // count) + 1 if count else np.int64(0)


@kernel(inline=True)
def _reset(bins):
    start = np.int64(bins.ctypes.data)
    for i in range(_BINS):
        store_u32(start + _WORD * i, _FIRST)
    return start


@kernel(inline=True)
def _encode_magnitude(encoder, bins, size, around, inside, place):
    """The encoder behind a magnitude 0..MAX_LEVEL."""
    zero = bins + _WORD * (_ZERO + (place * _INSIDE + inside) * _CLASSES + around)
    encoder = encode_bit(encoder, zero, np.int64(size > 0))
    if size == 0:
        return encoder
    encoder = encode_bit(encoder, bins + _WORD * (_ONE + inside * _CLASSES + around), np.int64(size > 1))
    if size == 1:
        return encoder
    encoder = encode_bit(encoder, bins + _WORD * (_TWO + inside * _CLASSES + around), np.int64(size > 2))
    if size == 2:
        return encoder
    rest = size - 2  # from 1 on: the number of bits behind its highest one, then these bits
    length = 63 - np.int64(clz64(rest))
    area = bins + _WORD * (_MORE + around * _LARGE)
    for i in range(length):
        encoder = encode_bit(encoder, area + _WORD * i, np.int64(1))
    encoder = encode_bit(encoder, area + _WORD * length, np.int64(0))
    if length > 0:
        encoder = encode_bit(encoder, area + _WORD * (32 + length), rest >> (length - 1) & 1)
        for i in range(length - 2, -1, -1):
            encoder = encode_even(encoder, rest >> i & 1)
    return encoder


@kernel(inline=True)
def _decode_magnitude(decoder, stop, bins, around, inside, place):
    """(magnitude, decoder): inverse of `_encode_magnitude`; at most 2^30 for any code."""
    bit, decoder = decode_bit(decoder, stop, bins + _WORD * (_ZERO + (place * _INSIDE + inside) * _CLASSES + around))
    if bit == 0:
        return np.int64(0), decoder
    bit, decoder = decode_bit(decoder, stop, bins + _WORD * (_ONE + inside * _CLASSES + around))
    if bit == 0:
        return np.int64(1), decoder
    bit, decoder = decode_bit(decoder, stop, bins + _WORD * (_TWO + inside * _CLASSES + around))
    if bit == 0:
        return np.int64(2), decoder
    area = bins + _WORD * (_MORE + around * _LARGE)
    length = np.int64(0)
    while length < 29:
        bit, decoder = decode_bit(decoder, stop, area + _WORD * length)
        if bit == 0:
            break
        length += 1
    rest = np.int64(1)
    if length > 0:
        bit, decoder = decode_bit(decoder, stop, area + _WORD * (32 + length))
        rest = 2 + bit
        for _ in range(length - 1):
            bit, decoder = decode_even(decoder, stop)
            rest = 2 * rest + bit
    return rest + 2, decoder


@kernel
def _encode(levels, cells, bins, out):
    """Bytes written to `out`, or -1 where they do not fit."""
    rows, columns, height, width = levels.shape
    start = np.int64(out.ctypes.data)
    stop = start + out.size - _ROOM
    words = _reset(bins)
    encoder = start_code(start)
    for r in range(rows):
        here, above = r & 1, 1 - (r & 1)
        for c in range(columns):
            block = levels[r, c]
            for fy in range(height // 2 + 1):
                for fx in range(width // 2 + 1):
                    if encoder[3] > stop:
                        return np.int64(-1)
                    around = _neighbourhood(cells, above, here, c, fy, fx)
                    place = _place(fy, fx, height, width)
                    total, count = np.int64(0), np.int64(0)
                    for slot in range(4):
                        if (slot & 2 and (fy == 0 or 2 * fy == height)) or (slot & 1 and (fx == 0 or 2 * fx == width)):
                            continue
                        y, x = height - fy if slot & 2 else fy, width - fx if slot & 1 else fx
                        level = np.int64(block[y, x])
                        if fy + fx == 0:
                            level -= _predicted(levels, r, c)
                        inside = _inside(total, count)
                        size = abs(level)
                        encoder = _encode_magnitude(encoder, words, size, around, inside, place)
                        if size:
                            bin = words + _WORD * _sign_bin(levels, r, c, fy, fx, slot, y, x)
                            encoder = encode_bit(encoder, bin, np.int64(level < 0))
                        total += size
                        count += 1
                    cells[here, c + 1, fy + _MARGIN, fx + _MARGIN] = total * 4 // count
    return finish_code(encoder, start) - start


@kernel
def _decode(data, size, cells, bins, levels):
    """Inverse of `_encode`. data: `size` bytes and 8 zeros behind them."""
    rows, columns, height, width = levels.shape
    stop = np.int64(data.ctypes.data) + size
    words = _reset(bins)
    decoder = start_decode(np.int64(data.ctypes.data), stop)
    for r in range(rows):
        here, above = r & 1, 1 - (r & 1)
        for c in range(columns):
            block = levels[r, c]
            for fy in range(height // 2 + 1):
                for fx in range(width // 2 + 1):
                    around = _neighbourhood(cells, above, here, c, fy, fx)
                    place = _place(fy, fx, height, width)
                    total, count = np.int64(0), np.int64(0)
                    for slot in range(4):
                        if (slot & 2 and (fy == 0 or 2 * fy == height)) or (slot & 1 and (fx == 0 or 2 * fx == width)):
                            continue
                        y, x = height - fy if slot & 2 else fy, width - fx if slot & 1 else fx
                        inside = _inside(total, count)
                        magnitude, decoder = _decode_magnitude(decoder, stop, words, around, inside, place)
                        level = magnitude
                        if magnitude:
                            bin = words + _WORD * _sign_bin(levels, r, c, fy, fx, slot, y, x)
                            bit, decoder = decode_bit(decoder, stop, bin)
                            if bit:
                                level = -magnitude
                        if fy + fx == 0:
                            level = max(
                                np.int64(-MAX_LEVEL), min(np.int64(MAX_LEVEL), level + _predicted(levels, r, c))
                            )
                        block[y, x] = level
                        total += magnitude
                        count += 1
                    cells[here, c + 1, fy + _MARGIN, fx + _MARGIN] = total * 4 // count


def _scratch(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(sizes of the cells of two rows of blocks with margins, statistics)."""
    _, columns, height, width = shape
    cells = (2, columns + 2, height // 2 + 2 + _MARGIN, width // 2 + 2 + _MARGIN)
    return np.zeros(cells, np.int64), np.empty(_BINS, np.uint32)


def encode_spectrum(levels: np.ndarray) -> bytes:
    """The code of levels, int32 [R, C, n, m] as `ops.block_dft` lays them out, magnitudes up to MAX_LEVEL / 2.

    Takes no header: the decoder is told the shape.
    """
    levels = np.ascontiguousarray(levels, np.int32)
    room = 2 * levels.size + (1 << 16)
    while True:
        out = np.empty(room, np.uint8)
        written = _encode(levels, *_scratch(levels.shape), out)
        if written >= 0:
            return out[:written].tobytes()
        room *= 4


def decode_spectrum(data: bytes | memoryview, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Levels int32 [R, C, n, m] of a code. Any bytes give some levels, magnitudes up to 2^30, in time linear in the shape."""
    padded = np.zeros(len(data) + 8, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    levels = np.zeros(shape, np.int32)
    _decode(padded, len(data), *_scratch(shape), levels)
    return levels
