"""Learned streams: one picture's symbols everywhere, any size, damage found; integer networks against int64; weights as files."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import psnr
from pictures import noise, waves

from jpegjax import CorruptStream, JpegError, LimitExceeded, Limits, codecs
from jpegjax.container.box import Box, read_box, write_box
from jpegjax.learned import programs, weights
from jpegjax.learned.codec import decode_all, encode_all, read_symbols
from jpegjax.learned.layers.dense import depth_to_space, depthwise, space_to_depth
from jpegjax.learned.layers.integers import IntegerDense, IntegerDepthwise, activate, magnitude
from jpegjax.learned.light import Light, LightSize, clip_level
from jpegjax.run import windows
from jpegjax.run.mesh import Mapped
from jpegjax.train import Files

SMALL = LightSize(width=8, latents=24, hyper=8, features=8, hidden=16, encoder=1, decoder=1, deep=8)


@pytest.fixture(scope="module")
def light() -> weights.Loaded:
    return weights.named("light")


@pytest.fixture(scope="module")
def small() -> weights.Loaded:
    """A model that compiles fast, of random weights, whose symbols are spread over many tables."""
    return weights.build("small", SMALL, weights.export(_random_model()))


def _random_model() -> Light:
    model = Light(SMALL, rngs=nnx.Rngs(3))
    for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        if "levels" in path and path[-1] == "kernel":
            leaf[...] = leaf[...] + 0.3 * jax.random.normal(jax.random.key(len(path)), leaf.shape)
    return model


def same(first: list[list[np.ndarray]], second: list[list[np.ndarray]]) -> bool:
    return all(np.array_equal(a, b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True))


def test_the_transform_starts_as_the_dct():
    model = Light(replace(SMALL, latents=768), rngs=nnx.Rngs(0))
    model.down.kernel[...] = jnp.zeros_like(model.down.kernel[...])
    model.out.kernel[...] = jnp.zeros_like(model.out.kernel[...])
    pixels = jnp.asarray(waves(64, 128)[None], jnp.float32) / 255
    quality = jnp.ones(1)
    y = model.analyse(pixels, quality) * jnp.exp(model.ungain(quality))
    from scipy.fft import dctn

    luma = np.asarray(pixels[0], np.float64) @ [0.299, 0.587, 0.114] - 0.5
    expected = dctn(luma[16:32, 48:64], norm="ortho")
    found = np.asarray(y[0, 1, 3])
    assert abs(found[0] - expected[0, 0]) < 1e-4
    assert all(abs(found - expected[v, u]).min() < 1e-4 for v, u in ((1, 0), (3, 5), (9, 2)))
    again = model.synthesise(y / jnp.exp(model.ungain(quality)), quality)
    assert float(jnp.abs(again - pixels).max()) < 1e-3


def test_shuffles_and_depthwise():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 12, 5)), jnp.float32)
    assert np.array_equal(depth_to_space(space_to_depth(x, 4), 4), x)
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(9, 5)), jnp.float32)

    def reference(x: jax.Array, kernel: jax.Array) -> jax.Array:
        shape = ("NHWC", "HWIO", "NHWC")
        taps = kernel.reshape(3, 3, 1, 5)
        return jax.lax.conv_general_dilated(x, taps, (1, 1), "SAME", dimension_numbers=shape, feature_group_count=5)

    np.testing.assert_allclose(depthwise(x, kernel), reference(x, kernel), atol=1e-5)
    grads = [jax.grad(lambda x, k, f=f: jnp.sum(f(x, k) ** 2), (0, 1))(x, kernel) for f in (depthwise, reference)]
    for mine, theirs in zip(*grads, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-3)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_integer_layers_equal_int64(seed: int, n: int):
    random_ = np.random.default_rng(seed)
    layer, mix = IntegerDense(40, 24, rngs=nnx.Rngs(seed % 1000), gain=3), IntegerDepthwise(24)
    layer.bias.table[...] = jnp.asarray(random_.normal(size=layer.bias.table.shape), jnp.float32)
    mix.kernel[...] = jnp.asarray(random_.normal(size=(9, 24)), jnp.float32)
    x, quality = random_.integers(0, 256, (n, 6, 5, 40)), random_.integers(1, 101, n)
    kernel = np.rint(np.clip(np.asarray(layer.kernel[...]) * 128, -127, 127)).astype(np.int64)
    taps = np.rint(np.clip(np.asarray(mix.kernel[...]) * 128, -127, 127)).astype(np.int64)
    bias = np.rint(np.asarray(layer.bias(jnp.asarray(quality, jnp.float32)), np.float64) * 4096).astype(np.int64)
    sums = x @ kernel + bias
    middle = np.clip((sums + 64) >> 7, 0, 255)
    padded = np.pad(middle, ((0, 0), (1, 1), (1, 1), (0, 0)))
    mixed = sum(taps[3 * i + j] * padded[:, i : i + 6, j : j + 5] for i in range(3) for j in range(3))
    expected = np.clip((mixed + 64) >> 7, 0, 255)

    def run(x: jax.Array, quality: jax.Array) -> jax.Array:
        return activate(mix(activate(layer(x, quality))))

    given_ = jnp.asarray(x, jnp.float32), jnp.asarray(quality, jnp.float32)
    assert np.array_equal(run(*given_), expected) and np.array_equal(jax.jit(run)(*given_), expected)
    assert np.array_equal(run(given_[0][:1], given_[1][:1]), expected[:1])


def test_magnitudes_are_integers():
    symbols = jnp.arange(-600, 600, dtype=jnp.float32)
    found = np.asarray(magnitude(symbols))
    assert np.array_equal(found, np.floor(found)) and found.min() == 0 and found.max() == 255
    assert [int(magnitude(jnp.float32(s))) for s in (0, 1, -1, 3, 7)] == [0, 32, 32, 64, 96]


def test_levels_come_back_from_outside():
    slope = jax.vmap(jax.grad(lambda x, sign: sign * clip_level(x)))
    outside = jnp.array([-3.0, -3.0, 70.0, 70.0, 5.0])
    assert slope(outside, jnp.array([1.0, -1.0, 1.0, -1.0, 1.0])).tolist() == [0, -1, 1, 0, 1]


def _eager(function: Callable, devices: object, *static: object, split: bool, whole: bool) -> Mapped:
    """`run.mesh.mapped` without a compiler: operation by operation on one device."""

    def run(*args: object) -> object:
        with jax.disable_jit():
            return function(*static, *args)

    return Mapped(run, jax.sharding.SingleDeviceSharding(jax.devices()[0]))


@pytest.mark.parametrize("quality", [55, pytest.param(8, marks=pytest.mark.slow)])
def test_streams_are_the_same_symbols_for_every_reader(
    small: weights.Loaded, monkeypatch: pytest.MonkeyPatch, quality: int
):
    """Writers: one device, eight, alone, sixteen together, without jit. Readers: the same, and bfloat16."""
    pictures = [waves(70, 90, seed) for seed in range(16)]
    one = jax.devices()[0]

    def together(function: Callable, items: list, *given: object) -> list:
        return function(items, *given, device=one)

    def spread(function: Callable, items: list, *given: object) -> list:
        return function(items, *given)

    def singly(function: Callable, items: list, *given: object) -> list:
        return [function([item], *given, device=one)[0] for item in items]

    def eagerly(function: Callable, items: list, *given: object) -> list:
        with monkeypatch.context() as patch:
            patch.setattr(programs, "mapped", _eager)
            return function(items, *given, device=one)

    ways = [together, spread, singly, eagerly]
    written = [way(encode_all, pictures, quality, small) for way in ways]
    for files in written:
        read = [way(read_symbols, files, [small]) for way in ways]
        assert all(same(read[0], other) for other in read[1:])
        assert any(np.any(m) for maps in read[0] for m in maps)
    files = written[0]
    exact, coarse = (decode_all(files, [small], device=one, kind=kind) for kind in ("float32", "bfloat16"))
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(exact, coarse, strict=True)) < 40


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (64, 64), (65, 63), (17, 130), (200, 1)])
def test_any_size_grey_and_colour(light: weights.Loaded, shape: tuple[int, int]):
    colour = waves(*shape)
    pictures = [colour, np.ascontiguousarray(colour[..., 1])]
    files = encode_all(pictures, 80, light)
    for picture, decoded in zip(pictures, decode_all(files), strict=True):
        assert decoded.shape == picture.shape and decoded.dtype == np.uint8
        assert np.sqrt(np.mean((picture.astype(float) - decoded) ** 2)) < 14
    assert len(files[0]) < 100 + 3 * shape[0] * shape[1]


def test_windows_leave_no_seams(small: weights.Loaded, monkeypatch: pytest.MonkeyPatch):
    picture = waves(300, 700)
    whole = encode_all([picture], 60, small)
    (expected,) = decode_all(whole, [small])
    monkeypatch.setattr(windows, "WINDOW", 384)
    found = encode_all([picture], 60, small)
    (decoded,) = decode_all(whole, [small])
    assert np.abs(decoded.astype(int) - expected).max() <= 1
    assert same(read_symbols(whole, [small]), read_symbols(found, [small]))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 2), st.integers(5, 12))
def test_windows_tile_every_size(rows: int, columns: int, margin: int, most: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW", 64 * most)
        found = windows.windows(64 * rows, 64 * columns, 64, 64 * margin)
    seen = np.zeros((64 * rows // 32, 64 * columns // 32), int)
    for w in found:
        y0, y1, x0, x1 = w.core
        seen[y0 // 32 : y1 // 32, x0 // 32 : x1 // 32] += 1
        assert (w.h, w.w) == (found[0].h, found[0].w) and w.y % 64 == w.x % 64 == 0
        assert w.y >= 0 and w.x >= 0 and w.y + w.h <= 64 * rows and w.x + w.w <= 64 * columns
        for start, size, low, high, side in ((w.y, w.h, y0, y1, rows), (w.x, w.w, x0, x1, columns)):
            assert start == 0 or low - start >= 64 * margin
            assert start + size == 64 * side or start + size - high >= 64 * margin
    assert np.all(seen == 1)


def test_quality_is_monotonous(light: weights.Loaded):
    picture = waves(128, 192)
    files = [encode_all([picture], quality, light)[0] for quality in (1, 20, 40, 60, 80, 100)]
    sizes, scores = [len(f) for f in files], [psnr(picture, p) for p in decode_all(files)]
    assert sizes == sorted(sizes) and scores == sorted(scores)


def _mutated(data: bytes, draw: random.Random) -> bytes:
    """Damage, half of it under a checksum that fits: then the coder and the model must find it, or make pixels of it."""
    if draw.random() < 0.5:
        changed = bytearray(data)
        for _ in range(draw.choice((1, 1, 3, 9))):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed[: draw.randrange(len(data))] if draw.random() < 0.3 else changed)
    box = read_box(data)
    params, payload = bytearray(box.params), bytearray(box.payloads[0])
    kind = draw.random()
    if kind < 0.1:
        params[draw.randrange(len(params))] = draw.randrange(256)
    elif kind < 0.2:
        box = replace(box, height=draw.randrange(1, 200), width=draw.randrange(1, 200))
    elif kind < 0.3:
        del payload[draw.randrange(len(payload)) :]
    else:
        for _ in range(draw.choice((1, 2, 20))):
            payload[draw.randrange(len(payload))] ^= 1 << draw.randrange(8)
    return write_box(replace(box, params=bytes(params), payloads=(bytes(payload),)))


def _survive(model: weights.Loaded, count: int, seed: int) -> Counter[str]:
    draw, one = random.Random(seed), jax.devices()[0]
    seeds = encode_all([waves(60, 60), noise(64, 50), np.zeros((9, 120), np.uint8)], 40, model)
    outcomes: Counter[str] = Counter()
    for i in range(count):
        data = _mutated(seeds[i % 3], draw)
        try:
            (picture,) = decode_all([data], [model], device=one, limits=Limits(pixels=1 << 16))
        except JpegError as error:
            outcomes[type(error).__name__] += 1
            assert str(error)
        else:
            assert picture.dtype == np.uint8 and picture.size
            outcomes["pixels"] += 1
    return outcomes


_READ = """
import hashlib, sys
from pathlib import Path
from jpegjax.learned import weights
from jpegjax.learned.codec import read_symbols
files = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.jxj"))]
for maps in read_symbols(files, [weights.load(path) for path in Path(sys.argv[1]).glob("*.npz")]):
    print(hashlib.sha256(b"".join(m.tobytes() for m in maps)).hexdigest())
