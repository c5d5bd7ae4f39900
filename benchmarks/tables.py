"""README's figures, made from results/*.json of benchmarks and experiments: `python benchmarks/tables.py` rewrites them.

`--check` only says whether README is up to date, by its exit code.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from machine import ROOT

BEGIN, END = "<!-- benchmarks: made by benchmarks/tables.py -->", "<!-- benchmarks end -->"
PEERS = ("Pillow", "simplejpeg")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)] + [""]


def best_of(result: dict[str, Any], peer: str) -> str | None:
    """The peer's faster contestant in a result: itself, its loop or its pool."""
    names = [name for name in result["ratios"] if name == peer or name.startswith(f"{peer} ")]
    return min(names, key=lambda name: result["seconds"][name]) if names else None


def speed_rows(results: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    for result in results:
        row = [f"{result['section']} {result['case']}", f"{result['mpixel_per_second']['jpegjax']:.0f}"]
        for peer in PEERS:
            name = best_of(result, peer)
            row.append("" if name is None else f"{result['mpixel_per_second'][name]:.0f}")
            row.append("" if name is None else f"{result['ratios'][name]['median']:.2f}×")
        yield row


def speed(results: Sequence[dict[str, Any]]) -> list[str]:
    head = ["Mpixel/s", "jpegjax", "Pillow", "times", "simplejpeg", "times"]
    return table(head, list(speed_rows(results))) if results else []


def latency(results: Sequence[dict[str, Any]]) -> list[str]:
    def cell(seconds: float | None) -> str:
        if seconds is None:
            return ""
        return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"

    rows = [[r["case"], *(cell(r["seconds"].get(name)) for name in ("jpegjax", *PEERS))] for r in results]
    return table(["one picture", "jpegjax", *PEERS], rows) if rows else []


def stages(results: Sequence[dict[str, Any]]) -> list[str]:
    rows = (
        [[name, *(f"{r['mpixel_per_second'][name]:.0f}" for r in results)] for name in results[0]["seconds"]]
        if results
        else []
    )
    return table(["stage alone, one thread, Mpixel/s", *(r["case"] for r in results)], rows) if rows else []


def costs(results: Sequence[dict[str, Any]]) -> list[str]:
    rows = []
    for r in results:
        value = f"{r['times_raw']:.2f} × raw pixels" if "times_raw" in r else f"{r['seconds']:.2f} s"
        rows.append([r["case"], value])
    return table(["start and memory (peak above the input)", ""], rows) if rows else []


def codec(report: dict[str, Any]) -> list[str]:
    """The Markdown of results/codec.json."""
    by = {
        name: [r for r in report["results"] if r["section"] == name]
        for name in {r["section"] for r in report["results"]}
    }
    machine, versions = report["machine"], report["versions"]
    peers = ", ".join(
        f"{name} {versions[name]}" for name in ("pillow", "simplejpeg", "libjpeg-turbo (Pillow)") if name in versions
    )
    lines = [
        f"{report['pictures']} ({report['pixels'] / 1e6:.1f} Mpixel); {machine['cpu']}, {machine['cores']} cores, "
        f"{' '.join(machine['flags'])}; {peers}; numba {versions.get('numba')}, jax {versions.get('jax')}.",
        f"`{report['command']}` at commit {report['commit']}; ratios are medians over rounds of times in one round.",
        "",
        *speed([r for name in ("encode", "decode", "coefficients") for r in by.get(name, [])]),
        *speed(by.get("modes", [])),
        *latency(by.get("latency", [])),
        *stages(by.get("stages", [])),
        *xla(by.get("xla", [])),
        *costs([*by.get("start", []), *by.get("memory", [])]),
    ]
    missed = [v for v in report["verdicts"] if not v["met"]]
    judged = len(report["verdicts"])
    lines.append(f"Promises met: {judged - len(missed)} of {judged}." if judged else "")
    lines += [f"- not met: {v['what']}: {v['measured']:.2f}, promised {v['threshold']}" for v in missed]
    return lines


def xla(results: Sequence[dict[str, Any]]) -> list[str]:
    rows = [[name, f"{r['mpixel_per_second'][name]:.0f}"] for r in results for name in r["seconds"]]
    return table(["xla engine on this CPU, all cores", "Mpixel/s"], rows) if rows else []


def source(report: dict[str, Any]) -> list[str]:
    """Where a table comes from."""
    machine = report["machine"]
    return [f"`{report['command']}` at commit {report['commit']}; {machine['cpu']}, {machine['cores']} cores.", ""]


METRICS = {
    "psnr": "PSNR (RGB)", "ms_ssim": "MS-SSIM", "ssimulacra2": "SSIMULACRA2", "ssimulacra2_60_85": "SSIMULACRA2 60–85",
}  # fmt: skip


def distortion(report: dict[str, Any]) -> list[str]:
    """The Markdown of an evaluation of tuned files."""

    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:+.1f}".replace("-", "−")

    spans = {m: "{1:g}–{2:g}".format(*report["intervals"][m]) for m in METRICS}
    head = [
        f"BD-rate %, {len(report['pictures'])} pictures ({report['set']})",
        *(name if spans[m] in name else f"{name}, {spans[m]}" for m, name in METRICS.items()),
    ]
    rows = [[name, *(cell(found.get(m)) for m in METRICS)] for name, found in report["bd_rate_percent"].items()]
    return [*table(head, rows), *source(report)]


