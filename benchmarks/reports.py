"""How a benchmark begins and ends: the flags that all have, and a JSON of what was found."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import ROOT

__all__ = ["RESULTS", "flags", "save"]

RESULTS = ROOT / "benchmarks" / "results"


def flags(
    description: str | None, rounds: int, *, quick: bool = False, before: str | None = None
) -> argparse.ArgumentParser:
    """A parser of FOLDER, --rounds and --output, which is None unless given.

    quick: of --quick too. before: a path that stands before FOLDER and has to be given.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if before:
        parser.add_argument(before, type=Path)
    parser.add_argument("folder", nargs="?", type=Path, help="photographs; without it scikit-image's, or made-up ones")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--output", type=Path, help="the JSON [default: in benchmarks/results, for a whole run]")
    if quick:
        parser.add_argument("--quick", action="store_true", help="two small crops, one round: only shows that it runs")
    return parser


def save(report: Mapping[str, Any], path: Path) -> None:
    """Write a report and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(f"written: {path}")
