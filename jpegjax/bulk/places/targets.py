"""What a shard makes, written as a whole: files of a folder, a tar, or a Parquet file.

A folder's files wait in a staging folder until all are there; then each takes its place by a rename. Where a shard is one file,
that is put in place at once. A shard that was not finished is made anew; the same pictures give the same bytes.
"""

from __future__ import annotations

import os
import shutil
from typing import Protocol

from .entries import Entry, safe
from .parquet import ParquetWriter
from .storage import Local, Place
from .tars import TarWriter

__all__ = ["TARGETS", "Writer", "writer"]

TARGETS = ("files", "tar", "parquet")
_PUT_TOGETHER = 64


class Writer(Protocol):
    """What a shard makes."""

    def add(self, entry: Entry, output: str, content: bytes | None) -> None:
        """The next picture's file, None where it has none."""

    def commit(self) -> None:
        """All of it takes its place."""

    def abort(self) -> None:
        """None of it shall be there any more."""


def writer(kind: str, place: Place, name: str, durable: bool) -> Writer:
    """The writer of a shard's output. kind: of TARGETS. name: of its output where that is one file."""
    if kind == "tar":
        return TarWriter(place, name)
    if kind == "parquet":
        return ParquetWriter(place, name)
    return _Staged(place, durable) if isinstance(place, Local) else _Puts(place)


def _files(entry: Entry, output: str, content: bytes | None) -> list[tuple[str, bytes]]:
    """What becomes files: the picture's, and what stood beside it in a tar."""
    found = [] if content is None else [(output, content)]
    if isinstance(entry.beside, list) and (entry.passed or content is not None):
        folder = output.rpartition("/")[0]
        found += [(safe(f"{folder}/{name.rpartition('/')[2]}"), other) for name, other in entry.beside]
    return found


class _Staged:
    """Files of a local folder. durable: on the disk before they take their places."""

    def __init__(self, place: Local, durable: bool) -> None:
        self.place, self.durable = place, durable
        self.folder = place.scratch()
        self.moves: dict[str, str] = {}

    def add(self, entry: Entry, output: str, content: bytes | None) -> None:
        for name, octets in _files(entry, output, content):
            path = os.path.join(self.folder, str(len(self.moves)))
            with open(path, "wb", buffering=0) as file:
                left = memoryview(octets)
                while left:
                    left = left[file.write(left) :]
                if self.durable:
                    os.fsync(file.fileno())
            self.moves[path] = self.place.path(name)

    def commit(self) -> None:
        for path, target in self.moves.items():
            self.place.make_folder_of(target)
            os.replace(path, target)
        self.abort()

    def abort(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class _Puts:
    """Objects of a store, some side by side."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.waiting: dict[str, bytes] = {}

    def add(self, entry: Entry, output: str, content: bytes | None) -> None:
        self.waiting |= _files(entry, output, content)
        if len(self.waiting) >= _PUT_TOGETHER:
            self.commit()

    def commit(self) -> None:
        if self.waiting:
            self.place.write(self.waiting)
        self.waiting = {}

    def abort(self) -> None:
        self.waiting = {}
