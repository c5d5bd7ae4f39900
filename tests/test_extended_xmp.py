"""Extended XMP (XMP part 3, 1.1.3.1): joined when read, split when written, left alone where its parts are damaged."""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from effort import growth
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pillow
from pictures import picture
from PIL import Image
from streams import with_segments

import jpegjax
from jpegjax.container.metadata import read_metadata

RGB = picture(16, 16)
PLAIN = pillow(RGB)
STANDARD, EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
OPEN = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"{}>'
CLOSE = "</rdf:RDF></x:xmpmeta>"
DC, NOTE = 'xmlns:dc="http://purl.org/dc/elements/1.1/"', 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
EXTENDED = (
    OPEN.format("")
    + f'<rdf:Description rdf:about="" {DC}><dc:source>extended part</dc:source></rdf:Description>'
    + CLOSE
).encode()


def guid_of(extended: bytes) -> bytes:
    return hashlib.md5(extended).hexdigest().upper().encode()


def standard_of(guid: bytes, codec: str = "utf-8", form: str = "attribute") -> bytes:
    told = f'xmpNote:HasExtendedXMP="{guid.decode()}"' if form == "attribute" else ""
    inner = f"<xmpNote:HasExtendedXMP>{guid.decode()}</xmpNote:HasExtendedXMP>" if form == "element" else ""
    return (OPEN.format("") + f'<rdf:Description rdf:about="" {NOTE} {told}>{inner}</rdf:Description>' + CLOSE).encode(
        codec
    )


def pieces(extended: bytes, size: int, guid: bytes | None = None) -> list[bytes]:
    head = EXTENSION + (guid or guid_of(extended))
    starts = range(0, len(extended), size)
    return [head + struct.pack(">II", len(extended), at) + extended[at : at + size] for at in starts]


def file_of(*bodies: bytes) -> bytes:
    return with_segments(PLAIN, *((0xE1, body if body.startswith(EXTENSION) else STANDARD + body) for body in bodies))


def properties(packet: bytes) -> Counter:
    """Every property of a packet by another parser: (name, value), its order and description aside."""
    found: Counter = Counter()
    rdf = next(ElementTree.fromstring(packet.decode("utf-16" if b"\0" in packet else "utf-8")).iter(f"{RDF}RDF"))
    for one in rdf:
        found.update((name, value) for name, value in one.attrib.items() if not name.startswith(RDF))
        found.update((e.tag, ElementTree.canonicalize(ElementTree.tostring(e), strip_text=True)) for e in one)
    return found


def bodies_of(data: bytes) -> list[bytes]:
    found, p = [], 2
    while data[p + 1] != 0xDA:
        stop = p + 2 + int.from_bytes(data[p + 2 : p + 4], "big")
        found += [data[p + 4 : stop]] * (data[p + 1] == 0xE1)
        p = stop
    return found


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
@pytest.mark.parametrize("form", ["attribute", "element"])
@pytest.mark.parametrize("size", [400, 100, 7])
def test_pieces_are_joined_in_any_order(size: int, form: str, codec: str) -> None:
    parts = pieces(EXTENDED, size)
    standard = standard_of(guid_of(EXTENDED), codec, form)
    for order in (parts, parts[::-1], parts + parts):
        m = jpegjax.info(file_of(standard, *order)).metadata
        assert (
            m.warnings == ()
            and properties(m.xmp) == properties(EXTENDED)
            and b"HasExtended" not in m.xmp.replace(b"\0", b"")
        )
    assert properties(jpegjax.info(file_of(*parts, standard)).metadata.xmp) == properties(EXTENDED)
    lower = standard_of(guid_of(EXTENDED).lower(), codec, form)
    assert properties(jpegjax.info(file_of(lower, *parts)).metadata.xmp) == properties(EXTENDED)


