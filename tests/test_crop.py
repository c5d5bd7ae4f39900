"""Regions: the same pixels as of the whole picture, and nothing read that they do not need."""

from __future__ import annotations

import hashlib
import re
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pnm
from pictures import noise
from PIL import Image

import jpegjax
from jpegjax import JpegWarning, Limits
from jpegjax.cli import main

SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "3x1,1x1,1x1", "2x2,1x2,2x1"]


def cut(pixels: np.ndarray, crop: tuple[int, int, int, int]) -> np.ndarray:
    x, y, width, height = crop
    return pixels[y : y + height, x : x + width]


@st.composite
def files(draw) -> bytes:
    """Any sampling, colour, process, precision and restart interval, up to 70×90 pixels."""
    height, width, kind = draw(st.integers(1, 70)), draw(st.integers(1, 90)), draw(st.sampled_from("YYYGKD"))
    options = {"quality": draw(st.sampled_from([30, 75, 98])), "restart_blocks": draw(st.sampled_from([0, 0, 1, 3, 7]))}
    image = noise(height, width, {"G": 1, "K": 4}.get(kind, 3), draw(st.integers(0, 3)))
    if kind in "YD":
        options["subsampling"] = draw(st.sampled_from(SAMPLINGS))
    if kind == "K":
        options["mode"] = "CMYK"
    if kind == "D":
        image, options["precision"] = image.astype(np.uint16) << 4, 12
    elif draw(st.integers(0, 4)) == 0:
        options["arithmetic"] = True
    options["progressive"] = draw(st.integers(0, 4)) == 0
    return jpegjax.encode(image, **options)


