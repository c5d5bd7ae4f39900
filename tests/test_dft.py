"""The DFT codec: levels and their code, files, damage; the numbers of the literature."""

from __future__ import annotations

import hashlib
import importlib.util
import random
import struct
import zlib
from collections import Counter
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
from effort import LIMIT, spent
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import psnr
from pictures import waves
from PIL import Image

from jpegjax import CorruptStream, JpegError, LimitExceeded, Limits, UnsupportedJpeg, dft, ops
from jpegjax.coding.spectrum import decode_spectrum, encode_spectrum
from jpegjax.container.box import Box, read_box, write_box


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_levels_come_back(data):
    n = data.draw(st.sampled_from([None, 2, 4, 8, 10]))
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    shape = (*shape, n, n) if n else (1, 1, *data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12))))
    draw = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    scale = data.draw(st.sampled_from([0.2, 2, 1e3, 1e8]))
    levels = np.clip(draw.laplace(scale=scale, size=shape), -(1 << 28), 1 << 28).astype(np.int32)
    code = encode_spectrum(levels)
    np.testing.assert_array_equal(decode_spectrum(code, shape), levels)


def test_code_of_levels_is_pinned():
    """Integers in, bytes out: the same on every backend and machine."""
    levels = np.random.default_rng(1).laplace(scale=3, size=(5, 7, 16, 16)).astype(np.int32)
    whole = np.random.default_rng(2).laplace(scale=3, size=(1, 1, 61, 90)).astype(np.int32)
    found = [hashlib.sha256(encode_spectrum(x)).hexdigest()[:16] for x in (levels, whole)]
    assert found == ["0127b8100c3f0c52", "aae8d9c173bb652f"]


def test_code_nears_the_entropy_of_noise():
    levels = np.random.default_rng(3).laplace(scale=2, size=(16, 16, 16, 16)).round().astype(np.int32)
    p = np.unique(levels, return_counts=True)[1] / levels.size
    entropy = -np.sum(p * np.log2(p)) / 8 * levels.size
    assert entropy * 0.98 < len(encode_spectrum(levels)) < entropy * 1.06


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([None, 2, 6, 8, 16]), st.sampled_from([1, 3]))
@settings(max_examples=4, deadline=None)
def test_fine_steps_give_the_picture_back(height, width, block, channels):
    image = waves(height, width) if channels == 3 else waves(height, width)[..., 0]
    data = dft.encode(image, step=1 / 16, block=block, subsampling="4:4:4")
    back = dft.decode(data)
    assert back.shape == image.shape and back.dtype == np.uint8
    assert abs(back.astype(int) - image).max() <= (channels > 1)


def test_finer_steps_cost_bytes_and_give_quality():
    image = waves(70, 90)
    files = [dft.encode(image, quality=q) for q in (10, 50, 90)]
    assert sorted(map(len, files)) == list(map(len, files))
    quality = [psnr(dft.decode(f), image) for f in files]
    assert sorted(quality) == quality and quality[1] > 27
    assert len(dft.encode(image, subsampling="4:4:4")) > len(dft.encode(image))


def test_kept_fraction_and_threshold_bound_the_levels():
    image = waves(64, 80)[..., 0]

    def levels(**settings):
        return decode_spectrum(read_box(dft.encode(image, step=0.5, block=8, **settings)).payloads[0], (8, 10, 8, 8))

    assert np.count_nonzero(levels(keep=0.1)) <= 512
    large = np.asarray(jax.jit(lambda x: ops.bin_magnitudes(ops.block_dft(x - 128, 8)) >= 20)(image.astype(np.float32)))
    assert not levels(threshold=20)[~large].any() and np.count_nonzero(levels(threshold=20)) > 0.8 * large.sum()
    assert psnr(dft.decode(dft.encode(image, keep=0.3, step=0.5)), image) > 30


