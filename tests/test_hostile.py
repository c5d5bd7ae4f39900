"""Hostile files: damaged corpora and seeded mutations end in pixels or a JpegError, soon and in little memory.

Where they end in pixels, these are libjpeg-turbo's, on every engine and on however many cores.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from effort import LIMIT
from mutations import NBYTES, mutant, seeds
from pictures import picture
from PIL import Image, features

import jpegjax
from jpegjax import CorruptJpeg, JpegError, JpegWarning, LimitExceeded
from jpegjax.jpeg.host import parts

TESTS = Path(__file__).resolve().parent


def report(*arguments: str, timeout: float = 1800) -> dict:
    """What `mutations.py` found in a process of its own, or in another one: the first may have compiled kernels, and what
    the system counts as a process's memory varies with its huge pages."""
    path = os.pathsep.join([str(TESTS.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [sys.executable, str(TESTS / "mutations.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found = json.loads(done.stdout)
        assert not found["failures"]
        if found["costliest_units"] < LIMIT and found["peak_nbytes"] < NBYTES:
            return found
    raise AssertionError(found)


def test_mutations():
    found = report("0", "3000")
    assert found["files"] == sum(found["outcomes"].values()) == 3000
    assert all(found["outcomes"][name] > 100 for name in ("clean", "warned", "CorruptJpeg"))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 20_000, 5000))
def test_twenty_thousand_mutations(first):
    print(report(str(first), "5000"))


def test_corpora(shared):
    folder = shared / "conformance"
    lines = (folder / "INDEX.tsv").read_text().splitlines()[1:]
    files = [folder / repo.replace("/", "__") / path for repo, path, *_ in (line.split("\t") for line in lines)]
    files = [str(file) for file in files if file.is_file()]
    assert len(files) > 1000
    found = report(*files)
    assert found["outcomes"]["CorruptJpeg"] > 200


def test_mutants_do_not_change():
    """Seeds name the same files everywhere, so that a finding can be told by its number."""
    assert mutant(17) == mutant(17) != seeds()[17 % len(seeds())]
    assert len({mutant(n) for n in range(500)}) > 490


def decoded(data: bytes, **options) -> tuple[np.ndarray | JpegError, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", JpegWarning)
        try:
            return jpegjax.decode(data, **options), [str(w.message) for w in caught]
        except JpegError as error:
            return error, []


def pillow_pixels(data: bytes) -> np.ndarray | None:
    """Pixels, or None where Pillow refuses the file or makes a colour space of it that it inverts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                return np.asarray(image) if image.mode in ("L", "RGB") else None
        except (OSError, SyntaxError, ValueError, IndexError, TypeError, KeyError, Image.DecompressionBombError):
            return None


def recovers_as_pillow(numbers: range) -> int:
    """How many of these mutants Pillow decodes, all to our pixels."""
    version = features.version("libjpeg_turbo") or "0"
    if tuple(map(int, version.split(".")[:2])) < (3, 0):
        pytest.skip(f"Pillow brings libjpeg-turbo {version}; recovery is compared with 3.x")
    compared, different = 0, []
    for n in numbers:
        data = mutant(n)
        wanted = pillow_pixels(data)
        if wanted is None:
            continue
        found, warned = decoded(data)
        if isinstance(found, LimitExceeded):
            continue
        # a second scan of a component that ends early: libjpeg keeps its first DC values, we the non-zero ones
        if any("scanned again" in w for w in warned) and any("ends before" in w for w in warned):
            continue
        compared += 1
        if isinstance(found, JpegError) or not np.array_equal(found, wanted):
            different.append((n, warned or str(found)[:100]))
    assert not different
    return compared


def test_recovery_gives_libjpeg_turbos_pixels():
    assert recovers_as_pillow(range(2000)) > 500


@pytest.mark.slow
def test_recovery_of_twenty_thousand_gives_libjpeg_turbos_pixels():
    assert recovers_as_pillow(range(2000, 22_000)) > 5000


@pytest.mark.parametrize(("first", "count"), [(0, 20), pytest.param(20, 1040, marks=pytest.mark.slow)])
def test_engines_agree_on_damage(first, count):
    """Same pixels in one batch, same errors one by one, in every mode."""
    for mode in (None, "L", "RGB"):
        files, wanted = [], []
        for n in range(first, first + count):
            data = mutant(n)
            found, warned = decoded(data, mode=mode, engine="host")
            if isinstance(found, JpegError):
                other, _ = decoded(data, mode=mode, engine="xla")
                assert (type(other), str(other)) == (type(found), str(found)), n
            else:
                files.append(data)
                wanted.append((n, found, warned))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JpegWarning)
            batch = jpegjax.decode(files, mode=mode, engine="xla")
        for (n, pixels, _), other in zip(wanted, batch, strict=True):
            assert np.array_equal(pixels, other), (n, mode)


@cache
def with_restarts() -> list[bytes]:
    image = picture(150, 90)
    grey = np.ascontiguousarray(image[..., 0])
    settings = itertools.product(("4:4:4", "4:2:0", "4:2:2", "4:4:0"), ({"restart_rows": 1}, {"restart_blocks": 3}))
    files = [jpegjax.encode(image, subsampling=s, quality=60, **r) for s, r in settings]
    return [*files, jpegjax.encode(grey, restart_rows=2), jpegjax.encode(grey, restart_blocks=12)]


def test_damage_reads_the_same_on_one_core_and_on_many(monkeypatch):
    draw = np.random.default_rng(11)
    damaged = list(with_restarts())
    for data in with_restarts():
        scan = data.index(b"\xff\xda") + 14
        for kind in range(40):
            bad = bytearray(data)
            at = int(draw.integers(scan, len(bad) - 2))
            if kind % 4 == 0:
                bad[at] ^= 1 << int(draw.integers(8))
            elif kind % 4 == 1:
                del bad[at : at + int(draw.integers(1, 200))]
            elif kind % 4 == 2:
                bad[at:at] = bytes((0xFF, 0xD0 + int(draw.integers(8))))
            else:
                markers = [i for i in range(scan, len(bad) - 1) if bad[i] == 0xFF and 0xD0 <= bad[i + 1] <= 0xD7]
                bad[markers[int(draw.integers(len(markers)))] + 1] = 0xD0 + int(draw.integers(8))
            damaged.append(bytes(bad))
    alone = [decoded(data) for data in damaged]
    assert sum(bool(warned) for _, warned in alone) > 200
    monkeypatch.setattr(parts, "SMALLEST_PIXELS", 1 << 10)
    monkeypatch.setattr(parts, "spare_cores", lambda: 4)
    for i, (data, (pixels, warned)) in enumerate(zip(damaged, alone, strict=True)):
        again, noted = decoded(data)
        assert np.array_equal(pixels, again) and warned == noted, i


DAMAGE = {
    "cut": lambda d, scan: d[: scan + 60],
    "no EOI": lambda d, scan: d[:-2],
    "junk before a marker": lambda d, scan: d[:20] + b"junk" + d[20:],
    "a marker in the data": lambda d, scan: d[: scan + 60] + b"\xff\xfe\0\2" + d[scan + 60 :],
    "a restart marker changed": lambda d, scan: d.replace(b"\xff\xd1", b"\xff\xd5", 1),
    "a restart marker lost": lambda d, scan: d.replace(b"\xff\xd1", b"", 1),
    "data added": lambda d, scan: d[:-2] + bytes(50) + d[-2:],
}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("name", DAMAGE)
def test_what_warns_is_an_error_when_strict(name, progressive):
    whole = jpegjax.encode(picture(48, 40), restart_rows=1, progressive=progressive)
    data = DAMAGE[name](whole, whole.index(b"\xff\xda") + 14)
    with pytest.warns(JpegWarning, match=r"byte offset \d+") as noted:
        pixels = jpegjax.decode(data)
    assert pixels.shape == (48, 40, 3) and all(w.filename == __file__ for w in noted)
    with pytest.warns(JpegWarning):
        jpegjax.read_coefficients(data)
    for read in (jpegjax.decode, jpegjax.read_coefficients):
        with pytest.raises(CorruptJpeg) as caught:
            read(data, strict=True)
        assert caught.value.offset is not None and 2 < caught.value.offset <= len(data)
    assert jpegjax.decode(whole, strict=True).shape == pixels.shape
