"""Photoshop's image resources in APP13 segments (Adobe Photoshop File Formats Specification, "Image Resource Blocks")."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .kinds import PHOTOSHOP_PREFIX

__all__ = ["IPTC", "RESOLUTION", "PhotoshopResource", "read_resolution", "read_resources"]

IPTC, RESOLUTION = 0x0404, 0x03ED
_TITLES = {
    0x03ED: "resolution", 0x0404: "IPTC", 0x0409: "thumbnail", 0x040C: "thumbnail", 0x040F: "ICC profile",
    0x0422: "EXIF", 0x0424: "XMP", 0x0425: "IPTC digest",
}  # fmt: skip
_SIGNATURES = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")
_MAX_RESOURCES = 1 << 12


@dataclass(frozen=True, slots=True)
class PhotoshopResource:
    """An image resource: its number, its name (mostly none), and where its data begin in the file, with their bytes.

    Data that go on in the next segment are not in one piece there.
    """

    number: int
    name: str
    offset: int
    nbytes: int

    @property
    def title(self) -> str:
        """What is in it, where that is known: "IPTC", "resolution" …"""
        return _TITLES.get(self.number, "")

    def as_dict(self) -> dict[str, Any]:
        return {"number": self.number, "name": self.name, "offset": self.offset, "nbytes": self.nbytes}

    def __str__(self) -> str:
        said = " ".join(filter(None, (f"{self.number:#06x}", self.title, ascii(self.name) if self.name else "")))
        return f"{said} ({self.nbytes:,} bytes)"


def read_resources(
    segments: Sequence[tuple[int, bytes]],
) -> tuple[list[PhotoshopResource], dict[int, bytes], str | None]:
    """(resources, the data of each number's first one, what is wrong or None) of APP13 bodies with their offsets in a file.

    A resource that one segment cannot hold goes on in the next one. The first 4096 are listed.
    """
    skip = len(PHOTOSHOP_PREFIX)
    data = b"".join(body[skip:] for _, body in segments)
    starts, places = [], []
    p = 0
    for at, body in segments:
        starts.append(p)
        places.append(at + skip - p)
        p += len(body) - skip
    found: list[PhotoshopResource] = []
    first: dict[int, bytes] = {}
    p = 0
    while p < len(data) and len(found) < _MAX_RESOURCES:
        if data[p : p + 4] not in _SIGNATURES and p - 1 in starts and data[p - 1 : p + 3] in _SIGNATURES:
            p -= 1  # the last one of a segment may lack its filler
        if data[p : p + 4] not in _SIGNATURES:
            return found, first, f"no resource at byte {p}" if data[p:].strip(b"\0") else None
        if p + 7 > len(data):
            return found, first, "a resource ends early"
        number, length = struct.unpack_from(">HB", data, p + 4)
        name = data[p + 7 : p + 7 + length].decode("latin-1")
        p += 6 + (length + 2) // 2 * 2
        if p + 4 > len(data):
            return found, first, f"resource {number:#06x} ends early"
        (nbytes,) = struct.unpack_from(">I", data, p)
        p += 4
        if p + nbytes > len(data):
            return found, first, f"resource {number:#06x} has {len(data) - p} of {nbytes} bytes"
        found.append(PhotoshopResource(number, name, p + places[bisect_right(starts, p) - 1], nbytes))
        if number not in first:
            first[number] = data[p : p + nbytes]
        p += nbytes + nbytes % 2
    return found, first, None


def read_resolution(data: bytes | None) -> tuple[float, float] | None:
    """(x, y) dots an inch of a ResolutionInfo resource, whatever unit it is shown in; None where it has none."""
    if data is None or len(data) < 16:
        return None
    x, y = struct.unpack_from(">i4xi", data)
    return (x / 65_536, y / 65_536) if x > 0 and y > 0 else None