"""

ORDERS = [
    {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"},
    {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_cpu_fast_math_honor_nans=false"},
    {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"},
    {"XLA_FLAGS": "--xla_cpu_prefer_vector_width=128", "OMP_NUM_THREADS": "1", "NPROC": "1"},
    {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
]
"""Settings that change in which order sums are taken."""


def _digests(folder: Path, settings: dict[str, str]) -> list[str]:
    """Of each stream's symbols, read by a process with these settings."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, folder], capture_output=True, text=True, check=True, timeout=600,
        cwd=Path(__file__).parents[1], env={**os.environ, "XLA_FLAGS": "", **settings},
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.parametrize("orders", [ORDERS[:1], pytest.param(ORDERS[1:], marks=pytest.mark.slow)])
def test_symbols_do_not_depend_on_the_order_of_sums(
    light: weights.Loaded, tmp_path: Path, orders: list[dict[str, str]]
):
    pictures = [waves(64, 64, seed) for seed in range(8)] + [noise(64, 64)]
    files = encode_all(pictures, 60, light)
    for i, data in enumerate(files):
        (tmp_path / f"{i:04}.jxj").write_bytes(data)
    expected = [hashlib.sha256(b"".join(m.tobytes() for m in maps)).hexdigest() for maps in read_symbols(files)]
    for order in orders:
        assert _digests(tmp_path, order) == expected


