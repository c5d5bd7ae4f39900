"""From blocks to Huffman symbols, from symbols to bits: what optimised and progressive encoding share.

planes ──▶ block_masks ──▶ a symboliser (here the sequential one) ──▶ tokens ──▶ histogram ──▶ tables ──▶ emit

A token is a uint32: symbol (bits 0..7), slot of its Huffman table (8..11), number of value bits (12..15), value bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..simd import (
    Vec,
    bitcast_mask,
    bswap64,
    clz64,
    ctz64,
    join,
    kernel,
    load,
    load_i16,
    pack_u8,
    popcount64,
    store,
    store_u8,
    store_u32,
    store_u64,
    vectorized,
)
from ..types import ZIGZAG, Scan
from .geometry import ADDRESS, mcu_components, place_blocks
from .stuffing import stuff

__all__ = [
    "AC_SLOT", "DC_SLOT", "RAW", "SLOTS", "block_masks", "check_progressive", "check_range", "code_bits",
    "emit", "fill_masks", "histogram", "segment_count", "sequential", "store_masks",
]  # fmt: skip

DC_SLOT = 0  # + scan component
AC_SLOT = 4  # + scan component
RAW = 8  # a slot without codes: value bits alone
SLOTS = 16

NONZERO, LARGER, BIT, NEGATIVE = 0, 1, 2, 3  # columns of block_masks


def _packed_zigzag() -> list[int]:
    """Where each zigzag index stands after packing pairs of 16 int16 lanes, 128-bit lane by lane."""
    picks = []
    for n in ZIGZAG.tolist():
        pair, source, lane = n // 32, n // 16 % 2, n % 16
        picks.append(32 * pair + 16 * (lane // 8) + 8 * source + lane % 8)
    return picks


_PICKS = _packed_zigzag()
NATURAL = ZIGZAG.astype(np.int64)


@vectorized
def store_masks(block, shift, out):
    """The four masks of a block, uint64 at `out`."""
    flags = []
    for i in range(4):
        c = load(block + 32 * i, 16, 16)
        v = c.abs()._op("lshr", shift.splat(16, 16))
        some = v.compare("!=", 0).sign_extend(16) & 0x80
        larger = v.shift_right_logical(1).compare("!=", 0).sign_extend(16) & 0x40
        flags.append(some | larger | (v & 1) << 5 | c.shift_right_logical(15) << 4)
    z = join(pack_u8(flags[0], flags[1]), pack_u8(flags[2], flags[3])).shuffle(_PICKS)
    for i in range(4):
        mask: Vec = z.compare("<", 0)
        store(out + 8 * i, bitcast_mask(mask).splat(1, 64))
        z = z + z


@kernel
def fill_masks(plane, blocks, shift, out):
    address = np.int64(out.ctypes.data)
    total = np.int64(0)
    for i in range(blocks):
        store_masks(plane + 128 * i, shift, address + 32 * i)
        total += np.int64(popcount64(out[i, NONZERO] & ~np.uint64(1)))
    return total


def block_masks(plane: np.ndarray, shift: int = 0) -> tuple[np.ndarray, int]:
    """(masks uint64 [blocks, 4], number of AC coefficients with |c| >> shift nonzero).

    plane: C-contiguous int16 [rows, columns, 8, 8] in natural order. Bit k of a mask stands for zigzag index k:
    [0] m = |c| >> shift is nonzero, [1] m is above 1, [2] lowest bit of m, [3] c is negative. shift: Al of a
    progressive scan, 0..13.
    """
    blocks = plane.shape[0] * plane.shape[1]
    masks = np.empty((blocks, 4), np.uint64)
    return masks, fill_masks(plane.ctypes.data, blocks, shift, masks)


def segment_count(mcus: int, restart: int) -> int:
    """Restart segments of a scan (T.81 E.1.3). restart: interval in MCUs, 0 for none."""
    return -(-mcus // restart) if restart else 1


def check_range(largest_dc: int, largest_ac: int, precision: int = 8) -> None:
    """ValueError where coefficients have no category (T.81 F.1.2).

    largest_dc, largest_ac: bitwise or of the magnitudes of DC differences and of AC coefficients.
    """
    for kind, seen, bits in (("DC difference", largest_dc, precision + 3), ("AC", largest_ac, precision + 2)):
        if seen >> bits:
            raise ValueError(f"coefficients: {kind} out of range; magnitudes must be below {1 << bits}")


def check_progressive(scan: Scan) -> None:
    """ValueError for a band, shift or components that a progressive scan must not have (T.81 B.2.3, G.1.1.1)."""
    (first, last), (high, shift), components = scan.spectral, scan.approximation, scan.components
    if not (last == 0 if first == 0 else first <= last <= 63 and len(components) == 1):
        raise ValueError(f"scan: spectral={scan.spectral} for {len(components)} components is not progressive")
    if list(components) != sorted(set(components)):
        raise ValueError(f"scan: components={components}; must stand in the frame's order (T.81 B.2.3)")
    if not 0 <= shift <= 13 or high not in (0, shift + 1):
        raise ValueError(f"scan: approximation={scan.approximation}; must be (0, Al) or (Al + 1, Al), Al 0..13")


@kernel(inline=True)
def put(at, slot, symbol, count, value):
    """Store a token and return the address of the next."""
    store_u32(at, symbol | slot << 8 | count << 12 | (value & ((1 << count) - 1)) << 16)
    return at + 4


@kernel(inline=True)
def category(value):
    """Bits of a magnitude (T.81 table F.1)."""
    return 64 - np.int64(clz64(abs(value)))


@kernel(inline=True)
def put_value(at, slot, run, value):
    """A run of zeros, below 16, and a nonzero value, in ones' complement where negative."""
    size = category(value)
    return put(at, slot, run << 4 | size, size, value + (value >> 63))


