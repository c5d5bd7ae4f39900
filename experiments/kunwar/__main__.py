"""Regions that matter get more of a JPEG's bytes (Kunwar 2018, Prakash 2017): `python -m experiments.kunwar`.

A quarter of an hour on two cores: a network learns CIFAR-10's classes (--epochs), its class maps of the 24 Kodak photographs say
where the subject is, and files of the bytes of a plain quality 50 are made by mixing qualities as published, and by
`encode(importance=)`. Writes experiments/results/kunwar.json, .md, .png (what each picture's region gains) and the maps and
pictures to look at in --work. Expect at least 0.5 dB in the region (the fifth of the pixels where the map is largest) at equal
bytes, 1 % more at most.
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from PIL import Image

from benchmarks.machine import ROOT, describe
from experiments.learned.kodak import SHARED
from experiments.pistono.data import cifar10
from experiments.pistono.train import trained
from jpegjax import metrics
from jpegjax.learned import shipped

from .files import QUALITY, WAYS, importance_of, made, ranks
from .network import MapNet, saliency

RESULTS = ROOT / "experiments" / "results"
COMMAND = "python -m experiments.kunwar"
REGION = 0.8
"""Ranks of the map from here on are the region."""


def network(path: Path, epochs: int) -> tuple[MapNet, dict[str, float]]:
    """The trained network, kept at a path with how well it does."""
    model, told = MapNet(rngs=nnx.Rngs(0)), path.with_suffix(".json")
    if path.exists() and told.exists():
        found = shipped.read_arrays(path)
        graph, state = nnx.split(model)
        flat = [(k, v.replace(jax.numpy.asarray(found["/".join(map(str, k))]))) for k, v in nnx.to_flat_state(state)]
        return nnx.merge(graph, nnx.from_flat_state(flat)), json.loads(told.read_text())
    train, test = cifar10()
    model, scores = trained(
        model,
        {"pixels": train.data, "labels": train.labels},
        {"pixels": test.data, "labels": test.labels},
        epochs=epochs,
        seed=0,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    shipped.write_arrays(
        path, {"/".join(map(str, k)): np.asarray(v[...]) for k, v in nnx.to_flat_state(nnx.state(model))}
    )
    told.write_text(json.dumps(scores | {"epochs": epochs}))
    return model, scores | {"epochs": epochs}


def _psnr(reference: np.ndarray, shown: np.ndarray, where: np.ndarray) -> float:
    error = float(np.mean((reference[where].astype(np.float64) - shown[where]) ** 2))
    return 10 * float(np.log10(255**2 / error))


def scored(picture: np.ndarray, files: dict[str, bytes], region: np.ndarray) -> dict[str, Any]:
    """Bytes against the plain file's, PSNR of region, rest and whole, and SSIMULACRA2, of each file as Pillow shows it."""
    found = {}
    for name, data in files.items():
        shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        found[name] = {
            "bytes": len(data), "of_plain": len(data) / len(files["plain"]), "region": _psnr(picture, shown, region),
            "rest": _psnr(picture, shown, ~region), "whole": _psnr(picture, shown, region | True),
            "ssimulacra2": float(metrics.ssimulacra2(picture, shown)),
        }  # fmt: skip
    return found


