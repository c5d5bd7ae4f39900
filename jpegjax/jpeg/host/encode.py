"""Pixels to files on the CPU: colour, downsampling, FDCT and Huffman coding by strips that stay in cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...annex_k import STANDARD_AC_CHROMA, STANDARD_AC_LUMA, STANDARD_DC_CHROMA, STANDARD_DC_LUMA
from ...coding.geometry import ADDRESS, COLUMNS, FIELDS, FIRST_ROW, ROWS, H, V
from ...coding.sequential.encode import (
    ERROR,
    ERRORS,
    NEXT_RESTART,
    WRITTEN,
    encode_rows,
    encode_state,
    encode_tables,
    finish_encode,
    row_bytes,
    scratch_bytes,
)
from ...container import EOI, dht, dri, header, sos
from ...kernels import twelve_bit as deep
from ...kernels.forward import fill_strip, quantiser, transform_strip
from ...options import EncodeOptions
from ...run.scratch import Strips, address, kept, scratch
from ...run.threads import run_parallel
from ...simd import kernel
from ...types import Frame
from .. import files as entropy
from .parts import row_parts

__all__ = ["encode_image", "transform"]


_STANDARD_DC = STANDARD_DC_LUMA, STANDARD_DC_CHROMA
_STANDARD_AC = STANDARD_AC_LUMA, STANDARD_AC_CHROMA


class Layout:
    """What images of one frame share on their way to blocks: strips, and the scan geometry over them."""

    def __init__(self, frame: Frame):
        self.strips = s = Strips(frame)
        self.full_stride = -(-s.mcus_wide * 8 * s.hmax // 64) * 64 + 64
        self.full = scratch("full", (4 * len(frame.components) + 1) * self.full_stride + 256)
        self.spare = np.zeros(64, np.int16)
        n = len(frame.components)
        self.scan = np.zeros((n, FIELDS), np.int64)
        self.scan[:, ADDRESS] = s.blocks
        self.scan[:, ROWS], self.scan[:, COLUMNS] = s.grid[:, 0], s.grid[:, 1]
        self.scan[:, H], self.scan[:, V] = s.sampling[:, 0], s.sampling[:, 1]
        slots = [entropy.table_slot(frame, c) for c in range(n)]
        self.codes = encode_tables(tuple(_STANDARD_DC[s] for s in slots), tuple(_STANDARD_AC[s] for s in slots))
        self.row_bytes = int(row_bytes(self.scan, s.mcus_wide))
        self.scratch_bytes = int(scratch_bytes(self.scan, s.mcus_wide))
        # what load_strip takes between the picture and the tables
        self.memory = (
            n,
            s.sampling,
            s.samples,
            s.strides,
            address(self.full),
            self.full_stride,
            s.grid,
            address(self.spare),
        )


@kernel
def load_strip(m, image, height, width, n, sampling, samples, strides, full, full_stride, grid, spare, tables, out):
    """MCU row m of an image to quantised blocks.

    tables: int64 [n], addresses of `quantiser`s. out: int64 [n], address of each component's first block of that row.
    """
    fill_strip(image, height, width, n, m, sampling, samples, strides, full, full_stride)
    for c in range(n):
        rows = min(sampling[c, 1], grid[c, 0] - m * sampling[c, 1])
        transform_strip(samples[c], strides[c], rows, grid[c, 1], tables[c], out[c], spare)


@kernel
def transform_rows(row0, row1, image, height, width, memory, tables, planes):
    """MCU rows row0..row1-1 to whole planes. planes: int64 [n], addresses of int16 [rows, columns, 64]."""
    n, sampling, samples, strides, full, full_stride, grid, spare = memory
    out = np.zeros(n, np.int64)
    for m in range(row0, row1):
        for c in range(n):
            out[c] = planes[c] + m * sampling[c, 1] * grid[c, 1] * 128
        load_strip(m, image, height, width, n, sampling, samples, strides, full, full_stride, grid, spare, tables, out)


@kernel
def encode_strips(row0, row1, image, height, width, memory, tables, scan, mcus_wide, codes, state, work, out):
    """MCU rows row0..row1-1 to entropy-coded data; answers as `encode_rows` does."""
    n, sampling, samples, strides, full, full_stride, grid, spare = memory
    blocks = scan[:, ADDRESS].copy()
    for m in range(row0, row1):
        load_strip(
            m, image, height, width, n, sampling, samples, strides, full, full_stride, grid, spare, tables, blocks
        )
        for c in range(n):
            scan[c, FIRST_ROW] = m * sampling[c, 1]
        reached = encode_rows(scan, mcus_wide, m, m + 1, codes, state, work, out)
        if reached != m + 1:
            return reached
    return row1


@lru_cache(maxsize=256)
def _quantisers(steps: tuple[bytes, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    """(int64 [n] addresses of the quantisers of uint16 steps, the tables they point into)."""
    tables = [quantiser(np.frombuffer(s, np.uint16)) for s in steps]
    return np.array([address(t) for t in tables], np.int64), tables


def _steps(qtables: Sequence[np.ndarray]) -> tuple[bytes, ...]:
    return tuple(np.asarray(q, np.uint16).tobytes() for q in qtables)


def transform(image: np.ndarray, frame: Frame, qtables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Quantised coefficients of one image: per component int16 [rows, columns, 8, 8], natural order.

    image: C-contiguous uint8, uint16 for 12 bits: [H, W], [H, W, 3] or [H, W, 4]. qtables: per component uint16 [64].
    """
    if frame.precision != 8:
        return deep.transform(image, frame, qtables)
    layout = kept(("encode", frame), lambda: Layout(frame))
    tables, alive = _quantisers(_steps(qtables))
    planes = [np.empty((*frame.blocks(c), 8, 8), np.int16) for c in range(len(frame.components))]
    addresses = np.array([address(p) for p in planes], np.int64)
    transform_rows(
        0, layout.strips.mcus_high, address(image), frame.height, frame.width, layout.memory, tables, addresses
    )
    del alive
    return planes


