"""Every switch of cjpeg, djpeg and jpegtran, with every abbreviation: their bytes, or a refusal by name, and no other file."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from command_line import Run, photo
from oracles import cjpeg, djpeg, jpegtran, pillow, pnm, program
from typer.main import get_command

import jpegjax
from jpegjax.cli.app import app

PICTURE = np.asarray(photo(5, (40, 24)))
JPEG = pillow(PICTURE, quality=80)
ICC = bytes(36) + b"acsp" + bytes(range(120))
SCRIPT = "0 1 2: 0 63 0 0;\n"


class Switch(NamedTuple):
    """A switch with the value it gets here, the least letters that it takes, and whether there is such a thing here."""

    word: str
    least: int
    value: str | None = None
    known: bool = True


CJPEG = [
    Switch("quality", 1, "85"), Switch("grayscale", 2), Switch("greyscale", 2), Switch("optimize", 1), Switch("optimise", 1),
    Switch("progressive", 1), Switch("arithmetic", 1), Switch("dct", 2, "int"), Switch("dct", 2, "i"), Switch("icc", 1, "x.icc"),
    Switch("restart", 1, "2"), Switch("restart", 1, "3B"), Switch("maxmemory", 3, "9000"), Switch("maxmemory", 3, "9m"),
    Switch("outfile", 4, "y.jpg"), Switch("report", 3), Switch("strict", 2), Switch("verbose", 1), Switch("debug", 2),
    Switch("baseline", 1), Switch("qtables", 2, "tables"), Switch("sample", 2, "2x1"), Switch("sample", 2, "1x2,1x1,1x1"),
    Switch("scans", 2, "script"), Switch("rgb", 3), Switch("smooth", 2, "30"), Switch("qslots", 2, "0,1,1"),
    Switch("targa", 1, None, False), Switch("dct", 2, "fast", False),
    Switch("dct", 2, "fa", False), Switch("dct", 2, "float", False), Switch("memdst", 2, None, False),
]  # fmt: skip
DJPEG = [
    Switch("bmp", 1), Switch("grayscale", 2), Switch("greyscale", 2), Switch("rgb", 2), Switch("scale", 1, "1/2"),
    Switch("pnm", 1), Switch("ppm", 1), Switch("dct", 2, "int"), Switch("nosmooth", 3), Switch("onepass", 3),
    Switch("dither", 2, "none"), Switch("dither", 2, "or"), Switch("maxmemory", 3, "9000"), Switch("outfile", 4, "y.ppm"),
    Switch("memsrc", 2), Switch("maxscans", 4, "20"),
    Switch("report", 2), Switch("strict", 2), Switch("verbose", 1), Switch("debug", 2),
    Switch("colors", 1, "8", False), Switch("colours", 1, "8", False), Switch("quantize", 1, "8", False),
    Switch("fast", 1, None, False), Switch("rgb565", 4, None, False), Switch("gif", 1, None, False),
    Switch("gif0", 4, None, False), Switch("os2", 3, None, False), Switch("targa", 1, None, False),
    Switch("dct", 2, "fast", False), Switch("dct", 2, "float", False), Switch("map", 3, "x.ppm", False),
]  # fmt: skip
JPEGTRAN = [
    Switch("copy", 2, "none"), Switch("copy", 2, "all"), Switch("optimize", 1), Switch("optimise", 1), Switch("progressive", 2),
    Switch("crop", 2, "20x10+16+8"), Switch("flip", 1, "horizontal"), Switch("flip", 1, "v"), Switch("grayscale", 1),
    Switch("greyscale", 1), Switch("perfect", 2), Switch("rotate", 2, "90"), Switch("rotate", 2, "180"),
    Switch("rotate", 2, "270"),
    Switch("rotate", 2, "27", False), Switch("transpose", 1), Switch("transverse", 6), Switch("trim", 3), Switch("arithmetic", 1),
    Switch("icc", 1, "x.icc"), Switch("restart", 1, "1"), Switch("restart", 1, "2b"), Switch("maxmemory", 3, "9000"),
    Switch("outfile", 4, "y.jpg"), Switch("report", 3), Switch("strict", 2), Switch("verbose", 1), Switch("debug", 2),
    Switch("scans", 1, "script"), Switch("maxscans", 4, "20"), Switch("wipe", 1, "16x8+16+8"),
]  # fmt: skip
SHORT = {
    verb: {word for option in command.params for word in getattr(option, "opts", ()) if re.fullmatch("-[a-zA-Z]", word)}
    for verb, command in get_command(app).commands.items()
}
"""Letters that are flags of this program's own: they win over abbreviations of one letter."""
SWITCHES = {"encode": CJPEG, "decode": DJPEG, "transcode": JPEGTRAN}
THEIRS = {"encode": "cjpeg", "decode": "djpeg", "transcode": "jpegtran"}


