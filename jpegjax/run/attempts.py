"""Calls whose errors are results, so that those for other items go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import forget_locals

__all__ = ["attempted", "caught"]


def attempted(function: Callable[[Any], Any], stop: bool = False) -> Callable[[Any], Any]:
    """The function, but what it refuses is an error in place of its result. stop: after one, later calls do nothing."""
    failed: list[bool] = []

    def run(item: Any) -> Any:
        if stop and failed:
            return None
        try:
            return function(item)
        except (TypeError, ValueError) as error:
            failed.append(True)
            forget_locals(error)
            return error

    return run


def caught(function: Callable[..., tuple[Any, Any]], *kinds: type[Exception]) -> Callable[..., tuple[Any, Any]]:
    """The function, but an error of these kinds is the first of its two results, with no notes as the second."""

    def run(*arguments: Any) -> tuple[Any, Any]:
        try:
            return function(*arguments)
        except kinds as error:
            forget_locals(error)
            return error, []

    return run
