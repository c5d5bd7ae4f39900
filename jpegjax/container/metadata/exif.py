"""What EXIF says of the picture that it goes with, and saying something else in its place (Exif 2.32, CIPA DC-008)."""

from __future__ import annotations

import math
import struct

from .kinds import EXIF_PREFIX
from .tiff import INTEGERS, directory, first_directory, number, values_at

__all__ = ["ORIENTATION", "read_exif_resolution", "read_orientation", "resized_exif", "upright_exif"]

ORIENTATION = 0x0112
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 0x011A, 0x011B, 0x0128
_CENTIMETRE = 3
_EXIF_IFD, _PIXEL_X, _PIXEL_Y = 0x8769, 0xA002, 0xA003


def _tiff_of(exif: bytes) -> bytes:
    return exif[len(EXIF_PREFIX) :] if exif.startswith(EXIF_PREFIX) else exif


def read_orientation(exif: bytes) -> int | None:
    """EXIF orientation 1..8 of an APP1 body, or None where it has none; ValueError where the body is damaged.

    The first value of any integer type. Numbers that Exif reserves (0 and above 8) mean 1, nothing is to be turned.
    """
    tiff = _tiff_of(exif)
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
    tiff, found = _tiff_of(exif), {}
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
    start = len(exif) - len(_tiff_of(exif))
    tiff = bytearray(exif[start:])
    try:
        order, first = first_directory(tiff)
        for entry in directory(tiff, order, first):
            if entry.tag == ORIENTATION and entry.kind in INTEGERS and entry.values:
                struct.pack_into(order + INTEGERS[entry.kind], tiff, values_at(tiff, order, entry), 1)
    except ValueError:
        pass  # what cannot be read says nothing to anyone
    return exif[:start] + bytes(tiff)


def resized_exif(exif: bytes, width: int, height: int) -> bytes:
    """An APP1 body whose PixelXDimension and PixelYDimension, where it has them, are these; all in place, as jpegtran."""
    start = len(exif) - len(_tiff_of(exif))
    tiff = bytearray(exif[start:])
    try:
        order, first = first_directory(tiff)
        inner = next((e for e in directory(tiff, order, first) if e.tag == _EXIF_IFD), None)
        for entry in directory(tiff, order, struct.unpack_from(order + "I", tiff, inner.at + 8)[0]) if inner else ():
            if entry.tag in (_PIXEL_X, _PIXEL_Y):
                struct.pack_into(order + "HII", tiff, entry.at + 2, 4, 1, width if entry.tag == _PIXEL_X else height)
    except ValueError:
        pass
    return exif[:start] + bytes(tiff)
