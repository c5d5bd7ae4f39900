"""Files to coefficient planes and back: the entropy coders of `coding` joined to the markers of `container`.

planes ──▶ opening + body ──▶ bytes          bytes ──▶ decode_image ──▶ planes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TypeAlias

import numpy as np

from ..annex_k import STANDARD_AC_CHROMA, STANDARD_AC_LUMA, STANDARD_DC_CHROMA, STANDARD_DC_LUMA
from ..coding.arithmetic.coder import conditioning
from ..coding.arithmetic.decode import ArithmeticDecoder
from ..coding.arithmetic.encode import ArithmeticEncoder
from ..coding.fitted import encode_scans
from ..coding.geometry import scan_geometry
from ..coding.progressive.decode import ScanDecoder
from ..coding.progressive.encode import default_script
from ..coding.restarts import SegmentReport
from ..coding.sequential.decode import EXHAUSTED, POSITION, WARNINGS, decode_scan, decode_tables, scan_notes
from ..coding.sequential.encode import EncodeTables, encode_scan, encode_tables
from ..container import EOI, Reader, dac, dht, dri, parse_header, sos
from ..container.budget import Budget
from ..container.parse import DEFAULT_LIMITS
from ..container.write import frame_header, opening, table_stream
from ..kernels.smoothing import Progress
from ..kernels.smoothing import smooth as smooth_planes
from ..options import EncodeOptions, Limits
from ..options.scans import check_script
from ..run.memory import borrow, sparse_zeros
from ..types import MAX_MCU_BLOCKS, ColorSpace, Frame, HuffmanSpec, Process, Scan

__all__ = [
    "STANDARD", "Tables", "body", "check_planes", "decode_image", "encode_image", "plain_tables", "restart_interval",
    "scan_heads", "sequential_script", "table_slot", "tables_alone", "write_scans",
]  # fmt: skip

_UNTOUCHED_BYTES = 1 << 25  # planes beyond this take memory only where they are written and while they are read
Tables: TypeAlias = Mapping[tuple[int, int], HuffmanSpec]

STANDARD: Tables = {
    (0, 0): STANDARD_DC_LUMA,
    (0, 1): STANDARD_DC_CHROMA,
    (1, 0): STANDARD_AC_LUMA,
    (1, 1): STANDARD_AC_CHROMA,
}
"""Annex K's Huffman tables by kind (0 DC, 1 AC) and slot."""


def table_slot(frame: Frame, c: int) -> int:
    """Huffman tables of a component, as libjpeg assigns them: 1 for chroma, else 0."""
    return int(frame.color in (ColorSpace.YCBCR, ColorSpace.YCCK) and c in (1, 2))


def sequential_script(frame: Frame) -> tuple[Scan, ...]:
    """One interleaved scan, or one a component where an MCU would be too large (T.81 B.2.3)."""
    everything = range(len(frame.components))
    if len(everything) > 4 or (len(everything) > 1 and sum(k.h * k.v for k in frame.components) > MAX_MCU_BLOCKS):
        return tuple(Scan((c,)) for c in everything)
    return (Scan(tuple(everything)),)


def restart_interval(frame: Frame, scan: Scan, options: EncodeOptions) -> int:
    """MCUs between restarts of a scan, 0 for none."""
    columns = frame.mcus[1] if len(scan.components) > 1 else frame.blocks(scan.components[0])[1]
    return options.restart.interval(columns)


def plain_tables(frame: Frame, components: Sequence[int]) -> EncodeTables:
    """Annex K's tables, as the coder takes them, of a scan of these components."""
    slots = [table_slot(frame, c) for c in components]
    dc, ac = (tuple(STANDARD[kind, slot] for slot in slots) for kind in (0, 1))
    return encode_tables(dc, ac, frame.precision)


def scan_heads(frame: Frame, script: Sequence[Scan], specs: Tables = STANDARD, tables: bool = True) -> list[bytes]:
    """What stands before the data of sequential scans: DHT once each, DRI where it changes, SOS.

    specs: by (kind, slot); tables: whether DHT is there.
    """
    sent = set() if tables else set(specs)
    heads, interval = [], 0
    for scan in script:
        slots = [table_slot(frame, c) for c in scan.components]
        new = [key for key in dict.fromkeys((kind, slot) for slot in slots for kind in (0, 1)) if key not in sent]
        sent.update(new)
        parts = [dht(*key, specs[key]) for key in new]
        if scan.restart_interval != interval:
            interval = scan.restart_interval
            parts.append(dri(interval))
        parts.append(sos([(frame.components[c].id, s, s) for c, s in zip(scan.components, slots, strict=True)]))
        heads.append(b"".join(parts))
    return heads