def summed(pictures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means over pictures, against the plain file, and against the tuned one without the map."""
    out: dict[str, Any] = {}
    for name in WAYS:
        anchors = {"plain": "plain"} | ({"tuned": name.replace("guided", "tuned")} if name.startswith("guided") else {})
        row: dict[str, Any] = {"of_plain": _spread([p[name]["of_plain"] for p in pictures.values()])}
        for anchor, other in anchors.items():
            for what in ("region", "rest", "whole", "ssimulacra2"):
                gains = [p[name][what] - p[other][what] for p in pictures.values()]
                row[f"{what}_over_{anchor}"] = _spread(gains)
        out[name] = row
    return out


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 4), "least": round(min(values), 4), "most": round(max(values), 4)}


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    rows = [
        "| file | bytes of plain | region dB | least | rest dB | whole dB | SSIMULACRA2 |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    ]
    for name, found in report["found"].items():
        for anchor in ("plain", "tuned"):
            if f"region_over_{anchor}" in found and name != "plain":
                mean = [found[f"{what}_over_{anchor}"]["mean"] for what in ("region", "rest", "whole", "ssimulacra2")]
                rows.append(
                    f"| {name} over {'plain' if anchor == 'plain' else name.replace('guided', 'tuned')} | "
                    f"{found['of_plain']['mean']:.3f} | {mean[0]:+.2f} | {found[f'region_over_{anchor}']['least']:+.2f} | "
                    f"{mean[1]:+.2f} | {mean[2]:+.2f} | {mean[3]:+.2f} |\n"
                )
    return "".join(rows)


def claim(report: dict[str, Any]) -> dict[str, str]:
    mixed, guided = report["found"]["mixed"], report["found"]["guided psnr"]

    def gains(found: dict[str, Any], anchor: str) -> str:
        return f"{found[f'region_over_{anchor}']['mean']:+.1f} dB, the rest {found[f'rest_over_{anchor}']['mean']:+.1f}"

    return {
        "system": "Kunwar 2018, Prakash 2017 (quality by regions)",
        "claims": "higher visual quality at equal size",
        "measured": f"at a plain file's bytes the region {gains(guided, 'plain')} by `importance=` (against a tuned file "
        f"{gains(guided, 'tuned')}); by mixed qualities as published {gains(mixed, 'plain')}",
        "command": COMMAND,
    }


def plot(pictures: dict[str, dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
    for axis, what in zip(axes, ("region", "rest"), strict=True):
        for name, marker in (("mixed", "o"), ("tuned psnr", "s"), ("guided psnr", "^"), ("guided", "v")):
            gains = [p[name][what] - p["plain"][what] for p in pictures.values()]
            axis.plot(range(1, len(gains) + 1), gains, marker, label=name, markersize=5)
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set(title=f"{what} of the map, against plain quality {QUALITY} at equal bytes", xlabel="Kodak photograph")
    axes[0].set_ylabel("dB (RGB)")
    axes[1].legend(loc="center right")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/kunwar"), help="the network, maps and pictures")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--epochs", type=int, default=12, help="of training, where --work has no network yet")
    parser.add_argument("--only", type=int, help="so many photographs")
    given = parser.parse_args(words)
    paths = sorted((SHARED / "data" / "kodak").glob("*.png"))[: given.only]
    if not paths:
        parser.error(f"no kodak in {SHARED / 'data'}: set JPEGJAX_SHARED")
    model, scores = network(given.work / "maps.jxw", given.epochs)
    print(f"network: {scores}", flush=True)
    pictures: dict[str, Any] = {}
    for path in paths:
        picture = np.asarray(Image.open(path).convert("RGB"))
        rank = ranks(saliency(model, picture))
        files = made(picture, rank)
        pictures[path.stem] = scored(picture, files, rank >= REGION)
        Image.fromarray((255 * importance_of(rank)).astype(np.uint8)).save(given.work / f"{path.stem}-map.png")
        for name, data in files.items():
            (given.work / f"{path.stem}-{name.replace(' ', '-')}.jpg").write_bytes(data)
        own = pictures[path.stem]
        print(path.stem, {k: round(v["region"] - own["plain"]["region"], 2) for k, v in own.items()}, flush=True)
    command = shlex.join(["python", "-m", "experiments.kunwar", *(sys.argv[1:] if words is None else words)])
    report: dict[str, Any] = {
        **describe(), "command": command, "network": scores, "quality": QUALITY, "region": f"ranks from {REGION} on",
        "found": summed(pictures), "pictures": pictures,
    }  # fmt: skip
    report["literature"] = [claim(report)]
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / "kunwar.json").write_text(json.dumps(report, indent=1) + "\n")
    text = (
        f"Kunwar 2018, quality by regions at equal bytes; `{command}` at commit {report['commit']}.\n\n{table(report)}"
    )
    (given.to / "kunwar.md").write_text(text)
    plot(pictures, given.to / "kunwar.png")
    print(text)


if __name__ == "__main__":
    main()
