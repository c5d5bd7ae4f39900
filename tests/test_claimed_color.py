"""What a file's components are: by process, JFIF and Adobe markers and identifiers, or as the caller knows better."""

from __future__ import annotations

import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from oracles import jpegtran, pillow_pixels
from pictures import picture

import jpegjax
from jpegjax import ColorSpace, JpegWarning, UnsupportedJpeg
from jpegjax.container.bodies import guess_color
from jpegjax.types import Component, Frame, Process

JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
IDS = [(1, 2, 3), (82, 71, 66), (0, 1, 2), (114, 103, 98), (1, 1, 1), (82, 71, 67)]
ADOBE = [None, 0, 1, 2, 7]


def adobe(transform: int | None) -> bytes:
    return b"" if transform is None else b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


def claimed(data: bytes, jfif: bool, transform: int | None, ids: tuple[int, ...]) -> bytes:
    """A file with these markers and identifiers in place of its own; one scan of all its components."""
    head, p = b"", 2
    while True:
        code, stop = data[p + 1], p + 2 + int.from_bytes(data[p + 2 : p + 4], "big")
        segment = bytearray(data[p:stop])
        if code in (0xC0, 0xC1, 0xC2, 0xC3, 0xC9):
            segment[10::3] = bytes(ids)
        elif code == 0xDA:
            segment[5 : 5 + 2 * len(ids) : 2] = bytes(ids)
            return data[:2] + (JFIF if jfif else b"") + adobe(transform) + head + segment + data[stop:]
        if code not in (0xE0, 0xEE):
            head += segment
        p = stop


CODINGS = [{}, {"optimize": True, "restart_blocks": 3}, {"arithmetic": True}]


