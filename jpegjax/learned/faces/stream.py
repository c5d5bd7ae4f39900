"""A face's file: a `container.box` of kind "f" with one payload, a rANS stream.

Parameters: the first 2 bytes of the digest of the model's numbers, and the quality. The stream: whether a shape follows (one
symbol), the shape's code where it does, the latents that this quality has. 20 bytes are the box's, with parameters and checksum.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...container.box import Box, read_box, write_box
from ...errors import CorruptStream, UnsupportedJpeg
from ...options import Limits

__all__ = ["DIGEST", "KIND", "Header", "read_stream", "write_stream"]

KIND = "f"
DIGEST = 2
"""Bytes of a model's digest."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. channels: 1 or 3. quality: 1..100. digest: of the model whose symbols these are."""

    height: int
    width: int
    channels: int
    digest: bytes
    quality: int


def write_stream(header: Header, stream: bytes) -> bytes:
    """The file of a rANS stream."""
    params = header.digest + bytes((header.quality,))
    return write_box(Box(KIND, header.height, header.width, header.channels, params, (stream,)))


def read_stream(data: bytes | memoryview, limits: Limits = Limits()) -> tuple[Header, bytes | memoryview, int]:
    """Inverse of `write_stream`: header, rANS stream, and where that begins in the file.

    Raises CorruptStream (no such file, or a damaged one), UnsupportedJpeg (a box of another kind or version) or LimitExceeded.
    """
    box = read_box(data, limits)
    if box.kind != KIND:
        raise UnsupportedJpeg(f"a box of kind {box.kind!r}, not {KIND!r}", 5)
    if len(box.params) != DIGEST + 1 or len(box.payloads) != 1:
        raise CorruptStream(f"{len(box.params)} bytes of parameters and {len(box.payloads)} payloads are no face's", 0)
    digest, quality = box.params[:DIGEST], box.params[DIGEST]
    if box.channels not in (1, 3) or not 1 <= quality <= 100:
        raise CorruptStream(f"{box.channels} channels and quality {quality}; must be 1 or 3, and 1..100", 0)
    return Header(box.height, box.width, box.channels, digest, quality), box.payloads[0], box.offset
