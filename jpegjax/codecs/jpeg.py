"""This library's JPEG: lossy with every option of `jpegjax.encode`, the same decoded by way of the network, and lossless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import __version__, api
from ..options import ENGINES, MAX_SIDE, SUBSAMPLING, TUNES, EncodeOptions, Restart, about
from ..options.checks import default
from ..options.choices import MODES
from .protocol import Codec, Setting

__all__ = ["codec"]

_FLAG = (False, True)


def _setting(option: str, more: str = "", kind: type = EncodeOptions, **values: Any) -> Setting:
    """An option of ours as a setting: its default and sentence, and which values it takes."""
    return Setting(default(kind, option), f"{about(kind, option)} {more}".rstrip(" ."), **values)


_PARTS = {
    "optimize": _setting("optimize", choices=_FLAG),
    "progressive": _setting(
        "progressive", "None is no, or with tune whichever is smaller.", choices=(None, False, True)
    ),
    "arithmetic": _setting("arithmetic", choices=_FLAG),
    "scans": _setting("scans", allowed="text as for cjpeg -scans, or types.Scan"),
    "restart_rows": _setting("rows", kind=Restart, span=(0, MAX_SIDE)),
    "restart_blocks": _setting("blocks", kind=Restart, span=(0, MAX_SIDE)),
}
_LOSSY = {
    "quality": _setting("quality", allowed="1..100, or a pair of them"),
    "subsampling": _setting(
        "subsampling", allowed=f"{', '.join(SUBSAMPLING)}, cjpeg's HxV, auto; 4:2:0 by default, tuned auto"
    ),
    "qtables": _setting("qtables", allowed="1 to 4 tables of 64 steps"),
    **_PARTS,
    "tune": _setting("tune", choices=TUNES),
    "dering": _setting("dering", "None is yes with tune, else no.", choices=(None, False, True)),
    "refine": _setting("refine", "With tune psnr or restored.", span=(0, 64)),
    "target_bytes": _setting("target_bytes", allowed="bytes"),
    "target_metric": _setting("target_metric", allowed="as for jpegjax.encode"),
    "mode": _setting("mode", choices=MODES),
    "engine": Setting("auto", "where it runs", choices=ENGINES),
}
_LOSSLESS = {
    "predictor": _setting("predictor", choices=(None, 1, 2, 3, 4, 5, 6, 7)),
    "point_transform": _setting("point_transform", span=(0, 15)),
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
        raise TypeError(
            "image: must be one image, [H, W], [H, W, 3] or with mode='CMYK' [H, W, 4]; jpegjax.encode takes batches"
        )
    made = api.encode(image, **settings)
    assert isinstance(made, bytes)
    return made


def _lossless(image: Any, **settings: Any) -> bytes:
    return _encode(image, lossless=True, **settings)


def _decode(data: bytes) -> np.ndarray:
    return api.decode(data)


def _restore_many(files: Sequence[bytes]) -> list[np.ndarray]:
    return api.decode(list(files), restore=True)


def _restore(data: bytes) -> np.ndarray:
    return api.decode(data, restore=True)


def codec(name: str) -> Codec:
    """ "jpeg", "jpeg+restore" or "jpeg-lossless"; nothing has to be installed for them.

    "jpeg+restore" writes what "jpeg" does and decodes every file with restore=True, marked or not; UnsupportedJpeg for CMYK.
    """
    version = f"jpegjax {__version__}"
    if name == "jpeg":
        about = "JPEG by this library, byte-identical to libjpeg-turbo's unless tuned"
        return Codec(name, about, version, _LOSSY, _encode, _decode, "quality", _GRID, _options)
    if name == "jpeg+restore":
        about = "JPEG by this library, restored by its network when decoded (restore=True)"
        return Codec(
            name, about, version, _LOSSY, _encode, _restore, "quality", _GRID, _options, read_many=_restore_many
        )
    about = "lossless JPEG (T.81 SOF3) by this library"
    return Codec(name, about, version, _LOSSLESS, _lossless, _decode, check_all=lambda s: _options(s, lossless=True))
