"""How fast are scaled decoding and regions, beside decoding all of the picture and Pillow's draft mode?

    python benchmarks/scaled.py [FOLDER] [--rounds 15] [--output benchmarks/results/scaled.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. One call decodes all files, 4:2:0, quality 75, on one
core where the system lets a process confine itself. Speeds count the pixels of the whole pictures. Draft mode knows 1/8,
1/4 and 1/2 and takes the fast DCT. Regions are 64×64 pixels at the top left, the middle and the bottom right.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial

from machine import describe
from photographs import pictures, pixels_of
from PIL import Image
from reports import RESULTS, flags, save
from rounds import processor_seconds, race

import jpegjax

_DRAFTS = (1, 2, 4)


def draft(data: bytes, eighths: int) -> None:
    """Pillow's draft mode, as far as pixels."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (image.width * eighths // 8, image.height * eighths // 8))
        image.load()


def each(function: Callable[..., object], files: list[bytes], **options: object) -> None:
    for data in files:
        function(data, **options)


def regions(files: list[bytes], sizes: list[tuple[int, int]], place: float) -> None:
    """A region of each file, `place` of the way to its bottom right."""
    for data, (height, width) in zip(files, sizes, strict=True):
        jpegjax.decode(data, crop=(int((width - 64) * place), int((height - 64) * place), 64, 64), engine="host")


def main() -> None:
    given = flags(__doc__, 15).parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    source, images = pictures(given.folder)
    pixels = pixels_of(images)
    files = jpegjax.encode(images, quality=75, engine="host")
    whole = partial(each, jpegjax.decode, files, engine="host")
    results = []
    for eighths in range(1, 17):
        contest = {"jpegjax": partial(each, jpegjax.decode, files, scale=eighths / 8, engine="host"), "whole": whole}
        if eighths in _DRAFTS:
            contest["Pillow draft"] = partial(each, draft, files, eighths=eighths)
        results.append((f"scale {eighths}/8", contest))
    sizes = [image.shape[:2] for image in images]
    for name, place in (("top left", 0.0), ("middle", 0.5), ("bottom right", 1.0)):
        results.append((f"region {name}", {"jpegjax": partial(regions, files, sizes, place), "whole": whole}))
    found = []
    for case, contest in results:
        raced = race("scaled", case, pixels, contest, rounds=given.rounds).as_dict()
        raced["cpu_seconds"] = {name: min(processor_seconds(call) for _ in range(5)) for name, call in contest.items()}
        found.append(raced)
        times = {name: s / raced["cpu_seconds"]["jpegjax"] for name, s in raced["cpu_seconds"].items()}
        beside = ", ".join(f"{ratio:.2f}× {name}" for name, ratio in times.items() if name != "jpegjax")
        print(f"{case:20} {pixels / 1e6 / raced['cpu_seconds']['jpegjax']:7.1f} Mpixel a CPU second, {beside}")
    report = {**describe(), "images": {"source": source, "count": len(images), "pixels": pixels}, "results": found}
    save(report, given.output or RESULTS / "scaled.json")


if __name__ == "__main__":
    main()