@pytest.mark.slow
def test_a_thousand_pictures_without_a_flip(shared: Path, light: weights.Loaded, tmp_path: Path):
    """Crops of photographs, written by eight devices in batches, read one by one by one device and by other processes."""
    zips = sorted((shared / "data").glob("train-*.zip"))
    if not zips:
        pytest.skip(f"no training packs under {shared}")
    pack = Files(*map(str, zips))
    random_ = np.random.default_rng(0)
    pictures = []
    for i in random_.choice(len(pack.names), 1000, replace=False):
        whole = pack.read(int(i))
        y, x = (random_.integers(0, side - 127) for side in whole.shape[:2])
        pictures.append(np.ascontiguousarray(whole[y : y + 128, x : x + 128]))
    one = jax.devices()[0]
    digests = []
    for start in range(0, 1000, 100):
        files = encode_all(pictures[start : start + 100], 10 + start // 12, light)
        read = read_symbols(files)
        alone = [read_symbols([data], device=one)[0] for data in files]
        assert same(read, alone)
        for i, (data, maps) in enumerate(zip(files, read, strict=True)):
            (tmp_path / f"{start + i:04}.jxj").write_bytes(data)
            digests.append(hashlib.sha256(b"".join(m.tobytes() for m in maps)).hexdigest())
    for order in ORDERS[:2]:
        assert _digests(tmp_path, order) == digests


@pytest.mark.slow
def test_fifty_megapixels_in_bounded_memory(small: weights.Loaded, tmp_path: Path):
    """In a process of its own: both ways within the bytes a pixel that `codec` states."""
    weights.write(tmp_path / "small.npz", "small", SMALL, weights.export(_random_model()))
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from jpegjax.learned import weights
from jpegjax.learned.codec import decode_all, encode_all
model = weights.load(Path(sys.argv[1]))
y, x = np.mgrid[:7200, :7000].astype(np.float32)
plane = 128 + 90 * np.sin(x / 40) * np.cos(y / 50)
picture = np.stack([plane, plane[::-1], plane[:, ::-1]], -1).astype(np.uint8)
del y, x, plane
decode_all(encode_all([picture[:2000, :2000]], 50, model), [model])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = encode_all([picture], 50, model)
(decoded,) = decode_all(data, [model])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / picture[..., 0].size, decoded.shape == picture.shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "small.npz"], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[1], env={**os.environ, "XLA_FLAGS": ""},
    )  # fmt: skip
    nbytes, whole = done.stdout.split()
    assert whole == "True" and float(nbytes) < 32


