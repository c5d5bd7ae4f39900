"""This library's U-system codec: rectangles of many shapes in bases of piecewise polynomials or the DCT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__
from .protocol import Codec, Setting

__all__ = ["codec"]

_SETTINGS = {
    "quality": Setting(75, "quantiser step as a quality", span=(1, 100)),
    "step": Setting(None, "the step itself in place of quality", allowed="0.0625..4096 grey levels"),
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
    "subsampling": Setting("4:2:0", "chroma sampling", choices=("4:2:0", "4:4:4")),
    "engine": Setting("auto", "where it runs", choices=("auto", "host", "xla")),
}
_GRID = (5, 10, 20, 30, 45, 60, 75, 85, 92, 96)


def _check(settings: Mapping[str, Any]) -> None:
    from ..usystem import USystemOptions

    USystemOptions(**{name: value for name, value in settings.items() if name != "engine"})


def _encode(image: Any, **settings: Any) -> bytes:
    if isinstance(image, (list, tuple)) or getattr(image, "ndim", 0) > 3:
        raise TypeError("image: must be one image, [H, W] or [H, W, 3]")
    from .. import usystem

    made = usystem.encode(image, **settings)
    assert isinstance(made, bytes)
    return made


def _decode(data: bytes) -> np.ndarray:
    from .. import usystem

    return np.asarray(usystem.decode(data))


def codec(name: str) -> Codec:
    """The codec "u-system"; nothing has to be installed for it."""
    about = "rectangles in piecewise polynomials or the DCT by this library"
    return Codec(
        name, about, f"jpegjax {__version__}", _SETTINGS, _encode, _decode, "quality", _GRID, _check, suffix=".jxj"
    )
