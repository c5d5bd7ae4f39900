"""What processes and threads are asked to do in `test_processes.py`: lists, one large picture, a tuned file, and JAX.

    python tests/process_work.py SCENARIO

Every scenario ends with exit code 0 or a traceback; one that hangs prints its threads and dies after a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np

import jpegjax

PATIENCE = 30


def picture(height: int, width: int, k: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * k + y) % 256, (x + y * k) % 256, x * y // 97 % 256], -1).astype(np.uint8)


@cache
def inputs() -> tuple[list[np.ndarray], np.ndarray]:
    """Small pictures, and one that is divided among threads where it has restart markers."""
    return [picture(60, 80 + k, k) for k in range(1, 9)], picture(1100, 1200, 3)


@cache
def expected(engine: Any = "auto") -> tuple[list[bytes], list[np.ndarray], bytes, bytes]:
    small, large = inputs()
    files = jpegjax.encode(small, engine=engine)
    return (
        files, jpegjax.decode(files, engine=engine), jpegjax.encode(large, restart_rows=1, engine=engine),
        jpegjax.encode(small[0], tune=True, engine=engine),
    )  # fmt: skip


def lists(engine: Any = "auto") -> None:
    files, pixels, _, _ = expected()
    assert jpegjax.encode(inputs()[0], engine=engine) == files
    assert all((a == b).all() for a, b in zip(jpegjax.decode(files, engine=engine), pixels, strict=True))
    assert jpegjax.transcode(files[0], progressive=True)


def everything(engine: Any = "auto") -> None:
    lists(engine)
    _, _, restarts, tuned = expected()
    small, large = inputs()
    assert jpegjax.encode(large, restart_rows=1, engine=engine) == restarts
    assert jpegjax.decode(restarts, engine=engine).shape == large.shape
    assert jpegjax.encode(small[0], tune=True, engine=engine) == tuned


@contextlib.contextmanager
def ends() -> Iterator[None]:
    faulthandler.register(signal.SIGALRM, chain=True)  # the threads are shown, then the signal kills
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


def forked(function: Callable[[], None]) -> None:
    """Run it in a child of os.fork; AssertionError where that does not end well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's and JAX's, about threads
        child = os.fork()
    if not child:
        try:
            with ends():
                function()
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@contextlib.contextmanager
def busy(function: Callable[[], object], threads: int) -> Iterator[None]:
    over = threading.Event()

    def loop() -> None:
        while not over.is_set():
            function()

    running = [threading.Thread(target=loop, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in running:
            thread.join()


def refused(function: Callable[[], object]) -> None:
    try:
        function()
    except RuntimeError as error:
        assert "spawn" in str(error) and "forkserver" in str(error), error
    else:
        raise AssertionError("nothing was raised")


def fork_host() -> None:
    """From a parent that has used everything and rests, one that works, and one whose threads hold what a child needs."""
    everything()
    forked(everything)
    with busy(lists, 3):
        for _ in range(6):
            forked(everything)


def compiler_held() -> None:
    """A thread compiles, or seems to, while this one forks: the child has the compiler for itself."""
    from llvmlite.binding import ffi
    from numba.core.compiler_lock import global_compiler_lock

    from jpegjax.run import forks

    inputs()
    begun, over = threading.Event(), threading.Event()

    def hold(seconds: float) -> None:
        with global_compiler_lock, ffi.lib._lock:
            begun.set()
            over.wait(seconds)

    def child() -> None:
        everything("host")  # whose kernels this process has not loaded

    for seconds in (0.5, 30):  # waited for, and not
        begun.clear()
        forks._PATIENCE = 5 if seconds < 1 else 0.3
        holder = threading.Thread(target=hold, args=(seconds,))
        holder.start()
        begun.wait()
        forked(child)
        over.set()
        holder.join()
        over.clear()
    assert not forks._held
    everything()


def half_imported() -> None:
    """A thread is in its first call, importing; the child's first call finds no module half made."""
    first = threading.Thread(target=partial(jpegjax.encode, picture(16, 16, 1)))
    first.start()
    while "numba" not in sys.modules:
        time.sleep(0.001)
    forked(lists)
    first.join()


def fork_xla() -> None:
    """JAX's threads are gone in a child: its engine says so, the host's works, "auto" finds it."""
    import jax

    small = inputs()[0][:2]
    files = jpegjax.encode(small)
    assert jpegjax.encode(small, engine="xla") == files
    made = jpegjax.decode(files, engine="xla")
    on_device = jax.device_put(small[0])

    def child() -> None:
        assert jpegjax.encode(small) == files
        assert all((a == b).all() for a, b in zip(jpegjax.decode(files), made, strict=True))
        assert jpegjax.encode(np.asarray(on_device)) == files[0]
        for call in (
            partial(jpegjax.encode, small, engine="xla"),
            partial(jpegjax.encode, small[0], device="cpu"),
            partial(jpegjax.encode, small[0], target_metric=("ssim", 0.9)),
            partial(jpegjax.decode, files, engine="xla"),
            partial(jpegjax.simulate, small[0]),
            partial(jpegjax.metrics.psnr, small[0], small[0], 255),
            partial(jpegjax.codecs.get("dft").encode, small[0]),
            partial(jpegjax.codecs.get("learned").encode, small[0]),
        ):
            refused(call)

    forked(child)
    forked(partial(forked, child))
    with busy(partial(jpegjax.encode, small, engine="xla"), 2):
        for _ in range(4):
            forked(child)


def fork_jax_unused() -> None:
    """JAX that was imported but has no backend yet starts in the child."""
    import jax

    assert jax.__version__

    def child() -> None:
        assert jpegjax.encode(inputs()[0], engine="xla") == jpegjax.encode(inputs()[0])

    forked(child)


def threads() -> None:
    """64 threads call lists at once; then coroutines do, through asyncio's own threads."""
    everything()
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda _: lists(), range(64)))

    async def many() -> None:
        await asyncio.gather(*(asyncio.to_thread(lists) for _ in range(64)))

    asyncio.run(many())


def started(method: str) -> None:
    everything()
    context: Any = multiprocessing.get_context(method)
    with busy(lists, 1):
        process = context.Process(target=everything)
        process.start()
        process.join()
    assert process.exitcode == 0


class Files:
    """A map-style dataset of torch: files decoded in its workers."""

    def __init__(self, files: list[bytes]):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> np.ndarray:
        return jpegjax.decode([self.files[i]] * 4)[0]

    def __getitems__(self, indices: list[int]) -> list[np.ndarray]:
        return jpegjax.decode([self.files[i] for i in indices])


def loader(method: str) -> None:
    from torch.utils.data import DataLoader

    small = [picture(64, 64, k) for k in range(1, 33)]
    files = jpegjax.encode(small)
    pixels = jpegjax.decode(files)
    batches = DataLoader(
        Files(files), batch_size=8, num_workers=2, multiprocessing_context=method, timeout=PATIENCE
    )  # fmt: skip
    with busy(partial(jpegjax.decode, files), 1):
        for _ in range(2):
            found = np.concatenate([batch.numpy() for batch in batches])
            assert (found == np.stack(pixels)).all()


SCENARIOS: dict[str, Callable[[], None]] = {
    "fork host": fork_host,
    "fork xla": fork_xla,
    "fork jax unused": fork_jax_unused,
    "compiler held": compiler_held,
    "half imported": half_imported,
    "threads": threads,
    "spawn": partial(started, "spawn"),
    "forkserver": partial(started, "forkserver"),
    "loader fork": partial(loader, "fork"),
    "loader spawn": partial(loader, "spawn"),
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]()
