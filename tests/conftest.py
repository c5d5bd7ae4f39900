"""Eight CPU devices for every test, its command line, and what it lacks here: the corpora, or a program of libjpeg-turbo."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Answer, Run, photo, without_waiting
from hypothesis import HealthCheck, settings
from oracles import program

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()

os.environ.setdefault(
    "JAX_ENABLE_COMPILATION_CACHE", "false"
)  # the command line would keep programs in the user's folder

# a busy machine is no fault of what it tests
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SHARED = Path(os.environ.get("JPEGJAX_SHARED") or Path(__file__).resolve().parents[2] / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder that holds `conformance/`: $JPEGJAX_SHARED, or `shared` beside the repository."""
    return SHARED


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """The command line in an empty folder, as at a terminal; stdin's content as `given`, stdout `redirected` or not."""
    from jpegjax.cli import main, pipes

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, given: bytes = b"", redirected: bool = False) -> Answer:
        monkeypatch.setattr(pipes, "redirected", lambda: redirected)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capfdbinary.readouterr()
        return Answer(left.value.code, out, without_waiting(err.decode()))

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """photos/: a.png, b.bmp, inner/a.png, a text file and a hidden file."""
    photos = tmp_path / "photos"
    (photos / "inner").mkdir(parents=True)
    photo(1).save(photos / "a.png")
    photo(2).save(photos / "b.bmp")
    photo(3).save(photos / "inner" / "a.png")
    (photos / "notes.txt").write_text("not a picture")
    (photos / ".hidden.png").write_bytes(b"no")
    return photos


@pytest.fixture(scope="session")
def kodak(shared: Path) -> list[Path]:
    """The 24 Kodak photographs, in their order."""
    paths = sorted((shared / "data" / "kodak").glob("kodim*.png"))
    if len(paths) != 24:
        pytest.skip(f"no Kodak photographs under {shared}")
    return paths


@pytest.fixture
def load(shared: Path) -> Callable[[str], bytes]:
    """The bytes of one of Pillow's test pictures, by its name."""
    folder = shared / "conformance" / "python-pillow__Pillow" / "Tests" / "images"
    return lambda name: (folder / name).read_bytes()


def _lacks(item: pytest.Item) -> str | None:
    """Why a test cannot run here."""
    if "shared" in getattr(item, "fixturenames", ()) and not (SHARED / "conformance" / "INDEX.tsv").is_file():
        return f"no conformance files under {SHARED}; set JPEGJAX_SHARED"
    names = [name for mark in item.iter_markers("needs") for name in mark.args if program(name) is None]
    maker = "libjxl" if names == ["butteraugli_main"] else "libjpeg-turbo"
    return f"needs {names[0]} of {maker}" if names else None


@pytest.hookimpl(trylast=True)  # behind -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests that lack the same thing one is skipped, for all; the others are deselected."""
    lacking: dict[str, list[pytest.Item]] = {}
    for item in items:
        if reason := _lacks(item):
            lacking.setdefault(reason, []).append(item)
    for reason, (first, *others) in lacking.items():
        first.add_marker(pytest.mark.skip(reason=f"{reason} ({len(others)} more tests of that kind are left out)"))
        if others:
            config.hook.pytest_deselected(items=others)
            left_out = set(others)
            items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of benchmarks/ can be imported, and are forgotten afterwards; what they import stays."""
    folder = Path(__file__).resolve().parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    yield
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "").parent == folder:
            del sys.modules[name]
