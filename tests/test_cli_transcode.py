"""`jpegjax transcode` as people use it: jpegtran's and jpegoptim's flags, files replaced in place, wrong usage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import Run
from pictures import picture
from streams import icc_profile, with_metadata
from test_transcode import source

import jpegjax


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for i, name in enumerate(("a.jpg", "b.jpeg", "inner/c.jpg")):
        (folder / name).write_bytes(jpegjax.encode(picture(45 + i, 67)))
    return folder


def test_folder_with_jpegtrans_flags(run: Run, photos: Path) -> None:
    answer = run("transcode", photos, "-r", "-o", "out", "-rotate", "90", "-trim", "-progressive", "-copy", "none")
    assert answer.code == 0 and answer.out == b""
    wanted = {"rotate": 90, "trim": True, "progressive": True, "keep": "none"}
    for made, path in (("a.jpg", "a.jpg"), ("b.jpeg", "b.jpeg"), ("inner/c.jpg", "inner/c.jpg")):
        assert Path("out", made).read_bytes() == jpegjax.transcode(photos / path, **wanted)
    table = answer.err
    assert "saved" in table and "32×67" in table and "3 files" in table and "transcoded at" in table


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["-crop", "20x10+17+9"], {"crop": (17, 9, 20, 10)}),
        (["--crop", "+8+8"], {"crop": (8, 8, None, None)}),
        (["-flip", "horizontal"], {"flip": "horizontal"}),
        (["-transpose"], {"flip": "transpose"}),
        (["-transverse", "-restart", "1"], {"flip": "transverse", "restart_rows": 1}),
        (["-grayscale", "--no-optimize"], {"grayscale": True, "optimize": False}),
        (["-arithmetic"], {"arithmetic": True}),
        (["--all-progressive", "--strip-all"], {"progressive": True, "keep": "none"}),
        (["--all-normal", "--copy", "exif,icc"], {"progressive": False, "keep": ["exif", "icc"]}),
        (["--exif-transpose", "--trim"], {"apply_exif_orientation": True, "trim": True}),
        (["-icc", "p.icc"], {"icc_profile": icc_profile(200)}),
    ],
    ids=lambda value: value[0].lstrip("-") if isinstance(value, list) else "",
)
def test_flags_are_options(run: Run, flags: list[str], options: dict) -> None:
    data = with_metadata(True)
    Path("x.jpg").write_bytes(data)
    Path("p.icc").write_bytes(icc_profile(200))
    assert run("transcode", "x.jpg", "-outfile", "y.jpg", *flags).code == 0
    assert Path("y.jpg").read_bytes() == jpegjax.transcode(data, **options)
    assert Path("x.jpg").read_bytes() == data


def test_pipes(run: Run) -> None:
    data = source("4:2:0", 67, 45, False)
    assert run("transcode", "-", given=data) == (0, jpegjax.transcode(data), "")


def test_in_place_is_asked_for_and_atomic(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.jp*g")}
    refused = run("transcode", photos)
    assert refused.code == 2 and "give -o FILE, -o FOLDER or --in-place" in refused.err
    (photos / "a.jpg").chmod(0o640)
    (photos / "link.jpg").symlink_to(photos / "a.jpg")
    damaged = photos / "damaged.jpg"
    damaged.write_bytes(before[photos / "a.jpg"][:-50])
    answer = run("transcode", photos, "-r", "--in-place")
    assert answer.code == 1 and "damaged.jpg" in answer.err and "-o writes what can be saved" in answer.err
    assert damaged.read_bytes() == before[photos / "a.jpg"][:-50]
    for path, data in before.items():
        assert path.read_bytes() == jpegjax.transcode(data)
    assert (photos / "link.jpg").is_symlink() and (photos / "a.jpg").stat().st_mode & 0o777 == 0o640
    unchanged = (photos / "a.jpg").stat()
    assert run("transcode", photos / "a.jpg", "--in-place").code == 0
    assert (photos / "a.jpg").stat().st_mtime_ns == unchanged.st_mtime_ns, "nothing to write"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    kept = (photos / "b.jpeg").read_bytes()
    stopped = run("transcode", photos / "b.jpeg", "--in-place", "-rotate", "180")
    assert stopped.code == 1 and "No space left" in stopped.err
    assert (photos / "b.jpeg").read_bytes() == kept and not list(photos.glob(".*.part"))


def test_table_notes_and_failures(run: Run, photos: Path) -> None:
    (photos / "turned.jpg").write_bytes(with_metadata(True))
    answer = run("transcode", photos, "-o", "out", "-perfect", "-rotate", "180", "--strip-all")
    assert answer.code == 1 and "pass trim=True" in answer.err
    answer = run("transcode", photos, "-o", "out", "--strip-all")
    assert answer.code == 0 and "orientation 6 left out and not applied" in answer.err
    again = run("transcode", photos, "-o", "out")
    assert again.code == 1 and "a.jpg exists; --overwrite replaces it" in again.err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--rotate", "45"], "rotate=45: must be one of"),
        (["--crop", "large"], "--crop large: must be WxH+X+Y"),
        (["--copy", "exiff"], "must be 'all', 'none'"),
        (["--flip", "horizontal", "--transpose"], "give one of them"),
        (["--in-place", "-o", "y.jpg"], "--in-place and -o"),
        (["--trim", "--perfect"], "trim and perfect"),
        (["--icc", "none"], "--icc none: No such file"),
    ],
    ids=lambda value: value[0].lstrip("-") if isinstance(value, list) else "",
)
def test_wrong_usage(run: Run, flags: list[str], complaint: str) -> None:
    Path("x.jpg").write_bytes(source("L", 5, 3, False))
    answer = run("transcode", "x.jpg", *flags, *(() if "-o" in flags else ("-o", "z.jpg")))
    assert answer.code == 2 and complaint in answer.err and "Traceback" not in answer.err
    assert run("transcode", "-", "--in-place").code == 2
