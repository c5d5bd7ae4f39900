"""What stands behind the first picture of a file: further pictures, gain maps, videos and other trailers.

file ──▶ its MP Index, GContainer directory, Samsung's trailer ──▶ claims ──▶ checked against the bytes ──▶ Behind
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...errors import CorruptJpeg, JpegError
from ...options.gain_map import GainMapMetadata
from ..markers import APP1, APP2
from ..metadata import XMP_PREFIX
from ..metadata.outline import as_utf8
from .extent import Extent, extent
from .gain_map import ISO_PREFIX, read_iso, read_properties
from .index import MPF_PREFIX, Entry, read_index
from .xmp import CAMERA, GOOGLE, Packet, is_gain_map, read_packet

__all__ = ["Behind", "Picture", "Trailer", "find_behind"]

_SOI = b"\xff\xd8\xff"
_SAMSUNG_VIDEO = re.compile(rb"MotionPhoto_Data")
_MAX_UNLISTED = 64
_MAX_NOTES = 20
_PADDING = re.compile(rb"[\x00\x20\r\n\t]*+")
_FILLER = re.compile(rb"[\x00\x20\xff\r\n\t]*+")
_SEMANTICS = {"gainmap": "gain map", "motionphoto": "video"}

Notes = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a file, as `decode(picture=...)` counts them.

    kind: "primary", "gain map", or what the file says: "multi-angle", "disparity", "panorama", "large thumbnail", "depth",
    "undefined" …; "unlisted" where it only follows. offset, nbytes: where it lies. width, height: 0 where it does not say.
    listed_by: of "MPF" and "GContainer" those that name it. gain_map: what a gain map says of itself.
    """

    kind: str
    offset: int
    nbytes: int
    width: int
    height: int
    listed_by: tuple[str, ...] = ()
    gain_map: GainMapMetadata | None = None

    def as_dict(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        gain_map = None if self.gain_map is None else self.gain_map.as_dict()
        return fields | {"listed_by": list(self.listed_by), "gain_map": gain_map}

    def __str__(self) -> str:
        m = self.gain_map
        gain = "" if m is None else f", log2 of the gain {m.gain_min}..{m.gain_max}, HDR {m.hdr_capacity_max:g} stops"
        return f"{self.kind}, {self.width}×{self.height}, {self.nbytes:,} bytes at {self.offset}{gain}"


@dataclass(frozen=True, slots=True)
class Trailer:
    """Bytes behind the first picture that are no picture.

    kind: "video" (of a motion photo), "samsung" (its trailer around a video), "zip", "padding", "unknown", or what
    GContainer calls it.
    """

    kind: str
    offset: int
    nbytes: int

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return f"{self.kind}, {self.nbytes:,} bytes at {self.offset}"


class Listed(NamedTuple):
    """The MP Index of the first picture: offset of its segment, its body, its entries."""

    at: int
    body: bytes
    entries: list[Entry]


@dataclass(slots=True)
class Behind:
    """pictures: the first one too. trailers: with the pictures behind the first they fill the file from `end` on, in order of
    their offsets; `end` lies behind the first picture's EOI, or where its markers end. index, packet: what listed them;
    places: by entry of the index, and by item of the packet, the number of the picture or None. warnings: what is listed
    and not there: (message, byte offset)."""

    pictures: list[Picture] = field(default_factory=list)
    trailers: list[Trailer] = field(default_factory=list)
    end: int = 0
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    index: Listed | None = None
    packet: Packet | None = None
    entry_places: list[int | None] = field(default_factory=list)
    item_places: list[int | None] = field(default_factory=list)
    warnings: Notes = field(default_factory=list)

    def warn(self, message: str, at: int) -> None:
        if len(self.warnings) < _MAX_NOTES:
            self.warnings.append((message, at))

    def picture(self, number: int) -> Picture:
        """Picture `number`; JpegError where there are fewer."""
        count = len(self.pictures)
        if number >= count:
            held = "1 picture, number 0" if count == 1 else f"{count} pictures, numbers 0..{count - 1}"
            raise JpegError(f"picture={number}: the file holds {held}")
        return self.pictures[number]

    @property
    def parts(self) -> list[Picture | Trailer]:
        """What lies behind the first picture, in order of offsets."""
        return sorted([*self.pictures[1:], *self.trailers], key=lambda part: part.offset)


class Claim(NamedTuple):
    """Something that a listing places at `start`; nbytes 0 where it does not say. entry, item: its number there, or -1."""

    start: int
    nbytes: int
    kind: str
    by: str
    entry: int = -1
    item: int = -1


def _is_video(data: bytes | memoryview, at: int) -> bool:
    return bytes(data[at + 4 : at + 8]) == b"ftyp"


def _from_index(data: bytes | memoryview, found: Behind) -> Iterator[Claim]:
    """What the first MP Index of the first picture lists behind it."""
    for code, at, stop in found.segments:
        if code != APP2 or bytes(data[at + 4 : at + 8]) != MPF_PREFIX:
            continue
        body = bytes(data[at + 4 : stop])
        try:
            entries = read_index(body)
        except ValueError as error:
            found.warn(f"the MP Index is damaged: {error}", at)
            return
        if not entries:
            continue
        found.index = Listed(at, body, entries)
        found.entry_places = [None] * len(entries)
        for i, entry in enumerate(entries):
            start = at + 8 + entry.offset
            if entry.offset == 0:
                found.entry_places[i] = 0
            elif start + 4 > len(data):
                found.warn(f"the MP Index lists picture {i} at byte {start}, beyond the end of the file", at)
            elif start < found.end or bytes(data[start : start + 3]) != _SOI:
                found.warn(f"the MP Index lists picture {i} at byte {start}, where none begins", at)
            else:
                yield Claim(start, entry.nbytes, entry.kind, "MPF", entry=i)
        return


def _from_packet(data: bytes | memoryview, found: Behind) -> Iterator[Claim]:
    """What GContainer's directory, or the older MicroVideoOffset, lists behind the first picture."""
    at, stop = next(((a, s) for c, a, s in found.segments
                     if c == APP1 and bytes(data[a + 4 : a + 4 + len(XMP_PREFIX)]) == XMP_PREFIX), (0, 0))  # fmt: skip
    try:
        xmp, _ = as_utf8(bytes(data[at + 4 + len(XMP_PREFIX) : stop]))
        if not at or GOOGLE not in xmp:
            return
        packet = found.packet = read_packet(xmp)
    except ValueError as error:
        if GOOGLE in bytes(data[at:stop]):
            found.warn(str(error), at)
        return
    size = len(data)

    def number(item: dict[str, Any], name: str) -> int:
        return (item[name].number() or 0) if name in item else 0

    found.item_places = [None] * len(packet.items)
    if packet.items:
        found.item_places[0] = 0
    front = found.end + (number(packet.items[0], "Padding") if packet.items else 0)
    rest = sum(number(item, "Length") + number(item, "Padding") for item in packet.items[1:])
    for i, item in enumerate(packet.items[1:], 1):
        nbytes, padding = number(item, "Length"), number(item, "Padding")
        mime = item["Mime"].text if "Mime" in item else "image/jpeg"
        semantic = item["Semantic"].text if "Semantic" in item else "undefined"
        back, rest = size - rest, rest - nbytes - padding
        if not nbytes:
            continue
        for start in dict.fromkeys((front, back)):
            picture = bytes(data[start : start + 3]) == _SOI  # whatever its Mime, such as image/jpg
            right = picture or (
                _is_video(data, start) if mime.startswith("video/") else not mime.startswith("image/jp")
            )
            if found.end <= start < size and start + nbytes <= size and right:
                kind = "video" if mime.startswith("video/") else _SEMANTICS.get(semantic.lower(), semantic.lower())
                yield Claim(start, nbytes, kind, "GContainer", item=i if picture else -1)
                front = start
                break
        else:
            found.warn(f"GContainer lists {semantic} of {nbytes} bytes, which is not there", at)
        front += nbytes + padding
    offset = packet.number(CAMERA, "MicroVideoOffset")
    if offset:
        if found.end <= size - offset and _is_video(data, size - offset):
            yield Claim(size - offset, 0, "video", "MicroVideo")
        else:
            found.warn(f"a video of a motion photo is listed {offset} bytes before the end, where none begins", at)


def _from_samsung(data: bytes | memoryview, found: Behind) -> Iterator[Claim]:
    """The video in Samsung's trailer: blocks, then SEFH with their directory, its length, SEFT."""
    size = len(data)
    if size - found.end < 24 or bytes(data[size - 4 :]) != b"SEFT":
        return
    (length,) = struct.unpack_from("<I", data, size - 8)
    head = size - 8 - length
    if head < found.end or bytes(data[head : head + 4]) != b"SEFH" or length < 12:
        found.warn("Samsung's trailer has no directory where it says", size - 8)
        return
    (count,) = struct.unpack_from("<I", data, head + 8)
    for at in range(head + 12, min(head + 12 + 12 * count, size - 19), 12):
        back, nbytes = struct.unpack_from("<II", data, at + 4)
        start = head - back
        if start < found.end or nbytes > back or nbytes < 8:
            found.warn("Samsung's trailer lists a block that is not there", at)
            return
        (named,) = struct.unpack_from("<I", data, start + 4)
        if named <= 64 and nbytes > 8 + named and _SAMSUNG_VIDEO.fullmatch(data, start + 8, start + 8 + named):
            yield Claim(start + 8 + named, nbytes - 8 - named, "video", "Samsung")


def _described(data: bytes | memoryview, claim: Claim, reach: Extent, nbytes: int, found: Behind) -> Picture:
    kind, gain_map, told = claim.kind, None, False
    for code, at, stop in reach.segments:
        body = bytes(data[at + 4 : stop])
        try:
            if code == APP2 and body.startswith(ISO_PREFIX):
                told = True
                gain_map = read_iso(body) or gain_map
            elif code == APP1 and body.startswith(XMP_PREFIX) and is_gain_map(body):
                told = True
                gain_map = gain_map or read_properties(read_packet(body[len(XMP_PREFIX) :]))
        except (TypeError, ValueError) as error:
            found.warn(f"the gain map's metadata are damaged: {error}", at)
    if gain_map is not None or (told and kind in ("undefined", "unlisted")):
        kind = "gain map"
    by = tuple(dict.fromkeys(filter(None, claim.by.split())))
    return Picture(kind, claim.start, nbytes, reach.width, reach.height, by, gain_map)


def _merged(claims: list[Claim]) -> list[Claim]:
    """One claim a start, in order; two listings of one picture agree or the first one's length counts."""
    merged: dict[int, Claim] = {}
    for claim in claims:
        known = merged.get(claim.start)
        if known is None:
            merged[claim.start] = claim
            continue
        kind = claim.kind if known.kind in ("undefined", "unlisted") else known.kind
        merged[claim.start] = known._replace(
            kind=kind, by=f"{known.by} {claim.by}", nbytes=known.nbytes or claim.nbytes,
            entry=max(known.entry, claim.entry), item=max(known.item, claim.item),
        )  # fmt: skip
    return sorted(merged.values())


def _fill(data: bytes | memoryview, start: int, stop: int, found: Behind) -> None:
    """Say what lies between two listed things: unlisted pictures that follow at once, then one trailer."""
    while start < stop and len(found.pictures) < _MAX_UNLISTED:
        padding = _PADDING.match(data, start, stop)
        begin = start if padding is None or bytes(data[start : start + 3]) == _SOI else padding.end()
        if bytes(data[begin : begin + 3]) != _SOI:
            break
        reach = extent(data, begin, stop)
        if not reach.width:
            break
        if begin > start:
            found.trailers.append(Trailer("padding", start, begin - start))
        start = reach.stop if reach.ended else stop
        found.pictures.append(_described(data, Claim(begin, 0, "unlisted", ""), reach, start - begin, found))
    if start < stop:
        found.trailers += _trailers(data, start, stop)


def _trailers(data: bytes | memoryview, start: int, stop: int) -> list[Trailer]:
    """What bytes that nothing lists are by their looks."""
    named = _SAMSUNG_VIDEO.search(data, start, stop)
    if named is not None and named.end() < stop and _is_video(data, named.end()):
        return [Trailer("samsung", start, named.end() - start), Trailer("video", named.end(), stop - named.end())]
    kind = "unknown"
    if _is_video(data, start):
        kind = "video"
    elif named is not None or bytes(data[stop - 4 : stop]) == b"SEFT":
        kind = "samsung"
    elif _FILLER.fullmatch(data, start, stop):
        kind = "padding"
    elif bytes(data[start : start + 4]) in (b"PK\3\4", b"PK\5\6"):
        kind = "zip"
    return [Trailer(kind, start, stop - start)]


def find_behind(data: bytes | memoryview) -> Behind:
    """All pictures and trailers of a file, in time linear in its size; CorruptJpeg where it does not begin with SOI.

    What is listed counts where it is there, behind the first picture and not inside another thing; what is not is a
    warning. EXIF's thumbnail is no picture of the file.
    """
    if bytes(data[:2]) != _SOI[:2]:
        raise CorruptJpeg(
            f"no JPEG stream: it starts with {bytes(data[:4]).hex(' ') or 'nothing'}, not with SOI (ff d8)", 0
        )
    size = len(data)
    first = extent(data, 0, size)
    found = Behind(end=first.stop, segments=first.segments)
    listed = [*_from_index(data, found), *_from_packet(data, found), *_from_samsung(data, found)]
    claims = _merged(listed)
    found.pictures.append(Picture("primary", 0, first.stop, first.width, first.height))
    at = found.end
    order: list[tuple[int, Claim]] = []
    for i, claim in enumerate(claims):
        if claim.start < at:
            found.warn(f"what {claim.by} lists at byte {claim.start} lies inside another thing", claim.start)
            continue
        following = claims[i + 1].start if i + 1 < len(claims) else size
        if first.ended:
            _fill(data, at, claim.start, found)
        stop = claim.start + claim.nbytes if claim.nbytes else following
        if claim.kind != "video" and bytes(data[claim.start : claim.start + 3]) == _SOI:
            reach = extent(data, claim.start, size)
            if not claim.nbytes or not reach.stop <= stop <= max(following, reach.stop) or stop > size:
                if claim.nbytes:
                    found.warn(f"{claim.by} gives the picture at byte {claim.start} {claim.nbytes} bytes; it has "
                               f"{reach.stop - claim.start}", claim.start)  # fmt: skip
                stop = reach.stop
            order.append((len(found.pictures), claim))
            found.pictures.append(_described(data, claim, reach, stop - claim.start, found))
        else:
            stop = min(stop, following, size)
            found.trailers.append(Trailer(claim.kind, claim.start, stop - claim.start))
        at = stop
    if first.ended:
        _fill(data, at, size, found)
    _number(found, order)
    return found


def _number(found: Behind, order: list[tuple[int, Claim]]) -> None:
    """Pictures of the index first, in its order, then the others in theirs; and who is who in the listings."""
    rank = {n: (0, claim.entry) if claim.entry >= 0 else (1, n) for n, claim in order}
    numbers = sorted(range(1, len(found.pictures)), key=lambda n: rank.get(n, (1, n)))
    place = {n: k for k, n in enumerate(numbers, 1)}
    for n, claim in order:
        if claim.entry >= 0:
            found.entry_places[claim.entry] = place[n]
        if claim.item >= 0:
            found.item_places[claim.item] = place[n]
    found.pictures = [found.pictures[0], *(found.pictures[n] for n in numbers)]
