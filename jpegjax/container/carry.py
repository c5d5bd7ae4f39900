"""Metadata carried from one file to another, segment by segment as it stands (jpegtran -copy).

source's APPn and COM segments ──▶ carried_head ──▶ SOI, JFIF, Adobe, kept segments
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..types import ColorSpace, Frame
from .bodies import guess_color
from .metadata import (
    EXIF_PREFIX,
    XMP_PREFIX,
    Metadata,
    is_adobe,
    is_jfif,
    resized_exif,
    segment_kind,
    upright_exif,
    upright_xmp,
)
from .write import SOI, adobe_segment, icc_segments, jfif_segment, segment

__all__ = ["carried_head"]

Segments = Sequence[tuple[int, int, int]]
Kept = list[tuple[int, bytes]]


def _made_upright(kept: Kept, frame: Frame, resized: bool) -> None:
    """Have all EXIF and XMP among kept segments say that the picture is upright, and EXIF its size where that changed."""

    def told(body: bytes) -> bytes:
        body = upright_exif(body)
        return resized_exif(body, frame.width, frame.height) if resized else body

    places = [i for i, part in enumerate(kept) if segment_kind(*part) == "exif"]
    whole = told(EXIF_PREFIX + b"".join(kept[i][1][len(EXIF_PREFIX) :] for i in places))
    p = len(EXIF_PREFIX)
    for i in places:  # one EXIF that is spread over several segments, or several, of which a reader takes either
        code, body = kept[i]
        stop = p + len(body) - len(EXIF_PREFIX)
        part = EXIF_PREFIX + whole[p:stop]
        kept[i], p = (code, told(part) if i != places[0] else part), stop
    for i, (code, body) in enumerate(kept):
        if segment_kind(code, body) == "xmp" and body.startswith(XMP_PREFIX):
            kept[i] = code, XMP_PREFIX + upright_xmp(body[len(XMP_PREFIX) :])


def carried_head(
    data: bytes | memoryview,
    segments: Segments,
    metadata: Metadata,
    frame: Frame,
    keep: Collection[str],
    *,
    resized: bool = False,
    upright: bool = False,
    icc_profile: bytes | None = None,
) -> bytes:
    """The start of a file of `frame` that keeps segments of another one: SOI, JFIF or Adobe anew, then theirs in order.

    data, segments, metadata: of the other file, as `Reader` has them. keep: kinds of `options.KINDS`. Like jpegtran's, JFIF
    carries over version and density, and gives way to an EXIF segment that would stand first; that one is then told the
    frame's size if it was resized. upright: whatever says an orientation, EXIF or XMP, shall say 1, and EXIF the size
    with it, wherever it stands. icc_profile: a profile that stands behind them.
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
            kept[0] = kept[0][0], resized_exif(kept[0][1], frame.width, frame.height)
    if upright:
        _made_upright(kept, frame, resized)
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
