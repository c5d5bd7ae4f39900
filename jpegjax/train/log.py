"""What a training says: JSON lines always, TensorBoard events where its writer is installed, one line of progress.

`log.jsonl` holds one object a line, each with "kind": "start" (config, devices, model), "train" (means since the line before),
"evaluation", "end".
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..run.writing import write_file

__all__ = ["Clock", "Log", "duration", "write_pictures"]

NAME = "log.jsonl"


class Log:
    """The log of a run folder, or of none. Lines of steps after the one a training goes on from are dropped first.

    Args:
        folder: Run folder; None where nothing is to be written, as in all processes but the first.
        step: The step that the training goes on from.
        progress: Print lines for people, to stderr.
    """

    def __init__(self, folder: Path | None, step: int, progress: bool) -> None:
        self._file, self._events, self._progress = None, None, progress
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            _cut(folder / NAME, step)
            self._file = (folder / NAME).open("a", encoding="utf-8")
            self._events = _event_writer(folder / "tensorboard")

    def write(self, kind: str, step: int, numbers: Mapping[str, Any]) -> None:
        """One line, flushed; its numbers also as events named kind/name."""
        if self._file is not None:
            # JSON has no NaN
            line = {n: str(x) if isinstance(x, float) and x - x != 0 else x for n, x in numbers.items()}
            self._file.write(json.dumps({"kind": kind, "step": step, **line}) + "\n")
            self._file.flush()
        if self._events is not None:
            self._events.scalars(step, {f"{kind}/{n}": x for n, x in numbers.items() if isinstance(x, float)})

    def say(self, text: str) -> None:
        """A line for people."""
        if self._progress:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._events is not None:
            self._events.close()


class Clock:
    """Steps and seconds since the last line of the log, without compiling, evaluating and writing.

    logged: the step of that line. compiling: whether the first step of the run is still to come.
    """

    def __init__(self, step: int) -> None:
        self.logged, self.compiling, self._steps, self._since = step, True, step, 0.0

    def begin(self, step: int) -> None:
        """The first step is done: count from here."""
        self.compiling, self._steps, self._since = False, step, time.monotonic()

    def lap(self, step: int) -> float:
        """Steps a second since the line before, 0 if there were none; a new line."""
        now = time.monotonic()
        speed = (step - self._steps) / max(now - self._since, 1e-9)
        self.logged = self._steps = step
        self._since = now
        return speed

    @contextmanager
    def paused(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        self._since += time.monotonic() - start


def write_pictures(folder: Path, step: int, pictures: Mapping[str, Any]) -> None:
    """Pictures, uint8 [height, width] or [height, width, 3], as PNG named by step and name."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for name, pixels in pictures.items():
        array = np.asarray(pixels)
        if array.dtype != np.uint8 or array.ndim not in (2, 3):
            raise TypeError(f"pictures: {name} is {array.dtype}{list(array.shape)}; must be uint8 [height, width(, 3)]")
        Image.fromarray(array).save(folder / f"{step:08d}-{name}.png")


def duration(seconds: float) -> str:
    """Such as 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _cut(path: Path, step: int) -> None:
    """Drop the lines of later steps, and one that a crash cut."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    write_file(path, "".join(kept).encode())


class _Events:
    """TensorBoard's own writer of event files, which needs no TensorFlow."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary, self._writer = Event, Summary, EventFileWriter(str(folder))

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        values = [self._summary.Value(tag=tag, simple_value=x) for tag, x in numbers.items()]
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)))

    def close(self) -> None:
        self._writer.close()


def _event_writer(folder: Path) -> _Events | None:
    return _Events(folder) if importlib.util.find_spec("tensorboard") else None
