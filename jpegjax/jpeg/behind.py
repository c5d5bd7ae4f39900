"""Pictures behind the first one: reading any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..container.behind import chosen
from ..errors import JpegError
from ..options import DecodeOptions

__all__ = ["of_pictures"]

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
