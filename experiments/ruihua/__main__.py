"""Trains and evaluates: `python -m experiments.ruihua --folder runs/ruihua`; $JPEGJAX_SHARED names the folder of the data."""

from __future__ import annotations

import argparse
from pathlib import Path

from jpegjax.learned.restoring.weights import DEFAULT

from . import adversarial, evaluate

parser = argparse.ArgumentParser(prog="python -m experiments.ruihua", description=__doc__.partition(":")[0])
parser.add_argument("--folder", type=Path, required=True, help="run folder of the stages")
parser.add_argument("--restorer", default=DEFAULT, help="model of the package, or weights (.npz)")
parser.add_argument("--seconds", type=float, default=240, help="most a stage of training")
given = parser.parse_args()
both = ["--folder", str(given.folder), "--restorer", given.restorer]
adversarial.main([*both, "--seconds", str(given.seconds)])
evaluate.main(both)
