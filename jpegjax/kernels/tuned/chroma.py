"""Chroma that suits the decoder: least-squares downsampling, and luma that makes up for what coding chroma did.

Decoders enlarge chroma by the triangle filter, and its pseudo-inverse, (2/3)(-1/3)ⁿ on every second sample, makes the
small plane that they turn into the nearest large one. The taps here ring a little less, since coding adds errors too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...run.memory import address, borrow
from ...simd import constant, kernel, load, load_u8, madd, maximum, minimum, store, store_u8, vectorized, zero
from ...types import Frame
from ..dct import idct_strip
from ..lanes import descaled, dot, pairs, plus
from ..quant import dequantiser
from ..rows import copy_bytes, extend_row
from ..sampling import CHEIGHT, CWIDTH, FIELDS, HRATIO, KIND, SAMPLES, STRIDE, VRATIO, upsample_row, upsampling_kind

__all__ = ["compensate_luma", "fit_plane"]

_TAPS = 42, -13, 4, -1  # 64ths, for the samples 0, 2, 4 and 6 to the left of the pair and to its right
_REACH = 3  # pairs of samples


def _clipped(x):
    return maximum(minimum(x, constant(x, 255)), constant(x, 0)).truncate(8)


@vectorized
def _fit_16(row, out):
    """32 samples, and 6 on each side, to 16 int16 of scale 64."""
    total = zero(row, 16, 16)
    for i, tap in enumerate(_TAPS):
        left, right = load(row - 2 * i, 32, 8).bitcast(16) & 255, load(row + 2 * i, 32, 8).bitcast(16)
        total = total + (left + right.shift_right_logical(8)) * tap
    store(out, total)


@vectorized
def _round_16(row, out):
    """16 int16 of scale 64 to samples."""
    store(out, _clipped((load(row, 16, 16) + 32) >> 6))


@vectorized
def _fit_down_16(a0, b0, a1, b1, a2, b2, a3, b3, out):
    """16 columns of eight rows of scale 64, a0 and b0 the nearest above and below, to samples."""
    total = zero(out, 8, 32), zero(out, 8, 32)
    for a, b, tap in zip((a0, a1, a2, a3), (b0, b1, b2, b3), _TAPS, strict=True):
        total = plus(total, dot(pairs(load(a, 16, 16), load(b, 16, 16)), tap, tap))
    store(out, _clipped(descaled(plus(total, 2048), 12)))


@kernel
def _fit_rows(plane, stride, height, width, columns, out, out_stride, middle, span, down, scratch):
    """A plane halved across, and down where `down`: `columns` samples a row, uint8 or through int16 rows of `span` bytes.

    scratch: address of 2·columns + 128 bytes.
    """
    for row in range(height):
        source = plane + row * stride
        for i in range(32):
            store_u8(scratch + i, load_u8(source))
        copy_bytes(scratch + 32, source, width)
        extend_row(scratch + 32, width, 2 * columns + 32)
        target = middle + row * span if down else middle
        for x in range(0, columns, 16):
            _fit_16(scratch + 32 + 2 * x, target + 2 * x)
        if not down:
            for x in range(0, columns, 16):
                _round_16(target + 2 * x, out + row * out_stride + x)
    if not down:
        return
    last = height - 1
    for row in range((height + 1) // 2):
        r = 2 * row
        a0, a1 = middle + min(r, last) * span, middle + max(r - 2, 0) * span
        a2, a3 = middle + max(r - 4, 0) * span, middle + max(r - 6, 0) * span
        b0, b1 = middle + min(r + 1, last) * span, middle + min(r + 3, last) * span
        b2, b3 = middle + min(r + 5, last) * span, middle + min(r + 7, last) * span
        for x in range(0, columns, 16):
            at = 2 * x
            _fit_down_16(
                a0 + at, b0 + at, a1 + at, b1 + at, a2 + at, b2 + at, a3 + at, b3 + at, out + row * out_stride + x
            )


def fit_plane(
    plane: np.ndarray, height: int, width: int, down: bool, out: np.ndarray, columns: int
) -> None:  # fmt: skip
    """Fill rows of `out`, `columns` samples each, so that the decoder's triangle filter gives nearly `plane` back.

    plane, out: uint8 [rows, stride], strides 64 longer than what counts. height, width: true samples of `plane`, beyond
    which its edges repeat. down: halve the rows too (4:2:0), else the columns alone (4:2:2).
    """
    span = 2 * (-(-columns // 16) * 16)
    middle = borrow((height if down else 1, span), np.uint8)
    scratch = np.empty(2 * columns + 192, np.uint8)
    _fit_rows(
        address(plane), plane.shape[1], height, width, columns, address(out), out.shape[1], address(middle), span, down,
        address(scratch),
    )  # fmt: skip


@vectorized
def _compensate_16(y, blue, coded_blue, red, coded_red, gains):
    """16 samples of luma, less the errors of chroma times gains: blue's, and red's 16 bits higher."""
    e_blue, e_red = (
        load(coded, 16, 8).zero_extend(16) - load(plane, 16, 8).zero_extend(16)
        for coded, plane in ((coded_blue, blue), (coded_red, red))
    )
    weights, parts = gains.splat(8, 32).bitcast(16), pairs(e_blue, e_red)
    change = descaled(plus((madd(parts[0], weights), madd(parts[1], weights)), 128), 8)
    store(y, _clipped(load(y, 16, 8).zero_extend(16) - change))


@kernel
def _compensate_rows(row0, row1, y, blue, red, stride, width, padded, gains, table, scratch, span):
    """table: int64 [2, FIELDS] of the coded planes of Cb and Cr. scratch: address of 3 parts of span + 256 bytes."""
    sums = scratch + 2 * span + 64
    for row in range(row0, row1):
        at = row * stride
        coded_blue = upsample_row(table[0], row, scratch, sums, 0)
        coded_red = upsample_row(table[1], row, scratch + span, sums, 0)
        for x in range(0, width, 16):
            _compensate_16(y + at + x, blue + at + x, coded_blue + x, red + at + x, coded_red + x, gains)
        extend_row(y + at, width, padded)


def compensate_luma(
    planes: np.ndarray, coded: Sequence[np.ndarray], frame: Frame, qtables: Sequence[np.ndarray], gains: Sequence[int],
    padded: int,
) -> None:  # fmt: skip
    """Change luma so that brightness is nearer to right once chroma is decoded as `coded`.

    planes: uint8 [3, rows, stride], Y, Cb and Cr at full resolution, edges repeated to `padded` columns; Y is changed in
    its true rows. coded: int16 [rows, columns, 8, 8] of Cb and Cr. qtables: their tables. gains: what an error of
    one in Cb and Cr takes from luma, 256 is 1; (122, 59) is all that it adds.
    """
    table, alive = np.zeros((2, FIELDS), np.int64), []
    for i, (blocks, steps) in enumerate(zip(coded, qtables, strict=True)):
        k = frame.components[i + 1]
        rows, columns = blocks.shape[:2]
        stride = 8 * columns + 64
        samples = borrow((8 * rows, stride))
        alive.append(samples)
        step_rows = dequantiser(steps)
        idct_strip(address(blocks), 0, columns, rows, columns, address(step_rows), address(samples), stride)
        height, width = frame.samples(i + 1)
        ratio = frame.hmax // k.h, frame.vmax // k.v
        row = table[i]
        row[SAMPLES], row[STRIDE], row[KIND] = address(samples), stride, upsampling_kind(ratio, width, True)
        row[HRATIO], row[VRATIO], row[CWIDTH], row[CHEIGHT] = *ratio, width, height
    span = padded + 256
    scratch = np.empty(6 * span, np.uint8)
    y, blue, red = (address(p) for p in planes)
    _compensate_rows(
        0,
        frame.height,
        y,
        blue,
        red,
        planes.shape[2],
        frame.width,
        padded,
        gains[0] | gains[1] << 16,
        table,
        address(scratch),
        span,
    )
