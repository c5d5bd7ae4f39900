"""The figures of README, of the site and of benchmarks/README, from results/*.json of benchmarks and experiments.

    python benchmarks/tables.py [--check] [--allow-changes]

rewrites them. `--check` writes nothing: exit code 1 and the reasons where a page is behind the results, or where a
shown result was measured with changes that no commit holds, unless `--allow-changes`. In every table all times of a row
come from one race, whose contestants took turns; so does a ratio beside them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bulk_tables import bulk, studio
from landing import equal_size, landing, panel
from machine import ROOT
from shown import Result, contestants, literature, named, of, pace, percent, source, table

BEGIN, END = "<!-- benchmarks{}: made by benchmarks/tables.py -->", "<!-- benchmarks end -->"
"""Between which a part of a page stands; BEGIN with its name where a page has several."""
LEARNED, FRONT = "experiments/results/learned-kodak.json", "experiments/results/front.json"
CODEC = "benchmarks/results/codec.json"
BULK = "benchmarks/results/bulk.json"
KODAK, VALIDATION = "experiments/results/tuning-kodak.json", "experiments/results/tuning-validation.json"
PANELS = {name: f"experiments/results/panel-{name}.json" for name in ("photographs", "graphics", "photographs-444")}
RESTORED = {name: f"experiments/results/restoration-{name}.json" for name in ("kodak", "grey", "speed")}
PEERS = ("Pillow", "simplejpeg")
TUNED = {"tune=psnr": "psnr", "tune=ms-ssim": "ms-ssim", "tune=ssimulacra2": "ssimulacra2"}
TUNED |= {"tune=butteraugli": "butteraugli", "tune=True": "all-round"}
"""Rows of an evaluation, and what the races call them."""
METRICS = {
    "psnr": "PSNR (RGB)", "ms_ssim": "MS-SSIM", "ssimulacra2": "SSIMULACRA2", "ssimulacra2_60_85": "SSIMULACRA2 60–85",
}  # fmt: skip

Reports = Mapping[str, Any]
"""Results files by their names below the root."""


def speed(results: Sequence[Result]) -> list[str]:
    """A race a row: ours, each peer as a loop and, where one was measured, on a pool; and over the better of the two."""
    pools = any(f"{peer} pool" in r["seconds"] for r in results for peer in PEERS)
    head = ["Mpixel/s", "jpegjax"]
    for peer in PEERS:
        head += [f"{peer} loop", f"{peer} pool", "times"] if pools else [peer, "times"]
    rows = []
    for r in results:
        row = [named(r), pace(r, "jpegjax")]
        for peer in PEERS:
            best = best_of(r, peer)
            row += [pace(r, f"{peer} loop") or pace(r, peer), *[pace(r, f"{peer} pool")] * pools]
            row.append("" if best is None else f"{r['ratios'][best]['median']:.2f}×")
        rows.append(row)
    return table(head, rows)


def best_of(result: Result, peer: str) -> str | None:
    """The peer's faster contestant in a race: itself, its loop or its pool."""
    names = [name for name in result["ratios"] if name == peer or name.startswith(f"{peer} ")]
    return min(names, key=lambda name: result["seconds"][name]) if names else None


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def latency(results: Sequence[Result]) -> list[str]:
    names = ("jpegjax", *PEERS)
    rows = [[r["case"], *(duration(r["seconds"].get(name)) for name in names)] for r in results]
    return table(["one picture", *names], rows)


def costs(results: Sequence[Result]) -> list[str]:
    rows = []
    for r in results:
        value = f"{r['times_raw']:.2f} × raw pixels" if "times_raw" in r else f"{r['seconds']:.2f} s"
        rows.append([r["case"], value])
    return table(["start and memory (peak above the input)", ""], rows)


def machine_of(report: Result) -> str:
    machine, versions = report["machine"], report["versions"]
    packages = ("pillow", "simplejpeg", "libjpeg-turbo (Pillow)", "numba", "jax")
    peers = ", ".join(f"{name} {versions[name]}" for name in packages if name in versions)
    return f"{report['pictures']} ({report['pixels'] / 1e6:.1f} Mpixel); {' '.join(machine['flags'])}; {peers}."


