"""What the pieces come to: figures, tables, a plot of curves, a plate of failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import jpegjax
from jpegjax.learned.perceptron.codec import PerceptronOptions, decode_all, encode_all
from jpegjax.learned.perceptron.weights import named

from . import data, measure
from .pieces import BOUNDS, SIZES

__all__ = ["LOOKED_AT", "TITLE", "claims", "plate", "plot", "summed", "table"]

TITLE = "Perceptrons on blocks: Rao 2010, Dutta 2009, Vilovic 2006"
LOOKED_AT: list[str] = []
"""What the plate shows, and the plot."""
_LABELS = [f"{n}×{n}→{k}" for n, k in SIZES]
Found = Mapping[str, Any]


def _curves(found: Found, start: str) -> dict[str, Any]:
    return {key.removeprefix(start): value for key, value in found.items() if key.startswith(start)}


def _rates(curves: Mapping[str, Any], anchor: str) -> dict[str, Any]:
    if anchor not in curves:
        return {}
    return {
        name: {metric: measure.bd_rate(curves[anchor], points, metric) for metric in ("psnr", "ms_ssim_db")}
        for name, points in curves.items()
        if name != anchor
    }


def summed(found: Found) -> dict[str, Any]:
    """Decibels to the KLT, and BD-rates."""
    gaps: dict[str, Any] = {}
    for kind in ("linear", "tanh", "sigmoid"):
        for label in _LABELS:
            if (key := f"{kind} {label}") in found and "bounds" in found:
                gaps.setdefault(kind, {})[label] = round(found[key]["psnr"] - found["bounds"][label]["klt"], 3)
    report: dict[str, Any] = {"to the KLT, dB": gaps}
    report["importance, BD-rate against none"] = _rates(_curves(found, "importance "), "none")
    for pictures in ("set12", "kodak"):
        for anchor in ("jpeg", "linear8"):
            report[f"{pictures}, BD-rate against {anchor}"] = _rates(_curves(found, f"{pictures} "), anchor)
    return report


def _percent(value: float | None) -> str:
    return "no common quality" if value is None else f"{value:+.1f} %"


def claims(found: Mapping[str, Any], command: str) -> list[dict[str, str]]:
    """Rows of the table of the literature."""
    gaps = found["to the KLT, dB"]
    linear, tanh = (list(gaps.get(kind, {"": 0.0}).values()) for kind in ("linear", "tanh"))
    seen = found["importance, BD-rate against none"].get("both", {}).get("ms_ssim_db")
    jpeg = found["kodak, BD-rate against jpeg"].get("linear8", {})
    rows = (
        (
            "Rao 2010 (block perceptron)",
            "PSNR constant while MSE varies; no figure at hand",
            f"linear networks {min(linear):+.2f} to {max(linear):+.2f} dB from the KLT, tanh {min(tanh):+.2f} to "
            f"{max(tanh):+.2f}; at a fixed peak a PSNR has one MSE",
        ),
        (
            "Dutta 2009 (errors by visual importance)",
            "weights by psycho-visual importance; no figure at hand",
            f"MS-SSIM at equal bits: {_percent(seen)} BD-rate against plain errors, Set12",
        ),
        (
            "Vilovic 2006 (block perceptron)",
            "PSNR and bits over sizes of blocks; no figure at hand",
            f"shipped 8×8 network against JPEG on Kodak: {_percent(jpeg.get('psnr'))} BD-rate in PSNR, "
            f"{_percent(jpeg.get('ms_ssim_db'))} in MS-SSIM",
        ),
    )
    return [{"system": s, "claims": c, "measured": m, "command": command} for s, c, m in rows]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _bounds_table(found: Found) -> str:
    rows = []
    for (n, k), label in zip(SIZES, _LABELS, strict=True):
        kinds = [found.get(f"{kind} {label}", {}) for kind in ("linear", "tanh", "sigmoid")]
        bound = found["bounds"][label]
        seconds = max((row["seconds"] for row in kinds if row), default=None)
        shown = [_number(row.get("psnr")) for row in kinds]
        rows.append(
            [label, _number(BOUNDS[n, k]), _number(bound["klt"]), _number(bound["dct"]), *shown, _number(seconds, 0)]
        )
    head = ("n×n→k", "KLT (survey)", "KLT", "DCT", "linear", "tanh", "sigmoid", "longest training, s")
    return "PSNR in dB on Set12 of what was fitted to Kodak's luma, not quantised:\n\n" + _table(head, rows)


def _bits_table(found: Found) -> str:
    rows = []
    for label in _LABELS:
        for kind in ("linear", "tanh", "sigmoid", "klt", "dct"):
            points = found.get(f"{kind} {label}", {}).get("bits", {})
            for bits, p in points.items():
                rates = [_number(p[key], 3) for key in ("bpp_raw", "bpp_huffman", "bpp")]
                rows.append([label, kind, bits, *rates, _number(p["psnr"])])
    head = ("n×n→k", "network", "bits", "bpp raw", "Huffman alone", "the file", "PSNR, dB")
    text = "Quantised to b bits a unit, real bytes, Set12 (Huffman alone: a code for each unit, as in the papers):\n\n"
    return text + _table(head, rows)


def _other_tables(found: Found, sums: Mapping[str, Any]) -> str:
    text = ""
    if rows := [row for key, part in found.items() if key.startswith("transfers ") for row in part]:
        shown = [
            [r["hidden"], r["output"], r["scale"], "yes" if r["mean removed"] else "no", _number(r["psnr"])]
            for r in rows
        ]
        head = ("hidden", "last", "samples", "mean removed", "PSNR, dB")
        text += "Transfer functions and preprocessing, 8×8→16, 1,500 steps each (Rao):\n\n" + _table(head, shown)
    for transfer, part in _curves(found, "learning ").items():
        rules = ("momentum", "adamw", "levenberg-marquardt")
        shown = [["KLT of the same blocks", "", "", _number(part["klt"]["training"]), _number(part["klt"]["psnr"])]]
        shown += [
            [r, str(part[r]["steps"]), str(part[r]["seconds"]), _number(part[r]["training"]), _number(part[r]["psnr"])]
            for r in rules
        ]
        text += f"Rules of learning, {transfer}, 4×4→4, {part['blocks']} blocks:\n\n"
        text += _table(("rule", "steps", "seconds", "PSNR in training, dB", "on Set12"), shown)
    if part := found.get("psnr and mse"):
        shown = [
            [r["scale"], _number(r["peak"], 0), f"{r['mse']:.6g}", _number(r["psnr"]), _number(r["psnr at peak 255"])]
            for r in part["rows"]
        ]
        text += (
            "One reconstruction in three units. PSNR stays where its peak is scaled with the samples, and MSE varies; at one "
            f"peak each PSNR has one MSE (0.01 dB are {100 * part['spread']:.2f} %):\n\n"
        )
        text += _table(("samples", "peak", "MSE", "PSNR, dB", "PSNR at peak 255"), shown)
    if part := found.get("sent"):
        keys = ("nbytes", "weights", "bpp", "psnr", "ms_ssim", "jpeg_nbytes", "jpeg_psnr", "jpeg_ms_ssim")
        digits = (0, 0, 3, 2, 4, 0, 2, 4)
        shown = [[name, *(_number(row[k], d) for k, d in zip(keys, digits, strict=True))] for name, row in part.items()]
        head = (
            "weights",
            "bytes",
            "of weights",
            "bpp",
            "PSNR, dB",
            "MS-SSIM",
            "JPEG's bytes",
            "JPEG's PSNR",
            "JPEG's MS-SSIM",
        )
        text += (
            "Weights shared and sent, 8×8→16, 6 bits, means over Set12, beside JPEG within as many bytes:\n\n"
            + _table(head, shown)
        )
    for name, part in sums.items():
        if "BD-rate" in name and part:
            shown = [[key, _percent(row["psnr"]), _percent(row["ms_ssim_db"])] for key, row in part.items()]
            text += f"{name[0].upper()}{name[1:]}:\n\n" + _table(("codec", "PSNR", "MS-SSIM"), shown)
    return text


def table(found: Found, sums: Mapping[str, Any]) -> str:
    """Markdown."""
    text = _bounds_table(found) if "bounds" in found else ""
    return (text + _other_tables(found, sums) + _bits_table(found)).rstrip() + "\n"


def plot(found: Found, path: Path) -> None:
    """PSNR and MS-SSIM over rate, of Set12 and Kodak."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
    for row, (pictures, title) in zip(axes, (("set12", "Set12, grey"), ("kodak", "Kodak, every sixth")), strict=True):
        for axis, (key, label) in zip(row, (("psnr", "PSNR, dB"), ("ms_ssim_db", "MS-SSIM of luma, dB")), strict=True):
            for name, points in _curves(found, f"{pictures} ").items():
                style = {"color": "black", "linestyle": "--"} if name == "jpeg" else {}
                axis.plot(
                    [p["bpp"] for p in points], [p[key] for p in points], marker="o", markersize=3, label=name, **style
                )
            axis.set(xlabel="bits per pixel", ylabel=label, title=title, xlim=(0, 2.5))
            axis.grid(alpha=0.3)
            axis.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def drawing(side: int = 192) -> np.ndarray:
    """A page with text and lines, uint8 [side, side, 3]."""
    page = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(page)
    for i in range(9):
        pen.text((8, 8 + 12 * i), f"line {i}: n² – k – n², 0123456789", fill=(0, 0, 20 * i))
    pen.line((10, 130, 180, 185), fill=(200, 0, 0), width=2)
    pen.ellipse((110, 125, 180, 185), outline=(0, 120, 0), width=3)
    pen.rectangle((20, 140, 70, 180), fill=(30, 60, 200))
    return np.asarray(page)


