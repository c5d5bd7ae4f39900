"""benchmarks/device.py: rows in the order of their importance within a time budget, goals, plots; and that it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from oracles import pillow, pillow_pixels
from pictures import ripples

import jpegjax

ROOT = Path(__file__).resolve().parents[1]
HOST = {"engine": "host", "device": None}


@pytest.fixture
def device(scripts: None) -> ModuleType:
    return import_module("device")


def rehearsed(output: Path, *words: str) -> tuple[dict[str, Any], str]:
    """(JSON, stdout) of the benchmark with --small."""
    command = [sys.executable, str(ROOT / "benchmarks" / "device.py"), "--small", "--output", str(output), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=True)
    return json.loads(output.read_text()), done.stdout


def result(section: str, case: str, **more: Any) -> dict[str, Any]:
    return {"section": section, "case": case, "ratios": {}, "size": [512, 768], "transfers": False, **more}


def test_rows_go_on_behind_one_that_fails_and_are_written_one_by_one(
    scripts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paced, path = import_module("paced"), tmp_path / "found.json"
    now = [0.0]
    monkeypatch.setattr(paced.time, "perf_counter", lambda: now[0])
    seen: list[list[str]] = []

    def row(name: str, seconds: float, fails: bool = False) -> Any:
        def work() -> list[dict[str, Any]]:
            seen.append([r["case"] for r in json.loads(path.read_text())["results"]] if path.exists() else [])
            now[0] += seconds
            if fails:
                raise MemoryError("full")
            return [{"case": name}]

        return paced.Row(name, work)

    report: dict[str, Any] = {"about": 1}
    rows = [row("a", 3), row("b", 3, fails=True), row("c", 3), row("d", 2), row("e", 0)]
    paced.run(rows, report, path, 10.0, lambda report: report.update(count=len(report["results"])))
    assert seen == [[], ["a"], ["a"], ["a", "c"]]
    found = json.loads(path.read_text())
    assert [r["case"] for r in found["results"]] == ["a", "c", "d"] and found["count"] == 3
    assert found["left_out"] == ["e"] and found["failed"] == {"b": "MemoryError: full"}
    assert found["row_seconds"] == {"a": 3, "b": 3, "c": 3, "d": 2} and (found["about"], found["seconds"]) == (1, 11)
    assert "MemoryError: full" in capsys.readouterr().err


def test_a_race_begins_no_round_behind_its_seconds(scripts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = import_module("rounds")
    now = [0.0]
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: now[0])

    def call() -> None:
        now[0] += 2

    assert len(rounds.race("s", "c", 1, {"jpegjax": call}, rounds=9, seconds=5).seconds["jpegjax"]) == 3
    assert len(rounds.race("s", "c", 1, {"jpegjax": call}, rounds=9, seconds=0).seconds["jpegjax"]) == 1
    assert len(rounds.race("s", "c", 1, {"jpegjax": call}, rounds=9).seconds["jpegjax"]) == 9


def test_goals_take_the_best_row_that_is_about_them(device: ModuleType) -> None:
    def faster(times: float) -> dict[str, Any]:
        return {"ratios": {"nvJPEG": {"median": times}, "Pillow on all cores": {"median": 90.0}}}

    rows = [
        result("encode", "a", **faster(9.0)),
        result("encode", "b", **faster(12.0)),
        result("encode", "c", **faster(99.0), transfers=True),
        result("encode", "d", **faster(15.0), size=[224, 224]),
        result("transform", "e", share_of_copy={"jpegjax": 0.5}, size=[224, 224]),
        result("transform", "f", share_of_copy={"jpegjax": 0.7}),
        result("decode", "g", ratios={}),
    ]
    found = device.judged({"results": rows}, device.WHOLE)
    assert [(g["case"], g["measured"], g["met"]) for g in found] == [
        ("b", 12.0, True), ("d", 15.0, False), ("f", 0.7, True), (None, None, None),
    ]  # fmt: skip
    assert [g["wanted"] for g in found] == [10, 20, 0.6, 2]


@pytest.mark.parametrize("small", [True, False])
def test_the_most_important_rows_come_first(device: ModuleType, small: bool) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with ThreadPoolExecutor(1) as pool:
        bench = device.Bench(jax.devices()[0], [picture], pool, 1, 1.0)
        names = [row.name for row in device.rows_of(bench, {}, device.WHOLE, small)]
    assert len(set(names)) == len(names)
    first = ["identity photograph, host", "ceilings", "encode photograph", "identity small, host", "encode small"]
    assert names[:7] == [*first, "transform photograph", "decode photograph"]
    assert names[-1].startswith("identity") and any("transfers" in name for name in names)
    if not small:
        assert {
            f"{s} {p}, batch {n}" for s in ("encode", "decode") for p in ("photograph", "small") for n in (1, 64)
        } <= {*names}


def test_figures_of_a_row_are_by_images_and_by_bytes(device: ModuleType) -> None:
    rounds = import_module("rounds")
    bench = device.Bench(jax.devices()[0], [], None, 1, 1.0, copied=100.0)
    row = bench.told(rounds.Race("encode", "c", 64, {"jpegjax": [2.0], "nvJPEG": [4.0]}), 8, 40.0)
    assert row["images_per_second"] == {"jpegjax": 4.0, "nvJPEG": 2.0}
    assert row["bytes_per_second"]["jpegjax"] == 20.0 and row["share_of_copy"] == {"jpegjax": 0.2, "nvJPEG": 0.1}


def test_it_rehearses_and_its_json_can_be_shown(scripts: None, tmp_path: Path) -> None:
    report, told = rehearsed(tmp_path / "device.json", "--only", "ceilings,transform small", "--seconds", "60")
    assert report["small"] and report["ceilings"]["copy"] > 0 and "nvJPEG" in str(report["missing"]) + told
    (transform,) = report["results"]
    assert not report["failed"] and transform["bytes_moved"] == 4 * 32 * 32 * (3 + 3)
    assert transform["share_of_copy"]["jpegjax"] == pytest.approx(
        transform["bytes_moved"] / transform["seconds"]["jpegjax"] / report["ceilings"]["copy"]
    )
    assert (tmp_path / "device.png").read_bytes().startswith(b"\x89PNG")
    lines = import_module("tables").on_device(report)
    assert any(line.startswith("| transform 32×32") for line in lines)
    assert any(line.startswith("| decode to the device, times nvJPEG | 2 |") for line in lines)
    assert "share of a copy's bytes a second: wanted 0.6" in told


class Tensor:
    """What the benchmark wants of torch's, over an array."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def permute(self, *axes: int) -> Tensor:
        return Tensor(self.array.transpose(axes))

    def cuda(self) -> Tensor:
        return self

    contiguous = cpu = cuda

    def numpy(self) -> np.ndarray:
        return self.array

    def __iter__(self) -> Any:
        return map(Tensor, self.array)


