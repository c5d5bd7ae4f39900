"""A learned stream's file: a `container.box` of kind "learned" with one payload, a rANS stream.

Its parameters: the model's name (length, ASCII), the first 4 bytes of the digest of its weights, the quality (1 byte).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..container.box import Box, read_box, write_box
from ..errors import CorruptStream
from ..options import Limits

__all__ = ["DIGEST", "KIND", "Header", "read_stream", "write_stream"]

KIND = "learned"
DIGEST = 4
"""Bytes of a model's digest."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a stream says of itself. channels: 1 or 3. quality: 1..100. model, digest: whose symbols these are."""

    height: int
    width: int
    channels: int
    model: str
    digest: bytes
    quality: int


def write_stream(header: Header, payload: bytes) -> bytes:
    """The file of a rANS stream."""
    name = header.model.encode("ascii")
    params = bytes((len(name),)) + name + header.digest + bytes((header.quality,))
    return write_box(Box(KIND, header.height, header.width, header.channels, params, (payload,)))


def read_stream(data: bytes | memoryview, limits: Limits = Limits()) -> tuple[Header, memoryview, int]:
    """Inverse of `write_stream`: header, payload, and where the payload begins.

    Raises:
        CorruptStream: No such file, or a damaged one; says what and where.
        UnsupportedJpeg, LimitExceeded: As `read_box`.
    """
    box = read_box(data, limits)
    if box.kind != KIND:
        raise CorruptStream(f"the box holds a picture of kind {box.kind!r}, not {KIND!r}", 5)
    length = box.params[0] if box.params else 0
    if len(box.params) != length + DIGEST + 2 or len(box.payloads) != 1:
        raise CorruptStream(f"{len(box.params)} bytes of parameters and {len(box.payloads)} payloads do not fit", 0)
    name, digest, quality = box.params[1 : 1 + length], box.params[1 + length : -1], box.params[-1]
    if box.channels not in (1, 3):
        raise CorruptStream(f"{box.channels} channels; a learned stream has 1 or 3", 0)
    if not 1 <= quality <= 100 or not name.isascii():
        raise CorruptStream(f"a learned stream of model {name!r} and quality {quality}; must be ASCII and 1..100", 0)
    payload = memoryview(box.payloads[0])
    offset = len(data) - 4 - len(payload)  # a box's filler stands behind, but only behind payloads of bare pictures
    return Header(box.height, box.width, box.channels, name.decode(), digest, quality), payload, offset
