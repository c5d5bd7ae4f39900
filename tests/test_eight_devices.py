"""Eight devices at once: the same bytes and pixels, by programs in which no device speaks to another, and no hidden transfer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from pictures import noise, ripples
from test_lowering import ELSEWHERE, HOMES

import jpegjax
from jpegjax.jpeg import codec, one_scan
from jpegjax.jpeg.decoding import on_devices
from jpegjax.learned.restoring import weights
from jpegjax.options import DecodeOptions, EncodeOptions
from jpegjax.run import mesh

COLLECTIVE = (
    r"all-reduce|all-gather|collective-permute|all-to-all|reduce-scatter|collective-broadcast|\bsend\(|\brecv\("
)
IMAGES = np.stack([ripples(24, 20, seed=i) if i % 3 else noise(24, 20, seed=i) for i in range(8)])
MESH = Mesh(np.array(jax.devices("cpu")[:8]), ("d",))
SHARDED = NamedSharding(MESH, jax.P("d"))


class Program(NamedTuple):
    """A program over devices that has run."""

    name: str
    run: Any
    shapes: Any

    @property
    def devices(self) -> int:
        return len(jax.tree.leaves(self.shapes)[0].sharding.device_set)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Program]:
    """Those that run in a test, each once."""
    seen: dict[str, Program] = {}
    original = mesh.mapped

    def mapped(function: Any, devices: Any, *static: Any, **settings: Any) -> Any:
        found = original(function, devices, *static, **settings)

        def run(*arguments: Any) -> Any:
            shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), arguments)
            name = function.__name__
            seen.setdefault(f"{name} {static} {jax.tree.leaves(shapes)}", Program(name, found.run, shapes))
            return found.run(*arguments)

        return mesh.Mapped(run, found.sharding)

    for name in (*HOMES, *ELSEWHERE):
        monkeypatch.setattr(f"jpegjax.{name}.mapped", mapped)
    return seen


def encoded(**options: Any) -> None:
    there = jax.device_put(IMAGES, SHARDED)
    with jax.transfer_guard("disallow"):
        found = jpegjax.encode(there, engine="xla", **options)
    assert found == jpegjax.encode(list(IMAGES), engine="host", **options)


def coded(**options: Any) -> None:
    chosen = EncodeOptions(**options)
    plan = codec.plan(IMAGES[0].shape, chosen)
    there = jax.device_put(IMAGES, SHARDED)
    with jax.transfer_guard("disallow"):
        scans = one_scan.code_scans(there, [plan] * 8, chosen, None, always=True)
        assert scans is not None
        found = [one_scan.coded_file(plan, chosen, scan) for scan in scans]
    assert found == jpegjax.encode(list(IMAGES), engine="host", **options)


def decoded(**options: Any) -> None:
    if options.get("restore"):
        weights.named()  # is loaded once, for all devices
    files = jpegjax.encode(list(IMAGES), engine="host")
    with jax.transfer_guard("disallow"):
        found = jpegjax.decode(files, engine="xla", device=MESH, **options)
    used = {device for pixels in found for device in pixels.devices()}
    assert used == {*MESH.devices.flat[: 1 if "restore" in options else None]}  # windows come together on the host
    for pixels, file in zip(found, files, strict=True):
        np.testing.assert_array_equal(jax.device_get(pixels), jpegjax.decode(file, engine="host", **options))


def unpacked() -> None:
    files = jpegjax.encode(list(IMAGES), engine="host")
    with jax.transfer_guard("disallow"):
        found = on_devices.decode_on_devices(files, DecodeOptions(), MESH, on_device=True)
    for (pixels, _), file in zip(found, files, strict=True):
        np.testing.assert_array_equal(jax.device_get(pixels), jpegjax.decode(file, engine="host"))


def tuned() -> None:
    with jax.transfer_guard("disallow"):
        found = jpegjax.encode(jax.device_put(IMAGES, SHARDED), engine="xla", tune="psnr", device=MESH)
    assert found == jpegjax.encode(list(IMAGES), engine="host", tune="psnr")


DOORS: dict[str, tuple[Callable[[], None], str]] = {
    "levels": (lambda: encoded(progressive=True), "_encode"),
    "coding": (lambda: coded(optimize=True), "_blocks _counts _lengths _data _beginning"),
    "decoding": (decoded, "_decode"),
    "decoding from the bits on": (unpacked, "levels_of _pixels"),
    "tuned": (tuned, "transform quantise next_rates"),
    "restored": (lambda: decoded(restore=True), "_pixels"),
}


@pytest.mark.parametrize("door", [pytest.param(d, marks=pytest.mark.slow) if d == "tuned" else d for d in DOORS])
def test_no_device_speaks_to_another_and_nothing_crosses_unasked(door: str, programs: dict[str, Program]) -> None:
    call, names = DOORS[door]
    call()
    wide = [program for program in programs.values() if "restored" not in door or program.devices == 8]
    assert {program.name for program in wide} == {*names.split()}
    for program in wide:
        text = program.run.lower(*program.shapes).compile().as_text()
        assert "num_partitions=8" in text and not re.search(COLLECTIVE, text), program.name
