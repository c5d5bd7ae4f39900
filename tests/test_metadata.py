"""Metadata both ways between this library and Pillow, and metadata that are damaged."""

from __future__ import annotations

import io
import re
import struct
from typing import Any

import numpy as np
import pytest
from oracles import pillow
from PIL import Image, ImageOps
from streams import icc_profile, with_segments

import jpegjax
from jpegjax import CorruptJpeg, JpegWarning
from jpegjax.container import read_metadata

PART = 65_519
"""Bytes of an ICC profile that one segment holds."""

RGB = np.random.default_rng(3).integers(0, 256, (21, 34, 3), np.uint8)
PICTURES = {"L": RGB[..., 0].copy(), "RGB": RGB}
ICC_SIZES = [1, 128, 129, PART - 1, PART, PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1, 1 << 20]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>\xc3\xa9</a></x:xmpmeta>'


def pillow_info(data: bytes) -> dict[str, Any]:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return dict(picture.info)


def oriented(orientation: int, **more: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a maker"
    for tag, value in more.items():
        exif[int(tag[1:])] = value
    return exif.tobytes()


def upright(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture))


def icc_chunks(*numbers: tuple[int, int], part: bytes = b"abc") -> list[tuple[int, bytes]]:
    return [(0xE2, b"ICC_PROFILE\0" + bytes(pair) + bytes([pair[0]]) + part) for pair in numbers]


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_pillows(orientation: int, mode: str) -> None:
    theirs = pillow(PICTURES[mode], exif=oriented(orientation))
    ours = jpegjax.encode(PICTURES[mode], exif=oriented(orientation))
    assert ours == theirs
    assert jpegjax.info(theirs).metadata.orientation == orientation
    pixels = jpegjax.decode(theirs, apply_exif_orientation=True)
    assert np.array_equal(pixels, upright(theirs)) and pixels.flags.c_contiguous
    assert np.array_equal(jpegjax.decode(theirs), Image.open(io.BytesIO(theirs)))


def test_orientation_on_a_device() -> None:
    import jax

    files = [pillow(RGB, exif=oriented(n)) for n in range(1, 9)]
    device = jax.devices()[0]
    for data, pixels in zip(
        files, jpegjax.decode(files, apply_exif_orientation=True, engine="xla", device=device), strict=True
    ):
        assert isinstance(pixels, jax.Array) and np.array_equal(np.asarray(pixels), upright(data))


def test_orientation_does_not_lift_limits() -> None:
    data = pillow(RGB, exif=oriented(6))
    with pytest.raises(jpegjax.LimitExceeded):
        jpegjax.decode(data, apply_exif_orientation=True, limits=jpegjax.Limits(pixels=10))
    tall = jpegjax.encode(np.zeros((4000, 5000), np.uint8), exif=oriented(6))
    wide = jpegjax.decode(tall, apply_exif_orientation=True, limits=jpegjax.Limits(None, None, None, None, None))
    assert wide.shape == (5000, 4000)


