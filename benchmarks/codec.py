"""How fast is it, beside libjpeg-turbo through Pillow and simplejpeg? Everything of one run in one JSON.

    python benchmarks/codec.py [FOLDER] [--only encode,decode] [--rounds 15] [--output benchmarks/results/codec.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Contestants take turns in every round; a ratio is the
median over rounds of the peer's time over ours in the same round. One thread: a loop, each result dropped before the
next, unless the case says "kept". All cores: our list call beside each peer's plain loop and thread pool, results kept.
Peers: Pillow as it is, simplejpeg with fastdct=False and fastupsample=False. No time includes reading files or
compiling kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from machine import describe
from ours import MODES, stage_calls, xla_calls
from peers import decoders, encoders, over, pillow_decode
from photographs import pictures, pixels_of, tiled
from PIL import Image
from process import cold_start, peak_memory
from reports import RESULTS, flags, save
from rounds import Race, one_core, race
from verdicts import line, verdicts

import jpegjax
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
        return pixels_of(self.images)


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


PILLOW_MODES: dict[str, dict[str, Any]] = {
    "optimize": {"optimize": True},
    "progressive": {"progressive": True},
    "progressive 4:4:4": {"progressive": True},
    "restart_rows=1": {"restart_marker_rows": 1},
    "restart_blocks=8": {"restart_marker_blocks": 8},
}
"""What Pillow calls our settings, beyond the sampling. It writes no 4:4:0 and no 4:1:1; simplejpeg stands in."""


def modes(setting: Setting) -> Iterator[Race]:
    """Every sampling, restart and progressive mode at q75, everyone on the same core."""
    with one_core():
        yield from _modes(setting)


def _modes(setting: Setting) -> Iterator[Race]:
    rounds = max(1, setting.rounds // 2)
    for name, settings in MODES.items():
        grey = name == "grey"
        images = [np.asarray(Image.fromarray(i).convert("L")) for i in setting.images] if grey else setting.images
        sampling = "grey" if grey else settings.get("subsampling", "4:2:0")

        def ours(image: np.ndarray, settings: dict[str, Any] = settings) -> bytes:
            return jpegjax.encode(image, engine="host", **settings)

        writers = {"jpegjax": ours, **encoders(75, sampling, **PILLOW_MODES.get(name, {}))}
        contest = {who: over(images, call) for who, call in writers.items()}
        yield race("modes", f"encode {name}", setting.pixels, contest, rounds=rounds)
        files = [ours(image) for image in images]
        readers = {"jpegjax": lambda data: jpegjax.decode(data, engine="host"), **decoders(grey)}
        contest = {who: over(files, call) for who, call in readers.items()}
        yield race("modes", f"decode {name}", setting.pixels, contest, rounds=rounds)


def latency(setting: Setting) -> Iterator[Race]:
    """One picture at a time, from thumbnails to a camera's."""
    sizes = [(64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024), (3000, 4000)]
    for height, width in sizes[: 3 if setting.quick else None]:
        image = tiled(setting.images[0], height, width)
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


def stages(setting: Setting) -> Iterator[Race]:
    """Where the time goes on one thread: the transform half and the entropy half alone, beside the fused whole."""
    indices = range(len(setting.images))
    for quality in QUALITIES:
        contest = {name: over(indices, call) for name, call in stage_calls(setting.images, quality).items()}
        yield race("stages", f"q{quality}", setting.pixels, contest, rounds=setting.rounds)


def xla(setting: Setting) -> Iterator[Race]:
    """The xla engine on this machine's devices: whole files, and its transform alone."""
    import jax

    files = jpegjax.encode(setting.images, engine="host")
    contest = {
        **{name: call for name, call in xla_calls(setting.images).items() if "kept" not in name},
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


def check_identity(images: Sequence[np.ndarray]) -> None:
    """Speed counts only where the result is right."""
    files = jpegjax.encode(list(images))
    peer = encoders(75, "4:2:0")["Pillow"]
    for image, data, pixels in zip(images, files, jpegjax.decode(files), strict=True):
        if data != peer(image) or not np.array_equal(pixels, pillow_decode(data)):
            raise SystemExit("jpegjax and libjpeg-turbo disagree; no figure would mean anything")


def main() -> None:
    parser = flags(__doc__, 15, quick=True)
    parser.add_argument("--only", help=f"sections, comma-separated, of {', '.join(SECTIONS)}")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else list(SECTIONS)
    if unknown := [name for name in wanted if name not in SECTIONS]:
        parser.error(f"--only {','.join(unknown)}: must be of {', '.join(SECTIONS)}")
    source, images = pictures(given.folder, given.quick)
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
    report = {**describe(), "pictures": f"{len(images)} of {source}", "pixels": setting.pixels}
    output = given.output or (None if given.only or given.quick else RESULTS / "codec.json")
    if output:
        save({**report, "verdicts": judged, "results": found}, output)


if __name__ == "__main__":
    main()
