"""Comparisons: nothing is timed before everything has been called once; names of files that are not UTF-8."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, photo

from jpegjax import codecs
from jpegjax.bulk.journal import Journal
from jpegjax.report import compare, measured, parse_codecs

SHAPES = [(24, 32, 3), (24, 32), (16, 40, 3)]


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("specification", ["jpeg:quality=30,60", "jpeg:quality=50,subsampling=4:4:4,4:2:0"])
def test_every_codec_and_metric_has_been_called_before_the_first_row(
    monkeypatch: pytest.MonkeyPatch, jobs: int, specification: str
) -> None:
    happened: list[tuple] = []
    curves = parse_codecs(specification)
    for name in {curve.codec.name for curve in curves}:
        kind = type(codecs.get(name))
        whole = kind.decode
        monkeypatch.setattr(
            kind, "decode", lambda self, data, whole=whole: happened.append(("call",)) or whole(self, data)
        )
    score, add = measured.measure, Journal.add
    monkeypatch.setattr(
        measured, "measure", lambda a, b, names: happened.append(("metrics", a.shape, *names)) or score(a, b, names)
    )
    monkeypatch.setattr(Journal, "add", lambda self, row: happened.append(("row",)) or add(self, row))
    pictures = {
        f"{i}": np.random.default_rng(i).integers(0, 255, shape, np.uint8) for i, shape in enumerate(SHAPES * 2)
    }
    stages: list[str] = []
    found = compare(pictures, specification, "psnr", jobs=jobs, stage=stages.append)
    assert len(found.rows) == 6 * sum(len(curve.values) for curve in curves) and not found.failed
    before = happened[: happened.index(("row",))]
    first = [one for one in before if one[0] == "metrics"]
    assert {one[1] for one in first} == set(SHAPES) and before.count(("call",)) >= len(curves) * len(SHAPES)
    assert stages == [f"first calls of {len(curves)} codecs and 1 metrics, which are not timed"]


def test_what_fails_in_its_first_call_is_told_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(codecs.get("jpeg"))
    whole = kind.encode

    def encode(self, pixels, **settings):
        if pixels.shape[0] == 16:
            raise ValueError("not this one")
        return whole(self, pixels, **settings)

    monkeypatch.setattr(kind, "encode", encode)
    pictures = {"good": np.zeros((24, 24, 3), np.uint8), "bad": np.zeros((16, 24, 3), np.uint8)}
    found = compare(pictures, "jpeg:quality=50", "psnr")
    assert found.failed == [("bad", "jpeg: not this one")] and len(found.rows) == 1


NAMES = [
    b"caf\xe9", b"\xff", b"\xff\xfe\xfd", b"a\xc3", b"\xed\xa0\x80", b"\x80abc", b"one\ntwo", b"tab\tx", b"<b>&\"'", b"-dash",
    b"%s%d{}", "日本語".encode(), "é".encode(), b"e\xcc\x81", b"[x]", b"a,b=c;d", b" space ", b"\x1b[31m", b"null\\0", b"n" * 200,
]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are UTF-8")
def test_names_of_all_kinds(run: Run, tmp_path: Path) -> None:
    os.mkdir("pictures")
    for i, name in enumerate(NAMES):
        photo(i, (16, 16)).save(os.fsdecode(b"pictures/" + name + b".png"), "PNG")
    photo(99, (16, 16)).save(os.fsdecode(b"pictures/caf\xe8.png"), "PNG")
    answer = run("compare", "pictures", "-o", "out", "-c", "jpeg:quality=50,80", "-m", "psnr", "--plots", "none")
    assert answer.code == 0, answer.err
    lines = Path("out/rows.jsonl").read_text("utf-8").splitlines()
    names = {row["image"] for row in map(json.loads, lines) if "image" in row}
    assert len(names) == len(NAMES) + 1 and {"日本語", "<b>&\"'", "-dash"} <= names
    assert sum("caf\ufffd" in name for name in names) == 2
    page = Path("out/report.html").read_text("utf-8")
    assert "<b>&\"'" not in page
    again = run("compare", "pictures", "-o", "out", "-c", "jpeg:quality=50,80", "-m", "psnr", "--plots", "none")
    assert again.code == 0 and b"0 measured" in again.out
    assert run("encode", "pictures", "-o", "coded", "--quiet") == (0, b"", "")
    assert run("info", "coded").code == 0 and len(os.listdir("coded")) == len(NAMES) + 1
