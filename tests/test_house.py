"""The rooms keep their doors: imports point one way, files stay small, public names are the listed ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest
from walls import broken_walls, circles, imports, modules

import jpegjax

PACKAGE = Path(jpegjax.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
LEFT = {"errors", "types", "options", "annex_k"}
"""What crosses a door; of the LEFT, each knows only some of the others."""

MAY_IMPORT = {
    "errors": set(),
    "types": set(),
    "annex_k": {"types"},
    "options": {"errors", "types", "annex_k"},
    "simd": {"run.compilation"},
    "metrics": {"types", "run.forks"},
    "run": {"errors"},
    "ops": {"types"},
    "kernels": {"simd", "types", "coding.geometry", "coding.symbols", "run.memory"},
    "coding": {"simd", "types", "errors", "annex_k"},
    "container": LEFT | {"coding"},
    "jpeg": LEFT | {"simd", "metrics", "run", "ops", "kernels", "coding", "container"},
    "planes": LEFT | {"run", "ops"},
    "dft": LEFT | {"run", "ops", "coding", "container", "planes"},
    "usystem": LEFT | {"simd", "run", "ops", "coding", "container", "planes"},
    "learned": LEFT | {"simd", "ops", "coding", "container", "run", "planes"},
    "api": LEFT | {"container", "jpeg", "learned", "run.writing", "run.threads", "run.memory"},
    "forensics": LEFT | {"api", "container", "jpeg", "learned"},
    "codecs": LEFT | {"api", "dft", "usystem", "learned", ""},
    "train": LEFT | {"ops", "learned", "metrics", "api", "run.writing"},
    "bulk": LEFT | {"run", "container", "jpeg.codec", "jpeg.transcode", ""},
    "report": LEFT | {"codecs", "metrics", "bulk", ""},
    "studio": LEFT | {"codecs", "metrics", "bulk", "report", "run.threads", ""},
    "": {"errors", "types", "options", "api", "codecs", "forensics", "metrics", "report", "run.forks"},
}
"""Of each room, the rooms that it may use, or the part of one; "" is the package itself."""
MAY_IMPORT["cli"] = {*MAY_IMPORT}

INNER = {
    "jpeg.behind": set(),
    "jpeg.files": {"jpeg.lossless"},
    "jpeg.inks": set(),
    "jpeg.lossless": set(),
    "jpeg.regions": set(),
    "jpeg.simulate": set(),
    "jpeg.shown": {"jpeg.files"},
    "jpeg.one_scan": {"jpeg.files", "jpeg.device!"},
    "jpeg.host": {"jpeg.files", "jpeg.inks", "jpeg.lossless", "jpeg.one_scan"},
    "jpeg.device": set(),
    "jpeg.decoding": {"jpeg.files", "jpeg.inks", "jpeg.host!", "jpeg.device!"},
    "jpeg.tuned": {"jpeg.files", "jpeg.host!", "jpeg.device!"},
    "jpeg.thumbnail": {"jpeg.codec"},
    "jpeg.transcode": {"jpeg.behind", "jpeg.files", "jpeg.regions", "jpeg.thumbnail"},
    "jpeg.codec": {
        "jpeg.behind",
        "jpeg.files",
        "jpeg.inks",
        "jpeg.lossless",
        "jpeg.decoding",
        "jpeg.one_scan",
        "jpeg.shown",
        "jpeg.host!",
        "jpeg.device!",
        "jpeg.tuned",
    },
}
"""Of a place inside a room, the places there that it may use; with "!" only through the folder's door."""

PUBLIC = {
    "Coefficients", "ColorSpace", "Component", "CorruptJpeg", "CorruptStream", "DeviceMemoryError", "Frame", "GainMap",
    "GainMapMetadata",
    "JpegError", "JpegWarning", "LimitExceeded", "Limits", "Process", "UnsupportedJpeg", "decode", "encode", "imread",
    "imwrite", "info", "read_coefficients", "restore", "simulate", "transcode", "write_coefficients",
}  # fmt: skip

MODULES = sorted(PACKAGE.rglob("*.py"))


def fresh(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=600
    )
    return done.stdout


def test_imports_point_one_way() -> None:
    assert not broken_walls(imports(PACKAGE), MAY_IMPORT, INNER)


