"""Races over batches, sizes and devices; compiling; the parts that `model` reckons with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

import jpegjax
from benchmarks.recorded import recorded_calls
from benchmarks.rounds import race
from jpegjax.jpeg import codec
from jpegjax.jpeg.device.jobs import Decode, Encode
from jpegjax.jpeg.device.pages import Page, page_sizes
from jpegjax.jpeg.device.programs import SEGMENT, decode_page, encode_page
from jpegjax.jpeg.device.specs import decode_spec, encode_spec
from jpegjax.options import EncodeOptions
from jpegjax.run.mesh import mapped

from .model import Parts

__all__ = ["batches", "compiling", "devices", "here", "pictures", "sizes"]

Row = dict[str, Any]
OPTIONS = EncodeOptions(quality=75)


def pictures(side: int, count: int) -> np.ndarray:
    """uint8 [count, side, side, 3]: waves, edges and grain, no two alike; some 1.5 bits a pixel at quality 75."""
    random = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side] / 24.0
    made = []
    for _ in range(min(count, 8)):
        a, b, c, d = random.uniform(0.3, 1.0, 4)
        waves = 55 * np.sin(a * x + np.cos(b * y)) + 35 * np.sign(np.sin(c * y + d * x))
        made.append(waves[..., None] * random.uniform(0.5, 1, 3) + random.normal(128, 5, (side, side, 3)))
    base = np.clip(np.stack(made), 0, 255).astype(np.uint8)
    return np.stack([np.roll(base[i % len(base)], i, 0) for i in range(count)])


def encoder(batch: jax.Array, used: Sequence[jax.Device]) -> Callable[[], list[bytes]]:
    """Files of a batch on the devices, their bits coded there."""
    plans = [codec.plan(batch.shape[1:], OPTIONS)] * len(batch)
    mesh = Mesh(np.array(used), ("d",))
    return lambda: codec.encode_planned(batch, plans, OPTIONS, "xla", mesh, on_device=True)


def decoder(files: Sequence[bytes], used: Sequence[jax.Device]) -> Callable[[], Any]:
    """Pixels of files on the devices."""
    mesh = Mesh(np.array(used), ("d",))
    return lambda: jax.block_until_ready(jpegjax.decode(list(files), engine="xla", device=mesh))


def same(batch: np.ndarray, encode: Callable[[], list[bytes]], decode: Callable[[], Any], wanted: list[bytes]) -> bool:
    """Whether files and pixels are the host engine's."""
    pixels = zip(decode(), jpegjax.decode(wanted, engine="host"), strict=True)
    return encode() == wanted and all(np.array_equal(np.asarray(a), b) for a, b in pixels)


def measured(kind: str, case: str, side: int, count: int, used: Sequence[jax.Device], rounds: int) -> Row:
    """Encoding and decoding `count` pictures of side×side on these devices, taking turns."""
    batch = pictures(side, count)
    wanted = jpegjax.encode(list(batch), quality=75, engine="host")
    calls = {"encode": encoder(jax.device_put(batch, used[0]), used), "decode": decoder(wanted, used)}
    equal = same(batch, calls["encode"], calls["decode"], wanted)
    found = race(kind, case, batch[..., 0].size, calls, rounds=rounds).as_dict()
    found |= {"side": side, "batch": count, "devices": len(used), "same": equal, "ratios": {}}
    return found | {"bytes": sum(map(len, wanted))}


def batches(side: int, counts: Sequence[int], device: jax.Device, rounds: int) -> Iterator[Row]:
    """Batches of several sizes on one device."""
    for count in counts:
        yield measured("batch", f"{count} picture{'s' * (count > 1)}", side, count, (device,), rounds)


def sizes(sides: Sequence[int], pixels: int, device: jax.Device, rounds: int) -> Iterator[Row]:
    """Pictures of several sizes, of so many pixels together, on one device."""
    for side in sides:
        yield measured("size", f"{side}×{side}", side, max(1, pixels // side**2), (device,), rounds)


def devices(
    side: int, total: int, each: int, counts: Sequence[int], every: Sequence[jax.Device], rounds: int
) -> Iterator[Row]:
    """Several numbers of devices: `total` pictures for all of them (strong), `each` a device (weak)."""
    for kind, pictures in (("strong", lambda count: total), ("weak", lambda count: each * count)):
        for count in counts:
            case = f"{count} device{'s' * (count > 1)}, {pictures(count)} pictures"
            yield measured(kind, case, side, pictures(count), every[:count], rounds)


def compiling(sampling: str, pages: Sequence[int], device: jax.Device) -> Iterator[Row]:
    """Seconds of compiling and bytes, by the compiler's count, of the page programs of several sizes, in MCUs."""
    frame = EncodeOptions(subsampling=sampling).frame(16, 16, 3)
    for kind, spec, function, direction in (
        ("encode", encode_spec(frame), encode_page, Encode),
        ("decode", decode_spec(frame, None, "fancy"), decode_page, Decode),
    ):
        for size in pages:
            run, sharding = mapped.__wrapped__(function, (device,), device.platform, spec)
            filled, way = direction(spec, 1), np.ones((1, size // SEGMENT, 3, 64), np.uint16)
            given = filled.arguments(filled.buffers(size), Page(size, way))
            shapes = jax.tree.map(lambda x, s=sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), given)
            begin = time.perf_counter()
            program = run.lower(*shapes).compile()
            seconds = time.perf_counter() - begin
            found, cost = program.memory_analysis(), program.cost_analysis()
            yield {
                "kind": kind, "sampling": sampling, "mcus": size, "pixels": 64 * spec.hmax * spec.vmax * size,
                "compile_seconds": round(seconds, 3), "argument_bytes": found.argument_size_in_bytes,
                "result_bytes": found.output_size_in_bytes, "temporary_bytes": found.temp_size_in_bytes,
                "accessed_bytes": cost["bytes accessed"],
            }  # fmt: skip


def here(side: int, count: int, device: jax.Device, rounds: int, cores: int) -> Parts:
    """The parts of this machine: its first device, its link to it, and its cores by the host engine."""
    rows, columns = codec.plan((side, side, 3), OPTIONS)[0].mcus
    count = min(count, max(1, page_sizes(device.platform)[-1] // (rows * columns)))
    batch = pictures(side, count)
    there = jax.device_put(batch, device)
    encode = encoder(there, (device,))
    with recorded_calls() as programs:
        files = encode()

    def again() -> None:
        for run, args in programs:
            found = run(*args)
        jax.block_until_ready(found)

    levels = [jpegjax.read_coefficients(file) for file in files]
    calls = {
        "encode": encode,
        "programs": again,
        "to device": lambda: jax.block_until_ready(jax.device_put(batch, device)),
        "to host": lambda: np.array(there + 0),
        "host": lambda: jpegjax.encode(list(batch), quality=75, engine="host"),
        "coding": lambda: jpegjax.write_coefficients(levels),
    }
    seconds = race("parts", f"{side}×{side}", batch[..., 0].size, calls, rounds=rounds).as_dict()["seconds"]
    return Parts(
        source="this machine", device=f"{device.platform} {device.device_kind}", size=(side, side), cores=cores,
        encode=count / seconds["encode"], programs=count / seconds["programs"],
        to_device=batch.nbytes / seconds["to device"], to_host=batch.nbytes / seconds["to host"],
        host=count / seconds["host"], coding=count / seconds["coding"], file_bytes=sum(map(len, files)) / count,
    )  # fmt: skip