def main_speed(report: Result) -> list[str]:
    """README's: whole files at two qualities, and what the xla engine does on the same cores."""
    results = [r for r in of(report, "encode", "decode") if "kept" not in r["case"]]
    lines = [*speed(results), machine_of(report), *source(report)]
    for r in of(report, "xla"):
        speeds = {name: pace(r, name) for name in r["seconds"]}
        lines += [
            "On a CPU the `xla` engine is slower than `host`, which is why `auto` takes `host` there. In one race, all cores, "
            f"Mpixel/s: encoding {speeds['encode, whole']} against {speeds['host encode']}, decoding "
            f"{speeds['decode, whole']} against {speeds['host decode']}.",
            "",
        ]
    return lines


def codec(report: Result) -> list[str]:
    """What README does not show of results/codec.json."""
    kept = [r for r in of(report, "decode") if "kept" in r["case"]]
    lines = [
        *speed([*kept, *of(report, "coefficients")]),
        *speed(of(report, "modes")),
        *latency(of(report, "latency")),
        *contestants("stage alone, one thread, Mpixel/s", of(report, "stages"), lambda r: r["case"]),
        *contestants("xla engine and host on these cores, Mpixel/s", of(report, "xla"), lambda r: r["case"]),
        *costs(of(report, "start", "memory")),
    ]
    if report["verdicts"]:
        missed = [v for v in report["verdicts"] if not v["met"]]
        lines += [f"Promises met: {len(report['verdicts']) - len(missed)} of {len(report['verdicts'])}.", ""]
        lines += [f"- not met: {v['what']}: {v['measured']:.2f}, promised {v['threshold']}" for v in missed]
    return [*lines, machine_of(report), *source(report)]


def encoder(name: str) -> str:
    """What an encoder of an evaluation is, without the short name that the results have for it."""
    return re.sub(r"^\w+ \((.*)\)$", r"\1", name)


def columns(report: Result) -> dict[str, str]:
    """An evaluation's metrics, and what a table calls them: with the interval that the mean is taken over."""
    spans = {metric: "{1:g}–{2:g}".format(*report["intervals"][metric]) for metric in METRICS}
    return {m: name if spans[m] in name else f"{name}, {spans[m]}" for m, name in METRICS.items()}


def distortion(report: Result, races: Result | None = None) -> list[str]:
    """BD-rates of an evaluation, beside speed on one thread where it was measured, all in one race."""
    about = f"BD-rate %, {len(report['pictures'])} pictures ({report['set']})"
    heads, found = columns(report), report["bd_rate_percent"]
    rows = [[encoder(name), *(percent(rates.get(m)) for m in heads)] for name, rates in found.items()]
    if races is None:
        return [*table([about, *heads.values()], rows), *source(report)]
    (race,) = (r for r in of(races, "speed") if "1 thread" in r["case"])
    anchor = ["Pillow (libjpeg-turbo 4:2:0), the anchor", *["0"] * len(heads), pace(race, "Pillow")]
    rows = [anchor, *([*row, pace(race, TUNED.get(row[0], ""))] for row in rows)]
    head = [about, *heads.values(), f"encode {race['case']}, Mpixel/s"]
    return [*table(head, rows), "BD-rates: " + source(report)[0], "Speed: " + source(races)[0], ""]


def tuned(report: Result, evaluation: Result) -> list[str]:
    """What tuning costs and what it gains, a race a row; and where the time goes."""
    races = of(report, "speed")
    names = list(dict.fromkeys(name for r in races for name in r["seconds"]))
    rates = {TUNED[name]: found for name, found in evaluation["bd_rate_percent"].items() if name in TUNED}
    rows = [
        [f"BD-rate %, {title}", *(percent(rates[n][m]) if n in rates else "0" if n == "Pillow" else "" for n in names)]
        for m, title in columns(evaluation).items()
    ]
    rows += [[f"Mpixel/s, {r['case']}", *(pace(r, name) for name in names)] for r in races]
    lines = table([f"tuned encode, {report['pictures']}", *names], rows)
    found = of(report, "stages")
    stages = list(dict.fromkeys(name for r in found for name in r["share"]))
    shares = [[r["case"], *(f"{100 * r['share'][s]:.0f}" if s in r["share"] else "" for s in stages)] for r in found]
    lines += table(["share of a whole encode, %", *stages], shares)
    return [*lines, "Speed: " + source(report)[0], "BD-rates: " + source(evaluation)[0], ""]


