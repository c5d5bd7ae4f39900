"""Scaled pictures and regions of pictures on the CPU, without transforming what is not shown.

A region is decoded as the MCUs that it lies in, and the next ones where upsampling looks there: the picture of this
window is cut to the region. Entropy decoding runs up to the window's last MCU row, from the restart marker before it
where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...coding.geometry import ADDRESS, COLUMNS, FIELDS, FIRST_ROW, LAST, ROWS, H, V
from ...coding.sequential.decode import (
    DECODE_SCRATCH,
    ENDED,
    WARNINGS,
    decode_mcus,
    decode_state,
    decode_tables,
    finish_decode,
    restart_segments,
    scan_warnings,
)
from ...container import Reader, parse_header
from ...errors import LimitExceeded, UnsupportedJpeg
from ...kernels import pixels as px
from ...kernels import twelve_bit as deep
from ...kernels.dct_scaled import WORK_BYTES, plane_samples, scaled_dequantiser, scaled_strip, transform_of
from ...kernels.forward import copy_bytes
from ...kernels.inverse import dequantiser, inverse_strip
from ...kernels.pixels import emit_rows
from ...options import DecodeOptions
from ...run.memory import Pointers, address, borrow, kept, scratch
from ...simd import kernel
from ...types import ColorSpace, Frame
from .. import files as entropy
from ..lossless import decode_lossless
from .decode import channels_of, grey_of, ratio_of, refusals_at, state_at

__all__ = ["decode_view"]

_CONTEXT = 8
"""Pixels around a region that are decoded too: fancy upsampling takes two, but works otherwise on narrow components."""

_NOTHING = np.zeros(64, np.int16)

Notes = list[tuple[str, int]]
Region = tuple[int, int, int, int]  # x, y, width, height


def _up(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Window:
    """The MCUs that are decoded, rows row0..row1-1, columns column0..column1-1; each component at its size.

    eighths: the scale, 1..16. sizes: samples a side of each component's blocks; libjpeg enlarges components that are
    subsampled by the inverse DCT, up to 8×8, rather than by upsampling.
    """

    frame: Frame
    eighths: int
    row0: int
    row1: int
    column0: int
    column1: int

    @property
    def sampling(self) -> list[tuple[int, int]]:
        return [(1, 1)] if len(self.frame.components) == 1 else [(k.h, k.v) for k in self.frame.components]

    @property
    def mcu(self) -> tuple[int, int]:
        """(height, width) of an MCU in pixels."""
        return self.eighths * max(v for _, v in self.sampling), self.eighths * max(h for h, _ in self.sampling)

    @property
    def sizes(self) -> list[int]:
        high, wide = self.mcu
        sizes = []
        for h, v in self.sampling:
            size = self.eighths
            while size < 8 and wide % (2 * h * size) == 0 and high % (2 * v * size) == 0:
                size *= 2
            sizes.append(size)
        return sizes

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the window in pixels."""
        (high, wide), (height, width) = self.mcu, full_size(self.frame, self.eighths)
        return min(height, self.row1 * high) - self.row0 * high, min(width, self.column1 * wide) - self.column0 * wide

    def blocks(self, c: int) -> tuple[int, int, int, int]:
        """(first row, first column, rows, columns) of the component's real blocks in the window."""
        (rows, columns), (h, v) = self.frame.blocks(c), self.sampling[c]
        top, left = self.row0 * v, self.column0 * h
        return top, left, min(rows, self.row1 * v) - top, min(columns, self.column1 * h) - left

    def samples(self, c: int) -> tuple[int, int]:
        """(height, width) of the component's true samples in the window."""
        (high, wide), (h, v), size = self.mcu, self.sampling[c], self.sizes[c]
        height, width = self.shape
        return _up(height * v * size, high), _up(width * h * size, wide)

    def upsampling(self, c: int, fancy: bool) -> tuple[int, int, int]:
        """(kind as in `pixels`, h ratio, v ratio) of a component."""
        ratio_of(self.frame, c)
        (high, wide), (h, v), size = self.mcu, self.sampling[c], self.sizes[c]
        ratio = wide // (h * size), high // (v * size)
        width = _up(self.frame.width * h * size, 8 * max(h for h, _ in self.sampling))
        return px.upsampling_kind(ratio, width, fancy and self.eighths > 1), *ratio


