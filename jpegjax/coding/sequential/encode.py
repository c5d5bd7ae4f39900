"""Huffman encoding of sequential scans (T.81 F.1.2).

Three passes over a batch of blocks, none of which branches on the data in the common case: blocks become a list of code
words (one table lookup for each nonzero coefficient: run and int8 value give code, value bits and length), the list
becomes bits, the bits of a MCU row get their stuffing on the way out.
"""

from __future__ import annotations

import numpy as np

from ...simd import (
    Int,
    bitcast_mask,
    bswap64,
    clz64,
    ctz64,
    join,
    kernel,
    load,
    load_i16,
    load_i64,
    load_u8,
    load_u32,
    load_u64,
    pack_i8,
    popcount64,
    shift_right,
    store,
    store_u8,
    store_u32,
    store_u64,
    vectorized,
    zero,
)  # fmt: skip
from ...types import ZIGZAG
from ..geometry import H, V, place_blocks
from ..stuffing import PADDING, stuff
from .code_words import AC_AUX, DC_AUX, DC_REACH, EncodeTables, encode_tables

__all__ = [
    "ENCODE_STATE", "ERROR", "ERRORS", "WRITTEN", "EncodeTables", "encode_rows", "encode_scan", "encode_state",
    "encode_tables", "finish_encode", "row_bytes", "scratch_bytes",
]  # fmt: skip

WRITTEN = 0  # bytes in `out`
BITS, PENDING = 1, 2  # fewer than 8 bits that wait for a byte, how many
INTERVAL, TO_GO, NEXT_RESTART = 3, 4, 5  # MCUs between restarts (0: none), MCUs left before one, its number 0..7
ERROR = 6  # index into ERRORS
PREDICTORS = 7  # of up to four components
ENCODE_STATE = PREDICTORS + 4

ERRORS = ("", "a quantised coefficient is out of the process's range", "a Huffman table has no code for a symbol")
"""What state[ERROR] says."""

_BATCH = 96  # blocks
_SLOT = 32  # bytes: block address (0: outside the picture), DC table, AC table, address of the predictor
_WORDS = 132  # of one block at most: two for DC, two or a ZRL for each AC, an end of block, room to run over
_BLOCK_BYTES = 248  # at most: 64 coefficients of 16 + 15 bits
_ZIGZAG_AT = 0
_SLOTS_AT = 128
_WORDS_AT = _SLOTS_AT + _BATCH * _SLOT
_BITS_AT = _WORDS_AT + 4 * _BATCH * _WORDS


def encode_state(restart_interval: int = 0, written: int = 0) -> np.ndarray:
    """State int64 [ENCODE_STATE] of a scan. restart_interval: MCUs, 0 for none; written: bytes already in `out`."""
    state = np.zeros(ENCODE_STATE, np.int64)
    state[WRITTEN] = written
    state[INTERVAL] = state[TO_GO] = restart_interval
    return state


@kernel
def row_bytes(scan: np.ndarray, mcus_wide: int):
    """Room in `out` that encoding one MCU row never exceeds, restart markers and 64 bytes of slack included."""
    blocks = np.int64(0)
    for c in range(scan.shape[0]):
        blocks += scan[c, H] * scan[c, V]
    return mcus_wide * (2 * _BLOCK_BYTES * blocks + 4) + 2 * PADDING


@kernel
def scratch_bytes(scan: np.ndarray, mcus_wide: int) -> int:
    """Bytes of scratch that `encode_rows` needs, of any content."""
    return _BITS_AT + row_bytes(scan, mcus_wide) // 2 + 2 * PADDING


