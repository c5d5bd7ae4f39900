"""Screenshots and line drawings restored: what the picture gains that gains least: `python -m experiments.restoration.graphics`.

The sixteen drawings that the tuning experiments hold apart (two of them real maps), and four of thin lines (`drawn.py`). Plain
files of quality 10 to 95, 4:2:0 and 4:4:4, and tuned ones; PSNR over RGB and of luma against the original, gain over the plain
decoder. Five minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import jpegjax
from experiments.tuning import graphics

from . import drawn, measure

__all__ = ["twenty"]

WRITERS: dict[str, Callable[..., bytes]] = {
    **{sampling: partial(measure.plain_file, sampling=sampling) for sampling in ("4:2:0", "4:4:4")},
    **{f"tune={tune!r}": partial(jpegjax.encode, tune=tune) for tune in ("restored", True)},
}


def twenty() -> dict[str, np.ndarray]:
    """All pictures by name, uint8 [H, W, 3]."""
    held = {g.name: np.ascontiguousarray(g.pixels) for g in graphics.graphics(apart=True)}
    return held | {draw.__name__: draw() for draw in drawn.DRAWINGS}


def lines(whole: Mapping[str, Any]) -> list[str]:
    """Markdown of the gains."""
    found = [f"{len(whole['pictures'])} screenshots and drawings, dB of PSNR over the plain decoder.", ""]
    for writer, rows in whole["gains"].items():
        found += [f"**{writer}**", "", *measure.gain_table(rows)]
    return found


def main() -> None:
    given = measure.arguments("graphics", str(__doc__)).parse_args()
    images = dict(list(twenty().items())[: given.pictures])
    gains: dict[str, Any] = {}
    for name, write in WRITERS.items():
        gains[name] = {}
        for quality in measure.QUALITIES:
            row = measure.gain_row(images, partial(write, quality=quality))
            gains[name][str(quality)] = row
            print(name, quality, {k: (v["mean"], v["least"], v["of"]) for k, v in row.items()}, flush=True)
    measure.save("graphics", given.to, {"pictures": list(images), "gains": gains}, lines)


if __name__ == "__main__":
    main()
