"""Rate–distortion of files that are restored, on the 24 Kodak photographs: `python -m experiments.restoration.kodak`.

Whole files, BD-rates against Pillow's default over the intervals of `experiments.tuning.evaluate`, of mean curves: Pillow's
files and those of the tunes, some of them refined, each by the plain decoder and restored; WebP (method 6) and JPEG 2000 by
Pillow in the same run. Each restored curve also against its own files not restored: the same bytes. Six points of a tuned curve
stay within 0.1 points of BD-rate of the fourteen of `evaluate`. Nothing is trained or tuned on Kodak. Some twenty minutes on
two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import jpegjax
from experiments.tuning import evaluate, pictures, scores

from . import measure

__all__ = ["draw", "evaluated", "files_of", "lines"]

PLAIN = "plain"
ROUNDS = 4
FILES: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "psnr": {"tune": "psnr"},
    "True": {"tune": True},
    "restored": {"tune": "restored"},
    "psnr-refined": {"tune": "psnr", "refine": 2},
    "restored-refined": {"tune": "restored", "refine": ROUNDS},
}
"""Keywords of `encode` by the name of the files, but for quality; plain ones are Pillow's default."""
ARITHMETIC = "restored-refined"
"""Whose sizes by arithmetic coding are told as well: the same coefficients, for readers that know it, as libjpeg-turbo."""
QUALITIES = (10, 30, 60, 80, 90, 95)
TUNED_QUALITIES = (10, 30, 60, 80, 90, 99)
PEERS: dict[str, tuple[str, str, Sequence[float], dict[str, Any]]] = {
    "WebP, method 6": ("webp", "quality", (5, 20, 40, 60, 80, 90, 95), {"method": 6}),
    "JPEG 2000": ("jpeg2000", "rate", (110.0, 60.0, 30.0, 15.0, 10.0, 7.0), {}),
}
"""Curve: codec, the setting that is swept, its values, other settings."""
SHOWN = ("psnr", "ms_ssim", "ssimulacra2")
"""Columns of the tables, of `scores.INTERVALS`."""

Rows = list[dict[str, float]]


def files_of(images: Sequence[np.ndarray], kind: str, quality: int) -> list[bytes]:
    """The file of each picture, of a kind of `FILES`."""
    if kind == PLAIN:
        return [evaluate.pillow(image, quality) for image in images]
    return [jpegjax.encode(image, quality=quality, **FILES[kind]) for image in images]


def _point(
    images: Sequence[np.ndarray], sizes: Sequence[int], decoded: Sequence[np.ndarray], value: float
) -> tuple[dict[str, float], Rows]:
    """A curve's point as `scores` has them, and the scores of every picture."""
    each = [scores.score(image, np.asarray(pixels)) for image, pixels in zip(images, decoded, strict=True)]
    bpp = np.mean([8 * size / (im.shape[0] * im.shape[1]) for size, im in zip(sizes, images, strict=True)])
    means = {m: float(np.mean([e[m] for e in each])) for m in scores.METRICS}
    return {"quality": value, "bpp": float(bpp), **means}, each


def _both(images: Sequence[np.ndarray], kind: str, qualities: Sequence[int]) -> dict[str, Any]:
    """The curves of files by the plain decoder and restored, then of the same coded arithmetically; by quality, the gains."""
    plain, restored, smaller, gains = list[Any](), list[Any](), list[Any](), {}
    for quality in qualities:
        files = files_of(images, kind, quality)
        sizes = [len(f) for f in files]
        before, befores = _point(images, sizes, measure.shown(files, "plain"), quality)
        after, afters = _point(images, sizes, measure.shown(files, "restored"), quality)
        plain.append(before)
        restored.append(after)
        if kind == ARITHMETIC:
            coded = (jpegjax.transcode(f, arithmetic=True, progressive=True) for f in files)
            bits = [8 * len(f) / (im.shape[0] * im.shape[1]) for f, im in zip(coded, images, strict=True)]
            smaller.append({**after, "bpp": float(np.mean(bits))})
        gains[str(quality)] = {
            metric: {
                "mean": round(float(np.mean(found)), 4),
                "least": round(float(np.min(found)), 4),
                "worse": int(np.sum(found < 0)),
            }
            for metric in scores.METRICS
            for found in [np.array([a[metric] - b[metric] for a, b in zip(afters, befores, strict=True)])]
        }
    return {"plain": plain, "restored": restored, "arithmetic": smaller, "gains": gains}


def _peer(images: Sequence[np.ndarray], name: str) -> list[dict[str, float]]:
    codec, setting, values, others = PEERS[name]
    found = jpegjax.codecs.get(codec)
    curve = []
    for value in values:
        files = [found.encode(image, **{setting: value}, **others) for image in images]
        curve.append(_point(images, [len(f) for f in files], [found.decode(f) for f in files], value)[0])
    return curve


