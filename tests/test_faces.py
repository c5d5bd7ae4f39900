"""Faces: splines and sampling against SciPy, the decoder's linearity, symbols by rate and distortion, files and damage."""

from __future__ import annotations

import itertools
import random
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate
import scipy.ndimage
from effort import LIMIT, spent
from flax import nnx
from oracles import psnr
from pictures import waves

from jpegjax import CorruptStream, JpegError, LimitExceeded, Limits, UnsupportedJpeg, codecs
from jpegjax.coding.rans import SKIP
from jpegjax.container.box import Box, read_box, write_box
from jpegjax.learned import shipped
from jpegjax.learned.faces import weights
from jpegjax.learned.faces.codec import decode_all, encode_one, render, written
from jpegjax.learned.faces.model import QUALITIES, Faces, FaceSize, cosines, planes_of, step_of
from jpegjax.learned.faces.search import candidates, code, fitted
from jpegjax.learned.faces.shape import sample, sampling, thin_plate
from jpegjax.learned.faces.stream import KIND, Header, read_stream, write_stream
from jpegjax.learned.faces.symbols import FLAG, REACH, bits_of, costs, descend, with_flag
from jpegjax.learned.faces.weights import Coder, LoadedFaces, export, load, loaded, write
from jpegjax.learned.layers.density import level_of
from jpegjax.learned.tables import LEVELS
from jpegjax.learned.tables import REACH as COUNTED
from jpegjax.learned.tables import fitted as fitted_tables

GREY = FaceSize(28, 24, 1, 3, ((9, 8),), 40, 0, 9, 3)
COLOUR = FaceSize(20, 26, 3, 2, ((8, 9), (4, 4), (4, 4)), 24, 10, 9, 4, refine=8, blocks=1)


def model_of(size: FaceSize) -> LoadedFaces:
    """A model of random smooth pictures: affine shapes, latents of falling spread, a mask that is lower at the border."""
    draw = np.random.default_rng(5)
    model = Faces(size, rngs=nnx.Rngs(2))
    rows, columns = np.meshgrid(np.linspace(0, size.height - 1, 3), np.linspace(0, size.width - 1, 3), indexing="ij")
    points = np.stack([rows.ravel(), columns.ravel()], 1)
    one, v, u = np.ones(9), *(points - points.mean(0)).T / 10
    moves = [np.stack(pair, 1) for pair in ((one, 0 * one), (0 * one, one), (v, u), (-u, v))]
    model.points[...], model.moves[...] = jnp.asarray(points), jnp.asarray(np.stack(moves[: size.shape]))
    parts = [model.face] + ([model.behind] if size.behind else [])
    spread = [np.full(size.shape, 2.0)]
    for part, count in zip(parts, (size.latents, size.behind), strict=False):
        part.basis[...] = jnp.asarray(np.linalg.qr(draw.normal(size=(size.coefficients, count)))[0].T)
        part.mean[...] = jnp.asarray(draw.normal(size=size.coefficients) * 300 / (1 + np.arange(size.coefficients)))
        spread.append(400 * 0.9 ** np.arange(count))
    model.spread[...] = jnp.asarray(np.concatenate(spread))
    if size.behind:
        high, wide = size.canvas
        model.mask[...] = jnp.asarray(np.outer(np.hanning(high + 2)[1:-1], np.hanning(wide + 2)[1:-1]) ** 0.3)
    if size.refine:
        kernel = model.refine.last.kernel
        kernel[...] = 0.02 * jnp.asarray(draw.normal(size=kernel.shape))
    steps = np.array([step_of(q) for q in range(1, QUALITIES + 1)])[:, None]
    found = np.clip(np.rint(level_of(np.concatenate(spread[1:]) / steps)), 0, LEVELS).astype(int)
    levels = np.where(found == 0, SKIP, found - 1).astype(np.uint8)
    tables = with_flag(fitted_tables(np.zeros((LEVELS, COUNTED + 1), np.int64)), 0.7)
    return loaded("small", size, export(model, Coder(levels, np.full(size.shape, 25, np.uint8), tables)))


@pytest.fixture(scope="module")
def grey() -> LoadedFaces:
    return model_of(GREY)


@pytest.fixture(scope="module")
def colour() -> LoadedFaces:
    return model_of(COLOUR)


def portrait(found: LoadedFaces, seed: int = 0, shape: tuple[int, ...] = (3, -2, 1)) -> np.ndarray:
    """What the decoder makes of a shape and of likely latents, not quantised."""
    draw = np.random.default_rng(seed)
    size = found.size
    spread = np.asarray(found.model.spread[...])[size.shape :]
    z = draw.normal(size=len(spread)) * spread / step_of(60)
    return render(found, np.array([*shape, 0][: size.shape]), z, 60)


