"""This library's block networks: perceptrons n²–k–n², their quantised activations Huffman-coded or by rANS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import __version__
from .protocol import Codec, Setting, as_uint8

__all__ = ["codec"]

_GRID = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90)


def _model(model: str) -> Any:
    from ..learned import shipped
    from ..learned.perceptron import weights

    return shipped.chosen(model, weights.load, weights.named)


def _check(settings: Mapping[str, Any]) -> None:
    from ..learned.perceptron.codec import PerceptronOptions

    options = PerceptronOptions(**{name: value for name, value in settings.items() if name != "model"})
    options.units_of(_model(settings.get("model", _default())).size)


def _default() -> str:
    from ..learned.perceptron.weights import DEFAULT

    return DEFAULT


def _encode_many(images: Sequence[Any], *, model: str, **settings: Any) -> list[bytes]:
    from ..learned.perceptron.codec import PerceptronOptions, encode_all

    return encode_all([as_uint8(image, "perceptron") for image in images], PerceptronOptions(**settings), _model(model))


def _encode(image: Any, **settings: Any) -> bytes:
    return _encode_many([image], **settings)[0]


def _decode_many(files: Sequence[bytes]) -> list[np.ndarray]:
    from ..learned.perceptron.codec import decode_all

    return decode_all(files)


def _decode(data: bytes) -> np.ndarray:
    return _decode_many([data])[0]


def codec(name: str) -> Codec:
    """The codec "perceptron"; its networks come with the package."""
    from ..learned.perceptron import weights

    models = ", ".join(weights.available())
    settings = {
        "quality": Setting(50, "quantiser step of all units as a quality", span=(1, 100)),
        "bits": Setting(None, "bits of each activation in place of quality", allowed="4..8"),
        "units": Setting(None, "how many activations a block has at most", allowed="1..all of the model"),
        "model": Setting(weights.DEFAULT, "network", allowed=f"{models}, or a path to weights (.jxw, .npz)"),
        "weights": Setting("shared", "known by name, or in the file", choices=("shared", "sent")),
        "subsampling": Setting("4:2:0", "chroma sampling", choices=("4:2:0", "4:4:4")),
    }
    return Codec(
        name, "perceptrons on blocks by this library", f"jpegjax {__version__}", settings, _encode, _decode, "quality",
        _GRID, _check, write_many=_encode_many, read_many=_decode_many, suffix=".jxj",
    )  # fmt: skip
