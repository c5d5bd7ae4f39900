"""Markers: their codes and names, and the one walk over them that every reader of a file takes (T.81 B.1, table B.1)."""

from __future__ import annotations

import re
from typing import NoReturn

from ..errors import CorruptJpeg, UnsupportedJpeg

__all__ = [
    "APP0", "APP1", "APP2", "APP13", "APP14", "APP15", "COM", "DAC", "DHT", "DNL", "DQT", "DRI", "EOI", "HIERARCHICAL", "JPG",
    "JPG_LS", "MAX_BODY", "MAX_SEGMENTS", "NO_PLACE", "SCAN_END", "SOF0", "SOI", "SOS", "claimed_size", "find_segment",
    "is_filler", "marker_name", "refuse",
]  # fmt: skip

SOF0, DHT, JPG, DAC = 0xC0, 0xC4, 0xC8, 0xCC
SOI, EOI, SOS, DQT, DNL, DRI = range(0xD8, 0xDE)
HIERARCHICAL = DHP, EXP = 0xDE, 0xDF
APP0, APP1, APP2, APP13, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF
JPG_LS, COM = 0xF7, 0xFE

MAX_BODY = 65_533
"""Bytes that a segment holds behind its length."""

MAX_SEGMENTS = 1 << 16
"""Segments of a file that are looked at; small ones must not take time without end."""

_GLANCE = 256
"""Segments before the frame that `claimed_size` looks at."""

NO_PLACE = frozenset([*range(0x02, SOF0), JPG, SOI, *HIERARCHICAL, *range(0xF0, COM)])
"""Markers of other processes, and those that no file has behind SOI."""

_NAMES = {
    0x01: "TEM", DHT: "DHT", JPG: "JPG", DAC: "DAC", SOI: "SOI", EOI: "EOI", SOS: "SOS", DQT: "DQT", DNL: "DNL", DRI: "DRI",
    DHP: "DHP", EXP: "EXP", JPG_LS: "SOF55", COM: "COM",
}  # fmt: skip
_SEGMENT = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
SCAN_END = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""Ends entropy-coded data: stuffed bytes, restarts and, as libjpeg has it, markers below SOF0 belong to them."""

# RSTn and TEM carry nothing and may stand anywhere between segments; one search passes over all of them.
_FILLER = re.compile(rb"(?:\xff++[\x01\xd0-\xd7])*+\xff*+")


def marker_name(code: int) -> str:
    """T.81 table B.1 name of marker FF code."""
    if code in _NAMES:
        return _NAMES[code]
    for first, last, name in ((0xC0, 0xCF, "SOF"), (0xD0, 0xD7, "RST"), (0xE0, 0xEF, "APP"), (0xF0, 0xFD, "JPG")):
        if first <= code <= last:
            return f"{name}{code - first}"
    return f"RES (FF{code:02X})"


def refuse(code: int, at: int) -> NoReturn:
    """Raise what there is to say of a marker of NO_PLACE at offset `at`."""
    if code < SOF0 or code == SOI:
        raise CorruptJpeg(f"marker {marker_name(code)} has no place here", at)
    kind = "a hierarchical process" if code in HIERARCHICAL else "JPEG-LS" if code == JPG_LS else "an extension"
    raise UnsupportedJpeg(f"marker {marker_name(code)} announces {kind}, which is not decoded", at)


def is_filler(data: bytes | memoryview, start: int, stop: int) -> bool:
    """Whether what stands between two segments is no damage: fill bytes, RSTn, TEM."""
    return _FILLER.fullmatch(data, start, stop) is not None


def find_segment(
    data: bytes | memoryview, position: int, size: int, pattern: re.Pattern[bytes] = _SEGMENT
) -> tuple[int, int, int]:
    """(code, offset of the marker, offset behind the segment) of the first segment from `position` on.

    (0, size, size) where there is none. A segment that the data, `size` bytes, do not hold ends behind them; EOI and SOI
    have no length, so that their third number means nothing. pattern: what counts as a marker where none is at `position`.
    """
    code = data[position + 1] if position + 1 < size and data[position] == 0xFF else 0
    if code < 0xC0 or code == 0xFF or 0xD0 <= code <= 0xD7:
        found = pattern.search(data, position, size)
        if found is None:
            return 0, size, size
        position = found.start()
        code = data[position + 1]
    if position + 4 > size:
        return code, position, size + 1
    return code, position, position + 2 + (data[position + 2] << 8 | data[position + 3])


def claimed_size(data: bytes | memoryview) -> tuple[int, int]:
    """(height, width) that the first frame header claims, at a glance; (0, 0) where none is found before a scan."""
    position, size = 2, len(data)
    for _ in range(_GLANCE):
        code, at, stop = find_segment(data, position, size)
        if SOF0 <= code <= 0xCF and code not in (DHT, JPG, DAC):
            return (data[at + 5] << 8 | data[at + 6], data[at + 7] << 8 | data[at + 8]) if at + 9 <= size else (0, 0)
        if code in (0, SOS, EOI) or stop > size:
            break
        position = max(stop, at + 2)
    return 0, 0
