"""The pieces of the experiment: each a name, and what it measures, as JSON can hold it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
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
CODED = ((8, 4), (8, 16), (4, 4), (16, 16))
"""Those of them that are quantised too."""
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


def network(n: int, k: int, transfer: str) -> dict[str, Any]:
    """PSNR on Set12 of a network trained on Kodak, not quantised; quantised to 4..8 bits, as files."""
    found, told = _network(n, k, transfer)
    model = measured(f"{transfer}{n}-{k}", found, _kodak(n)[:200_000])
    row = {"psnr": round(kept(found, _seen(n)), 3), "seconds": told["seconds"], "steps": STEPS}
    return row | ({"bits": _by_bits(model)} if (n, k) in CODED else {})


def _by_bits(model: LoadedPerceptron) -> dict[str, dict[str, float]]:
    return {str(b): measure.coded(model, _set12(), PerceptronOptions(bits=b)) for b in BITS}


def transform(n: int, k: int, make: Callable[..., Any]) -> dict[str, Any]:
    """The KLT or the DCT at the same k and bits, through the same codec."""
    return {"bits": _by_bits(as_network("transform", make(_kodak(n), k), _kodak(n)))}


def learning(transfer: str) -> dict[str, Any]:
    """Rules of learning on 600 blocks of Kodak."""
    return rules.compared(_kodak(4), _seen(4), transfer, 4, 600, (4000, 4000, 15))


def preprocessing(f: str, g: str) -> list[dict[str, Any]]:
    """Rao's study of scaling and of the mean, for a transfer of the hidden and of the last layer."""
    return studies.transfers(_kodak(8), _seen(8), f, g, 16, 1500)


def constant() -> dict[str, Any]:
    """What "PSNR constant while MSE varies" can mean, on a picture."""
    picture = data.pictures("set12")["08"]
    (again,) = decode_all(encode_all([picture], PerceptronOptions(bits=6, units=16)))
    return studies.paradox(picture, again)


def _weighed() -> dict[str, dict[str, Any]]:
    return {
        "none": {},
        "activity": {"active": True},
        "visibility": {"weighting": visible()},
        "both": {"weighting": visible(), "active": True},
    }


def importance(name: str) -> list[dict[str, float]]:
    """Dutta: the same network under errors that weigh by what is seen, trained on Kodak; its curve over Set12."""
    how = _weighed()[name]
    found, _ = trained(PerceptronSize(8, 64), _kodak(8), steps=STEPS, **how)
    weighting = how.get("weighting")
    weights = None if weighting is None else weighting.astype(np.float64)
    return measure.curve(measured(name, found, _kodak(8)[:200_000], weights), _set12())


def shipped(name: str, pictures: Sequence[np.ndarray]) -> list[dict[str, float]]:
    """A curve of a shipped network, of a transform fitted to the same blocks, or of JPEG."""
    if name == "jpeg":
        return measure.jpeg_curve(pictures)
    if name in ("klt8", "dct8"):
        blocks = data.of_packs((4, 8, 16))[8]
        return measure.curve(as_network(name, (klt if name == "klt8" else dct)(blocks, 64), blocks), pictures)
    return measure.curve(named(name), pictures)


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


def _kodaks() -> list[np.ndarray]:
    return list(data.pictures("kodak").values())[::6]


def _pieces() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {"bounds": bounds}
    for transfer, sizes in (("linear", SIZES), ("tanh", SIZES), ("sigmoid", SIZES[::2])):
        found |= {f"{transfer} {_name(n, k)}": partial(network, n, k, transfer) for n, k in sizes}
    for kind, make in (("klt", klt), ("dct", dct)):
        found |= {f"{kind} {_name(n, k)}": partial(transform, n, k, make) for n, k in CODED}
    found |= {f"importance {name}": partial(importance, name) for name in _weighed()}
    found |= {f"transfers {f} {g}": partial(preprocessing, f, g) for f, g in studies.TRANSFERS}
    found |= {f"learning {f}": partial(learning, f) for f in ("linear", "tanh")}
    found |= {"psnr and mse": constant, "sent": sent}
    for name in ("jpeg", "klt8", "dct8", *available()):
        found[f"set12 {name}"] = lambda name=name: shipped(name, _set12())
    for name in ("jpeg", "dct8", "linear8", "visual8"):
        found[f"kodak {name}"] = lambda name=name: shipped(name, _kodaks())
    return found


PIECES = _pieces()
"""By name, in the order of their weight."""


def piece(name: str, work: Path) -> Any:
    """A piece, measured or as it is kept in the folder."""
    path = work / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text())
    found = PIECES[name]()
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    return found
