"""Lossless files (SOF3): samples come back bit for bit, and libjpeg-turbo and others agree on files and pixels."""

from __future__ import annotations

import hashlib
import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pillow_pixels
from PIL import Image, ImageFile

import jpegjax
from jpegjax.container import parse_header
from jpegjax.jpeg.lossless import decode_lossless, decode_planes, encode_lossless
from jpegjax.options import Metadata

SUITE = "conformance/robert-ancell__jpegsuite/jpeg/lossless_huffman"
T83 = "conformance/pydicom__pylibjpeg-data/ljdata/jpg/10918/p14"
TURBO = "conformance/libjpeg-turbo__libjpeg-turbo/testimages/testorig.ppm"


def noise(shape: tuple[int, ...], precision: int, seed: int = 0) -> np.ndarray:
    """Half a ramp, half noise over the whole range: small differences and the largest ones."""
    draw = np.random.default_rng((seed, precision, *shape))
    image = draw.integers(0, 1 << precision, shape)
    ramp = sum(np.indices(shape)) * 3 % (1 << precision)
    image[: shape[0] // 2] = ramp[: shape[0] // 2]
    return image.astype(np.uint8 if precision <= 8 else np.uint16)


def coded(image: np.ndarray, **options) -> tuple[bytes, np.ndarray]:
    """(file, its samples) by the inner doors, which take every precision and one to four components."""
    data = encode_lossless(image, **options)
    pixels, notes = decode_lossless(parse_header(data, strict=True))
    assert not notes
    return data, pixels


@pytest.mark.parametrize("precision", range(2, 17))
def test_every_predictor_gives_the_samples_back(precision: int) -> None:
    for channels in ((), (3,)):
        image = noise((13, 17, *channels), precision)
        for predictor in range(1, 8):
            for shift in {0, 1, precision - 1}:
                for rows in (0, 1, 4):
                    options = {"predictor": predictor, "point_transform": shift, "restart_rows": rows}
                    _, pixels = coded(image, precision=precision, **options)
                    assert pixels.dtype == image.dtype
                    assert np.array_equal(pixels, image >> shift << shift), (channels, options)


def test_every_size_and_number_of_components() -> None:
    for height, width in ((1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (2, 2), (3, 5), (8, 8), (9, 70), (70, 9)):
        for shape in ((height, width), *((height, width, n) for n in (2, 3, 4))):
            image = noise(shape, 8)
            for predictor in (1, 4, 7, None):
                assert np.array_equal(coded(image, predictor=predictor)[1], image)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_image_comes_back(data: st.DataObject) -> None:
    precision = data.draw(st.integers(2, 16))
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from((1, 2, 3, 4))))
    seed, spread = data.draw(st.integers(0, 999)), data.draw(st.integers(0, precision))
    values = np.random.default_rng(seed).integers(0, 1 << spread, shape).cumsum(axis=1) % (1 << precision)
    image = values.astype(np.uint8 if precision <= 8 else np.uint16)
    image = image[..., 0] if shape[2] == 1 else image
    shift = data.draw(st.integers(0, precision - 1))
    predictor, rows = data.draw(st.sampled_from((None, *range(1, 8)))), data.draw(st.integers(0, 9))
    file, pixels = coded(
        image,
        precision=precision,
        predictor=predictor,
        point_transform=shift,
        restart_rows=rows,
        metadata=Metadata(comment=b"c"),
    )
    if shape[2] == 4:  # stored inverted, so that the bits dropped read as full ink
        largest = (1 << precision) - 1
        assert np.array_equal(pixels, largest - ((largest - image) >> shift << shift))
    else:
        assert np.array_equal(pixels, image >> shift << shift)
    assert jpegjax.info(file).precision == precision


def test_the_largest_difference_has_no_value_bits() -> None:
    image = np.array([[0, 0x8000, 0, 0x8000], [0x8000, 0, 0xFFFF, 0x7FFF]], np.uint16)
    for predictor in range(1, 8):
        assert np.array_equal(coded(image, predictor=predictor)[1], image)


