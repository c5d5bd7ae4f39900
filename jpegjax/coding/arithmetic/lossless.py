"""Arithmetic coding of lossless differences (T.81 H.1.2.3, H.2.2.3), and decoding of whole scans of them.

bytes ──▶ QM-decoder ──▶ differences of an MCU row ──▶ lossless.decode.finish_row ──▶ the target

A difference's context is the classes of the differences to its left and above it in its component, zeros beyond the
edges of a restart segment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...simd import kernel, load_i16, store_i16
from ...types import Frame, Scan
from ..lossless.decode import Place, fill_row, finish_row, scan_picture
from ..restarts import TARGET, new_state, next_segment, scratch_for
from .coder import DC_AREA, difference_class, reset_statistics, scan_parameters, start_decode
from .decode import (
    BOUNDLESS,
    INVALID,
    SEGMENT_STEPS,
    SLACK,
    CountedReport,
    close_arithmetic,
    decode_difference,
    magnitude_steps,
)
from .encode import encode_difference

__all__ = ["decode_lossless_arithmetic", "decode_lossless_scan", "encode_lossless_arithmetic", "unit_places"]

COMPONENT, LINE, COLUMN, PER_MCU = 0, 1, 2, 3  # of a sample in an MCU: component of the scan, place, samples a row
BIN = 4  # bytes of a statistics bin
_SAMPLE_STEPS = 2  # a decision and its context
_LARGE = 3  # the first class of large differences
_X1_SMALL, _X1_LARGE = 100, 129  # bins of the first category, by the size of the difference above


def unit_places(frame: Frame, components: tuple[int, ...], wide: int) -> tuple[np.ndarray, np.ndarray]:
    """(places int64 [samples an MCU, 4], classes uint8 [n, 5, 1 + width]) of a scan. wide: MCUs in a row.

    classes: of the differences of an MCU row behind the last line of the row before, all zero at first; index 0 of a
    line stands left of it.
    """
    factors = [(frame.components[c].h, frame.components[c].v) for c in components] if len(components) > 1 else [(1, 1)]
    places = [(i, y, x, h) for i, (h, v) in enumerate(factors) for y in range(v) for x in range(h)]
    return np.array(places, np.int64), np.zeros((len(components), 5, 1 + wide * max(h for h, _ in factors)), np.uint8)


@kernel(inline=True)
def _context(classes, place, x, parameters):
    """(bin S0, bin X1, index in the line) of the sample of MCU x at `place`."""
    c, line = place[COMPONENT], place[LINE]
    i = x * place[PER_MCU] + place[COLUMN] + 1
    above = np.int64(classes[c, line, i])
    area = parameters[c, DC_AREA]
    bin = area + 4 * BIN * (5 * np.int64(classes[c, line + 1, i - 1]) + above)
    return bin, area + BIN * (np.int64(_X1_LARGE) if above >= _LARGE else np.int64(_X1_SMALL)), i


@kernel(inline=True)
def _next_row(places, classes):
    """The last line of each component becomes the one above."""
    for u in range(len(places)):
        c, line = places[u, COMPONENT], places[u, LINE]
        if u + 1 == len(places) or places[u + 1, COMPONENT] != c:
            classes[c, 0] = classes[c, line + 1]


@kernel
def decode_lossless_arithmetic(decoder, stop, parameters, places, classes, wide, out):
    """(decoder, whether the code is valid, steps) behind an MCU row, its differences in scan order as int16 at `out`.

    places, classes: see `unit_places`; zero the classes and reset the statistics where a segment starts. An invalid
    code ends the row, the rest of it is zero.
    """
    valid = True
    steps = _SAMPLE_STEPS * wide * len(places)
    for x in range(wide):
        for u in range(len(places)):
            difference = np.int64(0)
            if valid:
                bin, magnitudes, i = _context(classes, places[u], x, parameters)
                difference, decoder = decode_difference(decoder, stop, bin, magnitudes)
                if difference == INVALID:
                    valid = False
                    difference = np.int64(0)
                c = places[u, COMPONENT]
                classes[c, places[u, LINE] + 1, i] = difference_class(difference, parameters[c])
                steps += magnitude_steps(abs(difference))
            store_i16(out, difference)
            out += 2
    _next_row(places, classes)
    return decoder, valid, steps


@kernel
def encode_lossless_arithmetic(encoder, parameters, places, classes, wide, differences):
    """The encoder behind an MCU row. differences: address of int16 in scan order; else as `decode_lossless_arithmetic`.

    Takes at most 64 bytes a sample.
    """
    for x in range(wide):
        for u in range(len(places)):
            difference = load_i16(differences)
            bin, magnitudes, i = _context(classes, places[u], x, parameters)
            encoder = encode_difference(encoder, bin, magnitudes, difference)
            c = places[u, COMPONENT]
            classes[c, places[u, LINE] + 1, i] = difference_class(difference, parameters[c])
            differences += 2
    _next_row(places, classes)
    return encoder


@kernel
def _decode(state, picture, parameters, places, classes, restart_rows, left):
    """Returns the steps left of `left`."""
    y = np.int64(0)
    while y < picture.high and left >= 0:
        length, until = next_segment(state, y, picture.high, restart_rows)
        limit = state[TARGET] + length + SLACK
        reset_statistics(parameters)
        classes[:] = 0
        left -= SEGMENT_STEPS
        decoder = start_decode(state[TARGET], limit)
        valid = fresh = True
        while y < until and left >= 0:
            if valid:
                out = np.int64(picture.stream.ctypes.data)
                decoder, valid, steps = decode_lossless_arithmetic(
                    decoder, limit, parameters, places, classes, picture.wide, out
                )
                left -= steps
                finish_row(picture, y, fresh)
                fresh = False
            else:
                fill_row(picture, y)
            y += 1
        close_arithmetic(state, until * picture.wide - 1, decoder, length, valid)
    return left


def decode_lossless_scan(
    frame: Frame,
    scan: Scan,
    data: np.ndarray,
    position: int,
    planes: Sequence[Place],
    target: np.ndarray,
    left: int = BOUNDLESS,
) -> CountedReport:
    """`lossless.decode_scan` of an arithmetic frame; scan.dc_tables: `Conditioning` of each component.

    left: steps that it may take; where it would take more, it ends early and `steps` of the report is more. Damaged data
    never raise: behind an invalid code the rest of its segment is mid-grey from the next row on.
    """
    picture = scan_picture(frame, scan, planes, target)
    places, classes = unit_places(frame, scan.components, picture.wide)
    parameters, statistics = scan_parameters(scan)
    scratch = scratch_for(data.size)
    state = new_state(data.ctypes.data, data.size, scratch.ctypes.data, position)
    rest = _decode(state, picture, parameters, places, classes, scan.restart_interval // picture.wide, left)
    del statistics
    return CountedReport(state, left - rest)
