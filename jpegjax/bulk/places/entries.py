"""A picture of a shard, a shard, and names that stay where they belong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .storage import STATE, is_url

__all__ = ["Entry", "Shard", "key_of", "output_of", "safe"]


@dataclass(slots=True)
class Entry:
    """A picture of a shard. name: for people; output: of the file to be, with the picture's own suffix.

    content: or what was met. beside: what goes where it goes, as its source knows it: (name, content) of a tar's other members,
    (record batch, row) of Parquet. passed: no picture, but members of a tar alone.
    """

    name: str
    output: str
    content: bytes | Exception
    beside: Any = None
    passed: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """What is done as a whole. name: of its output where that is one file. what: the pictures, as its source reads them (JSON).

    count, nbytes: how many pictures and bytes there are, None where only reading tells.
    """

    number: int
    name: str
    what: Any
    count: int | None
    nbytes: int | None


def safe(name: str) -> str:
    """A name that stays below its folder, and out of a job's own."""
    parts = [part for part in name.replace("\\", "/").replace("\0", "").split("/") if part not in ("", ".", "..")]
    if parts and parts[0] == STATE:
        parts[0] = STATE.lstrip("_")
    return "/".join(parts) or "unnamed"


def output_of(name: str) -> str:
    """Where a file of a path or URL goes, with its own suffix."""
    return safe(name.partition("://")[2] if is_url(name) else name)


def key_of(name: str) -> str:
    """WebDataset's key: all before the first dot of the last part."""
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last.partition('.')[0]}"
