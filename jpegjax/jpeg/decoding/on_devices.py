"""Files to pixels on devices: the host's threads decode coefficients while the devices invert those that came before.

files ──▶ headers ─┬─ scans ──▶ segments of data, where devices decode them faster ──▶ pixels
                   ├─ plain ──▶ coefficients, a bounded number of bytes ahead ──▶ pages in flight ──▶ pixels
                   └─ others, in groups: what is told in floats, by 12 bits, or not known before all scans are read
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import numpy as np

from ...coding.sequential.segments import unstuff_scan
from ...container import Reader, parse_header
from ...errors import JpegError, caught
from ...options import DecodeOptions
from ...run.capacity import memory_named
from ...run.threads import submit
from .. import files as entropy
from ..device import Source, decode_batch, local_devices, reconstruct_batch
from ..host import check_picture, decode_image, in_one_scan
from ..inks import are_inks, rgb_of_inks

__all__ = ["AHEAD_BYTES", "decode_on_devices"]

AHEAD_BYTES = 1 << 22
"""Of files whose coefficients are decoded before they are asked for, some 30 Mpixel; and of those in a group."""

Notes = list[tuple[str, int]]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a batch behind its header. alone: it is the host's. pixels: see `files.decode_image`."""

    index: int
    data: bytes | memoryview
    reader: Reader
    alone: bool
    pixels: int | None


def decode_on_devices(
    files: Sequence[bytes | memoryview], options: DecodeOptions, device: Any, on_device: bool = False
) -> list[tuple[Any, Notes]]:
    """`codec.decode` of whole files, first pictures and nothing restored, by the xla engine.

    on_device: devices decode all data of scans that they can, whatever is faster.
    """
    results: list[tuple[Any, Notes]] = [(None, [])] * len(files)
    plain, others = list[_File](), list[_File]()

    def opened(i: int) -> tuple[Any, Notes]:
        return _opened(i, files[i], options), []

    for i in range(len(files)):
        found, _ = caught(opened, JpegError, ValueError)(i)
        if isinstance(found, _File):
            (plain if _is_plain(found, options) else others).append(found)
        else:
            results[i] = found, []
    plain = _decode_scans(plain, options, device, on_device, results)
    _invert_plain(plain, options, device, results)
    _invert_others(others, options, device, results)
    if device is not None:
        devices = local_devices(device)
        with memory_named(devices):
            results = [(jax.device_put(x, devices[0]) if isinstance(x, np.ndarray) else x, n) for x, n in results]
    return results


def _opened(index: int, data: bytes | memoryview, options: DecodeOptions) -> _File:
    reader = parse_header(data, options.limits, options.strict, options.tables, options.color)
    alone = options.partial or reader.require_frame().process.lossless
    return _File(index, data, reader, alone, None if alone else check_picture(reader, options))


def _is_plain(file: _File, options: DecodeOptions) -> bool:
    """Whether all that inverting takes beside coefficients is known from the header."""
    precision = file.reader.require_frame().precision
    known = all(table is not None for table in file.reader.qtables)
    return known and not file.alone and precision == 8 and not options.precise(precision)


def _decoded(file: _File, options: DecodeOptions) -> tuple[Any, Notes]:
    """(planes, warnings), or pixels where the file is the host's."""
    if file.alone:
        return decode_image(file.data, options)
    _, planes, notes = entropy.decode_image(
        file.data, options.limits, options.strict, file.reader, smooth=True, pixels=file.pixels
    )
    return planes, notes


def _ahead(function: Callable[[_File], R], files: Sequence[_File]) -> Iterator[R]:
    """function's results in order; threads work on the next AHEAD_BYTES of files while the caller has one."""
    if len(files) == 1:
        yield function(files[0])
        return
    running: deque[tuple[int, Any]] = deque()
    size = 0
    for file in files:
        running.append((len(file.data), submit(function, file)))
        size += len(file.data)
        while size > AHEAD_BYTES:
            nbytes, future = running.popleft()
            size -= nbytes
            yield future.result()
    while running:
        yield running.popleft()[1].result()


def _shown(pixels: Any, file: _File, options: DecodeOptions) -> Any:
    """Pixels in the mode that was asked for, where that is made of inks at the end."""
    frame = file.reader.require_frame()
    if options.mode == "RGB" and are_inks(frame) and pixels.shape[2] == 4:
        return rgb_of_inks(pixels, (1 << frame.precision) - 1)
    return pixels


def _tables(files: Sequence[_File]) -> list[Any]:
    return [file.reader.qtables for file in files]


