"""How an option is declared, and the checks that several share.

A field of an options class is `name: Annotated[type, Option(sentence, check)] = default`: its default, its sentence for
people and its check stand there and nowhere else. `check_options` runs the checks, `about` gives the sentence.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "Option",
    "about",
    "check_bytes",
    "check_choice",
    "check_flag",
    "check_int",
    "check_number",
    "check_options",
    "choice",
    "default",
    "integer",
]

T = TypeVar("T")
Check = Callable[[str, Any], Any]
"""Takes an option's name and value, returns the value as it is kept; TypeError or ValueError names what is allowed."""


@dataclass(frozen=True, slots=True)
class Option:
    """What is said about an option in one sentence, and its check; None where only other options can tell.

    door: its name among the keywords of the public functions, where a group calls it something shorter.
    """

    about: str
    check: Check | None = None
    door: str = ""


@cache
def _declared(kind: Any) -> dict[str, tuple[Option, Any]]:
    """(option, default) of each field of an options class that has one."""
    hints = kind.__annotations__
    found = {}
    for one in fields(kind):
        options = [extra for extra in getattr(hints[one.name], "__metadata__", ()) if isinstance(extra, Option)]
        if options:
            found[one.name] = options[0], one.default
    return found


@cache
def _checks(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[Any, ...], tuple[tuple[str, str, Check], ...]]:
    """(what gets their values, their defaults, (field, name for people, check)) of the fields that have a check."""
    found = [(n, o.door or n, o.check, default) for n, (o, default) in _declared(kind).items() if o.check is not None]
    getter = operator.attrgetter(*(one[0] for one in found))
    return getter, tuple(one[3] for one in found), tuple(one[:3] for one in found)


def check_options(options: Any) -> None:
    """Put each value of a frozen options object through its check. Defaults are right as they are."""
    kind: Any = type(options)
    getter, defaults, checks = _checks(kind)
    for value, usual, (field, name, check) in zip(getter(options), defaults, checks, strict=True):
        if value is not usual:
            object.__setattr__(options, field, check(name, value))


def about(kind: Any, field: str) -> str:
    """The sentence of an option, for command lines and tables."""
    return _declared(kind)[field][0].about


def default(kind: Any, field: str) -> Any:
    """The default of an option, as the public functions have it."""
    return _declared(kind)[field][1]


def check_choice(name: str, value: Any, allowed: Sequence[T]) -> T:
    """The value. ValueError naming argument, value and choices."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r}: must be one of {', '.join(repr(a) for a in allowed)}")
    return value


def check_int(name: str, value: Any, low: int, high: int) -> int:
    """The value as int; TypeError for what is no integer (bool included), ValueError outside low..high."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r}: must be an integer {low}..{high}, not {type(value).__name__}") from None
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r}: must be an integer {low}..{high}, not bool")
    if not low <= number <= high:
        raise ValueError(f"{name}={number}: must be {low}..{high}")
    return number


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """The value as float; TypeError for what is no number (bool included), ValueError outside low..high."""
    if isinstance(value, (bool, np.bool_, str, bytes)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}={value!r}: must be a number {low:g}..{high:g}, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name}={value}: must be {low:g}..{high:g}")
    return float(value)


def check_flag(name: str, value: Any) -> bool:
    """The value. TypeError for what is neither True nor False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r}: must be True or False")
    return bool(value)


def check_bytes(name: str, value: Any) -> bytes | bytearray | memoryview:
    """The value. TypeError for what are no bytes."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: must be bytes, not {type(value).__name__}")
    return value


def integer(low: int, high: int) -> Check:
    """The check of an integer low..high."""
    return lambda name, value: check_int(name, value, low, high)


def choice(allowed: Sequence[Any]) -> Check:
    """The check of one of these values."""
    return lambda name, value: check_choice(name, value, allowed)
