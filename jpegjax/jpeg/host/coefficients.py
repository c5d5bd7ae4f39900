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
from ...run.memory import Pointers, address, borrow, scratch
from ...run.threads import cores, run_parallel
from ...simd import kernel
from ...types import Coefficients, Frame, Process
from .. import files as entropy
from .decode import in_one_scan
from .groups import in_groups

__all__ = ["read_coefficients", "read_rows", "write_coefficients"]

_EOI = 0xD9
_HEADER_BYTES = 1 << 16
"""Of a file whose header may be another's too."""

_SHARE_BYTES, _SHARES = 1 << 16, 2
"""Of files that a call of the kernel takes at least, and how many calls there are for each core at most."""

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
    reader: Reader, files: Sequence[bytes | memoryview], planes: Sequence[np.ndarray], places: np.ndarray
) -> list[bool]:
    """Which of the files are whole, and end behind their one scan; their blocks are then written.

    reader: behind the header that all files have. planes: of one file, as `scan_geometry` takes them. places: int64 [files,
    components], addresses of such planes.
    """
    scan, frame = reader.scan, reader.require_frame()
    assert scan is not None
    table, high, wide = geometry.scan_geometry(frame, scan.components, list(planes))
    octets = Pointers(np.frombuffer(data, np.uint8) for data in files)
    states = np.empty((len(files), DECODE_STATE), np.int64)
    states[:] = decode_state(octets.arrays[0], reader.position, scan.restart_interval)
    states[:, DATA], states[:, LENGTH] = octets.addresses, [len(data) for data in files]
    tables = decode_tables(scan.dc_tables, scan.ac_tables)
    _decode_scans(
        table,
        np.ascontiguousarray(places),
        high * wide,
        wide,
        tables.addresses,
        states,
        scratch("work", DECODE_SCRATCH),
    )
    damaged = states[:, :DAMAGE_FIELDS:2].any(1)
    return (~damaged & (states[:, MARKER] == _EOI)).tolist()


def _tables(reader: Reader) -> tuple[np.ndarray, ...]:
    return tuple(np.array(q).reshape(8, 8) for q in reader.qtables)


def _batch_of_one(planes: Sequence[np.ndarray], tables: tuple[np.ndarray, ...], frame: Frame) -> Coefficients:
    return Coefficients(tuple([plane[None] for plane in planes]), tables, frame)


def read_coefficients(files: Sequence[bytes | memoryview], options: DecodeOptions) -> list[tuple[Any, Notes]]:
    """(Coefficients or the JpegError, warnings) of each file, on all cores."""
    one = caught(lambda i: _alone(files[i], options), JpegError)

    def together(numbers: list[int]) -> Sequence[tuple[Any, Notes] | None]:
        """The shortest file is read alone: what limits let it cost, they let the others."""
        first = min(numbers, key=lambda i: len(files[i]))
        found: dict[int, tuple[Any, Notes]] = {first: one(first)}
        if not isinstance(found[first][0], Exception) and _is_plain(reader := _opened(files[first], options)):
            others = [i for i in numbers if i != first]
            shapes = [plane.shape[1:] for plane in found[first][0].planes]
            planes = [[borrow(shape, np.int16) for shape in shapes] for _ in others]
            places = Pointers(plane for mine in planes for plane in mine)
            whole = _read_alike(
                reader, [files[i] for i in others], planes[0], places.addresses.reshape(len(others), -1)
            )
            tables, frame = _tables(reader), reader.require_frame()
            for i, mine, good in zip(others, planes, whole, strict=True):
                if good:
                    found[i] = _batch_of_one(mine, tuple([table.copy() for table in tables]), frame), []
        return [found.get(i) for i in numbers]

    several = len(files) > 1
    return in_groups([_head(data) or None if several else None for data in files], one, together)


def read_rows(
    files: Sequence[Any], options: DecodeOptions, planes: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, Coefficients]]:
    """Reads files that begin alike straight into the rows of a batch's planes, on all cores: little is done file by file.

    files: contents, or what reading them met. planes: per component int16 [N, rows, columns, 8, 8], C-contiguous, row i for
    file i; what is in rows that are not told of is not said.

    Returns:
        Of each kind (numbers of the files that are whole and read, one of them, whose tables and frame are those of all). The
        others are to be read by `read_coefficients`.
    """
    alike: dict[bytes, list[int]] = {}
    for i, data in enumerate(files):
        if not isinstance(data, Exception) and (head := _head(data)):
            alike.setdefault(head, []).append(i)
    one = caught(lambda i: _alone(files[i], options), JpegError)
    starts = np.array([address(plane) for plane in planes], np.int64)
    strides = np.array([plane.strides[0] for plane in planes], np.int64)
    done = []
    for numbers in alike.values():
        first = min(numbers, key=lambda i: len(files[i]))  # what limits let it cost, they let the others
        found, notes = one(first) if len(numbers) > 1 else (None, ())
        if not isinstance(found, Coefficients) or notes or not _is_plain(reader := _opened(files[first], options)):
            continue
        if [p.shape[1:] for p in found.planes] != [p.shape[1:] for p in planes]:
            continue
        for plane, own in zip(planes, found.planes, strict=True):
            plane[first] = own[0]
        others = np.array([i for i in numbers if i != first])
        count = min(_SHARES * cores(), -(-sum(len(files[i]) for i in others) // _SHARE_BYTES))

        def read(part: np.ndarray, reader: Reader = reader) -> list[bool]:
            rows = [plane[0] for plane in planes]
            return _read_alike(reader, [files[i] for i in part], rows, starts + part[:, None] * strides)

        parts = [part for part in np.array_split(others, count) if part.size]
        whole = np.concatenate(run_parallel(read, parts))
        done.append((np.array([first, *others[whole]]), found))
    return done


def _head(data: bytes | memoryview) -> bytes:
    """What other files may begin with too; b"" for none."""
    return header_of(data) if len(data) <= _HEADER_BYTES else b""


def _opened(data: bytes | memoryview, options: DecodeOptions) -> Reader:
    return parse_header(data, options.limits, options.strict, options.tables, options.color)


def _alone(data: bytes | memoryview, options: DecodeOptions) -> tuple[Coefficients, Notes]:
    reader = _opened(data, options)
    if reader.require_frame().process.lossless:
        raise UnsupportedJpeg("lossless files hold samples, not coefficients; decode gives them", reader.frame_offset)
    reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader)
    return _batch_of_one(planes, _tables(reader), reader.require_frame()), notes


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
