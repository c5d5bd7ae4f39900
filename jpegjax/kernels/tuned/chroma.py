"""Chroma that suits the decoder: least-squares downsampling, and luma that makes up for what coding chroma did.

Decoders enlarge chroma by the triangle filter, and its pseudo-inverse, (2/3)(-1/3)ⁿ on every second sample, makes the
small plane that they turn into the nearest large one. The taps here ring a little less, since coding adds errors too.
At hard edges of saturated colours what rings leaves the colours that there are, and decoders clamp it to specks: there samples
stay between their neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from ...run.memory import Pointers, address, borrow
from ...simd import constant, kernel, load, load_u8, madd, maximum, minimum, select, store, store_u8, vectorized, zero
from ...types import Frame
from ..dct import idct_strip
from ..lanes import descaled, dot, pairs, plus
from ..quant import dequantiser
from ..rows import copy_bytes, extend_row
from ..sampling import CHEIGHT, CWIDTH, FIELDS, HRATIO, KIND, SAMPLES, STRIDE, VRATIO, upsample_row, upsampling_kind

__all__ = ["compensate_luma", "fit_plane"]

_TAPS = 42, -13, 4, -1  # 64ths, for the samples 0, 2, 4 and 6 to the left of the pair and to its right
_CONTRAST = (
    96  # from which a sample may not leave the range of those that it is shown at; below by as much as is missing
)


def _clipped(x):
    return maximum(minimum(x, constant(x, 255)), constant(x, 0)).truncate(8)


def _held(x, ranges):
    """int16 samples x at most a margin out of the range of what stands at these addresses: 16 least samples, 16 greatest."""
    low = reduce(minimum, [load(at, 16, 8).zero_extend(16) for at in ranges])
    high = reduce(maximum, [load(at + 16, 16, 8).zero_extend(16) for at in ranges])
    margin = maximum(constant(low, _CONTRAST) - (high - low), constant(low, 0))
    return maximum(minimum(x, high + margin), low - margin)


@vectorized
def _fit_16(row, out, behind):
    """32 samples, and 6 on each side, to 16 int16 of scale 64, and so far behind them the range of the four that each is
    shown at: 16 least samples, 16 greatest."""
    total = zero(row, 16, 16)
    a, b, c, d = (load(row + i, 32, 8).bitcast(16) & 255 for i in (-1, 0, 1, 2))
    store(out + behind, minimum(minimum(a, b), minimum(c, d)).truncate(8))
    store(out + behind + 16, maximum(maximum(a, b), maximum(c, d)).truncate(8))
    for i, tap in enumerate(_TAPS):
        left, right = load(row - 2 * i, 32, 8).bitcast(16) & 255, load(row + 2 * i, 32, 8).bitcast(16)
        total = total + (left + right.shift_right_logical(8)) * tap
    store(out, total)


@vectorized
def _round_16(row, behind, out):
    """16 int16 of scale 64 to samples."""
    store(out, _clipped(_held((load(row, 16, 16) + 32) >> 6, [row + behind])))


@vectorized
def _fit_down_16(a0, b0, a1, b1, a2, b2, a3, b3, above, below, behind, out):
    """16 columns of eight rows of scale 64, a0 and b0 the nearest above and below, to samples.

    above, below: the rows next to these two; ranges stand `behind` in all four.
    """
    total = zero(out, 8, 32), zero(out, 8, 32)
    for a, b, tap in zip((a0, a1, a2, a3), (b0, b1, b2, b3), _TAPS, strict=True):
        total = plus(total, dot(pairs(load(a, 16, 16), load(b, 16, 16)), tap, tap))
    store(out, _clipped(_held(descaled(plus(total, 2048), 12), [at + behind for at in (above, a0, b0, below)])))


@kernel
def _fit_rows(plane, height, width, out, columns, middle, down):
    """`fit_plane`. middle: uint8 [rows, bytes], a row of `columns` int16 and behind them the ranges of `_fit_16`, or all
    rows where `down`."""
    stride, span, out_stride = plane.shape[1], middle.shape[1], out.shape[1]
    source, halves, target = np.int64(plane.ctypes.data), np.int64(middle.ctypes.data), np.int64(out.ctypes.data)
    line = np.empty(2 * columns + 192, np.uint8)
    before = np.int64(line.ctypes.data)
    samples, behind = before + 32, span // 2
    for row in range(height):
        here, half = source + row * stride, halves + row * span if down else halves
        for i in range(32):
            store_u8(before + i, load_u8(here))
        copy_bytes(samples, here, width)
        extend_row(samples, width, 2 * columns + 32)
        for x in range(0, columns, 16):
            _fit_16(samples + 2 * x, half + 2 * x, behind)
        if not down:
            for x in range(0, columns, 16):
                _round_16(half + 2 * x, behind, target + row * out_stride + x)
    if not down:
        return
    last = height - 1
    for row in range((height + 1) // 2):
        r = 2 * row
        a0, a1 = halves + min(r, last) * span, halves + max(r - 2, 0) * span
        a2, a3 = halves + max(r - 4, 0) * span, halves + max(r - 6, 0) * span
        b0, b1 = halves + min(r + 1, last) * span, halves + min(r + 3, last) * span
        b2, b3 = halves + min(r + 5, last) * span, halves + min(r + 7, last) * span
        above, below = halves + max(r - 1, 0) * span, halves + min(r + 2, last) * span
        to = target + row * out_stride
        for x in range(0, columns, 16):
            at = 2 * x
            _fit_down_16(
                a0 + at, b0 + at, a1 + at, b1 + at, a2 + at, b2 + at, a3 + at, b3 + at, above + at, below + at, behind, to + x
            )  # fmt: skip


def fit_plane(plane: np.ndarray, height: int, width: int, down: bool, out: np.ndarray, columns: int) -> None:
    """Fill rows of `out`, `columns` samples each, so that the decoder's triangle filter gives nearly `plane` back.

    Each is held in the range of the samples of `plane` that it takes part in, widened by what their contrast lacks to 96.

    plane, out: uint8 [rows, stride], strides 64 longer than what counts. height, width: true samples of `plane`, beyond
    which its edges repeat. down: halve the rows too (4:2:0), else the columns alone (4:2:2).
    """
    middle = borrow((height if down else 1, 4 * (-(-columns // 16) * 16)))
    _fit_rows(plane, height, width, out, columns, middle, down)


@vectorized
def _compensate_16(y, blue, coded_blue, red, coded_red, gains):
    """16 samples of luma, less the errors of chroma times gains: blue's, and red's 16 bits higher; 0 and 255 stay."""
    e_blue, e_red = (
        load(coded, 16, 8).zero_extend(16) - load(plane, 16, 8).zero_extend(16)
        for coded, plane in ((coded_blue, blue), (coded_red, red))
    )
    weights, parts = gains.splat(8, 32).bitcast(16), pairs(e_blue, e_red)
    change = descaled(plus((madd(parts[0], weights), madd(parts[1], weights)), 128), 8)
    luma = load(y, 16, 8)
    at_end = luma.compare("==", 0) | luma.compare("==", -1)
    store(y, select(at_end, luma, _clipped(luma.zero_extend(16) - change)))


@kernel
def _compensate_rows(planes, height, width, padded, table, gains):
    """`compensate_luma` of `height` rows. table: int64 [2, FIELDS] of the coded planes of Cb and Cr."""
    stride, span = planes.shape[2], padded + 256
    lines = np.empty(6 * span, np.uint8)
    y = np.int64(planes.ctypes.data)
    blue, red = y + planes.shape[1] * stride, y + 2 * planes.shape[1] * stride
    large = np.int64(lines.ctypes.data)
    sums = large + 2 * span + 64
    for row in range(height):
        coded_blue = upsample_row(table[0], row, large, sums, 0)
        coded_red = upsample_row(table[1], row, large + span, sums, 0)
        for x in range(0, width, 16):
            _compensate_16(y + x, blue + x, coded_blue + x, red + x, coded_red + x, gains)
        extend_row(y, width, padded)
        y, blue, red = y + stride, blue + stride, red + stride


def compensate_luma(
    planes: np.ndarray, coded: Sequence[np.ndarray], frame: Frame, qtables: Sequence[np.ndarray], gains: Sequence[int],
    padded: int,
) -> None:  # fmt: skip
    """Change luma so that brightness is nearer to right once chroma is decoded as `coded`.

    Black and white stay: decoders clamp red, green and blue there, so that one error of chroma cannot make up for another.

    planes: uint8 [3, rows, stride], Y, Cb and Cr at full resolution, edges repeated to `padded` columns; Y is changed in
    its true rows. coded: int16 [rows, columns, 8, 8] of Cb and Cr. qtables: their tables. gains: what an error of
    one in Cb and Cr takes from luma, 256 is 1; (122, 59) is all that it adds.
    """
    table = np.zeros((2, FIELDS), np.int64)
    samples = Pointers(borrow((8 * blocks.shape[0], 8 * blocks.shape[1] + 64)) for blocks in coded)
    for c, (row, blocks, steps) in enumerate(zip(table, coded, qtables, strict=True), 1):
        (rows, columns), (height, width), k = blocks.shape[:2], frame.samples(c), frame.components[c]
        row[SAMPLES], row[STRIDE] = samples.addresses[c - 1], 8 * columns + 64
        row[HRATIO], row[VRATIO] = ratio = frame.hmax // k.h, frame.vmax // k.v
        row[KIND], row[CWIDTH], row[CHEIGHT] = upsampling_kind(ratio, width, True), width, height
        step_rows = dequantiser(steps)
        idct_strip(address(blocks), 0, columns, rows, columns, address(step_rows), row[SAMPLES], row[STRIDE])
    _compensate_rows(planes, frame.height, frame.width, padded, table, gains[0] | gains[1] << 16)
