"""Rate–distortion of the tuned encoder against Pillow's default: `python -m experiments.tuning.evaluate [--set validation]`.

Kodak (default) with the peers of `facts/jpeg-peers-kodak.json`, or the validation split of the training packs. Whole files
in Huffman coding, decoded by Pillow; BD-rates of mean curves over fixed intervals. Writes
`experiments/results/tuning-<set>.json` and `.md`. Four minutes on two cores.
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe

from . import pictures, scores

RESULTS = Path(__file__).resolve().parents[1] / "results"
TUNES: dict[str, Any] = {
    "psnr": "psnr",
    "ms-ssim": "ms-ssim",
    "ssimulacra2": "ssimulacra2",
    "butteraugli": "butteraugli",
}
TUNES["True"] = True
QUALITIES = (14, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 97, 99)
VALIDATION = 40
ANCHOR_QUALITIES = (20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)  # those of the peers' file


def pillow(picture: np.ndarray, quality: int, sampling: str = "4:2:0") -> bytes:
    """Pillow's default: libjpeg-turbo, 4:2:0 or another sampling, standard Huffman tables."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality, subsampling=sampling)
    return out.getvalue()


def tuned(tune: Any, **options: Any) -> Callable[[np.ndarray, int], bytes]:
    """The encoder of a tune."""
    import jpegjax

    return lambda picture, quality: jpegjax.encode(picture, quality=quality, tune=tune, **options)


def evaluate(which: str, tunes: dict[str, Any], arithmetic: bool = False) -> dict[str, Any]:
    """All curves and their BD-rates on a set, "kodak" or "validation"."""
    if which == "kodak":
        images = list(pictures.kodak().values())
        names = sorted(pictures.kodak())
    else:
        entries = pictures.listing(validation=True)[:VALIDATION]
        images, names = pictures.load(entries), [file for _, file in entries]
    anchor = scores.measure_curve(images, pillow, ANCHOR_QUALITIES)
    rows, intervals = {}, scores.intervals_of(anchor)
    if which == "kodak":
        intervals = scores.INTERVALS
        peers = scores.peer_curves(pictures.shared() / "facts" / "jpeg-peers-kodak.json")
        off = [
            abs(a[m] - b[m]) for a, b in zip(anchor, peers["turbo"][1], strict=True) for m in ("bpp", *scores.METRICS)
        ]
        print(f"Pillow here against the peers' file: largest difference {max(off):.3f}", flush=True)
        if max(off) > 0.05:
            raise RuntimeError("Pillow's curve is not that of the peers' file: the tables cannot stand side by side")
        rows = {f"{k} ({s})": scores.bd_rates(peers["turbo"][1], c) for k, (s, c) in peers.items() if k != "turbo"}
    curves: dict[str, scores.Curve] = {"Pillow": anchor}
    for name, tune in tunes.items():
        for label, options in [(f"tune={name}", {})] + (
            [(f"tune={name}, arithmetic", {"arithmetic": True})] * arithmetic
        ):
            curves[label] = scores.measure_curve(images, tuned(tune, **options), QUALITIES)
            rows[label] = scores.bd_rates(anchor, curves[label], intervals)
            print(label, {k: v if v is None else round(v, 2) for k, v in rows[label].items()}, flush=True)
    return {"set": which, "pictures": names, "intervals": intervals, "bd_rate_percent": rows, "curves": curves}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--set", choices=("kodak", "validation"), default="kodak", dest="which")
    parser.add_argument("--tune", choices=tuple(TUNES), nargs="*", default=list(TUNES))
    parser.add_argument("--arithmetic", action="store_true", help="also with arithmetic coding")
    arguments = parser.parse_args()
    found = evaluate(arguments.which, {name: TUNES[name] for name in arguments.tune}, arguments.arithmetic)
    command = shlex.join(["python", "-m", "experiments.tuning.evaluate", *sys.argv[1:]])
    found = {**describe(), "command": command, **found}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"tuning-{arguments.which}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    machine = found["machine"]
    about = f"BD-rate in percent against Pillow's default, {len(found['pictures'])} pictures ({arguments.which}); `{command}`, "
    about += f"{machine['cpu']}, {machine['cores']} cores, commit {found['commit']}.\n\n"
    markdown = about + scores.table(found["bd_rate_percent"], found["intervals"])
    path.with_suffix(".md").write_text(markdown)
    print(markdown)


if __name__ == "__main__":
    main()
