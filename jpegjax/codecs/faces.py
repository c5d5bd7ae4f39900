"""This library's codec for faces of one size and framing: shape, texture and background in some hundred bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from .protocol import Codec, Setting, as_uint8

__all__ = ["codec"]

_GRID = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


def _check(settings: Mapping[str, Any]) -> None:
    from ..learned import shipped
    from ..learned.faces import weights

    model, target = settings.get("model", "auto"), settings.get("target_bytes")
    shipped.check_model(model)
    if model != "auto" and not (shipped.is_path(model) and Path(model).exists()):
        weights.named(model)
    if target is not None and (isinstance(target, bool) or not isinstance(target, (int, np.integer))):
        raise TypeError(f"target_bytes={target!r}: must be None or an integer")
    if target is not None and target < 1:
        raise ValueError(f"target_bytes={target}: must be at least 1")


def _encode(image: Any, *, quality: int, landmarks: Any, target_bytes: int | None, model: str) -> bytes:
    from ..learned.faces import codec as faces

    pixels = as_uint8(image, "faces")
    return faces.encode_one(faces.model_for(pixels, model), pixels, quality, landmarks, target_bytes)


def _decode_many(files: Sequence[bytes]) -> list[np.ndarray]:
    from ..learned.faces.codec import decode_all

    return decode_all(files)


def _decode(data: bytes) -> np.ndarray:
    return _decode_many([data])[0]


def codec(name: str) -> Codec:
    """The codec "faces"; its models come with the package. Pictures must have the size and framing of one."""
    from ..learned.faces import weights
    from ..learned.faces.codec import shapes

    settings = {
        "quality": Setting(50, "quantiser step as a quality", span=(1, 100)),
        "landmarks": Setting(None, "points of the face to begin from", allowed="none, or numbers [K, 2] (x, y)"),
        "target_bytes": Setting(None, "the most bytes of a file, in place of quality", allowed="none, or bytes"),
        "model": Setting(
            "auto", "weights", allowed=f"auto (by size), {', '.join(weights.available())}, or a path (.jxw, .npz)"
        ),
    }
    about = "faces of one framing by this library: shape, texture, background"
    return Codec(
        name, about, f"jpegjax {__version__}", settings, _encode, _decode, "quality", _GRID, _check,
        read_many=_decode_many, suffix=".jxj", shapes=shapes(),
    )  # fmt: skip
