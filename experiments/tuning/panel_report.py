"""Tables and the trade plot of what `panel_evaluate.py` has measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .panel.rates import METRICS

__all__ = ["draw", "markdown"]

_TRADES = (("ssimulacra2", "psnr_hvs_m"), ("ssimulacra2", "butteraugli_3"), ("psnr", "ssimulacra2"))


def _cell(value: float | None, sign: str = "+.1f") -> str:
    return "–" if value is None else format(value, sign)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _means(by_encoder: Mapping[str, Any]) -> list[str]:
    """One line a metric, the lowest in bold."""
    lines = [_row(["metric", *by_encoder]), "|---" + "|--:" * len(by_encoder) + "|"]
    for key, metric in METRICS.items():
        means = [of[key]["mean_percent"] for of in by_encoder.values()]
        lowest = min((m for m in means if m is not None), default=None)
        lines.append(
            _row([metric.label, *(f"**{_cell(m)}**" if m is not None and m == lowest else _cell(m) for m in means)])
        )
    return lines


def _wins(found: Mapping[str, Any]) -> list[str]:
    tunes = [label for label in found["won"] if label.startswith("tune=")]
    against = list(found["won"][tunes[0]]["psnr"]) if tunes else []
    lines = [_row(["metric", *tunes]), "|---" + "|--:" * len(tunes) + "|"]
    for key, metric in METRICS.items():
        cells = [", ".join("{}/{}".format(*found["won"][t][key][peer]) for peer in against) for t in tunes]
        lines.append(_row([metric.label, *cells]))
    return [f"Pictures on which a tune needs fewer bytes than {', than '.join(against)}:", "", *lines] if tunes else []


def _care(by_encoder: Mapping[str, Any]) -> list[str]:
    """What was left out, dropped, or covers little."""
    lines = []
    for label, of in by_encoder.items():
        notes = []
        for key, metric in METRICS.items():
            s, parts = of[key], []
            if s["left_out"]:
                parts.append(f"{s['left_out']} pictures left out")
            if s["dropped_points"]:
                parts.append(f"{s['dropped_points']} points dropped")
            if s["share_covered"] is not None and s["share_covered"] < 0.9:
                parts.append(f"{100 * s['share_covered']:.0f} % of the span covered")
            if parts:
                notes.append(f"{metric.label}: {', '.join(parts)}")
        lines.append(f"- {label}: {'; '.join(notes) or 'nothing'}")
    return lines


def _equal(of: Mapping[str, Any]) -> list[str]:
    qualities = [row["quality"] for row in next(iter(of.values()))]
    lines = [_row(["at equal quality number", *(f"{q:g}" for q in qualities)]), "|---" + "|--:" * len(qualities) + "|"]
    for label, rows in of.items():
        for key, name, sign in (
            ("ssimulacra2_more", "SSIMULACRA2 more", "+.1f"),
            ("butteraugli_3_ratio", "Butteraugli 3 ratio", ".2f"),
            ("bytes_ratio", "bytes ratio", ".2f"),
        ):
            lines.append(_row([f"{label}: {name}", *(format(row[key], sign) for row in rows)]))
    return lines


def markdown(found: Mapping[str, Any]) -> str:
    """All tables of a results file."""
    machine, count = found["machine"], len(found["pictures"])
    peers = ", ".join(f"{k}: {v}" for k, v in found["peers"].items())
    lines = [
        f"BD-rate in percent against Pillow's default (4:2:0), mean of {count} pictures ({found['set']}), each over the scores "
        f"of the anchor's qualities 20 to 90; `{found['command']}`, {machine['cpu']}, {machine['cores']} cores, "
        f"commit {found['commit']}; {peers}.",
        "",
        *_means(found["bd_rate"]["all"]),
        "",
        "GMSD and Butteraugli as −10 log10(x), HaarPSI, FSIMc, SSIM and MS-SSIM as −10 log10(1 − x), the others as they are.",
        "",
        *_wins(found),
        "",
        "Care: pictures left out (less than half of that span is covered), points dropped (a smaller file is "
        "as good), and mean spans below 90 %:",
        "",
        *_care(found["bd_rate"]["all"]),
    ]
    if any(found["equal_quality"]["all"].values()):
        lines += ["", "Medians over pictures, beside Pillow's file of the same quality number:", ""]
        lines += _equal(found["equal_quality"]["all"])
    for kind in found["bd_rate"]:
        if kind != "all":
            lines += ["", f"Only {kind}, {found['kinds'].count(kind)} pictures:", "", *_means(found["bd_rate"][kind])]
            first = dict(list(found["equal_quality"][kind].items())[:1])
            lines += ["", *_equal(first)] if first else []
    return "\n".join(lines) + "\n"


def draw(found: Mapping[str, Any], path: Path) -> None:
    """What one metric costs another: encoders as points of two BD-rates, for three pairs of metrics."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    means = found["bd_rate"]["all"]
    panes = figure.subplots(1, 3)
    for axis, pair in zip(panes, _TRADES, strict=True):
        for label, of in means.items():
            x, y = (of[m]["mean_percent"] for m in pair)
            if x is not None and y is not None:
                axis.plot(x, y, "o" if label.startswith("tune=") else "s", markersize=9, label=label)
        axis.axhline(0, color="k", linestyle=":", linewidth=0.8)
        axis.axvline(0, color="k", linestyle=":", linewidth=0.8)
        axis.set(xlabel=f"{METRICS[pair[0]].label}: BD-rate (%)", ylabel=f"{METRICS[pair[1]].label}: BD-rate (%)")
        axis.margins(0.2)
        axis.grid(alpha=0.3)
    figure.legend(*panes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(means))
    figure.suptitle(f"{found['set']}, {len(found['pictures'])} pictures; down and left is better")
    figure.savefig(path, dpi=90)
