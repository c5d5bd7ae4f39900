"""Progressive Huffman scans as tokens (T.81 G.1.2), byte for byte what libjpeg-turbo writes.

blocks ──▶ symbols.sequential, dc_refine, ac_first, ac_refine ──▶ tokens, as `symbols` has them        scripts: default_script
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...simd import ctz64, kernel, load_i16
from ...types import MAX_MCU_BLOCKS, ColorSpace, Frame, Scan
from ..geometry import mcu_components, place_blocks
from ..symbols import (
    AC_SLOT,
    BIT,
    LARGER,
    NATURAL,
    NEGATIVE,
    NONZERO,
    RAW,
    category,
    put,
    put_value,
)

__all__ = ["ac_first", "ac_refine", "dc_refine", "default_script"]

_MAX_RUN = 0x7FFF  # blocks in an end-of-band run
_MAX_HELD = 1000 - 64 + 1  # correction bits that may wait behind one: libjpeg's buffer of 1000, less a block
_CHUNK = 15  # value bits that a token holds


@kernel
def dc_refine(geometry, high, wide, restart, shift, words, segments):
    start = np.int64(words.ctypes.data)
    at = start
    segment = left = 0
    held = bits = bit = np.int64(0)
    per_mcu = mcu_components(geometry).size
    row = np.empty(wide * per_mcu, np.int64)
    for mcu in range(0, high * wide, wide):
        place_blocks(geometry, wide, mcu, wide, np.int64(row.ctypes.data), np.int64(8))
        for x in range(wide):
            if left == 0:
                if held:
                    at = put(at, RAW, 0, held, bits)
                    held = np.int64(0)
                segments[segment] = (at - start) >> 2
                segment += 1
                left = restart if restart else high * wide
            left -= 1
            for block in row[x * per_mcu : (x + 1) * per_mcu]:
                # Blocks that only complete an MCU repeat the bit of the one before; the first one is real.
                if block:
                    bit = load_i16(block) >> shift & 1
                bits = bits << 1 | bit
                held += 1
                if held == _CHUNK:
                    at = put(at, RAW, 0, held, bits)
                    held = np.int64(0)
    if held:
        at = put(at, RAW, 0, held, bits)
    segments[segment] = (at - start) >> 2
    return segments[segment]


@kernel(inline=True)
def _end_of_band(at, run):
    """The token of `run` blocks without further new coefficients (T.81 G.1.2.2)."""
    size = category(run) - 1
    return put(at, AC_SLOT, size << 4, size, run)


@kernel
def ac_first(plane, blocks, restart, masks, first, last, shift, words, segments, seen):
    start = np.int64(words.ctypes.data)
    at = start
    band = (~np.uint64(0) >> np.uint64(63 - last)) & (~np.uint64(0) << np.uint64(first))
    segment = left = 0
    run = largest = np.int64(0)
    for index in range(blocks):
        if left == 0:
            if run:
                at = _end_of_band(at, run)
                run = np.int64(0)
            segments[segment] = (at - start) >> 2
            segment += 1
            left = restart if restart else blocks
        left -= 1
        todo = masks[index, NONZERO] & band
        before = first - 1
        if todo and run:
            at = _end_of_band(at, run)
            run = np.int64(0)
        while todo:
            k = np.int64(ctz64(todo))
            todo &= todo - np.uint64(1)
            zeros = k - before - 1
            before = k
            while zeros > 15:
                at = put(at, AC_SLOT, 0xF0, 0, 0)
                zeros -= 16
            value = load_i16(plane + 128 * index + 2 * NATURAL[k])
            magnitude = abs(value)
            largest |= magnitude
            magnitude >>= shift
            at = put_value(at, AC_SLOT, zeros, -magnitude if value < 0 else magnitude)
        if before < last:
            run += 1
            if run == _MAX_RUN:
                at = _end_of_band(at, run)
                run = np.int64(0)
    if run:
        at = _end_of_band(at, run)
    segments[segment] = (at - start) >> 2
    seen[1] = largest
    return segments[segment]


@kernel(inline=True)
def _put_bits(at, bits, count):
    """`count` correction bits, first one highest."""
    while count > _CHUNK:
        count -= _CHUNK
        at = put(at, RAW, 0, _CHUNK, np.int64(bits >> np.uint64(count)))
    if count:
        at = put(at, RAW, 0, count, np.int64(bits))
    return at


@kernel(inline=True)
def _put_symbol(at, symbol, bits, count):
    """A symbol and the `count` bits behind it, which seldom need more than its own token."""
    more = max(count - _CHUNK, 0)
    at = put(at, AC_SLOT, symbol, count - more, np.int64(bits >> np.uint64(more)))
    return _put_bits(at, bits, more) if more else at


@kernel
def ac_refine(blocks, restart, masks, first, last, words, segments):
    start = np.int64(words.ctypes.data)
    at = start
    band = (~np.uint64(0) >> np.uint64(63 - last)) & (~np.uint64(0) << np.uint64(first))
    one = np.uint64(1)
    segment = left = 0
    # A run's token stands before the correction bits of its blocks: its place is kept until its length is known.
    place = run = held = np.int64(0)
    for index in range(blocks):
        if left == 0:
            if run:
                _end_of_band(place, run)
                run = held = np.int64(0)
            segments[segment] = (at - start) >> 2
            segment += 1
            left = restart if restart else blocks
        left -= 1
        todo = masks[index, NONZERO] & band
        larger = masks[index, LARGER]
        ones = masks[index, BIT]
        new = todo & ~larger
        if new and run:
            _end_of_band(place, run)
            run = held = np.int64(0)
        ends = new >> np.uint64(last) != 0
        bits = np.uint64(0)
        count = zeros = np.int64(0)
        expected = np.int64(first)
        while new:
            k = np.int64(ctz64(todo))
            bit = todo & (~todo + one)
            todo ^= bit
            zeros += k - expected
            expected = k + 1
            while zeros > 15:
                at = _put_symbol(at, 0xF0, bits, count)
                zeros -= 16
                count = np.int64(0)
                bits = np.uint64(0)
            if new & bit:
                new ^= bit
                positive = np.uint64(masks[index, NEGATIVE] & bit == 0)
                at = _put_symbol(at, zeros << 4 | 1, positive << np.uint64(count) | bits, count + 1)
                count = zeros = np.int64(0)
                bits = np.uint64(0)
            else:
                bits = bits << one | np.uint64(ones & bit != 0)
                count += 1
        if ends:
            continue
        while todo:
            bit = todo & (~todo + one)
            todo ^= bit
            bits = bits << one | np.uint64(ones & bit != 0)
            count += 1
        if run == 0:
            place = at
            at += 4
        at = _put_bits(at, bits, count)
        run += 1
        held += count
        if run == _MAX_RUN or held > _MAX_HELD:
            _end_of_band(place, run)
            run = held = np.int64(0)
    if run:
        _end_of_band(place, run)
    segments[segment] = (at - start) >> 2
    return segments[segment]


def default_script(frame: Frame) -> tuple[Scan, ...]:
    """libjpeg's scans for progressive files, without tables: ten for YCbCr, else 2 + 4 a component.

    Where the components do not fit into one scan (T.81 B.2.3), each has its DC scans alone.
    """
    count, blocks = len(frame.components), sum(k.h * k.v for k in frame.components)
    together = count == 1 or (count <= 4 and blocks <= MAX_MCU_BLOCKS)
    return _script(count, frame.color is ColorSpace.YCBCR and count == 3, together)


@lru_cache(maxsize=16)
def _script(count: int, ycbcr: bool, together: bool) -> tuple[Scan, ...]:
    dc = tuple(range(count))
    groups = [dc] if together else [(c,) for c in dc]

    def band(components: tuple[int, ...], spectral: tuple[int, int], approximation: tuple[int, int]) -> list[Scan]:
        return [Scan((c,), spectral=spectral, approximation=approximation) for c in components]

    start = [Scan(group, spectral=(0, 0), approximation=(0, 1)) for group in groups]
    end = [Scan(group, spectral=(0, 0), approximation=(1, 0)) for group in groups]
    if ycbcr:
        middle = [*band((0,), (1, 5), (0, 2)), *band((2, 1), (1, 63), (0, 1)), *band((0,), (6, 63), (0, 2))]
        middle += band((0,), (1, 63), (2, 1))
        return (*start, *middle, *end, *band((2, 1, 0), (1, 63), (1, 0)))
    middle = [*band(dc, (1, 5), (0, 2)), *band(dc, (6, 63), (0, 2)), *band(dc, (1, 63), (2, 1))]
    return (*start, *middle, *end, *band(dc, (1, 63), (1, 0)))
