"""Pictures of other formats as arrays to encode: through Pillow, or by readers of our own where it drops low bits."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from ...options import MAX_SIDE
from ..paths import shown
from .depth import bits_of, fitted
from .foreign import FOREIGN_SUFFIXES, kind_of, named_kind, readable, remedy
from .metadata import fits, gathered, reshaped
from .png import read_png
from .pnm import read_pnm
from .raster import Raster, Refused, over, turned
from .tiff import read_tiff

__all__ = ["Loaded", "check_color", "load", "offered_suffixes", "picture_suffixes", "size_of"]

_ORIENTATION, _DNG_VERSION = 0x0112, 50_706
_TURNED = ("TIFF", "HEIF", "JXL")
"""Formats whose readers turn a picture as they load it: Pillow's of TIFF, pillow-heif, pillow-jxl-plugin. All others leave it."""
_GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N")


@dataclass(slots=True)
class Loaded:
    """A picture to encode: uint8 or uint16 [H, W], [H, W, 3] or [H, W, 4] (CMYK), of so many bits a sample.

    metadata: by the names of `options.Metadata`. notes: what the file has and neither of them.
    """

    pixels: np.ndarray
    bits: int
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def picture_suffixes() -> frozenset[str]:
    """Lower-case suffixes of the files that Pillow reads."""
    return frozenset(s for s, name in Image.registered_extensions().items() if name in Image.OPEN and name != "PDF")


def offered_suffixes() -> frozenset[str]:
    """Lower-case suffixes of the files of a folder that are pictures, be they such as fail here."""
    return picture_suffixes() | FOREIGN_SUFFIXES


def _open(source: Path | bytes) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # --limit-pixels decides, before anything is decoded
    kind = kind_of(source)
    if kind is not None and not readable(kind):
        raise Refused(remedy(kind))
    try:
        picture = Image.open(source if isinstance(source, Path) else io.BytesIO(source))
    except Image.UnidentifiedImageError:
        named = kind or named_kind(source)
        if named is not None and not readable(named):
            raise Refused(remedy(named)) from None
        raise Refused("not an image that Pillow knows" if named is None else f"damaged {named}") from None
    if _DNG_VERSION in getattr(picture, "tag_v2", ()):
        picture.close()
        raise Refused(remedy("raw"))  # what Pillow sees is its preview
    return picture


def size_of(source: Path | bytes) -> tuple[int, int]:
    """(width, height) from the header."""
    with _open(source) as picture:
        return picture.size


def check_color(value: str) -> None:
    """ValueError for what Pillow does not know as a colour."""
    try:
        ImageColor.getrgb(value)
    except ValueError:
        raise ValueError(
            f"--background {shown(value)!r}: must be a colour such as white, #ff8800 or rgb(0,0,0)"
        ) from None