@st.composite
def regions(draw, height: int, width: int) -> tuple[int, int, int, int]:
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_region_is_cut_from_the_picture(data):
    file = data.draw(files())
    eighths = data.draw(st.sampled_from([8, 8, 8, *range(1, 17)]))
    options = {"scale": Fraction(eighths, 8), "upsample": data.draw(st.sampled_from(["fancy", "nearest"]))}
    whole = jpegjax.decode(file, **options)
    for _ in range(3):
        crop = data.draw(regions(*whole.shape[:2]))
        pixels = jpegjax.decode(file, crop=crop, **options)
        assert pixels.dtype == whole.dtype and pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, cut(whole, crop))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files(data):
    """Bytes overwritten and files cut short: a region is what the whole picture has there, whatever that became."""
    file = bytearray(
        jpegjax.encode(
            noise(64, 80),
            subsampling=data.draw(st.sampled_from(["4:2:0", "4:4:4"])),
            restart_blocks=data.draw(st.sampled_from([0, 3, 5, 10])),
            progressive=data.draw(st.booleans()),
        )
    )
    body = file.index(b"\xff\xda") + 14
    for _ in range(data.draw(st.integers(0, 4))):
        file[data.draw(st.integers(body, len(file) - 3))] = data.draw(st.sampled_from([0, 1, 77, 0xD0, 0xD3, 0xFF]))
    damaged = bytes(file[: data.draw(st.integers(body, len(file)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        try:
            whole = jpegjax.decode(damaged)
        except jpegjax.JpegError:
            return
        crop = data.draw(regions(64, 80))
        np.testing.assert_array_equal(jpegjax.decode(damaged, crop=crop), cut(whole, crop))


LEFT_EDGE = "420-islow-prog-crop62x62_71_71"
"""djpeg's region starts at an MCU's edge and is upsampled there as at a picture's edge: other chroma in that column."""


def test_libjpeg_turbos_own_md5(shared):
    """djpeg -crop moves a region's left side to the MCU before it; -skip leaves rows out."""
    folder = shared / "conformance" / "libjpeg-turbo__libjpeg-turbo" / "testimages"
    with Image.open(folder / "testorig.ppm") as image:
        rgb = np.asarray(image)
    made = {
        "420_islow_prog.jpg": jpegjax.encode(rgb, progressive=True),
        "444_islow.jpg": jpegjax.encode(rgb, subsampling="4:4:4"),
        "444_islow_prog.jpg": jpegjax.encode(rgb, subsampling="4:4:4", progressive=True),
        "444_islow_ari.jpg": jpegjax.encode(rgb, subsampling="4:4:4", arithmetic=True),
    }
    height, width = rgb.shape[:2]
    compared = []
    for line in (shared / "conformance" / "libjpeg_turbo_md5.tsv").read_text().splitlines()[2:]:
        tool, test, options, source, md5 = line.split("\t")
        words = options.split()
        if tool != "djpeg" or words[:2] != ["-dct", "int"] or words[2] not in ("-crop", "-skip"):
            continue
        data = made[source] if source in made else (folder / source).read_bytes()
        numbers = [int(n) for n in re.findall(r"\d+", words[3])]
        if words[2] == "-skip":
            first, last = numbers
            above = jpegjax.decode(data, crop=(0, 0, width, first))
            pixels = np.concatenate([above, jpegjax.decode(data, crop=(0, last + 1, width, height - last - 1))])
        else:
            wide, high, x, y = numbers
            left = x % (8 if test.startswith("444") else 16)
            pixels = jpegjax.decode(data, crop=(x - left, y, wide + left, high))
            if test == LEFT_EDGE:
                assert hashlib.md5(pnm(pixels)).hexdigest() != md5
                at_edge = jpegjax.decode(jpegjax.transcode(data, crop=(x - left, 0, wide + left, height)))[y : y + high]
                np.testing.assert_array_equal(at_edge[:, 1:], pixels[:, 1:])
                pixels = at_edge
        assert hashlib.md5(pnm(pixels)).hexdigest() == md5, test
        compared.append(test)
    assert len(compared) == 7 and LEFT_EDGE in compared


def test_decoding_stops_behind_the_region():
    """What follows may be missing or broken, without a word."""
    file = jpegjax.encode(noise(160, 96), subsampling="4:2:0")
    crop = (5, 3, 40, 20)
    expected = cut(jpegjax.decode(file), crop)
    np.testing.assert_array_equal(jpegjax.decode(file[: len(file) // 2], crop=crop, strict=True), expected)
    with pytest.raises(jpegjax.CorruptJpeg):
        jpegjax.decode(file[: len(file) // 2], strict=True)


def test_decoding_starts_at_a_restart_marker():
    file = jpegjax.encode(noise(160, 96), subsampling="4:2:0", restart_rows=2)
    crop = (7, 100, 30, 33)
    expected = cut(jpegjax.decode(file), crop)
    body = file.index(b"\xff\xda") + 14
    first = file.index(b"\xff\xd0", body)
    broken = file[:body] + bytes(b ^ 0x55 if b not in (0xFF, 0xAA, 0) else b for b in file[body:first]) + file[first:]
    with pytest.warns(JpegWarning):
        jpegjax.decode(broken)
    np.testing.assert_array_equal(jpegjax.decode(broken, crop=crop, strict=True), expected)


def test_restart_markers_out_of_order_are_followed_from_the_start():
    file = bytearray(jpegjax.encode(noise(160, 96), subsampling="4:2:0", restart_rows=1))
    file[file.index(b"\xff\xd1") + 1] = 0xD2
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        whole = jpegjax.decode(bytes(file))
        for y in (0, 30, 100, 140):
            pixels = jpegjax.decode(bytes(file), crop=(11, y, 50, 20))
            np.testing.assert_array_equal(pixels, whole[y : y + 20, 11:61])
    assert sum("restart marker" in str(note.message) for note in noted) == 4  # not where it decodes the first rows


def test_regions_read_the_same_on_one_core_and_on_many(monkeypatch):
    def read(file, **options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return jpegjax.decode(file, engine="host", **options), [str(w.message) for w in caught]

    draw, files = np.random.default_rng(3), []
    for subsampling, restart in (("4:2:0", {"restart_rows": 1}), ("4:4:0", {"restart_blocks": 3}), ("4:4:4", {})):
        file = jpegjax.encode(noise(150, 96), subsampling=subsampling, quality=50, **restart)
        scan, files = file.index(b"\xff\xda") + 14, [*files, file]
        for _ in range(20):
            bad = bytearray(file)
            at = int(draw.integers(scan, len(bad) - 2))
            bad[at : at + int(draw.integers(1, 30))] = bytes((0xFF, 0xD0 + int(draw.integers(8))))
            files.append(bytes(bad))
    views = [{}, {"scale": Fraction(1, 2)}, {"crop": (10, 50, 60, 99)}, {"crop": (0, 41, 96, 60)}, {"mode": "L"}]
    alone = [read(file, **view) for file in files for view in views]
    assert sum(bool(noted) for _, noted in alone) > 100
    monkeypatch.setattr("jpegjax.jpeg.host.parts.SMALLEST_PIXELS", 1 << 9)
    monkeypatch.setattr("jpegjax.jpeg.host.parts.spare_cores", lambda: 4)
    for (pixels, noted), (file, view) in zip(alone, ((f, v) for f in files for v in views), strict=True):
        again, warned = read(file, **view)
        assert np.array_equal(pixels, again) and noted == warned, view


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_the_region_too(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = jpegjax.encode(noise(33, 50), exif=b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0"))
    for scale in (1, 0.5, 2):
        whole = jpegjax.decode(file, scale=scale, apply_exif_orientation=True)
        crop = (3, 5, 11, 9)
        pixels = jpegjax.decode(file, scale=scale, crop=crop, apply_exif_orientation=True)
        np.testing.assert_array_equal(pixels, cut(whole, crop))
        high, wide = whole.shape[:2]
        with pytest.raises(ValueError, match=rf"does not fit in the picture of {wide}×{high} pixels"):
            jpegjax.decode(file, scale=scale, crop=(0, 0, wide, high + 1), apply_exif_orientation=True)


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_lists_engines_and_devices(engine):
    images = [jpegjax.encode(noise(40, 40, seed=i)) for i in range(3)]
    crop = (1, 2, 30, 20)
    whole = jpegjax.decode(images, engine="host")
    for pixels, full in zip(jpegjax.decode(images, crop=crop, engine=engine), whole, strict=True):
        np.testing.assert_array_equal(pixels, cut(full, crop))
    placed = jpegjax.decode(images[0], crop=crop, device="cpu")
    assert type(placed).__module__.startswith("jax")
    small = jpegjax.encode(noise(9, 9))
    with pytest.raises(ValueError, match=r"crop=\(1, 2, 30, 20\): does not fit in the picture of 9×9 pixels") as error:
        jpegjax.decode([images[0], small], crop=crop, engine=engine)
    assert str(error.value).startswith("item 1: ")


def test_lossless_files():
    image = noise(31, 47)
    file = jpegjax.encode(image, lossless=True)
    np.testing.assert_array_equal(jpegjax.decode(file, crop=(4, 5, 20, 21)), cut(image, (4, 5, 20, 21)))
    with pytest.raises(ValueError, match="does not fit"):
        jpegjax.decode(file, crop=(40, 0, 8, 1))


@pytest.mark.parametrize(
    ("crop", "kind", "message"),
    [
        ((0, 0, 51, 10), ValueError, r"does not fit in the picture of 50×40 pixels"),
        ((49, 39, 2, 1), ValueError, r"does not fit"),
        ((0, 40, 1, 1), ValueError, r"does not fit"),
        ((-1, 0, 5, 5), ValueError, r"crop\[0\]=-1: must be 0\.\."),
        ((0, 0, 0, 5), ValueError, r"crop\[2\]=0: must be 1\.\."),
        ((0, 0, 5), ValueError, r"must be four integers, \(x, y, width, height\)"),
        ((0, 0, 5.5, 5), TypeError, r"crop\[2\]=5\.5: must be an integer"),
        ("10x10+1+1", ValueError, r"must be four integers"),
        (5, TypeError, r"crop=5: must be \(x, y, width, height\)"),
    ],
)
def test_regions_that_are_refused(crop, kind, message):
    with pytest.raises(kind, match=message):
        jpegjax.decode(jpegjax.encode(noise(40, 50)), crop=crop)


def test_a_scaled_picture_is_named():
    with pytest.raises(ValueError, match=r"does not fit in the picture of 25×20 pixels \(scale=1/2\)"):
        jpegjax.decode(jpegjax.encode(noise(40, 50)), crop=(20, 0, 6, 1), scale=0.5)


def test_memory_is_the_regions():
    file = jpegjax.encode(noise(400, 400))
    limits = Limits(memory=40_000)
    with pytest.raises(jpegjax.LimitExceeded):
        jpegjax.decode(file, limits=limits)
    assert jpegjax.decode(file, crop=(200, 200, 50, 50), limits=limits).shape == (50, 50, 3)
    with pytest.raises(jpegjax.LimitExceeded, match=r"pixels take \d+ bytes; Limits\.memory is 40000"):
        jpegjax.decode(file, crop=(0, 0, 200, 200), limits=limits)


def cli(*words: object) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code


def test_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    source, target = tmp_path / "a.jpg", tmp_path / "a.ppm"
    source.write_bytes(jpegjax.encode(noise(60, 80)))
    assert cli("decode", source, "-scale", "1/2", "-crop", "20x10+7+9", "-o", target) == 0
    with Image.open(target) as image:
        np.testing.assert_array_equal(np.asarray(image), jpegjax.decode(source, scale=0.5, crop=(7, 9, 20, 10)))
    assert "scale 1/2, crop 20×10+7+9: 20×10 pixels" in capfd.readouterr().err
    assert cli("decode", source, "--scale", "3/8", "-o", target, "--overwrite") == 0
    assert "scale 3/8: 30×23 pixels" in capfd.readouterr().err
    assert cli("decode", source, "--crop", "200x1+0+0", "-o", target, "--overwrite") == 1
    assert "does not fit in the picture of 80×60 pixels" in capfd.readouterr().err
    for flag, value in [("--scale", "1/3"), ("--crop", "20"), ("--crop", "axb+1+1"), ("--crop", "+5+5")]:
        assert cli("decode", source, flag, value, "-o", target, "--overwrite") == 2
        assert re.search(r"scale='1/3': must be k/8|--crop .*: must be WxH\+X\+Y", capfd.readouterr().err)
