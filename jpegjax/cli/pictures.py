"""Pictures of other formats, in and out through Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageColor, ImageOps

from ..options import MAX_SIDE
from .paths import shown

__all__ = ["FORMATS", "NEEDS_BACKGROUND", "load", "picture_suffixes", "save", "size_of"]

FORMATS: dict[str, str | None] = {"png": "PNG", "ppm": "PPM", "bmp": "BMP", "tiff": "TIFF", "npy": None}
NEEDS_BACKGROUND = ("RGBA", "RGBa", "LA", "La", "PA")
_ORIENTATION = 0x0112
_NATIVE = {"L": np.uint8, "RGB": np.uint8, "CMYK": np.uint8, "I;16": np.uint16, "I;16B": np.uint16}


class Refused(ValueError):
    """A picture that is fine in itself, but not one to make a JPEG of without being told more."""


def picture_suffixes() -> frozenset[str]:
    """Lower-case suffixes of the files that Pillow reads."""
    return frozenset(s for s, name in Image.registered_extensions().items() if name in Image.OPEN and name != "PDF")


def _open(source: Path | bytes) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # --limit-pixels decides, before anything is decoded
    try:
        return Image.open(source if isinstance(source, Path) else io.BytesIO(source))
    except Image.UnidentifiedImageError:
        raise Refused("not an image that Pillow knows") from None


def size_of(source: Path | bytes) -> tuple[int, int]:
    """(width, height) from the header."""
    with _open(source) as picture:
        return picture.size


def _wide_samples(picture: Image.Image) -> bool:
    """Whether the file holds more than 8 bits a sample; Pillow would drop the low ones of some without a word."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return True
    arguments = [tile[3] for tile in getattr(picture, "tile", ())]
    names = [a[0] if isinstance(a, tuple) and a else a for a in arguments]
    return any(isinstance(name, str) and name.endswith((";16B", ";16L", ";16N")) for name in names)


def _flat(picture: Image.Image, background: str | None) -> Image.Image:
    """Picture in mode L, RGB or CMYK. Refused where that would lose something and nobody said how."""
    if _wide_samples(picture):
        raise Refused(f"mode {picture.mode}, more than 8 bits a sample: convert it to 8 bits first")
    clear = picture.mode in NEEDS_BACKGROUND or "transparency" in picture.info
    if clear and background is None:
        raise Refused(f"mode {picture.mode} has transparency, which JPEG lacks: say --background COLOR")
    if clear:
        over = picture.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", over.size, ImageColor.getrgb(str(background))), over)
        return flat.convert("L" if picture.mode in ("L", "LA", "La") and _is_grey(str(background)) else "RGB")
    if picture.mode in ("L", "RGB", "CMYK"):
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("P", "YCbCr", "RGBX"):
        return picture.convert("RGB")
    raise Refused(f"mode {picture.mode}: convert it to RGB or grey first")


def _is_grey(color: str) -> bool:
    return len(set(ImageColor.getrgb(color)[:3])) == 1


def load(
    source: Path | bytes,
    *,
    background: str | None,
    transpose: bool,
    gray: bool,
    limit_pixels: int | None,
    deep: bool,
    rescaled: bool = False,
) -> tuple[np.ndarray, bytes | None, list[str]]:
    """(uint8 [H, W], [H, W, 3] or [H, W, 4] (CMYK), ICC profile, notes on what the file has and the array lacks).

    deep: pictures of 16-bit grey come as uint16 [H, W] instead of being refused. rescaled: all come as uint16 0..4095,
    as cjpeg -precision 12 takes them.
    """
    with _open(source) as picture:
        width, height = picture.size
        if limit_pixels is not None and width * height > limit_pixels:
            raise Refused(f"{width}×{height} pixels are more than --limit-pixels {limit_pixels}")
        if max(width, height) > MAX_SIDE:
            raise Refused(f"{width}×{height} pixels; each side of a JPEG is at most {MAX_SIDE}")
        notes = []
        if getattr(picture, "is_animated", False):
            notes.append("first frame only")
        orientation = picture.getexif().get(_ORIENTATION, 1)
        if orientation not in (0, 1) and not transpose:
            notes.append(f"EXIF orientation {orientation} not applied (--exif-transpose)")
        profile = picture.info.get("icc_profile")
        picture.load()
        flat = picture if deep and picture.mode in ("I;16", "I;16B") else _flat(picture, background)
        if transpose and orientation not in (0, 1):
            flat.getexif()[_ORIENTATION] = orientation
            flat = ImageOps.exif_transpose(flat)
        if gray and flat.mode == "CMYK":
            raise Refused("mode CMYK: convert it to RGB or grey first, or leave --grayscale out")
        grey = gray and flat.mode == "RGB"
        pixels = np.ascontiguousarray(flat.convert("L") if grey else flat).astype(_NATIVE[flat.mode])
        if rescaled:
            largest = int(np.iinfo(pixels.dtype).max)
            pixels = ((pixels.astype(np.uint32) * 4095 + largest // 2) // largest).astype(np.uint16)
        return pixels, profile, notes


def save(pixels: np.ndarray, suffix: str, icc_profile: bytes | None, orientation: int) -> bytes:
    """The file of a picture in a format of FORMATS, turned upright from its EXIF orientation.

    pixels: uint8 or uint16 [H, W] or [H, W, 3], uint8 [H, W, 4] (CMYK). Refused where the format has no room for them.
    """
    if pixels.dtype != np.uint8 and pixels.ndim == 3:
        if suffix != "npy" or orientation != 1:
            raise Refused("colours of more than 8 bits: say --format npy, without --exif-transpose")
        out = io.BytesIO()
        np.save(out, pixels)
        return out.getvalue()
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        picture = Image.frombytes("CMYK", pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
    else:
        picture = Image.fromarray(pixels)
    if orientation != 1:
        picture.getexif()[_ORIENTATION] = orientation
        picture = ImageOps.exif_transpose(picture)
    out = io.BytesIO()
    _write(picture, suffix, icc_profile, out)
    return out.getvalue()


def _write(picture: Image.Image, suffix: str, icc_profile: bytes | None, out: BinaryIO) -> None:
    kind = FORMATS[suffix]
    if kind is None:
        np.save(out, np.asarray(picture))
    elif icc_profile and kind in ("PNG", "TIFF"):
        picture.save(out, kind, icc_profile=icc_profile)
    else:
        picture.save(out, kind)


def check_color(value: str) -> None:
    """ValueError for what Pillow does not know as a colour."""
    try:
        ImageColor.getrgb(value)
    except ValueError:
        raise ValueError(
            f"--background {shown(value)!r}: must be a colour such as white, #ff8800 or rgb(0,0,0)"
        ) from None
