"""Which APPn and COM segments are which, by the start of their bodies."""

from __future__ import annotations

from ..markers import APP0, APP1, APP2, APP13, APP14, COM

__all__ = [
    "ADOBE_PREFIX", "EXIF_PREFIX", "EXTENDED_XMP_PREFIX", "ICC_PREFIX", "JFIF_PREFIX", "PHOTOSHOP_PREFIX", "XMP_PREFIX",
    "finer_kind", "is_adobe", "is_jfif", "segment_kind",
]  # fmt: skip

JFIF_PREFIX = b"JFIF\0"
JFXX_PREFIX = b"JFXX\0"
ADOBE_PREFIX = b"Adobe"
EXIF_PREFIX = b"Exif\0\0"
ICC_PREFIX = b"ICC_PROFILE\0"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP_PREFIX = b"Photoshop 3.0\0"
EXTENDED_XMP_PREFIX = b"http://ns.adobe.com/xmp/extension/\0"


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
    if code == APP1 and body.startswith((XMP_PREFIX, EXTENDED_XMP_PREFIX)):
        return "xmp"
    return "icc" if code == APP2 and body.startswith(ICC_PREFIX) else "other"


def finer_kind(code: int, body: bytes) -> str:
    """`segment_kind`, of other segments those that have a name: "iptc" (APP13, Photoshop's resources), "jfxx", "adobe"."""
    if is_adobe(code, body):
        return "adobe"
    if code == APP13:
        return "iptc"
    if code == APP0 and body.startswith(JFXX_PREFIX):
        return "jfxx"
    return segment_kind(code, body)
