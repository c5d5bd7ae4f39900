"""Regions of files: crops beyond the picture, wipe and drop as jpegtran's bytes, roll by its pixels, edges when upright."""

from __future__ import annotations

import random
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture
from streams import pillow_file, with_metadata

import jpegjax

SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "L", "CMYK"]
SIZES = [(64, 64), (67, 45), (33, 70), (40, 18)]  # an MCU wide at least: jpegtran mirrors less without end


@cache
def made(sampling: str, width: int, height: int, quality: int = 75) -> bytes:
    if sampling in ("L", "CMYK"):
        return pillow_file(sampling, (width, height), quality=quality)
    return jpegjax.encode(picture(height, width), subsampling=sampling, quality=quality)


def jpegtrans(folder: Path, data: bytes, *switches: object, other: bytes = b"") -> bytes | None:
    """The bytes that jpegtran -optimize makes; None where it refuses."""
    (folder / "a.jpg").write_bytes(data)
    (folder / "d.jpg").write_bytes(other)
    words = ["jpegtran", "-copy", "all", "-optimize", *map(str, switches), "a.jpg"]
    done = subprocess.run(words, capture_output=True, cwd=folder, timeout=600, check=False)
    return done.stdout if done.returncode == 0 else None


def ours(data: bytes, **options: object) -> bytes | None:
    try:
        return jpegjax.transcode(data, **options)  # type: ignore[call-overload,no-any-return]
    except ValueError:
        return None


def geometry(draw: random.Random, width: int, height: int) -> str:
    """A geometry that jpegtran takes or refuses."""

    def side(whole: int) -> str:
        return f"{draw.randrange(1, draw.choice((whole + 1, 3 * whole)))}{draw.choice(('', '', 'f', 'r'))}"

    wide = side(width) if draw.random() < 0.8 else ""
    high = f"x{side(height)}" if draw.random() < 0.7 or not wide else ""
    x = f"{draw.choice('+-')}{draw.randrange(width)}" if draw.random() < 0.8 else ""
    y = f"{draw.choice('+-')}{draw.randrange(height)}" if x and draw.random() < 0.8 else ""
    return wide + high + x + y


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_crop_and_wipe_are_jpegtrans(tmp_path: Path, sampling: str) -> None:
    draw = random.Random(sampling)
    met = 0
    for number in range(48):
        width, height = SIZES[number % 4]
        data, spec, what = (
            made(sampling, width, height),
            geometry(draw, width, height),
            ("crop", "wipe")[number % 3 == 0],
        )
        wanted = jpegtrans(tmp_path, data, f"-{what}", spec)
        assert ours(data, **{what: spec}) == wanted, (what, spec, width, height)
        met += wanted is not None
    assert met > 20


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize(
    "spec",
    [
        "100x100+0+0",
        "100fx100+8+8",
        "100rx100+20+9",
        "200rx20+64+3",
        "64fx64f+9+9",
        "30fx30+9+9",
        "128x20+17+5",
        "500r",
    ],
)
def test_larger_pictures_of_each_fill(tmp_path: Path, spec: str) -> None:
    for sampling in ("4:2:0", "L"):
        data = made(sampling, 67, 45)
        assert ours(data, crop=spec) == jpegtrans(tmp_path, data, "-crop", spec)


