"""Pictures behind the first one: reading any of them, and carrying them along when the first is transcoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import gcd
from typing import Any

from ..container import Reader, read_metadata
from ..container.behind import Picture, chosen, find_behind, joined, stripped
from ..errors import JpegError, UnsupportedJpeg
from ..kernels.turns import EXIF_TURNS, FLIPS, ROTATIONS, Layout, Turn, lay_out
from ..options import KINDS, DecodeOptions, TranscodeOptions
from ..types import ColorSpace, Frame

__all__ = ["of_pictures", "with_behind"]

Notes = list[tuple[str, int]]
Files = Sequence[bytes | memoryview]
Results = list[tuple[Any, Notes]]


def _moved(error: JpegError, base: int) -> JpegError:
    """The error of a picture as one of the file that holds it from byte `base` on."""
    if error.offset is None:
        return error
    moved = type(error)(error.message, error.offset + base)
    for note in getattr(error, "__notes__", ()):
        moved.add_note(note)
    return moved


def of_pictures(read: Callable[[Files, DecodeOptions], Results], files: Files, options: DecodeOptions) -> Results:
    """What `read` gives of picture `options.picture` of each file, its offsets those of the whole file."""
    results: Results = [(None, [])] * len(files)
    found: list[tuple[int, bytes | memoryview, int]] = []
    for i, data in enumerate(files):
        try:
            found.append((i, *chosen(data, options.picture, options.apply_exif_orientation)))
        except JpegError as error:
            results[i] = error, []
    read_ones = read([own for _, own, _ in found], replace(options, picture=0)) if found else []
    for (i, _, base), (value, notes) in zip(found, read_ones, strict=True):
        value = _moved(value, base) if isinstance(value, JpegError) else value
        results[i] = value, [(message, offset + base) for message, offset in notes]
    return results


Recode = Callable[[bytes | memoryview, TranscodeOptions], tuple[bytes, Notes]]

_WRITTEN = {ROTATIONS[d].then(FLIPS[f]): (d, f) for f in (None, "horizontal") for d in (0, 90, 180, 270)}
"""Each turn as options write it."""


def _axis(first: tuple[int, int], own: tuple[int, int], start: int, length: int, mirrored: bool) -> tuple[int, int]:
    """(start, length) of the part of a picture that shows what `start`, `length` do of the first one, along one axis.

    first, own: length and MCU of the turned pictures. mirrored: what is not a whole MCU stays behind at the end, and must
    be the same share of both. ValueError where no such part is exact.
    """
    (whole, mcu), (other, other_mcu) = first, own
    rest, other_rest = (whole % mcu, other % other_mcu) if mirrored else (0, 0)
    if rest * other != other_rest * whole:
        raise ValueError(
            f"of its {other} pixels {other_rest} are no whole MCU of {other_mcu}; of {whole} of the first, {rest}"
        )
    step = whole * other_mcu // gcd(whole * other_mcu, other)
    if start % step:
        raise ValueError(f"the part begins at {start}, where it has no MCU; multiples of {step} do")
    stop = start + length
    if stop not in (whole, whole - rest) and stop * other % whole:
        raise ValueError(
            f"the part ends at {stop}, where it has no pixel; multiples of {whole // gcd(whole, other)} do"
        )
    begin = start * other // whole
    return begin, (other - other_rest if stop == whole - rest else stop * other // whole) - begin


def _alike(options: TranscodeOptions, first: Frame, layout: Layout, own: Frame, turn: Turn) -> TranscodeOptions:
    """Options that turn and cut another picture as `layout` does the first one, of frame `first`; ValueError for none."""
    whole, other = lay_out(first, layout.turn).frame, lay_out(own, turn).frame
    mcu, other_mcu = (8 * whole.hmax, 8 * whole.vmax), (8 * other.hmax, 8 * other.vmax)
    top, left = layout.offset
    x, width = _axis(
        (whole.width, mcu[0]), (other.width, other_mcu[0]), left * mcu[0], layout.frame.width, turn.mirror_x
    )
    y, height = _axis(
        (whole.height, mcu[1]), (other.height, other_mcu[1]), top * mcu[1], layout.frame.height, turn.mirror_y
    )
    part = None if (width, height) == (other.width, other.height) else (x, y, width, height)
    rotate, flip = _WRITTEN[turn]
    return replace(
        options, rotate=rotate, flip=flip, crop=part, trim=False, scans=None, icc_profile=None, color=None, keep="all",
        trailer="drop", apply_exif_orientation=False,
    )  # fmt: skip


def _carried(
    own: bytes | memoryview, picture: Picture, options: TranscodeOptions, first: Frame, layout: Layout, recode: Recode
) -> tuple[bytes | None, Notes]:
    """(a picture behind the first one as that is turned, cut and greyed, or None where it stays as it is; warnings)."""
    reader = Reader(own, options.limits)
    reader.seek_scan()
    frame = reader.require_frame()
    gray = options.grayscale and picture.kind != "gain map" and frame.color is ColorSpace.YCBCR
    oriented = read_metadata(own, reader.segments).orientation if options.apply_exif_orientation else None
    turn = layout.turn
    if oriented is not None:
        turn = EXIF_TURNS[oriented].then(ROTATIONS[options.rotate]).then(FLIPS[options.flip])
    shaped = replace(frame, components=frame.components[:1]) if gray else frame
    alike = replace(_alike(options, first, layout, shaped, turn), grayscale=gray)
    if oriented is not None:
        alike = replace(alike, rotate=options.rotate, flip=options.flip, apply_exif_orientation=True)
    if turn == Turn() and alike.crop is None and not gray:
        return None, []
    return recode(own, alike)


def with_behind(
    data: bytes | memoryview,
    parts: tuple[bytes, bytes],
    options: TranscodeOptions,
    first: Frame,
    layout: Layout,
    recode: Recode,
    edits: Sequence[str],
) -> tuple[bytes, Notes]:
    """(the file of a transcoded first picture and what stands behind it in `data`, warnings).

    parts: the new first picture before its first DQT, and from there on. first: the frame that the layout is of. Other
    pictures are turned and cut in the same way by `recode`, or else stay as they are, but for the metadata that go;
    UnsupportedJpeg where that is not exact, or for edits, names of what else was done to the first one. Videos and other
    trailers stay as they are.
    """
    found, notes = find_behind(data), Notes()
    changed: dict[int, bytes] = {}
    if edits and len(found.pictures) > 1:
        other = found.pictures[1]
        raise UnsupportedJpeg(
            f"{' and '.join(edits)}: picture 1 ({other.kind}) behind the first one would not follow; pass trailer='drop' to "
            "leave out what stands behind the first",
            other.offset,
        )
    keep = {*options.keep, "icc"} if options.icc_profile else {*options.keep}
    still = not (layout.turn != Turn() or options.crop or options.grayscale or options.apply_exif_orientation)
    for k, picture in enumerate(found.pictures[1:], 1):
        own = memoryview(data)[picture.offset : picture.offset + picture.nbytes]
        new = None
        try:
            if not still:
                new, damaged = _carried(own, picture, options, first, layout, recode)
                notes += [(message, at + picture.offset) for message, at in damaged]
        except JpegError as error:
            raise _moved(error, picture.offset) from None
        except ValueError as error:
            raise UnsupportedJpeg(
                f"picture {k} ({picture.kind}, {picture.width}×{picture.height}) cannot be turned and cropped exactly as the "
                f"first one: {error}; pass trailer='drop' to leave out what stands behind the first",
                picture.offset,
            ) from None
        if keep != {*KINDS}:
            new = stripped(own if new is None else new, keep)
        if new is not None:
            changed[k] = new
    return joined(data, found, *parts, changed), notes
