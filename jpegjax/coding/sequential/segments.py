"""A scan's data without stuffing and restart markers, for decoders that take all segments at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...simd import kernel
from ..stuffing import END, PADDING, unstuff

__all__ = ["SEGMENT_ALIGNMENT", "ScanData", "unstuff_scan"]

SEGMENT_ALIGNMENT = 4
"""Bytes that segments begin at a multiple of."""


class ScanData(NamedTuple):
    """octets: uint8 [n], the segments, zeros between them. sizes: int64 [segments], bytes of each. position: offset of the marker
    behind the scan."""

    octets: np.ndarray
    sizes: np.ndarray
    position: int


@kernel
def _unstuff_segments(data, position, end, target, room, sizes):
    """(segments, position, the marker there, bytes written) up to a marker that is not the one due next."""
    count, at, marker = np.int64(0), np.int64(0), np.int64(0)
    while count < len(sizes):
        sizes[count], position, marker = unstuff(data, position, end, target + at, room - at)
        at += -(-sizes[count] // SEGMENT_ALIGNMENT) * SEGMENT_ALIGNMENT
        count += 1
        if count == len(sizes) or marker != 0xD0 + (count - 1 & 7):
            break
        position += 2
    return count, position, marker, at


def unstuff_scan(data: np.ndarray, position: int, restart_interval: int, mcus: int) -> ScanData | None:
    """The segments of a scan, or None unless all is regular: as many as there should be, markers in order, one behind the last.

    data: contiguous uint8 [n]. position: of the scan's first entropy-coded byte. mcus: of the whole scan.
    """
    count = -(-mcus // restart_interval) if restart_interval else 1
    left = data.size - position
    if count > max(left, 1):
        return None
    sizes = np.empty(count, np.int64)
    room = left + SEGMENT_ALIGNMENT * count + PADDING
    octets = np.empty(room + PADDING, np.uint8)
    found, position, marker, nbytes = _unstuff_segments(
        data.ctypes.data, position, data.size, octets.ctypes.data, room, sizes
    )
    return ScanData(octets[:nbytes], sizes, position) if found == count and marker != END else None
