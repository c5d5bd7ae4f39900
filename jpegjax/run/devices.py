"""Which devices run a batch, and in pages of what size."""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import Mesh, Sharding

# MCUs of one device's part of a page. The smallest serves single images, the largest bulk: on a CPU it bounds the
# working set, on an accelerator it hides the launch.
SIZES = {"cpu": (256, 1024, 4096)}
ACCELERATOR_SIZES = (1024, 16384)
DEPTH = 2  # pages in flight


def local_devices(device: Any = None) -> tuple[jax.Device, ...]:
    """Devices that `device` means: None (all local ones), a Device, a Mesh, a Sharding or a platform's name."""
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


def page_sizes(devices: tuple[jax.Device, ...]) -> tuple[int, ...]:
    """MCUs a part may have on these devices, ascending."""
    return SIZES.get(devices[0].platform, ACCELERATOR_SIZES)
