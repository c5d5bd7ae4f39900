"""Huffman decoding of sequential scans (T.81 F.2), with libjpeg's recovery from damage.

Blocks are decoded in batches of one MCU row at most. A batch is a list of slots, one a block, in scan order; the loop over
symbols runs through the whole list without a branch that depends on the data: a lookup of 11 bits gives up to two
coefficients and whether the block ends, which selects the next table. Rare cases (long codes, a coefficient 63, the end of
the batch) share one exit, since their entries advance past the block. DC differences become values when the batch is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import CorruptJpeg
from ..simd import bswap64, kernel, load_i16, load_i64, load_u8, load_u64, shift_right, store, store_i16, store_u8, store_u64, vectorized, zero
from ..types import ZIGZAG, HuffmanSpec
from .geometry import ADDRESS, COLUMNS, FIRST_ROW, LAST, ROWS, H, V
from .stuffing import END, PADDING, find_marker, locate, move_bytes, restart_offsets, unstuff

__all__ = ["DECODE_SCRATCH", "DECODE_STATE", "INSUFFICIENT", "MARKER", "POSITION", "PREDICTORS", "WARNINGS", "DecodeTables",
    "decode_mcus", "decode_rows", "decode_scan", "decode_state", "decode_tables", "finish_decode", "restart_segments", "scan_warnings"]  # fmt: skip

DATA, LENGTH = 0, 1  # address and bytes of the data
POSITION = 2  # offset of the next byte to unstuff; after `finish_decode` the offset of the marker behind the scan
MARKER = 3  # marker at POSITION: 0 not reached yet, else its code, or stuffing.END
WINDOW_BYTES, BIT = 4, 5  # unstuffed bytes in the window, bits of them consumed
SEGMENT, DROPPED = 6, 7  # offset where this restart segment started, unstuffed bytes of it that have left the window
INTERVAL, TO_GO, NEXT_RESTART = 8, 9, 10  # MCUs between restarts (0: none), MCUs left before one, its number 0..7
INSUFFICIENT = 11  # the segment's data are exhausted: MCUs stay zero until the next restart
PREDICTORS = 12  # of up to four components
LINKED = 16  # the slots in the scratch know their tables
WARNED = 17  # (count, offset of the first) of each kind
EXHAUSTED, BAD_CODE, EXTRANEOUS, RESYNC, ENDED = range(5)
_KINDS = 5
DECODE_STATE = WARNED + 2 * _KINDS

WARNINGS = (
    "entropy-coded segment ends before its last MCU",
    "invalid Huffman code",
    "extraneous bytes before a marker",
    "restart marker out of order",
    "data end without a marker",
)
"""What each kind of damage is called, in the order of the state's counters."""

BITS = 11
_AUX = 8 << BITS  # behind the entries: limits and symbol offsets of the 17 code lengths, then 256 symbols, int64 each
_TABLE_WORDS = (1 << BITS) + 18 + 18 + 256
_SLOW = 127 << 17  # advances past any block: the loop leaves

_BATCH = 120  # blocks; MCUs have at most 10
_SLOT = 32  # bytes: block address, AC table, AC table ^ DC table of the next block, last index
_WINDOW = 32 << 10
_LOW = 12 << 10  # more than any MCU takes: 10 blocks * 64 coefficients * 31 bits
_SLOTS_AT = 0
_SPARE_AT = _SLOTS_AT + (_BATCH + 1) * _SLOT  # blocks outside the picture, one for each slot
_WINDOW_AT = _SPARE_AT + _BATCH * 128
DECODE_SCRATCH = _WINDOW_AT + _WINDOW + 2 * PADDING
"""Bytes of scratch, of any content, that decoding one scan takes."""

_STOP = np.full(1 << BITS, _SLOW, np.int64)
_OFFSETS = (ZIGZAG.astype(np.uint8) * 2).astype(np.uint8)


