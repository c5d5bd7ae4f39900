"""Quantised blocks turned, mirrored and cut: what rotating a picture does to its coefficients, exactly as jpegtran.

Frame + Turn + crop ──▶ lay_out ──▶ Layout ──▶ turn_planes ──▶ planes of the new Frame
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..run.memory import address, borrow
from ..simd import kernel, load, store, vectorized
from ..types import Component, Frame

__all__ = ["EXIF_TURNS", "FLIPS", "ROTATIONS", "Crop", "Layout", "Turn", "check_perfect", "lay_out", "turn_planes"]

Crop = tuple[int, int, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the eight symmetries of a rectangle: transpose first, then mirror left-right (x) and top-bottom (y)."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def then(self, after: Turn) -> Turn:
        """This turn, followed by another."""
        x, y = (self.mirror_y, self.mirror_x) if after.transpose else (self.mirror_x, self.mirror_y)
        return Turn(self.transpose != after.transpose, x != after.mirror_x, y != after.mirror_y)


ROTATIONS = {0: Turn(), 90: Turn(True, True), 180: Turn(False, True, True), 270: Turn(True, False, True)}
"""By degrees clockwise."""
FLIPS: dict[str | None, Turn] = {
    None: Turn(), "horizontal": Turn(False, True), "vertical": Turn(False, False, True), "transpose": Turn(True),
    "transverse": Turn(True, True, True),
}  # fmt: skip
EXIF_TURNS = {
    1: Turn(), 2: FLIPS["horizontal"], 3: ROTATIONS[180], 4: FLIPS["vertical"], 5: FLIPS["transpose"], 6: ROTATIONS[90],
    7: FLIPS["transverse"], 8: ROTATIONS[270],
}  # fmt: skip
"""By EXIF orientation: what makes the picture upright."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the blocks of a transformed picture come from.

    frame: the new one. offset: (rows, columns) of MCUs cut off at the top and left of the turned picture. mirrored:
    (rows, columns) of whole MCUs of the turned picture, those that mirroring moves; what is behind them stays in place.
    """

    frame: Frame
    turn: Turn
    offset: tuple[int, int]
    mirrored: tuple[int, int]


def _turned(frame: Frame, turn: Turn) -> Frame:
    components = frame.components
    if len(components) == 1:
        components = (Component(components[0].id, 1, 1, components[0].tq),)
    if turn.transpose:
        swapped = tuple(Component(k.id, k.v, k.h, k.tq) for k in components)
        return replace(frame, height=frame.width, width=frame.height, components=swapped)
    return replace(frame, components=components)


def check_perfect(frame: Frame, turn: Turn, asked_by: str, remedy: str) -> None:
    """ValueError where mirroring leaves edges of a turned picture behind. asked_by, remedy: the options that it names."""
    frame = _turned(frame, turn)
    for asked, size, mcu, what in (
        (turn.mirror_x, frame.width, 8 * frame.hmax, "width"),
        (turn.mirror_y, frame.height, 8 * frame.vmax, "height"),
    ):
        if asked and size % mcu:
            raise ValueError(
                f"{asked_by}=True: the turned picture's {what} {size} is no multiple of {mcu}, so that its last "
                f"{size % mcu} cannot be mirrored; pass trim=True to cut them off, {remedy} to leave them in place"
            )


def _crop_axis(name: str, at: int, size: int | None, whole: int) -> int:
    size = whole - at if size is None else size
    if at >= whole or at + size > whole:
        raise ValueError(f"crop: {name} {at}..{at + size} is outside the turned picture, which has {whole}")
    return size


def lay_out(frame: Frame, turn: Turn, crop: Crop | None = None, trim: bool = False) -> Layout:
    """The layout of a picture turned, then cropped; a single component gets sampling factors 1×1.

    crop: (x, y, width, height) in pixels of the turned picture, width or height None for all that is left. The upper
    left corner moves up and left to the next MCU, and width and height grow by as much; ValueError for crops beyond the
    picture. trim: cut off partial MCUs at edges that mirroring would leave in place.
    """
    full = _turned(frame, turn)
    mcu_w, mcu_h = 8 * full.hmax, 8 * full.vmax
    width, height = full.width, full.height
    x = y = 0
    if crop is not None:
        x, y, w, h = crop
        width = _crop_axis("columns", x, w, full.width) + x % mcu_w
        height = _crop_axis("rows", y, h, full.height) + y % mcu_h
    left, top = x // mcu_w, y // mcu_h
    wide, high = full.width // mcu_w, full.height // mcu_h
    if trim and turn.mirror_x and width >= mcu_w and left + width // mcu_w == wide:
        width -= width % mcu_w
    if trim and turn.mirror_y and height >= mcu_h and top + height // mcu_h == high:
        height -= height % mcu_h
    mirrored = (high if turn.mirror_y else 0, wide if turn.mirror_x else 0)
    return Layout(replace(full, height=height, width=width), turn, (top, left), mirrored)


def _signs() -> np.ndarray:
    """int16 [4, 64]: signs of coefficients [v, u] mirrored not at all, in x (odd u), in y (odd v), in both."""
    odd = np.arange(8) % 2
    x, y = np.broadcast_to(1 - 2 * odd, (8, 8)), np.broadcast_to(1 - 2 * odd[:, None], (8, 8))
    return np.stack([np.ones((8, 8)), x, y, x * y]).reshape(4, 64).astype(np.int16)


_SIGNS = _signs()


@vectorized
def _signed(block, sign, out):
    for i in range(0, 128, 32):
        store(out + i, load(block + i, 16, 16) * load(sign + i, 16, 16))


@vectorized
def _signed_transposed(block, sign, out):
    """Interleaving rows v and v + 4 three times transposes the block."""
    rows = [load(block + i, 8, 16) for i in range(0, 128, 16)]
    halves = [[i + 8 * other for i in range(start, start + 4) for other in (0, 1)] for start in (0, 4)]
    for _ in range(3):
        rows = [rows[v].shuffle(half, rows[v + 4]) for v in range(4) for half in halves]
    for v, row in enumerate(rows):
        store(out + 16 * v, row * load(sign + 16 * v, 8, 16))


class _Part(NamedTuple):
    """Blocks of a turned plane from (top, left) on; rows below `high` and columns below `wide` of the plane are mirrored."""

    top: int
    left: int
    rows: int
    columns: int
    high: int
    wide: int


@kernel
def _turn_blocks(source, stride, target, part, transpose, signs):
    """source, target: addresses of int16 [.., 64], `stride` blocks a row in source. signs: address of `_signs`."""
    for r in range(part.top, part.top + part.rows):
        from_r = part.high - 1 - r if r < part.high else r
        for c in range(part.left, part.left + part.columns):
            from_c = part.wide - 1 - c if c < part.wide else c
            sign = signs + 256 * (r < part.high) + 128 * (c < part.wide)
            if transpose:
                block = source + 128 * (from_c * stride + from_r)
                _signed_transposed(block, sign, target)
            else:
                block = source + 128 * (from_r * stride + from_c)
                _signed(block, sign, target)
            target += 128


def turn_planes(planes: Sequence[np.ndarray], layout: Layout) -> list[np.ndarray]:
    """Planes of the layout's frame from those of the frame that it was made for.

    planes: per component C-contiguous int16 [rows, columns, 8, 8] in natural order, real blocks only; so are the
    results, views where nothing is turned. More planes than the layout has components are left out.
    """
    frame, turn, results = layout.frame, layout.turn, []
    for c, k in enumerate(frame.components):
        rows, columns = frame.blocks(c)
        top, left = layout.offset[0] * k.v, layout.offset[1] * k.h
        if turn == Turn():
            results.append(planes[c][top : top + rows, left : left + columns])
            continue
        out = borrow((rows, columns, 8, 8), np.int16)
        part = _Part(top, left, rows, columns, layout.mirrored[0] * k.v, layout.mirrored[1] * k.h)
        _turn_blocks(address(planes[c]), planes[c].shape[1], address(out), part, turn.transpose, address(_SIGNS))
        results.append(out)
    return results
