"""Many files on one machine: batches that bound memory, each step on all cores, files written as a whole.

items ──▶ batches ──▶ load, all at once ──▶ code, the batch ──▶ finish, all at once ──▶ results, in order
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..run.threads import cores
from ..run.writing import write_file

__all__ = ["in_turns", "write_whole"]

T = TypeVar("T")
R = TypeVar("R")


def in_turns(
    groups: Iterable[list[T]], load: Callable[[T], None], code: Callable[[list[T]], None], finish: Callable[[T], R]
) -> Iterator[R]:
    """What `finish` gives for each item, in order; the next batch is begun once the last one's results are taken.

    The steps take turns, so that what is measured of one is that step's alone: `load` and `finish` work on a batch's
    items side by side, `code` on the batch.
    """
    with ThreadPoolExecutor(cores()) as pool:
        for batch in groups:
            for _ in pool.map(load, batch):
                pass
            code(batch)
            yield from pool.map(finish, batch)


def write_whole(
    target: Path,
    content: bytes | memoryview,
    overwrite: bool = True,
    *,
    times: tuple[int, int] | None = None,
    durable: bool = False,
) -> None:
    """`run.writing.write_file`, the target's folder made where there is none."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # a file where a folder should be, which is not the target itself
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target)) from None
    write_file(target, content, overwrite=overwrite, times=times, durable=durable)
