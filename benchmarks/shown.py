"""Results as tables of Markdown: lines, cells, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Result", "contestants", "literature", "named", "of", "pace", "percent", "source", "table"]

Result = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, none without rows."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)] + [""] if rows else []


def source(report: Result) -> list[str]:
    """Where a table comes from."""
    cpu, count = (report["machine"][word] for word in ("cpu", "cores"))
    cores = f"{count} core{'s' * (count > 1)}"
    return [f"`{report['command']}` at commit {report['commit']}; {cpu}, {cores}.", ""]


def of(report: Result, *sections: str) -> list[Result]:
    """A report's results, section by section in this order."""
    return [r for section in sections for r in report["results"] if r["section"] == section]


def named(result: Result) -> str:
    return f"{result['section']} {result['case']}"


def pace(result: Result, name: str) -> str:
    """Mpixel/s of a contestant; nothing where it did not run."""
    found = result["mpixel_per_second"].get(name)
    return "" if found is None else f"{found:.0f}"


def contestants(head: str, results: Sequence[Result], label: Callable[[Result], str] = named) -> list[str]:
    """A race a row, Mpixel/s of everyone in it."""
    names = list(dict.fromkeys(name for r in results for name in r["seconds"]))
    return table([head, *names], [[label(r), *(pace(r, name) for name in names)] for r in results])


def percent(value: float | None) -> str:
    """With its sign, nothing for none."""
    return "" if value is None else f"{value:+.1f}".replace("-", "−")


def literature(reports: Mapping[str, Any], root: str = "") -> list[str]:
    """A row of every claim that a result of the experiments holds: what a paper says, what was measured, by what. root: before
    the names of results, in links."""
    rows = [
        f"| {row['system']} | {row['claims']} | {row['measured']} | `{row['command']}` | "
        f"[{report['commit'][:7]}]({root}{name}) |"
        for name, report in sorted(reports.items(), key=lambda pair: pair[0])
        for row in report.get("literature", ())
    ]
    head = ["| system | the paper | here | command | result, at commit |", f"|{' --- |' * 5}"]
    return [*head, *rows] if rows else []