def test_splines_are_scipys():
    draw = np.random.default_rng(0)
    source, at = draw.uniform(0, 60, (12, 2)), draw.uniform(-5, 65, (40, 2))
    target = source + draw.normal(size=(12, 2)) * 3
    smooth = 1e-4 * 60**2 / 2  # of r² log r in pixels
    spline = scipy.interpolate.RBFInterpolator(source, target, kernel="thin_plate_spline", degree=1, smoothing=smooth)
    found = thin_plate(*(jnp.asarray(x, jnp.float32) for x in (source, target, at)), 60.0)
    np.testing.assert_allclose(found, spline(at), atol=0.01)
    there = thin_plate(*(jnp.asarray(x, jnp.float32) for x in (source, target, source)), 60.0)
    np.testing.assert_allclose(there, target, atol=0.05)
    affine = source @ np.array([[1.1, 0.2], [-0.1, 0.9]]) + [3, -4]
    found = thin_plate(*(jnp.asarray(x, jnp.float32) for x in (source, affine, at)), 60.0)
    np.testing.assert_allclose(found, at @ np.array([[1.1, 0.2], [-0.1, 0.9]]) + [3, -4], atol=2e-3)


def test_points_on_one_another_give_numbers():
    same = jnp.zeros((9, 2))
    found = thin_plate(same, jnp.ones((9, 2)), jnp.ones((4, 2)), 10.0)
    places, shares = sampling(found, (7, 6))
    assert np.isfinite(shares).all() and places.min() >= 0 and places.max() < 42


@pytest.mark.parametrize("size", [(7, 9), (1, 5), (4, 1)])
def test_sampling_is_scipys(size):
    draw = np.random.default_rng(1)
    picture, at = draw.normal(size=size).astype(np.float32), draw.uniform(-2, 10, (50, 2)).astype(np.float32)
    expected = scipy.ndimage.map_coordinates(picture, at.T, order=1, mode="nearest")
    found = sample(jnp.asarray(picture.ravel()), *sampling(jnp.asarray(at), size))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_the_decoder_is_linear_in_its_latents(kind, request):
    found = request.getfixturevalue(kind)
    draw = np.random.default_rng(2)
    shape = jnp.asarray(draw.normal(size=found.size.shape), jnp.float32)
    z = jnp.asarray(draw.normal(size=found.size.latents + found.size.behind) * 50, jnp.float32)
    means, columns = found.model.columns(shape)
    whole = np.moveaxis(np.asarray(found.model.planes(shape, z)), 0, -1).ravel()
    np.testing.assert_allclose(means + columns @ z, whole, atol=2e-2)
    chosen = jnp.arange(3), jnp.arange(2 if found.size.behind else 0)
    part = np.asarray(found.model.columns(shape, chosen)[1])
    latents = found.size.latents
    np.testing.assert_allclose(
        part, np.asarray(columns)[:, [0, 1, 2, *range(latents, latents + len(chosen[1]))]], atol=1e-5
    )


def test_the_mean_shape_moves_nothing(grey):
    z = jnp.zeros(GREY.latents)
    planes = np.asarray(grey.model.planes(jnp.zeros(GREY.shape), z))[0]
    mean = np.asarray(grey.model.face.mean[...]).reshape(9, 8)
    canvas = cosines(34, 9).T @ mean @ cosines(30, 8)
    np.testing.assert_allclose(planes, canvas[3:-3, 3:-3], atol=0.05)


