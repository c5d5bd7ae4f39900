"""What `info` finds behind the first picture: MPF, gain maps, motion photos, trailers, and what hostile listings do."""

from __future__ import annotations

import io
import json
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from behind_files import (
    EXTENDED_FTYP,
    gain_map_xmp,
    iso_metadata,
    jpeg,
    motion_xmp,
    mpf_offsets,
    mpo,
    samsung,
    segment,
    spellings,
    ultra_hdr,
    with_segments,
    xmp_segment,
)
from effort import growth
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, MpoImagePlugin

import jpegjax
from jpegjax import JpegError, JpegWarning

A, B, C = jpeg(1), jpeg(2), jpeg(3, 40, 56, progressive=True)
MAP = jpeg(4, 12, 16, grey=True)
EXIF = segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0" + A)


def spans(data: bytes) -> list[tuple[int, int]]:
    return [(p.offset, p.offset + p.nbytes) for p in jpegjax.info(data).pictures]


def told(data: bytes) -> list[tuple[str, int]]:
    """(kind, nbytes) of all that stands behind; together it is the rest of the file."""
    found = jpegjax.info(data)
    parts = sorted([*found.pictures[1:], *found.trailers], key=lambda p: p.offset)
    at = found.pictures[0].nbytes
    for part in parts:
        assert part.offset == at
        at += part.nbytes
    assert at == len(data) and found.sizes.trailing == len(data) - found.pictures[0].nbytes
    assert str(found) and json.dumps(found.as_dict())
    return [(p.kind, p.nbytes) for p in parts]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("before", [b"", EXIF], ids=["JFIF", "EXIF with a thumbnail"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_pictures_of_an_index_are_those_of_pillow(order: str, before: bytes, count: int) -> None:
    files = [A, B, C, jpeg(5, grey=True), jpeg(6)][:count]
    data = mpo(files, order, before)
    assert [data[a:b] for a, b in spans(data)][1:] == files[1:]
    assert spans(data) == [(at, at + nbytes) for at, nbytes in mpf_offsets(data)]
    found = jpegjax.info(data)
    assert {p.kind for p in found.pictures[1:]} == {"disparity"} and found.pictures[1].listed_by == ("MPF",)
    assert not found.warnings and not found.trailers
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, MpoImagePlugin.MpoImageFile) and image.n_frames == len(found.pictures)
        for k, picture in enumerate(found.pictures):
            image.seek(k)
            assert image.size == (picture.width, picture.height)
    assert f"{count} pictures:" in str(found)


def test_a_thumbnail_in_exif_is_no_picture() -> None:
    found = jpegjax.info(with_segments(A, EXIF))
    assert len(found.pictures) == 1 and not found.trailers


def test_the_shared_case(shared: Path) -> None:
    path = shared / "cases" / "mpo_two_pictures.jpg"
    if not path.is_file():
        pytest.skip("no shared cases")
    assert spans(path.read_bytes()) == [(0, 1050), (1050, 1989)]


@pytest.mark.parametrize("forms", ["xmp", "iso", "both"])
@pytest.mark.parametrize("video", [b"", EXTENDED_FTYP])
def test_gain_maps(forms: str, video: bytes) -> None:
    data = ultra_hdr(forms, A, MAP, video)
    found = jpegjax.info(data)
    assert [p.kind for p in found.pictures] == ["primary", "gain map"] and not found.warnings
    assert [t.kind for t in found.trailers] == ["video"] * bool(video)
    metadata = found.gain_map
    assert metadata is not None and found.pictures[1].gain_map == metadata
    assert (metadata.gain_max, metadata.gain_min, metadata.gamma, metadata.hdr_capacity_max) == (2.5, 0, 1, 2.5)
    assert (metadata.offset_sdr, metadata.offset_hdr, metadata.base_is_hdr) == (1 / 64, 1 / 64, False)
    listed = {"xmp": ("GContainer",), "iso": ("MPF",), "both": ("MPF", "GContainer")}[forms]
    assert found.pictures[1].listed_by == listed and "gain map, 16×12" in str(found)
    told(data)


def test_forms_of_gain_map_metadata() -> None:
    channels = gain_map_xmp(
        True, GainMapMax="1 2 3", GainMapMin="-1 -2 -3", HDRCapacityMin="0.5", BaseRenditionIsHDR="True"
    )
    metadata = jpegjax.info(A + with_segments(MAP, xmp_segment(channels))).gain_map
    assert metadata is not None and metadata.gain_max == (1, 2, 3) and metadata.gain_min == (-1, -2, -3)
    assert metadata.hdr_capacity_min == 0.5 and metadata.base_is_hdr
    common = jpegjax.info(A + with_segments(MAP, segment(0xE2, iso_metadata(3.5, -1.25, common=True)))).gain_map
    assert common is not None and (common.gain_max, common.gain_min) == (3.5, -1.25)
    both = with_segments(MAP, segment(0xE2, iso_metadata(1.5)), xmp_segment(gain_map_xmp()))
    assert jpegjax.info(A + both).gain_map.gain_max == 1.5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body",
    [
        b"\0\0\0\0\x40" + bytes(56),
        b"\0\1\0\0\x40" + bytes(56),
        b"\0\0\0\0\xc0" + bytes(56),
        b"\0\0\0\0\x40" + b"\xff" * 9,
    ],
    ids=["denominators of 0", "version 1", "three channels in the room of one", "cut"],
)
def test_damaged_iso_metadata_are_a_warning(body: bytes) -> None:
    found = jpegjax.info(A + with_segments(MAP, segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + body)))
    assert found.gain_map is None and found.pictures[1].kind == "gain map"
    assert "gain map's metadata are damaged" in found.warnings[0][0]