def _natural_to_zigzag() -> list[int]:
    """Lanes of four packed 16-lane vectors, which hold 128-bit lanes of a, b, a, b, in zigzag order."""
    packed = [0, 2, 1, 3, 4, 6, 5, 7]
    return [8 * packed.index(n // 8) + n % 8 for n in ZIGZAG.tolist()]


@vectorized
def _zigzag_block(block, target) -> Int:
    """Store the block as int8 [64] in zigzag order, saturated; returns the mask of its nonzero lanes."""
    rows = [load(block + 32 * i, 16, 16) for i in range(4)]
    packed = join(pack_i8(rows[0], rows[1]), pack_i8(rows[2], rows[3])).shuffle(_natural_to_zigzag())
    store(target, packed)
    return bitcast_mask(packed.compare("!=", 0))


@vectorized
def _clear_behind(target):
    store(target + 64, zero(target, 32, 8))


@kernel(inline=True)
def _category(value):
    return 64 - np.int64(clz64(abs(value)))


@kernel
def _put_value(words, word, value, size):
    """Append a code and, apart, its value bits."""
    store_u32(words, word)
    if size > 0:
        bits = value if value > 0 else value + (np.int64(1) << size) - 1
        store_u32(words + 4, bits << 5 | size)
        return words + 8
    return words + 4


@kernel
def _long_difference(difference, dc, words):
    """Code words of any DC difference; a negative error where there are none."""
    size = _category(difference)
    if size > np.int64(load_u32(dc + DC_AUX + 1024)):
        return np.int64(-1)
    word = np.int64(load_u32(dc + DC_AUX + 4 * size))
    return _put_value(words, word, difference, size) if word != 0 else np.int64(-2)


@kernel
def _long_coefficient(block, at, run, ac, words):
    """Code words of any nonzero AC coefficient, at zigzag index `at` after `run` zeros; a negative error for none."""
    ac += AC_AUX
    value = load_i16(block + 2 * np.int64(ZIGZAG[at]))
    size = _category(value)
    if size > np.int64(load_u32(ac + 1024)):
        return np.int64(-1)
    skip = load_u32(ac + 4 * 0xF0)
    word = np.int64(load_u32(ac + 4 * ((run & 15) << 4 | size)))
    if word == 0 or (run > 15 and skip == 0):
        return np.int64(-2)
    for _ in range(run >> 4):
        store_u32(words, skip)
        words += 4
    return _put_value(words, word, value, size)


@kernel
def _list_words(slot, n, zigzag, words):
    """Code words of the blocks in n slots: the address behind the last word, or a negative error."""
    _clear_behind(zigzag)
    for _ in range(n):
        block = load_i64(slot)
        dc = load_i64(slot + 8)
        ac = load_i64(slot + 16)
        predictor = load_i64(slot + 24)
        slot += _SLOT
        if block == 0:
            store_u32(words, load_u32(dc + 4 * DC_REACH))
            store_u32(words + 4, load_u32(ac + AC_AUX))
            if load_u32(words) == 0 or load_u32(words + 4) == 0:
                return np.int64(-2)
            words += 8
            continue
        mask = np.int64(_zigzag_block(block, zigzag)) & ~np.int64(1)
        value = load_i16(block)
        difference = value - load_i64(predictor)
        store_u64(predictor, value)
        word = np.int64(0)
        if abs(difference) < DC_REACH:
            word = np.int64(load_u32(dc + 4 * (DC_REACH + difference)))
        if word != 0:
            store_u32(words, word)
            words += 4
        else:
            words = _long_difference(difference, dc, words)
            if words < 0:
                return words
        end = words + 4 * np.int64(popcount64(mask))
        previous = np.int64(0)
        while mask != 0:
            for _ in range(4):
                at = np.int64(ctz64(mask))
                mask &= mask - 1
                value = np.int64(load_u8(zigzag + at))
                step = at - previous
                previous = at
                word = np.int64(load_u32(ac + ((step << 8 | value) << 2)))
                if word == 0:
                    end -= words + 4
                    words = _long_coefficient(block, at, step - 1, ac, words)
                    if words < 0:
                        return words
                    end += words
                    break
                store_u32(words, word)
                words += 4
        words = end
        if load_u8(zigzag + 63) == 0:
            word = np.int64(load_u32(ac + AC_AUX))
            if word == 0:
                return np.int64(-2)
            store_u32(words, word)
            words += 4
    return words


@kernel
def _pack_words(words, end, bits, pending, target):
    """Append code words to a bit string of `pending` bits: (bits, pending, address of the next byte).

    Writes up to 8 bytes from `target` on; a word is read behind an odd list.
    """
    store_u32(end, 0)
    while words < end:
        pair = np.int64(load_u64(words))
        words += 8
        second = shift_right(pair, 32)
        first_length = pair & 31
        second_length = second & 31
        both = ((pair & 0xFFFFFFFF) >> 5) << second_length | second >> 5
        bits = bits << (first_length + second_length) | both
        pending += first_length + second_length
        store_u64(target, bswap64(bits << ((64 - pending) & 63)))
        target += pending >> 3
        pending &= 7
    return bits, pending, target


@kernel
def _link_slots(scan, codes, per_mcu, state, slots):
    """Tables and predictors of a full list of slots; they repeat every MCU."""
    slot = np.int64(0)
    while slot + per_mcu <= _BATCH:
        for c in range(scan.shape[0]):
            for _ in range(scan[c, H] * scan[c, V]):
                at = slots + slot * _SLOT
                store_u64(at + 8, codes[c, 0])
                store_u64(at + 16, codes[c, 1])
                store_u64(at + 24, state.ctypes.data + 8 * (PREDICTORS + c))
                slot += 1


@kernel
def _pad_bits(bits, pending, target):
    """Fill the last byte with ones (T.81 F.1.2.3): the address behind it."""
    if pending > 0:
        store_u8(target, (bits << (8 - pending)) | ((np.int64(1) << (8 - pending)) - 1))
        target += 1
    return target


@kernel
def _encode_row(scan, wide, mcu, last, per_mcu, state, scratch, out, capacity):
    """Encode MCUs mcu..last-1 of one row: 1 done, 0 no room in `out`, negative an error. scratch, out: addresses."""
    slots, zigzag = scratch + _SLOTS_AT, scratch + _ZIGZAG_AT
    words, base = scratch + _WORDS_AT, scratch + _BITS_AT
    bits, pending, written = state[BITS], state[PENDING], state[WRITTEN]
    target = base
    while mcu < last:
        n = min(last - mcu, _BATCH // per_mcu)
        if state[INTERVAL] > 0:
            if state[TO_GO] == 0:
                count = _pad_bits(bits, pending, target) - base
                if written + 2 * count + PADDING + 2 > capacity:
                    return np.int64(0)
                written += stuff(base, count, out + written)
                store_u8(out + written, 0xFF)
                store_u8(out + written + 1, 0xD0 + state[NEXT_RESTART])
                written += 2
                target = base
                bits = pending = np.int64(0)
                state[NEXT_RESTART] = (state[NEXT_RESTART] + 1) & 7
                state[TO_GO] = state[INTERVAL]
                for c in range(scan.shape[0]):
                    state[PREDICTORS + c] = 0
            n = min(n, state[TO_GO])
            state[TO_GO] -= n
        place_blocks(scan, wide, mcu, n, slots, np.int64(_SLOT))
        end = _list_words(slots, n * per_mcu, zigzag, words)
        if end < 0:
            return end
        bits, pending, target = _pack_words(words, end, bits, pending, target)
        mcu += n
    count = target - base
    if written + 2 * count + PADDING > capacity:
        return np.int64(0)
    state[WRITTEN] = written + stuff(base, count, out + written)
    state[BITS] = bits & 255
    state[PENDING] = pending
    return np.int64(1)


@kernel
def encode_rows(
    scan: np.ndarray, mcus_wide: int, row0: int, row1: int, codes: np.ndarray, state: np.ndarray, scratch: np.ndarray,
    out: np.ndarray,
) -> int:  # fmt: skip
    """Encode MCU rows row0..row1-1 of a scan; returns the row reached: row1, or less where `out` is full, or -1.

    scan: int64 [components, FIELDS], see geometry.py. codes: EncodeTables.addresses. state: from `encode_state`.
    scratch: uint8 [scratch_bytes(scan, mcus_wide)]. out: uint8 [n], written from state[WRITTEN] on.

    Where `out` is full, go on from the row returned with a longer `out` of the same beginning; room for `row_bytes`
    always takes one row more. On -1, state[ERROR] is 1 for a coefficient out of range, 2 for a symbol without a code.
    Blocks that only complete an MCU are coded as zero difference and end of block (T.81 A.2.4).
    """
    memory = np.int64(scratch.ctypes.data)
    per_mcu = np.int64(0)
    for c in range(scan.shape[0]):
        per_mcu += scan[c, H] * scan[c, V]
    _link_slots(scan, codes, per_mcu, state, memory + _SLOTS_AT)
    before = np.empty(ENCODE_STATE, np.int64)
    for row in range(row0, row1):
        for i in range(ENCODE_STATE):  # with a slice numba compiles the messages of its errors too, for a second
            before[i] = state[i]
        done = _encode_row(
            scan, mcus_wide, row * mcus_wide, (row + 1) * mcus_wide, per_mcu, state, memory, out.ctypes.data, out.size
        )
        if done != 1:
            for i in range(ENCODE_STATE):
                state[i] = before[i]
            if done < 0:
                state[ERROR] = -done
                return -1
            return row
    return row1


@kernel
def finish_encode(state: np.ndarray, out: np.ndarray) -> int:
    """Pad the last byte with ones and write it, without EOI: the bytes in `out`, or -1 where it lacks room for two."""
    if out.size - state[WRITTEN] < 2:
        return -1
    if state[PENDING] > 0:
        at = out.ctypes.data + state[WRITTEN]
        _pad_bits(state[BITS], state[PENDING], at)
        state[WRITTEN] += 1
        if load_u8(at) == 0xFF:
            store_u8(at + 1, 0)
            state[WRITTEN] += 1
        state[PENDING] = 0
    return state[WRITTEN]


def encode_scan(
    scan: np.ndarray, mcu_rows: int, mcus_wide: int, tables: EncodeTables, restart_interval: int = 0
) -> bytes:
    """Entropy-coded data of a whole scan, restart markers included, from the planes behind `scan` (`scan_geometry`).

    Raises ValueError where a coefficient is out of range, or a table lacks a symbol.
    """
    state = encode_state(restart_interval)
    need = row_bytes(scan, mcus_wide)
    scratch = np.empty(scratch_bytes(scan, mcus_wide), np.uint8)
    out = np.empty(need + mcus_wide * mcu_rows * 32, np.uint8)
    row = 0
    while True:
        row = encode_rows(scan, mcus_wide, row, mcu_rows, tables.addresses, state, scratch, out)
        if row < 0:
            raise ValueError(ERRORS[state[ERROR]])
        if row == mcu_rows and finish_encode(state, out) >= 0:
            return out[: state[WRITTEN]].tobytes()
        out = np.concatenate([out, np.empty(need + out.size // 2, np.uint8)])