@pytest.mark.slow
def test_damage_is_found_or_survived(small: weights.Loaded):
    outcomes = _survive(small, 150, 1)
    assert outcomes["CorruptStream"] > 100 and sum(outcomes.values()) == 150


@pytest.mark.slow
def test_ten_thousand_damaged_streams(small: weights.Loaded):
    outcomes = _survive(small, 10_000, 2)
    assert outcomes["CorruptStream"] > 8_000 and sum(outcomes.values()) == 10_000


def test_errors_say_what_and_where(small: weights.Loaded, light: weights.Loaded):
    data = encode_all([waves(40, 40)], 50, small)[0]
    with pytest.raises(CorruptStream, match=r"of model small \(.{8}\), which is not here; here: .*light"):
        decode_all([data])
    with pytest.raises(CorruptStream, match=r"no jpegjax box.*byte offset 0"):
        decode_all([b"\xff\xd8\xff"])
    for cut in (3, 20, len(data) - 1):
        with pytest.raises(CorruptStream, match="byte offset"):
            decode_all([data[:cut]], [small])
    box = read_box(data)
    with pytest.raises(CorruptStream, match=r"kind 'dft', not 'learned'"):
        decode_all([write_box(replace(box, kind="dft"))], [small])
    with pytest.raises(CorruptStream, match="2 channels"):
        decode_all([write_box(replace(box, channels=2))], [small])
    with pytest.raises(CorruptStream, match="quality 101"):
        decode_all([write_box(replace(box, params=box.params[:-1] + b"\x65"))], [small])
    with pytest.raises(CorruptStream, match="0 bytes of parameters"):
        decode_all([write_box(replace(box, params=b""))], [small])
    with pytest.raises(LimitExceeded, match=r"Limits.pixels is 100"):
        decode_all([data], [small], limits=Limits(pixels=100))
    with pytest.raises(LimitExceeded, match=r"decoding 2000×2000 pixels takes 122 MiB; Limits.memory is 1 MiB"):
        decode_all([write_box(replace(box, height=2000, width=2000))], [small], limits=Limits(memory=1 << 20))
    with pytest.raises(CorruptStream) as caught:
        decode_all([data, data[:30]], [small])
    assert caught.value.__notes__ == ["file 1 of 2"]


