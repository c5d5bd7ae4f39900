"""One detail of a photograph by four codecs at equal size, for README and the site: `python -m experiments.front`.

Writes `docs/images/same-bytes.jpg` and `experiments/results/front.json`. The photograph is scikit-image's coffee.png (CC0, by
Rachel Michetti), on which nothing was trained and for which nothing was chosen but the detail. Every file is at most as large as
asked and within 2 % of it; figures are of the whole picture. Enlarged twice, every pixel four times.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import jpegjax
from benchmarks.machine import ROOT, describe
from jpegjax import codecs, metrics
from jpegjax.cli.samples import photographs

__all__ = ["files", "plate"]

BITS = 0.25
"""A pixel, of whole files."""
DETAIL = 190, 60, 190, 250
"""x, y, width, height."""
ZOOM, GAP, CAPTION = 2, 8, 62
SHORT = 0.02
"""How much smaller than asked a file may be."""


def files(image: np.ndarray, nbytes: int) -> dict[str, tuple[bytes, np.ndarray]]:
    """{name: (file, what its own decoder shows)}, each of at most nbytes."""
    plain = jpegjax.encode(image, target_bytes=nbytes, optimize=True, progressive=True)
    tuned = jpegjax.encode(image, target_bytes=nbytes, tune=True)
    paired = jpegjax.encode(image, target_bytes=nbytes, tune="restored", refine=3)
    learned = codecs.get("learned")
    sent = fitting(lambda quality: learned.encode(image, quality=quality), nbytes)
    return {
        "libjpeg-turbo": (plain, jpegjax.decode(plain)),
        "tune=True": (tuned, jpegjax.decode(tuned)),
        'tune="restored", restored': (paired, jpegjax.decode(paired, restore="auto")),
        "learned": (sent, learned.decode(sent)),
    }


def fitting(encode: Callable[[int], bytes], nbytes: int) -> bytes:
    """The file of the highest quality 1..100 that is at most so large."""
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(encode(middle)) <= nbytes else (low, middle - 1)
    return encode(low)


def plate(image: np.ndarray, shown: dict[str, tuple[np.ndarray, str]]) -> Image.Image:
    """The detail of each picture side by side, with its name and a line of figures."""
    x, y, width, height = DETAIL
    step = width * ZOOM + GAP
    page = Image.new("RGB", (step * len(shown) - GAP, height * ZOOM + CAPTION), "white")
    draw, bold, small = ImageDraw.Draw(page), ImageFont.load_default(24), ImageFont.load_default(19)
    for place, (name, (pixels, figures)) in enumerate(shown.items()):
        crop = Image.fromarray(pixels[y : y + height, x : x + width])
        page.paste(crop.resize((width * ZOOM, height * ZOOM), Image.Resampling.NEAREST), (place * step, CAPTION))
        draw.text((place * step + 2, 4), name, "black", bold)
        draw.text((place * step + 2, 34), figures, "#555", small)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    (path,) = (path for path in photographs() if path.name == "coffee.png")
    image = np.asarray(Image.open(path).convert("RGB"))
    nbytes = round(BITS * image.shape[0] * image.shape[1] / 8)
    found = files(image, nbytes)
    rows: list[dict[str, Any]] = []
    shown = {"original": (image, f"{image.shape[1]} by {image.shape[0]} pixels")}
    for name, (data, pixels) in found.items():
        row = {
            "name": name,
            "nbytes": len(data),
            "psnr_db": round(float(metrics.psnr(image, pixels)), 2),
            "ssimulacra2": round(float(metrics.ssimulacra2(image, pixels)), 1),
        }
        if not nbytes * (1 - SHORT) <= row["nbytes"] <= nbytes:
            raise RuntimeError(f"{name}: {row['nbytes']} bytes; asked were {nbytes}")
        rows.append(row)
        shown[name] = pixels, f"{len(data):,} bytes, {row['psnr_db']:.2f} dB, SSIMULACRA2 {row['ssimulacra2']:.0f}"
        print(row)
    jpegjax.imwrite(ROOT / "docs" / "images" / "same-bytes.jpg", np.asarray(plate(image, shown)), quality=93, tune=True)
    report = {**describe(), "command": "python -m experiments.front", "picture": path.name, "asked_nbytes": nbytes}
    output = ROOT / "experiments" / "results" / "front.json"
    output.write_text(json.dumps({**report, "detail": DETAIL, "results": rows}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
