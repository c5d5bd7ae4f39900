"""Rectangles and U-systems beside JPEG at equal bytes (Zhang 2021): `python -m experiments.usystem`.

Half an hour on an idle core: bases on blocks; then Kodak (colour), Set12 (grey) and twenty drawings as whole files at several
qualities, beside this library's JPEG with fitted Huffman tables. Goes on where runs/usystem stopped; `--first N` takes N pictures
of each set, `--bases` measures no files. Writes experiments/results/usystem.json, .md, pictures as .png and .svg.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import ROOT, describe
from experiments.learned.kodak import SHARED
from jpegjax import usystem

from . import bases, measure, plots

RESULTS = ROOT / "experiments" / "results"
COMMAND = "python -m experiments.usystem"
WANTED = {"set12": tuple(measure.CODECS), "drawings": ("adaptive", "dct"), "kodak": ("adaptive", "dct")}
"""Which settings each set is measured with."""


def parts_taken(rows: measure.Rows) -> dict[str, Any]:
    """{set: {quality: means of `measure.shares`}}."""
    table: dict[str, Any] = {}
    for name in dict.fromkeys(row["set"] for row in rows):
        for quality in measure.QUALITIES["u-system"]:
            own = [r for r in rows if (r["set"], r["codec"], r["quality"]) == (name, "adaptive", quality)]
            if own:
                table.setdefault(name, {})[str(quality)] = {
                    "flat": round(float(np.mean([r["flat"] for r in own])), 4),
                    **{
                        key: {k: round(float(np.mean([r[key][k] for r in own])), 4) for k in own[0][key]}
                        for key in ("basis", "area")
                    },
                }
    return table


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| BD-rate (PSNR) against JPEG, % | pictures | mean | best | worst |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, codecs in report["bd_rate"].items():
        for codec, found in codecs.items():
            ends = [f"{value:+.1f} ({picture})" for picture, value in (found["best"], found["worst"])]
            lines.append(f"| {name}: {codec} | {found['pictures']} | {found['mean']:+.1f} | {' | '.join(ends)} |")
    lines += ["", "RMSE of blocks from as many coefficients, and PSNR (dB) of Kodak's luma from a tenth of them:", ""]
    blocks = report["blocks"] | {f"Kodak {k}": v for k, v in report["kept"].items()}
    kinds = list(next(iter(blocks.values())))
    lines += [f"| | {' | '.join(kinds)} |", "| --- |" + " ---: |" * len(kinds)]
    lines += [f"| {name} | " + " | ".join(f"{row[k]:.2f}" for k in kinds) + " |" for name, row in blocks.items()]
    lines += ["", "Parts of luma's samples by basis (adaptive; the rest are rectangles of one level):", ""]
    for name, qualities in report["shares"].items():
        for quality, found in qualities.items():
            shares = ", ".join(f"{k} {v:.1%}" for k, v in found["basis"].items() if v)
            lines.append(f"- {name}, quality {quality}: {shares}; flat {found['flat']:.1%}")
    return "\n".join([*lines, ""])


def claim(report: dict[str, Any]) -> dict[str, str]:
    rates, blocks = report["bd_rate"], report["blocks"]["steps 16×16, 6"]
    told = []
    for name, label in (("kodak", "Kodak"), ("set12", "Set12"), ("drawings", "drawings")):
        if name in rates:
            own = rates[name]
            alone = f", {own['dct']['mean']:+.1f} with the DCT alone" if "dct" in own else ""
            told.append(f"{label} ({own['adaptive']['pictures']}) {own['adaptive']['mean']:+.1f} %{alone}")
    return {
        "system": "Zhang 2021 (U-system)",
        "claims": "rectangles divided while a bilinear fit errs, coded by orthogonal piecewise polynomials; figures not at hand",
        "measured": f"BD-rate against JPEG: {'; '.join(told)}. Steps in 16×16 from 6 coefficients: RMSE {blocks['v1']:.1f} by "
        f"V of degree 1, {blocks['dct']:.1f} by the DCT",
        "command": COMMAND,
    }


def pictures(report: dict[str, Any], sets: Any, to: Path) -> None:
    """usystem-bases, usystem-curves, and photograph and drawing under their rectangles."""
    plots.draw_bases(to / "usystem-bases.png")
    if report["rows"]:
        plots.draw_curves(to / "usystem-curves.png", report["rows"])
    for name, picture in (("kodak", "kodim23"), ("drawings", "plan")):
        if picture in sets.get(name, ()):
            data = usystem.encode(sets[name][picture], quality=35)
            Image.fromarray(plots.overlay(data)[:768, :1024]).save(to / f"usystem-{picture}.png", optimize=True)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/usystem"), help="where rows are kept")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--first", type=int, default=100, metavar="N", help="pictures of each set")
    parser.add_argument("--sets", nargs="+", choices=tuple(WANTED), default=tuple(WANTED))
    parser.add_argument("--codecs", nargs="+", choices=tuple(measure.CODECS), default=tuple(measure.CODECS))
    parser.add_argument("--bases", action="store_true", help="no files, but bases on blocks")
    given = parser.parse_args(words)
    if not (SHARED / "data" / "kodak").is_dir():
        parser.error(f"no kodak in {SHARED / 'data'}: set JPEGJAX_SHARED")
    whole = measure.pictures(SHARED / "data")
    luma = [image @ np.array([0.299, 0.587, 0.114]) - 128 for image in whole["kodak"].values()]
    sets = {name: dict(list(whole[name].items())[: given.first]) for name in given.sets}
    codecs = {name: tuple(c for c in WANTED[name] if c in given.codecs) for name in sets}
    rows = [] if given.bases else measure.measured(given.work, sets, codecs, lambda text: print(text, flush=True))
    command = shlex.join([*COMMAND.split(), *(sys.argv[1:] if words is None else words)])
    report: dict[str, Any] = {
        **describe(), "command": command, "qualities": measure.QUALITIES, **bases.orthogonality(),
        "blocks": bases.blocks_by_count(), "kept": bases.photographs(luma), "bd_rate": measure.bd_rates(rows),
        "against_dct": measure.bd_rates([r for r in rows if r["codec"] in ("adaptive", "dct")], "dct"),
        "shares": parts_taken(rows), "rows": rows,
    }  # fmt: skip
    given.to.mkdir(parents=True, exist_ok=True)
    pictures(report, sets, given.to)
    if rows:
        report["literature"] = [claim(report)]
    report["rows"] = [{k: v for k, v in row.items() if k not in ("basis", "area", "flat")} for row in rows]
    (given.to / "usystem.json").write_text(json.dumps(report, indent=1) + "\n")
    text = f"Zhang 2021, rectangles and the U-system; `{command}` at commit {report['commit']}.\n\n{table(report)}"
    (given.to / "usystem.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
