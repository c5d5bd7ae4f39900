"""What stands beside the pixels of a JPEG file, in the formats that it is decoded to."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ...container.metadata import EXIF_PREFIX
from .metadata import described, exif_tags, fits
from .png import chunk

__all__ = ["Beside", "fitting", "png_chunks", "tiff_tags"]

Beside = dict[str, Any]
"""icc_profile, exif, xmp: bytes; dpi: (x, y); comment: a tuple of bytes. What is not there is missing."""

_TAKES = {
    "png": {"icc_profile", "exif", "xmp", "dpi", "comment"},
    "tiff": {"icc_profile", "exif", "xmp", "dpi", "comment"},
    "bmp": {"dpi"},
}
_DESCRIPTION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT, _XMP, _ICC = 270, 282, 283, 296, 700, 34_675


def fitting(found: Beside, suffix: str, channels: int, notes: list[str]) -> Beside:
    """What of it a format takes, for a picture of so many channels; the rest is a note."""
    takes = _TAKES.get(suffix, set())
    left = {name: value for name, value in found.items() if name not in takes}
    if left:
        notes.append(f"{described(left)} left out ({suffix} holds none)")
    kept = {name: value for name, value in found.items() if name in takes}
    fits(kept, channels, notes)
    return kept


def png_chunks(found: Beside, notes: list[str]) -> bytes:
    """Chunks that stand before IDAT: iCCP, pHYs, eXIf, iTXt of XMP, tEXt or iTXt of comments (PNG 11.3)."""
    parts = []
    if "icc_profile" in found:
        parts.append(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(found["icc_profile"])))
    if "dpi" in found:
        x, y = (min(round(dots / 0.0254), (1 << 31) - 1) for dots in found["dpi"])
        parts.append(chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if "exif" in found:
        parts.append(chunk(b"eXIf", found["exif"].removeprefix(EXIF_PREFIX)))
    if "xmp" in found:
        try:
            found["xmp"].decode()
            parts.append(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + found["xmp"]))
        except UnicodeDecodeError:
            notes.append("XMP left out: it is no UTF-8, and PNG holds nothing else")
    for text in found.get("comment", ()):
        parts.append(_text(text.rstrip(b"\0")))
    return b"".join(parts)


def _text(text: bytes) -> bytes:
    """A comment: tEXt where Latin-1 holds it, else iTXt."""
    try:
        words = text.decode()
    except UnicodeDecodeError:
        words = text.decode("latin-1")
    words = words.replace("\0", "\ufffd")
    try:
        return chunk(b"tEXt", b"Comment\0" + words.encode("latin-1"))
    except UnicodeEncodeError:
        return chunk(b"iTXt", b"Comment\0\0\0\0\0" + words.encode())


def tiff_tags(found: Beside, notes: list[str]) -> dict[int, Any]:
    """Tags of a directory: EXIF's own, resolution, XMP, ICC; the first comment is ImageDescription where EXIF has none."""
    tags: dict[int, Any] = {}
    if "exif" in found:
        try:
            exif = Image.Exif()
            exif.load(found["exif"])
            tags = exif_tags(exif, orientation=True)
            directory = ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
            for tag, value in tags.items():
                directory[tag] = value
            directory.tobytes(8)
        except Exception as error:  # Pillow raises whatever it likes about values of odd types
            tags = {}
            notes.append(f"EXIF left out: {error}")
    if "dpi" in found:
        tags[_X_RESOLUTION], tags[_Y_RESOLUTION] = found["dpi"]
        tags[_UNIT] = 2
    comments = list(found.get("comment", ()))
    if comments and _DESCRIPTION not in tags:
        tags[_DESCRIPTION] = comments.pop(0).decode("utf-8", "replace").replace("\0", "")
    if comments:
        notes.append(f"{len(comments)} comments left out (a TIFF holds one description)")
    if "xmp" in found:
        tags[_XMP] = found["xmp"]
    if "icc_profile" in found:
        tags[_ICC] = found["icc_profile"]
    return tags
