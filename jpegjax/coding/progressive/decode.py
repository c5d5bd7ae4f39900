"""Decoding progressive Huffman scans into coefficient planes (T.81 G.2), with libjpeg-turbo's view of damaged data.

entropy-coded bytes ──▶ segments.next_segment ──▶ bit reader ──▶ int16 planes in natural order, and masks of nonzeros
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core.registry import cpu_target

from ...simd import Int, bswap64, clz64, ctz64, kernel, load_i16, load_u64, popcount64, store_i16, vectorized
from ...types import ZIGZAG, Frame, Scan
from ..geometry import ADDRESS, COLUMNS, STORED, H, V, scan_geometry
from ..huffman import LOOKAHEAD, LOOKUP_SIZE, SEARCH, decode_lookup, long_entry
from ..restarts import (
    INSUFFICIENT,
    OVER,
    TARGET,
    SegmentReport,
    close_segment,
    new_state,
    next_segment,
    scratch_for,
)

__all__ = ["ScanDecoder"]

_BAD = 17 << 8  # length and symbol of an entry for no code

# Zigzag index → byte offset in a block; damaged runs end up to 16 indices behind the block and land on its last one.
OFFSETS = np.concatenate([ZIGZAG.astype(np.int64) * 2, np.full(16, 126)])


def _has_fast_pdep() -> bool:
    """Whether numba's target has BMI2 and does its bit deposit in hardware, which AMD's Zen 1 and 2 do not."""
    _, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    return "+bmi2" in (features or "").split(",") and cpu not in ("znver1", "znver2")


@vectorized
def _pdep(bits, mask) -> Int:
    word = ir.IntType(64)
    function = bits.builder.module.declare_intrinsic("llvm.x86.bmi.pdep.64", (), ir.FunctionType(word, (word, word)))
    return Int(bits.builder, bits.builder.call(function, (bits.value, mask.value)))


@kernel
def _deposit(bits, mask):
    placed = np.uint64(0)
    while bits and mask:
        lowest = mask & (~mask + np.uint64(1))
        if bits & np.uint64(1):
            placed |= lowest
        mask ^= lowest
        bits >>= np.uint64(1)
    return placed


@kernel(inline=True)
def _nth_highest_by_pdep(mask, n):
    below = np.int64(popcount64(mask)) - 1 - n
    return _pdep(np.uint64(1) << np.uint64(below), mask) if below >= 0 else np.uint64(0)


@kernel(inline=True)
def _nth_highest(mask, n):
    while n and mask:
        mask ^= np.uint64(1) << np.uint64(63 - np.int64(clz64(mask)))
        n -= 1
    return np.uint64(1) << np.uint64(63 - np.int64(clz64(mask))) if mask else np.uint64(0)


_FAST = _has_fast_pdep()
deposit: Any = _pdep if _FAST else _deposit
"""(bits, mask) → the low bits of `bits` at the places of the ones of `mask`, lowest first."""
nth_highest: Any = _nth_highest_by_pdep if _FAST else _nth_highest
"""(mask, n) → the n-th one of `mask` from above, counted from 0, alone; 0 where there are fewer."""


@kernel(inline=True)
def _refill(bits, held, at, word):
    """Top up the bit buffer (first bit highest) to at least 56 bits. word: the next 64 bits, read ahead."""
    bits |= word >> np.uint64(held)
    at += (63 - held) >> 3
    return bits, held | 56, at, bswap64(load_u64(at))


@kernel(inline=True)
def _entry(table, bits, value_bits):
    """What `decode_lookup` says of the next code, of any length; symbol 0 of 17 bits where none matches."""
    entry = np.int64(table[np.int64(bits >> np.uint64(64 - LOOKAHEAD))])
    if entry:
        return entry
    return long_entry(np.int64(table.ctypes.data) + 4 * SEARCH, np.int64(bits), value_bits)


@kernel(inline=True)
def _extend(bits, size):
    """Signed value of the next `size` bits, 1..15 (T.81 F.2.2.1)."""
    value = np.int64(bits >> np.uint64(64 - size))
    return value + ((value - (1 << (size - 1))) >> 63 & (1 - (1 << size)))


@kernel
def _open(state, first, mcus, restart):
    """(bytes of the segment of MCU `first`, or -1 where none can be read; the MCU behind what is then done with)."""
    length, stop = next_segment(state, first, mcus, restart)
    if state[INSUFFICIENT]:
        return np.int64(-1), mcus if state[OVER] else stop
    return length, stop


@kernel
def _decode_dc(state, geometry, high, wide, restart, tables, shift, refine):
    """DC first or DC refinement scan of interleaved or single components."""
    mcus = high * wide
    last = np.zeros(4, np.int64)
    mcu = 0
    while mcu < mcus:
        first = mcu
        length, stop = _open(state, mcu, mcus, restart)
        if length < 0:
            mcu = stop
            continue
        for i in range(4):
            last[i] = 0
        bits = np.uint64(0)
        held = used = bad = np.int64(0)
        at = state[TARGET]
        word = bswap64(load_u64(at))
        y, x = mcu // wide, mcu % wide
        while mcu < stop:
            for i in range(geometry.shape[0]):
                h, v, columns, stored = geometry[i, H], geometry[i, V], geometry[i, COLUMNS], geometry[i, STORED]
                table = tables[i]
                for row in range(y * v, y * v + v):
                    for column in range(x * h, x * h + h):
                        address = geometry[i, ADDRESS] + 128 * (row * columns + column)
                        real = row < stored and column < columns
                        if held < 32:
                            bits, held, at, word = _refill(bits, held, at, word)
                        if refine:
                            if real and bits >> np.uint64(63):
                                store_i16(address, load_i16(address) | 1 << shift)
                            bits <<= np.uint64(1)
                            held -= 1
                            continue
                        entry = _entry(table, bits, 15)
                        if entry & 0xFFFF == _BAD:
                            bad += 1
                        if entry & 255:
                            last[i] += _extend(bits << np.uint64(entry >> 8 & 255), entry & 15)
                        bits <<= np.uint64(entry >> 16)
                        held -= entry >> 16
                        if real:
                            store_i16(address, last[i] << shift)
            mcu += 1
            x += 1
            if x == wide:
                x = 0
                y += 1
            used = 8 * (at - state[TARGET]) - held
            if used > 8 * length:
                break
        close_segment(state, first, mcu - 1, used, length, bad)
        mcu = stop


@kernel
def _decode_ac_first(state, plane, masks, restart, table, first_index, last_index, shift):
    blocks = len(masks)
    block = 0
    one = np.uint64(1)
    while block < blocks:
        first = block
        length, stop = _open(state, block, blocks, restart)
        if length < 0:
            block = stop
            continue
        bits = np.uint64(0)
        held = used = bad = np.int64(0)
        at = state[TARGET]
        word = bswap64(load_u64(at))
        while block < stop:
            address = plane + 128 * block
            mask = masks[block]
            k = np.int64(first_index)
            run = np.int64(1)
            while k <= last_index:
                if held < 32:
                    bits, held, at, word = _refill(bits, held, at, word)
                entry = _entry(table, bits, 15)
                code_end = bits << np.uint64(entry >> 8 & 255)
                bits <<= np.uint64(entry >> 16)
                held -= entry >> 16
                zeros = entry >> 4 & 15
                category = entry & 15
                if category:
                    k += zeros
                    value = _extend(code_end, category) << shift
                    store_i16(address + OFFSETS[k], value)
                    # A shift may push all bits out of 16, which leaves a zero.
                    flag = one << np.uint64(63 - min(k, 63))
                    mask = mask | flag if value & 0xFFFF else mask & ~flag
                    k += 1
                elif zeros == 15:
                    k += 16
                else:
                    if entry & 0xFFFF == _BAD:
                        bad += 1
                    run = 1 << zeros
                    if zeros:
                        run += np.int64(bits >> np.uint64(64 - zeros))
                        bits <<= np.uint64(zeros)
                        held -= zeros
                    break
            masks[block] = mask
            used = 8 * (at - state[TARGET]) - held
            if used > 8 * length:
                block += 1
                break
            block = min(stop, block + run)
        close_segment(state, first, block - 1, used, length, bad)
        block = stop


@kernel(inline=True)
def _corrections(flags, bits, held, at, word):
    """(which coefficients of the mask `flags` their correction bits let grow, bit buffer) (T.81 G.1.2.3)."""
    grow = np.uint64(0)
    n = np.int64(popcount64(flags))
    while n > 32:
        n -= 32
        later = deposit((np.uint64(1) << np.uint64(n)) - np.uint64(1), flags)
        bits, held, at, word = _refill(bits, held, at, word)
        grow |= deposit(bits >> np.uint64(32), flags ^ later)
        bits <<= np.uint64(32)
        held -= 32
        flags = later
    if held < 32:
        bits, held, at, word = _refill(bits, held, at, word)
    grow |= deposit((bits >> np.uint64(1)) >> np.uint64(63 - n), flags)
    return grow, bits << np.uint64(n), held - n, at, word


@kernel(inline=True)
def _apply(address, grow, negative, plus):
    """Add `plus` to the magnitudes of the coefficients in the mask `grow`; zeros become negative where told."""
    while grow:
        i = ctz64(grow)
        grow &= grow - np.uint64(1)
        at = address + OFFSETS[63 - np.int64(i)]
        value = load_i16(at)
        sign = value >> 63 | -np.int64(negative >> i & np.uint64(1))
        # A bit that is set already stays; only damaged scripts repeat one.
        store_i16(at, value + ((plus & ~value ^ sign) - sign))


@kernel
def _decode_ac_refine(state, plane, masks, restart, table, first_index, last_index, shift):
    blocks = len(masks)
    block = 0
    one = np.uint64(1)
    plus = np.int64(1) << shift
    band = (~np.uint64(0) << np.uint64(63 - last_index)) & (~np.uint64(0) >> np.uint64(first_index))
    while block < blocks:
        first = block
        length, stop = _open(state, block, blocks, restart)
        if length < 0:
            block = stop
            continue
        bits = np.uint64(0)
        held = used = run = bad = np.int64(0)
        at = state[TARGET]
        word = bswap64(load_u64(at))
        while block < stop:
            mask = masks[block]
            ahead = band  # what is left of the band
            new = negative = grow = np.uint64(0)
            beyond = seen = np.int64(0)
            if run and not mask & band:
                run -= 1
                block += 1
                continue
            while ahead and not run:
                bits, held, at, word = _refill(bits, held, at, word)
                entry = _entry(table, bits, 1)
                seen |= entry
                zeros = entry >> 4 & 15
                plain = np.int64(bits << np.uint64((entry >> 16) - 1) >> np.uint64(63))
                bits <<= np.uint64(entry >> 16)
                held -= entry >> 16
                if entry & 15 == 0 and zeros != 15:
                    if entry & 0xFFFF == _BAD:
                        bad += 1
                    run = 1 << zeros
                    if zeros:
                        run += np.int64(bits >> np.uint64(64 - zeros))
                        bits <<= np.uint64(zeros)
                        held -= zeros
                    break
                target = nth_highest(ahead & ~mask, zeros)
                passed = ahead & mask & ~(target - one)
                if not target:
                    # The zeros do not suffice: a new coefficient lands behind the band.
                    if entry & 15:
                        beyond = plus if plain else -plus
                    passed = ahead & mask
                ahead &= target - one if target else np.uint64(0)
                n = np.int64(popcount64(passed))
                if n > 32:
                    grown, bits, held, at, word = _corrections(passed, bits, held, at, word)
                    grow |= grown
                else:
                    grow |= deposit((bits >> one) >> np.uint64(63 - n), passed)
                    bits <<= np.uint64(n)
                    held -= n
                if entry & 15:
                    new |= target
                    negative |= target & np.uint64(plain - 1)
            if seen & 14:
                bad += 1
            if run:
                run -= 1
                grown, bits, held, at, word = _corrections(ahead & mask, bits, held, at, word)
                grow |= grown
            _apply(plane + 128 * block, grow | new, negative, plus)
            mask |= new
            if beyond:
                k: Any = np.int64(last_index) + 1
                store_i16(plane + 128 * block + OFFSETS[k], beyond)
                mask |= one << np.uint64(63 - min(k, 63))
            masks[block] = mask
            block += 1
            used = 8 * (at - state[TARGET]) - held
            if used > 8 * length:
                break
        close_segment(state, first, block - 1, used, length, bad)
        block = stop


class ScanDecoder:
    """Decodes the scans of one progressive image into its planes. Not thread-safe.

    frame: its geometry. data: the whole file as uint8 [n]. planes: per frame component, C-contiguous int16
    [rows, columns, 8, 8], zeros at first; more rows than `Frame.blocks` says take the blocks that only fill an MCU.
    """

    def __init__(self, frame: Frame, data: np.ndarray, planes: list[np.ndarray]):
        self.frame: Frame = frame
        self.data: np.ndarray = data
        self.planes: list[np.ndarray] = planes
        self._scratch = scratch_for(data.size)
        self._addresses = data.ctypes.data, data.size, self._scratch.ctypes.data
        self._masks: dict[int, np.ndarray] = {}
        self._geometry: dict[tuple[int, ...], tuple[np.ndarray, int, int]] = {}

    def decode(self, scan: Scan, position: int) -> SegmentReport:
        """Decode one scan (`Reader.next_scan`'s, valid as such). position: offset of its first entropy-coded byte.

        Damaged data never raise: see `restarts`. Coefficients wrap to int16 like libjpeg's.
        """
        (first, last), (high, shift) = scan.spectral, scan.approximation
        if scan.components not in self._geometry:
            self._geometry[scan.components] = scan_geometry(self.frame, scan.components, self.planes)
        geometry, rows, columns = self._geometry[scan.components]
        state, restart = new_state(*self._addresses, position), scan.restart_interval
        if first == 0:
            tables = np.zeros((len(scan.components), LOOKUP_SIZE), np.int32)
            if not high:
                for i, spec in enumerate(scan.dc_tables):
                    tables[i] = decode_lookup(spec, True)
            _decode_dc(state, geometry, rows, columns, restart, tables, shift, high > 0)
        else:
            c = scan.components[0]
            if c not in self._masks:
                self._masks[c] = np.zeros(rows * columns, np.uint64)
            table = decode_lookup(scan.ac_tables[0], value_bits=1 if high else 15)
            decode = _decode_ac_refine if high else _decode_ac_first
            decode(state, int(geometry[0, ADDRESS]), self._masks[c], restart, table, first, last, shift)
        return SegmentReport(state)
