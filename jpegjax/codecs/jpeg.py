"""This library's JPEG: lossy with every option of `jpegjax.encode`, and lossless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__, api
from ..options import TUNES, EncodeOptions, Restart
from .protocol import Codec, Setting

__all__ = ["codec"]

_FLAG = (False, True)
_PARTS = {
    "optimize": Setting(False, "Huffman tables fitted to each file", choices=_FLAG),
    "progressive": Setting(
        None, "progressive scans; none is no, or with tune whichever is smaller", choices=(None, False, True)
    ),
    "arithmetic": Setting(False, "arithmetic coding in place of Huffman's", choices=_FLAG),
    "scans": Setting(
        None, "scan script in place of the default one", allowed="text as for cjpeg -scans, or types.Scan"
    ),
    "restart_rows": Setting(0, "restart marker every so many MCU rows", span=(0, 65_535)),
    "restart_blocks": Setting(0, "restart marker every so many MCUs", span=(0, 65_535)),
}
_LOSSY = {
    "quality": Setting(75, "IJG quality, or (luma, chroma)", allowed="1..100, or a pair of them"),
    "subsampling": Setting(
        None, "chroma sampling", allowed="4:2:0 (default), 4:4:4, 4:2:2, 4:4:0, 4:1:1, 4:1:0, cjpeg's HxV"
    ),
    "qtables": Setting(None, "quantisation tables in place of quality's", allowed="1 to 4 tables of 64 steps"),
    **_PARTS,
    "tune": Setting(None, "what to optimise rate and distortion for", allowed=", ".join(map(str, TUNES)).lower()),
    "target_bytes": Setting(None, "size to meet", allowed="bytes"),
    "target_metric": Setting(None, "quality to meet", allowed="as for jpegjax.encode"),
    "engine": Setting("auto", "where it runs", choices=("auto", "host", "xla")),
}
_LOSSLESS = {
    "predictor": Setting(None, "predictor; none is the best of each file", choices=(None, 1, 2, 3, 4, 5, 6, 7)),
    "point_transform": Setting(0, "low bits to drop", span=(0, 15)),
    "restart_rows": _PARTS["restart_rows"],
    "engine": _LOSSY["engine"],
}
_GRID = (5, 10, 15, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)


def _options(settings: Mapping[str, Any], **fixed: Any) -> None:
    rest = {name: value for name, value in settings.items() if name != "engine"}
    restart = Restart(rest.pop("restart_rows", 0), rest.pop("restart_blocks", 0))
    EncodeOptions(**rest, restart=restart, **fixed)


def _encode(image: Any, **settings: Any) -> bytes:
    if isinstance(image, (list, tuple)) or getattr(image, "ndim", 0) > 3:
        raise TypeError("image: must be one image, [H, W] or [H, W, 3]; jpegjax.encode takes batches")
    made = api.encode(image, **settings)
    assert isinstance(made, bytes)
    return made


def _lossless(image: Any, **settings: Any) -> bytes:
    return _encode(image, lossless=True, **settings)


def _decode(data: bytes) -> np.ndarray:
    return api.decode(data)


def codec(name: str) -> Codec:
    """ "jpeg" or "jpeg-lossless"; nothing has to be installed for them."""
    version = f"jpegjax {__version__}"
    if name == "jpeg":
        about = "JPEG by this library, byte-identical to libjpeg-turbo's unless tuned"
        return Codec(name, about, version, _LOSSY, _encode, _decode, "quality", _GRID, _options)
    about = "lossless JPEG (T.81 SOF3) by this library"
    return Codec(name, about, version, _LOSSLESS, _lossless, _decode, check_all=lambda s: _options(s, lossless=True))
