"""`double_jpeg`: was this file compressed before, and how?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..options import Limits

if TYPE_CHECKING:
    from ..api.inputs import Source

__all__ = ["THRESHOLD", "DoubleJpeg", "double_jpeg"]

THRESHOLD = 0.9
"""Probability from which on a file is said to be doubly compressed: one or two in a hundred of the others reach it."""


@dataclass(frozen=True, slots=True)
class DoubleJpeg:
    """What a file shows of its past.

    Attributes:
        probability: That it was compressed before on the same grid of blocks, 0..1, if half of all files were.
        doubly: Whether that is said of it: the probability is at least `THRESHOLD`.
        first_quality: IJG quality 1..99 of the first compression, the likeliest, where doubly is set; else None.
        blocks: Luma blocks that were looked at: those without clipped pixels, or the 64 with the fewest.
    """

    probability: float
    doubly: bool
    first_quality: int | None
    blocks: int

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.doubly:
            return f"no clear trace of an earlier compression (probability {self.probability:.2f})"
        return f"compressed twice, first at about quality {self.first_quality} (probability {self.probability:.2f})"


def double_jpeg(data: Source, *, limits: Limits = Limits()) -> DoubleJpeg:
    """Whether a JPEG file was made from pixels that came out of another one, and the quality of that one.

    Quantising twice leaves gaps and peaks in the histograms of coefficients. They are there only where both compressions had
    the same grid of blocks: a picture that was cropped by anything but multiples of 8, scaled or turned in between shows no
    trace. None is left either by a first compression with the same table, or one whose steps divide those of the second, such as
    quality 95 before 80; and encoders that round unevenly, jpegli foremost, raise false alarms. What is found is no proof.

    Args:
        data: A file: its bytes, a buffer, a path, or a file opened in binary mode. Grey or YCbCr, 8 bits, luma at full size,
            at least 64 blocks of 8×8 pixels; baseline, progressive or arithmetic.
        limits: What a file may cost at most. See `Limits`.

    Returns:
        `DoubleJpeg`: probability, first quality.

    Raises:
        UnsupportedJpeg: The file has other colours (CMYK, RGB), 12 bits, less than 64 blocks, or is lossless.
        CorruptJpeg: Nothing can be saved from the file.
        LimitExceeded: The file would cost more than limits allow.
        TypeError: Data is neither bytes nor a file.
    """
    from ..api import read_coefficients
    from . import network
    from .steps import first_quality
    from .traces import observe

    traces = observe(read_coefficients(data, limits=limits))
    found = float(network.probability(network.named(), *(part[None] for part in traces))[0])
    doubly = found >= THRESHOLD
    return DoubleJpeg(found, doubly, first_quality(traces.evidence) if doubly else None, int(traces.blocks))
