"""Metadata carried from one file to another, segment by segment as it stands (jpegtran -copy).

source's APPn and COM segments ──▶ carried_head ──▶ SOI, JFIF, Adobe, kept segments
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..types import ColorSpace, Frame
from .bodies import guess_color
from .metadata import (
    EXIF_PREFIX,
    XMP_PREFIX,
    Metadata,
    exif_thumbnail,
    finer_kind,
    is_adobe,
    is_jfif,
    resized_exif,
    resized_xmp,
    segment_kind,
    upright_exif,
    upright_xmp,
    with_thumbnail,
)
from .write import SOI, adobe_segment, icc_segments, jfif_segment, segment

__all__ = ["Retold", "carried_head", "without_color"]

Segments = Sequence[tuple[int, int, int]]
Kept = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Retold:
    """What kept EXIF and XMP shall say anew, wherever they stand.

    upright: orientation 1. size: (width, height) of the picture where it changed. thumbnail: what makes the new one of
    EXIF's thumbnail, (a JPEG file or None, its width and height); None leaves it.
    """

    upright: bool = False
    size: tuple[int, int] | None = None
    thumbnail: Callable[[bytes], tuple[bytes | None, tuple[int, int]]] | None = None

    def exif(self, body: bytes) -> bytes:
        """An EXIF body, told."""
        body = upright_exif(body) if self.upright else body
        return body if self.size is None else resized_exif(body, *self.size, everywhere=True)

    def whole_exif(self, body: bytes) -> bytes:
        """As `exif`, of one that is not spread over segments; its size may change with the thumbnail's."""
        body = self.exif(body)
        if self.thumbnail is None:
            return body
        old = exif_thumbnail(body)
        return with_thumbnail(body, *((None, (0, 0)) if old is None else self.thumbnail(old)))

    def tell(self, kept: Kept) -> None:
        """Change segments in place."""
        places = [i for i, part in enumerate(kept) if segment_kind(*part) == "exif"]
        if len(places) == 1:
            kept[places[0]] = kept[places[0]][0], self.whole_exif(kept[places[0]][1])
        elif places:
            self._tell_spread(kept, places)
        for i, (code, body) in enumerate(kept):
            if segment_kind(code, body) == "xmp" and body.startswith(XMP_PREFIX):
                packet = body[len(XMP_PREFIX) :]
                packet = upright_xmp(packet) if self.upright else packet
                kept[i] = code, XMP_PREFIX + (packet if self.size is None else resized_xmp(packet, *self.size))

    def _tell_spread(self, kept: Kept, places: Sequence[int]) -> None:
        """One EXIF that is spread over several segments, or several, of which a reader takes either. No thumbnail fits there."""
        whole = self.exif(EXIF_PREFIX + b"".join(kept[i][1][len(EXIF_PREFIX) :] for i in places))
        whole = whole if self.thumbnail is None else with_thumbnail(whole, None, (0, 0))
        whole, p = whole.ljust(sum(len(kept[i][1]) for i in places), b"\0"), len(EXIF_PREFIX)
        for i in places:
            code, body = kept[i]
            stop = p + len(body) - len(EXIF_PREFIX)
            part = EXIF_PREFIX + whole[p:stop]
            kept[i], p = (code, part if i == places[0] else self.whole_exif(part)), stop


def without_color(data: bytes | memoryview, segments: Segments) -> Segments:
    """The segments but JFIF's and Adobe's, which say what a file's components are."""
    bodies = [(code, bytes(data[at + 4 : stop])) for code, at, stop in segments]
    return [one for one, part in zip(segments, bodies, strict=True) if not (is_jfif(*part) or is_adobe(*part))]


def carried_head(
    data: bytes | memoryview,
    segments: Segments,
    metadata: Metadata,
    frame: Frame,
    keep: Collection[str],
    *,
    resized: bool = False,
    retold: Retold | None = None,
    icc_profile: bytes | None = None,
) -> bytes:
    """The start of a file of `frame` that keeps segments of another one: SOI, JFIF or Adobe anew, then theirs in order.

    data, segments, metadata: of the other file, as `Reader` has them. keep: kinds of `options.KINDS`. Like jpegtran's, JFIF
    carries over version and density, and gives way to an EXIF segment that would stand first; that one is then told the
    frame's size if it was resized. retold: what is to be told besides. icc_profile: a profile that stands behind them.
    """
    found = [(code, bytes(data[at + 4 : stop])) for code, at, stop in segments]
    kept = [(code, body) for code, body in found if finer_kind(code, body) in keep]
    jfif = frame.color in (ColorSpace.GRAY, ColorSpace.YCBCR)
    adobe = adobe_segment(frame.color)
    if kept and segment_kind(*kept[0]) == "exif":
        transforms = [body[11] for code, body in kept if is_adobe(code, body) and len(body) >= 12]
        told = any(is_jfif(code, body) and len(body) >= 14 for code, body in kept)
        # Without JFIF, component identifiers may say another colour space.
        jfif = jfif and guess_color(frame, told, transforms[-1] if transforms else None)[0] is not frame.color
        if resized:
            kept[0] = kept[0][0], resized_exif(kept[0][1], frame.width, frame.height)
    if retold is not None:
        retold.tell(kept)
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