def damaged() -> dict[str, list[bytes]]:
    guid, parts = guid_of(EXTENDED), pieces(EXTENDED, 100)
    standard = standard_of(guid)
    wrong = parts[1][:-1] + b"!"
    return {
        "a piece is missing": [standard, parts[0], *parts[2:]],
        "the last is missing": [standard, *parts[:-1]],
        "all are missing": [standard],
        "a byte is wrong": [standard, parts[0], wrong, *parts[2:]],
        "two differ": [standard, *parts, wrong],
        "lengths differ": [standard, parts[0][:67] + struct.pack(">I", 99) + parts[0][71:], *parts[1:]],
        "four gigabytes": [standard, EXTENSION + guid + struct.pack(">II", 0xFFFFFFFF, 0) + b"<x/>"],
        "another one's": [standard, *pieces(EXTENDED, 100, b"0" * 32)],
        "a stub": [standard, EXTENSION + guid[:20]],
        "the standard packet names none": [standard.replace(b"HasExtendedXMP", b"HasOtherParts_"), *parts],
        "MD5": [standard_of(b"A" * 32), *pieces(EXTENDED, 100, b"A" * 32)],
        "no XML": [standard_of(guid_of(b"<x")), *pieces(b"<x", 100)],
    }


@pytest.mark.parametrize("bodies", damaged().values(), ids=damaged())
def test_damaged_pieces_leave_the_standard_packet(bodies: list[bytes]) -> None:
    found = jpegjax.info(file_of(*bodies))
    at = 20 if len(bodies) == 1 else 53 + len(bodies[0])
    assert found.metadata.xmp == bodies[0]
    assert [w[1] for w in found.warnings] == [at] and found.warnings[0][0].startswith("extended XMP is damaged: ")
    assert np.array_equal(jpegjax.decode(file_of(*bodies), strict=True), jpegjax.decode(PLAIN))
    alone = jpegjax.info(file_of(*pieces(EXTENDED, 100)))
    assert alone.metadata.xmp is None and "extended XMP" in alone.warnings[0][0]


def long_packet(*lengths: int, attributes: int = 0, padding: int = 0) -> bytes:
    names = [f"dc:p{i}" for i in range(len(lengths))]
    inner = [
        f'<{n} note="{i}">{chr(65 + i % 26) * size} é &amp; ∂</{n}>'
        for i, (n, size) in enumerate(zip(names, lengths, strict=True))
    ]
    told = f' dc:long="{"&lt;" * attributes}"' if attributes else ""
    half = len(inner) // 2
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>' + OPEN.format(" " + DC)
        + f'<rdf:Description rdf:about="a b"{told}>{"".join(inner[:half])}</rdf:Description>'
        + f"<rdf:Description rdf:about='a b' xmlns:q='http://q/'><q:it>yes</q:it>{''.join(inner[half:])}</rdf:Description>"
        + CLOSE + " " * padding + '<?xpacket end="w"?>'
    )  # fmt: skip
    return text.encode()


@settings(max_examples=30)
@given(st.lists(st.integers(0, 90_000), min_size=1, max_size=9), st.integers(0, 30_000))
def test_long_packets_come_back_whole(lengths: list[int], attributes: int) -> None:
    packet = long_packet(*lengths, attributes=attributes)
    data = jpegjax.encode(RGB, xmp=packet)
    m = jpegjax.info(data).metadata
    assert m.warnings == () and properties(m.xmp) == properties(packet)
    bodies = bodies_of(data)
    assert all(len(b) <= 65_533 for b in bodies) and len(bodies[0]) - 29 <= 65_502
    if len(packet) > 65_502:
        (guid,) = re.findall(rb'xmpNote:HasExtendedXMP="([0-9A-F]{32})"', bodies[0])
        extended = b"".join(b[75:] for b in bodies[1:])
        assert hashlib.md5(extended).hexdigest().upper().encode() == guid
        for body, at in zip(bodies[1:], range(0, len(extended), 65_400), strict=True):
            assert body[:75] == EXTENSION + guid + struct.pack(">II", len(extended), at)
        assert not properties(bodies[0][29:]) - properties(packet) - Counter(
            {("{http://ns.adobe.com/xmp/note/}HasExtendedXMP", guid.decode()): 1}
        ) and not properties(extended) - properties(packet)  # fmt: skip
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.info["xmp"] == bodies[0][29:]
    assert jpegjax.encode(RGB, xmp=m.xmp)[-2:] == b"\xff\xd9"
    assert properties(jpegjax.info(jpegjax.encode(RGB, xmp=m.xmp)).metadata.xmp) == properties(packet)


