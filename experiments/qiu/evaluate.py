"""Thin files on LIVE1, Classic5 and Set12 in grey: `python -m experiments.qiu.evaluate`.

At each quality of `QUALITIES` every picture becomes a plain file with fitted Huffman tables, and a thin one that lacks the
fewest coefficients for at most 60 % of those bytes. PSNR, SSIM and PSNR-B, means over pictures: of the plain file; of the thin
one as any decoder shows it, recovered by boundary continuity alone, and refined by the network; and of plain JPEG at the same
bytes, the highest quality whose file is no larger. All bytes of all files count. At quality 50 also: other anchors, and LIVE1 in
colour, 4:2:0, with PSNR over RGB. Nothing was trained or chosen on these pictures. Writes `experiments/results/qiu.json`, `.md`
and `.png`. About five minutes on two cores. The weights are those that `train.py` made, `experiments/results/qiu.npz`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from PIL import Image

import jpegjax
from benchmarks.machine import ROOT, describe
from jpegjax import metrics
from jpegjax.ops.color import ycbcr_to_rgb
from jpegjax.ops.sampling import upsample
from jpegjax.types import Frame

from . import thin
from .network import Refiner, load, refine
from .recover import recover

QUALITIES = (30, 50, 70, 90)
SHARE = 0.6
SETS = {"live1": "LIVE1", "classic5": "Classic5", "set12": "Set12"}
RESULTS = ROOT / "experiments" / "results" / "qiu"
WEIGHTS = RESULTS.with_suffix(".npz")
WAYS = {
    "plain": "plain", "shown": "thin, any decoder", "continuity": "thin, continuity", "network": "thin, network",
    "same_bytes": "plain, same bytes",
}  # fmt: skip


class Way(NamedTuple):
    """A picture of one file: what it costs and how good it is."""

    nbytes: int
    psnr: float
    ssim: float
    psnr_b: float


def judged(reference: np.ndarray, picture: np.ndarray, nbytes: int) -> Way:
    """Pictures uint8 [H, W] or [H, W, 3]; SSIM and PSNR-B of luma."""
    return Way(
        nbytes,
        float(metrics.psnr(reference, picture)),
        float(metrics.ssim(reference, picture, channel="y")),
        float(metrics.psnr_b(reference, picture, channel="y")),
    )


def plain_within(picture: np.ndarray, nbytes: int) -> tuple[bytes, int]:
    """(the plain file of the highest quality that has at most so many bytes, its quality)."""
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        if len(jpegjax.encode(picture, quality=middle, optimize=True)) <= nbytes:
            low = middle
        else:
            high = middle - 1
    data = jpegjax.encode(picture, quality=low, optimize=True)
    if len(data) > nbytes:
        raise ValueError(f"no plain file has at most {nbytes} bytes")
    return data, low


def shown(planes: list[np.ndarray], frame: Frame) -> np.ndarray:
    """uint8 [H, W] or RGB [H, W, 3] of one picture's planes, chroma upsampled as libjpeg does."""
    if len(planes) == 1:
        return planes[0][0]
    whole = []
    for plane, k in zip(planes, frame.components, strict=True):
        up = upsample(plane[0], frame.hmax // k.h, frame.vmax // k.v)
        whole.append(up[: frame.height, : frame.width])
    return np.asarray(ycbcr_to_rgb(jnp.stack(whole, -1))).astype(np.uint8)


def measure(picture: np.ndarray, quality: int, anchors: str, model: Refiner) -> dict[str, Any]:
    """All ways of one picture at one quality."""
    plain = jpegjax.encode(picture, quality=quality, optimize=True)
    data, dropped, nbytes = thin.thinned(plain, SHARE, anchors)
    coefficients, told = thin.read(data)
    same, same_quality = plain_within(picture, len(data))
    pictures = {
        "plain": (jpegjax.decode(plain), nbytes),
        "shown": (jpegjax.decode(data), len(data)),
        "continuity": (shown(recover(coefficients, told), coefficients.frame), len(data)),
        "network": (shown(refine(model, coefficients, told), coefficients.frame), len(data)),
        "same_bytes": (jpegjax.decode(same), len(same)),
    }
    return {
        "missing": dropped.count,
        "share": len(data) / nbytes,
        "same_bytes_quality": same_quality,
        "pixels": picture.shape[0] * picture.shape[1],
        **{name: judged(picture, found, size)._asdict() for name, (found, size) in pictures.items()},
    }


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over pictures; bits a pixel are the mean of the pictures' own."""
    found: dict[str, Any] = {
        name: round(float(np.mean([row[name] for row in rows])), 4)
        for name in ("missing", "share", "same_bytes_quality")
    }
    found["largest_share"] = round(max(row["share"] for row in rows), 4)
    for way in WAYS:
        found[way] = {"bpp": round(float(np.mean([8 * r[way]["nbytes"] / r["pixels"] for r in rows])), 4)}
        found[way] |= {m: round(float(np.mean([r[way][m] for r in rows])), 4) for m in ("psnr", "ssim", "psnr_b")}
    found["gain_db"] = round(found["network"]["psnr"] - found["continuity"]["psnr"], 3)
    found["behind_same_bytes_db"] = round(found["same_bytes"]["psnr"] - found["network"]["psnr"], 3)
    return found


def pictures_of(folder: Path, mode: str) -> list[np.ndarray]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".bmp"))
    return [np.asarray(Image.open(path).convert(mode)) for path in paths]


