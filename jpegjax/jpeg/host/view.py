"""Coefficients to pixels on the CPU: inverse DCT, upsampling and colour by strips that stay in cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...coding import geometry
from ...coding.sequential.decode import decode_mcus, finish_decode
from ...kernels import twelve_bit
from ...kernels.dct import idct_strip
from ...kernels.planes import Picture, emit_rows
from ...kernels.quant import dequantiser, step_bytes
from ...kernels.rows import copy_bytes
from ...kernels.sampling import (
    CHEIGHT,
    CWIDTH,
    FANCY_H1V2,
    FANCY_H2V2,
    FIELDS,
    HRATIO,
    KIND,
    SAMPLES,
    STRIDE,
    VRATIO,
)
from ...kernels.scaled.factors import scaled_dequantiser, transform_of
from ...kernels.scaled.strips import WORK_BYTES, plane_samples, scaled_strip
from ...run.memory import Pointers, address, borrow, discard, kept, scratch, scratch_parts
from ...simd import kernel
from ...types import ColorSpace, Frame
from .strips import strip_geometry
from .window import Window, channels_of, used_of, whole

__all__ = ["View", "decode_window", "picture_of_planes", "reconstruct", "view_of"]

# columns of the table of components behind those of `sampling`
HIGH, WIDE = FIELDS, FIELDS + 1  # real block rows and columns in the window
DOWN = FIELDS + 2  # block rows of an MCU row
SIZE = FIELDS + 3  # samples a side of a block
TRANSFORM = FIELDS + 4  # address of a `transform_of` that size

_BAND = 64
"""MCU rows after which coefficients that are not needed any more give their memory back."""


class ViewStrips(NamedTuple):
    """Where the samples of one MCU row are, and how they become rows of pixels."""

    table: np.ndarray
    """int64 [n, TRANSFORM + 1] of the components that the picture takes"""
    mcu_height: int
    lag: int
    """rows of pixels that wait for the next strip, where upsampling looks"""
    ycc: int
    """1 where the first three components are YCbCr"""
    rows: int
    """address of 8 parts of `span` bytes, scratch of `emit_rows`"""
    span: int


class View:
    """What pictures of one window share: strips of blocks and samples, scan geometry, upsampling."""

    def __init__(self, window: Window, mode: str | None, upsample: str):
        frame = window.frame
        shares = window.shares()
        self.used: int = used_of(frame, mode)
        self.shape: tuple[int, int, int] = (*window.shape, channels_of(frame, mode))
        self.sizes: tuple[int, ...] = tuple([share.size for share in shares[: self.used]])
        rows, nbytes = [], []
        for share, upsampling in zip(shares, window.upsampling(self.used, upsample == "fancy"), strict=False):
            row = [0] * (TRANSFORM + 1)
            row[KIND], row[HRATIO], row[VRATIO] = upsampling
            row[SIZE], row[DOWN], _, _, row[HIGH], row[WIDE], row[CHEIGHT], row[CWIDTH] = share
            row[STRIDE] = (share.columns * share.size + 64 + 127) // 64 * 64
            rows.append(row)
            nbytes.append(row[STRIDE] * (share.size * share.down + 1) + 64)  # with a row of context before them
        blocks = [share.down * frame.blocks(c)[1] for c, share in enumerate(shares)]
        span = -(-self.shape[1] // 64) * 64 + 256
        nbytes += [*(128 * n + 128 for n in blocks), *(n + 64 for n in blocks), 8 * span, WORK_BYTES]
        self.memory: Pointers = scratch_parts("strips", nbytes)
        self.transforms: Pointers = _transforms(self.sizes)
        at, n = self.memory.addresses, len(blocks)
        table = np.array(rows, np.int64)
        table[:, SAMPLES] = at[: self.used] + table[:, STRIDE]
        table[:, TRANSFORM] = self.transforms.addresses
        block_at, last_at = at[self.used : self.used + 2 * n].reshape(2, n)
        self.geometry: np.ndarray = strip_geometry(frame, block_at, last_at)
        self.top: np.ndarray
        self.left: np.ndarray
        self.top, self.left = np.array([(s.top, s.left) for s in shares[: self.used]]).T.copy()
        lag = int(any(row[KIND] in (FANCY_H1V2, FANCY_H2V2) for row in rows))
        ycc = int(frame.color in (ColorSpace.YCBCR, ColorSpace.YCCK))
        self.strips: ViewStrips = ViewStrips(table, window.mcu[0], lag, ycc, int(at[-2]), span)
        self.scaled: int | None = None if set(self.sizes) == {8} else int(at[-1])
        """Scratch of WORK_BYTES; None where no block is scaled: those kernels are not even compiled then."""

    def dequantisers(self, qtables: Sequence[np.ndarray]) -> Pointers:
        """uint16 [64] of each component, natural order, as the kernels take them."""
        return _dequantisers(step_bytes(qtables[: self.used]), self.sizes)

    def picture(self) -> tuple[np.ndarray, Picture]:
        """(pixels uint8 [H, W] or [H, W, channels] that are still to be written, the same for kernels)."""
        pixels = borrow(self.shape)
        return pixels[..., 0] if self.shape[2] == 1 else pixels, Picture(address(pixels), *self.shape)


@lru_cache(maxsize=256)
def _transforms(sizes: tuple[int, ...]) -> Pointers:
    return Pointers(transform_of(size) for size in sizes)


@lru_cache(maxsize=256)
def _dequantisers(steps: tuple[bytes, ...], sizes: tuple[int, ...]) -> Pointers:
    tables = [np.frombuffer(s, np.uint16) for s in steps]
    return Pointers((dequantiser if n == 8 else scaled_dequantiser)(q) for q, n in zip(tables, sizes, strict=True))


def view_of(window: Window, mode: str | None, upsample: str) -> View:
    """The view of this thread."""
    return kept((window, mode, upsample), lambda: View(window, mode, upsample))


@kernel
def _finish_strip(m, first, blocks, extents, pitches, steps, strips, picture, scaled):
    """Inverse DCT of MCU row m of the window and the rows that it completes; keeps the last samples as context.

    first: MCU row from which on pixels are written. blocks, extents: int64 [n], addresses of the strip's first block in
    the window and of its last index (0: not known), `pitches` blocks a row. steps: int64 [n], addresses of dequantisers.
    scaled: as `View` has it.
    """
    table, lag = strips.table, strips.lag
    for c in range(len(table)):
        t = table[c]
        here = min(t[DOWN], t[HIGH] - m * t[DOWN])
        if scaled is None or t[SIZE] == 8:  # numba leaves the rest out where it is
            idct_strip(blocks[c], extents[c], pitches[c], here, t[WIDE], steps[c], t[SAMPLES], t[STRIDE])
        else:
            scaled_strip(
                blocks[c], extents[c], pitches[c], here, t[WIDE], t[TRANSFORM], steps[c], scaled, t[SAMPLES], t[STRIDE]
            )
    top = m * strips.mcu_height
    end = top + strips.mcu_height
    if m >= first:
        row0, row1 = max(top - lag, 0), picture.height if end >= picture.height else end - lag
        emit_rows(table, strips.ycc, picture, row0, row1, top, strips.rows, strips.span)
    if lag:
        for c in range(len(table)):
            t = table[c]
            last = t[SAMPLES] + (t[SIZE] * t[DOWN] - 1) * t[STRIDE]
            copy_bytes(t[SAMPLES] - t[STRIDE], last, t[STRIDE] - 64)


@kernel
def _reconstruct_rows(row0, row1, planes, pitches, steps, strips, picture, scaled):
    """MCU rows row0..row1-1 of the window, from whole planes. planes: int64 [n], addresses of its first blocks."""
    table = strips.table
    blocks, extents = np.zeros(len(planes), np.int64), np.zeros(len(planes), np.int64)
    for m in range(row0, row1):
        for c in range(len(planes)):
            blocks[c] = planes[c] + m * table[c, DOWN] * pitches[c] * 128
        _finish_strip(m, 0, blocks, extents, pitches, steps, strips, picture, scaled)


@kernel
def decode_window(mcu, window_row, first, end, left, coding, steps, strips, images, picture, scaled, through):
    """MCUs of sequential scans from number `mcu` on; of the window that begins at row window_row, rows first..end-1 to pixels.

    left: int64 [n], the window's first block columns. coding: Coding, whose state is int64 [pictures, DECODE_STATE] of their
    scans. images: int64 [pictures], addresses of pictures that are otherwise as `picture` says. through: 1 to go behind the
    scans at last.
    """
    table, mcus_wide, tables, states, work = coding
    n = len(left)
    blocks, extents = table[:n, geometry.ADDRESS] + left * 128, table[:n, geometry.LAST] + left
    pitches = table[:n, geometry.COLUMNS].copy()
    context = max(first - 1, 0)
    for i in range(len(images)):
        state, image = states[i], Picture(images[i], picture.height, picture.width, picture.channels)
        row = mcu // mcus_wide
        while row < window_row + end:
            for c in range(len(table)):
                table[c, geometry.FIRST_ROW] = row * table[c, geometry.V]
            begin = max(mcu, row * mcus_wide)
            row += 1
            decode_mcus(table, mcus_wide, begin, row * mcus_wide, tables, state, work)
            if row - 1 - window_row >= context:
                _finish_strip(row - 1 - window_row, first, blocks, extents, pitches, steps, strips, image, scaled)
        if through != 0:
            finish_decode(state)


def _deep_picture(
    planes: Sequence[np.ndarray], window: Window, qtables: Sequence[np.ndarray], mode: str | None, upsample: str
) -> np.ndarray:
    """The window of a 12-bit picture: uint16 [H, W] or [H, W, channels]."""
    frame = window.frame
    used, shares, samples = used_of(frame, mode), window.shares(), []
    table = np.zeros((used, FIELDS), np.int64)
    table[:, [KIND, HRATIO, VRATIO]] = window.upsampling(used, upsample == "fancy")
    for row, share, plane, qtable in zip(table, shares, planes, qtables, strict=False):
        size, _, top, left, rows, columns, row[CHEIGHT], row[CWIDTH] = share
        out = borrow((rows * size, columns * size), np.uint16)
        if size == 8:
            twelve_bit.inverse_plane(plane.reshape(*plane.shape[:2], 64), top, left, qtable.astype(np.int64), out)
        else:
            first = address(plane) + (top * plane.shape[1] + left) * 128
            transform, steps = transform_of(size, 12), scaled_dequantiser(qtable, 12)
            work = scratch("work", WORK_BYTES)
            plane_samples(
                first, plane.shape[1], rows, columns, address(transform), address(steps), address(work), address(out),
                out.strides[0],
            )  # fmt: skip
        samples.append(out)
    return twelve_bit.picture(samples, table, frame.color, window.shape, channels_of(frame, mode))


def picture_of_planes(
    planes: Sequence[np.ndarray],
    window: Window,
    qtables: Sequence[np.ndarray],
    mode: str | None,
    upsample: str,
    consume: bool = False,
) -> np.ndarray:
    """Pixels of a window from whole planes; all as for `reconstruct`.

    consume: the planes are not needed any more, so that those of large pictures give their memory back while pixels
    take it.
    """
    if window.frame.precision != 8:
        return _deep_picture(planes, window, qtables, mode, upsample)
    view = view_of(window, mode, upsample)
    pixels, picture = view.picture()
    steps = view.dequantisers(qtables)
    pitches = view.geometry[: view.used, geometry.COLUMNS].copy()
    firsts = Pointers(planes[: view.used]).addresses + (view.top * pitches + view.left) * 128
    high = window.row1 - window.row0
    band = _BAND if consume else high
    for row in range(0, high, band):
        end = min(row + band, high)
        _reconstruct_rows(row, end, firsts, pitches, steps.addresses, view.strips, picture, view.scaled)
        if consume:
            for plane, (_, v) in zip(planes, window.sampling, strict=True):
                discard(plane[(window.row0 + row) * v : (window.row0 + end) * v])
    return pixels


def reconstruct(
    planes: Sequence[np.ndarray],
    frame: Frame,
    qtables: Sequence[np.ndarray],
    mode: str | None = None,
    upsample: str = "fancy",
) -> np.ndarray:
    """Pixels of one image from its coefficients.

    planes: per component C-contiguous int16 [rows, columns, 8, 8]. qtables: per component uint16 [64]. Returns uint8,
    uint16 for 12 bits: [H, W], [H, W, 3] or [H, W, 4]. UnsupportedJpeg for colour spaces and ratios without a rule.
    """
    return picture_of_planes(planes, whole(frame), qtables, mode, upsample)