def _rebuilt(files: Sequence[_File], planes: Any, options: DecodeOptions, device: Any) -> Iterator[tuple[_File, Any]]:
    """(file, pixels) of each file that has planes."""
    frames = [file.reader.require_frame() for file in files]
    for k, pixels in reconstruct_batch(
        planes, frames, _tables(files), mode=options.mode, upsample=options.upsample, device=device, options=options
    ):
        yield files[k], _shown(pixels, files[k], options)


def _decode_scans(
    files: Sequence[_File], options: DecodeOptions, device: Any, always: bool, results: list[tuple[Any, Notes]]
) -> list[_File]:
    """The files that are left to the host, when those of one scan are decoded that devices decode faster."""
    alike: dict[Any, list[_File]] = {}
    left = list[_File]()
    for file in files:
        frame = file.reader.require_frame()
        if in_one_scan(file.reader):
            kind = frame.height, frame.width, frame.color, tuple((k.h, k.v) for k in frame.components)
            alike.setdefault(kind, []).append(file)
        else:
            left.append(file)
    for group in alike.values():
        left += _decode_alike(group, options, device, always, results)
    return sorted(left, key=lambda file: file.index)


def _decode_alike(
    files: list[_File], options: DecodeOptions, device: Any, always: bool, results: list[tuple[Any, Notes]]
) -> list[_File]:
    """`_decode_scans` of files of one frame."""
    undone = {file.index for file in files}

    def sources() -> Iterator[Source | None]:
        for file, (found, notes) in zip(files, _ahead(caught(_scan, JpegError), files), strict=True):
            results[file.index] = found if isinstance(found, Exception) else None, notes
            if isinstance(found, Exception):
                undone.remove(file.index)
            yield None if isinstance(found, Exception) else found

    frames = [file.reader.require_frame() for file in files]
    decoded = decode_batch(
        sources(), frames, _tables(files), sum(len(file.data) for file in files),
        mode=options.mode, upsample=options.upsample, device=device, always=always,
    )  # fmt: skip
    if decoded is None:
        return files
    for k, pixels in decoded:
        if pixels is not None:
            undone.remove(files[k].index)
            results[files[k].index] = _shown(pixels, files[k], options), results[files[k].index][1]
    return [_opened(file.index, file.data, options) for file in files if file.index in undone]


def _scan(file: _File) -> tuple[Source | None, Notes]:
    """(data of a file's only scan, and its header; warnings); None where the host should look at the file."""
    reader = file.reader
    frame, scan = reader.require_frame(), reader.scan
    assert scan is not None
    entropy.check_planes(frame, reader.budget, reader.position, file.pixels)
    high, wide = frame.blocks(0) if len(frame.components) == 1 else frame.mcus
    data = unstuff_scan(np.frombuffer(file.data, np.uint8), reader.position, scan.restart_interval, high * wide)
    if data is None:
        return None, []
    reader.resume(data.position)
    try:
        if reader.next_scan() is not None:
            return None, []
    except JpegError:  # there may be worse before it
        return None, []
    return (data, scan), reader.warnings


def _invert_plain(
    files: Sequence[_File], options: DecodeOptions, device: Any, results: list[tuple[Any, Notes]]
) -> None:
    """Coefficients flow to the devices as they come."""

    def planes() -> Iterator[list[np.ndarray] | None]:
        decoded = caught(lambda file: _decoded(file, options), JpegError, ValueError)
        for file, (found, notes) in zip(files, _ahead(decoded, files), strict=True):
            failed = isinstance(found, Exception)
            results[file.index] = found if failed else None, notes
            yield None if failed else found

    for file, pixels in _rebuilt(files, planes(), options, device):
        results[file.index] = pixels, results[file.index][1]


def _invert_others(
    files: Sequence[_File], options: DecodeOptions, device: Any, results: list[tuple[Any, Notes]]
) -> None:
    """Group by group, each when all its coefficients are there."""
    decoded = caught(lambda file: _decoded(file, options), JpegError, ValueError)
    group, size = list[tuple[_File, Any]](), 0
    for k, (file, (found, notes)) in enumerate(zip(files, _ahead(decoded, files), strict=True), 1):
        results[file.index] = found, notes
        if isinstance(found, list):
            group.append((file, found))
        size += len(file.data)
        if size >= AHEAD_BYTES or k == len(files):
            some = [file for file, _ in group]
            for one, pixels in _rebuilt(some, [planes for _, planes in group], options, device):
                results[one.index] = pixels, results[one.index][1]
            group, size = [], 0
