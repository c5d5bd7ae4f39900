"""The orientation of a file, whatever form it has: EXIF's integer types, or XMP; every door sees the same, none turns twice."""

from __future__ import annotations

import io
import struct
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from oracles import pillow
from pictures import picture
from PIL import Image, ImageOps
from streams import with_segments

import jpegjax
from jpegjax import CorruptJpeg, JpegWarning
from jpegjax.container.metadata import upright_exif, upright_xmp

PLAIN = pillow(picture(32, 48))
TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}
TIFF_NS, RDF_NS = "http://ns.adobe.com/tiff/1.0/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def tiff_of(values: list[int], kind: int = 3, order: str = "<", behind: bytes = b"") -> bytes:
    """TIFF data of a directory with an orientation of any type; `behind` follows it."""
    packed = b"".join(struct.pack(order + TYPES[kind], v) for v in values)
    field = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(order + "I", 26)
    more = packed if len(packed) > 4 else b""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    return head + struct.pack(order + "HHI", 0x0112, kind, len(values)) + field + bytes(4) + more + behind


def with_exif(tiff: bytes, *more: tuple[int, bytes]) -> bytes:
    return with_segments(PLAIN, (0xE1, b"Exif\0\0" + tiff), *more)


def xmp_of(value: str, form: str = "attribute", prefix: str = "tiff", codec: str = "utf-8") -> bytes:
    told = f'{prefix}:Orientation="{value}"' if form == "attribute" else ""
    inner = f"<{prefix}:Orientation>{value}</{prefix}:Orientation>" if form == "element" else ""
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<r:RDF xmlns:r="{RDF_NS}" xmlns:{prefix}="{TIFF_NS}"><r:Description r:about="">'
        f'<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">Orientation é "6"</dc:title></r:Description>'
        f'<r:Description r:about="" {told} >{inner}</r:Description></r:RDF></x:xmpmeta>\n   <?xpacket end="w"?>'
    )
    return text.encode(codec)


def with_xmp(packet: bytes, *before: tuple[int, bytes]) -> bytes:
    return with_segments(PLAIN, *before, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))


def told_by_xmp(packet: bytes) -> list[str]:
    """Every tiff:Orientation of a packet, by another parser."""
    root = ElementTree.fromstring(packet.decode("utf-16" if b"\0" in packet else "utf-8-sig"))
    attributes = [v for e in root.iter() for k, v in e.attrib.items() if k == f"{{{TIFF_NS}}}Orientation"]
    return attributes + [(e.text or "").strip() for e in root.iter(f"{{{TIFF_NS}}}Orientation")]


def pillows_orientation(data: bytes) -> int:
    """As Pillow reads it, which warns of what it finds odd."""
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        warnings.simplefilter("ignore")
        value = image.getexif().get(0x0112, 1)
    return value if isinstance(value, int) else value[0]


def check_doors(data: bytes, orientation: int) -> bytes:
    """Every door, strict or not, sees this orientation without a warning; the transcoded file, which says 1."""
    found = jpegjax.info(data)
    assert found.metadata.orientation == orientation and found.warnings == ()
    with Image.open(io.BytesIO(data)) as image:
        bare = Image.fromarray(np.asarray(image))
    bare.getexif()[0x0112] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(bare))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for strict in (False, True):
            assert np.array_equal(jpegjax.decode(data, strict=strict, apply_exif_orientation=True), wanted)
            assert np.array_equal(jpegjax.imread(data, strict=strict, apply_exif_orientation=True), wanted)
            part = jpegjax.decode(data, strict=strict, apply_exif_orientation=True, crop=(3, 5, 11, 7))
            assert np.array_equal(part, wanted[5:12, 3:14])
            assert jpegjax.read_coefficients(data, strict=strict).frame.width == 48
            made = jpegjax.transcode(data, strict=strict, apply_exif_orientation=True)
    told = jpegjax.info(made)
    assert (
        (told.height, told.width) == wanted.shape[:2] and told.metadata.orientation in (1, None) and not told.warnings
    )
    assert pillows_orientation(made) == 1
    assert jpegjax.transcode(made, apply_exif_orientation=True) == made
    return made


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", TYPES)
def test_any_integer_type_and_count(kind: int, order: str) -> None:
    for values in ([6], [8, 3], [5, 1, 2, 3, 4]):
        made = check_doors(with_exif(tiff_of(values, kind, order)), values[0])
        assert len(jpegjax.info(made).metadata.exif or b"") == len(tiff_of(values, kind, order)) + 6


@pytest.mark.parametrize(
    ("kind", "value"), [(3, 0), (3, 9), (3, 65_535), (1, 255), (8, -6), (9, -1), (4, 1 << 31), (16, 1 << 60)]
)
@pytest.mark.parametrize("order", "<>")
def test_reserved_numbers_mean_upright(kind: int, value: int, order: str) -> None:
    check_doors(with_exif(tiff_of([value], kind, order)), 1)


