"""The U-system codec: bases, division, stream, files, damage."""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from effort import LIMIT, spent
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import psnr
from pictures import astronaut, picture, waves

from jpegjax import CorruptStream, JpegError, LimitExceeded, Limits, UnsupportedJpeg, codecs, usystem
from jpegjax.coding.mixing import INPUTS, SQUASH, STRETCH, Coder, code_bit, finish
from jpegjax.container.box import Box, read_box, write_box
from jpegjax.simd import kernel
from jpegjax.usystem import codec
from jpegjax.usystem.basis import KINDS, kind_basis, levels_of, system
from jpegjax.usystem.search import LEAST, SHAPES, SIDES, TILE, search, stacked
from jpegjax.usystem.stream import read_planes, write_planes

CELLS = TILE // LEAST


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32, 64])
def test_systems_are_orthonormal_and_span_piecewise_polynomials(n, degree, local):
    """Level by level the space of polynomials on 2^j pieces, as NumPy's QR of Legendre polynomials on each piece has it."""
    basis = system(n, degree, local)
    assert basis.shape == (n, n) and abs(basis @ basis.T - np.eye(n)).max() < 1e-12
    centres = np.linspace(-1, 1, 2 * n + 1)[1::2]
    whole = np.linalg.qr(np.polynomial.legendre.legvander(centres, min(degree, n - 1)))[0].T
    np.testing.assert_allclose(abs(np.sum(basis[: len(whole)] * whole, 1)), 1, atol=1e-9)  # the same up to signs
    count = 0
    for j, size in enumerate(levels_of(n, degree)):
        count += size
        piece = np.polynomial.legendre.legvander(np.linspace(-1, 1, (n >> j) + 2)[1:-1], degree)
        pieces = np.kron(np.eye(1 << j), piece)
        u, s, _ = np.linalg.svd(pieces, full_matrices=False)
        space = u[:, s > 1e-9]
        assert space.shape[1] == count
        np.testing.assert_allclose(basis[:count].T @ basis[:count], space @ space.T, atol=1e-9)
    assert count == n


