"""README's Python runs as it stands, in a folder with a photo.jpg."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:176, :192] / 10.0
    waves = np.stack([np.sin(x + np.cos(y)), np.cos(y - np.sin(x)), np.sin(x * y / 9)], -1)
    noise = np.random.default_rng(0).normal(0, 12, waves.shape)
    photo = np.clip(128 + 80 * waves + noise, 0, 255).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    made: dict = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), made)
    assert (
        len(blocks) == 5
        and made["batch"].shape == (2, 64, 64, 3)
        and made["pixels"].shape == photo.shape
        and len(made["fit"]) <= 12_000
    )
    assert made["small"].shape == (44, 48, 3) and made["part"].shape == (80, 100, 3) and len(made["files"]) == 2
    assert made["gain"] < 0 and made["bits"].shape == (2,) and made["webp"][:4] == b"RIFF"
    assert (
        made["seen"].shape[0] == 1
        and made["shown"].shape == made["image"][None].shape
        and made["shown"].dtype == np.float32
    )
    assert made["past"].doubly and abs(made["past"].first_quality - 95) <= 2  # the photograph was a file of quality 95
    assert len(made["streams"]) == 2 and made["latents"].dtype == np.int16 and made["latents"].shape[:2] == (12, 12)
