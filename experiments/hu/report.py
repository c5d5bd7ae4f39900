"""What was found, as JSON, Markdown and curves; no picture of a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["claims", "write_report"]

NAMES = {"orl": "ORL, persons 33–40, grey 112×92", "colour": "colour faces, 63 other persons, 96×96"}
LABELS = {"faces": "faces", "jpeg": "JPEG", "jpeg2000": "JPEG 2000", "webp": "WebP", "avif": "AVIF"}
VARIANTS = {
    "still": "mean shape alone", "affine": "affine shape, texture warped", "warped": "shape coded, texture warped",
    "apart": "shape coded, texture warped, background apart",
}  # fmt: skip


def _of(pieces: dict[str, Any], name: str) -> dict[str, Any]:
    """The pieces of a set, without its name."""
    return {key.removeprefix(f"{name}-"): piece for key, piece in pieces.items() if key.startswith(f"{name}-")}


def _curves(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{codec: {target: row}}, ours first."""
    rivals = {key.removeprefix("rival-"): one["rows"] for key, one in found.items() if key.startswith("rival-")}
    return {"faces": found["curve"]["curve"]} | rivals


def _table(found: dict[str, Any]) -> str:
    curves = _curves(found)
    targets = sorted({int(t) for rows in curves.values() for t in rows})
    lines = ["| codec | " + " | ".join(f"≤ {t} B" for t in targets) + " |", "| --- |" + " ---: |" * len(targets)]
    for name, rows in curves.items():
        cells = [f"{r['psnr_db']:.2f} / {r['ssim']:.3f}" if (r := rows.get(str(t))) else "–" for t in targets]
        lines.append(f"| {LABELS[name]} | " + " | ".join(cells) + " |")
    least = [f"{LABELS[k]} {found[f'rival-{k}']['least_nbytes']:.0f}" for k in curves if k != "faces"]
    first = f"\n\nPSNR in dB / SSIM, means over {found['curve']['test']} pictures; – where some picture has no file that small. "
    return "\n".join(lines) + first + f"Mean of the smallest files, bytes: {', '.join(least)}.\n"


def _variants(found: dict[str, Any]) -> str:
    rows = {name: piece for name, piece in found.items() if name in VARIANTS}
    targets = sorted({int(t) for row in rows.values() for t in row["curve"]})
    lines = [
        "| variant | persons left out, dB at bytes | " + " | ".join(f"≤ {t} B" for t in targets) + " |",
        "| --- | ---: |" + " ---: |" * len(targets),
    ]
    text = ""
    for name, row in rows.items():
        left = row["left_out"]
        for label, key in (
            (VARIANTS[name], "curve"),
            ("– without its shape", "unmoved"),
            ("– landmarks given", "given"),
        ):
            if key in row:
                cells = [f"{one['psnr_db']:.2f}" if (one := row[key].get(str(t))) else "–" for t in targets]
                first = f"{left['psnr_db']:.2f} at {left['nbytes']:.0f}" if key == "curve" else ""
                lines.append(f"| {label} ({row['test']} pictures) | {first} | " + " | ".join(cells) + " |")
        if pixels := row.get("landmarks_px"):
            text = (
                f"Landmarks of unseen persons: {pixels['coded']:.2f} pixels from the truth coded, {pixels['components']:.2f} by "
                f"the components alone, {pixels['mean_shape']:.2f} by the mean shape.\n"
            )
    refined = found["refined"]
    text = "\n".join(lines) + f"\n\nChosen by persons left out: {VARIANTS[refined['chosen']]}. " + text
    gain = refined["gain_db"]
    return text + (
        "No refinement.\n" if gain is None else f"Refinement: {gain:+.3f} dB on persons that it was not trained on.\n"
    )


def claims(report: dict[str, Any]) -> list[dict[str, str]]:
    """The line of the README's table of the literature."""
    pieces = report["pieces"]
    first = pieces["orl-curve"]["curve"]["100"]
    theirs = pieces.get("orl-rival-jpeg2000", {"rows": {}})["rows"]
    beside = f"; JPEG 2000 {theirs['220']['psnr_db']:.2f} dB in 220" if "220" in theirs else ""
    colour = pieces.get("colour-curve", {"curve": {}})["curve"]
    also = f"; colour faces {colour['150']['psnr_db']:.2f} dB in 150" if "150" in colour else ""
    return [
        {
            "system": "Hu 2020 (faces)",
            "claims": "shape and texture apart, better than JPEG and JPEG 2000 at low rates; no figure at hand",
            "measured": f"ORL, unseen persons: {first['psnr_db']:.2f} dB in ≤ 100 bytes{beside}{also}",
            "command": "python -m experiments.hu",
        }
    ]


def _draw(to: Path, report: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sets = {name: found for name in NAMES if "curve" in (found := _of(report["pieces"], name))}
    figure, axes = plt.subplots(2, len(sets), figsize=(6.2 * len(sets), 8), layout="constrained", squeeze=False)
    for column, (name, found) in enumerate(sets.items()):
        for row, (key, label) in enumerate((("psnr_db", "PSNR, dB"), ("ssim", "SSIM"))):
            axis = axes[row][column]
            for codec, rows in _curves(found).items():
                points = sorted((one["nbytes"], one[key]) for one in rows.values())
                if points:
                    axis.plot(
                        *zip(*points, strict=True),
                        marker="o",
                        markersize=3.5,
                        label=LABELS[codec],
                        lw=2.2 if codec == "faces" else 1.2,
                    )
            axis.set(xlabel="bytes, whole file", ylabel=label, title=NAMES[name] if row == 0 else "")
            axis.grid(alpha=0.3)
            axis.legend(loc="lower right")
    for kind in ("png", "svg"):
        figure.savefig(to / f"hu.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else None)
    plt.close(figure)


def write_report(to: Path, report: dict[str, Any]) -> None:
    """hu.json, .md, .png and .svg."""
    to.mkdir(parents=True, exist_ok=True)
    if "orl-curve" not in report["pieces"]:
        print(f"so far: {', '.join(report['pieces']) or 'nothing'}; the report needs orl-curve")
        return
    report = {**report, "literature": claims(report)}
    (to / "hu.json").write_text(json.dumps(report, indent=1) + "\n")
    parts = [
        f"Hu 2020, faces by shape and texture; `{report['command']}` at commit {report['commit']}. All bytes are counted.\n"
    ]
    for name in NAMES:
        found = _of(report["pieces"], name)
        if not {"curve", "refined"} <= found.keys():
            continue
        parts += [f"## {NAMES[name]}\n", _table(found), _variants(found)]
        if identity := found.get("identity", {}).get("shares"):
            told = ", ".join(
                f"{'as they are' if k == 'uncoded' else f'{k} bytes'} {v:.1%}" for k, v in identity.items()
            )
            parts.append(
                f"Recognition (eigenfaces, nearest of five known pictures of each of the 8 persons): {told}.\n"
            )
    text = "\n".join(parts)
    (to / "hu.md").write_text(text)
    _draw(to, report)
    print(text)
