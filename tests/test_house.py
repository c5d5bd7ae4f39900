"""The rooms keep their doors: imports point one way, files stay small, public names are the listed ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

import jpegjax

PACKAGE = Path(jpegjax.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
LEFT = {"errors", "types", "options", "scan_script", "annex_k", "simd"}
"""What crosses a door, and what stands left of every room."""

MAY_IMPORT = {
    "errors": set(),
    "types": set(),
    "annex_k": {"types"},
    "simd": set(),
    "scan_script": {"types"},
    "options": {"errors", "types", "scan_script"},
    "metrics": {"types"},
    "run": {"errors", "types"},
    "ops": {"types"},
    "coding": LEFT,
    "kernels": LEFT | {"coding", "run"},
    "container": LEFT | {"coding"},
    "jpeg": LEFT | {"metrics", "run", "ops", "kernels", "coding", "container"},
    "dft": LEFT | {"metrics", "run", "ops", "kernels", "coding", "container"},
    "learned": LEFT | {"ops", "coding", "container", "run"},
    "api": LEFT | {"jpeg", "learned", "container"},
    "codecs": LEFT | {"api", "dft", "learned", "__init__"},
    "train": LEFT | {"ops", "learned", "metrics", "api"},
    "bulk": LEFT | {"run", "codecs"},
    "report": LEFT | {"codecs", "metrics", "bulk", "__init__"},
    "studio": LEFT | {"codecs", "metrics", "bulk"},
}
ALL = {*MAY_IMPORT, "cli", "__init__"}
MAY_IMPORT |= {"cli": ALL, "__init__": {"errors", "options", "types", "api"}}

PUBLIC = {
    "Coefficients", "ColorSpace", "Component", "CorruptJpeg", "Frame", "JpegError", "JpegWarning", "LimitExceeded",
    "Limits", "Process", "UnsupportedJpeg", "decode", "encode", "imread", "imwrite", "info", "read_coefficients",
    "simulate", "transcode", "write_coefficients",
}  # fmt: skip

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms of everything that a module imports from the package; "__init__" for the package itself."""
    here = ("jpegjax", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        targets: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            targets = [base] if len(base) > 1 else [(*base, alias.name) for alias in node.names]
        for target in targets:
            if target[0] == "jpegjax":
                found.add(target[1] if len(target) > 1 and target[1] in ALL else "__init__")
    return found


def fresh(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    assert room(path) in MAY_IMPORT, f"{room(path)} has no line in the table of rooms"
    forbidden = imported_rooms(path) - MAY_IMPORT[room(path)] - {room(path)}
    assert not forbidden, f"{path.relative_to(PACKAGE)} imports {sorted(forbidden)}"


def test_the_import_reader_sees_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "ops" / "deep").mkdir(parents=True)
    module = tmp_path / "ops" / "deep" / "here.py"
    top = "import jpegjax.jpeg.host, numpy\nfrom ... import api\nfrom ...coding.huffman import x\nfrom . import y\n"
    module.write_text(f"{top}def late():\n    from jpegjax import decode\n    from ..dct import z\n")
    assert imported_rooms(module) == {"jpeg", "api", "coding", "ops", "__init__"}


def test_files_stay_small() -> None:
    sources = [*MODULES, *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    long = {str(p): n for p in sources if (n := len(p.read_text().splitlines())) > 400}
    assert not long
    assert not [p for p in sources if p.stem in {"utils", "util", "misc", "helpers", "common"}]


def test_folders_stay_small() -> None:
    crowded = {folder: n for folder in {p.parent for p in MODULES} if (n := len(list(folder.glob("*.py")))) > 12}
    assert not crowded


def test_public_names_are_pinned() -> None:
    assert set(jpegjax.__all__) == PUBLIC
    assert set(dir(jpegjax)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(jpegjax, name).__module__.startswith("jpegjax."), name
    with pytest.raises(AttributeError, match="no attribute 'encodes'"):
        attrgetter("encodes")(jpegjax)
    from jpegjax import api

    assert set(api.__all__) == {name for name in PUBLIC if name[0].islower()}


def test_import_is_light() -> None:
    heavy = ("jax", "jaxlib", "numba", "llvmlite", "PIL", "typer", "rich", "flax", "skimage")
    loaded = fresh(f"import jpegjax, sys; print(*sorted(set({heavy}) & set(sys.modules)))")
    assert loaded.split() == []


def test_rooms_open_by_name_and_load_nothing_heavy() -> None:
    code = """
import jpegjax, sys
print(*(getattr(jpegjax, room).__name__ for room in ("codecs", "metrics", "report")))
print(*sorted({"jax", "numba", "PIL", "matplotlib", "imagecodecs", "rich"} & set(sys.modules)))
"""
    rooms, loaded = fresh(code).split("\n")[:2]
    assert rooms.split() == ["jpegjax.codecs", "jpegjax.metrics", "jpegjax.report"] and not loaded


def test_inspection_needs_neither_jax_nor_numba() -> None:
    loaded = fresh("import jpegjax, sys; jpegjax.info; print(*sorted({'jax', 'numba'} & set(sys.modules)))")
    assert loaded.split() == []


def test_help_answers_at_once() -> None:
    code = """
import atexit, sys
from jpegjax.cli import main
heavy = {"jax", "numba", "PIL", "scipy", "skimage", "flax", "matplotlib", "imagecodecs"}
atexit.register(lambda: print("loaded:", len(sys.modules), *sorted(heavy & set(sys.modules))))
main(["--help"])
"""
    out, _, loaded = fresh(code).rpartition("loaded:")
    assert all(verb in out for verb in ("encode", "decode", "info", "demo"))
    count, *heavy = loaded.split()
    assert not heavy and int(count) < 500
