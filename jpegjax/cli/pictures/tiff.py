"""TIFF of 16 bits a sample, of which Pillow keeps 8 where they are colours, and TIFF files written (TIFF 6.0).

Pillow's libtiff undoes the compression of strips and tiles, which to it are a grey picture of their bytes; the rest is
done here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .raster import Raster, Refused

__all__ = ["read_tiff", "write_tiff"]

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 273, 277, 278, 279
_PLANAR, _PREDICTOR = 284, 317
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_EXTRA = 338
_BYTEWISE = {1, 5, 8, 32946, 32773, 34925, 50000}
"""Compressions of bytes, whatever they mean: none, LZW, deflate, PackBits, LZMA, Zstandard."""
_LARGEST_TILE = 1 << 24  # pixels of tiles beyond the picture's edges
_INKS = {0: 1, 1: 1, 2: 3, 5: 4}
"""Samples of colour by photometric interpretation: white is 0, black is 0, RGB, CMYK."""


def _as_bytes(data: bytes, tags: Any, pieces: slice, shape: tuple[int, int], row: int, rows: int) -> np.ndarray:
    """What strips or tiles hold, uint8 of `shape`, `row` bytes a row and `rows` rows each."""
    tiled = _TILE_OFFSETS in tags
    offsets, counts = (
        tags[name][pieces] for name in ((_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS))
    )
    parts, at, places = [], 8, []
    for offset, count in zip(offsets, counts, strict=False):
        parts.append(data[offset : offset + count])
        places.append(at)
        at += len(parts[-1]) + len(parts[-1]) % 2
        parts.append(bytes(len(parts[-1]) % 2))
    entries: dict[int, Sequence[int]] = {_WIDTH: [shape[1]], _LENGTH: [shape[0]], _BITS: [8]}
    entries |= {_COMPRESSION: [tags.get(_COMPRESSION, 1)], _PHOTOMETRIC: [1], _SAMPLES: [1]}
    lengths = [len(part) for part in parts[::2]]
    if tiled:
        entries |= {_TILE_WIDTH: [row], _TILE_LENGTH: [rows], _TILE_OFFSETS: places, _TILE_COUNTS: lengths}
    else:
        entries |= {_STRIP_OFFSETS: places, _ROWS_PER_STRIP: [rows], _STRIP_COUNTS: lengths}
    if at >= 1 << 32:
        raise Refused("a TIFF of 4 GiB or more")
    wrapped = b"".join([struct.pack("<2sHI", b"II", 42, at), *parts, _directory(entries, at)])
    with Image.open(io.BytesIO(wrapped)) as picture:
        return np.asarray(picture)


def _directory(entries: dict[int, Sequence[int]], at: int) -> bytes:
    """A directory of LONGs that stands at `at`, its longer values behind it."""
    head, tail = struct.pack("<H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            packed, tail = struct.pack("<I", behind + len(tail)), tail + packed
        head += struct.pack("<HHI", tag, 4, len(values)) + packed
    return head + bytes(4) + tail


def read_tiff(data: bytes, tags: Any) -> Raster:
    """Samples of 16 bits as the file has them, not turned. tags: of its directory, as Pillow reads them.

    Refused for compressions that are no bytes for themselves, such as JPEG.
    """
    compression, photometric = tags.get(_COMPRESSION, 1), tags.get(_PHOTOMETRIC)
    width, height, channels = tags[_WIDTH], tags[_LENGTH], tags.get(_SAMPLES, 1)
    apart = tags.get(_PLANAR, 1) == 2
    if compression not in _BYTEWISE or photometric not in _INKS or tags.get(_FILL_ORDER, 1) != 1:
        raise Refused(f"TIFF of 16 bits a sample, compression {compression}, photometric {photometric}: save it as PNG")
    if tags.get(_PREDICTOR, 1) not in (1, 2):
        raise Refused(f"TIFF of 16 bits a sample with predictor {tags[_PREDICTOR]}: save it as PNG")
    if _TILE_OFFSETS in tags:
        wide, high = tags[_TILE_WIDTH], tags[_TILE_LENGTH]
    else:
        wide, high = width, min(tags.get(_ROWS_PER_STRIP, height), height)
    across, down = -(-width // max(wide, 1)), -(-height // max(high, 1))
    if wide < 1 or high < 1 or across * wide * down * high > 4 * width * height + _LARGEST_TILE:
        raise Refused(f"damaged TIFF: tiles of {wide}×{high} pixels in a picture of {width}×{height}")
    planes, together = (channels, 1) if apart else (1, channels)
    order = "<u2" if tags.prefix == b"II" else ">u2"
    rows = down * high if _TILE_OFFSETS in tags else height
    samples = np.empty((height, width, channels), np.uint16)
    for p in range(planes):
        pieces = slice(p * across * down, (p + 1) * across * down)
        octets = _as_bytes(data, tags, pieces, (rows, across * wide * together * 2), wide * together * 2, high)
        part = octets.view(order).astype(np.uint16).reshape(rows, across, wide, together)
        if tags.get(_PREDICTOR, 1) == 2:
            part = np.cumsum(part, axis=2, dtype=np.uint16)
        samples[..., p : p + together] = part.reshape(rows, across * wide, together)[:height, :width]
    return _raster(samples, photometric, tags.get(_EXTRA, ()))


def _raster(samples: np.ndarray, photometric: int, extra: Sequence[int]) -> Raster:
    inks, alpha = _INKS[photometric], None
    if samples.shape[2] < inks:
        raise Refused(f"damaged TIFF: {samples.shape[2]} samples a pixel, photometric {photometric}")
    if samples.shape[2] == inks + 1 and inks < 4 and tuple(extra) != (0,):
        alpha = samples[..., inks]
    colors = samples[..., :inks] if inks > 1 else samples[..., 0]
    return Raster(65_535 - colors if photometric == 0 else colors, 65_535, alpha, tuple(extra) == (1,))


def write_tiff(samples: np.ndarray, tags: dict[int, Any]) -> bytes:
    """An uncompressed TIFF of uint8 or uint16 [H, W], [H, W, 3] or [H, W, 4] (CMYK). tags: of metadata, as Pillow has them."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    ifd = ImageFileDirectory_v2(b"II*\0\x08\0\0\0")
    for tag, value in tags.items():
        ifd[tag] = value
    ifd[_WIDTH], ifd[_LENGTH], ifd[_COMPRESSION], ifd[_SAMPLES] = width, height, 1, channels
    ifd[_BITS] = (8 * samples.dtype.itemsize,) * channels
    ifd[_PHOTOMETRIC] = {1: 1, 3: 2, 4: 5}[channels]
    ifd.tagtype[_STRIP_OFFSETS] = TiffTags.LONG
    ifd[_ROWS_PER_STRIP], ifd[_STRIP_COUNTS], ifd[_STRIP_OFFSETS] = height, samples.nbytes, 0  # behind it
    head = b"II*\0\x08\0\0\0" + ifd.tobytes(8)
    if len(head) + samples.nbytes >= 1 << 32:
        raise Refused("a TIFF holds less than 4 GiB: say --format png")
    return head + samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()
