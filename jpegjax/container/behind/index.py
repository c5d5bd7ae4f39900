"""The MP Index of a file of several pictures: what it lists, and writing it (CIPA DC-007 5.2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["MPF_PREFIX", "Entry", "mended_index", "read_index", "write_index"]

MPF_PREFIX = b"MPF\0"

_COUNT, _ENTRIES = 0xB001, 0xB002
_TYPES = {
    0x030000: "primary", 0x010001: "large thumbnail", 0x010002: "large thumbnail", 0x010003: "large thumbnail",
    0x010004: "large thumbnail", 0x010005: "large thumbnail", 0x020001: "panorama", 0x020002: "disparity",
    0x020003: "multi-angle", 0x040000: "original", 0x050000: "gain map", 0x000000: "undefined",
}  # fmt: skip


class Entry(NamedTuple):
    """One picture of the index. offset: from the index's byte order mark on, 0 for the first picture. at: where the entry
    stands in the segment's body."""

    kind: str
    nbytes: int
    offset: int
    at: int


def _order(body: bytes) -> str:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[4:8])
    if order is None:
        raise ValueError("no byte order")
    return order


def read_index(body: bytes) -> list[Entry]:
    """The entries of an APP2 body that begins with MPF_PREFIX; none where it holds no index, as behind the first picture.

    ValueError where it is damaged.
    """
    order, tiff = _order(body), body[4:]
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (tags,) = struct.unpack_from(order + "H", tiff, start)
        for at in range(start + 2, min(start + 2 + 12 * tags, len(tiff) - 11), 12):
            tag, _, size, value = struct.unpack_from(order + "HHII", tiff, at)
            if tag == _ENTRIES:
                if size % 16 or not size or value + size > len(tiff):
                    raise ValueError(f"{size} bytes of entries at {value} of {len(tiff)}")
                places = range(value, value + size, 16)
                found = [struct.unpack_from(order + "III", tiff, p) for p in places]
                return [
                    Entry(_TYPES.get(attributes & 0xFFFFFF, "undefined"), nbytes, offset, p + 4)
                    for p, (attributes, nbytes, offset) in zip(places, found, strict=True)
                ]
    except struct.error:
        raise ValueError("it ends early") from None
    return []


def mended_index(body: bytes, changes: dict[int, tuple[int, int]]) -> bytes:
    """The body with other (nbytes, offset) by the `at` of its entries."""
    out, order = bytearray(body), _order(body)
    for at, (nbytes, offset) in changes.items():
        struct.pack_into(order + "II", out, at + 4, nbytes & 0xFFFFFFFF, offset & 0xFFFFFFFF)
    return bytes(out)


def write_index(kinds: Sequence[int]) -> bytes:
    """The body of an index of pictures of these type codes, sizes and offsets still 0: see `mended_index`."""
    tags = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", _COUNT, 4, 1, len(kinds))
    tags += struct.pack(">HHII", _ENTRIES, 7, 16 * len(kinds), 50)
    entries = b"".join(struct.pack(">IIIHH", kind, 0, 0, 0, 0) for kind in kinds)
    return MPF_PREFIX + struct.pack(">2sHIH", b"MM", 42, 8, 3) + tags + bytes(4) + entries