def test_only_what_must_moves_and_padding_goes_first() -> None:
    small = long_packet(40_000, 20_000)
    padded = long_packet(40_000, 20_000, padding=20_000)
    assert len(padded) > 65_502 and bodies_of(jpegjax.encode(RGB, xmp=padded)) == [STANDARD + small]
    first = bodies_of(jpegjax.encode(RGB, xmp=long_packet(10, 70_000, 20)))[0]
    assert b"<dc:p0" in first and b"<dc:p2" in first and b"<dc:p1" not in first


def test_the_longest_packet_of_one_segment() -> None:
    fits = long_packet(65_502 - len(long_packet(0)))
    assert len(fits) == 65_502 and bodies_of(jpegjax.encode(RGB, xmp=fits)) == [STANDARD + fits]
    assert len(bodies_of(jpegjax.encode(RGB, xmp=long_packet(65_503 - len(long_packet(0)))))) == 2


def test_a_prefix_that_is_taken_is_not_declared_twice() -> None:
    for uri in ("http://ns.adobe.com/xmp/note/", "http://example.org/"):
        packet = long_packet(70_000, 5).replace(
            b'rdf:about="a b"', f'rdf:about="" xmlns:xmpNote="{uri}" xmpNote:a="b"'.encode()
        )
        m = jpegjax.info(jpegjax.encode(RGB, xmp=packet)).metadata
        assert not m.warnings and properties(m.xmp) == properties(packet)


@pytest.mark.parametrize(
    "packet", [b"<" + b"x" * 70_000, b"<a>" + b"x" * 70_000 + b"</a>", "<a>é".encode("latin-1") + bytes(70_000)]
)
def test_what_cannot_be_split_is_refused(packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"xmp: 700\d\d bytes; a segment holds 65502, and the packet cannot be split"):
        jpegjax.encode(RGB, xmp=packet)


def test_transcode_keeps_every_piece() -> None:
    data = jpegjax.encode(RGB, xmp=long_packet(70_000, 80_000, 9))
    assert bodies_of(jpegjax.transcode(data)) == bodies_of(data)
    assert bodies_of(jpegjax.transcode(data, keep="none")) == []


def test_hostile_packets_take_linear_time() -> None:
    def many(n: int) -> bytes:
        names = "".join(f' xmlns:n{i}="u{i}"' for i in range(n))
        return (OPEN.format(names) + "<rdf:Description/>" * n + CLOSE).encode()

    def deep(n: int) -> bytes:
        return (OPEN.format("") + "<rdf:Description>" + "<a>" * n + "</a>" * n + "</rdf:Description>" + CLOSE).encode()

    def long_name(n: int) -> bytes:
        return (OPEN.format(f' xmlns:n="{"u" * n}"') + "<n:a/>" * n + CLOSE).encode()

    def read(extended: bytes) -> None:
        data = file_of(standard_of(guid_of(extended)), *pieces(extended, 65_000))
        segments, p = [], 20
        while data[p + 1] == 0xE1:
            stop = p + 2 + int.from_bytes(data[p + 2 : p + 4], "big")
            segments.append((0xE1, p, stop))
            p = stop
        assert len(read_metadata(data, segments).xmp or b"") < 5 * len(data)

    for form in (many, deep, long_name):
        assert growth(read, form(2_000), form(16_000)) < 24


def test_a_file_found_wrong_before(shared) -> None:
    m = jpegjax.info(shared / "cases" / "extended_xmp.jpg").metadata
    assert not m.warnings and b"extended part" in m.xmp
