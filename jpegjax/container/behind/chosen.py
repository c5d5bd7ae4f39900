"""One picture of a file as a file of its own."""

from __future__ import annotations

import struct

from ..markers import APP1
from ..metadata import EXIF_PREFIX, ORIENTATION, read_metadata
from ..write import segment
from .extent import extent
from .find import Picture, find_behind

__all__ = ["chosen"]


def _exif(orientation: int) -> bytes:
    """A segment that says no more than an orientation."""
    directory = struct.pack(">HHHIHHI", 1, ORIENTATION, 3, 1, orientation, 0, 0)
    return segment(APP1, EXIF_PREFIX + b"MM\0*\0\0\0\x08" + directory)


def chosen(data: bytes | memoryview, number: int, upright: bool = False) -> tuple[bytes | memoryview, int]:
    """(the bytes of picture `number`, the offset in `data` that their byte 0 has); JpegError where the file has fewer.

    upright: a picture behind that has no orientation of its own, such as a gain map, gets the first one's.
    """
    if number == 0:
        return data, 0
    found = find_behind(data)
    picture: Picture = found.picture(number)
    own = memoryview(data)[picture.offset : picture.offset + picture.nbytes]
    if upright:
        first = read_metadata(data, found.segments).orientation
        if first not in (None, 1) and read_metadata(own, extent(own, 0, len(own)).segments).orientation is None:
            told = _exif(first)
            return own[:2].tobytes() + told + own[2:].tobytes(), picture.offset - len(told)
    return own, picture.offset