@pytest.mark.parametrize("values", [{"GainMapMax": "x"}, {"GainMapMax": "1 2"}, {"Gamma": "0"}, {"GainMapMin": "nan"}])
def test_damaged_hdrgm_is_a_warning(values: dict[str, str]) -> None:
    found = jpegjax.info(A + with_segments(MAP, xmp_segment(gain_map_xmp(" " in "".join(values.values()), **values))))
    assert found.gain_map is None and "gain map's metadata are damaged" in found.warnings[0][0]


@pytest.mark.parametrize("old", [True, False])
def test_motion_photos(old: bool) -> None:
    data = with_segments(A, xmp_segment(motion_xmp(old, len(EXTENDED_FTYP)))) + EXTENDED_FTYP
    assert told(data) == [("video", len(EXTENDED_FTYP))] and not jpegjax.info(data).warnings
    assert "behind: video" in str(jpegjax.info(data))
    gone = jpegjax.info(data[: -len(EXTENDED_FTYP)])
    assert len(gone.warnings) == 1 and not gone.trailers


def test_spellings_of_motion_photos() -> None:
    """Elements, other prefixes and quotes, UTF-16, padding behind the picture."""
    n = len(EXTENDED_FTYP)
    old, new = motion_xmp(True, n), motion_xmp(False, n)
    for xmp in [*spellings(old), *spellings(new)]:
        found = jpegjax.info(with_segments(A, xmp_segment(xmp)) + EXTENDED_FTYP)
        assert [(t.kind, t.nbytes) for t in found.trailers] == [("video", n)] and not found.warnings, xmp
    padded = new.replace('Item:Mime="image/jpeg"', 'Item:Mime="image/jpeg" Item:Padding="8"')
    data = with_segments(A, xmp_segment(padded)) + bytes(8) + EXTENDED_FTYP
    assert told(data) == [("padding", 8), ("video", n)] and not jpegjax.info(data).warnings


def test_gain_maps_of_apple_are_gain_maps() -> None:
    apple = '<x xmlns:apdi="http://ns.apple.com/pixeldatainfo/1.0/">urn:com:apple:photo:2020:aux:hdrgainmap</x>'
    found = jpegjax.info(mpo([A, with_segments(MAP, xmp_segment(apple))], kinds=[0x030000, 0]))
    assert [p.kind for p in found.pictures] == ["primary", "gain map"] and found.gain_map is None


@pytest.mark.parametrize("cut", [10, 200])
def test_pictures_behind_a_damaged_first_one(cut: int) -> None:
    """The first picture lacks its end; the index finds the second one all the same."""
    whole = mpo([A, B])
    first = len(whole) - len(B)
    at = whole.index(b"MPF\0") + 4 + 50
    data = bytearray(whole[: first - cut] + B)
    (offset,) = struct.unpack_from("<I", data, at + 24)
    struct.pack_into("<I", data, at + 24, offset - cut)
    found = jpegjax.info(bytes(data))
    assert len(found.pictures) == 2 and np.array_equal(jpegjax.decode(data, picture=1), jpegjax.decode(B))
    with pytest.warns(JpegWarning):
        made = jpegjax.transcode(bytes(data))
    assert np.array_equal(jpegjax.decode(made, picture=1), jpegjax.decode(B)) and not jpegjax.info(made).warnings


def test_samsung_trailers() -> None:
    kinds = told(A + samsung(EXTENDED_FTYP))
    assert [kind for kind, _ in kinds] == ["samsung", "video", "samsung"] and kinds[1][1] == len(EXTENDED_FTYP)
    bare = told(A + b"MotionPhoto_Data" + EXTENDED_FTYP)
    assert bare == [("samsung", 16), ("video", len(EXTENDED_FTYP))]
    broken = A + samsung(EXTENDED_FTYP)[:-8] + b"\xff\xff\xff\xffSEFT"
    assert told(broken)[0][0] == "samsung" and "no directory" in jpegjax.info(broken).warnings[0][0]


@pytest.mark.parametrize(
    ("trailer", "kinds"),
    [
        (b"junk", ["unknown"]), (bytes(50), ["padding"]), (b"PK\3\4" + bytes(30), ["zip"]), (EXTENDED_FTYP, ["video"]),
        (B, ["unlisted"]), (bytes(3) + B, ["padding", "unlisted"]), (B + b"junk", ["unlisted", "unknown"]),
        (B + C, ["unlisted", "unlisted"]), (b"\xff\xd8\xff", ["unknown"]), (b"\xff\xd9", ["unknown"]),
    ],
)  # fmt: skip
def test_trailers(trailer: bytes, kinds: list[str]) -> None:
    assert [kind for kind, _ in told(A + trailer)] == kinds


