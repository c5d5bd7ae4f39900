"""Files to pixels on the CPU: whole pictures, scaled ones and regions, without transforming what is not shown.

Entropy decoding runs up to the window's last MCU row, from the restart marker before it where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ...coding.sequential.decode import (
    DECODE_SCRATCH,
    ENDED,
    WARNINGS,
    decode_state,
    decode_tables,
    finish_decode,
    restart_segments,
    scan_warnings,
)
from ...container import Reader, parse_header
from ...errors import LimitExceeded, UnsupportedJpeg
from ...options import DecodeOptions
from ...run.memory import borrow, scratch
from ...run.threads import run_parallel
from .. import files as entropy
from ..lossless import decode_lossless
from .parts import row_parts
from .reconstruct import decode_window, picture_of_planes, view_of
from .strips import Coding
from .window import Region, Window, channels_of, used_of, whole, window_of

__all__ = ["decode_image", "picture_planes"]

Notes = list[tuple[str, int]]


def decode_image(data: bytes | memoryview, options: DecodeOptions) -> tuple[np.ndarray, Notes]:
    """(pixels, warnings) of one file as `options.scale` and `options.crop` show it.

    Pixels are uint8, or uint16 of more than 8 bits: [H, W] or [H, W, channels]. Damage is reported where it was met: not
    behind a region's last MCU row, nor before the restart marker that decoding started at. ValueError for a region that
    does not fit.
    """
    reader = parse_header(data, options.limits, options.strict, options.tables)
    with _refusals_at(reader):
        frame, scan = reader.require_frame(), reader.scan
        assert scan is not None
        turned = options.apply_exif_orientation and options.crop is not None
        orientation = (reader.metadata.orientation or 1) if turned else 1
        if frame.process.lossless:
            if options.eighths != 8:
                raise UnsupportedJpeg("lossless files hold no DCT coefficients to scale by; pass scale=1")
            region = options.region(frame.height, frame.width, orientation)
            pixels, notes = decode_lossless(reader, options.mode)
            return _cut(pixels, region), notes
        window, region = window_of(frame, orientation, options)
        apart = frame.precision != 8 or reader.multiple_scans or frame.process.progressive or frame.process.arithmetic
        if apart or scan.components != tuple(range(len(frame.components))):
            _check_colours(window, options)
            if options.partial:  # a whole picture's coefficients are larger, and checked when they are allocated
                _check_limits(window, region, options, reader.position)
            reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader, smooth=True)
            pixels = picture_of_planes(planes, window, _latched(reader), options.mode, options.upsample, consume=True)
            return _cut(pixels, region), notes
        return _cut(_picture_of_scan(data, window, region, reader, options), region), reader.warnings


def _picture_of_scan(
    data: bytes | memoryview, window: Window, region: Region, reader: Reader, options: DecodeOptions
) -> np.ndarray:
    """Pixels of a window from the one sequential scan of all components."""
    scan = reader.scan
    assert scan is not None
    view = view_of(window, options.mode, options.upsample)
    _check_limits(window, region, options, reader.position)
    pixels, picture = view.picture()
    octets, qtables = np.frombuffer(data, np.uint8), _latched(reader)
    (high, wide), interval = window.mcus, scan.restart_interval
    row0, rows = window.row0, window.row1 - window.row0

    def decode(start: int, first: int, end: int, state: np.ndarray) -> list[tuple[str, int, int]]:
        """Warnings of MCU rows first..end-1 of the window, decoded from MCU number `start` on."""
        here = view_of(window, options.mode, options.upsample)
        tables = decode_tables(scan.dc_tables, scan.ac_tables)
        steps = here.dequantisers(qtables)
        work = Coding(here.geometry, wide, tables.addresses, state, scratch("work", DECODE_SCRATCH))
        decode_window(start, row0, first, end, here.left, work, steps.addresses, here.strips, picture)
        stopped = end == rows and window.row1 < high
        if not stopped:
            finish_decode(state)
        # a scan that is not read to its end was only read ahead
        return [note for note in scan_warnings(state) if not (stopped and note[0] == WARNINGS[ENDED])]

    parts = row_parts(rows, wide, interval, picture.height * picture.width, row0)
    offsets = None
    if interval and (len(parts) > 1 or row0 * wide >= interval):
        offsets = restart_segments(octets, reader.position, interval, high * wide)

    def run(start: int, first: int, end: int) -> list[tuple[str, int, int]]:
        segment = 0 if offsets is None else start // interval
        position = reader.position if offsets is None else int(offsets[segment])
        return decode(segment * interval, first, end, decode_state(octets, position, interval, segment & 7))

    found = None
    if len(parts) > 1 and offsets is not None:
        found = run_parallel(lambda part: run((row0 + part[0]) * wide, *part[1:]), parts)
    if found is None or any(found):
        found = [run(row0 * wide, 0, rows)]
    for message, count, offset in found[0]:
        reader.warn(message if count == 1 else f"{message} ({count} times)", offset)
    return pixels


def picture_planes(data: bytes | memoryview, options: DecodeOptions) -> tuple[Reader, list[np.ndarray], Notes]:
    """(reader, planes, warnings) of a file, as a decoder to pixels transforms them; the colour space is checked first."""
    reader = parse_header(data, options.limits, options.strict, options.tables)
    with _refusals_at(reader):
        _check_colours(whole(reader.require_frame()), options)
    return entropy.decode_image(data, options.limits, options.strict, reader, smooth=True)


@contextmanager
def _refusals_at(reader: Reader) -> Iterator[None]:
    """Say where the frame header is in what is raised about the frame."""
    try:
        yield
    except UnsupportedJpeg as error:
        raise error if error.offset is not None else UnsupportedJpeg(error.message, reader.frame_offset) from None


def _check_colours(window: Window, options: DecodeOptions) -> None:
    for c in range(used_of(window.frame, options.mode)):
        window.upsampling(c, False)


def _check_limits(window: Window, region: Region, options: DecodeOptions, at: int) -> None:
    limits, (height, width) = options.limits, window.shape
    claimed = region[2] * region[3]
    if limits.pixels is not None and claimed > limits.pixels:
        raise LimitExceeded(
            f"{region[2]}×{region[3]} = {claimed} pixels are asked for; Limits.pixels is {limits.pixels}; raise it or "
            "pass limits=Limits(pixels=None)",
            at,
        )
    needed = height * width * channels_of(window.frame, options.mode) * (1 if window.frame.precision == 8 else 2)
    if limits.memory is not None and needed > limits.memory:
        raise LimitExceeded(
            f"pixels take {needed} bytes; Limits.memory is {limits.memory}; raise it or pass limits=Limits(memory=None)",
            at,
        )


def _latched(reader: Reader) -> list[np.ndarray]:
    """The tables of all components; each has had its scan."""
    tables = [table for table in reader.qtables if table is not None]
    assert len(tables) == len(reader.qtables)
    return tables


def _cut(picture: np.ndarray, region: Region) -> np.ndarray:
    x, y, width, height = region
    if picture.shape[:2] == (height, width):
        return picture
    part = borrow((height, width, *picture.shape[2:]), picture.dtype)
    np.copyto(part, picture[y : y + height, x : x + width])
    return part
