"""PGM and PPM of more than 8 bits a sample, which Pillow reduces to 8 (netpbm's formats P2, P3, P5, P6)."""

from __future__ import annotations

import re

import numpy as np

from .raster import Raster, Refused

__all__ = ["read_pnm", "write_pnm"]

_HEADER = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})" + rb"(?:#[^\r\n]*)?\s")


def read_pnm(data: bytes) -> Raster:
    """Samples of the first picture of a file; values above its maxval are refused."""
    found = _HEADER.match(data)
    if found is None:
        raise Refused("damaged PNM: no header of kind, width, height and maxval")
    kind, width, height, largest = (int(word) for word in found.groups())
    channels = 3 if kind in (3, 6) else 1
    count = width * height * channels
    if kind in (5, 6):
        flat = np.frombuffer(data, ">u2", min(count, (len(data) - found.end()) // 2), found.end())
    else:
        flat = _plain(data[found.end() :], count)
    if len(flat) < count:
        raise Refused(f"damaged PNM: {len(flat)} samples of {count}")
    if flat.max() > largest:
        raise Refused(f"damaged PNM: a sample is {flat.max()}, its maxval {largest}")
    samples = flat.astype(np.uint16)
    return Raster(samples.reshape(height, width, 3) if channels == 3 else samples.reshape(height, width), largest)


def _plain(text: bytes, count: int) -> np.ndarray:
    """Up to `count` decimal numbers with white space between, comments left out."""
    if b"#" in text:
        text = re.sub(rb"#[^\r\n]*", b"", text)
    other = re.search(rb"[^\s\d]", text)
    if other is not None:
        raise Refused(f"damaged PNM: {other[0]!r} is no digit")
    return np.fromstring(text, np.int64, count, sep=" ") if text.strip() else np.empty(0, np.int64)


def write_pnm(samples: np.ndarray, largest: int) -> bytes:
    """A PGM of [H, W] or a PPM of [H, W, 3], values 0..largest."""
    height, width = samples.shape[:2]
    head = b"P%d\n%d %d\n%d\n" % (5 if samples.ndim == 2 else 6, width, height, largest)
    return head + samples.astype(np.uint8 if largest <= 255 else ">u2").tobytes()
