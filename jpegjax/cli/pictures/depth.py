"""How deep a picture is before its reader has touched it, and how deep the file that is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .raster import Refused, scaled

__all__ = ["bits_of", "fitted"]

_BITS_PER_SAMPLE = 258
_BOXED = ("JPEG2000", "AVIF", "HEIF")
_HEAD = 1 << 16  # bytes in which formats of boxes tell their depth


def bits_of(picture: Image.Image, source: Path | bytes) -> int:
    """Bits a sample as the header says, 8 for fewer too, of a picture that is not loaded yet. Refused for other numbers."""
    if picture.mode == "F" or (picture.mode == "I" and picture.format not in ("PNG", "PPM")):
        raise Refused(f"mode {picture.mode} ({'floats' if picture.mode == 'F' else '32-bit or signed integers'}): "
                      "convert it to 8 or 16 bits first")  # fmt: skip
    tags = getattr(picture, "tag_v2", None)
    if tags is not None:
        return max(8, *tags.get(_BITS_PER_SAMPLE, (1,)))
    return max(8, _of_boxes(picture, source) if picture.format in _BOXED else _of_tiles(picture))


def _of_tiles(picture: Image.Image) -> int:
    """From what Pillow's decoder is told: raw modes such as RGB;16B, or the maxval of PNM."""
    found = 16 if picture.mode.startswith("I;16") else 8
    for tile in getattr(picture, "tile", ()):
        told: Any = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(word, str) and re.search(r";16[BLNRS]*$", word) for word in told):
            found = 16
        if picture.format == "PPM" and len(told) == 2 and isinstance(told[1], int):
            found = max(found, told[1].bit_length())
        if str(tile[0]).upper() == "SGI16":
            found = 16
    return found


def _of_boxes(picture: Image.Image, source: Path | bytes) -> int:
    """Of JPEG 2000 by its codestream (SIZ, ISO 15444-1 A.5.1), of HEIF by the boxes of AV1 and HEVC."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(_HEAD)
    else:
        head = source[:_HEAD]
    if picture.format == "JPEG2000":
        at = head.find(b"\xff\x4f\xff\x51")
        components = int.from_bytes(head[at + 40 : at + 42], "big")
        depths = head[at + 42 : at + 42 + 3 * components : 3] if at >= 0 else b""
        return max(((depth & 127) + 1 for depth in depths), default=8)
    found = 8
    for at in (m.start() for m in re.finditer(b"av1C", head)):
        flags = int.from_bytes(head[at + 6 : at + 7], "big")
        found = max(found, (12 if flags & 0x20 else 10) if flags & 0x40 else 8)
    for at in (m.start() for m in re.finditer(b"hvcC", head)):
        found = max(found, 8 + (int.from_bytes(head[at + 21 : at + 22], "big") & 7))
    return found


def fitted(
    samples: np.ndarray, largest: int, precision: int | None, lossless: bool, depth: int | None, notes: list[str]
) -> tuple[np.ndarray, int]:
    """(samples, bits of the file) of samples 0..largest for a file of `precision`, None for what they need.

    One scale: 0 stays 0, the largest sample becomes the largest of the file, what lies between goes to the nearest. Refused
    where low bits would be lost unasked.
    """
    bits = largest.bit_length()
    if bits > 8 and depth is not None:
        notes.append(f"{bits} bits a sample became {depth}")
        samples, largest, bits = scaled(samples, largest, (1 << depth) - 1), (1 << depth) - 1, depth
    if precision is None:
        if largest != (1 << bits) - 1:
            notes.append(f"samples 0..{largest} became 0..{(1 << bits) - 1}")
        return scaled(samples, largest, (1 << bits) - 1), bits
    if precision < bits:
        if precision == 8 and not lossless:
            raise Refused(
                f"more than 8 bits a sample ({bits}): say --precision 12, --lossless, or --depth 8 to drop them"
            )
        if lossless:
            notes.append(f"{bits} bits a sample became {precision}")
    return scaled(samples, largest, (1 << precision) - 1), precision
