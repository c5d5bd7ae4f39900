"""Finds the weights of `ops.estimate_bits` and says how far its estimates are from real files.

    python experiments/rate_model.py TRAINING [--kodak FOLDER] [--crops 1000]

TRAINING: folder of train.csv and its packs train-*.zip. Every 5th picture of train.csv is for validation. Each crop of
256² pixels gets a sampling and a quality 5..98, or ramp-like tables of its own, by chance; ridge regression on relative
errors. Kodak's pictures, whole, are measured and never fitted. About 2 minutes. Writes
experiments/results/rate_model.json and prints the weights as they stand in jpegjax/ops/rate.py. Mean errors expected:
0.6 % (training), 0.7 % (validation), 0.6 % (Kodak).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shlex
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from scipy.optimize import lsq_linear

import jpegjax
from jpegjax import ops
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from jpegjax.ops.rate import HEADER_BITS, WEIGHTS, component_bits
from jpegjax.options import parse_subsampling

SIDE = 256
VALIDATION_EVERY = 5
RIDGE = 3e-5
FEATURES = WEIGHTS.shape[1]
SIGNED = 5  # the rest, weights of coefficients, must not be negative: a search would make use of it


def crops(folder: Path, count: int, random: np.random.Generator) -> list[tuple[np.ndarray, bool]]:
    """(uint8 [256, 256, 3], whether it is for validation), of pictures drawn by chance."""
    with (folder / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    packs = {row["pack"]: zipfile.ZipFile(folder / f"train-{row['pack']}.zip") for row in rows}
    members = {p: {Path(n).name: n for n in pack.namelist()} for p, pack in packs.items()}
    found = []
    for index in random.permutation(len(rows)):
        row = rows[index]
        data = packs[row["pack"]].read(members[row["pack"]][row["file"]])
        image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        if min(image.shape[:2]) >= SIDE and len(found) < count:
            y, x = (random.integers(0, side - SIDE + 1) for side in image.shape[:2])
            found.append((image[y : y + SIDE, x : x + SIDE], index % VALIDATION_EVERY == 0))
        if len(found) == count:
            break
    return found


def ramp_tables(random: np.random.Generator) -> list[np.ndarray]:
    """Two tables step·(1 + slope·(u + v)), chroma coarser."""
    step, slope = np.exp(random.uniform(np.log(4), np.log(60))), random.uniform(0, 0.3)
    ramp = step * (1 + slope * np.add.outer(np.arange(8), np.arange(8)))
    return [np.clip(np.round(ramp * factor), 1, 255).astype(int) for factor in (1, random.uniform(1, 2.5))]


@cache
def _features(sampling: tuple[tuple[int, int], ...]) -> Any:
    """[2, FEATURES] of an image and its tables: luma, both chroma."""

    def bits(weights: jax.Array, image: jax.Array, tables: list[jax.Array]) -> jax.Array:
        planes = ops.encoder_coefficients(image[None].astype(jnp.float32), tables, sampling)
        return sum(component_bits(z, weights[min(i, 1)])[0] for i, z in enumerate(planes))

    zeros = jnp.zeros((2, FEATURES))
    return jax.jit(lambda image, tables: jax.grad(bits)(zeros, image, tables))


def measured(image: np.ndarray, subsampling: str, tables: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """(features [2·FEATURES], bits of the file)."""
    file = jpegjax.encode(image, subsampling=subsampling, qtables=tables, engine="host")
    steps = [jnp.asarray(tables[min(i, 1)].reshape(8, 8), jnp.float32) for i in range(3)]
    return np.asarray(_features(parse_subsampling(subsampling))(image, steps), np.float64).ravel(), 8.0 * len(file)


def quality_tables(quality: int) -> list[np.ndarray]:
    """Annex K's, scaled."""
    return [quality_table(base, quality).reshape(8, 8) for base in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)]


def errors(features: np.ndarray, bits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Relative errors of the estimates."""
    return (features @ weights + HEADER_BITS[3]) / bits - 1


def summary(error: np.ndarray) -> dict[str, float]:
    """In percent."""
    size = 100 * np.abs(error)
    return {"mean": size.mean(), "p95": np.quantile(size, 0.95), "largest": size.max(), "bias": 100 * error.mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", type=Path)
    parser.add_argument("--kodak", type=Path)
    parser.add_argument("--crops", type=int, default=1000)
    given = parser.parse_args()
    random = np.random.default_rng(4)
    rows, validation, qualities = [], [], []
    for image, held_out in crops(given.training, given.crops, random):
        subsampling = random.choice(["4:2:0", "4:4:4", "4:2:2"], p=[0.5, 0.3, 0.2])
        quality = int(random.integers(5, 99)) if random.random() < 0.75 else 0
        rows.append(measured(image, subsampling, quality_tables(quality) if quality else ramp_tables(random)))
        validation.append(held_out)
        qualities.append(quality)
    features, bits = np.stack([row[0] for row in rows]), np.array([row[1] for row in rows])
    held, quality = np.array(validation), np.array(qualities)
    relative = features / bits[:, None]
    scale = np.abs(relative).mean(0)
    matrix, target = relative[~held] / scale, 1 - HEADER_BITS[3] / bits[~held]
    ridge = np.sqrt(RIDGE * len(matrix)) * np.eye(len(scale))
    least = np.tile(np.where(np.arange(FEATURES) < SIGNED, -np.inf, 0), 2)
    fit = lsq_linear(np.concatenate([matrix, ridge]), np.concatenate([target, np.zeros(len(scale))]), (least, np.inf))
    weights = np.round(fit.x / scale, 4)
    error = errors(features, bits, weights)
    usual = held & (quality >= 10) & (quality <= 95)
    report = {
        "training": summary(error[~held]),
        "validation": summary(error[held]),
        "validation, qualities 10..95": summary(error[usual]),
        "validation, ramp tables": summary(error[held & (quality == 0)]),
    }
    if given.kodak:
        images = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(given.kodak.glob("*.png"))]
        for subsampling in ("4:2:0", "4:4:4"):
            found = [measured(x, subsampling, quality_tables(q)) for x in images for q in (10, 25, 50, 75, 85, 95)]
            kodak = errors(np.stack([f for f, _ in found]), np.array([b for _, b in found]), weights)
            report[f"Kodak {subsampling}, qualities 10..95"] = summary(kodak)
    words = shlex.join(
        ["python", "experiments/rate_model.py", "TRAINING", *(["--kodak", "KODAK"] if given.kodak else [])]
    )
    output = Path(__file__).resolve().parent / "results" / "rate_model.json"
    output.parent.mkdir(exist_ok=True)
    result = {"command": words, "crops": len(rows), "percent": report, "weights": weights.reshape(2, -1).tolist()}
    output.write_text(json.dumps(result, indent=1) + "\n")
    for name, figures in report.items():
        print(f"{name:34}", "  ".join(f"{key} {value:5.2f} %" for key, value in figures.items()))
    print(np.array2string(weights.reshape(2, -1), separator=", ", max_line_width=118, suppress_small=True))


if __name__ == "__main__":
    sys.exit(main())
