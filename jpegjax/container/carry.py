"""Metadata carried from one file to another, segment by segment as it stands (jpegtran -copy).

source's APPn and COM segments ──▶ carried_head ──▶ SOI, JFIF, Adobe, kept segments
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence

from ..types import ColorSpace, Frame
from .bodies import guess_color
from .metadata import (
    EXIF_PREFIX,
    ORIENTATION,
    Metadata,
    is_adobe,
    is_jfif,
    read_orientation,
    segment_kind,
    tiff_order,
)
from .write import SOI, adobe_segment, icc_segments, jfif_segment, segment

__all__ = ["carried_head", "carried_orientation"]

_EXIF_IFD, _PIXEL_X, _PIXEL_Y = 0x8769, 0xA002, 0xA003

Segments = Sequence[tuple[int, int, int]]


def _entries(tiff: bytes | bytearray, order: str, start: int) -> Iterator[tuple[int, int, int]]:
    """(tag, type, offset) of the entries of a TIFF directory, as far as it is there (TIFF 6.0 section 2)."""
    if start + 2 > len(tiff):
        return
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        yield *struct.unpack_from(order + "HH", tiff, at), at


def _patched(exif: bytes, orientation: int | None, size: tuple[int, int] | None) -> bytes:
    """An EXIF body whose orientation and (width, height) in pixels say something else, where it has them; in place."""
    tiff = bytearray(exif[len(EXIF_PREFIX) :])
    order = tiff_order(tiff)
    if order is None or len(tiff) < 8:
        return exif
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    followed = False  # one sub-directory only: a hostile file may point at thousands that overlap
    for tag, kind, at in list(_entries(tiff, order, first)):
        if tag == ORIENTATION and orientation is not None:
            struct.pack_into(order + {1: "B", 4: "I"}.get(kind, "H"), tiff, at + 8, orientation)
        elif tag == _EXIF_IFD and size is not None and not followed:
            followed = True
            (inner,) = struct.unpack_from(order + "I", tiff, at + 8)
            for name, _, there in list(_entries(tiff, order, inner)):
                if name in (_PIXEL_X, _PIXEL_Y):
                    struct.pack_into(order + "HII", tiff, there + 2, 4, 1, size[name - _PIXEL_X])
    return EXIF_PREFIX + bytes(tiff)


def carried_orientation(data: bytes | memoryview, segments: Segments) -> tuple[int, tuple[str, int] | None]:
    """(EXIF orientation 1..8, or 1 for none, as `carried_head` would rewrite it; a warning where it cannot be read)."""
    for code, at, stop in segments:
        body = bytes(data[at + 4 : stop])
        if segment_kind(code, body) == "exif":
            try:
                return read_orientation(body) or 1, None
            except ValueError as error:
                return 1, (f"EXIF is damaged: {error}", at)
    return 1, None


def carried_head(
    data: bytes | memoryview,
    segments: Segments,
    metadata: Metadata,
    frame: Frame,
    keep: Collection[str],
    *,
    resized: bool = False,
    orientation: int | None = None,
    icc_profile: bytes | None = None,
) -> bytes:
    """The start of a file of `frame` that keeps segments of another one: SOI, JFIF or Adobe anew, then theirs in order.

    data, segments, metadata: of the other file, as `Reader` has them. keep: kinds of `options.KINDS`. Like jpegtran's, JFIF
    carries over version and density, and gives way to an EXIF segment that would stand first; that one is then told the
    frame's size if it was resized. orientation: what the first EXIF segment shall say, where it says any, and the size
    with it. icc_profile: a profile that stands behind them.
    """
    found = [(code, bytes(data[at + 4 : stop])) for code, at, stop in segments]
    kept = [(code, body) for code, body in found if segment_kind(code, body) in keep]
    jfif = frame.color in (ColorSpace.GRAY, ColorSpace.YCBCR)
    adobe = adobe_segment(frame.color)
    if kept and segment_kind(*kept[0]) == "exif":
        transforms = [body[11] for code, body in kept if is_adobe(code, body) and len(body) >= 12]
        told = any(is_jfif(code, body) and len(body) >= 14 for code, body in kept)
        # Without JFIF, component identifiers may say another colour space.
        jfif = jfif and guess_color(frame, told, transforms[-1] if transforms else None)[0] is not frame.color
        if resized:
            kept[0] = kept[0][0], _patched(kept[0][1], None, (frame.width, frame.height))
    if orientation is not None:
        first = next((i for i, part in enumerate(kept) if segment_kind(*part) == "exif"), None)
        if first is not None:
            size = (frame.width, frame.height) if resized else None
            kept[first] = kept[first][0], _patched(kept[first][1], orientation, size)
    parts = [SOI]
    if jfif:
        major, minor = metadata.jfif_version or (1, 1)
        parts.append(jfif_segment((1, minor) if major == 1 else (1, 1), metadata.density or (0, 1, 1)))
    parts.append(adobe)
    parts += [
        segment(code, body)
        for code, body in kept
        if not (jfif and is_jfif(code, body)) and not (adobe and is_adobe(code, body))
    ]
    if icc_profile:
        parts.append(icc_segments(icc_profile))
    return b"".join(parts)