@pytest.mark.parametrize("form", ["attribute", "element"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("prefix", ["tiff", "t", "ns1"])
def test_xmp_says_it_where_exif_does_not(form: str, codec: str, prefix: str) -> None:
    packet = xmp_of("6", form, prefix, codec)
    bare = (0xE1, b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    for data in (with_xmp(packet), with_xmp(packet, bare)):
        kept = jpegjax.info(check_doors(data, 6)).metadata.xmp or b""
        assert len(kept) == len(packet)
        if codec in ("utf-8", "utf-16"):
            assert told_by_xmp(kept) == ["1"]


@pytest.mark.parametrize(("text", "orientation"), [(" 8 ", 8), ("&#54;", 6), ("003", 3), ("0", 1), ("9", 1), ("-6", 1)])
@pytest.mark.parametrize("form", ["attribute", "element"])
def test_xmp_numbers_in_other_spellings(text: str, orientation: int, form: str) -> None:
    packet = xmp_of(text, form)
    kept = jpegjax.info(check_doors(with_xmp(packet), orientation)).metadata.xmp or b""
    assert told_by_xmp(kept) == ["1"] and len(kept) == len(packet)


RDF, TIFF = f'xmlns:rdf="{RDF_NS}"', f'xmlns:tiff="{TIFF_NS}"'
FORMS = {
    "single quotes": f"<rdf:RDF {RDF}><rdf:Description {TIFF} tiff:Orientation = '6' /></rdf:RDF>",
    "lines": f'<rdf:RDF {RDF}>\n<rdf:Description\n\t{TIFF}\n tiff:Orientation\n=\n"6"\n>\n</rdf:Description></rdf:RDF>',
    "CDATA": f"<rdf:RDF {RDF}><d {TIFF}><tiff:Orientation><![CDATA[6]]></tiff:Orientation></d></rdf:RDF>",
    "comments": f"<!-- c --><rdf:RDF {RDF}><d {TIFF}><tiff:Orientation>6<!-- c --></tiff:Orientation></d></rdf:RDF>",
    "default": f"<rdf:RDF {RDF}><rdf:Description><Orientation xmlns='{TIFF_NS}'>6</Orientation></rdf:Description></rdf:RDF>",
    "an attribute": f"<rdf:RDF {RDF}><d {TIFF}><tiff:Orientation rdf:q='x>y'>6</tiff:Orientation></d></rdf:RDF>",
    "quoted signs": f"<rdf:RDF {RDF}><d {TIFF} tiff:Make='a>b=&quot;' tiff:Orientation='6'></d></rdf:RDF>",
    "the second": f"<rdf:RDF {RDF}><rdf:Description/><rdf:Description {TIFF} tiff:Orientation='6'/></rdf:RDF>",
    "zeros behind": f"<rdf:RDF {RDF}><rdf:Description {TIFF} tiff:Orientation='6'/></rdf:RDF>\0\0\0",
    "another encoding": f"<?xml version='1.0' encoding='UTF-16'?><rdf:RDF {RDF}><d {TIFF} tiff:Orientation='6'/></rdf:RDF>",
    "a blank in a namespace": f"<rdf:RDF {RDF} xmlns:b='a b'><d {TIFF} b:c='' tiff:Orientation='6'/></rdf:RDF>",
    "an empty one first": f"<rdf:RDF {RDF}><d {TIFF} tiff:Orientation=''/><d {TIFF} tiff:Orientation='6'/></rdf:RDF>",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_xmp_as_others_write_it(text: str) -> None:
    kept = jpegjax.info(check_doors(with_xmp(text.encode()), 6)).metadata.xmp or b""
    assert len(kept) == len(text.encode()) and set(told_by_xmp(kept.rstrip(b"\0"))) <= {"1", ""}


def test_xmp_that_means_another_picture_or_namespace_does_not_count() -> None:
    nested = xmp_of("6", "element").replace(b"<tiff:Orientation>", b"<tiff:Artist><tiff:Orientation>").replace(
        b"</tiff:Orientation>", b"</tiff:Orientation></tiff:Artist>")  # fmt: skip
    other = xmp_of("6").replace(TIFF_NS.encode(), b"http://example.org/")
    for packet in (nested, other):
        assert jpegjax.info(with_xmp(packet)).metadata.orientation is None
        assert upright_xmp(packet) == packet


def test_exif_goes_before_xmp_and_both_are_reset() -> None:
    packet = xmp_of("8")
    for orientation in (1, 3, 6):
        made = jpegjax.info(check_doors(with_xmp(packet, (0xE1, b"Exif\0\0" + tiff_of([orientation]))), orientation))
        assert told_by_xmp(made.metadata.xmp or b"") == ["1"]


def test_exif_over_two_segments_and_twice_is_reset_everywhere() -> None:
    long = tiff_of([6, 1, 1], behind=bytes(70_000))
    first, second = long[:20], long[20:60_020]
    made = check_doors(with_exif(first, (0xE1, b"Exif\0\0" + second), (0xE1, b"Exif\0\0" + long[60_020:])), 6)
    exif = jpegjax.info(made).metadata.exif
    assert exif == b"Exif\0\0" + tiff_of([1, 1, 1], behind=bytes(70_000))
    twice = check_doors(with_exif(tiff_of([6]), (0xE1, b"Exif\0\0" + tiff_of([6], 4, ">"))), 6)
    assert jpegjax.info(twice).metadata.exif == b"Exif\0\0" + tiff_of([1]) + tiff_of([1], 4, ">")


DAMAGED = {
    "text": b"II*\0\x08\0\0\0\1\0\x12\1\2\0\1\0\0\0\6\0\0\0\0\0\0\0",
    "count 0": tiff_of([]),
    "values outside": tiff_of([6])[:14] + struct.pack("<II", 9, 1 << 20) + bytes(4),
    "no TIFF": b"nonsense",
    "xmp cut off": xmp_of("6")[:-60],
    "xmp in no encoding": xmp_of("6").replace("é".encode(), b"\xe9"),
    "xmp that is text": xmp_of("upright"),
    "xmp with a document type": b"<!DOCTYPE x>" + xmp_of("6").partition(b"?>")[2],
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_an_error_in_every_strict_door_and_a_warning_else(body: bytes) -> None:
    data = with_xmp(body) if body.startswith(b"<") else with_exif(body)
    message = "(EXIF|XMP) is damaged: .*byte offset 20"
    found = jpegjax.info(data)
    assert [at for _, at in found.warnings] == [20] and found.metadata.orientation is None
    for door in (jpegjax.decode, jpegjax.imread, jpegjax.transcode):
        with pytest.warns(JpegWarning, match=message):
            door(data, apply_exif_orientation=True)
        with pytest.raises(CorruptJpeg, match=message):
            door(data, apply_exif_orientation=True, strict=True)
        door(data, strict=True)  # what is not asked for is not looked at
    with pytest.raises(CorruptJpeg, match=message):
        jpegjax.decode(data, apply_exif_orientation=True, strict=True, crop=(0, 0, 4, 4))


def test_sizes_in_xmp_follow_and_padding_gives_them_room() -> None:
    sized = b'tiff:Orientation="6" xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:PixelXDimension="48" '
    sized += b'tiff:ImageWidth="48" exif:PixelYDimension="9"'
    for padding in (0, 1, 40):
        packet = (
            xmp_of("6")
            .replace(b'tiff:Orientation="6"', sized)
            .replace(b"\n   <?xpacket", b" " * padding + b"<?xpacket")
        )
        made = jpegjax.info(jpegjax.transcode(with_xmp(packet), apply_exif_orientation=True)).metadata
        assert made.xmp is not None and len(made.xmp) == len(packet) + (padding == 0)
        told = ElementTree.fromstring(made.xmp.decode("utf-8-sig"))
        one = next(e for e in told.iter() if f"{{{TIFF_NS}}}Orientation" in e.attrib)
        sizes = [one.attrib[f"{{http://ns.adobe.com/exif/1.0/}}Pixel{a}Dimension"] for a in "XY"]
        assert (one.attrib[f"{{{TIFF_NS}}}Orientation"], *sizes, one.attrib[f"{{{TIFF_NS}}}ImageWidth"]) == (
            "1",
            "32",
            "48",
            "32",
        )
        assert made.xmp.endswith(b'<?xpacket end="w"?>') and made.orientation == 1
    untouched = jpegjax.transcode(with_xmp(packet), rotate=90)
    assert jpegjax.info(untouched).metadata.xmp == packet


def test_nothing_else_of_the_metadata_moves() -> None:
    tiff = tiff_of([6, 2], behind=np.random.default_rng(3).bytes(500))
    patched = upright_exif(b"Exif\0\0" + tiff)
    assert patched == b"Exif\0\0" + tiff_of([1, 2], behind=tiff[26:]) and upright_exif(tiff) == patched[6:]
    packet = xmp_of("6")
    assert upright_xmp(packet) == xmp_of("1")


@pytest.mark.parametrize("name", ["orientation_0", "orientation_6_as_sshort", "orientation_only_in_xmp"])
def test_files_found_wrong_before(name: str, shared) -> None:
    data = (shared / "cases" / f"{name}.jpg").read_bytes()
    orientation = 1 if name.endswith("0") else 6
    assert jpegjax.info(data).metadata.orientation == orientation and not jpegjax.info(data).warnings
    assert (
        jpegjax.decode(data, apply_exif_orientation=True, strict=True).shape
        == ((61, 75, 3), (75, 61, 3))[orientation == 6]
    )
    made = jpegjax.info(jpegjax.transcode(data, apply_exif_orientation=True, strict=True, trim=True))
    assert made.metadata.orientation in (1, None)
