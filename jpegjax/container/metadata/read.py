"""What APPn and COM segments say beside the picture: comments, EXIF, ICC, XMP, density (JFIF, Exif 2.32, ICC.1 B.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ..markers import APP1, APP2, APP13, COM
from .exif import read_exif_resolution, read_orientation
from .extended import join_xmp
from .icc import join_icc
from .kinds import EXIF_PREFIX, EXTENDED_XMP_PREFIX, ICC_PREFIX, PHOTOSHOP_PREFIX, XMP_PREFIX, is_adobe, is_jfif
from .photoshop import IPTC, RESOLUTION, PhotoshopResource, read_resolution, read_resources
from .xmp import read_xmp_orientation

__all__ = ["Metadata", "orientation_of", "read_metadata"]

Note = tuple[str, int]
"""(message, byte offset)."""
Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Metadata:
    """What stands beside the picture of one file; None where there is none, or none that can be read (see `warnings`).

    Attributes:
        comments: Bodies of the COM segments, in order (T.81 B.2.4.5).
        exif: TIFF data behind "Exif\\0\\0", as `encode(exif=...)` takes them; of all EXIF segments, joined (Exif 2.32, 4.5.4).
        orientation: 1..8, what the first row and column of the stored picture are of the upright one (Exif 2.32, 4.6.5.1.3):
            EXIF's first value of any integer type, or XMP's tiff:Orientation where EXIF says none. Reserved numbers, 0 and
            above 8, come as 1.
        icc_profile: The profile of all ICC segments, joined, without their heads; identical copies count once (ICC.1 B.4).
        xmp: The packet without its prefix, of the last segment that has one; extended XMP stands in its place in it and the
            note that named it is gone (XMP part 3, 1.1.3.1).
        jfif_version: (major, minor).
        density: JFIF's (unit, x, y), x and y 0..65535; unit 0 is an aspect ratio, 1 dots an inch, 2 dots a cm.
        dpi: (x, y) dots an inch: of JFIF; where its unit is 0 or there is none of EXIF's XResolution, YResolution and
            ResolutionUnit (3 is cm, all else inches), else of Photoshop's ResolutionInfo.
        photoshop: Image resources of the APP13 segments (Adobe Photoshop File Formats Specification).
        iptc: IPTC-NAA records (IIM), the data of Photoshop's resource 0x0404.
        adobe_transform: Colour transform of the Adobe marker: 0 RGB or CMYK, 1 YCbCr, 2 YCCK (Adobe TN #5116).
        warnings: (message, byte offset of the segment) of what is damaged.
    """

    comments: tuple[bytes, ...] = ()
    exif: bytes | None = None
    orientation: int | None = None
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    jfif_version: tuple[int, int] | None = None
    density: tuple[int, int, int] | None = None
    dpi: tuple[float, float] | None = None
    photoshop: tuple[PhotoshopResource, ...] = ()
    iptc: bytes | None = None
    adobe_transform: int | None = None
    warnings: tuple[Note, ...] = ()


class _Parts:
    """The bodies of the segments that one kind of metadata is spread over, without their prefix."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.at = 0

    def add(self, body: bytes, at: int) -> None:
        self.at = self.at if self.bodies else at
        self.bodies.append(body)


def _orientation(exif: _Parts, xmp: _Parts) -> tuple[int | None, list[Note]]:
    notes: list[Note] = []
    for name, parts, read in (("EXIF", exif, read_orientation), ("XMP", xmp, read_xmp_orientation)):
        if not parts.bodies:
            continue
        try:
            found = read(b"".join(parts.bodies))
        except ValueError as error:
            notes.append((f"{name} is damaged: {error}", parts.at))
        else:
            if found is not None:
                return found, notes
    return None, notes


def _dpi(density: tuple[int, int, int] | None, exif: _Parts, resolution: bytes | None) -> tuple[float, float] | None:
    if density is not None and density[0] in (1, 2):
        unit, x, y = density
        return (x, y) if unit == 1 else (x * 2.54, y * 2.54)
    found = read_exif_resolution(b"".join(exif.bodies)) if exif.bodies else None
    return found or read_resolution(resolution)


def _sorted(data: Data, segments: Sequence[tuple[int, int, int]]) -> dict[str, _Parts]:
    """The segments of EXIF, which goes on in the next one where it is too long, and of XMP, of which the last one counts."""
    found = {"exif": _Parts(), "xmp": _Parts(), "extended": _Parts()}
    for code, at, stop in segments:
        if code != APP1:
            continue
        body = bytes(data[at + 4 : stop])
        if body.startswith(EXIF_PREFIX):
            found["exif"].add(body[len(EXIF_PREFIX) :], at)
        elif body.startswith(XMP_PREFIX):
            found["xmp"] = _Parts()
            found["xmp"].add(body[len(XMP_PREFIX) :], at)
        elif body.startswith(EXTENDED_XMP_PREFIX):
            found["extended"].add(body, at)
    return found


def orientation_of(data: Data, segments: Sequence[tuple[int, int, int]]) -> tuple[int, tuple[Note, ...]]:
    """(`Metadata.orientation`, 1 where nothing says any; warnings of what could not be read of it)."""
    parts = _sorted(data, segments)
    found, notes = _orientation(parts["exif"], parts["xmp"])
    return found or 1, tuple(notes)


def read_metadata(data: Data, segments: Sequence[tuple[int, int, int]]) -> Metadata:
    """Metadata from (marker code, offset of the marker, offset of the end) of APPn and COM segments in `data`."""
    comments: list[bytes] = []
    icc: list[tuple[int, int, bytes]] = []
    icc_at = 0
    photoshop: list[tuple[int, bytes]] = []
    found: dict = {}
    for code, at, stop in segments:
        body = bytes(data[at + 4 : stop])
        if code == COM:
            comments.append(body)
        elif is_jfif(code, body) and len(body) >= 14:
            found["jfif_version"] = body[5], body[6]
            found["density"] = struct.unpack_from(">BHH", body, 7)
        elif code == APP2 and body.startswith(ICC_PREFIX) and len(body) >= 14:
            icc_at = icc_at if icc else at
            icc.append((body[12], body[13], body[14:]))
        elif code == APP13 and body.startswith(PHOTOSHOP_PREFIX):
            photoshop.append((at + 4, body))
        elif is_adobe(code, body) and len(body) >= 12:
            found["adobe_transform"] = body[11]
    parts = _sorted(data, segments)
    exif, xmp = parts["exif"], parts["xmp"]
    found["orientation"], warnings = _orientation(exif, xmp)
    resources, first, trouble = read_resources(photoshop)
    found["photoshop"], found["iptc"] = tuple(resources), first.get(IPTC)
    if trouble:
        warnings.append((f"Photoshop resources are damaged: {trouble}", photoshop[0][0] - 4))
    found["dpi"] = _dpi(found.get("density"), exif, first.get(RESOLUTION))
    if exif.bodies:
        found["exif"] = EXIF_PREFIX + b"".join(exif.bodies)
    if xmp.bodies or parts["extended"].bodies:
        found["xmp"] = xmp.bodies[-1] if xmp.bodies else None
        try:
            found["xmp"] = join_xmp(found["xmp"] or b"", parts["extended"].bodies) or None
        except ValueError as error:
            warnings.append(
                (f"extended XMP is damaged: {error}", (parts["extended"] if parts["extended"].bodies else xmp).at)
            )
    if icc:
        try:
            found["icc_profile"] = join_icc(icc)
        except ValueError as error:
            warnings.append((f"ICC profile is damaged: {error}", icc_at))
    return Metadata(comments=tuple(comments), warnings=tuple(warnings), **found)