def _packed(blocks: np.ndarray) -> np.ndarray:
    """`block_dft`'s packing in float64, real by real from the full spectrum."""
    full, out = np.fft.fft2(blocks, norm="ortho"), np.empty(blocks.shape)
    height, width = blocks.shape[-2:]
    for y in range(height):
        for x in range(width):
            straight = 2 * x % width == 0
            if straight and 2 * y % height == 0:
                out[..., y, x] = full[..., y, x].real
            elif 2 * y < height if straight else 2 * x < width:
                out[..., y, x] = np.sqrt(2) * full[..., y, x].real
            else:
                out[..., y, x] = np.sqrt(2) * full[..., -y if straight else y, -x if not straight else x].imag
    return out


@pytest.mark.parametrize("block", [8, None])
def test_levels_are_those_of_float64_up_to_rounding(block):
    image = waves(64, 56)[..., 0]
    n, m = (block, block) if block else image.shape
    reals = _packed(image.reshape(64 // n, n, 56 // m, m).swapaxes(1, 2) - 128.0)
    wanted = np.sign(reals) * np.floor(abs(reals) / 0.7 + 1 / 3)
    payload = read_box(dft.encode(image, step=0.7, block=block)).payloads[0]
    gap = abs(decode_spectrum(payload, reals.shape) - wanted)
    assert gap.max() <= 1 and np.count_nonzero(gap) <= 0.001 * gap.size
    # and what is not rounded away comes back: the error of a uniform quantiser with its dead zone
    assert psnr(dft.decode(dft.encode(image, step=0.7, block=block)), image) > 50


@pytest.mark.parametrize("block", [16, None])
def test_batches_and_devices_change_no_byte(block):
    images = [waves(48, 60), waves(48, 60)[::-1].copy(), waves(33, 21)[..., 0], *[waves(48, 60)] * 8]
    single = [dft.encode(image, block=block, device=jax.devices()[0]) for image in images]
    assert dft.encode(images, block=block, device=jax.devices()[0]) == single
    mesh = jax.make_mesh((8,), ("any",), axis_types=(jax.sharding.AxisType.Auto,))
    for device in (None, mesh, "cpu"):
        assert dft.encode(images, block=block, device=device) == single
    assert dft.encode([jnp.asarray(image) for image in images], block=block, engine="host") == single
    assert dft.encode(np.stack(images[3:]), block=block, engine="xla") == single[3:]
    pixels = [dft.decode(data, device=jax.devices()[0]) for data in single]
    assert all(isinstance(p, jax.Array) for p in pixels)
    for settings_ in ({}, {"engine": "host"}, {"device": mesh}):
        for a, b in zip(dft.decode(single, **settings_), pixels, strict=True):
            np.testing.assert_array_equal(a, b)


def test_box_round_trip_and_layout():
    box = Box("dft", 300, 65535, 3, b"\1\2", (b"", b"abc", bytes(200)))
    data = write_box(box)
    again = read_box(data)
    assert again == Box("dft", 300, 65535, 3, b"\1\2", tuple(map(memoryview, box.payloads)))
    small = write_box(Box("dft", 1, 200, 1, b"", (b"x",)))
    assert small[:-4] == b"\x8aJXJ\x01\x03dft" + bytes((1, 200, 1, 1, 0, 1, 1)) + b"x"


def _sealed(body: bytes | bytearray) -> bytes:
    return bytes(body) + zlib.crc32(body).to_bytes(4, "big")


def _claim(height: int, width: int) -> bytes:
    box = Box("dft", height, width, 1, struct.pack(">BBf", 16, 0, 8.0), (b"",))
    data = write_box(box)
    return _sealed(data[:-4].rstrip(b"\0") + b"\0")


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", CorruptStream, "no jpegjax box"),
        (b"\xff\xd8\xff\xe0", CorruptStream, "no jpegjax box"),
        (b"\x8aJXJ", CorruptStream, "ends inside"),
        (b"\x8aJXJ\x02", CorruptStream, "ends inside"),
        (_sealed(b"\x8aJXJ\x02"), UnsupportedJpeg, "version 2"),
        (_sealed(b"\x8aJXJ\x01\xff"), CorruptStream, "ends inside the box's kind"),
        (_claim(65535, 65535), LimitExceeded, "Limits.pixels is"),
        (_claim(60000, 4000), LimitExceeded, "pixels_per_byte"),
        (write_box(Box("vq", 1, 1, 1, b"", ())), UnsupportedJpeg, "kind 'vq'"),
        (write_box(Box("dft", 1, 1, 2, b"", ())), CorruptStream, "2 channels"),
        (write_box(Box("dft", 1, 1, 1, b"", (b"",))), CorruptStream, "parameters"),
        (write_box(Box("dft", 1, 1, 1, struct.pack(">BBf", 7, 0, 8), (b"",))), CorruptStream, "blocks of 7"),
        (write_box(Box("dft", 1, 1, 1, struct.pack(">BBf", 8, 0, np.nan), (b"",))), CorruptStream, "steps"),
    ],
)
def test_bad_files_are_named(data, kind, message):
    with pytest.raises(kind, match=message) as caught:
        dft.decode(data)
    assert 0 <= caught.value.offset <= max(len(data), 6)


