"""Long waits are explained, compilation is no part of any speed, and programs are kept on disk where they can be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numba
import pytest
from command_line import Run, photo

import jpegjax
from jpegjax.cli import waiting
from jpegjax.cli.report import Totals


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting.time, "perf_counter", made)
    monkeypatch.setattr(waiting, "_compiler", waiting._Compiler())
    waiting._compiler.hooked = {"numba", "jax"}
    return made


@pytest.mark.parametrize("nested", [1, 2, 5])
@pytest.mark.parametrize("bursts", [1, 3, 10, 40])
def test_the_clock_stands_still_while_anything_is_compiled(clock: Clock, nested: int, bursts: int) -> None:
    start = waiting.clock()
    with waiting.compilations(kernels=False, quiet=True) as compiling:
        for _ in range(bursts):
            clock.now += 1
            for _ in range(nested):
                waiting._compiler.began("kernels")
                clock.now += 3
            before = waiting.clock()
            clock.now += 7
            assert waiting.clock() == before
            for _ in range(nested):
                waiting._compiler.ended()
        assert compiling() == bursts * (3 * nested + 7)
    assert waiting.clock() - start == bursts


@pytest.mark.parametrize(
    ("kind", "what"),
    [("kernels", "kernels, once per machine (jpegjax warmup does it ahead)"), ("programs", "ssim, once per process")],
)
def test_what_takes_long_is_said_once_with_its_seconds(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, what: str
) -> None:
    monkeypatch.setattr(waiting, "keep_programs", lambda: False)
    monkeypatch.setattr(waiting.threading, "Timer", AtOnce)
    with waiting.compilations("ssim"):
        for seconds in (1.0, 0.5, 0.4):  # together less than people mind
            waiting._compiler.began(kind)
            clock.now += seconds
            waiting._compiler.ended()
        assert capsys.readouterr().err == ""
        for _ in range(3):
            waiting._compiler.began(kind)
            clock.now += 20
            waiting._compiler.ended()
    assert capsys.readouterr().err == f"jpegjax: compiling {what}…\njpegjax: compiling took 62 s\n"
    with waiting.compilations("ssim", quiet=True):
        waiting._compiler.began(kind)
        clock.now += 20
        waiting._compiler.ended()
    assert capsys.readouterr().err == ""


class AtOnce:
    """A timer that rings at once where it was to ring within a tenth of a second, and never else."""

    daemon = True

    def __init__(self, seconds: float, function, arguments) -> None:
        self.seconds, self.function, self.arguments = seconds, function, arguments

    def start(self) -> None:
        if self.seconds <= 0.11:
            self.function(*self.arguments)

    def cancel(self) -> None: ...

    def is_alive(self) -> bool:
        return False


def test_both_compilers_are_heard() -> None:
    for name in ("jax", "numba"):
        with waiting.compilations("programs", quiet=True) as compiling:
            if name == "jax":
                jax.jit(lambda x: x * 3 + 1)(2.0)
            else:
                numba.njit(lambda x: x + 1)(2)
            assert compiling() > 0 and waiting._compiler.compiling.depth == waiting._compiler.preparing.depth == 0, name


def test_waiting_for_a_target_is_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting.threading, "Timer", AtOnce)
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr("conftest.without_waiting", lambda err: err)
    photo().save("x.png")
    said = run("encode", "x.png", "--target-metric", "psnr=30").err
    assert "jpegjax: looking for psnr=30: up to 8 files a picture are made, decoded and measured…\n" in said
    said = run("encode", "x.png", "--target-bytes", "1k", "--overwrite").err
    assert "jpegjax: looking for 1,000 bytes: up to 8 files a picture are made…\n" in said
    assert "jpegjax: decoding x.jpg…\n" in run("decode", "x.jpg", "--overwrite").err
    quiet = run("decode", "x.jpg", "--overwrite", "--quiet")
    assert quiet == (0, b"", "")


def test_compiling_is_no_part_of_the_speed() -> None:
    from jpegjax.cli.report import _speed

    totals = Totals("encoded", "xla", coding_seconds=0.5, all_seconds=1.0, compiling_seconds=11.0)
    said = _speed(totals, 1_000_000)
    assert (
        "encoded at 2.0 Mpixel/s" in said and "1.00 s (1.0 Mpixel/s)" in said and "compiling took 11.0 s more" in said
    )


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """JAX as it is where nobody has said anything about its cache, and a home of its own."""
    names = ("jax_enable_compilation_cache", "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def kept() -> str | None:
    return jax.config.jax_compilation_cache_dir


@pytest.mark.usefixtures("config")
def test_programs_are_kept_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert waiting.keep_programs() and Path(kept() or "").parent == tmp_path / "home" / ".cache" / "jpegjax" / "xla"
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert (
        waiting.keep_programs() and Path(kept() or "").is_relative_to(tmp_path / "xdg") and Path(kept() or "").is_dir()
    )
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    assert waiting.keep_programs() and kept() == str(tmp_path / "own")


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("how", ["off", "file", "relative", "long", "no home"])
def test_programs_are_not_kept_where_they_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    (tmp_path / "file").write_text("")
    if how == "off":
        jax.config.update("jax_enable_compilation_cache", False)
    elif how == "no home":
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    else:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(
            "XDG_CACHE_HOME", {"file": str(tmp_path / "file"), "relative": "here", "long": "/x" * 3000}[how]
        )
    assert not waiting.keep_programs() and kept() is None


@pytest.mark.parametrize("sizes", [[3, 3, 3, 3], [9, 1, 1], [1] * 20, [4], [11], []], ids=str)
def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    monkeypatch.setattr(waiting, "_MOST_KEPT", 10)
    for i, size in enumerate(sizes):
        path = tmp_path / f"{i:02}"
        path.write_bytes(bytes(size))
        os.utime(path, (1000 + i, 1000 + i))
    waiting._prune(tmp_path)
    left = sorted(int(path.name) for path in tmp_path.iterdir())
    assert sum(sizes[i] for i in left) <= 10 and left == list(range(len(sizes) - len(left), len(sizes)))
    assert len(left) == len(sizes) or sum(sizes[len(sizes) - len(left) - 1 :]) > 10


def test_the_library_itself_sets_nothing() -> None:
    root = Path(jpegjax.__file__).parents[1]
    code = "import jpegjax.cli, jax; from jpegjax.metrics import psnr; print(jax.config.jax_compilation_cache_dir)"
    clean = {name: value for name, value in os.environ.items() if not re.match("JAX_.*CACHE", name)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, env=clean, check=True, timeout=600
    )
    assert done.stdout == "None\n"
