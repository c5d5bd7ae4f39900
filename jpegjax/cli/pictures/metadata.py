"""What stands beside the pixels in other formats, for the JPEG file that is made of them: profile, EXIF, XMP, dpi, comment."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, TiffTags

from ...container import inspect
from ...container.markers import MAX_BODY
from ...container.metadata import EXIF_PREFIX, resized_exif, resized_xmp, upright_exif, upright_xmp
from ...options import Limits, Metadata

__all__ = ["described", "exif_tags", "fits", "gathered", "reshaped", "without_thumbnail"]

_SPACES = (b"GRAY", b"Lab ", b"RGB ", b"CMYK", b"XYZ ")
"""Colour spaces of ICC profiles (ICC.1 7.2.6); of those that fit a picture the place is its channels less one."""
_NAMES = {
    "icc_profile": "ICC profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution", "comment": "comment",
}  # fmt: skip
_DESCRIPTIVE = {
    269, 270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432, 34665, 34853, 40091, 40092, 40093, 40094, 40095,
}  # fmt: skip
"""Tags of a TIFF directory that describe the picture and not how the file holds it (TIFF 6.0, Exif 2.32)."""
_STRUCTURAL = {
    *range(254, 267), 273, 274, *range(277, 282), *range(284, 294), 297, 301, *range(317, 333), *range(336, 348),
    *range(512, 533), 700, 34675,
}  # fmt: skip
"""Tags that say how a TIFF file holds its samples, and those that are read elsewhere."""
_BEHIND = (b"http://ns.adobe.com/hdr-gain-map/1.0/", b"http://ns.google.com/photos/1.0/container/")
"""In XMP: that gain maps, videos or other pictures stand behind the first one."""
_USED_TEXTS = {"XML:com.adobe.xmp", "Raw profile type exif", "Comment"}
_ORIENTATION, _X_RESOLUTION = 274, 282


def fits(found: dict[str, Any], channels: int, notes: list[str]) -> None:
    """Take out a profile of other colours than those of a picture of so many channels, with a note."""
    kind = found.get("icc_profile", b"")[16:20]
    if kind in _SPACES and kind != _SPACES[channels - 1]:
        del found["icc_profile"]
        named, made = (one.decode().strip() for one in (kind, _SPACES[channels - 1]))
        notes.append(f"ICC profile of {named} left out: the picture is {made}")


def described(found: dict[str, Any]) -> str:
    """Kinds of metadata in words: "ICC profile, EXIF"."""
    return ", ".join(_NAMES[name] for name in _NAMES if found.get(name))


def without_thumbnail(exif: bytes) -> bytes:
    """EXIF whose first directory is its last: the thumbnail is of a picture that looks otherwise now."""
    tiff = bytearray(exif.removeprefix(EXIF_PREFIX))
    order = "<" if tiff[:2] == b"II" else ">"
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        struct.pack_into(order + "I", tiff, start + 2 + 12 * count, 0)
    return EXIF_PREFIX + bytes(tiff)


def reshaped(found: dict[str, Any], width: int, height: int, turned: bool) -> None:
    """Let EXIF and XMP say what is so of a picture of this size, made of another one by turns or cuts; in place."""
    if found.get("exif"):
        exif = resized_exif(without_thumbnail(found["exif"]), width, height, everywhere=True)
        found["exif"] = upright_exif(exif) if turned else exif
    if found.get("xmp"):
        xmp = resized_xmp(found["xmp"], width, height)
        found["xmp"] = upright_xmp(xmp) if turned else xmp


def exif_tags(exif: Any, orientation: bool) -> dict[int, Any]:
    """Descriptive tags of a directory as Pillow reads it, those of Exif and GPS as dicts in it."""
    tags = {tag: exif[tag] for tag in exif if tag in _DESCRIPTIVE or (orientation and tag == _ORIENTATION)}
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        inner = {tag: value for tag, value in exif.get_ifd(ifd).items() if tag != ExifTags.IFD.Interop}
        tags.pop(int(ifd), None)
        if inner:
            tags[int(ifd)] = inner
    return tags


def _of_tiff(picture: Image.Image, notes: list[str]) -> Iterator[tuple[str, Any]]:
    """EXIF made of a TIFF's own tags, and its resolution."""
    tags = exif_tags(picture.getexif(), orientation=False)
    other = sorted(set(picture.getexif()) - _DESCRIPTIVE - _STRUCTURAL)
    if other:
        notes.append(f"TIFF tags left out: {', '.join(f'{tag} {TiffTags.lookup(tag).name}' for tag in other)}")
    if set(tags) - {_X_RESOLUTION, 283, 296}:
        made = Image.Exif()
        for tag, value in tags.items():
            if isinstance(value, dict):
                made.get_ifd(tag).update(value)
            else:
                made[tag] = value
        yield "exif", made.tobytes()
    if _X_RESOLUTION in tags and "dpi" in picture.info:
        yield "dpi", tuple(map(float, picture.info["dpi"]))


