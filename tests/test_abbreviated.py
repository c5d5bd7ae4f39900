"""What a stream leaves to others: tables to another stream, its height to a DNL marker, its quality to a pair."""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture
from PIL import Image

import jpegjax
from jpegjax import CorruptJpeg, JpegError, JpegWarning, LimitExceeded, Limits
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from jpegjax.container import EOI, SOI
from jpegjax.jpeg.files import write_scans
from jpegjax.types import Scan


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """(marker code, whole segment) of the headers up to the first scan."""
    found, p = [], 2
    while data[p + 1] != 0xDA:
        stop = p + 2 + int.from_bytes(data[p + 2 : p + 4], "big")
        found.append((data[p + 1], data[p:stop]))
        p = stop
    return [*found, (0xDA, data[p:])]


def split(data: bytes) -> tuple[bytes, bytes]:
    """(stream of its tables, the same file without them)."""
    tables = [s for code, s in segments(data) if code in (0xDB, 0xC4)]
    others = [s for code, s in segments(data) if code not in (0xDB, 0xC4)]
    return SOI + b"".join(tables) + EOI, SOI + b"".join(others)


def without_height(data: bytes) -> bytes:
    """The same file with its height in a DNL marker behind the first scan."""
    c = jpegjax.read_coefficients(data)
    frame, planes = c.frame, [np.ascontiguousarray(p[0]) for p in c.planes]
    head = b"".join(s for code, s in segments(data) if code not in (0xC4, 0xDA, 0xDD))
    at = head.rindex(bytes([0xFF, frame.process.value]))
    head = head[: at + 5] + b"\0\0" + head[at + 7 :]
    sequential = [Scan(tuple(range(len(planes))))]
    script = sequential if not frame.process.progressive else progressive_script(len(planes))
    body = write_scans(planes, frame, script)
    scan = body.index(b"\xff\xda")
    start = scan + 2 + body[scan + 3]
    first_end = next(i for i in range(start, len(body)) if body[i] == 0xFF and body[i + 1])
    dnl = b"\xff\xdc\0\4" + frame.height.to_bytes(2, "big")
    return SOI + head + body[:first_end] + dnl + body[first_end:]


def progressive_script(count: int) -> list[Scan]:
    return [Scan(tuple(range(count)), spectral=(0, 0)), *(Scan((c,), spectral=(1, 63)) for c in range(count))]


@pytest.mark.parametrize("options", [{}, {"quality": 30, "subsampling": "4:4:4"}, {"precision": 12}])
def test_tables_from_a_stream_of_their_own(options):
    image = picture(30, 41)
    if "precision" in options:
        image = image.astype(np.uint16) << 4
    data = jpegjax.encode(image, **options)
    tables, rest = split(data)
    whole = jpegjax.decode(data)
    for engine in ("host", "xla") if not options else ("host",):
        np.testing.assert_array_equal(jpegjax.decode(rest, tables=tables, engine=engine), whole)
    np.testing.assert_array_equal(jpegjax.decode([rest, data], tables=io.BytesIO(tables))[0], whole)
    found, known = jpegjax.read_coefficients(rest, tables=tables), jpegjax.read_coefficients(data)
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, known.planes, strict=True))
    assert jpegjax.info(rest, tables=tables).quality == jpegjax.info(data).quality
    assert jpegjax.info(rest).quality is None
    with pytest.raises(CorruptJpeg, match="never defined"):
        jpegjax.decode(rest)


def test_own_tables_win_over_those_given():
    coarse, fine = (jpegjax.encode(picture(16, 16), quality=q) for q in (10, 95))
    tables, _ = split(coarse)
    np.testing.assert_array_equal(jpegjax.decode(fine, tables=tables), jpegjax.decode(fine))


def test_tables_that_are_none():
    data = jpegjax.encode(picture(16, 16))
    tables, rest = split(data)
    for door in (jpegjax.decode, jpegjax.info, jpegjax.read_coefficients):
        with pytest.raises(CorruptJpeg, match="stream of tables alone; pass it as `tables`"):
            door(tables)
        with pytest.raises(CorruptJpeg, match="tables: an image, where a stream of tables alone"):
            door(rest, tables=data)
        with pytest.raises(CorruptJpeg, match="tables: no JPEG stream"):
            door(rest, tables=b"tables")
        with pytest.raises(TypeError, match="tables: must be bytes"):
            door(rest, tables=5)


