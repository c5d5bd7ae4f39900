"""From file to file without loss: other geometry, other entropy coding, the same coefficients (jpegtran).

bytes ──▶ files.decode_image ──▶ planes ──▶ turns.turn_planes ──▶ planes ──▶ carried head + files.body ──▶ bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from ..container import Reader, orientation_of, parse_header
from ..container.budget import Budget
from ..container.carry import Retold, carried_head, without_color
from ..container.write import opening
from ..errors import CorruptJpeg, JpegError, UnsupportedJpeg, forget_locals
from ..kernels.turns import EXIF_TURNS, FLIPS, ROTATIONS, Turn, check_perfect, lay_out, turn_planes
from ..options import Limits, TranscodeOptions
from ..options.scans import check_script
from ..run.threads import run_parallel
from ..types import ColorSpace, Component, Frame
from . import files as entropy
from . import regions
from .behind import with_behind

__all__ = ["transcode"]

_USUAL_THUMBNAIL = 160, 120  # as DCF has it
_LARGEST_THUMBNAIL = 1 << 20  # pixels
_SPELLED = {r.then(FLIPS[f]): (angle, f) for f in (None, "horizontal") for angle, r in ROTATIONS.items()}
"""(rotate, flip) of each turn."""

Notes = list[tuple[str, int]]


def _gray(frame: Frame) -> Frame:
    """The frame of luma alone, as libjpeg numbers it."""
    luma = frame.components[0]
    if frame.color not in (ColorSpace.YCBCR, ColorSpace.GRAY):
        raise ValueError(f"grayscale=True: only YCbCr files hold their grey; this one is {frame.color.value}")
    if (luma.h, luma.v) != (frame.hmax, frame.vmax):
        raise ValueError("grayscale=True: this file's luma has fewer samples than its chroma")
    return replace(frame, components=(Component(1, 1, 1, luma.tq),), color=ColorSpace.GRAY)


def _unsampled(frame: Frame) -> Frame:
    """The frame, without the factors of a component alone, which mean nothing there and some decoders choke on."""
    if len(frame.components) > 1 or (frame.hmax, frame.vmax) == (1, 1):
        return frame
    return replace(frame, components=(replace(frame.components[0], h=1, v=1),))


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


_PASSES = 6
"""Scans of libjpeg's default script that code a component."""

Picture = tuple[list[np.ndarray], Frame, list[np.ndarray]]
"""Planes, frame, and quantisation tables as uint16 [64], of each component."""


def _read_drop(options: TranscodeOptions) -> Picture | None:
    """The picture that is to be put into all others."""
    if options.drop is None:
        return None
    try:
        data = bytes(options.drop.data)
        reader = parse_header(data, options.limits, options.strict)
        if reader.frame is not None and reader.frame.process.lossless:
            raise UnsupportedJpeg("a lossless file has no DCT coefficients to transcode", reader.frame_offset)
        reader, planes, _ = entropy.decode_image(data, options.limits, options.strict, reader)
    except JpegError as error:
        raise type(error)(f"drop: {error.message}", error.offset) from None
    return planes, reader.require_frame(), [np.asarray(q, np.uint16).reshape(64) for q in reader.qtables]


def _changed_regions(picture: Picture, options: TranscodeOptions, other: Picture | None) -> Picture:
    """A picture rolled, wiped, and with another one in it."""
    planes, frame, tables = picture
    if options.roll is not None:
        planes = regions.roll(planes, frame, *options.roll)
    if options.wipe is not None:
        planes = regions.wipe(planes, frame, options.wipe)
    if options.drop is not None and other is not None:
        drop, its = options.drop, other[1]
        same = its.precision == frame.precision and (
            its.color is frame.color or ColorSpace.GRAY in (its.color, frame.color)
        )
        if not same:
            raise ValueError(
                f"drop: {its.precision}-bit {its.color.value} into {frame.precision}-bit {frame.color.value}"
            )
        place = drop.x, drop.y, drop.from_right, drop.from_bottom
        planes, tables = regions.drop(planes, frame, tables, other, place, bool(options.trim))
    return planes, frame, tables


def _check_finished(reader: Reader) -> None:
    """UnsupportedJpeg where a repeated identifier keeps scans from their component: decoders smooth what is then unfinished,
    and would not smooth a file with all its scans."""
    frame = reader.require_frame()
    repeated = len({k.id for k in frame.components}) < len(frame.components)
    if repeated and frame.process.progressive and any(any(bits[:10]) for bits in reader.coefficient_bits):
        raise UnsupportedJpeg("identifiers of components repeat, so that progressive scans are unfinished, which decoders "
                              "smooth and whole ones not", reader.frame_offset)  # fmt: skip


def _turned(data: bytes, turn: Turn, limits: Limits) -> bytes:
    """A file turned without loss, edges and all; ValueError where that cannot be."""
    rotate, flip = _SPELLED[turn]
    own = TranscodeOptions(
        rotate=rotate, flip=flip, perfect=True, thumbnail="keep", trailer="drop", strict=True, limits=limits
    )
    return _transcode(data, own, None)[0]


