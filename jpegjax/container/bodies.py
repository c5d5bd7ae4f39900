"""The bodies of single marker segments: tables, frame headers, scan headers (T.81 B.2)."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from ..errors import CorruptJpeg, UnsupportedJpeg
from ..types import MAX_MCU_BLOCKS, ZIGZAG, ColorSpace, Component, Frame, HuffmanSpec, Process
from .markers import DNL, marker_name

__all__ = [
    "ScanHeader",
    "check_lossless",
    "find_lines",
    "guess_color",
    "parse_dac",
    "parse_dht",
    "parse_dqt",
    "parse_sof",
    "parse_sos",
    "quantization_table",
]

_UNKNOWN_PROCESS = {
    0xC5: "hierarchical sequential", 0xC6: "hierarchical progressive", 0xC7: "hierarchical lossless",
    0xCD: "hierarchical sequential arithmetic",
    0xCE: "hierarchical progressive arithmetic", 0xCF: "hierarchical lossless arithmetic",
}  # fmt: skip
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # any marker but RSTn
_PROCESSES = {p.value: p for p in Process}

DqtSlot = tuple[bytes, bool]  # 64 steps in zigzag order as DQT carries them, and whether they have 16 bits
ScanHeader = tuple[tuple[int, ...], tuple[int, ...], tuple[int, int], tuple[int, int]]


def parse_dqt(body: bytes, at: int, slots: list[DqtSlot | None]) -> None:
    """Store the tables of a DQT segment in `slots` (T.81 B.2.4.1). at: offset of the marker, for errors."""
    p, end = 0, len(body)
    while p < end:
        wide, slot = body[p] >> 4, body[p] & 15
        if slot > 3:
            raise CorruptJpeg(f"DQT defines table {slot}; tables are 0..3", at)
        stop = p + (129 if wide else 65)
        if stop > end:
            raise CorruptJpeg(f"DQT segment of {end + 2} bytes ends inside table {slot}", at)
        slots[slot] = body[p + 1 : stop], wide > 0
        p = stop


@lru_cache(maxsize=256)
def quantization_table(steps: bytes, wide: bool) -> np.ndarray:
    """Quantisation table of a DQT slot: uint16 [64] in natural order, read-only."""
    table = np.empty(64, np.uint16)
    table[ZIGZAG] = np.frombuffer(steps, ">u2" if wide else "u1")
    table.flags.writeable = False
    return table


def parse_dht(body: bytes, at: int, dc: list[HuffmanSpec | None], ac: list[HuffmanSpec | None]) -> None:
    """Store the tables of a DHT segment in `dc` and `ac` (T.81 B.2.4.2). Codes are checked when a scan uses them."""
    p, end = 0, len(body)
    while end - p > 16:
        index, counts = body[p], body[p + 1 : p + 17]
        total = sum(counts)
        p += 17
        if total > 256 or total > end - p:
            raise CorruptJpeg(f"DHT table {index:#04x} lists {total} codes; {min(end - p, 256)} fit", at)
        if index & ~0x13:
            raise CorruptJpeg(f"DHT defines table {index:#04x}; tables are 0x00..0x03 (DC) and 0x10..0x13 (AC)", at)
        (ac if index & 0x10 else dc)[index & 3] = HuffmanSpec(counts, body[p : p + total])
        p += total
    if p != end:
        raise CorruptJpeg(f"DHT segment ends with {end - p} stray bytes", at)


def parse_dac(body: bytes, at: int, conditioning: tuple[int, ...]) -> tuple[int, ...]:
    """Arithmetic conditioning after a DAC segment (T.81 B.2.4.3): 16 DC bytes (U·16 + L), then 16 AC bytes (Kx)."""
    values = list(conditioning)
    if len(body) % 2:
        raise CorruptJpeg(f"DAC segment of odd length {len(body) + 2}", at)
    for index, value in zip(body[::2], body[1::2], strict=True):
        if index > 31:
            raise CorruptJpeg(f"DAC defines table {index:#04x}; tables are 0x00..0x0f (DC) and 0x10..0x1f (AC)", at)
        if index < 16 and value & 15 > value >> 4:
            raise CorruptJpeg(f"DAC gives DC bounds L={value & 15} > U={value >> 4}", at)
        values[index] = value
    return tuple(values)


def parse_sof(code: int, body: bytes, at: int) -> Frame:
    """The frame of a SOFn segment (T.81 B.2.2), with colour space UNKNOWN as yet; height 0: see `find_lines`."""
    process = _PROCESSES.get(code)
    if process is None:
        raise UnsupportedJpeg(f"{_UNKNOWN_PROCESS[code]} process ({marker_name(code)}) is not decoded", at)
    if len(body) < 6:
        raise CorruptJpeg(f"{marker_name(code)} segment has length {len(body) + 2}; at least 11 are needed", at)
    precision, count = body[0], body[5]
    height, width = body[1] << 8 | body[2], body[3] << 8 | body[4]
    if not width or not count:
        raise CorruptJpeg(f"frame is empty: {width}×{height} with {count} components", at)
    if len(body) != 6 + 3 * count:
        raise CorruptJpeg(f"{marker_name(code)} segment has length {len(body) + 2}; {count} components need "
                          f"{8 + 3 * count}", at)  # fmt: skip
    if not (2 <= precision <= 16 if process.lossless else precision in (8, 12)):
        raise CorruptJpeg(f"{precision} bits a sample; {'2..16' if process.lossless else '8 or 12'} are defined", at)
    components = []
    for i in range(6, len(body), 3):
        h, v = body[i + 1] >> 4, body[i + 1] & 15
        if not (1 <= h <= 4 and 1 <= v <= 4):
            raise CorruptJpeg(f"component {body[i]} has sampling factors {h}×{v}; factors are 1..4", at)
        components.append(Component(body[i], h, v, body[i + 2]))
    return Frame(height, width, tuple(components), process, precision, ColorSpace.UNKNOWN)


def find_lines(data: bytes | memoryview, start: int, at: int) -> tuple[int, int]:
    """(lines, offset) of the DNL marker that ends the scan whose data begin at `start` (T.81 B.2.5).

    at: offset of the frame header, which gives no height. CorruptJpeg where another marker, or none, ends the scan.
    """
    found = _MARKER.search(data, start)
    p = found.start() if found else len(data)
    if p + 6 > len(data) or data[p + 1] != DNL:
        raise CorruptJpeg("height is 0, and no DNL marker behind the first scan gives it", at)
    lines = data[p + 4] << 8 | data[p + 5]
    if not lines:
        raise CorruptJpeg("DNL segment gives 0 lines", p)
    return lines, p


def guess_color(frame: Frame, jfif: bool, adobe: int | None) -> tuple[ColorSpace, str | None]:
    """(colour space, warning or None) by libjpeg's rules. adobe: transform flag of an Adobe marker, None without.

    Lossless files differ in one thing: JFIF makes no YCbCr of them, which libjpeg assumes and then cannot decode.
    """
    ids = tuple(c.id for c in frame.components)
    if len(ids) == 1:
        return ColorSpace.GRAY, None
    if len(ids) == 3:
        if jfif and not frame.process.lossless:
            return ColorSpace.YCBCR, None
        if adobe is not None:
            if adobe == 0:
                return ColorSpace.RGB, None
            return ColorSpace.YCBCR, None if adobe == 1 else f"Adobe transform {adobe} is unknown; YCbCr assumed"
        return ColorSpace.RGB if ids == (82, 71, 66) or frame.process.lossless else ColorSpace.YCBCR, None
    if len(ids) == 4:
        if adobe is None or adobe == 0:
            return ColorSpace.CMYK, None
        return ColorSpace.YCCK, None if adobe == 2 else f"Adobe transform {adobe} is unknown; YCCK assumed"
    return ColorSpace.UNKNOWN, None


def parse_sos(body: bytes, at: int, frame: Frame) -> ScanHeader:
    """(component indices, table selector bytes Td·16 + Ta, (Ss, Se), (Ah, Al)) of an SOS segment (T.81 B.2.3)."""
    count = body[0] if body else 0
    if not 1 <= count <= 4 or len(body) != 4 + 2 * count:
        raise CorruptJpeg(f"SOS segment of length {len(body) + 2} names {count} components; 1..4 with 6 + 2 bytes each "
                          "are needed", at)  # fmt: skip
    indices: list[int] = []
    known = frame.components
    for i in range(count):
        wanted = body[1 + 2 * i]
        # Order of the frame (B.2.3); identifiers may repeat there, so a scan's i-th component is sought from i on.
        index = next((c for c in range(i, len(known)) if known[c].id == wanted), None)
        if index is None or index in indices:
            raise CorruptJpeg(f"scan names component {wanted}, which the frame lacks or which stands out of order", at)
        indices.append(index)
    if count > 1:
        blocks = sum(known[c].h * known[c].v for c in indices)
        if blocks > MAX_MCU_BLOCKS:
            raise CorruptJpeg(f"an MCU of the scan holds {blocks} blocks; at most {MAX_MCU_BLOCKS} are allowed", at)
    ss, se, approximation = body[-3:]
    return tuple(indices), tuple(body[2 : 2 + 2 * count : 2]), (ss, se), (approximation >> 4, approximation & 15)


def check_lossless(header: ScanHeader, frame: Frame, interval: int, at: int) -> None:
    """CorruptJpeg where a lossless scan has no meaning (T.81 H.1.1, H.1.2, table B.3). interval: restarts, in MCUs."""
    components, _, (predictor, se), (ah, shift) = header
    if not 1 <= predictor <= 7 or se or ah or shift >= frame.precision:
        raise CorruptJpeg(f"lossless scan has Ss={predictor} (predictor 1..7), Se={se} (0), Ah={ah} (0), Al={shift} "
                          f"(point transform, below {frame.precision})", at)  # fmt: skip
    columns = frame.samples(components[0])[1] if len(components) == 1 else -(-frame.width // frame.hmax)
    if interval % columns:
        raise CorruptJpeg(f"restart interval of {interval} MCUs is no multiple of the {columns} in a row, which "
                          "lossless scans need", at)  # fmt: skip
