"""One picture on several cores, where restart markers let entropy coding start afresh."""

from __future__ import annotations

from ...run.threads import spare_cores

__all__ = ["row_parts"]

SMALLEST_PIXELS = 1 << 19
"""Below this a part is not worth a thread."""


def row_parts(mcus_high: int, mcus_wide: int, interval: int, pixels: int, row0: int = 0) -> list[tuple[int, int, int]]:
    """(start, first, end) MCU rows of each part: rows first..end-1 are its own, start is where decoding them may begin.

    Rows count from row0 of the picture on. start and first begin restart segments, but for those of the first part;
    start lies a row before `first`, or more, so that upsampling has its context. One part where the interval, in MCUs,
    never meets the start of a row, or where threads would not pay.
    """
    count = pixels // SMALLEST_PIXELS if interval else 1
    if count >= 2:
        count = min(spare_cores(), count)
    if count < 2:
        return [(0, 0, mcus_high)]
    starts = [m for m in range(mcus_high) if (row0 + m) * mcus_wide % interval == 0]
    firsts = sorted({max((m for m in starts if m <= i * mcus_high // count), default=0) for i in range(count)})
    ends = [*firsts[1:], mcus_high]
    return [
        (max((m for m in starts if m < first), default=0), first, end) for first, end in zip(firsts, ends, strict=True)
    ]