def evaluated(images: Sequence[np.ndarray], kinds: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """All curves, their BD-rates against Pillow's default, and of restored files against the same files as they are."""
    start = time.perf_counter()
    curves: dict[str, Any] = {"Pillow": scores.measure_curve(images, evaluate.pillow, evaluate.ANCHOR_QUALITIES)}
    same, gains = {}, {}
    for kind in kinds:
        name = ", ".join(f"{key}={value!r}" for key, value in FILES[kind].items()) or "Pillow"
        found = _both(images, kind, QUALITIES if kind == PLAIN else TUNED_QUALITIES)
        if kind != PLAIN:
            curves[name] = found["plain"]
        label = f"{name}, restored"
        curves[label], gains[label] = found["restored"], found["gains"]
        if found["arithmetic"]:
            curves[f"{name}, arithmetic, restored"] = found["arithmetic"]
        same[label] = scores.bd_rates(found["plain"], found["restored"])
        say(f"{time.perf_counter() - start:5.0f} s  {label}: {scores.bd_rates(curves['Pillow'], found['restored'])}")
    for name in PEERS:
        curves[name] = _peer(images, name)
        say(f"{time.perf_counter() - start:5.0f} s  {name}: {scores.bd_rates(curves['Pillow'], curves[name])}")
    rates = {name: scores.bd_rates(curves["Pillow"], c) for name, c in curves.items() if name != "Pillow"}
    return {"bd_rate_percent": rates, "bd_rate_against_the_same_files": same, "gains": gains, "curves": curves}


def lines(whole: Mapping[str, Any]) -> list[str]:
    """Markdown: BD-rates against Pillow, against the same files, gains by quality."""
    intervals = {name: scores.INTERVALS[name] for name in (*SHOWN[:1], "psnr_y", *SHOWN[1:], "ssimulacra2_60_85")}
    found = [f"BD-rate in percent against Pillow's default, {len(whole['pictures'])} Kodak photographs.", ""]
    found += [scores.table(whole["bd_rate_percent"], intervals)]
    found += ["Restored against the same files not restored, BD-rate in percent.", ""]
    found += [scores.table(whole["bd_rate_against_the_same_files"], intervals)]
    found += ["What restoration adds to a file, mean (least; how many pictures are worse).", ""]
    for name, rows in whole["gains"].items():
        found += [f"**{name}**", "", "| quality | PSNR, dB | MS-SSIM, dB | SSIMULACRA2 |", "|---|---|---|---|"]
        for quality, row in rows.items():
            cells = (row[m] for m in ("psnr", "ms_ssim_db", "ssimulacra2"))
            said = (f"{c['mean']:+.2f} ({c['least']:+.2f}; {c['worse']})" for c in cells)
            found.append(f"| {quality} | {' | '.join(said)} |")
        found.append("")
    return found


def draw(curves: Mapping[str, Any], path: Path) -> None:
    """PSNR over rate, and the rate that curves save against Pillow at equal PSNR, MS-SSIM and SSIMULACRA2."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 10), layout="constrained")
    FigureCanvasAgg(figure)
    (first, *others) = figure.subplots(2, 2).ravel()
    named = {"psnr": "PSNR, dB", "ms_ssim_db": "MS-SSIM, dB", "ssimulacra2": "SSIMULACRA2"}
    for k, (name, curve) in enumerate(curves.items()):
        style = ":" if name in PEERS else "-" if name.endswith(", restored") else "--"
        look: dict[str, Any] = {"marker": ".", "color": colormaps["tab20"](k % 20)}
        rate = np.array([p["bpp"] for p in curve])
        first.plot(rate, [p["psnr"] for p in curve], style, label=name, **look)
        for axes, metric in zip(others, named, strict=True):
            anchor = np.array([(p[metric], np.log(p["bpp"])) for p in curves["Pillow"]])
            quality = np.array([p[metric] for p in curve])
            inside = (quality >= anchor[0, 0]) & (quality <= anchor[-1, 0])
            saved = np.log(rate[inside]) - np.interp(quality[inside], *anchor.T)
            axes.plot(quality[inside], 100 * np.expm1(saved), style, label=name, **look)
    first.set(xlabel="bits a pixel", ylabel="PSNR of RGB, dB", xscale="log", title="Kodak")
    for axes, label in zip(others, named.values(), strict=True):
        axes.set(xlabel=label, ylabel="rate against Pillow at equal quality, %", title="lower is better")
    for axes in (first, *others):
        axes.grid(alpha=0.3)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = measure.arguments("kodak", str(__doc__))
    parser.add_argument("--files", choices=tuple(FILES), nargs="*", default=list(FILES), help="kinds of files")
    given = parser.parse_args()
    chosen = dict(list(pictures.kodak().items())[: given.pictures])
    found = evaluated(list(chosen.values()), given.files, partial(print, flush=True))
    about = {"pictures": list(chosen), "intervals": scores.INTERVALS}
    measure.save("kodak", given.to, {**about, **found}, lines)
    draw(found["curves"], given.to / "restoration-kodak.png")


if __name__ == "__main__":
    main()
