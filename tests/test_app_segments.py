"""`info` lists every APPn segment and Photoshop's image resources, as Pillow and the bytes themselves have them."""

from __future__ import annotations

import io
import json
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pillow
from pictures import picture
from PIL import Image
from streams import with_segments

import jpegjax

RGB = picture(16, 24)
PLAIN = pillow(RGB)
PREFIX = b"Photoshop 3.0\0"


def resource(number: int, data: bytes, name: bytes = b"", signature: bytes = b"8BIM") -> bytes:
    named = bytes([len(name)]) + name
    named += b"\0" * (len(named) % 2)
    return signature + struct.pack(">H", number) + named + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def resolution(x: float, y: float, unit: int = 1) -> bytes:
    return resource(0x03ED, struct.pack(">iHHiHH", round(x * 65_536), unit, 1, round(y * 65_536), unit, 1))


def with_photoshop(*bodies: bytes, data: bytes = PLAIN) -> bytes:
    return with_segments(data, *((0xED, PREFIX + body) for body in bodies))


def pillows(data: bytes) -> dict:
    with Image.open(io.BytesIO(data)) as image:
        return dict(image.info)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 65_535).filter(lambda n: n != 0x03ED), st.binary(max_size=40), st.binary(max_size=9)),
        max_size=8,
        unique_by=lambda one: one[0],
    )
)
def test_resources_are_pillows(parts: list[tuple[int, bytes, bytes]]) -> None:
    data = with_photoshop(b"".join(resource(*part) for part in parts))
    found = jpegjax.info(data)
    assert not found.warnings and len(found.metadata.photoshop) == len(parts)
    theirs = pillows(data)["photoshop"]
    for one, (number, content, name) in zip(found.metadata.photoshop, parts, strict=True):
        assert (one.number, one.name.encode("latin-1"), one.nbytes) == (number, name, len(content))
        assert data[one.offset : one.offset + one.nbytes] == content == theirs[number]
    told = json.loads(json.dumps(found.as_dict()))["photoshop"]
    assert [one["number"] for one in told] == [number for number, _, _ in parts]


def test_they_are_told() -> None:
    iptc = b"\x1c\2\x78\0\5title"
    data = with_photoshop(resource(0x0404, iptc) + resolution(300, 300) + resource(0x2710, bytes(10), b"print"))
    found = jpegjax.info(data)
    assert found.metadata.iptc == iptc and found.as_dict()["iptc_nbytes"] == len(iptc)
    lines = str(found).splitlines()
    assert "IPTC: 10 bytes" in lines and "3 Photoshop resources:" in lines and "300×300 dpi" in lines
    assert "  0x0404 IPTC (10 bytes)" in lines and "  0x2710 'print' (10 bytes)" in lines
    assert jpegjax.info(PLAIN).metadata.iptc is None and jpegjax.info(PLAIN).metadata.photoshop == ()


def test_other_signatures_and_fillers_are_no_damage() -> None:
    body = resource(1000, b"a", signature=b"MeSa") + resource(1001, b"b", signature=b"PHUT") + bytes(5)
    found = jpegjax.info(with_photoshop(body))
    assert [one.number for one in found.metadata.photoshop] == [1000, 1001] and not found.warnings


def test_a_resource_goes_on_in_the_next_segment() -> None:
    whole = resource(0x0404, bytes(range(256)) * 300) + resolution(72, 96)
    for cut in (20, 40_001, 60_000):
        m = jpegjax.info(with_photoshop(whole[:cut], whole[cut : cut + 30_000], whole[cut + 30_000 :])).metadata
        assert m.iptc == bytes(range(256)) * 300 and m.dpi == (72, 96) and not m.warnings
    odd = resource(7, b"odd")[:-1]  # its filler is left out at the end of the segment, as some do
    m = jpegjax.info(with_photoshop(odd, resource(8, b"x"))).metadata
    assert [one.number for one in m.photoshop] == [7, 8] and not m.warnings


@pytest.mark.parametrize("unit", [1, 2])
def test_its_resolution_is_the_last_resort(unit: int) -> None:
    data = with_photoshop(resolution(240.5, 120.25, unit))
    assert jpegjax.info(data).metadata.dpi == (240.5, 120.25)
    theirs = pillows(data)["photoshop"][0x03ED]
    assert (theirs["XResolution"], theirs["YResolution"]) == (240.5, 120.25)
    jfif = with_photoshop(resolution(240.5, 120.25, unit), data=pillow(RGB, dpi=(72, 73)))
    assert jpegjax.info(jfif).metadata.dpi == (72, 73)
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 150.0, 160.0, 2
    both = with_photoshop(resolution(240.5, 120.25, unit), data=pillow(RGB, exif=exif))
    assert jpegjax.info(both).metadata.dpi == (150, 160)
    for bad in (resolution(0, 0), resolution(-5, 5), resource(0x03ED, b"short")):
        assert jpegjax.info(with_photoshop(bad)).metadata.dpi is None


