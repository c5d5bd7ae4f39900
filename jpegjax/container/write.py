"""Writing markers, in the layout of cjpeg and Pillow, byte for byte (T.81 B.2).

SOI, JFIF and Adobe, EXIF, XMP, ICC, COM, DQT…, SOFn │ DHT…, DRI, SOS, data │ … │ EOI
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from ..options import NO_METADATA, Metadata
from ..types import ZIGZAG, ColorSpace, Frame, HuffmanSpec, Process
from . import markers
from .markers import APP0, APP1, APP2, APP14, COM, DAC, DHT, DQT, DRI, MAX_BODY, SOS
from .metadata import ADOBE_PREFIX, ICC_PREFIX, JFIF_PREFIX, xmp_bodies

__all__ = [
    "EOI", "SOI", "adobe_segment", "dac", "dht", "dri", "frame_header", "header", "icc_segments", "jfif_segment", "opening",
    "segment", "sos", "table_stream",
]  # fmt: skip

SOI = bytes((0xFF, markers.SOI))
EOI = bytes((0xFF, markers.EOI))

_ADOBE_TRANSFORM = {ColorSpace.RGB: 0, ColorSpace.CMYK: 0, ColorSpace.YCCK: 2}


def segment(code: int, body: bytes, name: str = "segment") -> bytes:
    """A marker segment. ValueError, about `name`, where its body is too long."""
    if len(body) > MAX_BODY:
        raise ValueError(f"{name}: {len(body)} bytes with its prefix; a marker segment holds at most {MAX_BODY}")
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


@lru_cache(maxsize=256)
def _dqt(slot: int, steps16: bytes) -> bytes:
    table = np.frombuffer(steps16, np.uint16)
    wide = bool(table.max() > 255)
    steps = table[ZIGZAG].astype(">u2" if wide else "u1").tobytes()
    return segment(DQT, bytes([wide << 4 | slot]) + steps, "qtables")


def _used_tables(frame: Frame, qtables: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    if len(qtables) != len(frame.components):
        raise ValueError(f"qtables: {len(qtables)} given for {len(frame.components)} components; one each is needed")
    used: dict[int, np.ndarray] = {}
    for k, steps in zip(frame.components, qtables, strict=True):
        table = np.asarray(steps, np.uint16).reshape(64)
        known = used.setdefault(k.tq, table)
        if known is not table and not np.array_equal(known, table):
            raise ValueError(f"qtables: components that share table {k.tq} have different steps")
    return used


def icc_segments(profile: bytes) -> bytes:
    """The APP2 segments of a profile (ICC.1 B.4). ValueError where it takes more than 255."""
    size = MAX_BODY - len(ICC_PREFIX) - 2
    parts = [profile[i : i + size] for i in range(0, len(profile), size)]
    if len(parts) > 255:
        raise ValueError(f"icc_profile: {len(profile)} bytes; at most {255 * size} fit in 255 segments")
    return b"".join(
        segment(APP2, ICC_PREFIX + bytes([i, len(parts)]) + part, "icc_profile") for i, part in enumerate(parts, 1)
    )


def jfif_segment(version: tuple[int, int] = (1, 1), density: tuple[int, int, int] = (0, 1, 1)) -> bytes:
    """JFIF's segment, without a thumbnail. density: unit, x, y as in `Metadata`."""
    return segment(APP0, JFIF_PREFIX + struct.pack(">BBBHHBB", *version, *density, 0, 0))


def adobe_segment(color: ColorSpace) -> bytes:
    """Adobe's segment, which tells RGB, CMYK and YCCK from what they would pass for; nothing for other colours."""
    transform = _ADOBE_TRANSFORM.get(color)
    return b"" if transform is None else segment(APP14, ADOBE_PREFIX + bytes((0, 100, 0, 0, 0, 0, transform)))


