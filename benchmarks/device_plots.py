"""What results/device.json says, drawn: images a second over the size of the batch, and shares of a copy's bytes a second."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["draw"]

COLORS = {
    "jpegjax": "#e4572e",
    "nvJPEG": "#5f9e2f",
    "jpegjax, host engine": "#2f7de1",
    "Pillow on all cores": "#7a8699",
}


def draw(report: Mapping[str, Any], path: Path) -> bool:
    """A PNG of a report; False, and a word of why, where Matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        print(f"no plots: {error}")
        return False
    rows = [r for r in report["results"] if r["section"] in ("encode", "decode") and "batch" in r]
    plain = [r for r in rows if not r["transfers"] and "4:2:0" in r["case"]]
    sizes = sorted({tuple(r["size"]) for r in plain})
    figure = Figure(figsize=(5 * max(len(sizes), 1), 12), layout="constrained")
    axes = figure.subplots(3, max(len(sizes), 1), squeeze=False)
    for k, section in enumerate(("encode", "decode")):
        for axis, size in zip(axes[k], sizes, strict=False):
            some = sorted((r for r in plain if r["section"] == section and tuple(r["size"]) == size), key=_batch)
            for name in dict.fromkeys(name for r in some for name in r["images_per_second"]):
                points = [(r["batch"], r["images_per_second"][name]) for r in some if name in r["images_per_second"]]
                axis.loglog(*zip(*points, strict=True), marker="o", label=name, color=COLORS.get(name))
            axis.set(title=f"{section}, {size[0]}×{size[1]}", xlabel="pictures a batch", ylabel="pictures a second")
            axis.grid(alpha=0.3, which="both")
            if some:
                axis.legend()
    shown = [r for r in report["results"] if "share_of_copy" in r and not r.get("transfers")]
    for axis, sections in zip(axes[2], (("transform", "programs"), ("encode",), ("decode",)), strict=False):
        some = [r for r in shown if r["section"] in sections]
        labels = [f"{r['section']} {r['case']}" for r in some]
        axis.barh(labels, [100 * r["share_of_copy"]["jpegjax"] for r in some], color=COLORS["jpegjax"])
        axis.tick_params(axis="y", labelsize=6)
        axis.set(xlabel="% of a copy's bytes a second")
    figure.suptitle(f"{report['device']}, commit {report['commit']}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"written: {path}")
    return True


def _batch(row: Mapping[str, Any]) -> int:
    return row["batch"]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(json.loads(Path(name).read_text()), Path(name).with_suffix(".png"))
