"""Files of networks, transforms and JPEG: bytes, PSNR and MS-SSIM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import jpegjax
from jpegjax import metrics
from jpegjax.coding.sequences.bytewise import encode_bytes
from jpegjax.learned.perceptron.codec import PerceptronOptions, decode_all, encode_all, read_levels
from jpegjax.learned.perceptron.weights import LoadedPerceptron

__all__ = ["QUALITIES", "bd_rate", "coded", "curve", "huffman_nbytes", "jpeg_curve", "jpeg_within", "mean", "scores"]

QUALITIES = (4, 10, 20, 36, 58, 80)
JPEG_QUALITIES = (2, 5, 10, 20, 40, 65, 88)


def scores(picture: np.ndarray, again: np.ndarray, similar: bool = True) -> dict[str, float]:
    """PSNR over all samples in dB, and MS-SSIM of luma, plain and as −10·log10(1 − x)."""
    if not similar:
        return {"psnr": float(metrics.psnr(picture, again))}
    found = float(metrics.ms_ssim(picture, again))
    return {
        "psnr": float(metrics.psnr(picture, again)),
        "ms_ssim": found,
        "ms_ssim_db": -10 * float(np.log10(max(1 - found, 1e-9))),
    }


def huffman_nbytes(levels: Sequence[np.ndarray], units: int) -> int:
    """Bytes of levels within ±127 as in the papers: each unit of each plane under a Huffman code of its own, with its table."""
    total = 0
    for plane in levels:
        for unit in range(units):
            spec, data = encode_bytes((plane[:, :, unit].ravel() + 127).astype(np.uint8))
            total += 16 + len(spec.symbols) + len(data)
    return total


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: round(float(np.mean([row[key] for row in rows])), 5) for key in rows[0]}


def coded(model: LoadedPerceptron, pictures: Sequence[np.ndarray], options: PerceptronOptions) -> dict[str, float]:
    """Means over pictures: bpp of files, psnr, ms_ssim, ms_ssim_db; with bits no MS-SSIM, but bpp_huffman, the same file with
    Huffman codes alone, and bpp_raw, of as many bits a unit as were asked for."""
    files = encode_all(pictures, options, model)
    rows = []
    for picture, data, again in zip(pictures, files, decode_all(files, [model]), strict=True):
        pixels = picture.shape[0] * picture.shape[1]
        row = {"bpp": 8 * len(data) / pixels, **scores(picture, again, not options.bits)}
        if options.bits:
            levels, units = read_levels(data, [model]), options.units_of(model.size)
            head = 45  # header and checksum
            row["bpp_huffman"] = 8 * (head + huffman_nbytes(levels, units)) / pixels
            row["bpp_raw"] = sum(q.shape[0] * q.shape[1] for q in levels) * units * options.bits / pixels
        rows.append(row)
    return mean(rows)


def curve(model: LoadedPerceptron, pictures: Sequence[np.ndarray]) -> list[dict[str, float]]:
    """Points by quality, of files of all units."""
    return [{"quality": q, **coded(model, pictures, PerceptronOptions(quality=q))} for q in QUALITIES]


def jpeg_curve(pictures: Sequence[np.ndarray]) -> list[dict[str, float]]:
    """The same of JPEG files with optimised Huffman tables, 4:2:0."""
    points = []
    for quality in JPEG_QUALITIES:
        files = jpegjax.encode(list(pictures), quality=quality, optimize=True)
        rows = [
            {"bpp": 8 * len(data) / (x.shape[0] * x.shape[1]), **scores(x, np.asarray(jpegjax.decode(data)))}
            for x, data in zip(pictures, files, strict=True)
        ]
        points.append({"quality": quality, **mean(rows)})
    return points


def jpeg_within(picture: np.ndarray, nbytes: int) -> dict[str, float]:
    """The largest JPEG file (optimised, 4:2:0) of at most so many bytes, or the smallest that there is."""
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        fits = len(jpegjax.encode(picture, quality=middle, optimize=True)) <= nbytes
        low, high = (middle, high) if fits else (low, middle - 1)
    data = jpegjax.encode(picture, quality=low, optimize=True)
    return {"quality": low, "nbytes": len(data), **scores(picture, np.asarray(jpegjax.decode(data)))}


def bd_rate(anchor: Sequence[Mapping[str, float]], points: Sequence[Mapping[str, float]], metric: str) -> float | None:
    """Percent more bits than the anchor for the same quality; None where the two share none."""
    try:
        found = metrics.bd_rate(*([(p["bpp"], p[metric]) for p in c] for c in (anchor, points)))
    except ValueError:
        return None
    return round(float(found), 2)
