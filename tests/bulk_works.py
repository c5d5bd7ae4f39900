"""Works for bulk jobs, in a module that child processes can import: one that pauses, one that dies of a picture."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from jpegjax.bulk.work import Outcome

__all__ = ["Deadly", "Slow"]


@dataclass(frozen=True)
class Slow:
    """Each file backwards, after a pause; those that begin with "bad" are refused."""

    seconds: float = 0.0

    verb: ClassVar[str] = "turned"
    suffix: ClassVar[str | None] = None
    accepts: ClassVar[frozenset[str]] = frozenset({".bin"})

    def about(self) -> dict[str, Any]:
        return {"verb": self.verb, "saves": True}

    def begin(self, name: str, content: bytes) -> tuple[tuple[str, bytes], int]:
        if content.startswith(b"bad"):
            raise ValueError("begins badly")
        return (name, content), 1000

    def code(self, pieces: Sequence[tuple[str, bytes]]) -> list[Outcome]:
        time.sleep(self.seconds * len(pieces))
        return [Outcome(content[::-1], pixels=1000) for _, content in pieces]


@dataclass(frozen=True)
class Deadly(Slow):
    """As `Slow`; a content with "kill" in it ends the process, one with "once" does so where `marks` has no file of its name."""

    marks: str = ""

    def code(self, pieces: Sequence[tuple[str, bytes]]) -> list[Outcome]:
        for name, content in pieces:
            mark = Path(self.marks, Path(name).name)
            if b"kill" in content or (b"once" in content and not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return Slow.code(self, pieces)