def _of_jpeg(content: bytes, picture: Image.Image, notes: list[str]) -> Iterator[tuple[str, Any]]:
    metadata = inspect(content, Limits(*5 * [None])).metadata
    notes += [f"{message} (byte offset {offset})" for message, offset in metadata.warnings]
    yield "icc_profile", metadata.icc_profile
    yield "exif", metadata.exif
    yield "xmp", metadata.xmp
    yield "dpi", metadata.dpi
    if metadata.comments:
        yield "comment", metadata.comments[0]
        if len(metadata.comments) > 1:
            notes.append(f"{len(metadata.comments) - 1} more comments left out")
    known = (b"JFIF\0", b"Exif\0\0", b"http://ns.adobe.com/", b"ICC_PROFILE\0", b"Adobe")
    other = [name for name, body in getattr(picture, "applist", ()) if name != "COM" and not body.startswith(known)]
    if other:
        notes.append(f"{', '.join(dict.fromkeys(other))} left out")


def _of_others(picture: Image.Image, notes: list[str]) -> Iterator[tuple[str, Any]]:
    """From what Pillow reads of any other format. Texts of a PNG may stand behind its pixels: it is loaded."""
    info = picture.info
    texts = dict(getattr(picture, "text", None) or {})
    yield "icc_profile", info.get("icc_profile")
    exif = info.get("exif")
    if exif is None and "Raw profile type exif" in info:
        exif = bytes.fromhex("".join(info["Raw profile type exif"].split("\n")[3:]))
    yield "exif", exif
    yield "xmp", info.get("xmp") or info.get("XML:com.adobe.xmp")
    if picture.format == "TIFF":
        yield from _of_tiff(picture, notes)
    elif "dpi" in info:
        yield "dpi", tuple(map(float, info["dpi"]))
    aspect = info.get("aspect", (1, 1))
    if picture.format == "PNG" and aspect[0] != aspect[1]:
        notes.append(f"pixels of {aspect[1]}:{aspect[0]}, which is left out")
    if picture.format != "JPEG2000":  # there it is the encoder's name
        yield "comment", texts.get("Comment") or info.get("comment")
    gamma = info.get("gamma")
    if gamma and not info.get("icc_profile") and "srgb" not in info and abs(gamma - 1 / 2.2) > 0.01:
        notes.append(f"gamma {gamma:g} left out")
    left = sorted(set(texts) - _USED_TEXTS)
    if left:
        notes.append(f"texts left out: {', '.join(left)}")


def gathered(source: Path | bytes, picture: Image.Image, notes: list[str]) -> dict[str, Any]:
    """Metadata of a loaded picture by the names of `options.Metadata`, as far as it is sound; the rest is a note."""
    if picture.format in ("JPEG", "MPO"):
        content = source.read_bytes() if isinstance(source, Path) else source
        parts = list(_of_jpeg(content, picture, notes))
    else:
        parts = list(_of_others(picture, notes))
    found: dict[str, Any] = {}
    for name, value in parts:
        if not value or (name == "dpi" and min(value) < 1):
            continue
        try:
            if name == "xmp" and isinstance(value, str):
                value = value.encode()
            if name == "comment" and len(value.encode() if isinstance(value, str) else value) > MAX_BODY:
                raise ValueError(f"comment of more than {MAX_BODY} bytes")
            kept = getattr(Metadata(**{name: value}), name)
            if name == "xmp" and any(word in kept for word in _BEHIND):
                raise ValueError("XMP that tells of what stood behind the picture")
            if name == "exif" and len(kept) > MAX_BODY:
                raise ValueError(f"EXIF of {len(kept)} bytes, and a marker segment holds {MAX_BODY}")
            found[name] = kept
        except (ValueError, TypeError) as error:
            notes.append(f"left out: {error}")
    return found
