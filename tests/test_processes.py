"""Processes and threads end: fork from parents that rest, work, compile or import; forkserver, spawn, DataLoader, asyncio."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def ends(scenario: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(ROOT / "tests" / "process_work.py"), scenario]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@forks
@pytest.mark.parametrize("scenario", ["fork host", "compiler held"])
def test_a_forked_child_works(scenario: str) -> None:
    ends(scenario)


@forks
@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["fork xla", "fork jax unused", "half imported"])
def test_a_forked_child_works_or_says_why_not(scenario: str) -> None:
    ends(scenario)


def test_many_threads_and_coroutines_at_once() -> None:
    ends("threads")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["spawn", "forkserver"])
def test_started_children_work(scenario: str) -> None:
    ends(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader(method: str) -> None:
    pytest.importorskip("torch")
    ends(f"loader {method}")