@pytest.mark.parametrize("nbytes", ICC_SIZES)
def test_icc_profiles_of_many_segments(nbytes: int) -> None:
    icc = icc_profile(nbytes)
    theirs, ours = pillow(RGB, icc_profile=icc), jpegjax.encode(RGB, icc_profile=icc)
    assert ours == theirs and pillow_info(ours)["icc_profile"] == icc
    found = jpegjax.info(theirs)
    assert found.metadata.icc_profile == icc and not found.warnings
    assert found.sizes.icc == nbytes + 18 * -(-nbytes // PART)


def test_an_icc_profile_has_255_segments_at_most() -> None:
    longest = icc_profile(255 * PART)
    assert jpegjax.info(jpegjax.encode(RGB, icc_profile=longest)).metadata.icc_profile == longest
    with pytest.raises(ValueError, match=r"icc_profile: .* fit in 255 segments"):
        jpegjax.encode(RGB, icc_profile=longest + b"x")


@pytest.mark.parametrize(
    "given",
    [
        {"exif": oriented(1, t270="described", t306="2024:01:02 03:04:05")},
        {"exif": b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0\0\0\0\0"},
        {"xmp": XMP},
        {"xmp": b"<" + b" " * 65_501},
        {"comment": b"bytes \xff\xd8\0"},
        {"comment": "é, ∂ and a line\nbelow"},
        {"comment": "c" * 65_533},
        {"dpi": (1, 65_535)},
        {"dpi": (300, 300)},
        {"exif": oriented(3), "icc_profile": icc_profile(70_000), "xmp": XMP, "comment": b"all of it", "dpi": (72, 96)},
    ],
    ids=lambda given: "-".join(given) + f"-{len(str(given))}",
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_either_writes_both_read(given: dict[str, Any], mode: str) -> None:
    theirs, ours = pillow(PICTURES[mode], **given), jpegjax.encode(PICTURES[mode], **given)
    assert ours == theirs
    m, seen = jpegjax.info(theirs).metadata, pillow_info(ours)
    comment = given.get("comment")
    comment = comment.encode() if isinstance(comment, str) else comment
    if "exif" in given and "dpi" not in given:
        del seen["dpi"]  # Pillow makes 72 of EXIF without a resolution
    for name, ours_read, wanted in [
        ("exif", m.exif, given.get("exif")),
        ("icc_profile", m.icc_profile, given.get("icc_profile")),
        ("xmp", m.xmp, given.get("xmp")),
        ("comment", m.comments[0] if m.comments else None, comment),
        ("dpi", m.dpi, given.get("dpi")),
    ]:
        assert ours_read == wanted == seen.get(name), name
    assert m.warnings == ()


def test_density_in_dots_a_cm_is_dpi_as_pillow_has_it() -> None:
    data = bytearray(pillow(RGB, dpi=(100, 50)))
    data[data.index(b"JFIF") + 7] = 2
    dpi = jpegjax.info(data).metadata.dpi
    assert dpi == pytest.approx((254, 127)) and pillow_info(bytes(data))["dpi"] == pytest.approx((254, 127))


def test_a_long_exif_in_two_segments_is_pillows() -> None:
    exif = oriented(6) + bytes(70_000)
    data = with_segments(pillow(RGB), (0xE1, exif[:60_000]), (0xE1, b"Exif\0\0" + exif[60_000:]))
    m = jpegjax.info(data).metadata
    assert m.exif == exif == pillow_info(data)["exif"] and m.orientation == 6
    assert jpegjax.decode(data, apply_exif_orientation=True).shape == (34, 21, 3)


def test_several_comments_come_in_order() -> None:
    data = with_segments(pillow(RGB), (0xFE, b"one"), (0xFE, b""), (0xFE, b"three"))
    found = jpegjax.info(data)
    assert found.metadata.comments == (b"one", b"", b"three") and found.sizes.comments == 8 + 12


def test_shuffled_icc_segments_are_put_in_order() -> None:
    data = with_segments(pillow(RGB), *icc_chunks((3, 3), (1, 3), (2, 3)))
    m = jpegjax.info(data).metadata
    assert m.icc_profile == b"\1abc\2abc\3abc" == pillow_info(data)["icc_profile"] and not m.warnings


ICC_DAMAGE = {
    "missing": [(1, 3), (3, 3)],
    "counts differ": [(1, 2), (2, 3)],
    "number 0": [(0, 1)],
    "count 0": [(1, 0)],
    "too many": [(1, 1), (2, 1)],
}


@pytest.mark.parametrize("numbers", ICC_DAMAGE.values(), ids=ICC_DAMAGE)
def test_damaged_icc_is_noted_and_the_picture_stays(numbers: list[tuple[int, int]]) -> None:
    plain = pillow(RGB)
    data = with_segments(plain, *icc_chunks(*numbers))
    found = jpegjax.info(data)
    assert found.metadata.icc_profile is None
    assert [offset for _, offset in found.warnings] == [20] and "ICC" in found.warnings[0][0]
    assert "warning: ICC profile is damaged" in str(found)
    assert np.array_equal(jpegjax.decode(data), jpegjax.decode(plain))


def broken_exif() -> dict[str, bytes]:
    whole = oriented(6)
    tiff = whole[6:]
    entry = tiff.index(b"\1\x12" if tiff[:2] == b"MM" else b"\x12\1")
    order = ">" if tiff[:2] == b"MM" else "<"

    def patched(at: int, form: str, value: int) -> bytes:
        packed = struct.pack(order + form, value)
        return whole[: at + 6] + packed + whole[at + 6 + len(packed) :]

    return {
        **{f"cut at {n}": whole[:n] for n in (6, 8, 12, 15, 20)},
        "no TIFF": b"Exif\0\0" + b"nonsense" * 4,
        "directory far away": patched(4, "I", 0xFFFF_FFF0),
        "no end of entries": patched(8, "H", 0xFFFF).replace(b"\1\x12", b"\1\x13").replace(b"\x12\1", b"\x13\1"),
        "orientation is text": patched(entry + 2, "H", 2),
        "orientation many times": patched(entry + 4, "I", 70_000),
    }


@pytest.mark.parametrize("exif", broken_exif().values(), ids=broken_exif())
def test_damaged_exif_warns_and_the_picture_stays(exif: bytes) -> None:
    plain, data = pillow(RGB), pillow(RGB, exif=exif)
    found = jpegjax.info(data)
    assert found.metadata.orientation is None and found.metadata.exif == exif
    assert len(found.warnings) == 1 and "EXIF is damaged" in found.warnings[0][0]
    want = jpegjax.decode(plain)
    assert np.array_equal(jpegjax.decode(data), want)
    with pytest.warns(JpegWarning, match=r"EXIF is damaged: .* \(byte offset 20\)"):
        assert np.array_equal(jpegjax.decode(data, apply_exif_orientation=True), want)
    with pytest.warns(JpegWarning, match=r"data\[1\]: EXIF is damaged"):
        jpegjax.decode([plain, data], apply_exif_orientation=True)
    with pytest.raises(CorruptJpeg, match="EXIF is damaged") as raised:
        jpegjax.decode(data, apply_exif_orientation=True, strict=True)
    assert raised.value.offset == 20
    assert np.array_equal(jpegjax.decode(data, strict=True), want)


def test_the_file_that_has_damaged_exif_is_named() -> None:
    plain, data = pillow(RGB), pillow(RGB, exif=b"Exif\0\0")
    with pytest.raises(CorruptJpeg) as raised:
        jpegjax.decode([plain, data], apply_exif_orientation=True, strict=True)
    assert str(raised.value).startswith("item 1: ")


@pytest.mark.parametrize("code", [0xE0, 0xE1, 0xE2, 0xEE, 0xFE])
@pytest.mark.parametrize("error", [-40, -3, -1, 1, 2, 7])
@pytest.mark.filterwarnings("ignore::jpegjax.JpegWarning")
def test_wrong_segment_lengths_leave_the_picture(code: int, error: int) -> None:
    """A segment that claims too little, or some of the next: the search for the next marker goes on from there."""
    body = b"Exif\0\0" + bytes(44)
    segment = struct.pack(">BBH", 0xFF, code, len(body) + 2 + error) + body
    plain = pillow(RGB)
    data = plain[:20] + segment + with_segments(plain, (0xFE, b"the next comment"))[20:]
    found = jpegjax.info(data)
    assert found.warnings and sum(found.sizes.as_dict().values()) == len(data)
    want = jpegjax.decode(plain)
    assert np.array_equal(jpegjax.decode(data), want)
    assert np.array_equal(jpegjax.decode(data, apply_exif_orientation=True), want)


SHORT = [
    (0xE0, b""), (0xE0, b"JFIF\0"), (0xE1, b"Exif\0"), (0xE1, b"Exif\0\0"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
    (0xE2, b"ICC_PROFILE\0"), (0xE2, b"ICC_PROFILE\0\1"), (0xE2, b"ICC_PROFILE\0\1\1"), (0xEE, b"Adobe"), (0xFE, b""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "body"), SHORT, ids=repr)
def test_segments_too_short_to_say_anything(code: int, body: bytes) -> None:
    plain = pillow(RGB)
    data = with_segments(plain, (code, body))
    found = jpegjax.info(data)
    assert str(found) and found.as_dict() and sum(found.sizes.as_dict().values()) == len(data)
    assert np.array_equal(jpegjax.decode(data, strict=True), jpegjax.decode(plain))


def test_any_cut_and_any_flip_of_metadata_leaves_the_picture() -> None:
    given = {"exif": oriented(6), "icc_profile": b"icc", "xmp": b"<x/>", "comment": b"c"}
    data = pillow(RGB, **given)
    want, segments = jpegjax.decode(data), []
    for kind in (rb"Exif\0\0", rb"ICC_PROFILE\0", rb"http://ns"):
        start = re.search(kind, data)
        assert start is not None
        at = start.start() - 4
        segments.append((data[at + 1], at, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")))
    rng = np.random.default_rng(11)
    for _, at, stop in segments:
        for p in range(at + 4, stop):
            damaged = bytearray(data)
            damaged[p] ^= int(rng.integers(1, 256))
            assert isinstance(read_metadata(bytes(damaged), segments).warnings, tuple)
            assert jpegjax.info(damaged).width == 34
    assert np.array_equal(jpegjax.decode(damaged), want)
