"""ICC profiles in APP2 segments (ICC.1 B.4)."""

from __future__ import annotations

__all__ = ["join_icc"]


def join_icc(chunks: list[tuple[int, int, bytes]]) -> bytes:
    """The profile of (number, count, part) chunks, copies alike counted once.

    ValueError where one is missing or miscounted, or two of one number differ.
    """
    chunks = sorted(set(chunks))
    counts = {count for _, count, _ in chunks}
    numbers = [number for number, _, _ in chunks]
    if len(counts) != 1 or numbers != list(range(1, counts.pop() + 1)):
        raise ValueError(f"chunks {numbers} do not make a whole")
    return b"".join(part for _, _, part in chunks)