def test_weights_go_through_a_file(small: weights.Loaded, tmp_path: Path):
    model = Light(SMALL, rngs=nnx.Rngs(5))
    arrays = weights.export(model)
    assert arrays["prior/levels/0/kernel"].dtype == np.int8 and arrays["prior/levels/0/bias"].dtype == np.int32
    assert arrays["front/kernel"].dtype == np.float16
    path = tmp_path / "own.npz"
    weights.write(path, "own", SMALL, arrays)
    first, second = weights.load(path), weights.load(path)
    assert first == second and first.name == "own" and first != small
    picture = waves(50, 60)
    data = codecs.get("learned").encode(picture, quality=30, model=str(path))
    assert decode_all([data], [first])[0].shape == picture.shape

    def refused(change: dict[str, np.ndarray | None], message: str) -> None:
        changed = {n: a for n, a in (arrays | change).items() if a is not None}
        with pytest.raises(ValueError, match=message):
            weights.build("own", SMALL, changed)

    refused({"front/kernel": None}, r"own: front/kernel is not there; this model needs shape \(192, 192\)")
    refused({"stem/bias": np.zeros(9, np.float16)}, r"own: stem/bias is shape \(9,\); this model needs shape \(8,\)")
    refused({"attic/kernel": np.zeros(9)}, r"own: attic/kernel: no such weights")
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"own.npz: not weights of a learned codec"):
        weights.load(path)
    with pytest.raises(ValueError, match=r"model='heavy': must be one of .*light"):
        weights.named("heavy")
    model.prior.levels[0].bias.table[...] += 5000.0
    with pytest.raises(ValueError, match=r"prior/levels/0: filter \d+ may reach \d+; below 2\^24"):
        weights.export(model)
    model = Light(SMALL, rngs=nnx.Rngs(5))
    model.stem.kernel[...] *= jnp.nan
    with pytest.raises(ValueError, match="stem/kernel: weights are not finite"):
        weights.export(model)


