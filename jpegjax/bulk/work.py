"""One shard: pictures read ahead, coded in batches that bound memory, written behind; its record last.

entries ──▶ begin: pixels by the header ──▶ batches ──▶ code ──▶ writer ──commit──▶ record
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from ..run.threads import batches, undivided
from .manifest import Record, record_name
from .places.entries import Entry, Shard
from .places.sources import Source
from .places.storage import Place
from .places.targets import writer

__all__ = ["BINS", "Outcome", "Task", "Work", "run_shard"]

T = TypeVar("T")
At = Callable[[int, int], None]
"""Takes the numbers, first and stop, of the pictures of a shard that are begun next."""
_BATCH_PIXELS = 16_000_000
_BATCH_FILES = 256
_AHEAD_NBYTES = 32 << 20
"""Of pictures read before they are asked for."""
BINS = 20
"""Of the histogram of percent saved, five points each; the first also holds what grew."""


@dataclass(slots=True)
class Outcome:
    """What became of a picture: its file, or why there is none.

    damage: of a file of which what can be read was saved. values: what was measured.
    """

    content: bytes | None = None
    error: str | None = None
    pixels: int = 0
    damage: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)


class Work(Protocol):
    """What is done with every picture. It is pickled, and the same settings give the same bytes wherever it runs.

    verb: "encoded" and the like. suffix: of its files, None for the pictures' own. accepts: suffixes of pictures, none for all.
    """

    verb: str
    suffix: str | None
    accepts: frozenset[str]

    def about(self) -> dict[str, Any]:
        """All settings that its files depend on, as JSON. saves: whether files stand for the pictures, so that bytes compare."""

    def begin(self, name: str, content: bytes) -> tuple[Any, int]:
        """(what `code` takes, pixels that the header claims). Any exception: why there is no picture."""

    def code(self, pieces: Sequence[Any]) -> list[Outcome]:
        """What becomes of a batch. No exception but of what concerns all."""


@dataclass(frozen=True, slots=True)
class Task:
    """All that a process needs to do shards.

    kind: of its outputs. durable: files are on the disk before they take their places. divided: one shard may take all cores.
    """

    work: Work
    source: Source
    kind: str
    target: Place
    durable: bool = False
    divided: bool = False


def ahead(items: Iterable[T], most: float, weight: Callable[[T], float]) -> Iterator[T]:
    """Items, made by a thread before they are asked for, as long as those that wait weigh less than `most` together."""
    waiting: deque[T] = deque()
    ready = threading.Condition()
    state: dict[str, Any] = {"weight": 0.0, "ended": False, "error": None, "stop": False}

    def fill() -> None:
        try:
            for item in items:
                with ready:
                    ready.wait_for(lambda: state["weight"] < most or state["stop"])
                    if state["stop"]:
                        return
                    waiting.append(item)
                    state["weight"] += weight(item)
                    ready.notify_all()
        except BaseException as met:
            state["error"] = met
        with ready:
            state["ended"] = True
            ready.notify_all()

    threading.Thread(target=fill, daemon=True, name="jpegjax-bulk-read").start()
    try:
        while True:
            with ready:
                ready.wait_for(lambda: waiting or state["ended"])
                if not waiting:
                    if state["error"] is not None:
                        raise state["error"]
                    return
                item = waiting.popleft()
                state["weight"] -= weight(item)
                ready.notify_all()
            yield item
    finally:
        with ready:
            state["stop"] = True
            ready.notify_all()


def _weight(entry: Entry) -> float:
    """Bytes that an entry holds, and some for itself."""
    return 1000.0 + (len(entry.content) if isinstance(entry.content, bytes) else 0)


@dataclass(slots=True, eq=False)
class _Piece:
    index: int
    entry: Entry
    held: Any = None
    error: str | None = None


def reason(error: BaseException) -> str:
    """Why a picture failed, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error).splitlines()[0] if str(error) else ""
    known = isinstance(error, (ValueError, OSError, ImportError, SyntaxError))
    return said if said and known else f"{type(error).__name__}: {said}".rstrip(": ")


