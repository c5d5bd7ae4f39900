"""Kernels on disk: whatever lies in the cache folder, or no such folder, the call works."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jpegjax.coding.stuffing import find_marker
from jpegjax.run.compilation import record
from jpegjax.simd import cache, kernel

ROOT = Path(__file__).resolve().parents[1]


@kernel
def tripled(x):
    return 3 * x


def fresh(folder: Path) -> Callable[[int], int]:
    """`tripled` as a new process has it, its code in this folder."""
    made = kernel(tripled.py_func)
    made._cache._folders = (folder,)
    return made


def compiles(folder: Path) -> int:
    """How many kernels a call in a new process compiles; it always works."""
    before = record.compiled
    assert fresh(folder)(14) == 42
    return record.compiled - before


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The one file of a folder that holds `tripled` compiled."""
    assert compiles(tmp_path) == 1 and compiles(tmp_path) == 0
    (file,) = tmp_path.iterdir()
    return file


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes((content[at] ^ 0x40,)) + content[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "a digest alone": lambda content: content[:32],
    "half": lambda content: content[: len(content) // 2],
    "all but a byte": lambda content: content[:-1],
    "a byte more": lambda content: content + b"\0",
    "zeros": lambda content: bytes(len(content)),
    "a flipped bit in the digest": lambda content: flip(content, 3),
    "a flipped bit in the code": lambda content: flip(content, len(content) // 2),
    "a flipped bit at the end": lambda content: flip(content, len(content) - 2),
    "text": lambda content: b"# not a cache\n" * 99,
    "a pickle of another program": lambda content: pickle.dumps({"a": 1}),
    "a whole file of something else": lambda content: cache.sealed(pickle.dumps(("no", "kernel"))),
    "a whole file that is no pickle": lambda content: cache.sealed(b"\x80\x05garbage"),
    "a class that is gone": lambda content: cache.sealed(b"cjpegjax.types\nGone\n."),
    "a call that raises": lambda content: cache.sealed(b"cbuiltins\nint\n(S'x'\ntR."),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_compiled_anew_and_replaced(kept: Path, damage: str) -> None:
    kept.write_bytes(DAMAGE[damage](kept.read_bytes()))
    assert compiles(kept.parent) == 1
    assert compiles(kept.parent) == 0
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_folder_in_place_of_the_file(kept: Path) -> None:
    kept.unlink()
    (kept / "x").mkdir(parents=True)
    assert compiles(kept.parent) == 1
    assert isinstance(record.refusal, OSError)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("step", ["make the folder", "open", "write", "replace"])
def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch, code: int, step: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        write = refuse

    def opened(descriptor: int, mode: str) -> Full:
        os.close(descriptor)
        return Full()

    owner, name, value = {
        "make the folder": (Path, "mkdir", refuse),
        "open": (cache.tempfile, "mkstemp", refuse),
        "write": (cache, "open", opened),
        "replace": (cache.os, "replace", refuse),
    }[step]
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, value, raising=False)
        assert compiles(tmp_path) == 1 and compiles(tmp_path) == 1
        assert record.refusal is not None and record.refusal.errno == code
    assert not list(tmp_path.iterdir())  # nothing half written stays
    assert compiles(tmp_path) == 1 and compiles(tmp_path) == 0


def test_a_file_that_may_not_be_read(kept: Path, monkeypatch) -> None:
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.suffix == ".nbc":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refused)
        assert compiles(kept.parent) == 1
    assert compiles(kept.parent) == 0


def test_a_folder_that_is_only_read_serves_all_the_same(kept: Path, tmp_path_factory, monkeypatch) -> None:
    """A container image: compiled by its builder, run by somebody else."""
    other = tmp_path_factory.mktemp("own")
    made = kernel(tripled.py_func)
    made._cache._folders = (kept.parent, other)
    before = record.compiled
    assert made(14) == 42 and record.compiled == before

    made = kernel(tripled.py_func)
    made._cache._folders = (Path(os.devnull) / "x", other)
    assert made(14) == 42 and record.compiled == before + 1 and len(list(other.iterdir())) == 1


def test_two_kinds_of_arguments_never_share_a_file(kept: Path) -> None:
    """Both processes may write at any moment: no index is there to be overwritten."""
    made = fresh(kept.parent)
    assert made(1.5) == 4.5 and made(14) == 42
    assert len(list(kept.parent.iterdir())) == 2
    assert fresh(kept.parent)(2.5) == 7.5


def test_readers_beside_writers(kept: Path) -> None:
    failed = []

    def work() -> None:
        try:
            for _ in range(5):
                kept.unlink(missing_ok=True)
                assert fresh(kept.parent)(14) == 42
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_loading_needs_none_of_numbas_registries(kept: Path) -> None:
    """Half a second of every start, which only compiling needs."""
    code = """
import sys
from jpegjax.coding.stuffing import find_marker
from jpegjax.run.compilation import record
print(find_marker(0, 5, 5), record.compiled, "numba.np.arrayobj" in sys.modules)
"""
    find_marker(0, 5, 5)
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["(5,", "256)", "0", "False"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users here")
def test_whole_calls_without_a_usable_folder(tmp_path: Path) -> None:
    """No home, a cache folder that is a file, then one whose every file is damaged: the same bytes each time."""
    code = """
import sys, numpy as np, jpegjax
from jpegjax.run.compilation import record
x = np.add.outer(np.arange(40), 3 * np.arange(50)).astype(np.uint8)
data = jpegjax.encode(x, engine="host")
print(len(data), int(jpegjax.decode(data, engine="host").sum()), record.compiled > 0)
"""

    def run(**environment: str) -> list[str]:
        base = {k: v for k, v in os.environ.items() if k not in ("HOME", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**base, **environment},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        return done.stdout.split()

    (tmp_path / "file").write_text("")
    size, total, compiled = run(NUMBA_CACHE_DIR=str(tmp_path / "file"))
    assert compiled == "True"
    assert run(NUMBA_CACHE_DIR=str(tmp_path / "cache"), HOME="/nonexistent") == [size, total, "True"]
    assert run(NUMBA_CACHE_DIR=str(tmp_path / "cache")) == [size, total, "False"]
    for n, path in enumerate((tmp_path / "cache").rglob("*.nbc")):
        content = path.read_bytes()
        path.write_bytes(list(DAMAGE.values())[n % len(DAMAGE)](content))
    assert run(NUMBA_CACHE_DIR=str(tmp_path / "cache")) == [size, total, "True"]
    assert run(NUMBA_CACHE_DIR=str(tmp_path / "cache")) == [size, total, "False"]
    two = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "two")}, cwd=ROOT
        )
        for _ in range(2)
    ]
    assert [process.wait() for process in two] == [0, 0]
    assert run(NUMBA_CACHE_DIR=str(tmp_path / "two")) == [size, total, "False"]
