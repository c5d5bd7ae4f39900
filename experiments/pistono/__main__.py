"""Classification from coefficients beside pixels: `python -m experiments.pistono`; `--speed` for files a second.

The first: three seeds, some 15 minutes a seed on two busy cores; pieces are kept in runs/pistono, so that it goes on where it
stopped; `--piece NAME SEED` makes one, `--stored` reports what is there. The second: a minute, on an idle machine. Writes
experiments/results/pistono.json, .md, .png, and pistono-speed.json, .md.

Expect on MNIST: the first ten coefficients of a block 0.3 points behind pixels at 84 % fewer multiply-adds. On CIFAR-10 (20,000
pictures to train on): pixels 74 %, the plain network on coefficients ten points less; behind a stem that starts as the inverse
DCT as much as pixels, in cells a point less at 1.9 times the files a second.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe

from . import data, measure

RESULTS = ROOT / "experiments" / "results"
TITLE = "Pistono 2020, classification from coefficients beside pixels"


def save(folder: Path, name: str, title: str, report: dict[str, Any], table: str) -> None:
    """Writes name.json, and name.md with the table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    text = f"{title}; `{report['command']}` at commit {report['commit']}.\n\n{table}"
    (folder / f"{name}.md").write_text(text)
    print(text)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.pistono", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/pistono"), help="where pieces are kept")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument(
        "--piece", nargs=2, metavar=("NAME", "SEED"), help="train one network from one seed, and no more"
    )
    parser.add_argument("--stored", action="store_true", help="only of pieces that are there")
    parser.add_argument("--speed", action="store_true", help="files a second in place of accuracies")
    given = parser.parse_args(words)
    if not (data.folder() / "cifar10").is_dir():
        parser.error(f"no cifar10 in {data.folder()}: set JPEGJAX_SHARED")
    if given.piece:
        print(measure.piece(given.piece[0], int(given.piece[1]), given.work))
        return
    command = shlex.join(["python", "-m", "experiments.pistono", *(sys.argv[1:] if words is None else words)])
    report: dict[str, Any] = {**describe(), "command": command, "quality": data.QUALITY, "subsampling": "4:2:0"}
    if given.speed:
        report |= {"batch": measure.SPEED_BATCH, "speed": measure.speed(measure.NETWORKS)}
        save(given.to, "pistono-speed", TITLE, report, measure.speed_table(report))
        return
    report["mnist"] = measure.mnist(given.work)
    report["cifar10"] = measure.cifar(given.work, given.stored)
    report["literature"] = [measure.claim(report)]
    save(given.to, "pistono", TITLE, report, measure.table(report))
    measure.plot(report, given.to / "pistono.png")


if __name__ == "__main__":
    main()
