"""What detectors find, AP50 of each class by pycocotools, and files a second from bytes to boxes' scores."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from experiments.pistono.cost import macs
from experiments.pistono.measure import gaps, pieces, spread
from experiments.pistono.train import inputs
from jpegjax.learned.dct.statistics import block_statistics
from jpegjax.learned.detect.boxes import boxes_of, suppressed

from .data import CLASSES, Part, bccd
from .networks import Detector, built, places
from .train import BATCH, reader, trained

__all__ = ["NETWORKS", "average_precision", "claim", "found", "piece", "report_of", "speed", "speed_table", "table"]

NETWORKS = ("pixels", "blocks")
EPOCHS = 60
_LEAST = 0.01
"""Scores below are nothing found."""

Found = list[tuple[int, int, float, np.ndarray]]
"""(picture, class from 1, score 0..1, box [4] in pixels)."""


@nnx.jit
def told(model: Detector, batch: Mapping[str, Any]) -> tuple[jax.Array, jax.Array]:
    """(probabilities [N, A, classes + 1], boxes [N, A, 4]) of a batch of files that were read."""
    scores, offsets = model(inputs(batch))
    return jax.nn.softmax(scores), boxes_of(offsets, places())


def _parts(files: Sequence[bytes], size: int = BATCH) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(files), size):
        yield files[start : start + size]


def found(model: Detector, name: str, files: Sequence[bytes]) -> Found:
    """What is left of all anchors, by picture and class."""
    make, whole = reader(name), []
    number = 0
    for part in _parts(files):
        for scores, boxes in zip(*map(np.asarray, told(model, make(part))), strict=True):
            for kind in range(1, len(CLASSES) + 1):
                some = np.flatnonzero(scores[:, kind] > _LEAST)
                kept = some[suppressed(boxes[some], scores[some, kind], count=100)]
                whole += [(number, kind, float(scores[i, kind]), boxes[i]) for i in kept]
            number += 1
    return whole


def average_precision(part: Part, detections: Found) -> dict[str, float]:
    """AP50 of each class and their mean, in per cent, by COCO's evaluation: 101 points, 100 boxes a picture and class."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("AP needs pycocotools: pip install 'jpegjax[detect]'", name="pycocotools") from error

    def sized(box: np.ndarray) -> list[float]:
        return [float(v) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1])]

    truth = [
        {
            "image_id": i,
            "category_id": int(kind),
            "bbox": sized(box),
            "area": sized(box)[2] * sized(box)[3],
            "iscrowd": 0,
        }
        for i, (boxes, kinds) in enumerate(zip(part.boxes, part.classes, strict=True))
        for box, kind in zip(boxes, kinds, strict=True)
        if kind
    ]
    told_boxes = [{"image_id": i, "category_id": k, "score": s, "bbox": sized(box)} for i, k, s, box in detections]
    if not told_boxes:
        return dict.fromkeys((*CLASSES, "mean"), 0.0)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints as it goes
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(part.names))],
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
            "annotations": [{**one, "id": n + 1} for n, one in enumerate(truth)],
        }
        coco.createIndex()
        judged = COCOeval(coco, coco.loadRes(told_boxes), "bbox")
        judged.params.iouThrs = np.array([0.5])
        judged.evaluate()
        judged.accumulate()
    precision = judged.eval["precision"][0, :, :, 0, -1]  # [recall, class], of all areas
    each = {name: round(100 * float(precision[:, k].mean()), 3) for k, name in enumerate(CLASSES)}
    return {**each, "mean": round(float(np.mean(list(each.values()))), 3)}


def piece(name: str, seed: int, work: Path, epochs: int = EPOCHS, count: int | None = None) -> dict[str, Any]:
    """{"ap50": {class: per cent}, …} on BCCD's test part of a detector trained on its training part, kept in `work`.

    count: pictures of either at most.
    """
    path = work / f"{name}-{seed}.json"
    if not path.is_file():
        train, test = bccd("train", count), bccd("test", count)
        model, about = trained(name, seed, train, epochs)
        one = inputs(reader(name)(train.files[:1]))
        scores = average_precision(test, found(model, name, test.files))
        made = {**about, "ap50": scores, "mflop": round(2e-6 * macs(model, one), 1), "epochs": epochs}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made) + "\n")
    return json.loads(path.read_text())