def test_t83_tables_and_255_components(shared):
    """B1 holds tables alone; B2 takes them for 255 components, the first four of them A1's."""
    folder = shared / "conformance/pydicom__pylibjpeg-data/ljdata/jpg/10918/p4"
    found = jpegjax.read_coefficients(folder / "B2.JPG", tables=folder / "B1.JPG", strict=True)
    assert len(found.planes) == 255
    four = jpegjax.read_coefficients(folder / "A1.JPG")
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, four.planes, strict=False))
    assert jpegjax.info(folder / "B2.JPG", tables=folder / "B1.JPG").width == 255


@pytest.mark.parametrize("folder", ["baseline", "extended_huffman", "progressive_huffman"])
def test_heights_of_jpegsuite(shared, folder):
    root = shared / "conformance/robert-ancell__jpegsuite/jpeg" / folder
    assert jpegjax.info(root / "32x32x8_dnl.jpg").height == 32
    for engine in ("host", "xla"):
        pixels = jpegjax.decode(root / "32x32x8_dnl.jpg", engine=engine, strict=True)
        np.testing.assert_array_equal(pixels, jpegjax.decode(root / "32x32x8_grayscale.jpg"))


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    channels=st.sampled_from([1, 3]),
    subsampling=st.sampled_from(["4:4:4", "4:2:0"]),
    progressive=st.booleans(),
)
def test_height_from_a_dnl_marker(height, width, channels, subsampling, progressive):
    data = jpegjax.encode(picture(height, width, channels), subsampling=subsampling, progressive=progressive)
    late = without_height(data)
    np.testing.assert_array_equal(jpegjax.decode(late, engine="host", strict=True), jpegjax.decode(data, engine="host"))
    assert jpegjax.info(late).height == height
    assert jpegjax.read_coefficients(late).frame.height == height


def test_heights_that_are_not_told():
    late = without_height(jpegjax.encode(picture(20, 20)))
    at = late.index(b"\xff\xdc")
    for data, words in (
        (late[:at] + EOI, "no DNL marker behind the first scan"),
        (late[:at], "no DNL marker"),
        (late[: at + 5], "no DNL marker"),
        (late[: at + 4] + b"\0\0" + late[at + 6 :], "DNL segment gives 0 lines"),
    ):
        for door in (jpegjax.decode, jpegjax.info, jpegjax.read_coefficients):
            with pytest.raises(CorruptJpeg, match=words):
                door(data)
    tall = late[: at + 4] + b"\xff\xff" + late[at + 6 :]
    with pytest.raises(LimitExceeded, match=r"Limits\.pixels"):
        jpegjax.decode(tall, limits=Limits(pixels=10_000))


def test_heights_are_not_remembered():
    """Headers of one picture serve the next, but not a height that stood behind the data."""
    short, tall = (without_height(jpegjax.encode(picture(h, 24, 1))) for h in (8, 40))
    for data, height in ((short, 8), (tall, 40), (short, 8)):
        assert jpegjax.decode(data, engine="host").shape == (height, 24)


def test_qualities_of_luma_and_chroma():
    image = picture(33, 45)
    data = jpegjax.encode(image, quality=(75, 60))
    luma, chroma = quality_table(LUMA_QUANTIZATION, 75), quality_table(CHROMA_QUANTIZATION, 60)
    np.testing.assert_array_equal(np.stack(jpegjax.info(data).qtables), [luma, chroma, chroma])
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        Image.fromarray(image).save(out, "JPEG", qtables=[luma.tolist(), chroma.tolist()], subsampling="4:2:0")
    assert data == out.getvalue()
    assert jpegjax.encode(image, quality=[75, 60], engine="xla") == data
    assert jpegjax.encode(image, quality=(80, 80)) == jpegjax.encode(image, quality=80)
    assert jpegjax.encode(image[..., 0], quality=(75, 60)) == jpegjax.encode(image[..., 0], quality=75)


def test_damaged_tables_and_heights_are_survived():
    rng = np.random.default_rng(3)
    tables, rest = split(jpegjax.encode(picture(24, 24)))
    late = without_height(jpegjax.encode(picture(24, 24)))
    for _ in range(200):
        parts = [bytearray(part) for part in (tables, rest, late)]
        for part in parts:
            for at in rng.integers(2, len(part), 2):
                part[at] = rng.integers(256)
        for data, given_tables in ((parts[1], parts[0]), (parts[2], None)):
            with warnings.catch_warnings(), contextlib.suppress(JpegError):
                warnings.simplefilter("ignore", JpegWarning)
                assert jpegjax.decode(data, tables=given_tables, engine="host", limits=Limits(pixels=1 << 22)).size
