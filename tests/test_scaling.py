"""experiments/scaling: the model's arithmetic, parts out of benchmarks' JSON, what is written; and that it measures."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from experiments.scaling import measure, model, told
from experiments.scaling.model import Parts

ROOT = Path(__file__).resolve().parents[1]
GPU = Parts(
    source="made up", device="gpu H", size=(500, 1000), cores=16, encode=1000.0, programs=2000.0, to_device=3e9, to_host=1e9,
    host=4000.0, coding=8000.0, file_bytes=100e3,
)  # fmt: skip


def ways(parts: Parts) -> dict[tuple[str, int], dict[str, Any]]:
    return {(row["way"], row["devices"]): row for row in model.predicted(parts)["rows"]}


def test_the_model_by_hand() -> None:
    """E = 1000 and D = 2000 a second: 0.5 ms of the host and of the device each; links carry 10,000 files and 2,000 pictures."""
    rows = ways(GPU)
    assert model.predicted(GPU)["host_seconds_a_picture"] == pytest.approx(0.5e-3)
    one = rows["pictures on the devices, one process", 1]
    assert one["pictures_per_second"] == pytest.approx(GPU.encode)  # what was measured
    eight = rows["pictures on the devices, one process", 8]
    assert eight["pictures_per_second"] == pytest.approx(1 / (0.5e-3 + 0.5e-3 / 8))
    each = rows["pictures on the devices, a process each", 8]
    assert (each["pictures_per_second"], each["bound"]) == (8000, "devices and processes")
    assert each["gpixel_per_second"] == pytest.approx(4) and each["file_gb_per_second"] == pytest.approx(0.8)
    assert each["fleet_pictures_per_second"] == 8e6 and each["fleet_seconds_for_1e9"] == pytest.approx(125)
    assert rows["host engine, 16 cores", 0]["pictures_per_second"] == 4000
    assert rows["coefficients coded by 16 cores", 0]["pictures_per_second"] == 8000


def changed(**parts: Any) -> Parts:
    return Parts(**{**{k: getattr(GPU, k) for k in Parts.__slots__}, **parts})


def test_links_and_cores_bound_the_model() -> None:
    narrow = ways(changed(to_device=1e9))["pictures in host memory, a process each", 8]
    assert narrow["bound"] == "links from the host" and narrow["pictures_per_second"] == pytest.approx(8e9 / 1.5e6)
    thin = ways(changed(to_host=50e6))["pictures on the devices, a process each", 8]
    assert (thin["bound"], thin["pictures_per_second"]) == ("links to the host", 4000)
    few = ways(changed(cores=2))["pictures on the devices, a process each", 8]
    assert few["pictures_per_second"] == 2000
    overlapped = model.predicted(changed(encode=2500.0))
    assert overlapped["host_seconds_a_picture"] == 0


def test_devices_that_are_cores_are_not_multiplied() -> None:
    assert {devices for _, devices in ways(changed(device="cpu cpu"))} == {0, 1}
    assert {devices for _, devices in ways(changed(host=None, coding=None))} == {1, 8}


def row(section: str, rates: dict[str, float], size: tuple[int, int] = (512, 768), **more: Any) -> dict[str, Any]:
    case = f"{size[0]}×{size[1]} 4:2:0 q75"
    return {"section": section, "case": case, "size": list(size), "batch": 10, "images_per_second": rates, **more}


def report_of_a_device() -> dict[str, Any]:
    host = {"jpegjax": 30.0, "coding alone": 70.0}
    return {
        "device": "gpu H", "commit": "0123456789ab", "machine": {"cores": 16}, "small": False,
        "ceilings": {"copy": 4e12, "to_device": 3e9, "to_host": 2e9},
        "results": [
            row("programs", {"jpegjax": 900.0}),
            row("programs", {"jpegjax": 5000.0}, (224, 224)),
            row("encode", {"jpegjax": 400.0}, transfers=False, bytes={"jpegjax": 1000}),
            row("encode", {"jpegjax": 500.0}, transfers=False, bytes={"jpegjax": 2000, "nvJPEG": 9}),
            row("encode", {"jpegjax": 800.0}, transfers=True, bytes={"jpegjax": 3000}),
            row("host encode", host),
            row("encode", {"jpegjax": 4000.0}, (224, 224), transfers=False, bytes={"jpegjax": 500}),
        ],
    }  # fmt: skip


def test_parts_come_from_the_best_rows_without_transfers() -> None:
    large, small = model.from_device(report_of_a_device())
    assert (large.size, large.encode, large.programs, large.file_bytes) == ((512, 768), 500, 900, 200)
    assert (large.host, large.coding, large.cores, large.to_device, large.to_host) == (30, 70, 16, 3e9, 2e9)
    assert (small.size, small.encode, small.host) == ((224, 224), 4000, None)
    assert model.from_device({**report_of_a_device(), "small": True}) == []


def made_up(platform: str) -> dict[str, Any]:
    rows = [
        {"section": s, "case": f"{s} {n}", "batch": n, "side": n, "devices": n, "same": True,
         "mpixel_per_second": {"encode": 10.0 * n, "decode": 20.0}}
        for s in ("batch", "size", "strong", "weak") for n in (1, 2)
    ]  # fmt: skip
    bytes_of = {"argument_bytes": 300, "result_bytes": 200, "temporary_bytes": 500, "accessed_bytes": 4000.0}
    compiling = [
        {"kind": k, "sampling": "4:2:0", "mcus": n, "pixels": 100, "compile_seconds": 1.5, **bytes_of}
        for k in ("encode", "decode") for n in (256, 1024)
    ]  # fmt: skip
    parts = GPU if platform == "gpu" else changed(device="cpu cpu")
    return {
        "command": "python -m experiments.scaling", "commit": "0123456789ab", "machine": {"cpu": "C", "cores": 2},
        "devices": {"platform": platform, "kind": "H", "count": 8}, "side": 256, "pixels": 1 << 20, "results": rows,
        "compiling": compiling, "models": [model.predicted(parts)], "model_text": model.__doc__,
    }  # fmt: skip


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_what_is_written_says_what_it_is(platform: str, tmp_path: Path) -> None:
    report = made_up(platform)
    text = "\n".join(told.lines(report))
    assert "| strong 2 | 20.0 | 20.0 | 2.00× | 1.00× |" in text
    assert "| encode 4:2:0, 256 MCUs | 1.50 | 3.00 | 2.00 | 5.00 | 40.00 | 0.0 |" in text
    assert "a model, no measurement" in text and "host engine's in all 8 cases" in text
    assert ("share 2 cores" in text) == (platform == "cpu") == ("No accelerator has been measured" in text)
    assert ("a process each, 8 devices | 8000 |" in text) == (platform == "gpu")
    report["results"][0]["same"] = False
    assert "NOT ALL" in "\n".join(told.lines(report))
    told.draw(report, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_compiling_is_measured_anew_each_time() -> None:
    found = [next(measure.compiling("4:2:0", (256,), jax.devices()[0])) for _ in range(2)]
    assert all(r["compile_seconds"] > 0.05 for r in found)  # a cache would answer at once
    (pixels,) = {r["pixels"] for r in found}
    assert found[0]["result_bytes"] >= 3 * pixels == 3 * 256 * 256 and math.isfinite(found[0]["accessed_bytes"])


def test_pictures_are_of_some_bits_a_pixel_and_no_two_alike() -> None:
    import jpegjax

    batch = measure.pictures(64, 20)
    files = jpegjax.encode(list(batch), quality=75, engine="host")
    assert len(set(files)) == 20 and 0.5 < 8 * sum(map(len, files)) / batch[..., 0].size < 4


@pytest.mark.slow
def test_it_rehearses(tmp_path: Path) -> None:
    device = tmp_path / "device.json"
    device.write_text(json.dumps(report_of_a_device()))
    command = [
        sys.executable,
        "-m",
        "experiments.scaling",
        "--small",
        "--to",
        str(tmp_path),
        "--device-json",
        str(device),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=900, check=True)
    report = json.loads((tmp_path / "scaling.json").read_text())
    assert report["devices"]["count"] == 8 and all(r["same"] for r in report["results"])
    assert {r["devices"] for r in report["results"]} == {1, 8} and len(report["models"]) == 3
    assert "a process each, 8 devices" in (tmp_path / "scaling.md").read_text()