def _retold(frame: Frame, turn: Turn, resized: bool, coded: bytes, options: TranscodeOptions) -> Retold | None:
    """What EXIF and XMP shall say of the new picture; None where they stay as jpegtran leaves them."""
    upright = options.apply_exif_orientation
    if not upright and options.thumbnail != "update":
        return None

    regions_changed = any(part is not None for part in (options.crop, options.roll, options.wipe, options.drop))

    def thumbnail(old: bytes) -> tuple[bytes | None, tuple[int, int]]:
        box = _USUAL_THUMBNAIL
        with suppress(ValueError):  # and JpegError: what is no thumbnail is made anew
            before = parse_header(old, options.limits).require_frame()
            if before.width * before.height <= _LARGEST_THUMBNAIL:
                box = (before.height, before.width) if turn.transpose else (before.width, before.height)
                if not regions_changed:
                    return _turned(old, turn, options.limits), box
        from .thumbnail import thumbnail_of  # few files need one made, and it loads encoder and decoder

        return thumbnail_of(opening(frame.color) + coded, box, options.limits)

    changed = options.thumbnail != "keep" and (turn != Turn() or regions_changed)
    return Retold(upright, (frame.width, frame.height) if resized else None, thumbnail if changed else None)


def _transcode(
    data: bytes | memoryview,
    options: TranscodeOptions,
    other: Picture | None,
    instead: bytes | None = None,
    spent: Budget | None = None,
) -> tuple[bytes, Notes]:
    """spent: the budget of the file that `data` are a part of, which goes on."""
    reader = parse_header(data, options.limits, options.strict, color=options.color)
    if spent is not None:
        spent.steps += reader.budget.steps
        reader.budget = spent
    if reader.frame is not None and reader.frame.process.lossless:
        raise UnsupportedJpeg("a lossless file has no DCT coefficients to transcode", reader.frame_offset)
    if options.apply_exif_orientation:
        orientation, damaged = orientation_of(reader.data, reader.segments)
        if damaged and options.strict:
            raise CorruptJpeg(*damaged[0])
    reader, planes, notes = entropy.decode_image(data, options.limits, options.strict, reader)
    _check_finished(reader)
    frame, turn = reader.require_frame(), ROTATIONS[options.rotate].then(FLIPS[options.flip])
    steps = reader.qtables
    if instead is not None:
        lossy, planes, _ = entropy.decode_image(instead, options.limits, options.strict)
        frame, steps = replace(lossy.require_frame(), process=frame.process), lossy.qtables
    asked_by, remedy = ("perfect", "perfect=False") if options.perfect else ("", "")
    if options.apply_exif_orientation:
        turn = EXIF_TURNS[orientation].then(turn)
        if orientation != 1 and options.trim is None and not options.perfect:
            asked_by, remedy = "apply_exif_orientation", "trim=False"
        notes = [*notes, *damaged]
    source = frame
    if options.grayscale:
        frame = _gray(frame)
    if asked_by:
        check_perfect(frame, turn, asked_by, remedy)
    part = None if options.crop is None else regions.crop_of(options.crop, lay_out(frame, turn).frame)
    extension = part if isinstance(part, regions.Extension) else None
    crop = None if isinstance(part, regions.Extension) else part
    shown, layout = frame, lay_out(frame, turn, crop, bool(options.trim))
    tables: list[np.ndarray] = [np.asarray(q, np.uint16).reshape(8, 8) for q in steps[: len(frame.components)]]
    tables = [np.ascontiguousarray(q.T if turn.transpose else q).reshape(64) for q in tables]
    coding = options.coding(source.process.progressive, source.process.arithmetic)
    moved = turn != Turn() or layout.frame != source
    frames = [source, layout.frame] if moved else [source]
    if extension:
        frames.append(replace(layout.frame, width=extension.width, height=extension.height))
    frames += [frames[-1]] * sum(change is not None for change in (options.roll, options.wipe, options.drop))
    passes = len(coding.scans) if coding.scans else _PASSES if coding.progressive else 1
    reader.budget.charge_recoding(frames, passes, reader.frame_offset)
    if moved:
        planes = turn_planes(planes, layout)
    frame = layout.frame
    if extension:
        planes, frame = regions.extend(planes, frame, extension)
    planes, frame, tables = _changed_regions((planes, frame, tables), options, other)
    frame = _own_selectors(_unsampled(frame), tables)
    if options.scans is not None:
        check_script(options.scans, frame)
    try:
        coded = entropy.body(planes, frame, tables, coding)
    except ValueError as error:
        raise CorruptJpeg(f"the file cannot be coded again: {error}") from None
    resized = (frame.width, frame.height) != (source.width, source.height)
    head = carried_head(
        reader.data,
        reader.segments if options.color is None else without_color(reader.data, reader.segments),
        reader.metadata,
        frame,
        options.keep,
        resized=resized,
        retold=_retold(frame, turn, resized, coded, options),
        icc_profile=options.icc_profile,
    )
    if options.trailer == "keep" and reader.position < reader.size:
        edits = [name for name in ("roll", "wipe", "drop") if getattr(options, name) is not None]
        edits += ["crop beyond the picture"] if extension else []
        parts, recode = (head, coded), lambda own, these: _transcode(own, these, None, spent=reader.budget)
        whole, more = with_behind(data, parts, options, shown, layout, recode, edits)
        return whole, [*notes, *more]
    return head + coded, notes


def transcode(
    files: Sequence[bytes | memoryview], options: TranscodeOptions, instead: Sequence[bytes | None] = ()
) -> list[tuple[bytes | ValueError, Notes]]:
    """(the new file, or the JpegError or ValueError that its source met; warnings) of each file, on all cores.

    instead: of each file, or none, another one whose picture takes the place of its own, in the same process.
    """
    other = _read_drop(options)

    def one(pair: tuple[bytes | memoryview, bytes | None]) -> tuple[bytes | ValueError, Notes]:
        try:
            return _transcode(pair[0], options, other, pair[1])
        except ValueError as error:  # JpegError is one too
            forget_locals(error)
            return error, []

    return run_parallel(one, list(zip(files, instead or [None] * len(files), strict=True)))
