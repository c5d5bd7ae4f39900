"""jpegoptim's flags on `transcode`. Oracles: jpegoptim where it is installed, the library's own doors."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from oracles import pillow
from pictures import picture
from PIL import Image

import jpegjax
from jpegjax.container import Reader
from jpegjax.container.metadata import finer_kind

KINDS = ("comments", "exif", "icc", "xmp", "iptc", "jfxx", "adobe")
JPEGOPTIM = {kind: "com" if kind == "comments" else kind for kind in KINDS}
jpegoptim = pytest.mark.skipif(shutil.which("jpegoptim") is None, reason="needs jpegoptim")


def segment(code: int, body: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(body) + 2).to_bytes(2, "big") + body


def full(quality: int = 90, size: tuple[int, int] = (64, 96), **options: object) -> bytes:
    """A file with metadata of every kind."""
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    options |= {"exif": exif, "icc_profile": b"p" * 500, "comment": b"hello", "xmp": b"<x/>"}
    data = pillow(Image.fromarray(picture(*size)), quality=quality, **options)
    more = segment(0xE0, b"JFXX\0\x10" + bytes(20)) + segment(0xED, b"Photoshop 3.0\0" + bytes(30))
    more += segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01") + segment(0xEA, b"maker")
    return data[:20] + more + data[20:]


def kinds(data: bytes) -> set[str]:
    reader = Reader(data)
    reader.seek_scan()
    return {finer_kind(code, bytes(data[at + 4 : stop])) for code, at, stop in reader.segments}


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(jpegjax.decode(data))


@pytest.mark.parametrize("kind", KINDS)
def test_strip_and_keep_take_each_kind(run: Run, kind: str) -> None:
    data, name = full(), JPEGOPTIM[kind]
    assert kinds(data) == {*KINDS, "other"}
    Path("a.jpg").write_bytes(data)
    assert run("transcode", "a.jpg", "-o", "b.jpg", f"--strip-{name}").code == 0
    assert kinds(Path("b.jpg").read_bytes()) == {*KINDS, "other"} - {kind}
    assert Path("b.jpg").read_bytes() == jpegjax.transcode(data, strip=kind)
    assert run("transcode", "a.jpg", "-o", "c.jpg", "-s", f"--keep-{name}").code == 0
    assert kinds(Path("c.jpg").read_bytes()) - {"other"} == {kind}, "and JFIF"
    assert np.array_equal(pixels(Path("b.jpg").read_bytes()), pixels(data))
    assert np.array_equal(pixels(Path("c.jpg").read_bytes()), pixels(data))


@jpegoptim
@pytest.mark.parametrize(
    "flags", [("--strip-com", "--strip-icc"), ("-s",), ("-s", "--keep-exif"), ("--strip-iptc",)], ids=" ".join
)
def test_what_is_stripped_is_what_jpegoptim_strips(run: Run, flags: tuple[str, ...]) -> None:
    Path("a.jpg").write_bytes(full())
    Path("b.jpg").write_bytes(full())
    subprocess.run(["jpegoptim", "-q", "-f", *flags, "b.jpg"], check=True)
    assert run("transcode", "a.jpg", "--in-place", *flags).code == 0
    theirs, mine = kinds(Path("b.jpg").read_bytes()), kinds(Path("a.jpg").read_bytes())
    assert {k for k in mine if k in ("comments", "icc", "iptc", "exif", "xmp")} == theirs & {*KINDS} - {"adobe", "jfxx"}


@jpegoptim
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_max_is_jpegoptims_picture(run: Run, options: dict) -> None:
    data = pillow(Image.fromarray(picture(80, 96)), quality=92, **options)
    for name in ("a.jpg", "b.jpg"):
        Path(name).write_bytes(data)
    subprocess.run(["jpegoptim", "-q", "-m60", "b.jpg"], check=True)
    answer = run("transcode", "a.jpg", "--in-place", "-m60")
    assert answer.code == 0 and "with loss, at quality 60" in answer.err
    mine, theirs = Path("a.jpg").read_bytes(), Path("b.jpg").read_bytes()
    assert len(mine) == len(theirs) and np.array_equal(pixels(mine), pixels(theirs))
    assert jpegjax.info(mine).process == jpegjax.info(data).process


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0", "4:2:2"])
def test_max_keeps_sampling_and_metadata(run: Run, sampling: str) -> None:
    data = full(95, subsampling={"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}[sampling])
    Path("a.jpg").write_bytes(data)
    assert run("transcode", "a.jpg", "-o", "b.jpg", "--max", "50").code == 0
    found = jpegjax.info("b.jpg")
    assert (found.quality, found.quality_exact, found.subsampling) == (50, True, sampling)
    assert kinds(Path("b.jpg").read_bytes()) == kinds(data)


def test_max_leaves_lower_qualities_without_loss(run: Run) -> None:
    for quality in (20, 50, 60):
        data = full(quality)
        Path("a.jpg").write_bytes(data)
        assert run("transcode", "a.jpg", "-o", "b.jpg", "--max", "60", "--overwrite").code == 0
        assert Path("b.jpg").read_bytes() == jpegjax.transcode(data)


@pytest.mark.parametrize("mode", ["L", "CMYK", "12"])
def test_other_pictures_are_coded_again(run: Run, mode: str) -> None:
    image = picture(64, 64)
    if mode == "12":
        data = jpegjax.encode(image.astype(np.uint16) * 16, precision=12, quality=95)
    else:
        data = pillow(Image.fromarray(image).convert(mode), quality=95)
    Path("a.jpg").write_bytes(data)
    assert run("transcode", "a.jpg", "--in-place", "--max", "60").code == 0
    now = jpegjax.info("a.jpg")
    assert (now.quality, now.precision, now.color) == (60, 12 if mode == "12" else 8, jpegjax.info(data).color)
    peak = 4095 if mode == "12" else 255
    assert np.abs(pixels(Path("a.jpg").read_bytes()).astype(int) - pixels(data)).mean() < peak / 12


@pytest.mark.parametrize("size", ["2", "3", "5", "30%", "60%", "90%", "99%"])
def test_size_is_kept_by_the_highest_quality(run: Run, size: str) -> None:
    data = full(92, (160, 160))
    Path("a.jpg").write_bytes(data)
    answer = run("transcode", "a.jpg", "-o", "b.jpg", "-S", size)
    most = len(data) * int(size[:-1]) // 100 if size.endswith("%") else 1024 * int(size)
    made = Path("b.jpg").read_bytes()
    assert answer.code == 0 and len(made) <= most and kinds(made) == kinds(data)
    quality = jpegjax.info(made).quality
    if "with loss" in answer.err:
        assert quality is not None and f"at quality {quality}" in answer.err
        Path("c.jpg").write_bytes(data)
        assert run("transcode", "c.jpg", "-o", "d.jpg", "--max", f"{quality + 1}").code == 0
        assert Path("d.jpg").stat().st_size > most, "one more would be too large"
    else:
        assert made == jpegjax.transcode(data)


def test_size_out_of_reach_is_the_nearest_and_said(run: Run) -> None:
    Path("a.jpg").write_bytes(full(90, (400, 400)))
    answer = run("transcode", "a.jpg", "-o", "b.jpg", "--size", "1")
    assert answer.code == 0 and "at quality 1, " in answer.err and "bytes at the least" in answer.err


def test_threshold_and_dest(run: Run) -> None:
    plain, tight = pillow(Image.fromarray(picture(80, 96))), jpegjax.transcode(pillow(Image.fromarray(picture(80, 90))))
    Path("a.jpg").write_bytes(plain)
    Path("b.jpeg").write_bytes(tight)
    gain = 100 * (1 - len(jpegjax.transcode(plain)) / len(plain))
    assert run("transcode", "a.jpg", "b.jpeg", "--dest", "out", "-T", f"{int(gain) + 1}").code == 0
    assert Path("out/a.jpg").read_bytes() == plain and Path("out/b.jpeg").read_bytes() == tight
    assert run("transcode", "a.jpg", "b.jpeg", "-d", "out", "-T", f"{int(gain)}", "--overwrite").code == 0
    assert Path("out/a.jpg").read_bytes() == jpegjax.transcode(plain) and Path("out/b.jpeg").read_bytes() == tight
    assert run("transcode", "a.jpg", "--in-place", "-T", "99").code == 0 and Path("a.jpg").read_bytes() == plain
    assert run("transcode", "a.jpg", "-d", "out").code == 1, "it exists"


def test_noaction_writes_nothing(run: Run) -> None:
    data = full()
    Path("a.jpg").write_bytes(data)
    for words in (("-n",), ("-n", "--in-place", "-m50"), ("--noaction", "-o", "b.jpg"), ("-n", "-d", "out", "-s")):
        answer = run("transcode", "a.jpg", *words)
        assert answer.code == 0 and "a.jpg" in answer.err
        assert os.listdir() == ["a.jpg"] and Path("a.jpg").read_bytes() == data


@jpegoptim
def test_csv_is_jpegoptims(run: Run) -> None:
    tight = jpegjax.transcode(pillow(Image.fromarray(picture(80, 90))))
    for name, data in (
        ("a.jpg", pillow(Image.fromarray(picture(64, 90)), quality=90)),
        ("b.jpg", tight),
        ("c, d.jpg", pillow(Image.fromarray(picture(64, 64)[..., 0]))),
    ):
        Path(name).write_bytes(data)
    theirs = subprocess.run(
        ["jpegoptim", "-n", "-b", "a.jpg", "b.jpg"], capture_output=True, text=True, check=True
    ).stdout
    mine = run("transcode", "-n", "-b", "a.jpg", "b.jpg")
    assert mine.out.decode() == theirs and mine.err == ""
    rows = list(csv.reader(io.StringIO(run("transcode", "-n", "--csv", ".").out.decode())))
    assert rows[2][0] == "c, d.jpg" and rows[2][2:4] == ["8bit", "N"]


def test_totals_stdout_stdin_and_preserve(run: Run) -> None:
    data = full()
    Path("a.jpg").write_bytes(data)
    os.utime("a.jpg", ns=(1_500_000_000_000_000_000, 1_400_000_000_000_000_000))
    wanted = jpegjax.transcode(data)
    assert run("transcode", "--stdout", "a.jpg") == (0, wanted, "")
    assert run("transcode", "--stdin", "--stdout", given=data) == (0, wanted, "")
    totals = run("transcode", "-n", "--totals", "--quiet", "a.jpg")
    assert (
        totals.err
        == f"1 files: {len(data)} --> {len(wanted)} bytes, {100 * (1 - len(wanted) / len(data)):.1f} % saved\n"
    )
    assert run("transcode", "a.jpg", "--in-place", "-p", "-P", "--nofix").code == 0
    assert Path("a.jpg").stat().st_mtime_ns == 1_400_000_000_000_000_000 and Path("a.jpg").read_bytes() == wanted


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--in-place", "--dest", "x"), "--in-place and --dest: give one of them"),
        (("-o", "b.jpg", "--stdout"), "-o and --stdout: give one of them"),
        (("-o", "b.jpg", "--size", "100%"), "--size 100%: must be"),
        (("-o", "b.jpg", "--size", "0"), "--size 0: must be"),
        (("-o", "b.jpg", "--max", "101"), "--max"),
        (("-o", "b.jpg", "--strip", "everything"), "--strip everything: must be one of exif"),
        (("-o", "b.jpg", "--keep-exif"), "--keep: says what --strip-all leaves"),
    ],
    ids=str,
)
def test_wrong_usage(run: Run, words: tuple[str, ...], complaint: str) -> None:
    Path("a.jpg").write_bytes(full())
    answer = run("transcode", "a.jpg", *words)
    assert answer.code == 2 and complaint in " ".join(answer.err.split()), answer.err


def test_strip_in_the_library() -> None:
    data = full()
    for strip, gone in (("exif", {"exif"}), (("iptc", "jfxx"), {"iptc", "jfxx"}), ("other", {"other"})):
        assert {*KINDS, "other"} - kinds(jpegjax.transcode(data, strip=strip)) - {"other"} == gone - {"other"}
    assert kinds(jpegjax.transcode(data, keep="other")) == {"iptc", "jfxx", "adobe", "other"}
    assert kinds(jpegjax.transcode(data, keep=("iptc", "exif"), strip="exif")) - {"other"} == {"iptc"}
    with pytest.raises(ValueError, match="strip='all': must be one or several of comments"):
        jpegjax.transcode(data, strip="all")  # type: ignore[call-overload]


def test_what_stands_behind_the_picture_stays(run: Run) -> None:
    pictures = [Image.fromarray(picture(60 + i, 80)) for i in (0, 1)]
    pictures[0].save("a.jpg", "MPO", save_all=True, append_images=pictures[1:], quality=92)
    before = jpegjax.decode("a.jpg", picture=1)
    assert run("transcode", "a.jpg", "--in-place", "--max", "50").code == 0
    assert jpegjax.info("a.jpg").quality == 50 and [p.width for p in jpegjax.info("a.jpg").pictures] == [80, 80]
    assert np.array_equal(jpegjax.decode("a.jpg", picture=1), before)