@pytest.mark.needs("jpegtran")
def test_reflection_takes_all_rows_and_an_edge(tmp_path: Path) -> None:
    data, kinds = made("4:2:2", 67, 45), set()
    for spec in (
        "16rx45+0+0",
        "20rx45-0+0",
        "16rx45+16+0",
        "30rx20+0+0",
        "67rx45+0+0",
        "16fx45+0+0",
        "16fx8+16+8",
        "20f-0",
    ):
        wanted = jpegtrans(tmp_path, data, "-wipe", spec)
        assert wanted is not None and ours(data, wipe=spec) == wanted, spec
        kinds.add(wanted)
    assert len(kinds) == 8


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_drop_is_jpegtrans(tmp_path: Path, sampling: str) -> None:
    draw = random.Random(sampling)
    met = 0
    for number in range(24):
        width, height = SIZES[number % 4]
        wide, high = draw.randrange(1, width + 1), draw.randrange(1, height + 1)
        other = made(
            "L" if number % 6 == 5 and sampling in ("4:4:4", "4:2:2") else sampling,
            wide,
            high,
            draw.choice((75, 30, 95)),
        )
        spec = (
            f"{draw.choice('+-')}{draw.randrange(width - wide + 2)}{draw.choice('+-')}{draw.choice((0, height - high))}"
        )
        data = made(sampling, width, height, draw.choice((75, 50)))
        trim = {"trim": True} if number % 3 == 0 else {}
        wanted = jpegtrans(tmp_path, data, *(f"-{t}" for t in trim), "-drop", spec, "d.jpg", other=other)
        assert ours(data, drop=(spec, other), **trim) == wanted, (spec, wide, high)
        met += wanted is not None
    assert met > 8


def test_what_is_dropped_is_seen_there() -> None:
    """Without jpegtran: coefficients of both pictures, in steps that divide both."""
    data, other = made("4:4:4", 64, 64, 60), made("4:4:4", 16, 24, 90)
    made_of = jpegjax.read_coefficients(jpegjax.transcode(data, drop=(8, 16, other)))
    for c, (plane, table) in enumerate(zip(made_of.planes, made_of.qtables, strict=True)):
        values = plane[0].astype(int) * table
        for inside, source in ((True, other), (False, data)):
            was = jpegjax.read_coefficients(source)
            wanted = was.planes[c][0].astype(int) * was.qtables[c]
            if inside:
                assert np.array_equal(values[2:5, 1:3], wanted)
            else:
                values, wanted = values.copy(), wanted.copy()
                values[2:5, 1:3] = wanted[2:5, 1:3] = 0
                assert np.array_equal(values, wanted)


def test_grey_goes_into_colour_and_back() -> None:
    colour, grey = made("4:2:0", 67, 45), made("L", 32, 16)
    assert (
        np.abs(np.ptp(jpegjax.decode(jpegjax.transcode(colour, drop=(16, 16, grey)))[18:30, 18:46], axis=2)).max() <= 2
    )
    planes = jpegjax.read_coefficients(jpegjax.transcode(grey, drop=(0, 0, made("4:4:4", 16, 16)))).planes
    assert len(planes) == 1 and np.array_equal(
        planes[0][0, :2, :2], jpegjax.read_coefficients(made("4:4:4", 16, 16)).planes[0][0]
    )


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0", "4:2:2", "L", "CMYK"])
@given(right=st.integers(-5, 5), down=st.integers(-5, 5))
@settings(max_examples=15, deadline=None)
def test_rolled_coefficients_wrap(sampling: str, right: int, down: int) -> None:
    data = made(sampling, 67, 70)
    before = jpegjax.read_coefficients(data)
    wide, high = 8 * before.frame.hmax, 8 * before.frame.vmax
    after = jpegjax.read_coefficients(jpegjax.transcode(data, roll=(right * wide, down * high)))
    for k, old, new in zip(before.frame.components, before.planes, after.planes, strict=True):
        wanted = old[0].copy()
        rows = 70 // high * k.v if down else None
        columns = 67 // wide * k.h if right else None
        wanted[:rows, :columns] = np.roll(wanted[:rows, :columns], (down * k.v, right * k.h), (0, 1))
        assert np.array_equal(new[0], wanted)
    back = jpegjax.transcode(
        jpegjax.transcode(data, roll=(right * wide, down * high)), roll=(-right * wide, -down * high)
    )
    assert back == jpegjax.transcode(data)


