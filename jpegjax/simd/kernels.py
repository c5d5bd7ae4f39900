"""How host loops are compiled: what the CPU has, and `@kernel`."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import njit
from numba.core.registry import cpu_target

from .cache import KernelCache

__all__ = ["has_avx2", "kernel"]


@cache
def has_avx2() -> bool:
    """Whether numba's target has AVX2 (not whether the machine has: NUMBA_CPU_NAME and _FEATURES decide)."""
    features = cpu_target.target_context.codegen().magic_tuple()[2] or ""
    return "+avx2" in features.split(",")


def kernel(function: Any = None, *, inline: bool = False) -> Any:
    """njit for a host loop: nogil, machine code cached on disk until any kernel source changes.

    inline: leave inlining to LLVM by default; True forces it (for helpers that hold a loop's state).
    """
    if function is None:
        return lambda f: kernel(f, inline=inline)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}  # not called from C
    if inline:
        options["forceinline"] = True
    dispatcher: Any = njit(**options)(function)
    dispatcher._cache = KernelCache(function)
    return dispatcher