def _deep(source: Path | bytes, picture: Image.Image, bits: int) -> Raster | None:
    """Samples of more than 8 bits as the file has them; None where Pillow would drop the low ones and nobody else reads it."""
    kind, tags = picture.format, getattr(picture, "tag_v2", None)
    if kind in ("PNG", "PPM") or (tags is not None and bits == 16):
        content = source.read_bytes() if isinstance(source, Path) else source
        if tags is None:
            return read_png(content) if kind == "PNG" else read_pnm(content)
        try:
            raster, way = read_tiff(content, tags), _orientation(picture)
        except (KeyError, TypeError, IndexError) as error:
            raise Refused(f"damaged TIFF: its tags do not make a picture ({error})") from None
        alpha = None if raster.alpha is None else turned(raster.alpha, way)
        return Raster(turned(raster.samples, way), raster.largest, alpha, raster.blended)
    if picture.mode not in _GREY_16:
        return None
    samples = np.asarray(picture).astype(np.uint16)
    if kind == "JPEG2000":
        samples >>= 16 - bits  # Pillow moves them up
    return Raster(samples, (1 << bits) - 1)


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation 1..8 of a picture that is not loaded yet; 1 for what is none."""
    found = picture.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _luma(samples: np.ndarray) -> np.ndarray:
    """libjpeg's luma of RGB, which is Pillow's too."""
    red, green, blue = (samples[..., c].astype(np.uint32) for c in range(3))
    return ((19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16).astype(samples.dtype)


def _flat(picture: Image.Image) -> Raster:
    """Samples of 8 bits; Refused where a mode would lose something."""
    mode = picture.mode
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        grey = mode in ("L", "LA", "La")
        both = np.asarray(picture.convert("LA" if grey else "RGBA"))
        return Raster(both[..., 0] if grey else both[..., :3], 255, both[..., -1])
    if mode in ("1", "P", "YCbCr", "RGBX"):
        picture = picture.convert("L" if mode == "1" else "RGB")
    elif mode not in ("L", "RGB", "CMYK"):
        raise Refused(f"mode {mode}: convert it to RGB or grey first")
    return Raster(np.asarray(picture), 255)


def _read(source: Path | bytes, picture: Image.Image, bits: int, depth: int | None, notes: list[str]) -> Raster:
    """All samples of a picture. depth: 8 where low bits may go, even by a reader that drops them."""
    if bits > 8:
        raster = _deep(source, picture, bits)
        if raster is not None:
            return raster
        if depth is None:
            raise Refused(
                f"{bits} bits a sample, of which its reader keeps 8: save it as PNG, or say --depth 8 for what it keeps"
            )
        notes.append(f"{bits} bits a sample became 8, by its reader")
    picture.load()
    return _flat(picture)


def _opaque(raster: Raster, background: str | None, mode: str) -> np.ndarray:
    """Samples without transparency. Refused where there is some and nobody said what is beneath."""
    if raster.alpha is None or raster.alpha.min() == raster.largest:
        return raster.samples
    if background is None:
        raise Refused(f"mode {mode} has transparency, which JPEG lacks: say --background COLOR")
    red, green, blue = ImageColor.getrgb(background)[:3]
    return over(raster, (red, green, blue))


def load(
    source: Path | bytes,
    *,
    background: str | None = None,
    transpose: bool = False,
    gray: bool = False,
    limit_pixels: int | None = None,
    precision: int | None = 8,
    lossless: bool = False,
    depth: int | None = None,
    strip: bool = False,
) -> Loaded:
    """A picture as the encoder takes it.

    precision: bits of the file to be, None for those of the picture. depth: 8 reduces deeper pictures first. Refused where
    something would be lost that nobody gave up: low bits, transparency.
    """
    with _open(source) as picture:
        width, height = picture.size
        if limit_pixels is not None and width * height > limit_pixels:
            raise Refused(f"{width}×{height} pixels are more than --limit-pixels {limit_pixels}")
        if max(width, height) > MAX_SIDE:
            raise Refused(f"{width}×{height} pixels; each side of a JPEG is at most {MAX_SIDE}")
        notes = ["first frame only"] if getattr(picture, "is_animated", False) else []
        bits = bits_of(picture, source)  # first of all: to ask for EXIF loads a PNG, and a loaded one has no depth
        orientation = _orientation(picture)
        raster = _read(source, picture, bits, depth, notes)
        samples = _opaque(raster, background, picture.mode)
        metadata = {} if strip else gathered(source, picture, notes)
    if gray and samples.ndim == 3:
        if samples.shape[2] == 4:
            raise Refused("mode CMYK: convert it to RGB or grey first, or leave --grayscale out")
        samples = _luma(samples)
    samples, bits = fitted(samples, raster.largest, precision, lossless, depth, notes)
    if orientation != 1:
        if picture.format in _TURNED:
            notes.append(f"{picture.format} orientation {orientation} applied by its reader")
            reshaped(metadata, samples.shape[1], samples.shape[0], True)
        elif transpose:
            samples = turned(samples, orientation)
            reshaped(metadata, samples.shape[1], samples.shape[0], True)
        else:
            notes.append(f"EXIF orientation {orientation} not applied (--exif-transpose)")
    fits(metadata, 1 if samples.ndim == 2 else samples.shape[2], notes)
    return Loaded(np.ascontiguousarray(samples), bits, metadata, notes)
