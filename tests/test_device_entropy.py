"""Entropy coding in XLA against the host's coder: the same bytes for pictures, for any levels, on any number of devices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import astronaut, noise, rgb, ripples

import jpegjax
from jpegjax.coding.geometry import scan_geometry
from jpegjax.coding.sequential.encode import ERRORS, encode_scan
from jpegjax.jpeg import codec, one_scan
from jpegjax.jpeg.device import Coded, Coding, code_batch, entropy, resident
from jpegjax.jpeg.device.direct import is_direct
from jpegjax.jpeg.device.specs import encode_spec
from jpegjax.jpeg.files import STANDARD, plain_tables, table_slot
from jpegjax.ops.bits import packing
from jpegjax.ops.bits.joining import join_by_lanes
from jpegjax.options import EncodeOptions, Restart
from jpegjax.types import ZIGZAG, ColorSpace, Component, Frame


def check(images: np.ndarray, options: EncodeOptions, device: Any = None) -> None:
    """Files of a batch whose scans the device coded, against the host's."""
    plan = codec.plan(images[0].shape, options)
    plans = [plan] * len(images)
    scans = one_scan.code_scans(jax.device_put(images), plans, options, device, always=True)
    assert scans is not None
    got = [one_scan.coded_file(plan, options, scan) for scan in scans]
    assert one_scan.coded_files(plans, options, scans) == got
    assert got == codec.encode_planned(list(images), plans, options, "host", None)


