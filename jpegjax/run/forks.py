"""What a child of `os.fork` finds: no thread but its own, and nothing that another was in the middle of.

Forking waits, half a minute at most, until other threads have imported what they are importing of ours and compiled what
they are compiling: in the child nobody would ever finish it. Pools and locks of the rooms are made anew where they stand.
JAX's own threads cannot be: a child of a process that has used them is told so, rather than left to wait for ever.
"""

from __future__ import annotations

import _imp
import os
import sys
import threading
import time
from typing import Any

__all__ = ["check_jax", "jax_is_lost"]

_PATIENCE = 30.0
"""Seconds that a fork waits; a thread that needs longer waits for this one, perhaps."""

_IMPORTED = frozenset(("jpegjax", "numpy", "numba", "llvmlite", "jax", "jaxlib"))
"""Packages whose import takes long enough to be met half done, with all that they import."""

_lost = False
_held: list[tuple[Any, bool]] = []  # lock, whether this thread has it


def _half_imported() -> bool:
    """Whether another thread is importing: a module is at work, and this thread's frames are none of its."""
    busy = {
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _IMPORTED and getattr(getattr(module, "__spec__", None), "_initializing", False)
    }
    frame: Any = sys._getframe() if busy else None
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            busy.discard(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return bool(busy)


def _compilers() -> list[Any]:
    """The holders of a `_lock` each: numba's compiler and, inside it, LLVM."""
    numba, llvm = sys.modules.get("numba.core.compiler_lock"), sys.modules.get("llvmlite.binding.ffi")
    found = [getattr(numba, "global_compiler_lock", None), getattr(getattr(llvm, "lib", None), "_lock", None)]
    return [holder for holder in found if hasattr(holder, "_lock")]


def _before() -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        late = time.monotonic() > until
        for holder in _compilers():
            _held.append((holder, holder._lock.acquire(timeout=max(0.05, until - time.monotonic()))))
        _imp.acquire_lock()  # no thread begins an import between this look and the fork
        if late or not _half_imported():
            return
        _after_in_parent()
        time.sleep(0.002)


def _after_in_parent() -> None:
    _imp.release_lock()
    while _held:
        holder, mine = _held.pop()
        if mine:
            holder._lock.release()


def _after_in_child() -> None:
    global _lost
    if _imp.lock_held():
        _imp.release_lock()
    locks = getattr(sys.modules.get("importlib._bootstrap"), "_module_locks", None)
    if isinstance(locks, dict):
        locks.clear()  # those of modules that other threads were looking for
    while _held:
        holder, mine = _held.pop()
        if mine:
            holder._lock.release()
        else:
            holder._lock = threading.RLock()
    bridge = sys.modules.get("jax._src.xla_bridge")
    if bridge is not None:
        lock = getattr(bridge, "_backend_lock", None)
        _lost = _lost or bool(getattr(bridge, "_backends", None)) or bool(lock is not None and lock.locked())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def jax_is_lost() -> bool:
    """Whether this process is a child of `os.fork` whose parent had JAX's threads; they did not come along."""
    return _lost


def check_jax(what: str) -> None:
    """RuntimeError where JAX would wait for ever. what: what was asked for, such as "engine='xla'"."""
    if _lost:
        raise RuntimeError(
            f"{what}: this process was forked from one that has used JAX, whose threads do not survive a fork; start it "
            "by 'spawn' or 'forkserver' (engine='host' works here too)"
        )
