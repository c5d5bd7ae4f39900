"""Files to pixels on the CPU: entropy decoding, inverse DCT, upsampling and colour by strips that stay in cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ...coding.geometry import ADDRESS, COLUMNS, FIELDS, FIRST_ROW, LAST, ROWS, H, V
from ...coding.sequential.decode import (
    DECODE_SCRATCH,
    decode_rows,
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
from ...kernels.forward import copy_bytes
from ...kernels.inverse import dequantiser, inverse_strip
from ...kernels.pixels import emit_rows
from ...options import DecodeOptions, Limits
from ...run.memory import Pointers, address, borrow, discard, kept, scratch
from ...run.threads import run_parallel
from ...simd import kernel
from ...types import ColorSpace, Frame
from .. import files as entropy
from ..lossless import decode_lossless
from .parts import row_parts
from .strips import Strips

__all__ = [
    "channels_of", "decode_image", "grey_of", "picture_planes", "ratio_of", "reconstruct", "refusals_at", "state_at",
]  # fmt: skip

_NOTHING = np.zeros(64, np.int16)


def channels_of(frame: Frame, mode: str | None) -> int:
    """1, 3 or 4 channels of the decoded picture; UnsupportedJpeg for what libjpeg does not convert either."""
    color = frame.color
    if color is ColorSpace.UNKNOWN:
        raise UnsupportedJpeg(
            f"{len(frame.components)} components are no known colours; read_coefficients gives them one by one"
        )
    inks = color in (ColorSpace.CMYK, ColorSpace.YCCK)
    if mode is not None and inks != (mode == "CMYK"):
        raise UnsupportedJpeg(f"{color.value} pictures are not converted to mode {mode!r}; pass mode=None")
    if inks:
        return 4
    grey = color is ColorSpace.GRAY if mode is None else mode == "L"
    return 1 if grey else 3


def ratio_of(frame: Frame, c: int) -> tuple[int, int]:
    """How often component c's samples lie beside and below each other in a picture of full size."""
    k, hmax, vmax = frame.components[c], frame.hmax, frame.vmax
    if hmax % k.h or vmax % k.v:
        raise UnsupportedJpeg(
            f"component {c}: sampling {k.h}x{k.v} does not divide {hmax}x{vmax}; read_coefficients gives the components"
        )
    return hmax // k.h, vmax // k.v


def _upsampling(frame: Frame, c: int, fancy: bool) -> tuple[int, int, int]:
    """(kind, h ratio, v ratio) of component c."""
    ratio = ratio_of(frame, c)
    return px.upsampling_kind(ratio, frame.samples(c)[1], fancy), *ratio


class Layout:
    """What files of one frame share on their way to pixels: strips, scan geometry, upsampling."""

    def __init__(self, frame: Frame, mode: str | None, upsample: str):
        self.channels = channels_of(frame, mode)
        self.convert_grey = self.channels == 1 and frame.color is ColorSpace.RGB
        if self.convert_grey:
            self.channels = 3
        self.strips = s = Strips(frame)
        self.used = 1 if self.channels == 1 else len(frame.components)
        color = int(frame.color in (ColorSpace.YCBCR, ColorSpace.YCCK))
        table = np.zeros((self.used, px.FIELDS), np.int64)
        for c, row in enumerate(table):
            row[px.KIND], row[px.HRATIO], row[px.VRATIO] = _upsampling(frame, c, upsample == "fancy")
            row[px.SAMPLES], row[px.STRIDE] = s.samples[c], s.strides[c]
            row[px.CHEIGHT], row[px.CWIDTH] = frame.samples(c)
        lag = int(any(row[px.KIND] in (px.FANCY_H1V2, px.FANCY_H2V2) for row in table))
        self.shape = (frame.height, frame.width, self.channels)[: 2 if self.channels == 1 else 3]
        span = int(s.strides.max()) + 256
        self.rows = scratch("rows", 8 * span)
        self.scan = np.zeros((len(frame.components), FIELDS), np.int64)
        self.scan[:, ADDRESS], self.scan[:, LAST] = s.blocks, s.last
        self.scan[:, ROWS], self.scan[:, COLUMNS] = s.grid[:, 0], s.grid[:, 1]
        self.scan[:, H], self.scan[:, V] = s.sampling[:, 0], s.sampling[:, 1]
        # what finish_strip takes between the blocks and the picture
        self.memory = (
            s.grid, s.sampling, table, s.vmax, lag, frame.height, frame.width, color, self.channels, address(self.rows), span,
            address(_NOTHING),
        )  # fmt: skip


