"""Which devices run a batch."""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
from jax.sharding import Mesh, Sharding

from .forks import check_jax

__all__ = ["Devices", "local_devices"]


Devices: TypeAlias = tuple[Any, ...]
"""Of jax.Device, for which JAX has no type that checkers know."""


def local_devices(device: Any = None) -> Devices:
    """Devices that `device` means: None (all local ones), a Device, a Mesh, a Sharding or a platform's name.

    ValueError for a platform that is not there, TypeError for anything else, RuntimeError behind a fork (`run.forks`).
    """
    check_jax("JAX's devices" if device is None else f"device={device!r}")
    if device is None:
        return tuple(jax.local_devices())
    if isinstance(device, str):
        try:
            return tuple(jax.local_devices(backend=device))
        except RuntimeError as error:
            raise ValueError(f"device={device!r}: {error}") from None
    if isinstance(device, jax.Device):
        return (device,)
    if isinstance(device, Mesh):
        found = device.local_devices
    elif isinstance(device, Sharding):
        found = device.addressable_devices
    else:
        raise TypeError(f"device={device!r}: must be None, a platform's name, a jax.Device, Mesh or Sharding")
    return tuple(sorted(found, key=lambda d: d.id))
