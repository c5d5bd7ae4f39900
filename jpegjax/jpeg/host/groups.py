"""Lists of small pictures: those of one kind go through a kernel together, whose call takes longer than one of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from ...run.threads import run_parallel, spare_cores

__all__ = ["GROUPED_PIXELS", "SMALL_PIXELS", "in_groups"]

SMALL_PIXELS = 1 << 14
"""Up to this a picture is small."""

GROUPED_PIXELS = 1 << 17
"""Up to this pictures of one kind are decoded together. Fewer than limits refuse for a file's length."""

_TOGETHER = 64
_SHARES = 4
"""Groups for each core at least, where there are as many pictures."""


def in_groups(
    kinds: Sequence[Hashable | None], alone: Callable[[int], Any], together: Callable[[list[int]], Sequence[Any]]
) -> list[Any]:
    """alone(i) for each item i, on all cores. Some of one kind at a time by together([i, ...]) instead, if it can.

    kinds: of the items, None for those that go alone. together: gives None for an item that needs `alone` after all.
    """
    alike: dict[Hashable, list[int]] = {}
    parts: list[list[int]] = []
    for i, kind in enumerate(kinds):
        if kind is None:
            parts.append([i])
        else:
            alike.setdefault(kind, []).append(i)
    shares = _SHARES * spare_cores() if spare_cores() > 1 else 1
    for items in alike.values():
        n = min(_TOGETHER, -(-len(items) // shares))
        parts += [items[k : k + n] for k in range(0, len(items), n)]
    parts.sort()
    results: list[Any] = [None] * len(kinds)

    def run(part: list[int]) -> None:
        found = together(part) if len(part) > 1 else [None]
        for i, result in zip(part, found, strict=True):
            results[i] = alone(i) if result is None else result

    run_parallel(run, parts)
    return results
