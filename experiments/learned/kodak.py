"""Learned models on the 24 Kodak photographs, with real bytes: `python -m experiments.learned.kodak [MODEL ...]`.

Every picture is encoded and decoded at `QUALITIES`; a curve is the mean bits a pixel, PSNR (RGB, mean over pictures) and MS-SSIM
(RGB, mean of channels) at each. Set against the published curves of `../shared/facts/kodak-rd` by BD-rate
(PCHIP over the common range), in PSNR and in decibels of MS-SSIM. Writes `experiments/results/learned-kodak.json` and `.png`.
About three minutes for a model on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import ROOT, describe
from jpegjax import metrics
from jpegjax.learned import shipped, weights
from jpegjax.learned.codec import decode_all, encode_all

QUALITIES = (1, 12, 24, 36, 48, 60, 72, 84, 100)
RESULTS = ROOT / "experiments" / "results" / "learned-kodak"
PUBLISHED = {
    "JPEG": "jpeg", "JPEG 2000": "jpeg2000", "WebP": "webp", "BPG 4:4:4": "bpg_444_x265_ycbcr", "VTM": "vtm",
    "factorized (CompressAI)": "compressai-bmshj2018-factorized_mse_cuda",
    "hyperprior (CompressAI)": "compressai-bmshj2018-hyperprior_mse_cuda",
    "mean-scale (CompressAI)": "compressai-mbt2018-mean_mse_cuda",
    "hyperprior, MS-SSIM": "compressai-bmshj2018-hyperprior_ms-ssim_cuda",
    "mean-scale, MS-SSIM": "compressai-mbt2018-mean_ms-ssim_cuda",
}  # fmt: skip
SHARED = Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared")
Curve = dict[str, list[float]]  # "bpp", "psnr", "ms_ssim", one of each a point


def published(folder: Path) -> dict[str, Curve]:
    """Curves that others measured: {name: curve}; without "ms_ssim" where they did not say."""
    found = {}
    for name, file in PUBLISHED.items():
        path = folder / f"{file}.json"
        if path.is_file():
            told = json.loads(path.read_text())["results"]
            found[name] = {"bpp": told["bpp"], "psnr": told["psnr-rgb"]}
            if "ms-ssim-rgb" in told:
                found[name]["ms_ssim"] = told["ms-ssim-rgb"]
    return found


def compared() -> dict[str, Curve]:
    """What `jpegjax compare` measured on the same photographs, in PSNR (its MS-SSIM is luma's): {name: curve}."""
    told = json.loads((ROOT / "experiments" / "results" / "compare-kodak.json").read_text())
    found = {c["curve"]: [p for p in c["points"] if p["psnr"] is not None] for c in told["curves"]}
    return {
        f"{name} (here)": {"bpp": [p["bpp"] for p in points], "psnr": [p["psnr"] for p in points]}
        for name, points in found.items()
        if name != "jpeg"
    }


def measure(model: weights.Loaded, pictures: list[np.ndarray]) -> tuple[Curve, dict[str, float]]:
    """A model's curve over pictures, and seconds: of the first call for a size, and a picture once programs are compiled."""
    points: Curve = {"bpp": [], "psnr": [], "ms_ssim": []}
    seconds = {"first_encode": 0.0, "first_decode": 0.0, "encode": 0.0, "decode": 0.0}
    for shape in {p.shape for p in pictures}:
        first = next(p for p in pictures if p.shape == shape)
        begin = time.perf_counter()
        data = encode_all([first], 50, model)
        middle = time.perf_counter()
        decode_all(data, [model])
        seconds["first_encode"] = max(seconds["first_encode"], middle - begin)
        seconds["first_decode"] = max(seconds["first_decode"], time.perf_counter() - middle)
    for quality in QUALITIES:
        found = []
        for picture in pictures:
            begin = time.perf_counter()
            data = encode_all([picture], quality, model)
            middle = time.perf_counter()
            (decoded,) = decode_all(data, [model])
            seconds["encode"] += middle - begin
            seconds["decode"] += time.perf_counter() - middle
            rate = 8 * len(data[0]) / (picture.shape[0] * picture.shape[1])
            found.append((rate, metrics.psnr(picture, decoded), metrics.ms_ssim(picture, decoded, channel="rgb")))
        for name, value in zip(points, np.asarray(found, np.float64).mean(0), strict=True):
            points[name].append(float(value))
    for name in ("encode", "decode"):
        seconds[name] /= len(pictures) * len(QUALITIES)
    return points, seconds


def decibels(curve: Curve, metric: str) -> list[tuple[float, float]]:
    """(bpp, quality) in decibels."""
    quality = curve[metric] if metric == "psnr" else [-10 * float(np.log10(1 - q)) for q in curve[metric]]
    return list(zip(curve["bpp"], quality, strict=True))


def bd_rates(curves: dict[str, Curve], anchor: str = "JPEG") -> dict[str, dict[str, float]]:
    """{curve: {metric: percent}} against a curve."""
    found: dict[str, dict[str, float]] = {}
    for name, curve in curves.items():
        found[name] = {
            metric: round(float(metrics.bd_rate(decibels(curves[anchor], metric), decibels(curve, metric))), 2)
            for metric in ("psnr", "ms_ssim")
            if metric in curve and metric in curves[anchor]
        }
    return found


def plot(curves: dict[str, Curve], ours: set[str], path: Path) -> None:
    """Both metrics side by side; ours in thick lines."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(15, 7), constrained_layout=True)
    for axis, metric, label in zip(axes, ("psnr", "ms_ssim"), ("PSNR, dB", "MS-SSIM, dB"), strict=True):
        for name, curve in curves.items():
            if metric in curve:
                rate, quality = zip(*sorted(decibels(curve, metric)), strict=True)
                style: dict[str, Any] = (
                    {"linewidth": 2.5, "marker": "o"} if name in ours else {"linewidth": 1, "alpha": 0.8}
                )
                axis.plot(rate, quality, label=name, **style)
        axis.set(xlabel="bits a pixel", ylabel=label, xlim=(0, 1.6), title=f"Kodak, mean of 24: {label}")
        low, high = (24, 42) if metric == "psnr" else (8, 24)
        axis.set_ylim(low, high)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help="names, or paths to weights; default: all that the package brings")
    parser.add_argument("--output", type=Path, default=RESULTS, help="without suffix")
    given = parser.parse_args()
    paths = sorted((SHARED / "data" / "kodak").glob("kodim*.png"))
    if len(paths) != 24:
        parser.error(f"no 24 Kodak photographs under {SHARED}: set JPEGJAX_SHARED")
    pictures = [np.asarray(Image.open(path)) for path in paths]
    curves, ours, about = published(SHARED / "facts" / "kodak-rd") | compared(), {}, {}
    for name in given.models or weights.available():
        model = weights.load(Path(name)) if shipped.is_path(name) else weights.named(name)
        ours[model.name], seconds = measure(model, pictures)
        about[model.name] = {
            "digest": model.digest.hex(),
            "seconds": {k: round(v, 4) for k, v in seconds.items()},
        }
    curves |= ours
    rates = bd_rates(curves)
    against_vtm = bd_rates(curves, "VTM") if "VTM" in curves else {}
    result = {
        **describe(), "command": shlex.join(["python", "-m", "experiments.learned.kodak", *given.models]),
        "qualities": QUALITIES, "models": about,
        "curves": {n: {k: [round(x, 5) for x in v] for k, v in c.items()} for n, c in ours.items()},
        "bd_rate_against_jpeg": rates, "bd_rate_against_vtm": against_vtm,
    }  # fmt: skip
    given.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    plot(curves, set(ours), given.output.with_suffix(".png"))
    print(f"{'':28}{'PSNR':>8}{'MS-SSIM':>9}   BD-rate against JPEG, percent")
    for name, found in sorted(rates.items(), key=lambda item: -item[1]["psnr"]):
        print(f"{name:28}{found['psnr']:8.1f}{found.get('ms_ssim', float('nan')):9.1f}")


if __name__ == "__main__":
    main()
