"""The pieces of the experiment: each a name, and what it measures, as JSON can hold it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jpegjax.learned.perceptron.codec import PerceptronOptions, decode_all, encode_all
from jpegjax.learned.perceptron.network import PerceptronSize
from jpegjax.learned.perceptron.streams import read_stream
from jpegjax.learned.perceptron.weights import LoadedPerceptron, available, made, measured, named

from . import data, measure, rules, studies
from .train import as_network, dct, decibels, kept, klt, trained, visible

__all__ = ["PIECES", "piece"]

SIZES = ((8, 4), (8, 8), (8, 16), (8, 32), (4, 4), (16, 16))
"""(n, k) of the survey's bounds."""
BOUNDS = {(8, 4): 24.21, (8, 8): 26.74, (8, 16): 29.92, (8, 32): 34.84, (4, 4): 28.54, (16, 16): 24.78}
"""PSNR in dB of the KLT trained on Kodak, on Set12, as the survey of this project found it."""
BITS = (4, 6, 8)
STEPS = 6000


@cache
def _kodak(n: int) -> np.ndarray:
    return data.kodak(n)


@cache
def _set12() -> list[np.ndarray]:
    return list(data.pictures("set12").values())


@cache
def _seen(n: int) -> list[np.ndarray]:
    """Blocks of each of Set12's pictures."""
    return [data.blocks(p, n) for p in _set12()]


def _name(n: int, k: int) -> str:
    return f"{n}×{n}→{k}"


def _transformed(found: tuple[np.ndarray, np.ndarray], n: int) -> float:
    rows, middle = found
    return decibels([np.mean(((x - middle) - (x - middle) @ rows.T @ rows) ** 2) for x in _seen(n)])


def bounds() -> dict[str, Any]:
    """PSNR of the KLT and the DCT with k numbers a block, not quantised: fitted to Kodak, on Set12."""
    return {
        _name(n, k): {
            "klt": round(_transformed(klt(_kodak(n), k), n), 3),
            "dct": round(_transformed(dct(_kodak(n), k), n), 3),
            "survey": BOUNDS[n, k],
        }
        for n, k in SIZES
    }


def _network(n: int, k: int, transfer: str) -> tuple[Any, dict[str, Any]]:
    return trained(PerceptronSize(n, k, transfer), _kodak(n), steps=STEPS, nested=False)


def networks(transfer: str, sizes: Sequence[tuple[int, int]] = SIZES) -> dict[str, Any]:
    """PSNR on Set12 of networks trained on Kodak, one for each size; the same quantised to 4..8 bits, as files."""
    report = {}
    for n, k in sizes:
        network, told = _network(n, k, transfer)
        model = measured(f"{transfer}{n}-{k}", network, _kodak(n)[:200_000])
        row = {"psnr": round(kept(network, _seen(n)), 3), "seconds": told["seconds"]}
        row["bits"] = {str(b): measure.coded(model, _set12(), PerceptronOptions(bits=b)) for b in BITS}
        report[_name(n, k)] = row
        print(transfer, n, k, row["psnr"], row["seconds"], flush=True)
    return report


def transforms() -> dict[str, Any]:
    """The KLT and the DCT at the same k and bits, through the same codec."""
    report: dict[str, Any] = {"klt": {}, "dct": {}}
    for kind, make in (("klt", klt), ("dct", dct)):
        for n, k in SIZES:
            model = as_network(f"{kind}{n}-{k}", make(_kodak(n), k), _kodak(n))
            report[kind][_name(n, k)] = {
                str(b): measure.coded(model, _set12(), PerceptronOptions(bits=b)) for b in BITS
            }
    return report


def learning() -> dict[str, Any]:
    """Rules of learning on 1,000 blocks of Kodak."""
    return rules.compared(_kodak(4), _seen(4), 4, 1000, (6000, 6000, 20))


def preprocessing() -> dict[str, Any]:
    """Rao's study, and the paradox on a picture of a network's."""
    rows = studies.transfers(_kodak(8), _seen(8), 16, 2500)
    picture = data.pictures("set12")["08"]
    (again,) = decode_all(encode_all([picture], PerceptronOptions(bits=6, units=16)))
    return {"units": 16, "rows": rows, "psnr and mse": studies.paradox(picture, again)}


