"""Huffman decoding in XLA against the host's decoder: the same pixels, warnings and errors, whatever the files are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, rgb, ripples

import jpegjax
from jpegjax.annex_k import STANDARD_AC_CHROMA
from jpegjax.coding.huffman import SEARCH_SIZE, fill_decoder, find_code, optimal_spec
from jpegjax.coding.sequential.segments import unstuff_scan
from jpegjax.container import parse_header
from jpegjax.jpeg import codec
from jpegjax.jpeg.decoding import on_devices
from jpegjax.jpeg.device import pages, scans
from jpegjax.jpeg.device.resident import near_of
from jpegjax.ops.bits import unpacking
from jpegjax.options import DecodeOptions
from jpegjax.run.threads import cores
from jpegjax.types import HuffmanSpec

SIZE = 45, 70
"""No multiple of 8 or 16, in either direction."""


def file(image: np.ndarray, **options: Any) -> bytes:
    return jpegjax.encode(image, engine="host", **options)


def pictures(height: int = SIZE[0], width: int = SIZE[1], channels: int = 3) -> list[np.ndarray]:
    """Three that differ in how many bits they take: waves, noise, one grey."""
    made = [ripples(height, width, channels), noise(height, width, channels), np.full((height, width, channels), 90)]
    return [np.squeeze(x.astype(np.uint8), 2 if channels == 1 else ()) for x in made]


def check(some: Sequence[bytes], device: Any = None, **options: Any) -> set[int]:
    """Files decoded on devices against the host's pixels and errors, and against what is said where the host decodes the data.

    Returns which ones were left to the host.
    """
    given, left = DecodeOptions(**options), set[int]()
    invert = on_devices._invert_plain

    def watched(plain: Any, *more: Any) -> None:
        left.update(one.index for one in plain)
        invert(plain, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_devices, "_invert_plain", watched)
        found = on_devices.decode_on_devices(some, given, device, on_device=True)
    wanted = codec.decode(some, given, "host", None)
    said = on_devices.decode_on_devices(some, given, None)
    for (got, notes), (want, _), (_, told) in zip(found, wanted, said, strict=True):
        if isinstance(want, Exception):
            assert type(got) is type(want) and str(got) == str(want)
        else:
            assert isinstance(got, np.ndarray if device is None else jax.Array)
            assert notes == told
            assert device is not None or got.dtype != np.uint8 or got.flags.writeable
            assert got.dtype == want.dtype and np.array_equal(got, want)
    return left


def clean() -> list[bytes]:
    """Of one frame, with tables and restarts of many kinds."""
    waves, grain, plain = pictures()
    return [
        *(file(image) for image in (waves, grain, plain)),
        *(file(image, optimize=True, quality=95) for image in (waves, grain, plain)),
        file(waves, restart_rows=1), file(grain, restart_blocks=1), file(plain, restart_blocks=4, optimize=True),
        file(grain, quality=1), file(waves, quality=100), file(waves, restart_blocks=40),
        file(waves) + b"behind the end",
    ]  # fmt: skip


def damaged() -> list[bytes]:
    """Of the same frame, with something wrong that the devices do not mend."""
    data, restarts = file(pictures()[0]), file(pictures()[1], restart_rows=1)
    second = restarts.index(b"\xff\xd1")
    return [
        data[:-2], data[:-40], data[:-40] + b"\xff\xd9", data[:-2] + b"\0\0\xff\xd9",
        data[:-20] + b"\xff\xd0" + data[-20:],
        restarts.replace(b"\xff\xd1", b"\xff\xd3"), restarts[:second] + restarts[second + 2 :],
        restarts[: second - 9] + restarts[second:], restarts[:second] + b"\x55\x55" + restarts[second:],
    ]  # fmt: skip


def mutants(count: int) -> list[bytes]:
    """Of the same frame, a few bits of the data turned; some still decode, to other pixels."""
    draw, sound, found = random.Random(0), clean(), []
    for _ in range(count):
        data = bytearray(draw.choice(sound[:-1]))
        start = parse_header(bytes(data)).position
        for _ in range(draw.choice([1, 1, 3])):
            data[draw.randrange(start, len(data) - 2)] ^= 1 << draw.randrange(8)
        found.append(bytes(data))
    return found


@cache
def files() -> tuple[bytes, ...]:
    """As many in each test below, for which one program is enough."""
    return *damaged(), *clean(), *mutants(70)


def test_whatever_is_wrong_results_are_the_hosts():
    """Sound files are decoded on the device, damaged ones found out and handed back."""
    left, broken, sound = check(files()), len(damaged()), len(clean())
    assert left >= {*range(broken)}
    assert left.isdisjoint(range(broken, broken + sound))
    assert 30 < len(left) - broken < 70, "bits that are turned must be found out, and some change nothing but pixels"


def test_errors_are_the_hosts():
    check(files(), strict=True)


def test_what_goes_to_devices():
    """Files of one sequential scan of 8 bits; the others go the way of all."""
    waves = ripples(*SIZE)
    others = [
        file(waves, progressive=True), b"no file", file(waves, arithmetic=True), file(waves, scans="0; 1; 2;"),
        file(waves.astype(np.uint16) * 16, precision=12),
    ]  # fmt: skip
    last = check([*others, *files()])
    assert last & {*range(len(others))} == {0, 2}, "those whose steps are not known yet come in groups of their own"


@pytest.mark.parametrize("most", [2000, 1 << 17])
def test_what_is_huge_is_the_hosts(most, monkeypatch):
    """More samples than can be counted, or more bits in a batch."""
    monkeypatch.setattr(scans, "MOST", most)
    assert check(clean()) == {*range(len(clean()))}


@pytest.mark.parametrize("device", [None, "cpu"])
def test_grey_on_any_number_of_devices(device):
    """Eight devices where there are as many files; pixels stay there, or come to the host."""
    images = [image for _ in range(3) for image in pictures(20, 33, 1)]
    assert not check([file(image, restart_rows=i % 2) for i, image in enumerate(images)][:8], device)


def test_the_last_batch_needs_no_program_of_its_own(monkeypatch):
    """23 files of 21 MCUs, 12 to a page: the 11 that are left are filled up."""
    monkeypatch.setitem(pages.SIZES, "cpu", (256,))
    monkeypatch.setattr(scans, "PAGES", 1)
    made = [file(ripples(20, 56, 1, seed=i)[..., 0], quality=30 + i) for i in range(23)]
    with pytest.MonkeyPatch.context() as patch:
        ran = list[tuple[int, ...]]()
        patch.setattr(scans, "near_of", lambda *key: ran.append(near_of(*key).shape) or near_of(*key))
        assert not check(made, jax.devices()[0])
    assert ran == [(12, 5, 21)] * 2
    assert [scans._rounded(n) for n in (1, 2, 3, 5, 9, 12, 13, 17)] == [1, 2, 3, 6, 12, 12, 16, 24]


SAMPLINGS = ["4:4:4", "4:2:2", "4:4:0", "4:1:1", "4:1:0", "RGB", "CMYK", "grey"]


@pytest.mark.slow
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling(sampling):
    channels = {"grey": 1, "CMYK": 4}.get(sampling, 3)
    given = {"grey": {}, "RGB": {"color": "RGB"}, "CMYK": {"mode": "CMYK"}}.get(sampling, {"subsampling": sampling})
    rng = np.random.default_rng(SAMPLINGS.index(sampling))
    images = pictures(*rng.integers(1, 90, 2), channels)
    made = [
        file(image, quality=quality, restart_blocks=restart, optimize=optimize, **given)
        for quality, restart, optimize in [(1, 2, False), (5, 0, True), (90, 7, True), (100, 0, False)]
        for image in images
    ]
    assert not check(made)
    assert not check(made, jax.devices()[0], mode="RGB", upsample="nearest")
    assert sampling == "CMYK" or not check(made, mode="L")


@pytest.mark.slow
def test_kodak(kodak: list[Path]):
    images = [rgb(path) for path in kodak[:8]]
    for options in ({"quality": 75}, {"quality": 95, "subsampling": "4:4:4", "optimize": True}):
        assert not check([file(image, **options) for image in images], jax.devices()[0])


# ---- tables and lanes


def slow_entry(spec: HuffmanSpec, bits: int) -> int:
    """length << 8 | symbol of the code that 16 bits start with, 0 for none."""
    search = np.zeros(SEARCH_SIZE, np.int32)
    fill_decoder(*(np.frombuffer(b, np.uint8) for b in (spec.counts, spec.symbols)), 9, np.zeros(512, np.int32), search)
    symbol, length = find_code(search.ctypes.data, np.uint64(bits << 48).astype(np.int64), np.int64(1))
    return length << 8 | symbol if length <= 16 else 0


@settings(max_examples=25)
@given(st.lists(st.integers(0, 1 << 20), min_size=1, max_size=256), st.lists(st.integers(0, 65535), min_size=50))
def test_tables_find_every_code(counts, windows):
    spec = optimal_spec(np.pad(np.array(counts, np.int64), (0, 256 - len(counts))))
    for table in (spec, STANDARD_AC_CHROMA):
        entries = scans.entries_of(table).astype(int)
        for bits in [*windows, 0, 65535]:
            found = entries[bits >> 6]
            assert (found if found >= 0 else entries[~found + (bits & 63)]) == slow_entry(table, bits)


def source(data: bytes) -> scans.Source:
    reader = parse_header(data)
    scan, (rows, columns) = reader.scan, reader.require_frame().mcus
    assert scan is not None
    found = unstuff_scan(np.frombuffer(data, np.uint8), reader.position, scan.restart_interval, rows * columns)
    assert found is not None
    return found, scan


@partial(jax.jit, static_argnums=(0,))
def settled(count: int, words: Any, segments: Any, codes: Any, rounds: Any) -> jax.Array:
    """Whether lanes are in step, of one word each: hardly a lane is where it began."""
    lanes = unpacking.lanes(segments, codes, count, 1)
    return unpacking.synchronise(words, codes, lanes, 6, rounds, 1).settled


def test_lanes_that_do_not_come_into_step_are_told():
    """Whose rounds are too few; with as many as there are lanes everything is in step."""
    words, segments, codes = scans.gathered([source(file(pictures()[0], quality=90))], 15, (4, 1, 1))
    lanes, words = len(words), np.pad(words.byteswap(), (0, 2))
    few, many = (np.asarray(settled(lanes, words, segments, codes, np.int32(n))) for n in (1, lanes))
    assert few[0] and not few.all() and many.all()


def test_who_decodes():
    """A rule for GPUs, and never others unless they are told."""
    gpu, tpu = SimpleNamespace(platform="gpu"), SimpleNamespace(platform="tpu")
    enough = scans.BYTES_A_CORE * cores()
    assert scans.chosen(enough, (gpu,)) and not scans.chosen(enough - 1, (gpu,))
    assert not scans.chosen(1 << 40, (tpu,)) and not scans.chosen(1 << 40, tuple(jax.devices()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scans, "decode", None)
        jpegjax.decode([clean()[0]] * 2, engine="xla", device="cpu")
