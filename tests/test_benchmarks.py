"""The benchmarks run, form their ratios within rounds, and README's tables come from their JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.syspath_prepend(str(FOLDER))


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
        [*command, "--output", str(output)], env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    assert "encode       q75 1 thread" in done.stdout
    report = json.loads(output.read_text())
    assert report["command"].startswith("python benchmarks/codec.py --quick") and str(tmp_path) not in report["command"]
    assert report["machine"]["cores"] >= 1 and report["versions"]["pillow"] and report["commit"]
    assert {r["section"] for r in report["results"]} == {"encode", "decode", "latency", "stages"}
    lines = "\n".join(load("tables").codec(report))
    assert "| encode q75 1 thread |" in lines and "µs" in lines


def test_readme_shows_the_latest_results(scripts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    with pytest.raises(SystemExit) as left:
        load("tables").main()
    assert not left.value.code, "run python benchmarks/tables.py"