def _write_plain(planes: list[np.ndarray], frame: Frame, script: Sequence[Scan], tables: bool) -> bytes:
    """`write_scans` by Annex K's tables: no need to look at the symbols first."""
    parts: list[bytes] = []
    for scan, scan_head in zip(script, scan_heads(frame, script, tables=tables), strict=True):
        geometry, rows, columns = scan_geometry(frame, scan.components, planes)
        codes = plain_tables(frame, scan.components)
        parts += [scan_head, encode_scan(geometry, rows, columns, codes, scan.restart_interval)]
    return b"".join([*parts, EOI])


def _write_arithmetic(planes: list[np.ndarray], frame: Frame, script: Sequence[Scan]) -> bytes:
    """`write_scans` of arithmetic frames: like cjpeg, DAC before every scan that has tables, even the defaults."""
    encoder = ArithmeticEncoder(frame, planes)
    parts: list[bytes] = []
    interval = 0
    for scan in script:
        dc_tables, ac_tables = conditioning(scan, tuple([table_slot(frame, c) for c in scan.components]))
        scan = replace(scan, dc_tables=dc_tables, ac_tables=ac_tables)
        uses_dc = scan.spectral[0] == 0 and scan.approximation[0] == 0
        dc = {t.slot: t.value for t in dc_tables} if uses_dc else {}
        ac = {t.slot: t.value for t in ac_tables} if scan.spectral[1] > 0 else {}
        used = [(kind, slot, table[slot]) for slot in range(16) for kind, table in ((0, dc), (1, ac)) if slot in table]
        parts.append(dac(used))
        if scan.restart_interval != interval:
            interval = scan.restart_interval
            parts.append(dri(interval))
        selectors = [
            (frame.components[c].id, d.slot if dc else 0, a.slot if ac else 0)
            for c, d, a in zip(scan.components, dc_tables, ac_tables, strict=True)
        ]
        parts += [sos(selectors, scan.spectral, scan.approximation), encoder.encode(scan)]
    parts.append(EOI)
    return b"".join(parts)


def write_scans(
    planes: Sequence[np.ndarray],
    frame: Frame,
    script: Sequence[Scan],
    *,
    optimize: bool = True,
    tables: bool = True,
) -> bytes:
    """The file's part from the first DHT or DAC to EOI: every scan of the script with its tables and restart interval.

    planes: per component, C-contiguous int16 [rows, columns, 8, 8] in natural order, real blocks only.
    optimize: the best tables for each scan, as progressive ones always have them; else Annex K's, which are left out
    without `tables`. Arithmetic scans
    take their conditioning from dc_tables and ac_tables, or by default T.81's.
    Raises ValueError for scans that the frame's process does not allow, and for coefficients that have no code.
    """
    planes = list(planes)
    if frame.process.arithmetic:
        return _write_arithmetic(planes, frame, script)
    if optimize or frame.process.progressive:
        return bytes(encode_scans(planes, frame, script, [table_slot(frame, c) for c in range(len(planes))]))
    return _write_plain(planes, frame, script, tables)


def _identified(frame: Frame) -> Frame:
    """The frame with components numbered anew where identifiers repeat: scans that hold some of them need one each."""
    components = frame.components
    if len({k.id for k in components}) == len(components):
        return frame
    return replace(frame, components=tuple([replace(k, id=i) for i, k in enumerate(components, 1)]))


def body(planes: Sequence[np.ndarray], frame: Frame, qtables: Sequence[np.ndarray], options: EncodeOptions) -> bytes:
    """`encode_image` without what stands before the first DQT: SOI and metadata."""
    if options.arithmetic:
        process = Process.PROGRESSIVE_ARITHMETIC if options.progressive else Process.EXTENDED_ARITHMETIC
        frame = replace(frame, process=process)
    elif options.progressive:
        frame = replace(frame, process=Process.PROGRESSIVE)
    elif frame.process.progressive or frame.process.arithmetic:
        frame = replace(frame, process=Process.BASELINE if frame.precision == 8 else Process.EXTENDED)
    planes = [np.ascontiguousarray(p, np.int16) for p in planes]
    for c, plane in enumerate(planes):
        if plane.shape != (*frame.blocks(c), 8, 8):
            raise ValueError(f"planes[{c}]: shape {plane.shape}; must be {(*frame.blocks(c), 8, 8)}")
    whole = options.streamtype == 0
    if options.scans is not None:
        script = check_script(options.scans, frame)
    else:
        script = default_script(frame) if options.progressive else sequential_script(frame)
    if len(script) > 1:
        frame = _identified(frame)
    start = frame_header(frame, qtables, whole)
    if options.restart.rows or options.restart.blocks:
        script = tuple(replace(s, restart_interval=restart_interval(frame, s, options)) for s in script)
    optimize = options.optimize or options.progressive or frame.precision != 8
    return start + write_scans(planes, frame, script, optimize=optimize, tables=whole)


