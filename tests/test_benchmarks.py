"""The benchmarks run, form their ratios within rounds, and README's tables come from their JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_ratios_are_formed_within_rounds(scripts: None) -> None:
    rounds = load("rounds")
    calls: list[str] = []
    contest = {name: (lambda name=name: calls.append(name)) for name in ("jpegjax", "Pillow")}
    raced = rounds.race("encode", "q75", 1_000_000, contest, rounds=3, repeat=2)
    assert "".join(name[0] for name in calls) == "jP" + "jjPP" + "PPjj" + "jjPP"
    assert raced.as_dict()["rounds"] == 3
    slow = rounds.Race("encode", "q75", 2_000_000, {"jpegjax": [1.0, 4.0, 1.0], "Pillow": [2.0, 9.0, 3.0]}).as_dict()
    assert slow["ratios"]["Pillow"] == {"median": 2.25, "low": 2.0, "high": 3.0}
    assert slow["mpixel_per_second"] == {"jpegjax": 2.0, "Pillow": 2 / 3}


def test_verdicts_take_the_peers_better_way(scripts: None) -> None:
    verdicts = load("verdicts").verdicts
    result = {
        "section": "encode",
        "case": "q75 all cores",
        "seconds": {"jpegjax": 1.0, "simplejpeg loop": 3.0, "simplejpeg pool": 1.5},
        "ratios": {"simplejpeg loop": {"median": 3.0}, "simplejpeg pool": {"median": 1.5}},
    }
    (found,) = verdicts([result])
    assert (found["measured"], found["met"]) == (1.5, True)
    read = {
        "section": "coefficients",
        "case": "q75 write, 1 thread",
        "seconds": {},
        "ratios": {"simplejpeg": {"median": 9.0}},
    }
    assert verdicts([read]) == []


def test_codec_rehearsal_writes_json_that_tables_can_show(tmp_path: Path, scripts: None) -> None:
    output = tmp_path / "codec.json"
    command = [sys.executable, str(FOLDER / "codec.py"), "--quick", "--only", "encode,decode,latency,stages"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--output", str(output)], env=environment, capture_output=True, text=True, timeout=900, check=True
    )
    assert "encode       q75 1 thread" in done.stdout
    report = json.loads(output.read_text())
    assert report["command"].startswith("python benchmarks/codec.py --quick") and str(tmp_path) not in report["command"]
    assert report["machine"]["cores"] >= 1 and report["versions"]["pillow"] and report["commit"]
    assert {r["section"] for r in report["results"]} == {"encode", "decode", "latency", "stages"}
    lines = "\n".join(load("tables").codec(report))
    assert "| decode q75 1 thread, kept |" in lines and "µs" in lines
    front = "\n".join(load("tables").main_speed(report))
    assert "| encode q75 1 thread |" in front and "kept" not in front


def test_the_pipeline_rehearses_and_its_pixels_are_pillows(tmp_path: Path, scripts: None) -> None:
    if importlib.util.find_spec("grain") is None:
        pytest.skip("needs jpegjax[train]")
    output = tmp_path / "pipeline.json"
    command = [sys.executable, str(FOLDER / "pipeline.py"), "--small", "--files", "70", "--output", str(output)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, capture_output=True, timeout=900, check=True)
    report = json.loads(output.read_text())
    assert report["images"]["identical"] == 70
    assert [r["case"] for r in report["results"]] == [
        f"{made}, {how}" for made in ("pixels", "coefficients") for how in ("with grain", "without")
    ]
    lines = load("tables").races(report, "70 files")
    assert len([line for line in lines if line.startswith(("| pixels", "| coefficients"))]) == 4


def test_both_readmes_show_the_latest_results(
    scripts: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check", "--allow-changes"])
    with pytest.raises(SystemExit) as left:
        load("tables").main()
    assert not left.value.code, capsys.readouterr().out


def test_results_of_no_commit_are_refused(scripts: None) -> None:
    unclean = load("tables").unclean
    found = {
        f"{commit}.json": {"commit": commit, "command": f"python {commit}"}
        for commit in ("0123456789ab", "0123456789ab+changes", "unknown")
    }
    (first, second) = unclean(found)
    assert "0123456789ab+changes.json" in first and "run `python 0123456789ab+changes` again" in first
    assert "unknown.json" in second


def figures(line: str) -> set[int]:
    return {int(number) for number in re.findall(r"(?<![\w.])\d+(?=[ .×])", line.partition("|")[2].partition("|")[2])}


def test_a_row_of_a_table_is_one_race(scripts: None) -> None:
    """Race n has figures from 1000 n to 1000 n + 999 only, and every row keeps to one such thousand."""
    tables, rounds = load("tables"), load("rounds")

    def raced(number: int, section: str, case: str, *names: str, **extra: object) -> dict:
        thousand = 1000 * number
        seconds = {"jpegjax": [1 / thousand], **{name: [1 / (thousand + 1 + i)] for i, name in enumerate(names)}}
        found = rounds.Race(section, case, 1_000_000, seconds, extra).as_dict()
        found["ratios"] = {name: {"median": thousand + 500 + i} for i, name in enumerate(found["ratios"])}
        return found

    plain = ("Pillow", "simplejpeg")
    every = ("Pillow loop", "Pillow pool", "simplejpeg loop", "simplejpeg pool")
    cases = [
        (verb, f"q{q} {how}") for verb in ("encode", "decode") for q in (75, 90) for how in ("1 thread", "all cores")
    ]
    results = [raced(1 + n, *case, *(every if "all" in case[1] else plain)) for n, case in enumerate(cases)]
    lines = [line for line in tables.speed(results) if line.startswith(("| encode", "| decode"))]
    assert len(lines) == len(cases)
    for n, line in enumerate(lines):
        assert {figure // 1000 for figure in figures(line)} == {1 + n}, line
    assert figures(lines[1]) == {2000, 2001, 2002, 2501, 2003, 2004, 2503}  # loop and pool, and the ratio over the pool
    shares = [raced(n, "stages", f"q75 {n}", "DCT", "whole") for n in (1, 2)]
    for n, line in enumerate(tables.contestants("stage", shares)[2:4]):
        assert {figure // 1000 for figure in figures(line)} == {1 + n}


def test_a_checkout_against_itself(tmp_path: Path) -> None:
    output = tmp_path / "against.json"
    command = [
        sys.executable,
        str(FOLDER / "against.py"),
        str(ROOT),
        "--quick",
        "--rows",
        "encode*,decode q75*,start import",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--output", str(output)], env=environment, capture_output=True, timeout=900, check=True)
    report = json.loads(output.read_text())
    rows = {f"{row['section']} {row['case']}": row for row in report["results"]}
    encoded = {f"encode q{quality} {how}" for quality in (75, 90) for how in ("1 thread", "all cores")}
    decoded = {f"decode q75 {how}" for how in ("1 thread", "1 thread, kept", "all cores")}
    assert rows.keys() == encoded | decoded | {"start import"}
    assert all(row["same_results"] for row in report["results"] if row["section"] != "start")
    assert not report["different"] and not report["missing"] and report["commit"] == report["other_commit"]
    assert all(row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"] for row in report["results"])


def test_rows_slower_or_different_are_named(scripts: None) -> None:
    against = load("against")
    fast = against.result("encode", "fast", 1000, [1.0, 1.0, 1.0, 1.0], [1.1, 1.0, 1.2, 1.0])
    slow = against.result("encode", "slow", 1000, [1.0, 1.0, 1.0, 1.0], [0.9, 0.9, 1.0, 0.9])
    shaky = against.result("encode", "shaky", 1000, [1.0, 1.0, 1.0, 1.0], [0.9, 0.9, 1.05, 1.1])
    found = against.judge([fast, slow, {**shaky, "same_results": False}])
    assert found == {"slower": ["encode slow"], "doubtful": ["encode shaky"], "different": ["encode shaky"]}
    assert (fast["ratio"]["median"], fast["seconds"]["other"]) == (1.05, 1.05)


def test_a_digest_tells_bytes_shapes_and_types_apart(scripts: None) -> None:
    digest = load("rows").digest
    arrays = [np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.int8), b"\0" * 6]
    assert len({digest([array]) for array in arrays}) == 4
    assert digest([arrays[0]]) == digest([(0, np.zeros((3, 2), np.uint8).reshape(2, 3))])
