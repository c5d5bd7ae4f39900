"""Our tunes beside mozjpeg and jpegli on a panel of metrics: `python -m experiments.tuning.panel_evaluate --set photographs`.

Sets: the first 40 photographs of the validation split, the middle 512×512 of each; `graphics(apart=True)`; or Kodak. Whole files,
decoded by Pillow. BD-rates picture by picture against Pillow's default, over what both curves cover of the scores of the anchor's
qualities 20 to 90; points that a smaller file equals are dropped, and pictures of which less than half of that span is covered
are left out, both counted. With --sampling all but the anchor code with it; without, the peers code 4:2:0 and the tunes their
default. Writes `experiments/results/panel-<set>[-444].json`, `.md` and `.png`. Scores of files are kept in `runs/panel` by the
content of file, picture and metrics, so that a run after a change scores what changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT, describe

from . import graphics, panel_report, peers, pictures
from .panel import rates

__all__ = ["QUALITIES", "Picture", "evaluate", "measured", "picture_set"]

RESULTS = Path(__file__).resolve().parents[1] / "results"
KEPT = ROOT / "runs" / "panel"
QUALITIES = (10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
WIDER = (5, *QUALITIES, 98)
PEER_QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98)
PHOTOGRAPHS, SIDE = 40, 512

Curves = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Picture:
    """What a set holds. kind: "photograph", or one of `graphics.KINDS`."""

    name: str
    kind: str
    pixels: np.ndarray


def _middle(pixels: np.ndarray) -> np.ndarray:
    y, x = (max(0, (n - SIDE) // 2) for n in pixels.shape[:2])
    return np.ascontiguousarray(pixels[y : y + SIDE, x : x + SIDE])


def picture_set(which: str, count: int | None = None) -> list[Picture]:
    """The first `count` pictures of a set, or all."""
    if which == "graphics":
        return [Picture(g.name, g.kind, np.ascontiguousarray(g.pixels)) for g in graphics.graphics(apart=True)][:count]
    if which == "kodak":
        return [Picture(name, "photograph", pixels) for name, pixels in pictures.kodak().items()][:count]
    entries = pictures.listing(validation=True)[: min(count or PHOTOGRAPHS, PHOTOGRAPHS)]
    return [
        Picture(file, "photograph", _middle(p)) for (_, file), p in zip(entries, pictures.load(entries), strict=True)
    ]


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:20]


def _yardstick() -> str:
    """Changes with the code of any metric."""
    here = Path(__file__).parent
    files = [here / "fast.py", *(here / "panel").glob("*.py"), *(ROOT / "jpegjax" / "metrics").rglob("*.py")]
    return _digest(*(f.read_bytes() for f in sorted(files) if f.stem not in ("__init__", "bjontegaard", "rates")))


def measured(given: tuple[Picture, Sequence[peers.Encoder]]) -> Curves:
    """The points of a picture by every encoder's label; scores of files met before are read back."""
    from .panel.judge import Judge
    from .scores import decoded

    picture, encoders = given
    height, width = picture.pixels.shape[:2]
    path = KEPT / f"{_digest(picture.pixels.tobytes(), b'%d' % width)}-{_yardstick()}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    judge, curves = None, {}
    for encoder in encoders:
        curve = []
        for quality in {"pillow": QUALITIES, "tune": WIDER}.get(encoder.kind, PEER_QUALITIES):
            data = encoder.encode(picture.pixels, quality)
            key = _digest(data)
            if key not in kept:
                judge = judge or Judge(picture.pixels)
                kept[key] = judge.scores(decoded(data))
            curve.append({"quality": quality, "bpp": 8 * len(data) / (width * height), **kept[key]})
        curves[encoder.label] = curve
    if judge is not None:
        KEPT.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(kept))
        beside.replace(path)
    return curves


