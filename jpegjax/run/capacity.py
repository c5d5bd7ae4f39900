"""How much of a device's memory may a batch take, and what if that ends all the same?

Batches are cut to what their programs take by the compiler's own count. Devices that do not say how much memory they have, as
CPUs, cut nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import jax

from ..errors import DeviceMemoryError, forget_locals
from .devices import Devices

__all__ = ["IN_FLIGHT", "OVERFULL", "UNCOUNTED", "memory_named", "room", "shaped", "taken"]

IN_FLIGHT = 3
"""Batches that a device holds at once: those of `flow` and the one that is sent."""

OVERFULL = 1 << 62
"""Bytes of a program that the compiler itself found no memory for."""

UNCOUNTED = 4
"""Times what goes in and comes out: what a program takes by a compiler that does not count."""

_SIZES = (r"(\d+)\s*bytes", r"\((\d+)\s*B\)")


def _statistics(device: Any) -> dict[str, int] | None:
    return device.memory_stats()


def room(devices: Devices, kept: int = 0) -> int | None:
    """Bytes that each of the batches in flight may take on every device; None where one does not say.

    kept: bytes of results that will stay on each. At the time of asking, whoever's the memory in use is.
    """
    found = [_statistics(device) for device in devices]
    free = [s["bytes_limit"] - s.get("bytes_in_use", 0) for s in found if s and "bytes_limit" in s]
    return max(0, min(free) - kept) // IN_FLIGHT if len(free) == len(found) else None


def shaped(shape: Sequence[int], dtype: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    """An array of a program over devices, without the array."""
    return jax.ShapeDtypeStruct(tuple(shape), dtype, sharding=sharding)


def taken(run: Callable[..., Any], *shapes: Any) -> int:
    """Bytes that one run of a jitted program takes on each device: arguments, results, temporaries.

    shapes: pytrees of `shaped`, or of arrays that lie where they will. The program is then compiled for its first run.
    """
    leaves, tree = jax.tree.flatten(shapes)
    return _counted(run, tuple(shaped(x.shape, x.dtype, x.sharding) for x in leaves), tree)


@lru_cache(maxsize=512)
def _counted(run: Any, leaves: tuple[jax.ShapeDtypeStruct, ...], tree: Any) -> int:
    shapes, found = jax.tree.unflatten(tree, leaves), None
    try:
        found = run.lower(*shapes).compile().memory_analysis()
    except NotImplementedError:  # of a backend that does not count
        pass
    except RuntimeError as error:  # TPUs' compiler counts what does not fit
        if not _is_exhausted(error):
            raise
        return OVERFULL
    if found is None:
        arrays = [*leaves, *jax.tree.leaves(jax.eval_shape(run, *shapes))]
        return UNCOUNTED * sum(x.size * x.dtype.itemsize for x in arrays) // len(leaves[0].sharding.device_set)
    own = found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return found.argument_size_in_bytes + own


def _is_exhausted(error: BaseException) -> bool:
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


@contextmanager
def memory_named(devices: Devices) -> Iterator[None]:
    """XLA's error for memory that has ended becomes a DeviceMemoryError that names size, device and remedy."""
    try:
        yield
    except RuntimeError as error:
        if not _is_exhausted(error):
            raise
        forget_locals(error)
        told = _out_of_memory(str(error), devices)
    else:
        return
    raise told


def _out_of_memory(text: str, devices: Devices) -> DeviceMemoryError:
    sizes = (re.search(pattern, text) for pattern in _SIZES)
    size = next((int(match[1]) for match in sizes if match), None)
    name = " or ".join(f"{d} ({d.device_kind})" for d in devices[:1]) or "a device"
    if len(devices) > 1:
        name = f"one of {len(devices)} devices from {name} on"
    return DeviceMemoryError(name, size, None if size else text.split("\n")[0])
