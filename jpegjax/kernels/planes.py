"""Pixels to the component samples of an MCU row and back, fused row by row: colour and sampling while a row is in cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..simd import kernel
from .color import (
    cmyk_to_planes_row,
    interleave_row,
    planes_to_cmyk_row,
    rgb_to_gray_row,
    rgb_to_planes_row,
    rgb_to_ycbcr_row,
    ycbcr_to_rgb_row,
)
from .rows import copy_bytes, copy_exact, extend_row
from .sampling import downsample_row, upsample_row

__all__ = ["Picture", "Strips", "emit_rows", "fill_strip"]


class Picture(NamedTuple):
    """Pixels in memory."""

    address: int
    """of uint8 [height, width, channels]"""
    height: int
    width: int
    channels: int


class Strips(NamedTuple):
    """Where the samples of one MCU row go on their way from pixels to blocks."""

    sampling: np.ndarray
    """int64 [n, 2]: (h, v) of each component, (1, 1) of a single one"""
    hmax: int
    vmax: int
    samples: np.ndarray
    """int64 [n]: addresses of uint8, 8·v rows of each component"""
    strides: np.ndarray
    """int64 [n]: bytes of such a row, 64 beyond the padded width"""
    full: int
    """address of 4·n + 1 rows of full_stride bytes: four at full resolution of each component, and scratch"""
    full_stride: int
    ycc: int
    """1 where three channels become YCbCr, 0 where they stay RGB"""


@kernel
def _full_row(c, j, row, strips):
    """Where full-resolution row j of a vertical group goes: the strip's `row`, or `full` if it waits for downsampling."""
    if strips.sampling[c, 0] == strips.hmax and strips.sampling[c, 1] == strips.vmax:
        return strips.samples[c] + row * strips.strides[c]
    return strips.full + (4 * c + j) * strips.full_stride


@kernel
def fill_strip(picture, m, strips):
    """Cut MCU row m out of a picture into the strips of its components, downsampled and padded (libjpeg's edges)."""
    image, height, width, channels = picture
    sampling, samples, strides = strips.sampling, strips.samples, strips.strides
    hmax, vmax, full, full_stride = strips.hmax, strips.vmax, strips.full, strips.full_stride
    n = len(sampling)
    padded = -(-width // (8 * hmax)) * 8 * hmax
    tail = full + 4 * n * full_stride
    top = m * 8 * vmax
    groups = min(8, -(-(height - top) // vmax))
    for g in range(groups):
        for j in range(vmax):
            source = image + min(top + g * vmax + j, height - 1) * width * channels
            row = g * vmax + j
            a = _full_row(0, j, row, strips)
            if channels == 1:
                copy_bytes(a, source, width)
                extend_row(a, width, padded)
                continue
            b, c = _full_row(1, j, row, strips), _full_row(2, j, row, strips)
            if channels == 3 and strips.ycc:
                rgb_to_ycbcr_row(source, a, b, c, width, padded, tail, 8 * vmax * width * 3)
            elif channels == 3:
                rgb_to_planes_row(source, a, b, c, width, padded, tail)
            else:
                cmyk_to_planes_row(source, a, b, c, _full_row(3, j, row, strips), width, padded, tail)
        for c in range(n):
            h, v = hmax // sampling[c, 0], vmax // sampling[c, 1]
            if h * v > 1:
                for k in range(sampling[c, 1]):
                    source = full + (4 * c + k * v) * full_stride
                    target = samples[c] + (g * sampling[c, 1] + k) * strides[c]
                    downsample_row(source, full_stride, h, v, target, padded // h)
    for c in range(n):
        v = sampling[c, 1]
        # rows below the image repeat the last downsampled row
        last = samples[c] + (groups * v - 1) * strides[c]
        for r in range(groups * v, 8 * v):
            copy_bytes(samples[c] + r * strides[c], last, strides[c])


@kernel
def emit_rows(table, ycc, picture, row0, row1, top, scratch, span):
    """Write rows row0..row1-1 of a picture from strips of samples.

    table: int64 [n, FIELDS] of `sampling`. ycc: 1 where the first three components are YCbCr, 0 where they are the
    output's own. Of the picture's channels, 1 is the first component, or the luma of three that are RGB; 3 are RGB (a
    single component is repeated); 4 are CMYK, 255 minus what the file holds. top: the row where the strips start.
    scratch: address of 8 parts of `span` >= width + 128 bytes.
    """
    pixels, _, width, channels = picture
    n = len(table)
    sums, tail = scratch + 4 * span + 64, scratch + 7 * span
    for row in range(row0, row1):
        out = pixels + row * width * channels
        a = upsample_row(table[0], row, scratch, sums, top)
        b, c = a, a
        if n > 1:
            b = upsample_row(table[1], row, scratch + span, sums, top)
            c = upsample_row(table[2], row, scratch + 2 * span, sums, top)
        if channels == 4:
            d = upsample_row(table[3], row, scratch + 3 * span, sums, top)
            planes_to_cmyk_row(a, b, c, d, ycc, out, width, tail)
        elif channels == 1 and n == 1:
            copied = width & ~31
            copy_bytes(out, a, copied)
            copy_exact(out + copied, a + copied, width - copied)
        elif channels == 1:
            rgb_to_gray_row(a, b, c, out, width)
        elif n > 1 and ycc:
            ycbcr_to_rgb_row(a, b, c, out, width, tail)
        else:
            interleave_row(a, b, c, out, width, tail)
