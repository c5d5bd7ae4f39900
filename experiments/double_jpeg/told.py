"""What the results say: a summary, tables in Markdown, a plot, lines for the table of the literature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .evaluate import DOWN, EQUAL, FINE, UP

__all__ = ["literature", "plot", "summary", "text"]

Report = Mapping[str, Any]
GROUPS = {"Q1 < Q2": UP, "Q1 > Q2": DOWN, "Q1 ≥ 95 > Q2": FINE, "Q1 = Q2": EQUAL}


def _mean(rows: Mapping[str, Any], wanted: Sequence[tuple[int, int]], name: str) -> float:
    return round(float(np.mean([rows[f"{a},{b}"][name] for a, b in wanted])), 4)


def summary(report: Report) -> dict[str, Any]:
    """Means over the pairs of each group, and what else is to be met."""
    found: dict[str, Any] = {}
    for name, wanted in GROUPS.items():
        splits = np.mean([report["svm"][f"{a},{b}"]["splits"] for a, b in wanted], 0)
        found[name] = {
            "svm": round(float(splits.mean()), 4), "svm_deviation_of_splits": round(float(splits.std()), 4),
            "svm_least_pair": min(report["svm"][f"{a},{b}"]["mean"] for a, b in wanted),
            "first_quality_within_2": _mean(report["qualities"], wanted, "within_2"),
        }  # fmt: skip
    found["mixed"] = report["mixed"]
    found["alarms"] = {name: f"{one['told']} of {one['files']}" for name, one in report["alarms"].items()}
    return found


def text(report: Report) -> str:
    """The Markdown page."""
    lines = [
        "# Chen 2008: double compression told from one file", "",
        f"`{report['command']}`, commit {report['commit']}. Patches of 256×256 pixels from pictures that never were JPEG, files "
        f"4:2:0. “Told” is what `double_jpeg` says: a probability of at least {report['threshold']}.", "",
        "## By pair of qualities", "",
        "SVM: Chen's 324 features, radial kernel, one machine for each pair, pictures of the test not trained on: balanced "
        "accuracy, mean and deviation over three splits. ±2, exact: first quality by likelihood.", "",
        "| Q1, Q2 | SVM | ±2 | exact |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, wanted in GROUPS.items():
        for a, b in wanted:
            svm, first = (report[part][f"{a},{b}"] for part in ("svm", "qualities"))
            lines.append(
                f"| {a}, {b} | {svm['mean']:.3f} ± {svm['deviation']:.3f} | {first['within_2']:.3f} | {first['exact']:.3f} |"
            )
        one = report["summary"][name]
        lines.append(
            f"| **{name}** | **{one['svm']:.3f} ± {one['svm_deviation_of_splits']:.3f}** | "
            f"**{one['first_quality_within_2']:.3f}** | |"
        )
    lines += [
        "", "What `double_jpeg` says of Kodak's patches, which it was not trained on: told of those compressed twice, of those "
        "compressed once (false), accuracy at probability ½.", "",
        "| Q1, Q2 | told | false | accuracy | files |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {name.replace(',', ', ')} | {one['told']:.3f} | {one['false_alarms']:.3f} | {one['accuracy_at_half']:.3f} | "
        f"{one['files']} |"
        for name, one in report["network"].items()
    ]
    lines += [
        "", "## Mixed tables", "",
        "Kodak's patches, both tables drawn evenly from the 1,170 (no picture trained on); accuracy at probability ½, mean and "
        "deviation over the seeds of training. Histograms: the same network without evidence, as DJPEG (published 93.28, on "
        "other pictures).", "",
        "| tables | model | accuracy, % | twice told right, % | once told right, % | files |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, rows in report["mixed"].items():
        for sort in ("evidence", "histograms"):
            one = rows[sort]
            lines.append(
                f"| {name} | {sort} ({one['seeds']} seeds) | {100 * one['accuracy']:.2f} ± {100 * one['deviation']:.2f} | "
                f"{100 * one['twice']:.2f} | {100 * one['once']:.2f} | {rows['files']} |"
            )
    lines += [
        "", "## Other encoders, other grids", "",
        "Twelve of Kodak's patches. Between: what was done to the pixels between the compressions. "
        "Qualities of mozjpeg, jpegli and the tuned encoder are not the IJG's, in which first qualities are told.", "",
        "| where | what | Q1, Q2 | told | ±2 | false |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in report["encoders"]:
        first, second = row["pair"]
        lines.append(
            f"| {row['place']} | {row['what']} | {first}, {second} | {row['told']:.3f} | {row['within_2']:.3f} | "
            f"{row['false_alarms']:.3f} |"
        )
    lines += [
        "", "## False alarms", "",
        "Made: Kodak's pictures, whole, compressed once by tables drawn from the 1,170. What bccd's and kangaroo's files went "
        "through is not known.", "",
        "| files | told | above ½ | of | left out | first qualities told: files |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, one in report["alarms"].items():
        firsts = ", ".join(f"{q}: {n}" for q, n in one["first"].items())
        lines.append(
            f"| {name} | {one['told']} | {one['above_half']} | {one['files']} | {one.get('left_out', 0)} | {firsts} |"
        )
    lines += [
        "", "## Probabilities", "",
        "Held-out training pictures, tables as in training, by tenths of the probability said.", "",
        "| files | said | compressed twice |", "|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {row['files']} | {row['said']:.3f} | {row['true']:.3f} |" for row in report["calibration"]]
    return "\n".join([*lines, ""])


def literature(report: Report) -> list[dict[str, str]]:
    """Lines for the table of the literature."""
    found, mixed = report["summary"], report["mixed"]["all tables"]["evidence"]
    up, down = found["Q1 < Q2"], found["Q1 > Q2"]
    return [
        {
            "system": "Chen 2008 (double JPEG)",
            "claims": "Markov features of magnitudes and an SVM beat earlier detectors",
            "measured": f"SVM accuracy {up['svm']:.3f} for Q1 < Q2, {down['svm']:.3f} for Q1 > Q2 (Q1 < 95); first quality "
            f"within ±2: {100 * up['first_quality_within_2']:.1f} % for Q1 < Q2",
            "command": report["command"],
        },
        {
            "system": "Park 2018 (DJPEG)",
            "claims": "93.28 % on mixed tables",
            "measured": f"{100 * mixed['accuracy']:.1f} ± {100 * mixed['deviation']:.1f} % with likelihoods as inputs, "
            f"{100 * report['mixed']['all tables']['histograms']['accuracy']:.1f} % on histograms alone; Kodak, 256²",
            "command": report["command"],
        },
    ]


def plot(report: Report, path: Path) -> None:
    """By pair: accuracy of the machine and of the network, share of first qualities within ±2; and probabilities."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(2.6, 1))
    wanted = [pair for group in GROUPS.values() for pair in group]
    names, x = [f"{a},{b}" for a, b in wanted], np.arange(len(wanted))
    svm = [report["svm"][name] for name in names]
    left.errorbar(
        x - 0.15, [s["mean"] for s in svm], [s["deviation"] for s in svm], fmt="o", capsize=2, label="SVM, 324 features"
    )
    judged = [
        (k, report["network"][name]["accuracy_at_half"]) for k, name in enumerate(names) if name in report["network"]
    ]
    left.plot(*zip(*judged, strict=True), "s", label="network, Kodak")
    left.plot(x + 0.15, [report["qualities"][name]["within_2"] for name in names], "^", label="first quality within ±2")
    edges = np.cumsum([len(group) for group in GROUPS.values()])[:-1] - 0.5
    for edge in edges:
        left.axvline(edge, color="grey", linewidth=0.8)
    left.set_xticks(x, [name.replace(",", "→") for name in names], rotation=60)
    left.set(ylabel="share", ylim=(0, 1.03), title="by qualities of the first and the second compression")
    left.grid(axis="y", alpha=0.3)
    left.legend(loc="lower left")
    rows = report["calibration"]
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    right.plot([r["said"] for r in rows], [r["true"] for r in rows], "o-")
    right.set(xlabel="probability said", ylabel="share compressed twice", title="held-out files, by tenths")
    right.grid(alpha=0.3)
    figure.savefig(path, dpi=90)