@kernel
def sequential(geometry, high, wide, restart, shift, masks, offsets, words, segments, seen):
    """Tokens of a sequential scan or, where masks is empty, of the first scan of DC, without its lowest `shift` bits.

    masks: uint64 [all blocks, 4], see `block_masks`; offsets: of each scan component's first block there.
    """
    start = np.int64(words.ctypes.data)
    at = start
    last_dc = np.zeros(4, np.int64)
    largest_dc = largest_ac = np.int64(0)
    segment = left = 0
    components = mcu_components(geometry)
    row = np.empty(wide * components.size, np.int64)
    for mcu in range(0, high * wide, wide):
        place_blocks(geometry, wide, mcu, wide, np.int64(row.ctypes.data), np.int64(8))
        for x in range(wide):
            if left == 0:
                segments[segment] = (at - start) >> 2
                segment += 1
                left = restart if restart else high * wide
                last_dc[:] = 0
            left -= 1
            for place in range(components.size):
                i, block = components[place], row[x * components.size + place]
                if block == 0:
                    at = put(at, DC_SLOT + i, 0, 0, 0)
                    if len(masks):
                        at = put(at, AC_SLOT + i, 0, 0, 0)
                    continue
                dc = load_i16(block) >> shift
                difference = dc - last_dc[i]
                last_dc[i] = dc
                largest_dc |= abs(difference)
                size = category(difference)
                at = put(at, DC_SLOT + i, size, size, difference + (difference >> 63))
                if len(masks) == 0:
                    continue
                left_over = masks[offsets[i] + (block - geometry[i, ADDRESS]) // 128, NONZERO] & ~np.uint64(1)
                before: Any = 0
                while left_over:
                    k = np.int64(ctz64(left_over))
                    left_over &= left_over - np.uint64(1)
                    run = k - before - 1
                    before = k
                    while run > 15:
                        at = put(at, AC_SLOT + i, 0xF0, 0, 0)
                        run -= 16
                    value = load_i16(block + 2 * NATURAL[k])
                    largest_ac |= abs(value)
                    at = put_value(at, AC_SLOT + i, run, value)
                if before < 63:
                    at = put(at, AC_SLOT + i, 0, 0, 0)
    segments[segment] = (at - start) >> 2
    seen[0] = largest_dc
    seen[1] = largest_ac
    return segments[segment]


@kernel
def histogram(words, counts):
    """Add to counts [2, SLOTS × 256], even and odd words apart; returns the number of value bits."""
    bits = np.int64(0)
    for i in range(words.size):
        word = np.int64(words[i])
        # Neighbours often count the same symbol: alternating spares the wait for the counter.
        counts[i & 1, word & 0xFFF] += 1
        bits += word >> 12 & 15
    return bits


@kernel
def code_bits(counts, codes):
    """Bits of all codes, or -1 - symbol for one that has no code."""
    bits = np.int64(0)
    for i in range(RAW * 256):
        if counts[i]:
            length = np.int64(codes[i]) & 255
            if length == 0:
                return -1 - (i & 255)
            bits += counts[i] * length
    return bits


@kernel
def emit(words, segments, codes, raw, out):
    """Bits of every segment, padded with ones and stuffed, and restart markers between them; returns the bytes.

    raw: room for the bits of the longest segment, and PADDING.
    """
    start = np.int64(out.ctypes.data)
    written = start
    for segment in range(segments.size - 1):
        if segment:
            store_u8(written, 0xFF)
            store_u8(written + 1, 0xD0 | (segment - 1) & 7)
            written += 2
        bits = np.uint64(0)
        held = np.int64(0)
        at = np.int64(raw.ctypes.data)
        for i in range(segments[segment], segments[segment + 1]):
            word = np.uint64(words[i])
            code = np.uint64(codes[word & np.uint64(0xFFF)])
            size = (word >> np.uint64(12)) & np.uint64(15)
            length = (code & np.uint64(255)) + size
            bits = bits << length | (code >> np.uint64(8)) << size | word >> np.uint64(16)
            held += np.int64(length)
            # Whole bytes are kept; the rest is stored again with the next word.
            store_u64(at, bswap64((bits << np.uint64(1)) << np.uint64(63 - held)))
            at += held >> 3
            held &= 7
        if held:
            store_u8(at, bits << np.uint64(8 - held) | np.uint64(0xFF >> held))
            at += 1
        first = np.int64(raw.ctypes.data)
        written += stuff(first, at - first, written)
    return written - start