def test_imports_run_in_no_circle() -> None:
    assert not circles(imports(PACKAGE, typing=False))


def test_walls_are_seen_when_broken(tmp_path: Path) -> None:
    """A package of four files in which every kind of wall is broken once."""
    sources = {
        "__init__.py": "",
        "ops/__init__.py": "",
        "ops/dct.py": "import numpy, jpegjax.jpeg.files\nfrom . import more\n",
        "ops/more.py": "def late():\n    from jpegjax import encode\n    from .dct import x\n",
        "kernels/__init__.py": "from ..coding.geometry import x\nfrom ..coding import huffman\n",
        "coding/__init__.py": "",
        "coding/geometry.py": "",
        "coding/huffman.py": "",
        "jpeg/__init__.py": "",
        "jpeg/files.py": "from __future__ import annotations\nfrom .host import strips\n",
        "jpeg/host/__init__.py": "from ..tuned import plan\n",
        "jpeg/host/strips.py": "",
        "jpeg/tuned/__init__.py": "",
        "jpeg/tuned/plan.py": "from ..host import encode\nfrom ..host.strips import x\n",
        "garage.py": "",
    }
    package = tmp_path / "jpegjax"
    for name, text in sources.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    found = imports(package)
    assert broken_walls(found, MAY_IMPORT, INNER) == [
        "garage has no line in the table of rooms",
        "jpeg.files imports jpeg.host.strips, over the inner wall of jpeg.files",
        "jpeg.host imports jpeg.tuned.plan, over the inner wall of jpeg.host",
        "jpeg.tuned.plan imports jpeg.host.strips, over the inner wall of jpeg.tuned",
        "kernels imports coding.huffman",
        "ops.dct imports jpeg.files",
        "ops.more imports the package",
    ]
    assert circles(found) == [["jpeg.host", "jpeg.tuned.plan"], ["ops.dct", "ops.more"]]


def test_functions_take_few_parameters() -> None:
    """At most twelve, but for the public doors and the command line's, whose parameters are what people type."""
    many = []
    for name, path in modules(PACKAGE).items():
        if name.partition(".")[0] in ("api", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                count = len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
                if count > 12:
                    many.append(f"{name}.{node.name}: {count}")
    assert not many


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
    heavy = ("jax", "jaxlib", "numba", "llvmlite", "PIL", "typer", "rich", "flax", "optax", "orbax", "grain", "skimage")
    loaded = fresh(f"import jpegjax, sys; print(*sorted(set({heavy}) & set(sys.modules)))")
    assert loaded.split() == []


def test_rooms_open_by_name_and_load_nothing_heavy() -> None:
    code = """
import jpegjax, sys
print(*(getattr(jpegjax, room).__name__ for room in ("codecs", "forensics", "metrics", "report")))
print(*sorted({"jax", "numba", "PIL", "matplotlib", "imagecodecs", "rich"} & set(sys.modules)))
"""
    rooms, loaded = fresh(code).split("\n")[:2]
    assert rooms.split() == ["jpegjax.codecs", "jpegjax.forensics", "jpegjax.metrics", "jpegjax.report"] and not loaded


def test_inspection_needs_neither_jax_nor_numba() -> None:
    loaded = fresh("import jpegjax, sys; jpegjax.info; print(*sorted({'jax', 'numba'} & set(sys.modules)))")
    assert loaded.split() == []


def test_files_that_are_not_restored_need_no_network() -> None:
    code = """
import sys, jpegjax, numpy as np
jpegjax.decode(jpegjax.encode(np.zeros((16, 16), np.uint8)), restore="auto")
print(*sorted({"jax", "flax"} & set(sys.modules)))
"""
    assert fresh(code).split() == []


def test_help_answers_at_once() -> None:
    code = """
import atexit, sys
from jpegjax.cli import main
heavy = {"jax", "numba", "PIL", "scipy", "skimage", "flax", "optax", "orbax", "grain", "matplotlib", "imagecodecs"}
atexit.register(lambda: print("loaded:", len(sys.modules), *sorted(heavy & set(sys.modules))))
main(["--help"])
"""
    out, _, loaded = fresh(code).rpartition("loaded:")
    assert all(verb in out for verb in ("encode", "decode", "info", "demo", "train"))
    count, *heavy = loaded.split()
    assert not heavy and int(count) < 500
