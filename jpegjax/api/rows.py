"""Many files to the rows of one array: batches to train on, made on all cores."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..container import parse_header
from ..errors import JpegWarning, UnsupportedJpeg
from ..jpeg import codec
from ..options import DecodeOptions
from ..run.memory import borrow
from ..run.threads import cores, run_parallel
from ..types import Coefficients, ColorSpace, Component, Frame, Process, register_pytree
from .inputs import Result, named, on_good

__all__ = ["Files", "Window", "coefficient_rows", "pixel_rows"]

_TOGETHER = 16
"""Files that a thread takes at once: one call of a kernel where they begin alike, and none waits long for the last of them."""
_SCALES = range(1, 17)
"""Eighths of the full size that there are."""

Failed = dict[int, Exception]
"""What files met, by the row that has stayed empty."""


class Files(NamedTuple):
    """A batch of files: their bytes, or what reading met, and what they are called in errors and warnings."""

    contents: Sequence[Any]
    names: Sequence[str]


class Window(NamedTuple):
    """The part of a picture that a row shows.

    size: (height, width). places: float64 [N, 2], where in the room that is left each one lies, vertically and horizontally:
    0 at the upper left, below 1. fit: at the smallest scale that fills it, instead of that of the options.
    """

    size: tuple[int, int]
    places: np.ndarray
    fit: bool

    def of_pixels(self, row: int, frame: Frame, options: DecodeOptions) -> DecodeOptions:
        """The options that decode a row. ValueError where the picture is too small."""
        scales = _SCALES if self.fit else [options.eighths]
        for scale in scales:
            high, wide = _scaled(frame, scale)
            if high >= self.size[0] and wide >= self.size[1]:
                y, x = self._corner(row, (high, wide), self.size)
                return replace(options, scale=Fraction(scale, 8), crop=(x, y, self.size[1], self.size[0]))
        raise self._too_small(frame)

    def of_blocks(self, row: int, frame: Frame) -> tuple[int, int]:
        """(first row, first column) in MCUs. ValueError where the picture is too small, or the size is not whole MCUs."""
        units = 8 * frame.vmax, 8 * frame.hmax
        if any(length % unit for length, unit in zip(self.size, units, strict=True)):
            raise ValueError(
                f"size={self.size}: must be multiples of {units[0]}×{units[1]}, the samples of an MCU (rows × columns)"
            )
        if frame.height < self.size[0] or frame.width < self.size[1]:
            raise self._too_small(frame)
        whole = frame.height // units[0], frame.width // units[1]
        return self._corner(row, whole, (self.size[0] // units[0], self.size[1] // units[1]))

    def _corner(self, row: int, room: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        y, x = (int(p * (r - s + 1)) for p, r, s in zip(self.places[row], room, size, strict=True))
        return y, x

    def _too_small(self, frame: Frame) -> ValueError:
        high, wide = self.size
        return ValueError(f"{frame.width}×{frame.height} pixels are too few for a window of {wide}×{high}")


def _scaled(frame: Frame, eighths: int) -> tuple[int, int]:
    return -(-frame.height * eighths // 8), -(-frame.width * eighths // 8)


def _frame(data: bytes | memoryview, options: DecodeOptions) -> Frame:
    return parse_header(data, options.limits, options.strict, options.tables, options.color).require_frame()


def _first(
    files: Files, options: DecodeOptions, seen: Callable[[Frame], Frame] = lambda frame: frame
) -> tuple[Frame, str]:
    """What `seen` makes of the first frame that can be read and that it does not refuse, and the file's name.

    Where there is none, the first error is raised.
    """
    errors: list[Exception] = []
    for data, name in zip(files.contents, files.names, strict=True):
        try:
            if isinstance(data, Exception):
                raise data
            return seen(_frame(data, options)), name
        except (OSError, ValueError) as error:
            errors.append(named(error, name))
    raise errors[0] if errors else ValueError("a batch without files")


def _each(
    files: Files,
    work: Callable[[Sequence[int]], list[Result]],
    keep: Callable[[int, Any], None],
    done: Container[int] = (),
) -> Failed:
    """work(numbers) on all cores, keep(number, value) for what it made; the errors, named. Warns of what was damaged.

    done: numbers of files that need no work any more.
    """
    left = [i for i in range(len(files.contents)) if i not in done]
    step = max(1, min(_TOGETHER, -(-len(left) // (2 * cores()))))
    parts = [left[i : i + step] for i in range(0, len(left), step)]

    def run(numbers: Sequence[int]) -> list[Result]:
        found = work(numbers)
        for i, (value, _) in zip(numbers, found, strict=True):
            if not isinstance(value, Exception):
                keep(i, value)
        return [(value if isinstance(value, Exception) else None, notes) for value, notes in found]

    failed: Failed = {}
    results = [result for part in run_parallel(run, parts) for result in part]
    for i, (error, notes) in zip(left, results, strict=True):
        if error is not None:
            failed[i] = named(error, files.names[i]).with_traceback(None)
        for message, offset in notes:
            warnings.warn(f"{files.names[i]}: {message} (byte offset {offset})", JpegWarning, stacklevel=4)
    if len(failed) == len(files.contents):
        raise failed[0]
    return failed


def pixel_rows(files: Files, options: DecodeOptions, window: Window | None = None) -> tuple[np.ndarray, Failed]:
    """Pixels of files of one size, or of a window of each.

    Args:
        files: Without a window, of the size of the first one that can be read.
        options: With a mode of one or three channels and a dtype.
        window: What a row shows; None for whole pictures, at the scale of the options.

    Returns:
        (uint8 [N, H, W] or [N, H, W, 3], what files met: their rows are zeros).

    Raises:
        ValueError: Pictures differ in size, or there are none.
        JpegError, OSError: What the first file met, where none can be read.
    """
    if window is None:
        frame, like = _first(files, options)
        size = _scaled(frame, options.eighths)
    else:
        size, like = window.size, ""
    out = borrow((len(files.contents), *size, *([3] if options.mode == "RGB" else [])), options.layout(8)[0])

    def decoded(numbers: Sequence[int]) -> list[Result]:
        if window is not None:
            return [one(window, i) for i in numbers]
        mine = [out[i] for i in numbers if not isinstance(files.contents[i], Exception)]
        contents = [files.contents[i] for i in numbers]
        return on_good(lambda good: codec.decode_on_host(good, options, mine), contents)

    def one(window: Window, i: int) -> Result:
        data = files.contents[i]
        try:
            if isinstance(data, Exception):
                return data, ()
            chosen = window.of_pixels(i, _frame(data, options), options)
        except ValueError as error:
            return error, ()
        return codec.decode([data], chosen, "host", None)[0]

    def keep(i: int, pixels: np.ndarray) -> None:
        if pixels.shape != out.shape[1:]:
            (high, wide), (tall, broad) = pixels.shape[:2], size
            raise ValueError(f"{files.names[i]}: {wide}×{high} pixels; {like}: {broad}×{tall}; give a size for both")
        if not np.may_share_memory(out[i], pixels):  # it was decoded elsewhere
            out[i] = pixels

    failed = _each(files, decoded, keep)
    out[list(failed)] = 0
    return out, failed


Sampling = tuple[tuple[int, int], ...]
"""(h, v) of each component."""


@lru_cache(maxsize=64)
def _plain(frame: Frame, sampling: Sampling | None) -> Frame:
    """The frame without what tells files apart that hold the same kind of coefficients: process, identifiers, table slots.

    UnsupportedJpeg where it is not of this sampling, grey or YCbCr, and 8 bits; None takes any.
    """
    factors = ((1, 1),) if len(frame.components) == 1 else tuple((k.h, k.v) for k in frame.components)
    color = ColorSpace.GRAY if len(factors) == 1 else ColorSpace.YCBCR
    if sampling is not None and (factors, frame.color, frame.precision) != (sampling, color, 8):
        raise UnsupportedJpeg(f"{_kind(frame)}: other than what was asked for")
    components = tuple(Component(i + 1, h, v, i) for i, (h, v) in enumerate(factors))
    process = Process.BASELINE if frame.precision == 8 else Process.EXTENDED
    return Frame(frame.height, frame.width, components, process, frame.precision, frame.color)


def _kind(frame: Frame) -> str:
    factors = ",".join(f"{k.h}x{k.v}" for k in frame.components)
    return f"{frame.width}×{frame.height} {frame.color.value}, sampling {factors}, {frame.precision} bits"


def _cut(found: Coefficients, frame: Frame, row: int, window: Window | None) -> tuple[Frame, list[np.ndarray]]:
    """(frame, planes [rows, columns, 8, 8]) of what a window shows of one picture."""
    if window is None:
        return frame, [plane[0] for plane in found.planes]
    y, x = window.of_blocks(row, frame)
    frame, planes = replace(frame, height=window.size[0], width=window.size[1]), []
    for c, (k, plane) in enumerate(zip(frame.components, found.planes, strict=True)):
        high, wide = frame.blocks(c)
        planes.append(plane[0, y * k.v : y * k.v + high, x * k.h : x * k.h + wide])
    return frame, planes


def coefficient_rows(
    files: Files, options: DecodeOptions, window: Window | None = None, sampling: Sampling | None = None
) -> tuple[Coefficients, Failed]:
    """Quantised coefficients of files of one kind, as one batch.

    Args:
        files: What the first one is that can be read, all must be.
        options: Of which strict, limits, tables and color count.
        window: What a row shows, in whole MCUs; None for whole pictures.
        sampling: (h, v) of all components of YCbCr files, or ((1, 1),) of grey ones, of 8 bits; others are refused. None for
            any that all files have.

    Returns:
        (planes int16 [N, rows, columns, 8, 8], tables uint16 [N, 8, 8], NumPy's; what files met: their planes are zeros and
        their steps 1). The frame has the component identifiers 1, 2 …, a table each, and no coding process of its own.

    Raises:
        ValueError: Files differ in size, sampling, colour or precision, or there are none.
        JpegError, OSError: What the first file met, where none can be read.
    """
    register_pytree()
    like, first = _first(files, options, lambda frame: _plain(frame, sampling))
    if window is not None:
        like = replace(like, height=window.size[0], width=window.size[1])
    count, parts = len(files.contents), range(len(like.components))
    planes = tuple(borrow((count, *like.blocks(c), 8, 8), np.int16) for c in parts)
    tables = tuple(np.ones((count, 8, 8), np.uint16) for _ in parts)

    def read(numbers: Sequence[int]) -> list[Result]:
        found = on_good(lambda good: codec.read(good, options), [files.contents[i] for i in numbers])
        return [shown(i, *result) for i, result in zip(numbers, found, strict=True)]

    def shown(i: int, found: Any, notes: Sequence[tuple[str, int]]) -> Result:
        if isinstance(found, Exception):
            return found, notes
        try:
            return (*_cut(found, _plain(found.frame, sampling), i, window), found.qtables), notes
        except ValueError as error:
            return error, ()

    def keep(i: int, value: tuple[Frame, list[np.ndarray], Sequence[np.ndarray]]) -> None:
        frame, parts, steps = value
        if frame is not like and frame != like:
            raise ValueError(f"{files.names[i]}: {_kind(frame)}; {first}: {_kind(like)}; a batch holds one kind")
        for plane, part, table, step in zip(planes, parts, tables, steps, strict=True):
            table[i], plane[i] = step, part

    done: set[int] = set()
    for numbers, found in codec.read_rows(files.contents, options, planes) if window is None else ():
        with suppress(UnsupportedJpeg):
            if _plain(found.frame, sampling) == like:
                done.update(numbers.tolist())
                for table, step in zip(tables, found.qtables, strict=True):
                    table[numbers] = step
    failed = _each(files, read, keep, done)
    for plane in planes:
        plane[list(failed)] = 0
    return Coefficients(planes, tables, like), failed