class _Shard:
    """A shard on its way."""

    def __init__(self, task: Task, shard: Shard, at: At, excluded: Mapping[int, str], alone: int | None) -> None:
        self.task, self.shard, self.at, self.excluded, self.alone = task, shard, at, excluded, alone
        self.names: set[str] = set()
        self.record: Record = {
            "shard": shard.number, "name": shard.name, "pictures": 0, "written": 0, "nbytes": 0, "written_nbytes": 0, "pixels": 0,
            "bad": [], "damaged": [], "values": {}, "saved": [0] * BINS,
        }  # fmt: skip

    def begun(self) -> Iterator[tuple[_Piece, int]]:
        for index, entry in enumerate(ahead(self.task.source.entries(self.shard), _AHEAD_NBYTES, _weight)):
            piece, pixels = _Piece(index, entry), 0
            if index in self.excluded:
                piece.error = self.excluded[index]
            elif isinstance(entry.content, Exception):
                piece.error = reason(entry.content)
            elif not entry.passed:
                apart = self.alone is not None and index >= self.alone
                if apart:
                    self.at(index, index + 1)
                try:
                    piece.held, pixels = self.task.work.begin(entry.name, entry.content)
                except Exception as error:  # readers of foreign formats raise whatever they like
                    piece.error = reason(error)
                pixels = _BATCH_PIXELS if apart else pixels
            yield piece, pixels

    def code(self, batch: Sequence[_Piece]) -> list[Outcome]:
        """Outcomes of a batch; where it fails as a whole, of each piece alone."""
        good = [piece for piece in batch if piece.error is None and not piece.entry.passed]
        try:
            made = iter(self.task.work.code([piece.held for piece in good]) if good else ())
            return [next(made) if piece in good else Outcome(error=piece.error) for piece in batch]
        except Exception as error:
            if len(good) == 1:
                return [Outcome(error=reason(error)) if p in good else Outcome(error=p.error) for p in batch]
            return [outcome for piece in batch for outcome in self.code([piece])]

    def output(self, entry: Entry) -> str:
        suffix, name = self.task.work.suffix, entry.output
        if suffix is not None and not entry.passed:
            name = str(PurePosixPath(name).with_suffix(suffix))
        if self.task.source.kind == "tar" and self.task.kind == "files":
            name = f"{self.shard.name}/{name}"
        return name

    def note(self, piece: _Piece, outcome: Outcome, output: str) -> None:
        record, entry = self.record, piece.entry
        if entry.passed:
            return
        if outcome.error is None and output in self.names:
            outcome.content, outcome.error = None, f"another picture has become {output}"
        self.names.add(output)
        nbytes = len(entry.content) if isinstance(entry.content, bytes) else 0
        record["pictures"] += 1
        record["damaged"] += [[entry.name, text] for text in outcome.damage[:1]]
        if outcome.error is not None:
            record["bad"].append([entry.name, outcome.error])
            return
        made = len(outcome.content or b"")
        record["written"] += outcome.content is not None
        record["nbytes"] += nbytes
        record["written_nbytes"] += made
        record["pixels"] += outcome.pixels
        saved = math.floor((1 - made / nbytes) * BINS) if nbytes else 0
        record["saved"][min(max(saved, 0), BINS - 1)] += 1
        for name, value in outcome.values.items():
            total = record["values"].setdefault(name, [0.0, 0])
            if math.isfinite(value):
                total[0], total[1] = total[0] + value, total[1] + 1


def run_shard(
    task: Task,
    shard: Shard,
    at: At = lambda first, stop: None,
    excluded: Mapping[int, str] = {},
    alone: int | None = None,
) -> Record:
    """Do a shard: write what it makes as a whole, then its record, which is returned.

    Args:
        at: Called with the numbers of the shard's pictures, first and stop, that are begun next.
        excluded: Pictures that are not to be touched, and why.
        alone: From which picture on each is coded by itself.

    Raises:
        OSError: What is made cannot be written; nothing of it stays.
    """
    start = time.perf_counter()
    doing = _Shard(task, shard, at, excluded, alone)
    out = writer(task.kind, task.target, shard.name, task.durable)
    try:
        with nullcontext() if task.divided else undivided():
            for batch in batches(doing.begun(), _BATCH_PIXELS, _BATCH_FILES):
                at(batch[0].index, batch[-1].index + 1)
                for piece, outcome in zip(batch, doing.code(batch), strict=True):
                    output = doing.output(piece.entry)
                    doing.note(piece, outcome, output)
                    out.add(piece.entry, output, outcome.content)
        out.commit()
    except BaseException:
        out.abort()
        raise
    record = doing.record | {"seconds": round(time.perf_counter() - start, 4)}
    task.target.write({record_name(shard.number): json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")})
    return record
