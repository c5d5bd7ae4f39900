"""Decoded pictures as files of other formats."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from .png import write_png
from .pnm import write_pnm
from .raster import Refused, scaled, turned
from .tiff import write_tiff

__all__ = ["FORMATS", "save"]

FORMATS = ("png", "ppm", "bmp", "tiff", "npy")


def save(pixels: np.ndarray, suffix: str, *, bits: int, orientation: int, icc_profile: bytes | None) -> bytes:
    """The file of a picture in one of FORMATS, turned upright from its EXIF orientation.

    pixels: uint8 or uint16 [H, W], [H, W, 3] or [H, W, 4] (CMYK), values 0..2^bits - 1. PNG and TIFF hold them scaled to 8 or
    16 bits, so that the largest is white; PPM with that as its maxval; NumPy as they are. Refused where a format has no
    room for them.
    """
    pixels = np.ascontiguousarray(turned(pixels, orientation))
    largest = (1 << bits) - 1
    inks = pixels.ndim == 3 and pixels.shape[2] == 4
    if inks and suffix in ("png", "ppm", "bmp"):
        raise Refused(f"CMYK, which {suffix} does not hold: say --format tiff or npy")
    if suffix == "npy":
        out = io.BytesIO()
        np.save(out, pixels)
        return out.getvalue()
    if suffix == "ppm":
        return write_pnm(pixels, largest)
    if suffix == "bmp" and bits > 8:
        raise Refused(f"{bits} bits a sample, and BMP holds 8: say --depth 8, or --format png")
    pixels = scaled(pixels, largest, 255 if bits <= 8 else 65_535)
    if suffix == "tiff":
        return write_tiff(pixels, {} if icc_profile is None else {34_675: icc_profile})
    if bits > 8:
        return write_png(pixels, bits, b"")
    out = io.BytesIO()
    settings = {} if icc_profile is None or suffix != "png" else {"icc_profile": icc_profile}
    Image.fromarray(pixels).save(out, suffix.upper(), **settings)
    return out.getvalue()
