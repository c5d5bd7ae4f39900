"""What a job is: its options and its shards, written once; what was done: a record of each shard, written last.

    TARGET/_jpegjax/manifest.json       options, source, number of shards; written once all shards are cut
                    shards.jsonl        a shard a line: which pictures
                    records/0000/000012.json
                    summary.json, summary.html, bad.jsonl

A job that goes on, or is run again, looks at the records alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from typing import Any

from .places.entries import Shard
from .places.storage import STATE, Place

__all__ = ["Manifest", "Record", "canonical", "record_name"]

FORMAT = 1
Record = dict[str, Any]
"""Of a shard: pictures, written, bytes before and after, pixels, what failed and why, sums of what was measured, seconds."""


def canonical(value: Any) -> Any:
    """Options as JSON that is the same wherever they are the same: arrays as lists, bytes by their digest."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: canonical(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): canonical(one) for key, one in value.items()}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"sha256:{hashlib.sha256(value).hexdigest()}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(canonical(one) for one in value)
    if isinstance(value, Sequence):
        return [canonical(one) for one in value]
    return str(value)


def record_name(number: int) -> str:
    return f"{STATE}/records/{number // 1000:04}/{number:06}.json"


def difference(old: Any, new: Any, path: str = "") -> str | None:
    """The first place where two JSON values differ, as "quality: 80, now 75"."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*old, *(k for k in new if k not in old)):
            found = difference(old.get(key), new.get(key), f"{path}.{key}" if path else key)
            if found:
                return found
        return None
    return None if old == new else f"{path}: {json.dumps(old)}, now {json.dumps(new)}"


class Manifest:
    """A job's options and shards, in its target. head: what all its outputs depend on, and totals of the shards."""

    def __init__(self, place: Place, head: dict[str, Any], lines: list[bytes]) -> None:
        self.place, self.head, self._lines = place, head, lines

    @classmethod
    def read(cls, place: Place) -> Manifest | None:
        """The manifest of a target, None where there is none. ValueError where it is damaged or of another release."""
        content, shards = place.read([f"{STATE}/manifest.json", f"{STATE}/shards.jsonl"])
        if isinstance(content, OSError):
            return None
        try:
            if isinstance(shards, OSError):
                raise ValueError(f"shards.jsonl: {shards.strerror or shards}")
            head = json.loads(content)
            if head["format"] != FORMAT or head["digest"] != hashlib.sha256(shards).hexdigest():
                raise ValueError("shards.jsonl is not what it was made with")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{place.url}/{STATE}/manifest.json: damaged ({error}); take another target") from None
        return cls(place, head, shards.splitlines())

    @classmethod
    def create(cls, place: Place, about: dict[str, Any], shards: Iterator[Shard]) -> Manifest:
        """Cut the shards and write them down; the manifest last, so that it is whole or not there."""
        lines, totals = [], {"shards": 0, "pictures": 0, "nbytes": 0, "counted": True}
        for shard in shards:
            lines.append(json.dumps(asdict(shard), separators=(",", ":")).encode())
            totals["shards"] += 1
            totals["pictures"] += shard.count or 0
            totals["nbytes"] += shard.nbytes or 0
            totals["counted"] = totals["counted"] and shard.count is not None
        content = b"\n".join(lines)
        head = {"format": FORMAT, "about": about, **totals, "digest": hashlib.sha256(content).hexdigest()}
        place.write({f"{STATE}/shards.jsonl": content})
        place.write({f"{STATE}/manifest.json": json.dumps(head, indent=1).encode()})
        return cls(place, head, lines)

    def check(self, about: Mapping[str, Any]) -> None:
        """ValueError where this is another job: other options, source or release."""
        found = difference(self.head["about"], json.loads(json.dumps(about)))
        if found:
            raise ValueError(
                f"{self.place.url}: holds a job with other options ({found}); give the same ones to go on, or another target"
            )

    def __len__(self) -> int:
        return len(self._lines)

    def shard(self, number: int) -> Shard:
        return Shard(**json.loads(self._lines[number]))

    def done(self) -> set[int]:
        """Numbers of the shards that have a record."""
        found = set()
        for folder in self.place.listed(f"{STATE}/records"):
            names = self.place.listed(f"{STATE}/records/{folder}")
            found |= {int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdecimal()}
        return found

    def records(self) -> Iterator[Record]:
        """What was done, in order."""
        numbers = sorted(self.done())
        for at in range(0, len(numbers), 256):
            for content in self.place.read([record_name(n) for n in numbers[at : at + 256]]):
                if isinstance(content, OSError):
                    raise content
                yield json.loads(content)
