"""Scaled decoding: libjpeg-turbo's MD5s, djpeg, Pillow's draft mode, and a DCT in floating point."""

from __future__ import annotations

import hashlib
import io
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import djpeg, program
from pictures import picture
from PIL import Image, ImageFile

import jpegjax
from jpegjax import Coefficients, ColorSpace, Component, Frame, JpegWarning, Limits
from jpegjax.kernels.scaled.factors import SIZES, factors, scaled_dequantiser
from jpegjax.kernels.scaled.pairs import PAIRED, transform_pair
from jpegjax.run.memory import address

SAMPLINGS = [
    None, "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "3x1,1x1,1x1", "2x2,1x2,2x1", "4x1,2x1,1x1",
    "1x4,1x2,1x1",
]  # fmt: skip


def turbo(data: bytes, eighths: int, upsample: str = "fancy") -> np.ndarray:
    """What djpeg -scale makes of a file; damage is not reported."""
    words = ["-dct", "int", "-scale", f"{eighths}/8"] + ["-nosmooth"] * (upsample == "nearest")
    return djpeg(data, *words)


def encoded(image: np.ndarray, sampling: str | None, **options) -> bytes:
    """A file of the picture; grey where the sampling is None."""
    return jpegjax.encode(image[..., 1] if sampling is None else image, subsampling=sampling, **options)


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_libjpeg_turbos_own_md5(engine, shared):
    folder = shared / "conformance"
    data = (folder / "libjpeg-turbo__libjpeg-turbo" / "testimages" / "testorig.jpg").read_bytes()
    compared = 0
    for line in (folder / "libjpeg_turbo_md5.tsv").read_text().splitlines()[2:]:
        tool, test, options, source, md5 = line.split("\t")
        words = options.split()
        if tool != "djpeg" or "-scale" not in words or source != "testorig.jpg":
            continue
        assert [words.pop(0), words.pop(0), words.pop(0)] == ["-dct", "int", "-scale"]
        scale, *rest = words
        assert rest == ["-nosmooth", "-ppm"]
        pixels = jpegjax.decode(data, scale=scale, upsample="nearest", engine=engine)
        content = b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()
        assert hashlib.md5(content).hexdigest() == md5, test
        compared += 1
    assert compared == 12


@pytest.mark.needs("djpeg")
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_pixels_are_djpegs(sampling):
    """Every size, components enlarged by their inverse DCT or by upsampling, narrow ones and odd edges."""
    for number, (height, width) in enumerate([(1, 1), (5, 3), (40, 61)]):
        data = encoded(picture(height, width), sampling, quality=30 + 30 * number, progressive=number == 1)
        for eighths in SIZES if number == 2 else (1, 2, 3, 4, 8, 15):
            for upsample in ("fancy", "nearest"):
                pixels = jpegjax.decode(data, scale=Fraction(eighths, 8), upsample=upsample)
                np.testing.assert_array_equal(pixels, turbo(data, eighths, upsample), f"{eighths}/8 {upsample}")


@pytest.mark.needs("djpeg")
@pytest.mark.parametrize("top", [30, 255, 3000, 32767, 65535])
def test_extreme_coefficients_are_djpegs(top):
    """Steps and levels that no encoder makes: sums wrap and saturate, two sizes as SIMD and the others as C code."""
    rng = np.random.default_rng(top)
    frame = Frame(40, 48, (Component(1, 1, 1),), color=ColorSpace.GRAY)
    levels = rng.integers(-1023, 1024, (1, 5, 6, 8, 8)) * (rng.random((1, 5, 6, 8, 8)) < rng.random((1, 5, 6, 1, 1)))
    levels[..., 0, 0] = rng.integers(-1000, 1000, (1, 5, 6))
    levels[:, 0, :, 1:] = 0
    levels[:, 1, :, 1:4] = levels[:, 1, :, 5:] = 0
    levels[:, 2] = levels[:, 2] * (np.arange(64).reshape(8, 8) == 0)
    steps = rng.integers(1, top + 1, (8, 8)).astype(np.uint16)
    data = jpegjax.write_coefficients(Coefficients((levels.astype(np.int16),), (steps,), frame))
    for eighths in SIZES:
        np.testing.assert_array_equal(jpegjax.decode(data, scale=eighths / 8), turbo(data, eighths), f"{eighths}/8")


