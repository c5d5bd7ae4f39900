"""What a job would do and gain, from a sample of its pictures; nothing is written."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..run.threads import undivided
from .job import Job, opened
from .manifest import Manifest
from .places.entries import Entry, Shard
from .work import Outcome, Work, reason

__all__ = ["Rehearsal", "rehearse"]

_SHARDS = 16
"""From which a sample is taken at most."""


@dataclass(slots=True)
class Rehearsal:
    """What would be done. pictures, nbytes: all there are, None where only reading tells; done: shards that have a record.

    saved_percent is that of the sample, low and high the 95 % interval for all, as far as the sample stands for them.
    core_seconds: for all, on one core like this one.
    """

    shards: int
    done: int
    pictures: int | None
    nbytes: int | None
    saves: bool = True
    sampled: int = 0
    sampled_nbytes: int = 0
    written_nbytes: int = 0
    seconds: float = 0.0
    bad: list[list[str]] = field(default_factory=list)
    means: dict[str, float] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def saved_percent(self) -> tuple[float, float, float] | None:
        """(estimate, low, high); None where nothing was made."""
        count = len(self.sizes)
        if not self.saves or not self.sampled_nbytes or count < 2:
            return None
        ratio, mean = self.written_nbytes / self.sampled_nbytes, self.sampled_nbytes / count
        spread = sum((made - ratio * had) ** 2 for had, made in self.sizes) / (count - 1)
        margin = 1.96 * math.sqrt(spread / count) / mean
        return 100 * (1 - ratio), 100 * (1 - ratio - margin), 100 * (1 - ratio + margin)

    @property
    def total_pictures(self) -> int | None:
        """All pictures; from bytes and the sample's mean where they were not counted."""
        if self.pictures is not None or self.nbytes is None or not self.sampled_nbytes:
            return self.pictures
        return round(self.nbytes / (self.sampled_nbytes / len(self.sizes)))

    @property
    def total_nbytes(self) -> int | None:
        if self.nbytes is not None or self.pictures is None or not self.sizes:
            return self.nbytes
        return round(self.pictures * self.sampled_nbytes / len(self.sizes))

    @property
    def core_seconds(self) -> float | None:
        total = self.total_pictures
        return self.seconds / self.sampled * total if total and self.sampled else None

    def as_dict(self) -> dict[str, Any]:
        saved = self.saved_percent
        return {
            "shards": self.shards, "shards_done": self.done, "pictures": self.total_pictures, "bytes": self.total_nbytes,
            "sampled": self.sampled, "bad": self.bad, "means": self.means,
            "saved_percent": None if saved is None else {"estimate": saved[0], "low": saved[1], "high": saved[2]},
            "core_seconds": self.core_seconds,
        }  # fmt: skip


def rehearse(job: Job, sample: int = 64) -> Rehearsal:
    """What `run` would do with a job, from so many pictures, spread over all. Errors as for `run`."""
    if sample < 1:
        raise ValueError(f"sample={sample}: must be 1 or more")
    at = opened(job)
    manifest = Manifest.read(at.target)
    if manifest is not None:
        manifest.check(at.about)
        shards = [manifest.shard(i) for i in range(len(manifest))]
    else:
        shards = list(at.shards())
    if not shards:
        raise FileNotFoundError(f"{job.origin}: no pictures there")
    counts, sizes = [shard.count for shard in shards], [shard.nbytes for shard in shards]
    found = Rehearsal(
        len(shards), len(manifest.done()) if manifest is not None else 0,
        None if None in counts else sum(c or 0 for c in counts), None if None in sizes else sum(n or 0 for n in sizes),
        bool(job.work.about().get("saves")),
    )  # fmt: skip
    entries = [
        entry for part, few in _spread(shards, sample) for entry in itertools.islice(at.source.entries(part), few)
    ]
    with undivided():
        if entries:
            list(_code(job.work, entries[:1]))  # what is compiled at a first call counts nowhere
        start = time.perf_counter()
        totals: dict[str, list[float]] = {}
        for entry, outcome in zip(entries, _code(job.work, entries), strict=True):
            _count(found, entry, outcome, totals)
        found.seconds = time.perf_counter() - start
    found.means = {name: sum(values) / len(values) for name, values in totals.items() if values}
    return found


def _spread(shards: list[Shard], sample: int) -> Iterator[tuple[Shard, int]]:
    """(a shard, or the part of one that a sample needs; how many of its pictures to take)."""
    if isinstance(shards[0].what, list) and isinstance(shards[0].what[0], list):  # names: any of them can be taken
        every = sum(len(shard.what) for shard in shards)
        few = min(sample, every)
        places, start = iter([(2 * i + 1) * every // (2 * few) for i in range(few)] + [every]), 0
        place = next(places)
        for shard in shards:
            names = []
            while place < start + len(shard.what):
                names.append(shard.what[place - start])
                place = next(places)
            if names:
                yield replace(shard, what=names), len(names)
            start += len(shard.what)
        return
    count = min(_SHARDS, len(shards), sample)
    for i in range(count):
        yield shards[(2 * i + 1) * len(shards) // (2 * count)], (i + 1) * sample // count - i * sample // count


def _code(work: Work, entries: list[Entry]) -> Iterator[Outcome]:
    for entry in entries:
        try:
            if isinstance(entry.content, Exception):
                raise entry.content
            if entry.passed:
                yield Outcome()
                continue
            made = work.code([work.begin(entry.name, entry.content)[0]])
        except Exception as error:  # as in a shard
            made = [Outcome(error=reason(error))]
        yield made[0]


def _count(found: Rehearsal, entry: Entry, outcome: Outcome, totals: dict[str, list[float]]) -> None:
    if entry.passed:
        return
    found.sampled += 1
    if outcome.error is not None:
        found.bad.append([entry.name, outcome.error])
        return
    had, made = len(entry.content) if isinstance(entry.content, bytes) else 0, len(outcome.content or b"")
    found.sampled_nbytes, found.written_nbytes = found.sampled_nbytes + had, found.written_nbytes + made
    found.sizes.append((had, made))
    for name, value in outcome.values.items():
        if math.isfinite(value):
            totals.setdefault(name, []).append(value)