@kernel
def finish_strip(m, first, blocks, extents, steps, memory, pixels):
    """Inverse DCT of MCU row m and the picture rows that it completes; keeps the last rows as context for the next strip.

    first: MCU row from which on picture rows are written. blocks, extents: int64 [n], addresses of the strip's blocks and of
    their last indices (0: not known). steps: int64 [n], addresses of `dequantiser`s.
    """
    grid, sampling, table, vmax, lag, height, width, color, channels, rows, span, nothing = memory
    for c in range(len(table)):
        v = sampling[c, 1]
        here = min(v, grid[c, 0] - m * v)
        inverse_strip(
            blocks[c], extents[c], here, grid[c, 1], steps[c], table[c, px.SAMPLES], table[c, px.STRIDE], nothing
        )
    top = m * 8 * vmax
    row0 = max(top - lag, 0)
    end = top + 8 * vmax
    row1 = height if end >= height else end - lag
    if m >= first:
        emit_rows(table, row0, row1, top, vmax, width, color, channels, pixels, rows, span)
    if lag:
        for c in range(len(table)):
            samples, stride = table[c, px.SAMPLES], table[c, px.STRIDE]
            copy_bytes(samples - stride, samples + (8 * sampling[c, 1] - 1) * stride, stride - 64)


@kernel
def reconstruct_rows(row0, row1, planes, steps, memory, pixels):
    """MCU rows row0..row1-1 of whole coefficient planes to pixels. planes: int64 [n], addresses of int16 [rows, columns, 64]."""
    grid, sampling = memory[0], memory[1]
    n = len(planes)
    blocks, extents = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for m in range(row0, row1):
        for c in range(n):
            blocks[c] = planes[c] + m * sampling[c, 1] * grid[c, 1] * 128
        finish_strip(m, 0, blocks, extents, steps, memory, pixels)


@kernel
def decode_strips(row0, first, row1, scan, mcus_wide, tables, state, work, steps, memory, pixels):
    """MCU rows row0..row1-1 of a sequential scan of all components to pixels; those before `first` are only context."""
    sampling = memory[1]
    blocks, extents = scan[:, ADDRESS].copy(), scan[:, LAST].copy()
    for m in range(row0, row1):
        for c in range(len(scan)):
            scan[c, FIRST_ROW] = m * sampling[c, 1]
        decode_rows(scan, mcus_wide, m, m + 1, tables, state, work)
        finish_strip(m, first, blocks, extents, steps, memory, pixels)
    finish_decode(state)


def _dequantisers(qtables: Sequence[np.ndarray], used: int) -> Pointers:
    return Pointers(dequantiser(q) for q in qtables[:used])


def _layout(frame: Frame, mode: str | None, upsample: str) -> Layout:
    return kept(("decode", frame, mode, upsample), lambda: Layout(frame, mode, upsample))


def grey_of(rgb: np.ndarray) -> np.ndarray:
    """libjpeg's luma of RGB, uint8 [H, W]."""
    r, g, b = (rgb[..., c].astype(np.uint32) for c in range(3))
    return ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16).astype(np.uint8)


def reconstruct(
    planes: Sequence[np.ndarray],
    frame: Frame,
    qtables: Sequence[np.ndarray],
    mode: str | None = None,
    upsample: str = "fancy",
    consume: bool = False,
) -> np.ndarray:
    """Pixels of one image from its coefficients.

    planes: per component C-contiguous int16 [rows, columns, 8, 8]. qtables: per component uint16 [64]. consume: the planes
    are not needed any more, so that those of large pictures give their memory back while pixels take it. Returns uint8,
    uint16 for 12 bits: [H, W], [H, W, 3] or [H, W, 4]. UnsupportedJpeg for colour spaces and ratios without a rule.
    """
    if frame.precision != 8:
        return deep.reconstruct(planes, frame, qtables, *_deep_plan(frame, mode, upsample))
    layout = _layout(frame, mode, upsample)
    steps = _dequantisers(qtables, layout.used)
    pixels = borrow(layout.shape)
    addresses = Pointers(planes[: layout.used]).addresses
    high = layout.strips.mcus_high
    band = 64 if consume else high
    for row in range(0, high, band):
        reconstruct_rows(row, min(row + band, high), addresses, steps.addresses, layout.memory, address(pixels))
        if consume:
            for plane, (_, v) in zip(planes, layout.strips.sampling.tolist(), strict=True):
                discard(plane[row * v : (row + band) * v])
    return grey_of(pixels) if layout.convert_grey else pixels


