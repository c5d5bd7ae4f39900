"""From file to file without loss: other geometry, other entropy coding, the same coefficients (jpegtran).

bytes ──▶ entropy.decode_image ──▶ planes ──▶ blocks.turn_planes ──▶ planes ──▶ carried head + entropy.body ──▶ bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..container import parse_header
from ..container.carry import KINDS, carried_head, carried_orientation
from ..container.parse import DEFAULT_LIMITS
from ..errors import CorruptJpeg, UnsupportedJpeg
from ..kernels.turns import EXIF_TURNS, FLIPS, ROTATIONS, Turn, lay_out, turn_planes
from ..options import MAX_SIDE, EncodeOptions, Limits, check_choice, check_int
from ..run.threads import run_parallel
from ..scan_script import check_script
from ..types import ColorSpace, Component, Frame
from . import files as entropy

__all__ = ["TranscodeOptions", "transcode"]

Notes = list[tuple[str, int]]


def _parse_keep(value: Any) -> tuple[str, ...]:
    if value in ("all", "none"):
        return KINDS if value == "all" else ()
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if name not in KINDS:
            raise ValueError(f"keep={value!r}: must be 'all', 'none', or one or several of {', '.join(KINDS)}")
    return names


def _parse_crop(value: Any) -> tuple[int, int, int | None, int | None]:
    try:
        x, y, width, height = value
    except (TypeError, ValueError):
        message = "must be (x, y, width, height), width or height None for all that is left"
        raise ValueError(f"crop={value!r}: {message}") from None
    sides = [None if s is None else check_int(f"crop[{i}]", s, 1, MAX_SIDE) for i, s in ((2, width), (3, height))]
    return check_int("crop[0]", x, 0, MAX_SIDE), check_int("crop[1]", y, 0, MAX_SIDE), sides[0], sides[1]


@dataclass(frozen=True, slots=True)
class TranscodeOptions:
    """Keyword arguments of `transcode`; `api.transcode` documents them."""

    rotate: int = 0
    flip: str | None = None
    crop: tuple[int, int, int | None, int | None] | None = None
    trim: bool = False
    perfect: bool = False
    grayscale: bool = False
    optimize: bool = True
    progressive: bool | None = None
    arithmetic: bool = False
    restart_rows: int = 0
    restart_blocks: int = 0
    keep: Any = "all"
    icc_profile: bytes | None = None
    apply_exif_orientation: bool = False
    strict: bool = False
    limits: Limits = DEFAULT_LIMITS
    scans: Any = None

    def __post_init__(self):
        check_choice("rotate", self.rotate, tuple(ROTATIONS))
        check_choice("flip", self.flip, tuple(FLIPS))
        for name in ("trim", "perfect", "grayscale", "apply_exif_orientation", "strict"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name}={getattr(self, name)!r}: must be True or False")
        if self.trim and self.perfect:
            raise ValueError("trim and perfect: give one of them, not both")
        if self.crop is not None:
            object.__setattr__(self, "crop", _parse_crop(self.crop))
        kept = _parse_keep(self.keep)
        object.__setattr__(self, "keep", tuple(k for k in kept if k != "icc") if self.icc_profile else kept)
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits={self.limits!r}: must be a jpegjax.Limits")
        object.__setattr__(self, "scans", self.coding(False).scans)

    def coding(self, progressive: bool) -> EncodeOptions:
        """The entropy coding that was asked for; progressive: of the file, where nothing was asked."""
        return EncodeOptions(
            optimize=self.optimize,
            progressive=progressive if self.progressive is None else self.progressive,
            arithmetic=self.arithmetic,
            scans=self.scans,
            restart_rows=self.restart_rows,
            restart_blocks=self.restart_blocks,
            icc_profile=self.icc_profile,
        )


def _gray(frame: Frame) -> Frame:
    """The frame of luma alone, as libjpeg numbers it."""
    luma = frame.components[0]
    if frame.color not in (ColorSpace.YCBCR, ColorSpace.GRAY):
        raise ValueError(f"grayscale=True: only YCbCr files hold their grey; this one is {frame.color.value}")
    if (luma.h, luma.v) != (frame.hmax, frame.vmax):
        raise ValueError("grayscale=True: this file's luma has fewer samples than its chroma")
    return replace(frame, components=(Component(1, 1, 1, luma.tq),), color=ColorSpace.GRAY)


def _own_selectors(frame: Frame, tables: Sequence[np.ndarray]) -> Frame:
    """The frame, with selectors of its own for each table where a file gave one selector several tables."""
    slots: dict[int, bytes] = {}
    if all(slots.setdefault(k.tq, t.tobytes()) == t.tobytes() for k, t in zip(frame.components, tables, strict=True)):
        return frame
    different = list(dict.fromkeys(t.tobytes() for t in tables))
    if len(different) > 4:
        raise UnsupportedJpeg(f"{len(different)} quantisation tables; a file with all its scans in any order holds 4")
    chosen = [different.index(t.tobytes()) for t in tables]
    return replace(frame, components=tuple(replace(k, tq=q) for k, q in zip(frame.components, chosen, strict=True)))


def _transcode(data: bytes | memoryview, options: TranscodeOptions) -> tuple[bytes, Notes]:
    reader = parse_header(data, options.limits, options.strict)
    if reader.frame is not None and reader.frame.process.lossless:
        raise UnsupportedJpeg("a lossless file has no DCT coefficients to transcode", reader.frame_offset)
    reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader)
    frame, turn, upright = reader.require_frame(), ROTATIONS[options.rotate].then(FLIPS[options.flip]), None
    if options.apply_exif_orientation:
        orientation, trouble = carried_orientation(reader.data, reader.segments)
        turn, upright = EXIF_TURNS[orientation].then(turn), 1
        notes = [*notes, trouble] if trouble else notes
    source = frame
    if options.grayscale:
        frame = _gray(frame)
    layout = lay_out(frame, turn, options.crop, options.trim, options.perfect)
    tables: list[np.ndarray] = [np.asarray(q, np.uint16).reshape(8, 8) for q in reader.qtables[: len(frame.components)]]
    tables = [np.ascontiguousarray(q.T if turn.transpose else q).reshape(64) for q in tables]
    frame = _own_selectors(layout.frame, tables)
    if turn != Turn() or frame != source:
        planes = turn_planes(planes, layout)
    head = carried_head(
        reader.data,
        reader.segments,
        reader.metadata,
        frame,
        options.keep,
        resized=(frame.width, frame.height) != (source.width, source.height),
        orientation=upright,
        icc_profile=options.icc_profile,
    )
    if options.scans is not None:
        check_script(options.scans, frame)
    try:
        coded = entropy.body(planes, frame, tables, options.coding(source.process.progressive))
    except ValueError as error:
        raise CorruptJpeg(f"the file cannot be coded again: {error}") from None
    return head + coded, notes


def transcode(files: Sequence[bytes | memoryview], options: TranscodeOptions) -> list[tuple[bytes | ValueError, Notes]]:
    """(the new file, or the JpegError or ValueError that its source met; warnings) of each file, on all cores."""

    def one(data: bytes | memoryview) -> tuple[bytes | ValueError, Notes]:
        try:
            return _transcode(data, options)
        except ValueError as error:  # JpegError is one too
            return error, []

    return run_parallel(one, files)
