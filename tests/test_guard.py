"""Under guard pages nothing reads or writes beyond a buffer: damaged files and extreme ones, see `guard.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="guard pages are made by Linux's calls")

SHORT = """
import sys
import guard
guard.without_pools()
import numpy as np
import jpegjax
from pictures import picture
from jpegjax.coding.progressive import decode
data = jpegjax.encode(picture(16, 16, 1), progressive=True)
jpegjax.decode(data, engine="host")
if sys.argv[1] == "short":
    decode.scratch_for = lambda size: np.empty(8, np.uint8)
guard.guard("behind")
jpegjax.decode(data, engine="host")
print("done", flush=True)
guard.os._exit(0)
"""


def guarded(*command: object) -> tuple[int, str]:
    """(exit status, the last line on stdout) of a child."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONMALLOC": "default"}
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=environment, timeout=3600, check=False
    )
    if done.returncode not in (0, -signal.SIGSEGV):
        raise AssertionError(done.stderr[-3000:])
    return done.returncode, (done.stdout.splitlines() or [done.stderr[-2000:]])[-1]


@pytest.mark.parametrize(("side", "first", "beyond"), [("behind", 999, 1000), ("before", 0, -1)])
@pytest.mark.parametrize("kind", ["read", "write"])
def test_the_guard_sees_a_byte_too_far(side, first, beyond, kind):
    assert guarded(TESTS / "guard.py", side, kind, first) == (0, "done")
    assert guarded(TESTS / "guard.py", side, kind, beyond)[0] == -signal.SIGSEGV


def test_the_guard_sees_kernels_that_go_too_far():
    assert guarded("-c", SHORT, "whole") == (0, "done")
    assert guarded("-c", SHORT, "short")[0] == -signal.SIGSEGV


@pytest.mark.parametrize(("side", "kind", "count"), [("behind", "extremes", 36), ("before", "mutants", 60)])
def test_some_files_touch_nothing_else(side, kind, count):
    assert guarded(TESTS / "guard.py", side, kind, 0, count) == (0, "done"), "the number at work when it ended"


@pytest.mark.slow
@pytest.mark.parametrize("side", ["behind", "before"])
def test_five_hundred_extremes_touch_nothing_else(side):
    assert guarded(TESTS / "guard.py", side, "extremes", 0, 500) == (0, "done"), "the number at work when it ended"


@pytest.mark.slow
@pytest.mark.parametrize("side", ["behind", "before"])
def test_twenty_thousand_mutants_touch_nothing_else(side):
    assert guarded(TESTS / "guard.py", side, "mutants", 0, 20_000) == (0, "done"), "the number at work when it ended"
