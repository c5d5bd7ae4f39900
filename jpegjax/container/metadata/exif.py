"""What EXIF says of the picture that it goes with, and saying something else in its place (Exif 2.32, CIPA DC-008)."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Iterator

from .kinds import EXIF_PREFIX
from .tiff import INTEGERS, Entry, directory, first_directory, number, values_at

__all__ = [
    "ORIENTATION",
    "read_exif_resolution",
    "read_orientation",
    "resized_exif",
    "set_integer",
    "tiff_of",
    "upright_exif",
]

ORIENTATION = 0x0112
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 0x011A, 0x011B, 0x0128
_CENTIMETRE = 3
_IMAGE_WIDTH, _IMAGE_LENGTH = 0x0100, 0x0101
_EXIF_IFD, _PIXEL_X, _PIXEL_Y = 0x8769, 0xA002, 0xA003


def tiff_of(exif: bytes) -> bytes:
    """An APP1 body without its prefix."""
    return exif[len(EXIF_PREFIX) :] if exif.startswith(EXIF_PREFIX) else exif


def read_orientation(exif: bytes) -> int | None:
    """EXIF orientation 1..8 of an APP1 body, or None where it has none; ValueError where the body is damaged.

    The first value of any integer type. Numbers that Exif reserves (0 and above 8) mean 1, nothing is to be turned.
    """
    tiff = tiff_of(exif)
    order, start = first_directory(tiff)
    for entry in directory(tiff, order, start):
        if entry.tag == ORIENTATION:
            if entry.kind not in INTEGERS:
                raise ValueError(f"orientation has type {entry.kind}, no integer")
            value = int(number(tiff, order, entry))
            return value if 1 <= value <= 8 else 1
    return None


def read_exif_resolution(exif: bytes) -> tuple[float, float] | None:
    """(x, y) dots an inch that an APP1 body says, or None where it says none that can be meant.

    ResolutionUnit 3 is cm; any other is taken for inches, as Pillow does. One of x and y stands for both.
    """
    tiff, found = tiff_of(exif), {}
    try:
        order, start = first_directory(tiff)
        for entry in directory(tiff, order, start):
            if entry.tag in (_X_RESOLUTION, _Y_RESOLUTION, _UNIT) and entry.tag not in found:
                try:
                    found[entry.tag] = number(tiff, order, entry)
                except ValueError:
                    continue
    except ValueError:
        pass  # what stands before the damage counts
    scale = 2.54 if found.get(_UNIT) == _CENTIMETRE else 1
    x = found.get(_X_RESOLUTION, found.get(_Y_RESOLUTION, 0.0))
    y = found.get(_Y_RESOLUTION, x)
    return (x * scale, y * scale) if 0 < x < math.inf and 0 < y < math.inf else None


def upright_exif(exif: bytes) -> bytes:
    """An APP1 body whose orientation, where it says any, is 1; nothing else moves or changes."""
    start = len(exif) - len(tiff_of(exif))
    tiff = bytearray(exif[start:])
    try:
        order, first = first_directory(tiff)
        for entry in _readable(tiff, order, first):
            if entry.tag == ORIENTATION and entry.kind in INTEGERS and entry.values:
                struct.pack_into(order + INTEGERS[entry.kind], tiff, values_at(tiff, order, entry), 1)
    except ValueError:
        pass  # what cannot be read says nothing to anyone
    return exif[:start] + bytes(tiff)


def _readable(tiff: bytes | bytearray, order: str, start: int) -> Iterator[Entry]:
    """The entries of a directory up to where it is damaged."""
    with contextlib.suppress(ValueError):
        yield from directory(tiff, order, start)


def set_integer(tiff: bytearray, order: str, entry: Entry, value: int) -> None:
    """Give an entry of one integer another, 0..2^31 - 1: in its own type where that holds it, else as LONG."""
    try:
        struct.pack_into(order + INTEGERS[entry.kind], tiff, values_at(tiff, order, entry), value)
    except struct.error:
        struct.pack_into(order + "HII", tiff, entry.at + 2, 4, 1, value)


def resized_exif(exif: bytes, width: int, height: int, everywhere: bool = False) -> bytes:
    """An APP1 body whose PixelXDimension and PixelYDimension, where it has them, are these; all in place, as jpegtran.

    everywhere: ImageWidth and ImageLength too.
    """
    start = len(exif) - len(tiff_of(exif))
    tiff = bytearray(exif[start:])
    try:
        order, first = first_directory(tiff)
        outer: dict[int, Entry] = {}
        for entry in _readable(tiff, order, first):
            outer.setdefault(entry.tag, entry)
        for tag, value in ((_IMAGE_WIDTH, width), (_IMAGE_LENGTH, height)) if everywhere else ():
            if tag in outer and outer[tag].kind in INTEGERS and outer[tag].values == 1:
                set_integer(tiff, order, outer[tag], value)
        inner = struct.unpack_from(order + "I", tiff, outer[_EXIF_IFD].at + 8)[0] if _EXIF_IFD in outer else len(tiff)
        for entry in _readable(tiff, order, inner):
            if entry.tag in (_PIXEL_X, _PIXEL_Y):
                struct.pack_into(order + "HII", tiff, entry.at + 2, 4, 1, width if entry.tag == _PIXEL_X else height)
    except ValueError:
        pass  # no TIFF at all, or an entry that points outside
    return exif[:start] + bytes(tiff)
