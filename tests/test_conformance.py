"""The conformance set in tests/data: bytes as cjpeg, jpegtran and Pillow wrote them, pixels as they show them."""

from __future__ import annotations

import warnings

import pytest
from conformance import DATA, Line, fingerprint, index, made, names

import jpegjax
from jpegjax import JpegError, JpegWarning

SOUND = [line for line in index() if line.sha256 != "-" and not line.file.startswith(("cut_", "damaged_"))]
BROKEN = [line for line in index() if line.sha256 != "-" and line.file.startswith(("cut_", "damaged_"))]
REFUSED = [line for line in index() if line.sha256 == "-"]


def test_the_index_lists_every_file() -> None:
    assert sorted(line.file for line in index()) == sorted(path.name for path in DATA.glob("*.jpg"))
    assert len(SOUND) >= 80 and len(BROKEN) >= 20 and len(REFUSED) >= 3
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 300_000


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_pixels_of_sound_files(engine: str) -> None:
    files = [(DATA / line.file).read_bytes() for line in SOUND]
    decoded = jpegjax.decode(files, engine=engine, strict=True)
    wanted = {line.file: (line.shape, line.dtype, line.sha256) for line in SOUND}
    found = {line.file: fingerprint(pixels) for line, pixels in zip(SOUND, decoded, strict=True)}
    assert {name: found[name] for name in wanted if found[name] != wanted[name]} == {}


@pytest.mark.parametrize("engine", ["host", "xla"])
@pytest.mark.parametrize("line", BROKEN, ids=lambda line: line.file)
def test_pixels_of_broken_files(line: Line, engine: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)  # some damage reads as other valid data
        pixels = jpegjax.decode(DATA / line.file, engine=engine)
    assert fingerprint(pixels) == (line.shape, line.dtype, line.sha256)


@pytest.mark.parametrize("line", REFUSED, ids=lambda line: line.file)
def test_refused_files(line: Line) -> None:
    with pytest.raises(JpegError):
        jpegjax.decode(DATA / line.file)


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_bytes_are_theirs(engine: str) -> None:
    scope = names() | {"encode": lambda *given, **options: jpegjax.encode(*given, engine=engine, **options)}
    calls = [(line.file, line.same) for line in index() if line.same != "-"]
    assert [name for name, call in calls if eval(call, scope) != (DATA / name).read_bytes()] == []


@pytest.mark.needs("cjpeg", "jpegtran")
def test_recipes_make_the_files() -> None:
    assert [line.file for line in index() if made(line.made) != (DATA / line.file).read_bytes()] == []