def test_symbols_are_nearly_the_best_of_all():
    """Of three latents that hang together, against every choice: mostly the best, and near to it."""
    draw = np.random.default_rng(3)
    table = costs(with_flag(fitted_tables(np.zeros((LEVELS, COUNTED + 1), np.int64)), 0.5))
    indexes, best, lost = np.array([30, 25, 20], np.uint8), 0, 0.0
    for _ in range(30):
        columns = draw.normal(size=(6, 3)) * 0.2 + np.eye(6)[:, :3]
        gram, target = columns.T @ columns, columns.T @ (draw.normal(size=6) * 12)

        def cost(k, gram=gram, target=target):
            z = 10.0 * np.asarray(k)
            return z @ gram @ z - 2 * target @ z + 20.0 * bits_of(np.asarray(k), indexes, table)

        found = cost(descend(gram, target, 10.0, indexes, table, 20.0))
        least = min(map(cost, itertools.product(range(-9, 10), repeat=3)))
        assert found >= least - 1e-9
        best += found <= least + 1e-9
        lost += found - least
    assert best >= 24 and lost / 30 < 20  # less than a bit in the mean
    assert descend(np.eye(2), np.full(2, 1e9), 1.0, np.array([40, SKIP], np.uint8), table, 1.0).tolist() == [REACH, 0]


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_files_hold_what_was_found(kind, request):
    found = request.getfixturevalue(kind)
    image = portrait(found)
    quality, sizes = [], []
    for q in (5, 40, 80):
        made = code(found, candidates(found, image), q)
        data = written(found, made, q)
        header, stream, at = read_stream(data)
        assert (header.height, header.width, header.quality) == (found.size.height, found.size.width, q)
        assert len(data) == 20 + len(stream) and data[at : at + len(stream)] == bytes(stream)
        assert abs(8 * len(stream) - made.bits) < 24
        (pixels,) = decode_all([data], [found])
        np.testing.assert_array_equal(pixels, render(found, made.shape, made.latents, q))
        assert pixels.shape == image.shape and pixels.dtype == np.uint8
        if not found.size.refine:  # the error that the encoder counted, but for rounding and clipping
            apart = float(
                np.sum(
                    (
                        np.asarray(found.model.planes(made.shape, made.latents * step_of(q)))
                        - planes_of(jnp.asarray(image))
                    )
                    ** 2
                )
            )
            assert apart == pytest.approx(made.error, rel=0.02, abs=200)
        quality.append(psnr(image, pixels))
        sizes.append(len(data))
    assert quality == sorted(quality) and sizes == sorted(sizes) and quality[-1] > 30


def test_the_shape_is_found(grey):
    """Pictures drawn under a shape: the search comes to it from none, and the file is better than without."""
    image = portrait(grey, 4, (3, -2, 1))
    tried = candidates(grey, image)
    made = code(grey, tried, 60)
    assert made.shown and abs(made.shape - [3, -2, 1]).max() <= 1
    still = code(grey, tried[:1], 60)
    assert made.error + 0.1 * step_of(60) ** 2 * made.bits < still.error + 0.1 * step_of(60) ** 2 * still.bits


def test_landmarks_lead_the_shape(grey):
    model = grey.model
    marks = np.asarray(model.points[...] + jnp.tensordot(jnp.asarray([2.0, 1.0, -1.0]), model.moves[...], 1))[:, ::-1]
    np.testing.assert_allclose(fitted(model, marks), [2, 1, -1], atol=1e-3)
    image = portrait(grey, 6, (2, 1, -1))
    data = encode_one(grey, image, 60, marks)
    assert psnr(image, decode_all([data], [grey])[0]) > 30
    with pytest.raises(ValueError, match=r"landmarks: shape \(5, 2\); must be finite numbers \[9, 2\]"):
        encode_one(grey, image, 50, np.zeros((5, 2)))
    with pytest.raises(ValueError, match="landmarks"):
        encode_one(grey, image, 50, np.full((9, 2), np.nan))
    with pytest.raises(TypeError, match="landmarks"):
        encode_one(grey, image, 50, "eyes")


def test_target_bytes_is_kept_and_used(colour):
    image = portrait(colour, 1)
    for target in (32, 38, 44):
        data = encode_one(colour, image, 50, None, target)
        assert target - 6 <= len(data) <= target and len(
            encode_one(colour, image, read_stream(data)[0].quality)
        ) == len(data)
    with pytest.raises(ValueError, match=r"target_bytes=12: this picture has \d+ bytes at the lowest quality"):
        encode_one(colour, image, 50, None, 12)


def test_damage_ends_in_an_error_or_a_face(grey):
    """Mutants with their checksum mended, so that the stream itself is read, and without; every cut."""
    data = encode_one(grey, portrait(grey), 70)
    outcomes: Counter[str] = Counter()

    def attempt(damaged: bytes) -> None:
        try:
            (pixels,) = decode_all([damaged], [grey])
            assert pixels.shape == (28, 24) and pixels.dtype == np.uint8
            outcomes["pixels"] += 1
        except JpegError as error:
            assert error.offset is not None and 0 <= error.offset <= len(damaged)
            outcomes[type(error).__name__] += 1

    for end in range(len(data)):
        with pytest.raises(JpegError):
            decode_all([data[:end]], [grey])
    for seed in range(400):
        draw, damaged = random.Random(seed), bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 6))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        if seed % 4:
            damaged[-4:] = zlib.crc32(bytes(damaged[:-4])).to_bytes(4, "big")
        assert spent(attempt, bytes(damaged)) < LIMIT
    assert outcomes["pixels"] and outcomes["CorruptStream"] > 100


def test_wild_symbols_are_pixels(colour):
    """Whatever a stream that ends as it must holds, the decoder comes to pixels."""
    for sign in (1, -1):
        z = np.full(34, sign * 32767)
        assert render(colour, np.full(4, -sign * 32767), z, 1).shape == (20, 26, 3)


