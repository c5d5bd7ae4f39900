"""A learned stream's file: a `container.box` of kind "learned" whose payloads are rANS streams.

Its parameters: the model's name (length, ASCII), the first 4 bytes of the digest of its weights, the quality (1 byte).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def write_stream(header: Header, payloads: Sequence[bytes]) -> bytes:
    """The file of a picture's rANS streams."""
    name = header.model.encode("ascii")
    params = bytes((len(name),)) + name + header.digest + bytes((header.quality,))
    return write_box(Box(KIND, header.height, header.width, header.channels, params, tuple(payloads)))


def read_stream(
    data: bytes | memoryview, limits: Limits = Limits()
) -> tuple[Header, list[tuple[bytes | memoryview, int]]]:
    """Inverse of `write_stream`: header, and the payloads, each with the offset of its first byte.

    Raises:
        CorruptStream: No such file, or a damaged one; says what and where.
        UnsupportedJpeg, LimitExceeded: As `read_box`.
    """
    box = read_box(data, limits)
    if box.kind != KIND:
        raise CorruptStream(f"the box holds a picture of kind {box.kind!r}, not {KIND!r}", 5)
    length = box.params[0] if box.params else 0
    if len(box.params) != length + DIGEST + 2:
        raise CorruptStream(f"{len(box.params)} bytes of parameters do not fit a model's name of {length}", 0)
    name, digest, quality = box.params[1 : 1 + length], box.params[1 + length : -1], box.params[-1]
    if box.channels not in (1, 3):
        raise CorruptStream(f"{box.channels} channels; a learned stream has 1 or 3", 0)
    if not 1 <= quality <= 100 or not name.isascii():
        raise CorruptStream(f"a learned stream of model {name!r} and quality {quality}; must be ASCII and 1..100", 0)
    places = np.cumsum([box.offset, *map(len, box.payloads)]).tolist()
    header = Header(box.height, box.width, box.channels, name.decode(), digest, quality)
    return header, list(zip(box.payloads, places, strict=False))
