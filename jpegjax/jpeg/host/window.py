"""What of a picture is decoded: its window of MCUs, and what becomes of each component there. Whole pictures are one too.

A region is decoded as the MCUs that it lies in, and the next ones where upsampling looks there: the picture of this
window is cut to the region.
"""

from __future__ import annotations

from typing import NamedTuple

from ...errors import UnsupportedJpeg
from ...kernels.sampling import upsampling_kind
from ...options import DecodeOptions
from ...types import ColorSpace, Frame

__all__ = ["Region", "Window", "channels_of", "used_of", "whole", "window_of"]

_CONTEXT = 8
"""Pixels around a region that are decoded too: fancy upsampling takes two, but works otherwise on narrow components."""

Region = tuple[int, int, int, int]  # x, y, width, height


def _up(a: int, b: int) -> int:
    return -(-a // b)


class Share(NamedTuple):
    """What a window holds of a component."""

    size: int
    """samples a side of a block"""
    down: int
    """block rows of an MCU row"""
    top: int
    """first row of its real blocks in the window"""
    left: int
    rows: int
    columns: int
    height: int
    """of its true samples in the window"""
    width: int


class Window(NamedTuple):
    """The MCUs that are decoded, rows row0..row1-1, columns column0..column1-1; each component at its size.

    eighths: the scale, 1..16.
    """

    frame: Frame
    eighths: int
    row0: int
    row1: int
    column0: int
    column1: int

    @property
    def sampling(self) -> list[tuple[int, int]]:
        return [(1, 1)] if len(self.frame.components) == 1 else [(k.h, k.v) for k in self.frame.components]

    @property
    def mcus(self) -> tuple[int, int]:
        """(high, wide) of the whole picture."""
        return self.frame.blocks(0) if len(self.frame.components) == 1 else self.frame.mcus

    @property
    def mcu(self) -> tuple[int, int]:
        """(height, width) of an MCU in pixels."""
        alone = len(self.frame.components) == 1
        h, v = (1, 1) if alone else (self.frame.hmax, self.frame.vmax)
        return self.eighths * v, self.eighths * h

    @property
    def sizes(self) -> list[int]:
        """Samples a side of each component's blocks.

        libjpeg enlarges components that are subsampled by the inverse DCT, up to 8×8, rather than by upsampling.
        """
        high, wide = self.mcu
        sizes = []
        for h, v in self.sampling:
            size = self.eighths
            while size < 8 and wide % (2 * h * size) == 0 and high % (2 * v * size) == 0:
                size *= 2
            sizes.append(size)
        return sizes

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the window in pixels."""
        (high, wide), (height, width) = self.mcu, _full_size(self.frame, self.eighths)
        return min(height, self.row1 * high) - self.row0 * high, min(width, self.column1 * wide) - self.column0 * wide

    def shares(self) -> list[Share]:
        """What the window holds of each component."""
        frame, sampling, (high, wide), (height, width), found = self.frame, self.sampling, self.mcu, self.shape, []
        for c, ((h, v), size) in enumerate(zip(sampling, self.sizes, strict=True)):
            (rows, columns), top, left = frame.blocks(c), self.row0 * v, self.column0 * h
            rows, columns = min(rows, self.row1 * v) - top, min(columns, self.column1 * h) - left
            true = _up(height * v * size, high), _up(width * h * size, wide)
            found.append(Share(size, v, top, left, rows, columns, *true))
        return found

    def upsampling(self, used: int, fancy: bool) -> list[tuple[int, int, int]]:
        """(kind as in `sampling`, h ratio, v ratio) of the first components; UnsupportedJpeg for ratios without a rule."""
        frame, (high, wide), found = self.frame, self.mcu, []
        for c, ((h, v), size, k) in enumerate(zip(self.sampling, self.sizes, frame.components[:used], strict=False)):
            if frame.hmax % k.h or frame.vmax % k.v:
                raise UnsupportedJpeg(
                    f"component {c}: sampling {k.h}x{k.v} does not divide {frame.hmax}x{frame.vmax}; "
                    "read_coefficients gives the components"
                )
            ratio = wide // (h * size), high // (v * size)
            width = _up(frame.width * h * size * self.eighths, 8 * wide)
            found.append((upsampling_kind(ratio, width, fancy and self.eighths > 1), *ratio))
        return found


def channels_of(frame: Frame, mode: str | None) -> int:
    """1, 3 or 4 channels of the decoded picture; UnsupportedJpeg for what libjpeg does not convert either."""
    color = frame.color
    if color is ColorSpace.UNKNOWN:
        raise UnsupportedJpeg(
            f"{len(frame.components)} components are no known colours; read_coefficients gives them one by one"
        )
    inks = color in (ColorSpace.CMYK, ColorSpace.YCCK)
    if mode is not None and inks != (mode == "CMYK"):
        raise UnsupportedJpeg(f"{color.value} pictures are not converted to mode {mode!r}; pass mode=None")
    if inks:
        return 4
    grey = color is ColorSpace.GRAY if mode is None else mode == "L"
    return 1 if grey else 3


def used_of(frame: Frame, mode: str | None) -> int:
    """How many components, from the first on, the decoded picture takes."""
    return 1 if channels_of(frame, mode) == 1 and frame.color is not ColorSpace.RGB else len(frame.components)


def _full_size(frame: Frame, eighths: int) -> tuple[int, int]:
    """(height, width) of the whole picture at a scale of so many eighths."""
    return _up(frame.height * eighths, 8), _up(frame.width * eighths, 8)


def whole(frame: Frame) -> Window:
    """The window of everything at full size."""
    high, wide = frame.blocks(0) if len(frame.components) == 1 else frame.mcus
    return Window(frame, 8, 0, high, 0, wide)


def window_of(frame: Frame, orientation: int, options: DecodeOptions) -> tuple[Window, Region]:
    """(the MCUs to decode, the region within their picture); ValueError where it does not fit."""
    if not options.partial:
        return whole(frame), (0, 0, frame.width, frame.height)
    eighths = options.eighths
    height, width = _full_size(frame, eighths)
    x, y, w, h = options.region(height, width, orientation)
    alone = len(frame.components) == 1
    high, wide = eighths * (1 if alone else frame.vmax), eighths * (1 if alone else frame.hmax)
    row0, column0 = max(y - _CONTEXT, 0) // high, max(x - _CONTEXT, 0) // wide
    row1, column1 = _up(min(y + h + _CONTEXT, height), high), _up(min(x + w + _CONTEXT, width), wide)
    return Window(frame, eighths, row0, row1, column0, column1), (x - column0 * wide, y - row0 * high, w, h)
