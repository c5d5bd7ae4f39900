"""Transcoding without loss: jpegtran's bytes, the group of the turns on coefficients, metadata kept or left."""

from __future__ import annotations

import hashlib
import io
import itertools
import shlex
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutant
from oracles import jpegtran
from pictures import picture
from PIL import Image
from streams import pillow_file
from test_golden import Programs

import jpegjax
from jpegjax import Coefficients, Component, Frame, JpegError, JpegWarning
from jpegjax.cli.samples import photographs
from jpegjax.kernels.turns import EXIF_TURNS, FLIPS, ROTATIONS, Turn

SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "1x1,2x2,1x1", "L", "CMYK"]
SIZES = [(64, 64), (67, 45), (5, 3)]
TURNS = {
    "none": ({}, []),
    "90": ({"rotate": 90}, ["-rotate", "90"]),
    "180": ({"rotate": 180}, ["-rotate", "180"]),
    "270": ({"rotate": 270}, ["-rotate", "270"]),
    "horizontal": ({"flip": "horizontal"}, ["-flip", "horizontal"]),
    "vertical": ({"flip": "vertical"}, ["-flip", "vertical"]),
    "transpose": ({"flip": "transpose"}, ["-transpose"]),
    "transverse": ({"flip": "transverse"}, ["-transverse"]),
}
MORE = [
    ({"optimize": False}, []),
    ({"trim": True}, ["-optimize", "-trim"]),
    ({"perfect": True}, ["-optimize", "-perfect"]),
    ({"crop": (17, 9, 20, 13)}, ["-optimize", "-crop", "20x13+17+9"]),
    ({"crop": (9, 3, None, None), "trim": True}, ["-optimize", "-crop", "+9+3", "-trim"]),
    ({"grayscale": True}, ["-optimize", "-grayscale"]),
    ({"progressive": True}, ["-progressive"]),
    ({"arithmetic": True, "restart_rows": 1}, ["-arithmetic", "-restart", "1"]),
    ({"restart_blocks": 3}, ["-optimize", "-restart", "3B"]),
]


def transcoded(data: bytes, **options: object) -> bytes | None:
    try:
        return jpegjax.transcode(data, **options)
    except ValueError:
        return None


@cache
def source(sampling: str, width: int, height: int, progressive: bool) -> bytes:
    if sampling in ("L", "CMYK"):
        return pillow_file(sampling, (width, height), progressive=progressive)
    return jpegjax.encode(picture(height, width), subsampling=sampling, progressive=progressive)


def planes_of(data: bytes) -> list[np.ndarray]:
    return [plane[0] for plane in jpegjax.read_coefficients(data).planes]


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_bytes_are_jpegtrans(sampling: str, progressive: bool) -> None:
    cases = list(itertools.product(SIZES, TURNS.values(), MORE))[progressive::2]

    def differs(case: tuple) -> tuple | None:
        size, (turn, turn_switches), (more, more_switches) = case
        data = source(sampling, *size, progressive)
        theirs = jpegtran(data, "-copy", "all", *turn_switches, *more_switches)
        ours = transcoded(data, **{"progressive": False, **turn, **more})
        return None if ours == theirs else (size, turn, more, ours and len(ours), theirs and len(theirs))

    with ThreadPoolExecutor(4) as pool:
        assert [found for found in pool.map(differs, cases) if found] == []


