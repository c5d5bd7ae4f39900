"""What XMP says of the things behind a picture: GContainer's directory, Google's camera, Adobe's gain map (hdrgm).

packet ──▶ read_packet ──▶ Packet: values, each with the bytes that hold it ──▶ mended ──▶ packet with other numbers
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from ..metadata.outline import checked_namespace

__all__ = [
    "CAMERA", "CONTAINER", "GOOGLE", "HDRGM", "Packet", "Value", "directory", "is_gain_map", "mended", "packet_of",
    "properties_of", "read_packet",
]  # fmt: skip

GOOGLE = b"http://ns.google.com/photos/"
"""What every packet of a picture with something behind it holds; others need not be read."""

HDRGM = "http://ns.adobe.com/hdr-gain-map/1.0/"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
ITEM = "http://ns.google.com/photos/1.0/container/item/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_ITEMS = (ITEM, "http://ns.google.com/photos/dd/1.0/item/")  # the second is Dynamic Depth's
_CONTAINERS = (CONTAINER, "http://ns.google.com/photos/dd/1.0/container/")
_KNOWN = (HDRGM, CAMERA, *_ITEMS)
_ATTRIBUTE = re.compile(rb"\s+([^\s=<>/]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TAG = re.compile(rb"<[^\s/>]+")


@dataclass(frozen=True, slots=True)
class Value:
    """A text, and from where to where the packet's bytes hold it; (-1, -1) where it cannot be replaced in place."""

    text: str
    span: tuple[int, int] = (-1, -1)

    def number(self) -> int | None:
        """The whole number 0..2^53 that it is, or None."""
        text = self.text.strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


@dataclass(slots=True)
class Packet:
    """properties: of HDRGM and CAMERA, by (namespace, name), with all entries of a list. items: GContainer's, in order, by
    name: Semantic, Mime, Length, Padding …"""

    properties: dict[tuple[str, str], list[Value]] = field(default_factory=dict)
    items: list[dict[str, Value]] = field(default_factory=list)

    def number(self, namespace: str, name: str) -> int | None:
        values = self.properties.get((namespace, name))
        return values[0].number() if values else None


def is_gain_map(body: bytes) -> bool:
    """Whether XMP speaks of the gain map that its picture is: Adobe's, or Apple's, whose meaning is not published."""
    return HDRGM.encode() in body or b"urn:com:apple:photo:2020:aux:hdrgainmap" in body


