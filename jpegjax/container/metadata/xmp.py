"""XMP packets in APP1 segments: what they say of the picture's orientation and size (XMP parts 1 to 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .outline import Property, as_utf8, from_utf8, outline

__all__ = ["MAX_PACKET", "read_xmp_orientation", "resized_xmp", "upright_xmp"]

MAX_PACKET = 65_502
"""Bytes of a packet that one segment holds, as the specification has it (part 3, 1.1.3)."""

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_ORIENTATION = f"{_TIFF} Orientation"
_MENTIONED = re.compile(rb"O\0*r\0*i\0*e\0*n\0*t\0*a\0*t\0*i\0*o\0*n")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")


def read_xmp_orientation(packet: bytes) -> int | None:
    """tiff:Orientation 1..8 of a packet in UTF-8, UTF-16 or UTF-32, or None where it has none.

    Attribute or element, whatever its prefix; as in EXIF, 0 and numbers above 8 mean 1; an empty one says nothing.
    ValueError where a packet that may have one is damaged.
    """
    if not _MENTIONED.search(packet):
        return None
    for found in outline(as_utf8(packet)[0]).find(_ORIENTATION):
        if not found.value.strip():
            continue
        if not _INTEGER.fullmatch(found.value):
            raise ValueError(f"tiff:Orientation is {found.value[:20]!r}, no integer")
        value = int(found.value)
        return value if 1 <= value <= 8 else 1
    return None


def _with(text: bytes, found: Property, value: bytes) -> bytes:
    """A packet whose property says something else; blanks outside of it take up what is left of its room."""
    room = found.value_stop - found.value_start
    closing = text[found.value_stop : found.stop]
    return text[: found.value_start] + value + closing + b" " * (room - len(value)) + text[found.stop :]


def _less_padding(text: bytes, nbytes: int) -> bytes:
    """A packet without so many of the blanks before its end, as far as there are any."""
    end = text.rfind(b"<?xpacket end")
    blanks = len(text[:end]) - len(text[:end].rstrip()) if end > 0 else 0
    less = min(nbytes, blanks)
    return text[: end - less] + text[end:] if less else text


def _retold(packet: bytes, values: Mapping[str, int]) -> bytes:
    """A packet that says other numbers, where it says any; no longer than it is, or than its segment has room for."""
    try:
        text, codec = as_utf8(packet)
        told, plan = text, outline(text)
    except ValueError:
        return packet  # what cannot be read says nothing to anyone
    found = [p for name in values for p in plan.find(name) if p.value_stop > p.value_start]
    for one in sorted(found, key=lambda p: -p.start):
        told = _with(told, one, b"%d" % values[one.name])
    made = from_utf8(_less_padding(told, len(told) - len(text)), codec, packet)
    return made if len(made) <= max(len(packet), MAX_PACKET) else packet


def upright_xmp(packet: bytes) -> bytes:
    """A packet of the same size whose tiff:Orientation, where it says any, is 1."""
    return _retold(packet, {_ORIENTATION: 1}) if _MENTIONED.search(packet) else packet


def resized_xmp(packet: bytes, width: int, height: int) -> bytes:
    """A packet whose sizes of the picture, exif:PixelXDimension and tiff:ImageWidth and theirs, are these where it has them."""
    across, down = (
        (f"{_EXIF} PixelXDimension", f"{_TIFF} ImageWidth"),
        (f"{_EXIF} PixelYDimension", f"{_TIFF} ImageLength"),
    )
    return _retold(packet, {**dict.fromkeys(across, width), **dict.fromkeys(down, height)})
