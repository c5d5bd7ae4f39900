"""The measurements, one after the other, to JSON, Markdown and plots."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import jax

from benchmarks.machine import ROOT, describe
from jpegjax.jpeg.device.pages import ACCELERATOR_SIZES, page_sizes
from jpegjax.run.threads import cores

from . import measure, model, told

__all__ = ["main"]

RESULTS = ROOT / "experiments" / "results"


def measured(small: bool, device_report: dict[str, Any] | None) -> dict[str, Any]:
    """All of it. small: tiny pictures, one round, three pages, for a rehearsal."""
    every = jax.local_devices()
    side, pixels, rounds = (16, 1 << 10, 1) if small else (256, 1 << 20, 5)
    counts = [n for n in (1, 2, 4, 8) if n <= len(every)]
    if small:
        counts = [1, counts[-1]]
    sweep = (1, 4) if small else (1, 4, 16, 64)
    sides = (16, 32) if small else (64, 128, 256, 512, 1024)
    pages = page_sizes(every[0].platform)
    pages = pages[:1] if small else tuple(sorted({*pages, *ACCELERATOR_SIZES}))
    report: dict[str, Any] = {
        "devices": {"platform": every[0].platform, "kind": every[0].device_kind, "count": len(every)},
        "side": side, "pixels": pixels, "results": [], "compiling": [],
    }  # fmt: skip

    def take(rows: Any, into: str) -> None:
        for row in rows:
            report[into].append(row)
            shown = row.get("mpixel_per_second") or {"seconds": row["compile_seconds"]}
            name = row.get("case") or f"{row['kind']} {row['mcus']} MCUs"
            print(row.get("section", "compiling"), name, {k: round(v, 2) for k, v in shown.items()}, flush=True)

    take(measure.batches(side, sweep, every[0], rounds), "results")
    take(measure.sizes(sides, pixels, every[0], rounds), "results")
    take(measure.devices(side, sweep[-1], sweep[-1] // counts[-1] or 1, counts, every, rounds), "results")
    for sampling in ("4:2:0",) if small else ("4:2:0", "4:4:4"):
        take(measure.compiling(sampling, pages, every[0]), "compiling")
    parts = [measure.here(side, sweep[-1], every[0], rounds, cores())]
    parts += model.from_device(device_report) if device_report else []
    report["models"] = [model.predicted(p) for p in parts]
    report["model_text"] = model.__doc__
    return report


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.scaling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--device-json", type=Path, default=ROOT / "benchmarks" / "results" / "device.json")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args(words)
    told_of = json.loads(given.device_json.read_text()) if given.device_json.exists() else None
    command = shlex.join(["python", "-m", "experiments.scaling", *(["--small"] if given.small else [])])
    report = {**describe(), "command": command, **measured(given.small, told_of)}
    given.to.mkdir(parents=True, exist_ok=True)
    path = given.to / "scaling.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text("\n".join(told.lines(report)).rstrip() + "\n")
    told.draw(report, path.with_suffix(".png"))
    print(f"written: {path}")
    if not all(row["same"] for row in report["results"]):
        sys.exit("files or pixels are not the host engine's")