def _measure_all(found: list[Picture], encoders: Sequence[peers.Encoder], jobs: int) -> list[Curves]:
    """As `measured`, a picture a process; a line on each."""
    curves, start = [], time.perf_counter()
    # the processes compile SSIMULACRA2 once and for all
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(KEPT.with_name("xla")))
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs) as pool:
        for picture, one in zip(found, pool.imap(measured, [(p, encoders) for p in found]), strict=True):
            curves.append(one)
            print(f"{time.perf_counter() - start:6.0f} s  {len(curves)}/{len(found)}  {picture.name}", flush=True)
    return curves


def evaluate(found: list[Picture], encoders: Sequence[peers.Encoder], jobs: int) -> dict[str, Any]:
    """BD-rates by encoder and metric, their means (by kind of picture too), and the tunes beside plain at equal quality."""
    curves = _measure_all(found, encoders, jobs)
    anchor, *others = (e.label for e in encoders)
    single = {
        label: {m: [rates.rate(c[anchor], c[label], m) for c in curves] for m in rates.METRICS} for label in others
    }
    kinds = {"all": range(len(found))} | {
        kind: [i for i, p in enumerate(found) if p.kind == kind] for kind in graphics.KINDS
    }
    kinds = {kind: chosen for kind, chosen in kinds.items() if chosen}
    return {
        "pictures": [p.name for p in found],
        "kinds": [p.kind for p in found],
        "bd_rate": {
            kind: {
                label: {m: rates.summary([r[i] for i in chosen]) for m, r in by_metric.items()}
                for label, by_metric in single.items()
            }
            for kind, chosen in kinds.items()
        },
        "won": {label: {m: _wins(single, encoders, label, m) for m in rates.METRICS} for label in others},
        "equal_quality": {
            kind: {
                e.label: rates.equal_quality([curves[i][anchor] for i in chosen], [curves[i][e.label] for i in chosen])
                for e in encoders
                if e.kind == "tune"
            }
            for kind, chosen in kinds.items()
        },
        "bd_rate_percent_by_picture": {
            label: {m: [None if r is None else round(r.percent, 2) for r in of] for m, of in by_metric.items()}
            for label, by_metric in single.items()
        },
    }


def _wins(single: dict[str, Any], encoders: Sequence[peers.Encoder], label: str, metric: str) -> dict[str, list[int]]:
    """By peer: on how many pictures, of how many, an encoder's BD-rate is the lower one."""
    found = {}
    for peer in (e.label for e in encoders if e.kind in peers.PEERS and e.label != label):
        pairs = zip(single[label][metric], single[peer][metric], strict=True)
        both = [(a.percent, b.percent) for a, b in pairs if a is not None and b is not None]
        found[peer] = [sum(a < b for a, b in both), len(both)]
    return found


def main() -> None:
    known = peers.tunes()
    parser = argparse.ArgumentParser(
        prog="python -m experiments.tuning.panel_evaluate", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--set", choices=("photographs", "graphics", "kodak"), default="photographs", dest="which")
    parser.add_argument("--sampling", choices=("4:2:0", "4:2:2", "4:4:4"), help="of all but the anchor")
    parser.add_argument("--tune", choices=[str(t) for t in known.values()], nargs="*", help="default: all")
    parser.add_argument("--pictures", type=int, help="only the first so many")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    chosen = {label: tune for label, tune in known.items() if arguments.tune is None or str(tune) in arguments.tune}
    encoders = peers.line_up(arguments.sampling, chosen)
    about = {**describe(), "command": shlex.join(["python", "-m", "experiments.tuning.panel_evaluate", *sys.argv[1:]])}
    versions = {peer: peers.version(peer) for peer in peers.PEERS}
    found = evaluate(picture_set(arguments.which, arguments.pictures), encoders, arguments.jobs)
    whole = {**about, "peers": versions, "set": arguments.which, **found}
    sampling = f"-{arguments.sampling.replace(':', '')}" if arguments.sampling else ""
    path = arguments.to / f"panel-{arguments.which}{sampling}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=1) + "\n")
    markdown = panel_report.markdown(whole)
    path.with_suffix(".md").write_text(markdown)
    panel_report.draw(whole, path.with_suffix(".png"))
    print(markdown)


if __name__ == "__main__":
    main()
