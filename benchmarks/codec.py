"""How fast is it, beside libjpeg-turbo through Pillow and simplejpeg? Everything of one run in one JSON.

    python benchmarks/codec.py [FOLDER] [--only encode,decode] [--rounds 15] [--output benchmarks/results/codec.json]

FOLDER: photographs; without it scikit-image's. Contestants take turns in every round; a ratio is the median over rounds
of the peer's time over ours in the same round. One thread: a loop, each result dropped before the next, unless the
case says "kept". All cores: our list call beside each peer's plain loop and thread pool, results kept. Peers: Pillow
as it is, simplejpeg with fastdct=False and fastupsample=False. No time includes reading files or compiling kernels.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import ROOT, describe
from peers import decoders, encoders, over, pillow_decode
from PIL import Image
from process import cold_start, peak_memory
from rounds import Race, race
from verdicts import line, verdicts

import jpegjax
from jpegjax.cli.samples import photographs
from jpegjax.jpeg import codec
from jpegjax.jpeg.host import reconstruct, transform
from jpegjax.options import EncodeOptions
from jpegjax.run.threads import cores

QUALITIES = (75, 90)
ALL_CORES = "all cores"


@dataclass(frozen=True, slots=True)
class Setting:
    """What every section needs: the pictures, how many rounds, and whether it is only a rehearsal."""

    images: list[np.ndarray]
    rounds: int
    quick: bool
    pool: ThreadPoolExecutor

    @property
    def pixels(self) -> int:
        return sum(image.shape[0] * image.shape[1] for image in self.images)


def kept(items: Sequence[Any], call: Callable[[Any], object]) -> Callable[[], object]:
    """One call for each item, results in a list."""
    return lambda: [call(item) for item in items]


def on_all_cores(
    setting: Setting, items: Sequence[Any], ours: Callable, peers: dict[str, Callable]
) -> dict[str, Callable]:
    """Our list call, and each peer as a loop and on a pool of threads."""
    found: dict[str, Callable] = {"jpegjax": lambda: ours(items)}
    for name, call in peers.items():
        found[f"{name} loop"] = kept(items, call)
        found[f"{name} pool"] = lambda call=call: list(setting.pool.map(call, items))
    return found


def encode(setting: Setting) -> Iterator[Race]:
    """4:2:0 files at two qualities, on one thread and on all."""
    for quality in QUALITIES:
        peers = encoders(quality, "4:2:0")

        def ours(images: Any, quality: int = quality) -> Any:
            return jpegjax.encode(images, quality=quality, engine="host")

        single = {name: over(setting.images, call) for name, call in {"jpegjax": ours, **peers}.items()}
        yield race("encode", f"q{quality} 1 thread", setting.pixels, single, rounds=setting.rounds)
        every = on_all_cores(setting, setting.images, ours, peers)
        yield race("encode", f"q{quality} {ALL_CORES}", setting.pixels, every, rounds=setting.rounds)


def decode(setting: Setting) -> Iterator[Race]:
    """The same files back, results dropped and results kept."""
    for quality in QUALITIES:
        files = jpegjax.encode(setting.images, quality=quality, engine="host")
        peers = decoders()

        def ours(data: Any) -> Any:
            return jpegjax.decode(data, engine="host")

        everyone = {"jpegjax": ours, **peers}
        single = {name: over(files, call) for name, call in everyone.items()}
        yield race("decode", f"q{quality} 1 thread", setting.pixels, single, rounds=setting.rounds)
        fresh = {name: kept(files, call) for name, call in everyone.items()}
        yield race("decode", f"q{quality} 1 thread, kept", setting.pixels, fresh, rounds=setting.rounds)
        every = on_all_cores(setting, files, ours, peers)
        yield race("decode", f"q{quality} {ALL_CORES}", setting.pixels, every, rounds=setting.rounds)


def coefficients(setting: Setting) -> Iterator[Race]:
    """Quantised coefficients beside a peer's whole decoding, and written back beside a peer's whole encoding."""
    for quality in QUALITIES:
        files = jpegjax.encode(setting.images, quality=quality, engine="host")
        blocks = jpegjax.read_coefficients(files)
        readers = {"jpegjax": jpegjax.read_coefficients, **decoders()}
        contest = {name: over(files, call) for name, call in readers.items()}
        yield race("coefficients", f"q{quality} read, 1 thread", setting.pixels, contest, rounds=setting.rounds)
        writers = {"jpegjax": over(blocks, jpegjax.write_coefficients)}
        writers |= {name: over(setting.images, call) for name, call in encoders(quality, "4:2:0").items()}
        yield race("coefficients", f"q{quality} write, 1 thread", setting.pixels, writers, rounds=setting.rounds)


MODES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "4:4:4": ({"subsampling": "4:4:4"}, {}),
    "4:2:2": ({"subsampling": "4:2:2"}, {}),
    "4:2:0": ({"subsampling": "4:2:0"}, {}),
    "4:4:0": ({"subsampling": "4:4:0"}, {}),
    "4:1:1": ({"subsampling": "4:1:1"}, {}),
    "grey": ({}, {}),
    "optimize": ({"optimize": True}, {"optimize": True}),
    "progressive": ({"progressive": True}, {"progressive": True}),
    "progressive 4:4:4": ({"progressive": True, "subsampling": "4:4:4"}, {"progressive": True}),
    "restart_rows=1": ({"restart_rows": 1}, {"restart_marker_rows": 1}),
    "restart_blocks=8": ({"restart_blocks": 8}, {"restart_marker_blocks": 8}),
}
"""Our settings and Pillow's. Pillow writes no 4:4:0 and no 4:1:1; simplejpeg stands in."""


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Pin this thread, so that nothing inside divides one picture among cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def modes(setting: Setting) -> Iterator[Race]:
    """Every sampling, restart and progressive mode at q75, everyone on the same core."""
    with one_core():
        yield from _modes(setting)