@kernel
def _single_symbols(counts, symbols, dc, table, singles):
    """Limits, offsets and symbols of `table`; per 11 bits the first symbol: length | run << 8 | kind << 16 | value << 32.

    kind: 0 code too long, 1 coefficient, 2 end of block, 3 sixteen zeros. False where T.81 C.2 allows no such code.
    """
    entries = np.int64(1 << BITS)
    singles[:] = 0
    code = np.int64(0)
    used = np.int64(0)
    for i in range(256):
        table[entries + 36 + i] = symbols[i] if i < len(symbols) else 0
    table[entries] = 0
    table[entries + 18] = 0
    for length in range(1, 17):
        n = np.int64(counts[length - 1])
        table[entries + 18 + length] = used - code
        if used + n > len(symbols) or (n > 0 and code + n >= (np.int64(1) << length)):
            return False
        for i in range(n):
            symbol = np.int64(symbols[used + i])
            run = symbol >> 4
            size = symbol & 15
            if dc:
                if symbol > 15:
                    return False
                run = np.int64(0)
            total = length + size
            if total <= BITS:
                kind = np.int64(1) if (size > 0 or dc) else (np.int64(3) if run == 15 else np.int64(2))
                first = (code + i) << (BITS - length)
                free = BITS - total
                entry = total | run << 8 | kind << 16
                for bits in range(np.int64(1) << size):
                    value = bits
                    if size > 0 and bits < (np.int64(1) << (size - 1)):
                        value = bits - (np.int64(1) << size) + 1
                    for j in range(np.int64(1) << free):
                        singles[first + (bits << free) + j] = entry | value << 32
        code += n
        used += n
        table[entries + length] = code << (16 - length)
        code <<= 1
    table[entries + 17] = 1 << 17
    return True


@kernel
def _join_symbols(singles, following, table):
    """Entries of `table`: the first symbol, a second one and an end of block where 11 bits hold them.

    Bits 0-5 length, 6-10 and 11-16 offsets of two values from the block's next index, 17-23 advance, 24-39 and 40-55 the
    values, 63 end of block. With fewer values an offset repeats, or a zero lands where one already is.
    """
    wide = np.int64(1) << BITS
    for i in range(wide):
        e = singles[i]
        kind = (e >> 16) & 3
        if kind == 0:
            table[i] = _SLOW
            continue
        length = e & 63
        if kind == 2:
            table[i] = length | np.int64(-1) << 63
            continue
        run = (e >> 8) & 15
        value = (e >> 32) & 0xFFFF
        at = run
        advance = run + 1
        if kind == 3:
            value = np.int64(0)
            at = np.int64(0)
            advance = np.int64(16)
        at2 = at
        value2 = value
        done = np.int64(0)
        second = following[(i << length) & (wide - 1)]
        if (second >> 16) & 3 == 1 and length + (second & 63) <= BITS:
            length += second & 63
            at2 = advance + ((second >> 8) & 15)
            value2 = (second >> 32) & 0xFFFF
            advance = at2 + 1
            second = following[(i << length) & (wide - 1)]
        if (second >> 16) & 3 == 2 and length + (second & 63) <= BITS:
            length += second & 63
            done = np.int64(-1) << 63
        table[i] = length | at << 6 | at2 << 11 | advance << 17 | value << 24 | value2 << 40 | done


@kernel
def _build_pair(dc_counts, dc_symbols, ac_counts, ac_symbols, dc_table, ac_table):
    dc_singles = np.empty(1 << BITS, np.int64)
    ac_singles = np.empty(1 << BITS, np.int64)
    if not _single_symbols(dc_counts, dc_symbols, True, dc_table, dc_singles):
        return 1
    if not _single_symbols(ac_counts, ac_symbols, False, ac_table, ac_singles):
        return 2
    _join_symbols(dc_singles, ac_singles, dc_table)
    _join_symbols(ac_singles, ac_singles, ac_table)
    return 0


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(data), np.uint8)


@lru_cache(maxsize=64)
def _pair(dc: HuffmanSpec, ac: HuffmanSpec) -> np.ndarray:
    tables = np.empty((2, _TABLE_WORDS), np.int64)
    bad = _build_pair(_bytes(dc.counts), _bytes(dc.symbols), _bytes(ac.counts), _bytes(ac.symbols), tables[0], tables[1])
    if bad:
        raise CorruptJpeg(f"{'DC' if bad == 1 else 'AC'} Huffman table is not a prefix code (T.81 C.2)")
    return tables


@dataclass(frozen=True, slots=True)
class DecodeTables:
    """addresses: int64 [components + 1, 2], the DC and AC table of each scan component, then the one that ends a batch.

    `arrays` hold what they point at.
    """

    addresses: np.ndarray
    arrays: tuple[np.ndarray, ...]


