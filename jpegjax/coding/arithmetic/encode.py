"""Encoding arithmetic scans of DCT coefficients (T.81 F.1.4, G.1.3), byte for byte what libjpeg-turbo writes.

Scan + planes ──▶ QM-encoder ──▶ segments without their last zeros ──▶ stuffing, restart markers ──▶ bytes
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...simd import clz64, ctz64, kernel, load_i16, load_u64, store_u8
from ...types import ZIGZAG, Frame, Scan
from ..geometry import ADDRESS, COLUMNS, ROWS, H, V, scan_geometry
from ..stuffing import PADDING, stuff
from ..symbols import BIT, LARGER, NEGATIVE, NONZERO, block_masks, check_progressive, check_range, segment_count
from .coder import (
    AC_AREA,
    DC_AREA,
    KX,
    difference_class,
    encode_bit,
    encode_even,
    finish_code,
    reset_statistics,
    scan_parameters,
    start_code,
)

__all__ = ["ArithmeticEncoder", "encode_difference"]

BIN = 4  # bytes of a statistics bin
X1 = 20  # bin of the first category of DC differences (T.81 table F.4)
NATURAL = ZIGZAG.astype(np.int64)
_BLOCK_BYTES = 4096  # more than any block takes: some 2000 decisions of at most 15 bits
_MCU_BYTES = 10 * _BLOCK_BYTES

# State of a scan between calls, int64 [FIELDS].
CODE, INTERVAL, HELD, WRITTEN = 0, 1, 2, 3  # the encoder; bytes written
MCU = 4  # number of the next MCU
SEGMENT, SEGMENT_START = 5, 6  # number of the segment, and the offset of its first byte
LARGEST_DC, LARGEST_AC = 7, 8  # bitwise or of magnitudes
PREVIOUS, CONTEXT = 9, 13  # DC value and conditioning of each component, 4 of them
FIELDS = 17


class Output(NamedTuple):
    """Where a scan's code goes. parameters: `scan_parameters`' table; state: int64 [FIELDS]; raw: address of `room` bytes.

    ends: int64 [segments], written: where in `raw` each ends.
    """

    parameters: np.ndarray
    state: np.ndarray
    raw: int
    room: int
    ends: np.ndarray


@kernel(inline=True)
def _magnitude(encoder, bin, value, m):
    """The encoder behind the category and the low bits of value = magnitude - 1 (T.81 figures F.8, F.9).

    m: highest bit that value has at least; bin: of the question whether it has a higher one.
    """
    while value >= 2 * m:
        encoder = encode_bit(encoder, bin, 1)
        bin += BIN
        m <<= 1
    encoder = encode_bit(encoder, bin, 0)
    bin += 14 * BIN
    m >>= 1
    while m:
        encoder = encode_bit(encoder, bin, np.int64(value & m != 0))
        m >>= 1
    return encoder


@kernel(inline=True)
def encode_difference(encoder, bin, magnitudes, difference):
    """The encoder behind a difference (T.81 figures F.4, F.6 to F.9). bin: S0 of its context; magnitudes: bin X1."""
    if difference == 0:
        return encode_bit(encoder, bin, 0)
    encoder = encode_bit(encoder, bin, 1)
    negative = np.int64(difference < 0)
    encoder = encode_bit(encoder, bin + BIN, negative)
    value = abs(difference) - 1
    encoder = encode_bit(encoder, bin + (2 + negative) * BIN, np.int64(value != 0))
    if value:
        encoder = _magnitude(encoder, magnitudes, value, np.int64(1))
    return encoder


@kernel
def _bands(encoder, area, kx, block, todo, first, last, shift, state):
    """The encoder behind the coefficients first..last of a block (T.81 figure F.5). todo: its nonzeros."""
    k = first
    while todo:
        bin = area + 3 * BIN * (k - 1)
        encoder = encode_bit(encoder, bin, 0)
        target = np.int64(ctz64(todo))
        todo &= todo - np.uint64(1)
        while k < target:
            encoder = encode_bit(encoder, bin + BIN, 0)
            bin += 3 * BIN
            k += 1
        encoder = encode_bit(encoder, bin + BIN, 1)
        value = load_i16(block + 2 * NATURAL[np.uint64(k)])
        encoder = encode_even(encoder, np.int64(value < 0))
        value = abs(value) >> shift
        state[LARGEST_AC] |= value
        value -= 1
        bin += 2 * BIN
        if value == 0:
            encoder = encode_bit(encoder, bin, 0)
        else:
            encoder = encode_bit(encoder, bin, 1)
            if value == 1:
                encoder = encode_bit(encoder, bin, 0)
            else:
                encoder = encode_bit(encoder, bin, 1)
                bin = area + BIN * (np.int64(189) if k <= kx else np.int64(217))
                encoder = _magnitude(encoder, bin, value, np.int64(2))
        k += 1
    if k <= last:
        encoder = encode_bit(encoder, area + 3 * BIN * (k - 1), 1)
    return encoder


@kernel
def _refine(encoder, area, todo, larger, ones, negative, first, last):
    """The encoder behind one more bit of a block's coefficients first..last (T.81 figure G.10).

    todo: mask of those that are nonzero now; larger, ones, negative: as `block_masks` has them.
    """
    one = np.uint64(1)
    known = np.int64(63) - np.int64(clz64(larger & (~np.uint64(0) >> np.uint64(63 - last))))
    k = first
    while todo:
        bin = area + 3 * BIN * (k - 1)
        if k > known:
            encoder = encode_bit(encoder, bin, 0)
        target = np.int64(ctz64(todo))
        todo &= todo - one
        while k < target:
            encoder = encode_bit(encoder, bin + BIN, 0)
            bin += 3 * BIN
            k += 1
        if larger >> np.uint64(k) & one:
            encoder = encode_bit(encoder, bin + 2 * BIN, np.int64(ones >> np.uint64(k) & one))
        else:
            encoder = encode_bit(encoder, bin + BIN, 1)
            encoder = encode_even(encoder, np.int64(negative >> np.uint64(k) & one))
        k += 1
    if k <= last:
        encoder = encode_bit(encoder, area + 3 * BIN * (k - 1), 1)
    return encoder


@kernel(inline=True)
def _start(state, raw):
    return state[CODE], state[INTERVAL], state[HELD], raw + state[WRITTEN]


@kernel(inline=True)
def _finish_segment(encoder, output):
    """The encoder of the next segment."""
    parameters, state, raw, _, ends = output
    at = finish_code(encoder, raw + state[SEGMENT_START])
    state[SEGMENT_START] = ends[state[SEGMENT]] = at - raw
    state[SEGMENT] += 1
    for i in range(4):
        state[PREVIOUS + i] = state[CONTEXT + i] = 0
    reset_statistics(parameters)
    return start_code(at)


@kernel(inline=True)
def _stop(encoder, state, raw, mcu):
    state[CODE], state[INTERVAL], state[HELD] = encoder[0], encoder[1], encoder[2]
    state[WRITTEN] = encoder[3] - raw
    state[MCU] = mcu


@kernel
def _interleaved(geometry, high, wide, restart, output, shift, masks):
    """Sequential scan or, where masks is empty, DC first scan of interleaved or single components.

    Goes on as far as there is room for one more MCU. masks: int64 [n], addresses of the components' `block_masks`.
    """
    parameters, state, raw, room, _ = output
    mcus, limit = high * wide, raw + room - _MCU_BYTES
    encoder, mcu = _start(state, raw), state[MCU]
    while mcu < mcus and encoder[3] <= limit:
        y, x = mcu // wide, mcu % wide
        for i in range(geometry.shape[0]):
            h, v, columns, rows = geometry[i, H], geometry[i, V], geometry[i, COLUMNS], geometry[i, ROWS]
            area, kx = parameters[i, AC_AREA], parameters[i, KX]
            for n in range(h * v):
                row, column = y * v + n // h, x * h + n % h
                index = row * columns + column
                block = geometry[i, ADDRESS] + 128 * index
                real = row < rows and column < columns
                difference = np.int64(0)
                if real:
                    value = load_i16(block) >> shift
                    difference = value - state[PREVIOUS + i]
                    state[PREVIOUS + i] = value
                    state[LARGEST_DC] |= abs(difference)
                dc = parameters[i, DC_AREA]
                encoder = encode_difference(encoder, dc + BIN * state[CONTEXT + i], dc + BIN * X1, difference)
                state[CONTEXT + i] = 4 * difference_class(difference, parameters[i])
                if len(masks):
                    todo = load_u64(masks[i] + 32 * index + 8 * NONZERO) & ~np.uint64(1) if real else np.uint64(0)
                    encoder = _bands(encoder, area, kx, block, todo, 1, 63, 0, state)
        mcu += 1
        if mcu == mcus or (restart and mcu % restart == 0):
            encoder = _finish_segment(encoder, output)
    _stop(encoder, state, raw, mcu)


@kernel
def _dc_refine(geometry, high, wide, restart, output, shift):
    state, raw, room = output.state, output.raw, output.room
    mcus, limit = high * wide, raw + room - _MCU_BYTES
    encoder, mcu = _start(state, raw), state[MCU]
    while mcu < mcus and encoder[3] <= limit:
        y, x = mcu // wide, mcu % wide
        for i in range(geometry.shape[0]):
            h, v, columns, rows = geometry[i, H], geometry[i, V], geometry[i, COLUMNS], geometry[i, ROWS]
            bit = np.int64(0)
            for n in range(h * v):
                row, column = y * v + n // h, x * h + n % h
                if row < rows and column < columns:
                    bit = load_i16(geometry[i, ADDRESS] + 128 * (row * columns + column)) >> shift & 1
                encoder = encode_even(encoder, bit)
        mcu += 1
        if mcu == mcus or (restart and mcu % restart == 0):
            encoder = _finish_segment(encoder, output)
    _stop(encoder, state, raw, mcu)


@kernel
def _ac(plane, restart, output, masks, first, last, shift, refine):
    """AC scan of one component, first or refining. masks: its `block_masks`."""
    parameters, state, raw, room, _ = output
    blocks = len(masks)
    limit = raw + room - _MCU_BYTES
    band = (~np.uint64(0) >> np.uint64(63 - last)) & (~np.uint64(0) << np.uint64(first))
    area, kx = parameters[0, AC_AREA], parameters[0, KX]
    encoder, block = _start(state, raw), state[MCU]
    while block < blocks and encoder[3] <= limit:
        todo = masks[block, NONZERO] & band
        if refine:
            larger, ones, negative = masks[block, LARGER], masks[block, BIT], masks[block, NEGATIVE]
            encoder = _refine(encoder, area, todo, larger, ones, negative, first, last)
        else:
            encoder = _bands(encoder, area, kx, plane + 128 * block, todo, first, last, shift, state)
        block += 1
        if block == blocks or (restart and block % restart == 0):
            encoder = _finish_segment(encoder, output)
    _stop(encoder, state, raw, block)


@kernel
def _assemble(raw, ends, out):
    """Segments at `raw`, stuffed and with restart markers between them, to `out`; returns the bytes written."""
    start = written = np.int64(0)
    for i in range(len(ends)):
        if i:
            store_u8(out + written, 0xFF)
            store_u8(out + written + 1, 0xD0 + (i - 1 & 7))
            written += 2
        written += stuff(raw + start, ends[i] - start, out + written)
        start = ends[i]
    return written


class ArithmeticEncoder:
    """Encodes the scans of one image, sequential or progressive. Not thread-safe.

    planes: per frame component, C-contiguous int16 [rows, columns, 8, 8] in natural order, real blocks only.
    """

    def __init__(self, frame: Frame, planes: list[np.ndarray]):
        self.frame, self.planes = frame, planes
        self._masks: dict[tuple[int, int], np.ndarray] = {}

    def _block_masks(self, c: int, shift: int) -> np.ndarray:
        if (c, shift) not in self._masks:
            self._masks = {key: masks for key, masks in self._masks.items() if key[0] != c}
            self._masks[c, shift] = block_masks(self.planes[c], shift)[0]
        return self._masks[c, shift]

    def encode(self, scan: Scan) -> bytes:
        """Entropy-coded data of a scan, from behind SOS to before the next marker. Its tables: `coder.conditioning`'s.

        Raises ValueError for coefficients out of range, and for a band, shift or components that no progressive scan
        has (T.81 G.1.1.1).
        """
        frame, (first, last), (high, shift) = self.frame, scan.spectral, scan.approximation
        progressive = frame.process.progressive
        if progressive:
            check_progressive(scan)
        geometry, rows, columns = scan_geometry(frame, scan.components, self.planes)
        mcus, restart = rows * columns, scan.restart_interval
        parameters, statistics = scan_parameters(scan)
        reset_statistics(parameters)
        ends = np.zeros(segment_count(mcus, restart), np.int64)
        state = np.zeros(FIELDS, np.int64)
        state[INTERVAL] = 0x10000
        room = 2 * _MCU_BYTES + 8 * mcus * int((geometry[:, H] * geometry[:, V]).sum())
        raw = np.empty(room + PADDING, np.uint8)
        while True:
            output = Output(parameters, state, raw.ctypes.data, room, ends)
            if progressive and first:
                address, masks = int(geometry[0, ADDRESS]), self._block_masks(scan.components[0], shift)
                _ac(address, restart, output, masks, first, last, shift, high > 0)
            elif high:
                _dc_refine(geometry, rows, columns, restart, output, shift)
            else:
                kept = [] if progressive else [self._block_masks(c, 0) for c in scan.components]
                addresses = np.array([m.ctypes.data for m in kept], np.int64)
                _interleaved(geometry, rows, columns, restart, output, shift, addresses)
            if state[MCU] == mcus:
                break
            room *= 2
            longer = np.empty(room + PADDING, np.uint8)
            longer[: state[WRITTEN]] = raw[: state[WRITTEN]]
            raw = longer
        del statistics
        check_range(int(state[LARGEST_DC]), int(state[LARGEST_AC]), frame.precision)
        out = np.empty(2 * int(ends[-1]) + 2 * ends.size + PADDING, np.uint8)
        return out[: _assemble(raw.ctypes.data, ends, out.ctypes.data)].tobytes()
