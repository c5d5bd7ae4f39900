"""A run that must end: rows in the order of their importance, written one by one, as many as a time budget lets begin."""

from __future__ import annotations

import contextlib
import io
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reports import save

__all__ = ["Row", "run"]


class Row(NamedTuple):
    """name: "section case". run: what it finds, as the entries of report["results"]."""

    name: str
    run: Callable[[], Sequence[Mapping[str, Any]]]


def run(
    rows: Sequence[Row], report: dict[str, Any], path: Path, seconds: float, after: Callable[[dict[str, Any]], None]
) -> None:
    """Fills report["results"], ["left_out"] and ["failed"]; the report is whole on the disk after every row.

    A row that fails is named with its error, and the others go on. after: called with the report before each writing.
    """
    start = time.perf_counter()
    report |= {"budget_seconds": seconds, "results": [], "row_seconds": {}, "failed": {}, "left_out": []}
    report["left_out"] = [row.name for row in rows]
    for row in rows:
        begin = time.perf_counter()
        if begin - start >= seconds:
            break
        report["left_out"].remove(row.name)
        try:
            found = row.run()
        except Exception as error:  # of one row: memory that ends, a peer that refuses
            traceback.print_exc()
            report["failed"][row.name] = f"{type(error).__name__}: {error}".split("\n")[0]
            found = []
        report["results"] += found
        report["row_seconds"][row.name] = round(time.perf_counter() - begin, 2)
        for line in _told(row.name, found):
            print(line, flush=True)
        after(report)
        with contextlib.redirect_stdout(io.StringIO()):
            save(report, path)
    report["seconds"] = round(time.perf_counter() - start, 1)
    after(report)
    save(report, path)


def _told(name: str, found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield name
    for result in found:
        for contestant, speed in result.get("mpixel_per_second", {}).items():
            ratio = result["ratios"].get(contestant)
            line = f"  {contestant:38} {speed:9.1f} Mpixel/s"
            if "images_per_second" in result:
                line += f" {result['images_per_second'][contestant]:10.1f} images/s"
            share = result.get("share_of_copy", {}).get(contestant)
            line += f"  {share:.0%} of a copy" if share else ""
            yield line + (f"  jpegjax is {ratio['median']:.2f}×" if ratio else "")
