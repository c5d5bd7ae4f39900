"""Which machine runs which half? `host` runs everything on the CPU, `xla` the transform half on any JAX device."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

__all__ = ["cores", "pick", "run_parallel", "submit"]

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="jpegjax")


def run_parallel(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """function over items on all cores, results in order; the first error is raised after the others have ended."""
    if len(items) < 2 or cores() < 2:
        return [function(item) for item in items]
    return list(_pool().map(function, items))


def submit(function: Callable[..., R], *arguments: Any) -> Any:
    """A future of function(*arguments) on the pool of `run_parallel`."""
    return _pool().submit(function, *arguments)


@cache
def _accelerator() -> bool:
    """Whether JAX's default backend is an accelerator; JAX is not imported where none of its plugins is installed."""
    if "jax" not in sys.modules and not any(find_spec(n) for n in ("jax_plugins", "libtpu", "jax_cuda12_plugin", "jax_cuda13_plugin")):
        return False
    import jax

    return jax.default_backend() != "cpu"


def pick(engine: str, device: Any) -> str:
    """ "host" or "xla" for what the caller asked: "auto" takes xla where a device is named or an accelerator is at hand."""
    if engine == "host" and device is not None:
        raise ValueError(f"device={device!r}: the host engine has no devices; use engine='xla' or 'auto'")
    if engine != "auto":
        return engine
    return "xla" if device is not None or _accelerator() else "host"


