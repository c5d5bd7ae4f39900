"""The other codecs of a run, with libjpeg-turbo's accurate settings: Pillow, and simplejpeg where it is installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

__all__ = ["PILLOW_SAMPLING", "decoders", "encoders", "over", "pillow_decode", "pillow_encode"]

PILLOW_SAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
Encoder = Callable[[np.ndarray], bytes]
Decoder = Callable[[bytes], np.ndarray]


def pillow_encode(image: np.ndarray, **settings: Any) -> bytes:
    """A file by Pillow: save's own settings."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", **settings)
    return out.getvalue()


def pillow_decode(data: bytes) -> np.ndarray:
    """Pixels by Pillow."""
    return np.asarray(Image.open(io.BytesIO(data)))


def encoders(quality: int, subsampling: str, **pillow: Any) -> dict[str, Encoder]:
    """Peers that can write this, by name. pillow: further settings of Pillow's, which rule simplejpeg out."""
    found: dict[str, Encoder] = {}
    if subsampling in PILLOW_SAMPLING or subsampling == "grey":
        settings: dict[str, Any] = {"quality": quality, **pillow}
        if subsampling != "grey":
            settings["subsampling"] = PILLOW_SAMPLING[subsampling]
        found["Pillow"] = lambda image: pillow_encode(image, **settings)
    if simplejpeg is not None and not pillow:
        grey = subsampling == "grey"
        space, sampling = ("GRAY", "Gray") if grey else ("RGB", subsampling.replace(":", ""))

        def encode(image: np.ndarray) -> bytes:
            pixels = image[:, :, None] if grey else image
            return simplejpeg.encode_jpeg(pixels, quality, colorspace=space, colorsubsampling=sampling, fastdct=False)

        found["simplejpeg"] = encode
    return found


def decoders(grey: bool = False) -> dict[str, Decoder]:
    """Peers that decode, by name."""
    found: dict[str, Decoder] = {"Pillow": pillow_decode}
    if simplejpeg is not None:
        space = "GRAY" if grey else "RGB"
        found["simplejpeg"] = lambda data: simplejpeg.decode_jpeg(
            data, colorspace=space, fastdct=False, fastupsample=False
        )
    return found


def over(items: Sequence[Any], call: Callable[[Any], object]) -> Callable[[], None]:
    """One call for each item, results dropped as they come."""

    def run() -> None:
        for item in items:
            call(item)

    return run
