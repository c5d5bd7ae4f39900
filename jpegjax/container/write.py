"""Writing markers, in the layout of cjpeg and Pillow, byte for byte (T.81 B.2).

SOI, JFIF and Adobe, EXIF, XMP, ICC, COM, DQT…, SOFn │ DHT…, DRI, SOS, data │ … │ EOI
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..types import ZIGZAG, ColorSpace, Frame, HuffmanSpec, Process
from .metadata import ICC_PREFIX, XMP_PREFIX

__all__ = ["EOI", "SOI", "dac", "dht", "dri", "frame_header", "header", "icc_segments", "sos"]

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"

_MAX_BODY = 65_533
_ADOBE_TRANSFORM = {ColorSpace.RGB: 0, ColorSpace.CMYK: 0, ColorSpace.YCCK: 2}


def _segment(code: int, body: bytes, name: str) -> bytes:
    if len(body) > _MAX_BODY:
        raise ValueError(f"{name}: {len(body)} bytes with its prefix; a marker segment holds at most {_MAX_BODY}")
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


@lru_cache(maxsize=256)
def _dqt(slot: int, steps16: bytes) -> bytes:
    table = np.frombuffer(steps16, np.uint16)
    wide = bool(table.max() > 255)
    steps = table[ZIGZAG].astype(">u2" if wide else "u1").tobytes()
    return _segment(0xDB, bytes([wide << 4 | slot]) + steps, "qtables")


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
    size = _MAX_BODY - len(ICC_PREFIX) - 2
    parts = [profile[i : i + size] for i in range(0, len(profile), size)]
    if len(parts) > 255:
        raise ValueError(f"icc_profile: {len(profile)} bytes; at most {255 * size} fit in 255 segments")
    return b"".join(
        _segment(0xE2, ICC_PREFIX + bytes([i, len(parts)]) + part, "icc_profile") for i, part in enumerate(parts, 1)
    )


def header(
    frame: Frame,
    qtables: Sequence[np.ndarray],
    *,
    dpi: tuple[int, int] | None = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    comment: bytes | None = None,
) -> bytes:
    """A file from SOI up to and including SOFn.

    qtables: per component uint16 [64] or [8, 8] in natural order, steps 1..65535; components of one selector share one.
        Lossless frames have none.
    dpi: JFIF density (x, y), dots an inch, 1..65535. exif: the APP1 body as it stands ("Exif\\0\\0" first).
    Grey and YCbCr carry a JFIF 1.01 marker, RGB, CMYK and YCCK an Adobe one, CMYK and YCCK both where dpi is given.
    A baseline frame with a step above 255 becomes extended sequential. ValueError where something does not fit.
    """
    if dpi is not None and frame.color is ColorSpace.RGB:
        raise ValueError(f"dpi={dpi!r}: the JFIF marker that carries it makes decoders read RGB as YCbCr")
    parts = [SOI]
    if dpi is not None or frame.color in (ColorSpace.GRAY, ColorSpace.YCBCR):
        x, y = dpi or (1, 1)
        parts.append(_segment(0xE0, b"JFIF\0\1\1" + struct.pack(">BHHBB", dpi is not None, x, y, 0, 0), "dpi"))
    if frame.color in _ADOBE_TRANSFORM:
        parts.append(_segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([_ADOBE_TRANSFORM[frame.color]]), "color"))
    if exif:
        parts.append(_segment(0xE1, bytes(exif), "exif"))
    if xmp:
        parts.append(_segment(0xE1, XMP_PREFIX + bytes(xmp), "xmp"))
    if icc_profile:
        parts.append(icc_segments(bytes(icc_profile)))
    if comment:
        parts.append(_segment(0xFE, bytes(comment), "comment"))
    parts.append(frame_header(frame, qtables))
    return b"".join(parts)


def frame_header(frame: Frame, qtables: Sequence[np.ndarray]) -> bytes:
    """The end of `header`, behind all metadata: DQT and SOFn."""
    parts = []
    process = frame.process
    for slot, table in ({} if process.lossless else _used_tables(frame, qtables)).items():
        parts.append(_dqt(slot, table.tobytes()))
        if process is Process.BASELINE and parts[-1][4] >> 4:
            process = Process.EXTENDED
    sof = struct.pack(">BHHB", frame.precision, frame.height, frame.width, len(frame.components))
    sof += b"".join(bytes([k.id, k.h << 4 | k.v, k.tq]) for k in frame.components)
    parts.append(_segment(process.value, sof, "frame"))
    return b"".join(parts)


def dht(kind: int, slot: int, spec: HuffmanSpec) -> bytes:
    """A DHT segment of one table (T.81 B.2.4.2). kind: 0 DC, 1 AC; slot 0..3."""
    return _segment(0xC4, bytes([kind << 4 | slot]) + spec.counts + spec.symbols, "spec")


def dac(tables: Sequence[tuple[int, int, int]]) -> bytes:
    """A DAC segment (T.81 B.2.4.3) of (kind 0 DC or 1 AC, slot 0..15, U·16 + L or Kx); nothing for no tables."""
    body = b"".join(bytes([kind << 4 | slot, value]) for kind, slot, value in tables)
    return _segment(0xCC, body, "tables") if body else b""


def dri(interval: int) -> bytes:
    """A DRI segment (T.81 B.2.4.4). interval: MCUs, 0..65535; 0 ends restarts."""
    return struct.pack(">HHH", 0xFFDD, 4, interval)


def sos(
    components: Sequence[tuple[int, int, int]],
    spectral: tuple[int, int] = (0, 63),
    approximation: tuple[int, int] = (0, 0),
) -> bytes:
    """An SOS segment (T.81 B.2.3).

    components: (identifier, DC slot, AC slot) of each; spectral: Ss, Se; approximation: Ah, Al.
    """
    body = bytes([len(components)]) + b"".join(bytes([c, dc << 4 | ac]) for c, dc, ac in components)
    return _segment(0xDA, body + bytes([*spectral, approximation[0] << 4 | approximation[1]]), "components")