def tuned(report: dict[str, Any]) -> list[str]:
    """The Markdown of results/tuned.json: speed of whole encodes, and the share of each stage."""
    lines = []
    for result in (r for r in report["results"] if r["section"] == "speed"):
        rates = result["bpp"]
        rows = [[n, f"{v:.0f}", f"{rates[n]:.3f}"] for n, v in result["mpixel_per_second"].items()]
        lines += table([f"tuned encode, {result['case']}", "Mpixel/s", "bpp"], rows)
    found = [r for r in report["results"] if r["section"] == "stages"]
    names = list(dict.fromkeys(name for r in found for name in r["share"]))
    rows = [[n, *(f"{100 * r['share'][n]:.0f}" if n in r["share"] else "" for r in found)] for n in names]
    lines += table(["share of a whole encode, %, one core", *(r["case"].split(",")[0] for r in found)], rows)
    return [*lines, *source(report)]


def races(report: dict[str, Any], head: str) -> list[str]:
    """Contestants of each case by milliseconds, and how many times faster ours is than the fastest other."""
    rows = []
    for result in report["results"]:
        others = [name for name in result["seconds"] if not name.startswith("jpegjax")]
        best = min(others, key=lambda name: result["seconds"][name]) if others else None
        row = [result["case"], f"{1e3 * result['seconds']['jpegjax']:.0f}"]
        if best is not None:
            row += [f"{1e3 * result['seconds'][best]:.0f} ({best})", f"{result['ratios'][best]['median']:.1f}×"]
        rows.append(row + [""] * (4 - len(row)))
    return [*table([head, "jpegjax, ms", "fastest other, ms", "times"], rows), *source(report)]


TABLES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "experiments/results/tuning-kodak.json": distortion,
    "experiments/results/tuning-validation.json": distortion,
    "benchmarks/results/tuned.json": tuned,
    "benchmarks/results/metrics.json": lambda report: races(
        report, "metrics, {count} pictures of {source}".format(**report["images"])
    ),
    "benchmarks/results/codec.json": codec,
    "benchmarks/results/simulate.json": lambda report: races(report, "`simulate`, 16 pictures of 256²"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    readme = ROOT / "README.md"
    found = {ROOT / name: make for name, make in TABLES.items() if (ROOT / name).exists()}
    body = [line for path, make in found.items() for line in ["", *make(json.loads(path.read_text()))]]
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    new = f"{before}{BEGIN}\n" + "\n".join(body).rstrip() + f"\n{END}{after}"
    if given.check:
        raise SystemExit(new != text)
    readme.write_text(new)


if __name__ == "__main__":
    main()
