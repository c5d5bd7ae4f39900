"""Regions of a picture as jpegtran's -crop, -wipe and -drop name them."""

import re
from dataclasses import dataclass
from typing import Any

from .checks import check_bytes, check_int
from .choices import MAX_SIDE

__all__ = ["Drop", "Geometry", "parse_crop", "parse_drop", "parse_roll", "parse_wipe"]

_SIDE = r"(\d{1,5})([fFrR]?)"
_GEOMETRY = re.compile(rf"(?:{_SIDE})?(?:[xX]{_SIDE})?(?:([+-])(\d{{1,5}})(?:([+-])(\d{{1,5}}))?)?")
_FILLS = {"": "gray", "f": "flat", "r": "reflect"}


@dataclass(frozen=True, slots=True)
class Geometry:
    """A rectangle in pixels.

    width, height: None for all that is left. from_right, from_bottom: x and y measure from there. fill: what takes the place
    of what is not there or goes, "gray", "flat" or "reflect"; None where the rectangle must lie within the picture.
    exact_width, exact_height: of what is cut out, even if its corner moves to an MCU.
    """

    x: int
    y: int
    width: int | None
    height: int | None
    from_right: bool = False
    from_bottom: bool = False
    fill: str | None = None
    exact_width: bool = False
    exact_height: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Another file's picture, and where its upper left corner goes; from_right, from_bottom: its other edges."""

    x: int
    y: int
    data: bytes | bytearray | memoryview
    from_right: bool = False
    from_bottom: bool = False


def _written(name: str, text: str) -> Geometry:
    match = _GEOMETRY.fullmatch(text)
    if not match or not text:
        raise ValueError(f"{name}={text!r}: must be WxH+X+Y in pixels, such as 640x480+16+32")
    width, wide, height, high, x_sign, x, y_sign, y = match.groups()
    w, h = (None if s is None else check_int(f"{name} {text!r}", int(s), 1, MAX_SIDE) for s in (width, height))
    left, top = (check_int(f"{name} {text!r}", int(o or 0), 0, MAX_SIDE) for o in (x, y))
    return Geometry(
        left, top, w, h, from_right=x_sign == "-", from_bottom=y_sign == "-", fill=_FILLS[(wide or "").lower()],
        exact_width=(wide or "").lower() == "f", exact_height=(high or "").lower() == "f",
    )  # fmt: skip


def _region(name: str, value: Any) -> Geometry:
    if isinstance(value, Geometry):
        return value
    if isinstance(value, str):
        return _written(name, value)
    try:
        x, y, width, height = value
    except (TypeError, ValueError):
        message = "must be (x, y, width, height), width or height None for all that is left, or jpegtran's 'WxH+X+Y'"
        raise ValueError(f"{name}={value!r}: {message}") from None
    w, h = (None if s is None else check_int(f"{name}[{i}]", s, 1, MAX_SIDE) for i, s in ((2, width), (3, height)))
    return Geometry(check_int(f"{name}[0]", x, 0, MAX_SIDE), check_int(f"{name}[1]", y, 0, MAX_SIDE), w, h)


def parse_crop(value: Any) -> Geometry:
    """A region (x, y, width, height), None for a side that takes all that is left; or jpegtran's "WxH+X+Y"."""
    return _region("crop", value)


def parse_wipe(value: Any) -> Geometry | None:
    """A region as of `parse_crop`; None for none."""
    return None if value is None else _region("wipe", value)


def parse_drop(value: Any) -> Drop | None:
    """(x, y, content of a file), negative x and y as jpegtran's "-X-Y"; or ("+X+Y", content); None for none."""
    if value is None or isinstance(value, Drop):
        return value
    try:
        *place, data = value
        if len(place) == 1 and isinstance(place[0], str):
            geometry = _written("drop", place[0])
            if geometry.width is not None or geometry.height is not None:
                raise ValueError
            x, y, right, bottom = geometry.x, geometry.y, geometry.from_right, geometry.from_bottom
        else:
            x, y = place
            right = bottom = False
    except (TypeError, ValueError):
        raise ValueError("drop: must be (x, y, file), or ('+X+Y', file) as jpegtran has it") from None
    x, y = check_int("drop[0]", x, 0, MAX_SIDE), check_int("drop[1]", y, 0, MAX_SIDE)
    return Drop(x, y, check_bytes("drop", data), right, bottom)


def parse_roll(value: Any) -> tuple[int, int]:
    """(right, down) in pixels, negative for left and up."""
    try:
        x, y = value
    except (TypeError, ValueError):
        raise ValueError(f"roll={value!r}: must be (right, down) in pixels, negative for left and up") from None
    return check_int("roll[0]", x, -MAX_SIDE, MAX_SIDE), check_int("roll[1]", y, -MAX_SIDE, MAX_SIDE)