def draft(data: bytes, eighths: int) -> np.ndarray:
    """What Pillow's draft mode makes of a file: 1/8, 1/4 or 1/2."""
    with Image.open(io.BytesIO(data)) as image:
        wanted = -(-image.width * eighths // 8), -(-image.height * eighths // 8)
        image.draft(None, (image.width * eighths // 8, image.height * eighths // 8))
        assert image.size == wanted
        return np.asarray(image)


@pytest.mark.parametrize("sampling", [None, "4:4:4"])
def test_pixels_are_those_of_pillows_draft_mode(sampling):
    """Without subsampling: else draft mode has chroma blocks of 8×8 samples, which it makes by the fast DCT."""
    data = encoded(picture(123, 157), sampling)
    for eighths in (1, 2, 4):
        np.testing.assert_array_equal(jpegjax.decode(data, scale=f"{eighths}/8"), draft(data, eighths))


def basis(size: int) -> np.ndarray:
    """float64 [size, 8]: inverse DCT of eight coefficients to `size` points, 4 and 2 as means of 8 points."""
    points = 8 if size in (2, 4) else size
    n, k = np.arange(points)[:, None], np.arange(8)
    full = np.sqrt(np.where(k, 2, 1)) * np.cos(np.pi * (2 * n + 1) * k / (2 * points))
    full[:, points:] = 0
    return full.reshape(size, -1, 8).mean(1)


@pytest.mark.parametrize("size", SIZES)
def test_factors_are_cosines(size):
    """As libjpeg has them: its sums of rounded constants are off by two at most, and 2×2 leaves some inputs out."""
    bits = 13 + {4: 1, 2: 2}.get(size, 0)
    expected = basis(size) * 2**bits
    if size == 2:
        expected[:, 2::2] = 0
    assert abs(factors(size) - expected).max() < 2.6


@pytest.mark.parametrize("precision", [8, 12])
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 16), st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_samples_are_an_inverse_dct(precision, eighths, height, width, seed):
    """Grey pictures against floating point, within the rounding of two passes."""
    image = picture(height, width, 1, seed)
    image = image if precision == 8 else image.astype(np.uint16) << 4 | 5
    data = jpegjax.encode(image, quality=60, precision=precision)
    found = jpegjax.read_coefficients(data)
    levels = found.planes[0][0] * found.qtables[0].astype(np.float64)
    rows = basis(eighths)
    if eighths == 2:
        rows[:, 2::2] = 0
    blocks = rows @ levels @ rows.T / 8 + (1 << (precision - 1))
    expected = blocks.swapaxes(1, 2).reshape(blocks.shape[0] * eighths, -1).clip(0, (1 << precision) - 1)
    high, wide = -(-height * eighths // 8), -(-width * eighths // 8)
    pixels = jpegjax.decode(data, scale=Fraction(eighths, 8))
    assert pixels.shape == (high, wide) and pixels.dtype == image.dtype
    assert abs(pixels - expected[:high, :wide]).max() < 1


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_blocks": 2}])
def test_what_is_saved_of_damaged_files(options, monkeypatch):
    """Cut short, and with bytes overwritten: Pillow's pixels, and djpeg's where it is, unless progressive (it may be older)."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    rng = np.random.default_rng(3)
    whole = encoded(picture(72, 96), "4:4:4", **options)
    body = whole.index(b"\xff\xda") + 14
    compared = 0
    for number in range(6):
        cut = whole[: int(rng.integers(body + 200, len(whole) - 2))] + b"\xff\xd9"
        data = bytearray(whole if number % 2 else cut)
        for at in rng.integers(body, len(data) - 2, 0 if "progressive" in options else number):
            if 255 not in data[at - 1 : at + 2]:
                data[at] = int(rng.integers(0, 255))
        for eighths in (1, 2, 3, 4, 11):
            if eighths in (3, 11) and ("progressive" in options or not program("djpeg")):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", JpegWarning)
                try:
                    pixels = jpegjax.decode(bytes(data), scale=eighths / 8)
                except jpegjax.CorruptJpeg:
                    continue
            expected = turbo(bytes(data), eighths) if eighths in (3, 11) else draft(bytes(data), eighths)
            if expected.any():  # Pillow gives black where a table is cut
                np.testing.assert_array_equal(pixels, expected, f"{number} {eighths}/8")
                compared += 1
    assert compared >= 12


@pytest.mark.parametrize("mode", [None, "L"])
@pytest.mark.parametrize("processes", [{}, {"arithmetic": True}, {"progressive": True}, {"precision": 12}])
def test_colours_and_processes(mode, processes):
    """Channels one by one are the grey pictures of their components' coefficients, whatever codes them."""
    image = picture(43, 37).astype(np.uint16) * (16 if "precision" in processes else 1)
    image = image if "precision" in processes else image.astype(np.uint8)
    data = jpegjax.encode(image, subsampling="4:4:4", **processes)
    plain = jpegjax.read_coefficients(data)
    luma = Frame(43, 37, (Component(1, 1, 1),), precision=plain.frame.precision, color=ColorSpace.GRAY)
    grey = jpegjax.write_coefficients(Coefficients(plain.planes[:1], plain.qtables[:1], luma))
    for scale in (0.25, 0.5, 0.625, 1.5):
        expected = jpegjax.decode(grey, scale=scale)
        pixels = jpegjax.decode(data, scale=scale, mode=mode)
        assert pixels.dtype == image.dtype
        if mode == "L":
            np.testing.assert_array_equal(pixels, expected)
        else:
            assert pixels.shape == (*expected.shape, 3)
    inks = jpegjax.encode(np.dstack([image, image[..., 0]]), mode="CMYK", **processes)
    ink = jpegjax.read_coefficients(inks)
    for c in range(4):
        one = jpegjax.write_coefficients(Coefficients(ink.planes[c : c + 1], ink.qtables[c : c + 1], luma))
        largest = np.iinfo(image.dtype).max if "precision" not in processes else 4095
        np.testing.assert_array_equal(
            largest - jpegjax.decode(inks, scale="3/8")[..., c], jpegjax.decode(one, scale="3/8")
        )


def test_both_engines_and_devices():
    files = [encoded(picture(50, 70, seed=i), "4:2:0") for i in range(3)]
    expected = [jpegjax.decode(f, scale=0.5, engine="host") for f in files]
    for pixels, want in zip(jpegjax.decode(files, scale=0.5, engine="xla"), expected, strict=True):
        assert type(pixels) is np.ndarray
        np.testing.assert_array_equal(pixels, want)
    (placed, *_) = jpegjax.decode(files, scale=0.5, device="cpu")
    assert type(placed).__module__.startswith("jax")
    np.testing.assert_array_equal(placed, expected[0])


@pytest.mark.parametrize("scale", [1, 1.0, "1", "8/8", Fraction(1), np.float32(1)])
def test_scale_one_is_the_whole_picture(scale):
    data = encoded(picture(33, 18), "4:2:0")
    np.testing.assert_array_equal(jpegjax.decode(data, scale=scale), jpegjax.decode(data))


@pytest.mark.parametrize("scale", [0, -1, 0.3, "1/3", "17/8", 3, float("nan"), float("inf"), "half", "1/0", ""])
def test_other_scales_are_refused(scale):
    with pytest.raises(ValueError, match=r"scale=.*: must be k/8 with k = 1\.\.16, such as 1/8, 3/8"):
        jpegjax.decode(encoded(picture(8, 8), None), scale=scale)


@pytest.mark.parametrize("scale", [None, True, b"1", [1], 1j])
def test_scales_of_other_kinds_are_refused(scale):
    with pytest.raises(TypeError, match=r"scale=.*: must be k/8"):
        jpegjax.decode(encoded(picture(8, 8), None), scale=scale)


def test_limits_apply_to_the_output():
    data = encoded(picture(100, 100), "4:2:0")
    assert jpegjax.decode(data, scale=2, limits=Limits(pixels=40_000)).shape == (200, 200, 3)
    with pytest.raises(jpegjax.LimitExceeded, match=r"200×200 = 40000 pixels are asked for; Limits\.pixels is 39999"):
        jpegjax.decode(data, scale=2, limits=Limits(pixels=39_999))
    with pytest.raises(jpegjax.LimitExceeded, match=r"pixels take 120000 bytes; Limits\.memory is 50000"):
        jpegjax.decode(data, scale=2, limits=Limits(memory=50_000))
    assert jpegjax.decode(data, scale=0.5, limits=Limits(memory=10_000)).shape == (50, 50, 3)


def test_files_without_coefficients_or_a_rule():
    lossless = jpegjax.encode(picture(9, 9), lossless=True)
    with pytest.raises(jpegjax.UnsupportedJpeg, match=r"lossless files hold no DCT coefficients.*pass scale=1"):
        jpegjax.decode(lossless, scale=0.5)
    broken = bytearray(encoded(picture(16, 16), "4:2:0"))
    at = broken.index(b"\xff\xc0") + 11
    broken[at] = 0x32  # luma 3x2 beside chroma that is made 2x1
    broken[at + 3] = 0x21
    with pytest.raises(jpegjax.UnsupportedJpeg, match=r"sampling 2x1 does not divide 3x2"):
        jpegjax.decode(bytes(broken), scale=0.5)


@pytest.mark.parametrize("size", PAIRED)
def test_pairs_of_blocks(size):
    """Black and white noise stays on the fast path, the same with the short cut; numbers that do not fit leave it."""
    rng = np.random.default_rng(size)
    qtable = np.arange(2, 66, dtype=np.uint16)
    steps, stride = scaled_dequantiser(qtable), 2 * size + 16
    found = np.zeros((2, size, stride), np.uint8)

    def transform(blocks: np.ndarray, low: bool) -> bool:
        return transform_pair(
            size, low, address(blocks), address(blocks) + 128, address(steps), address(found[int(low)]), stride
        )

    noise = jpegjax.encode(rng.choice(np.array([0, 255], np.uint8), (64, 128)), qtables=[qtable])
    for blocks in jpegjax.read_coefficients(noise).planes[0][0].reshape(-1, 2, 8, 8).copy():
        assert transform(blocks, False)
        blocks[:, 4:] = blocks[:, :, 4:] = 0
        assert transform(blocks, False) and transform(blocks, True)
        np.testing.assert_array_equal(found[0, :, : 2 * size], found[1, :, : 2 * size])
    for which in (0, 1):
        for place in ((0, 0), (0, 1), (1, 0), (2, 3), (3, 3)):
            blocks = np.zeros((2, 8, 8), np.int16)
            blocks[(which, *place)] = 8192 // int(qtable.reshape(8, 8)[place]) + 1
            assert not transform(blocks, False) and not transform(blocks, True)
            blocks[(which, *place)] = -32768
            assert not transform(blocks, False) and not transform(blocks, True)