@lru_cache(maxsize=64)
def decode_tables(dc: tuple[HuffmanSpec, ...], ac: tuple[HuffmanSpec, ...]) -> DecodeTables:
    """Lookup tables of a scan, cached. dc, ac: one specification per scan component.

    Raises CorruptJpeg where one is no prefix code, or a DC symbol exceeds 15. Keep the result alive while kernels use it.
    """
    arrays = tuple(_pair(d, a) for d, a in zip(dc, ac, strict=True))
    addresses = [[t[0].ctypes.data, t[1].ctypes.data] for t in arrays]
    return DecodeTables(np.array([*addresses, [_STOP.ctypes.data] * 2], np.int64), arrays)


def decode_state(data: np.ndarray, position: int, restart_interval: int = 0, next_restart: int = 0) -> np.ndarray:
    """State int64 [DECODE_STATE] of a scan whose entropy-coded data start at byte `position` of `data`.

    data: contiguous uint8 [n], kept alive by the caller. restart_interval: MCUs, 0 for none. next_restart: number 0..7 of
    the first RSTn expected, other than 0 when decoding starts at a later restart segment.
    """
    state = np.zeros(DECODE_STATE, np.int64)
    state[DATA], state[LENGTH] = data.ctypes.data, data.size
    state[POSITION] = state[SEGMENT] = position
    state[INTERVAL] = state[TO_GO] = restart_interval
    state[NEXT_RESTART] = next_restart
    return state


@vectorized
def _clear_block(address):
    blank = zero(address, 32, 8)
    for i in range(4):
        store(address + 32 * i, blank)


@kernel(inline=True)
def _word(address):
    return np.int64(bswap64(load_u64(address)))


@kernel
def _warn(state, kind, offset):
    if state[WARNED + 2 * kind] == 0:
        state[WARNED + 2 * kind + 1] = offset
    state[WARNED + 2 * kind] += 1


@kernel
def _long_symbol(w, table):
    """(symbol, bits of its code) by comparing with the limit of each length; (0, 17) where no code matches."""
    top = shift_right(w, 48)
    aux = table + _AUX
    length = np.int64(1)
    while top >= load_i64(aux + 8 * length):
        length += 1
    if length > 16:
        return np.int64(0), np.int64(17)
    index = shift_right(top, 16 - length) + load_i64(aux + 8 * (18 + length))
    return load_i64(aux + 8 * (36 + index)), length


@kernel(inline=True)
def _extend(bits, size):
    return bits if bits >= (np.int64(1) << (size - 1)) else bits - (np.int64(1) << size) + 1


@kernel
def _decode_slots(slot, table, window, window_bytes, bit, stop, patient):
    """Decode the blocks of a list of slots that ends in the `stop` table, from bit `bit` of the window.

    Returns (bit, overrun, invalid codes). Without `patient`, an overrun of the window ends it at once; with it, zero bits
    follow for ever, as libjpeg supplies them.
    """
    zigzag = _OFFSETS.ctypes.data
    limit = window + window_bytes + 24
    p = window + (bit >> 3)
    w = _word(p) << (bit & 7)
    count = 56 - (bit & 7)
    p += 7
    ahead = _word(p)
    k = np.int64(0)
    overrun = np.int64(0)
    invalid = np.int64(0)
    while True:
        while True:
            w |= shift_right(ahead, count)
            p += (63 - count) >> 3
            count |= 56
            ahead = _word(p)
            if p > limit:
                break
            e = load_i64(table + (shift_right(w, 64 - BITS) << 3))
            after = k + ((e >> 17) & 127)
            if after > 63:
                break
            block = load_i64(slot)
            store_i16(block + np.int64(load_u8(zigzag + k + ((e >> 6) & 31))), e >> 24)
            store_i16(block + np.int64(load_u8(zigzag + k + ((e >> 11) & 63))), e >> 40)
            store_u8(slot + 24, after - 1)
            ends = e >> 63
            w <<= e & 63
            count -= e & 63
            k = after & ~ends
            table = load_i64(slot + 8) ^ (load_i64(slot + 16) & ends)
            slot -= ends << 5
        if p > limit:
            overrun = np.int64(1)
            if not patient:
                break
            p = limit - 16
            ahead = np.int64(0)
            continue
        if table == stop:
            break
        block = load_i64(slot)
        symbol, length = _long_symbol(w, table)
        if length > 16:
            invalid += 1
        size = symbol & 15
        value = np.int64(0)
        if size > 0:
            value = _extend(shift_right(w << length, 64 - size), size)
        w <<= length + size
        count -= length + size
        if k == 0:
            store_i16(block, value)
            store_u8(slot + 24, 0)
            k = np.int64(1)
            table = load_i64(slot + 8)
            continue
        k += symbol >> 4
        if size > 0:
            k = min(k, np.int64(63))
            store_i16(block + np.int64(load_u8(zigzag + k)), value)
            store_u8(slot + 24, k)
        elif symbol != 0xF0:
            k = np.int64(63)
        k += 1
        if k > 63:
            k = np.int64(0)
            table = load_i64(slot + 8) ^ load_i64(slot + 16)
            slot += _SLOT
    return ((p - window) << 3) - count, overrun, invalid