def _deep_plan(frame: Frame, mode: str | None, upsample: str) -> tuple[list[tuple[int, int, int]], int]:
    """(`_upsampling` of the components that the picture needs, its channels)."""
    channels = channels_of(frame, mode)
    used = 1 if channels == 1 and frame.color is not ColorSpace.RGB else len(frame.components)
    return [_upsampling(frame, c, upsample == "fancy") for c in range(used)], channels


def picture_planes(
    data: bytes | memoryview, options: DecodeOptions
) -> tuple[Reader, list[np.ndarray], list[tuple[str, int]]]:
    """(reader, planes, warnings) of a file, as a decoder to pixels transforms them; the colour space is checked first."""
    reader = parse_header(data, options.limits, options.strict, options.tables)
    with refusals_at(reader):
        _deep_plan(reader.require_frame(), options.mode, options.upsample)
    return entropy.decode_image(data, options.limits, options.strict, reader, smooth=True)


@contextmanager
def refusals_at(reader: Reader) -> Iterator[None]:
    """Say where the frame header is in what is raised about the frame."""
    try:
        yield
    except UnsupportedJpeg as error:
        raise error if error.offset is not None else UnsupportedJpeg(error.message, reader.frame_offset) from None


def _check_memory(frame: Frame, limits: Limits, channels: int, at: int) -> None:
    needed = frame.height * frame.width * channels
    if limits.memory is not None and needed > limits.memory:
        raise LimitExceeded(
            f"pixels take {needed} bytes; Limits.memory is {limits.memory}; raise it or pass limits=Limits(memory=None)",
            at,
        )


def decode_image(data: bytes | memoryview, options: DecodeOptions) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """(pixels uint8 [H, W] or [H, W, 3], warnings) of one file."""
    reader = parse_header(data, options.limits, options.strict, options.tables)
    with refusals_at(reader):
        return _decode(data, options, reader)


def _latched(reader: Reader) -> list[np.ndarray]:
    """The tables of all components; each has had its scan."""
    tables = [table for table in reader.qtables if table is not None]
    assert len(tables) == len(reader.qtables)
    return tables


def _decode(
    data: bytes | memoryview, options: DecodeOptions, reader: Reader
) -> tuple[np.ndarray, list[tuple[str, int]]]:
    frame, scan = reader.require_frame(), reader.scan
    assert scan is not None
    if frame.process.lossless:
        return decode_lossless(reader, options.mode)
    apart = frame.precision != 8 or reader.multiple_scans or frame.process.progressive or frame.process.arithmetic
    if apart or scan.components != tuple(range(len(frame.components))):
        _deep_plan(frame, options.mode, options.upsample)
        reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader, smooth=True)
        pixels = reconstruct(planes, frame, _latched(reader), options.mode, options.upsample, consume=True)
        return pixels, notes
    layout = _layout(frame, options.mode, options.upsample)
    _check_memory(frame, options.limits, layout.channels, reader.position)
    octets, qtables = np.frombuffer(data, np.uint8), _latched(reader)
    pixels = borrow(layout.shape)

    def rows(start: int, first: int, end: int, state: np.ndarray) -> list[tuple[str, int, int]]:
        here = _layout(frame, options.mode, options.upsample)
        tables = decode_tables(scan.dc_tables, scan.ac_tables)
        steps = _dequantisers(qtables, here.used)
        decode_strips(
            start, first, end, here.scan, here.strips.mcus_wide, tables.addresses, state, scratch("work", DECODE_SCRATCH),
            steps.addresses, here.memory, address(pixels),
        )  # fmt: skip
        return scan_warnings(state)

    high, wide, interval = layout.strips.mcus_high, layout.strips.mcus_wide, scan.restart_interval
    parts = row_parts(high, wide, interval, frame.height * frame.width)
    found = None
    if len(parts) > 1:
        offsets = restart_segments(octets, reader.position, interval, high * wide)
        if offsets is not None:
            found = run_parallel(lambda part: rows(*part, state_at(octets, offsets, part[0] * wide, interval)), parts)
    if found is None or any(found):
        found = [rows(0, 0, high, decode_state(octets, reader.position, interval))]
    for message, count, offset in found[0]:
        reader.warn(message if count == 1 else f"{message} ({count} times)", offset)
    return (grey_of(pixels) if layout.convert_grey else pixels), reader.warnings


def state_at(octets: np.ndarray, offsets: np.ndarray, mcu: int, interval: int) -> np.ndarray:
    segment = mcu // interval
    return decode_state(octets, int(offsets[segment]), interval, segment & 7)