def batch(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Three pictures that differ in how many bits they take: waves, noise, one grey."""
    pictures = [
        ripples(height, width, channels),
        noise(height, width, channels),
        np.full((height, width, channels), 90),
    ]
    return np.squeeze(np.stack(pictures).astype(np.uint8), 3 if channels == 1 else ())


CASES = {
    "grey": ((33, 17, 1), EncodeOptions(quality=5, restart=Restart(blocks=1))),
    "4:4:4": ((24, 41), EncodeOptions(quality=100, subsampling="4:4:4", optimize=True)),
    "4:2:0": ((45, 70), EncodeOptions(restart=Restart(rows=1), streamtype=2)),
    "4:1:1": ((9, 75), EncodeOptions(quality=95, subsampling="4:1:1", restart=Restart(blocks=3))),
    "4:4:0": ((35, 8), EncodeOptions(quality=30, subsampling="4:4:0", optimize=True, restart=Restart(rows=1))),
}


@pytest.mark.parametrize("name", CASES)
def test_files_are_the_hosts(name):
    shape, options = CASES[name]
    check(batch(*shape), options)


SAMPLINGS = ["grey", "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "RGB", "CMYK"]


@pytest.mark.slow
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_files_of_every_sampling_are_the_hosts(sampling):
    channels = {"grey": 1, "CMYK": 4}.get(sampling, 3)
    given = {"grey": {}, "RGB": {"color": "RGB"}, "CMYK": {"mode": "CMYK"}}.get(sampling, {"subsampling": sampling})
    rng = np.random.default_rng(SAMPLINGS.index(sampling))
    for quality, restart, optimize in [(1, 2, False), (5, 0, True), (90, 7, True), (100, 0, False)]:
        height, width = rng.integers(1, 90, 2)
        options = EncodeOptions(quality=quality, restart=Restart(blocks=restart), optimize=optimize, **given)
        check(batch(height, width, channels), options)


@pytest.mark.slow
def test_kodak_is_coded_as_on_the_host(kodak: list[Path]):
    images = [rgb(path) for path in kodak]
    for shape in {image.shape for image in images}:
        some = np.stack([image for image in images if image.shape == shape])
        check(some, EncodeOptions(quality=75))
        check(some, EncodeOptions(quality=90, subsampling="4:4:4", optimize=True))


# ---- any levels

FRAMES = {
    "4:2:0": Frame(40, 21, (Component(1, 2, 2), Component(2, 1, 1, 1), Component(3, 1, 1, 1)), color=ColorSpace.YCBCR),
    "grey": Frame(20, 30, (Component(1, 1, 1),), color=ColorSpace.GRAY),
}
PICTURES, INTERVAL = 2, 4


def arranged(planes: Sequence[np.ndarray], frame: Frame, c: int) -> tuple[np.ndarray, np.ndarray]:
    """(levels int16 [64, J, M], whether a block is real, [J, M]) of one component of pictures' planes [R, C, 64]."""
    k, (rows, columns) = frame.components[c], frame.mcus

    def order(x: np.ndarray) -> np.ndarray:
        real = np.zeros((rows * k.v, columns * k.h, x.shape[2]), x.dtype)
        real[: x.shape[0], : x.shape[1]] = x
        return real.reshape(rows, k.v, columns, k.h, -1).transpose(4, 1, 3, 0, 2).reshape(x.shape[2], k.h * k.v, -1)

    levels = np.concatenate([order(plane) for plane in planes], 2)[ZIGZAG]
    return levels, np.concatenate([order(np.ones((*frame.blocks(c), 1), bool)) for _ in planes], 2)[0]


JOINS = {"sums": packing.join_by_sums, "lanes": partial(join_by_lanes, interpret=True)}


@partial(jax.jit, static_argnums=(0, 1, 2))
def coded(
    join: str, slots: tuple[int, ...], capacity: int, levels: Any, real: Any, first: Any, tables: Any
) -> tuple[Any, ...]:
    """(bytes, bytes of each picture, whether it is valid), in one program for any levels."""
    blocks = [packing.prepare(x, r, first) for x, r in zip(levels, real, strict=True)]
    lengths, extent = packing.measure(blocks, tables[0], slots, PICTURES, INTERVAL)
    words = packing.place(blocks, tables[1], slots, lengths, extent, capacity, packing.WINDOWS[-1], JOINS[join])
    return *packing.stuff(words, extent), extent.valid


def coded_levels(join: str, pictures: Sequence[Sequence[np.ndarray]], frame: Frame) -> list[bytes | None]:
    """Scans of pictures, each of planes int16 [R, C, 64] in natural order, by Annex K's tables; None for none."""
    slots = tuple(table_slot(frame, c) for c in range(len(frame.components)))
    levels, real = zip(*[arranged([p[c] for p in pictures], frame, c) for c in range(len(slots))], strict=True)
    mcus = frame.mcus[0] * frame.mcus[1]
    first = np.arange(PICTURES * mcus) % mcus % INTERVAL == 0
    capacity = PICTURES * mcus * sum(k.h * k.v for k in frame.components) * packing.MAX_BLOCK_BITS // 32 + 64
    tables = entropy.stacked([{key: spec for key, spec in STANDARD.items() if key[1] in slots}])
    data, nbytes, valid = coded(join, slots, capacity, levels, real, first, tables)
    ends = [0, *np.cumsum(nbytes)]
    parts = [np.asarray(data)[a:b].tobytes() for a, b in pairwise(ends)]
    assert not np.asarray(data)[ends[-1] :].any()
    return [part if good else None for part, good in zip(parts, valid, strict=True)]


def host_scan(planes: Sequence[np.ndarray], frame: Frame) -> bytes | None:
    every = tuple(range(len(planes)))
    try:
        return encode_scan(*scan_geometry(frame, every, list(planes)), plain_tables(frame, every), INTERVAL)
    except ValueError as error:
        assert str(error) == ERRORS[1]
        return None


@pytest.mark.parametrize("join", JOINS)
@settings(max_examples=30)
@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.03, 0.3, 1.0]), st.data())
def test_any_levels_are_coded_as_on_the_host(join, name, seed, density, data):
    """Over the whole range, dense and sparse, with runs of every length; now and then out of range in one picture."""
    frame, rng = FRAMES[name], np.random.default_rng(seed)
    pictures = []
    for _ in range(PICTURES):
        largest = 1 << data.draw(st.integers(0, 10))
        dc, ac = rng.integers(1 - largest, largest, 2), rng.integers(1 - largest, largest, (9, 9, 64))
        shapes = [frame.blocks(c) for c in range(len(frame.components))]
        planes = [np.where(rng.random((*s, 64)) < density, ac[: s[0], : s[1]], 0).astype(np.int16) for s in shapes]
        for plane in planes:
            plane[..., 0] = rng.choice(dc, plane.shape[:2])
        pictures.append(planes)
    if data.draw(st.booleans()):
        bad = pictures[data.draw(st.integers(0, PICTURES - 1))][0]
        bad[-1, -1, data.draw(st.integers(0, 63))] = data.draw(st.sampled_from([1024, -1024, 4095, 32767, -32768]))
    assert coded_levels(join, pictures, frame) == [host_scan(planes, frame) for planes in pictures]


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=9), min_size=3, max_size=3), min_size=2, max_size=2), st.booleans()
)
def test_stuffing_and_markers(pictures, full):
    """Segments of any bytes, or of nothing but 0xFF, at any place in their words."""
    pictures = [[b"\xff" * len(s) if full else s for s in segments] for segments in pictures]
    sizes = np.array([[len(s) for s in segments] for segments in pictures], np.uint32)
    together = b"".join(map(b"".join, pictures))
    words = np.zeros(16, np.uint32)
    words[: -(-len(together) // 4)] = np.frombuffer(together + bytes(-len(together) % 4), ">u4")
    first = (np.cumsum(sizes.ravel()) - sizes.ravel()).reshape(2, 3).astype(np.uint32)
    extent = packing.Extent(first, 8 * sizes, sizes.sum(1, dtype=np.uint32), np.ones(2, bool), np.zeros(1, np.uint32))
    data, nbytes = jax.jit(packing.stuff)(words, jax.tree.map(jnp.asarray, extent))
    want = []
    for segments in pictures:
        stuffed = [s.replace(b"\xff", b"\xff\0") for s in segments]
        want.append(stuffed[0] + b"".join(b"\xff" + bytes([0xD0 + i]) + s for i, s in enumerate(stuffed[1:])))
    assert np.asarray(nbytes).tolist() == [len(w) for w in want]
    assert np.asarray(data)[: nbytes.sum()].tobytes() == b"".join(want)


def test_a_picture_out_of_range_gets_the_hosts_error():
    options = EncodeOptions()
    outside = Coded(None, {})
    with pytest.raises(ValueError, match=ERRORS[1]):
        one_scan.coded_file(codec.plan((8, 8), options), options, outside)


def test_files_of_a_batch_keep_plans_tables_and_errors_apart():
    options = EncodeOptions(optimize=True)
    plans = [codec.plan((8, 8), EncodeOptions(quality=quality)) for quality in (50, 75)]
    tables = [dict(STANDARD), dict(STANDARD)]
    order = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 0)]
    scans = [Coded(None if i == 4 else bytes([i]), tables[t]) for i, (_, t) in enumerate(order)]
    *files, last = one_scan.coded_files([plans[p] for p, _ in order], options, scans)
    assert files == [one_scan.coded_file(plans[p], options, s) for (p, _), s in zip(order, scans[:4], strict=False)]
    assert len(set(files)) == 4 and isinstance(last, ValueError) and ERRORS[1] in str(last)