@lru_cache(maxsize=64)
def _plain_header(frame: Frame, steps: tuple[bytes, ...]) -> bytes:
    return header(frame, [np.frombuffer(s, np.uint16) for s in steps])


@lru_cache(maxsize=64)
def _scan_head(frame: Frame, interval: int) -> bytes:
    """Everything between SOFn and the data: standard tables, restart interval, scan header."""
    parts = [dht(0, 0, STANDARD_DC_LUMA), dht(1, 0, STANDARD_AC_LUMA)]
    slots = [entropy.table_slot(frame, c) for c in range(len(frame.components))]
    if max(slots):
        parts += [dht(0, 1, STANDARD_DC_CHROMA), dht(1, 1, STANDARD_AC_CHROMA)]
    if interval:
        parts.append(dri(interval))
    parts.append(sos([(k.id, slot, slot) for k, slot in zip(frame.components, slots, strict=True)]))
    return b"".join(parts)


def _entropy_coded(
    image: np.ndarray, frame: Frame, steps: tuple[bytes, ...], interval: int, row0: int, row1: int
) -> bytes:
    """MCU rows row0..row1-1 of an image, entropy-coded with Annex K's tables; row0 starts a restart segment."""
    layout = kept(("encode", frame), lambda: Layout(frame))
    tables, alive = _quantisers(steps)
    wide, codes = layout.strips.mcus_wide, layout.codes
    state = encode_state(interval)
    if interval:
        state[NEXT_RESTART] = row0 * wide // interval % 8
    work = scratch("work", layout.scratch_bytes)
    out = scratch("file", 2 * layout.row_bytes + image.size * (row1 - row0) // layout.strips.mcus_high // 4)
    row = row0
    while True:
        row = encode_strips(
            row, row1, address(image), frame.height, frame.width, layout.memory, tables, layout.scan, wide, codes.addresses,
            state, work, out,
        )  # fmt: skip
        if row == row1 and finish_encode(state, out) >= 0:
            del alive
            return out[: state[WRITTEN]].tobytes()
        if row < 0:
            raise ValueError(ERRORS[state[ERROR]])
        longer = np.empty(2 * out.size + layout.row_bytes, np.uint8)
        longer[: state[WRITTEN]] = out[: state[WRITTEN]]
        out = longer


def encode_image(image: np.ndarray, frame: Frame, qtables: Sequence[np.ndarray], options: EncodeOptions) -> bytes:
    """The file of one image. image: as for `transform`; frame, qtables: as `codec.plan` gives them."""
    fitted = options.optimize or options.progressive or options.arithmetic or frame.precision != 8
    if (
        fitted
        or options.scans is not None
        or (len(frame.components) == 4 and len(entropy.sequential_script(frame)) > 1)
    ):
        return entropy.encode_image(transform(image, frame, qtables), frame, qtables, options)
    steps = _steps(qtables)
    high, wide = frame.blocks(0) if len(frame.components) == 1 else frame.mcus
    interval = options.restart.interval(wide)
    parts = row_parts(high, wide, interval, frame.height * frame.width)
    coded = run_parallel(lambda part: _entropy_coded(image, frame, steps, interval, part[1], part[2]), parts)
    for i in range(1, len(parts)):
        coded[i] = bytes([0xFF, 0xD0 + (parts[i][1] * wide // interval - 1) % 8]) + coded[i]
    head = header(frame, qtables, options.metadata) if options.metadata else _plain_header(frame, steps)
    return b"".join([head, _scan_head(frame, interval), *coded, EOI])
