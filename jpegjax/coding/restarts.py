"""Restart segments of entropy-coded data: finding, unstuffing, and libjpeg-turbo's resynchronisation (T.81 E.2.4).

State of a scan, int64 [FIELDS]; kernels call `next_segment` at its start and at every restart interval.
"""

from __future__ import annotations

import numpy as np

from ..simd import kernel, store_u64
from .stuffing import PADDING, find_marker, unstuff

__all__ = ["PAD", "SegmentReport", "new_state", "next_segment", "scratch_for"]

PAD = 512  # zero bytes behind an unstuffed segment: more than any MCU takes

MARKER = 0  # offset of the marker that ended the segment, or the length of the data
START = 1  # offset of the next segment's first byte
EXPECTED = 2  # number of the next restart marker, 0..7
PENDING = 3  # 1: the marker is not the expected one, and segments are empty until it is due
OVER = 4  # 1: it is no restart marker, so that all further segments are empty
INSUFFICIENT = 5  # 1: the segment had fewer bits than its MCUs took
LAST_GOOD = 6  # the last MCU at whose start INSUFFICIENT was 0
ENDED_AT = 7  # offsets of damage, -1 for none: the data ended early,
BAD_CODE_AT = 8  # no Huffman code matches (the segment's offset),
SKIPPED_AT = 9  # bytes were left over,
RESYNC_AT = 10  # a restart marker was missing or wrong.
CODE = 11  # of the marker, stuffing.END for none
FIELDS = 12

_MESSAGES = {
    ENDED_AT: "entropy-coded data end early; what is missing reads as zero",
    BAD_CODE_AT: "invalid Huffman code; read as zero",
    SKIPPED_AT: "bytes left over before a marker",
    RESYNC_AT: "restart marker missing or out of order; resynchronised",
}


@kernel
def _restart(data, size, state):
    """Pass the marker that is due, or decide what stands in for it, as libjpeg's jpeg_resync_to_restart does."""
    while True:
        p, code = state[MARKER], state[CODE]
        if code == 0xD0 + state[EXPECTED]:
            state[PENDING] = 0
            break
        if state[RESYNC_AT] < 0:
            state[RESYNC_AT] = state[MARKER]
        ahead = (code - 0xD0 - state[EXPECTED]) & 7
        if code < 0xC0 or (0xD0 <= code <= 0xD7 and ahead >= 6):
            state[MARKER], state[CODE] = find_marker(data, p + 2, size)
            continue
        is_restart = 0xD0 <= code <= 0xD7
        state[OVER] = 0 if is_restart else 1
        state[PENDING] = 0 if is_restart and ahead > 2 else 1
        break
    state[EXPECTED] = (state[EXPECTED] + 1) & 7
    if not state[PENDING]:
        state[INSUFFICIENT] = 0
        state[START] = p + 2


@kernel
def next_segment(data, size, target, state, first):
    """Unstuff the next segment to `target`, with PAD zero bytes behind it; returns its length in bytes.

    data, target: addresses; size: bytes of data; target from `scratch_for`. first: whether no restart is due.
    """
    if not first:
        _restart(data, size, state)
    length = np.int64(0)
    if not state[PENDING]:
        length, state[MARKER], state[CODE] = unstuff(data, state[START], size, target, size + PADDING)
    for i in range(0, PAD, 8):
        store_u64(target + length + i, 0)
    return length


@kernel
def close_segment(state, first, mcu, used, length, was_insufficient):
    """Note how a segment ended. used: bits that were read; length: bytes that it had.

    first, mcu: the segment's first MCU and the last one that was decoded.
    """
    if mcu > first or (mcu == first and not was_insufficient):
        state[LAST_GOOD] = mcu
    if used > 8 * length:
        state[INSUFFICIENT] = 1
        if state[ENDED_AT] < 0:
            state[ENDED_AT] = state[MARKER]
    elif (used + 7) >> 3 < length and state[SKIPPED_AT] < 0:
        state[SKIPPED_AT] = state[MARKER] - (length - ((used + 7) >> 3))


def new_state(position: int) -> np.ndarray:
    """State at the start of a scan. position: offset of its first entropy-coded byte."""
    state = np.zeros(FIELDS, np.int64)
    state[START] = state[MARKER] = position
    state[LAST_GOOD] = -1
    state[ENDED_AT:CODE] = -1
    return state


def scratch_for(size: int) -> np.ndarray:
    """Room for any unstuffed segment of `size` bytes of data: uint8, contents undefined."""
    return np.empty(size + 2 * PADDING + PAD, np.uint8)


class SegmentReport:
    """What a scan's state says when it is done.

    position: offset of the marker behind the scan, for `Reader.resume`. last_good_mcu: last MCU at whose start no data
    had been missing, -1 for none. warnings: (message, byte offset). bad_code: what to say of codes that make no sense.
    """

    def __init__(self, state: np.ndarray, bad_code: str = _MESSAGES[BAD_CODE_AT]):
        values = state.tolist()
        messages = {**_MESSAGES, BAD_CODE_AT: bad_code}
        self.position: int = values[MARKER]
        self.last_good_mcu: int = values[LAST_GOOD]
        self.warnings = sorted(((m, values[f]) for f, m in messages.items() if values[f] >= 0), key=lambda w: w[1])
