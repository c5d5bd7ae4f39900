"""XMP packets in APP1 segments: what they say of the picture's orientation (XMP parts 1 to 3)."""

from __future__ import annotations

import re

from .outline import Property, as_utf8, from_utf8, outline

__all__ = ["read_xmp_orientation", "upright_xmp"]

_ORIENTATION = "http://ns.adobe.com/tiff/1.0/ Orientation"
_MENTIONED = re.compile(rb"O\0*r\0*i\0*e\0*n\0*t\0*a\0*t\0*i\0*o\0*n")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")


def read_xmp_orientation(packet: bytes) -> int | None:
    """tiff:Orientation 1..8 of a packet in UTF-8, UTF-16 or UTF-32, or None where it has none.

    Attribute or element, whatever its prefix; as in EXIF, 0 and numbers above 8 mean 1. ValueError where a packet that
    may have one is damaged.
    """
    if not _MENTIONED.search(packet):
        return None
    for found in outline(as_utf8(packet)[0]).find(_ORIENTATION):
        if not _INTEGER.fullmatch(found.value):
            raise ValueError(f"tiff:Orientation is {found.value[:20]!r}, no integer")
        value = int(found.value)
        return value if 1 <= value <= 8 else 1
    return None


def _set(text: bytearray, found: Property, value: bytes) -> None:
    """Give a property another value, in place; blanks outside of it take up what is left of its room."""
    room = found.value_stop - found.value_start
    if len(value) > room:
        raise ValueError(f"{found.name} has no room for {value.decode()}")
    closing = text[found.value_stop : found.stop]
    text[found.value_start : found.stop] = value + closing + b" " * (room - len(value))


def upright_xmp(packet: bytes) -> bytes:
    """A packet of the same size whose tiff:Orientation, where it says any, is 1."""
    if not _MENTIONED.search(packet):
        return packet
    try:
        text, codec = as_utf8(packet)
        patched = bytearray(text)
        for found in outline(text).find(_ORIENTATION):
            if found.value_stop > found.value_start:
                _set(patched, found, b"1")
    except ValueError:
        return packet  # what cannot be read says nothing to anyone
    return from_utf8(bytes(patched), codec, packet)