def full_size(frame: Frame, eighths: int) -> tuple[int, int]:
    """(height, width) of the whole picture at a scale of so many eighths."""
    return _up(frame.height * eighths, 8), _up(frame.width * eighths, 8)


def _window(frame: Frame, orientation: int, options: DecodeOptions) -> tuple[Window, Region]:
    """(the MCUs to decode, the region within their picture); ValueError where it does not fit."""
    eighths = options.eighths
    height, width = full_size(frame, eighths)
    x, y, w, h = options.region(height, width, orientation)
    alone = len(frame.components) == 1
    high, wide = eighths * (1 if alone else frame.vmax), eighths * (1 if alone else frame.hmax)
    row0, column0 = max(y - _CONTEXT, 0) // high, max(x - _CONTEXT, 0) // wide
    row1, column1 = _up(min(y + h + _CONTEXT, height), high), _up(min(x + w + _CONTEXT, width), wide)
    return Window(frame, eighths, row0, row1, column0, column1), (x - column0 * wide, y - row0 * high, w, h)


class View:
    """What pictures of one window share: strips of blocks and samples, scan geometry, upsampling."""

    def __init__(self, window: Window, mode: str | None, upsample: str):
        frame, n = window.frame, len(window.frame.components)
        self.channels = channels_of(frame, mode)
        self.convert_grey = self.channels == 1 and frame.color is ColorSpace.RGB
        if self.convert_grey:
            self.channels = 3
        used = 1 if self.channels == 1 else n
        sizes, sampling = np.array(window.sizes, np.int64), np.array(window.sampling, np.int64)
        real = np.array([frame.blocks(c) for c in range(n)], np.int64)
        places = np.array([window.blocks(c) for c in range(used)], np.int64)
        strides = (places[:, 3] * sizes[:used] + 64 + 127) // 64 * 64
        # of one MCU row, samples with a row of context before them
        rows, blocks = sizes[:used] * sampling[:used, 1] + 1, sampling[:, 1] * real[:, 1]
        nbytes = np.concatenate([strides * rows + 64, blocks * 128 + 128, blocks + 64, [WORK_BYTES]])
        nbytes = (nbytes + 63) // 64 * 64
        self.buffer = scratch("strips", int(nbytes.sum()) + 64)
        at = _up(address(self.buffer), 64) * 64 + np.concatenate([[0], np.cumsum(nbytes)[:-1]])
        self.table = np.zeros((used, px.FIELDS), np.int64)
        for c, row in enumerate(self.table):
            row[px.KIND], row[px.HRATIO], row[px.VRATIO] = window.upsampling(c, upsample == "fancy")
            row[px.SAMPLES], row[px.STRIDE] = at[c] + strides[c], strides[c]
            row[px.CHEIGHT], row[px.CWIDTH] = window.samples(c)
        self.scan = np.zeros((n, FIELDS), np.int64)
        self.scan[:, ADDRESS], self.scan[:, LAST] = at[used : used + n], at[used + n : used + 2 * n]
        self.scan[:, ROWS], self.scan[:, COLUMNS] = real[:, 0], real[:, 1]
        self.scan[:, H], self.scan[:, V] = sampling[:, 0], sampling[:, 1]
        self.origins, self.sizes = places[:, :2], sizes[:used]
        self.transforms = Pointers(transform_of(int(size)) for size in self.sizes)
        lag = int(any(row[px.KIND] in (px.FANCY_H1V2, px.FANCY_H2V2) for row in self.table))
        height, width = window.shape
        self.shape = (height, width, self.channels)[: 2 if self.channels == 1 else 3]
        span = 4 * int(strides.max()) + 256  # luma alone may be subsampled by up to four
        self.rows = scratch("rows", 8 * span)
        color = int(frame.color in (ColorSpace.YCBCR, ColorSpace.YCCK))
        self.memory = (
            np.ascontiguousarray(places[:, 2:]), np.ascontiguousarray(sampling[:used, 1]), self.sizes,
            self.transforms.addresses, self.table, window.mcu[0], lag, (height, width),
            color, self.channels, address(self.rows), span, address(_NOTHING), int(at[-1]),
        )  # fmt: skip

    def dequantisers(self, qtables: Sequence[Any]) -> Pointers:
        sizes = self.sizes.tolist()
        return Pointers((dequantiser if n == 8 else scaled_dequantiser)(qtables[c]) for c, n in enumerate(sizes))


