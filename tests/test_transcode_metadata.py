"""Transcoding keeps metadata, or drops what it is told to, like jpegtran -copy; orientation is applied and told."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from oracles import jpegtran
from pictures import picture
from PIL import Image
from streams import icc_profile, pillow_file, with_metadata

import jpegjax
from jpegjax import JpegWarning
from jpegjax.container import Reader
from jpegjax.container.metadata import EXIF_PREFIX


def segments(data: bytes) -> list[tuple[int, bytes]]:
    reader = Reader(data)
    reader.seek_scan()
    return [(code, data[at + 4 : stop]) for code, at, stop in reader.segments]


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("jfif", [True, False])
@pytest.mark.parametrize("copy", ["all", "none", "icc", "comments"])
def test_metadata_is_copied_like_jpegtran(jfif: bool, copy: str) -> None:
    data = with_metadata(jfif)
    for options, switches in (
        ({}, []),
        ({"rotate": 90}, ["-rotate", "90"]),
        ({"crop": (3, 3, 20, 20)}, ["-crop", "20x20+3+3"]),
        ({"grayscale": True}, ["-grayscale"]),
    ):
        assert jpegjax.transcode(data, keep=copy, **options) == jpegtran(data, "-copy", copy, "-optimize", *switches)


def test_kinds_are_kept_in_order_as_they_are() -> None:
    data = with_metadata(True)
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1"
    data = data[:20] + adobe + data[20:]
    before = segments(data)
    assert segments(jpegjax.transcode(data)) == before
    kinds = ("jfif", "adobe", "exif", "comments", "xmp", "icc", "icc")
    prefixes = {"exif": b"Exif", "xmp": b"http:", "icc": b"ICC_", "comments": b"hello", "other": b"Adobe"}
    assert len(before) == len(kinds)
    for n in range(3):
        for keep in itertools.combinations(prefixes, n):
            kept = segments(jpegjax.transcode(data, keep=keep))
            wanted = [s for s in before[1:] if s[1].startswith(tuple(prefixes[k] for k in keep))]
            exif_first = bool(wanted) and wanted[0][1].startswith(b"Exif")
            assert kept == wanted if exif_first else kept == [before[0], *wanted]
    profile = jpegjax.transcode(data, icc_profile=icc_profile(128), keep=["icc", "comments"])
    assert segments(profile)[1:] == [(0xFE, b"hello"), (0xE2, b"ICC_PROFILE\0\1\1" + icc_profile(128))]


def test_colour_stays_what_it_was() -> None:
    """Without JFIF, these identifiers say RGB; without Adobe, four components say CMYK."""
    data = with_metadata(False)
    sof = data.index(b"\xff\xc0")
    sos = data.index(b"\xff\xda")
    ids = data[:sof] + data[sof:sos].replace(b"\1\x22", b"R\x22").replace(b"\2\x11\1\3\x11\1", b"G\x11\1B\x11\1")
    ids += data[sos:].replace(b"\3\1\0\2\x11\3\x11", b"\3R\0G\x11B\x11", 1)
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1"
    data = ids[:2] + ids[2:].replace(b"\xff\xdb", adobe + b"\xff\xdb", 1)
    assert jpegjax.info(data).color is jpegjax.ColorSpace.YCBCR
    for keep in ("all", "none", "exif", ["exif", "other"]):
        made = jpegjax.transcode(data, keep=keep, optimize=False)
        assert jpegjax.info(made).color is jpegjax.ColorSpace.YCBCR, keep
        assert np.array_equal(jpegjax.decode(made), jpegjax.decode(data))
    for file in (pillow_file("CMYK"), pillow_file(keep_rgb=True, subsampling=0)):
        for keep in ("all", "none"):
            assert jpegjax.info(jpegjax.transcode(file, keep=keep)).color is jpegjax.info(file).color


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("jfif", [True, False])
def test_orientation_is_applied_and_told(orientation: int, jfif: bool) -> None:
    data = with_metadata(jfif, orientation, (64, 48))
    made = jpegjax.transcode(data, apply_exif_orientation=True)
    assert jpegjax.info(made).metadata.orientation == 1
    with Image.open(io.BytesIO(made)) as image:
        upright = image.size
        assert upright == ((48, 64) if orientation >= 5 else (64, 48))
        inner = image.getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == upright and inner[0x9000] == b"0230"
    turned = jpegjax.decode(data, apply_exif_orientation=True)
    assert np.abs(jpegjax.decode(made).astype(int) - turned).mean() < 1
    assert jpegjax.transcode(made, apply_exif_orientation=True) == made
    again = jpegjax.transcode(data, apply_exif_orientation=True, rotate=90, flip="horizontal", keep="none")
    assert again == jpegjax.transcode(made, rotate=90, flip="horizontal", keep="none")


def test_damaged_exif_is_told_and_kept() -> None:
    body = EXIF_PREFIX + b"II*\0\x08\0\0\0\xff\xff\x12\1\3\0\1\0\0\0"
    data = jpegjax.encode(picture(16, 16), exif=body)
    with pytest.warns(JpegWarning, match="EXIF is damaged"):
        made = jpegjax.transcode(data, apply_exif_orientation=True)
    assert (0xE1, body) in segments(made)
