"""Huffman decoding of sequential scans (T.81 F.2): unstuffing by windows, restarts, libjpeg's recovery from damage."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...simd import kernel, load_i64, store_u64
from ..geometry import H, V
from ..restarts import (
    BAD_CODE,
    DAMAGE_FIELDS,
    ENDED,
    EXHAUSTED,
    EXTRANEOUS,
    WARNINGS,
    note,
    note_end,
    resync,
    scan_notes,
    scan_warnings,
)
from ..stuffing import END, PADDING, find_marker, locate, move_bytes, restart_offsets, unstuff
from .batch import BATCH, SLOT, decode_slots, finish_slots, link_slots, place_slots
from .lookup import DecodeTables, decode_tables

__all__ = [
    "DECODE_SCRATCH", "DECODE_STATE", "ENDED", "EXHAUSTED", "INSUFFICIENT", "MARKER", "POSITION", "PREDICTORS", "WARNINGS",
    "DecodeTables", "decode_mcus", "decode_rows", "decode_scan", "decode_state", "decode_tables", "finish_decode",
    "restart_segments", "scan_notes", "scan_warnings",
]  # fmt: skip

# State of a scan, int64 [DECODE_STATE], behind what `restarts` notes of its damage.
DATA, LENGTH = DAMAGE_FIELDS, DAMAGE_FIELDS + 1  # address and bytes of the data
POSITION = (
    DATA + 2
)  # offset of the next byte to unstuff; after `finish_decode` the offset of the marker behind the scan
MARKER = DATA + 3  # marker at POSITION: 0 not reached yet, else its code, or stuffing.END
WINDOW_BYTES, BIT = DATA + 4, DATA + 5  # unstuffed bytes in the window, bits of them consumed
SEGMENT, DROPPED = DATA + 6, DATA + 7  # offset where this segment started, its unstuffed bytes that left the window
INTERVAL, TO_GO = DATA + 8, DATA + 9  # MCUs between restarts (0: none), MCUs left before one
NEXT_RESTART = DATA + 10  # its number 0..7
INSUFFICIENT = DATA + 11  # the segment's data are exhausted: MCUs stay zero until the next restart
PREDICTORS = DATA + 12  # of up to four components
LINKED = DATA + 16  # the slots in the scratch know their tables
DECODE_STATE = DATA + 17

_WINDOW = 32 << 10
_LOW = 16 << 10  # more than any MCU takes: 64 blocks of 64 coefficients of 31 bits
_SLOTS_AT = 0
_SPARE_AT = _SLOTS_AT + (BATCH + 1) * SLOT  # blocks outside the picture, one for each slot
_WINDOW_AT = _SPARE_AT + BATCH * 128
DECODE_SCRATCH = _WINDOW_AT + _WINDOW + 2 * PADDING
"""Bytes of scratch, of any content, that decoding one scan takes."""


def decode_state(data: np.ndarray, position: int, restart_interval: int = 0, next_restart: int = 0) -> np.ndarray:
    """State int64 [DECODE_STATE] of a scan whose entropy-coded data start at byte `position` of `data`.

    data: contiguous uint8 [n], kept alive by the caller. restart_interval: MCUs, 0 for none. next_restart: number 0..7
    of the first RSTn expected, other than 0 when decoding starts at a later restart segment.
    """
    state = np.zeros(DECODE_STATE, np.int64)
    state[DATA], state[LENGTH] = data.ctypes.data, data.size
    state[POSITION] = state[SEGMENT] = position
    state[INTERVAL] = state[TO_GO] = restart_interval
    state[NEXT_RESTART] = next_restart
    return state


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
    note_end(state, state[MARKER], state[LENGTH])


@kernel
def _decode_batch(scan, wide, mcu, n, per_mcu, tables, state, scratch, patient):
    """Decode n MCUs of one row; False where the window ended first and nothing has been consumed. scratch: address."""
    slots, window = scratch + _SLOTS_AT, scratch + _WINDOW_AT
    place_slots(scan, wide, mcu, n, per_mcu, slots, scratch + _SPARE_AT)
    stop = tables[scan.shape[0], 0]
    link = slots + (n * per_mcu - 1) * SLOT + 16
    linked = load_i64(link)
    store_u64(link, tables[scan.shape[0] - 1, 1] ^ stop)
    bit, overrun, invalid = decode_slots(slots, tables[0, 0], window, state[WINDOW_BYTES], state[BIT], stop, patient)
    store_u64(link, linked)
    if overrun != 0 or bit > state[WINDOW_BYTES] << 3:
        if not patient:
            return False
        state[INSUFFICIENT] = 1
        note(state, EXHAUSTED, state[POSITION])
        bit = state[WINDOW_BYTES] << 3
    if invalid != 0:
        at = np.int64(0)
        if state[2 * BAD_CODE] == 0:  # looked for once: it takes time in proportion to the data
            at = locate(state[DATA], state[SEGMENT], state[LENGTH], state[DROPPED] + (state[BIT] >> 3))
        note(state, BAD_CODE, at, invalid)
    state[BIT] = bit
    finish_slots(scan, wide, mcu, n, per_mcu, slots, state[PREDICTORS:], np.int64(0))
    return True


@kernel
def _seek_marker(state):
    """Go to the marker that ends the segment; whole bytes that nobody consumed are extraneous."""
    unused = state[WINDOW_BYTES] - ((state[BIT] + 7) >> 3)
    if state[MARKER] == 0:
        start = state[POSITION]
        state[POSITION], state[MARKER] = find_marker(state[DATA], start, state[LENGTH])
        unused += state[POSITION] - start
        note_end(state, state[MARKER], state[LENGTH])
    if unused > 0 and state[INSUFFICIENT] == 0:
        note(state, EXTRANEOUS, state[POSITION] - unused)
    state[WINDOW_BYTES] = 0
    state[BIT] = 0


@kernel
def _restart(state):
    """Pass the restart marker that is due, or recover as libjpeg does."""
    _seek_marker(state)
    due = state[NEXT_RESTART]
    state[POSITION], _, passed = resync(state[DATA], state[LENGTH], state[POSITION], state[MARKER], due, state)
    state[MARKER] = 0
    if passed:
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
) -> Any:
    """Decode MCUs first..last-1 of a scan into the blocks that its geometry names; returns the warnings so far.

    scan: int64 [components, FIELDS], see geometry.py; it may point elsewhere from call to call, its shape stays. MCUs
    are numbered in scan order, `mcus_wide` a row; calls follow one another without gaps. tables:
    DecodeTables.addresses. state: from `decode_state`. scratch: uint8 [DECODE_SCRATCH], the state's own from its first
    call to `finish_decode`.

    Every block is written, zeros where data are missing. Where LAST is set, no nonzero coefficient of a block lies
    behind the zigzag index written there (it may be larger than needed). Damage never raises: it is counted in `state`.
    Work is bounded by the MCUs asked for and by the data.
    """
    memory = np.int64(scratch.ctypes.data)
    slots, window = memory + _SLOTS_AT, memory + _WINDOW_AT
    per_mcu = np.int64(0)
    for c in range(scan.shape[0]):
        per_mcu += scan[c, H] * scan[c, V]
    if state[LINKED] == 0:
        link_slots(scan, tables, per_mcu, slots)
        state[LINKED] = 1
    no, yes, one = np.int64(0), np.int64(1), np.int64(1)  # literals would be compiled apart
    mcu = np.int64(first)
    while mcu < last:
        n = min(last - mcu, mcus_wide - mcu % mcus_wide, BATCH // per_mcu)
        if state[INTERVAL] > 0:
            if state[TO_GO] == 0:
                _restart(state)
            n = min(n, state[TO_GO])
            state[TO_GO] -= n
        done = np.int64(0)
        if state[INSUFFICIENT] == 0:
            _prepare(state, window)
            if _decode_batch(scan, mcus_wide, mcu, n, per_mcu, tables, state, memory, no):
                done = n
        while done < n and state[INSUFFICIENT] == 0:
            _prepare(state, window)
            _decode_batch(scan, mcus_wide, mcu + done, one, per_mcu, tables, state, memory, yes)
            done += 1
        if done < n:
            place_slots(scan, mcus_wide, mcu + done, n - done, per_mcu, slots, memory + _SPARE_AT)
            finish_slots(scan, mcus_wide, mcu + done, n - done, per_mcu, slots, state[PREDICTORS:], yes)
        mcu += n
    warnings = np.int64(0)
    for kind in range(0, DAMAGE_FIELDS, 2):
        warnings += state[kind]
    return warnings


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


def restart_segments(data: np.ndarray, position: int, restart_interval: int, mcus: int) -> np.ndarray | None:
    """Offsets int64 [n] where the restart segments of a scan start, to decode them apart; None unless all is regular.

    data: contiguous uint8 [n]. position: of the scan's first entropy-coded byte. mcus: of the whole scan.
    Segment i holds MCUs i*restart_interval and on, and is decoded from `decode_state(data, offsets[i],
    restart_interval, i & 7)`. Where `finish_decode` then warns, decode the whole scan serially instead: recovery looks
    across segments.
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

    data: contiguous uint8 [n]; position: of its first entropy-coded byte. state[POSITION] is then the offset of the
    marker behind the scan and `scan_warnings(state)` what was wrong.
    """
    state = decode_state(data, position, restart_interval)
    scratch = np.empty(DECODE_SCRATCH, np.uint8) if scratch is None else scratch
    decode_rows(scan, mcus_wide, 0, mcu_rows, tables.addresses, state, scratch)
    finish_decode(state)
    return state
