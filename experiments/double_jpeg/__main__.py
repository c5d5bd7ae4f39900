"""Double compression, all of it: `python -m experiments.double_jpeg --folder runs/double_jpeg`.

Makes samples and trains what the folder lacks (see `train`), then evaluates, part by part; parts that are there stay, so that it
may be stopped. Writes `experiments/results/double_jpeg.json`, `.md` and `.png`. Some fifteen minutes of one core. Scores to
expect: support vector machine 0.996 for Q1 < Q2, 0.933 for Q1 > Q2 below 95; first quality within ±2 of all patches for Q1 < Q2;
network 0.89 on mixed tables. Needs scikit-learn, and $JPEGJAX_SHARED names the folder of the data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe
from jpegjax.forensics.double import THRESHOLD
from jpegjax.forensics.network import DEFAULT, named

from . import evaluate, told, train

RESULTS = ROOT / "experiments" / "results" / "double_jpeg"
COMMAND = "python -m experiments.double_jpeg --folder runs/double_jpeg"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.double_jpeg", description="Double compression.")
    parser.add_argument("--folder", type=Path, required=True, help="for samples, models and parts of the results")
    parser.add_argument("--parts", nargs="+", help="only these, and nothing is written but them")
    parser.add_argument("--weights", default=DEFAULT, help="model of the package, or weights (.jxw, .npz)")
    given = parser.parse_args()
    if not given.parts:
        train.main(["--folder", str(given.folder)])
    given.folder.mkdir(parents=True, exist_ok=True)
    parts = evaluate.everything(given.folder, named(given.weights))
    found: dict[str, Any] = {}
    for name in given.parts or parts:
        path = given.folder / f"part-{name}.json"
        if not path.exists():
            path.write_text(json.dumps(parts[name](), indent=1) + "\n")
        found[name] = json.loads(path.read_text())
    if given.parts:
        return
    found["qualities"] = found.pop("finer") | found.pop("coarser")
    report = {**describe(), "command": COMMAND, "threshold": THRESHOLD, **found}
    report |= {"summary": told.summary(report)}
    report |= {"literature": told.literature(report)}
    RESULTS.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(told.text(report))
    told.plot(report, RESULTS.with_suffix(".png"))
    print(json.dumps(report["summary"], indent=1))


if __name__ == "__main__":
    main()
