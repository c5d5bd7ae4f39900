"""Every file is Pillow's, byte for byte, and so are the pixels that come back: all engines, sizes, qualities and modes.

By default each setting meets a few pictures; with `pytest -m slow` it meets them all.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mutations import EXIF
from oracles import cjpeg, pillow, pillow_pixels
from pictures import picture, rgb

import jpegjax
from jpegjax.cli.samples import photographs as bundled

ENGINES = ("host", "xla")
QUALITIES = (1, 5, 25, 50, 75, 90, 95, 100)
SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "grey")
MODES = {
    "standard": ({}, {}),
    "optimised": ({"optimize": True}, {"optimize": True}),
    "progressive": ({"progressive": True}, {"progressive": True}),
    "restart": ({"restart_rows": 1}, {"restart_marker_rows": 1}),
}
"""Options as jpegjax and as Pillow name them."""

SIZES = [
    (1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 149), (227, 1), (7, 7), (8, 8), (9, 9), (15, 16), (16, 15), (16, 16),
    (17, 17), (31, 33), (33, 31), (5, 64), (64, 5), (13, 100), (100, 13), (47, 61), (63, 65), (65, 63), (80, 24),
    (97, 3), (3, 97), (128, 127), (129, 113), (199, 41), (227, 149),
]  # fmt: skip
SETTINGS = list(itertools.product(SAMPLINGS, MODES))


@pytest.fixture(scope="module")
def photos(request) -> list[np.ndarray]:
    """The 24 Kodak photographs; those inside scikit-image, else large synthetic pictures, where there are none."""
    files = sorted((request.getfixturevalue("shared") / "data" / "kodak").glob("kodim*.png")) or bundled()[:24]
    return [rgb(file) for file in files] or [picture(300 + 9 * i, 500 - 7 * i) for i in range(24)]


@cache
def odd_pictures() -> list[np.ndarray]:
    return [picture(height, width) for width, height in SIZES]


def compare(images, quality, sampling, mode, engine, pixels: bool = True) -> None:
    """Files of all images, and their pixels, against Pillow's."""
    ours, theirs = MODES[mode]
    if sampling == "grey":
        images = [np.ascontiguousarray(image[..., 1]) for image in images]
    else:
        ours, theirs = {"subsampling": sampling, **ours}, {"subsampling": sampling, **theirs}
    files = jpegjax.encode(images, quality=quality, engine=engine, **ours)
    wanted = [pillow(image, quality=quality, **theirs) for image in images]
    different = [image.shape for image, a, b in zip(images, files, wanted, strict=True) if a != b]
    assert not different, f"files differ: quality {quality}, {sampling}, {mode}, {engine}, shapes {different}"
    if pixels:
        decoded = jpegjax.decode(wanted, engine=engine)
        pairs = zip(decoded, wanted, strict=True)
        different = [found.shape for found, file in pairs if not np.array_equal(found, pillow_pixels(file))]
        assert not different, f"pixels differ: quality {quality}, {sampling}, {mode}, {engine}, shapes {different}"


@pytest.mark.parametrize(("sampling", "mode"), SETTINGS)
@pytest.mark.parametrize("engine", ENGINES)
def test_odd_sizes(engine, sampling, mode):
    """Every size once, every quality with three or four of them; which ones changes with the setting."""
    turn = SETTINGS.index((sampling, mode)) * 3
    for k, quality in enumerate(QUALITIES):
        images = [image for i, image in enumerate(odd_pictures()) if (i + turn) % len(QUALITIES) == k]
        compare(images, quality, sampling, mode, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_photographs(engine, photos):
    """Combinations of quality, sampling and mode, each on the next photograph."""
    choices = itertools.cycle(photos)
    for quality, (sampling, mode) in itertools.product((1, 75) if engine == "xla" else QUALITIES, SETTINGS):
        compare([next(choices)], quality, sampling, mode, engine, pixels=quality == 75)


@pytest.mark.slow
@pytest.mark.parametrize(("sampling", "mode"), SETTINGS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_picture_with_every_setting(engine, sampling, mode, photos):
    for quality in QUALITIES:
        compare(photos, quality, sampling, mode, engine)
        compare(odd_pictures(), quality, sampling, mode, engine)


def test_batches_of_one_array_equal_single_images():
    batch = np.stack([picture(50, 71), picture(71, 50).swapaxes(0, 1), picture(50, 72)[:, 1:]])
    wanted = [pillow(image, quality=80) for image in batch]
    for engine in ENGINES:
        assert jpegjax.encode(batch, quality=80, engine=engine) == wanted
        assert [jpegjax.encode(image, quality=80, engine=engine) for image in batch] == wanted


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("ours", "theirs"), [
    ({"restart_blocks": 1}, {"restart_marker_blocks": 1}),
    ({"restart_blocks": 7, "optimize": True}, {"restart_marker_blocks": 7, "optimize": True}),
    ({"restart_rows": 2, "optimize": True}, {"restart_marker_rows": 2, "optimize": True}),
    ({"restart_blocks": 5, "progressive": True}, {"restart_marker_blocks": 5, "progressive": True}),
    ({"restart_rows": 1, "progressive": True}, {"restart_marker_rows": 1, "progressive": True}),
    ({"optimize": True, "progressive": True}, {"optimize": True, "progressive": True}),
], ids=str)  # fmt: skip
def test_modes_together(ours, theirs, engine):
    images = [picture(60, 45), picture(9, 80), picture(34, 50, 1)]
    assert jpegjax.encode(images, engine=engine, **ours) == [pillow(image, quality=75, **theirs) for image in images]


def flat(step: int) -> list[int]:
    return [step] * 64


STEPS = [list(range(1, 65)), [255 - 2 * i for i in range(64)], flat(17), flat(255), flat(1)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "tables",
    [STEPS[:1], STEPS[1:3], STEPS[:3], [flat(1)], [flat(256), flat(3)], [flat(700), flat(8000), [*range(1, 640, 10)]]],
    ids=lambda tables: ",".join(f"{t[0]}..{t[-1]}" for t in tables),
)
def test_quantisation_tables_are_used_as_pillow_uses_them(tables, engine):
    images = [picture(40, 57), picture(40, 57, 1)]
    for image, ours in zip(images, jpegjax.encode(images, qtables=tables, engine=engine), strict=True):
        sampling = {"subsampling": "4:2:0"} if image.ndim == 3 else {}
        assert ours == pillow(image, qtables=tables, **sampling)
        assert np.array_equal(jpegjax.decode(ours, engine=engine), pillow_pixels(ours))


METADATA = {
    "comment": b"a comment of \xff\xd9 bytes",
    "icc_profile": bytes(36) + b"acsp" + np.random.default_rng(5).bytes(149_960),
    "exif": EXIF,
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    "dpi": (300, 144),
}


@pytest.mark.parametrize("names", [*([name] for name in METADATA), ["icc_profile", "exif"], [*METADATA]], ids=",".join)
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["sequential", "progressive"])
def test_metadata_are_written_as_pillow_writes_them(names, options):
    wanted = {name: METADATA[name] for name in names} | options
    for image in (picture(20, 30), picture(20, 30, 1)):
        data = pillow(image, quality=75, **wanted)
        for engine in ENGINES:
            assert jpegjax.encode(image, engine=engine, **wanted) == data
        read = jpegjax.info(data).metadata
        found = {"comment": b"".join(read.comments), "exif": read.exif, "xmp": read.xmp, "dpi": read.dpi}
        found["icc_profile"] = read.icc_profile
        assert {name: found[name] for name in names} == {name: METADATA[name] for name in names}


