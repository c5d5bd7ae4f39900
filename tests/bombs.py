"""Small files that ask for much work, put together marker by marker."""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["DQT", "arithmetic_scans", "frame", "scan", "whole"]

DQT = b"\xff\xdb\0\x43\0" + bytes([1] * 64)


def frame(
    code: int, height: int, width: int, factors: Sequence[tuple[int, int]] = ((1, 1),), precision: int = 8
) -> bytes:
    """SOFn of components 1, 2, … with these sampling factors."""
    body = struct.pack(">BHHB", precision, height, width, len(factors))
    body += b"".join(bytes((i, h << 4 | v, 0)) for i, (h, v) in enumerate(factors, 1))
    return b"\xff%c" % code + struct.pack(">H", len(body) + 2) + body


def scan(
    components: Sequence[int], spectral: tuple[int, int] = (0, 63), approximation: tuple[int, int] = (0, 0)
) -> bytes:
    """SOS of components by identifier, all with tables 0."""
    body = bytes(
        (len(components), *(b for c in components for b in (c, 0)), *spectral, approximation[0] << 4 | approximation[1])
    )
    return b"\xff\xda" + struct.pack(">H", len(body) + 2) + body


def whole(*parts: bytes) -> bytes:
    """SOI, a table of ones, the parts, EOI."""
    return b"\xff\xd8" + DQT + b"".join(parts) + b"\xff\xd9"


def arithmetic_scans(side: int, refinements: int, data: bytes, components: int = 1) -> bytes:
    """A progressive picture whose first AC scan and refinements read `data` each, then zeros without end."""
    first = frame(0xCA, side, side, [(1, 1)] * components) + scan(range(1, components + 1), (0, 0)) + data
    return whole(first, scan([1], (1, 63), (0, 1)), data, *[scan([1], (1, 63), (1, 0)) + data] * refinements)
