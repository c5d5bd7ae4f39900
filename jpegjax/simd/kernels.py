"""How host loops are compiled: what the CPU has, and `@kernel`."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config
from numba.core.caching import IndexDataCacheFile
from numba.core.registry import cpu_target

__all__ = ["has_avx2", "kernel"]


@cache
def has_avx2() -> bool:
    """Whether numba's target has AVX2 (not whether the machine has: NUMBA_CPU_NAME and _FEATURES decide)."""
    features = cpu_target.target_context.codegen().magic_tuple()[2] or ""
    return "+avx2" in features.split(",")


@cache
def _sources(path: Path) -> frozenset[Path]:
    """A kernel's file and every file that it imports by relative imports, itself included."""
    found, todo = {path}, [path]
    while todo:
        here = todo.pop()
        for dots, name, listed in re.findall(r"^from (\.+)([\w.]*) import \(?([^)\n]*)", here.read_text(), re.M):
            folder = here.parents[len(dots) - 1].joinpath(*name.split("."))
            names = [folder, *(folder / n.strip() for n in listed.split(","))]
            for target in (t for n in names for t in (n.with_suffix(".py"), n / "__init__.py")):
                if target not in found and target.is_file():
                    found.add(target)
                    todo.append(target)
    return frozenset(found)


@cache
def _source_stamp(path: Path) -> str:
    """Digest of every source that a file's machine code comes from: inlining crosses files, which numba's cache ignores."""
    digest = hashlib.sha256(repr(vars(config)["OPT"]).encode())
    for source in sorted(_sources(path)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


class _CacheFile(IndexDataCacheFile):
    """Numba's, but an index that names classes which are gone or changed since is an old one, not an error."""

    def _load_index(self) -> dict[Any, Any]:
        try:
            return super()._load_index()
        except (AttributeError, ImportError, TypeError):
            return {}


def kernel(function: Any = None, *, inline: bool = False) -> Any:
    """njit for a host loop: nogil, machine code cached on disk until any kernel source changes.

    inline: leave inlining to LLVM by default; True forces it (for helpers that hold a loop's state).
    """
    if function is None:
        return lambda f: kernel(f, inline=inline)
    options: dict[str, Any] = {"forceinline": True} if inline else {}
    dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
    try:
        dispatcher.enable_caching()
    except RuntimeError:  # no folder can hold the cache: compile anew in each process
        return dispatcher
    cache_file = dispatcher._cache._cache_file
    cache_file.__class__ = _CacheFile
    cache_file._source_stamp = _source_stamp(Path(function.__code__.co_filename))
    return dispatcher
