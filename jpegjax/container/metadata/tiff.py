"""TIFF directories, which EXIF is made of: entries, and the numbers they hold (TIFF 6.0 section 2, BigTIFF's types)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["INTEGERS", "Entry", "directory", "first_directory", "next_directory", "number", "tiff_order", "values_at"]

INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}
"""`struct`'s letters of the integer types: BYTE, SHORT, LONG, their signed kin, IFD, LONG8 and SLONG8."""

_FRACTIONS = {5: "II", 10: "ii"}
_FLOATS = {11: "f", 12: "d"}
_NUMBERS = {**INTEGERS, **_FRACTIONS, **_FLOATS}

Data = bytes | bytearray


class Entry(NamedTuple):
    """An entry of a directory. at: its own offset, where its tag stands; its value, or the offset of it, is at + 8."""

    tag: int
    kind: int
    values: int
    at: int


def tiff_order(tiff: Data) -> str | None:
    """Byte order of TIFF data as `struct` spells it, or None where they do not begin like TIFF."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))


def first_directory(tiff: Data) -> tuple[str, int]:
    """(byte order, offset of the first directory); ValueError where the data do not begin like TIFF."""
    order = tiff_order(tiff)
    if order is None:
        raise ValueError("no TIFF header")
    if len(tiff) < 8:
        raise ValueError("directory ends early")
    return order, struct.unpack_from(order + "I", tiff, 4)[0]


def directory(tiff: Data, order: str, start: int) -> Iterator[Entry]:
    """The entries of the directory at offset `start`; ValueError at the first that the data do not hold."""
    if start + 2 > len(tiff):
        raise ValueError("directory ends early")
    (count,) = struct.unpack_from(order + "H", tiff, start)
    first, stop = start + 2, start + 2 + 12 * count
    there = min(stop, first + (len(tiff) - first) // 12 * 12)
    for i, (tag, kind, n, _) in enumerate(struct.iter_unpack(order + "HHII", bytes(tiff[first:there]))):
        yield Entry(tag, kind, n, first + 12 * i)
    if there < stop:
        raise ValueError("directory ends early")


def next_directory(tiff: Data, order: str, start: int) -> int:
    """Offset of the directory behind the one at `start` (EXIF: of the thumbnail), 0 for none."""
    if start + 2 > len(tiff):
        return 0
    at = start + 2 + 12 * struct.unpack_from(order + "H", tiff, start)[0]
    return struct.unpack_from(order + "I", tiff, at)[0] if at + 4 <= len(tiff) else 0


def values_at(tiff: Data, order: str, entry: Entry) -> int:
    """Offset of an entry's numbers; ValueError where it has none or the data do not hold them all."""
    if entry.kind not in _NUMBERS:
        raise ValueError(f"tag {entry.tag:#06x} has type {entry.kind}, which is no number")
    if not entry.values:
        raise ValueError(f"tag {entry.tag:#06x} has count 0")
    size = entry.values * struct.calcsize("=" + _NUMBERS[entry.kind])
    at = entry.at + 8 if size <= 4 else struct.unpack_from(order + "I", tiff, entry.at + 8)[0]
    if at + size > len(tiff):
        raise ValueError(f"tag {entry.tag:#06x} has {entry.values} values at {at}, outside its {len(tiff)} bytes")
    return at


def number(tiff: Data, order: str, entry: Entry) -> int | float:
    """The first number of an entry; a fraction as a float. ValueError where there is none."""
    values = struct.unpack_from(order + _NUMBERS.get(entry.kind, ""), tiff, values_at(tiff, order, entry))
    if len(values) == 1:
        return values[0]
    if not values[1]:
        raise ValueError(f"tag {entry.tag:#06x} is {values[0]}/0")
    return values[0] / values[1]
