"""Kernels that could not be kept are said, and `jpegjax warmup` compiles all there are."""

from __future__ import annotations

from importlib import import_module

import pytest

from jpegjax.cli.waiting import compilations
from jpegjax.run.compilation import record

verb = import_module("jpegjax.cli.verbs.warmup")


def test_what_could_not_be_kept_is_said_once(capsys) -> None:
    with compilations(kernels=False):
        record.refusal = OSError(28, "No space left on device", "/some/where/kernel.nbc")
    said = capsys.readouterr().err
    assert "could not be kept (/some/where: No space left on device)" in said and "NUMBA_CACHE_DIR" in said
    with compilations(kernels=False):
        pass
    assert capsys.readouterr().err == ""


def test_warmup_says_what_it_does(monkeypatch, capsys) -> None:
    def compile_one() -> None:
        record.compiled += 1
        record.folder = "/a/folder"

    monkeypatch.setattr(verb, "_calls", lambda: iter([("encode", compile_one), ("decode", lambda: None)]))
    monkeypatch.setattr(record, "refusal", None)
    verb.warmup()
    shown = capsys.readouterr()
    assert "compiling" in shown.err
    assert shown.out.splitlines()[0].startswith("encode: 1 kernels, 0.")
    assert shown.out.splitlines()[1].startswith("decode: 0 kernels, 0.")
    assert shown.out.splitlines()[2].startswith("1 kernels compiled") and shown.out.endswith("/a/folder\n")
    monkeypatch.setattr(record, "refusal", OSError(30, "Read-only file system"))
    with pytest.raises(Exception) as ended:
        verb.warmup()
    assert getattr(ended.value, "exit_code", None) == 1
    assert "Read-only file system" in capsys.readouterr().err


@pytest.mark.slow
def test_warmup_leaves_nothing_to_compile() -> None:
    for _, call in verb._calls():
        call()
    before = record.compiled
    for _, call in verb._calls():
        call()
    assert record.compiled == before