def test_rolled_pixels() -> None:
    data = made("4:4:4", 64, 64)
    rolled = jpegjax.decode(jpegjax.transcode(data, roll=(24, -8)))
    assert np.array_equal(rolled, np.roll(jpegjax.decode(data), (-8, 24), (0, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": (0, 0, 100, 10)}, "columns 0..100 is outside the turned picture, which has 67"),
        ({"crop": "100x50+40+0"}, "crop: the picture's 67 columns do not fit into 100 from 40 on"),
        ({"crop": "10x10y"}, "crop='10x10y': must be WxH"),
        ({"crop": "0x10"}, "must be 1..65535"),
        ({"wipe": (60, 0, 20, 10)}, "wipe: columns 60..80 is outside"),
        ({"wipe": "nothing"}, "wipe='nothing': must be WxH"),
        ({"roll": (3, 0)}, r"roll\[0\]=3: must be a multiple of this file's MCU, which has 16 pixels"),
        ({"roll": 3}, "roll=3: must be"),
        ({"drop": (60, 0, made("4:2:0", 16, 16))}, "drop: columns 60..76 is outside"),
        ({"drop": (0, 0, made("4:4:4", 16, 16))}, "both files need the same sampling"),
        ({"drop": (0, 0, made("CMYK", 16, 16))}, "drop: 8-bit cmyk into 8-bit ycbcr"),
        ({"drop": (0, 0, b"no file")}, "drop: no JPEG stream"),
        ({"drop": (0, 0, jpegjax.encode(picture(8, 8), lossless=True))}, "drop: a lossless file"),
        ({"drop": ("+1+1", 5)}, "drop: must be bytes"),
        ({"drop": (1, 2)}, r"drop: must be (bytes|\(x, y, file\))"),
    ],
    ids=str,
)
def test_what_cannot_be_done_says_why(options: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        jpegjax.transcode(made("4:2:0", 67, 45), **options)


def test_a_dropped_file_may_be_a_path(tmp_path: Path) -> None:
    (tmp_path / "d.jpg").write_bytes(made("4:2:0", 16, 16))
    data = made("4:2:0", 67, 45)
    wanted = jpegjax.transcode(data, drop=(16, 0, made("4:2:0", 16, 16)))
    assert jpegjax.transcode(data, drop=(16, 0, tmp_path / "d.jpg")) == wanted
    assert jpegjax.transcode(data, drop=("+16+0", str(tmp_path / "d.jpg"))) == wanted


def test_small_pictures_are_not_mirrored_from_nothing() -> None:
    for fill in "fr":
        with pytest.raises(ValueError, match="less than an MCU"):
            jpegjax.transcode(made("4:2:0", 10, 10), crop=f"100{fill}x50+0+0")


# upright


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("size", [(75, 61), (64, 61), (75, 64), (64, 64)], ids=str)
def test_upright_cuts_or_leaves_edges_only_when_told(orientation: int, size: tuple[int, int]) -> None:
    data = with_metadata(True, orientation, size)
    straight = jpegjax.decode(data, apply_exif_orientation=True).astype(int)
    top = straight.shape[0] % 16 if orientation in (3, 4, 7, 8) else 0
    left = straight.shape[1] % 16 if orientation in (2, 3, 6, 7) else 0
    cut = jpegjax.transcode(data, apply_exif_orientation=True, trim=True)
    pixels = jpegjax.decode(cut)
    assert pixels.shape == straight[top:, left:].shape
    assert np.abs(pixels - straight[top:, left:]).mean() < 2, "the picture but for the edge, in its place"
    kept = jpegjax.transcode(data, apply_exif_orientation=True, trim=False)
    assert jpegjax.decode(kept).shape == straight.shape
    if top or left:
        with pytest.raises(ValueError, match="trim=True to cut them off, trim=False to leave them in place"):
            jpegjax.transcode(data, apply_exif_orientation=True)
    else:
        assert jpegjax.transcode(data, apply_exif_orientation=True) == kept == cut


def test_upright_pictures_need_no_decision() -> None:
    for orientation in (0, 1):
        data = with_metadata(True, max(orientation, 1), (75, 61)) if orientation else made("4:2:0", 75, 61)
        assert jpegjax.transcode(data, apply_exif_orientation=True) == jpegjax.transcode(data)
    turned_back = with_metadata(True, 6, (75, 61))
    assert jpegjax.info(jpegjax.transcode(turned_back, apply_exif_orientation=True, rotate=270)).width == 75


def test_file_that_failed(shared: Path) -> None:
    path = shared / "cases" / "orientation_6_odd_size.jpg"
    if not path.is_file():
        pytest.skip("no such case")
    with pytest.raises(ValueError, match="pass trim=True"):
        jpegjax.transcode(path, apply_exif_orientation=True)
    straight = jpegjax.decode(path, apply_exif_orientation=True)
    cut = jpegjax.decode(jpegjax.transcode(path, apply_exif_orientation=True, trim=True))
    assert np.abs(cut - straight[:, straight.shape[1] - cut.shape[1] :].astype(int)).mean() < 4


# command line


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize(
    "words",
    [
        ("-crop", "100rx90+8+8"),
        ("-crop", "20x10-5-3"),
        ("-wipe", "20fx20+16+8"),
        ("-drop", "+16+8", "d.jpg"),
        ("-trim", "-drop", "-0-0", "d.jpg"),
        ("-copy", "icc", "-maxscans", "5", "-maxmemory", "100M", "-report"),
        ("-maxm", "90000", "-maxscan", "2", "-rep", "-rot", "90"),
    ],
    ids=" ".join,
)
def test_command_lines_of_jpegtran_run_unchanged(run: Run, words: tuple[str, ...]) -> None:
    Path("a.jpg").write_bytes(with_metadata(True))
    Path("d.jpg").write_bytes(made("4:2:0", 20, 30, 90))
    copied = () if "-copy" in words else ("-copy", "all")
    assert run("transcode", *copied, "-optimize", *words, "-outfile", "b.jpg", "a.jpg").code == 0
    done = subprocess.run(["jpegtran", *copied, "-optimize", *words, "a.jpg"], capture_output=True, check=True)
    assert Path("b.jpg").read_bytes() == done.stdout


def test_limits_and_wrong_words(run: Run) -> None:
    Path("a.jpg").write_bytes(jpegjax.encode(picture(40, 40), progressive=True))
    assert "more than 3 scans" in run("transcode", "a.jpg", "-maxscans", "3", "-o", "b.jpg").err
    assert "Limits.memory is 1000" in run("transcode", "a.jpg", "-maxmemory", "1", "-o", "b.jpg").err
    for words, complaint in (
        (("--drop", "16", "a.jpg"), "--drop 16: must be +X+Y"),
        (("--drop", "+1+1", "none.jpg"), "--drop none.jpg: No such file"),
        (("--wipe", "large"), "--wipe large: must be WxH+X+Y"),
        (("--roll", "3"), "--roll 3: must be +X+Y"),
        (("-maxmemory", "much"), "must be a number of kbytes"),
    ):
        answer = run("transcode", "a.jpg", "-o", "b.jpg", *words)
        assert answer.code == 2 and complaint in answer.err, words
    assert run("transcode", "a.jpg", "-o", "b.jpg", "--roll", "+16-16").code == 0
    assert Path("b.jpg").read_bytes() == jpegjax.transcode("a.jpg", roll=(16, -16))


def test_upright_files_that_need_a_decision_stay(run: Run) -> None:
    data, even = with_metadata(True, 6, (75, 61)), with_metadata(True, 6, (64, 48))
    Path("a.jpg").write_bytes(data)
    Path("b.jpg").write_bytes(even)
    answer = run("transcode", ".", "--in-place", "--exif-transpose")
    assert answer.code == 1 and "1 of 2 failed" in answer.err and "trim=True to cut them off" in answer.err
    assert Path("a.jpg").read_bytes() == data and jpegjax.info("b.jpg").width == 48
    assert run("transcode", "a.jpg", "--in-place", "--exif-transpose", "--trim").code == 0
    assert Path("a.jpg").read_bytes() == jpegjax.transcode(data, apply_exif_orientation=True, trim=True)