def _modes(setting: Setting) -> Iterator[Race]:
    rounds = max(1, setting.rounds // 2)
    for name, (settings, pillow) in MODES.items():
        grey = name == "grey"
        images = [np.asarray(Image.fromarray(i).convert("L")) for i in setting.images] if grey else setting.images
        sampling = "grey" if grey else settings.get("subsampling", "4:2:0")

        def ours(image: np.ndarray, settings: dict[str, Any] = settings) -> bytes:
            return jpegjax.encode(image, engine="host", **settings)

        writers = {"jpegjax": ours, **encoders(75, sampling, **pillow)}
        contest = {who: over(images, call) for who, call in writers.items()}
        yield race("modes", f"encode {name}", setting.pixels, contest, rounds=rounds)
        files = [ours(image) for image in images]
        readers = {"jpegjax": lambda data: jpegjax.decode(data, engine="host"), **decoders(grey)}
        contest = {who: over(files, call) for who, call in readers.items()}
        yield race("modes", f"decode {name}", setting.pixels, contest, rounds=rounds)


def latency(setting: Setting) -> Iterator[Race]:
    """One picture at a time, from thumbnails to a camera's."""
    sizes = [(64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024), (3000, 4000)]
    tile = setting.images[0]
    for height, width in sizes[: 3 if setting.quick else None]:
        times = -(-height // tile.shape[0]), -(-width // tile.shape[1]), 1
        image = np.ascontiguousarray(np.tile(tile, times)[:height, :width])
        repeat = 1 if setting.quick else max(1, 1_000_000 // (height * width))
        for verb, everyone, item in (
            ("encode", {"jpegjax": lambda image: jpegjax.encode(image, engine="host"), **encoders(75, "4:2:0")}, image),
            (
                "decode",
                {"jpegjax": lambda data: jpegjax.decode(data, engine="host"), **decoders()},
                jpegjax.encode(image),
            ),
        ):
            contest = {name: over([item], call) for name, call in everyone.items()}
            yield race(
                "latency", f"{verb} {width}×{height}", height * width, contest, rounds=setting.rounds, repeat=repeat
            )


def _stages(images: Sequence[np.ndarray], quality: int) -> dict[str, Callable[[int], object]]:
    options = EncodeOptions(quality=quality)
    plans = [codec.plan(image.shape, options) for image in images]
    files = [jpegjax.encode(image, quality=quality, engine="host") for image in images]
    blocks = [jpegjax.read_coefficients(data) for data in files]
    planes = [[np.ascontiguousarray(p[0]) for p in c.planes] for c in blocks]
    return {
        "encode, whole": lambda i: jpegjax.encode(images[i], quality=quality, engine="host"),
        "encode, transform": lambda i: transform(images[i], *plans[i]),
        "encode, entropy": lambda i: jpegjax.write_coefficients(blocks[i]),
        "decode, whole": lambda i: jpegjax.decode(files[i], engine="host"),
        "decode, entropy": lambda i: jpegjax.read_coefficients(files[i]),
        "decode, transform": lambda i: reconstruct(planes[i], *plans[i]),
    }


def stages(setting: Setting) -> Iterator[Race]:
    """Where the time goes on one thread: the transform half and the entropy half alone, beside the fused whole."""
    indices = range(len(setting.images))
    for quality in QUALITIES:
        contest = {name: over(indices, call) for name, call in _stages(setting.images, quality).items()}
        yield race("stages", f"q{quality}", setting.pixels, contest, rounds=setting.rounds)


def xla(setting: Setting) -> Iterator[Race]:
    """The xla engine on this machine's devices: whole files, and its transform alone."""
    import jax

    from jpegjax.jpeg.device import reconstruct_batch, transform_batch

    options = EncodeOptions()
    plans = [codec.plan(image.shape, options) for image in setting.images]
    frames, tables = [p[0] for p in plans], [p[1] for p in plans]
    files = jpegjax.encode(setting.images, engine="host")
    planes = [list(p) for _, p in sorted(transform_batch(setting.images, frames, tables), key=lambda item: item[0])]

    def drain(results: Iterator[Any]) -> None:
        for _ in results:
            pass

    contest = {
        "encode, whole": lambda: jpegjax.encode(setting.images, engine="xla"),
        "encode, transform": lambda: drain(transform_batch(setting.images, frames, tables)),
        "decode, whole": lambda: jpegjax.decode(files, engine="xla"),
        "decode, transform": lambda: drain(reconstruct_batch(planes, frames, tables)),
        "host encode": lambda: jpegjax.encode(setting.images, engine="host"),
        "host decode": lambda: jpegjax.decode(files, engine="host"),
    }
    rounds = max(1, setting.rounds // 2)
    yield race(
        "xla", "q75 all devices", setting.pixels, contest, rounds=rounds, devices=[str(d) for d in jax.devices()]
    )


def start(setting: Setting) -> Iterator[dict[str, Any]]:
    """Cold starts."""
    yield from cold_start(1 if setting.quick else 5)


def memory(setting: Setting) -> Iterator[dict[str, Any]]:
    """Peak memory of a 100-Mpixel picture."""
    yield from peak_memory(500 if setting.quick else 10_000)


SECTIONS: dict[str, Callable[[Setting], Iterator[Race | dict[str, Any]]]] = {
    name.__name__: name for name in (encode, decode, coefficients, modes, latency, stages, xla, start, memory)
}


def load(folder: str | None, quick: bool) -> tuple[list[np.ndarray], str]:
    """(RGB pictures, what they are)."""
    paths = sorted(p for p in Path(folder).iterdir() if p.suffix == ".png") if folder else photographs()
    if not paths:
        raise SystemExit("no pictures: name a folder of PNG files, or install scikit-image")
    images = []
    for path in paths[: 2 if quick else None]:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
        images.append(np.asarray(rgb.crop((0, 0, 128, 96)) if quick else rgb))
    return images, f"{len(images)} of {Path(folder).name if folder else 'scikit-image'}"


def check_identity(images: Sequence[np.ndarray]) -> None:
    """Speed counts only where the result is right."""
    files = jpegjax.encode(list(images))
    peer = encoders(75, "4:2:0")["Pillow"]
    for image, data, pixels in zip(images, files, jpegjax.decode(files), strict=True):
        if data != peer(image) or not np.array_equal(pixels, pillow_decode(data)):
            raise SystemExit("jpegjax and libjpeg-turbo disagree; no figure would mean anything")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--only", help=f"sections, comma-separated, of {', '.join(SECTIONS)}")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="two small crops, one round: only shows that it runs")
    parser.add_argument(
        "--output", type=Path, help="[default: benchmarks/results/codec.json for a whole run, else none]"
    )
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else list(SECTIONS)
    if unknown := [name for name in wanted if name not in SECTIONS]:
        parser.error(f"--only {','.join(unknown)}: must be of {', '.join(SECTIONS)}")
    images, pictures = load(given.folder, given.quick)
    check_identity(images)
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(cores()) as pool:
        setting = Setting(images, 1 if given.quick else given.rounds, given.quick, pool)
        for name in wanted:
            for result in SECTIONS[name](setting):
                found.append(result if isinstance(result, dict) else result.as_dict())
                print(line(found[-1]), flush=True)
    judged = [] if given.quick else verdicts(found)
    for verdict in judged:
        print(f"{'met    ' if verdict['met'] else 'NOT MET'}  {verdict['what']}: {verdict['measured']:.2f} "
              f"({verdict['threshold']})")  # fmt: skip
    output = given.output or (None if given.only or given.quick else ROOT / "benchmarks" / "results" / "codec.json")
    if output:
        report = {**describe(), "pictures": pictures, "pixels": setting.pixels, "verdicts": judged, "results": found}
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        print(f"written: {output}")


if __name__ == "__main__":
    main()