def races(report: Result, head: str) -> list[str]:
    """A race a row: milliseconds of ours and of the fastest other, and how many times faster ours is."""
    rows = []
    for result in report["results"]:
        others = [name for name in result["seconds"] if not name.startswith("jpegjax")]
        best = min(others, key=lambda name: result["seconds"][name]) if others else None
        row = [result["case"], f"{1e3 * result['seconds']['jpegjax']:.0f}"]
        if best is not None:
            row += [f"{1e3 * result['seconds'][best]:.0f} ({best})", f"{result['ratios'][best]['median']:.1f}×"]
        rows.append(row + [""] * (4 - len(row)))
    return [*table([head, "jpegjax, ms", "fastest other, ms", "times"], rows), *source(report)]


def against(report: Result) -> list[str]:
    """This checkout beside an older one: each section's rows, by the median of their ratios."""
    rows = []
    for section in dict.fromkeys(r["section"] for r in report["results"]):
        found = sorted(r["ratio"]["median"] for r in of(report, section))
        low, middle, high = found[0], found[len(found) // 2], found[-1]
        rows.append([section, str(len(found)), f"{low:.3f}", f"{middle:.3f}", f"{high:.3f}"])
    head = [f"times as fast as commit {report['other_commit']}", "rows", "lowest", "middle", "highest"]
    slower = ", ".join(report["slower"]) or "none"
    return [*table(head, rows), f"Rows slower than 0.97: {slower}.", "", *source(report)]


def rans(report: Result) -> list[str]:
    """Msymbol/s both ways and overhead of each coder, case by case."""
    rows = [
        [f"{r['case']}, {r['bits_per_symbol']:.2f} bits: {name}", f"{r['encode_msymbol_per_second'][name]:.0f}",
         f"{r['decode_msymbol_per_second'][name]:.0f}", f"{100 * r['overhead'][name]:+.2f}".replace("-", "−")]
        for r in report["results"] for name in r["nbytes"]
    ]  # fmt: skip
    return [*table(["one core", "encode, Msymbol/s", "decode, Msymbol/s", "overhead %"], rows), *source(report)]


def accessed(report: Result) -> list[str]:
    """Bytes a pixel of each program, case by case."""
    names = ["bits_per_pixel", "transform_must_move", "transform", "levels", "counts", "lengths", "data", "entropy"]
    rows = [[r["case"], *(f"{r[name]:.1f}" if name in r else "" for name in names)] for r in report["bytes_a_pixel"]]
    head = ["bits a pixel", "pixels in and levels out", "transform to blocks", "to levels"]
    head += ["counts", "lengths", "data", "all entropy coding"]
    return [*table([f"bytes a pixel, {report['device']}", *head], rows), *source(report)]


def on_device(report: Result) -> list[str]:
    """Mpixel/s of everything, and the goals with what was reached."""
    rows = [
        [g["goal"], f"{g['wanted']:g}", "" if g["measured"] is None else f"{g['measured']:.2f}", g["case"] or "not measured"]
        for g in report["goals"]
    ]  # fmt: skip
    different = sum(len(found["different"]) for found in report["identity"].values())
    compared = sum(found["compared"] for found in report["identity"].values())
    return [
        *contestants(f"Mpixel/s, {report['device']}", report["results"]),
        *table(["goal", "wanted", "reached", "by"], rows),
        f"Compared with the host engine and Pillow: {compared}, different: {different}.",
        "",
        *source(report),
    ]


def learned(report: Result) -> list[str]:
    """BD-rates of learned models and of curves that others published, all against the published JPEG curve."""
    rates, vtm, ours = report["bd_rate_against_jpeg"], report["bd_rate_against_vtm"], report["curves"]
    order = sorted(rates, key=lambda name: -rates[name]["psnr"])
    rows = [
        [f"**jpegjax {name}**" if name in ours else name]
        + [percent(found[name].get(metric)) for found, metric in ((rates, "psnr"), (rates, "ms_ssim"), (vtm, "psnr"))]
        for name in order
    ]
    head = ["BD-rate %, Kodak, whole files", "PSNR (RGB)", "MS-SSIM (RGB)", "PSNR, against VTM"]
    spent = {name: {k: f"{1e3 * v:.0f} ms" for k, v in m["seconds"].items()} for name, m in report["models"].items()}
    times = "; ".join(
        f"{name} {t['encode']} to encode and {t['decode']} to decode (first call {t['first_encode']} and {t['first_decode']})"
        for name, t in spent.items()
    )
    return [*table(head, rows), f"A picture of 768×512 on these cores, programs compiled: {times}.", *source(report)]


def restored(kodak: Result, grey: Result, speed: Result | None) -> list[str]:
    """Files with the restorer behind them: BD-rates on Kodak, and grey LIVE1 beside published networks; time and memory."""
    heads, rates = columns(kodak), kodak["bd_rate_percent"]
    rows = [
        [f"**{name}**" if name.endswith(", restored") else name, *(percent(r.get(m)) for m in heads)]
        for name, r in rates.items()
    ]
    found = [*table(["BD-rate %, 24 pictures (kodak), restored", *heads.values()], rows), *source(kodak)]
    qualities = list(next(iter(grey["tables"]["LIVE1"].values())))
    ways = {"plain": "plain decoder", "laplacian": "`laplacian`", "restored": "**restored**"}
    shown = {label: grey["tables"]["LIVE1"][way] for way, label in ways.items()}
    shown |= {name: row for name, row in grey["published"]["LIVE1"].items() if not name.startswith("JPEG")}
    rows = [
        [name, *(" / ".join(f"{x:.{3 if k == 1 else 2}f}" for k, x in enumerate(row[q])) for q in qualities)]
        for name, row in shown.items()
    ]
    head = ["LIVE1, grey: PSNR, dB / SSIM / PSNR-B, dB", *(f"quality {q}" for q in qualities)]
    found += [*table(head, rows), *source(grey)]
    if speed:
        small, large = speed["small"][0], speed["large"]["restored"]
        width, height = speed["large_size"]
        found += [
            f"A picture of 768×512 is restored in {1e3 * small['seconds']['restored']:.0f} ms, {width * height / 1e6:.0f} "
            f"Mpixel in {large['second_seconds']:.1f} s and {large['peak_bytes'] / 1e9:.1f} GB, programs compiled."
            + "".join(
                f" {row['case'].split(', ')[1]} takes {row['seconds'][str(row['most'])]:.1f} s in {row['most']} rounds, "
                f"{1e3 * row['seconds']['0']:.0f} ms without."
                for row in speed.get("refined", ())
            ),
            *source(speed),
        ]  # fmt: skip
    return found


def panels(reports: Reports) -> list[str]:
    """Photographs and graphics by many metrics."""
    return [line for n in ("photographs", "graphics") if PANELS[n] in reports for line in panel(reports[PANELS[n]])]


def rest(reports: Reports) -> Iterator[list[str]]:
    """The tables of benchmarks/README, as far as there are results."""
    makers: dict[str, tuple[str, Callable[[Any], list[str]]]] = {
        "codec": ("Plain files", codec),
        "tuned": ("Tuned files", lambda report: tuned(report, reports[KODAK])),
        "transcode": ("Lossless transcoding", lambda r: [*contestants("Mpixel/s", r["results"]), *source(r)]),
        "scaled": ("Scaled decoding and regions", lambda r: [*contestants("Mpixel/s", r["results"]), *source(r)]),
        "metrics": ("Metrics", lambda r: races(r, "{count} pictures of {source}".format(**r["images"]))),
        "simulate": ("`simulate`", lambda r: races(r, "a batch of {}, {}×{}".format(*r["batch"]))),
        "transform": ("The xla engine alone", lambda r: [*contestants("Mpixel/s", r["results"]), *source(r)]),
        "device": ("On a device", on_device),
        "bytes_accessed": ("Memory that encoding on a device touches", accessed),
        "bytes_accessed_gpu": ("The same on an H100, by its compiler alone", accessed),
        "learned": (
            "Published learned codecs beside CompressAI",
            lambda r: races(r, "bmshj2018, 8 crops of 256² or one of 768×512"),
        ),
        "pipeline": (
            "Input pipelines",
            lambda r: races(r, "{} files of {}²".format(r["results"][0]["files"], r["images"]["side"])),
        ),
        "rans": ("The entropy coder of learned codecs", rans),
        "studio": ("The studio on a large picture", studio),
        "against": ("Beside an older checkout", against),
    }
    for name, (title, make) in makers.items():
        if report := reports.get(f"benchmarks/results/{name}.json"):
            yield [f"### {title}", "", *make(report)]
    if VALIDATION in reports:
        yield ["### Rate–distortion of other pictures", "", *distortion(reports[VALIDATION])]
    if report := reports.get(PANELS["photographs-444"]):
        yield ["### Without subsampling", "", *panel(report)]


PAGES: dict[str, dict[str, Callable[[Reports], list[str]]]] = {
    "README.md": {"": lambda r: landing(r[CODEC], r[KODAK], r[RESTORED["kodak"]], r[LEARNED])},
    "docs/results.md": {
        "front": lambda r: equal_size(r[FRONT]),
        "size": lambda r: distortion(r[KODAK], r["benchmarks/results/tuned.json"]),
        "panels": panels,
        "restored": lambda r: restored(r[RESTORED["kodak"]], r[RESTORED["grey"]], r.get(RESTORED["speed"])),
        "learned": lambda r: learned(r[LEARNED]),
        "speed": lambda r: main_speed(r[CODEC]),
        "bulk": lambda r: bulk(r[BULK]),
    },
    "docs/literature.md": {"": lambda r: literature(r, "../")},
    "benchmarks/README.md": {"": lambda r: [line for part in rest(r) for line in (*part, "")]},
}
"""{page: {part: its lines}}, from what the repository holds."""


def unclean(reports: Reports) -> list[str]:
    """What to say of each result, or part of one, that was not measured at a commit."""
    parts = [
        (name, part)
        for name, report in reports.items()
        for part in ([report] if "commit" in report else report.values())
    ]
    return [
        f"{name} was measured at {part['commit']}, which is no commit: run `{part['command']}` again, all committed"
        for name, part in parts
        if not re.fullmatch("[0-9a-f]{12}", part["commit"])
    ]


def page(text: str, parts: Mapping[str, Callable[[Reports], list[str]]], reports: Reports) -> str:
    """A page with these tables between its markers. ValueError where it lacks one."""
    for name, make in parts.items():
        begin = BEGIN.format(f", {name}" if name else "")
        before, found, behind = text.partition(begin)
        _, ended, after = behind.partition(END)
        if not (found and ended):
            raise ValueError(f"{begin} … {END}: no such part on the page")
        body = re.sub(r"\n{3,}", "\n\n", "\n".join(make(reports)).strip())
        text = f"{before}{begin}\n\n{body}\n\n{END}{after}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--allow-changes", action="store_true", help="results of no commit may be shown")
    given = parser.parse_args()
    files = [ROOT / name for name in (KODAK, VALIDATION, LEARNED, FRONT, *PANELS.values(), *RESTORED.values())]
    files += sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    reports = {str(file.relative_to(ROOT)): json.loads(file.read_text()) for file in files if file.exists()}
    reports |= {
        f"experiments/results/{file.name}": report
        for file in sorted((ROOT / "experiments" / "results").glob("*.json"))
        if "literature" in (report := json.loads(file.read_text()))
    }
    wrong = [] if given.allow_changes else unclean(reports)
    for name, parts in PAGES.items():
        path = ROOT / name
        old = path.read_text()
        new = page(old, parts, reports)
        if not given.check:
            path.write_text(new)
        elif new != old:
            wrong.append(f"{name} is behind the results: run `python benchmarks/tables.py`")
    for line in wrong:
        print(line)
    raise SystemExit(bool(given.check and wrong))


if __name__ == "__main__":
    main()
