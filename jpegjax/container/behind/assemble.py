"""Ultra HDR 1.1: a picture and its gain map in one file, told by XMP, the MP Index and ISO 21496-1 alike.

picture + gain map ──▶ XMP with GContainer's directory, ISO's version, MP Index ──▶ file
"""

from __future__ import annotations

from ...options.gain_map import GainMapMetadata
from ..markers import APP0, APP1, APP2
from ..metadata import XMP_PREFIX
from ..metadata.outline import as_utf8, outline
from ..write import segment
from .gain_map import ISO_PREFIX, ISO_VERSION, iso_body, xmp_properties
from .index import mended_index, read_index, write_index
from .xmp import CAMERA, CONTAINER, HDRGM, directory, packet_of, properties_of

__all__ = ["with_gain_map"]

_PRIMARY, _UNDEFINED = 0x030000, 0
_OLD = (f"{CONTAINER} Directory", f"{HDRGM} ", f"{CAMERA} MotionPhoto", f"{CAMERA} MicroVideo")


def _listed(xmp: bytes, description: bytes) -> bytes:
    """A packet of the caller's with another description in it, and without what listed other things behind its picture."""
    try:
        text, _ = as_utf8(xmp)
        found = outline(text)
    except ValueError as error:
        raise ValueError(f"xmp: it cannot take up the gain map's directory: {error}") from None
    if not found.rdf_stop:
        raise ValueError("xmp: it has no rdf:RDF to take up the gain map's directory")
    stale = [p for d in found.descriptions for p in d.properties if p.name.startswith(_OLD)]
    out = text[: found.rdf_stop] + description + text[found.rdf_stop :]
    for one in sorted(stale, key=lambda p: -p.start):
        out = out[: one.start] + out[one.stop :]
    return out


def _leading(data: bytes) -> list[tuple[int, int, int]]:
    """(code, offset, offset of the end) of the APPn segments that a file begins with."""
    found, p = [], 2
    while data[p] == 0xFF and APP0 <= data[p + 1] <= APP0 + 15:
        stop = p + 2 + int.from_bytes(data[p + 2 : p + 4], "big")
        found.append((data[p + 1], p, stop))
        p = stop
    return found


def with_gain_map(first: bytes, gain_map: bytes, metadata: GainMapMetadata) -> bytes:
    """The file of a picture and of the map from its rendition to the other one, both whole files of this library's.

    ValueError where the picture's XMP cannot take up the directory, or not within a segment.
    """
    told = APP1, XMP_PREFIX + packet_of(properties_of(xmp_properties(metadata)))
    at = _leading(gain_map)[0][2] if gain_map[2:4] == b"\xff\xe0" else 2
    own = gain_map[:at] + segment(*told) + segment(APP2, iso_body(metadata)) + gain_map[at:]
    items = [
        {"Semantic": "Primary", "Mime": "image/jpeg"},
        {"Semantic": "GainMap", "Mime": "image/jpeg", "Length": str(len(own))},
    ]
    description = directory(items, hdrgm={"Version": "1.0"})
    leading = _leading(first)
    end = leading[-1][2] if leading else 2
    parts, start, listed = [], 0, False
    for code, at, stop in leading:
        body = first[at + 4 : stop]
        if code == APP1 and body.startswith(XMP_PREFIX) and not listed:
            told_first = segment(APP1, XMP_PREFIX + _listed(body[len(XMP_PREFIX) :], description), "xmp")
            parts += [first[start:at], told_first]
            start, listed = stop, True
        elif code == APP2 and body.startswith(ISO_PREFIX):
            parts.append(first[start:at])
            start = stop
    parts.append(first[start:end])
    if not listed:
        parts.append(segment(APP1, XMP_PREFIX + packet_of(description)))
    parts.append(segment(APP2, ISO_VERSION))
    head = b"".join(parts)
    index = write_index((_PRIMARY, _UNDEFINED))
    size = len(head) + 4 + len(index) + len(first) - end
    one, other = (entry.at for entry in read_index(index))
    index = mended_index(index, {one: (size, 0), other: (len(own), size - len(head) - 8)})
    return head + segment(APP2, index) + first[end:] + own