def test_damage_is_a_warning_and_what_stood_before_it_stays() -> None:
    whole = resource(0x0404, b"record") + resource(0x0425, bytes(16), b"named")
    for cut in range(len(resource(0x0404, b"record")) + 1, len(whole)):
        found = jpegjax.info(with_photoshop(whole[:cut]))
        assert [one.number for one in found.metadata.photoshop] == [0x0404] and found.metadata.iptc == b"record"
        assert [at for _, at in found.warnings] == [20] and "Photoshop resources are damaged" in found.warnings[0][0]
        assert jpegjax.decode(with_photoshop(whole[:cut]), strict=True).shape == (16, 24, 3)
    assert "no resource at byte 0" in jpegjax.info(with_photoshop(b"junk")).warnings[0][0]


SEGMENTS = [
    (0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0", "Exif"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>", "http://ns.adobe.com/xap/1.0/"),
    (0xE2, b"ICC_PROFILE\0\1\1abc", "ICC_PROFILE"), (0xE2, b"MPF\0", "MPF"), (0xE3, b"", ""), (0xE4, b"\0\1\2", ""),
    (0xEC, b"Ducky\0\1", "Ducky"), (0xED, PREFIX, "Photoshop 3.0"), (0xEF, b"\xffbinary", ""), (0xEB, b"a" * 300, "a" * 40),
    (0xE9, b"tab\tbed", "tab"), (0xE5, b"RMETA\0" + bytes(65_000), "RMETA"),
]  # fmt: skip


def test_every_segment_is_listed_where_it_stands() -> None:
    data = with_segments(PLAIN, *((code, body) for code, body, _ in SEGMENTS), (0xFE, b"a comment"))
    found = jpegjax.info(data)
    assert found.segments[0].as_dict() == {"marker": "APP0", "identifier": "JFIF", "offset": 2, "nbytes": 18}
    at = 20
    for one, (code, body, identifier) in zip(found.segments[1:], SEGMENTS, strict=True):
        assert (one.marker, one.identifier) == (f"APP{code - 0xE0}", identifier)
        assert (one.offset, one.nbytes) == (at, len(body) + 4) and data[at + 1] == code
        at += len(body) + 4
    assert json.loads(json.dumps(found.as_dict()))["segments"] == [one.as_dict() for one in found.segments]
    told = str(found)
    assert "13 APPn segments:" in told and "  APP12 Ducky, 11 bytes at" in told and "APP3 (unnamed), 4 bytes" in told


def test_segments_between_scans_and_of_hostile_files() -> None:
    data = pillow(RGB, progressive=True)
    second = [m.start() for m in re.finditer(rb"\xff\xda", data)][1]
    late = jpegjax.info(data[:second] + b"\xff\xe7\0\6late" + data[second:]).segments[-1]
    assert (late.marker, late.identifier, late.offset, late.nbytes) == ("APP7", "late", second, 8)
    many = jpegjax.info(PLAIN[:20] + b"\xff\xe7\0\6late" * 9000 + PLAIN[20:])
    assert len(many.segments) == 4096 and len(str(many)) < 3000 and "… and 4076 more" in str(many)
    resources = jpegjax.info(with_photoshop(*[resource(1, b"") * 5000] * 2))
    assert len(resources.metadata.photoshop) == 4096 and len(str(resources)) < 3000


def test_files_of_pillows_collection(shared) -> None:
    compared = 0
    for path in sorted((shared / "conformance").rglob("*.jp*g")):
        data = path.read_bytes()
        if PREFIX not in data[:70_000] or len(data) > 1 << 21 or compared > 30:
            continue
        try:
            theirs = pillows(data).get("photoshop", {})
            m = jpegjax.info(data, limits=jpegjax.Limits(None, None, None, None)).metadata
        except (OSError, ValueError):
            continue
        ours = {one.number: one for one in m.photoshop}
        assert theirs.keys() <= ours.keys(), path
        for number, content in theirs.items():
            if number != 0x03ED:
                assert ours[number].nbytes == len(content), path
        compared += 1
    assert compared > 3
