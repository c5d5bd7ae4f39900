"""What this process has done for the machine code of kernels, for those who wait for it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Record", "record"]


@dataclass(slots=True)
class Record:
    """compiled, loaded: kernels and signatures so far. folder: where code was last found or kept on disk.

    refusal: why code could not be kept, if it could not.
    """

    compiled: int = 0
    loaded: int = 0
    folder: str = ""
    refusal: OSError | None = None


record = Record()
