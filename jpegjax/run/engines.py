"""Which machine runs which half? `host` runs everything on the CPU, `xla` the transform half on any JAX device."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

from .forks import check_jax, jax_is_lost

__all__ = ["pick"]


@cache
def _accelerator() -> bool:
    """Whether JAX's default backend is an accelerator; JAX is not imported where none of its plugins is installed."""
    if "jax" not in sys.modules and not any(
        find_spec(n) for n in ("jax_plugins", "libtpu", "jax_cuda12_plugin", "jax_cuda13_plugin")
    ):
        return False
    import jax

    return jax.default_backend() != "cpu"


def pick(engine: str, device: Any) -> str:
    """ "host" or "xla" for what the caller asked: "auto" takes xla where a device is named or an accelerator is at hand."""
    if engine == "host" and device is not None:
        raise ValueError(f"device={device!r}: the host engine has no devices; use engine='xla' or 'auto'")
    if engine == "auto":
        engine = "xla" if device is not None or (not jax_is_lost() and _accelerator()) else "host"
    if engine == "xla":
        check_jax(f"device={device!r}" if device is not None else "engine='xla'")
    return engine
