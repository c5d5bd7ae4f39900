"""Programs over all devices at once: every device has a part of its own, and parts know nothing of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding

from .devices import Devices

__all__ = ["Mapped", "mapped", "parts", "spread"]

_PROGRAMS = 512


class Mapped(NamedTuple):
    """run: a jitted function. sharding: of its arguments' leading axis, for `jax.device_put` and `spread`."""

    run: Callable[..., Any]
    sharding: NamedSharding


@lru_cache(maxsize=_PROGRAMS)
def mapped(
    function: Callable[..., Any],
    devices: Devices,
    *static: Any,
    split: bool = False,
    whole: bool = False,
    donate: tuple[int, ...] = (),
) -> Mapped:
    """function(*static, …) as one program over the devices: its arrays, in and out, have an axis of one part a device in front.

    The last few hundred programs are kept, by function, devices and static arguments, all hashable. split: there is no
    such axis; each device gets, and gives, its share of the first axis of what the function takes and gives.
    whole: the first argument, a pytree, has no such axis either and goes whole to every device.
    donate: arguments whose memory becomes a result's of as many bytes; others draw a warning.
    """
    mesh = jax.make_mesh((len(devices),), ("parts",), axis_types=(AxisType.Auto,), devices=devices)

    def body(shared: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
        if split:
            return function(*static, *shared, *args)
        return jax.tree.map(lambda y: y[None], function(*static, *shared, *jax.tree.map(lambda x: x[0], args)))

    specs = jax.P(), jax.P("parts")
    over = jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=jax.P("parts"), check_vma=False)

    def run(*args: Any) -> Any:
        return over(args[:whole], args[whole:])

    return Mapped(jax.jit(run, donate_argnums=donate), NamedSharding(mesh, jax.P("parts")))


def spread(items: Sequence[Any], sharding: NamedSharding) -> Any:
    """A pytree of arrays for each device, NumPy's or JAX's from anywhere, as one pytree with the axis of parts in front."""
    devices = tuple(sharding.mesh.devices.flat)

    def join(*leaves: Any) -> jax.Array:
        placed = [jax.device_put(leaf[None], device) for leaf, device in zip(leaves, devices, strict=True)]
        return jax.make_array_from_single_device_arrays((len(placed), *leaves[0].shape), sharding, placed)

    return jax.tree.map(join, *items)


def parts(array: jax.Array) -> list[jax.Array]:
    """The parts of a `mapped` function's result in order, each on its own device and still with its leading axis."""
    return [shard.data for shard in sorted(array.addressable_shards, key=lambda s: s.index[0].start or 0)]