def tables_alone(qtables: Sequence[np.ndarray], arithmetic: bool) -> bytes:
    """The stream of tables that goes with files without them, as Pillow's streamtype 1 has it.

    qtables: uint16 [64] of slots 0, 1 …; a single one stands in both, as libjpeg always has two.
    """
    order = () if arithmetic else ((0, 0), (1, 0), (0, 1), (1, 1))
    return table_stream([*qtables, *qtables] if len(qtables) == 1 else qtables, {key: STANDARD[key] for key in order})


def encode_image(
    planes: Sequence[np.ndarray], frame: Frame, qtables: Sequence[np.ndarray], options: EncodeOptions
) -> bytes:
    """A whole file, byte for byte what Pillow, or cjpeg -arithmetic, writes from these coefficients.

    planes: per component, int16 [rows, columns, 8, 8] in natural order, real blocks only (`Frame.blocks`). frame:
    geometry and colour; its process gives way to options.progressive and arithmetic. qtables: per component uint16 [64]
    in natural order. Of the options, those on tables, process, scans, restarts and metadata count. Raises ValueError for
    planes and scan scripts that do not fit the frame and for coefficients out of range.
    """
    return opening(frame.color, options.metadata) + body(planes, frame, qtables, options)


def check_planes(frame: Frame, budget: Budget, at: int, pixels: int | None) -> list[tuple[int, int, int, int]]:
    """Shapes of the planes, progressive ones with the block rows that only fill an MCU; LimitExceeded before allocating.

    pixels: bytes that they will take beside the planes; None for those of the whole picture.
    """
    shapes = []
    for c, k in enumerate(frame.components):
        rows, columns = frame.blocks(c)
        stored = -(-rows // k.v) * k.v if frame.process.progressive else rows
        shapes.append((stored, columns, 8, 8))
    if pixels is None:
        sample = 1 if frame.precision == 8 else 4  # more bits go through planes of uint16 to pixels of uint16
        pixels = sample * frame.width * frame.height * len(frame.components)
    budget.check_memory(_nbytes(shapes) + pixels, "pixels and coefficients", at)
    return shapes


def _nbytes(shapes: Sequence[tuple[int, ...]]) -> int:
    return sum(2 * prod(shape) for shape in shapes)


def _allocate(frame: Frame, budget: Budget, at: int, whole: bool, pixels: int | None) -> list[np.ndarray]:
    """Planes as `check_planes` has them. whole: one scan writes every block; otherwise they are zeros."""
    shapes = check_planes(frame, budget, at, pixels)
    if _nbytes(shapes) > _UNTOUCHED_BYTES and not whole:
        return [sparse_zeros(shape, np.int16) for shape in shapes]
    planes = [borrow(shape, np.int16) for shape in shapes]
    if not whole:
        for plane in planes:
            plane.fill(0)
    return planes


def _decode_sequential(
    frame: Frame, scan: Scan, planes: list[np.ndarray], data: np.ndarray, position: int
) -> tuple[int, list[tuple[str, int]]]:
    """(position behind the scan, warnings)."""
    geometry, rows, columns = scan_geometry(frame, scan.components, planes)
    tables = decode_tables(scan.dc_tables, scan.ac_tables)
    state = decode_scan(geometry, rows, columns, tables, data, position, scan.restart_interval)
    return int(state[POSITION]), scan_notes(state)


def _decode_again(
    frame: Frame, scan: Scan, planes: list[np.ndarray], data: np.ndarray, position: int
) -> tuple[int, list[tuple[str, int]]]:
    """`_decode_sequential` over planes that hold an earlier scan: like libjpeg, it only replaces what is coded anew."""
    anew = [np.zeros_like(p) if c in scan.components else p for c, p in enumerate(planes)]
    position, found = _decode_sequential(frame, scan, anew, data, position)
    complete = all(not message.startswith(WARNINGS[EXHAUSTED]) for message, _ in found)
    for c in scan.components:
        coded = anew[c] != 0
        coded[..., 0, 0] |= complete
        np.copyto(planes[c], anew[c], where=coded)
    return position, found


def _decode_charged(decoder: ScanDecoder | ArithmeticDecoder, scan: Scan, reader: Reader) -> SegmentReport:
    """What `decoder` says of a scan, its steps charged."""
    at = reader.position
    if isinstance(decoder, ScanDecoder):
        return decoder.decode(scan, at)  # its header tells of all
    report = decoder.decode(scan, at, reader.budget.steps_left)
    reader.budget.charge(report.steps, at)
    return report


class _ProgressTracker:
    """Keeps what `smoothing` must know of the scans so far."""

    def __init__(self, frame: Frame):
        self.frame = frame
        self.bits = [[-1] * 10 for _ in frame.components]
        self.previous = [[-1] * 10 for _ in frame.components]
        self.last_good_row = 0

    def scan_read(self, scan: Scan, number: int, bits: list[list[int]]) -> None:
        """bits: `Reader.coefficient_bits`, which has the scan in it."""
        start = min(scan.spectral[0], 1)
        for c in scan.components:
            self.previous[c][start:] = self.bits[c][start:] if number > 1 else [0] * (10 - start)
            self.bits[c] = bits[c][:10]

    def scan_decoded(self, scan: Scan, last_good_mcu: int) -> None:
        if last_good_mcu >= 0:
            alone = len(scan.components) == 1
            c = scan.components[0]
            columns = self.frame.blocks(c)[1] if alone else self.frame.mcus[1]
            self.last_good_row = last_good_mcu // columns // (self.frame.components[c].v if alone else 1)

    def progress(self, scans: int) -> Progress:
        previous = self.previous if scans > 1 else [[-1] * 10 for _ in self.previous]
        return Progress(self.bits, previous, self.last_good_row)


def decode_image(
    data: bytes | memoryview,
    limits: Limits = DEFAULT_LIMITS,
    strict: bool = False,
    reader: Reader | None = None,
    smooth: bool = False,
    pixels: int | None = None,
) -> tuple[Reader, list[np.ndarray], list[tuple[str, int]]]:
    """(reader at the end of the stream, planes, warnings) of a sequential or progressive file, all its scans.

    data: the whole file. reader: `container.parse_header`'s, behind the first scan header, if the caller has it.
    planes: per component int16 [rows, columns, 8, 8] in natural order, C-contiguous, real blocks only; with `smooth`,
    as a decoder that shows unfinished progressive pictures should transform them. warnings: (message, byte offset);
    with `strict` the first one is a CorruptJpeg instead. A component without a scan is all zeros, and takes the table of
    one that has a scan, since its own may be none. pixels: see `check_planes`.
    Raises CorruptJpeg, UnsupportedJpeg or LimitExceeded; no data end otherwise.
    """
    if reader is None:
        reader = parse_header(data, limits, strict)
    frame, scan = reader.frame, reader.scan
    assert frame is not None and scan is not None
    arithmetic, progressive = frame.process.arithmetic, frame.process.progressive
    planes = _allocate(frame, reader.budget, reader.position, not reader.multiple_scans and not arithmetic, pixels)
    octets = np.frombuffer(data, np.uint8)
    decoder: ScanDecoder | ArithmeticDecoder | None = None
    if arithmetic or progressive:
        decoder = (ArithmeticDecoder if arithmetic else ScanDecoder)(frame, octets, planes)
    tracker = _ProgressTracker(frame)
    scanned: set[int] = set()
    while scan is not None:
        again = set() if progressive else scanned.intersection(scan.components)
        scanned.update(scan.components)
        if again:
            reader.warn(f"component {min(again)} is scanned again", reader.position)
        if decoder is None:
            decode = _decode_again if again else _decode_sequential
            position, found = decode(frame, scan, planes, octets, reader.position)
        else:
            if progressive:
                tracker.scan_read(scan, reader.scans, reader.coefficient_bits)
            report = _decode_charged(decoder, scan, reader)
            tracker.scan_decoded(scan, report.last_good_mcu)
            position, found = report.position, report.warnings
        for message, offset in found:
            reader.warn(message, offset)
        reader.resume(position)
        scan = reader.next_scan()
    for c, table in enumerate(reader.qtables):
        if table is None:
            reader.warn(f"component {c} has no scan; it is all zeros", reader.position)
    if smooth and progressive:
        result = smooth_planes(planes, frame, reader.qtables, tracker.progress(reader.scans))
    else:
        result = [plane[: frame.blocks(c)[0]] for c, plane in enumerate(planes)]
    _lend_tables(reader)
    return reader, result, reader.warnings


def _lend_tables(reader: Reader) -> None:
    """Components that no scan named get the table and its selector of the first that one did."""
    frame, first = reader.require_frame(), next(c for c, table in enumerate(reader.qtables) if table is not None)
    missing = [table is None for table in reader.qtables]
    if any(missing):
        tq = frame.components[first].tq
        lent = [replace(k, tq=tq) if lacks else k for k, lacks in zip(frame.components, missing, strict=True)]
        reader.frame = replace(frame, components=tuple(lent))
        reader.qtables = [
            reader.qtables[first] if lacks else t for t, lacks in zip(reader.qtables, missing, strict=True)
        ]
