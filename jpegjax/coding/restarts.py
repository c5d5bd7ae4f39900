"""Restart segments of entropy-coded data: what may be wrong with them, and libjpeg-turbo's recovery (T.81 E.2.4).

The state of a scan, whatever its process, is int64 and begins with DAMAGE_FIELDS of (times, offset of the first time) for
each kind of damage. Sequential Huffman scans have their own state behind that, since they are decoded by strips; the
others have the fields below, and call `next_segment` at their start and at every restart interval.
"""

from __future__ import annotations

import numpy as np

from ..simd import kernel, store_u64
from .stuffing import END, PADDING, find_marker, unstuff

__all__ = [
    "BAD_CODE",
    "BAD_DECISION",
    "DAMAGE_FIELDS",
    "ENDED",
    "EXHAUSTED",
    "EXTRANEOUS",
    "PAD",
    "RESYNC",
    "TARGET",
    "WARNINGS",
    "SegmentReport",
    "close_segment",
    "new_state",
    "next_segment",
    "note",
    "note_end",
    "resync",
    "scan_notes",
    "scan_warnings",
    "scratch_for",
]  # fmt: skip

EXHAUSTED, BAD_CODE, BAD_DECISION, EXTRANEOUS, RESYNC, ENDED = np.arange(
    6
)  # as literals `note` would be compiled for each
DAMAGE_FIELDS = 2 * 6

WARNINGS = (
    "entropy-coded data end early: a segment ends before its last MCU",
    "invalid Huffman code",
    "invalid arithmetic code; the rest of its segment reads as zero",
    "bytes left over before a marker",
    "restart marker missing or out of order",
    "data end without a marker",
)
"""What each kind of damage is called."""

PAD = 512  # zero bytes behind an unstuffed segment: more than any MCU takes

MARKER = DAMAGE_FIELDS  # offset of the marker that ended the segment, or the length of the data
CODE = MARKER + 1  # of the marker, stuffing.END for none
START = MARKER + 2  # offset of the next segment's first byte
EXPECTED = MARKER + 3  # number of the next restart marker, 0..7
PENDING = MARKER + 4  # 1: the marker is not the expected one, and segments are empty until it is due
OVER = MARKER + 5  # 1: it is no restart marker, so that all further segments are empty
INSUFFICIENT = MARKER + 6  # 1: the segment had fewer bits than its MCUs took
BEFORE = MARKER + 7  # INSUFFICIENT as the segment before left it
LAST_GOOD = MARKER + 8  # the last MCU at whose start INSUFFICIENT was 0
DATA, SIZE, TARGET = MARKER + 9, MARKER + 10, MARKER + 11  # addresses of data and of unstuffed bytes; bytes of data
FIELDS = MARKER + 12


@kernel
def note(state, kind, offset, times=1):
    """Count damage, and keep the offset of the first of its kind."""
    if state[2 * kind] == 0:
        state[2 * kind + 1] = offset
    state[2 * kind] += times


@kernel
def note_end(state, code, size):
    """Note, once, that the data end where a marker should stand."""
    if code == END and state[2 * ENDED] == 0:
        note(state, ENDED, size)


@kernel
def resync(data, size, position, code, due, state):
    """What to do with the marker `code` at `position` where RST`due` is due: (position, code, whether to pass it).

    As libjpeg's jpeg_resync_to_restart decides: a marker that comes too early stays, for the segments that are missing
    before it are empty; one that comes too late or makes no sense is skipped.
    """
    if code != 0xD0 + due:
        note(state, RESYNC, position)
    while code != 0xD0 + due:
        ahead = (code - 0xD0 - due) & 7 if 0xD0 <= code <= 0xD7 else 0
        if code >= 0xC0 and ahead <= 5:
            return position, code, ahead > 2
        position, code = find_marker(data, position + 2, size)
        note_end(state, code, size)
    return position, code, True


