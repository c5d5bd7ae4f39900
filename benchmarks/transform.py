"""How fast is the xla engine's transform half, host to host, and its whole encode and decode?

    python benchmarks/transform.py [FOLDER] [--rounds 15] [--repeat 2] [--output benchmarks/results/transform.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. One call takes all images `repeat` times, 4:2:0,
quality 75: pixels in host memory → quantised coefficients in host memory, fresh arrays; and back. "dropped": each
result is dropped as it comes, "kept": all are kept to the end, which pays for their page faults. Whole encode and
decode are files. No time includes compilation; the first call of each, which compiles, is reported apart.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from machine import ROOT, describe
from pictures import pictures
from rounds import race

import jpegjax
from jpegjax.jpeg import codec
from jpegjax.jpeg import device as xla
from jpegjax.options import EncodeOptions


def drop(results: Any) -> None:
    """Consume an iterator, keeping nothing."""
    for _ in results:
        pass


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def processor_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call over all threads: unlike the clock's, they hold on a machine that others use too."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "transform.json")
    given = parser.parse_args()
    source, images = pictures(given.folder)
    images = images * given.repeat
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    plans = [codec.plan(image.shape, EncodeOptions(quality=75)) for image in images]
    frames, tables = [p[0] for p in plans], [p[1] for p in plans]
    first = {"encode": timed(lambda: drop(xla.transform_batch(images, frames, tables)))}
    levels = dict(xla.transform_batch(images, frames, tables))
    planes = [levels[i] for i in range(len(images))]
    first["decode"] = timed(lambda: drop(xla.reconstruct_batch(planes, frames, tables)))
    files = jpegjax.encode(images, engine="host")
    assert files == jpegjax.encode(images, engine="xla")
    cases: dict[str, Callable[[], object]] = {
        "encode transform, dropped": lambda: drop(xla.transform_batch(images, frames, tables)),
        "encode transform, kept": lambda: list(xla.transform_batch(images, frames, tables)),
        "decode transform, dropped": lambda: drop(xla.reconstruct_batch(planes, frames, tables)),
        "decode transform, kept": lambda: list(xla.reconstruct_batch(planes, frames, tables)),
        "whole encode": lambda: jpegjax.encode(images, engine="xla"),
        "whole decode": lambda: jpegjax.decode(files, engine="xla"),
    }
    found = race("transform", "4:2:0 q75", pixels, cases, rounds=given.rounds)
    work = {name: pixels / 1e6 / min(processor_seconds(call) for _ in range(3)) for name, call in cases.items()}
    best = {name: pixels / 1e6 / min(seconds) for name, seconds in found.seconds.items()}
    report = {
        **describe(),
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.local_devices()],
        "images": {"source": source, "count": len(images), "pixels": pixels},
        "first_call_seconds": first,
        "results": [{**found.as_dict(), "best_mpixel_per_second": best, "mpixel_per_cpu_second": work}],
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(report, indent=1) + "\n")
    for name, speed in report["results"][0]["mpixel_per_second"].items():
        print(f"{name:28} median {speed:7.1f}  best {best[name]:7.1f} Mpixel/s  a core {work[name]:6.1f}")
    print(f"written: {given.output}")


if __name__ == "__main__":
    main()
