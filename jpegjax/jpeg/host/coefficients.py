"""Files to coefficients and back: those that begin alike, as files of one encoder do, by one call of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...coding import geometry
from ...coding.restarts import DAMAGE_FIELDS
from ...coding.sequential.decode import (
    DATA,
    DECODE_SCRATCH,
    DECODE_STATE,
    LENGTH,
    MARKER,
    decode_mcus,
    decode_state,
    decode_tables,
    finish_decode,
)
from ...container import Reader, header_of, parse_header
from ...errors import JpegError, UnsupportedJpeg, caught
from ...options import DecodeOptions, EncodeOptions
from ...run.memory import Pointers, borrow, scratch
from ...simd import kernel
from ...types import Coefficients, Frame, Process
from .. import files as entropy
from .decode import in_one_scan
from .groups import in_groups

__all__ = ["read_coefficients", "write_coefficients"]

_EOI = 0xD9
_HEADER_BYTES = 1 << 16
"""Of a file whose header may be another's too."""

Notes = list[tuple[str, int]]


@kernel
def _decode_scans(table, places, mcus, mcus_wide, tables, states, work):
    """One scan of each file. places: int64 [files, components], addresses of planes. states: int64 [files, DECODE_STATE]."""
    for i in range(len(states)):
        for c in range(len(table)):
            table[c, geometry.ADDRESS] = places[i, c]
        decode_mcus(table, mcus_wide, 0, mcus, tables, states[i], work)
        finish_decode(states[i])


def _is_plain(reader: Reader) -> bool:
    """Whether files with the header that was read may hold one scan and no more."""
    return not reader.warnings and reader.lines_offset is None and in_one_scan(reader)


def _read_alike(
    reader: Reader, files: Sequence[bytes | memoryview], planes: Sequence[Sequence[np.ndarray]]
) -> list[bool]:
    """Which of the files are whole, and end behind their one scan; the planes of these are then written.

    reader: behind the header that all files have. planes: of each file as `scan_geometry` takes them.
    """
    scan, frame = reader.scan, reader.require_frame()
    assert scan is not None
    table, high, wide = geometry.scan_geometry(frame, scan.components, list(planes[0]))
    octets = Pointers(np.frombuffer(data, np.uint8) for data in files)
    states = np.empty((len(files), DECODE_STATE), np.int64)
    states[:] = decode_state(octets.arrays[0], reader.position, scan.restart_interval)
    states[:, DATA], states[:, LENGTH] = octets.addresses, [len(data) for data in files]
    places = Pointers(plane for one in planes for plane in one)
    tables = decode_tables(scan.dc_tables, scan.ac_tables)
    _decode_scans(
        table, places.addresses.reshape(len(files), -1), high * wide, wide, tables.addresses, states,
        scratch("work", DECODE_SCRATCH),
    )  # fmt: skip
    damaged = states[:, :DAMAGE_FIELDS:2].any(1)
    return (~damaged & (states[:, MARKER] == _EOI)).tolist()


def _tables(reader: Reader) -> tuple[np.ndarray, ...]:
    return tuple(np.array(q).reshape(8, 8) for q in reader.qtables)


def _batch_of_one(planes: Sequence[np.ndarray], tables: tuple[np.ndarray, ...], frame: Frame) -> Coefficients:
    return Coefficients(tuple([plane[None] for plane in planes]), tables, frame)


def read_coefficients(
    files: Sequence[bytes | memoryview], options: DecodeOptions, rows: Sequence[Sequence[np.ndarray]] | None = None
) -> list[tuple[Any, Notes]]:
    """(Coefficients or the JpegError, warnings) of each file, on all cores.

    rows: of each file planes int16 [rows, columns, 8, 8], C-contiguous, which its result may take where their shapes are its
    own; what is in them otherwise is not said.
    """

    def opened(i: int) -> Reader:
        return parse_header(files[i], options.limits, options.strict, options.tables, options.color)

    def alone(i: int) -> tuple[Coefficients, Notes]:
        reader = opened(i)
        if reader.require_frame().process.lossless:
            raise UnsupportedJpeg(
                "lossless files hold samples, not coefficients; decode gives them", reader.frame_offset
            )
        reader, planes, notes = entropy.decode_image(files[i], options.limits, options.strict, reader)
        return _batch_of_one(planes, _tables(reader), reader.require_frame()), notes

    one = caught(alone, JpegError)

    def together(numbers: list[int]) -> Sequence[tuple[Any, Notes] | None]:
        """The shortest file is read alone: what limits let it cost, they let the others."""
        first = min(numbers, key=lambda i: len(files[i]))
        found: dict[int, tuple[Any, Notes]] = {first: one(first)}
        if not isinstance(found[first][0], Exception) and _is_plain(reader := opened(first)):
            others = [i for i in numbers if i != first]
            shapes = [plane.shape[1:] for plane in found[first][0].planes]
            fit = rows is not None and all([p.shape for p in rows[i]] == shapes for i in others)
            planes = [rows[i] if fit and rows else [borrow(s, np.int16) for s in shapes] for i in others]
            whole = _read_alike(reader, [files[i] for i in others], planes)
            tables, frame = _tables(reader), reader.require_frame()
            for i, mine, good in zip(others, planes, whole, strict=True):
                if good:
                    found[i] = _batch_of_one(mine, tuple([table.copy() for table in tables]), frame), []
        return [found.get(i) for i in numbers]

    several = len(files) > 1
    heads = [header_of(data) if several and len(data) <= _HEADER_BYTES else b"" for data in files]
    return in_groups([head or None for head in heads], one, together)


def _checked(c: Coefficients) -> tuple[list[np.ndarray], Frame, list[np.ndarray]]:
    """Planes int16 [rows, columns, 8, 8], frame and tables of a batch of one; ValueError or TypeError where they do not fit."""
    frame = c.frame
    if not len(c.planes) == len(c.qtables) == len(frame.components) > 0:
        raise ValueError(
            f"coefficients: {len(c.planes)} planes, {len(c.qtables)} tables, {len(frame.components)} components"
        )
    planes, tables = [], []
    for k, (plane, table) in enumerate(zip(c.planes, c.qtables, strict=True)):
        plane, table = np.asarray(plane), np.asarray(table)
        want = (1, *frame.blocks(k), 8, 8)
        if plane.shape != want:
            raise ValueError(f"planes[{k}]: shape {plane.shape}; the frame needs {want}")
        if plane.dtype.kind not in "iu":
            raise TypeError(f"planes[{k}]: dtype {plane.dtype}; must be integer")
        if plane.dtype != np.int16 and (plane.min() < -32768 or plane.max() > 32767):
            raise ValueError(f"planes[{k}]: values {plane.min()}..{plane.max()}; must fit int16")
        if table.size != 64 or table.dtype.kind not in "iu" or table.min() < 1 or table.max() > 65_535:
            raise ValueError(f"qtables[{k}]: must hold 64 integer steps 1..65535")
        planes.append(np.ascontiguousarray(plane[0], np.int16))
        tables.append(np.ascontiguousarray(table.reshape(64), np.uint16))
    return planes, frame, tables


def write_coefficients(c: Coefficients, options: EncodeOptions) -> bytes:
    """The file of a batch of one. ValueError or TypeError where it is none."""
    planes, frame, tables = _checked(c)
    sequential = Process.BASELINE if frame.precision == 8 else Process.EXTENDED
    process = Process.PROGRESSIVE if options.progressive else sequential
    if frame.process is not process:
        frame = Frame(frame.height, frame.width, frame.components, process, frame.precision, frame.color)
    return entropy.encode_image(planes, frame, tables, options)
