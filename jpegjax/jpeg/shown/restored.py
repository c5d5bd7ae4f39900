"""Files decoded by way of a restorer, which is handed in: what of a list goes to it, and what it is given.

files ─▶ headers ─┬─ restored ──▶ coefficients ─▶ restorer ─▶ pixels ─▶ region
                  └─ others ────▶ decoded as ever
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...container import Reader, orientation_of, parse_header
from ...container.mark import is_marked
from ...errors import JpegError, UnsupportedJpeg
from ...options import DecodeOptions
from ...run.threads import batches, run_parallel
from ...types import Coefficients, ColorSpace, Frame
from .. import files as entropy

__all__ = ["RESTORABLE", "Restorer", "decode_restored", "is_restorable"]

Notes = list[tuple[str, int]]
Files = Sequence[bytes | memoryview]
Results = list[tuple[Any, Notes]]
Restorer = Callable[[Sequence[Coefficients], DecodeOptions], list[Any]]
"""Pixels of whole pictures, each a batch of one, by `options.mode` and `options.dtype`."""

_NBYTES = 4 * 3 + 4 * 3
"""Bytes of a pixel on its way: planes and result in floats."""
_PIXELS = 1 << 24
"""Of the pictures that are restored together."""


RESTORABLE = "only 8-bit grey, and YCbCr with both chroma sampled 1, 2 or 4 times less,"


def is_restorable(frame: Frame) -> bool:
    """Whether restorers know such pictures."""
    color = {1: ColorSpace.GRAY, 3: ColorSpace.YCBCR}.get(len(frame.components))
    first, rest = frame.components[0], frame.components[1:]
    ratios = {(frame.vmax / k.v, frame.hmax / k.h) for k in rest}
    alike = len(ratios) <= 1 and all(ratio in (1, 2, 4) for pair in ratios for ratio in pair)
    return frame.precision == 8 and frame.color is color and (first.v, first.h) == (frame.vmax, frame.hmax) and alike


def decode_restored(
    files: Files, options: DecodeOptions, plain: Callable[[Files, DecodeOptions], Results], restorer: Restorer
) -> Results:
    """(pixels or the error, warnings) of each file. plain: decodes those that are not restored."""
    others = replace(options, restore=False)
    results: Results = [(None, [])] * len(files)
    left, chosen = list[int](), list[tuple[int, Reader]]()
    for i, data in enumerate(files):
        try:
            reader = parse_header(data, options.limits, options.strict, options.tables, options.color)
            if _wanted(reader, options):
                chosen.append((i, reader))
            else:
                left.append(i)
        except JpegError as error:
            results[i] = error, []
    for i, found in zip(left, plain([files[i] for i in left], others) if left else [], strict=True):
        results[i] = found

    def opened(item: tuple[int, Reader]) -> tuple[Any, Notes]:
        try:
            return _coefficients(files[item[0]], item[1], options)
        except (JpegError, ValueError) as error:
            return error, []

    sized = ((item, _pixels(item[1].require_frame())) for item in chosen)
    for group in batches(sized, _PIXELS):
        read = run_parallel(opened, group)
        good = [k for k, (found, _) in enumerate(read) if isinstance(found, Coefficients)]
        pictures = iter(restorer([read[k][0] for k in good], options) if good else ())
        for (i, reader), (found, notes) in zip(group, read, strict=True):
            results[i] = (_cut(next(pictures), reader, options) if isinstance(found, Coefficients) else found), notes
    return results


def _wanted(reader: Reader, options: DecodeOptions) -> bool:
    """Whether a file is restored. UnsupportedJpeg where it was asked for in vain."""
    frame = reader.require_frame()
    if frame.process.lossless or (options.restore == "auto" and not is_marked(reader.data, reader.segments)):
        return False
    if is_restorable(frame):
        return True
    if options.restore == "auto":
        return False
    raise UnsupportedJpeg(f"{RESTORABLE} can be restored", reader.frame_offset)


def _pixels(frame: Frame) -> int:
    return frame.height * frame.width


def _coefficients(data: bytes | memoryview, reader: Reader, options: DecodeOptions) -> tuple[Coefficients, Notes]:
    frame = reader.require_frame()
    _region(reader, options)  # refused before it is decoded
    pixels = _pixels(frame)
    reader.budget.charge(pixels * len(frame.components), reader.position)
    reader, planes, notes = entropy.decode_image(
        data, options.limits, options.strict, reader, smooth=True, pixels=_NBYTES * pixels
    )
    tables = tuple(np.asarray(q).reshape(8, 8) for q in reader.qtables)
    return Coefficients(tuple(p[None] for p in planes), tables, frame), notes


def _region(reader: Reader, options: DecodeOptions) -> tuple[int, int, int, int]:
    frame = reader.require_frame()
    turned = options.apply_exif_orientation and options.crop is not None
    orientation = orientation_of(reader.data, reader.segments)[0] if turned else 1
    return options.region(frame.height, frame.width, orientation)


def _cut(pixels: Any, reader: Reader, options: DecodeOptions) -> Any:
    x, y, w, h = _region(reader, options)
    return pixels if options.crop is None else pixels[y : y + h, x : x + w].copy()