def as_torch() -> tuple[Any, Any, None]:
    """`torch_codecs` of Pillow's codec, as torchvision has its functions."""

    def encode(images: list[Tensor], quality: int) -> list[Tensor]:
        assert all(image.array.shape[0] == 3 for image in images)
        files = [pillow(image.array.transpose(1, 2, 0), quality=quality, subsampling=0) for image in images]
        return [Tensor(np.frombuffer(file, np.uint8)) for file in files]

    def decode(files: list[Tensor], device: str) -> list[Tensor]:
        assert device == "cuda"
        return [Tensor(pillow_pixels(file.array.tobytes()).transpose(2, 0, 1)) for file in files]

    torch = SimpleNamespace(
        from_numpy=Tensor, uint8=np.uint8, frombuffer=lambda data, dtype: Tensor(np.frombuffer(data, dtype)),
        cuda=SimpleNamespace(synchronize=lambda: None),
    )  # fmt: skip
    return torch, SimpleNamespace(encode_jpeg=encode, decode_jpeg=decode), None


def test_nvjpeg_takes_part_where_it_is(scripts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the host's engine in the device's place, so that nothing is compiled."""
    on_device = import_module("on_device")
    monkeypatch.setattr(on_device, "torch_codecs", as_torch)
    encode, decode = jpegjax.encode, jpegjax.decode
    monkeypatch.setattr(jpegjax, "encode", lambda images, **given: encode(images, **{**given, **HOST}))
    monkeypatch.setattr(jpegjax, "decode", lambda files, **given: decode(files, **{**given, **HOST}))
    monkeypatch.setattr(on_device, "resident_files", lambda batch, device, **given: encode(batch, **given, **HOST))
    with ThreadPoolExecutor(1) as pool:
        bench = on_device.Bench(jax.devices()[0], [ripples(20, 24, 3).astype(np.uint8)], pool, 2, 1.0)
        for transfers in (False, True):
            (row,) = bench.encode((16, 24), 3, transfers=transfers)
            assert row["nvJPEG_sampling"] == "4:4:4" and row["bytes"]["nvJPEG"] > row["bytes"]["jpegjax"] > 0
            others = {"jpegjax by pages", "jpegjax, host engine", "Pillow on all cores"} if transfers else set()
            assert {*row["images_per_second"]} == {"jpegjax", "nvJPEG", *others}
            assert row["bytes_moved"] == 3 * 3 * 16 * 24 + row["bytes"]["jpegjax"]
            (row,) = bench.decode((16, 24), 3, transfers=transfers)
            assert row["ratios"]["nvJPEG"]["median"] > 0 and row["transfers"] == transfers


@pytest.mark.slow
def test_all_of_it_rehearses(tmp_path: Path) -> None:
    report, _ = rehearsed(tmp_path / "device.json")
    assert not report["left_out"] and not report["failed"]
    assert all(found["compared"] and not found["different"] for found in report["identity"].values())
    assert {"encode", "decode", "transform", "programs", "dispatches", "coded data", "host encode"} <= {
        r["section"] for r in report["results"]
    }