# ---- devices


@pytest.fixture
def benchmark(scripts: None) -> ModuleType:
    """benchmarks/bytes_accessed.py, which watches programs."""
    return import_module("bytes_accessed")


def test_nothing_but_compressed_bytes_crosses(benchmark):
    """What programs give to the host is sizes and data; the data have an eighth to spare at most."""
    images = astronaut()[None]
    with benchmark.recorded() as calls:
        check(images, EncodeOptions(quality=75))
    cut = calls[-1]
    assert cut.name == "cut"
    [size] = {x.shape[1] for x in jax.tree.leaves(jax.eval_shape(cut.run, *cut.shapes))}
    assert size <= 1.125 * len(jpegjax.encode(images[0]))


def test_few_bytes_of_memory_a_pixel(benchmark):
    """Of all that is accessed, by XLA's count, no more than 40 bytes a pixel serve entropy coding at quality 75."""
    _, accessed = benchmark.accessed([astronaut()], EncodeOptions(quality=75), jax.devices("cpu")[0])
    assert sorted(accessed) == ["cut", "data", "lengths", "levels", "transform"]
    assert 20 < sum(accessed[name] for name in ("cut", "data", "lengths")) <= 40


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_programs_lower_for_accelerators(platform, monkeypatch):
    """Later versions of JAX compile Triton's kernels where they lower them, for which they need their CUDA plugin."""
    frame, device = codec.plan((45, 70, 3), EncodeOptions())[0], {"cuda": "gpu"}.get(platform, platform)
    if jax.__version_info__ > (0, 10, 2):
        monkeypatch.setattr(entropy, "join_by_lanes", packing.join_by_sums)

    def whole(images: jax.Array, steps: jax.Array, lengths: jax.Array, codes: jax.Array) -> Any:
        blocks = entropy._blocks(device, encode_spec(frame), frame, 3, images, steps)
        found, extent = entropy._lengths((0, 1, 1), 2, 3, blocks, lengths)
        return entropy._counts((0, 1, 1), 2, blocks), entropy._data(
            device, (0, 1, 1), 640, 54, blocks, codes, found, extent
        )

    shapes = ((2, 45, 70, 3), np.uint8), ((2, 3, 64), np.uint16), ((2, 2, 512), np.uint8), ((2, 2, 512), np.int32)
    kernels = [jax.export.DisabledSafetyCheck.custom_call("__gpu$xla.gpu.triton")]
    export = jax.export.export(jax.jit(whole), platforms=[platform], disabled_checks=kernels)
    found = export(*[jax.ShapeDtypeStruct(*s) for s in shapes])
    assert found.platforms == (platform,)
    if device == "gpu" and jax.__version_info__ <= (0, 10, 2):
        assert found.mlir_module().count("gpu.triton") == 3