class _Reader:
    """Handlers of one parse. Document types are refused, and with them every entity that could grow."""

    def __init__(self, data: bytes):
        self.data, self.found = data, Packet()
        self.stack: list[tuple[str, str]] = []
        self.prefixes: dict[str, str] = {}
        self.fresh = True
        self.text: list[str] = []
        self.start = -1
        self.closed = False
        parser = self.parser = expat.ParserCreate("utf-8", "\n")
        parser.StartNamespaceDeclHandler = self.namespace
        parser.StartElementHandler = self.begin
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = self.doctype

    def doctype(self, *_: object) -> None:
        raise ValueError("XMP holds a document type, which is not read")

    def namespace(self, prefix: str | None, uri: str | None) -> None:
        self.prefixes[prefix or ""] = checked_namespace(uri)

    def put(self, namespace: str, name: str, value: Value) -> None:
        if namespace in _ITEMS:
            if self.fresh:
                self.found.items.append({})
                self.fresh = False
            self.found.items[-1].setdefault(name, value)
        else:
            self.found.properties.setdefault((namespace, name), []).append(value)

    def spans(self, at: int) -> dict[tuple[str, str], tuple[int, int]]:
        """Where the attributes of the tag at byte `at` have their values."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        tag = _TAG.match(self.data, at)
        position = tag.end() if tag else at
        while (one := _ATTRIBUTE.match(self.data, position)) is not None:
            position = one.end()
            prefix, _, name = one[1].decode("utf-8", "replace").rpartition(":")
            if prefix in self.prefixes:
                found[self.prefixes[prefix], name] = one.span(2 if one[2] is not None else 3)
        return found

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        namespace, _, local = name.rpartition("\n")
        self.stack.append((namespace, local))
        if len(self.stack) > 64:
            raise ValueError("XMP is nested more than 64 deep")
        self.text, self.start = [], -1
        if local in ("li", "Item") and namespace in (RDF, *_CONTAINERS):
            self.fresh = True
        known = {tuple(key.rpartition("\n")[::2]): text for key, text in attributes.items()}
        known = {key: text for key, text in known.items() if key[0] in _KNOWN}
        if known:
            spans = self.spans(self.parser.CurrentByteIndex)
            for (space, label), text in known.items():
                self.put(space, label, Value(text, spans.get((space, label), (-1, -1))))

    def characters(self, text: str) -> None:
        if self.start < 0:
            self.start = self.parser.CurrentByteIndex
        self.text.append(text)

    def end(self, name: str) -> None:
        text = "".join(self.text).strip()
        if text:
            owner = next((one for one in reversed(self.stack) if one[0] in _KNOWN), None)
            if owner is not None:
                stop = self.parser.CurrentByteIndex
                raw = self.data[self.start : stop]
                start = self.start + len(raw) - len(raw.lstrip())
                self.put(*owner, Value(text, (start, self.start + len(raw.rstrip()))))
        self.text, self.start = [], -1
        self.stack.pop()
        self.closed = not self.stack


def read_packet(xmp: bytes) -> Packet:
    """What a packet in UTF-8 says, in time linear in its size; ValueError where it is no XML, or has a document type."""
    reader = _Reader(xmp)
    try:
        reader.parser.Parse(xmp, True)
    except expat.ExpatError as error:
        if not reader.closed:  # what follows the root, such as a zero byte, does no harm
            raise ValueError(f"XMP is damaged: {error}") from None
    return reader.found


def mended(xmp: bytes, changes: Mapping[tuple[int, int], int]) -> bytes:
    """The packet with other numbers, by the spans of their values."""
    parts, at = [], 0
    for (start, stop), number in sorted(changes.items()):
        parts += [xmp[at:start], str(number).encode()]
        at = stop
    return b"".join([*parts, xmp[at:]])


def properties_of(properties: Mapping[str, Sequence[str]]) -> bytes:
    """An `rdf:Description` of hdrgm's properties, lists where the channels differ."""
    plain = {name: values[0] for name, values in properties.items() if len(values) == 1}
    lists = "".join(
        f"\n   <hdrgm:{name}><rdf:Seq>{''.join(f'<rdf:li>{v}</rdf:li>' for v in values)}</rdf:Seq></hdrgm:{name}>"
        for name, values in properties.items()
        if len(values) > 1
    )
    opened = f'\n  <rdf:Description rdf:about=""\n    xmlns:hdrgm="{HDRGM}"{_attributes("hdrgm", plain)}'
    return f"{opened}>{lists}\n  </rdf:Description>\n".encode()


def _attributes(prefix: str, values: Mapping[str, str]) -> str:
    return "".join(f" {prefix}:{name}={quoteattr(text)}" for name, text in values.items())


def packet_of(descriptions: bytes) -> bytes:
    """A packet of `rdf:Description`s."""
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        b' <rdf:RDF xmlns:rdf="'
        + RDF.encode()
        + b'">'
        + descriptions
        + b' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    )


def directory(
    items: list[dict[str, str]], *, camera: Mapping[str, str] | None = None, hdrgm: Mapping[str, str] | None = None
) -> bytes:
    """An `rdf:Description` with GContainer's directory of these items and the other two namespaces' properties."""
    entries = "".join(
        f'\n     <rdf:li rdf:parseType="Resource"><Container:Item{_attributes("Item", item)}/></rdf:li>'
        for item in items
    )
    spaces = {"hdrgm": (HDRGM, hdrgm or {}), "GCamera": (CAMERA, camera or {})}
    opened = "".join(f"\n    xmlns:{p}={quoteattr(uri)}{_attributes(p, v)}" for p, (uri, v) in spaces.items() if v)
    if not items:
        return f'\n  <rdf:Description rdf:about=""{opened}/>\n'.encode()
    return (
        f'\n  <rdf:Description rdf:about=""{opened}\n    xmlns:Container="{CONTAINER}" xmlns:Item="{ITEM}">'
        f"\n   <Container:Directory>\n    <rdf:Seq>{entries}\n    </rdf:Seq>\n   </Container:Directory>"
        "\n  </rdf:Description>\n"
    ).encode()