@kernel
def _place_slots(scan, wide, mcu, n, per_mcu, slots, spare):
    """Point the slots of `n` MCUs of one row at their zeroed blocks; those outside the picture at `spare` ones."""
    row, column = mcu // wide, mcu % wide
    first = np.int64(0)
    for c in range(scan.shape[0]):
        h, v, columns = scan[c, H], scan[c, V], scan[c, COLUMNS]
        for y in range(v):
            at_row = row * v + y
            line = scan[c, ADDRESS] + (at_row - scan[c, FIRST_ROW]) * columns * 128
            for x in range(h):
                at = column * h + x
                real = np.int64(0)
                if at_row < scan[c, ROWS]:
                    real = min(n, max((columns - at + h - 1) // h, np.int64(0)))
                block = line + at * 128
                slot = first
                for _ in range(real):
                    store_u64(slots + slot * _SLOT, block)
                    _clear_block(block)
                    block += h * 128
                    slot += per_mcu
                for _ in range(real, n):
                    store_u64(slots + slot * _SLOT, spare + slot * 128)
                    slot += per_mcu
                first += 1


@kernel
def _finish_slots(scan, wide, mcu, n, per_mcu, slots, state, blank):
    """Turn the DC differences of a batch into values and write the last indices; `blank`: blocks left zero."""
    row, column = mcu // wide, mcu % wide
    first = np.int64(0)
    for c in range(scan.shape[0]):
        h, v, columns = scan[c, H], scan[c, V], scan[c, COLUMNS]
        if not blank:
            value = state[PREDICTORS + c]
            for m in range(n):
                slot = slots + (m * per_mcu + first) * _SLOT
                for _ in range(h * v):
                    block = load_i64(slot)
                    value += load_i16(block)
                    store_i16(block, value)
                    slot += _SLOT
            state[PREDICTORS + c] = value
        if scan[c, LAST] != 0:
            for y in range(v):
                at_row = row * v + y
                if at_row >= scan[c, ROWS]:
                    break
                line = scan[c, LAST] + (at_row - scan[c, FIRST_ROW]) * columns
                for x in range(h):
                    at = column * h + x
                    slot = slots + (first + y * h + x) * _SLOT + 24
                    for _ in range(min(n, (columns - at + h - 1) // h)):
                        store_u8(line + at, np.uint64(0) if blank else load_u8(slot))
                        at += h
                        slot += per_mcu * _SLOT
        first += h * v


@kernel
def _link_slots(scan, tables, per_mcu, slots):
    """The tables of a full list of slots; they repeat every MCU."""
    slot = np.int64(0)
    while slot + per_mcu <= _BATCH:
        for c in range(scan.shape[0]):
            blocks = scan[c, H] * scan[c, V]
            following = tables[(c + 1) % scan.shape[0], 0]
            for i in range(blocks):
                at = slots + slot * _SLOT
                store_u64(at + 8, tables[c, 1])
                store_u64(at + 16, tables[c, 1] ^ (following if i == blocks - 1 else tables[c, 0]))
                slot += 1


@kernel
def _note_end(state):
    if state[MARKER] == END and state[WARNED + 2 * ENDED] == 0:
        _warn(state, ENDED, state[LENGTH])


@kernel
def _fill_window(state, window):
    """Drop what has been consumed, unstuff what fits."""
    consumed = state[BIT] >> 3
    left = state[WINDOW_BYTES] - consumed
    move_bytes(window + consumed, left, window)
    state[DROPPED] += consumed
    state[BIT] &= 7
    written, state[POSITION], state[MARKER] = unstuff(
        state[DATA], state[POSITION], state[LENGTH], window + left, _WINDOW - left
    )
    state[WINDOW_BYTES] = left + written
    _note_end(state)


@kernel
def _decode_batch(scan, wide, mcu, n, per_mcu, tables, state, slots, spare, window, patient):
    """Decode n MCUs of one row; False where the window ended first and nothing has been consumed."""
    _place_slots(scan, wide, mcu, n, per_mcu, slots, spare)
    stop = tables[scan.shape[0], 0]
    link = slots + (n * per_mcu - 1) * _SLOT + 16
    linked = load_i64(link)
    store_u64(link, tables[scan.shape[0] - 1, 1] ^ stop)
    bit, overrun, invalid = _decode_slots(slots, tables[0, 0], window, state[WINDOW_BYTES], state[BIT], stop, patient)
    store_u64(link, linked)
    if overrun != 0 or bit > state[WINDOW_BYTES] << 3:
        if not patient:
            return False
        state[INSUFFICIENT] = 1
        _warn(state, EXHAUSTED, state[POSITION])
        bit = state[WINDOW_BYTES] << 3
    if invalid != 0:
        if state[WARNED + 2 * BAD_CODE] == 0:  # only the first one is looked for: it takes time in proportion to the data
            at = state[DROPPED] + (state[BIT] >> 3)
            state[WARNED + 2 * BAD_CODE + 1] = locate(state[DATA], state[SEGMENT], state[LENGTH], at)
        state[WARNED + 2 * BAD_CODE] += invalid
    state[BIT] = bit
    _finish_slots(scan, wide, mcu, n, per_mcu, slots, state, False)
    return True


@kernel
def _seek_marker(state):
    """Go to the marker that ends the segment; whole bytes that nobody consumed are extraneous."""
    unused = state[WINDOW_BYTES] - ((state[BIT] + 7) >> 3)
    if state[MARKER] == 0:
        start = state[POSITION]
        state[POSITION], state[MARKER] = find_marker(state[DATA], start, state[LENGTH])
        unused += state[POSITION] - start
        _note_end(state)
    if unused > 0 and state[INSUFFICIENT] == 0:
        _warn(state, EXTRANEOUS, state[POSITION] - unused)
    state[WINDOW_BYTES] = 0
    state[BIT] = 0


@kernel
def _restart(state):
    """Pass the restart marker that is due, or recover as libjpeg does (jdmarker's default resynchronisation)."""
    _seek_marker(state)
    marker = state[MARKER]
    due = state[NEXT_RESTART]
    take = marker == 0xD0 + due
    if not take:
        _warn(state, RESYNC, state[POSITION])
        while True:
            ahead = (marker - 0xD0 - due) & 7
            if marker >= 0xC0 and (marker < 0xD0 or marker > 0xD7 or ahead == 1 or ahead == 2):
                break
            if marker >= 0xC0 and ahead != 6 and ahead != 7:
                take = True
                break
            state[POSITION], marker = find_marker(state[DATA], state[POSITION] + 2, state[LENGTH])
            state[MARKER] = marker
            _note_end(state)
    state[MARKER] = 0
    if take:
        state[POSITION] += 2
        state[INSUFFICIENT] = 0
    state[SEGMENT] = state[POSITION]
    state[DROPPED] = 0
    state[NEXT_RESTART] = (due + 1) & 7
    state[TO_GO] = state[INTERVAL]
    for c in range(4):
        state[PREDICTORS + c] = 0


@kernel
def _prepare(state, window):
    """Have the bytes of any one MCU in the window, unless the segment ends there."""
    if state[MARKER] == 0 and state[WINDOW_BYTES] - (state[BIT] >> 3) < _LOW:
        _fill_window(state, window)


@kernel
def decode_mcus(
    scan: np.ndarray, mcus_wide: int, first: int, last: int, tables: np.ndarray, state: np.ndarray, scratch: np.ndarray
) -> int:
    """Decode MCUs first..last-1 of a scan into the blocks that its geometry names; returns the warnings so far.

    scan: int64 [components, FIELDS], see geometry.py; it may point elsewhere from call to call, its shape stays. MCUs are
    numbered in scan order, `mcus_wide` a row; calls follow one another without gaps. tables: DecodeTables.addresses. state:
    from `decode_state`. scratch: uint8 [DECODE_SCRATCH], the state's own from its first call to `finish_decode`.

    Every block is written, zeros where data are missing. Where LAST is set, no nonzero coefficient of a block lies behind
    the zigzag index written there (it may be larger than needed). Damage never raises: it is counted in `state`. Work is
    bounded by the MCUs asked for and by the data.
    """
    slots = scratch.ctypes.data + _SLOTS_AT
    spare = scratch.ctypes.data + _SPARE_AT
    window = scratch.ctypes.data + _WINDOW_AT
    per_mcu = np.int64(0)
    for c in range(scan.shape[0]):
        per_mcu += scan[c, H] * scan[c, V]
    if state[LINKED] == 0:
        _link_slots(scan, tables, per_mcu, slots)
        state[LINKED] = 1
    mcu = np.int64(first)
    while mcu < last:
        n = min(last - mcu, mcus_wide - mcu % mcus_wide, _BATCH // per_mcu)
        if state[INTERVAL] > 0:
            if state[TO_GO] == 0:
                _restart(state)
            n = min(n, state[TO_GO])
            state[TO_GO] -= n
        if state[INSUFFICIENT] == 0:
            _prepare(state, window)
            if _decode_batch(scan, mcus_wide, mcu, n, per_mcu, tables, state, slots, spare, window, False):
                mcu += n
                continue
        for _ in range(n):
            if state[INSUFFICIENT] == 0:
                _prepare(state, window)
                _decode_batch(scan, mcus_wide, mcu, 1, per_mcu, tables, state, slots, spare, window, True)
            else:
                _place_slots(scan, mcus_wide, mcu, 1, per_mcu, slots, spare)
                _finish_slots(scan, mcus_wide, mcu, 1, per_mcu, slots, state, True)
            mcu += 1
    warnings = np.int64(0)
    for kind in range(_KINDS):
        warnings += state[WARNED + 2 * kind]
    return warnings


@kernel
def decode_rows(
    scan: np.ndarray, mcus_wide: int, row0: int, row1: int, tables: np.ndarray, state: np.ndarray, scratch: np.ndarray
) -> int:
    """`decode_mcus` for the MCU rows row0..row1-1."""
    return decode_mcus(scan, mcus_wide, row0 * mcus_wide, row1 * mcus_wide, tables, state, scratch)


@kernel
def finish_decode(state: np.ndarray) -> int:
    """Go behind the scan: position of the marker that ends it, or the data's length. Its code is in state[MARKER]."""
    _seek_marker(state)
    return state[POSITION]


def scan_warnings(state: np.ndarray) -> list[tuple[str, int, int]]:
    """What was wrong with the scan: (message, times, byte offset of the first one); empty for an undamaged scan."""
    found = state[WARNED:].reshape(_KINDS, 2).tolist()
    return [(message, count, offset) for message, (count, offset) in zip(WARNINGS, found, strict=True) if count]


def restart_segments(data: np.ndarray, position: int, restart_interval: int, mcus: int) -> np.ndarray | None:
    """Offsets int64 [n] where the restart segments of a scan start, to decode them apart; None unless all is regular.

    data: contiguous uint8 [n]. position: of the scan's first entropy-coded byte. mcus: of the whole scan.
    Segment i holds MCUs i*restart_interval and on, and is decoded from `decode_state(data, offsets[i], restart_interval,
    i & 7)`. Where `finish_decode` then warns, decode the whole scan serially instead: recovery looks across segments.
    """
    count = -(-mcus // restart_interval) if restart_interval else 1
    offsets = np.empty(min(count + 1, data.size), np.int64)
    found, _, marker = restart_offsets(data.ctypes.data, position, data.size, offsets)
    return offsets[:count] if found == count and marker != END else None


def decode_scan(
    scan: np.ndarray,
    mcu_rows: int,
    mcus_wide: int,
    tables: DecodeTables,
    data: np.ndarray,
    position: int,
    restart_interval: int = 0,
    scratch: np.ndarray | None = None,
) -> np.ndarray:
    """Decode one whole scan into the planes behind `scan` (see `scan_geometry`); returns its final state.

    data: contiguous uint8 [n]; position: of its first entropy-coded byte. state[POSITION] is then the offset of the marker
    behind the scan and `scan_warnings(state)` what was wrong.
    """
    state = decode_state(data, position, restart_interval)
    scratch = np.empty(DECODE_SCRATCH, np.uint8) if scratch is None else scratch
    decode_rows(scan, mcus_wide, 0, mcu_rows, tables.addresses, state, scratch)
    finish_decode(state)
    return state