@pytest.mark.needs("jpegtran")
def test_whole_photographs_are_jpegtrans(request: pytest.FixtureRequest) -> None:
    kodak = sorted((request.getfixturevalue("shared") / "data" / "kodak").glob("*.png"))
    paths = kodak or photographs()
    if not paths:
        pytest.skip("no photographs: neither Kodak's nor scikit-image's")
    files = jpegjax.encode([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    turned = {"progressive": True, "rotate": 90}, ["-progressive", "-rotate", "90"]
    for options, switches in (({}, ["-optimize"]), turned):
        with ThreadPoolExecutor(4) as pool:
            theirs = list(pool.map(lambda data, more=switches: jpegtran(data, "-copy", "all", *more), files))
        assert jpegjax.transcode(files, **options) == theirs


def test_libjpeg_turbos_own_md5(shared: Path) -> None:
    programs = Programs(shared / "conformance" / "libjpeg-turbo__libjpeg-turbo" / "testimages", "host")
    programs.made["rgb_islow.jpg"] = programs.cjpeg(["-rgb", "-icc", "test1.icc"], "testorig.ppm")
    lines = (shared / "conformance" / "libjpeg_turbo_md5.tsv").read_text().splitlines()
    compared = []
    for tool, test, switches, name, md5 in (line.split("\t") for line in lines if line.startswith("jpegtran\t")):
        words, options = shlex.split(switches), {"optimize": False, "keep": "comments"}
        while words:
            match words.pop(0):
                case "-copy":
                    options["keep"] = words.pop(0)
                case "-icc":
                    options["icc_profile"] = programs.source(words.pop(0))
                case "-crop":
                    size, x, y = words.pop(0).split("+")
                    options["crop"] = (int(x), int(y), *map(int, size.split("x")))
                case "-transpose":
                    options["flip"] = "transpose"
                case "-arithmetic" | "-perfect" as word:
                    options[word[1:]] = True
                case unknown:
                    raise AssertionError(unknown)
        made = jpegjax.transcode(programs.source(name), **options)
        assert hashlib.md5(made).hexdigest() == md5, (tool, test)
        compared.append(test)
    assert compared == ["icc", "420-islow-ari", "420-islow", "crop"]


# the turns


def test_turns_are_the_group_of_the_rectangle() -> None:
    square = np.arange(12).reshape(3, 4)

    def turned(turn: Turn, pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.T if turn.transpose else pixels
        return pixels[:: -1 if turn.mirror_y else 1, :: -1 if turn.mirror_x else 1]

    turns = [Turn(*bits) for bits in itertools.product((False, True), repeat=3)]
    for a, b in itertools.product(turns, turns):
        assert np.array_equal(turned(a.then(b), square), turned(b, turned(a, square)))
    for degrees, turn in ROTATIONS.items():
        assert np.array_equal(turned(turn, square), np.rot90(square, -degrees // 90))
    assert np.array_equal(turned(FLIPS["horizontal"], square), square[:, ::-1])
    assert np.array_equal(turned(FLIPS["transverse"], square), np.rot90(square, 2).T)
    assert set(EXIF_TURNS.values()) == set(turns)


@given(
    st.sampled_from(["4:4:4", "4:2:0", "4:2:2", "4:1:1", "L"]),
    st.lists(st.tuples(st.sampled_from(sorted(ROTATIONS)), st.sampled_from([*FLIPS])), min_size=1, max_size=4),
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
)
@settings(max_examples=40, deadline=None)
def test_turns_compose_where_mcus_are_whole(sampling: str, steps: list, mcus: tuple[int, int]) -> None:
    data = first = source(sampling, 32 * mcus[0], 32 * mcus[1], False)
    whole = Turn()
    for rotate, flip in steps:
        data = jpegjax.transcode(data, rotate=rotate, flip=flip, perfect=True)
        whole = whole.then(ROTATIONS[rotate]).then(FLIPS[flip])
    rotate, flip = next((r, f) for r in ROTATIONS for f in FLIPS if ROTATIONS[r].then(FLIPS[f]) == whole)
    assert data == jpegjax.transcode(first, rotate=rotate, flip=flip)


def test_turned_coefficients_are_those_of_turned_pixels() -> None:
    """On pixels whose transform is exact: dequantised by 1, the inverse DCT of a turned block is the turned block."""
    data = jpegjax.encode(picture(32, 48, 1), qtables=np.ones(64, np.int64))
    for name, (options, _) in TURNS.items():
        turn = ROTATIONS[options.get("rotate", 0)].then(FLIPS[options.get("flip")])
        pixels = jpegjax.decode(data).astype(int)
        pixels = pixels.T if turn.transpose else pixels
        pixels = pixels[:: -1 if turn.mirror_y else 1, :: -1 if turn.mirror_x else 1]
        # Rounding between the passes of the integer transform is not symmetric.
        assert np.abs(jpegjax.decode(jpegjax.transcode(data, **options)).astype(int) - pixels).max() <= 1, name


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0", "4:1:1", "L", "CMYK"])
@pytest.mark.parametrize("size", [(64, 96), (67, 45)])
def test_four_quarter_turns_give_the_coefficients_back(sampling: str, size: tuple[int, int]) -> None:
    first = data = source(sampling, *size, False)
    for _ in range(4):
        data = jpegjax.transcode(data, rotate=90)
    before, after = jpegjax.read_coefficients(first), jpegjax.read_coefficients(data)
    assert before.frame == after.frame
    assert all(np.array_equal(a, b) for a, b in zip(before.qtables, after.qtables, strict=True))
    if size == (64, 96):
        assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


def test_tables_are_transposed_and_shared_ones_told_apart() -> None:
    tables = np.arange(1, 129).reshape(2, 8, 8)
    data = jpegjax.encode(picture(32, 32), qtables=tables, subsampling="4:2:2")
    turned = jpegjax.read_coefficients(jpegjax.transcode(data, rotate=270))
    assert [np.array_equal(q, t.T) for q, t in zip(turned.qtables, tables[[0, 1, 1]], strict=True)] == [True] * 3
    assert [(k.h, k.v) for k in turned.frame.components] == [(1, 2), (1, 1), (1, 1)]
    # One selector given two tables, each before the scan of its component.
    c = jpegjax.read_coefficients(jpegjax.encode(picture(16, 16), subsampling="4:4:4"))
    apart = []
    for plane, table in zip(c.planes, (3, 5, 3), strict=True):
        frame = Frame(16, 16, (Component(1, 1, 1),), color=jpegjax.ColorSpace.GRAY)
        apart.append(jpegjax.write_coefficients(Coefficients((plane,), (np.full((8, 8), table),), frame)))
    head = jpegjax.write_coefficients(c)[: jpegjax.write_coefficients(c).index(b"\xff\xc4")]
    sof = head.index(b"\xff\xc0")
    head = head[:sof] + head[sof:].replace(b"\x02\x11\x01\x03\x11\x01", b"\x02\x11\x00\x03\x11\x00")
    parts = [[file.index(bytes((0xFF, code))) for code in (0xDB, 0xC0, 0xC4)] for file in apart]
    scans = [file[dqt:sof] + file[dht:-2] for file, (dqt, sof, dht) in zip(apart, parts, strict=True)]
    scans = [s.replace(b"\xff\xda\0\x08\1\1", b"\xff\xda\0\x08\1" + bytes([i])) for i, s in enumerate(scans, 1)]
    mixed = head + b"".join(scans) + b"\xff\xd9"
    again = jpegjax.read_coefficients(jpegjax.transcode(mixed))
    assert [int(q[0, 0]) for q in again.qtables] == [3, 5, 3] and {k.tq for k in again.frame.components} == {0, 1}
    assert np.array_equal(jpegjax.decode(jpegjax.transcode(mixed)), jpegjax.decode(mixed))


@pytest.mark.parametrize("progressive", [False, True])
def test_frames_too_large_for_one_scan(progressive: bool) -> None:
    c = jpegjax.read_coefficients(source("4:4:4", 67, 45, False))
    frame = Frame(45, 67, tuple(Component(k.id, 2, 2, k.tq) for k in c.frame.components))
    data = jpegjax.write_coefficients(Coefficients(c.planes, c.qtables, frame), progressive=progressive)
    for other in (False, True):
        made = jpegjax.transcode(data, rotate=90, trim=True, progressive=other)
        with Image.open(io.BytesIO(made)) as image:
            assert image.size == (32, 67)
            assert np.array_equal(np.asarray(image), jpegjax.decode(made))


@pytest.mark.parametrize("kind", [{}, {"progressive": True}, {"arithmetic": True}, {"precision": 12}])
def test_processes_and_back(kind: dict) -> None:
    pixels = picture(45, 67).astype(np.uint16) * 16 if kind.get("precision") else picture(45, 67)
    data = jpegjax.encode(pixels, optimize=True, **kind)
    wanted = planes_of(data)
    for progressive, arithmetic in itertools.product((False, True), repeat=2):
        other = jpegjax.transcode(data, progressive=progressive, arithmetic=arithmetic, restart_rows=1)
        process = jpegjax.info(other).process
        assert (process.progressive, process.arithmetic) == (progressive, arithmetic)
        assert jpegjax.info(other).restart_interval > 0
        assert all(np.array_equal(a, b) for a, b in zip(planes_of(other), wanted, strict=True))
        back = {name: bool(kind.get(name)) for name in ("progressive", "arithmetic")}
        assert jpegjax.transcode(other, **back) == data
    assert jpegjax.info(jpegjax.transcode(data)).process.progressive is bool(kind.get("progressive"))


# errors


def test_what_cannot_be_done_says_what_to_pass() -> None:
    data = source("4:2:0", 67, 45, False)
    with pytest.raises(ValueError, match=r"width 67 is no multiple of 16.*last 3 .*pass trim=True"):
        jpegjax.transcode(data, flip="horizontal", perfect=True)
    with pytest.raises(ValueError, match="width 45 is no multiple of 16"):
        jpegjax.transcode(data, rotate=90, perfect=True)
    with pytest.raises(ValueError, match=r"columns 60..70 is outside the turned picture, which has 67") as caught:
        jpegjax.transcode([data, data], crop=(60, 0, 10, 10))
    assert str(caught.value).startswith("item 0: ")
    with pytest.raises(ValueError, match="only YCbCr files hold their grey; this one is cmyk"):
        jpegjax.transcode(source("CMYK", 5, 3, False), grayscale=True)
    with pytest.raises(ValueError, match="luma has fewer samples"):
        jpegjax.transcode(source("1x1,2x2,1x1", 5, 3, False), grayscale=True)
    with pytest.raises(jpegjax.UnsupportedJpeg, match="no DCT coefficients"):
        jpegjax.transcode(jpegjax.encode(picture(9, 9), lossless=True))
    c = jpegjax.read_coefficients(source("L", 5, 3, False))
    ends = [jpegjax.transcode(source("L", 5, 3, False), crop=crop) for crop in ((0, 0, 5, 3), (0, 0, None, None))]
    assert all(np.array_equal(planes_of(e)[0], c.planes[0][0]) for e in ends)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rotate": 45}, ValueError, "rotate=45: must be one of 0, 90, 180, 270"),
        ({"flip": "up"}, ValueError, "flip='up': must be one of None, 'horizontal'"),
        ({"crop": (1, 2)}, ValueError, r"crop=\(1, 2\): must be \(x, y, width, height\)"),
        ({"crop": (0, 0, 0, 5)}, ValueError, r"crop\[2\]=0: must be 1..65535"),
        ({"crop": (-1, 0, 3, 5)}, ValueError, r"crop\[0\]=-1"),
        ({"crop": (0.5, 0, 3, 5)}, TypeError, r"crop\[0\]=0.5"),
        ({"keep": "exiff"}, ValueError, "keep='exiff': must be 'all', 'none'"),
        ({"keep": ["exif", "all"]}, ValueError, "must be 'all', 'none', or one or several of comments"),
        ({"trim": True, "perfect": True}, ValueError, "trim and perfect"),
        ({"trim": 1}, TypeError, "trim=1: must be True or False"),
        ({"progressive": 1}, TypeError, "progressive=1"),
        ({"restart_rows": 1, "restart_blocks": 2}, ValueError, "give one of them"),
        ({"icc_profile": "x"}, TypeError, "icc_profile: must be bytes"),
        ({"limits": 5}, TypeError, "limits=5"),
    ],
)
def test_wrong_arguments(options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        jpegjax.transcode(source("L", 5, 3, False), **options)


def test_damaged_files_are_saved_with_warnings_or_refused() -> None:
    data = source("4:2:0", 67, 45, False)
    cut = data[: len(data) // 2]
    with pytest.warns(JpegWarning, match=r"data\[1\]"):
        whole, saved = jpegjax.transcode([data, cut], rotate=180, trim=True)
    assert jpegjax.decode(whole).shape == jpegjax.decode(saved).shape
    with pytest.raises(jpegjax.CorruptJpeg):
        jpegjax.transcode(cut, strict=True)


def test_coefficients_that_no_code_has_are_refused() -> None:
    c = jpegjax.read_coefficients(source("L", 64, 64, False))
    planes = c.planes[0].copy()
    planes[..., 0, 0] = np.where(np.arange(64).reshape(8, 8) % 2, 2000, -2000)
    with pytest.raises(ValueError, match="DC difference out of range; magnitudes must be below 2048"):
        jpegjax.write_coefficients(Coefficients((planes,), c.qtables, c.frame), optimize=True)


@given(st.integers(0, 1 << 30), st.sampled_from([*TURNS]), st.booleans())
@settings(max_examples=120, deadline=None)
def test_mutants_end_in_a_file_or_an_error(seed: int, turn: str, progressive: bool) -> None:
    data = mutant(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        try:
            made = jpegjax.transcode(
                data, progressive=progressive, apply_exif_orientation=True, trim=False, **TURNS[turn][0]
            )
        except JpegError:
            return
    before = jpegjax.info(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", JpegWarning)
        assert jpegjax.read_coefficients(made, strict=True).frame.components[0].id == before.components[0].id
