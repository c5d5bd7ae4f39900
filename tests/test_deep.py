"""Twelve bits a sample: kernels against references in plain NumPy, files against libjpeg-turbo, streams of T.83."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from islow import forward_pass, inverse_pass
from pictures import deep_picture

import jpegjax
from jpegjax import CorruptJpeg, JpegError, JpegWarning, LimitExceeded, Limits, Process
from jpegjax.jpeg.codec import plan
from jpegjax.jpeg.host import reconstruct, transform
from jpegjax.options import EncodeOptions

FACTORS = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "3x1,1x1,1x1", "2x2,1x2,2x1"]
SIZES = [(1, 1), (2, 3), (7, 9), (16, 16), (33, 17), (45, 83)]


def forward_reference(samples: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Levels [..., 8, 8] of samples 0..4095."""
    rows = forward_pass(samples.astype(np.int64) - 2048, 12, lambda v: v << 1)
    x = forward_pass(rows.swapaxes(-1, -2), 14, lambda v: (v + 1) >> 1).swapaxes(-1, -2)
    return np.sign(x) * ((abs(x) + 4 * table) // (8 * table))


def inverse_reference(levels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Samples 0..4095 of levels [..., 8, 8]: libjpeg's C code, whose table of clamped samples has 2^14 entries."""
    x = levels.astype(np.int64) * table
    columns = inverse_pass(x.swapaxes(-1, -2), 12, lanes=False).swapaxes(-1, -2).astype(np.int32).astype(np.int64)
    index = inverse_pass(columns, 17, lanes=False) & 16383
    clamped = np.concatenate([np.arange(2048, 4096), np.full(6144, 4095), np.zeros(6144, int), np.arange(2048)])
    return clamped[index]


def blocks_of(samples: np.ndarray) -> np.ndarray:
    height, width = samples.shape
    return samples.reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)


def samples_of(blocks: np.ndarray) -> np.ndarray:
    rows, columns = blocks.shape[:2]
    return blocks.swapaxes(1, 2).reshape(8 * rows, 8 * columns)


def widened(s: np.ndarray, h: int, v: int) -> np.ndarray:
    """Fancy upsampling of true samples, in the words of libjpeg's: triangles at 2:1, else repetition."""
    s = s.astype(np.int64)
    if (h, v) == (1, 2) or ((h, v) == (2, 2) and s.shape[1] > 2):
        up, down = np.vstack([s[:1], s[:-1]]), np.vstack([s[1:], s[-1:]])
        rows = np.stack([3 * s + up, 3 * s + down], 1).reshape(-1, s.shape[1])
        if h == 1:
            return (rows + 1 + (np.arange(len(rows)) & 1)[:, None]) >> 2
        shift, even, odd = 4, 8, 7
    elif (h, v) == (2, 1) and s.shape[1] > 2:
        rows, shift, even, odd = s, 2, 1, 2
    else:
        return s.repeat(v, 0).repeat(h, 1)
    left, right = np.hstack([rows[:, :1], rows[:, :-1]]), np.hstack([rows[:, 1:], rows[:, -1:]])
    pairs = [(3 * rows + left + even) >> shift, (3 * rows + right + odd) >> shift]
    return np.stack(pairs, 2).reshape(len(rows), -1)


def colours(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    cb, cr = cb - 2048, cr - 2048
    r, b = y + ((91881 * cr + 32768) >> 16), y + ((116130 * cb + 32768) >> 16)
    g = y + ((-22554 * cb - 46802 * cr + 32768) >> 16)
    return np.stack([r, g, b], -1).clip(0, 4095)


@pytest.mark.parametrize("scale", [3, 60, 1500, 32767])
def test_inverse_transform_equals_the_formulas(scale):
    rng = np.random.default_rng(scale)
    levels = rng.integers(-scale, scale + 1, (5, 7, 8, 8)).astype(np.int16)
    levels[rng.random(levels.shape) < 0.7] = 0
    levels[:2, :, 1:] = 0
    frame, _ = plan((40, 56), EncodeOptions(precision=12))
    for steps in (np.full(64, 16), rng.integers(1, 256, 64), rng.integers(1, 65536, 64)):
        table = steps.astype(np.uint16)
        expected = samples_of(inverse_reference(levels, steps.reshape(8, 8)))
        pixels = reconstruct([levels], frame, [table])
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, expected)


def test_forward_transform_equals_the_formulas():
    rng = np.random.default_rng(4)
    image = deep_picture(48, 64, 1)
    image[:16] = rng.choice([0, 4095], (16, 64))
    for steps in (np.full(64, 1), rng.integers(1, 300, 64), rng.integers(1, 65536, 64)):
        frame, tables = plan(image.shape, EncodeOptions(precision=12, qtables=[steps]))
        (plane,) = transform(image, frame, tables)
        np.testing.assert_array_equal(plane, forward_reference(blocks_of(image), steps.reshape(8, 8)))


@pytest.mark.parametrize("subsampling", FACTORS)
@pytest.mark.parametrize("size", SIZES)
def test_upsampling_and_colour_equal_the_formulas(size, subsampling):
    image = deep_picture(*size)
    frame, tables = plan(image.shape, EncodeOptions(precision=12, subsampling=subsampling, quality=90))
    planes = transform(image, frame, tables)
    parts = []
    for c, k in enumerate(frame.components):
        height, width = frame.samples(c)
        true = samples_of(inverse_reference(planes[c], tables[c].reshape(8, 8).astype(np.int64)))[:height, :width]
        parts.append(widened(true, frame.hmax // k.h, frame.vmax // k.v)[: size[0], : size[1]])
    np.testing.assert_array_equal(reconstruct(planes, frame, tables), colours(*parts))
    np.testing.assert_array_equal(reconstruct(planes, frame, tables, "L"), parts[0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_files_are_libjpeg_turbos(size, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    image = deep_picture(*size, channels)
    for quality in (5, 75, 100):
        for name, sampling in {"444": "4:4:4", "422": "4:2:2", "420": "4:2:0", "440": "4:4:0", "411": "4:1:1"}.items():
            theirs = imagecodecs.jpeg8_encode(
                image, level=quality, subsampling=None if channels == 1 else name, bitspersample=12
            )
            tables = jpegjax.info(theirs).qtables[:2]
            sampling = None if channels == 1 else sampling
            ours = jpegjax.encode(image, precision=12, qtables=tables, subsampling=sampling, engine="host")
            assert ours == theirs
            np.testing.assert_array_equal(jpegjax.decode(theirs, engine="host"), imagecodecs.jpeg8_decode(theirs))


def test_unfinished_progressive_pictures_are_libjpeg_turbos():
    imagecodecs = pytest.importorskip("imagecodecs")
    data = jpegjax.encode(deep_picture(70, 90), precision=12, progressive=True)
    for size in (len(data), len(data) // 4, len(data) // 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JpegWarning)
            ours = jpegjax.decode(data[:size], engine="host")
        np.testing.assert_array_equal(ours, imagecodecs.jpeg8_decode(data[:size]))


@pytest.mark.parametrize("name", ["E1", "E2"])
def test_streams_of_t83(shared, name):
    """Twelve-bit CMYK of factors 1x1, 1x2, 3x1 and 1x4, interleaved and progressive."""
    folder = shared / "conformance/pydicom__pylibjpeg-data/ljdata/jpg/10918/p4"
    data = (folder / f"{name}.JPG").read_bytes()
    pixels = jpegjax.decode(data, engine="host", strict=True)
    assert (pixels.shape, pixels.dtype) == ((257, 255, 4), np.uint16)
    eight = jpegjax.decode(folder / "A1.JPG")
    assert abs(pixels / 4095 - eight / 255).mean() < 0.04  # quantised apart
    imagecodecs = pytest.importorskip("imagecodecs")
    np.testing.assert_array_equal(4095 - pixels, imagecodecs.jpeg8_decode(data))


@pytest.mark.parametrize("folder", ["extended_huffman", "progressive_huffman"])
def test_twelve_bits_of_jpegsuite(shared, folder):
    root = shared / "conformance/robert-ancell__jpegsuite/jpeg" / folder
    flat = {name: jpegjax.decode(root / f"8x8x12_grayscale_{name}.jpg") for name in ("black", "white", "gray")}
    assert [np.unique(flat[name]).tolist() for name in ("black", "white", "gray")] == [[0], [4095], [2047]]
    assert np.unique(jpegjax.decode(root / "8x8x12_grayscale_check.jpg")).tolist() == [0, 4095]
    deep = jpegjax.decode(root / "32x32x12_grayscale.jpg")
    assert abs(deep / 4095 - jpegjax.decode(root / "32x32x8_grayscale.jpg") / 255).max() < 0.01
    apart, together = (jpegjax.decode(root / f"32x32x12_ycbcr{end}.jpg") for end in ("", "_interleaved"))
    assert apart.shape == (32, 32, 3)
    np.testing.assert_array_equal(apart, together)


def test_engines_agree():
    image = deep_picture(21, 37)
    for channels, options in ((3, {}), (4, {"subsampling": "4:2:2", "mode": "CMYK"})):
        deep = deep_picture(21, 37, channels)
        host = jpegjax.encode(deep, precision=12, engine="host", **options)
        assert jpegjax.encode(deep, precision=12, engine="xla", **options) == host
        np.testing.assert_array_equal(jpegjax.decode(host, engine="xla"), jpegjax.decode(host, engine="host"))
    shallow = jpegjax.encode((image >> 4).astype(np.uint8))
    deep = jpegjax.encode(image, precision=12)
    mixed = [jpegjax.decode([shallow, deep, shallow], engine=engine) for engine in ("host", "xla")]
    for a, b in zip(*mixed, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_exact_inverse_on_every_engine():
    """Impossible coefficients too: sums wrap the same way everywhere."""
    from jpegjax.ops import dequantise, idct_islow

    rng = np.random.default_rng(9)
    levels = rng.integers(-32768, 32768, (200, 8, 8)).astype(np.int16)
    levels[rng.random(levels.shape) < 0.6] = 0
    steps = rng.integers(1, 65536, (8, 8))
    samples = idct_islow(dequantise(levels, steps, 12), precision=12)
    np.testing.assert_array_equal(samples, inverse_reference(levels, steps))
    with pytest.raises(TypeError, match="must be int32 at 12 bits"):
        idct_islow(levels, precision=12)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 4]),
    subsampling=st.sampled_from(FACTORS),
    progressive=st.booleans(),
    restart=st.integers(0, 5),
    quality=st.integers(1, 100),
    seed=st.integers(0, 99),
)
def test_coefficients_survive_any_file(height, width, channels, subsampling, progressive, restart, quality, seed):
    image = deep_picture(height, width, channels, seed)
    options = EncodeOptions(precision=12, subsampling=subsampling, quality=quality)
    frame, tables = plan(image.shape, options)
    data = jpegjax.encode(
        image, precision=12, subsampling=subsampling, quality=quality, progressive=progressive, restart_blocks=restart,
        mode="CMYK" if channels == 4 else None,
    )  # fmt: skip
    found = jpegjax.read_coefficients(data, strict=True)
    assert found.frame.precision == 12
    assert found.frame.process is (Process.PROGRESSIVE if progressive else Process.EXTENDED)
    for plane, known, steps, table in zip(
        found.planes, transform(image, frame, tables), found.qtables, tables, strict=True
    ):
        np.testing.assert_array_equal(plane[0], known)
        np.testing.assert_array_equal(steps.reshape(64), table)
    again = jpegjax.write_coefficients(found, progressive=progressive, restart_blocks=restart)
    assert again == data


def test_damage_is_reported_and_survived():
    rng = np.random.default_rng(0)
    files = [jpegjax.encode(deep_picture(24, 40), precision=12, progressive=p, restart_blocks=2) for p in (False, True)]
    for _ in range(150):
        data = bytearray(files[rng.integers(2)])
        for at in rng.integers(2, len(data), 3):
            data[at] = rng.integers(256)
        with warnings.catch_warnings(), contextlib.suppress(JpegError):
            warnings.simplefilter("ignore", JpegWarning)
            assert jpegjax.decode(bytes(data), engine="host").size
    with pytest.raises(CorruptJpeg):
        jpegjax.decode(files[0][:-30], strict=True)


def test_memory_counts_twelve_bit_pixels():
    data = jpegjax.encode(np.zeros((256, 256), np.uint16), precision=12)
    with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
        jpegjax.decode(data, limits=Limits(memory=256 * 256 * 3))
