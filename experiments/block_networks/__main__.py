"""Perceptrons on blocks, Rao 2010, Dutta 2009, Vilovic 2006: `python -m experiments.block_networks`.

Half an hour on two idle cores, in pieces that are kept in runs/block_networks, so that it goes on where it stopped; `--piece
NAME` makes one, `--stored` reports what is there. Levenberg–Marquardt needs `pip install 'jpegjax[blocks]'`. Writes
experiments/results/block_networks.json, .md, .png and -plate.png. `--ship NAME` trains one of the package's networks instead.

Expect linear and tanh networks within 0.3 dB of the KLT that is fitted to the same blocks (Kodak; tested on Set12), files some
20 % smaller than JPEG's at equal PSNR, and errors weighted by Annex K's table to give more MS-SSIM at equal bits.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe

from . import data, ship, told
from .pieces import PIECES, piece

RESULTS = ROOT / "experiments" / "results"
NAME = "block_networks"
COMMAND = "python -m experiments.block_networks"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/block_networks"), help="where pieces are kept")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--piece", action="append", metavar="NAME", help="make this piece, and no more")
    parser.add_argument("--stored", action="store_true", help="only of pieces that are there")
    parser.add_argument("--ship", action="append", choices=list(ship.SHIPPED), help="train a network of the package")
    given = parser.parse_args(words)
    if not (data.DATA / "kodak").is_dir() or not (data.DATA / "set12").is_dir():
        parser.error(f"no kodak and set12 in {data.DATA}: set JPEGJAX_SHARED")
    for name in given.ship or ():
        print(name, ship.ship(name, given.work), flush=True)
    for name in given.piece or ():
        if name not in PIECES:
            parser.error(f"--piece {name}: must be one of {', '.join(PIECES)}")
        piece(name, given.work)
        print(name, flush=True)
    if given.ship or given.piece:
        return
    command = shlex.join([*COMMAND.split(), *(sys.argv[1:] if words is None else words)])
    found: dict[str, Any] = {}
    for name in PIECES:
        if not given.stored or (given.work / f"{name}.json").exists():
            found[name] = piece(name, given.work)
            print(name, flush=True)
    report: dict[str, Any] = {**describe(), "command": command, "pieces": found, "found": told.summed(found)}
    report["literature"] = told.claims(report["found"], COMMAND)
    given.to.mkdir(parents=True, exist_ok=True)
    report["looked at"] = told.LOOKED_AT
    (given.to / f"{NAME}.json").write_text(json.dumps(report, indent=1) + "\n")
    text = f"{told.TITLE}; `{command}` at commit {report['commit']}.\n\n{told.table(found, report['found'])}"
    (given.to / f"{NAME}.md").write_text(text)
    told.plot(found, given.to / f"{NAME}.png")
    told.plate(given.to / f"{NAME}-plate.png")
    print(text)


if __name__ == "__main__":
    main()
