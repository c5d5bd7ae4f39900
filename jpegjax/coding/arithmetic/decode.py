"""Decoding arithmetic scans of DCT coefficients (T.81 F.2.4, G.2.3), with libjpeg-turbo's view of damaged data.

entropy-coded bytes ──▶ segments.next_segment ──▶ QM-decoder ──▶ int16 planes in natural order
"""

from __future__ import annotations

import numpy as np

from ...simd import clz64, kernel, load_i16, store_i16
from ...types import ZIGZAG, Frame, Scan
from ..geometry import ADDRESS, COLUMNS, STORED, H, V, scan_geometry
from ..restarts import (
    BAD_DECISION,
    EXTRANEOUS,
    LAST_GOOD,
    MARKER,
    START,
    TARGET,
    SegmentReport,
    new_state,
    next_segment,
    note,
    scratch_for,
)
from ..symbols import NONZERO, store_masks
from .coder import (
    AC_AREA,
    DC_AREA,
    KX,
    decode_bit,
    decode_even,
    difference_class,
    reset_statistics,
    scan_parameters,
    start_decode,
)

__all__ = [
    "BOUNDLESS", "INVALID", "SEGMENT_STEPS", "SLACK", "ArithmeticDecoder", "CountedReport", "close_arithmetic",
    "decode_difference", "magnitude_steps",
]  # fmt: skip

BIN = 4  # bytes of a statistics bin
X1 = 20  # bin of the first category of DC differences (T.81 table F.4)
_OVERFLOW = 0x8000  # a category that no magnitude has
INVALID = 1 << 20  # no difference
SLACK = 64  # bytes that decoders may take behind a segment before they stop counting; less than segments.PAD
OFFSETS = ZIGZAG.astype(np.int64) * 2  # zigzag index → byte offset in a block
BOUNDLESS = 1 << 62  # steps
SEGMENT_STEPS = 64  # what the start of a segment costs: its statistics are reset


@kernel(inline=True)
def _magnitude(decoder, stop, bin, m):
    """(highest bit of magnitude - 1, decoder, bin of the lower ones), from m on; _OVERFLOW where it has none."""
    bit, decoder = decode_bit(decoder, stop, bin)
    while bit:
        m <<= 1
        if m == _OVERFLOW:
            break
        bin += BIN
        bit, decoder = decode_bit(decoder, stop, bin)
    return m, decoder, bin + 14 * BIN


@kernel(inline=True)
def _low_bits(decoder, stop, bin, m):
    """(magnitude - 1, decoder) of the category m, its highest bit (T.81 figure F.24)."""
    value = m
    m >>= 1
    while m:
        bit, decoder = decode_bit(decoder, stop, bin)
        value |= m & -bit
        m >>= 1
    return value, decoder


@kernel(inline=True)
def decode_difference(decoder, stop, bin, magnitudes):
    """(difference, or INVALID, and the decoder behind it) (T.81 figures F.19, F.21 to F.24).

    bin: of its context's first decision, S0; magnitudes: of its categories, X1.
    """
    bit, decoder = decode_bit(decoder, stop, bin)
    if not bit:
        return np.int64(0), decoder
    negative, decoder = decode_bit(decoder, stop, bin + BIN)
    m, decoder = decode_bit(decoder, stop, bin + (2 + negative) * BIN)
    if m:
        m, decoder, bin = _magnitude(decoder, stop, magnitudes, m)
        if m == _OVERFLOW:
            return np.int64(INVALID), decoder
        m, decoder = _low_bits(decoder, stop, bin, m)
    m += 1
    return (m ^ -negative) + negative, decoder


@kernel(inline=True)
def magnitude_steps(magnitude):
    """The decisions that a magnitude takes beside whether there is one: its category and its lower bits."""
    return 2 * (np.int64(64) - np.int64(clz64(magnitude)))


@kernel
def _bands(decoder, stop, area, kx, block, first, last, shift):
    """(decoder, whether the code is valid, steps) behind the new coefficients first..last of a block (T.81 figure F.20)."""
    k = first
    steps = np.int64(0)
    while k <= last:
        bin = area + 3 * BIN * (k - 1)
        bit, decoder = decode_bit(decoder, stop, bin)
        if bit:
            break
        bit, decoder = decode_bit(decoder, stop, bin + BIN)
        while not bit:
            bin += 3 * BIN
            k += 1
            if k > last:
                return decoder, False, steps + k - first
            bit, decoder = decode_bit(decoder, stop, bin + BIN)
        negative, decoder = decode_even(decoder, stop)
        bin += 2 * BIN
        value, decoder = decode_bit(decoder, stop, bin)
        if value:
            bit, decoder = decode_bit(decoder, stop, bin)
            if bit:
                bin = area + BIN * (np.int64(189) if k <= kx else np.int64(217))
                value, decoder, bin = _magnitude(decoder, stop, bin, np.int64(2))
                if value == _OVERFLOW:
                    return decoder, False, steps + k - first
                value, decoder = _low_bits(decoder, stop, bin, value)
                steps += magnitude_steps(value)
        value += 1
        store_i16(block + OFFSETS[np.uint64(k)], (value ^ -negative) + negative << shift)
        k += 1
    return decoder, True, steps + k - first


