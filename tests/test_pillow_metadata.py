"""Pillow's own tests of its JPEG plug-in, those of metadata: see `test_pillow_suite.py`, and PILLOW.md for what differs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from oracles import pillow
from pictures import waves
from PIL import Image, ImageOps
from pillow_suite import HOPPER, Load, exif_of, quietly

import jpegjax

PROFILE = bytes(36) + b"acsp" + bytes(88)


def test_app(load: Load) -> None:
    found = jpegjax.info(load("hopper.jpg")).metadata
    assert found.jfif_version == (1, 1) and found.density == (1, 96, 96)
    assert found.comments == (b"File written by Adobe Photoshop\xa8 4.0\x00",)


def test_comment_write(load: Load) -> None:
    old = jpegjax.info(load("hopper.jpg")).metadata.comments[0]
    assert jpegjax.info(jpegjax.encode(HOPPER, comment=old)).metadata.comments == (old,)
    for nothing in ("", b"", None):
        assert jpegjax.info(jpegjax.encode(HOPPER, comment=nothing)).metadata.comments == ()
    for text in ("Test comment text", b"Test comment text"):
        assert jpegjax.info(jpegjax.encode(HOPPER, comment=text)).metadata.comments == (b"Test comment text",)


@pytest.mark.parametrize("name", ["hopper.jpg", "pil_sample_cmyk.jpg"])
def test_dpi(load: Load, name: str) -> None:
    pixels = jpegjax.decode(load(name))
    mode = "CMYK" if pixels.shape[2] == 4 else None
    for dpi in ((72, 72), (300, 300), (100, 200), None):
        assert jpegjax.info(jpegjax.encode(pixels, mode=mode, dpi=dpi)).metadata.dpi == dpi
    with pytest.raises(ValueError, match=r"dpi\[0\]=0"):
        jpegjax.encode(pixels, mode=mode, dpi=(0, 0))


def test_dpi_jfif_cm(load: Load) -> None:
    assert jpegjax.info(load("jfif_unit_cm.jpg")).metadata.dpi == (2.54, 5.08)


def test_icc(load: Load, tmp_path: Path) -> None:
    profile = jpegjax.info(load("rgb.jpg")).metadata.icc_profile
    assert profile is not None and len(profile) == 3144
    jpegjax.imwrite(tmp_path / "temp.jpg", HOPPER, icc_profile=profile)
    assert jpegjax.info(tmp_path / "temp.jpg").metadata.icc_profile == profile
    plain, more = jpegjax.encode(HOPPER), jpegjax.encode(HOPPER, icc_profile=profile)
    assert np.array_equal(jpegjax.decode(plain), jpegjax.decode(more))
    assert jpegjax.info(plain).metadata.icc_profile is None and jpegjax.info(more).metadata.icc_profile == profile


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 65519, 65520, 65536, 65537, 4 * 65536 + 3])
def test_icc_big(n: int) -> None:
    profile = (PROFILE + b"Test" * (n // 4 + 1))[:n]
    assert jpegjax.info(jpegjax.encode(HOPPER, icc_profile=profile)).metadata.icc_profile == (profile or None)


def test_large_icc_meta() -> None:
    small = waves(32, 32)
    exif = (b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + b" " * 43_668)[:43_668]
    for more in ({"icc_profile": PROFILE + b" " * 53_955}, {"exif": exif}):
        data = jpegjax.encode(small, progressive=True, quality=94, **more)
        assert data == pillow(small, progressive=True, quality=94, **more)


def test_large_exif() -> None:
    start = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    longest = start + b"1" * (65_533 - len(start))
    assert jpegjax.encode(HOPPER, quality=90, exif=longest) == pillow(HOPPER, quality=90, exif=longest)
    with pytest.raises(ValueError, match="exif: 65534 bytes"):
        jpegjax.encode(HOPPER, quality=90, exif=longest + b"1")


def test_exif_typeerror(load: Load) -> None:
    assert jpegjax.info(load("exif_typeerror.jpg")).metadata.exif


def test_exif_gps(load: Load, tmp_path: Path) -> None:
    wanted = {0: b"\0\0\0\1", 2: 4294967295, 5: b"\1", 30: 65535, 29: "1999:99:99 99:99:99"}
    data = load("exif_gps.jpg")
    assert dict(exif_of(data).get_ifd(0x8825)) == wanted
    again = jpegjax.encode(HOPPER, exif=jpegjax.info(data).metadata.exif)
    assert dict(exif_of(again).get_ifd(0x8825)) == wanted


def test_empty_exif_gps(load: Load) -> None:
    data = load("empty_gps_ifd.jpg")
    exif = exif_of(data)
    del exif[0x8769]
    assert exif[0x0112] == jpegjax.info(data).metadata.orientation and exif.get_ifd(0x8825) == {}
    turned = jpegjax.transcode(data, apply_exif_orientation=True, trim=False)
    assert jpegjax.info(turned).metadata.orientation in (None, 1) and exif_of(turned).get_ifd(0x8825) == {}
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(jpegjax.decode(data, apply_exif_orientation=True), upright)


def test_exif_equality(load: Load) -> None:
    assert exif_of(load("exif-200dpcm.jpg")) == exif_of(load("exif-200dpcm.jpg"))


def test_exif_rollback(load: Load) -> None:
    exif = exif_of(load("exif_gps.jpg"))
    found = dict(exif) | dict(exif.get_ifd(0x8769))
    for tag, value in {34867: 4294967295, 258: (24, 24, 24), 36867: "2099:09:29 10:10:10", 296: 65535, 271: "Make",
                       272: "XXX-XXX", 305: "PIL", 42035: "LensMake", 282: 4294967295, 33434: 4294967295}.items():  # fmt: skip
        assert found[tag] == value, tag


def test_exif(load: Load) -> None:
    assert exif_of(load("pil_sample_rgb.jpg"))[305] == "Adobe Photoshop CS Macintosh"


def test_save_tiff_with_dpi(tmp_path: Path) -> None:
    Image.fromarray(HOPPER).save(tmp_path / "temp.tif", dpi=(60, 75))
    with Image.open(tmp_path / "temp.tif") as image:
        data = jpegjax.encode(np.asarray(image), dpi=image.info["dpi"])
    assert jpegjax.info(data).metadata.dpi == (60, 75)


def test_save_dpi_rounding() -> None:
    for given, kept in ((72.2, 72), (72.8, 73)):
        assert jpegjax.info(jpegjax.encode(HOPPER, dpi=(given, given))).metadata.dpi == (kept, kept)


def test_dpi_of_exif(load: Load) -> None:
    """test_dpi_tuple_from_exif, test_dpi_from_dpcm_exif and those of damaged ones: Photoshop's resources tell, or nothing."""
    for name, dpi in (
        ("photoshop-200dpi-broken.jpg", (200, 200)),
        ("exif-200dpcm.jpg", (508, 508)),
        ("exif-dpi-zerodivision.jpg", (200, 200)),
        ("broken_exif_dpi.jpg", None),
        ("truncated_exif_dpi.jpg", None),
        ("no-dpi-in-exif.jpg", (200, 200)),
        ("invalid-exif.jpg", (200, 200)),
        ("invalid-exif-without-x-resolution.jpg", None),
    ):
        assert jpegjax.info(load(name)).metadata.dpi == dpi, name
        assert quietly(load(name)).ndim == 3


