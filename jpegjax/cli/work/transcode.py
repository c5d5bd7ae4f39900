"""What `jpegjax transcode` does with files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ...container import inspect
from ...jpeg import codec
from ...jpeg.transcode import transcode
from ...options import EncodeOptions, TranscodeOptions
from ..report import Totals, reason
from .item import ANY, TINY, Item

__all__ = ["TranscodeJob"]


@dataclass(frozen=True, slots=True)
class TranscodeJob:
    """What `jpegjax transcode` does with every file. in_place: damaged files are left alone, as are those that stay."""

    options: TranscodeOptions
    in_place: bool = False
    overwrite: bool = False

    engine: ClassVar[str] = "host"
    device: ClassVar[None] = None
    verb: ClassVar[str] = "transcoded"

    def warm_up(self) -> None:
        transcode(codec.encode(TINY, EncodeOptions(), "host", None), replace(self.options, crop=None, perfect=False))

    def measure(self, item: Item) -> int:
        row = item.row
        item.source = item.source.read_bytes() if isinstance(item.source, Path) else item.source
        found = inspect(item.source, self.options.limits)
        row.width, row.height, row.source_nbytes = found.width, found.height, found.file_nbytes
        orientation = found.metadata.orientation or 1
        if orientation != 1 and not self.options.apply_exif_orientation and "exif" not in self.options.keep:
            row.notes.append(f"EXIF orientation {orientation} left out and not applied (--exif-transpose)")
        return row.pixels

    def load(self, item: Item) -> None:
        """`measure` has read the file already."""

    def code(self, items: Sequence[Item], totals: Totals) -> None:
        start = time.perf_counter()
        results = transcode([item.source for item in items], self.options)
        totals.coding_seconds += time.perf_counter() - start
        for item, (content, found) in zip(items, results, strict=True):
            notes = [f"{message} (byte offset {offset})" for message, offset in found]
            if isinstance(content, ValueError):
                item.row.error = reason(content)
            elif self.in_place and notes:
                item.row.error = f"damaged, so not replaced; -o writes what can be saved: {notes[0]}"
            else:
                item.result, item.row.nbytes = content, len(content)
                item.row.notes += notes

    def finish(self, item: Item) -> bytes | None:
        found = inspect(item.result, ANY.limits)
        item.row.width, item.row.height = found.width, found.height
        return None if self.in_place and item.result == item.source else item.result
