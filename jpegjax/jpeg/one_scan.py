"""Baseline files of one scan whose data are coded elsewhere: by strips on the host, or on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..coding.sequential.encode import ERRORS
from ..container import EOI
from ..container.write import frame_header, opening
from ..errors import attempted
from ..options import EncodeOptions, Metadata
from ..types import Frame, Scan
from .files import STANDARD, restart_interval, scan_heads, sequential_script, table_slot

if TYPE_CHECKING:
    from .device import Coded

__all__ = ["code_scans", "coded_file", "coded_files", "only_scan", "plain_file", "plain_opening"]


def only_scan(frame: Frame, options: EncodeOptions) -> Scan | None:
    """The scan, its restart interval in it, of a file that has one of Huffman codes for samples of 8 bits; else None."""
    script = sequential_script(frame)
    if (
        options.progressive
        or options.arithmetic
        or options.scans is not None
        or frame.precision != 8
        or len(script) > 1
    ):
        return None
    return replace(script[0], restart_interval=restart_interval(frame, script[0], options))


@lru_cache(maxsize=64)
def _plain_start(frame: Frame, steps: tuple[bytes, ...], interval: int) -> bytes:
    """All that stands between the metadata and the data of a file of one scan."""
    scan = Scan(tuple(range(len(frame.components))), restart_interval=interval)
    return frame_header(frame, [np.frombuffer(s, np.uint16) for s in steps]) + scan_heads(frame, [scan])[0]


_bare_opening = lru_cache(opening)
"""Of a colour, without metadata."""


def plain_opening(frame: Frame, steps: tuple[bytes, ...], interval: int, metadata: Metadata) -> bytes:
    """All that stands before the data of a `plain_file`."""
    first = opening(frame.color, metadata) if metadata else _bare_opening(frame.color)
    return first + _plain_start(frame, steps, interval)


def plain_file(
    frame: Frame, steps: tuple[bytes, ...], interval: int, metadata: Metadata, segments: Sequence[tuple[int, bytes]]
) -> bytes:
    """A baseline file of one scan by Annex K's tables, as `encode_image` writes it, from data that are coded already.

    steps: per component uint16 [64] in natural order. interval: MCUs between restarts, 0 for none. segments: parts of the
    data, each with the number of the restart segment that it begins.
    """
    parts = [plain_opening(frame, steps, interval, metadata)]
    for number, data in segments:
        parts += [bytes([0xFF, 0xD0 + (number - 1) % 8]), data] if number else [data]
    return b"".join([*parts, EOI])


def coded_file(plan: tuple[Frame, Sequence[np.ndarray]], options: EncodeOptions, coded: Coded) -> bytes:
    """`encode_image`'s file of an `only_scan` that is coded already.

    plan: frame and quantisation tables. Raises ValueError where there are no data, as a coefficient was out of range.
    """
    return _file(_coded_start(plan, options, coded), coded)


def coded_files(
    plans: Sequence[tuple[Frame, Sequence[np.ndarray]]], options: EncodeOptions, scans: Sequence[Coded]
) -> list[Any]:
    """`coded_file` of each, or what it met; what stands before the data is made once for those of the same plan and tables."""
    starts: dict[tuple[int, int], bytes] = {}

    def one(pair: tuple[tuple[Frame, Sequence[np.ndarray]], Coded]) -> bytes:
        plan, coded = pair
        key = id(plan), id(coded.tables)  # of what lives as long as the lists do
        if key not in starts:
            starts[key] = _coded_start(plan, options, coded)
        return _file(starts[key], coded)

    return list(map(attempted(one), zip(plans, scans, strict=True)))


def _coded_start(plan: tuple[Frame, Sequence[np.ndarray]], options: EncodeOptions, coded: Coded) -> bytes:
    frame, qtables = plan
    scan = only_scan(frame, options)
    if scan is None or coded.data is None:
        raise ValueError(ERRORS[1])
    whole = options.streamtype == 0
    heads = scan_heads(frame, [scan], coded.tables, whole or options.optimize)
    return b"".join([opening(frame.color, options.metadata), frame_header(frame, qtables, whole), *heads])


def _file(start: bytes, coded: Coded) -> bytes:
    if coded.data is None:
        raise ValueError(ERRORS[1])
    return b"".join((start, coded.data, EOI))


def code_scans(
    images: Sequence[Any],
    plans: Sequence[tuple[Frame, Sequence[np.ndarray]]],
    options: EncodeOptions,
    device: Any,
    always: bool = False,
) -> list[Coded] | None:
    """What `coded_file` needs of each image, made on the devices where all lie; None where that is the host's to do.

    plans: frame and quantisation tables of each. device, always: as for `device.code_batch`.
    """
    frames = [frame for frame, _ in plans]
    scan = only_scan(frames[0], options) if frames and not options.smoothing else None
    if scan is None:
        return None
    from .device import Coding, code_batch

    slots = tuple(table_slot(frames[0], c) for c in scan.components)
    tables = None if options.optimize else {key: spec for key, spec in STANDARD.items() if key[1] in slots}
    coding = Coding(slots, scan.restart_interval, tables)
    steps = [qtables for _, qtables in plans]
    found = code_batch(images, frames, steps, coding, device, dering=bool(options.dering), always=always)
    return None if found is None else [coded for _, coded in sorted(found, key=lambda pair: pair[0])]