@kernel
def _restart(state):
    """Pass the marker that is due, or decide what stands in for it."""
    due = state[EXPECTED]
    state[MARKER], code, passed = resync(state[DATA], state[SIZE], state[MARKER], state[CODE], due, state)
    state[CODE] = code
    state[PENDING] = 0 if passed else 1
    state[OVER] = 0 if 0xD0 <= code <= 0xD7 else 1
    state[EXPECTED] = (due + 1) & 7
    if passed:
        state[INSUFFICIENT] = 0
        state[START] = state[MARKER] + 2


@kernel
def next_segment(state, first, mcus, restart):
    """Unstuff the segment of MCU `first` to state[TARGET], PAD zero bytes behind it: (bytes, the MCU behind it).

    mcus: of the scan; restart: interval in MCUs, 0 for none.
    """
    size, target = state[SIZE], state[TARGET]
    state[BEFORE] = state[INSUFFICIENT]
    if first > 0:
        _restart(state)
    length = np.int64(0)
    if not state[PENDING]:
        length, state[MARKER], state[CODE] = unstuff(state[DATA], state[START], size, target, size + PADDING)
        note_end(state, state[CODE], size)
    for i in range(0, PAD, 8):
        store_u64(target + length + i, 0)
    return length, min(first + restart, mcus) if restart else mcus


@kernel
def close_segment(state, first, mcu, used, length, bad):
    """Note how a segment of Huffman codes ended. used: bits that were read; length: bytes that it had.

    first, mcu: the segment's first MCU and the last one that was decoded. bad: codes that made no sense.
    """
    if bad > 0:
        note(state, BAD_CODE, state[START], bad)
    if mcu > first or (mcu == first and not state[BEFORE]):
        state[LAST_GOOD] = mcu
    if used > 8 * length:
        state[INSUFFICIENT] = 1
        note(state, EXHAUSTED, state[MARKER])
    elif (used + 7) >> 3 < length:
        note(state, EXTRANEOUS, state[MARKER] - (length - ((used + 7) >> 3)))


def new_state(data: int, size: int, target: int, position: int) -> np.ndarray:
    """State at the start of a scan, whose first entropy-coded byte is at offset `position` of the data.

    data, target: addresses of what the caller keeps alive; size: bytes of data; target: of a `scratch_for` them.
    """
    state = np.zeros(FIELDS, np.int64)
    state[DATA], state[SIZE], state[TARGET] = data, size, target
    state[START] = state[MARKER] = position
    state[LAST_GOOD] = -1
    return state


def scratch_for(size: int) -> np.ndarray:
    """Room for any unstuffed segment of `size` bytes of data: uint8, contents undefined."""
    return np.empty(size + 2 * PADDING + PAD, np.uint8)


def scan_warnings(state: np.ndarray) -> list[tuple[str, int, int]]:
    """What was wrong with a scan: (message, times, byte offset of the first one) by offset; empty where nothing was."""
    found = state[:DAMAGE_FIELDS].tolist()
    if not any(found):
        return []
    told = [(WARNINGS[i], found[2 * i], found[2 * i + 1]) for i in range(len(WARNINGS)) if found[2 * i]]
    return sorted(told, key=lambda damage: damage[2])


def scan_notes(state: np.ndarray, but: int | None = None) -> list[tuple[str, int]]:
    """`scan_warnings` for a reader of them: (message, byte offset), how often it happened in words; without kind `but`."""
    return [
        (message if times == 1 else f"{message} ({times} times)", offset)
        for message, times, offset in scan_warnings(state)
        if but is None or message != WARNINGS[but]
    ]


class SegmentReport:
    """What a scan's state says when it is done.

    position: offset of the marker behind the scan, for `Reader.resume`. last_good_mcu: last MCU at whose start no data
    had been missing, -1 for none. warnings: (message, byte offset).
    """

    def __init__(self, state: np.ndarray):
        self.position: int = state.item(MARKER)
        self.last_good_mcu: int = state.item(LAST_GOOD)
        self.warnings: list[tuple[str, int]] = scan_notes(state)
