"""A switch of another program, and what it is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Word", "named"]


@dataclass(frozen=True, slots=True)
class Word:
    """A switch that may be cut down to its first `least` letters, in either case.

    ours: flags that it becomes, none where nothing is to be done. takes: whether a value follows; it goes behind the last of
    `ours`, or away with it. choices: what the value must be, each with the letters it takes. shorter: words that it may be
    short for, while others stay. unless: values that are refused, and why. pattern: what the value must look like, and in
    words. refused: why there is no such thing here.
    """

    name: str
    least: int
    ours: tuple[str, ...] = ()
    takes: bool = False
    choices: Mapping[str, int] = field(default_factory=dict)
    shorter: tuple[str, ...] = ()
    unless: Mapping[str, str] = field(default_factory=dict)
    pattern: tuple[str, str] | None = None
    refused: str = ""


def named(words: tuple[Word, ...], typed: str) -> Word | None:
    """The first switch that this is, or is short for."""
    low = typed.lower()
    return next((word for word in words if len(low) >= word.least and word.name.startswith(low)), None)
