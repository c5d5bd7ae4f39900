"""This library's DFT codec: half-spectra of blocks or of the whole picture, quantised and coded."""

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
    "keep": Setting(None, "fraction of the reals that may be coded, largest bins first", allowed="0..1"),
    "threshold": Setting(None, "least magnitude of a bin", allowed="0 and above"),
    "block": Setting(16, "samples a side of a block; none for the whole picture", allowed="none, or even 2..128"),
    "subsampling": Setting("4:2:0", "chroma sampling", choices=("4:2:0", "4:4:4")),
    "engine": Setting("auto", "where it runs", choices=("auto", "host", "xla")),
}
_GRID = (2, 5, 10, 20, 30, 45, 60, 75, 85, 92, 96)


def _check(settings: Mapping[str, Any]) -> None:
    from ..dft import DftOptions

    DftOptions(**{name: value for name, value in settings.items() if name != "engine"})


def _encode(image: Any, **settings: Any) -> bytes:
    if isinstance(image, (list, tuple)) or getattr(image, "ndim", 0) > 3:
        raise TypeError("image: must be one image, [H, W] or [H, W, 3]")
    from .. import dft

    made = dft.encode(image, **settings)
    assert isinstance(made, bytes)
    return made


def _decode(data: bytes) -> np.ndarray:
    from .. import dft

    return np.asarray(dft.decode(data))


def codec(name: str) -> Codec:
    """The codec "dft"; nothing has to be installed for it."""
    about = "DFT of blocks or of the whole picture by this library"
    return Codec(
        name, about, f"jpegjax {__version__}", _SETTINGS, _encode, _decode, "quality", _GRID, _check, suffix=".jxj"
    )
