"""The results as Markdown and as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .model import DEVICES, HOSTS

__all__ = ["draw", "lines"]

COLORS = {"encode": "#e4572e", "decode": "#2f7de1"}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows)] + [""]


def _races(report: Mapping[str, Any], section: str, head: str) -> list[str]:
    """Mpixel/s of a section, and how many times as fast as its first row."""
    rows = [r for r in report["results"] if r["section"] == section]
    first = rows[0]["mpixel_per_second"]
    cells = [
        [r["case"], *(f"{r['mpixel_per_second'][k]:.1f}" for k in COLORS),
         *(f"{r['mpixel_per_second'][k] / first[k]:.2f}×" for k in COLORS)] for r in rows
    ]  # fmt: skip
    return _table([head, *(f"{k}, Mpixel/s" for k in COLORS), *(f"{k}, times the first" for k in COLORS)], cells)


def lines(report: Mapping[str, Any]) -> list[str]:
    """Markdown of a report."""
    cores, count = report["machine"]["cores"], report["devices"]["count"]
    cpu = report["devices"]["platform"] == "cpu"
    found = [
        "# Scaling",
        "",
        f"`{report['command']}`, {report['machine']['cpu']}, {cores} cores, commit {report['commit']}.",
        "",
    ]
    equal = all(r["same"] for r in report["results"])
    found += [
        f"Files and pixels are the host engine's in {'all' if equal else 'NOT ALL'} {len(report['results'])} cases.",
        "",
    ]
    found += ["## Batch and size, one device", "", *_races(report, "batch", f"{report['side']}×{report['side']}")]
    found += _races(report, "size", f"{report['pixels'] / 1e6:.2f} Mpixel together")
    found += ["## Devices", ""]
    if cpu:
        found += [
            f"The {count} CPU devices share {cores} cores, which one device uses already, one program's threads on all of them: "
            f"no number of devices can be more than {cores} times as fast as one core, and the programs of several get in each "
            "other's way. What the rows show is that bytes stay the same and what dividing costs, not what devices gain.",
            "",
        ]  # fmt: skip
    found += _races(report, "strong", "as much work in all") + _races(report, "weak", "as much work each")
    found += ["## Compiling and memory of the page programs", ""]
    cells = [
        [f"{r['kind']} {r['sampling']}, {r['mcus']} MCUs", f"{r['compile_seconds']:.2f}",
         *(f"{r[k] / r['pixels']:.2f}" for k in ("argument_bytes", "result_bytes", "temporary_bytes", "accessed_bytes")),
         f"{sum(r[k] for k in ('argument_bytes', 'result_bytes', 'temporary_bytes')) / 1e6:.1f}"]
        for r in report["compiling"]
    ]  # fmt: skip
    heads = ["page", "compiling, s", "arguments", "results", "temporaries", "accessed, bytes a pixel", "in all, MB"]
    return found + _table(heads, cells) + _modelled(report)


def _modelled(report: Mapping[str, Any]) -> list[str]:
    found = [f"## A host of {DEVICES} devices, and {HOSTS:,} hosts: a model", ""]
    found += [f"    {line}".rstrip() for line in report["model_text"].strip().splitlines()] + [""]
    for model in report["models"]:
        parts = model["parts"]
        size = "×".join(map(str, parts["size"]))
        rates = f"whole {parts['encode']:.4g}, programs alone {parts['programs']:.4g} pictures/s"
        links = f"{parts['to_device'] / 1e9:.3g} GB/s to and {parts['to_host'] / 1e9:.3g} GB/s from the device"
        found += [
            f"Parts by {parts['source']} ({parts['device']}), pictures of {size}, {parts['file_bytes'] / 1e3:.1f} kB a file: "
            f"{rates}, so that the host takes {1e6 * model['host_seconds_a_picture']:.3g} µs a picture beside it; {links}.",
            "",
        ]
        cells = [
            [f"{r['way']}" + (f", {r['devices']} device{'s' * (r['devices'] > 1)}" if r["devices"] else ""),
             f"{r['pictures_per_second']:.4g}", f"{r['gpixel_per_second']:.3g}", r["bound"],
             f"{r['file_gb_per_second']:.3g}", f"{r['fleet_pictures_per_second']:.4g}", f"{r['fleet_seconds_for_1e9']:.3g}"]
            for r in model["rows"]
        ]  # fmt: skip
        heads = [
            "one host",
            "pictures/s",
            "Gpixel/s",
            "bound by",
            "GB/s of files",
            f"{HOSTS:,} hosts, pictures/s",
            "s for 10⁹",
        ]
        found += _table(heads, cells)
    if all(model["parts"]["device"].startswith("cpu") for model in report["models"]):
        found += [
            "No accelerator has been measured: its rows come once `python benchmarks/device.py` has run on one. A CPU's devices "
            "are the cores that the host engine has, so that more of them are no row here.",
            "",
        ]  # fmt: skip
    return found


def draw(report: Mapping[str, Any], path: Path) -> None:
    """The PNG of a report."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplots(2, 3)
    titles = {
        "batch": ("batch", "pictures a batch, one device"), "size": ("side", "side of a picture, one device"),
        "strong": ("devices", "devices, as much work in all"), "weak": ("devices", "devices, as much work each"),
    }  # fmt: skip
    for axis, (section, (key, label)) in zip(axes.flat, titles.items(), strict=False):
        rows = [r for r in report["results"] if r["section"] == section]
        for name, color in COLORS.items():
            axis.plot(
                [r[key] for r in rows], [r["mpixel_per_second"][name] for r in rows], "o-", color=color, label=name
            )
        axis.set_xscale("log", base=2)
        axis.set(xlabel=label, ylabel="Mpixel/s", ylim=(0, None))
    axes.flat[0].legend()
    for axis, keys, label in (
        (axes.flat[4], ("compile_seconds",), "seconds of compiling"),
        (axes.flat[5], ("argument_bytes", "result_bytes", "temporary_bytes"), "MB of a page's program"),
    ):
        for kind, sampling in dict.fromkeys((r["kind"], r["sampling"]) for r in report["compiling"]):
            rows = [r for r in report["compiling"] if (r["kind"], r["sampling"]) == (kind, sampling)]
            values = [sum(r[k] for k in keys) / (1 if len(keys) == 1 else 1e6) for r in rows]
            style = "o-" if sampling == "4:2:0" else "o--"
            axis.plot([r["mcus"] for r in rows], values, style, color=COLORS[kind], label=f"{kind} {sampling}")
        axis.set_xscale("log", base=2)
        axis.set(xlabel="MCUs a page", ylabel=label, ylim=(0, None))
        axis.legend()
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    devices = report["devices"]
    figure.suptitle(
        f"{devices['count']} {devices['platform']} devices, {report['machine']['cores']} cores, {report['commit']}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
