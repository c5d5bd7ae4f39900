"""The file of a picture that a perceptron coded: a `container.box` of kind "perceptron".

Parameters of the box, in this order:

    flags     1 halved chroma, 2 weights come along (then they are the first payload)
    bits      0, or 4..8
    units     varint, how many are in the payloads
    step      float32, big-endian, in grey levels, where bits are 0
    model     length and name in ASCII, 4 bytes of its digest; or of one that comes along: n, varint k, and three bytes: hidden
              and output transfer functions in the order of `network.TRANSFERS`, whether the mean goes apart

The payloads: the weights where they come along, then each component's levels.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...coding.sequences import Cursor, varint
from ...container.box import Box, read_box, write_box
from ...errors import CorruptStream
from ...options import Limits
from .network import TRANSFERS, PerceptronSize
from .weights import DIGEST

__all__ = ["BITS", "KIND", "Header", "Payload", "read_stream", "write_stream"]

KIND = "perceptron"
BITS = (4, 8)
"""Of an activation, the least and the most."""
STEPS = 1 / 16, 4096.0
"""Steps that there are, in grey levels."""
_HALVED, _SENT = 1, 2
_NAMES = tuple(TRANSFERS)

Payload = tuple[bytes | memoryview, int]
"""Bytes and the offset of the first of them in the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. channels: 1 or 3. bits: 0 where the step counts. units: of the payloads. size: of a network
    that comes along; else model and digest tell it."""

    height: int
    width: int
    channels: int
    halved: bool
    bits: int
    units: int
    step: float
    model: str
    digest: bytes
    size: PerceptronSize | None = None


def write_stream(header: Header, payloads: Sequence[bytes]) -> bytes:
    """The file of a picture."""
    size = header.size
    params = bytes((_HALVED * header.halved + _SENT * (size is not None), header.bits)) + varint(header.units)
    params += b"" if header.bits else struct.pack(">f", header.step)
    if size is None:
        name = header.model.encode("ascii")
        params += bytes((len(name),)) + name + header.digest
    else:
        kind = bytes((_NAMES.index(size.hidden), _NAMES.index(size.output), size.mean))
        params += bytes((size.block,)) + varint(size.units) + kind
    return write_box(Box(KIND, header.height, header.width, header.channels, params, tuple(payloads)))


def read_stream(data: bytes | memoryview, limits: Limits = Limits()) -> tuple[Header, list[Payload]]:
    """Inverse of `write_stream`. Raises CorruptStream for what is none, UnsupportedJpeg, LimitExceeded as `read_box`."""
    box = read_box(data, limits)
    if box.kind != KIND:
        raise CorruptStream(f"the box holds a picture of kind {box.kind!r}, not {KIND!r}", 5)
    if box.channels not in (1, 3):
        raise CorruptStream(f"{box.channels} channels; a file of a perceptron has 1 or 3", 0)
    cursor = Cursor(memoryview(box.params))
    flags, bits = cursor.take(2, "parameters")
    if flags > _HALVED + _SENT or (flags & _HALVED and box.channels == 1) or (bits and not BITS[0] <= bits <= BITS[1]):
        raise CorruptStream(f"flags {flags} and {bits} bits are none of this codec's", 0)
    units = cursor.varint("parameters")
    step = 0.0 if bits else struct.unpack(">f", cursor.take(4, "parameters"))[0]
    if not bits and not STEPS[0] <= step <= STEPS[1]:
        raise CorruptStream(f"a quantiser step of {step}", 0)
    size, name, digest = None, b"", b""
    if flags & _SENT:
        block, total = cursor.byte("parameters"), cursor.varint("parameters")
        f, g, mean = cursor.take(3, "parameters")
        try:
            size = PerceptronSize(block, total, _NAMES[f], _NAMES[g], (False, True)[mean])
        except (ValueError, IndexError) as error:
            raise CorruptStream(f"a network that is none of this codec's: {error}", 0) from None
    else:
        name = bytes(cursor.take(cursor.byte("parameters"), "parameters"))
        digest = bytes(cursor.take(DIGEST, "parameters"))
    if cursor.at != len(cursor.data) or len(box.payloads) != box.channels + bool(flags & _SENT) or not name.isascii():
        raise CorruptStream(f"{len(box.params)} bytes of parameters and {len(box.payloads)} payloads do not fit", 0)
    header = Header(
        box.height, box.width, box.channels, bool(flags & _HALVED), bits, units, step, name.decode(), digest, size
    )
    places = np.cumsum([box.offset, *map(len, box.payloads)]).tolist()
    return header, list(zip(box.payloads, places, strict=False))
