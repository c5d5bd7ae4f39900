"""Whatever goes wrong with a file stays that file's: the others are written, it is listed, the exit code says it."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, photo
from oracles import pillow, pillow_pixels
from PIL import Image

import jpegjax
from jpegjax.cli.work import flow
from jpegjax.jpeg import codec

FAULTS = [
    MemoryError(), MemoryError("no 3 GB"), OSError(5, "Input/output error"), RecursionError("too deep"), KeyError("EXIF"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), zipfile.BadZipFile("no zip"), struct.error("short"),
    Image.DecompressionBombError("a bomb"), ZeroDivisionError("division by zero"), AssertionError(),
]  # fmt: skip


def three(suffix: str) -> list[Path]:
    paths = [Path(f"{name}.{suffix}") for name in "abc"]
    for i, path in enumerate(paths):
        photo(i).save(path)
    return paths


def raises_for(bad: Callable, fault: Exception, function: Callable) -> Callable:
    def call(*given, **options):
        if bad(given):
            raise fault
        return function(*given, **options)

    return call


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{type(fault).__name__}-{fault}"[:30])
@pytest.mark.parametrize("step", ["_open", "_load", "coding", "_finish"])
def test_any_exception_in_any_step(run: Run, monkeypatch: pytest.MonkeyPatch, step: str, fault: Exception) -> None:
    paths = three("png")
    if step == "coding":
        whole = codec.encode
        ours = np.asarray(photo(1))
        here = lambda given: any(np.array_equal(picture, ours) for picture in given[0])  # noqa: E731
        monkeypatch.setattr(codec, "encode", raises_for(here, fault, whole))
    else:
        from jpegjax.cli.work.encode import EncodeJob

        name = {"_open": "measure", "_load": "load", "_finish": "finish"}[step]
        here = lambda given: given[1].row.name == "b.png"  # noqa: E731
        monkeypatch.setattr(EncodeJob, name, raises_for(here, fault, getattr(EncodeJob, name)))
    answer = run("encode", *paths)
    assert answer.code == 1 and "1 of 3 failed:\n  b.png: " in answer.err and "Traceback" not in answer.err
    said = answer.err.partition("b.png: ")[2]
    assert (str(getattr(fault, "strerror", None) or fault) or type(fault).__name__) in said
    assert isinstance(fault, (ValueError, OSError)) or type(fault).__name__ in said
    assert sorted(p.name for p in Path().glob("*.jpg")) == ["a.jpg", "c.jpg"]


@pytest.mark.parametrize("verb", ["decode", "transcode"])
def test_a_batch_that_fails_as_a_whole_is_tried_one_by_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    paths = three("jpg")
    bad = paths[1].read_bytes()
    room = "jpegjax.cli.work.transcode.transcode" if verb == "transcode" else "jpegjax.jpeg.codec.decode"
    whole = flow.TranscodeJob.code.__globals__["transcode"] if verb == "transcode" else codec.decode
    monkeypatch.setattr(room, raises_for(lambda given: bad in given[0], MemoryError("short"), whole))
    answer = run(verb, *paths, "-o", "out/")
    assert answer.code == 1 and "b.jpg: MemoryError: short" in answer.err
    assert sorted(p.stem for p in Path("out").iterdir()) == ["a", "c"]


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("--target-bytes=1", []), ("--target-bytes=560", []), ("--target-bytes=620", ["--progressive"]),
        ("--target-bytes=400", ["--optimize"]), ("--target-bytes=560", ["--tune", "psnr"]), ("--target-metric=psnr=90", []),
    ],
    ids=str,
)  # fmt: skip
def test_targets_out_of_reach_take_no_other_file_along(run: Run, target: str, more: list[str]) -> None:
    """Together each file comes out as alone: written, or listed with what it reaches."""
    sizes = {"a": (96, 64), "b": (16, 16), "c": (20, 26), "d": (64, 96), "e": (40, 24)}
    for i, (name, size) in enumerate(sizes.items()):
        photo(i, size).save(f"{name}.png")
    together = run("encode", *(f"{name}.png" for name in sizes), target, *more, "-o", "out/")
    failed = 0
    for name in sizes:
        alone = run("encode", f"{name}.png", target, *more)
        reason = re.fullmatch(
            r"jpegjax: (.*: out of reach; qualities 1 to 100 give .* to .*; the nearest is .*)\n", alone.err
        )
        made = Path(f"out/{name}.jpg")
        assert (alone.code == 0) == made.exists() and (alone.code == 1) == (reason is not None)
        if reason is None:
            assert made.read_bytes() == Path(f"{name}.jpg").read_bytes()
        else:
            failed += 1
            assert f"  {reason[1]}\n" in together.err
    assert together.code == bool(failed) and (not failed or f"{failed} of 5 failed" in together.err)


def test_info_counts_its_files(run: Run) -> None:
    for name in ("a.jpg", "b.jpg"):
        photo().save(name)
    Path("c.jpg").write_bytes(b"GIF89a")
    answer = run("info", "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert (
        answer.code == 1
        and answer.err.startswith("jpegjax: 2 of 4 failed:\n")
        and answer.out.count(b"50\xc3\x9735") == 2
    )
    assert run("info", "c.jpg").err.startswith("jpegjax: c.jpg: ")


def cuts() -> list[tuple[str, bytes]]:
    """Files that are damaged in many ways, and can be read in part."""
    plain, restarts = pillow(photo(3, (96, 96))), pillow(photo(4, (96, 96)), restart_marker_rows=1)
    progressive = pillow(photo(5, (96, 96)), progressive=True)
    arithmetic = jpegjax.encode(np.asarray(photo(6, (96, 96))), arithmetic=True)
    found = [(f"cut{n}", plain[: len(plain) * n // 10]) for n in (5, 6, 7, 8, 9)]
    found += [(f"progressive{n}", progressive[: len(progressive) * n // 10]) for n in (5, 7, 9)]
    found += [(f"arithmetic{n}", arithmetic[: len(arithmetic) * n // 10]) for n in (6, 8)]
    found += [(f"restart{n}", restarts.replace(bytes([0xFF, 0xD0 + n]), b"\x00\x00", 1)) for n in range(5)]
    for n in range(5):
        middle = len(restarts) * (5 + n) // 11
        found.append((f"noise{n}", restarts[:middle] + bytes([0xFF, 0xC8, 7, n]) * 3 + restarts[middle + 12 :]))
    return found


@pytest.mark.parametrize(("name", "data"), cuts(), ids=[name for name, _ in cuts()])
def test_damage_is_seen_in_the_exit_code_and_said(run: Run, name: str, data: bytes) -> None:
    Path("x.jpg").write_bytes(data)
    with pytest.warns(jpegjax.JpegWarning):
        pixels = jpegjax.decode(data)
    for quiet in ([], ["--quiet"]) if name in ("cut5", "restart1") else (["--quiet"],):
        answer = run("decode", "x.jpg", "-o", "y.png", "--overwrite", *quiet)
        assert answer.code == 2 and "jpegjax: x.jpg: damaged, what can be read was saved: " in answer.err
        assert "byte offset" in answer.err and answer.err.count("damaged") == 1
        assert np.array_equal(np.asarray(Image.open("y.png")), pixels)
    piped = run("decode", "x.jpg", redirected=True)
    assert piped.code == 2 and piped.out.startswith(b"P6") and "damaged" in piped.err
    moved = run("transcode", "x.jpg", "--quiet", redirected=True)
    assert moved.code == 2 and "damaged" in moved.err
    if not name.startswith("progressive"):  # whose missing scans are smoothed over, those that are there are not
        assert np.array_equal(pillow_pixels(moved.out), pixels)
    strict = run("decode", "x.jpg", "-o", "z.png", "--strict", "--quiet")
    assert strict.code == 1 and not Path("z.png").exists()


def test_a_failure_outweighs_damage(run: Run) -> None:
    good, cut = pillow(photo()), pillow(photo(7, (96, 96)))
    for name, data in (("a", good), ("b", cut[:-900]), ("c", b"no")):
        Path(f"{name}.jpg").write_bytes(data)
    answer = run("decode", "a.jpg", "b.jpg", "c.jpg", "-o", "out/")
    assert answer.code == 1 and "1 of 3 failed:\n  c.jpg" in answer.err
    assert "1 of 3 damaged; what can be read was saved:\n  b.jpg: " in answer.err
    assert run("decode", "a.jpg", "b.jpg", "-o", "out/", "--overwrite").code == 2
    assert run("decode", "a.jpg", "-o", "out/", "--overwrite").code == 0
