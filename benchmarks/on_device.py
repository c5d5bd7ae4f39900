"""What a device does with batches that lie on it, beside nvJPEG, and what its memory and its link to the host could do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from peers import PILLOW_SAMPLING, pillow_encode
from photographs import tiled
from recorded import recorded_calls
from rounds import Race, race

import jpegjax
from jpegjax.jpeg import codec
from jpegjax.jpeg.decoding.on_devices import decode_on_devices
from jpegjax.jpeg.device import entropy, resident, scans
from jpegjax.jpeg.device.pages import page_sizes
from jpegjax.jpeg.device.specs import encode_spec
from jpegjax.options import DecodeOptions, EncodeOptions
from jpegjax.run.mesh import mapped

__all__ = ["Bench", "decoded_there", "ready", "resident_files", "torch_codecs"]

Calls = dict[str, Callable[[], object]]
Found = list[dict[str, Any]]
Size = tuple[int, int]

IN_A_ROW = 8
"""Dispatches that make one measurement of a program alone, of as many batches, so that no cache holds what comes next."""


def ready(arrays: Any) -> Any:
    """The arrays, once the device has finished them."""
    return jax.block_until_ready(arrays)


def torch_codecs() -> tuple[Any, Any, str | None]:
    """(torch, torchvision.io, why they are missing)."""
    try:
        import torch
        import torchvision.io
    except ImportError as error:
        return None, None, str(error)
    if not torch.cuda.is_available():
        return None, None, "torch sees no CUDA device"
    return torch, torchvision.io, None


def resident_files(batch: jax.Array, device: jax.Device, **options: Any) -> list[bytes]:
    """Files of a batch that lies on the device and is coded there, on CPUs too."""
    if device.platform != "cpu":  # where [N, H, W] would be one image
        return jpegjax.encode(batch if batch.ndim == 4 else batch[..., None], engine="xla", device=device, **options)
    given = EncodeOptions(**options)
    plans = [codec.plan(batch.shape[1:], given)] * len(batch)
    return codec.encode_planned(batch, plans, given, "xla", device, on_device=True)


def decoded_there(files: Sequence[bytes], device: jax.Device) -> list[jax.Array]:
    """Pixels on the device of files whose data it decodes itself, CPUs too."""
    found = decode_on_devices(files, DecodeOptions(), device, on_device=True)
    return [pixels for pixels, _ in found]


@dataclass
class Bench:
    """Races on one device. photographs: RGB, tiled or cut to each size. rounds, seconds: of a race at most.

    copied: bytes a second of the measured copy, once it was.
    """

    device: jax.Device
    photographs: Sequence[np.ndarray]
    pool: ThreadPoolExecutor
    rounds: int
    seconds: float
    copied: float | None = None
    made: dict[Any, Any] = field(default_factory=dict)

    def pictures(self, size: Size) -> list[np.ndarray]:
        """A dozen at most."""
        if size not in self.made:
            self.made[size] = [tiled(image, *size) for image in self.photographs[:12]]
        return self.made[size]

    def batch(self, size: Size, count: int) -> jax.Array:
        """uint8 [count, *size, 3] on the device; the last one asked for is kept."""
        if self.made.get("batch", (None,))[0] != (size, count):
            self.made["batch"] = None, None
            some = jax.device_put(np.stack(self.pictures(size)), self.device)
            made = some[jnp.arange(count) % len(some)]
            self.made["batch"] = (size, count), ready(jax.device_put(made, self.device))
        return self.made["batch"][1]

    def files(self, size: Size, count: int, sampling: str = "4:2:0") -> list[bytes]:
        settings = {"quality": 75, "subsampling": PILLOW_SAMPLING[sampling]}
        own = [pillow_encode(image, **settings) for image in self.pictures(size)]
        return [own[i % len(own)] for i in range(count)]

    def race(self, section: str, case: str, size: Size, count: int, calls: Calls, moved: float, **extra: Any) -> Found:
        """One race. moved: bytes that one call must read and write in the device's memory, in and out."""
        pixels = count * size[0] * size[1]
        extra |= {"size": list(size), "batch": count}
        found = race(section, case, pixels, calls, rounds=self.rounds, seconds=self.seconds, **extra)
        return [self.told(found, count, moved)]

    def told(self, raced: Race, images: int, moved: float) -> dict[str, Any]:
        row = raced.as_dict()
        row["images"], row["bytes_moved"] = images, moved
        row["images_per_second"] = {name: images / s for name, s in row["seconds"].items()}
        row["bytes_per_second"] = {name: moved / s for name, s in row["seconds"].items()}
        if self.copied:
            row["share_of_copy"] = {name: b / self.copied for name, b in row["bytes_per_second"].items()}
        return row

    def ceilings(self, nbytes: int) -> dict[str, float]:
        """Bytes a second: of a program that reads and writes so many on the device, and over the link, both ways."""
        words = jnp.arange(nbytes // 4, dtype=jnp.int32, device=self.device)
        flip = jax.jit(lambda x: x ^ 1)
        there = ready(flip(words))
        seconds: dict[str, list[float]] = {"copy": [], "to_device": [], "to_host": []}
        host = np.asarray(words)
        for _ in range(max(3, self.rounds)):
            begin = time.perf_counter()
            for _ in range(IN_A_ROW):
                there = flip(there)
            ready(there)
            seconds["copy"].append((time.perf_counter() - begin) / (2 * IN_A_ROW))
            begin = time.perf_counter()
            ready(jax.device_put(host, self.device))
            seconds["to_device"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            np.array(there)
            seconds["to_host"].append(time.perf_counter() - begin)
        found = {name: nbytes / statistics.median(s) for name, s in seconds.items()}
        self.copied = found["copy"]
        return found

    def encode(self, size: Size, count: int, sampling: str = "4:2:0", transfers: bool = False) -> Found:
        """Files in host memory, of pictures on the device or, with transfers, in host memory; quality 75."""
        there = self.batch(size, count)
        calls: Calls = {"jpegjax": lambda: resident_files(there, self.device, quality=75, subsampling=sampling)}
        host = np.asarray(there) if transfers else np.empty(0)
        if transfers:
            settings = {"quality": 75, "subsampling": PILLOW_SAMPLING[sampling]}
            calls = {
                "jpegjax": lambda: resident_files(
                    jax.device_put(host, self.device), self.device, quality=75, subsampling=sampling
                ),
                "jpegjax by pages": lambda: jpegjax.encode(
                    list(host), quality=75, subsampling=sampling, engine="xla", device=self.device
                ),
                "jpegjax, host engine": lambda: jpegjax.encode(
                    list(host), quality=75, subsampling=sampling, engine="host"
                ),
                "Pillow on all cores": lambda: list(self.pool.map(lambda x: pillow_encode(x, **settings), host)),
            }
        nbytes = {"jpegjax": sum(map(len, calls["jpegjax"]()))}
        extra: dict[str, Any] = {"transfers": transfers, "bytes": nbytes}
        peer = self.nvjpeg_encoder(size, count, host if transfers else None)
        if peer is not None:
            calls["nvJPEG"] = peer
            files = peer()
            nbytes["nvJPEG"] = sum(map(len, files))
            extra["nvJPEG_sampling"] = jpegjax.info(files[0]).subsampling
        case = self.case(size, count, sampling, transfers)
        return self.race("encode", case, size, count, calls, 3 * count * size[0] * size[1] + nbytes["jpegjax"], **extra)

    def nvjpeg_encoder(self, size: Size, count: int, host: np.ndarray | None) -> Callable[[], list[bytes]] | None:
        torch, codecs, _ = torch_codecs()
        if torch is None:
            return None
        own = [torch.from_numpy(x).permute(2, 0, 1).contiguous().cuda() for x in self.pictures(size)]
        tensors = [own[i % len(own)] for i in range(count)]

        def peer() -> list[bytes]:
            given = tensors
            if host is not None:
                given = list(torch.from_numpy(host).cuda().permute(0, 3, 1, 2).contiguous())
            return [f.cpu().numpy().tobytes() for f in codecs.encode_jpeg(given, quality=75)]

        return peer

    def decode(self, size: Size, count: int, sampling: str = "4:2:0", transfers: bool = False) -> Found:
        """Pixels of files in host memory, on the device or, with transfers, in host memory."""
        files = self.files(size, count, sampling)
        calls: Calls = {"jpegjax": lambda: ready(jpegjax.decode(files, engine="xla", device=self.device))}
        if transfers:
            calls = {
                "jpegjax": lambda: jpegjax.decode(files, engine="xla"),
                "jpegjax, host engine": lambda: jpegjax.decode(files, engine="host"),
            }
        torch, codecs, _ = torch_codecs()
        if torch is not None:
            tensors = [torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in files]

            def nvjpeg() -> Any:
                images = codecs.decode_jpeg(tensors, device="cuda")
                torch.cuda.synchronize()
                return [image.cpu() for image in images] if transfers else images

            calls["nvJPEG"] = nvjpeg
        moved = 3 * count * size[0] * size[1] + sum(map(len, files))
        case = self.case(size, count, sampling, transfers)
        return self.race("decode", case, size, count, calls, moved, transfers=transfers)

    def coded_data(self, size: Size, count: int) -> Found:
        """Decoding to the device with the scans' data decoded there or by the host's threads; jpegjax chooses."""
        files = self.files(size, count)

        def by_host() -> Any:
            with mock.patch.object(scans, "chosen", lambda nbytes, devices: False):
                return ready(jpegjax.decode(files, engine="xla", device=self.device))

        calls: Calls = {
            "jpegjax": lambda: ready(jpegjax.decode(files, engine="xla", device=self.device)),
            "data by the device": lambda: ready(decoded_there(files, self.device)),
            "data by the host": by_host,
        }
        moved = 3 * count * size[0] * size[1] + sum(map(len, files))
        return self.race("coded data", self.case(size, count, "4:2:0", False), size, count, calls, moved)

    @staticmethod
    def case(size: Size, count: int, sampling: str, transfers: bool) -> str:
        where = ", with transfers" if transfers else ""
        return f"{size[0]}×{size[1]} {sampling} q75, batch {count}{where}"

    def transform(self, size: Size, count: int, sampling: str = "4:2:0") -> Found:
        """The transform alone, pixels to levels, both on the device; bytes that it must move are these two."""
        options = EncodeOptions(subsampling=sampling)
        frame, tables = codec.plan((*size, 3), options)
        static = self.device.platform, encode_spec(frame), frame
        run, sharding = mapped(resident._encode, (self.device,), *static, split=True)
        steps = jax.device_put(np.broadcast_to(np.stack(tables), (count, len(tables), 64)), sharding)
        batches = [jax.device_put(jnp.roll(self.batch(size, count), i, 0), sharding) for i in range(IN_A_ROW)]
        levels = ready(run(batches[0], steps))
        moved = sum(x.nbytes for x in [batches[0], *levels])

        def calls() -> None:
            ready([run(batch, steps) for batch in batches][-1])

        found = race("transform", f"{size[0]}×{size[1]} {sampling}, {count} a dispatch", count * size[0] * size[1],
                     {"jpegjax": calls}, rounds=self.rounds, seconds=self.seconds, size=list(size), batch=count)  # fmt: skip
        per = {name: [s / IN_A_ROW for s in seconds] for name, seconds in found.seconds.items()}
        return [self.told(Race(found.section, found.case, found.pixels, per, found.extra), count, moved)]

    def programs(self, size: Size, count: int) -> Found:
        """All programs of encoding, transform and entropy coding, again and again on what they were given once: the device's
        own rate, nothing coming to the host."""
        rows, columns = codec.plan((*size, 3), EncodeOptions())[0].mcus
        count = min(count, max(1, page_sizes(self.device.platform)[-1] // (rows * columns)))
        with recorded_calls() as calls:
            files = resident_files(self.batch(size, count), self.device, quality=75)

        def again() -> None:
            for _ in range(IN_A_ROW):
                found = [run(*args) for run, args in calls]
            ready(found)

        raced = race("programs", f"{size[0]}×{size[1]} 4:2:0 q75, {count} a dispatch", count * size[0] * size[1],
                     {"jpegjax": again}, rounds=self.rounds, seconds=self.seconds, size=list(size), batch=count)  # fmt: skip
        per = {name: [s / IN_A_ROW for s in seconds] for name, seconds in raced.seconds.items()}
        moved = 3 * count * size[0] * size[1] + sum(map(len, files))
        return [self.told(Race(raced.section, raced.case, raced.pixels, per, raced.extra), count, moved)]

    def dispatches(self, size: Size, count: int, pages: Sequence[int]) -> Found:
        """Encoding with dispatches of so many pages; jpegjax has as many as it is made for."""
        there = self.batch(size, count)

        def encode(number: int) -> list[bytes]:
            with mock.patch.object(entropy, "_pages", lambda platform: number):
                return resident_files(there, self.device, quality=75)

        calls: Calls = {"jpegjax": lambda: resident_files(there, self.device, quality=75)}
        calls |= {f"{number} pages": (lambda number=number: encode(number)) for number in pages}
        moved = 3 * count * size[0] * size[1] + sum(map(len, encode(pages[0])))
        case = f"{size[0]}×{size[1]} 4:2:0 q75, batch {count}"
        return self.race("dispatches", case, size, count, calls, moved, mcus=page_sizes(self.device.platform)[-1])

    def host(self, size: Size, count: int) -> Found:
        """What the host's cores do of the same work: all of it, and coding coefficients alone."""
        images = [self.pictures(size)[i % len(self.pictures(size))] for i in range(count)]
        levels = [jpegjax.read_coefficients(file) for file in self.files(size, count)]
        files = self.files(size, count)
        nbytes = sum(map(len, files))
        encoding: Calls = {
            "jpegjax": lambda: jpegjax.encode(images, quality=75, engine="host"),
            "coding alone": lambda: jpegjax.write_coefficients(levels),
        }
        decoding: Calls = {
            "jpegjax": lambda: jpegjax.decode(files, engine="host"),
            "coding alone": lambda: jpegjax.read_coefficients(files),
        }
        moved, case = 3 * count * size[0] * size[1] + nbytes, self.case(size, count, "4:2:0", False)
        extra = {"bytes": {"jpegjax": nbytes}}
        return [
            *self.race("host encode", case, size, count, encoding, moved, **extra),
            *self.race("host decode", case, size, count, decoding, moved, **extra),
        ]