def test_what_is_no_face_is_named(grey):
    data = encode_one(grey, portrait(grey), 30)
    box = read_box(data)
    with pytest.raises(UnsupportedJpeg, match="a box of kind 'dft', not 'f'"):
        decode_all([write_box(Box("dft", 8, 8, 1, b"", ()))])
    for params, payloads in ((b"\0\0", box.payloads), (box.params, ()), (box.params + b"1", box.payloads)):
        with pytest.raises(CorruptStream, match="are no face's"):
            decode_all([write_box(replace(box, params=params, payloads=tuple(payloads)))], [grey])
    with pytest.raises(CorruptStream, match="quality 0"):
        decode_all([write_box(replace(box, params=box.params[:2] + b"\0"))], [grey])
    with pytest.raises(CorruptStream, match=r"is not here; here: .*small"):
        decode_all([write_stream(Header(28, 24, 1, b"\xff\xfe", 3), b"")], [grey])
    with pytest.raises(CorruptStream, match="27×24"):
        decode_all([write_box(replace(box, height=27))], [grey])
    with pytest.raises(LimitExceeded, match=r"Limits\.memory is 1000"):
        decode_all([data], [grey], limits=Limits(memory=1000))
    with pytest.raises(LimitExceeded, match=r"Limits\.pixels"):
        decode_all([data], [grey], limits=Limits(pixels=100))
    with pytest.raises(CorruptStream) as caught:
        decode_all([data, b"x"], [grey])
    assert "file 1 of 2" in caught.value.__notes__
    assert box.kind == KIND


def test_weights_come_back_from_files(grey, colour, tmp_path: Path):
    for found, name in ((grey, "small.jxw"), (colour, "small.npz")):
        write(tmp_path / name, "small", found.model, found.coder)
        again = load(tmp_path / name)
        assert again.size == found.size and again.name == "small" and again.coder.tables == found.coder.tables
        image = portrait(found)
        assert encode_one(again, image, 40)[22:] == encode_one(found, image, 40)[22:] or again.digest != found.digest
    arrays = export(grey.model, grey.coder)
    twice = loaded("small", GREY, arrays)
    assert twice.digest == loaded("other", GREY, arrays).digest != colour.digest
    (tmp_path / "no.jxw").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not weights of a face model"):
        load(tmp_path / "no.jxw")
    for gone in ("coder/levels", "tables/first", "face/mean", "points"):
        with pytest.raises(ValueError, match="small"):
            loaded("small", GREY, {k: v for k, v in arrays.items() if k != gone})
    with pytest.raises(ValueError, match="levels must be uint8 below 63"):
        loaded("small", GREY, arrays | {"coder/shape": np.full(3, FLAG, np.uint8)})
    with pytest.raises(ValueError, match="tables of"):
        loaded("small", GREY, arrays | {"coder/shape": np.zeros(2, np.uint8)})


def test_own_models_by_path(grey, tmp_path: Path):
    path = tmp_path / "own.jxw"
    write(path, "own", grey.model, grey.coder)
    codec, image = codecs.get("faces"), portrait(grey)
    data = codec.encode(image, model=str(path), quality=60)
    assert psnr(image, decode_all([data], [load(path)])[0]) > 30
    with pytest.raises(ValueError, match=r"image: shape \(9, 9\); faces of model own are \[28, 24\]"):
        codec.encode(waves(9, 9)[..., 0], model=str(path))
    for bad, error in (
        ({"target_bytes": 0}, ValueError),
        ({"target_bytes": "few"}, TypeError),
        ({"model": 3}, TypeError),
    ):
        with pytest.raises(error, match=next(iter(bad))):
            codec.encode(image, **bad)


def test_models_that_come_with_the_package():
    """Small files, a card each; any picture of their size is coded, and every byte counts."""
    folder = Path(weights.__file__).parent / "models"
    assert weights.available() and sum(path.stat().st_size for path in folder.iterdir()) < 1 << 20
    codec = codecs.get("faces")
    for name in weights.available():
        card = (folder / f"{name}.md").read_text()
        assert "research" in card.lower() and shipped.file_of(name, "jpegjax.learned.faces").exists()
        size = weights.size_of(name)
        image = waves(size.height, size.width)
        image = image if size.channels == 3 else np.ascontiguousarray(image[..., 1])
        low, high = (codec.encode(image, quality=q) for q in (20, 90))
        assert len(low) < len(high) and psnr(image, codec.decode(low)) < psnr(image, codec.decode(high))
        assert len(codec.encode(image, target_bytes=300)) <= 300