def alike(function: Any, *platforms: str, size: tuple[int, int], channels: int = 3, **options: Any) -> bool:
    """Whether platforms' forms of a program, run on a CPU, give the same of two noisy pictures with tables of their own."""
    frame, tables = codec.plan((*size, channels), EncodeOptions(quality=90, **options))
    images = np.stack([noise(*size, channels), noise(*size, channels, seed=1) // 64 * 64])
    spec, steps = encode_spec(frame), np.stack([np.stack(tables), np.stack(tables) + 3]).astype(np.uint16)
    assert [is_direct(platform, spec) for platform in ("cpu", "tpu", "gpu")] == [False, False, True]
    run = jax.jit(function, static_argnums=(0, 1, 2))
    first, *others = (jax.tree.leaves(run(platform, spec, frame, images, steps)) for platform in ("cpu", *platforms))
    return all((a == b).all() for other in others for a, b in zip(first, other, strict=True))


def coded_blocks(platform: str, spec: Any, frame: Frame, *arrays: jax.Array) -> Any:
    return entropy._blocks(platform, spec, frame, 0, *arrays)


def test_accelerators_get_the_same_blocks():
    """Barriers in place of the CPU's branches; samples and levels each made at once. Rows of chroma are missing below."""
    assert alike(coded_blocks, "tpu", "gpu", size=(21, 37))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(58, 35), (1, 1), (32, 16)], ids=str)
@pytest.mark.parametrize("sampling", [*SAMPLINGS, "2x2,1x2,2x1", "1x4,1x2,1x1"])
@pytest.mark.parametrize("function", [coded_blocks, resident._encode])
def test_gpus_get_the_same_of_every_sampling(function, sampling, size):
    channels = {"grey": 1, "CMYK": 4}.get(sampling, 3)
    given = {"grey": {}, "RGB": {"color": "RGB"}, "CMYK": {"mode": "CMYK"}}.get(sampling, {"subsampling": sampling})
    assert alike(function, "gpu", size=size, channels=channels, **given)


def test_a_gpu_reads_pixels_and_writes_levels_and_little_else():
    """By the count of the compiler for CPUs, which makes a loop, and reads all pixels, for each of six arrays of samples."""
    frame, _ = codec.plan((256, 256, 3), EncodeOptions())
    run = jax.jit(partial(entropy._blocks, "gpu", encode_spec(frame), frame, 0))
    shapes = jax.ShapeDtypeStruct((2, 256, 256, 3), np.uint8), jax.ShapeDtypeStruct((2, 3, 64), np.uint16)
    samples, levels = 6 * 3 + 1.5, 2 * 1.5 + 3
    assert run.lower(*shapes).compile().cost_analysis()["bytes accessed"] / 2**17 < samples + levels + 3


def test_what_the_host_codes():
    """CPUs leave coding to it unless they are told; so does what does not lie on a device as one batch, or is not one scan."""
    options = EncodeOptions()
    image = ripples(20, 20)
    frame, tables = codec.plan(image.shape, options)
    coding = Coding((0, 1, 1), 0, STANDARD)
    there = jnp.asarray(image[None])
    assert code_batch(there, [frame], [tables], coding) is None
    assert code_batch([image], [frame], [tables], coding, always=True) is None
    assert code_batch(there, [frame], [tables], coding, always=True) is not None
    for other in (EncodeOptions(progressive=True), EncodeOptions(arithmetic=True), EncodeOptions(smoothing=9)):
        assert one_scan.code_scans(there, [(frame, tables)], other, None, always=True) is None
    assert not entropy.fits(codec.plan((40_000, 40_000, 3), options)[0])
