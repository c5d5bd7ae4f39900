"""What a file is made of: one walk over its markers that adds up bytes, and decodes nothing.

data ──▶ walk: segment, segment, scan header, entropy-coded data, …, EOI, trailing ──▶ Layout
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..errors import CorruptJpeg
from ..options import Limits
from ..types import Frame
from .bodies import parse_sos
from .markers import (
    APP0,
    APP15,
    DAC,
    DHT,
    DQT,
    DRI,
    EOI,
    MAX_SEGMENTS,
    NO_PLACE,
    SCAN_END,
    SOS,
    find_segment,
    is_filler,
    marker_name,
)
from .metadata import is_adobe, is_jfif, segment_kind

__all__ = ["Layout", "PartSizes", "ScanPart", "SegmentPart", "TablePart", "walk"]

_PARTS = {DHT: "huffman_tables", DAC: "conditioning", DQT: "qtables"}
_MAX_TABLES = 1 << 12
_LONGEST_PREFIX = 40
_IDENTIFIER = re.compile(rb"[ -~]*")


@dataclass(frozen=True, slots=True)
class ScanPart:
    """One scan. components: indices into the frame's. spectral: Ss, Se; for lossless files Ss is the predictor.

    approximation: Ah, Al. restart_interval: MCUs, 0 for none. offset: of the SOS marker. nbytes: of entropy-coded data,
    with stuffed bytes and restart markers.
    """

    components: tuple[int, ...]
    spectral: tuple[int, int]
    approximation: tuple[int, int]
    restart_interval: int
    offset: int
    nbytes: int

    def as_dict(self) -> dict[str, Any]:
        (ss, se), (ah, al) = self.spectral, self.approximation
        return {
            "components": list(self.components), "ss": ss, "se": se, "ah": ah, "al": al,
            "restart_interval": self.restart_interval, "offset": self.offset, "nbytes": self.nbytes,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TablePart:
    """One definition of a table by DHT or DAC. kind: "DC" or "AC". offset: of the segment's marker.

    value: of a Huffman table the number of its codes; of conditioning U·16 + L (DC) or Kx (AC).
    """

    kind: str
    slot: int
    value: int
    offset: int


@dataclass(frozen=True, slots=True)
class SegmentPart:
    """An APPn segment. marker: "APP0".."APP15". identifier: the start of its body up to NUL, "JFIF", "Exif", "ICC_PROFILE" …,
    at most 40 bytes of printable ASCII. offset: of the marker. nbytes: of all of it, marker and length too.
    """

    marker: str
    identifier: str
    offset: int
    nbytes: int

    def as_dict(self) -> dict[str, Any]:
        return {"marker": self.marker, "identifier": self.identifier, "offset": self.offset, "nbytes": self.nbytes}

    def __str__(self) -> str:
        return f"{self.marker} {self.identifier or '(unnamed)'}, {self.nbytes:,} bytes at {self.offset}"


@dataclass(frozen=True, slots=True)
class PartSizes:
    """Bytes of each part of a file; together they are the file.

    headers: SOI, EOI, JFIF, Adobe, SOFn, SOS, DRI, DNL and fill bytes. qtables, huffman_tables, conditioning: DQT, DHT
    and DAC segments. other: APPn that is none of the rest. entropy: of all scans. trailing: behind EOI. unread: stray
    bytes between segments, and what a walk that had to end left over.
    """

    headers: int = 0
    qtables: int = 0
    huffman_tables: int = 0
    conditioning: int = 0
    exif: int = 0
    icc: int = 0
    xmp: int = 0
    comments: int = 0
    other: int = 0
    entropy: int = 0
    trailing: int = 0
    unread: int = 0

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Layout:
    """What `walk` found, in the file's order. warnings: (message, byte offset)."""

    scans: list[ScanPart] = field(default_factory=list)
    huffman_tables: list[TablePart] = field(default_factory=list)
    conditioning: list[TablePart] = field(default_factory=list)
    segments: list[SegmentPart] = field(default_factory=list)
    sizes: PartSizes = PartSizes()
    warnings: list[tuple[str, int]] = field(default_factory=list)


