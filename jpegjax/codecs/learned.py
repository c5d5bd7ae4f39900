"""This library's learned codec: Flax networks, integers that steer the entropy coder, streams that decode anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import __version__
from .protocol import Codec, Setting, as_uint8

__all__ = ["codec"]

_GRID = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


def _model(model: str) -> Any:
    from ..learned import shipped, weights

    return shipped.chosen(model, weights.load, weights.named)


def _check(settings: Mapping[str, Any]) -> None:
    if "model" in settings:
        _model(settings["model"])


def _encode_many(images: Sequence[Any], *, quality: int, model: str) -> list[bytes]:
    from ..learned.codec import encode_all

    return encode_all([as_uint8(image, "learned") for image in images], quality, _model(model))


def _encode(image: Any, **settings: Any) -> bytes:
    return _encode_many([image], **settings)[0]


def _decode_many(files: Sequence[bytes]) -> list[np.ndarray]:
    from ..learned.codec import decode_all

    return decode_all(files)


def _decode(data: bytes) -> np.ndarray:
    return _decode_many([data])[0]


def codec(name: str) -> Codec:
    """The codec "learned"; its models come with the package."""
    from ..learned import weights

    settings = {
        "quality": Setting(50, "rate against squared error or 1 − MS-SSIM", span=(1, 100)),
        "model": Setting(
            "light", "weights", allowed=f"{', '.join(weights.available())}, or a path to weights (.jxw, .npz)"
        ),
    }
    about = "variable-rate network by this library"
    return Codec(
        name, about, f"jpegjax {__version__}", settings, _encode, _decode, "quality", _GRID, _check,
        write_many=_encode_many, read_many=_decode_many, suffix=".jxj",
    )  # fmt: skip
