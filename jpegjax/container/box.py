"""The box: one small container for pictures that are not JPEG. It knows sizes and lengths, the codec inside knows the rest.

    magic     8A 4A 58 4A  "·JXJ"
    version   1 byte, 1
    kind      1 byte length, then the codec's name in ASCII
    height, width, channels                 varints
    params    varint length, then bytes that the codec defines
    payloads  varint count, varint length of each, then their bytes
    filler    zeros, so that no file of more than 4 Mpixel holds more than 1024 pixels a byte (Limits.pixels_per_byte)
    CRC-32    4 bytes, big-endian, of everything before it

A varint has 7 bits a byte, lowest first; the high bit says that more follow.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..coding.varints import Cursor, varint
from ..errors import CorruptStream, LimitExceeded, UnsupportedJpeg
from ..options import MAX_SIDE, Limits

__all__ = ["Box", "read_box", "write_box"]

MAGIC = b"\x8aJXJ"
VERSION = 1
_FREE_PIXELS = 1 << 22  # below, a header may claim what it wants
_DENSITY = 1024
_MAX_PAYLOADS = 256


@dataclass(frozen=True, slots=True)
class Box:
    """What a box holds: kind is the codec's name, params and payloads are its own.

    height, width: 1..65535; channels: 1..255. offset: of the first payload in the file that the box was read from.
    """

    kind: str
    height: int
    width: int
    channels: int
    params: bytes
    payloads: tuple[bytes | memoryview, ...]
    offset: int = field(default=0, compare=False)


def write_box(box: Box) -> bytes:
    """The file of a box."""
    kind = box.kind.encode("ascii")
    numbers: Sequence[int] = box.height, box.width, box.channels, len(box.params)
    parts: list[bytes | memoryview] = [MAGIC, bytes((VERSION, len(kind))), kind, *map(varint, numbers), box.params]
    parts += [varint(len(box.payloads)), *(varint(len(p)) for p in box.payloads), *box.payloads]
    body = b"".join(parts)
    pixels = box.height * box.width
    if pixels > _FREE_PIXELS:
        body = body.ljust(-(-pixels // _DENSITY) - 4, b"\0")
    return body + zlib.crc32(body).to_bytes(4, "big")


def _span(cursor: Cursor, what: str, low: int, high: int) -> int:
    at, value = cursor.place, cursor.varint(f"the box's {what}")
    if not low <= value <= high:
        raise CorruptStream(f"the box's {what} is {value}; must be {low}..{high}", at)
    return value


def _check_pixels(height: int, width: int, nbytes: int, limits: Limits, at: int) -> None:
    pixels = height * width
    what = f"the header claims {width}×{height} = {pixels} pixels"
    if limits.pixels is not None and pixels > limits.pixels:
        raise LimitExceeded(f"{what}; Limits.pixels is {limits.pixels}", at)
    density = limits.pixels_per_byte
    if density is not None and pixels > max(density * nbytes, _FREE_PIXELS):
        raise LimitExceeded(f"{what} in a file of {nbytes} bytes; Limits.pixels_per_byte is {density}", at)


def read_box(data: bytes | memoryview, limits: Limits = Limits()) -> Box:
    """The box in a file: inverse of `write_box`; payloads are views of `data`.

    Raises CorruptStream (no box, damaged, or its checksum fails), UnsupportedJpeg (another version), LimitExceeded
    (limits.pixels, limits.pixels_per_byte), with the byte offset. Nothing is allocated for what a header claims.
    """
    whole = memoryview(data).cast("B")
    if bytes(whole[:4]) != MAGIC:
        raise CorruptStream("the file is no jpegjax box: it must begin with 8A 4A 58 4A", 0)
    end = len(whole) - 4
    cursor = Cursor(whole[:end])
    cursor.take(4, "the box's magic")
    version = cursor.byte("the box's version")
    if version != VERSION:
        raise UnsupportedJpeg(f"a box of version {version}; this library reads version {VERSION}", 4)
    if zlib.crc32(cursor.data) != int.from_bytes(whole[end:], "big"):
        raise CorruptStream("the box's checksum does not match: the file is damaged or cut", end)
    kind = bytes(cursor.take(cursor.byte("the box's kind"), "the box's kind"))
    if not kind.isascii():
        raise CorruptStream(f"the box's kind {kind!r} is not ASCII", 6)
    at = cursor.place
    height, width = (_span(cursor, side, 1, MAX_SIDE) for side in ("height", "width"))
    channels = _span(cursor, "channels", 1, 255)
    _check_pixels(height, width, len(whole), limits, at)
    params = bytes(cursor.take(cursor.varint("the box's parameters"), "the box's parameters"))
    count = _span(cursor, "number of payloads", 0, _MAX_PAYLOADS)
    lengths = [cursor.varint("the box's payload lengths") for _ in range(count)]
    start = cursor.place
    payloads = tuple([cursor.take(length, "the box's payloads") for length in lengths])
    if any(cursor.data[cursor.at :]):
        raise CorruptStream("bytes behind the box's payloads that are not zero", cursor.at)
    return Box(kind.decode(), height, width, channels, params, payloads, start)