def _near(picture: np.ndarray, nbytes: int, name: str) -> tuple[bytes, np.ndarray]:
    """(file, pixels) of a shipped network: the best quality of at most so many bytes."""
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        (data_,) = encode_all([picture], PerceptronOptions(quality=middle), named(name))
        low, high = (middle, high) if len(data_) <= nbytes else (low, middle - 1)
    (file,) = encode_all([picture], PerceptronOptions(quality=low), named(name))
    return file, decode_all([file])[0]


def plate(path: Path) -> None:
    """Details of photographs and a drawing: the picture, JPEG, and networks of as many bytes."""
    kodak = data.pictures("kodak")
    cases = {
        "a face": (kodak["kodim04"][130:322, 150:342], 12),
        "sky and roof": (kodak["kodim19"][0:192, 250:442], 12),
        "a drawing": (drawing(), 35),
    }
    names, tiles = ("linear8", "visual8", "linear16", "linear4"), []
    for label, (picture, quality) in cases.items():
        picture = np.ascontiguousarray(picture)
        file = jpegjax.encode(picture, quality=quality, optimize=True)
        row = [(label, picture), (f"JPEG, {len(file)} bytes", np.asarray(jpegjax.decode(file)))]
        for name in names:
            own, pixels = _near(picture, len(file), name)
            row.append((f"{name}, {len(own)} bytes", pixels))
        tiles.append(row)
    side, scale, head = 192, 2, 16
    sheet = Image.new("RGB", (len(tiles[0]) * (side * scale + 4), len(tiles) * (side * scale + head + 4)), "white")
    pen = ImageDraw.Draw(sheet)
    for y, row in enumerate(tiles):
        for x, (label, pixels) in enumerate(row):
            at = x * (side * scale + 4), y * (side * scale + head + 4)
            similar = "" if x == 0 else f", {float(jpegjax.metrics.psnr(row[0][1], pixels)):.2f} dB"
            pen.text((at[0] + 2, at[1] + 2), label + similar, fill="black")
            tile = Image.fromarray(pixels).resize((side * scale, side * scale), Image.Resampling.NEAREST)
            sheet.paste(tile, (at[0], at[1] + head))
    sheet.save(path, optimize=True)