def test_in_codecs_one_by_one_and_in_batches():
    codec = codecs.get("learned")
    pictures = [waves(64, 64), waves(30, 100), waves(64, 64)[..., 0], waves(64, 64, 7)]
    files = codec.encode_batch(pictures, quality=40)
    decoded = codec.decode_batch(files)
    for picture, data, pixels in zip(pictures, files, decoded, strict=True):
        assert pixels.shape == picture.shape and np.abs(codec.decode(data).astype(int) - pixels).max() <= 1
    with pytest.raises(ValueError, match="quality=0"):
        codec.encode(pictures[0], quality=0)
    with pytest.raises(ValueError, match=r"model='x': must be one of"):
        codec.encode(pictures[0], model="x")
    with pytest.raises(TypeError, match="uint8"):
        codec.encode(pictures[0].astype(np.float32))
    assert codecs.get("dft").encode_batch(pictures[:1]) == [codecs.get("dft").encode(pictures[0])]


@pytest.mark.slow
def test_batches_of_many_shapes_stay_in_order(small: weights.Loaded):
    sizes = list(product((10, 70), (20, 90)))
    pictures = [waves(h, w, h + w) for h, w in sizes] * 3
    alone = [encode_all([p], 70, small)[0] for p in pictures[: len(sizes)]] * 3
    together = encode_all(pictures, 70, small)
    assert same(read_symbols(alone, [small]), read_symbols(together, [small]))


def test_decoding_is_light(light: weights.Loaded):
    """At most 50,000 multiply-adds a pixel, as XLA counts them: two operations each, all parts of decoding together."""

    def decode(state: object, z: jax.Array, y: jax.Array, quality: jax.Array) -> object:
        model, symbols = nnx.merge(light.graph, state), (z, y)
        return [model.indexes(part, symbols, quality) for part in (1, 2)], model.pixels(symbols, quality, jnp.float32)

    maps = [jnp.zeros((1, 256 // p, 256 // p, c)) for p, c in zip(Light.pitches, (96, 384), strict=True)]
    found = jax.jit(decode).lower(light.state, *maps, jnp.ones(1, jnp.int32)).compile().cost_analysis()
    assert 2_000 < found["flops"] / 2 / 256**2 < 50_000


def test_box_of_a_stream_is_small(small: weights.Loaded):
    data = encode_all([np.full((64, 64, 3), 128, np.uint8)], 50, small)[0]
    payload = read_box(data).payloads[0]
    assert len(data) - len(payload) <= 40
    assert isinstance(read_box(data), Box)
