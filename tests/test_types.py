"""What a type checker and an editor see of the public functions: one in, one out; a list in, a list out."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import jpegjax
from jpegjax.options import EncodeOptions, Metadata, Restart, TranscodeOptions, about
from jpegjax.options.checks import Option
from jpegjax.options.decode import DecodeOptions

HERE = Path(jpegjax.__file__).parents[1]

CALLS = """
from pathlib import Path
from typing import Any, BinaryIO, assert_type

import jax
import numpy as np
import numpy.typing as npt

import jpegjax

image = np.zeros((8, 8, 3), np.uint8)


def calls(file: BinaryIO, coefficients: jpegjax.Coefficients, held: jax.Array) -> None:
    assert_type(jpegjax.encode(image, quality=90, engine="host", tune="ssimulacra2"), bytes)
    assert_type(jpegjax.encode([image, held]), list[bytes])
    assert_type(jpegjax.decode(b"", mode="L", scale="1/2"), npt.NDArray[Any])
    assert_type(jpegjax.decode([Path("a.jpg")], upsample="nearest"), list[npt.NDArray[Any]])
    assert_type(jpegjax.decode(file, device="gpu"), jax.Array)
    assert_type(jpegjax.decode((b"", b""), device="cpu"), list[jax.Array])
    assert_type(jpegjax.encode([image], errors="return"), list[bytes | Exception])
    assert_type(jpegjax.decode(["a.jpg"], errors="return"), list[npt.NDArray[Any] | Exception])
    assert_type(jpegjax.decode("a.jpg", device="gpu", errors="return"), jax.Array | Exception)
    assert_type(jpegjax.transcode(["a.jpg"], errors="return"), list[bytes | Exception])
    assert_type(jpegjax.read_coefficients("a.jpg", errors="return"), jpegjax.Coefficients | Exception)
    assert_type(jpegjax.imread("a.jpg", crop=(0, 0, 8, 8)), npt.NDArray[Any])
    assert_type(jpegjax.read_coefficients("a.jpg"), jpegjax.Coefficients)
    assert_type(jpegjax.read_coefficients(["a.jpg"], strict=True), list[jpegjax.Coefficients])
    assert_type(jpegjax.write_coefficients(coefficients, progressive=True), bytes)
    assert_type(jpegjax.write_coefficients([coefficients]), list[bytes])
    assert_type(jpegjax.transcode(Path("a.jpg"), rotate=90, keep=("exif", "icc")), bytes)
    assert_type(jpegjax.transcode([b""], flip="horizontal"), list[bytes])
    assert_type(jpegjax.restore(image, quality=75, consistent=True), npt.NDArray[Any])
    assert_type(jpegjax.restore(coefficients, device="cpu"), jax.Array)
    assert_type(jpegjax.restore([image, coefficients]), list[npt.NDArray[Any]])
    assert_type(jpegjax.decode("a.jpg", restore="auto"), npt.NDArray[Any])
    assert_type(jpegjax.simulate(image, 75), jax.Array)
    assert_type(jpegjax.simulate(image, 75, bits=True), tuple[jax.Array, jax.Array])
    assert_type(jpegjax.info(b"").width, int)
    assert_type(jpegjax.metrics.psnr(image, held, channel="y"), jax.Array)
    assert_type(jpegjax.codecs.get("jpeg").encode(image, quality=50), bytes)
    assert_type(jpegjax.report.compare(["a.png"]), jpegjax.report.Comparison)
    jpegjax.imwrite("a.jpg", image, quality=(75, 60), optimize=True)
    jpegjax.imwrite("a.jpg", image, quality="keep", like=jpegjax.info("a.jpg"), color="RGB", streamtype=2)
"""

WRONG = [
    'jpegjax.encode(image, engine="gpu")',
    'jpegjax.encode(image, tune="vmaf")',
    "jpegjax.encode(image, qualty=75)",
    'jpegjax.decode(b"", mode="rgb")',
    'jpegjax.decode(b"", upsample="cubic")',
    'jpegjax.decode(b"", reconstruction="centroid")',
    'jpegjax.decode(b"", restore="yes")',
    'jpegjax.decode([b""], errors="ignore")',
    'jpegjax.transcode(b"", rotate=45)',
    'jpegjax.imwrite("a.jpg", image, quality="high")',
    'jpegjax.simulate(image, 75, forward="fast")',
]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """{line of snippet.py: what mypy says of it}."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    folder = tmp_path_factory.mktemp("types")
    (folder / "snippet.py").write_text(CALLS + "\n".join(WRONG) + "\n")
    where = {} if "site-packages" in str(HERE) else {"MYPYPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", "snippet.py"],
        cwd=folder, env=os.environ | where, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    found = re.findall(r"^snippet\.py:(\d+): error: (.*)$", done.stdout, re.M)
    assert found, done.stdout
    return {int(line): text for line, text in found}


def test_calls_have_the_types_that_they_return(checked: dict[int, str]) -> None:
    last = CALLS.count("\n")
    assert {line: text for line, text in checked.items() if line <= last} == {}


@pytest.mark.parametrize("call", WRONG)
def test_wrong_keywords_and_choices_are_seen(checked: dict[int, str], call: str) -> None:
    assert CALLS.count("\n") + 1 + WRONG.index(call) in checked


OPTIONS = [
    ("encode", EncodeOptions, {"metadata": Metadata, "restart": Restart}),
    ("decode", DecodeOptions, {}),
    ("transcode", TranscodeOptions, {"restart": Restart}),
]


@pytest.mark.parametrize(("name", "kind", "groups"), OPTIONS, ids=[name for name, _, _ in OPTIONS])
def test_each_option_is_said_and_set_alike_everywhere(name: str, kind: type, groups: dict[str, type]) -> None:
    """Signature and docstring of a function have the options' defaults and sentences."""
    function = getattr(jpegjax, name)
    given, told = inspect.signature(function).parameters, " ".join(function.__doc__.split())
    for owner in (kind, *groups.values()):
        for one in fields(owner):
            if one.name in groups:
                continue
            option = next(e for e in owner.__annotations__[one.name].__metadata__ if isinstance(e, Option))
            door = option.door or one.name
            assert given[door].default == one.default, door
            assert f" {door}: {about(owner, one.name)}" in told, door


def test_turns_and_kinds_are_the_choices_that_options_allow() -> None:
    from jpegjax.kernels import turns
    from jpegjax.options import FLIPS, ROTATIONS

    assert tuple(turns.ROTATIONS) == ROTATIONS and tuple(turns.FLIPS) == FLIPS


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(jpegjax.__file__).parent / "py.typed").is_file()


PUBLIC_ROOMS = (
    "api",
    "codecs",
    "errors",
    "forensics.double",
    "forensics.features",
    "forensics.steps",
    "metrics",
    "options",
    "report",
    "types",
)


def test_every_public_symbol_has_a_known_type(tmp_path: Path) -> None:
    """`pyright --verifytypes jpegjax --ignoreexternal` on a copy outside the checkout."""
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    shutil.copytree(Path(jpegjax.__file__).parent, tmp_path / "jpegjax", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "--ignoreexternal"]
    done = subprocess.run(
        [*command, "--verifytypes", "jpegjax"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    rooms = tuple(f"jpegjax.{room}." for room in PUBLIC_ROOMS)
    public = [one for one in symbols if one["name"].startswith(rooms) or one["name"].count(".") == 1]
    assert len(public) > 300
    assert sorted(one["name"] for one in public if not one["isTypeKnown"]) == []
