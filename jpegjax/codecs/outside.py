"""Codecs of other libraries: JPEG XL and JPEG-LS by imagecodecs, mozjpeg by jpeglib, jpegli by pyjpegli; one thread each."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version as release
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .protocol import Codec, MissingCodec, Setting, as_uint8, reading

__all__ = ["codec"]

_MOZJPEG = "mozjpeg403"  # the newest that jpeglib carries; its files equal cjpeg's of mozjpeg 4.1.5
_QUALITIES = (5, 10, 15, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)


def _library(name: str, module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingCodec(f'{name}: {error}; pip install {module}, or "jpegjax[codecs]" for all') from None


def _imagecodecs(name: str, constants: str) -> ModuleType:
    library = _library(name, "imagecodecs")
    if not getattr(library, constants).available:
        raise MissingCodec(f"{name}: this imagecodecs was built without it; pip install --upgrade imagecodecs")
    return library


def _jpegxl(name: str) -> Codec:
    library = _imagecodecs(name, "JPEGXL")
    settings = {
        "distance": Setting(1.0, "Butteraugli distance to aim at; 0 is lossless", span=(0.0, 25.0)),
        "effort": Setting(7, "effort", span=(1, 9)),
    }

    def write(image: Any, distance: float, effort: int) -> bytes:
        how = {"lossless": True} if distance == 0 else {"distance": distance}
        return library.jpegxl_encode(as_uint8(image, name), effort=effort, numthreads=1, **how)

    def read(data: bytes) -> np.ndarray:
        with reading(name):
            return library.jpegxl_decode(data, numthreads=1)

    version = f"{library.jpegxl_version()} (imagecodecs {library.__version__})"
    grid = (25.0, 20.0, 15.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.5)
    return Codec(name, "JPEG XL by libjxl", version, settings, write, read, "distance", grid)


def _jpegls(name: str) -> Codec:
    library = _imagecodecs(name, "JPEGLS")
    settings = {"near": Setting(0, "largest error of a sample; 0 is lossless", span=(0, 255))}

    def write(image: Any, near: int) -> bytes:
        return library.jpegls_encode(as_uint8(image, name), level=near)

    def read(data: bytes) -> np.ndarray:
        with reading(name):
            return library.jpegls_decode(data)

    version = f"CharLS {library.jpegls_version().split()[-1]} (imagecodecs {library.__version__})"
    about = "JPEG-LS (lossless and near-lossless) by CharLS"
    return Codec(name, about, version, settings, write, read, "near")


def _jpeg_read(name: str) -> Callable[[bytes], np.ndarray]:
    """JPEG files back to pixels by libjpeg-turbo: mozjpeg and jpegli are about the encoder."""

    def read(data: bytes) -> np.ndarray:
        from PIL import Image

        with reading(name), Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return np.array(picture)

    return read


def _mozjpeg(name: str) -> Codec:
    library = _library(name, "jpeglib")
    settings = {
        "quality": Setting(75, "quality", span=(1, 100)),
        "subsampling": Setting(
            "auto", "chroma sampling; auto as mozjpeg's cjpeg: 4:2:2 from quality 80, 4:4:4 from 90",
            choices=("auto", "4:4:4", "4:2:2", "4:2:0"),
        ),
    }  # fmt: skip

    def write(image: Any, quality: int, subsampling: str) -> bytes:
        pixels = as_uint8(image, name)
        if library.version.get() != _MOZJPEG:
            library.version.set(_MOZJPEG)
        if subsampling == "auto":
            subsampling = "4:4:4" if quality >= 90 else "4:2:2" if quality >= 80 else "4:2:0"
        picture = library.from_spatial(pixels if pixels.ndim == 3 else pixels[:, :, None])
        if pixels.ndim == 3:
            picture.samp_factor = subsampling
        with tempfile.TemporaryDirectory(prefix="mozjpeg") as folder:
            target = Path(folder, "image.jpg")
            picture.write_spatial(str(target), qt=quality)
            return target.read_bytes()

    version = f"mozjpeg 4.0.3 (jpeglib {release('jpeglib')})"
    return Codec(
        name, "JPEG by mozjpeg: progressive, trellis", version, settings, write, _jpeg_read(name), "quality", _QUALITIES
    )


def _jpegli(name: str) -> Codec:
    library = _library(name, "pyjpegli")
    settings = {"quality": Setting(75, "quality", span=(1, 100))}

    def write(image: Any, quality: int) -> bytes:
        pixels = as_uint8(image, name)
        if pixels.ndim == 2:
            pixels = np.ascontiguousarray(np.repeat(pixels[:, :, None], 3, axis=2))
        return library.encode(pixels, pixels.shape[1], pixels.shape[0], quality=quality)

    version = f"jpegli (pyjpegli {release('pyjpegli')})"
    about = "JPEG by jpegli, 4:2:0 and sequential as pyjpegli sets it"
    return Codec(name, about, version, settings, write, _jpeg_read(name), "quality", _QUALITIES)


_CODECS = {"jpegxl": _jpegxl, "jpeg-ls": _jpegls, "mozjpeg": _mozjpeg, "jpegli": _jpegli}


def codec(name: str) -> Codec:
    """One of these codecs; MissingCodec, which names the pip line, where its library is not installed."""
    return _CODECS[name](name)