def _weighed() -> dict[str, dict[str, Any]]:
    return {
        "none": {},
        "activity": {"active": True},
        "visibility": {"weighting": visible()},
        "both": {"weighting": visible(), "active": True},
    }


def importance() -> dict[str, Any]:
    """Dutta: the same network under errors that weigh by what is seen, trained on Kodak; curves over Set12."""
    curves = {}
    for name, how in _weighed().items():
        network, _ = trained(PerceptronSize(8, 64), _kodak(8), steps=STEPS, **how)
        weighting = how.get("weighting")
        model = measured(
            name, network, _kodak(8)[:200_000], None if weighting is None else weighting.astype(np.float64)
        )
        curves[name] = measure.curve(model, _set12())
        print(name, curves[name][3], flush=True)
    return {"curves": curves, "bd_rate": _against(curves, "none")}


def _against(curves: dict[str, Any], anchor: str) -> dict[str, Any]:
    return {
        name: {metric: measure.bd_rate(curves[anchor], points, metric) for metric in ("psnr", "ms_ssim_db")}
        for name, points in curves.items()
    }


def shipped(pictures: Sequence[np.ndarray], names: Sequence[str]) -> dict[str, Any]:
    """Curves of shipped networks, of the transforms fitted to the training packs, and of JPEG."""
    curves: dict[str, Any] = {"jpeg": measure.jpeg_curve(pictures)}
    for name in names:
        curves[name] = measure.curve(named(name), pictures)
        print(name, curves[name][3], flush=True)
    blocks = data.of_packs((8,))[8]
    for kind, make in (("klt8", klt), ("dct8", dct)):
        curves[kind] = measure.curve(as_network(kind, make(blocks, 64), blocks), pictures)
    against = {f"bd_rate against {anchor}": _against(curves, anchor) for anchor in ("jpeg", "linear8")}
    return {"curves": curves, **against}


def sent() -> dict[str, Any]:
    """A network for each picture of Set12, trained on it alone, its weights in the file, beside a shared one and JPEG's file of
    as many bytes. "sent, 8 bits": weights on 255 levels."""
    shared, _ = _network(8, 16, "linear")
    common = measured("shared", shared, _kodak(8)[:200_000])
    rows: dict[str, list[dict[str, float]]] = {}
    for picture in _set12():
        own = data.blocks(picture, 8)
        network, _ = trained(PerceptronSize(8, 16), own, steps=2000, batch=256, nested=False)
        model = measured("own", network, own)
        for name, one, how in (
            ("shared", common, "shared"),
            ("sent", model, "sent"),
            ("sent, 8 bits", _rounded(model), "sent"),
        ):
            (file,) = encode_all([picture], PerceptronOptions(bits=6, weights=how), one)
            (again,) = decode_all([file], [common])
            beside = measure.jpeg_within(picture, len(file))
            row = {
                "nbytes": len(file),
                "weights": len(read_stream(file)[1][0][0]) if how == "sent" else 0,
                "bpp": 8 * len(file) / picture.size,
                **measure.scores(picture, again),
                "jpeg_nbytes": beside["nbytes"], "jpeg_psnr": beside["psnr"], "jpeg_ms_ssim": beside["ms_ssim"],
            }  # fmt: skip
            rows.setdefault(name, []).append(row)
    return {name: measure.mean(found) for name, found in rows.items()}


def _rounded(model: LoadedPerceptron) -> LoadedPerceptron:
    """Weights of the decoder on 255 levels."""
    value = model.arrays["decoder"].astype(np.float32)
    step = np.abs(value).max() / 127
    return made(model.name, model.size, {**model.arrays, "decoder": (np.rint(value / step) * step).astype(np.float16)})


PIECES: dict[str, Callable[[], dict[str, Any]]] = {
    "bounds": bounds,
    "linear": lambda: networks("linear"),
    "tanh": lambda: networks("tanh"),
    "sigmoid": lambda: networks("sigmoid", SIZES[::2]),
    "transforms": transforms,
    "learning": learning,
    "preprocessing": preprocessing,
    "importance": importance,
    "sent": sent,
    "set12": lambda: shipped(_set12(), available()),
    "kodak": lambda: shipped(list(data.pictures("kodak").values())[1::3], ("linear8", "visual8", "linear16")),
}


def piece(name: str, work: Path) -> dict[str, Any]:
    """A piece, measured or as it is kept in the folder."""
    path = work / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text())
    found = PIECES[name]()
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    return found