def test_the_best_predictor_makes_the_smallest_file() -> None:
    y, x = np.mgrid[:60, :70]
    for image in (x % 9 * 20, y % 7 * 30, (x + y) % 50, x * y % 251):
        image = image.astype(np.uint8)
        sizes = [len(encode_lossless(image, predictor=p)) for p in range(1, 8)]
        best = encode_lossless(image)
        assert len(best) <= min(sizes) + 8  # stuffing is not counted
        assert jpegjax.encode(image, lossless=True) == best
    large = np.tile((x * 3 + y * 2).astype(np.uint8), (11, 11))
    assert len(encode_lossless(large)) <= min(len(encode_lossless(large, predictor=p)) for p in range(1, 8)) * 1.01


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_the_doors_take_lossless_files(engine: str) -> None:
    image, deep = noise((33, 21, 3), 8), noise((20, 31), 16)
    files = jpegjax.encode([image, deep], lossless=True, engine=engine)
    lossy = jpegjax.encode(image)
    first, second, third = jpegjax.decode([files[0], lossy, files[1]], engine=engine)
    assert np.array_equal(first, image) and np.array_equal(third, deep) and second.shape == image.shape
    assert jpegjax.info(files[0]).process is jpegjax.Process.LOSSLESS
    assert "16-bit lossless, gray" in str(jpegjax.info(files[1]))
    grey = jpegjax.decode(files[0], mode="L", engine=engine)
    assert np.array_equal(grey, np.asarray(Image.fromarray(image).convert("L")))
    assert np.array_equal(jpegjax.decode(files[1], mode="RGB", engine=engine), np.stack([deep] * 3, 2))
    assert np.array_equal(jpegjax.decode(jpegjax.encode(deep >> 4, lossless=True, precision=12)), deep >> 4)


def test_pixels_stay_on_the_device_named() -> None:
    import jax

    image = noise((16, 16, 3), 8)
    device = jax.devices()[3]
    data = jpegjax.encode(jax.device_put(image, device), lossless=True)
    pixels = jpegjax.decode(data, device=device)
    assert isinstance(pixels, jax.Array) and pixels.devices() == {device}
    assert np.array_equal(pixels, image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"predictor": 1}, "predictor=1: only lossless"),
        ({"point_transform": 2}, "point_transform=2: only lossless"),
        ({"precision": 9}, "precision=9: must be 8 or 12"),
        ({"lossless": True, "predictor": 0}, "predictor=0: must be 1..7"),
        ({"lossless": True, "predictor": 8}, "predictor=8: must be 1..7"),
        ({"lossless": True, "point_transform": 16}, "point_transform=16: must be 0..15"),
        ({"lossless": True, "point_transform": 8}, "point_transform=8: must be below precision, which is 8"),
        ({"lossless": True, "precision": 9, "point_transform": 9}, r"point_transform=9: must be 0\.\.8"),
        ({"lossless": True, "precision": 17}, r"precision=17: must be 2\.\.16"),
        ({"lossless": True, "precision": 4}, "images: values up to 255; precision=4 holds 0..15"),
        ({"lossless": True, "progressive": True}, "progressive: lossless files have none"),
        ({"lossless": True, "qtables": [1] * 64}, "qtables: lossless files have none"),
        ({"lossless": True, "restart_blocks": 3}, "restart_blocks: lossless files have none"),
        ({"lossless": True, "subsampling": "4:2:0"}, "lossless files are written as 4:4:4"),
    ],
)
def test_settings_that_contradict_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jpegjax.encode(np.full((4, 4), 255, np.uint8), **options)


def test_lossless_files_hold_no_coefficients() -> None:
    with pytest.raises(jpegjax.UnsupportedJpeg, match="samples, not coefficients"):
        jpegjax.read_coefficients(encode_lossless(noise((8, 8), 8)))
    with pytest.raises(jpegjax.UnsupportedJpeg, match="2 components do not become RGB"):
        jpegjax.decode(encode_lossless(noise((8, 8, 2), 8)), mode="RGB")
    with pytest.raises(jpegjax.LimitExceeded, match="samples take 128 bytes"):
        jpegjax.decode(encode_lossless(noise((8, 8), 16)), limits=jpegjax.Limits(memory=127))


