"""XMP that one segment cannot hold: a standard packet, and the rest in pieces behind it (XMP part 3, 1.1.3.1).

packet ──▶ split_xmp ──▶ standard packet naming a GUID, extended packet ──▶ 65,400 bytes a segment ──▶ join_xmp ──▶ packet
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections import ChainMap
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from .kinds import EXTENDED_XMP_PREFIX, XMP_PREFIX
from .outline import RDF, Description, Outline, Property, as_utf8, from_utf8, outline
from .xmp import MAX_PACKET

__all__ = ["join_xmp", "xmp_bodies"]

_NOTE = "http://ns.adobe.com/xmp/note/"
_HAS_EXTENDED = _NOTE + " HasExtendedXMP"
_PIECE = 65_400
_HEAD = struct.Struct(">32sII")  # GUID, length of the extended packet, offset of this piece
_USED_PREFIX = re.compile(rb"""[<\s]/?([^\s:=<>"'/]+):""")
_ABOUT = re.compile(rb"""\s[^\s=]*about\s*=\s*("[^"]*"|'[^']*')""")
_WRAPPED = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%s">%s</rdf:RDF></x:xmpmeta>'
_GROWTH = 4  # times the size of both packets that the joined one may take: prefixes are declared again


class _Piece(NamedTuple):
    guid: bytes
    length: int
    offset: int
    data: bytes


def _pieces(bodies: Sequence[bytes]) -> list[_Piece]:
    found, start = [], len(EXTENDED_XMP_PREFIX)
    for body in bodies:
        if len(body) >= start + _HEAD.size:
            guid, length, offset = _HEAD.unpack_from(body, start)
            found.append(_Piece(guid, length, offset, body[start + _HEAD.size :]))
    return found


def _assembled(pieces: list[_Piece], guid: bytes) -> bytes:
    """The extended packet of a GUID; ValueError where parts are missing, contradict one another or give another MD5."""
    own = sorted({p for p in pieces if p.guid.upper() == guid}, key=lambda p: p.offset)
    if not own:
        raise ValueError(f"the extended packet {guid.decode('latin-1')} that the standard one names is missing")
    length, at = own[0].length, 0
    for piece in own:
        if piece.length != length or piece.offset != at:
            raise ValueError(
                f"pieces of the extended packet do not fit: {piece.offset} of {piece.length} after {at} of {length}"
            )
        at += len(piece.data)
    if at != length:
        raise ValueError(f"the extended packet has {at} of {length} bytes")
    packet = b"".join(piece.data for piece in own)
    if hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode() != guid:
        raise ValueError("the extended packet's MD5 is not its GUID")
    return packet


def _declarations(text: bytes, scope: Mapping[str, str], known: Mapping[str, str], but: Collection[str] = ()) -> bytes:
    """xmlns attributes for the prefixes that `text` uses, as `scope` has them; not for those that are `known` alike."""
    found = []
    for prefix in sorted({"", *(name.decode() for name in _USED_PREFIX.findall(text))}):
        uri = scope.get(prefix)
        if uri is not None and known.get(prefix) != uri and prefix not in but:
            quoted = uri.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
            found.append(f' xmlns{":" * bool(prefix)}{prefix}="{quoted}"')
    return "".join(found).encode()


def _without(text: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    parts, p = [], 0
    for start, stop in sorted(spans):
        parts.append(text[p:start])
        p = stop
    return b"".join([*parts, text[p:]])


def join_xmp(standard: bytes, extensions: Sequence[bytes]) -> bytes:
    """One packet of a standard one and the bodies of extension segments, which the standard one then no longer names.

    The standard packet as it is where it names none. ValueError where what it names is not all there.
    """
    if b"HasExtendedXMP" not in standard.replace(b"\0", b""):
        if extensions:
            raise ValueError("the standard packet names no extended one, though there is one")
        return standard
    text, codec = as_utf8(standard)
    plan = outline(text)
    named = plan.find(_HAS_EXTENDED)
    if not named:
        return standard
    extended = as_utf8(_assembled(_pieces(extensions), named[0].value.strip().upper().encode("ascii", "replace")))[0]
    other = outline(extended)
    moved, size, most = [], 0, _GROWTH * (len(text) + len(extended))
    for one in other.descriptions:
        whole = extended[one.start : one.stop]
        tag = len(one.tag) + 1
        moved += [whole[:tag], _declarations(whole, other.prefixes, plan.prefixes, but=one.own), whole[tag:]]
        size += sum(map(len, moved[-3:]))
        if size > most:
            raise ValueError(f"the extended packet takes more than {most} bytes when it is joined")
    if not plan.rdf_stop:
        raise ValueError("the standard packet has no place for the extended one")
    head = _without(text[: plan.rdf_stop], [(p.start, p.stop) for p in named])
    return from_utf8(head + b"".join(moved) + text[plan.rdf_stop :], codec, standard)


def _unpadded(packet: bytes) -> bytes:
    """A packet without the blanks that stand for later changes before its end."""
    end = packet.rfind(b"<?xpacket end=")
    return packet if end < 0 else packet[:end].rstrip() + packet[end:]


def _note(plan: Outline, guid: bytes) -> bytes:
    """The attribute by which the first description names an extended packet, with its namespace."""
    own = {**plan.prefixes, **plan.descriptions[0].own}
    prefix = next(p for p in map("xmpNote{}".format, ("", *range(len(own) + 1))) if own.get(p, _NOTE) == _NOTE)
    declared = "" if prefix in plan.descriptions[0].own else f' xmlns:{prefix}="{_NOTE}"'
    return f'{declared} {prefix}:HasExtendedXMP="{guid.decode()}"'.encode()


def _cut_out(packet: bytes, one: Description, properties: Sequence[Property], around: Outline) -> bytes:
    """A description of some properties of another one."""
    attributes = b"".join(packet[p.start : p.stop] for p in properties if not p.element)
    elements = b"".join(packet[p.start : p.stop] for p in properties if p.element)
    about = _ABOUT.search(packet, one.start, one.tag_stop)
    opened = (about[0] if about else b"") + attributes
    names = _declarations(b"<" + one.tag + opened + elements, ChainMap(one.own, around.prefixes), {})
    return b"<%s%s%s>%s</%s>" % (one.tag, names, opened, elements, one.tag)


def _split(packet: bytes) -> list[bytes]:
    """[Standard packet, extended packet, GUID] of one in UTF-8: its largest properties move until the rest fits."""
    plan = outline(packet)
    if not plan.descriptions or not plan.rdf_stop:
        raise ValueError("it has no rdf:Description")
    stale = [(p.start, p.stop) for p in plan.find(_HAS_EXTENDED)]
    excess = len(packet) - sum(stop - start for start, stop in stale) + len(_note(plan, bytes(32))) - MAX_PACKET
    moved: dict[int, list[Property]] = {}
    everything = [(p.stop - p.start, i, p) for i, d in enumerate(plan.descriptions) for p in d.properties]
    for size, i, one in sorted(everything, key=lambda part: -part[0]):
        if excess > 0 and one.name != _HAS_EXTENDED:
            moved.setdefault(i, []).append(one)
            excess -= size
    if excess > 0:
        raise ValueError(f"{MAX_PACKET + excess} bytes are left when all properties have moved to an extended packet")
    chosen = {i: sorted(properties, key=lambda p: p.start) for i, properties in sorted(moved.items())}
    parts = [_cut_out(packet, plan.descriptions[i], properties, plan) for i, properties in chosen.items()]
    extended = _WRAPPED % (RDF.strip().encode(), b"".join(parts))
    guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
    place = plan.descriptions[0].start + 1 + len(plan.descriptions[0].tag)
    spans = stale + [(p.start, p.stop) for properties in chosen.values() for p in properties]
    rest = _without(packet[place:], [(start - place, stop - place) for start, stop in spans])
    return [packet[:place] + _note(plan, guid) + rest, extended, guid]


def xmp_bodies(packet: bytes) -> list[bytes]:
    """The bodies of the APP1 segments of a packet: one, or where it is too long a standard one and its extension.

    A packet that fits without its padding loses that. ValueError, about `xmp`, for one that is too long and cannot be
    split, as it is no well-formed XMP.
    """
    if len(packet) <= MAX_PACKET:
        return [XMP_PREFIX + packet]
    try:
        text = _unpadded(as_utf8(packet)[0])
        if len(text) <= MAX_PACKET:
            return [XMP_PREFIX + text]
        standard, extended, guid = _split(text)
    except ValueError as error:
        raise ValueError(f"xmp: {len(packet)} bytes; a segment holds {MAX_PACKET}, and the packet cannot be split "
                         f"(XMP part 3, 1.1.3.1): {error}") from None  # fmt: skip
    heads = [(at, EXTENDED_XMP_PREFIX + _HEAD.pack(guid, len(extended), at)) for at in range(0, len(extended), _PIECE)]
    return [XMP_PREFIX + standard, *(head + extended[at : at + _PIECE] for at, head in heads)]