def test_limits_hold_and_large_blank_pictures_pass_them():
    blank = np.zeros((2200, 2000), np.uint8)
    data = dft.encode(blank, block=8)
    assert len(data) == -(-blank.size // 1024) and not dft.decode(data).any()
    with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
        dft.decode(data, limits=Limits(memory=1 << 20))
    with pytest.raises(LimitExceeded, match=r"Limits\.pixels"):
        dft.decode([data, data], limits=Limits(pixels=1000))


def test_damaged_files_end_in_pixels_or_an_error():
    """Any change is found by the checksum; with the checksum made right again, it is a picture or a JpegError, soon."""
    files = [dft.encode(waves(40, 56), block=8), dft.encode(waves(40, 56)[..., 0], block=None)]
    draw = random.Random(4)
    outcomes = Counter()

    def opened(data):
        try:
            return dft._open(data, Limits(pixels=1 << 16))[1]
        except JpegError as error:
            return error

    for i in range(600):
        data = bytearray(files[i % 2])
        head = len(data) if i % 3 else 40
        for _ in range(draw.choice((1, 1, 2, 8))):
            at = draw.randrange(4, head - 4)
            data[at] = draw.choice((data[at] ^ 1 << draw.randrange(8), draw.randrange(256)))
        if draw.random() < 0.2:
            del data[draw.randrange(8, len(data)) :]
        if bytes(data) != files[i % 2]:
            with pytest.raises((CorruptStream, UnsupportedJpeg)):
                dft.decode(bytes(data))
        sealed = _sealed(data[:-4])
        levels = opened(sealed)
        assert spent(opened, sealed) < LIMIT
        if isinstance(levels, JpegError):
            outcomes[type(levels).__name__] += 1
            assert levels.offset is not None
            continue
        outcomes["levels"] += 1
        assert all(abs(q.astype(np.int64)).max() <= 1 << 30 for q in levels)
        if i % 20 == 1:
            assert dft.decode(sealed, limits=Limits(pixels=1 << 16)).dtype == np.uint8
    assert outcomes["levels"] > 100 and outcomes["CorruptStream"] > 20


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"quality": 0}, ValueError, "quality=0"),
        ({"step": 0}, ValueError, "step=0"),
        ({"step": np.nan}, ValueError, "step=nan"),
        ({"step": "8"}, TypeError, "step='8'"),
        ({"keep": 1.5}, ValueError, "keep=1.5"),
        ({"threshold": -1}, ValueError, "threshold=-1"),
        ({"block": 7}, ValueError, "block=7"),
        ({"block": 256}, ValueError, "block=256"),
        ({"subsampling": "4:2:2"}, ValueError, "subsampling='4:2:2'"),
        ({"engine": "gpu"}, ValueError, "engine='gpu'"),
        ({"engine": "host", "device": "cpu"}, ValueError, "device='cpu'"),
        ({"images": np.zeros((4, 4))}, TypeError, "dtype float64"),
        ({"images": np.zeros((4, 4, 4), np.uint8)}, ValueError, "shape"),
        ({"images": np.zeros((4, 0), np.uint8)}, ValueError, "0×4 pixels"),
        ({"images": [b"x"]}, TypeError, r"images\[0\]"),
    ],
)
def test_bad_settings_are_named(arguments, kind, message):
    with pytest.raises(kind, match=message):
        dft.encode(**{"images": np.zeros((4, 4), np.uint8), **arguments})
    with pytest.raises(TypeError, match=r"data\[0\]"):
        dft.decode(["x"])
    with pytest.raises(TypeError, match="limits=1"):
        dft.decode(b"", limits=1)


