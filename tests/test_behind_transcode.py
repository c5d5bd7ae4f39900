"""Transcoding keeps what stands behind the first picture, turns it with that one, and every listing finds it again."""

from __future__ import annotations

import io
import itertools
import re
import warnings

import numpy as np
import pytest
from behind_files import (
    EXTENDED_FTYP,
    container_xmp,
    gain_map_xmp,
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
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import jpegtran
from PIL import MpoImagePlugin
from test_behind import EXIF, MAP, A, B, C, told
from test_behind_decode import exif

import jpegjax
from jpegjax import JpegError, LimitExceeded, UnsupportedJpeg

TURNS = [{"rotate": r, "flip": f} for r in (0, 90, 180, 270) for f in (None, "horizontal")]
SETS = {
    "two": mpo([A, B]),
    "big-endian behind EXIF": mpo([A, B, jpeg(3, progressive=True)], ">", EXIF),
    "gap": mpo([A, B], gap=bytes(7)),
    "gain map": ultra_hdr("both", A, jpeg(4, 24, 32, grey=True)),
    "gain map by XMP alone": ultra_hdr("xmp", A, jpeg(4, 24, 32, grey=True), EXTENDED_FTYP),
    "gain map by MPF alone": ultra_hdr("iso", A, jpeg(4, 24, 32, grey=True)),
    "new motion photo": with_segments(A, xmp_segment(motion_xmp(False, len(EXTENDED_FTYP)))) + EXTENDED_FTYP,
    "old motion photo": with_segments(A, xmp_segment(motion_xmp(True, len(EXTENDED_FTYP)))) + EXTENDED_FTYP,
    "old motion photo, its video first": with_segments(A, xmp_segment(motion_xmp(True, len(EXTENDED_FTYP + B))))
    + EXTENDED_FTYP
    + B,
    "Samsung": A + samsung(EXTENDED_FTYP),
    "junk": A + b"junk behind",
    "two alone": A + B,
}


def pictures(data: bytes) -> list[np.ndarray]:
    return [jpegjax.decode(data, picture=k) for k in range(len(jpegjax.info(data).pictures))]


def turned(pixels: np.ndarray, rotate: int, flip: str | None) -> np.ndarray:
    pixels = np.rot90(pixels, -rotate // 90)
    return pixels[:, ::-1] if flip else pixels


def consistent(data: bytes) -> None:
    """Listings, by readers that share nothing with the library, point at what is there."""
    found = jpegjax.info(data)
    assert not found.warnings, found.warnings
    told(data)
    listed = [p.nbytes for p in found.pictures if "GContainer" in p.listed_by]
    listed += [t.nbytes for t in found.trailers if b":MotionPhoto=" in data[:4000]]
    assert [int(n) for n in re.findall(rb'Item:Length="(\d+)"', data)] == listed
    if micro := re.search(rb'MicroVideoOffset="(\d+)"', data):
        assert len(data) - int(micro[1]) == found.trailers[0].offset
    if b"MPF\0" in data[:4000]:
        places = [(p.offset, p.nbytes) for p in found.pictures if "MPF" in p.listed_by or p.offset == 0]
        assert mpf_offsets(data) == places
        with MpoImagePlugin.MpoImageFile(io.BytesIO(data)) as image:
            assert image.n_frames == len(places)
            for k in range(image.n_frames):
                image.seek(k)
                assert np.array_equal(np.asarray(image), jpegjax.decode(data, picture=k))


@pytest.mark.parametrize("data", SETS.values(), ids=SETS)
def test_nothing_is_lost_and_all_is_found(data: bytes) -> None:
    for options in ({}, {"progressive": True}, {"optimize": False}, {"arithmetic": True}):
        made = jpegjax.transcode(data, **options)
        consistent(made) if not options.get("arithmetic") else told(made)
        assert [k for k, _ in told(made)] == [k for k, _ in told(data)]
        before, after = jpegjax.info(data), jpegjax.info(made)
        assert data[before.pictures[0].nbytes :] == made[after.pictures[0].nbytes :]
        assert after.gain_map == before.gain_map
        dropped = jpegjax.transcode(data, trailer="drop", **options)
        assert len(dropped) == after.pictures[0].nbytes
        assert dropped[-2:] == b"\xff\xd9"
    assert jpegjax.transcode(jpegjax.transcode(data)) == jpegjax.transcode(data)


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("name", ["two", "gain map", "junk", "old motion photo"])
def test_dropped_they_are_jpegtrans_bytes(name: str) -> None:
    data = SETS[name]
    for options, switches in (({}, []), ({"rotate": 90}, ["-rotate", "90"]), ({"keep": "none"}, ["-copy", "none"])):
        wanted = jpegtran(data, "-copy", "all", "-optimize", *switches)
        assert jpegjax.transcode(data, trailer="drop", **options) == wanted
    assert jpegjax.transcode(A) == jpegjax.transcode(A, trailer="drop") == jpegtran(A, "-copy", "all", "-optimize")
    assert jpegjax.transcode(A + b"junk") == jpegtran(A, "-copy", "all", "-optimize") + b"junk"


@pytest.mark.parametrize("options", TURNS, ids=str)
@pytest.mark.parametrize("data", SETS.values(), ids=SETS)
def test_pictures_turn_alike(data: bytes, options: dict) -> None:
    made = jpegjax.transcode(data, **options)
    consistent(made)
    told_before, told_after = jpegjax.info(data), jpegjax.info(made)
    assert told_after.gain_map == told_before.gain_map
    assert [(p.kind, p.listed_by) for p in told_after.pictures] == [(p.kind, p.listed_by) for p in told_before.pictures]
    for before, after in zip(pictures(data), pictures(made), strict=True):
        wanted = turned(before, **options)
        assert after.shape == wanted.shape and np.abs(after.astype(int) - wanted).mean() < 1.5
    kinds = [(t.kind, t.nbytes) for t in jpegjax.info(data).trailers]
    assert [(t.kind, t.nbytes) for t in jpegjax.info(made).trailers] == kinds
    back = {"rotate": -options["rotate"] % 360} if not options["flip"] else options
    again = jpegjax.transcode(made, **back)
    for a, b in zip(pictures(data), pictures(again), strict=True):
        assert np.array_equal(a, b)


def test_crops_are_those_of_each_picture() -> None:
    for x, y, w, h in ((0, 0, 32, 32), (32, 16, 32, 32), (16, 16, None, None), (0, 32, 64, None)):
        for data in (SETS["two"], SETS["gain map"]):
            made = jpegjax.transcode(data, crop=(x, y, w, h))
            consistent(made)
            for k, (before, after) in enumerate(zip(pictures(data), pictures(made), strict=True)):
                s = 64 // before.shape[1]
                own = before[y // s : None if h is None else (y + h) // s, x // s : None if w is None else (x + w) // s]
                assert after.shape == own.shape, k
                assert (
                    np.abs(after.astype(int) - own).mean() < 8
                )  # chroma at the cut is upsampled without its neighbours


@pytest.mark.parametrize(
    ("gain_map", "options", "why"),
    [
        (jpeg(4, 24, 30, grey=True), {"rotate": 180}, "30 pixels 6 are no whole MCU of 8"),
        (jpeg(4, 24, 30, grey=True), {"crop": (0, 0, 16, 16)}, "ends at 16, where it has no pixel; multiples of 32 do"),
        (jpeg(4, 12, 16, grey=True), {"crop": (16, 0, 32, 32)}, "begins at 16, where it has no MCU; multiples of 32 do"),
        (jpeg(4, 24, 32, grey=True), {"crop": (0, 0, 33, 32)}, "ends at 33"),
    ],
)  # fmt: skip
def test_what_is_not_exact_is_refused(gain_map: bytes, options: dict, why: str) -> None:
    data = ultra_hdr("both", A, gain_map)
    with pytest.raises(UnsupportedJpeg, match=r"picture 1 \(gain map, .*trailer='drop'") as error:
        jpegjax.transcode(data, **options)
    assert why in str(error.value) and error.value.offset == jpegjax.info(data).pictures[1].offset
    assert len(jpegjax.info(jpegjax.transcode(data, trailer="drop", **options)).pictures) == 1


@pytest.mark.parametrize("trim", [False, True])
def test_edges_are_left_or_trimmed_in_proportion(trim: bool) -> None:
    first, second = jpeg(1, 56, 72), jpeg(2, 56, 72)  # a column and a row of half MCUs
    for data in (mpo([first, second]), ultra_hdr("iso", first, jpeg(4, 28, 36, subsampling="4:4:4"))):
        made = jpegjax.transcode(data, rotate=180, trim=trim)
        consistent(made)
        one, other = jpegjax.info(made).pictures
        assert (one.width, one.height) == ((64, 48) if trim else (72, 56))
        assert one.width * jpegjax.info(data).pictures[1].width == other.width * 72
    whole = ultra_hdr("iso", first, jpeg(4, 56, 72, grey=True))
    with pytest.raises(UnsupportedJpeg, match="no whole MCU"):
        jpegjax.transcode(whole, rotate=180, trim=trim)
    with pytest.raises(ValueError, match="perfect=True"):
        jpegjax.transcode(mpo([first, second]), rotate=180, perfect=True)


@pytest.mark.parametrize(
    "options", [{"roll": (16, 0)}, {"wipe": (0, 0, 16, 16)}, {"drop": (0, 0, A)}, {"crop": "80x48+0+0"}]
)
def test_edits_that_others_cannot_follow_are_refused(options: dict) -> None:
    with pytest.raises(UnsupportedJpeg, match=r"picture 1 .* would not follow; pass trailer='drop'"):
        jpegjax.transcode(SETS["two"], **options)
    assert jpegjax.transcode(SETS["junk"], **options)[-4:] == b"hind"
    assert len(jpegjax.info(jpegjax.transcode(SETS["two"], trailer="drop", **options)).pictures) == 1


def test_all_pictures_of_a_file_share_its_limits() -> None:
    page = jpegjax.encode(np.full((2096, 2096), 255, np.uint8), arithmetic=True)
    data = mpo([page] * 400)
    with pytest.raises(LimitExceeded, match="steps_per_byte"):
        jpegjax.transcode(data, rotate=90)
    assert len(jpegjax.info(data).pictures) == 400


def test_grey_is_for_pictures_and_not_for_gain_maps() -> None:
    made = jpegjax.transcode(mpo([A, B]), grayscale=True)
    consistent(made)
    assert [p.shape for p in pictures(made)] == [(48, 64), (48, 64)]
    told_grey = jpegjax.transcode(ultra_hdr("iso", A, jpeg(4, 24, 32, grey=True)), color="RGB", rotate=90)
    assert [p.shape for p in pictures(told_grey)] == [(64, 48, 3), (32, 24)]
    colour = jpegjax.transcode(ultra_hdr("both", A, jpeg(4, 24, 32)), grayscale=True)
    assert [p.shape for p in pictures(colour)] == [(48, 64), (24, 32, 3)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_for_all(orientation: int) -> None:
    told_by_first = with_segments(A, exif(orientation))
    for second in (B, with_segments(B, exif(orientation)), with_segments(B, exif(3))):
        data = mpo([told_by_first, second])
        made = jpegjax.transcode(data, apply_exif_orientation=True)
        consistent(made)
        for k in range(2):
            wanted = jpegjax.decode(data, picture=k, apply_exif_orientation=True)
            got = jpegjax.decode(made, picture=k)
            assert got.shape == wanted.shape and np.abs(got.astype(int) - wanted).mean() < 1.5
            assert jpegjax.info(made, picture=k).metadata.orientation in (None, 1)


@pytest.mark.parametrize("name", [n for n in SETS if n not in ("junk", "Samsung", "two alone")])
@pytest.mark.parametrize("keep", ["none", "exif", ["icc", "comments"]])
def test_metadata_go_but_listings_stay(name: str, keep: str | list[str]) -> None:
    data = SETS[name]
    made = jpegjax.transcode(data, keep=keep)
    consistent(made)
    before, after = jpegjax.info(data), jpegjax.info(made)
    assert [(p.kind, p.listed_by, p.gain_map) for p in before.pictures] == [
        (p.kind, p.listed_by, p.gain_map) for p in after.pictures
    ]
    assert [t.kind for t in before.trailers] == [t.kind for t in after.trailers]
    assert all(np.array_equal(a, b) for a, b in zip(pictures(data), pictures(made), strict=True))
    assert jpegjax.transcode(made, keep=keep) == made


def test_lengths_are_mended_in_every_spelling() -> None:
    own = with_segments(jpeg(4, 24, 32, grey=True), xmp_segment(gain_map_xmp()))
    for xmp in spellings(
        container_xmp([("GainMap", "image/jpeg", len(own)), ("MotionPhoto", "video/mp4", len(EXTENDED_FTYP))])
    ):
        data = with_segments(A, xmp_segment(xmp)) + own + EXTENDED_FTYP
        for options in ({"rotate": 90}, {"keep": "none"}, {"crop": (32, 0, 32, 32), "progressive": True}):
            made = jpegjax.transcode(data, **options)
            found = jpegjax.info(made)
            assert not found.warnings and [kind for kind, _ in told(made)] == ["gain map", "video"], xmp
            assert made[found.pictures[1].offset :][found.pictures[1].nbytes - 2 :][:2] == b"\xff\xd9"


def test_metadata_of_pictures_behind_go_too() -> None:
    secret = segment(0xFE, b"secret")
    data = mpo([with_segments(A, secret), with_segments(B, secret, exif(6))])
    assert b"secret" not in jpegjax.transcode(data, keep="none") and b"Exif" not in jpegjax.transcode(data, keep="none")
    assert jpegjax.transcode(data).count(b"secret") == 2
    consistent(jpegjax.transcode(data, keep="exif", rotate=90))


def test_damage_behind_is_told_at_its_place() -> None:
    start = jpegjax.info(SETS["two"]).pictures[1].offset
    broken = bytearray(SETS["two"])
    broken[-60:-40] = bytes(20)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        jpegjax.transcode(bytes(broken))
        assert not found  # it stays as it is
        made = jpegjax.transcode(bytes(broken), rotate=90)
    offsets = [int(str(w.message).rpartition(" ")[2].rstrip(")")) for w in found]
    assert all(at > start for at in offsets) and len(jpegjax.info(made).pictures) == 2
    with pytest.raises(ValueError, match="trailer='none'"):
        jpegjax.transcode(A, trailer="none")


def test_stale_listings_do_no_harm() -> None:
    data = SETS["two"][: jpegjax.info(SETS["two"]).pictures[0].nbytes]
    made = jpegjax.transcode(data)
    assert made == jpegjax.transcode(data, trailer="drop")
    made = jpegjax.transcode(data + b"junk")
    assert made[-4:] == b"junk" and len(jpegjax.info(made).pictures) == 1


@settings(max_examples=60)
@given(st.data())
def test_mutated_listings_end_in_a_file_or_an_error(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from([*SETS.values()])))
    first = len(jpegjax.transcode(bytes(file), trailer="drop"))
    places = list(itertools.chain(range(20, file.index(b"\xff\xdb")), range(min(first, len(file) - 1), len(file))))
    for _ in range(data.draw(st.integers(1, 3))):
        file[data.draw(st.sampled_from(places))] = data.draw(st.integers(0, 255))
    options = data.draw(st.sampled_from([{}, {"rotate": 90}, {"crop": (16, 0, 32, 32)}, {"keep": "none"}]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = jpegjax.transcode(bytes(file), **options)
        except JpegError:
            return
        found = jpegjax.info(made)
        assert len(found.pictures) >= 1
        assert jpegjax.decode(made).size


def test_pictures_of_other_processes() -> None:
    data = mpo([jpeg(1, progressive=True), jpeg(2, arithmetic=True), C])
    made = jpegjax.transcode(data)
    assert jpegjax.info(made, picture=1).process == jpegjax.info(data, picture=1).process
    lossless = mpo([A, jpeg(2, lossless=True)])
    assert len(pictures(jpegjax.transcode(lossless))) == 2
    with pytest.raises(UnsupportedJpeg, match="lossless"):
        jpegjax.transcode(lossless, rotate=90)
    with pytest.raises(UnsupportedJpeg, match=r"16×12"):
        jpegjax.transcode(ultra_hdr("both", A, MAP), crop=(16, 16, 16, 16))