def table(report: dict[str, Any]) -> str:
    """Markdown: one row a set and quality, then the others."""
    head = "| set | quality | bytes | " + " | ".join(WAYS.values()) + " | network − continuity |\n"
    lines = [head, "|---" * (4 + len(WAYS)) + "|\n"]

    def row(name: str, quality: Any, found: dict[str, Any]) -> str:
        ways = " | ".join(f"{found[w]['psnr']:.2f} / {found[w]['ssim']:.3f}" for w in WAYS)
        return f"| {name} | {quality} | {100 * found['share']:.1f} % | {ways} | {found['gain_db']:+.2f} |\n"

    for name, curve in report["sets"].items():
        lines += [row(SETS[name], quality, found) for quality, found in curve.items()]
    lines.append(
        "\nAt quality 50, with the DC of other blocks (Classic5), and LIVE1 in colour, 4:2:0 (PSNR over RGB):\n\n"
    )
    lines += [head, "|---" * (4 + len(WAYS)) + "|\n"]
    lines += [row(f"anchors: {name}", 50, found) for name, found in report["anchors"].items()]
    lines.append(row("LIVE1, colour", 50, report["colour"]))
    return "".join(lines)


def verdict(report: dict[str, Any]) -> str:
    """What the figures say, in two lines."""
    rows = [found for curve in report["sets"].values() for found in curve.values()]
    gains, behind = [r["gain_db"] for r in rows], [r["behind_same_bytes_db"] for r in rows]
    wins = "wins everywhere" if min(behind) > 0 else "does not win everywhere"
    return (
        f"The network adds {min(gains):.2f} to {max(gains):.2f} dB to boundary continuity, at no more than "
        f"{100 * max(r['largest_share'] for r in rows):.1f} % of the plain files' bytes.\n"
        f"Plain JPEG at the same bytes {wins}: it is {min(behind):.2f} to {max(behind):.2f} dB ahead of the network.\n"
    )


def plot(report: dict[str, Any], path: Path) -> None:
    """PSNR over bits a pixel: a panel a set."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(report["sets"]), squeeze=False)[0]
    for axis, (name, curve) in zip(axes, report["sets"].items(), strict=True):
        for way, label in WAYS.items():
            points = [(found[way]["bpp"], found[way]["psnr"]) for found in curve.values()]
            style = (
                {"color": "black", "linestyle": "--" if way == "same_bytes" else "-"}
                if "bytes" in way or way == "plain"
                else {}
            )
            axis.plot(*zip(*points, strict=True), marker="o", label=label, **style)
        axis.set(
            xlabel="bits a pixel", ylabel="PSNR, dB", title=f"{SETS[name]}, qualities {', '.join(map(str, curve))}"
        )
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the network (.npz)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="without suffix")
    given = parser.parse_args()
    folder = Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared") / "data"
    missing = [name for name in SETS if not (folder / name).is_dir()]
    if missing:
        parser.error(f"no {missing[0]} in {folder}: set JPEGJAX_SHARED")
    model = load(given.weights)
    words = [] if given.weights == WEIGHTS else ["--weights", given.weights.name]
    report: dict[str, Any] = {
        **describe(), "command": shlex.join(["python", "-m", "experiments.qiu.evaluate", *words]),
        "share": SHARE, "anchors_of_sets": "half", "sets": {},
    }  # fmt: skip
    for name in SETS:
        grey = pictures_of(folder / name, "L")
        report["sets"][name] = {}
        for quality in QUALITIES:
            found = mean([measure(picture, quality, "half", model) for picture in grey])
            report["sets"][name][str(quality)] = found
            print(name, quality, {w: found[w]["psnr"] for w in WAYS}, f"{found['gain_db']:+.2f}", flush=True)
    grey = pictures_of(folder / "classic5", "L")
    report["anchors"] = {a: mean([measure(picture, 50, a, model) for picture in grey]) for a in thin.ANCHORS}
    report["colour"] = mean([measure(picture, 50, "half", model) for picture in pictures_of(folder / "live1", "RGB")])
    report["verdict"] = verdict(report)
    given.output.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    text = f"Thin files (Qiu 2021): PSNR in dB / SSIM, means; `{report['command']}` at commit {report['commit']}.\n\n"
    given.output.with_suffix(".md").write_text(text + table(report) + "\n" + report["verdict"])
    plot(report, given.output.with_suffix(".png"))
    print(report["verdict"])


if __name__ == "__main__":
    main()