def test_degree_zero_is_walsh_and_haar():
    for n in (2, 8, 32):
        overlap = abs(scipy.linalg.hadamard(n) / np.sqrt(n) @ system(n, 0).T)
        assert sorted(overlap.argmax(1)) == list(range(n)) and np.allclose(overlap.max(1), 1)
        haar = [np.full(n, n**-0.5)]
        for j in range(n.bit_length() - 1):
            size = n >> j
            for k in range(1 << j):
                row = np.zeros(n)
                row[k * size : k * size + size // 2], row[k * size + size // 2 : (k + 1) * size] = -1, 1
                haar.append(row * size**-0.5)
        np.testing.assert_allclose(abs(np.sum(np.array(haar) * system(n, 0, True), 1)), 1)


def test_copies_of_u_are_mirrored_and_those_of_v_stay_local():
    for degree in (1, 2, 3):
        copies = system(32, degree)[2 * (degree + 1) :]
        even = np.allclose
        assert all(even(row, row[::-1]) or even(row, -row[::-1]) for row in copies)
        local = system(32, degree, True)[2 * (degree + 1) :]
        assert all(not row[:16].any() or not row[16:].any() for row in local)


def test_bases_of_files_are_orthogonal_in_float32():
    for n in SIDES:
        for matrix in stacked(n):
            assert abs(matrix @ matrix.T - np.eye(n)).max() < 1e-6
    with pytest.raises(ValueError, match="n=12"):
        system(12, 1)
    with pytest.raises(ValueError, match="degree=4"):
        system(8, 4)
    with pytest.raises(ValueError, match="kind='u4'"):
        kind_basis("u4", 8)


def _kept(block: np.ndarray, kind: str, count: int) -> float:
    """RMSE of a block [n, n] from its largest coefficients."""
    basis = kind_basis(kind, block.shape[0])
    found = basis @ block @ basis.T
    return float(np.sqrt(np.sort(found**2, None)[:-count].sum() / block.size))


@pytest.mark.parametrize("n", [8, 16, 32])
def test_steps_and_cartoons_take_fewer_coefficients_than_the_dct(n):
    """RMSE at equal numbers of coefficients: mean over steps at every place; and blocks of slopes that meet halfway exactly."""
    x = np.arange(n)
    steps = [100.0 * np.outer(x < i, np.ones(n)) + 20 * np.outer(np.ones(n), x >= j) for i in x for j in x]
    for count in (4, 6, 8):
        errors = {kind: np.mean([_kept(block, kind, count) for block in steps]) for kind in ("dct", "v1", "v2")}
        assert max(errors["v1"], errors["v2"]) < 0.99 * errors["dct"]
    quarters = [steps[i * n + j] for i in (n // 4, n // 2, 3 * n // 4) for j in (n // 4, n // 2, 3 * n // 4)]
    errors = {kind: np.mean([_kept(block, kind, 6) for block in quarters]) for kind in KINDS}
    assert max(errors[kind] for kind in KINDS[1:]) < 0.95 * errors["dct"]
    halves = np.where(x < n // 2, 3.0 * x, 90 - x)
    cartoon = halves[:, None] + np.where(x < n // 2, 0, 50 + 2.0 * x)
    for kind in ("u1", "u2", "u3", "v1", "v2", "v3"):
        assert _kept(cartoon, kind, 16) < 1e-9
        assert n == 8 or _kept(cartoon, "dct", 16) > 0.01


def _divided(draw: np.random.Generator, rows: int, columns: int, scale: float):
    """A plane of random divisions, bases and levels; rectangles without levels but the first have kind 0."""
    shapes = np.zeros((rows, columns, CELLS, CELLS), np.int8)
    kinds, levels = shapes.copy(), np.zeros((rows, columns, TILE, TILE), np.int32)
    for at in np.ndindex(rows, columns):
        todo = [(0, 0, TILE, TILE)]
        while todo:
            y, x, h, w = todo.pop()
            if h > LEAST and draw.random() < 0.5:
                todo += [(y, x, h // 2, w), (y + h // 2, x, h // 2, w)]
            elif w > LEAST and draw.random() < 0.5:
                todo += [(y, x, h, w // 2), (y, x + w // 2, h, w // 2)]
            else:
                block = np.clip(draw.laplace(scale=scale, size=(h, w)), -(1 << 19), 1 << 19).astype(np.int32)
                block[int(draw.integers(1, h + 1)) :] = 0
                block[:, int(draw.integers(1, w + 1)) :] = 0
                cells = (*at, slice(y // LEAST, (y + h) // LEAST), slice(x // LEAST, (x + w) // LEAST))
                shapes[cells] = SHAPES.index((h, w))
                kinds[cells] = draw.integers(len(KINDS)) if np.count_nonzero(block.ravel()[1:]) else 0
                levels[(*at, slice(y, y + h), slice(x, x + w))] = block
    return levels, shapes, kinds


@given(st.integers(0, 1 << 32), st.sampled_from([0.0, 0.3, 2.0, 1e3, 1e7]), st.booleans(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_planes_come_back(seed, scale, halved, tiles):
    draw = np.random.default_rng(seed)
    sizes = [(tiles, 2)] if tiles == 1 else [(2, tiles)] + [((1, (tiles + 1) // 2) if halved else (2, tiles))] * 2
    planes = [_divided(draw, *size, scale) for size in sizes]
    again = read_planes(write_planes(planes, halved), sizes, halved)
    for before, after in zip(planes, again, strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)


def test_code_of_planes_is_pinned():
    """Integers in, bytes out: the same on every backend and machine."""
    draw = np.random.default_rng(5)
    planes = [_divided(draw, *size, 2.0) for size in ((3, 4), (2, 2), (2, 2))]
    assert hashlib.sha256(write_planes(planes, True)).hexdigest()[:16] == "bc8e29f21f17740d"


@kernel
def _bits(bits, state):
    at = state[1]
    for i in range(bits.size):
        for j in range(INPUTS):
            at[j] = j * 16 + (i & 15 if j else 0)
        bits[i] = code_bit(np.int64(bits[i]), 0, 1, state)


def test_mixing_coder_nears_the_entropy():
    """Bits whose odds depend on a context that all inputs but one see."""
    draw = np.random.default_rng(3)
    chances = np.linspace(0.02, 0.6, 16)
    bits = (draw.random(60_000) < chances[np.arange(60_000) & 15]).astype(np.int64)
    entropy = -np.mean(chances * np.log2(chances) + (1 - chances) * np.log2(1 - chances)) * bits.size / 8
    coder = Coder(16 * INPUTS, 2, room=1 << 16)
    _bits(bits, coder.state)
    data = finish(coder)
    assert data is not None and entropy < len(data) < 1.03 * entropy
    reader, again = Coder(16 * INPUTS, 2, data), np.zeros_like(bits)
    _bits(again, reader.state)
    np.testing.assert_array_equal(again, bits)
    small = Coder(16 * INPUTS, 2, room=100)
    _bits(bits, small.state)
    assert finish(small) is None


def test_tables_of_the_mixing_coder_depend_on_no_rounding():
    p = (np.arange(4096) + 0.5) / 4096
    odds = 65536 / (1 + np.exp(-(np.arange(4096) - 2048) / 256))
    for exact, table in ((256 * np.log(p / (1 - p)), STRETCH), (odds, SQUASH)):
        assert abs(abs(exact % 1 - 0.5)).min() > 1e-6
        assert abs(np.clip(exact, table.min(), table.max()) - table).max() <= 0.5


def _fitted(tile: np.ndarray, epsilon: float) -> np.ndarray:
    """Shapes of the cells of a tile, divided by the rule of the bilinear fit, in float64 with NumPy's least squares."""

    def misfit(y, x, h, w):
        part = tile[y : y + h, x : x + w]
        v, u = np.mgrid[:h, :w]
        columns = np.stack([np.ones(h * w), v.ravel(), u.ravel(), (u * v).ravel()], 1)
        fit = np.linalg.lstsq(columns, part.ravel(), rcond=None)[0]
        return np.sum((columns @ fit - part.ravel()) ** 2)

    shapes = np.zeros((CELLS, CELLS), np.int8)
    todo = [(0, 0, TILE, TILE)]
    while todo:
        y, x, h, w = todo.pop()
        if h == w == LEAST or misfit(y, x, h, w) <= epsilon**2 * h * w:
            shapes[y // LEAST : (y + h) // LEAST, x // LEAST : (x + w) // LEAST] = SHAPES.index((h, w))
            continue
        halves = [[(y, x, h // 2, w), (y + h // 2, x, h // 2, w)]] if h > LEAST else []
        halves += [[(y, x, h, w // 2), (y, x + w // 2, h, w // 2)]] if w > LEAST else []
        todo += min(halves, key=lambda pair: sum(misfit(*part) for part in pair))
    return shapes


def _mixed(noise: float) -> np.ndarray:
    """A slope, an edge across it, and squares in one corner, uint8 [64, 64]."""
    y, x = np.mgrid[:64, :64]
    grain = np.random.default_rng(2).normal(0, noise, (64, 64))
    shown = (
        60 + x + np.where(3 * y > 2 * x + 40, 80, 0) + np.where((x > 40) & (y < 20), 90 * ((x // 5 + y // 3) % 2), 0)
    )
    return np.clip(shown + grain, 0, 255).astype(np.uint8)


def _tiles(image: np.ndarray) -> np.ndarray:
    return (image[: 2 * TILE, : 2 * TILE].reshape(2, TILE, 2, TILE).swapaxes(1, 2).reshape(4, TILE, TILE) - 128.0) / 8


def _searched(tiles: np.ndarray, **given_options):
    options = usystem.USystemOptions(**given_options)
    x = np.zeros((codec._CHUNK, TILE, TILE), np.float32)
    x[: len(tiles)] = tiles
    return [np.asarray(part)[: len(tiles)] for part in jax.jit(search)(x, *options.controls())]


def test_partition_by_fit_is_that_of_float64():
    tiles = _tiles(_mixed(2.0))
    _, shapes, _ = _searched(tiles, partition="fit", step=1.0, epsilon=0.8)
    wanted = np.stack([_fitted(tile, 0.8) for tile in tiles])
    assert np.mean(shapes == wanted) > 0.98 and len(np.unique(wanted)) > 4


def test_levels_are_those_of_float64_up_to_rounding():
    tiles = _tiles(_mixed(4.0))
    levels, shapes, kinds = _searched(tiles)
    assert len(np.unique(kinds)) > 1 and len(np.unique(shapes)) > 4
    seen = np.zeros((4, CELLS, CELLS), bool)
    gaps = []
    for t, r, c in np.ndindex(seen.shape):
        if seen[t, r, c]:
            continue
        h, w = SHAPES[shapes[t, r, c]]
        cells = t, slice(r, r + h // LEAST), slice(c, c + w // LEAST)
        assert not seen[cells].any() and (shapes[cells] == shapes[t, r, c]).all()  # rectangles, none over another
        seen[cells] = True
        part = t, slice(LEAST * r, LEAST * r + h), slice(LEAST * c, LEAST * c + w)
        kind = KINDS[kinds[t, r, c]]
        reals = kind_basis(kind, h) @ tiles[part] @ kind_basis(kind, w).T
        wanted = np.sign(reals) * np.floor(abs(reals) + codec._ROUNDING)
        wanted[0, 0] = np.round(reals[0, 0])
        gaps.append(abs(levels[part] - wanted).ravel())
    gap = np.concatenate(gaps)
    assert seen.all() and gap.max() <= 1 and np.count_nonzero(gap) <= 0.002 * gap.size


def test_rate_decides_better_than_the_fit_or_none():
    """Squared error + lambda · bits of whole files, in squared steps."""
    image = np.ascontiguousarray(astronaut()[100:196, 180:276, 1])

    def cost(**chosen):
        data = usystem.encode(image, step=16, **chosen)
        error = np.sum((usystem.decode(data).astype(float) - image) ** 2) / 256
        return error + codec._LAMBDA * 8 * len(data)

    best = cost()
    assert best < min(cost(partition="fit"), cost(epsilon=1e9))


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 70), (33, 40, 3), (64, 32)])
@pytest.mark.parametrize("basis", ["adaptive", "u2", "v3"])
def test_fine_steps_give_the_picture_back(shape, basis):
    image = picture(*shape) if len(shape) == 3 else picture(*shape, 1)
    data = usystem.encode(image, step=1 / 16, subsampling="4:4:4", basis=basis)
    back = usystem.decode(data)
    assert back.shape == image.shape and back.dtype == np.uint8
    assert abs(back.astype(int) - image).max() <= (image.ndim == 3)


def test_finer_steps_cost_bytes_and_give_quality():
    image = waves(70, 90)
    files = [usystem.encode(image, quality=q) for q in (10, 50, 90)]
    assert sorted(map(len, files)) == list(map(len, files))
    quality = [psnr(usystem.decode(f), image) for f in files]
    assert sorted(quality) == quality and quality[1] > 27
    assert len(usystem.encode(image, subsampling="4:4:4")) > len(usystem.encode(image))
    assert len(files[1]) < len(codecs.get("dft").encode(image, quality=50))


def test_batches_and_engines_change_no_byte():
    images = [waves(48, 60), waves(48, 60)[::-1].copy(), waves(33, 21)[..., 0]]
    single = [usystem.encode(image, device=jax.devices()[0]) for image in images]
    assert usystem.encode(images) == single == usystem.encode([jnp.asarray(x) for x in images], engine="host")
    assert usystem.encode(np.stack(images[:2])) == single[:2]
    pixels = [usystem.decode(data, device=jax.devices()[0]) for data in single]
    assert all(isinstance(p, jax.Array) for p in pixels)
    for a, b in zip(usystem.decode(single), pixels, strict=True):
        np.testing.assert_array_equal(a, b)
    assert codecs.get("u-system").encode(images[0]) == single[0]
    np.testing.assert_array_equal(codecs.get("u-system").decode(single[0]), pixels[0])


@pytest.mark.slow
def test_devices_change_no_byte():
    """Several runs of tiles, spread over eight devices."""
    image = waves(256, 400)
    one = usystem.encode(image, device=jax.devices()[0])
    mesh = jax.make_mesh((8,), ("any",), axis_types=(jax.sharding.AxisType.Auto,))
    assert usystem.encode(image, device=mesh) == one
    np.testing.assert_array_equal(usystem.decode(one, device=mesh), usystem.decode(one, device=jax.devices()[0]))


def _sealed(body: bytes | bytearray) -> bytes:
    return bytes(body) + zlib.crc32(body).to_bytes(4, "big")


def _box(channels: int = 1, params: bytes = struct.pack(">Bf", 0, 8.0), payloads: tuple[bytes, ...] = (b"",)) -> bytes:
    return write_box(Box("u-system", 1, 1, channels, params, payloads))


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", CorruptStream, "no jpegjax box"),
        (write_box(Box("dft", 1, 1, 1, b"", ())), UnsupportedJpeg, "kind 'dft'"),
        (_box(2), CorruptStream, "2 channels"),
        (_box(3), CorruptStream, "parameters"),
        (_box(payloads=(b"", b"")), CorruptStream, "2 payloads"),
        (_box(params=struct.pack(">Bf", 1, 8.0)), CorruptStream, "sampling 1"),
        (_box(params=struct.pack(">Bf", 0, np.nan)), CorruptStream, "steps"),
        (_box(params=struct.pack(">Bf", 0, 0.0)), CorruptStream, "steps"),
    ],
)
def test_bad_files_are_named(data, kind, message):
    with pytest.raises(kind, match=message) as caught:
        usystem.decode(data)
    assert 0 <= caught.value.offset <= max(len(data), 6)


def test_limits_hold_and_large_blank_pictures_pass_them():
    size = 2100, 2000
    planes = [
        (np.zeros((66, 63, TILE, TILE), np.int32), *[np.full((66, 63, CELLS, CELLS), len(SHAPES) - 1, np.int8)] * 2)
    ]
    planes[0][2][:] = 0
    data = write_box(Box("u-system", *size, 1, struct.pack(">Bf", 0, 8.0), (write_planes(planes),)))
    assert len(data) == -(-size[0] * size[1] // 1024) and (usystem.decode(data) == 128).all()
    with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
        usystem.decode(data, limits=Limits(memory=1 << 20))
    with pytest.raises(LimitExceeded, match=r"Limits\.pixels"):
        usystem.decode([data, data], limits=Limits(pixels=1000))


def test_damaged_files_end_in_pixels_or_an_error():
    """Any change is found by the checksum; with the checksum made right again, it is a picture or a JpegError, soon."""
    files = [usystem.encode(waves(40, 56)), usystem.encode(waves(40, 56)[..., 0], quality=96)]
    draw = random.Random(4)
    outcomes = Counter()

    def opened(data):
        try:
            return codec._open(data, Limits(pixels=1 << 16))[1]
        except JpegError as error:
            return error

    for i in range(400):
        data = bytearray(files[i % 2])
        head = len(data) if i % 3 else 40
        for _ in range(draw.choice((1, 1, 2, 8))):
            at = draw.randrange(4, head - 4)
            data[at] = draw.choice((data[at] ^ 1 << draw.randrange(8), draw.randrange(256)))
        if draw.random() < 0.2:
            del data[draw.randrange(8, len(data)) :]
        if bytes(data) != files[i % 2]:
            with pytest.raises((CorruptStream, UnsupportedJpeg)):
                usystem.decode(bytes(data))
        sealed = _sealed(data[:-4])
        planes = opened(sealed)
        assert spent(opened, sealed) < LIMIT
        if isinstance(planes, JpegError):
            outcomes[type(planes).__name__] += 1
            assert planes.offset is not None
            continue
        outcomes["planes"] += 1
        for levels, shapes, kinds in planes:
            assert abs(levels.astype(np.int64)).max() <= 1 << 22
            assert shapes.min() >= 0 and shapes.max() < len(SHAPES) and kinds.min() >= 0 and kinds.max() < len(KINDS)
        if i % 20 == 1:
            assert usystem.decode(sealed, limits=Limits(pixels=1 << 16)).dtype == np.uint8
    assert outcomes["planes"] > 100 and outcomes["CorruptStream"] > 20


def test_any_payload_is_some_picture():
    draw = np.random.default_rng(8)
    for size in (0, 1, 7, 300, 5000):
        for fill in (
            draw.integers(0, 256, size).astype(np.uint8),
            np.zeros(size, np.uint8),
            np.full(size, 255, np.uint8),
        ):
            box = Box("u-system", 50, 70, 1, struct.pack(">Bf", 0, 8.0), (fill.tobytes(),))
            assert usystem.decode(write_box(box)).shape == (50, 70)
    assert read_box(write_box(box)).kind == "u-system"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"quality": 0}, ValueError, "quality=0"),
        ({"step": 0}, ValueError, "step=0"),
        ({"step": np.nan}, ValueError, "step=nan"),
        ({"step": "8"}, TypeError, "step='8'"),
        ({"epsilon": -1}, ValueError, "epsilon=-1"),
        ({"basis": "u0"}, ValueError, "basis='u0'"),
        ({"partition": "none"}, ValueError, "partition='none'"),
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
        usystem.encode(**{"images": np.zeros((4, 4), np.uint8), **arguments})


def test_the_first_bad_file_of_a_list_is_noted():
    good = usystem.encode(waves(8, 8))
    with pytest.raises(CorruptStream) as caught:
        usystem.decode([good, good[:-1]])
    assert caught.value.__notes__ == ["in data[1]"]
    assert usystem.encode([]) == [] and usystem.decode([]) == []
    with pytest.raises(TypeError, match=r"data\[0\]"):
        usystem.decode(["x"])
    with pytest.raises(TypeError, match="limits=1"):
        usystem.decode(b"", limits=1)
