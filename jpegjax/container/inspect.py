"""What a file is, from its markers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ..options import SUBSAMPLING, Limits
from ..options.gain_map import GainMapMetadata
from ..types import ColorSpace, Component, Frame, Process
from .behind import Picture, Trailer, find_behind
from .mark import is_marked
from .metadata import Metadata
from .parse import DEFAULT_LIMITS, PROCESS_NAMES, Reader
from .parts import PartSizes, ScanPart, SegmentPart, TablePart, walk

__all__ = ["JpegInfo", "estimate_quality", "inspect", "subsampling_name"]

_RATIOS = {ratio: name for name, ratio in SUBSAMPLING.items()}
_SHOWN_SCANS, _SHOWN_TABLES = 20, 8
_TITLES = {
    "headers": "headers", "qtables": "quantisation tables", "huffman_tables": "Huffman tables",
    "conditioning": "arithmetic conditioning", "exif": "EXIF", "icc": "ICC", "xmp": "XMP", "comments": "comments",
    "other": "other APPn", "entropy": "entropy-coded", "trailing": "behind the end", "unread": "unread",
}  # fmt: skip
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


def _conditioning(table: TablePart) -> dict[str, int]:
    if table.kind == "DC":
        return {"lower": table.value & 15, "upper": table.value >> 4}
    return {"kx": table.value}


def _named(values: dict[str, int]) -> str:
    return " ".join(f"{name} {value}" for name, value in values.items())


def _shortened(words: list[str]) -> str:
    more = len(words) - _SHOWN_TABLES
    return ", ".join(words[:_SHOWN_TABLES]) + (f" … and {more} more" if more > 0 else "")


def _block(name: str, items: Sequence[object]) -> list[str]:
    """One line of one item, more of several, at most _SHOWN_SCANS of them."""
    if len(items) < 2:
        return [f"1 {name}: {item}" for item in items]
    more = [f"  … and {len(items) - _SHOWN_SCANS} more"] if len(items) > _SHOWN_SCANS else []
    return [f"{len(items)} {name}s:", *(f"  {item}" for item in items[:_SHOWN_SCANS]), *more]


@dataclass(frozen=True, slots=True, eq=False)
class JpegInfo:
    """What a file's markers say. `metadata` holds comments, EXIF, ICC, XMP and density.

    components: identifier, sampling factors and table selector each. qtables: per component uint16 [64] in natural
    order; None where the first scan's header comes without it. quality: the nearest IJG quality 1..100, and
    quality_exact whether its tables are the file's own; None for lossless files. restart_interval: MCUs, 0 for none.
    scans, huffman_tables, conditioning: every scan and every definition of a table in the file, in order; segments: every
    APPn (the first 4096); sizes: bytes of each part. pictures: all that the file holds, number 0 first, as
    `decode(picture=...)` counts them; trailers: what else stands behind the first one. marked: whether the file says that
    it was encoded for `decode(restore="auto")`. header_nbytes: up to the first entropy-coded byte. file_nbytes: the whole.
    warnings: (message, byte offset).
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
    scans: tuple[ScanPart, ...]
    huffman_tables: tuple[TablePart, ...]
    conditioning: tuple[TablePart, ...]
    segments: tuple[SegmentPart, ...]
    metadata: Metadata
    sizes: PartSizes
    pictures: tuple[Picture, ...]
    trailers: tuple[Trailer, ...]
    marked: bool
    header_nbytes: int
    file_nbytes: int
    warnings: tuple[tuple[str, int], ...]

    @property
    def gain_map(self) -> GainMapMetadata | None:
        """What the file's first gain map says of itself, or None."""
        return next((p.gain_map for p in self.pictures if p.gain_map is not None), None)

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
            "huffman_tables": [
                {"kind": t.kind, "slot": t.slot, "codes": t.value, "offset": t.offset} for t in self.huffman_tables
            ],
            "conditioning": [
                {"kind": t.kind, "slot": t.slot, **_conditioning(t), "offset": t.offset} for t in self.conditioning
            ],
            "segments": [segment.as_dict() for segment in self.segments],
            "scans": [scan.as_dict() for scan in self.scans],
            "comments": [c.decode("utf-8", "replace") for c in m.comments],
            "exif_nbytes": _length(m.exif),
            "orientation": m.orientation,
            "icc_nbytes": _length(m.icc_profile),
            "xmp_nbytes": _length(m.xmp),
            "iptc_nbytes": _length(m.iptc),
            "photoshop": [resource.as_dict() for resource in m.photoshop],
            "jfif_version": None if m.jfif_version is None else list(m.jfif_version),
            "density": None if m.density is None else dict(zip(("unit", "x", "y"), m.density, strict=True)),
            "dpi": None if m.dpi is None else list(m.dpi),
            "adobe_transform": m.adobe_transform,
            "sizes": self.sizes.as_dict(),
            "pictures": [picture.as_dict() for picture in self.pictures],
            "trailers": [trailer.as_dict() for trailer in self.trailers],
            "marked": self.marked,
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
            f"{self.file_nbytes:,} bytes ({bpp:.3f} bpp)",
            "parts: " + ", ".join(f"{_TITLES[name]} {nbytes:,}" for name, nbytes in d["sizes"].items() if nbytes),
        ]
        steps = {k.tq: q for k, q in zip(self.components, self.qtables, strict=True) if q is not None}
        if steps and not self.process.lossless:
            told = [f"{slot} (steps {q.min()}–{q.max()})" for slot, q in sorted(steps.items())]
            lines.append(f"quantisation tables: {', '.join(told)}")
        if self.huffman_tables:
            told = [f"{t.kind} {t.slot} ({t.value} codes)" for t in self.huffman_tables]
            lines.append(f"Huffman tables: {_shortened(told)}")
        if self.conditioning:
            told = [f"{t.kind} {t.slot} ({_named(_conditioning(t))})" for t in self.conditioning]
            lines.append(f"arithmetic conditioning: {_shortened(told)}")
        if self.restart_interval:
            lines.append(f"restart markers every {self.restart_interval} MCUs")
        told = [f"  {i}: {self._scan_line(scan)}" for i, scan in enumerate(self.scans[: _SHOWN_SCANS + 1], 1)]
        if len(self.scans) == 1:
            lines.append(f"1 scan: {self._scan_line(self.scans[0])}")
        elif told:
            more = [f"  … and {len(self.scans) - _SHOWN_SCANS} more"] if len(told) > _SHOWN_SCANS else []
            lines += [f"{len(self.scans)} scans:", *told[:_SHOWN_SCANS], *more]
        lines += _block("APPn segment", self.segments)
        if self.marked:
            lines.append("marked: encoded for restoration by this library")
        for name in ("exif", "icc", "xmp", "iptc"):
            if d[f"{name}_nbytes"] is not None:
                lines.append(f"{name.upper()}: {d[f'{name}_nbytes']:,} bytes")
        if m.orientation is not None:
            lines.append(f"orientation {m.orientation}")
        lines += _block("Photoshop resource", m.photoshop)
        if m.dpi is not None:
            lines.append(f"{m.dpi[0]:g}×{m.dpi[1]:g} dpi")
        if len(self.pictures) > 1:
            told = [f"  {i}: {picture}" for i, picture in enumerate(self.pictures[:_SHOWN_SCANS])]
            lines += [f"{len(self.pictures)} pictures:", *told]
        lines += [f"behind: {trailer}" for trailer in self.trailers[:_SHOWN_SCANS]]
        lines += [f"comment: {ascii(c) if not c.isprintable() else c}" for c in d["comments"]]
        lines += [f"warning: {message} (byte offset {offset})" for message, offset in self.warnings]
        return "\n".join(lines)

    def _scan_line(self, scan: ScanPart) -> str:
        """As in "components 1 2 3, coefficients 0–63, 12,345 bytes at 607"."""
        (first, last), (high, low) = scan.spectral, scan.approximation
        names = " ".join(str(self.components[c].id) for c in scan.components)
        said = [f"component{'s' * (len(scan.components) > 1)} {names}"]
        if self.process.lossless:
            said.append(f"predictor {first}" + (f", point transform {low}" if low else ""))
        else:
            said.append(f"coefficients {first}–{last}")
        if self.process.progressive:
            said.append(f"bits {high}→{low}" if high else f"down to bit {low}")
        if scan.restart_interval != self.restart_interval:
            said.append(f"restarts every {scan.restart_interval} MCUs" if scan.restart_interval else "no restarts")
        return ", ".join([*said, f"{scan.nbytes:,} bytes at {scan.offset}"])


def inspect(data: bytes | memoryview, limits: Limits = DEFAULT_LIMITS, tables: bytes | None = None) -> JpegInfo:
    """Describe a file from its markers, also one whose scans cannot be decoded. Raises JpegError; tables: see `Reader`.

    Damage behind the first scan header is a warning.
    """
    reader = Reader(data, limits, tables=tables)
    reader.seek_scan()
    frame = reader.require_frame()
    qtables = tuple(reader.defined_table(k.tq) for k in frame.components)
    estimate = None if frame.process.lossless else estimate_quality(frame, qtables)
    metadata = reader.metadata
    layout = walk(reader.data, frame, limits, reader.position)
    behind = find_behind(reader.data)
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
        scans=tuple(layout.scans),
        huffman_tables=tuple(layout.huffman_tables),
        conditioning=tuple(layout.conditioning),
        segments=tuple(layout.segments),
        metadata=metadata,
        sizes=layout.sizes,
        pictures=tuple(behind.pictures),
        trailers=tuple(behind.trailers),
        marked=is_marked(reader.data, reader.segments),
        header_nbytes=reader.scan_header_end(),
        file_nbytes=reader.size,
        warnings=(*reader.warnings, *metadata.warnings, *layout.warnings, *behind.warnings),
    )
