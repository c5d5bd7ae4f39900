"""What a file is, from its headers alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ..options import SUBSAMPLING, Limits
from ..types import ColorSpace, Component, Frame, Process
from .metadata import Metadata
from .parse import DEFAULT_LIMITS, PROCESS_NAMES, Reader

__all__ = ["JpegInfo", "estimate_quality", "inspect", "subsampling_name"]

_RATIOS = {ratio: name for name, ratio in SUBSAMPLING.items()}
_CHROMA = {ColorSpace.YCBCR: (1, 2), ColorSpace.YCCK: (1, 2)}


def subsampling_name(components: tuple[Component, ...]) -> str:
    """Sampling in J:a:b notation: "4:2:0" and its kin ("4:0:0" for one component, "4:2:0:4" for four).

    Components that do not fit it come as their factors, "2x2,1x2,1x1", the way cjpeg takes them.
    """
    plain = ",".join(f"{k.h}x{k.v}" for k in components)
    if len(components) == 1:
        return "4:0:0"
    if len(components) not in (3, 4):
        return plain
    y, cb, cr = components[:3]
    ratio = y.h // cb.h, y.v // cb.v
    even = (cb.h, cb.v) == (cr.h, cr.v) and (ratio[0] * cb.h, ratio[1] * cb.v) == (y.h, y.v)
    if not even or ratio not in _RATIOS or any((k.h, k.v) != (y.h, y.v) for k in components[3:]):
        return plain
    return _RATIOS[ratio] + ":4" * (len(components) - 3)


@cache
def _ladder(chroma: bool, baseline: bool) -> np.ndarray:
    base = CHROMA_QUANTIZATION if chroma else LUMA_QUANTIZATION
    return np.stack([quality_table(base, q, baseline) for q in range(1, 101)]).astype(np.int64)


def estimate_quality(frame: Frame, qtables: tuple[np.ndarray | None, ...]) -> tuple[int, bool] | None:
    """(IJG quality 1..100 whose tables come nearest, whether they are the same); None where tables are missing.

    qtables: per component uint16 [64] in natural order. Nearest: the least sum of absolute differences of steps.
    """
    tables = [q for q in qtables if q is not None]
    if not tables or len(tables) < len(qtables):
        return None
    chroma = _CHROMA.get(frame.color, ())
    baseline = all(int(q.max()) <= 255 for q in tables)
    distance = np.zeros(100, np.int64)
    for c, table in enumerate(tables):
        distance += np.abs(_ladder(c in chroma, baseline) - table.astype(np.int64)).sum(1)
    best = int(distance.argmin())
    return best + 1, bool(distance[best] == 0)


def _length(body: bytes | None) -> int | None:
    return None if body is None else len(body)


@dataclass(frozen=True, slots=True, eq=False)
class JpegInfo:
    """What a file's headers say. `metadata` holds comments, EXIF, ICC, XMP and density.

    components: identifier, sampling factors and table selector each. qtables: per component uint16 [64] in natural
    order; None where the first scan's header comes without it. quality: the nearest IJG quality 1..100, and
    quality_exact whether its tables are the file's own; None for lossless files. restart_interval: MCUs, 0 for none.
    header_nbytes: up to the first entropy-coded byte. file_nbytes: the whole. warnings: (message, byte offset).
    """

    width: int
    height: int
    precision: int
    process: Process
    components: tuple[Component, ...]
    subsampling: str
    color: ColorSpace
    qtables: tuple[np.ndarray | None, ...]
    quality: int | None
    quality_exact: bool
    restart_interval: int
    metadata: Metadata
    header_nbytes: int
    file_nbytes: int
    warnings: tuple[tuple[str, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON types; EXIF, ICC and XMP as their lengths in bytes, comments as text."""
        m = self.metadata
        return {
            "width": self.width,
            "height": self.height,
            "precision": self.precision,
            "process": PROCESS_NAMES[self.process],
            "components": [{"id": k.id, "h": k.h, "v": k.v, "tq": k.tq} for k in self.components],
            "subsampling": self.subsampling,
            "color": self.color.value,
            "qtables": [None if q is None else q.tolist() for q in self.qtables],
            "quality": self.quality,
            "quality_exact": self.quality_exact,
            "restart_interval": self.restart_interval,
            "comments": [c.decode("utf-8", "replace") for c in m.comments],
            "exif_nbytes": _length(m.exif),
            "orientation": m.orientation,
            "icc_nbytes": _length(m.icc_profile),
            "xmp_nbytes": _length(m.xmp),
            "jfif_version": None if m.jfif_version is None else list(m.jfif_version),
            "dpi": None if m.dpi is None else list(m.dpi),
            "adobe_transform": m.adobe_transform,
            "header_nbytes": self.header_nbytes,
            "file_nbytes": self.file_nbytes,
            "warnings": [{"message": message, "offset": offset} for message, offset in self.warnings],
        }

    def __str__(self) -> str:
        d, m = self.as_dict(), self.metadata
        bpp = 8 * self.file_nbytes / (self.width * self.height)
        quality = "" if self.quality is None else f", quality {'' if self.quality_exact else '≈ '}{self.quality}"
        lines = [
            f"{self.width}×{self.height}, {self.precision}-bit {d['process']}, "
            f"{d['color']} {self.subsampling}{quality}",
            f"{self.file_nbytes} bytes ({bpp:.3f} bpp), of which headers {self.header_nbytes}",
        ]
        if self.restart_interval:
            lines.append(f"restart markers every {self.restart_interval} MCUs")
        for name in ("exif", "icc", "xmp"):
            if d[f"{name}_nbytes"] is not None:
                lines.append(f"{name.upper()} {d[f'{name}_nbytes']} bytes")
        if m.orientation is not None:
            lines.append(f"orientation {m.orientation}")
        if m.dpi is not None:
            lines.append(f"{m.dpi[0]:g}×{m.dpi[1]:g} dpi")
        lines += [f"comment: {ascii(c) if not c.isprintable() else c}" for c in d["comments"]]
        lines += [f"warning: {message} (byte offset {offset})" for message, offset in self.warnings]
        return "\n".join(lines)


def inspect(data: bytes | memoryview, limits: Limits = DEFAULT_LIMITS, tables: bytes | None = None) -> JpegInfo:
    """Describe a file from its headers, also one of a process that is not decoded. Raises JpegError; tables: see `Reader`."""
    reader = Reader(data, limits, tables=tables)
    reader.seek_scan()
    frame = reader.require_frame()
    qtables = tuple(reader.defined_table(k.tq) for k in frame.components)
    estimate = None if frame.process.lossless else estimate_quality(frame, qtables)
    metadata = reader.metadata
    return JpegInfo(
        width=frame.width,
        height=frame.height,
        precision=frame.precision,
        process=frame.process,
        components=frame.components,
        subsampling=subsampling_name(frame.components),
        color=frame.color,
        qtables=qtables,
        quality=estimate[0] if estimate else None,
        quality_exact=bool(estimate and estimate[1]),
        restart_interval=reader.restart_interval,
        metadata=metadata,
        header_nbytes=reader.scan_header_end(),
        file_nbytes=reader.size,
        warnings=(*reader.warnings, *metadata.warnings),
    )
