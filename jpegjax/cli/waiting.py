"""Why it takes so long: what is compiled is said and kept on disk, and no clock runs meanwhile.

numba and JAX tell when a compilation begins and ends. Seconds in which one runs are counted once, however many threads compile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..run.compilation import record

__all__ = ["PATIENCE", "clock", "compilations", "keep_programs", "patience", "unkept"]

PATIENCE = 2.0
"""Seconds until people want to know."""
_MOST_KEPT = 512 << 20


class _Span:
    """Seconds in which at least one of some things is going on, however many overlap."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth, self.since, self.total = 0, 0.0, 0.0

    def began(self) -> None:
        with self.lock:
            self.depth += 1
            if self.depth == 1:
                self.since = time.perf_counter()

    def ended(self) -> None:
        with self.lock:
            self.depth -= self.depth > 0
            if self.depth == 0:
                self.total += time.perf_counter() - self.since

    @property
    def seconds(self) -> float:
        with self.lock:
            return self.total + (time.perf_counter() - self.since if self.depth else 0.0)


class _Compiler:
    """What is being compiled in this process, and for how long that, or reading what was compiled, has gone on."""

    def __init__(self) -> None:
        self.compiling, self.preparing = _Span(), _Span()
        self.hooked: set[str] = set()
        self.tell: Callable[[str], None] | None = None

    def began(self, what: str) -> None:
        self.preparing.began()
        self.compiling.began()
        if self.tell is not None:
            self.tell(what)

    def ended(self) -> None:
        self.compiling.ended()
        self.preparing.ended()

    def loading(self, begins: bool) -> None:
        if begins:
            self.preparing.began()
        else:
            self.preparing.ended()

    @property
    def seconds(self) -> float:
        return self.compiling.seconds

    def hook(self, numba: bool, jax: bool) -> None:
        """Listen to them from now on; each is imported for that."""
        if numba and "numba" not in self.hooked:
            from numba.core import event

            class Listener(event.Listener):
                def on_start(self, event: Any) -> None:
                    _compiler.began("kernels")

                def on_end(self, event: Any) -> None:
                    _compiler.ended()

            event.register("numba:compile", Listener())
            record.loading = self.loading
            self.hooked.add("numba")
        if jax and "jax" not in self.hooked:
            from jax import monitoring

            def started(event: str, *_: Any, **__: Any) -> None:
                if event.startswith("/jax/core/compile/"):
                    self.began("programs")

            def done(event: str, *_: Any, **__: Any) -> None:
                if event.startswith("/jax/core/compile/"):
                    self.ended()

            monitoring.register_scalar_listener(started)
            monitoring.register_event_duration_secs_listener(done)
            self.hooked.add("jax")


_compiler = _Compiler()


def clock() -> float:
    """Seconds, as of a clock that stands still while something is compiled, or read that was."""
    return time.perf_counter() - _compiler.preparing.seconds


def _say(text: str) -> None:
    print(f"jpegjax: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def compilations(programs: str = "", *, kernels: bool = True, quiet: bool = False) -> Iterator[Callable[[], float]]:
    """Says on stderr what is compiled once that takes long enough to wonder, and in the end how long it took.

    programs: what JAX will compile, if it will be used: its cache is set up then. kernels: whether numba will be. The value
    gives the seconds spent so far.
    """
    _compiler.hook(kernels, bool(programs))
    kept = bool(programs) and keep_programs()
    before, told = _compiler.seconds, set[str]()
    timers: list[threading.Timer] = []
    what = {
        "kernels": "kernels, once per machine (jpegjax warmup does it ahead)",
        "programs": f"{programs}, once per {'machine' if kept else 'process'}",
    }

    def announce(kind: str) -> None:
        if kind not in told and _compiler.compiling.depth:
            told.add(kind)
            _say(f"compiling {what[kind]}…")

    def began(kind: str) -> None:
        if kind not in told and not quiet:
            timer = threading.Timer(max(PATIENCE - (_compiler.seconds - before), 0.0), announce, [kind])
            timer.daemon = True
            timers[:] = [old for old in timers if old.is_alive()] + [timer]
            timer.start()

    _compiler.tell = began
    try:
        yield lambda: _compiler.seconds - before
    finally:
        _compiler.tell = None
        for timer in timers:
            timer.cancel()
        if told:
            _say(f"compiling took {_compiler.seconds - before:.0f} s")
        if record.refusal is not None and not quiet:
            _say(unkept(record.refusal))
            record.refusal = None


def unkept(error: OSError) -> str:
    """What to do where compiled kernels could not be written."""
    where = f"{Path(error.filename).parent}: " if isinstance(error.filename, str) else ""
    return (
        f"kernels could not be kept ({where}{error.strerror}), so that every start compiles them; set NUMBA_CACHE_DIR to a "
        "folder that can be written"
    )


@contextlib.contextmanager
def patience(doing: str, quiet: bool = False) -> Iterator[None]:
    """Says on stderr what is being done, once that takes long enough to wonder."""
    timer = threading.Timer(PATIENCE, _say, [f"{doing}…"])
    timer.daemon = True
    if doing and not quiet:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _this_machine() -> str:
    """Eight letters for what machine code depends on: programs of one CPU must not run on another that shares the folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = [
            next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags", "Features")
        ]
    except OSError:
        found = [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *found]).encode()).hexdigest()[:8]


def keep_programs() -> bool:
    """Have JAX keep its programs in the user's cache folder, unless it has been told where, or not to; whether it does.

    $XDG_CACHE_HOME or ~/.cache, jpegjax/xla/MACHINE; at most 512 MiB, the oldest go first. A folder that cannot be
    written is no error: programs are compiled in each process then.
    """
    import jax

    config: Any = jax.config
    if not config.jax_enable_compilation_cache:
        return False
    if config.jax_compilation_cache_dir is not None:
        return True
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "jpegjax" / "xla" / _this_machine()
        folder.mkdir(parents=True, exist_ok=True)
        if not root.is_absolute() or not os.access(folder, os.W_OK | os.X_OK):
            return False
        _prune(folder)
    except (OSError, RuntimeError):  # no home, no space, no right
        return False
    config.update("jax_compilation_cache_dir", str(folder))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return True


def _prune(folder: Path) -> None:
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may have removed it
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= _MOST_KEPT:
            return
        total -= size
        with contextlib.suppress(OSError):
            path.unlink()