CJPEG_SAMPLINGS = [
    ("4:4:0", "1x2"), ("4:1:1", "4x1"), ("4:1:0", "4x2"), ("1x4", "1x4"), ("2x4", "2x4"), ("3x1", "3x1"),
    ("3x2", "3x2"), ("1x1,2x2,1x1", "1x1,2x2,1x1"), ("2x2,1x2,2x1", "2x2,1x2,2x1"), ("2x1,2x1,1x1", "2x1,2x1,1x1"),
]  # fmt: skip


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("ours", "theirs"), [pair for pair in CJPEG_SAMPLINGS if pair[1]], ids=str)
def test_any_sampling_equals_cjpeg(engine, ours, theirs):
    images = [picture(40, 57), picture(17, 3), picture(1, 1), picture(66, 35), picture(3, 130)]
    for quality, options, flags in (
        (75, {}, ()), (5, {"optimize": True}, ("-optimize",)), (90, {"progressive": True}, ("-progressive",)),
        (100, {"restart_blocks": 3}, ("-restart", "3B")), (50, {"restart_rows": 1}, ("-restart", "1")),
    ):  # fmt: skip
        files = jpegjax.encode(images, quality=quality, subsampling=ours, engine=engine, **options)
        for image, file in zip(images, files, strict=True):
            wanted = cjpeg(image, "-dct", "int", "-baseline", "-quality", str(quality), "-sample", theirs, *flags)
            assert file == wanted, (image.shape, quality, flags)
        for pixels, file in zip(jpegjax.decode(files, engine=engine), files, strict=True):
            assert np.array_equal(pixels, pillow_pixels(file)), (pixels.shape, quality, flags)


PORTABLE = """
import hashlib, json, sys, warnings
import numpy as np
import jpegjax
from jpegjax.simd import has_avx2
from mutations import mutant
from pictures import picture, rgb

digest = hashlib.sha256()
for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "grey"):
    image = picture(45, 70, 1 if sampling == "grey" else 3)
    for options in ({}, {"optimize": True}, {"progressive": True}, {"restart_blocks": 3}):
        for quality in (1, 75, 100):
            settings = dict(options) if sampling == "grey" else {"subsampling": sampling, **options}
            data = jpegjax.encode(image, quality=quality, engine="host", **settings)
            digest.update(data)
            for decoding in ({}, {"upsample": "nearest"}, {"mode": "L"}, {"mode": "RGB"}):
                digest.update(jpegjax.decode(data, engine="host", **decoding).tobytes())
warnings.simplefilter("ignore")
for n in range(300):
    try:
        digest.update(jpegjax.decode(mutant(n), engine="host").tobytes())
    except jpegjax.JpegError as error:
        digest.update(str(error).encode())
print(json.dumps([has_avx2(), digest.hexdigest()]))
"""


@pytest.mark.slow
def test_kernels_without_avx2_give_the_same_bytes_and_pixels(tmp_path):
    """The plain vector code for any x86-64 (or any other CPU) beside the one for this machine."""
    here = Path(__file__).resolve().parent
    plain = "x86-64" if platform.machine() == "x86_64" else "generic"
    found = {}
    for name, cpu in (("here", {}), ("plain", {"NUMBA_CPU_NAME": plain, "NUMBA_CPU_FEATURES": ""})):
        paths = {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here)]), "JAX_PLATFORMS": "cpu"}
        if cpu:
            paths["NUMBA_CACHE_DIR"] = str(tmp_path)
        environment = {**os.environ, **paths, **cpu}
        done = subprocess.run(
            [sys.executable, "-c", PORTABLE], capture_output=True, text=True, env=environment, check=False, timeout=900
        )
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout)
    assert found["plain"] == [False, found["here"][1]]
