"""Four components as Pillow has them, frames of other numbers of components, and sampling that no pixels come of."""

from __future__ import annotations

import contextlib
import hashlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pillow, pillow_pixels
from pictures import picture
from scripts import low_frequencies

import jpegjax
from jpegjax import ColorSpace, JpegError, JpegWarning, Process, UnsupportedJpeg

ENGINES = ("host", "xla")
SIZES = [(1, 1), (2, 3), (7, 65), (33, 32), (45, 83)]
FORMS = [
    {},
    {"subsampling": "4:4:4"},
    {"subsampling": "4:2:0"},
    {"subsampling": "4:2:2"},
    {"quality": 20},
    {"quality": 100, "optimize": True},
    {"progressive": True, "subsampling": "4:2:0"},
    {"dpi": (72, 90)},
    {"qtables": [[3] * 64, [7] * 64]},
    {"comment": b"four inks"},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_files_and_pixels_are_pillows(size, form):
    image = picture(*size, 4)
    theirs = pillow(image, **form)
    assert jpegjax.encode(image, mode="CMYK", engine="host", **form) == theirs
    np.testing.assert_array_equal(jpegjax.decode(theirs, engine="host", strict=True), pillow_pixels(theirs))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_engines_agree(subsampling):
    image = picture(21, 37, 4)
    files = {engine: jpegjax.encode(image, mode="CMYK", subsampling=subsampling, engine=engine) for engine in ENGINES}
    assert files["host"] == files["xla"]
    np.testing.assert_array_equal(*(jpegjax.decode(files["host"], engine=engine) for engine in ENGINES))


def test_batches_and_restarts():
    images = np.stack([picture(40, 30, 4, seed) for seed in range(3)])
    assert jpegjax.encode(images, mode="CMYK") == [pillow(image) for image in images]
    data = jpegjax.encode(images[0], mode="CMYK", restart_rows=1)
    assert b"\xff\xd0" in data
    np.testing.assert_array_equal(jpegjax.decode(data, strict=True), pillow_pixels(data))


def test_more_than_ten_blocks_take_scans_apart():
    image = picture(30, 50, 4)
    data = jpegjax.encode(image, mode="CMYK", subsampling="4:1:0")
    assert data.count(b"\xff\xda") == 4
    np.testing.assert_array_equal(jpegjax.decode(data), pillow_pixels(data))


@pytest.mark.parametrize("factors", [[(1, 1)] * 4, [(2, 2), (1, 1), (1, 1), (2, 2)], [(2, 1), (1, 1), (1, 1), (1, 1)]])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("color", [ColorSpace.CMYK, ColorSpace.YCCK])
def test_colours_of_four_components(color, progressive, factors):
    source = low_frequencies(color, factors)
    data = jpegjax.write_coefficients(source, progressive=progressive)
    assert jpegjax.info(data).color is color
    for engine in ENGINES if factors[0] == (2, 2) and not progressive else ("host",):
        np.testing.assert_array_equal(jpegjax.decode(data, engine=engine), pillow_pixels(data))
    found = jpegjax.read_coefficients(data)
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, source.planes, strict=True))


def test_corpora(shared):
    """Every whole CMYK picture of the corpora, of every process."""
    root = shared / "conformance"
    seen = 0
    for line in (root / "golden_pillow.tsv").read_text().splitlines():
        fields = line.split("\t")
        if fields[1:2] != ["ok"] or fields[3] != "CMYK":
            continue
        path, digest = fields[0], fields[5]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JpegWarning)
            pixels = jpegjax.decode(root / path, engine="host")
        assert hashlib.sha256(pixels.tobytes()).hexdigest()[:32] == digest, path
        seen += 1
    assert seen >= 24


@pytest.mark.parametrize("engine", ENGINES)
def test_modes_that_libjpeg_refuses(engine):
    four, three = jpegjax.encode(picture(9, 9, 4), mode="CMYK"), jpegjax.encode(picture(9, 9, 4)[..., :3])
    with pytest.raises(UnsupportedJpeg, match="cmyk pictures are not converted to mode 'L'") as caught:
        jpegjax.decode(four, mode="L", engine=engine)
    assert caught.value.offset == four.index(b"\xff\xc0")
    with pytest.raises(UnsupportedJpeg, match="ycbcr pictures are not converted to mode 'CMYK'"):
        jpegjax.decode(three, mode="CMYK", engine=engine)
    assert jpegjax.decode(four, mode="CMYK", engine=engine).shape == (9, 9, 4)


@pytest.mark.parametrize("count", [2, 5, 11, 255])
def test_other_numbers_of_components_keep_their_coefficients(count):
    source = low_frequencies(ColorSpace.UNKNOWN, [(1, 1)] * count)
    data = jpegjax.write_coefficients(source)
    found = jpegjax.read_coefficients(data, strict=True)
    assert (len(found.planes), found.frame.color) == (count, ColorSpace.UNKNOWN)
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, source.planes, strict=True))
    for engine in ENGINES:
        with pytest.raises(UnsupportedJpeg, match="read_coefficients"):
            jpegjax.decode(data, engine=engine)


def test_fractional_sampling_keeps_its_coefficients():
    """libjpeg has no pixels for 3:2 either."""
    source = low_frequencies(ColorSpace.YCBCR, [(3, 1), (2, 1), (1, 1)])
    data = jpegjax.write_coefficients(source)
    found = jpegjax.read_coefficients(data, strict=True)
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, source.planes, strict=True))
    with pytest.raises(OSError, match="broken data stream"):
        pillow_pixels(data)
    for engine in ENGINES:
        with pytest.raises(UnsupportedJpeg, match="does not divide"):
            jpegjax.decode(data, engine=engine)
    assert jpegjax.decode(data, mode="L", engine="host").shape == (21, 35)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    factors=st.lists(st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2)]), min_size=4, max_size=4),
    color=st.sampled_from([ColorSpace.CMYK, ColorSpace.YCCK]),
    progressive=st.booleans(),
)
def test_any_sampling_decodes_as_pillow(size, factors, color, progressive):
    process = Process.PROGRESSIVE if progressive else Process.BASELINE
    data = jpegjax.write_coefficients(low_frequencies(color, factors, size, process=process), progressive=progressive)
    np.testing.assert_array_equal(jpegjax.decode(data, engine="host", strict=True), pillow_pixels(data))


def test_damage_is_survived():
    rng = np.random.default_rng(0)
    forms = [(s, p) for s in ("4:4:4", "4:2:0") for p in (False, True)]
    files = [jpegjax.encode(picture(24, 40, 4), mode="CMYK", subsampling=s, progressive=p) for s, p in forms]
    for _ in range(200):
        data = bytearray(files[rng.integers(4)])
        for at in rng.integers(2, len(data), 3):
            data[at] = rng.integers(256)
        with warnings.catch_warnings(), contextlib.suppress(JpegError):
            warnings.simplefilter("ignore", JpegWarning)
            assert jpegjax.decode(bytes(data), engine="host").size
