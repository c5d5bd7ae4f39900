"""README's Python runs as it stands, in a folder with a photo.jpg; it stays a landing page, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:176, :192] / 10.0
    waves = np.stack([np.sin(x + np.cos(y)), np.cos(y - np.sin(x)), np.sin(x * y / 9)], -1)
    noise = np.random.default_rng(0).normal(0, 12, waves.shape)
    photo = np.clip(128 + 80 * waves + noise, 0, 255).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    made: dict = {}
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    exec(compile(block, "README.md", "exec"), made)
    assert made["pixels"].shape == made["restored"].shape == photo.shape and made["small"].shape == (44, 48, 3)
    assert len(made["fit"]) <= 12_000 and len(made["tuned"]) < len(made["data"])
    again = Image.open(tmp_path / "photo.jpg")
    (tmp_path / "smaller.jpg").write_bytes(made["smaller"])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "smaller.jpg")), np.asarray(again))
    assert made["shown"].shape == (2, *photo.shape) and made["bits"].shape == (2,) and made["score"] > 20


def test_limits_and_both_commands_stand_before_the_results() -> None:
    heads = re.findall(r"^## (.+)$", README, re.M)
    assert heads[:2] == ["What it does not do", "Two commands"] and heads.index("Results") > 1
    commands = re.findall(r"^```bash\n(python3 -m venv .*?)\n```$", README, re.M | re.S)
    assert len(commands) == 2 and commands[0].endswith("jpegjax demo") and "pytest" in commands[1]
    assert README.index("<!-- test command -->") < README.index(commands[1])
    assert len(README.splitlines()) < 150


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        if "_build" in page.parts:
            continue
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
