"""How a verb runs its jobs and ends: the table, the list of what failed, the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer

from . import pipes, settings
from .paths import Job, shown

__all__ = ["run", "usage"]


def usage(error: Exception) -> typer.Exit:
    from .report import in_flags

    print(f"jpegjax: {shown(in_flags(str(error)))}", file=sys.stderr)
    return typer.Exit(2)


def run(
    work: Any,
    jobs: Sequence[Job],
    lost: list[tuple[str, str]],
    quiet: bool,
    cores: int | None,
    *,
    csv: bool = False,
    totals: bool = False,
) -> int:
    """Run, show the table, list failures, both on stderr; the exit code. One picture on stdout has a table if it was measured,
    else a line for each note. csv: lines on stdout in place of the table; totals: a line on all files in its place."""
    from . import report
    from . import work as works

    if not jobs:
        return report.failures([], lost)
    with settings.at_most(cores), report.progress(0 if quiet else len(jobs), work.verb) as tick:
        rows, times = works.run(work, jobs, tick, quiet=quiet)
    piped = jobs[0].target is None
    if piped and not quiet and not rows[0].failed and pipes.lost_on_a_device():
        print("jpegjax: the picture went to stdout, a device that keeps nothing; -o FILE writes one", file=sys.stderr)
    asked = any(row.verdict or row.psnr_db is not None for row in rows)
    if csv:
        report.csv(rows, sys.stderr if piped else sys.stdout)
    if totals:
        report.summary(rows, sys.stderr)
    if piped and not (quiet or asked or rows[0].failed):
        for note in rows[0].notes:
            print(f"jpegjax: {rows[0].name}: {shown(note)}", file=sys.stderr)
    if not (quiet or csv or totals) and (asked or not piped):
        report.show(rows, times, report.console(stderr=True))
    return report.failures(rows, lost)