def test_suite(shared: Path) -> None:
    lines = (shared / "conformance" / "golden_pillow.tsv").read_text().splitlines()
    golden = {line.split("\t")[0]: line.split("\t") for line in lines}
    whole = None
    for path in sorted((shared / SUITE).glob("*.jpg")):
        pixels = jpegjax.decode(path, strict=True)
        said = json.loads(path.with_suffix(".json").read_text())
        frame = next(s for s in said["segments"] if s["type"] == "SOF3")
        assert pixels.shape[:2] == (said["height"], said["width"])
        assert pixels.dtype == (np.uint8 if frame["precision"] <= 8 else np.uint16)
        assert pixels.max() == (1 << frame["precision"]) - 1
        line = golden[str(path.relative_to(shared / "conformance"))]
        if line[1] == "ok":
            assert hashlib.sha256(pixels.tobytes()).hexdigest().startswith(line[5]), path.name
        if path.name == "32x32x8_grayscale.jpg":
            whole = pixels
    assert whole is not None and np.array_equal(jpegjax.decode(shared / SUITE / "32x32x8_dnl.jpg"), whole)
    rgb, apart = (jpegjax.decode(shared / SUITE / f"32x32x8_ycbcr{s}.jpg") for s in ("", "_interleaved"))
    assert np.array_equal(rgb, apart)


def test_conformance_streams(shared: Path) -> None:
    """O1 and O2 of T.83: components of 1x1, 1x2, 3x1 and 1x4 samples, interleaved and apart, with restarts."""
    reference = np.fromfile(shared / T83 / "D16.SRC", ">u2").reshape(257, 85)
    planes = {}
    for name in ("O1", "O2"):
        planes[name], notes = decode_planes(parse_header((shared / T83 / f"{name}.JPG").read_bytes(), strict=True))
        assert not notes
    assert np.array_equal(planes["O2"][3], reference)
    assert np.array_equal(planes["O1"][3], reference >> 8)
    libjpeg = pytest.importorskip("libjpeg")
    imagecodecs = pytest.importorskip("imagecodecs")
    for name in planes:
        data = (shared / T83 / f"{name}.JPG").read_bytes()
        ink = jpegjax.decode(data)  # CMYK comes inverted, as Pillow gives it
        pixels = np.iinfo(ink.dtype).max - ink
        assert np.array_equal(pixels, imagecodecs.jpeg8_decode(data))
        theirs = libjpeg.decode(data)  # interpolates: the middle one of three samples is the component's own
        assert np.array_equal(planes[name][3], theirs[:, 1::3, 3])
        assert np.array_equal(pixels[:, 1::3, 3], theirs[:, 1::3, 3])


def test_medical_images(shared: Path) -> None:
    for path in (shared / "conformance/image-rs__jpeg-decoder/tests/reftest/images/lossless").rglob("*.jpg"):
        with Image.open(path.with_suffix(".png")) as expected:
            assert np.array_equal(jpegjax.decode(path), np.asarray(expected)), path.name


def test_upstream_sums(shared: Path) -> None:
    """`cjpeg -lossless 4 -restart 1` of testorig.ppm, `djpeg -ppm` of that; the other options there do nothing."""
    with Image.open(shared / TURBO) as picture:
        image = np.asarray(picture)
    data = jpegjax.encode(image, lossless=True, predictor=4, restart_rows=1)
    assert hashlib.md5(data).hexdigest() == "fc777b82d42d835ae1282ba1ee87c209"
    pixels = jpegjax.decode(data)
    ppm = b"P6\n%d %d\n255\n" % pixels.shape[1::-1] + pixels.tobytes()
    assert hashlib.md5(ppm).hexdigest() == "64072f1dbdc5b3a187777788604971a5"


def test_files_are_those_of_libjpeg_turbo() -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    for shape in ((1, 1), (20, 33), (20, 33, 3)):
        for precision in range(2, 17):
            image = noise(shape, precision)
            for predictor in range(1, 8):
                ours = encode_lossless(image, precision=precision, predictor=predictor)
                kind = {"lossless": True, "predictor": predictor, "bitspersample": precision}
                assert imagecodecs.jpeg8_encode(image, **kind) == ours, kind


def test_others_decode_ours() -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    libjpeg = pytest.importorskip("libjpeg")
    for shape in ((16, 23), (16, 23, 3)):
        for precision in range(2, 17):
            image = noise(shape, precision)
            for predictor in range(1, 8):
                data = encode_lossless(image, precision=precision, predictor=predictor)
                for decode in (imagecodecs.jpegsof3_decode, imagecodecs.jpeg8_decode, libjpeg.decode):
                    assert np.array_equal(decode(data), image), (shape, precision, predictor, decode)
                options = {"predictor": predictor, "point_transform": 1, "restart_rows": 3}
                data = encode_lossless(image, precision=precision, **options)
                assert np.array_equal(imagecodecs.jpeg8_decode(data), image >> 1 << 1), (shape, precision, predictor)


