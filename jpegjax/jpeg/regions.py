"""Regions of quantised blocks wiped, extended, rolled and taken from another picture, exactly as jpegtran.

Geometry ──▶ crop_of ──▶ crop for `turns.lay_out`, or Extension ──▶ extend     wipe, roll, drop: of planes alone
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from ..kernels.turns import Crop
from ..types import Frame

__all__ = ["Extension", "Region", "crop_of", "drop", "extend", "requantized", "roll", "wipe"]

Planes = list[np.ndarray]
"""Per component int16 [rows, columns, 8, 8] in natural order, real blocks only."""

_MIRROR = np.array([1, -1] * 4, np.int16)  # of coefficients [v, u], mirrored in x


class Region(Protocol):
    """A rectangle in pixels, as `options.regions.Geometry` has it."""

    @property
    def x(self) -> int: ...
    @property
    def y(self) -> int: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def from_right(self) -> bool: ...
    @property
    def from_bottom(self) -> bool: ...
    @property
    def fill(self) -> str | None: ...
    @property
    def exact_width(self) -> bool: ...
    @property
    def exact_height(self) -> bool: ...


class Extension(NamedTuple):
    """A larger picture of width × height pixels, of which the old one is a part: its MCUs lie (left, top) MCUs in, or begin
    so many MCUs in where a side does not grow. fill: of what is not there, "gray", "flat" or "reflect"."""

    width: int
    height: int
    left: int
    top: int
    fill: str


class _Side(NamedTuple):
    at: int
    size: int
    grown: bool


def _mcu(frame: Frame) -> tuple[int, int]:
    """(width, height) of an MCU in pixels."""
    return 8 * frame.hmax, 8 * frame.vmax


def _side(what: str, at: int, size: int | None, whole: int, reverse: bool, may_grow: bool) -> _Side:
    """Where a side of a region begins and how long it is, in pixels; ValueError where it is not the picture's."""
    if size is None:
        if at >= whole:
            raise ValueError(f"{what} {at} and on are outside the turned picture, which has {whole}")
        size = whole - at
    larger, smaller = max(size, whole), min(size, whole)
    if size > whole and not may_grow:
        raise ValueError(f"{what} {at}..{at + size} is outside the turned picture, which has {whole}")
    if at + smaller > larger or at >= larger:
        last = f"{what} {at}..{at + size} is outside the turned picture, which has {whole}"
        option, _, lines = what.partition(": ")
        larger_one = f"{option}: the picture's {whole} {lines} do not fit into {size} from {at} on"
        raise ValueError(larger_one if size > whole else last)
    return _Side(larger - smaller - at if reverse else at, size, size > whole)


