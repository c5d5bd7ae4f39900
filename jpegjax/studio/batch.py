"""A folder's pictures, known to the page by their numbers alone, and all of them encoded one after the other."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import codecs
from ..bulk.local import in_turns, write_whole
from ..run.threads import cores
from .bounds import Bounds, Refused, megabytes
from .codecs import settings_of, suffix_of
from .pictures import SUFFIXES, plain_name, read_picture
from .results import Asked, encoded

__all__ = ["Batch", "Folder"]


class Folder:
    """The pictures that lay in a folder when it was looked into, hidden ones and links to elsewhere left out."""

    def __init__(self, path: Path | None, bounds: Bounds):
        self.path, self.bounds, self.more = path, bounds, 0
        self.files: list[tuple[Path, int]] = []
        if path is not None:
            root = path.resolve(strict=True)
            found = []
            for one in sorted(root.iterdir()):
                inside = one.is_file() and not one.is_symlink() and not one.name.startswith(".")
                if inside and one.suffix.lower() in SUFFIXES:
                    found.append((one, one.stat().st_size))
            self.files, self.more = found[: bounds.batch], max(0, len(found) - bounds.batch)

    def listed(self) -> list[dict[str, Any]]:
        """[{name, nbytes}], in the order of their numbers."""
        return [
            {"name": plain_name(os.fsencode(one.name).decode("utf-8", "replace")), "nbytes": n} for one, n in self.files
        ]

    def read(self, index: int) -> tuple[str, bytes]:
        """(name, bytes) of a file by its number. Refused where there is none, or it is too large by now."""
        if not 0 <= index < len(self.files):
            raise Refused("no such picture in the folder", 404)
        path = self.files[index][0]
        try:
            # a link or a pipe that took the file's place since is not followed and does not block
            with open(
                os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)), "rb"
            ) as file:
                data = file.read(self.bounds.upload_nbytes + 1)
        except OSError as error:
            raise Refused(f"cannot be read any more: {error.strerror}", 410) from None
        if len(data) > self.bounds.upload_nbytes:
            raise Refused(f"more than {megabytes(self.bounds.upload_nbytes)}", 413)
        return self.listed()[index]["name"], data


@dataclass
class _Item:
    index: int
    name: str
    before: int
    pixels: np.ndarray | None = None
    file: tuple[bytes, str] | None = None
    row: dict[str, Any] = field(default_factory=dict)


class Batch:
    """One run over a folder: rows as they come, files in a folder of its own that goes with it."""

    def __init__(self, folder: Folder, asked: Asked, bounds: Bounds):
        self.codec = codecs.get(asked.codec)
        self.settings = settings_of(self.codec, dict(asked.words))
        self.folder, self.asked, self.bounds = folder, asked, bounds
        self.rows: list[dict[str, Any]] = []
        self.total, self.nbytes, self.state = len(folder.files), 0, "running"
        self._here = Path(tempfile.mkdtemp(prefix="jpegjax-studio-"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="studio-batch", daemon=True)

    def start(self) -> Batch:
        """Begin, in the background."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End after the pictures at work."""
        self._stop.set()

    def close(self) -> None:
        """End, and remove the files."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=60)
        shutil.rmtree(self._here, ignore_errors=True)

    def told(self, since: int) -> dict[str, Any]:
        """State, and the rows from a number on."""
        return {
            "state": self.state, "done": len(self.rows), "total": self.total, "nbytes": self.nbytes,
            "rows": self.rows[max(0, since) :],
        }  # fmt: skip

    def file(self, index: int) -> tuple[Path, str]:
        """(path, name) of the file that was made of a picture. Refused where there is none."""
        for row in self.rows:
            if row["index"] == index and "file" in row:
                return self._here / str(index), row["file"]
        raise Refused("no such file", 404)

    def zipped(self) -> Path:
        """All files in one archive, names told apart by their numbers."""
        made = [row for row in list(self.rows) if "file" in row]
        if not made:
            raise Refused("nothing to put into an archive", 404)
        target = self._here / "all.zip"
        taken: set[str] = set()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for row in made:
                name = row["file"] if row["file"].lower() not in taken else f"{row['index']}-{row['file']}"
                taken.add(name.lower())
                archive.write(self._here / str(row["index"]), name)
        return target

    def _groups(self) -> Iterator[list[_Item]]:
        items = [_Item(i, one["name"], one["nbytes"]) for i, one in enumerate(self.folder.listed())]
        step = cores()
        for start in range(0, len(items), step):
            if self._stop.is_set():
                self.state = "stopped"
                return
            if self.nbytes > self.bounds.batch_nbytes:
                self.state = f"stopped: {megabytes(self.nbytes)} written, which is the most"
                return
            yield items[start : start + step]

    def _load(self, item: _Item) -> None:
        try:
            item.pixels, notes = read_picture(self.folder.read(item.index)[1], self.bounds)
            item.row["notes"] = notes
        except ValueError as error:
            item.row["error"] = str(error)

    def _code(self, items: list[_Item]) -> None:
        for item in items:
            if item.pixels is None or self._stop.is_set():
                continue
            start = time.perf_counter()
            try:
                data, used = encoded(self.codec, item.pixels, self.settings, self.asked.target_nbytes)
            except (ValueError, TypeError, MemoryError, OSError, RuntimeError) as error:
                item.row["error"] = str(error)
                continue
            item.file = data, suffix_of(self.codec, data)
            height, width = item.pixels.shape[:2]
            item.row |= {
                "nbytes": len(data), "bpp": 8 * len(data) / (height * width), "width": width, "height": height,
                "seconds": time.perf_counter() - start, "value": used.get(self.codec.sweep or "", None),
            }  # fmt: skip
            item.pixels = None

    def _finish(self, item: _Item) -> _Item:
        if item.file is not None:
            write_whole(self._here / str(item.index), item.file[0])
            item.row["file"] = Path(item.name).stem + item.file[1]
        return item

    def _run(self) -> None:
        try:
            for item in in_turns(self._groups(), self._load, self._code, self._finish):
                if item.file is None and "error" not in item.row:
                    continue  # stopped before its turn
                self.nbytes += item.row.get("nbytes", 0)
                self.rows.append({"index": item.index, "name": item.name, "before": item.before, **item.row})
                item.file = None
            if self.state == "running":
                self.state = "stopped" if self._stop.is_set() else "done"
        except OSError as error:  # a full disk
            self.state = f"stopped: {error.strerror}"
