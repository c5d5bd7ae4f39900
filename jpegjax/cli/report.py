"""What a person sees: the progress bar, the final table and the list of what failed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from csv import writer as csv_writer
from dataclasses import dataclass, field
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..errors import LimitExceeded
from .paths import shown

__all__ = ["Row", "Totals", "console", "csv", "failures", "in_flags", "progress", "reason", "show", "summary"]

_LONGEST_TABLE = 100


@dataclass(slots=True)
class Row:
    """One file's line. nbytes: of the JPEG file; source_nbytes: of the one that it was made of, if it was.

    verdict: compared with libjpeg-turbo; ok: False for a difference. damage: of a file of which what can be read was saved.
    kept: the source file stays as it is. kind: bits of a pixel and process, as jpegoptim's table has them.
    """

    name: str
    width: int = 0
    height: int = 0
    nbytes: int = 0
    source_nbytes: int | None = None
    psnr_db: float | None = None
    verdict: str | None = None
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    error: str | None = None
    ok: bool = True
    kept: bool = False
    kind: str = ""

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def failed(self) -> bool:
        return self.error is not None or not self.ok


@dataclass(slots=True)
class Totals:
    """Seconds by the clock: of coding alone, of decoding again to check, and of everything with files; what was compiled counts
    nowhere but in compiling_seconds."""

    verb: str
    engine: str
    coding_seconds: float = 0.0
    decoding_seconds: float = 0.0
    all_seconds: float = 0.0
    compiling_seconds: float = 0.0


def console(stderr: bool = False) -> Console:
    """A console that prints text as it is; 160 columns where there is no terminal to ask."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    return made if made.is_terminal else Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=160)


