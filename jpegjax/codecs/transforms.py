"""This library's codecs of other transforms than JPEG's: half-spectra of the DFT, and rectangles in U-systems or the DCT."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from .. import __version__
from ..options import ENGINES
from .protocol import Codec, Setting

__all__ = ["codec"]

_SHARED = {
    "quality": Setting(75, "quantiser step as a quality", span=(1, 100)),
    "step": Setting(None, "the step itself in place of quality", allowed="0.0625..4096 grey levels"),
    "subsampling": Setting("4:2:0", "chroma sampling", choices=("4:2:0", "4:4:4")),
    "engine": Setting("auto", "where it runs", choices=ENGINES),
}
_DFT = {
    "keep": Setting(None, "fraction of the reals that may be coded, largest bins first", allowed="0..1"),
    "threshold": Setting(None, "least magnitude of a bin", allowed="0 and above"),
    "block": Setting(16, "samples a side of a block; none for the whole picture", allowed="none, or even 2..128"),
}
_U_SYSTEM = {
    "basis": Setting(
        "adaptive",
        "what rectangles are transformed by; U and V of a degree",
        choices=("adaptive", "dct", "u1", "u2", "u3", "v1", "v2", "v3"),
    ),
    "partition": Setting(
        "rate", "what decides on dividing: rate and error, or a bilinear fit", choices=("rate", "fit")
    ),
    "epsilon": Setting(
        None, "grey levels that a bilinear fit may err by where nothing is divided", allowed="0 and above"
    ),
}
_MADE: dict[str, tuple[str, str, str, Mapping[str, Setting], tuple[int, ...]]] = {
    "dft": (
        "dft", "DftOptions", "DFT of blocks or of the whole picture by this library", _DFT,
        (2, 5, 10, 20, 30, 45, 60, 75, 85, 92, 96),
    ),
    "u-system": (
        "usystem", "USystemOptions", "rectangles in piecewise polynomials or the DCT by this library", _U_SYSTEM,
        (5, 10, 20, 30, 45, 60, 75, 85, 92, 96),
    ),
}  # fmt: skip
"""Of each codec module, options, what it is, settings of its own, and grid."""


def _module(name: str) -> Any:
    from .. import dft, usystem

    return {"dft": dft, "usystem": usystem}[name]


def _check(module: str, options: str, settings: Mapping[str, Any]) -> None:
    getattr(_module(module), options)(**{name: value for name, value in settings.items() if name != "engine"})


def _encode(module: str, image: Any, **settings: Any) -> bytes:
    if isinstance(image, (list, tuple)) or getattr(image, "ndim", 0) > 3:
        raise TypeError("image: must be one image, [H, W] or [H, W, 3]")
    made: bytes = _module(module).encode(image, **settings)
    return made


def _decode(module: str, data: bytes) -> np.ndarray:
    return np.asarray(_module(module).decode(data))


def codec(name: str) -> Codec:
    """The codec "dft" or "u-system"; nothing has to be installed for them."""
    module, options, about, own, grid = _MADE[name]
    return Codec(
        name, about, f"jpegjax {__version__}", {**_SHARED, **own}, partial(_encode, module), partial(_decode, module), "quality",
        grid, partial(_check, module, options), suffix=".jxj",
    )  # fmt: skip