@kernel(inline=True)
def close_arithmetic(state, mcu, decoder, length, valid):
    """Note how a segment ended. mcu: its last one; length: bytes that it had."""
    state[LAST_GOOD] = mcu
    if not valid:
        note(state, BAD_DECISION, state[START])
        return
    # libjpeg's decoder reads two bytes, then one whenever eight bits of them are used up; it takes what it needs.
    read = decoder[3] - state[TARGET] - (decoder[2] >> 3)
    if read < length:
        note(state, EXTRANEOUS, state[MARKER] - (length - read))


@kernel
def _decode_interleaved(state, geometry, high, wide, restart, parameters, shift, sequential, spare, left):
    """Sequential scan, or DC first scan, of interleaved or single components; returns the steps left of `left`."""
    mcus = high * wide
    previous, context = np.zeros(4, np.int64), np.zeros(4, np.int64)
    mcu = 0
    while mcu < mcus and left >= 0:
        length, until = next_segment(state, mcu, mcus, restart)
        stop = state[TARGET] + length + SLACK
        reset_statistics(parameters)
        left -= SEGMENT_STEPS
        for i in range(4):
            previous[i] = context[i] = 0
        decoder = start_decode(state[TARGET], stop)
        valid = True
        y, x = mcu // wide, mcu % wide
        while mcu < until and valid and left >= 0:
            for i in range(geometry.shape[0]):
                h, v, columns, stored = geometry[i, H], geometry[i, V], geometry[i, COLUMNS], geometry[i, STORED]
                area, kx = parameters[i, AC_AREA], parameters[i, KX]
                for n in range(h * v):
                    row, column = y * v + n // h, x * h + n % h
                    dc = parameters[i, DC_AREA]
                    difference, decoder = decode_difference(decoder, stop, dc + BIN * context[i], dc + BIN * X1)
                    if difference == INVALID:
                        valid = False
                        break
                    context[i] = 4 * difference_class(difference, parameters[i])
                    previous[i] += difference
                    left -= magnitude_steps(abs(difference))
                    block = geometry[i, ADDRESS] + 128 * (row * columns + column)
                    if row >= stored or column >= columns:
                        block = spare
                    store_i16(block, previous[i] << shift)
                    if sequential:
                        decoder, valid, steps = _bands(decoder, stop, area, kx, block, 1, 63, 0)
                        left -= steps
                        if not valid:
                            break
                if not valid:
                    break
            mcu += 1
            x += 1
            if x == wide:
                x = 0
                y += 1
        close_arithmetic(state, until - 1, decoder, length, valid)
        mcu = until
    return left


@kernel
def _decode_dc_refine(state, geometry, high, wide, restart, shift):
    mcus = high * wide
    mcu = 0
    while mcu < mcus:
        length, until = next_segment(state, mcu, mcus, restart)
        stop = state[TARGET] + length + SLACK
        decoder = start_decode(state[TARGET], stop)
        y, x = mcu // wide, mcu % wide
        while mcu < until:
            for i in range(geometry.shape[0]):
                h, v, columns, stored = geometry[i, H], geometry[i, V], geometry[i, COLUMNS], geometry[i, STORED]
                for n in range(h * v):
                    row, column = y * v + n // h, x * h + n % h
                    bit, decoder = decode_even(decoder, stop)
                    if bit and row < stored and column < columns:
                        block = geometry[i, ADDRESS] + 128 * (row * columns + column)
                        store_i16(block, load_i16(block) | 1 << shift)
            mcu += 1
            x += 1
            if x == wide:
                x = 0
                y += 1
        close_arithmetic(state, until - 1, decoder, length, True)


