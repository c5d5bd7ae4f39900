"""The xla engine against libjpeg-turbo (through Pillow), over sizes, samplings, pages, cuts and devices."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from oracles import pillow, pillow_pixels
from pictures import ripples

import jpegjax
from jpegjax import ops
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from jpegjax.jpeg import device as xla
from jpegjax.jpeg.device import pages, programs
from jpegjax.jpeg.device.pages import Item, Planner
from jpegjax.jpeg.device.specs import decode_spec, encode_spec
from jpegjax.run.mesh import mapped
from jpegjax.types import ColorSpace, Component, Frame

RNG = np.random.default_rng(7)
SAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}
SIZES = [(1, 1), (8, 8), (17, 33), (37, 2), (16, 3), (5, 200), (149, 227), (9, 1200), (64, 64), (1200, 20)]


def tables(quality):
    luma, chroma = (quality_table(t, quality) for t in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION))
    return luma, chroma, chroma


def frame_of(image, factors=(2, 2), color=ColorSpace.YCBCR):
    pairs = [factors, (1, 1), (1, 1)] if image.ndim == 3 else [(1, 1)]
    color = color if image.ndim == 3 else ColorSpace.GRAY
    return Frame(*image.shape[:2], tuple(Component(i + 1, h, v) for i, (h, v) in enumerate(pairs)), color=color)


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1"])
def test_files_and_pixels_equal_pillows(sampling):
    images = [ripples(*size) for size in SIZES]
    files = jpegjax.encode(images, quality=60, subsampling=sampling, engine="xla")
    if sampling in ("4:4:4", "4:2:2", "4:2:0"):
        assert files == [pillow(i, quality=60, subsampling=sampling) for i in images]
    else:
        assert files == jpegjax.encode(images, quality=60, subsampling=sampling, engine="host")
    for got, data in zip(jpegjax.decode(files, engine="xla"), files, strict=True):
        assert (got == pillow_pixels(data)).all()


def test_grey_equals_pillow():
    images = [ripples(*size)[..., 0] for size in SIZES]
    files = jpegjax.encode(images, quality=90, engine="xla")
    assert files == [pillow(i, quality=90) for i in images]
    for got, data in zip(jpegjax.decode(files, engine="xla"), files, strict=True):
        assert (got == pillow_pixels(data)).all()


CASES = [("ycbcr", "L", "fancy"), ("ycbcr", "RGB", "nearest"), ("rgb", "L", "fancy"), ("gray", "RGB", "fancy")]


@pytest.mark.parametrize(("color", "mode", "upsample"), CASES)
def test_modes_and_upsampling_equal_ops(color, mode, upsample):
    color = ColorSpace(color)
    image = ripples(43, 37) if color is not ColorSpace.GRAY else ripples(43, 37)[..., 0]
    frame = frame_of(image, color=color)
    q = tables(80)[: len(frame.components)]
    [(_, levels)] = xla.transform_batch([image], [frame], [q])
    [(_, got)] = xla.reconstruct_batch([levels], [frame], [q], mode=mode, upsample=upsample)
    sampling = tuple((c.h, c.v) for c in frame.components)
    want = jax.jit(ops.decode_planes, static_argnums=(2, 3, 4, 5, 6))(
        [p[None] for p in levels], q, sampling, (43, 37), color, mode, upsample == "fancy"
    )
    assert (got == np.asarray(want)[0]).all()


def test_any_integer_ratio_equals_ops():
    sampling = ((3, 1), (1, 1), (3, 1))
    image = ripples(37, 50)
    frame = Frame(37, 50, tuple(Component(i, h, v) for i, (h, v) in enumerate(sampling)))
    [(_, levels)] = xla.transform_batch([image], [frame], [tables(70)])
    want = jax.jit(ops.encode_planes, static_argnums=2)(image[None], tables(70), sampling)
    assert all((a == b[0]).all() for a, b in zip(levels, want, strict=True))
    [(_, back)] = xla.reconstruct_batch([levels], [frame], [tables(70)])
    want = jax.jit(ops.decode_planes, static_argnums=(2, 3))([p[None] for p in levels], tables(70), sampling, (37, 50))
    assert (back == np.asarray(want)[0]).all()


def test_corrupt_coefficients_decode_as_libjpegs_simd_lanes():
    frame = Frame(64, 64, (Component(1, 1, 1),), color=ColorSpace.GRAY)
    levels = RNG.integers(-32768, 32768, (8, 8, 8, 8)).astype(np.int16)
    levels[1::2, :, 1:] = 0
    q = (RNG.integers(1, 65536, 64).astype(np.uint16),)
    [(_, got)] = xla.reconstruct_batch([[levels]], [frame], [q])
    want = jax.jit(ops.decode_planes, static_argnums=(2, 3, 4))([levels[None]], q, ((1, 1),), (64, 64), ColorSpace.GRAY)
    assert (got == np.asarray(want)[0]).all()


def test_tables_may_change_from_image_to_image():
    images = [ripples(40, 56) for _ in range(6)]
    q = [tables(quality) for quality in (10, 10, 95, 50, 50, 10)]
    got = dict(xla.transform_batch(images, [frame_of(i) for i in images], q))
    for i, image in enumerate(images):
        [(_, alone)] = xla.transform_batch([image], [frame_of(image)], [q[i]])
        assert all((a == b).all() for a, b in zip(got[i], alone, strict=True))


@pytest.mark.parametrize("halo", [0, 1])
@pytest.mark.parametrize("parts", [1, 3])
def test_plans_cover_every_mcu_once_with_context_at_cuts(halo, parts):
    frames = [frame_of(np.empty((h, w, 3), np.uint8)) for h, w in [(16, 40_000), (3000, 50), (700, 900), (5, 5)]]
    items = [Item(i, f, tables(50 if i % 2 else 60)) for i, f in enumerate(frames)]
    planner = Planner((256, 1024), parts, halo, sum(i.mcus for i in items))
    full = [p for item in items for p in planner.add(item, item.mcus)] + planner.close()
    seen = [np.zeros(f.mcus, int) for f in frames]
    for page in full:
        used = np.zeros((parts, page.size), int)
        for r in page.regions:
            used[r.part, r.slots] += 1
            a, b, c, d = r.kept
            seen[r.item.index][a:b, c:d] += 1
            high, wide = r.item.frame.mcus
            assert r.rows == (max(0, a - halo), min(high, b + halo) if b < high else high)
            assert r.columns == (max(0, c - halo), min(wide, d + halo))
            first, last = r.slot // programs.SEGMENT, (r.slots.stop - 1) // programs.SEGMENT
            assert (page.tables[r.part, first : last + 1] == np.stack(r.item.tables)).all()
        assert used.max() == 1
    assert all((s == 1).all() for s in seen)


def test_cut_images_decode_without_seams(monkeypatch):
    monkeypatch.setitem(pages.SIZES, "cpu", (256,))
    for size in [(600, 500), (40, 4500)]:
        data = pillow(ripples(*size), quality=80)
        assert (jpegjax.decode(data, engine="xla") == pillow_pixels(data)).all()


def test_few_programs_for_many_sizes(monkeypatch):
    compiled = []
    make = programs.program

    def counting(*key):
        run, sharding = make(*key)
        compiled.append(run)
        return run, sharding

    mapped.cache_clear()
    monkeypatch.setattr("jpegjax.jpeg.device.jobs.program", cache(counting))
    sizes = RNG.integers(1, 300, (200, 2))
    images = [RNG.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in sizes]
    frames = [frame_of(image) for image in images]
    for batch in (slice(0, 1), slice(1, 4), slice(4, 200)):
        levels = dict(xla.transform_batch(images[batch], frames[batch], [tables(75)] * len(frames[batch])))
        planes = [levels[i] for i in range(len(levels))]
        dict(xla.reconstruct_batch(planes, frames[batch], [tables(75)] * len(planes)))
    assert sum(run._cache_size() for run in compiled) <= 12


def all_devices():
    found = jax.devices("cpu")
    if len(found) < 8:
        pytest.skip("needs XLA_FLAGS=--xla_force_host_platform_device_count=8")
    return tuple(found[:8])


def test_eight_devices_give_the_same_bytes():
    images = [ripples(h, w) for h, w in [(300, 400), (150, 227), (64, 64), (9, 700)]]
    mesh = jax.sharding.Mesh(np.array(all_devices()), ("d",))
    one = jpegjax.encode(images, engine="xla", device=jax.devices("cpu")[0])
    assert jpegjax.encode(images, engine="xla", device=mesh) == one
    spread = jpegjax.decode(one, engine="xla", device=mesh)
    for got, data in zip(spread, one, strict=True):
        assert isinstance(got, jax.Array) and (np.asarray(got) == pillow_pixels(data)).all()


@pytest.mark.parametrize("kind", ["encode", "decode"])
def test_sharded_programs_hold_no_collective(kind):
    frame = frame_of(np.empty((64, 64, 3), np.uint8))
    spec = encode_spec(frame) if kind == "encode" else decode_spec(frame, None, "fancy")
    run, sharding = programs.program(kind, spec, all_devices())

    def shape(dtype, *s):
        return jax.ShapeDtypeStruct((8, *s), dtype, sharding=sharding)

    q = shape(np.uint16, 1, 3, 64)
    if kind == "encode":
        args = shape(np.int32, 16, 256, 12), shape(np.int32, 256), q
    else:
        levels = tuple(shape(np.int32, v, 256, h, 32) for h, v in spec.sampling)
        args = levels, shape(np.int32, 5, 256), q
    text = run.lower(*args).compile().as_text()
    assert "num_partitions=8" in text
    assert not re.search(r"all-reduce|all-gather|collective-permute|all-to-all|reduce-scatter", text)


@pytest.mark.parametrize("count", [5, 8])
def test_jax_batches_stay_on_the_device(count):
    images = np.stack([ripples(45, 70) for _ in range(count)])
    frames, q = [frame_of(images[0])] * count, [tables(40 + i) for i in range(count)]
    want = dict(xla.transform_batch(images, frames, q))
    for batch in (jax.device_put(images), [jax.device_put(i) for i in images]):
        got = dict(xla.transform_batch(batch, frames, q))
        assert all((a == b).all() for i in range(count) for a, b in zip(got[i], want[i], strict=True))
    planes = [want[i] for i in range(count)]
    back = dict(xla.reconstruct_batch(planes, frames, q))
    for device in ("cpu", jax.devices("cpu")[0]):
        there = dict(xla.reconstruct_batch(iter(planes), frames, q, device=device))
        assert all(isinstance(t, jax.Array) and (np.asarray(t) == back[i]).all() for i, t in there.items())
    assert len(there) == count


@pytest.mark.slow
def test_the_device_benchmark_runs_small(tmp_path):
    script = Path(__file__).parents[1] / "benchmarks" / "device.py"
    result = tmp_path / "device.json"
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(script.parents[1])}
    command = [sys.executable, script, "--small", "--device", "cpu", "--output", result]
    subprocess.run(command, check=True, env=environment)
    report = json.loads(result.read_text())
    assert report["identity"] == {"compared": 3, "different": []}
    assert report["learned_identity"] == {"compared": 36, "different": []}
    assert {"encode", "decode", "program", "learned encode", "learned decode"} == {
        r["section"] for r in report["results"]
    }


def test_devices_are_named_in_several_ways():
    device = jax.devices("cpu")[0]
    assert xla.local_devices(device) == (device,)
    assert xla.local_devices("cpu") == tuple(jax.local_devices(backend="cpu"))
    assert xla.local_devices(jax.sharding.SingleDeviceSharding(device)) == (device,)
    with pytest.raises(TypeError, match="device=3"):
        xla.local_devices(3)
