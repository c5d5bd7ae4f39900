"""What runs on a device while a batch is coded there, to be run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from jpegjax.jpeg.device import entropy
from jpegjax.run.mesh import Mapped, mapped

__all__ = ["recorded_calls"]


@contextmanager
def recorded_calls() -> Iterator[list[tuple[Any, tuple[Any, ...]]]]:
    """The programs of entropy coding on devices that run inside, with what they were given."""
    calls: list[tuple[Any, tuple[Any, ...]]] = []

    def watching(function: Any, *key: Any, **more: Any) -> Mapped:
        found = mapped(function, *key, **more)

        def run(*args: Any) -> Any:
            calls.append((found.run, args))
            return found.run(*args)

        return Mapped(run, found.sharding)

    with mock.patch.object(entropy, "mapped", watching):
        yield calls
