"""Decoded pictures as files of other formats."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from .carried import Beside, fitting, png_chunks, tiff_tags
from .png import write_png
from .pnm import write_pnm
from .raster import Refused, scaled, turned
from .tiff import write_tiff

__all__ = ["FORMATS", "save"]

_HEAD = 33  # bytes of a PNG up to and with IHDR
FORMATS = ("png", "ppm", "bmp", "tiff", "npy")


def save(
    pixels: np.ndarray, suffix: str, *, bits: int, orientation: int = 1, beside: Beside | None = None, notes: list[str]
) -> bytes:
    """The file of a picture in one of FORMATS, turned upright from its EXIF orientation.

    pixels: uint8 or uint16 [H, W], [H, W, 3] or [H, W, 4] (CMYK), values 0..2^bits - 1. PNG and TIFF hold them scaled to 8 or
    16 bits, so that the largest is white; PPM with that as its maxval; NumPy as they are. beside: metadata, true of the
    picture as it is turned; notes takes what the format has no room for. Refused where it has none for the pixels.
    """
    pixels = np.ascontiguousarray(turned(pixels, orientation))
    largest = (1 << bits) - 1
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 4 and suffix in ("png", "ppm", "bmp"):
        raise Refused(f"CMYK, which {suffix} does not hold: say --format tiff or npy")
    if suffix == "bmp" and bits > 8:
        raise Refused(f"{bits} bits a sample, and BMP holds 8: say --depth 8, or --format png")
    found = fitting(beside or {}, suffix, channels, notes)
    if suffix == "npy":
        out = io.BytesIO()
        np.save(out, pixels)
        return out.getvalue()
    if suffix == "ppm":
        return write_pnm(pixels, largest)
    pixels = scaled(pixels, largest, 255 if bits <= 8 else 65_535)
    if suffix == "tiff":
        return write_tiff(pixels, tiff_tags(found, notes))
    out = io.BytesIO()
    if suffix == "bmp":
        Image.fromarray(pixels).save(out, "BMP", **found)
        return out.getvalue()
    chunks = png_chunks(found, notes)
    if bits > 8:
        return write_png(pixels, bits, chunks)
    Image.fromarray(pixels).save(out, "PNG")
    data = out.getvalue()
    return data[:_HEAD] + chunks + data[_HEAD:]
