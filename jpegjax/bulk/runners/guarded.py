"""One child process that does shards and may die of one: a fault in a decoder, memory that the system takes back.

A shard whose child died is tried once more as it is. Where that dies too, the pictures from the batch on that was at work are
coded each by itself, in a child that says which; one that kills it twice is bad, and the shard is done without it.

    parent ──task, then (shard, excluded, alone)──▶ child, one at a time; ends with its parent
           ◀──("at", first, stop)… ("done", record) or ("failed", reason)──
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import IO, Any

from ..manifest import Record
from ..places.entries import Shard
from ..work import Task, run_shard

__all__ = ["Guarded", "ShardFailed"]

_DEATHS = 2
"""Of a child, by one picture, until that is bad."""
_MOST_BAD = 32
"""Pictures of one shard that kill: with more the machine is at fault."""
Tell = Callable[[int], None]


class ShardFailed(Exception):
    """A shard that could not be done; the message says why."""


def _send(stream: IO[bytes], message: Any) -> None:
    content = pickle.dumps(message)
    stream.write(struct.pack("<Q", len(content)) + content)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    """The next message; EOFError where there is none any more."""
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    (nbytes,) = struct.unpack("<Q", head)
    content = stream.read(nbytes)
    if len(content) < nbytes:
        raise EOFError
    return pickle.loads(content)


class Guarded:
    """A child for a task, started when it is needed. Not for several threads at once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.child: subprocess.Popen[bytes] | None = None
        self.deaths, self.closed = 0, False

    def _started(self) -> subprocess.Popen[bytes]:
        if self.child is None:
            code = "from jpegjax.bulk.runners.guarded import serve; serve()"
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            self.child = subprocess.Popen(
                [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            assert self.child.stdin
            _send(self.child.stdin, self.task)
        return self.child

    def close(self) -> None:
        """End the child, and what `run` does."""
        self.closed = True
        self._end()

    def _end(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            for stream in (self.child.stdin, self.child.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
            self.child = None

    def run(self, shard: Shard, tell: Tell = lambda count: None) -> Record:
        """The record of a shard. ShardFailed where it cannot be done. tell: of how many pictures were begun since."""
        excluded: dict[int, str] = {}
        alone: int | None = None
        blamed: Counter[int] = Counter()
        deaths = 0
        while not self.closed:
            last = [0, 0]
            try:
                return self._attempt(shard, excluded, alone, last, tell)
            except (EOFError, OSError):
                code = self._buried()
            deaths += 1
            if alone is None:
                alone = last[0] if deaths >= _DEATHS else None
                continue
            blamed[last[0]] += 1
            if blamed[last[0]] >= _DEATHS:
                excluded[last[0]] = f"ends the process that codes it ({code}), {_DEATHS} times"
            if len(excluded) > _MOST_BAD or deaths > _DEATHS * (_MOST_BAD + 2):
                raise ShardFailed(f"processes end again and again ({code})")
        raise ShardFailed("stopped")

    def _attempt(
        self, shard: Shard, excluded: dict[int, str], alone: int | None, last: list[int], tell: Tell
    ) -> Record:
        child = self._started()
        assert child.stdin and child.stdout
        _send(child.stdin, (shard, excluded, alone))
        while True:
            kind, *rest = _receive(child.stdout)
            if kind == "at":
                tell(max(0, rest[1] - max(last[1], rest[0])))
                last[:] = rest
            elif kind == "done":
                tell(max(0, rest[0]["pictures"] - last[1]))
                return rest[0]
            else:
                raise ShardFailed(rest[0])

    def _buried(self) -> str:
        """How the child ended, as people read it."""
        assert self.child
        try:
            code = self.child.wait(10)
        except subprocess.TimeoutExpired:
            code = -9
        self.deaths += 1
        self._end()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def serve() -> None:
    """The child: shards from stdin, until that ends; then at once, whatever is at work."""
    orders: queue.Queue[Any] = queue.Queue()
    stream = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed shall not come between
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's, which ends this process by leaving
    task: Task = _receive(stream)

    def listen() -> None:
        while True:
            try:
                orders.put(_receive(stream))
            except EOFError:
                os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        shard, excluded, alone = orders.get()
        try:
            record = run_shard(task, shard, lambda first, stop: _send(answers, ("at", first, stop)), excluded, alone)
            _send(answers, ("done", record))
        except BrokenPipeError:
            os._exit(0)
        except MemoryError:
            os._exit(1)  # the parent tries with less at once
        except Exception as error:
            _send(answers, ("failed", f"{type(error).__name__}: {error}"))
