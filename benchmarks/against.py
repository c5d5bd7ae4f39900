"""Is this checkout as fast as another one, and are its results the same? Both in one run, row by row.

    python benchmarks/against.py OTHER_CHECKOUT [FOLDER] [--rows 'encode*,tuned*'] [--rounds 21] [--minutes 7]
                                 [--output benchmarks/results/against.json]

OTHER_CHECKOUT: a working tree of this repository, of an older commit say. Each has a worker process of its own, which
imports jpegjax from its tree; they take turns in every round, each first in every other one. A ratio is the other's
time over ours in the same round, so > 1 means that this checkout is faster; medians over rounds, with quartiles. A row
whose lower quartile is below 0.97 is measured again with three times the rounds, and that counts. Before it is timed,
each row's results are compared between the two, byte for byte. "CPU": the same ratio of CPU seconds over all threads,
which holds better on a machine that others use. FOLDER: photographs; without it scikit-image's, or
made-up ones. Rows are named "section case"; `--rows` takes patterns as the shell's. After `--minutes` nothing is
measured again, and what is left gets five rounds. Eight minutes on two cores at default settings, with kernels compiled.
No time includes compilation. Exit code 1: a row is slower than 0.97, or results differ.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from machine import ROOT, commit, describe
from photographs import pictures, pixels_of
from process import start_up
from reports import RESULTS, flags, save
from rounds import Race
from rows import SECTIONS

FLOOR = 0.97
SHORTEST = 0.02
"""Seconds: what one measurement takes at least."""
FEW, MORE = 5, 3


class Worker:
    """A process of one checkout."""

    def __init__(self, root: Path, stored: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, str(ROOT / "benchmarks" / "rows.py"), str(stored)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, **pipes, text=True, env=environment)
        if not Path(self.answer()["package"]).is_relative_to(root):
            raise SystemExit(f"{root} is no checkout of jpegjax")

    def ask(self, **request: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker has ended: its error stands above")
        return json.loads(line)

    def seconds(self, case: str, repeat: int) -> tuple[float, float]:
        """By the clock, and of the CPU."""
        self.ask(time=case, repeat=repeat)
        return self.answer()["seconds"]

    def end(self) -> None:
        self.process.communicate()


@dataclass
class Match:
    """The two workers, ours first, and the time that they have. wanted: patterns of rows."""

    workers: tuple[Worker, Worker]
    wanted: list[str]
    rounds: int
    deadline: float
    missing: dict[str, list[str]] = field(default_factory=dict)

    def wants(self, section: str, case: str = "") -> bool:
        """Whether a pattern takes this row; without a case, whether one may take a row of this section."""
        if case:
            return any(fnmatch(f"{section} {case}", pattern) for pattern in self.wanted)
        heads = [pattern.split("*")[0] for pattern in self.wanted]
        return any(section.startswith(head) or head.startswith(section) for head in heads)

    def both(self, **request: Any) -> list[dict[str, Any]]:
        """The same request to both at once, and their answers."""
        for worker in self.workers:
            worker.ask(**request)
        return [worker.answer() for worker in self.workers]

    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def section(self, section: str) -> Iterator[dict[str, Any]]:
        """Every wanted row of a section that both checkouts have."""
        if not self.wants(section):
            return
        found = self.both(prepare=section)
        if any("missing" in one for one in found):
            self.missing[section] = [one.get("missing", "") for one in found]
            return
        ours, others = (one["cases"] for one in found)
        for case in (case for case in ours if case in others and self.wants(section, case)):
            first, second = (one["digest"] for one in self.both(first=case))
            repeat = 1 + int(SHORTEST / min(worker.seconds(case, 1)[0] for worker in self.workers))
            row = self.row(section, case, ours[case], repeat, FEW if self.late() else self.rounds)
            if row["ratio"]["low"] < FLOOR and not self.late():
                again = self.row(section, case, ours[case], repeat, MORE * self.rounds)
                row = {**again, "first_ratio": row["ratio"]}
            yield {**row, "same_results": first == second}

    def row(self, section: str, case: str, pixels: int, repeat: int, rounds: int) -> dict[str, Any]:
        seconds: tuple[list[float], list[float]] = ([], [])
        work: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            for i in (0, 1) if number % 2 else (1, 0):
                clock, processor = self.workers[i].seconds(case, repeat)
                seconds[i].append(clock)
                work[i].append(processor)
        return {**result(section, case, pixels, *seconds), "cpu_ratio": result(section, case, pixels, *work)["ratio"]}


def result(section: str, case: str, pixels: int, ours: list[float], others: list[float]) -> dict[str, Any]:
    """A row as JSON: medians of seconds, and the ratio within rounds with its quartiles."""
    raced = Race(section, case, pixels, {"jpegjax": ours, "other": others}).as_dict()
    del raced["mpixel_per_second"]
    return {**raced, "ratio": raced.pop("ratios")["other"]}


def start(match: Match, roots: tuple[Path, Path]) -> Iterator[dict[str, Any]]:
    """`--help`, the import and the first calls, each time in new processes."""
    if not match.wants("start"):
        return
    found: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    for number in range(1 + min(match.rounds, FEW if match.late() else match.rounds)):
        for i in (0, 1) if number % 2 else (1, 0):
            found[i].append(start_up(roots[i]))
    for case in found[0][0]:
        if case != "second encode" and match.wants("start", case):
            yield result("start", case, 0, *([times[case] for times in side[1:]] for side in found))


def shown(row: dict[str, Any]) -> str:
    ratio = row["ratio"]
    again = f"  (first {row['first_ratio']['median']:.3f})" if "first_ratio" in row else ""
    work = f"  CPU {row['cpu_ratio']['median']:.3f}" if "cpu_ratio" in row else ""
    differ = "" if row.get("same_results", True) else "  RESULTS DIFFER"
    return (
        f"{row['section']:<13}{row['case']:<36}{row['seconds']['jpegjax'] * 1e3:9.2f} ms  "
        f"{ratio['median']:.3f}  {ratio['low']:.3f}–{ratio['high']:.3f}{work}{again}{differ}"
    )


def judge(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Names of the rows that are slower than they may be, of those that may be, and of those with other results."""
    found: dict[str, list[str]] = {"slower": [], "doubtful": [], "different": []}
    for row in rows:
        name = f"{row['section']} {row['case']}"
        if row["ratio"]["median"] < FLOOR:
            found["slower"].append(name)
        elif row["ratio"]["low"] < FLOOR:
            found["doubtful"].append(name)
        if not row.get("same_results", True):
            found["different"].append(name)
    return found


