"""From file to file without loss: other geometry, other entropy coding, the same coefficients (jpegtran).

bytes ──▶ files.decode_image ──▶ planes ──▶ turns.turn_planes ──▶ planes ──▶ carried head + files.body ──▶ bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..container import orientation_of, parse_header
from ..container.carry import carried_head
from ..errors import CorruptJpeg, UnsupportedJpeg
from ..kernels.turns import EXIF_TURNS, FLIPS, ROTATIONS, Turn, lay_out, turn_planes
from ..options import TranscodeOptions
from ..options.scans import check_script
from ..run.threads import run_parallel
from ..types import ColorSpace, Component, Frame
from . import files as entropy

__all__ = ["transcode"]

Notes = list[tuple[str, int]]


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
    if options.apply_exif_orientation:
        orientation, damaged = orientation_of(reader.data, reader.segments)
        if damaged and options.strict:
            raise CorruptJpeg(*damaged[0])
    reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader)
    frame, turn = reader.require_frame(), ROTATIONS[options.rotate].then(FLIPS[options.flip])
    if options.apply_exif_orientation:
        turn = EXIF_TURNS[orientation].then(turn)
        notes = [*notes, *damaged]
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
        upright=options.apply_exif_orientation,
        icc_profile=options.icc_profile,
    )
    if options.scans is not None:
        check_script(options.scans, frame)
    try:
        coded = entropy.body(
            planes, frame, tables, options.coding(source.process.progressive, source.process.arithmetic)
        )
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
