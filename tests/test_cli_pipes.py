"""Pictures through stdin and stdout; what is said goes to stderr. Oracle: Pillow's libjpeg-turbo."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, photo, without_waiting
from oracles import pillow, pillow_pixels, pnm
from PIL import Image

import jpegjax

PNG = [(mode, suffix) for mode in ("RGB", "L") for suffix in ("png", "bmp", "tiff", "ppm", "gif")]


def content(mode: str, suffix: str) -> bytes:
    out = io.BytesIO()
    photo().convert(mode).save(out, {"ppm": "PPM", "tiff": "TIFF"}.get(suffix, suffix.upper()))
    return out.getvalue()


@pytest.mark.parametrize(("mode", "suffix"), PNG, ids=lambda value: value)
def test_one_input_goes_to_a_redirected_stdout(run: Run, mode: str, suffix: str) -> None:
    """The file that lies beside the input where stdout is a terminal, byte for byte, and no file then."""
    Path(f"x.{suffix}").write_bytes(content(mode, suffix))
    assert run("encode", f"x.{suffix}").out == b""
    beside = Path("x.jpg").read_bytes()
    Path("x.jpg").unlink()
    answer = run("encode", f"x.{suffix}", redirected=True)
    assert (answer.code, answer.out) == (0, beside) and sorted(os.listdir()) == [f"x.{suffix}"]
    assert run("encode", given=content(mode, suffix), redirected=True).out == beside
    assert run("encode", "-", given=content(mode, suffix)).out == beside
    assert sorted(os.listdir()) == [f"x.{suffix}"]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("flags", [(), ("--scale", "1/2"), ("--mode", "L"), ("-f", "png"), ("-f", "bmp")], ids=str)
def test_decoded_pictures_are_djpegs_portable_maps(run: Run, mode: str, flags: tuple[str, ...]) -> None:
    data = pillow(photo().convert(mode))
    Path("x.jpg").write_bytes(data)
    answer = run("decode", "x.jpg", *flags, redirected=True)
    assert answer.code == 0 and os.listdir() == ["x.jpg"]
    scale, grey = 0.5 if "--scale" in flags else 1, "L" if "L" in flags else None
    pixels = jpegjax.decode(data, scale=scale, mode=grey)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.out))), pixels)
    if "-f" not in flags:
        assert answer.out == pnm(pixels)
    assert run("decode", *flags, given=data).out == answer.out
    assert run("decode", "x.jpg", *flags, "-o", "-").out == answer.out


def test_transcoded_files_and_what_is_said(run: Run) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = pillow(photo(), exif=exif)
    Path("x.jpg").write_bytes(data)
    answer = run("transcode", "x.jpg", "--strip-all", redirected=True)
    assert answer.out == jpegjax.transcode(data, keep="none") and "orientation 6 left out" in answer.err
    assert run("transcode", given=data) == (0, jpegjax.transcode(data), "")
    assert np.array_equal(pillow_pixels(answer.out), pillow_pixels(data))
    quiet = run("transcode", "x.jpg", "--strip-all", "--quiet", redirected=True)
    assert quiet == (0, answer.out, "")


def test_several_inputs_folders_and_globs_are_files_as_ever(run: Run, folder: Path) -> None:
    for words, made in (
        ((folder / "a.png", folder / "b.bmp"), ["a.jpg", "b.jpg"]),
        ((folder / "inner",), ["inner/a.jpg"]),
        ((f"{folder}/b.*",), ["b.jpg"]),
        ((folder / "a.png", folder / "missing.png"), ["a.jpg"]),
        ((folder / "a.png", "-o", folder / "a.jpg"), ["a.jpg"]),
    ):
        answer = run("encode", *words, redirected=True)
        assert answer.out == b"" and "Mpixel/s" in answer.err
        found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.jpg"))
        assert found == made
        for path in found:
            (folder / path).unlink()
    (folder / "x.jpg").write_bytes(pillow(photo()))
    refused = run("transcode", folder, redirected=True)
    assert refused.code == 2 and "-o FILE, -o FOLDER or --in-place" in refused.err


@pytest.mark.parametrize("verb", ["encode", "decode", "transcode", "info"])
def test_stdin_that_gives_nothing_is_one_line(run: Run, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ((verb,), (verb, "-")):
        assert run(*words) == (1, b"", "jpegjax: stdin: nothing came in\n")
    monkeypatch.setattr("jpegjax.cli.pipes.typed", lambda: True)
    answer = run(verb)
    assert answer.code == 2 and answer.err == "jpegjax: no input: name files or folders, or pipe a picture in\n"


SCRIPT = """
import resource, sys
from jpegjax.cli import main
if sys.argv[1] == "full":  # as a full disk: no file of this process grows beyond
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
main(sys.argv[2:])
"""


def shell(line: str, folder: Path) -> tuple[int, str]:
    """(exit code, stderr) of a line of shell, JPEGJAX being the program."""
    root = Path(jpegjax.__file__).parents[1]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    (folder / "main.py").write_text(SCRIPT)
    done = subprocess.run(
        line.replace("JPEGJAX", f"{sys.executable} main.py"),
        shell=True, cwd=folder, capture_output=True, text=True, timeout=600, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    return done.returncode, without_waiting(done.stderr)


def test_a_real_shell(tmp_path: Path) -> None:
    photo().save(tmp_path / "x.png")
    assert shell("JPEGJAX - encode x.png > y.jpg && JPEGJAX - decode < y.jpg > y.ppm", tmp_path) == (0, "")
    assert (tmp_path / "y.jpg").read_bytes() == pillow(photo())
    assert (tmp_path / "y.ppm").read_bytes() == pnm(pillow_pixels(pillow(photo())))
    (tmp_path / "cut.jpg").write_bytes(pillow(photo())[:-60])
    assert shell("JPEGJAX - decode cut.jpg 2>&- > cut.ppm", tmp_path) == (2, "")
    assert len((tmp_path / "cut.ppm").read_bytes()) == len((tmp_path / "y.ppm").read_bytes())
    assert shell("JPEGJAX - info y.jpg <&- >&-; JPEGJAX - info - <&-", tmp_path) == (
        1,
        "jpegjax: stdin: stdin is closed\n",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of processes are Unix's")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "y.jpg").write_bytes(pillow(photo()))
    code, said = shell("JPEGJAX full info y.jpg > said", tmp_path)
    assert (code, said.count("\n")) == (1, 1) and said.startswith("jpegjax: stdout: File too large")
    code, said = shell("JPEGJAX full transcode y.jpg > copy.jpg", tmp_path)
    assert (code, said.count("\n")) == (1, 1) and said.startswith("jpegjax: y.jpg: stdout: File too large")