def crop_of(region: Region, full: Frame) -> Crop | Extension:
    """What a crop takes of the picture `full`: a crop for `turns.lay_out`, or where it goes beyond, a larger picture."""
    wide, high = _mcu(full)
    grows = region.fill is not None
    x = _side("crop: columns", region.x, region.width, full.width, region.from_right, grows)
    y = _side("crop: rows", region.y, region.height, full.height, region.from_bottom, grows)
    if not (x.grown or y.grown):
        left = x.at - x.at % wide if region.exact_width else x.at
        top = y.at - y.at % high if region.exact_height else y.at
        return left, top, x.size, y.size
    width = x.size if x.grown or region.exact_width else x.size + x.at % wide
    height = y.size if y.grown or region.exact_height else y.size + y.at % high
    return Extension(width, height, x.at // wide, y.at // high, (region.fill or "gray") if x.grown else "gray")


def _reflected(row: np.ndarray, count: int) -> np.ndarray:
    """The `count` blocks right of [rows, n, 8, 8], which mirror it again and again."""
    n = row.shape[1]
    turn, step = np.divmod(np.arange(count), n)
    out = row[:, np.where(turn % 2, step, n - 1 - step)]
    return np.where((turn % 2 == 0)[:, None, None], out * _MIRROR, out)


def extend(planes: Sequence[np.ndarray], frame: Frame, to: Extension) -> tuple[Planes, Frame]:
    """(planes, frame) of a larger picture. Of a side that grows, only whole MCUs are taken."""
    whole = frame.width // (8 * frame.hmax), frame.height // (8 * frame.vmax)
    larger = replace(frame, width=to.width, height=to.height)
    if to.fill != "gray" and not whole[0]:
        raise ValueError(
            f"crop: the picture's {frame.width} columns are less than an MCU, which none can be filled from"
        )
    results = []
    for c, k in enumerate(larger.components):
        source, left, top = planes[c], to.left * k.h, to.top * k.v
        rows, columns = larger.blocks(c)
        out = np.zeros((rows, columns, 8, 8), np.int16)
        if to.height > frame.height:
            source, inner = source[: whole[1] * k.v], out[top : top + whole[1] * k.v]
        else:
            source, inner = source[top : top + rows], out
        if to.width <= frame.width:
            inner[:] = source[:, left : left + columns]
            results.append(out)
            continue
        source = source[:, : whole[0] * k.h]
        right = left + source.shape[1]
        inner[:, left:right] = source
        if to.fill == "flat":
            inner[:, :left, 0, 0] = source[:, :1, 0, 0]
            inner[:, right:, 0, 0] = source[:, -1:, 0, 0]
        elif to.fill == "reflect":
            inner[:, right:] = _reflected(source, columns - right)
            inner[:, :left] = _reflected(source[:, ::-1], left)[:, ::-1]
        results.append(out)
    return results, larger


def wipe(planes: Sequence[np.ndarray], frame: Frame, region: Region) -> Planes:
    """Planes without the MCUs that a region touches. fill: "flat" the mean of the blocks beside them, "reflect" the picture
    beside them mirrored, where they take all rows and reach an edge; grey otherwise."""
    wide, high = _mcu(frame)
    x = _side("wipe: columns", region.x, region.width, frame.width, region.from_right, False)
    y = _side("wipe: rows", region.y, region.height, frame.height, region.from_bottom, False)
    left, top = x.at // wide, y.at // high
    width, height = -(-(x.size + x.at % wide) // wide), -(-(y.size + y.at % high) // high)
    mcus = frame.mcus
    edge = not top and height == mcus[0] and (not left or left + width == mcus[1])
    results = []
    for k, source in zip(frame.components, planes, strict=True):
        out = source.copy()
        part = out[top * k.v : (top + height) * k.v]
        first, last = left * k.h, (left + width) * k.h
        before, gone, behind = part[:, :first], part[:, first:last], part[:, last:]
        gone[:] = 0
        if region.fill == "flat" and (before.size or behind.size):
            beside = [side[:, 0, 0, 0].astype(np.int32) for side in (before[:, -1:], behind[:, :1]) if side.size]
            gone[..., 0, 0] = (np.sum(beside, axis=0) >> (len(beside) - 1))[:, None]
        elif region.fill == "reflect" and edge and before.size:
            gone[:] = _reflected(before, gone.shape[1])
        elif region.fill == "reflect" and edge and behind.size:
            gone[:] = _reflected(behind[:, ::-1], gone.shape[1])[:, ::-1]
        results.append(out)
    return results


def roll(planes: Sequence[np.ndarray], frame: Frame, right: int, down: int) -> Planes:
    """Planes moved by pixels, what leaves at one edge coming in at the other. ValueError where they are no whole MCUs.

    A last column or row of MCUs that is not whole stays in place.
    """
    (wide, high), results = _mcu(frame), []
    for name, by, mcu in (("roll[0]", right, wide), ("roll[1]", down, high)):
        if by % mcu:
            raise ValueError(f"{name}={by}: must be a multiple of this file's MCU, which has {mcu} pixels that way")
    for k, source in zip(frame.components, planes, strict=True):
        rows = frame.height // high * k.v if down else source.shape[0]
        columns = frame.width // wide * k.h if right else source.shape[1]
        out = source.copy()
        moved = source[:rows, :columns]
        out[:rows, :columns] = np.roll(moved, (down // high * k.v, right // wide * k.h), (0, 1))
        results.append(out)
    return results


def requantized(planes: Sequence[np.ndarray], old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> Planes:
    """Planes in steps of other tables, rounded half away from zero, in 16 bits as jpegtran -drop -trim has them.

    old, new: per component uint16 [64] in natural order; those beyond the planes are left out.
    """
    results = []
    for plane, q, to in zip(planes, old, new, strict=False):
        a, b = q.reshape(8, 8).astype(np.int64), to.reshape(8, 8).astype(np.int64)
        value = (plane * a).astype(np.int16).astype(np.int64)  # wraps as a short does
        magnitude = (np.abs(value) + (b >> 1)) // np.maximum(b, 1)
        results.append(np.where((a == b) | (b == 0), plane, np.sign(value) * magnitude).astype(np.int16))
    return results


def _finer(plane: np.ndarray, q: np.ndarray, to: np.ndarray) -> np.ndarray:
    """A plane in steps that divide the old ones; the caller looks at its range."""
    factor = np.where(q == to, 1, q // np.maximum(to, 1)).astype(np.int32).reshape(8, 8)
    return plane * factor


def drop(
    planes: Sequence[np.ndarray],
    frame: Frame,
    tables: Sequence[np.ndarray],
    other: tuple[Sequence[np.ndarray], Frame, Sequence[np.ndarray]],
    place: tuple[int, int, bool, bool],
    trim: bool,
) -> tuple[Planes, list[np.ndarray]]:
    """(planes, tables) with another picture's MCUs from (x, y) on, which go up to the next MCU of this one.

    other: planes, frame and tables of the other. place: x, y, and whether they measure from the right and from the bottom.
    Where the tables differ, all get steps that divide both; trim: the other is rounded to these instead. A grey
    picture's chroma is zero. ValueError where it does not fit.
    """
    (wide, high), (dropped, its, its_tables) = _mcu(frame), other
    x = _side("drop: columns", place[0], its.width, frame.width, place[2], False)
    y = _side("drop: rows", place[1], its.height, frame.height, place[3], False)
    left, skipped_x = -(-x.at // wide), -x.at % wide
    top, skipped_y = -(-y.at // high), -y.at % high
    width, height = (
        max(0, -(-size // mcu) if at + gap + size == whole else size // mcu)
        for at, gap, size, mcu, whole in (
            (x.at, skipped_x, x.size - skipped_x, wide, frame.width),
            (y.at, skipped_y, y.size - skipped_y, high, frame.height),
        )
    )
    tables = list(tables)
    if not width or not height:
        return list(planes), tables
    for c, (k, its_k) in enumerate(zip(frame.components, its.components, strict=False)):
        if its_k.h * frame.hmax != k.h * its.hmax or its_k.v * frame.vmax != k.v * its.vmax:
            raise ValueError(f"drop: component {c} is sampled {its_k.h}×{its_k.v} of {its.hmax}×{its.vmax}, here {k.h}×{k.v} "
                             f"of {frame.hmax}×{frame.vmax}; both files need the same sampling")  # fmt: skip
    if trim:
        dropped = requantized(dropped, its_tables, tables)
    results = []
    for c, (k, source) in enumerate(zip(frame.components, planes, strict=True)):
        plane = source.copy()
        theirs = dropped[c] if c < len(dropped) else None
        if theirs is not None and not trim and not np.array_equal(tables[c], its_tables[c]):
            common = np.gcd(tables[c].astype(np.int64), its_tables[c]).astype(np.uint16)
            plane, theirs = _finer(plane, tables[c], common), _finer(theirs, its_tables[c], common)
            if max(int(np.abs(p).max(initial=0)) for p in (plane, theirs)) > 32_767:
                raise ValueError(
                    "drop: in steps that divide both files' the coefficients get too large; pass trim=True"
                )
            plane, theirs = plane.astype(np.int16), theirs.astype(np.int16)
            tables[c] = common
        part = plane[top * k.v : (top + height) * k.v, left * k.h : (left + width) * k.h]
        part[:] = 0 if theirs is None else theirs[: part.shape[0], : part.shape[1]]
        results.append(plane)
    return results, tables
