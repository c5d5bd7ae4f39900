"""Options that come in several spellings, each read into one form."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

import numpy as np

from ..types import MAX_MCU_BLOCKS, ColorSpace
from .checks import check_choice, check_int
from .choices import COLORS, KINDS, MAX_SIDE, SUBSAMPLING, TARGET_METRICS, TUNES, Kind, Tune

__all__ = [
    "parse_color", "parse_keep", "parse_qslots", "parse_qtables", "parse_quality", "parse_region", "parse_scale",
    "parse_subsampling", "parse_target_metric", "parse_tune",
]  # fmt: skip


def parse_subsampling(value: Any, blocks: int = MAX_MCU_BLOCKS) -> tuple[tuple[int, int], ...]:
    """Sampling factors (h, v) of the three components, at most so many blocks together.

    Takes "4:2:0" and its kin, cjpeg's "2x2" (luma) or "2x2,1x1,1x1", a sequence of three (h, v) pairs, 1..4 each, or
    Pillow's 0, 1 and 2 for 4:4:4, 4:2:2 and 4:2:0.
    """
    known = ", ".join(SUBSAMPLING)
    message = f"subsampling={value!r}: must be one of {known}, cjpeg's 'HxV[,HxV,HxV]', or three (h, v) pairs with factors 1..4"
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if not 0 <= value <= 2:
            raise ValueError(f"{message}, or Pillow's 0, 1, 2")
        return list(SUBSAMPLING.values())[value], (1, 1), (1, 1)
    if isinstance(value, str):
        if value in SUBSAMPLING:
            return SUBSAMPLING[value], (1, 1), (1, 1)
        pairs = []
        for part in value.split(","):
            h, x, v = part.partition("x")
            if not (x and h.isdecimal() and v.isdecimal()):
                raise ValueError(message)
            pairs.append((int(h), int(v)))
        pairs += [(1, 1)] * (3 - len(pairs)) if len(pairs) == 1 else []
    else:
        try:
            pairs = [(operator.index(h), operator.index(v)) for h, v in value]
        except TypeError:
            raise TypeError(message) from None
        except ValueError:
            raise ValueError(message) from None
    if len(pairs) != 3 or not all(1 <= f <= 4 for p in pairs for f in p):
        raise ValueError(message)
    hmax, vmax = max(h for h, _ in pairs), max(v for _, v in pairs)
    if any(hmax % h or vmax % v for h, v in pairs):
        raise ValueError(f"subsampling={value!r}: every factor must divide the largest one")
    if sum(h * v for h, v in pairs) > blocks:
        raise ValueError(f"subsampling={value!r}: an MCU may hold at most {blocks} blocks (T.81 B.2.3)")
    return tuple(pairs)


def parse_quality(value: Any) -> int | tuple[int, int]:
    """An IJG quality 1..100, or a pair of them (luma, chroma) as cjpeg's -quality 75,60 takes it."""
    if not isinstance(value, (tuple, list)):
        return check_int("quality", value, 1, 100)
    if len(value) != 2:
        raise ValueError(f"quality={value!r}: must be an integer 1..100, or two of them for luma and chroma")
    luma, chroma = (check_int(f"quality[{i}]", q, 1, 100) for i, q in enumerate(value))
    return luma if luma == chroma else (luma, chroma)


def parse_target_metric(value: Any) -> tuple[str, float]:
    """A metric's name and the value to reach."""
    kinds = ", ".join(f"({name!r}, {low}..{high})" for name, (low, high) in TARGET_METRICS.items())
    message = f"target_metric={value!r}: must be a pair of name and value, one of {kinds}"
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not isinstance(value[0], str):
        raise TypeError(message)
    if isinstance(value[1], (bool, np.bool_, str, bytes)):
        raise TypeError(message)
    try:
        number = float(value[1])
    except (TypeError, ValueError):
        raise TypeError(message) from None
    low, high = TARGET_METRICS.get(value[0], (1, 0))
    if not low <= number <= high:
        raise ValueError(message)
    return value[0], number


def parse_qtables(value: Any) -> tuple[np.ndarray, ...]:
    """One to four quantisation tables, uint16 [64] in natural order, values 1..65535."""
    tables = list(value.values()) if isinstance(value, dict) else value
    try:
        array = np.asarray(tables)
        if not array.size:
            raise ValueError
        array = array.reshape((1, 64) if array.size == 64 else (-1, 64))
    except ValueError:
        raise ValueError("qtables: must be 1 to 4 tables of 64 (or 8×8) steps in natural order") from None
    if array.dtype.kind not in "iu":
        raise TypeError(f"qtables: must hold integers, not {array.dtype}")
    if not 1 <= len(array) <= 4:
        raise ValueError(f"qtables: {len(array)} tables given; must be 1 to 4")
    if array.min() < 1 or array.max() > 65_535:
        raise ValueError(f"qtables: steps {array.min()}..{array.max()} given; must be 1..65535")
    return tuple(np.ascontiguousarray(t, dtype=np.uint16) for t in array)


