"""Grey pictures restored, beside published tables, and the least gain of any picture: `python -m experiments.restoration.grey`.

LIVE1 (luma by MATLAB's rgb2ycbcr) and Classic5 as JPEG files of quality 10 to 40: PSNR / SSIM / PSNR-B, means over
pictures. By libjpeg's decoder, by `reconstruction="laplacian"`, restored, and restored within the cells
(`restore="consistent"`), one model for all; published rows beside them. The plain decoder's row is that of the literature
within 0.01 dB, so the rows stand side by side. Then LIVE1 at quality 10 to 95, grey and in colour (4:2:0): what the
picture gains that gains least. 19 of LIVE1's 29 scenes are Kodak's. Nothing was trained on either set. Some ten minutes on two
cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from jpegjax import metrics

from . import measure

PUBLISHED: dict[str, dict[str, dict[int, tuple[float, ...]]]] = {
    "LIVE1": {
        "JPEG, published": {
            10: (27.77, 0.773, 25.33), 20: (30.07, 0.851, 27.57), 30: (31.41, 0.885, 28.92), 40: (32.35, 0.904, 29.96)},
        "ARCNN (one a quality)": {10: (28.98,), 20: (31.29,), 30: (32.69,), 40: (33.63,)},
        "DnCNN-3": {
            10: (29.19, 0.812, 28.90), 20: (31.59, 0.880, 31.07), 30: (32.98, 0.909, 32.34), 40: (33.96, 0.925, 33.28)},
        "QGAC": {
            10: (29.51, 0.825, 29.13), 20: (31.83, 0.888, 31.25), 30: (33.20, 0.914, 32.47), 40: (34.16, 0.929, 33.36)},
        "FBCNN": {
            10: (29.75, 0.827, 29.40), 20: (32.13, 0.889, 31.57), 30: (33.54, 0.916, 32.83), 40: (34.53, 0.931, 33.74)},
    },
    "Classic5": {
        "JPEG, published": {10: (27.82, 0.760, 25.21), 40: (32.43, 0.885, 29.92)},
        "DnCNN-3": {10: (29.40, 0.803, 29.13), 40: (33.77, 0.900, 33.23)},
        "QGAC": {10: (29.84, 0.812, 29.43), 40: (34.05, 0.905, 33.12)},
        "FBCNN": {10: (30.12, 0.822, 29.80), 40: (34.35, 0.907, 33.48)},
    },
}  # fmt: skip
"""PSNR, SSIM, PSNR-B as Jiang et al. 2021 (FBCNN) print them; ARCNN's PSNR by Dong et al. 2015."""
QUALITIES = (10, 20, 30, 40)


def scored(images: Mapping[str, np.ndarray], quality: int, way: str) -> tuple[float, float, float]:
    """Mean PSNR, SSIM and PSNR-B of grey pictures [H, W], their files decoded by one of `measure.WAYS`."""
    decoded = measure.shown([measure.plain_file(picture, quality) for picture in images.values()], way)
    found = [
        (measure.psnr(before, after), float(metrics.ssim(before, after)), measure.psnr_b(before, after))
        for before, after in zip(images.values(), decoded, strict=True)
    ]
    mean = np.mean(found, 0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def lines(whole: Mapping[str, Any]) -> list[str]:
    """Markdown: the tables, then the least gains."""
    counts = ", ".join(f"{len(names)} pictures of {name}" for name, names in whole["pictures"].items())
    found = [f"PSNR / SSIM / PSNR-B, one model for all qualities; {counts} (published: 29 and 5).", ""]
    for name, ways in whole["tables"].items():
        rows = {**ways, **{k: {str(q): v for q, v in r.items()} for k, r in PUBLISHED[name].items()}}
        found += [f"| {name} | {' | '.join(map(str, QUALITIES))} |", "|---" * (1 + len(QUALITIES)) + "|"]
        for label, row in rows.items():
            cells = (row.get(str(q)) for q in QUALITIES)
            said = (
                "–" if c is None else " / ".join(f"{x:.{3 if k == 1 else 2}f}" for k, x in enumerate(c)) for c in cells
            )
            found.append(f"| {label} | {' | '.join(said)} |")
        found.append("")
    found += ["What LIVE1 gains over the plain decoder, dB of PSNR.", ""]
    for name, rows in whole["gains"].items():
        found += [f"**{name}**", "", *measure.gain_table(rows)]
    return found


def main() -> None:
    given = measure.arguments("grey", str(__doc__)).parse_args()
    sets = {"LIVE1": measure.live1_grey(), "Classic5": measure.classic5()}
    sets = {name: dict(list(images.items())[: given.pictures]) for name, images in sets.items()}
    tables: dict[str, Any] = {}
    for name, images in sets.items():
        for way in measure.WAYS:
            row = {str(q): [round(x, 4) for x in scored(images, q, way)] for q in QUALITIES}
            tables.setdefault(name, {})[way] = row
            print(name, way, row, flush=True)
    gains: dict[str, Any] = {}
    colour = dict(list(measure.live1().items())[: given.pictures])
    for label, images, way in (
        ("grey, restored", sets["LIVE1"], "restored"),
        ("colour, 4:2:0, restored", colour, "restored"),
        ("grey, laplacian", sets["LIVE1"], "laplacian"),
    ):
        gains[label] = {}
        for quality in measure.QUALITIES:
            row = measure.gain_row(images, partial(measure.plain_file, quality=quality), way)
            gains[label][str(quality)] = row
            print(label, quality, {k: (v["mean"], v["least"], v["of"]) for k, v in row.items()}, flush=True)
    about = {"pictures": {name: list(images) for name, images in sets.items()}}
    measure.save("grey", given.to, {**about, "tables": tables, "published": PUBLISHED, "gains": gains}, lines)


if __name__ == "__main__":
    main()
