"""What the measurements share: sets, files, ways to decode, scores, results."""

from __future__ import annotations

import argparse
import io
import json
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import jpegjax
from benchmarks.machine import ROOT, describe
from experiments.tuning import pictures

__all__ = [
    "QUALITIES", "WAYS", "arguments", "blocking", "classic5", "gain_row", "gain_table", "live1", "live1_grey", "plain_file",
    "psnr", "psnr_b", "save", "shown", "studio_luma",
]  # fmt: skip

RESULTS = ROOT / "experiments" / "results"
QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "laplacian": {"reconstruction": "laplacian"},
    "restored": {"restore": True},
    "consistent": {"restore": "consistent"},
}
"""Keywords of `decode`."""
LUMA = np.array([0.299, 0.587, 0.114])


def live1() -> dict[str, np.ndarray]:
    """The 29 pictures of LIVE1 by name, uint8 [H, W, 3]."""
    found = sorted((pictures.shared() / "data" / "live1").glob("*.png"))
    return {p.stem: np.asarray(Image.open(p).convert("RGB")) for p in found}


def studio_luma(pixels: np.ndarray) -> np.ndarray:
    """Luma 16..235 of RGB, uint8 [H, W]: MATLAB's rgb2ycbcr, by which the literature makes LIVE1 grey."""
    return np.rint(16 + pixels @ np.array([65.481, 128.553, 24.966]) / 255).astype(np.uint8)


def live1_grey() -> dict[str, np.ndarray]:
    """LIVE1 as the published tables have it, uint8 [H, W]."""
    return {name: studio_luma(pixels) for name, pixels in live1().items()}


def classic5() -> dict[str, np.ndarray]:
    """The five pictures of Classic5 by name, uint8 [H, W]."""
    return {p.stem: np.asarray(Image.open(p)) for p in sorted((pictures.shared() / "data" / "classic5").glob("*.png"))}


def plain_file(picture: np.ndarray, quality: int, sampling: str = "4:2:0") -> bytes:
    """libjpeg-turbo's file: of grey what OpenCV writes, of colour Pillow's with that sampling."""
    out = io.BytesIO()
    settings = {} if picture.ndim == 2 else {"subsampling": sampling}
    Image.fromarray(picture).save(out, "JPEG", quality=quality, **settings)
    return out.getvalue()


def shown(files: Sequence[bytes], way: str) -> list[np.ndarray]:
    """Pixels of files by one of WAYS, uint8."""
    return [np.asarray(pixels) for pixels in jpegjax.decode(list(files), **WAYS[way])]


def _decibels(error: float) -> float:
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _error(reference: np.ndarray, image: np.ndarray) -> float:
    return float(np.mean((reference.astype(np.float64) - image) ** 2))


def psnr(reference: np.ndarray, image: np.ndarray, luma: bool = False) -> float:
    """PSNR in dB over all samples 0..255, or of the luma of RGB (BT.601, not rounded)."""
    return _decibels(_error(reference @ LUMA, image @ LUMA) if luma else _error(reference, image))


def blocking(image: np.ndarray) -> float:
    """The blocking effect factor of [H, W] by Yim and Bovik 2011, 8×8 blocks, as the published tables take it.

    That is, with H (W/8 − 1) + W (H/8 − 1) edges, not rounded where a side is no multiple of 8. `metrics.psnr_b` counts the edges
    there are, the same for whole blocks.
    """
    height, width = image.shape
    values = image.astype(np.float64)
    across, down = (np.diff(values, axis=axis) ** 2 for axis in (1, 0))
    columns, rows = (np.arange(side - 1) % 8 == 7 for side in (width, height))
    edges = height * (width / 8 - 1) + width * (height / 8 - 1)
    others = height * (width - 1) + width * (height - 1) - edges
    excess = (across[:, columns].sum() + down[rows].sum()) / edges
    excess -= (across[:, ~columns].sum() + down[~rows].sum()) / others
    return math.log2(8) / math.log2(min(height, width)) * max(float(excess), 0)


def psnr_b(reference: np.ndarray, image: np.ndarray) -> float:
    """PSNR in dB of [H, W] with the image's `blocking` added to the squared error."""
    return _decibels(_error(reference, image) + blocking(image))


def gain_row(
    images: Mapping[str, np.ndarray], encode: Callable[[np.ndarray], bytes], way: str = "restored"
) -> dict[str, Any]:
    """PSNR in dB that a way gains over the plain decoder: mean, least, and of every picture; of colour in luma too."""
    files = [encode(picture) for picture in images.values()]
    pairs = list(zip(images.values(), shown(files, "plain"), shown(files, way), strict=True))
    row: dict[str, Any] = {}
    for name, luma in (("all", False), ("luma", True)):
        if luma and pairs[0][0].ndim == 2:
            break
        found = [psnr(original, after, luma) - psnr(original, before, luma) for original, before, after in pairs]
        row[name] = {
            "mean": round(float(np.mean(found)), 4),
            "least": round(min(found), 4),
            "of": list(images)[int(np.argmin(found))],
            "gains": [round(g, 4) for g in found],
        }
    return row


def gain_table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Markdown lines of `gain_row`s by quality: mean and least gain."""
    kinds = list(next(iter(rows.values())))
    titles = {"all": "all samples", "luma": "luma"}
    heads = [f"{titles[k]}: mean | least | of" for k in kinds]
    lines = [f"| quality | {' | '.join(heads)} |", "|---" * (1 + 3 * len(kinds)) + "|"]
    for quality, row in rows.items():
        cells = [f"{row[k]['mean']:+.3f} | {row[k]['least']:+.3f} | {row[k]['of']}" for k in kinds]
        lines.append(f"| {quality} | {' | '.join(cells)} |")
    return [*lines, ""]


def arguments(name: str, about: str) -> argparse.ArgumentParser:
    """The parser of a measurement: --pictures and --to."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.restoration.{name}", description=about.split("\n")[0])
    parser.add_argument("--pictures", type=int, help="only the first so many of each set")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    return parser


def save(name: str, folder: Path, found: Mapping[str, Any], lines: Callable[[Mapping[str, Any]], list[str]]) -> None:
    """Writes restoration-<name>.json and, of `lines` of it, .md."""
    command = shlex.join(["python", "-m", f"experiments.restoration.{name}", *sys.argv[1:]])
    whole = {**describe(), "command": command, **found}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"restoration-{name}.json"
    path.write_text(json.dumps(whole, indent=1) + "\n")
    machine = whole["machine"]
    about = f"`{command}`, {machine['cpu']}, {machine['cores']} cores, commit {whole['commit']}."
    text = "\n".join([about, "", *lines(whole)]).rstrip() + "\n"
    path.with_suffix(".md").write_text(text)
    print(text)