def report_of(work: Path, stored: bool = False) -> dict[str, Any]:
    """Of each detector AP50 over seeds, and how far from pixels, seed by seed; stored: only of pieces that are there."""
    each = pieces(piece, NETWORKS, work, stored)
    red = {name: {seed: one["ap50"][CLASSES[0]] for seed, one in mine.items()} for name, mine in each.items()}
    made: dict[str, Any] = {}
    for name, mine in each.items():
        first = next(iter(mine.values()))
        made[name] = {
            **{key: first[key] for key in ("mflop", "parameters", "epochs")},
            "ap50": {kind: spread([one["ap50"][kind] for one in mine.values()]) for kind in first["ap50"]},
            "red_cells_to_pixels": gaps(red[name], red["pixels"]),
        }
    return made


def speed(rounds: int = 7, count: int | None = None) -> dict[str, Any]:
    """Of each detector files a second over BCCD's test part, from bytes to scores and boxes: best of several interleaved rounds.

    Also what reading and network take alone, in milliseconds a file. Suppression, the same for both, is left out.
    """
    part = bccd("test", count)
    files = part.files[: len(part.files) // BATCH * BATCH]
    statistics = block_statistics([reader("blocks")(files[:BATCH])["coefficients"]])
    best: dict[str, dict[str, float]] = {name: {} for name in NETWORKS}
    models = {name: built(name, 0, statistics) for name in NETWORKS}

    def note(name: str, what: str, work: Callable[[], Any]) -> None:
        began = time.perf_counter()
        jax.block_until_ready(work())
        each = (time.perf_counter() - began) / len(files)
        best[name][what] = min(each, best[name].get(what, each))

    for turn in range(rounds + 1):
        for name, model in models.items():
            model.eval()
            make = reader(name)
            read = [make(some) for some in _parts(files)]
            if turn == 0:  # compiles
                jax.block_until_ready([told(model, batch) for batch in read])
                continue
            note(name, "reading", lambda: [make(some) for some in _parts(files)])  # noqa: B023  (used at once)
            note(name, "network", lambda: [told(model, batch) for batch in read])  # noqa: B023
            note(name, "both", lambda: [told(model, make(some)) for some in _parts(files)])  # noqa: B023
    base = best["pixels"]["both"]
    return {
        name: {
            **{f"{what}_ms": round(1e3 * seconds, 3) for what, seconds in one.items()},
            "files_a_second": round(1 / one["both"], 1),
            "times_pixels": round(base / one["both"], 3),
        }
        for name, one in best.items()
    }


def table(report: Mapping[str, Any]) -> str:
    """Markdown: AP50 of each class."""
    names = (*CLASSES, "mean")
    lines = [f"| detector | MFLOP | {' | '.join(names)} | red cells to pixels |\n", "|---" * (3 + len(names)) + "|\n"]
    for name, row in report["bccd"].items():
        cells = " | ".join(f"{row['ap50'][k]['mean']:.1f} ± {row['ap50'][k]['deviation']:.1f}" for k in names)
        gap = row["red_cells_to_pixels"]
        lines.append(f"| {name} | {row['mflop']:.0f} | {cells} | {gap['mean']:+.2f} ± {gap['deviation']:.2f} |\n")
    return "".join(lines)


def speed_table(report: Mapping[str, Any]) -> str:
    """Markdown: milliseconds a file, files a second."""
    lines = [
        "| detector | reading, ms | network, ms | both, ms | files a second | times pixels |\n",
        "|---" * 6 + "|\n",
    ]
    for name, row in report["speed"].items():
        parts = " | ".join(f"{row[f'{what}_ms']:.2f}" for what in ("reading", "network", "both"))
        lines.append(f"| {name} | {parts} | {row['files_a_second']:.0f} | {row['times_pixels']:.2f} |\n")
    return "".join(lines)


def claim(report: Mapping[str, Any]) -> dict[str, str]:
    """The row of this system in a table of the literature."""
    rows = report["bccd"]
    each = {name: rows[name]["ap50"][CLASSES[0]]["mean"] for name in NETWORKS}
    return {
        "system": "Deguerre 2019 (SSD on coefficients)",
        "claims": "VOC, SSD300 retrained: 65.0 mAP on pixels at 102 FPS, 48.9 on coefficients at 262",
        "measured": (
            f"BCCD, a small SSD: red cells AP50 {each['pixels']:.1f} on pixels, {each['blocks']:.1f} on coefficients at "
            f"{100 * rows['blocks']['mflop'] / rows['pixels']['mflop']:.0f} % of the operations"
        ),
        "command": report["command"],
    }