@kernel
def finish_strip(m, blocks, extents, pitches, steps, memory, pixels):
    """Inverse DCT of MCU row m of the window and the picture rows that it completes; keeps the last rows as context.

    blocks, extents: int64 [n], addresses of the strip's first block in the window and of its last index (0: not known),
    `pitches` blocks a row. steps: int64 [n], addresses of tables.
    """
    grid, vertical, sizes, transforms, table, mcu_height, lag, size, color, channels, rows, span, nothing, work = memory
    height, width = size
    for c in range(len(table)):
        v, side, pitch, stride = vertical[c], sizes[c], pitches[c], table[c, px.STRIDE]
        here = min(v, grid[c, 0] - m * v)
        if side != 8:
            into = table[c, px.SAMPLES]
            scaled_strip(blocks[c], extents[c], pitch, here, grid[c, 1], transforms[c], steps[c], work, into, stride)
            continue
        for r in range(here):
            known = extents[c] + r * pitch if extents[c] else extents[c]
            into = table[c, px.SAMPLES] + 8 * r * stride
            inverse_strip(blocks[c] + r * pitch * 128, known, 1, grid[c, 1], steps[c], into, stride, nothing)
    top = m * mcu_height
    end = top + mcu_height
    row0, row1 = max(top - lag, 0), height if end >= height else end - lag
    emit_rows(table, row0, row1, top, 0, width, color, channels, pixels, rows, span)
    if lag:
        for c in range(len(table)):
            first, stride = table[c, px.SAMPLES], table[c, px.STRIDE]
            copy_bytes(first - stride, first + (sizes[c] * vertical[c] - 1) * stride, stride - 64)


@kernel
def reconstruct_window(high, planes, pitches, steps, memory, pixels):
    """`high` MCU rows of coefficient planes to pixels. planes: int64 [n], addresses of the window's first blocks."""
    vertical = memory[1]
    blocks, extents = planes.copy(), np.zeros(len(planes), np.int64)
    for m in range(high):
        finish_strip(m, blocks, extents, pitches, steps, memory, pixels)
        for c in range(len(planes)):
            blocks[c] += vertical[c] * pitches[c] * 128


@kernel
def decode_window(mcu, row0, row1, scan, mcus_wide, tables, state, work, columns, steps, memory, pixels):
    """MCUs of a sequential scan of all components from number `mcu` on; MCU rows row0..row1-1 to pixels.

    columns: int64 [n], the window's first block columns.
    """
    n = len(columns)
    blocks, extents, pitches = scan[:n, ADDRESS] + columns * 128, scan[:n, LAST] + columns, scan[:n, COLUMNS].copy()
    while mcu < row1 * mcus_wide:
        row = mcu // mcus_wide
        for c in range(len(scan)):
            scan[c, FIRST_ROW] = row * scan[c, V]
        decode_mcus(scan, mcus_wide, mcu, (row + 1) * mcus_wide, tables, state, work)
        mcu = (row + 1) * mcus_wide
        if row >= row0:
            finish_strip(row - row0, blocks, extents, pitches, steps, memory, pixels)


def _deep_picture(
    planes: Sequence[np.ndarray], window: Window, qtables: Sequence[Any], options: DecodeOptions
) -> np.ndarray:
    """The window of a 12-bit picture: uint16 [H, W] or [H, W, channels]."""
    frame = window.frame
    channels = channels_of(frame, options.mode)
    used = 1 if channels == 1 and frame.color is not ColorSpace.RGB else len(frame.components)
    work = scratch("work", WORK_BYTES)
    samples, table = [], np.zeros((used, px.FIELDS), np.int64)
    for c, row in enumerate(table):
        row[px.KIND], row[px.HRATIO], row[px.VRATIO] = window.upsampling(c, options.upsample == "fancy")
        row[px.CHEIGHT], row[px.CWIDTH] = window.samples(c)
        top, left, rows, columns = window.blocks(c)
        size, plane = window.sizes[c], planes[c]
        out = borrow((rows * size, columns * size), np.uint16)
        transform, steps = transform_of(size, 12), scaled_dequantiser(qtables[c], 12)
        pitch = plane.shape[1]
        plane_samples(
            address(plane) + (top * pitch + left) * 128, pitch, rows, columns, address(transform), address(steps),
            address(work), address(out), 2 * columns * size,
        )  # fmt: skip
        samples.append(out)
    return deep.picture(samples, table, frame.color, window.shape, channels)


