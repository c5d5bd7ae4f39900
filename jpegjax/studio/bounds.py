"""What the studio may cost, and what it says when something is refused."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["USUAL", "Bounds", "Gone", "Refused", "megabytes"]


class Refused(ValueError):
    """Something that is not taken; the message is for the person, status the answer's."""

    def __init__(self, message: str, status: int = 422):
        super().__init__(message)
        self.status = status


class Gone(Refused):
    """A picture or a result that is not kept any more."""

    def __init__(self, what: str):
        super().__init__(f"this {what} is not kept any more; open it again", 410)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one running studio.

    Attributes:
        upload_nbytes: Of one file that is dropped on the page, or of one of the folder.
        pixels: Of one picture.
        pictures: How many are kept at once; the oldest go.
        memory_nbytes: Of all pictures and results that are kept; what was not used for longest goes.
        preview_pixels: Of what is encoded for a preview, and of one view.
        batch: Files of a folder that are listed and written at most.
        batch_nbytes: Of all files that a batch writes.
        stall_seconds: How long an upload may stand still.
    """

    upload_nbytes: int = 256 << 20
    pixels: int = 100_000_000
    pictures: int = 8
    memory_nbytes: int = 2 << 30
    preview_pixels: int = 1_500_000
    batch: int = 5000
    batch_nbytes: int = 8 << 30
    stall_seconds: float = 30.0


USUAL = Bounds()


def megabytes(nbytes: int) -> str:
    """A size in words: "256 MB"."""
    return f"{nbytes / 1e6:.0f} MB" if nbytes >= 1e7 else f"{nbytes / 1e6:.1f} MB"