def _part(code: int, body: bytes) -> str:
    """The field of `PartSizes` that a segment counts for. body: its start."""
    if code < APP0 or is_jfif(code, body) or is_adobe(code, body):
        return _PARTS.get(code, "headers")
    return segment_kind(code, body)


def _note_huffman(body: bytes, at: int, found: list[TablePart]) -> None:
    p = 0
    while len(body) - p > 16 and len(found) < _MAX_TABLES:
        codes = sum(body[p + 1 : p + 17])
        found.append(TablePart("AC" if body[p] & 0x10 else "DC", body[p] & 15, codes, at))
        p += 17 + codes


def _note_conditioning(body: bytes, at: int, found: list[TablePart]) -> None:
    for index, value in zip(body[::2], body[1::2], strict=False):
        if len(found) < _MAX_TABLES:
            found.append(TablePart("AC" if index & 0x10 else "DC", index & 15, value, at))


def walk(data: bytes | memoryview, frame: Frame, limits: Limits, known: int) -> Layout:
    """The parts of a file of `frame`, in time linear in its size; never raises.

    known: offset up to which a `Reader` has warned of damage already. A file of more than Limits.scans scans is walked
    no further than that.
    """
    found, sizes = Layout(), Counter({"headers": 2})
    size, p, interval = len(data), 2, 0

    def warn(message: str, at: int) -> None:
        if at >= known:
            found.warnings.append((message, at))

    for number in count():
        code, at, stop = find_segment(data, p, size, SCAN_END)
        if at > p:
            harmless = is_filler(data, p, at)
            sizes["headers" if harmless else "unread"] += at - p
            if not harmless:
                warn(f"{at - p} bytes skipped before a marker", p)
        p = at
        trouble = None
        if number == MAX_SEGMENTS:
            trouble = f"more than {MAX_SEGMENTS} segments; the rest is not read"
        elif code == 0:
            trouble = "the data end without EOI"
        elif code == EOI:
            sizes["headers"] += 2
            p += 2
        elif code in NO_PLACE:
            trouble = f"marker {marker_name(code)} has no place here; the rest is not read"
        elif stop > size:
            trouble = f"the data end inside a {marker_name(code)} segment"
        elif code == SOS and limits.scans is not None and len(found.scans) >= limits.scans:
            trouble = f"more than {limits.scans} scans, which is Limits.scans; the rest is not read"
        if trouble:
            warn(trouble, p)
            sizes["unread"] += size - p
            break
        if code == EOI:
            sizes["trailing"] += size - p
            break
        p = max(stop, at + 4)
        body = bytes(data[at + 4 : p if code in (DHT, DAC, SOS) else min(p, at + 4 + _LONGEST_PREFIX)])
        sizes[_part(code, body)] += p - at
        if APP0 <= code <= APP15 and len(found.segments) < _MAX_TABLES:
            named = _IDENTIFIER.match(body)
            identifier = named[0].decode("ascii") if named else ""
            found.segments.append(SegmentPart(marker_name(code), identifier, at, p - at))
        if code == DRI and len(body) >= 2:
            interval = body[0] << 8 | body[1]
        elif code == DHT:
            _note_huffman(body, at, found.huffman_tables)
        elif code == DAC:
            _note_conditioning(body, at, found.conditioning)
        elif code == SOS:
            start, p = p, find_segment(data, p, size, SCAN_END)[1]
            sizes["entropy"] += p - start
            try:
                components, _, spectral, approximation = parse_sos(body, at, frame)
            except CorruptJpeg as error:
                warn(error.message, at)
            else:
                found.scans.append(ScanPart(components, spectral, approximation, interval, at, p - start))
    found.sizes = PartSizes(**sizes)
    return found
