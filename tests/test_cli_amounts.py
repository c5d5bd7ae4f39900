"""Amounts as people write them, and outputs that cannot be written are named."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
from command_line import Run, photo
from hypothesis import given
from hypothesis import strategies as st
from oracles import pillow

from jpegjax.cli.paths import UsageError
from jpegjax.cli.settings import amount, limits

GOOD = {
    "0": 0, "1": 1, "50000": 50_000, "50k": 50_000, "50K": 50_000, "1.5M": 1_500_000, "1.5m": 1_500_000, "2G": 2 * 10**9,
    "64Ki": 65_536, "64KiB": 65_536, "1.5Mi": 3 << 19, "1Gi": 1 << 30, "50kB": 50_000, "0.5k": 500, "700B": 700,
    "12MP": 12 * 10**6, " 5k ": 5_000, "0.1k": 100, "1.2345M": 1_234_500, "999999999999999": 10**15 - 1, "3bytes": 3,
    "1.5Mpixels": 1_500_000,
}  # fmt: skip
BAD = [
    "",
    "k",
    "-1",
    "1e3",
    "1,5M",
    "50 k",
    "5T",
    "0x10",
    "M5",
    "1..5k",
    ".5k",
    "5.",
    "nan",
    "inf",
    "5kk",
    "5k5",
    "0.2",
    "٣",
    "9" * 16,
]


@pytest.mark.parametrize("text", GOOD)
def test_amounts(text: str) -> None:
    assert amount("--x", text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_amount_is_refused_by_name(run: Run, text: str) -> None:
    with pytest.raises(UsageError, match=r"^--x .*: must be a number such as 50000, 50k, 1\.5M or 64Ki$"):
        amount("--x", text)


@given(st.integers(0, 10**9), st.integers(0, 999), st.sampled_from([("k", 10**3), ("M", 10**6), ("Gi", 1 << 30)]))
def test_amounts_are_exact(whole: int, thousandths: int, unit: tuple[str, int]) -> None:
    exact = (whole + Fraction(thousandths, 1000)) * unit[1]
    if exact < 1 << 62:
        assert abs(amount("--x", f"{whole}.{thousandths:03}{unit[0]}") - exact) <= Fraction(1, 2)


def test_bare_numbers_of_memory_are_mebibytes() -> None:
    assert (
        limits(None, "3").memory == 3 << 20
        and limits(None, "3M").memory == 3_000_000
        and limits(None, "0").memory is None
    )
    assert limits("1.5M", None).pixels == 1_500_000 and limits("0", None).pixels is None


def test_flags_take_them(run: Run) -> None:
    photo(1, (64, 64)).save("x.png")
    assert run("encode", "x.png", "--target-bytes", "1.5k").code == 0 and 1_300 < Path("x.jpg").stat().st_size <= 1_500
    assert "4096 pixels" in run("decode", "x.jpg", "-o", "y.ppm", "--limit-pixels", "4k").err
    assert run("decode", "x.jpg", "-o", "y.ppm", "--limit-pixels", "4.1k").code == 0
    assert "--limit-memory" in run("decode", "x.jpg", "--limit-memory", "5k", "-o", "z.ppm").err
    answer = run("encode", "x.png", "--target-bytes", "big", "--overwrite")
    assert answer == (2, b"", "jpegjax: --target-bytes big: must be a number such as 50000, 50k, 1.5M or 64Ki\n")
    assert "target_bytes=0: must be 1.." in run("encode", "x.png", "--target-bytes", "0", "--overwrite").err


@pytest.mark.parametrize("verb", ["encode", "decode", "transcode"])
def test_outputs_that_cannot_be_written_are_named(run: Run, verb: str) -> None:
    source = "x.png" if verb == "encode" else "x.jpg"
    photo().save("x.png")
    Path("x.jpg").write_bytes(pillow(photo()))
    Path("file").write_text("no folder")
    Path("folder").mkdir()
    long = "n" * 300 + (".png" if verb == "decode" else ".jpg")
    answer = run(verb, source, "-o", "file/y.out")
    assert answer.code == 1 and f"jpegjax: {source}: file" in answer.err and answer.err.count("\n") == 1
    answer = run(verb, source, "-o", long)
    assert answer.code == 1 and f"{long}: File name too long" in answer.err and answer.err.count("\n") == 1
    answer = run(verb, source, "-o", f"{'m' * 300}/y.out")
    assert answer.code == 1 and "File name too long" in answer.err and answer.err.count("\n") == 1
    if os.geteuid():
        Path("folder").chmod(0o500)
        answer = run(verb, source, "-o", "folder/y.out")
        assert answer.code == 1 and "folder/y.out: Permission denied" in answer.err