@pytest.mark.parametrize("coding", CODINGS, ids=["baseline", "restarts", "arithmetic"])
def test_dct_files_are_what_libjpeg_takes_them_for(coding: dict) -> None:
    image = picture(19, 23)
    data = jpegjax.encode(image, subsampling="4:4:4", **coding)
    inks = jpegjax.encode(picture(19, 23, 4), mode="CMYK", **coding)
    for jfif, transform, ids in product((False, True), ADOBE, IDS[:4]):
        for file in (claimed(data, jfif, transform, ids), claimed(inks, jfif, transform, (*ids, 75))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", JpegWarning)  # unknown transforms
                ours = jpegjax.decode(file)
            assert np.array_equal(ours, pillow_pixels(file)), (jfif, transform, ids)


@pytest.mark.parametrize("process", [Process.LOSSLESS, Process.LOSSLESS_ARITHMETIC])
def test_lossless_files_are_rgb_unless_adobe_says_otherwise(process: Process) -> None:
    for jfif, transform, ids in product((False, True), ADOBE, IDS):
        frame = Frame(4, 4, tuple(Component(i, 1, 1) for i in ids), process, 8, ColorSpace.UNKNOWN)
        found, _ = guess_color(frame, jfif, transform)
        assert found is (ColorSpace.RGB if transform in (None, 0) else ColorSpace.YCBCR), (jfif, transform, ids)


def test_lossless_rgb_in_a_jfif_file_comes_back() -> None:
    image = picture(19, 23)
    data = jpegjax.encode(image, lossless=True)
    for jfif, transform, ids in product((False, True), (None, 0), IDS[:4]):
        file = claimed(data, jfif, transform, ids)
        assert np.array_equal(jpegjax.decode(file), image), (jfif, transform, ids)
        assert jpegjax.info(file).color is ColorSpace.RGB
    coded = claimed(data, True, 1, (1, 2, 3))
    assert not np.array_equal(jpegjax.decode(coded), image)
    assert np.array_equal(jpegjax.decode(coded, color="RGB"), image)


def test_the_shared_lossless_file_with_jfif(shared: Path) -> None:
    path = shared / "cases" / "lossless_rgb_with_jfif_marker.jpg"
    if not path.is_file():
        pytest.skip("no such case here")
    data = path.read_bytes()
    at = data.index(b"JFIF") - 4
    assert np.array_equal(jpegjax.decode(data), pillow_pixels(data[:at] + data[at + 18 :]))


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_color_overrides_what_a_file_claims(engine: str) -> None:
    data = jpegjax.encode(picture(19, 23), subsampling="4:4:4")
    for name, transform in (("RGB", 0), ("YCbCr", 1), ("ycbcr", 1), (ColorSpace.RGB, 0)):
        for file in (data, claimed(data, False, 0, (82, 71, 66)), claimed(data, False, None, (5, 6, 7))):
            wanted = pillow_pixels(claimed(data, False, transform, (1, 2, 3)))
            assert np.array_equal(jpegjax.decode(file, color=name, engine=engine), wanted)
    inks = jpegjax.encode(picture(19, 23, 4), mode="CMYK")
    for name, transform in (("YCCK", 2), ("CMYK", 0))[: 2 if engine == "host" else 1]:
        wanted = pillow_pixels(claimed(inks, False, transform, (1, 2, 3, 4)))
        for file in (inks, claimed(inks, True, 2, (1, 2, 3, 4)), claimed(inks, False, None, (1, 2, 3, 4))):
            assert np.array_equal(jpegjax.decode(file, color=name, engine=engine), wanted)
    grey = jpegjax.encode(picture(19, 23, 1))
    assert np.array_equal(jpegjax.decode(grey, color="grey"), jpegjax.decode(grey, color="gray"))


def test_color_goes_with_scale_crop_mode_progressive_and_lists() -> None:
    data = claimed(jpegjax.encode(picture(40, 50), subsampling="4:4:4"), False, 0, (1, 2, 3))
    plain = claimed(data, True, None, (1, 2, 3))
    for options in ({"scale": "1/2"}, {"crop": (3, 5, 20, 11)}, {"mode": "L"}, {"upsample": "nearest"}):
        assert np.array_equal(jpegjax.decode(data, color="YCbCr", **options), jpegjax.decode(plain, **options))
    progressive = jpegjax.transcode(data, progressive=True)
    assert np.array_equal(jpegjax.decode([progressive], color="YCbCr")[0], jpegjax.decode(plain))
    assert not np.array_equal(jpegjax.decode(progressive), jpegjax.decode(plain))
    again = jpegjax.write_coefficients(jpegjax.read_coefficients(data, color="YCbCr"))
    assert np.array_equal(pillow_pixels(again), jpegjax.decode(plain))


def test_colors_that_do_not_fit_are_refused() -> None:
    data = jpegjax.encode(picture(8, 8))
    with pytest.raises(UnsupportedJpeg, match=r"color='cmyk' takes 4 components; the file has 3 \(byte offset 158\)"):
        jpegjax.decode(data, color="CMYK")
    with pytest.raises(ValueError, match="color='HSV': must be one of 'grey', 'YCbCr', 'RGB', 'CMYK', 'YCCK'"):
        jpegjax.decode(data, color="HSV")
    with pytest.raises(ValueError, match="color="):
        jpegjax.decode(data, color=ColorSpace.UNKNOWN)
    with pytest.raises(TypeError, match="color=3: must be one of"):
        jpegjax.read_coefficients(data, color=3)


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("quality", [2, 75])
def test_sof1_of_8_bits_is_written_as_jpegtran_writes_it(quality: int) -> None:
    for sampling, seed in product(("4:4:4", "4:2:0", "2x1,1x2,1x1"), range(3)):
        image = picture(19 + seed, 23, 3 if seed else 1)
        tables = {} if quality > 25 else {"qtables": [[300] * 64, [20] * 64]}
        data = jpegjax.encode(image, quality=quality, subsampling=sampling, restart_blocks=seed, **tables)
        at = data.index(b"\xff\xc0" if not tables else b"\xff\xc1")
        data = data[: at + 1] + b"\xc1" + data[at + 2 :]
        for word, options in (
            ("-optimize", {}),
            ("-progressive", {"progressive": True}),
            ("-arithmetic", {"arithmetic": True}),
        ):
            assert jpegjax.transcode(data, **options) == jpegtran(data, "-copy", "all", word)
        c = jpegjax.read_coefficients(data)
        grey_keeps_factors = len(c.planes) == 1 and c.frame.hmax > 1
        assert (jpegjax.write_coefficients(c) == jpegtran(data)) is not grey_keeps_factors


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("words", ["", "-progressive", "-crop 24x16+8+8", "-rotate 90 -trim", "-arithmetic"])
def test_grey_of_any_factors_is_transcoded_to_jpegtrans(words: str) -> None:
    options: dict = {
        "": {}, "-progressive": {"progressive": True}, "-arithmetic": {"arithmetic": True},
        "-crop 24x16+8+8": {"crop": (8, 8, 24, 16)}, "-rotate 90 -trim": {"rotate": 90, "trim": True},
    }[words]  # fmt: skip
    for sampling in ("2x2", "1x2", "4x1", "3x2"):
        data = jpegjax.encode(picture(40, 50, 1), subsampling=sampling)
        assert [(k.h, k.v) for k in jpegjax.info(data).components] != [(1, 1)]
        fitted = [] if "arithmetic" in options else ["-optimize"]
        assert jpegjax.transcode(data, **options) == jpegtran(data, "-copy", "all", *fitted, *words.split())


def test_transcoding_writes_markers_that_say_the_colour() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    data = jpegjax.encode(picture(24, 40), subsampling="4:4:4", exif=exif, dpi=(72, 72), comment="kept")
    inks = jpegjax.encode(picture(24, 40, 4), mode="CMYK")
    for file, name in ((data, "RGB"), (claimed(data, False, 0, (1, 2, 3)), "YCbCr"), (inks, "YCCK"), (data, "YCbCr")):
        wanted = jpegjax.decode(file, color=name)
        for options in ({}, {"keep": "none"}, {"progressive": True}, {"keep": "exif", "optimize": False}):
            new = jpegjax.transcode(file, color=name, **options)
            assert np.array_equal(jpegjax.decode(new), wanted), (name, options)
            assert np.array_equal(pillow_pixels(new), wanted), (name, options)
    kept = jpegjax.info(jpegjax.transcode(data, color="RGB")).metadata
    assert kept.exif == exif and kept.comments == (b"kept",)
    with pytest.raises(UnsupportedJpeg, match="takes 4 components"):
        jpegjax.transcode(data, color="CMYK")