@cache
def expected(verb: str, words: tuple[str, ...]) -> bytes | None:
    """What the other program writes; None where it refuses."""
    words = () if words[0] == "-outfile" else words
    if verb == "encode":
        return cjpeg(PICTURE, *words)
    if verb == "transcode":
        return jpegtran(JPEG, "-copy", "all", *(() if words[:1] == ("-arithmetic",) else ("-optimize",)), *words)
    return pnm(djpeg(JPEG, *words))


@pytest.fixture
def files(tmp_path: Path) -> set[str]:
    """Inputs, and what switches name."""
    made = {
        "p.ppm": pnm(PICTURE), "p.jpg": JPEG, "x.icc": ICC, "script": SCRIPT.encode(), "x.ppm": pnm(PICTURE),
        "tables": (" ".join(map(str, range(1, 65))) + " " + "9 " * 64).encode(),
    }  # fmt: skip
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return set(made)


def one_switch(run: Run, verb: str, switch: Switch, files: set[str], thorough: bool) -> None:
    """Its shortest form and one that is too short; thorough: every abbreviation, in small and in capital letters."""
    source = "p.ppm" if verb == "encode" else "p.jpg"
    few = {max(switch.least - 1, 1), switch.least}
    for length in range(1, len(switch.word) + 1) if thorough else sorted(few):
        small = f"-{switch.word[:length]}"
        for typed in {small, small.upper()} if thorough else {small}:
            if typed in SHORT[verb] or (length < switch.least and small in SHORT[verb]):
                continue
            words = [typed, *([switch.value] if switch.value is not None else [])]
            answer = run(verb, *words, source, redirected=True)
            made = set(os.listdir()) - files
            named = {switch.value} if length >= 4 and switch.word == "outfile" else set()
            assert made <= named, (words, made)
            if length < switch.least or not switch.known:
                # of another switch that begins alike (it may take the file as its value), or of none
                assert answer.code in (0, 2), (words, answer.err)
                assert switch.known or length < switch.least or (answer.code == 2 and typed in answer.err), words
                continue
            assert answer.code == 0, (words, answer.err)
            out = Path(*made).read_bytes() if made else answer.out
            theirs = expected(verb, (f"-{switch.word}", *words[1:]))
            if verb == "decode" and switch.word == "bmp":
                assert out[:2] == b"BM", words
            else:
                assert out == theirs, words
            for name in made:
                Path(name).unlink()


def switches() -> list:
    return [
        pytest.param(
            verb, s, id=f"{verb}-{s.word}-{s.value}".replace("-None", ""), marks=pytest.mark.needs(THEIRS[verb])
        )
        for verb in SWITCHES
        for s in SWITCHES[verb]
    ]


@pytest.mark.parametrize(("verb", "switch"), switches())
def test_switches(run: Run, files: set[str], verb: str, switch: Switch) -> None:
    one_switch(run, verb, switch, files, False)


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "switch"), switches())
def test_switches_with_every_abbreviation(run: Run, files: set[str], verb: str, switch: Switch) -> None:
    one_switch(run, verb, switch, files, True)


