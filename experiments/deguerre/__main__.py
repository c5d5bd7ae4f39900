"""Detection on coefficients beside pixels: `python -m experiments.deguerre`; `--speed` for files a second.

The first: some twenty minutes on two idle cores, three seeds; pieces are kept in runs/deguerre, so that it goes on where it
stopped, and `--piece NAME SEED` makes one. The second: a minute, on an idle machine. Writes experiments/results/deguerre.json,
.md, and deguerre-speed.json, .md. Needs `pip install 'jpegjax[train,detect]'`.

Expect of red cells AP50 83.5 on pixels and 3.5 points less on coefficients, at 1.8 times the files a second.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe
from experiments.pistono.__main__ import save

from . import data, measure

RESULTS = ROOT / "experiments" / "results"
TITLE = "Deguerre 2019, SSD on coefficients beside pixels, BCCD"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.deguerre", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/deguerre"), help="where pieces are kept")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument(
        "--piece", nargs=2, metavar=("NAME", "SEED"), help="train one network from one seed, and no more"
    )
    parser.add_argument("--stored", action="store_true", help="only of pieces that are there")
    parser.add_argument("--speed", action="store_true", help="files a second in place of AP")
    given = parser.parse_args(words)
    if not data.folder().is_dir():
        parser.error(f"no {data.folder()}: set JPEGJAX_SHARED")
    if given.piece:
        print(measure.piece(given.piece[0], int(given.piece[1]), given.work))
        return
    command = shlex.join(["python", "-m", "experiments.deguerre", *(sys.argv[1:] if words is None else words)])
    report: dict[str, Any] = {**describe(), "command": command, "pixels_at": "1/2"}
    if given.speed:
        report["speed"] = measure.speed()
        save(given.to, "deguerre-speed", TITLE, report, measure.speed_table(report))
        return
    report["bccd"] = measure.report_of(given.work, given.stored)
    report["literature"] = [measure.claim(report)]
    save(given.to, "deguerre", TITLE, report, measure.table(report))


if __name__ == "__main__":
    main()