def listing(*entries: tuple[int, int]) -> bytes:
    """A, an index with these (nbytes, offset), and B behind it."""
    data = bytearray(mpo([A, *[B] * len(entries)]))
    at = data.index(b"MPF\0") + 4 + 50 + 16
    for i, (nbytes, offset) in enumerate(entries):
        struct.pack_into("<II", data, at + 16 * i + 4, nbytes, offset)
    return bytes(data[: len(data) - len(B) * (len(entries) - 1)])


@pytest.mark.parametrize("offset", [1, 100, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFF0])
@pytest.mark.parametrize("nbytes", [0, 1, 0xFFFFFFFF])
def test_hostile_entries(offset: int, nbytes: int) -> None:
    right = mpf_offsets(mpo([A, B]))[1][0] - mpo([A, B]).index(b"MPF\0") - 4
    found = jpegjax.info(listing((nbytes, offset)))
    assert "MP Index lists picture 1" in found.warnings[0][0]
    assert [p.kind for p in found.pictures] == ["primary", "unlisted"]
    sized = jpegjax.info(listing((nbytes, right)))
    assert sized.pictures[1].nbytes == len(B) and bool(sized.warnings) is (nbytes > 0)
    again = listing((len(B), right), (len(B), right), (len(B), right + 7))
    told(again)


def test_listings_of_one_place_are_one_picture() -> None:
    data = bytearray(mpo([A, *[B] * 800])[: len(A) + 20_000])
    at = data.index(b"MPF\0") + 4 + 50
    (right,) = struct.unpack_from("<I", data, at + 24)
    for i in range(1, 801):
        struct.pack_into("<II", data, at + 16 * i + 4, 0xFFFFFFFF, right)
    assert len(jpegjax.info(bytes(data)).pictures) < 20


@pytest.mark.parametrize(
    "filling",
    [
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0\4\0\0",
        b"\xff\xd8" + segment(0xC0, bytes(15)),
        b"\0",
        B[:100],
        b"SEFT",
        b"PK\3\4",
    ],
    ids=repr,
)
def test_hostile_trailers_take_linear_time(filling: bytes) -> None:
    files = [A + filling * (nbytes // len(filling)) for nbytes in (1 << 17, 1 << 20)]
    assert growth(jpegjax.info, *files) < 24


def test_long_namespaces_are_refused() -> None:
    """expat spells them out in every name, so that time would grow with the square of the packet."""
    long = f'<x xmlns="{"a" * 30_000}"><!-- http://ns.google.com/photos/ -->{"<a/>" * 8_000}</x>'
    assert "a namespace of 30000 characters" in jpegjax.info(with_segments(A, xmp_segment(long))).warnings[-1][0]
    fitting = f'<x xmlns="{"a" * 1024}" xmlns:c="http://ns.google.com/photos/1.0/camera/" c:MotionPhoto="1"/>'
    assert not jpegjax.info(with_segments(A, xmp_segment(fitting))).warnings


def test_entities_and_deep_nesting_are_refused() -> None:
    camera = "http://ns.google.com/photos/1.0/camera/"
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><x xmlns:i="{camera}" i:a="&a;"/>'
    found = jpegjax.info(with_segments(A, xmp_segment(bomb)))
    assert "document type" in found.warnings[-1][0]
    deep = jpegjax.info(with_segments(A, xmp_segment("<a>" * 9000 + "http://ns.google.com/photos/")))
    assert "nested" in deep.warnings[-1][0]


@settings(max_examples=150)
@given(st.data())
def test_any_byte_of_listings_may_be_wrong(data: st.DataObject) -> None:
    files = [
        mpo([A, B, C]), ultra_hdr("both", A, MAP, EXTENDED_FTYP), A + samsung(EXTENDED_FTYP),
        with_segments(A, xmp_segment(motion_xmp(True, len(EXTENDED_FTYP)))) + EXTENDED_FTYP,
    ]  # fmt: skip
    file = bytearray(data.draw(st.sampled_from(files)))
    end = len(file) if file[-4:] == b"SEFT" else file.index(b"\xff\xdb")
    start = len(A) if file[-4:] == b"SEFT" else 20
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(start, end - 1))] = data.draw(st.integers(0, 255))
    try:
        found = jpegjax.info(bytes(file))
    except JpegError:
        return
    assert str(found) and json.dumps(found.as_dict())
    parts = sorted([*found.pictures, *found.trailers], key=lambda p: p.offset)
    assert all(p.nbytes > 0 for p in parts) and sum(p.nbytes for p in parts) <= len(file)
    assert all(a.offset + a.nbytes <= b.offset for a, b in pairwise(parts))
    assert np.all([p.offset + p.nbytes <= len(file) for p in parts])
