"""PNG of 16 bits a sample, which Pillow reduces to 8, and the chunks that carry metadata (W3C PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from .raster import Raster, Refused

__all__ = ["SIGNATURE", "chunk", "read_png", "write_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Adam7's, each (first row, first column, rows apart, columns apart)."""
_ROWS = 1 << 22  # bytes that are filtered and deflated at once


@cache
def _unfilter():
    """The kernel, made when a file needs it: numba takes a while to load."""
    from ...simd import kernel

    return kernel(_undo)


def _undo(rows, bpp):
    """Undo the filters of rows uint8 [H, 1 + n] in place (PNG 9.2). Returns whether every filter type was one of 0..4."""
    for y in range(rows.shape[0]):
        kind = rows[y, 0]
        if kind > 4:
            return False
        for x in range(1, rows.shape[1]):
            a = np.int64(rows[y, x - bpp]) if x > bpp else np.int64(0)
            b = np.int64(rows[y - 1, x]) if y > 0 else np.int64(0)
            c = np.int64(rows[y - 1, x - bpp]) if x > bpp and y > 0 else np.int64(0)
            guess = np.int64(0)
            if kind == 1:
                guess = a
            elif kind == 2:
                guess = b
            elif kind == 3:
                guess = (a + b) >> 1
            elif kind == 4:
                pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                guess = a if pa <= pb and pa <= pc else (b if pb <= pc else c)
            rows[y, x] = (np.int64(rows[y, x]) + guess) & 255
    return True


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, body) of the chunks of a file. Refused where one is cut or its CRC is wrong."""
    at, view = len(SIGNATURE), memoryview(data)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, body = bytes(view[at + 4 : at + 8]), view[at + 8 : at + 8 + size]
        if at + 12 + size > len(data):
            break
        if struct.unpack_from(">I", data, at + 8 + size)[0] != zlib.crc32(view[at + 4 : at + 8 + size]):
            raise Refused(f"damaged PNG: the CRC of chunk {name.decode('latin-1')} at byte {at} is wrong")
        yield name, body
        if name == b"IEND":
            return
        at += 12 + size
    raise Refused(f"damaged PNG: it ends at byte {len(data)}, within a chunk or before IEND")


def _inflated(parts: Sequence[memoryview], needed: int) -> np.ndarray:
    """The first `needed` bytes of IDAT's stream, and never more of them in memory."""
    decoder, found, left = zlib.decompressobj(), [], needed
    try:
        for part in parts:
            if left > 0:
                found.append(decoder.decompress(part, left))
                left -= len(found[-1])
    except zlib.error as error:
        raise Refused(f"damaged PNG: {error}") from None
    if left > 0:
        raise Refused(f"damaged PNG: its image data end {left} bytes early")
    return np.frombuffer(bytearray(b"".join(found)), np.uint8)


def read_png(data: bytes) -> Raster:
    """Samples of a PNG of 16 bits; transparency is its alpha channel, or 0 and 65,535 where one colour is clear."""
    header, clear, parts = b"", b"", []
    for name, body in _chunks(data):
        if name == b"IHDR":
            header = bytes(body)
        elif name == b"tRNS":
            clear = bytes(body)
        elif name == b"IDAT":
            parts.append(body)
    width, height, _, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    channels = _CHANNELS[color]
    samples = np.empty((height, width, channels), np.uint16)
    grids = _PASSES if interlaced else ((0, 0, 1, 1),)
    views = [view for y, x, down, right in grids if (view := samples[y::down, x::right]).size]
    sizes = [view.shape[0] * (1 + 2 * view.shape[1] * channels) for view in views]
    rows, at = _inflated(parts, sum(sizes)), 0
    for view, size in zip(views, sizes, strict=True):
        part = rows[at : at + size].reshape(view.shape[0], -1)
        if not _unfilter()(part, 2 * channels):
            raise Refused("damaged PNG: a row has no filter of the five")
        view[:] = np.ascontiguousarray(part[:, 1:]).view(">u2").reshape(view.shape)
        at += size
    alpha = None
    if channels in (2, 4):
        samples, alpha = samples[..., :-1], samples[..., -1]
    elif len(clear) == 2 * channels:
        alpha = np.where((samples == np.frombuffer(clear, ">u2")).all(-1), 0, 65_535).astype(np.uint16)
    return Raster(samples[..., 0] if samples.shape[2] == 1 else samples, 65_535, alpha)


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk, with its length and CRC."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def write_png(samples: np.ndarray, bits: int, extra: bytes) -> bytes:
    """A PNG of uint16 [H, W] or [H, W, 3], values 0..65,535, of which `bits` count (sBIT). extra: chunks of metadata.

    Every row but the first is the difference to the one above it.
    """
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    parts = [
        SIGNATURE,
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)),
        chunk(b"sBIT", bytes([bits] * channels)) if bits < 16 else b"",
        extra,
    ]
    flat = samples.reshape(height, width * channels)
    step = max(1, _ROWS // (2 * flat.shape[1]))
    deflate, above = zlib.compressobj(6), np.zeros(2 * flat.shape[1], np.uint8)
    for y in range(0, height, step):
        octets = flat[y : y + step].astype(">u2").view(np.uint8)
        rows = np.empty((len(octets), 1 + octets.shape[1]), np.uint8)
        rows[:, 0] = 2
        rows[0, 1:] = octets[0] - above
        rows[1:, 1:] = octets[1:] - octets[:-1]
        above = octets[-1]
        parts.append(chunk(b"IDAT", deflate.compress(rows.data)))
    parts += [chunk(b"IDAT", deflate.flush()), chunk(b"IEND", b"")]
    return b"".join(parts)
