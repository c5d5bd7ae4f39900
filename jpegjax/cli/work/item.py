"""A file on its way, and what the verbs' work shares."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ...options import DecodeOptions, Limits
from ..paths import Job
from ..report import Row

__all__ = ["ANY", "Item"]

ANY = DecodeOptions(limits=Limits(None, None, None, None, None))


@dataclass(slots=True)
class Item:
    """A file on its way: where from, what was read, what came of it, and its row.

    before: the source file when it was read, where it is to be replaced. times, durable: as `write_whole` takes them.
    """

    job: Job
    row: Row
    source: Any  # path, or the content
    picture: Any = None
    metadata: Any = None
    bits: int = 8
    orientation: int = 1
    result: Any = None
    decoded: Any = None
    found: Any = None
    importance: Any = None
    before: os.stat_result | None = None
    times: tuple[int, int] | None = None
    durable: bool = False
