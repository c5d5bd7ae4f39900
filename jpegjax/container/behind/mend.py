"""A file put together again when its first picture, or others, became longer or shorter: every listing finds its things.

head, body, changed pictures ──▶ parts in their old order ──▶ XMP's lengths, then the MP Index ──▶ file
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...errors import UnsupportedJpeg
from ..markers import APP1, APP2
from ..metadata import XMP_PREFIX, finer_kind, is_adobe, is_jfif
from ..metadata.outline import as_utf8, from_utf8
from ..write import SOI, segment
from .extent import extent
from .find import Behind
from .gain_map import ISO_PREFIX
from .index import MPF_PREFIX, mended_index
from .xmp import CAMERA, HDRGM, directory, is_gain_map, mended, packet_of, read_packet

__all__ = ["joined", "stripped"]

_VIDEO_OFFSET = (CAMERA, "MicroVideoOffset")


def _listing(code: int, body: bytes) -> bool:
    """Whether a segment says what stands behind the picture, or what a gain map means."""
    if code == APP2:
        return body.startswith((MPF_PREFIX, ISO_PREFIX))
    return code == APP1 and body.startswith(XMP_PREFIX) and is_gain_map(body)


def stripped(data: bytes | memoryview, keep: Collection[str]) -> bytes:
    """A picture without the segments of other kinds, but for what it cannot be read right without."""
    parts, start = [], 0
    for code, at, stop in extent(data, 0, len(data)).segments:
        body = bytes(data[at + 4 : stop])
        if not (finer_kind(code, body) in keep or is_jfif(code, body) or is_adobe(code, body) or _listing(code, body)):
            parts.append(bytes(data[start:at]))
            start = stop
    return b"".join([*parts, bytes(data[start:])])


def _segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    p = 2
    while p < len(head):
        stop = p + 2 + int.from_bytes(head[p + 2 : p + 4], "big")
        yield head[p + 1], head[p + 4 : stop]
        p = stop


def _own_packet(found: Behind) -> bytes:
    """The least XMP that lists what the file's own lists, for a picture whose XMP goes."""
    assert found.packet is not None
    items = [{name: value.text for name, value in item.items()} for item in found.packet.items]
    camera, hdrgm = (
        {name: values[0].text for (space, name), values in found.packet.properties.items() if space == wanted}
        for wanted in (CAMERA, HDRGM)
    )
    return packet_of(directory(items, camera=camera, hdrgm=hdrgm))


def _completed(data: bytes | memoryview, head: bytes, found: Behind) -> list[tuple[int, bytes]]:
    """The head's segments, with the listings that it left out."""
    segments = list(_segments(head))
    bodies = [body for _, body in segments]
    if found.packet is not None and not any(body.startswith(XMP_PREFIX) for body in bodies):
        segments.append((APP1, XMP_PREFIX + _own_packet(found)))
    for code, at, stop in found.segments if len(found.pictures) > 1 else ():
        body = bytes(data[at + 4 : stop])
        if code == APP2 and _listing(code, body) and body not in bodies:
            segments.append((code, body))
    return segments


def _packet_told(body: bytes, found: Behind, lengths: Mapping[int, int], video: int) -> bytes:
    """An APP1 body of XMP with the lengths of items by number of picture, and the video's distance from the end, 0 for none."""
    xmp, codec = as_utf8(body[len(XMP_PREFIX) :])
    packet = read_packet(xmp)
    wanted = {}
    for item, place in zip(packet.items, found.item_places, strict=False):
        if place is not None and place in lengths and "Length" in item:
            wanted[item["Length"].span] = lengths[place]
    if video and _VIDEO_OFFSET in packet.properties:
        wanted[packet.properties[_VIDEO_OFFSET][0].span] = video
    if (-1, -1) in wanted:
        raise UnsupportedJpeg("XMP's lengths of what stands behind the picture cannot be replaced; pass trailer='drop'")
    return XMP_PREFIX + from_utf8(mended(xmp, wanted), codec, body[len(XMP_PREFIX) :])


def joined(data: bytes | memoryview, found: Behind, head: bytes, body: bytes, changed: Mapping[int, bytes]) -> bytes:
    """The file of a new first picture and all that stood behind the old one, in order.

    data, found: the old file and what `find_behind` says of it. head, body: the new picture, before its first DQT and from
    there on. changed: new bytes by number of picture. What only listings need is kept even where the head left it out.
    """
    numbers = {picture.offset: k for k, picture in enumerate(found.pictures)}
    parts, places, video = [], {}, 0
    for part in found.parts:
        own = changed.get(numbers.get(part.offset, -1), data[part.offset : part.offset + part.nbytes])
        parts.append(own)
    sizes = [len(own) for own in parts]
    told = found.packet.number(*_VIDEO_OFFSET) if found.packet is not None else None
    for i, part in enumerate(found.parts):
        if told and part.offset == len(data) - told:
            video = sum(sizes[i:])
    segments = _completed(data, head, found)
    lengths = {k: len(own) for k, own in changed.items()}
    if found.packet is not None and (lengths or video):
        for i, (code, content) in enumerate(segments):
            if code == APP1 and content.startswith(XMP_PREFIX):
                segments[i] = code, _packet_told(content, found, lengths, video)
                break
    first = 2 + sum(4 + len(content) for _, content in segments) + len(body)
    at = first
    for part, size in zip(found.parts, sizes, strict=True):
        if part.offset in numbers:
            places[numbers[part.offset]] = size, at
        at += size
    p = 2
    for i, (code, content) in enumerate(segments):
        if found.index is not None and code == APP2 and content == found.index.body:
            changes = {found.index.entries[e].at: (first, 0) for e, k in enumerate(found.entry_places) if k == 0}
            changes |= {
                found.index.entries[e].at: (places[k][0], places[k][1] - p - 8)
                for e, k in enumerate(found.entry_places) if k
            }  # fmt: skip
            segments[i] = code, mended_index(content, changes)
            break
        p += 4 + len(content)
    return b"".join([SOI, *(segment(code, content) for code, content in segments), body, *parts])
