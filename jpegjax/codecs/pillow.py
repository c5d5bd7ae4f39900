"""Codecs that Pillow carries: libjpeg-turbo, OpenJPEG, libwebp and libavif, each on one thread."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from .protocol import Codec, MissingCodec, Setting, as_uint8, reading

__all__ = ["codec"]

_FLAG = (False, True)
_SAMPLING = ("4:4:4", "4:2:2", "4:2:0")


def _save(name: str, image: Any, **options: Any) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(as_uint8(image, name)).save(file, **options)
    return file.getvalue()


def _load(name: str, format: str, data: bytes) -> np.ndarray:
    from PIL import Image

    with reading(name), Image.open(io.BytesIO(data), formats=(format,)) as picture:
        return np.array(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))


def _turbo(image: Any, **settings: Any) -> bytes:
    return _save("libjpeg-turbo", image, format="JPEG", **settings)


def _jpeg2000(image: Any, rate: float, reversible: bool) -> bytes:
    color = getattr(image, "ndim", 2) == 3
    layers = {} if reversible and rate == 1 else {"quality_mode": "rates", "quality_layers": [rate]}
    return _save(
        "jpeg2000", image, format="JPEG2000", no_jp2=True, irreversible=not reversible, mct=int(color), **layers
    )


def _webp(image: Any, **settings: Any) -> bytes:
    return _save("webp", image, format="WEBP", **settings)


def _avif(image: Any, **settings: Any) -> bytes:
    return _save("avif", image, format="AVIF", max_threads=1, **settings)


_TURBO = {
    "quality": Setting(75, "IJG quality", span=(1, 100)),
    "subsampling": Setting("4:2:0", "chroma sampling", choices=_SAMPLING),
    "optimize": Setting(False, "Huffman tables fitted to each file", choices=_FLAG),
    "progressive": Setting(False, "progressive scans", choices=_FLAG),
}
_JPEG2000 = {
    "rate": Setting(20.0, "compression ratio against 8 bits a sample", span=(1.0, 10_000.0)),
    "reversible": Setting(False, "the reversible 5/3 wavelet; lossless at rate 1", choices=_FLAG),
}
_WEBP = {
    "quality": Setting(80, "libwebp's quality", span=(0, 100)),
    "method": Setting(4, "effort", span=(0, 6)),
    "lossless": Setting(False, "keep every sample", choices=_FLAG),
}
_AVIF = {
    "quality": Setting(75, "libavif's quality", span=(0, 100)),
    "speed": Setting(6, "0 slowest to 10", span=(0, 10)),
    "subsampling": Setting("4:2:0", "chroma sampling", choices=_SAMPLING),
}

# name: (Pillow's feature, its format, what it is, settings, encoder, sweep, grid from low to high rate)
_CODECS: Mapping[str, tuple[Any, ...]] = {
    "libjpeg-turbo": ("libjpeg_turbo", "JPEG", "JPEG by libjpeg-turbo", _TURBO, _turbo, "quality",
                      (5, 10, 15, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)),
    "jpeg2000": ("jpg_2000", "JPEG2000", "JPEG 2000 by OpenJPEG", _JPEG2000, _jpeg2000, "rate",
                 (240.0, 160.0, 120.0, 80.0, 60.0, 40.0, 30.0, 20.0, 15.0, 10.0, 8.0)),
    "webp": ("webp", "WEBP", "WebP by libwebp", _WEBP, _webp, "quality", (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)),
    "avif": ("avif", "AVIF", "AVIF (AV1) by libavif", _AVIF, _avif, "quality",
             (10, 20, 30, 40, 50, 60, 70, 80, 90)),
}  # fmt: skip


def codec(name: str) -> Codec:
    """One of Pillow's codecs; MissingCodec where this Pillow was built without it."""
    import PIL
    from PIL import features

    feature, format, about, settings, write, sweep, grid = _CODECS[name]
    if not features.check(feature):
        raise MissingCodec(f"{name}: this Pillow {PIL.__version__} has no {feature}; pip install --upgrade pillow")
    library = {"libjpeg_turbo": "libjpeg-turbo", "jpg_2000": "OpenJPEG", "webp": "libwebp", "avif": "libavif"}[feature]
    version = f"{library} {features.version(feature)} (Pillow {PIL.__version__})"
    return Codec(name, about, version, settings, write, lambda data: _load(name, format, data), sweep, grid)
