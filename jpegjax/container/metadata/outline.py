"""Where the properties of an XMP packet stand in its bytes, so that they are read, patched, cut out and put in as text.

XMP part 1, 7.4: x:xmpmeta ▸ rdf:RDF ▸ rdf:Description ▸ one attribute or element a property.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

__all__ = ["RDF", "Description", "Outline", "Property", "as_utf8", "checked_namespace", "from_utf8", "outline"]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
"""Names are a namespace, a blank, and the name within it."""

_BOMS = (
    (b"\0\0\xfe\xff", "utf-32-be"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"),
    (b"\xef\xbb\xbf", "utf-8"), (b"\0\0\0<", "utf-32-be"), (b"<\0\0\0", "utf-32-le"), (b"\0<", "utf-16-be"),
    (b"<\0", "utf-16-le"),
)  # fmt: skip
_MAX_PARTS = 1 << 16
_MAX_NAMESPACE = 1024
_ATTRIBUTE = re.compile(rb"""\s+([^\s=<>"'/]+)\s*=\s*("[^"]*"|'[^']*')""")


@dataclass(slots=True)
class Property:
    """A property, bytes start..stop of the packet; its value's text start and stop at value_start, value_stop.

    name: as `RDF` has names. element: whether it is an element rather than an attribute.
    """

    name: str
    element: bool
    value: str
    start: int
    stop: int
    value_start: int
    value_stop: int


@dataclass(slots=True)
class Description:
    """An rdf:Description: from `start` on, its start tag up to `tag_stop`, all up to `stop`.

    tag: its name as written. own: namespaces that it declares itself, by prefix.
    """

    start: int
    tag_stop: int
    stop: int
    tag: bytes
    own: dict[str, str]
    properties: list[Property] = field(default_factory=list)


@dataclass(slots=True)
class Outline:
    """The descriptions of the first rdf:RDF.

    prefixes: namespaces in force around them, by prefix. rdf_stop: offset of the RDF's end tag, 0 where it has none.
    """

    descriptions: list[Description] = field(default_factory=list)
    prefixes: dict[str, str] = field(default_factory=dict)
    rdf_stop: int = 0

    def find(self, name: str) -> list[Property]:
        """The properties of a name."""
        return [p for d in self.descriptions for p in d.properties if p.name == name]


def as_utf8(packet: bytes) -> tuple[bytes, str]:
    """(the packet as UTF-8 without a byte order mark, its own encoding); ValueError where it is not valid."""
    codec = next((name for mark, name in _BOMS if packet.startswith(mark)), "utf-8")
    try:
        return packet.decode(codec).lstrip("\ufeff").encode(), codec
    except UnicodeError as error:
        raise ValueError(f"no valid {codec.upper()}: {error}") from None


def from_utf8(text: bytes, codec: str, like: bytes) -> bytes:
    """What `as_utf8` made of a packet `like`, in its encoding again, with a byte order mark where that had one."""
    mark = "\ufeff" if like.startswith("\ufeff".encode(codec)) else ""
    return (mark + text.decode()).encode(codec)


def checked_namespace(uri: str | None) -> str:
    """What a declaration says, "" for none; ValueError where it is long: expat spells it out in every name."""
    if uri is not None and len(uri) > _MAX_NAMESPACE:
        raise ValueError(f"a namespace of {len(uri)} characters")
    return uri or ""


def _start_tag(packet: bytes, start: int) -> tuple[int, bytes, list[re.Match[bytes]]]:
    """(offset behind the start tag at `start`, its name, its attributes)."""
    p = start + 1
    while p < len(packet) and packet[p] not in b" \t\r\n/>":
        p += 1
    name, found = packet[start + 1 : p], []
    while (attribute := _ATTRIBUTE.match(packet, p)) is not None:
        found.append(attribute)
        p = attribute.end()
    return packet.index(b">", p) + 1, name, found


class _Walk:
    """expat's handlers. Depth counts from rdf:RDF: 1 there, 2 in its descriptions, 3 in their elements."""

    def __init__(self, packet: bytes):
        self.packet, self.found = packet, Outline()
        self.depth = self.parts = 0
        self.over = self.empty = False
        self.outer: list[tuple[str, str | None]] = []
        self.fresh: dict[str, str] = {}
        self.prefixes: dict[str, str] = {}
        self.text: list[str] = []
        self.parser = expat.ParserCreate("utf-8", "\n")  # a namespace that holds the separator is refused
        p: Any = self.parser
        p.ordered_attributes = p.buffer_text = True
        p.StartElementHandler, p.EndElementHandler = self.start, self.end
        p.StartNamespaceDeclHandler, p.EndNamespaceDeclHandler = self.declared, self.undeclared
        p.StartDoctypeDeclHandler = self.doctype

    def doctype(self, *_: Any) -> None:
        raise ValueError("a document type has no place in it")

    def declared(self, prefix: str | None, uri: str | None) -> None:
        name, space = prefix or "", checked_namespace(uri)
        self.outer.append((name, self.prefixes.get(name)))
        self.prefixes[name] = self.fresh[name] = space

    def undeclared(self, _: str | None) -> None:
        name, before = self.outer.pop()
        if before is None:
            del self.prefixes[name]
        else:
            self.prefixes[name] = before

    def start(self, name: str, attributes: list[str]) -> None:
        own, self.fresh = self.fresh, {}
        name = name.replace("\n", " ")
        if not self.depth and (self.over or name != RDF + "RDF"):
            return
        self.depth += 1
        self.parser.CharacterDataHandler = None
        if self.depth > 3:
            return
        self.parts += 1
        if self.parts > _MAX_PARTS:
            raise ValueError(f"more than {_MAX_PARTS} properties")
        at = self.parser.CurrentByteIndex
        stop, tag, written = _start_tag(self.packet, at)
        self.empty = self.packet[stop - 2] == ord("/")
        if self.depth == 1:
            self.found.prefixes = dict(self.prefixes)
        elif self.depth == 2:
            self.found.descriptions.append(Description(at, stop, stop, tag, own))
            self.add_attributes(
                written, dict(zip((a.replace("\n", " ") for a in attributes[::2]), attributes[1::2], strict=True))
            )
        else:
            self.found.descriptions[-1].properties.append(Property(name, True, "", at, stop, stop, stop))
            self.text.clear()
            self.parser.CharacterDataHandler = self.text.append

    def add_attributes(self, written: list[re.Match[bytes]], values: dict[str, str]) -> None:
        for attribute in written:
            prefix, _, local = attribute[1].decode().rpartition(":")
            name = f"{self.prefixes.get(prefix, '')} {local}"
            if prefix and name in values and not name.startswith(RDF):
                span = *attribute.span(), attribute.start(2) + 1, attribute.end(2) - 1
                self.found.descriptions[-1].properties.append(Property(name, False, values[name], *span))

    def end(self, name: str) -> None:
        empty, self.empty = self.empty, False
        depth, self.depth = self.depth, max(self.depth - 1, 0)
        at = self.parser.CurrentByteIndex
        if depth == 1:
            self.over, self.found.rdf_stop = True, 0 if empty else at
        elif depth == 2 and not empty:
            self.found.descriptions[-1].stop = self.packet.index(b">", at) + 1
        elif depth == 3:
            self.parser.CharacterDataHandler = None
            if not empty:
                part = self.found.descriptions[-1].properties[-1]
                part.value, part.value_stop, part.stop = "".join(self.text), at, self.packet.index(b">", at) + 1


def outline(packet: bytes) -> Outline:
    """The outline of a packet in UTF-8; ValueError where it is no well-formed XML up to the end of its rdf:RDF, or endless."""
    walk = _Walk(packet)
    try:
        walk.parser.Parse(packet, True)
    except expat.ExpatError as error:
        if not walk.over:
            raise ValueError(f"{expat.errors.messages[error.code]} at byte {walk.parser.ErrorByteIndex}") from None
    return walk.found
