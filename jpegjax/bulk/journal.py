"""Every finished row, kept as it is made: one JSON object a line, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, TextIO

__all__ = ["Journal", "plain", "row_key"]

ROWS = "rows.jsonl"


def plain(value: Any) -> Any:
    """What JSON cannot hold by itself: arrays and tuples as lists, anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def row_key(digest: str, codec: str, release: str, settings: dict[str, Any]) -> str:
    """What makes two rows the same: picture, codec, its version, its settings."""
    return json.dumps([digest, codec, release, settings], sort_keys=True, default=plain)


class Journal:
    """The rows of a folder, or of memory alone where folder is None. Safe to add to from several threads."""

    def __init__(self, folder: Path | None):
        self.path: Path | None = folder / ROWS if folder else None
        self.rows: dict[str, dict[str, Any]] = {}
        self.runs: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        if self.path and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        whole = 0
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break  # the line that was being written when a run was killed
            try:
                entry = json.loads(line)
                if "command" in entry:
                    self.runs[entry["run"]] = entry
                else:
                    self._keep(entry)
            except (ValueError, TypeError, KeyError):
                raise ValueError(f"{path}, line {number}: not a row of a comparison; take another folder") from None
            whole += len(line)
        if whole != path.stat().st_size:
            with path.open("r+b") as file:
                file.truncate(whole)

    def _keep(self, row: dict[str, Any]) -> None:
        self.rows[row_key(row["digest"], row["codec"], row["version"], row["settings"])] = row

    def begin(self, run: dict[str, Any]) -> int:
        """Note who makes the rows that follow; the number of the run, which they carry."""
        number = max(self.runs, default=0) + 1
        self.runs[number] = {"run": number, **run}
        self._write(self.runs[number])
        return number

    def add(self, row: dict[str, Any]) -> None:
        """Keep one row, at once."""
        with self._lock:
            self._keep(row)
            self._write(row)

    def _write(self, entry: dict[str, Any]) -> None:
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", newline="\n")
        self._file.write(json.dumps(entry, default=plain, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
