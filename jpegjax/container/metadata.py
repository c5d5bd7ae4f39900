"""What APPn and COM segments say beside the picture: comments, EXIF, ICC, XMP, density (JFIF, Exif 2.3, ICC.1 B.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from .markers import APP0, APP1, APP2, APP14, COM

__all__ = [
    "ADOBE_PREFIX", "EXIF_PREFIX", "ICC_PREFIX", "JFIF_PREFIX", "ORIENTATION", "XMP_PREFIX", "Metadata", "is_adobe", "is_jfif",
    "read_metadata", "read_orientation", "segment_kind", "tiff_order",
]  # fmt: skip

JFIF_PREFIX = b"JFIF\0"
ADOBE_PREFIX = b"Adobe"
EXIF_PREFIX = b"Exif\0\0"
ICC_PREFIX = b"ICC_PROFILE\0"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"

ORIENTATION = 0x0112
"""EXIF's tag."""

_INTEGERS = {1: "B", 3: "H", 4: "I"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of one file; None where it has none or where it is damaged (`warnings` then says so).

    comments: bodies of the COM segments. exif: with its "Exif\\0\\0" prefix, as `encode(exif=...)` takes it.
    orientation: EXIF orientation 1..8. icc_profile, xmp: without their prefixes.
    jfif_version: (major, minor). density: JFIF (unit, x, y); unit 0 is an aspect ratio, 1 dots an inch, 2 dots a cm.
    adobe_transform: colour transform flag of the Adobe marker. warnings: (message, byte offset).
    """

    comments: tuple[bytes, ...] = ()
    exif: bytes | None = None
    orientation: int | None = None
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    jfif_version: tuple[int, int] | None = None
    density: tuple[int, int, int] | None = None
    adobe_transform: int | None = None
    warnings: tuple[tuple[str, int], ...] = ()

    @property
    def dpi(self) -> tuple[float, float] | None:
        """(x, y) dots an inch of the JFIF marker, or None where it has no unit."""
        if self.density is None or self.density[0] not in (1, 2):
            return None
        unit, x, y = self.density
        return (x, y) if unit == 1 else (x * 2.54, y * 2.54)


def is_jfif(code: int, body: bytes | memoryview) -> bool:
    """Whether a segment is JFIF's own, by the start of its body."""
    return code == APP0 and body[:5] == JFIF_PREFIX


def is_adobe(code: int, body: bytes | memoryview) -> bool:
    """Whether a segment is Adobe's, which gives the colour transform, by the start of its body."""
    return code == APP14 and body[:5] == ADOBE_PREFIX


def segment_kind(code: int, body: bytes) -> str:
    """What an APPn or COM segment is by the start of its body: "comments", "exif", "icc", "xmp" or "other"."""
    if code == COM:
        return "comments"
    if code == APP1 and body.startswith(EXIF_PREFIX):
        return "exif"
    if code == APP1 and body.startswith((XMP_PREFIX, _EXTENDED_XMP)):
        return "xmp"
    return "icc" if code == APP2 and body.startswith(ICC_PREFIX) else "other"


def tiff_order(tiff: bytes | bytearray) -> str | None:
    """Byte order of TIFF data as `struct` spells it, or None where they do not begin like TIFF (TIFF 6.0 section 2)."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))


def read_orientation(exif: bytes) -> int | None:
    """EXIF orientation 1..8 of an APP1 body, or None where it has none; ValueError where the body is damaged."""
    tiff = exif[len(EXIF_PREFIX) :] if exif.startswith(EXIF_PREFIX) else exif
    order = tiff_order(tiff)
    if order is None:
        raise ValueError("no TIFF header")
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for p in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(order + "HHI", tiff, p)
            if tag == ORIENTATION:
                if kind not in _INTEGERS or count != 1:
                    raise ValueError(f"orientation has type {kind} and count {count}")
                (value,) = struct.unpack_from(order + _INTEGERS[kind], tiff, p + 8)
                if not 1 <= value <= 8:
                    raise ValueError(f"orientation is {value}, not 1..8")
                return value
    except struct.error:
        raise ValueError("directory ends early") from None
    return None


def _join_icc(chunks: list[tuple[int, int, bytes]]) -> bytes:
    """The profile of (number, count, part) chunks; ValueError where one is missing, doubled or miscounted."""
    counts = {count for _, count, _ in chunks}
    numbers = sorted(number for number, _, _ in chunks)
    if len(counts) != 1 or numbers != list(range(1, counts.pop() + 1)):
        raise ValueError(f"chunks {numbers} do not make a whole")
    return b"".join(part for _, _, part in sorted(chunks))


def read_metadata(data: bytes | memoryview, segments: Sequence[tuple[int, int, int]]) -> Metadata:
    """Metadata from (marker code, offset of the marker, offset of the end) of APPn and COM segments in `data`."""
    comments: list[bytes] = []
    exif: list[bytes] = []
    icc: list[tuple[int, int, bytes]] = []
    found: dict = {}
    warnings: list[tuple[str, int]] = []
    first: dict[str, int] = {}
    for code, at, stop in segments:
        body = bytes(data[at + 4 : stop])
        if code == COM:
            comments.append(body)
        elif is_jfif(code, body) and len(body) >= 14:
            found["jfif_version"] = body[5], body[6]
            found["density"] = struct.unpack_from(">BHH", body, 7)
        elif code == APP1 and body.startswith(EXIF_PREFIX):
            # A body too long for one segment goes on in the next one.
            exif.append(body[len(EXIF_PREFIX) :] if exif else body)
            first.setdefault("exif", at)
        elif code == APP1 and body.startswith(XMP_PREFIX):
            found["xmp"] = body[len(XMP_PREFIX) :]
        elif code == APP2 and body.startswith(ICC_PREFIX) and len(body) >= 14:
            icc.append((body[12], body[13], body[14:]))
            first.setdefault("icc", at)
        elif is_adobe(code, body) and len(body) >= 12:
            found["adobe_transform"] = body[11]
    if exif:
        found["exif"] = b"".join(exif)
        try:
            found["orientation"] = read_orientation(found["exif"])
        except ValueError as error:
            warnings.append((f"EXIF is damaged: {error}", first["exif"]))
    if icc:
        try:
            found["icc_profile"] = _join_icc(icc)
        except ValueError as error:
            warnings.append((f"ICC profile is damaged: {error}", first["icc"]))
    return Metadata(comments=tuple(comments), warnings=tuple(warnings), **found)