def test_exif_x_resolution(load: Load) -> None:
    data = load("flower.jpg")
    assert exif_of(data)[282] == 180
    assert exif_of(jpegjax.encode(HOPPER, exif=jpegjax.info(data).metadata.exif))[282] == 180


def test_ifd_offset_exif(load: Load) -> None:
    assert exif_of(load("exif-ifd-offset.jpg"))[306] == "2017:03:13 23:03:09"


def test_multiple_exif(load: Load) -> None:
    assert exif_of(load("multiple_exif.jpg"))[270] == "firstsecond"


def test_adobe_transform(load: Load) -> None:
    names = ("pil_sample_rgb.jpg", 1), ("pil_sample_cmyk.jpg", 2), ("truncated_app14.jpg", None)
    assert all(jpegjax.info(load(name)).metadata.adobe_transform == transform for name, transform in names)


def test_icc_after_SOF(load: Load) -> None:
    assert jpegjax.info(load("icc-after-SOF.jpg")).metadata.icc_profile == b"profile"


def test_getxmp_padded(load: Load) -> None:
    packet = jpegjax.info(load("xmp_padded.jpg")).metadata.xmp
    assert packet is not None and b"xmpmeta" in packet


def test_save_xmp() -> None:
    longest = b"<" + b"1" * 65_501  # XMP part 3 allows two bytes less than a segment holds
    for packet in (b"<x>XMP test</x>", longest):
        data = jpegjax.encode(HOPPER, xmp=packet)
        assert jpegjax.info(data).metadata.xmp == packet and data == pillow(HOPPER, xmp=packet)