def _picture_of_planes(
    planes: Sequence[np.ndarray], window: Window, qtables: Sequence[Any], options: DecodeOptions
) -> np.ndarray:
    if window.frame.precision != 8:
        return _deep_picture(planes, window, qtables, options)
    view = _view(window, options)
    pixels = borrow(view.shape)
    steps = view.dequantisers(qtables)
    pitches = view.scan[: len(view.sizes), COLUMNS].copy()
    firsts = (view.origins[:, 0] * pitches + view.origins[:, 1]) * 128
    starts = Pointers(planes[: len(pitches)]).addresses + firsts
    reconstruct_window(window.row1 - window.row0, starts, pitches, steps.addresses, view.memory, address(pixels))
    return grey_of(pixels) if view.convert_grey else pixels


def _picture_of_scan(data: bytes | memoryview, window: Window, reader: Reader, options: DecodeOptions) -> np.ndarray:
    frame, scan = window.frame, reader.scan
    assert scan is not None
    view = _view(window, options)
    pixels = borrow(view.shape)
    octets = np.frombuffer(data, np.uint8)
    high, wide = frame.blocks(0) if len(frame.components) == 1 else frame.mcus
    interval, start, state = scan.restart_interval, 0, None
    if interval and window.row0 * wide >= interval:
        offsets = restart_segments(octets, reader.position, interval, high * wide)
        if offsets is not None:
            start = window.row0 * wide // interval * interval
            state = state_at(octets, offsets, start, interval)
    state = decode_state(octets, reader.position, interval) if state is None else state
    tables = decode_tables(scan.dc_tables, scan.ac_tables)
    steps = view.dequantisers(reader.qtables)
    decode_window(
        start, window.row0, window.row1, view.scan, wide, tables.addresses, state, scratch("work", DECODE_SCRATCH),
        np.ascontiguousarray(view.origins[:, 1]), steps.addresses, view.memory, address(pixels),
    )  # fmt: skip
    whole = window.row1 == high
    if whole:
        finish_decode(state)
    for message, count, offset in scan_warnings(state):
        if whole or message != WARNINGS[ENDED]:  # read ahead, but not needed
            reader.warn(message if count == 1 else f"{message} ({count} times)", offset)
    return grey_of(pixels) if view.convert_grey else pixels


def _view(window: Window, options: DecodeOptions) -> View:
    return kept(("view", window, options.mode, options.upsample), lambda: View(window, options.mode, options.upsample))


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
            f"pixels take {needed} bytes; Limits.memory is {limits.memory}; raise it or pass "
            "limits=Limits(memory=None)",
            at,
        )


def _cut(picture: np.ndarray, region: Region) -> np.ndarray:
    x, y, width, height = region
    if picture.shape[:2] == (height, width):
        return picture
    part = borrow((height, width, *picture.shape[2:]), picture.dtype)
    np.copyto(part, picture[y : y + height, x : x + width])
    return part


def decode_view(data: bytes | memoryview, options: DecodeOptions) -> tuple[np.ndarray, Notes]:
    """(pixels, warnings) of one file as `options.scale` and `options.crop` show it.

    Pixels as `decode.decode_image` gives them. Damage is reported where it was met: not behind a region's last MCU row,
    nor before the restart marker that decoding started at. ValueError for a region that does not fit.
    """
    reader = parse_header(data, options.limits, options.strict, options.tables)
    with refusals_at(reader):
        frame, scan = reader.require_frame(), reader.scan
        assert scan is not None
        turned = options.apply_exif_orientation and options.crop is not None
        orientation = (reader.metadata.orientation or 1) if turned else 1
        if frame.process.lossless:
            if options.eighths != 8:
                raise UnsupportedJpeg("lossless files hold no DCT coefficients to scale by; pass scale=1")
            region = options.region(frame.height, frame.width, orientation)
            picture, notes = decode_lossless(reader, options.mode)
            return _cut(picture, region), notes
        window, region = _window(frame, orientation, options)
        _check_limits(window, region, options, reader.position)
        apart = frame.precision != 8 or reader.multiple_scans or frame.process.progressive or frame.process.arithmetic
        if apart or scan.components != tuple(range(len(frame.components))):
            for c in range(len(frame.components)):
                window.upsampling(c, False)
            reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader, smooth=True)
            return _cut(_picture_of_planes(planes, window, reader.qtables, options), region), notes
        return _cut(_picture_of_scan(data, window, reader, options), region), reader.warnings
