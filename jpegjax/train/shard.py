"""The mesh of devices, and which array is cut along which of its axes.

Batches are cut along the mesh axis "data", their first dimension in the order of the devices; everything else is on all devices
unless a rule cuts it. A program over the mesh is the program of one device: XLA puts the sums over devices where they belong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, Sharding

from .config import AXES, FitConfig, Rule

__all__ = ["batch_on", "check_batch", "copied", "devices_of", "local_copy", "mesh_of", "names", "placed", "specs"]


def mesh_of(config: FitConfig) -> Mesh:
    """The mesh ("data", "model") over the devices that a training uses.

    Raises:
        ValueError: There are fewer devices, or they cannot be divided as asked.
    """
    devices = devices_of(config)
    if len(devices) % config.model_parallel:
        raise ValueError(
            f"model_parallel={config.model_parallel}: must divide the number of devices, which is {len(devices)}"
        )
    if jax.process_count() > 1 and jax.local_device_count() % config.model_parallel:
        raise ValueError(
            f"model_parallel={config.model_parallel}: must divide a process's own devices, which are {jax.local_device_count()}"
        )
    shape = len(devices) // config.model_parallel, config.model_parallel
    if config.batch % shape[0]:
        raise ValueError(
            f"batch={config.batch}: must be a multiple of the {shape[0]} devices of the mesh axis 'data'; give another batch or "
            "fewer devices"
        )
    return jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto,) * 2, devices=devices)


def devices_of(config: FitConfig) -> list[jax.Device]:
    """The first devices of all processes, as many as are asked for."""
    found = jax.devices()
    if config.devices is None:
        return found
    if config.devices > len(found):
        raise ValueError(f"devices={config.devices}: there are {len(found)} of {found[0].platform}")
    if jax.process_count() > 1 and config.devices != len(found):
        raise ValueError(f"devices={config.devices}: several processes use all their devices, {len(found)} here")
    return found[: config.devices]


def names(tree: Any) -> list[str]:
    """The path of each leaf, such as "encoder/0/kernel", in the order of jax.tree.leaves."""
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    return [jax.tree_util.keystr(_without_value(path), simple=True, separator="/") for path in paths]


def _without_value(path: tuple[Any, ...]) -> tuple[Any, ...]:
    """A path without the step from an nnx.Variable into its array."""
    return path[:-1] if path and path[-1] == jax.tree_util.GetAttrKey("value") else path


def specs(tree: Any, params: dict[str, Any], mesh: Mesh, rules: int | tuple[Rule, ...]) -> Any:
    """The sharding of each leaf of a training state: a parameter's, and that of its moments and average, by rule.

    Args:
        tree: Arrays or ShapeDtypeStructs.
        params: Path and shape of each parameter; a leaf belongs to the one whose path ends its own, with the same shape.
        mesh: As from `mesh_of`.
        rules: As in `FitConfig`.

    Raises:
        ValueError: A rule names more axes than a parameter has dimensions, or an axis whose length does not divide one.
    """

    def one(path: str, shape: tuple[int, ...]) -> NamedSharding:
        owner = next((p for p, s in params.items() if s == shape and (path == p or path.endswith(f"/{p}"))), None)
        return NamedSharding(mesh, jax.P() if owner is None else _spec(owner, shape, mesh, rules))

    leaves, structure = jax.tree.flatten(tree)
    found = [one(path, np.shape(leaf)) for path, leaf in zip(names(tree), leaves, strict=True)]
    return jax.tree.unflatten(structure, found)


def _spec(path: str, shape: tuple[int, ...], mesh: Mesh, rules: int | tuple[Rule, ...]) -> jax.P:
    if isinstance(rules, int):
        size = mesh.shape["data"]
        longest = max(range(len(shape)), key=lambda d: shape[d] if shape[d] % size == 0 else 0, default=0)
        if not shape or np.prod(shape) < rules or shape[longest] % size:
            return jax.P()
        return jax.P(*("data" if d == longest else None for d in range(len(shape))))
    for pattern, axes in rules:
        if re.search(pattern, path):
            if len(axes) > len(shape):
                raise ValueError(f"sharding: {pattern!r} has {len(axes)} axes; {path} has the shape {shape}")
            for length, axis in zip(shape, axes, strict=False):
                if axis is not None and length % mesh.shape[axis]:
                    raise ValueError(
                        f"sharding: {path} of shape {shape} cannot be cut along {axis!r}, which is {mesh.shape[axis]} long; make "
                        f"{pattern!r} leave it out"
                    )
            return jax.P(*axes)
    return jax.P()


def placed(tree: Any, shardings: Any) -> Any:
    """Arrays that every process has alike, on the devices of all."""

    def one(x: jax.Array, sharding: NamedSharding) -> jax.Array:
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(one(jax.random.key_data(x), sharding), impl=jax.random.key_impl(x))
        return jax.device_put(np.asarray(x), sharding)

    return jax.tree.map(one, tree, shardings)


def batch_on(sharding: Sharding, batch: Any) -> Any:
    """A process's rows of a batch on its devices, as its part of the whole batch."""
    return jax.tree.map(lambda rows: jax.make_array_from_process_local_data(sharding, rows), batch)


def check_batch(batch: Any, rows: int) -> None:
    """ValueError for a batch whose arrays have not all this many rows, naming the array."""
    leaves = jax.tree.leaves(batch)
    if not leaves:
        raise ValueError("data: the first batch holds no array; a batch is a pytree of NumPy arrays [batch, …]")
    for path, leaf in zip(names(batch), leaves, strict=True):
        if np.ndim(leaf) == 0 or len(leaf) != rows:
            raise ValueError(
                f"data: array {path or 'of the batch'} has the shape {np.shape(leaf)}; its first dimension must be the {rows} "
                "rows asked for"
            )


def local_copy(tree: Any, mesh: Mesh) -> Any:
    """A whole copy on this process's first device, whatever the sharding; every process must call."""
    return jax.tree.map(lambda x: x.addressable_data(0), _gather(mesh)(tree))


@cache
def _gather(mesh: Mesh) -> Callable[[Any], Any]:
    """Makes whole copies on all devices of a mesh."""
    return jax.jit(copied, out_shardings=NamedSharding(mesh, jax.P()))


@jax.jit
def copied(tree: Any) -> Any:
    """Arrays of their own, sharded alike."""
    return jax.tree.map(lambda x: x.copy(), tree)
