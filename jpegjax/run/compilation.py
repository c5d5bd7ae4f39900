"""What this process has done for the machine code of kernels, for those who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Record", "record"]


@dataclass(slots=True)
class Record:
    """compiled, loaded: kernels and signatures so far. folder: where code was last found or kept on disk.

    refusal: why code could not be kept, if it could not. loading: told True and False when code begins and ends to be read.
    """

    compiled: int = 0
    loaded: int = 0
    folder: str = ""
    refusal: OSError | None = None
    loading: Callable[[bool], None] = lambda begins: None


record = Record()
