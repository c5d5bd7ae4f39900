"""Many files through the engine: read, code, write, in batches that bound memory."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from ...bulk.local import in_turns, write_whole
from ...run.engines import pick
from ...run.threads import batches
from .. import boxes, pipes, waiting
from ..paths import Job, shown
from ..report import Row, Totals, reason
from .decode import DecodeJob
from .encode import EncodeJob
from .item import Item
from .transcode import TranscodeJob

__all__ = ["code_items", "load_item", "run"]

_BATCH_PIXELS = 32_000_000
_BATCH_FILES = 256

Work = EncodeJob | DecodeJob | TranscodeJob | boxes.BoxJob


def _exists(target: Path | None) -> str:
    return f"{shown(target or '')} exists; --overwrite replaces it"


def _open(work: Work, job: Job) -> tuple[Item, int]:
    """(item, pixels that its header claims); an item with an error claims none."""
    item = Item(job, Row(job.source.name), job.source.path or b"")
    try:
        if job.error is not None:
            raise ValueError(job.error)
        if job.target is not None and os.path.isfile(job.target) and not work.overwrite:
            raise FileExistsError(_exists(job.target))
        item.source = pipes.read_stdin() if job.source.path is None else pipes.content(job.source.path)
        return item, work.measure(item)
    except Exception as error:  # readers of foreign formats raise whatever they like
        item.row.error = reason(error)
        return item, 0


def load_item(work: Work, item: Item) -> None:
    """Load a picture, or note why that cannot be."""
    if item.row.error is None:
        try:
            work.load(item)
        except Exception as error:  # as in _open
            item.row.error = reason(error)


def code_items(work: Work, items: Sequence[Item], totals: Totals) -> None:
    """Codes a batch. Where that fails as a whole, each that has no result yet alone, so that one takes no other along."""
    try:
        work.code(items, totals)
    except Exception as error:  # a target out of reach, memory that is short
        if len(items) == 1:
            items[0].row.error = reason(error)
            return
        for item in items:
            if item.result is None and item.row.error is None:
                code_items(work, [item], totals)


def _finish(work: Work, item: Item) -> Row:
    if item.row.error is None:
        try:
            content = work.finish(item)
            if content is not None and item.job.target is not None:
                write_whole(item.job.target, content, work.overwrite, times=item.times, durable=item.durable)
            elif content is not None:
                pipes.write_stdout(content)
        except BrokenPipeError:
            raise
        except FileExistsError:
            item.row.error = _exists(item.job.target)
        except Exception as error:
            item.row.error = reason(error)
            if isinstance(error, OSError):
                item.row.error = f"{shown(item.job.target or 'stdout')}: {item.row.error}"
    return item.row


def run(work: Work, jobs: Sequence[Job], tick: Callable[[], None], *, quiet: bool = False) -> tuple[list[Row], Totals]:
    """Rows in the order of jobs. One batch at a time is read, coded and written, each step on all cores.

    The steps take turns so that the reported speed is that of coding alone. The host engine is loaded before the clock starts,
    and the clock stands still while anything is compiled. Long waits are explained on stderr, unless quiet.
    """
    totals = Totals(work.verb, pick(work.engine, work.device))
    rows: list[Row] = []

    def code(batch: Sequence[Item]) -> None:
        if good := [item for item in batch if item.row.error is None]:
            many = f"{len(good)} files" if len(good) > 1 else good[0].row.name
            doing = work.search or f"{work.verb.removesuffix('ed')}ing {shown(many)}"
            with waiting.patience(doing, quiet):
                code_items(work, good, totals)

    programs = work.programs(totals.engine)
    kernels = totals.engine == "host" or "numba" in sys.modules
    with warnings.catch_warnings(), waiting.compilations(programs, kernels=kernels, quiet=quiet) as compiling:
        warnings.simplefilter("ignore")  # Pillow's, on inputs that it can read
        if totals.engine == "host":
            with waiting.patience("loading kernels", quiet):
                import_module("jpegjax.jpeg.host")
        start = waiting.clock()
        groups = batches((_open(work, job) for job in jobs), _BATCH_PIXELS, _BATCH_FILES)
        for row in in_turns(groups, partial(load_item, work), code, partial(_finish, work)):
            rows.append(row)
            tick()
        totals.all_seconds = waiting.clock() - start
        totals.compiling_seconds = compiling()
    return rows, totals
