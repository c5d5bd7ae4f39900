"""What `encode` is given as metadata, in the forms that people have it, and resolutions and profiles as files say them."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from oracles import pillow
from pictures import picture
from PIL import Image, ImageCms
from streams import with_segments

import jpegjax

RGB = picture(24, 40)
PLAIN = pillow(RGB)
PREFIX, XMP_PREFIX = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
NUMBERS = {3: "H", 4: "I", 5: "II", 10: "ii", 11: "f", 12: "d"}


def exif_of(*entries: tuple[int, int, tuple[Any, ...]], order: str = ">") -> bytes:
    """TIFF data of one directory of (tag, type, numbers)."""
    start = 8 + 2 + 12 * len(entries) + 4
    fields, behind = b"", b""
    for tag, kind, numbers in entries:
        packed = struct.pack(order + NUMBERS[kind], *numbers)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(order + "I", start + len(behind))
        behind += packed if len(packed) > 4 else b""
        fields += struct.pack(order + "HHI", tag, kind, 1) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + fields + bytes(4) + behind


def resolved(x: Any, y: Any, unit: int | None, kind: int = 5, order: str = ">") -> bytes:
    entries = [(tag, kind, n) for tag, n in ((0x011A, x), (0x011B, y)) if n is not None]
    return with_segments(
        PLAIN, (0xE1, PREFIX + exif_of(*entries, *([(0x0128, 3, (unit,))] if unit else []), order=order))
    )


def pillows_dpi(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return image.info.get("dpi")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "numbers"),
    [(5, (300, 1)), (5, (725, 10)), (5, (2**32 - 1, 7)), (10, (96, 1)), (3, (72,)), (4, (65_536,)), (11, (1.5,)), (12, (72.25,))],
)  # fmt: skip
def test_resolution_of_exif_is_pillows(kind: int, numbers: tuple[Any, ...], unit: int, order: str) -> None:
    data = resolved(numbers, numbers, unit, kind, order)
    assert jpegjax.info(data).metadata.dpi == pytest.approx(pillows_dpi(data), rel=1e-12)
    bare = data[:2] + data[20:]  # no JFIF at all
    assert jpegjax.info(bare).metadata.dpi == pytest.approx(pillows_dpi(bare), rel=1e-12)


def test_both_directions_count_and_one_stands_for_both() -> None:
    assert jpegjax.info(resolved((300, 1), (150, 1), 2)).metadata.dpi == (300, 150)
    for x, y in (((300, 1), None), (None, (300, 1))):
        assert jpegjax.info(resolved(x, y, 3)).metadata.dpi == (762, 762)
    assert jpegjax.info(resolved((300, 1), (300, 1), None)).metadata.dpi == (300, 300)  # Exif's default unit is inches
    found = jpegjax.info(resolved((300, 1), (150, 1), 2))
    assert found.as_dict()["dpi"] == [300, 150] and "300×150 dpi" in str(found)


@pytest.mark.parametrize("x", [(0, 0), (0, 1), (72, 0)])
def test_what_is_no_resolution_is_none(x: tuple[int, int]) -> None:
    found = jpegjax.info(resolved(x, x, 2))
    assert found.metadata.dpi is None and not found.warnings
    assert jpegjax.info(resolved((-72, 1), (-72, 1), 2, 10)).metadata.dpi is None


def test_jfifs_own_unit_goes_first() -> None:
    data = bytearray(resolved((300, 1), (300, 1), 2))
    for unit, wanted in ((1, (5, 6)), (2, (12.7, 15.24)), (0, (300, 300))):
        data[13:18] = struct.pack(">BHH", unit, 5, 6)
        assert jpegjax.info(data).metadata.dpi == pytest.approx(wanted)
        assert pillows_dpi(bytes(data)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "dpi", [(72.4, 72.6), (72.5, 73.5), (0.6, 65_535.4), (Fraction(145, 2), 1), (np.float32(99.7), np.int16(3))]
)
def test_resolutions_are_rounded_as_pillow_does(dpi: tuple[Any, Any]) -> None:
    assert jpegjax.encode(RGB, dpi=dpi) == pillow(RGB, dpi=dpi)


def test_dpi_of_pillow_goes_in() -> None:
    with Image.open(io.BytesIO(resolved((725, 10), (725, 10), 2))) as image:
        assert jpegjax.info(jpegjax.encode(RGB, dpi=image.info["dpi"])).metadata.dpi == (72, 72)


def made_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Cam", 6
    return exif


def test_exif_goes_in_with_or_without_its_prefix() -> None:
    theirs = pillow(RGB, exif=made_exif())
    with Image.open(io.BytesIO(theirs)) as image:
        forms = [image.info["exif"], image.getexif().tobytes(), made_exif().tobytes()]
    forms += [forms[0].removeprefix(PREFIX), bytearray(forms[0]), memoryview(forms[0].removeprefix(PREFIX))]
    for form in forms:
        made = jpegjax.encode(RGB, exif=form)
        assert made == theirs and jpegjax.info(made).metadata.orientation == 6
    coefficients = jpegjax.read_coefficients(PLAIN)
    made = jpegjax.write_coefficients(coefficients, exif=forms[3], optimize=False)
    assert jpegjax.info(made).metadata.exif == forms[0]
    assert jpegjax.encode(RGB, exif=b"", xmp=b"", icc_profile=b"") == PLAIN


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_xmp_goes_in_with_or_without_its_prefix(codec: str) -> None:
    packet = (" \n" * (codec == "utf-8") + XMP).encode(codec)
    theirs = pillow(RGB, xmp=packet)
    assert jpegjax.encode(RGB, xmp=packet) == jpegjax.encode(RGB, xmp=XMP_PREFIX + packet) == theirs
    assert jpegjax.info(theirs).metadata.xmp == packet


def test_profiles_go_in() -> None:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert jpegjax.encode(RGB, icc_profile=made) == pillow(RGB, icc_profile=made)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"exif": b"nonsense"}, r"exif: must be TIFF data, b'II.*with or without b'Exif.*these 8 bytes begin with b'nonsense'"),
        ({"exif": PREFIX}, r"exif: must be TIFF data.*these 0 bytes"),
        ({"exif": PREFIX + b"MM*\0"}, r"exif: must be TIFF data"),
        ({"exif": XMP.encode()}, r"exif: must be TIFF data"),
        ({"xmp": b"no packet"}, r"xmp: must be an XMP packet, which is XML and begins with '<'.*begin with b'no packe'"),
        ({"xmp": bytes(40)}, r"xmp: must be an XMP packet"),
        ({"xmp": XMP_PREFIX}, r"xmp: must be an XMP packet.*these 0 bytes"),
        ({"xmp": PREFIX + b"II*\0"}, r"xmp: must be an XMP packet"),
    ],
)  # fmt: skip
def test_what_nobody_could_read_is_refused(given: dict[str, bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jpegjax.encode(RGB, **given)
    with pytest.raises(ValueError, match=message):
        jpegjax.write_coefficients(jpegjax.read_coefficients(PLAIN), **given)


def chunk(number: int, count: int, part: bytes) -> tuple[int, bytes]:
    return 0xE2, b"ICC_PROFILE\0" + bytes((number, count)) + part


@pytest.mark.parametrize(
    "chunks",
    [
        [(1, 1, b"abc"), (1, 1, b"abc")],
        [(1, 2, b"ab"), (2, 2, b"c"), (1, 2, b"ab"), (2, 2, b"c")],
        [(2, 2, b"c"), (1, 2, b"ab"), (2, 2, b"c"), (2, 2, b"c")],
    ],
)
def test_copies_of_a_profile_count_once(chunks: list[tuple[int, int, bytes]]) -> None:
    data = with_segments(PLAIN, *(chunk(*c) for c in chunks))
    apart = with_segments(PLAIN, chunk(*chunks[0]))
    body = b"".join(struct.pack(">BBH", 0xFF, code, len(b) + 2) + b for code, b in (chunk(*c) for c in chunks))
    sof, end = apart.index(b"\xff\xc0"), apart.index(b"\xff\xc4")
    for file in (data, apart[:end] + body + apart[end:], apart[:sof] + body + apart[sof:]):
        found = jpegjax.info(file)
        assert found.metadata.icc_profile == b"abc" and not found.warnings


def test_copies_that_contradict_are_damage() -> None:
    for chunks in ([(1, 1, b"abc"), (1, 1, b"abd")], [(1, 1, b"abc"), (1, 2, b"abc"), (2, 2, b"")]):
        found = jpegjax.info(with_segments(PLAIN, *(chunk(*c) for c in chunks)))
        assert found.metadata.icc_profile is None
        assert found.warnings[0][1] == 20 and "ICC profile is damaged" in found.warnings[0][0]


def test_files_found_wrong_before(shared) -> None:
    folder = shared / "cases"
    again = jpegjax.info(folder / "icc_again_after_sof.jpg")
    assert len(again.metadata.icc_profile or b"") == 145 and not again.warnings
    data = (folder / "dpi_only_in_exif.jpg").read_bytes()
    assert jpegjax.info(data).metadata.dpi == (300, 300) == pillows_dpi(data)
