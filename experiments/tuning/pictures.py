"""The pictures that tuning may see, and the split between training and validation. Kodak is in neither.

Photographs of the training packs (`train-*.zip`, AVIF, listed in `train.csv`), colour only, by source: the packs' books hold
charts, maps and paintings too, and stay out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np

PHOTOGRAPHS = (
    "imazen_codec-corpus_CID22", "elementary_wallpapers", "hoojaoh_data-stunning", "ubuntu-mate_artwork",
    "pop-os_wallpapers", "NUS-VIP_OSIE",
)  # fmt: skip
"""Sources, the head of `source` in train.csv, whose pictures are photographs."""


def shared() -> Path:
    """The folder that JPEGJAX_SHARED names. RuntimeError: it names none."""
    root = os.environ.get("JPEGJAX_SHARED")
    if not root or not (Path(root) / "data").is_dir():
        raise RuntimeError("JPEGJAX_SHARED must name the folder that holds data/kodak and data/train-*.zip")
    return Path(root)


def is_validation(file: str) -> bool:
    """Whether a picture, by its file name alone, belongs to validation: SHA-256 of the name, one in five."""
    return hashlib.sha256(file.encode()).digest()[0] % 5 == 0


def listing(validation: bool, area: int = 150_000) -> list[tuple[int, str]]:
    """(pack, file) of the photographs of one side of the split with `area` pixels or more, in the order of their hashes."""
    with open(shared() / "data" / "train.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    chosen = [
        (int(r["pack"]), r["file"]) for r in rows
        if r["source"].split("/")[0] in PHOTOGRAPHS and r["gray"] == "0" and int(r["width"]) * int(r["height"]) >= area
        and is_validation(r["file"]) == validation
    ]  # fmt: skip
    return sorted(chosen, key=lambda entry: hashlib.sha256(entry[1].encode()).digest())


def pack_of(file: str) -> int:
    """The training pack that holds a file of train.csv. StopIteration: none."""
    with open(shared() / "data" / "train.csv", newline="") as f:
        return next(int(row["pack"]) for row in csv.DictReader(f) if row["file"] == file)


def load(entries: list[tuple[int, str]]) -> list[np.ndarray]:
    """The pictures, uint8 [H, W, 3]."""
    from PIL import Image

    pictures = []
    for pack, file in entries:
        with zipfile.ZipFile(shared() / "data" / f"train-{pack}.zip") as z:
            name = next(n for n in z.namelist() if n.endswith(file))
            pictures.append(np.asarray(Image.open(io.BytesIO(z.read(name))).convert("RGB")))
    return pictures


def kodak() -> dict[str, np.ndarray]:
    """The 24 Kodak pictures by name, uint8 [H, W, 3]: evaluation only."""
    from PIL import Image

    return {
        p.stem: np.asarray(Image.open(p).convert("RGB")) for p in sorted((shared() / "data" / "kodak").glob("*.png"))
    }
