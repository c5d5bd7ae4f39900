"""The DFT codec: half-spectra of blocks or of the whole picture, quantised and arithmetic-coded (jpegjax.engine.dft)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__
from .protocol import Codec, Setting, as_uint8

__all__ = ["codec"]

_SETTINGS = {
    "quality": Setting(75, "quantiser step: 16 grey levels at 50, scaled as JPEG's tables are", span=(1, 100)),
    "step": Setting(None, "quantiser step in place of quality's", allowed="1/16..4096 grey levels"),
    "keep": Setting(None, "fraction of the reals that may be coded, largest bins first", allowed="0..1"),
    "threshold": Setting(None, "least magnitude of a bin", allowed="0 or more, in the unitary transform's scale"),
    "block": Setting(16, "samples a side of a block; none is the whole picture", allowed="even, 2..128, or none"),
    "subsampling": Setting("4:2:0", "chroma sampling", choices=("4:2:0", "4:4:4")),
    "engine": Setting("auto", "where it runs", choices=("auto", "host", "xla")),
}
_GRID = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90)


def _check(settings: Mapping[str, Any]) -> None:
    from ..engine.dft import DftOptions

    DftOptions(**{name: value for name, value in settings.items() if name != "engine"})


def _encode(image: Any, **settings: Any) -> bytes:
    from ..engine import dft

    made = dft.encode(as_uint8(image, "dft"), **settings)
    assert isinstance(made, bytes)
    return made


def _decode(data: bytes) -> np.ndarray:
    from ..engine import dft

    return dft.decode(data)


def codec(name: str) -> Codec:
    """ "dft"; nothing has to be installed for it."""
    about = "quantised half-spectra of the DFT, in blocks or whole, by this library"
    return Codec(
        name, about, f"jpegjax {__version__}", _SETTINGS, _encode, _decode, "quality", _GRID, check_all=_check
    )
