"""EXIF's own small picture, a JPEG in the directory behind the first (Exif 2.32, 4.5.8); nothing else in EXIF ever moves."""

from __future__ import annotations

import contextlib
import struct
from typing import NamedTuple

from ..markers import MAX_BODY
from .exif import ORIENTATION, set_integer, tiff_of
from .kinds import EXIF_PREFIX
from .tiff import INTEGERS, Entry, directory, first_directory, next_directory, number

__all__ = ["exif_thumbnail", "with_thumbnail"]

_WIDTH, _LENGTH, _OFFSET, _NBYTES = 0x0100, 0x0101, 0x0201, 0x0202
_STRIP_OFFSETS, _STRIP_NBYTES = 0x0111, 0x0117  # of one that is not compressed
_SOI = b"\xff\xd8"


class _Place(NamedTuple):
    """Where a thumbnail is: offset of what points at its directory, that directory's entries, its own bytes."""

    link: int
    entries: dict[int, Entry]
    start: int
    stop: int
    jpeg: bool


def _place(tiff: bytes | bytearray) -> tuple[str, _Place | None]:
    """(byte order, the place of a thumbnail); None where there is none or the directories are damaged."""
    order = "<"
    try:
        order, first = first_directory(tiff)
        behind = next_directory(tiff, order, first)
        if not behind:
            return order, None
        entries = {entry.tag: entry for entry in directory(tiff, order, behind)}
        jpeg = _OFFSET in entries
        tags = (_OFFSET, _NBYTES) if jpeg else (_STRIP_OFFSETS, _STRIP_NBYTES)
        start, nbytes = (int(number(tiff, order, entries[tag])) for tag in tags)
    except (ValueError, KeyError):
        return order, None
    stop = start + nbytes
    link, end = (at + 2 + 12 * struct.unpack_from(order + "H", tiff, at)[0] for at in (first, behind))
    taken = ((0, 8), (first, link + 4), (behind, end + 4))
    if nbytes < 0 or stop > len(tiff) or any(start < b and a < stop for a, b in taken):
        return order, None
    if jpeg and tiff[start : start + 2] != _SOI:
        return order, None
    return order, _Place(link, entries, start, stop, jpeg)


def exif_thumbnail(exif: bytes) -> bytes | None:
    """The JPEG file of an APP1 body's thumbnail, or None where it has none of that kind."""
    tiff = tiff_of(exif)
    place = _place(tiff)[1]
    return bytes(tiff[place.start : place.stop]) if place is not None and place.jpeg else None


def with_thumbnail(exif: bytes, jpeg: bytes | None, size: tuple[int, int]) -> bytes:
    """An APP1 body with another thumbnail of (width, height), or without one; the old one's bytes are wiped.

    The new one takes the old one's place, or stands at the end where it is longer. Without one, or without room for it
    in a segment, the thumbnail's directory is cut off, but stays as bytes so that no offset changes; so it is where the
    old one is not compressed.
    """
    head, tiff = exif[: len(exif) - len(tiff_of(exif))], bytearray(tiff_of(exif))
    order, place = _place(tiff)
    if place is None:
        return exif
    start, room = place.start, place.stop - place.start
    tiff[start : place.stop] = bytes(room)
    if place.stop == len(tiff):
        del tiff[start:]
    elif jpeg is not None and len(jpeg) > room:
        start = len(tiff) + len(tiff) % 2
    if jpeg is None or not place.jpeg or len(EXIF_PREFIX) + start + len(jpeg) > MAX_BODY:
        struct.pack_into(order + "I", tiff, place.link, 0)
        return head + bytes(tiff)
    tiff.extend(bytes(max(start + len(jpeg) - len(tiff), 0)))
    tiff[start : start + len(jpeg)] = jpeg
    told = {_OFFSET: start, _NBYTES: len(jpeg), _WIDTH: size[0], _LENGTH: size[1], ORIENTATION: 1}
    for tag, value in told.items():
        entry = place.entries.get(tag)
        if entry is not None and entry.kind in INTEGERS:
            with contextlib.suppress(ValueError):  # where it points outside, nobody reads it
                set_integer(tiff, order, entry, value)
    return head + bytes(tiff)
