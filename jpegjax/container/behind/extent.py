"""How far one picture of a file reaches, and what its segments are, without decoding it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..markers import APP0, DAC, DHT, EOI, JPG, MAX_SEGMENTS, NO_PLACE, SCAN_END, SOF0, SOS, find_segment

__all__ = ["Extent", "extent"]

_SOF = frozenset(range(SOF0, SOF0 + 16)) - {DHT, JPG, DAC}


@dataclass(slots=True)
class Extent:
    """stop: offset behind EOI, or where the walk had to end (`ended` is then False). width, height: of the frame header, 0
    without one. segments: (code, offset, offset of the end) of APPn and COM up to the first scan, as `Reader` has them."""

    stop: int = 0
    ended: bool = False
    width: int = 0
    height: int = 0
    segments: list[tuple[int, int, int]] = field(default_factory=list)


def extent(data: bytes | memoryview, start: int, size: int) -> Extent:
    """The picture whose SOI stands at `start`, in data that end at `size`; time is linear in what it takes."""
    found, p, scans = Extent(), start + 2, 0
    for _ in range(MAX_SEGMENTS):
        code, at, stop = find_segment(data, p, size, SCAN_END)
        if code == EOI:
            found.stop, found.ended = at + 2, True
            return found
        if code == 0 or code in NO_PLACE or stop > size:
            found.stop = at
            return found
        p = max(stop, at + 4)
        if code >= APP0 and not scans:
            found.segments.append((code, at, p))
        elif code in _SOF and stop - at >= 9 and not found.width:
            found.height, found.width = data[at + 5] << 8 | data[at + 6], data[at + 7] << 8 | data[at + 8]
        elif code == SOS:
            scans += 1
            p = find_segment(data, p, size, SCAN_END)[1]
    found.stop = p
    return found