def opening(color: ColorSpace, metadata: Metadata = NO_METADATA) -> bytes:
    """A file from SOI up to its first table: JFIF and Adobe as the colour needs them, and the metadata."""
    dpi = metadata.dpi
    if dpi is not None and color is ColorSpace.RGB:
        raise ValueError(f"dpi={dpi!r}: the JFIF marker that carries it makes decoders read RGB as YCbCr")
    parts = [SOI]
    if dpi is not None or color in (ColorSpace.GRAY, ColorSpace.YCBCR):
        parts.append(jfif_segment(density=(1, int(dpi[0]), int(dpi[1]))) if dpi else jfif_segment())
    parts.append(adobe_segment(color))
    if metadata.exif:
        parts.append(segment(APP1, metadata.exif, "exif"))
    if metadata.xmp:
        parts += [segment(APP1, body, "xmp") for body in xmp_bodies(metadata.xmp)]
    if metadata.icc_profile:
        parts.append(icc_segments(metadata.icc_profile))
    if metadata.comment:
        parts.append(segment(COM, bytes(metadata.comment), "comment"))
    return b"".join(parts)


def header(frame: Frame, qtables: Sequence[np.ndarray], metadata: Metadata = NO_METADATA) -> bytes:
    """A file from SOI up to and including SOFn: `opening` and `frame_header`.

    qtables: per component uint16 [64] or [8, 8] in natural order, steps 1..65535; components of one selector share one.
        Lossless frames have none.
    metadata: to embed; its dpi is the JFIF density, its exif an APP1 body, its xmp a packet.
    Grey and YCbCr carry a JFIF 1.01 marker, RGB, CMYK and YCCK an Adobe one, CMYK and YCCK both where dpi is given.
    A frame of 8 bits is baseline, or with a step above 255 extended sequential. ValueError where something does not fit.
    """
    return opening(frame.color, metadata) + frame_header(frame, qtables)


def frame_header(frame: Frame, qtables: Sequence[np.ndarray], tables: bool = True) -> bytes:
    """DQT and SOFn, which stand behind all metadata. Like libjpeg's: 8 bits in Huffman codes are SOF1 for large steps alone.

    tables: whether DQT is there.
    """
    parts = []
    process = frame.process
    if process is Process.EXTENDED and frame.precision == 8:
        process = Process.BASELINE
    for slot, table in ({} if process.lossless else _used_tables(frame, qtables)).items():
        parts.append(_dqt(slot, table.tobytes()))
        if process is Process.BASELINE and parts[-1][4] >> 4:
            process = Process.EXTENDED
    if not tables:
        parts.clear()
    sof = struct.pack(">BHHB", frame.precision, frame.height, frame.width, len(frame.components))
    sof += b"".join(bytes([k.id, k.h << 4 | k.v, k.tq]) for k in frame.components)
    parts.append(segment(process.value, sof, "frame"))
    return b"".join(parts)


def table_stream(qtables: Sequence[np.ndarray], specs: Mapping[tuple[int, int], HuffmanSpec]) -> bytes:
    """An abbreviated stream of tables alone (T.81 B.5). qtables: uint16 [64] of slots 0, 1 …; specs: of (kind, slot)."""
    dqts = [_dqt(slot, np.asarray(table, np.uint16).tobytes()) for slot, table in enumerate(qtables)]
    return b"".join([SOI, *dqts, *(dht(*key, spec) for key, spec in specs.items()), EOI])


def dht(kind: int, slot: int, spec: HuffmanSpec) -> bytes:
    """A DHT segment of one table (T.81 B.2.4.2). kind: 0 DC, 1 AC; slot 0..3."""
    return segment(DHT, bytes([kind << 4 | slot]) + spec.counts + spec.symbols, "spec")


def dac(tables: Sequence[tuple[int, int, int]]) -> bytes:
    """A DAC segment (T.81 B.2.4.3) of (kind 0 DC or 1 AC, slot 0..15, U·16 + L or Kx); nothing for no tables."""
    body = b"".join(bytes([kind << 4 | slot, value]) for kind, slot, value in tables)
    return segment(DAC, body, "tables") if body else b""


def dri(interval: int) -> bytes:
    """A DRI segment (T.81 B.2.4.4). interval: MCUs, 0..65535; 0 ends restarts."""
    return segment(DRI, struct.pack(">H", interval))


def sos(
    components: Sequence[tuple[int, int, int]],
    spectral: tuple[int, int] = (0, 63),
    approximation: tuple[int, int] = (0, 0),
) -> bytes:
    """An SOS segment (T.81 B.2.3).

    components: (identifier, DC slot, AC slot) of each; spectral: Ss, Se; approximation: Ah, Al.
    """
    body = bytes([len(components)]) + b"".join(bytes([c, dc << 4 | ac]) for c, dc, ac in components)
    return segment(SOS, body + bytes([*spectral, approximation[0] << 4 | approximation[1]]), "components")
