"""How work is spread: pools that survive a fork, programs over devices, and batches in flight."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jpegjax.run.flow import DEPTH, Job, flow, singly
from jpegjax.run.mesh import mapped, parts, spread
from jpegjax.run.threads import copy_parallel, run_parallel, spare_cores, submit

ROOT = Path(__file__).resolve().parents[1]
DEVICES = tuple(jax.devices("cpu"))

FORK = """
import faulthandler, multiprocessing, os, sys, threading, warnings
import numpy as np
import jpegjax

warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*multi-threaded, use of fork")
y, x = np.mgrid[:240, :320]
images = [np.stack([(x * k + y) % 256, (x + y * k) % 256, x % 256], -1).astype(np.uint8) for k in (1, 2, 3, 4)]
files = jpegjax.encode(images, engine="host")
pixels = jpegjax.decode(files, engine="host")

def works():
    faulthandler.dump_traceback_later(60, exit=True)
    assert jpegjax.encode(images, engine="host") == files
    assert all((a == b).all() for a, b in zip(jpegjax.decode(files, engine="host"), pixels, strict=True))
    faulthandler.cancel_dump_traceback_later()

def fork():
    child = os.fork()
    if not child:
        try:
            works()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0

def loop():
    while not over.is_set():
        jpegjax.decode(jpegjax.encode(images, engine="host"), engine="host")

over = threading.Event()
if sys.argv[1] == "busy":
    threading.Thread(target=loop, daemon=True).start()
for _ in range(int(sys.argv[2])):
    fork()
process = multiprocessing.get_context("fork").Process(target=works)
process.start()
process.join()
assert process.exitcode == 0
over.set()
works()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(("parent", "children"), [("idle", 1), ("busy", 25)])
def test_a_forked_child_encodes_and_decodes_lists(parent: str, children: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FORK, parent, str(children)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr


def test_run_parallel_keeps_order_and_raises_what_fails() -> None:
    assert run_parallel(lambda i: (i, spare_cores()), range(20)) == [(i, 1) for i in range(20)]
    assert submit(spare_cores).result() == 1
    with pytest.raises(ZeroDivisionError):
        run_parallel(lambda i: 1 // (i - 3), range(6))
    assert run_parallel(str, []) == []


def test_copies_are_done_on_return_and_raise_what_fails() -> None:
    target = np.zeros(100, int)

    def fill(i: int) -> None:
        target[i] = i + 1

    copy_parallel(fill, range(100))
    assert (target == np.arange(1, 101)).all()
    with pytest.raises(IndexError):
        copy_parallel(fill, [3, 100])


def scaled(factor: int, x: jax.Array, y: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    return factor * x, jnp.cumsum(y["a"])


@pytest.mark.parametrize("count", [1, 3, 8])
def test_mapped_parts_are_those_that_were_spread(count: int) -> None:
    used = DEVICES[:count]
    run, sharding = mapped(scaled, used, 3)
    items = [(np.full(4, k), {"a": jnp.arange(k, k + 5)}) for k in range(count)]
    products, sums = run(*spread(items, sharding))
    for k, (product, total) in enumerate(zip(parts(products), parts(sums), strict=True)):
        assert product.devices() == total.devices() == {used[k]}
        assert product.shape == (1, 4) and (np.asarray(product) == 3 * k).all()
        assert (np.asarray(total)[0] == np.cumsum(np.arange(k, k + 5))).all()
    assert mapped(scaled, used, 3).run is run and mapped(scaled, used, 4).run is not run


def test_split_gives_each_device_its_share() -> None:
    run, sharding = mapped(lambda x: jnp.cumsum(x), DEVICES[:4], split=True)
    result = run(jax.device_put(np.arange(8), sharding))
    assert np.asarray(result).tolist() == [0, 1, 2, 5, 4, 9, 6, 13]
    assert [part.tolist() for part in parts(result)] == [[0, 1], [2, 5], [4, 9], [6, 13]]


def test_donated_memory_is_used_and_gone() -> None:
    run, sharding = mapped(lambda x: x + 1, DEVICES[:2], donate=(0,))
    given = jax.device_put(np.zeros((2, 1000), np.int32), sharding)
    assert (np.asarray(run(given)) == 1).all() and given.is_deleted()


def test_jobs_overlap_take_turns_and_come_back_in_order() -> None:
    log: list[tuple[str, int]] = []

    def job(number: int, waits: int) -> Job[int]:
        for _ in range(waits):
            log.append(("send", number))
            yield {"x": jnp.full(3, number), "none": ()}
        log.append(("collect", number))
        return [number, -number]

    def jobs(waits: int) -> Iterator[Job[int]]:
        for number in range(1, 6):
            log.append(("plan", number))
            yield job(number, waits)

    assert list(flow(jobs(1))) == [1, -1, 2, -2, 3, -3, 4, -4, 5, -5]
    ahead = 0
    for kind, _ in log:
        ahead += {"plan": 0, "send": 1, "collect": -1}[kind]
        assert ahead <= DEPTH + 1
    assert log.index(("send", DEPTH + 1)) < log.index(("collect", 1)) < log.index(("plan", DEPTH + 2))
    log.clear()
    assert sorted(flow(jobs(3))) == [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]
    rounds = [number for kind, number in log if kind == "send"]
    assert rounds[:7] == [1, 2, 3, 1, 2, 3, 1]
    assert list(flow([])) == [] and list(flow([job(7, 0)])) == [7, -7]


def test_a_job_that_fails_ends_the_flow() -> None:
    def job(number: int) -> Job[int]:
        yield jnp.zeros(number)
        if number == 2:
            raise RuntimeError("the second one")
        return [number]

    results = flow(job(number) for number in range(1, 9))
    assert next(results) == 1
    with pytest.raises(RuntimeError, match="the second one"):
        next(results)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("stay", [False, True])
def test_calls_run_singly_whatever_stands_beside_them(count: int, stay: bool) -> None:
    shapes = [4, 4, 4, 4, 7, 4, 9, 9]
    calls = [(scaled, (2 + n % 2,), (np.full(n, i), {"a": jnp.arange(n)})) for i, n in enumerate(shapes)]
    found = list(singly(iter(calls), DEVICES[:count], stay))
    assert len(found) == len(shapes)
    for i, (n, (product, total)) in enumerate(zip(shapes, found, strict=True)):
        assert isinstance(product, jax.Array if stay else np.ndarray)
        assert np.asarray(product).tolist() == [(2 + n % 2) * i] * n
        assert np.asarray(total).tolist() == np.cumsum(np.arange(n)).tolist()