@kernel
def _refine(decoder, stop, area, block, mask, first, last, shift):
    """`_bands` where a block gets one more bit (T.81 figure G.11). mask: its nonzeros."""
    one = np.uint64(1)
    known = mask & (~np.uint64(0) >> np.uint64(63 - last))
    beyond = np.int64(63) - np.int64(clz64(known))  # the last known coefficient: up to there, no end is signalled
    k = first
    while k <= last:
        bin = area + 3 * BIN * (k - 1)
        if k > beyond:
            bit, decoder = decode_bit(decoder, stop, bin)
            if bit:
                break
        while True:
            at = block + OFFSETS[np.uint64(k)]
            if known >> np.uint64(k) & one:
                bit, decoder = decode_bit(decoder, stop, bin + 2 * BIN)
                if bit:
                    value = load_i16(at)
                    sign = value >> 63
                    store_i16(at, value + ((np.int64(1) << shift ^ sign) - sign))
                break
            bit, decoder = decode_bit(decoder, stop, bin + BIN)
            if bit:
                negative, decoder = decode_even(decoder, stop)
                store_i16(at, (1 ^ -negative) + negative << shift)
                break
            bin += 3 * BIN
            k += 1
            if k > last:
                return decoder, False, k - first
        k += 1
    return decoder, True, k - first


@kernel
def _decode_ac(state, plane, blocks, restart, parameters, first, last, shift, refine, masks, left):
    """AC scan of one component, first or refining; returns the steps left of `left`. masks: uint64 [1, 4], scratch."""
    area, kx = parameters[0, AC_AREA], parameters[0, KX]
    here = np.int64(masks.ctypes.data)
    block = 0
    while block < blocks and left >= 0:
        length, until = next_segment(state, block, blocks, restart)
        stop = state[TARGET] + length + SLACK
        reset_statistics(parameters)
        left -= SEGMENT_STEPS
        decoder = start_decode(state[TARGET], stop)
        valid = True
        while block < until and valid and left >= 0:
            address = plane + 128 * block
            if refine:
                store_masks(address, 0, here)
                decoder, valid, steps = _refine(decoder, stop, area, address, masks[0, NONZERO], first, last, shift)
            else:
                decoder, valid, steps = _bands(decoder, stop, area, kx, address, first, last, shift)
            left -= steps
            block += 1
        close_arithmetic(state, until - 1, decoder, length, valid)
        block = until
    return left


class CountedReport(SegmentReport):
    """`SegmentReport` of an arithmetic scan. steps: that it took beside those its header tells of, see `Limits`."""

    def __init__(self, state: np.ndarray, steps: int):
        super().__init__(state)
        self.steps: int = steps


class ArithmeticDecoder:
    """Decodes the scans of one arithmetic image, sequential or progressive, into its planes. Not thread-safe.

    frame: its geometry. data: the whole file as uint8 [n]. planes: per frame component, C-contiguous int16
    [rows, columns, 8, 8], zeros at first; more rows than `Frame.blocks` says take the blocks that only fill an MCU.
    """

    def __init__(self, frame: Frame, data: np.ndarray, planes: list[np.ndarray]):
        self.frame: Frame = frame
        self.data: np.ndarray = data
        self.planes: list[np.ndarray] = planes
        self._scratch = scratch_for(data.size)
        self._addresses = data.ctypes.data, data.size, self._scratch.ctypes.data
        self._spare = np.zeros(64, np.int16)

    def decode(self, scan: Scan, position: int, left: int = BOUNDLESS) -> CountedReport:
        """Decode one scan (`Reader.next_scan`'s, valid as such). position: offset of its first entropy-coded byte.

        Damaged data never raise: an invalid code ends its segment, missing data read as zero bytes (T.81 D.2.6).
        Coefficients wrap to int16 like libjpeg's. left: steps that it may take, beside one a block; where it would take
        more, it ends early and `steps` of the report is more.
        """
        (first, last), (high, shift) = scan.spectral, scan.approximation
        progressive, restart = self.frame.process.progressive, scan.restart_interval
        geometry, rows, columns = scan_geometry(self.frame, scan.components, self.planes)
        parameters, statistics = scan_parameters(scan)
        state = new_state(*self._addresses, position)
        if progressive and first:
            address, masks = int(geometry[0, ADDRESS]), np.empty((1, 4), np.uint64)
            rest = _decode_ac(
                state, address, rows * columns, restart, parameters, first, last, shift, high > 0, masks, left
            )
        elif high:
            _decode_dc_refine(state, geometry, rows, columns, restart, shift)
            rest = left
        else:
            spare = self._spare.ctypes.data
            rest = _decode_interleaved(
                state, geometry, rows, columns, restart, parameters, shift, not progressive, spare, left
            )
        del statistics
        return CountedReport(state, left - rest)
