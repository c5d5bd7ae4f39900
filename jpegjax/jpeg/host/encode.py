"""Pixels to files on the CPU: colour, downsampling, FDCT and Huffman coding by strips that stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ...coding.geometry import ADDRESS, COLUMNS, FIRST_ROW, ROWS, V
from ...coding.sequential.encode import (
    BITS,
    ERROR,
    ERRORS,
    INTERVAL,
    NEXT_RESTART,
    PREDICTORS,
    TO_GO,
    WRITTEN,
    EncodeTables,
    encode_rows,
    encode_state,
    finish_encode,
    row_bytes,
    scratch_bytes,
)
from ...container import EOI
from ...kernels import twelve_bit
from ...kernels.dct import quantised_strip
from ...kernels.planes import Picture, Strips, fill_strip
from ...kernels.quant import quantiser, step_bytes
from ...kernels.smoothing import smoothed_strips
from ...kernels.tuned.dering import ROUNDED, deringed_strip, deringer
from ...options import EncodeOptions
from ...run.memory import Pointers, address, borrow, kept, scratch, scratch_parts
from ...run.threads import run_parallel
from ...simd import kernel
from ...types import ColorSpace, Frame
from .. import files
from ..one_scan import plain_file, plain_opening
from .parts import row_parts
from .strips import Coding, strip_geometry

__all__ = ["PlainCoder", "are_plain", "encode_image", "transform"]


class Layout:
    """What images of one frame share on their way to blocks: strips, and the scan geometry over them."""

    def __init__(self, frame: Frame):
        n = len(frame.components)
        sampling = np.array([(1, 1)] if n == 1 else [(k.h, k.v) for k in frame.components], np.int64)
        hmax, vmax = (int(m) for m in sampling.max(axis=0))
        self.mcus_high: int
        self.mcus_wide: int
        self.mcus_high, self.mcus_wide = frame.blocks(0) if n == 1 else frame.mcus
        strides = (self.mcus_wide * 8 * sampling[:, 0] + 64 + 127) // 64 * 64
        blocks = np.array([v * frame.blocks(c)[1] for c, (_, v) in enumerate(sampling.tolist())])
        full_stride = -(-self.mcus_wide * 8 * hmax // 64) * 64 + 64
        sizes = [*(strides * 8 * sampling[:, 1] + 64), *(blocks * 128 + 128), (4 * n + 1) * full_stride + 256]
        self.memory: Pointers = scratch_parts("strips", sizes)
        at = self.memory.addresses
        ycc = int(frame.color is ColorSpace.YCBCR)
        self.strips: Strips = Strips(sampling, hmax, vmax, at[:n].copy(), strides, int(at[-1]), full_stride, ycc)
        self.geometry: np.ndarray = strip_geometry(frame, at[n : 2 * n])
        self.codes: EncodeTables = files.plain_tables(frame, range(n))
        self.row_bytes: int = int(row_bytes(self.geometry, self.mcus_wide))
        self.scratch_bytes: int = int(scratch_bytes(self.geometry, self.mcus_wide))


def _layout(frame: Frame) -> Layout:
    """The layout of this thread."""
    return kept(("encode", frame), lambda: Layout(frame))


@kernel
def _load_strip(m, picture, strips, geometry, tables, blocks, ringing):
    """MCU row m of an image to quantised blocks.

    tables: int64 [n], addresses of `quantiser`s. blocks: int64 [n], address of each component's first block of that row.
    ringing: address of luma's `deringer`, 0 for none.
    """
    fill_strip(picture, m, strips)
    for c in range(len(geometry)):
        v, columns = geometry[c, V], geometry[c, COLUMNS]
        rows = min(v, geometry[c, ROWS] - m * v)
        if c == 0 and ringing:
            deringed_strip(strips.samples[c], strips.strides[c], rows, columns, ringing, tables[c], blocks[c])
        else:
            quantised_strip(strips.samples[c], strips.strides[c], rows, columns, tables[c], blocks[c])


@kernel
def _transform_rows(row0, row1, picture, strips, geometry, tables, planes, ringing):
    """MCU rows row0..row1-1 to whole planes. planes: int64 [n], addresses of int16 [rows, columns, 64]."""
    blocks = planes.copy()
    for m in range(row0, row1):
        for c in range(len(planes)):
            blocks[c] = planes[c] + m * geometry[c, V] * geometry[c, COLUMNS] * 128
        _load_strip(m, picture, strips, geometry, tables, blocks, ringing)


@kernel
def _encode_strips(row, row0, row1, images, picture, strips, tables, coding, out, ends):
    """MCU rows row0..row1-1 of pictures, the first one from `row` on, to entropy-coded data, one behind the other.

    images: int64 [n], addresses of pictures that are otherwise as `picture` says. ends: int64 [n], where in `out` each
    one's data end. Answers (pictures done, row reached in the next), the row as `encode_rows` does.
    """
    geometry, mcus_wide, codes, state, work = coding
    blocks = geometry[:, ADDRESS].copy()
    for i in range(len(images)):
        image = Picture(images[i], picture.height, picture.width, picture.channels)
        for m in range(row, row1):
            _load_strip(m, image, strips, geometry, tables, blocks, 0)
            for c in range(len(geometry)):
                geometry[c, FIRST_ROW] = m * geometry[c, V]
            reached = encode_rows(geometry, mcus_wide, m, m + 1, codes, state, work, out)
            if reached != m + 1:
                return i, reached
        if finish_encode(state, out) < 0:
            return i, row1
        ends[i] = state[WRITTEN]
        state[TO_GO] = state[INTERVAL]
        state[BITS] = state[NEXT_RESTART] = 0
        for c in range(len(geometry)):
            state[PREDICTORS + c] = 0
        row = row0
    return len(images), row0


@lru_cache(maxsize=256)
def _quantisers(steps: tuple[bytes, ...]) -> Pointers:
    """The quantisers of uint16 steps."""
    return Pointers(quantiser(np.frombuffer(s, np.uint16)) for s in steps)


def _picture(image: np.ndarray, frame: Frame) -> Picture:
    return Picture(address(image), frame.height, frame.width, len(frame.components))


def _transform_strips(
    strips: Iterable[np.ndarray], frame: Frame, tables: np.ndarray, planes: list[np.ndarray], ringing: int
) -> None:
    """Samples by MCU rows, int32 [n, 8·vmax, padded], to whole planes. tables, ringing: as for `_load_strip`."""
    alone = len(planes) == 1
    for m, samples in enumerate(strips):
        for c, (k, plane) in enumerate(zip(frame.components, planes, strict=True)):
            v, columns = 1 if alone else k.v, plane.shape[1]
            part = plane[m * v : (m + 1) * v]
            rows = np.zeros((8 * v, 8 * columns + 64), np.uint8)
            rows[:, : 8 * columns] = samples[c, : 8 * v, : 8 * columns]
            where = address(rows), rows.shape[1], len(part), columns
            if c == 0 and ringing:
                deringed_strip(*where, ringing, tables[c], address(part))
            else:
                quantised_strip(*where, tables[c], address(part))


def transform(
    image: np.ndarray,
    frame: Frame,
    qtables: Sequence[np.ndarray],
    empty: Callable[..., np.ndarray] = np.empty,
    smoothing: int = 0,
    dering: bool = False,
) -> list[np.ndarray]:
    """Quantised coefficients of one image: per component int16 [rows, columns, 8, 8], natural order.

    image: C-contiguous uint8, uint16 for 12 bits: [H, W], [H, W, 3] or [H, W, 4]. qtables: per component uint16 [64].
    empty: where planes of 8-bit images come from, `np.empty` or `borrow`. smoothing: 0..100. dering: let luma
        overshoot, where components are grey or YCbCr of 8 bits.
    """
    strips = smoothed_strips(image, frame, smoothing) if smoothing else None
    if frame.precision != 8:
        return twelve_bit.transform(image, frame, qtables, strips)
    tables = _quantisers(step_bytes(qtables))
    planes = [empty((*frame.blocks(c), 8, 8), np.int16) for c in range(len(frame.components))]
    table = deringer(qtables[0], ROUNDED) if dering else None
    ringing = 0 if table is None else address(table)
    if strips is not None:
        _transform_strips(strips, frame, tables.addresses, planes, ringing)
        return planes
    layout = _layout(frame)
    _transform_rows(
        0, layout.mcus_high, _picture(image, frame), layout.strips, layout.geometry, tables.addresses,
        Pointers(planes).addresses, ringing,
    )  # fmt: skip
    return planes


class RowCoder:
    """Entropy coding of images of one frame with Annex K's tables, on this thread. interval: MCUs between restarts."""

    def __init__(self, frame: Frame, steps: tuple[bytes, ...], interval: int):
        self.layout: Layout = _layout(frame)
        self.tables: Pointers = _quantisers(steps)
        self.state: np.ndarray = encode_state(interval)
        self.work: np.ndarray = scratch("work", self.layout.scratch_bytes)
        layout = self.layout
        self.coding: Coding = Coding(layout.geometry, layout.mcus_wide, layout.codes.addresses, self.state, self.work)
        self.picture: Picture = Picture(0, frame.height, frame.width, len(frame.components))

    def encode(self, images: Sequence[np.ndarray], row0: int, row1: int) -> list[bytes]:
        """MCU rows row0..row1-1 of each image, C-contiguous; row0 starts a restart segment."""
        layout, state = self.layout, self.state
        interval = state[INTERVAL]
        state[:] = 0
        state[INTERVAL] = state[TO_GO] = interval
        if row0:
            state[NEXT_RESTART] = row0 * layout.mcus_wide // interval % 8
        nbytes = len(images) * images[0].size * (row1 - row0) // layout.mcus_high
        out = scratch("file", 2 * layout.row_bytes + nbytes // 4)
        addresses, ends = np.array([address(image) for image in images], np.int64), np.empty(len(images), np.int64)
        done, row = 0, row0
        while True:
            count, row = _encode_strips(
                row, row0, row1, addresses[done:], self.picture, layout.strips, self.tables.addresses, self.coding, out,
                ends[done:],
            )  # fmt: skip
            done += count
            written = int(state[WRITTEN])
            if done == len(images):
                break
            if row < 0:
                raise ValueError(ERRORS[state[ERROR]])
            longer = np.empty(2 * out.size + layout.row_bytes, np.uint8)
            longer[:written] = out[:written]
            out = longer
        coded = out[:written].tobytes()
        return [coded] if done == 1 else [coded[start:end] for start, end in pairwise([0, *ends.tolist()])]


def are_plain(frame: Frame, options: EncodeOptions) -> bool:
    """Whether files are one sequential scan by Annex K's tables, which needs no planes."""
    return not (
        options.optimize
        or options.progressive
        or options.arithmetic
        or frame.precision != 8
        or options.streamtype
        or options.smoothing
        or options.dering
        or options.scans is not None
        or (len(frame.components) == 4 and len(files.sequential_script(frame)) > 1)
    )


class PlainCoder:
    """Files of small images of one plan, where these `are_plain`, on this thread."""

    def __init__(self, frame: Frame, qtables: Sequence[np.ndarray], options: EncodeOptions):
        steps = step_bytes(qtables)
        self.mcus_high: int
        self.mcus_high, wide = frame.blocks(0) if len(frame.components) == 1 else frame.mcus
        interval = options.restart.interval(wide)
        self.opening: bytes = plain_opening(frame, steps, interval, options.metadata)
        self.rows: RowCoder = RowCoder(frame, steps, interval)

    def encode(self, images: Sequence[np.ndarray]) -> list[bytes]:
        """images: C-contiguous uint8, as the frame has them. ValueError if one of them has no code."""
        return [b"".join((self.opening, data, EOI)) for data in self.rows.encode(images, 0, self.mcus_high)]


def encode_image(image: np.ndarray, frame: Frame, qtables: Sequence[np.ndarray], options: EncodeOptions) -> bytes:
    """The file of one image. image: as for `transform`; frame, qtables: as `codec.plan` gives them."""
    if not are_plain(frame, options):
        planes = transform(image, frame, qtables, borrow, options.smoothing, bool(options.dering))
        return files.encode_image(planes, frame, qtables, options)
    steps = step_bytes(qtables)
    high, wide = frame.blocks(0) if len(frame.components) == 1 else frame.mcus
    interval = options.restart.interval(wide)
    parts = row_parts(high, wide, interval, frame.height * frame.width)
    coded = run_parallel(lambda part: RowCoder(frame, steps, interval).encode([image], part[1], part[2])[0], parts)
    segments = [(first * wide // (interval or 1), data) for (_, first, _), data in zip(parts, coded, strict=True)]
    return plain_file(frame, steps, interval, options.metadata, segments)
