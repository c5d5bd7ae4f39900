"""Files to pixels on the CPU: whole pictures, scaled ones and regions, without transforming what is not shown.

Entropy decoding runs up to the window's last MCU row, from the restart marker before it where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod

import numpy as np

from ...coding.restarts import DAMAGE_FIELDS
from ...coding.sequential.decode import (
    DATA,
    DECODE_SCRATCH,
    DECODE_STATE,
    ENDED,
    LENGTH,
    decode_state,
    decode_tables,
    restart_segments,
    scan_notes,
)
from ...container import Reader, orientation_of, parse_header
from ...errors import JpegError, LimitExceeded, UnsupportedJpeg
from ...kernels.planes import Picture
from ...options import DecodeOptions
from ...run.memory import address, borrow, scratch
from ...run.threads import run_parallel
from .. import files as entropy
from ..inks import are_inks, rgb_of_inks
from ..lossless import decode_lossless
from .parts import row_parts
from .precise import precise_nbytes, precise_picture
from .strips import Coding
from .view import View, decode_window, picture_of_planes, view_of
from .window import Region, Window, channels_of, used_of, whole, window_of

__all__ = ["SmallDecoder", "check_picture", "decode_image", "in_one_scan", "small_decoder"]

_COSTLY_SAMPLES, _CONVERTED_PIXELS = 6, 2
"""How many samples of more than 8 bits or scaled up, and pixels of inks made RGB, cost a step of `Limits.steps_per_byte`: a stub
of a file can ask for a billion."""

Notes = list[tuple[str, int]]


def decode_image(data: bytes | memoryview, options: DecodeOptions) -> tuple[np.ndarray, Notes]:
    """(pixels, warnings) of one file as `options.scale` and `options.crop` show it.

    Pixels are uint8, or uint16 of more than 8 bits: [H, W] or [H, W, channels]. Damage is reported where it was met: not
    behind a region's last MCU row, nor before the restart marker that decoding started at. ValueError for a region that
    does not fit.
    """
    reader = parse_header(data, options.limits, options.strict, options.tables, options.color)
    frame = reader.require_frame()
    lossless = frame.process.lossless
    if options.mode == "RGB" and are_inks(frame) and (lossless or not options.precise(frame.precision)):
        pixels, notes = _decoded(data, replace(options, mode=None), reader)
        reader.budget.charge(prod(pixels.shape[:2]) // _CONVERTED_PIXELS, reader.position)
        pixels = rgb_of_inks(pixels, (1 << frame.precision) - 1)
    else:
        pixels, notes = _decoded(data, options, reader)
    return (_of_samples(pixels, frame.precision, options) if lossless else pixels), notes


def _of_samples(pixels: np.ndarray, precision: int, options: DecodeOptions) -> np.ndarray:
    """Pixels of a lossless file, values 0..2^precision - 1, as `options.dtype` has them."""
    dtype, scale = options.layout(precision)
    if scale == 1 and pixels.dtype == dtype:
        return pixels
    levels = np.arange(1 << precision, dtype=np.float64)
    return (np.floor(levels * scale + 0.5) if scale else levels).astype(dtype)[pixels]


def _decoded(data: bytes | memoryview, options: DecodeOptions, reader: Reader) -> tuple[np.ndarray, Notes]:
    """`decode_image` of a file whose header is read, to a mode that its decoder gives."""
    with _refusals_at(reader):
        frame = reader.require_frame()
        turned = options.apply_exif_orientation and options.crop is not None
        orientation = orientation_of(reader.data, reader.segments)[0] if turned else 1
        if frame.process.lossless:
            if options.eighths != 8:
                raise UnsupportedJpeg("lossless files hold no DCT coefficients to scale by; pass scale=1")
            region = options.region(frame.height, frame.width, orientation)
            pixels, notes = decode_lossless(reader, options.mode)
            return _cut(pixels, region), notes
        window, region = window_of(frame, orientation, options)
        if options.precise(frame.precision):
            return _precise(data, window, region, reader, options)
        if not in_one_scan(reader):
            window.upsampling(used_of(frame, options.mode), False)  # refused before it is decoded
            nbytes = samples = prod(window.shape) * channels_of(frame, options.mode)
            if frame.precision != 8:  # through samples of all components, 16 bits each
                nbytes = 2 * (nbytes + sum(s.rows * s.columns * s.size**2 for s in window.shares()))
            if options.partial:
                _check_limits(nbytes, region, options, reader)
            _charge_samples(samples, frame.precision, options, reader)
            reader, planes, notes = entropy.decode_image(
                data, options.limits, options.strict, reader, smooth=True, pixels=nbytes
            )
            pixels = picture_of_planes(planes, window, _latched(reader), options.mode, options.upsample, consume=True)
            return _cut(pixels, region), notes
        return _cut(_picture_of_scan(data, window, region, reader, options), region), reader.warnings


def _precise(
    data: bytes | memoryview, window: Window, region: Region, reader: Reader, options: DecodeOptions
) -> tuple[np.ndarray, Notes]:
    """(pixels of a region, warnings) with the precision that the coefficients hold."""
    frame = reader.require_frame()
    nbytes = precise_nbytes(window, options)
    inks = options.mode == "RGB" and are_inks(frame)
    window.upsampling(used_of(frame, None if inks else options.mode), False)  # refused before it is decoded
    _check_limits(nbytes, region, options, reader)
    reader.budget.charge(prod(window.shape) * len(frame.components) // _COSTLY_SAMPLES, reader.position)
    reader, planes, notes = entropy.decode_image(
        data, options.limits, options.strict, reader, smooth=True, pixels=nbytes
    )
    return _cut(precise_picture(planes, window, _latched(reader), options), region), notes


def _picture_of_scan(
    data: bytes | memoryview, window: Window, region: Region, reader: Reader, options: DecodeOptions
) -> np.ndarray:
    """Pixels of a window from the one sequential scan of all components."""
    scan = reader.scan
    assert scan is not None
    view = view_of(window, options.mode, options.upsample)
    _check_limits(prod(view.shape), region, options, reader)
    _charge_samples(prod(view.shape), 8, options, reader)
    pixels, picture = view.picture()
    octets, qtables = np.frombuffer(data, np.uint8), _latched(reader)
    (high, wide), interval = window.mcus, scan.restart_interval
    row0, rows = window.row0, window.row1 - window.row0
    parts = row_parts(rows, wide, interval, picture.height * picture.width, row0)
    offsets = None
    if interval and (len(parts) > 1 or row0 * wide >= interval):
        offsets = restart_segments(octets, reader.position, interval, high * wide)

    def decode(view: View, start: int, first: int, end: int) -> list[tuple[str, int]]:
        """Warnings of MCU rows first..end-1 of the window, decoded from the restart segment on that row `start` is in."""
        segment, position = 0, reader.position
        if offsets is not None:
            segment = (row0 + start) * wide // interval
            position = int(offsets[segment])
        state = decode_state(octets, position, interval, segment & 7)
        tables, steps = decode_tables(scan.dc_tables, scan.ac_tables), view.dequantisers(qtables)
        through = end < rows or window.row1 == high
        coding = Coding(view.geometry, wide, tables.addresses, state[None], scratch("work", DECODE_SCRATCH))
        decode_window(
            segment * interval, row0, first, end, view.left, coding, steps.addresses, view.strips,
            np.array([picture.address], np.int64), picture, view.scaled, int(through),
        )  # fmt: skip
        if through:
            return scan_notes(state)
        # the rest of the scan is not needed, though it may have been read ahead
        return scan_notes(state, but=int(ENDED))

    found = None
    if len(parts) > 1 and offsets is not None:
        found = run_parallel(lambda part: decode(view_of(window, options.mode, options.upsample), *part), parts)
    if found is None or any(found):
        found = [decode(view, 0, 0, rows)]
    for message, offset in found[0]:
        reader.warn(message, offset)
    return pixels


class SmallDecoder:
    """Files of one header, and of small pictures in one sequential scan, to pixels on this thread. reader: behind the header."""

    def __init__(self, reader: Reader, options: DecodeOptions):
        scan, window = reader.scan, whole(reader.require_frame())
        assert scan is not None
        view = self.view = view_of(window, options.mode, options.upsample)
        _check_limits(prod(view.shape), (0, 0, window.frame.width, window.frame.height), options, reader)
        self.mcus_high, self.mcus_wide = window.mcus
        self.shape = view.shape[:2] if view.shape[2] == 1 else view.shape
        self.picture = Picture(0, *view.shape)
        self.state = decode_state(np.empty(0, np.uint8), reader.position, scan.restart_interval)
        self.tables = decode_tables(scan.dc_tables, scan.ac_tables)
        self.steps = view.dequantisers(_latched(reader))
        self.work = scratch("work", DECODE_SCRATCH)

    def decode(
        self, files: Sequence[bytes | memoryview], rows: Sequence[np.ndarray] | None = None
    ) -> list[tuple[np.ndarray, Notes] | None]:
        """As `decode_image`; None for those that are damaged. rows: as for `codec.decode_on_host`."""
        view, states = self.view, np.empty((len(files), DECODE_STATE), np.int64)
        states[:] = self.state
        joined = np.frombuffer(files[0] if len(files) == 1 else b"".join(files), np.uint8)
        at = address(joined)
        for state, data in zip(states, files, strict=True):
            state[DATA], state[LENGTH] = at, len(data)
            at += len(data)
        fit = rows is not None and all(row.shape == self.shape for row in rows)
        pictures = rows if rows is not None and fit else [borrow(self.shape) for _ in files]
        images = np.array([address(p) for p in pictures], np.int64)
        coding = Coding(view.geometry, self.mcus_wide, self.tables.addresses, states, self.work)
        decode_window(
            0,
            0,
            0,
            self.mcus_high,
            view.left,
            coding,
            self.steps.addresses,
            view.strips,
            images,
            self.picture,
            view.scaled,
            1,
        )
        damage = states[:, :DAMAGE_FIELDS:2]
        if not damage.any():
            return [(pixels, []) for pixels in pictures]
        return [None if any(counts) else (pixels, []) for pixels, counts in zip(pictures, damage.tolist(), strict=True)]


def small_decoder(data: bytes | memoryview, head: bytes, options: DecodeOptions, largest: int) -> SmallDecoder | None:
    """The decoder of files that begin with `head`, as this one does; None where things are not so simple.

    largest: pixels of the largest picture that it is made for.
    """
    try:
        reader = parse_header(data, options.limits, options.strict, options.tables, options.color)
        frame = reader.require_frame()
        if (
            reader.position != len(head)
            or reader.warnings
            or reader.lines_offset is not None
            or frame.width * frame.height > largest
            or options.partial
            or options.precise(frame.precision)
            or frame.process.lossless
            or not in_one_scan(reader)
            or (options.mode == "RGB" and are_inks(frame))
        ):
            return None
        return SmallDecoder(reader, options)
    except JpegError:
        return None


def in_one_scan(reader: Reader) -> bool:
    """Whether the first scan is sequential, of 8 bits and of all components, so that pixels need no planes."""
    frame, scan = reader.require_frame(), reader.scan
    apart = frame.precision != 8 or reader.multiple_scans or frame.process.progressive or frame.process.arithmetic
    return not apart and scan is not None and scan.components == tuple(range(len(frame.components)))


def check_picture(reader: Reader, options: DecodeOptions) -> int | None:
    """Refuse what no decoder to pixels takes, before it is decoded; bytes of the pixels as `files.decode_image` wants them."""
    with _refusals_at(reader):
        frame = reader.require_frame()
        mode = None if options.mode == "RGB" and are_inks(frame) else options.mode
        whole(frame).upsampling(used_of(frame, mode), False)
        return precise_nbytes(whole(frame), options) if options.precise(frame.precision) else None


@contextmanager
def _refusals_at(reader: Reader) -> Iterator[None]:
    """Say where the frame header is in what is raised about the frame."""
    try:
        yield
    except UnsupportedJpeg as error:
        raise error if error.offset is not None else UnsupportedJpeg(error.message, reader.frame_offset) from None


def _check_limits(needed: int, region: Region, options: DecodeOptions, reader: Reader) -> None:
    """needed: bytes of the window's pixels."""
    limit, (_, _, width, height) = options.limits.pixels, region
    if limit is not None and width * height > limit:
        raise LimitExceeded(
            f"{width}×{height} = {width * height} pixels are asked for; Limits.pixels is {limit}; raise it or "
            "pass limits=Limits(pixels=None)",
            reader.position,
        )
    # a region is cut out of the pixels of its MCUs
    reader.budget.check_memory(needed, "pixels", reader.position)


def _charge_samples(samples: int, precision: int, options: DecodeOptions, reader: Reader) -> None:
    """The steps of samples that cost more than their blocks do: those of more than 8 bits, and those of pictures scaled up."""
    if precision != 8 or options.eighths > 8:
        reader.budget.charge(samples // _COSTLY_SAMPLES, reader.position)


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
