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


def _curves(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{codec: {target: row}}, ours first."""
    return {"faces": measured["curve"]} | {name: one["rows"] for name, one in measured["rivals"].items()}


def _table(measured: dict[str, Any]) -> str:
    curves = _curves(measured)
    targets = sorted({int(t) for rows in curves.values() for t in rows})
    lines = ["| codec | " + " | ".join(f"≤ {t} B" for t in targets) + " |", "| --- |" + " ---: |" * len(targets)]
    for name, rows in curves.items():
        cells = [f"{r['psnr_db']:.2f} / {r['ssim']:.3f}" if (r := rows.get(str(t))) else "–" for t in targets]
        lines.append(f"| {LABELS[name]} | " + " | ".join(cells) + " |")
    least = ", ".join(f"{LABELS[name]} {one['least_nbytes']:.0f}" for name, one in measured["rivals"].items())
    return (
        "\n".join(lines)
        + f"\n\nPSNR in dB / SSIM; – where some picture has no file that small. Mean of the smallest files, bytes: {least}.\n"
    )


def _variants(training: dict[str, Any]) -> str:
    rows = training["variants"]
    targets = sorted({int(t) for row in rows.values() for t in row["curve"]})
    lines = [
        "| variant | persons left out, dB at bytes | " + " | ".join(f"≤ {t} B" for t in targets) + " |",
        "| --- | ---: |" + " ---: |" * len(targets),
    ]
    for name, row in rows.items():
        left = row["left_out"]
        for label, key in (
            (VARIANTS[name], "curve"),
            ("– without its shape", "unmoved"),
            ("– landmarks given", "given"),
        ):
            if key not in row:
                continue
            cells = [f"{one['psnr_db']:.2f}" if (one := row[key].get(str(t))) else "–" for t in targets]
            first = f"{left['psnr_db']:.2f} at {left['nbytes']:.0f}" if key == "curve" else ""
            lines.append(f"| {label} | {first} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + f"\n\nChosen by persons left out: {VARIANTS[training['chosen']]}.\n"
    for name, row in rows.items():
        if pixels := row.get("landmarks_px"):
            text += (
                f"Landmarks of unseen persons ({name}): {pixels['coded']:.2f} pixels from the truth coded, "
                f"{pixels['components']:.2f} by the components alone, {pixels['mean_shape']:.2f} by the mean shape.\n"
            )
            break
    gain = training["refinement"]["gain_db"]
    return text + f"Refinement: {gain:+.3f} dB on persons that it was not trained on.\n"


def claims(report: dict[str, Any]) -> list[dict[str, str]]:
    """The line of the README's table of the literature."""
    measured = report["sets"]["orl"]["measured"]
    ours, theirs = measured["curve"], measured["rivals"].get("jpeg2000", {"rows": {}})["rows"]
    first = ours["100"]
    beside = f"; JPEG 2000 {theirs['220']['psnr_db']:.2f} dB in 220" if "220" in theirs else ""
    colour = report["sets"].get("colour", {"measured": {"curve": {}}})["measured"]["curve"]
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

    sets = report["sets"]
    figure, axes = plt.subplots(2, len(sets), figsize=(6.2 * len(sets), 8), layout="constrained", squeeze=False)
    for column, (name, found) in enumerate(sets.items()):
        for row, (key, label) in enumerate((("psnr_db", "PSNR, dB"), ("ssim", "SSIM"))):
            axis = axes[row][column]
            for codec, rows in _curves(found["measured"]).items():
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
    report = {**report, "literature": claims(report)}
    (to / "hu.json").write_text(json.dumps(report, indent=1) + "\n")
    parts = [
        f"Hu 2020, faces by shape and texture; `{report['command']}` at commit {report['commit']}. All bytes are counted.\n"
    ]
    for name, found in report["sets"].items():
        parts += [f"## {NAMES[name]}\n", _table(found["measured"]), _variants(found["training"])]
        if identity := found["measured"].get("identity"):
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
