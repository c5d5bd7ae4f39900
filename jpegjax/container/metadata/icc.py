"""ICC profiles in APP2 segments (ICC.1 B.4)."""

from __future__ import annotations

__all__ = ["join_icc"]


def join_icc(chunks: list[tuple[int, int, bytes]]) -> bytes:
    """The profile of (number, count, part) chunks, copies alike counted once.

    ValueError where one is missing or miscounted, or two of one number differ.
    """
    chunks = sorted(set(chunks))
    counts = sorted({count for _, count, _ in chunks})
    if len(counts) > 1:
        raise ValueError(f"chunks say that there are {counts[0]} and {counts[1]} of them")
    numbers = [number for number, _, _ in chunks]
    if numbers != list(range(1, counts[0] + 1)):
        missing = sorted(set(range(1, counts[0] + 1)) - set(numbers))
        least = f"number {missing[0]} is missing" if missing else "some contradict one another"
        raise ValueError(f"{len(chunks)} chunks do not make a whole of {counts[0]}: {least}")
    return b"".join(part for _, _, part in chunks)