def damaged(seed: int) -> bytes:
    """A file whose entropy-coded data are cut, changed or shortened."""
    draw = random.Random(seed)
    image = noise((30, 35, 3) if seed % 2 else (30, 35), 8, seed)
    rows = draw.choice((0, 0, 1, 5))
    data = bytearray(encode_lossless(image, predictor=draw.randrange(1, 8), restart_rows=rows))
    start = data.index(b"\xff\xda") + 14
    kind = seed % 3
    if kind == 0:
        del data[draw.randrange(start, len(data)) :]
    elif kind == 1:
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(start, len(data) - 2)] ^= 1 << draw.randrange(8)
    else:
        at = draw.randrange(start, len(data) - 40)
        del data[at : at + draw.randrange(1, 30)]
    return bytes(data)


def test_damage_looks_as_libjpeg_turbo_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    warned = 0
    for seed in range(150):
        data = damaged(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pixels = jpegjax.decode(data)
        assert np.array_equal(pixels, pillow_pixels(data)), seed
        assert all(found.category is jpegjax.JpegWarning for found in caught)
        warned += bool(caught)
        if caught:
            with pytest.raises(jpegjax.CorruptJpeg) as error:
                jpegjax.decode(data, strict=True)
            assert 0 <= error.value.offset <= len(data)
    assert warned > 75


def test_mutations_end_in_pixels_or_an_error() -> None:
    images = [noise(shape, precision) for shape in ((9, 11), (9, 11, 3)) for precision in (8, 13)]
    seeds = [encode_lossless(image, restart_rows=rows) for image in images for rows in (0, 2)]
    for seed in range(1500):
        draw = random.Random(seed)
        data = bytearray(seeds[seed % len(seeds)])
        for _ in range(draw.randrange(1, 5)):
            at = draw.randrange(2, len(data))
            if draw.random() < 0.8:
                data[at] = draw.choice((0, 1, 0xFF, draw.randrange(256), data[at] ^ 1 << draw.randrange(8)))
            else:
                data[at:at] = draw.randbytes(draw.randrange(4)) if draw.random() < 0.5 else b"\xff\xd3"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", jpegjax.JpegWarning)
            try:
                pixels = jpegjax.decode(bytes(data))
            except jpegjax.JpegError as error:
                assert error.offset is not None and 0 <= error.offset <= len(data)
            else:
                assert pixels.dtype in (np.uint8, np.uint16)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 0, 0), "Ss=0"), ((8, 0, 0), "Ss=8"), ((1, 1, 0), r"Se=1 \(0\)"), ((1, 0, 0x10), r"Ah=1 \(0\)"),
        ((1, 0, 8), "Al=8"),
    ],
)  # fmt: skip
def test_scan_headers_without_a_meaning(values: tuple[int, ...], message: str) -> None:
    data = bytearray(encode_lossless(noise((8, 8), 8)))
    at = data.index(b"\xff\xda") + 7
    data[at : at + 3] = bytes(values)
    with pytest.raises(jpegjax.CorruptJpeg, match=message):
        jpegjax.decode(bytes(data))


def test_restarts_inside_a_row_are_refused() -> None:
    data = bytearray(encode_lossless(noise((8, 8), 8), restart_rows=2))
    data[data.index(b"\xff\xdd") + 5] = 12
    with pytest.raises(jpegjax.CorruptJpeg, match="restart interval of 12 MCUs is no multiple of the 8 in a row"):
        jpegjax.decode(bytes(data))


def test_a_component_without_scan_is_zero(shared: Path) -> None:
    data = (shared / SUITE / "32x32x8_rgb.jpg").read_bytes()
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    whole = jpegjax.decode(data)
    with pytest.warns(jpegjax.JpegWarning, match="has no scan; it is all zeros"):
        pixels = jpegjax.decode(data[:second] + b"\xff\xd9")
    assert np.array_equal(pixels[..., 0], whole[..., 0]) and not pixels[..., 1:].any()
