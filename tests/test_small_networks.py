"""The experiments on small networks run from end to end: hardly trained, on the real pictures."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optax", reason="training needs jpegjax[train]")
DATA = Path(os.environ.get("JPEGJAX_SHARED") or "nowhere") / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "cifar10").is_dir(), reason="needs MNIST and CIFAR-10: set JPEGJAX_SHARED"),
]


def ran(module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> dict[str, Any]:
    arguments = [
        "experiment",
        "--seeds",
        "0",
        "--shorter",
        "0.001",
        "--work",
        str(tmp_path),
        "--output",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", [*arguments, *words])
    module.main()
    found: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    assert (tmp_path / "out.md").read_text() and {"commit", "command", "literature"} <= found.keys()
    return found


def test_network_compression(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from experiments.network_compression import __main__ as experiment

    found = ran(experiment, monkeypatch, tmp_path, "--networks", "mnist")
    rows = found["networks"]["mnist"]["rows"]
    assert rows["pruned, clustered, tuned"]["times"]["mean"] > 30 > rows["linear, 8 bits"]["times"]["mean"] > 4
    assert (tmp_path / "out.png").stat().st_size > 1000
    stored = {p.name for p in tmp_path.glob("*.jxw")}
    assert stored == {f"mnist-0-{stage}.jxw" for stage in ("trained", "pruned", "tuned", "longer")}


def test_activations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from experiments.activations import __main__ as experiment

    found = ran(experiment, monkeypatch, tmp_path)
    kept = {way: sizes["residual_nbytes"] for way, sizes in found["memory"].items()}
    assert kept["plain"] > 5 * kept["gentle"] > 5 * kept["strong"]
    assert all(
        seed[when][table]["least"] > 0.98 and seed[when][table]["input_gradient_is_equal"]
        for seed in found["gradients"]
        for when in ("start", "end")
        for table in ("gentle", "strong")
    )