def main() -> None:
    parser = flags(__doc__, 21, quick=True, before="other")
    parser.add_argument("--rows", default="*", help="patterns, comma-separated")
    parser.add_argument("--minutes", type=float, default=7)
    given = parser.parse_args()
    source, images = pictures(given.folder, given.quick)
    roots = ROOT, given.other.resolve()
    rounds = 1 if given.quick else given.rounds
    deadline = time.monotonic() + (0 if given.quick else 60 * given.minutes)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as room:
        stored = Path(room) / "pictures.npz"
        np.savez(stored, *images)
        match = Match((Worker(roots[0], stored), Worker(roots[1], stored)), given.rows.split(","), rounds, deadline)
        for found in (*(match.section(name) for name in SECTIONS), start(match, roots)):
            for row in found:
                rows.append(row)
                print(shown(row), flush=True)
        for worker in match.workers:
            worker.end()
    if not rows:
        raise SystemExit(f"--rows {given.rows}: no row is called so")
    judged = judge(rows)
    print(f"{len(rows)} rows, median {statistics.median(row['ratio']['median'] for row in rows):.3f}")
    for what, names in {**judged, **{f"not measured ({why})": [name] for name, why in match.missing.items()}}.items():
        print(f"{what}: {', '.join(names) or 'none'}")
    report = {
        **describe(),
        "other_commit": commit(given.other),
        "pictures": f"{len(images)} of {source}",
        "pixels": pixels_of(images),
        **judged,
        "missing": match.missing,
        "results": rows,
    }
    output = given.output or (None if given.quick or given.rows != "*" else RESULTS / "against.json")
    if output:
        save(report, output)
    raise SystemExit(bool(judged["different"] or (judged["slower"] and not given.quick)))


if __name__ == "__main__":
    main()
