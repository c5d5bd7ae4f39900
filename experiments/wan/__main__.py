"""Feature consistency on CIFAR-10 behind JPEG (Wan 2020): `python -m experiments.wan`.

An hour and a half on two idle cores: eight ways, three seeds, 20 epochs of the 20,000 pictures at hand, each seen with a JPEG
file of quality 5 to 95 beside it; test files are libjpeg's at seven qualities. Pieces are kept in runs/wan, so that it goes on
where it stopped; `--piece WAY SEED` makes one, `--stored` takes those that are there. Writes experiments/results/wan.json, .md,
.png.

augmentation               files are learned from like pictures
consistency                besides, the scores of a file are drawn to those of its picture, as probabilities
consistency, mapped [, w]  with the paper's mapping, which knows the quality [at less weight]
of features [, mapped]     the last layer's features and the scores are, by squared distance, as in the paper [with its mapping]
augmentation, tables       normalisation that knows the tables (QABN)
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe
from experiments.pistono import data

from . import measure

RESULTS = ROOT / "experiments" / "results"
COMMAND = "python -m experiments.wan"


def plot(found: dict[str, Any], path: Path) -> None:
    """Accuracy by quality of each way, mean and spread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, row in found.items():
        spread = [row["accuracy"][str(q)] for q in measure.QUALITIES]
        means = [s["mean"] for s in spread]
        axes.errorbar(measure.QUALITIES, means, [s["deviation"] for s in spread], marker="o", capsize=3, label=name)
    axes.set(xlabel="quality of the test files", ylabel="accuracy, per cent", title="CIFAR-10 behind JPEG")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


BEST = "consistency, mapped, 0.7"


def claim(found: dict[str, Any]) -> dict[str, str]:
    """What is said in the literature's table: the way that is traded best, and the others in short."""
    best = BEST if BEST in found else "consistency"

    def gains(way: str) -> str:
        row = found[way]
        low, clean = row["gain_low"], row["gain_clean"]
        return (
            f"{low['mean']:+.1f} ± {low['deviation']:.1f} points at quality 5–20 and "
            f"{clean['mean']:+.1f} ± {clean['deviation']:.1f} on clean pictures"
        )

    others = "; ".join(f"{way}: {gains(way)}" for way in found if way not in (best, "augmentation"))
    return {
        "system": "Wan 2020 (feature consistency)",
        "claims": "features of a picture and of its JPEG file drawn together make networks robust; no figure at hand",
        "measured": f"CIFAR-10, {len(found[best]['low']['seeds'])} seeds, scores drawn together, against augmentation alone: "
        f"{best}: {gains(best)}" + (f". {others}" if others else ""),
        "command": COMMAND,
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/wan"), help="where pieces are kept")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--piece", nargs=2, metavar=("WAY", "SEED"), help="one training, and no more")
    parser.add_argument("--stored", action="store_true", help="only of ways whose pieces are there")
    given = parser.parse_args(words)
    if not (data.folder() / "cifar10").is_dir():
        parser.error(f"no cifar10 in {data.folder()}: set JPEGJAX_SHARED")
    if given.piece:
        if given.piece[0] not in measure.WAYS:
            parser.error(f"--piece {given.piece[0]!r}: must be one of {', '.join(map(repr, measure.WAYS))}")
        print(measure.piece(given.piece[0], int(given.piece[1]), given.work))
        return
    found = measure.summed(given.work, stored=given.stored)
    command = shlex.join(["python", "-m", "experiments.wan", *(sys.argv[1:] if words is None else words)])
    report = {**describe(), "command": command, "ways": found, "literature": [claim(found)]}
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / "wan.json").write_text(json.dumps(report, indent=1) + "\n")
    text = f"Wan 2020, accuracy in per cent; `{command}` at commit {report['commit']}.\n\n{measure.table(found)}"
    (given.to / "wan.md").write_text(text)
    print(text)
    plot(found, given.to / "wan.png")


if __name__ == "__main__":
    main()