def test_the_first_bad_file_of_a_list_is_noted():
    good = dft.encode(waves(8, 8))
    with pytest.raises(CorruptStream) as caught:
        dft.decode([good, good[:-1]])
    assert caught.value.__notes__ == ["in data[1]"]
    assert dft.encode([]) == [] and dft.decode([]) == []


PUBLISHED = {"dft_half_spectrum": (29.95, 30.73, 30.97, 29.54), "dct": (34.17, 34.25, 33.79, 30.53)}
"""PSNR of Kodak's luma from its largest 10 % of coefficients, in dB: blocks of 8, 16, 32, and whole."""


def _experiment() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "experiments" / "dft.py"
    spec = importlib.util.spec_from_file_location("experiments_dft", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _reference(plane: np.ndarray, block: int) -> dict[str, float]:
    """`kept_psnr` at 10 % in float64 from the full spectrum, in which 10 % of the bins hold 10 % of the reals."""
    height, width = plane.shape
    blocks = plane.reshape(height // block, block, width // block, block).swapaxes(1, 2)
    full = np.fft.fft2(blocks, norm="ortho")
    out = {}
    cosines = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho")
    for kind, x in (("dft", full), ("dft_half_spectrum", full[..., : block // 2 + 1]), ("dct", cosines)):
        weight = np.ones(x.shape[-1])
        share = 0.1
        if kind == "dft_half_spectrum":
            weight[1:-1], share = 2, 0.05 * plane.size / x.size
        least = np.sort(abs(x), None)[-round(share * x.size)]
        out[kind] = -10 * np.log10(np.sum(np.where(abs(x) < least, abs(x) ** 2, 0) * weight) / plane.size / 255**2)
    return out


def test_kept_coefficients_of_one_picture(shared):
    path = shared / "data" / "kodak" / "kodim05.png"
    if not path.is_file():
        pytest.skip("no Kodak pictures")
    plane = np.asarray(Image.open(path), float) @ [0.299, 0.587, 0.114]
    found = _experiment().kept_psnr(plane.astype(np.float32), 0.1, 8)
    for kind, value in _reference(plane, 8).items():
        assert abs(float(found[kind]) - value) < 0.005


@pytest.mark.slow
def test_published_numbers_on_kodak(shared):
    experiment = _experiment()
    images = [np.asarray(Image.open(p)) for p in sorted((shared / "data" / "kodak").glob("*.png"))]
    if len(images) != 24:
        pytest.skip("no Kodak pictures")
    table = experiment.kept(images)
    for kind, published in PUBLISHED.items():
        np.testing.assert_allclose(list(table[kind].values()), published, atol=0.1)
    assert all(table["dft"][size] >= table["dft_half_spectrum"][size] for size in table["dft"])
    for image in images[::8]:
        plane = experiment.luma(image) - 128
        for block in (8, 16, 32, None):
            reals = ops.block_dft(plane, block)
            assert reals.size == plane.size
            assert abs(ops.block_idft(reals, *plane.shape) - plane).max() < 1e-4