@contextlib.contextmanager
def progress(total: int, verb: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal; the value counts one file done."""
    screen = console(stderr=True)
    if not screen.is_terminal or total < 2:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda: bar.advance(task)


_LIMITS = (
    ("steps_per_byte", "--limit-pixels 0"), ("Limits.memory", "--limit-memory"), ("Limits.scans", "--maxscans"),
    ("", "--limit-pixels"),
)  # fmt: skip
_FLAGS = {
    "trim=True": "--trim", "trim=False": "--no-trim", "lossless=True": "--lossless", "trailer='drop'": "--trailer drop",
    "perfect=False": "no --perfect",
}  # fmt: skip


def in_flags(message: str) -> str:
    """A message of the library, with the flags that its remedies are here."""
    flags = [flag for remedy, flag in _FLAGS.items() if remedy in message]
    return f"{message}; here: {', '.join(flags)}" if flags else message


def reason(error: BaseException) -> str:
    """Why a file failed, as people read it; an error that nobody foresaw has its name before it."""
    if isinstance(error, LimitExceeded):
        return f"{error}; here: {next(flag for limit, flag in _LIMITS if limit in str(error))}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said, kind = str(error), type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    if said and isinstance(error, (ValueError, OSError, ImportError, SyntaxError)):
        return in_flags(said)
    return f"{name}: {said}" if said else name


def _bpp(nbytes: int, pixels: int) -> str:
    return f"{8 * nbytes / pixels:.3f}"


def _saved(nbytes: int, source_nbytes: int | None) -> str:
    return "" if not source_nbytes else f"{100 * (1 - nbytes / source_nbytes):.1f} %"


def _psnr(value: float | None) -> str:
    return "" if value is None else "∞" if value == float("inf") else f"{value:.2f}"


def show(rows: Sequence[Row], totals: Totals, screen: Console) -> None:
    """The table of what was done, its totals, and the speed."""
    done = [row for row in rows if row.error is None]
    if not done:
        return
    sources = sum(r.source_nbytes or 0 for r in done)
    psnr, verdict = any(r.psnr_db is not None for r in done), any(r.verdict for r in done)
    notes = any(r.notes for r in done)
    folder = _common_folder([r.name for r in done])
    if folder:
        screen.print(f"{shown(folder)}:", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, show_footer=len(done) > 1, pad_edge=False)
    pixels, nbytes = sum(r.pixels for r in done), sum(r.nbytes for r in done)
    table.add_column("file", f"{len(done)} files", overflow="fold")
    table.add_column("size", f"{pixels / 1e6:.2f} Mpixel", justify="right", no_wrap=True)
    table.add_column("bytes", f"{nbytes}", justify="right", no_wrap=True)
    table.add_column("bpp", _bpp(nbytes, pixels), justify="right", no_wrap=True)
    if sources:
        table.add_column("saved", _saved(nbytes, sources), justify="right", no_wrap=True)
    if psnr:
        known = [r.psnr_db for r in done if r.psnr_db is not None]
        table.add_column("PSNR dB", _psnr(sum(known) / len(known)), justify="right", no_wrap=True)
    if verdict:
        same = sum(r.ok for r in done)
        table.add_column("libjpeg-turbo", f"{same} of {len(done)}", overflow="fold")
    if notes:
        table.add_column("notes", overflow="fold")
    for row in _excerpt(done):
        if row is None:
            table.add_row(Text(f"… {len(done) - _LONGEST_TABLE} more …"))
            continue
        cells = [
            shown(os.path.relpath(row.name, folder) if folder else row.name),
            f"{row.width}×{row.height}",
            f"{row.nbytes}",
            _bpp(row.nbytes, row.pixels),
        ]
        cells += [_saved(row.nbytes, row.source_nbytes)] if sources else []
        cells += [_psnr(row.psnr_db)] if psnr else []
        cells += [row.verdict or ""] if verdict else []
        cells += [shown(_few(row.notes))] if notes else []
        table.add_row(*map(Text, cells))
    screen.print(table)
    screen.print(_speed(totals, pixels), soft_wrap=True)


def csv(rows: Sequence[Row], stream: TextIO) -> None:
    """One line a file as jpegoptim --csv has them: name, size, kind, bytes before and after, percent saved, what was done."""
    writer = csv_writer(stream, lineterminator="\n")
    for row in rows:
        if row.error is not None:
            continue
        before = row.source_nbytes or 0
        saved = 100 * (1 - row.nbytes / before) if before else 0.0
        done = "skipped" if row.kept else "optimized"
        writer.writerow(
            [
                shown(row.name),
                f"{row.width}x{row.height}",
                *row.kind.split(","),
                before,
                row.nbytes,
                f"{saved:.2f}",
                done,
            ]
        )


def summary(rows: Sequence[Row], stream: TextIO) -> None:
    """One line on all files together, as jpegoptim --totals has it."""
    done = [row for row in rows if row.error is None]
    before, after = sum(r.source_nbytes or 0 for r in done), sum(r.nbytes for r in done)
    saved = _saved(after, before) or "0.0 %"
    print(f"{len(done)} files: {before} --> {after} bytes, {saved} saved", file=stream)


def _common_folder(names: Sequence[str]) -> str:
    """The folder that all files lie in, "" where there is none to name."""
    if len(names) < 2 or len({os.path.isabs(name) for name in names}) > 1:
        return ""
    return os.path.commonpath([os.path.dirname(name) for name in names])


def _few(notes: Sequence[str]) -> str:
    return "; ".join([*notes[:3], f"{len(notes) - 3} more"] if len(notes) > 3 else notes)


def _excerpt(rows: Sequence[Row]) -> list[Row | None]:
    if len(rows) <= _LONGEST_TABLE:
        return list(rows)
    half = _LONGEST_TABLE // 2
    return [*rows[:half], None, *rows[-half:]]


def _speed(totals: Totals, pixels: int) -> str:
    def rate(seconds: float) -> str:
        return f"{pixels / 1e6 / max(seconds, 1e-9):.1f} Mpixel/s"

    back = f", decoded at {rate(totals.decoding_seconds)}" if totals.decoding_seconds else ""
    compiling = f"; compiling took {totals.compiling_seconds:.1f} s more" if totals.compiling_seconds >= 0.1 else ""
    return (
        f"{totals.verb} at {rate(totals.coding_seconds)}{back} by the {totals.engine} engine; "
        f"{totals.all_seconds:.2f} s ({rate(totals.all_seconds)}) with files read, checked and written{compiling}"
    )


def failures(rows: Sequence[Row], lost: Sequence[tuple[str, str]]) -> int:
    """List what failed and what was damaged, on stderr; the exit code: 1 where a file failed, else 2 where one was damaged."""
    bad = [*lost, *((r.name, r.error or f"differs from libjpeg-turbo: {r.verdict}") for r in rows if r.failed)]
    hurt = [(r.name, _few(r.damage)) for r in rows if r.damage and not r.failed]
    _list(bad, len(rows) + len(lost), "failed", "")
    _list(hurt, len(rows) + len(lost), "damaged; what can be read was saved", "damaged, what can be read was saved: ")
    return 1 if bad else 2 if hurt else 0


def _list(files: Sequence[tuple[str, str]], total: int, what: str, before: str) -> None:
    """Names and reasons on stderr, in one line where there was but one file."""
    if len(files) == 1 == total:
        print(f"jpegjax: {shown(files[0][0])}: {before}{shown(files[0][1])}", file=sys.stderr)
    elif files:
        print(f"jpegjax: {len(files)} of {total} {what}:", file=sys.stderr)
        for name, reason in files:
            print(f"  {shown(name)}: {shown(reason)}", file=sys.stderr)