def parse_scale(value: Any) -> Fraction:
    """A scale k/8, k = 1..16: a number, or a string such as "3/8" or "0.5"."""
    message = f"scale={value!r}: must be k/8 with k = 1..16, such as 1/8, 3/8, 1/2, 1 or 2, as a number or a string"
    try:
        if isinstance(value, (bool, np.bool_, bytes, bytearray)):
            raise TypeError
        scale = Fraction(value if isinstance(value, (str, Fraction)) else float(value))
    except TypeError:
        raise TypeError(message) from None
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(message) from None
    if (8 * scale).denominator != 1 or not 1 <= 8 * scale <= 16:
        raise ValueError(message)
    return scale


def parse_region(value: Any) -> tuple[int, int, int, int]:
    """A region (x, y, width, height), x and y from 0, sides from 1."""
    try:
        parts = tuple(value)
    except TypeError:
        raise TypeError(f"crop={value!r}: must be (x, y, width, height) in pixels") from None
    if len(parts) != 4:
        raise ValueError(f"crop={value!r}: must be four integers, (x, y, width, height) in pixels")
    x, y = (check_int(f"crop[{i}]", parts[i], 0, 2 * MAX_SIDE) for i in (0, 1))
    width, height = (check_int(f"crop[{i}]", parts[i], 1, 2 * MAX_SIDE) for i in (2, 3))
    return x, y, width, height


def parse_tune(value: Any) -> Tune | None:
    """What to tune for; None for nothing."""
    if not isinstance(value, (str, bool, np.bool_, type(None))):
        raise TypeError(f"tune={value!r}: must be one of {', '.join(map(repr, TUNES))}")
    return check_choice("tune", value, TUNES) or None


def parse_color(value: Any) -> ColorSpace | None:
    """What components are, by a name in any case ("gray" is "grey"), or as `JpegInfo.color` has it."""
    if value is None or (isinstance(value, ColorSpace) and value is not ColorSpace.UNKNOWN):
        return value
    if not isinstance(value, (str, ColorSpace)):
        raise TypeError(f"color={value!r}: must be one of {', '.join(map(repr, COLORS))}")
    known = {name.lower(): color for name, color in COLORS.items()} | {"gray": ColorSpace.GRAY}
    name = str(getattr(value, "value", value)).lower()
    if name not in known:
        raise ValueError(f"color={value!r}: must be one of {', '.join(map(repr, COLORS))}")
    return known[name]


def parse_qslots(value: Any) -> tuple[int, ...]:
    """Numbers 0..3 of tables, one for each component, the last one for all that follow: "0,1,1", or integers."""
    message = f"qslots={value!r}: must be numbers of tables 0..3, such as '0,1,1' or (0, 1, 1)"
    if isinstance(value, str):
        parts: Any = [int(part) if part.strip().isdecimal() else -1 for part in value.split(",")]
    else:
        parts = value if isinstance(value, (tuple, list, np.ndarray)) else [value]
    try:
        slots = tuple([operator.index(part) for part in parts])
    except TypeError:
        raise TypeError(message) from None
    if not slots or not all(0 <= slot <= 3 for slot in slots):
        raise ValueError(message)
    return slots


def parse_keep(value: Any, strip: Any = ()) -> tuple[Kind, ...]:
    """Kinds of metadata that stay: those to keep, "other" with all that it holds, but for those to strip."""
    if value == "all":
        names: tuple[Any, ...] = KINDS
    elif value == "none":
        names = ()
    else:
        names = (value,) if isinstance(value, str) else tuple(value)
        _check_kinds("keep", value, names, "'all', 'none', or ")
        names = KINDS[KINDS.index("iptc") :] + names if "other" in names else names
    gone = (strip,) if isinstance(strip, str) else tuple(strip)
    _check_kinds("strip", strip, gone, "")
    return tuple(kind for kind in KINDS if kind in names and kind not in gone)


def _check_kinds(option: str, value: Any, names: tuple[Any, ...], more: str) -> None:
    for name in names:
        if name not in KINDS:
            raise ValueError(f"{option}={value!r}: must be {more}one or several of {', '.join(KINDS)}")
