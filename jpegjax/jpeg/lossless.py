"""Lossless files (T.81 Annex H) to samples and back: the coder of `coding.lossless` joined to markers and colours.

image ──▶ encode_lossless ──▶ bytes          bytes ──▶ Reader ──▶ decode_lossless ──▶ image
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..coding.arithmetic.lossless import decode_lossless_scan
from ..coding.lossless import PREDICTORS, Place, decode_scan, encode_rows, entropy_bits, measure
from ..coding.restarts import SegmentReport
from ..container import EOI, Reader, dht, dri, header, sos
from ..errors import UnsupportedJpeg
from ..options import NO_METADATA, Metadata
from ..run.memory import borrow
from ..simd import kernel
from ..types import ColorSpace, Component, Frame, Process

__all__ = ["decode_lossless", "decode_planes", "encode_lossless"]

Notes = list[tuple[str, int]]

_COLORS = {
    1: (ColorSpace.GRAY, b"\1"),
    2: (ColorSpace.UNKNOWN, b"\0\1"),
    3: (ColorSpace.RGB, b"RGB"),
    4: (ColorSpace.CMYK, b"CMYK"),
}
_MAX_INTERVAL = 65_535
_EXACT_SAMPLES = 1 << 18
_MAX_STEP = 8


def _best_predictor(flat: np.ndarray, n: int, shift: int, initial: int, restart_rows: int) -> int:
    """The predictor that needs the fewest bits, the lowest of equals; in larger images by every 2nd to 8th row."""
    step = min(_MAX_STEP, -(-flat.size // _EXACT_SAMPLES))
    counts = measure(flat, n, shift, initial, restart_rows, PREDICTORS, step)
    return PREDICTORS[int(np.argmin([entropy_bits(row)[0] for row in counts]))]


def encode_lossless(
    image: np.ndarray,
    *,
    precision: int | None = None,
    predictor: int | None = None,
    point_transform: int = 0,
    restart_rows: int = 0,
    metadata: Metadata = NO_METADATA,
) -> bytes:
    """A lossless file (SOF3), byte-identical to libjpeg-turbo's with the same predictor and point transform.

    image: uint8 or uint16 [H, W] or [H, W, C], C 1..4: grey, two components of no known colour, RGB (Adobe marker, no
    conversion) or CMYK (255 full ink, stored inverted behind an Adobe marker). precision: 2..16 bits that hold all
    values; None for those of the dtype. predictor: 1..7, None for the one whose file is smallest, exactly below 2^18
    samples, otherwise by every 2nd to 8th row. point_transform: low bits to drop, below precision. restart_rows: rows
    between restart markers, 0 for none, at most as many as hold 65,535 pixels. One Huffman table, fitted to the file.
    metadata: to embed. ValueError where something does not fit.
    """
    height, width = image.shape[:2]
    n = 1 if image.ndim == 2 else image.shape[2]
    precision = 8 * image.dtype.itemsize if precision is None else precision
    largest = (1 << precision) - 1
    if precision < 8 * image.dtype.itemsize and image.max() > largest:
        raise ValueError(f"images: values up to {image.max()}; precision={precision} holds 0..{largest}")
    if point_transform >= precision:
        raise ValueError(f"point_transform={point_transform}: must be below precision, which is {precision}")
    flat = np.ascontiguousarray(image).reshape(height, width * n)
    if n == 4:
        flat = largest - flat
    initial = 1 << (precision - point_transform - 1)
    rows = min(restart_rows, _MAX_INTERVAL // width)
    if predictor is None:
        predictor = _best_predictor(flat, n, point_transform, initial, rows)
    bits, spec = entropy_bits(measure(flat, n, point_transform, initial, rows, [predictor])[0])
    color, ids = _COLORS[n]
    frame = Frame(height, width, tuple(Component(i, 1, 1) for i in ids), Process.LOSSLESS, precision, color)
    parts: list[bytes | memoryview] = [
        header(frame, (), metadata),
        dht(0, 0, spec),
        dri(rows * width) if rows else b"",
        sos([(i, 0, 0) for i in ids], (predictor, 0), (0, point_transform)),
        encode_rows(flat, n, point_transform, initial, rows, predictor, spec, bits),
        EOI,
    ]
    return b"".join(parts)


def _decode_scans(reader: Reader, places: list[Place], target: np.ndarray) -> None:
    """All scans of a file, from the one that the reader stands behind."""
    frame, scan = reader.require_frame(), reader.scan
    octets = np.frombuffer(reader.data, np.uint8)
    scanned: set[int] = set()
    report: SegmentReport
    if reader.multiple_scans:
        target[:] = 0
    while scan is not None:
        again = scanned.intersection(scan.components)
        scanned.update(scan.components)
        if again:
            reader.warn(f"component {min(again)} is scanned again", reader.position)
        at = reader.position
        if frame.process.arithmetic:
            report = decode_lossless_scan(frame, scan, octets, at, places, target, reader.budget.steps_left)
            reader.budget.charge(report.steps, at)
        else:
            report = decode_scan(frame, scan, octets, at, places, target)
        for message, offset in report.warnings:
            reader.warn(message, offset)
        reader.resume(report.position)
        scan = reader.next_scan()
    for c in sorted(set(range(len(frame.components))) - scanned):
        reader.warn(f"component {c} has no scan; it is all zeros", reader.position)


def _check_memory(reader: Reader, samples: int) -> None:
    nbytes = samples * (1 if reader.require_frame().precision <= 8 else 2)
    reader.budget.check_memory(nbytes, "samples", reader.position)


def _dtype(frame: Frame) -> type:
    return np.uint8 if frame.precision <= 8 else np.uint16


def decode_planes(reader: Reader) -> tuple[list[np.ndarray], Notes]:
    """(samples of each component as the file has them, warnings), all scans decoded.

    reader: behind the first scan header of a lossless frame, as `container.parse_header` gives it. Planes: uint8,
    uint16 above 8 bits, [rows, columns] (`Frame.samples`), values 0..2^P - 1, whatever the colour space.
    """
    frame = reader.require_frame()
    sizes = [frame.samples(c) for c in range(len(frame.components))]
    _check_memory(reader, sum(h * w for h, w in sizes))
    starts = np.cumsum([0] + [h * w for h, w in sizes]).tolist()
    target = borrow((starts[-1],), _dtype(frame))
    _decode_scans(reader, [(start, w, 1) for start, (_, w) in zip(starts, sizes, strict=False)], target)
    planes = [target[start : start + h * w].reshape(h, w) for start, (h, w) in zip(starts, sizes, strict=False)]
    return planes, reader.warnings


def _components(reader: Reader) -> np.ndarray:
    """All components in full size: [H, W], or [H, W, C]."""
    frame = reader.require_frame()
    n, height, width = len(frame.components), frame.height, frame.width
    if all(frame.samples(c) == (height, width) for c in range(n)):
        _check_memory(reader, height * width * n)
        image = borrow((height, width, n) if n > 1 else (height, width), _dtype(frame))
        _decode_scans(reader, [(c, width * n, n) for c in range(n)], image.reshape(-1))
        return image
    hmax, vmax = frame.hmax, frame.vmax
    for c, k in enumerate(frame.components):
        if hmax % k.h or vmax % k.v:
            message = f"component {c}: sampling {k.h}x{k.v} does not divide {hmax}x{vmax}"
            raise UnsupportedJpeg(message, reader.frame_offset)
    _check_memory(reader, height * width * 2 * n)
    planes, _ = decode_planes(reader)
    image = borrow((height, width, n), _dtype(frame))
    for c, k in enumerate(frame.components):
        rows, columns = np.arange(height) // (vmax // k.v), np.arange(width) // (hmax // k.h)
        image[..., c] = planes[c][rows[:, None], columns]
    return image


@kernel
def _to_rgb(pixels, largest):
    """YCbCr to RGB in place, as libjpeg rounds it. pixels: [n, 3] or [n, 4], values 0..largest."""
    centre = (largest + 1) >> 1
    for i in range(len(pixels)):
        y = np.int64(pixels[i, 0])
        cb, cr = np.int64(pixels[i, 1]) - centre, np.int64(pixels[i, 2]) - centre
        r = y + ((91881 * cr + 32768) >> 16)
        g = y + ((-22554 * cb - 46802 * cr + 32768) >> 16)
        b = y + ((116130 * cb + 32768) >> 16)
        pixels[i, 0] = max(0, min(r, largest))
        pixels[i, 1] = max(0, min(g, largest))
        pixels[i, 2] = max(0, min(b, largest))


@kernel
def _to_luma(pixels, out):
    """libjpeg's luma of RGB pixels [n, 3]."""
    for i in range(len(pixels)):
        r, g, b = np.int64(pixels[i, 0]), np.int64(pixels[i, 1]), np.int64(pixels[i, 2])
        out[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16


def _check_mode(frame: Frame, mode: str | None, at: int) -> None:
    inks = frame.color in (ColorSpace.CMYK, ColorSpace.YCCK)
    known = frame.color is not ColorSpace.UNKNOWN
    if len(frame.components) > 4 or (mode is not None and (not known or inks is not (mode == "CMYK"))):
        kind = f"{frame.color.value} files of {len(frame.components)} components"
        raise UnsupportedJpeg(f"{kind} do not become {'pixels' if mode is None else mode}", at)


def decode_lossless(reader: Reader, mode: str | None = None) -> tuple[np.ndarray, Notes]:
    """(image, warnings) of a lossless file, all scans decoded.

    reader: as for `decode_planes`; its limits and strictness count. Returns uint8, uint16 above 8 bits, values
    0..2^P - 1, [H, W] or [H, W, C]: mode None gives grey, RGB (YCbCr files converted) or CMYK (inverted, as `api.decode`
    gives it), two components as they are; "L", "RGB" and "CMYK" as for `api.decode`. Smaller components are
    replicated, as libjpeg-turbo does here. UnsupportedJpeg for what has no rule.
    """
    frame = reader.require_frame()
    _check_mode(frame, mode, reader.frame_offset)
    image: Any = _components(reader)
    largest, color = (1 << frame.precision) - 1, frame.color
    if color is ColorSpace.GRAY:
        image = np.repeat(image[..., None], 3, axis=2) if mode == "RGB" else image
    elif color is ColorSpace.YCBCR and mode == "L":
        image = np.ascontiguousarray(image[..., 0])
    elif color in (ColorSpace.YCBCR, ColorSpace.YCCK):
        _to_rgb(image.reshape(-1, image.shape[2]), largest)
    elif color is ColorSpace.RGB and mode == "L":
        rgb, image = image, borrow(image.shape[:2], image.dtype)
        _to_luma(rgb.reshape(-1, 3), image.reshape(-1))
    if color is ColorSpace.YCCK:
        image[..., 3] = largest - image[..., 3]  # C, M and Y are inverted twice
    elif color is ColorSpace.CMYK:
        np.subtract(largest, image, out=image)
    return image, reader.warnings
