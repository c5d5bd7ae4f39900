"""How fast do JPEG files become batches to train on, beside Pillow in the same pipeline of grain's?

    python benchmarks/pipeline.py [FOLDER] [--files 10000] [--rounds 5] [--small] [--output benchmarks/results/pipeline.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Files of 256×256 pixels cut out of them, quality 75, 4:2:0,
lie in a folder (in memory where /dev/shm is). One call reads all of them once, in a random order, as batches of 64 that are
dropped as they come.

with grain: "jpegjax" is a source of grain's, its shuffle, its batches with `PixelBatch` or `CoefficientBatch`, two threads of
    grain's. "Pillow" is the same with Pillow in a map, and a thread a core for batches; "Pillow, by files" is what grain does
    when it is told nothing: 16 threads for single files, batched behind them.
without: "jpegjax" is `Batches`, "Pillow" a pool of threads, a batch at a time.

Coefficients are compared with Pillow's pixels, for it gives nothing else. Pixels are compared byte for byte. cpu_seconds: of one
call, all threads; unlike the clock's, they hold on a machine that others use too. Nothing includes compilation.
--small: 200 files, two rounds, no JSON unless --output says where; shows that it runs, for starting grain takes as long.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import grain
import numpy as np
from machine import describe
from peers import pillow_decode
from photographs import pictures, write_files
from reports import RESULTS, flags, save
from rounds import Race, processor_seconds, race

from jpegjax.run.threads import cores
from jpegjax.train import Batches, CoefficientBatch, Encoded, PixelBatch

BATCH, SIDE, SEED = 64, 256, 1
SMALL = 200
THREADS, AHEAD = 2, 4
WAYS = {"with grain": True, "without": False}
TARGETS = {"pixels": 1.5, "coefficients": 2.5}

Stream = Callable[[], Iterable[Any]]


def shuffled(source: Encoded) -> Any:
    return grain.MapDataset.source(source).shuffle(seed=SEED)


def ours(source: Encoded, make: Any) -> Stream:
    """Batches by grain, decoded as such."""
    return lambda: shuffled(source).batch(BATCH, batch_fn=make).to_iter_dataset(grain.ReadOptions(THREADS, AHEAD))


def pixels_by_pillow(element: dict[str, Any]) -> dict[str, np.ndarray]:
    return {"pixels": pillow_decode(element["data"])}


def pillows(source: Encoded) -> dict[str, Stream]:
    """Pillow in grain's pipelines."""
    threads = grain.ReadOptions(cores(), max(AHEAD, cores()))
    return {
        "Pillow": lambda: shuffled(source).map(pixels_by_pillow).batch(BATCH).to_iter_dataset(threads),
        "Pillow, by files": lambda: shuffled(source).map(pixels_by_pillow).to_iter_dataset().batch(BATCH),
    }


def pool(source: Encoded) -> Stream:
    """Pillow without grain: a thread a core, a batch at a time."""

    def stream() -> Iterable[Any]:
        order = np.random.default_rng(SEED).permutation(len(source))
        with ThreadPoolExecutor(cores()) as threads:
            for at in range(0, len(source), BATCH):
                part = order[at : at + BATCH]
                yield np.stack(list(threads.map(lambda i: pillow_decode(source[i]["data"]), part.tolist())))

    return stream


def drained(stream: Stream) -> Callable[[], None]:
    def run() -> None:
        for _ in stream():
            pass

    return run


def contestants(source: Encoded, make: Any, with_grain: bool) -> dict[str, Stream]:
    if with_grain:
        return {"jpegjax": ours(source, make), **pillows(source)}
    batches = Batches(source, make, seed=SEED, rounds=1)
    return {"jpegjax": lambda: batches.stream(0, BATCH), "Pillow": pool(source)}


def compete(case: str, source: Encoded, streams: dict[str, Stream], rounds: int) -> Race:
    """One race, in which the yardsticks are Pillow's pixels."""
    calls = {name: drained(stream) for name, stream in streams.items()}
    extra = {
        "files": len(source),
        "batch": BATCH,
        "cpu_seconds": {name: processor_seconds(call) for name, call in calls.items()},
    }
    return race("pipeline", case, len(source) * SIDE**2, calls, rounds=rounds, **extra)


def identical(source: Encoded) -> int:
    """Pictures whose pixels are Pillow's."""
    pairs = zip(ours(source, PixelBatch())(), pillows(source)["Pillow"](), strict=True)
    return sum(int((a["pixels"] == b["pixels"]).all((1, 2, 3)).sum()) for a, b in pairs)


def main() -> None:
    parser = flags(__doc__, 5)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--small", action="store_true", help=f"{SMALL} files, two rounds: only shows that it runs")
    given = parser.parse_args()
    files, rounds = (min(SMALL, given.files), 2) if given.small else (given.files, given.rounds)
    origin, images = pictures(given.folder)
    memory, results = Path("/dev/shm"), []
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as room:
        write_files(Path(room) / "files", images, files, SIDE)
        source = Encoded(Path(room) / "files")
        same, nbytes = identical(source), sum(source.sizes)
        for make, (what, with_grain) in product((PixelBatch(), CoefficientBatch()), WAYS.items()):
            case = f"{make.made}, {what}"
            found = compete(case, source, contestants(source, make, with_grain), rounds).as_dict()
            measured = min(ratio["median"] for ratio in found["ratios"].values())
            per_second = {name: files / seconds for name, seconds in found["seconds"].items()}
            target = TARGETS[make.made]
            verdict = {"target": target, "measured": measured, "met": measured >= target}
            results.append({**found, "pictures_per_second": per_second, **verdict})
            work = found["cpu_seconds"]
            spared = min(work[name] for name in found["ratios"]) / work["jpegjax"]
            print(f"{case}: {measured:.2f} times Pillow ({spared:.2f} by CPU seconds)", end="; ")
            print(", ".join(f"{name} {n:.0f}/s" for name, n in per_second.items()))
    print(f"{same} of {files} pictures have Pillow's pixels")
    about = {"source": origin, "count": len(images), "side": SIDE, "identical": same, "bytes": nbytes}
    report = {**describe(), "grain": grain.__version__, "images": about, "results": results}
    if given.output or not given.small:
        save(report, given.output or RESULTS / "pipeline.json")


if __name__ == "__main__":
    main()
