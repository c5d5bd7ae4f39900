"""Reading markers: from bytes to frames, tables and scans, with libjpeg-turbo's recovery (T.81 B.1, B.2).

data ──▶ Reader.next_scan ──▶ Scan ──▶ entropy decoder ──▶ Reader.resume ──▶ next_scan … None
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..annex_k import STANDARD_AC_CHROMA, STANDARD_AC_LUMA, STANDARD_DC_CHROMA, STANDARD_DC_LUMA
from ..coding.canonical import table_fault
from ..errors import CorruptJpeg, UnsupportedJpeg
from ..options import Limits
from ..types import Conditioning, Frame, HuffmanSpec, Process, Scan
from .bodies import (
    ScanHeader,
    check_lossless,
    find_lines,
    guess_color,
    parse_dac,
    parse_dht,
    parse_dqt,
    parse_sof,
    parse_sos,
    quantization_table,
)
from .budget import Budget
from .markers import (
    APP0,
    APP14,
    DAC,
    DHT,
    DNL,
    DQT,
    DRI,
    EOI,
    MAX_SEGMENTS,
    NO_PLACE,
    SOS,
    find_segment,
    is_filler,
    marker_name,
    refuse,
)
from .metadata import ADOBE_PREFIX, JFIF_PREFIX, Metadata, read_metadata
from .write import SOI

__all__ = ["DEFAULT_LIMITS", "PROCESS_NAMES", "Reader"]

PROCESS_NAMES = {
    Process.BASELINE: "baseline",
    Process.EXTENDED: "extended sequential",
    Process.PROGRESSIVE: "progressive",
    Process.LOSSLESS: "lossless",
    Process.EXTENDED_ARITHMETIC: "extended sequential arithmetic",
    Process.PROGRESSIVE_ARITHMETIC: "progressive arithmetic",
    Process.LOSSLESS_ARITHMETIC: "lossless arithmetic",
}

_STANDARD_DC = (STANDARD_DC_LUMA, STANDARD_DC_CHROMA)
_STANDARD_AC = (STANDARD_AC_LUMA, STANDARD_AC_CHROMA)
DEFAULT_LIMITS = Limits()
_MAX_WARNINGS = 100


class Reader:
    """Incremental reader of one JPEG stream. Not thread-safe.

    frame: the Frame once a SOFn marker was read; its colour space is final with the first scan. frame_offset: of SOFn.
    qtables: per component uint16 [64] in natural order, latched at the component's first scan; None before.
    lines_offset: of the DNL marker that gave the frame its height, else None.
    scan: the scan that was read last. scans: how many were read.
    position: offset of the byte to read next; after `next_scan` the first entropy-coded byte.
    restart_interval: MCUs, as in force. jfif: whether a JFIF marker was read. adobe: its transform flag, or None.
    conditioning: arithmetic coding conditioning, 16 DC bytes (U·16 + L), then 16 AC bytes.
    coefficient_bits: progressive only: per component 64 ints, Al of the last scan of each zigzag index, -1 for none.
    warnings: (message, byte offset) of what was damaged. With `strict` each is a CorruptJpeg instead.
    budget: what of `limits` is left; entropy decoders charge it with their steps.

    data: bytes, or anything with a contiguous buffer. limits: all but memory are checked here.
    tables: an abbreviated stream of tables alone (T.81 B.5), whose DQT and DHT are in force at the start.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        limits: Limits = DEFAULT_LIMITS,
        strict: bool = False,
        tables: bytes | None = None,
    ):
        self.data: bytes | memoryview = data if isinstance(data, bytes) else memoryview(data).cast("B")
        self.size: int = len(self.data)
        self.budget: Budget = Budget(limits, self.size)
        self.strict: bool = strict
        self.position: int = 2
        self.frame: Frame | None = None
        self.qtables: list[np.ndarray | None] = []
        self.scan: Scan | None = None
        self.scans: int = 0
        self.restart_interval: int = 0
        self.jfif: bool = False
        self.adobe: int | None = None
        self.conditioning: tuple[int, ...] = (0x10,) * 16 + (5,) * 16
        self.coefficient_bits: list[list[int]] = []
        self.warnings: list[tuple[str, int]] = []
        self.segments: list[tuple[int, int, int]] = []
        self._quantization: list[tuple[bytes, bool] | None] = [None] * 4
        self._dc: list[HuffmanSpec | None] = [None] * 4
        self._ac: list[HuffmanSpec | None] = [None] * 4
        self.frame_offset: int = 0
        self.lines_offset: int | None = None
        self._scanned: set[int] = set()
        self._ended = False
        self._only_tables = False
        self._whole = False
        if self.data[:2] != SOI:
            start = bytes(self.data[:4]).hex(" ") or "nothing"
            raise CorruptJpeg(f"no JPEG stream: it starts with {start}, not with SOI (ff d8)", 0)
        if tables is not None:
            self._take_tables(tables)

    @property
    def metadata(self) -> Metadata:
        """What the APPn and COM segments read so far say; assembled at each call."""
        return read_metadata(self.data, self.segments)

    @property
    def multiple_scans(self) -> bool:
        """Whether the frame takes more than the first scan (progressive, or components apart). Known after it."""
        return not self._whole

    def next_scan(self) -> Scan | None:
        """Read markers up to and including the next SOS; None at EOI or, with a warning, at the end of the data.

        Raises CorruptJpeg, UnsupportedJpeg or LimitExceeded. Once every component has had a scan there is a picture to save,
        so that markers which cannot be read any further end it with no more than a warning.
        """
        some = self.frame is not None and len(self._scanned) == len(self.frame.components)
        try:
            if not self.seek_scan():
                return None
            return self._read_scan()
        except (CorruptJpeg, UnsupportedJpeg) as error:
            if self.strict or not some:
                raise
            self._ended = True
            left_out = "ignored after the last scan" if self._whole else f"nothing is read behind scan {self.scans}"
            self.warn(f"{left_out}: {error.message}", error.offset or self.position)
            return None

    def resume(self, position: int) -> None:
        """Go on behind entropy-coded data. position: offset of the marker that ended it, or the length of the data."""
        self.position = position

    def warn(self, message: str, offset: int) -> None:
        """Note damage; with `strict`, raise it as CorruptJpeg."""
        if self.strict:
            raise CorruptJpeg(message, offset)
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append((message, offset))
        elif len(self.warnings) == _MAX_WARNINGS:
            self.warnings.append(("further warnings left out", offset))

    def seek_scan(self) -> bool:
        """Read markers up to the next SOS, where `position` then stands; False at EOI or the end of the data."""
        if self._ended:
            return False
        data, size = self.data, self.size
        while True:
            code, p, stop = find_segment(data, self.position, size)
            if p != self.position:
                self._report_skipped(self.position, p)
            if code == 0:
                return self._end("the data end without EOI", size)
            if code == EOI:
                self.position = p + 2
                return self._end(None, p)
            if code in NO_PLACE:
                refuse(code, p)
            if stop > size:
                return self._end(f"the data end inside a {marker_name(code)} segment", p)
            if code == SOS:
                self.position = p
                self._settle_frame(p)
                return True
            self.position = stop if stop > p + 4 else p + 4
            if code >= APP0 or code == DNL:
                self._application(code, p, stop)
                continue
            if stop < p + 4:
                raise CorruptJpeg(f"{marker_name(code)} segment has length {stop - p - 2}; at least 2 are needed", p)
            self._table(code, bytes(data[p + 4 : stop]), p)

    def require_frame(self) -> Frame:
        """The frame; CorruptJpeg where no header gave one before `position`."""
        if self.frame is None:
            raise CorruptJpeg("SOS before any frame header", self.position)
        return self.frame

    def defined_table(self, slot: int) -> np.ndarray | None:
        """The quantisation table that slot holds now: uint16 [64] in natural order, or None."""
        table = self._quantization[slot] if slot < 4 else None
        return None if table is None else quantization_table(*table).copy()

    def _take_tables(self, tables: bytes) -> None:
        try:
            source = Reader(tables, self.budget.limits, self.strict)
            source._only_tables = True
            if source.seek_scan() or source.frame is not None:
                raise CorruptJpeg("an image, where a stream of tables alone is expected (T.81 B.5)", source.position)
        except CorruptJpeg as error:
            raise CorruptJpeg(f"tables: {error.message}", error.offset) from None
        self._quantization, self._dc, self._ac = source._quantization, source._dc, source._ac

    def scan_header_end(self) -> int:
        """Offset behind the SOS segment at `position`."""
        p = self.position
        return p + 2 + (self.data[p + 2] << 8 | self.data[p + 3])

    def _report_skipped(self, start: int, stop: int) -> None:
        if not is_filler(self.data, start, stop):
            self.warn(f"{stop - start} bytes skipped before a marker", start)

    def _end(self, trouble: str | None, at: int) -> bool:
        if self._only_tables:
            return False
        if self.scans == 0:
            if trouble is None and self.frame is None and any([*self._quantization, *self._dc, *self._ac]):
                raise CorruptJpeg("no image: an abbreviated stream of tables alone; pass it as `tables` with the "
                                  "stream that needs it", at)  # fmt: skip
            what = "no frame" if self.frame is None else "a frame but no scan"
            raise CorruptJpeg(f"no image: {trouble or 'EOI reached'}, {what} read", at)
        self._ended = True
        if trouble:
            self.position = self.size
            self.warn(trouble, at)
        return False

    def _application(self, code: int, at: int, stop: int) -> None:
        if code == DNL:
            return
        if len(self.segments) < MAX_SEGMENTS:
            self.segments.append((code, at, stop))
        data = self.data
        if code == APP0 and stop - at >= 18 and data[at + 4 : at + 9] == JFIF_PREFIX:
            self.jfif = True
            if data[at + 9] != 1:
                self.warn(f"JFIF version {data[at + 9]}.{data[at + 10]:02d} is unknown", at)
        elif code == APP14 and stop - at >= 16 and data[at + 4 : at + 9] == ADOBE_PREFIX:
            self.adobe = data[at + 15]

    def _table(self, code: int, body: bytes, at: int) -> None:
        if code == DHT:
            parse_dht(body, at, self._dc, self._ac)
        elif code == DQT:
            parse_dqt(body, at, self._quantization)
        elif code == DRI:
            if len(body) != 2:
                raise CorruptJpeg(f"DRI segment has length {len(body) + 2}; 4 are needed", at)
            self.restart_interval = body[0] << 8 | body[1]
        elif code == DAC:
            self.conditioning = parse_dac(body, at, self.conditioning)
        else:
            if self.frame is not None:
                raise CorruptJpeg(f"second frame header ({marker_name(code)})", at)
            frame = parse_sof(code, body, at)
            self.frame_offset = at
            self.budget.check_pixels(frame, at)
            self.frame = replace(frame, color=guess_color(frame, self.jfif, self.adobe)[0])
            self.qtables = [None] * len(frame.components)
            if frame.process.progressive:
                self.coefficient_bits = [[-1] * 64 for _ in frame.components]

    def _settle_frame(self, at: int) -> None:
        if self.scans or self.frame is None:
            return
        if not self.frame.height:
            lines, self.lines_offset = find_lines(self.data, self.scan_header_end(), self.frame_offset)
            self.frame = replace(self.frame, height=lines)
            self.budget.check_pixels(self.frame, self.frame_offset)
        color, warning = guess_color(self.frame, self.jfif, self.adobe)
        if color is not self.frame.color:
            self.frame = replace(self.frame, color=color)
        if warning:
            self.warn(warning, at)

    def _read_scan(self) -> Scan:
        at, frame = self.position, self.require_frame()
        if self._whole:
            raise CorruptJpeg("another scan after the only one of a sequential frame", at)
        process = frame.process
        self.budget.check_scans(self.scans, at)
        stop = self.scan_header_end()
        header = parse_sos(bytes(self.data[at + 4 : stop]), at, frame)
        for c in header[0]:
            if self.qtables[c] is None and not process.lossless:
                self.qtables[c] = self._latch(frame.components[c].tq, at)
        self.budget.charge_scan(frame, header[0], self._scanned, at)
        self._scanned.update(header[0])
        scan = (self._progressive_scan if process.progressive else self._sequential_scan)(header, at)
        self._whole = not process.progressive and self.scans == 0 and len(header[0]) == len(frame.components)
        self.scans += 1
        self.scan, self.position = scan, stop
        return scan

    def _latch(self, slot: int, at: int) -> np.ndarray:
        table = self.defined_table(slot)
        if table is None:
            raise CorruptJpeg(f"quantisation table {slot} is used by the scan but was never defined", at)
        return table

    def _table_of(self, kind: str, slot: int, at: int, progressive: bool = False) -> HuffmanSpec | Conditioning:
        process = self.require_frame().process
        if process.arithmetic:
            return Conditioning(slot, self.conditioning[slot if kind == "DC" else 16 + slot])
        dc = self._dc, _STANDARD_DC, 16 if process.lossless else 15
        tables, standard, limit = dc if kind == "DC" else (self._ac, _STANDARD_AC, 255)
        spec = tables[slot] if slot < 4 else None
        if spec is None:
            if progressive or slot > 1:
                raise CorruptJpeg(f"{kind} Huffman table {slot} is used by the scan but was never defined", at)
            return standard[slot]  # Motion JPEG frames leave DHT out
        fault = table_fault(spec, limit)
        if fault:
            raise CorruptJpeg(f"{kind} Huffman table {slot} {fault}", at)
        return spec

    def _sequential_scan(self, header: ScanHeader, at: int) -> Scan:
        components, selectors, spectral, approximation = header
        if self.require_frame().process.lossless:
            check_lossless(header, self.require_frame(), self.restart_interval, at)
            dc = tuple([self._table_of("DC", s >> 4, at) for s in selectors])
            return Scan(components, dc, (), spectral, approximation, self.restart_interval)
        if spectral != (0, 63) or approximation != (0, 0):
            self.warn(f"sequential scan with Ss, Se = {spectral}, Ah, Al = {approximation}; read as 0, 63, 0, 0", at)
        dc = tuple([self._table_of("DC", s >> 4, at) for s in selectors])
        ac = tuple([self._table_of("AC", s & 15, at) for s in selectors])
        return Scan(components, dc, ac, restart_interval=self.restart_interval)

    def _progressive_scan(self, header: ScanHeader, at: int) -> Scan:
        components, selectors, (ss, se), (ah, al) = header
        band = (se == 0) if ss == 0 else (ss <= se <= 63 and len(components) == 1)
        if not band or al > 13 or (ah and al != ah - 1):
            raise CorruptJpeg(f"progressive scan of {len(components)} components has invalid Ss={ss} Se={se} Ah={ah} "
                              f"Al={al}", at)  # fmt: skip
        for c in components:
            bits = self.coefficient_bits[c]
            if (ss and bits[0] < 0) or any(max(b, 0) != ah for b in bits[ss : se + 1]):
                self.warn(f"progressive scan Ss={ss} Se={se} Ah={ah} Al={al} of component {c} comes out of order", at)
            bits[ss : se + 1] = [al] * (se + 1 - ss)
        dc: tuple[HuffmanSpec | Conditioning | None, ...] = (None,) * len(components)
        ac = dc
        if ss:
            ac = tuple([self._table_of("AC", s & 15, at, True) for s in selectors])
        elif not ah:
            dc = tuple([self._table_of("DC", s >> 4, at, True) for s in selectors])
        return Scan(components, dc, ac, (ss, se), (ah, al), self.restart_interval)

    def copy(self, data: bytes | memoryview) -> Reader:
        """This state over other data that start with the same bytes up to `position`."""
        other = object.__new__(Reader)
        state = other.__dict__
        state.update(self.__dict__)
        for name in ("warnings", "segments", "_quantization", "_dc", "_ac", "_scanned"):
            state[name] = state[name].copy()
        other.qtables = [None if q is None else q.copy() for q in self.qtables]
        other.coefficient_bits = [bits.copy() for bits in self.coefficient_bits]
        other.data, other.size = data, len(data)
        other.budget = Budget(self.budget.limits, other.size, self.budget.steps)
        return other