@pytest.mark.needs("cjpeg")
@pytest.mark.needs("djpeg")
@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("verb", ["encode", "decode", "transcode"])
def test_every_switch_of_the_programs_own_help_is_known_or_refused_by_name(
    run: Run, files: set[str], verb: str
) -> None:
    path = program(THEIRS[verb])
    assert path
    said = subprocess.run([path, "-help"], capture_output=True, text=True, check=False).stderr
    found = re.findall(r"^ +-(\w+)(?: +(?:or) +-(\w+))?(?: (\S+))?", said, re.M)
    switches = {(name, takes) for one, other, takes in found for name in (one, other) if name}
    assert len(switches) > 15
    for name, takes in switches - {("version", "")}:
        value = [] if not re.match(r"[A-Z+\[]|name|int|fast|fs|none|all|M/N", takes) else ["7"]
        answer = run(verb, f"-{name}", *value, "p.ppm" if verb == "encode" else "p.jpg", redirected=True)
        assert answer.code in (0, 1, 2) and "no such flag" not in answer.err, (name, answer.err)
        assert answer.code == 0 or name in answer.err or answer.out == b"", (name, answer.err)
        made = set(os.listdir()) - files
        assert made <= {"7"} and (not made or name == "outfile"), (name, made)
        for one in made:
            Path(one).unlink()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["encode", "-optt", "p.ppm"], "-optt: no such flag of encode"),
        (["encode", "-qq", "80", "p.ppm"], "-qq: no such flag of encode; a value needs a space: -q q"),
        (["encode", "-oy.jpg", "p.ppm"], "a value needs a space: -o y.jpg"),
        (["encode", "-ro", "p.ppm"], "-ro: no such flag of encode; -r stands alone"),
        (["encode", "-r", "1", "p.ppm"], "restart markers are -restart 1"),
        (["encode", "-progresive", "p.ppm"], "did you mean -progressive?"),
        (["encode", "-overwritten", "p.ppm"], "-overwritten: no such flag of encode; did you mean --overwrite?"),
        (["encode", "-maxmemory", "p.ppm"], "-maxmemory p.ppm: must be a number of kbytes"),
        (["encode", "-dct"], "-dct: a value must follow"),
        (["encode", "-dct", "slow", "p.ppm"], "-dct slow: must be int"),
        (["encode", "-dct", "float", "p.ppm"], "-dct float: there is one transform here"),
        (["decode", "-os2", "p.jpg"], "-os2: -bmp writes Windows BMP"),
        (["decode", "-os", "p.jpg"], "-os: no such flag of decode"),
        (["decode", "-565", "p.jpg"], "-565: samples have 8 bits"),
        (["decode", "-fast", "p.jpg"], "-nosmooth takes its upsampling"),
        (["decode", "-colors", "16", "p.jpg"], "-colors: pictures keep all their colours"),
        (["decode", "-gif", "p.jpg"], "-gif: formats are png, ppm, bmp, tiff and npy"),
        (["transcode", "-ro", "90", "p.jpg", "-rot", "45"], "-rot 45: must be 90, 180, 270"),
        (["transcode", "-flip", "left", "p.jpg"], "-flip left: must be horizontal, vertical"),
        (["info", "-js", "p.jpg"], "-js: no such flag of info; did you mean --json?"),
        (["compare", "-ox", "p.ppm"], "-ox: no such flag of compare; a value needs a space: -o x"),
        (["encode", "-p.ppm"], "-p.ppm: no such flag"),
    ],
    ids=lambda value: "".join(value)[:30] if isinstance(value, list) else "",
)
def test_other_words_with_one_dash_are_refused_by_name(run: Run, files: set[str], words: list[str], said: str) -> None:
    answer = run(*words)
    assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1
    assert set(os.listdir()) == files


def test_own_flags_of_one_letter_and_values_that_begin_with_a_dash(run: Run, files: set[str]) -> None:
    for words in (["-q", "40"], ["-q40"], ["-quality", "40"], ["-QUAL", "40"], ["--quality", "40"], ["--quality=40"]):
        assert run("encode", "p.ppm", *words, redirected=True).out == pillow(PICTURE, quality=40), words
    assert run("encode", "p.ppm", "-j1", "--comment", "-dash", "-o", "-o.jpg").code == 0
    assert Path("-o.jpg").read_bytes() == jpegjax.encode(PICTURE, comment=b"-dash")
    assert run("info", "--", "-o.jpg").code == 0 and run("info", "./-o.jpg").code == 0
    assert "the file is ./-o.jpg" in run("info", "-o.jpg").err
    for words in (["encode", "-h"], ["-help"], ["decode", "-?"], []):
        assert "Usage: jpegjax" in run(*words).out.decode()
    assert run("encode", "-version").out.startswith(b"jpegjax ")


@pytest.mark.parametrize(
    "flags", [["-quality", "30"], ["-sample", "2x2"], ["-optimize"], ["-qtables", "tables"]], ids=str
)
def test_what_means_nothing_beside_lossless_is_said(run: Run, files: set[str], flags: list[str]) -> None:
    wanted = jpegjax.encode(PICTURE, lossless=True, predictor=4, point_transform=1)
    answer = run("encode", "-lossless", "4,1", *flags, "p.ppm", redirected=True)
    assert answer.out == wanted and "not used" in answer.err and answer.code == 0
    assert run("encode", "-loss", "4,1", *flags, "p.ppm", "--quiet", redirected=True) == (0, wanted, "")
    assert run("encode", "-lossless", "p.ppm", redirected=True).out == jpegjax.encode(PICTURE, lossless=True)


def test_more_scans_than_are_allowed_are_refused(run: Run) -> None:
    Path("x.jpg").write_bytes(pillow(PICTURE, progressive=True))
    for verb in ("decode", "transcode"):
        refused = run(verb, "x.jpg", "-maxscans", "3", redirected=True)
        assert refused.code == 1 and refused.out == b"" and "scans" in refused.err
        assert run(verb, "x.jpg", "-maxs", "10", redirected=True).code == 0
