"""The options of the public doors, validated when they are made."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import numpy as np

from .scan_script import is_progressive, parse_script
from .types import ColorSpace, Component, Frame, Process

__all__ = ["DecodeOptions", "EncodeOptions", "Limits", "check_choice", "parse_subsampling"]

SUBSAMPLING = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1), "4:1:0": (4, 2)}
MAX_SIDE = 65_535
ENGINES = ("auto", "host", "xla")
TARGET_METRICS = {"ssimulacra2": (0, 100), "psnr": (0, 100), "ssim": (0, 1), "ms-ssim": (0, 1)}
TUNES = (None, False, True, "psnr", "ms-ssim", "ssimulacra2")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost before `LimitExceeded` stops it; None lifts a limit.

    pixels: width × height that a header may claim, and that may be asked for by `scale` and `crop`.
    scans: scans that a progressive or multi-scan file may hold. Together they may code each sample 64 times (once in
        sequential files), or 2^32 samples (2^26) where that is more; None lifts this too.
    memory: bytes for pixels and coefficients together.
    pixels_per_byte: claimed pixels per byte of file, checked above 4 Mpixel. Entropy coding spends at least one bit a
        block, so that a complete file holds at most 512; files beyond the limit are bombs or cut to a stub.
    """

    pixels: int | None = 1 << 28
    scans: int | None = 500
    memory: int | None = 2 << 30
    pixels_per_byte: int | None = 1024

    def __post_init__(self):
        for name in self.__slots__:
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 0, 1 << 62)


def check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise ValueError naming argument, value and choices."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r}: must be one of {', '.join(repr(a) for a in allowed)}")


def check_int(name: str, value: Any, low: int, high: int) -> int:
    """The value as int; TypeError for what is no integer (bool included), ValueError outside low..high."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r}: must be an integer {low}..{high}, not {type(value).__name__}") from None
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r}: must be an integer {low}..{high}, not bool")
    if not low <= number <= high:
        raise ValueError(f"{name}={number}: must be {low}..{high}")
    return number


def parse_subsampling(value: Any) -> tuple[tuple[int, int], ...]:
    """Sampling factors (h, v) of the three components.

    Takes "4:2:0" and its kin, cjpeg's "2x2" (luma) or "2x2,1x1,1x1", or a sequence of three (h, v) pairs, 1..4 each.
    """
    known = ", ".join(SUBSAMPLING)
    message = f"subsampling={value!r}: must be one of {known}, cjpeg's 'HxV[,HxV,HxV]', or three (h, v) pairs with factors 1..4"
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
    if sum(h * v for h, v in pairs) > 10:
        raise ValueError(f"subsampling={value!r}: an MCU may hold at most 10 blocks (T.81 B.2.3)")
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


def parse_crop(value: Any) -> tuple[int, int, int, int]:
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


def _check_bytes(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: must be bytes, not {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """Keyword arguments of `encode`; `api.encode` documents them."""

    quality: Any = 75
    subsampling: Any = None
    qtables: Any = None
    optimize: bool = False
    progressive: bool | None = None
    arithmetic: bool = False
    restart_rows: int = 0
    restart_blocks: int = 0
    tune: Any = None
    target_bytes: int | None = None
    target_metric: Any = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    comment: Any = None
    dpi: tuple[int, int] | None = None
    precision: int | None = None
    lossless: bool = False
    predictor: int | None = None
    point_transform: int = 0
    scans: Any = None

    def __post_init__(self):
        put = partial(object.__setattr__, self)
        put("quality", parse_quality(self.quality))
        if self.subsampling is not None:
            put("subsampling", parse_subsampling(self.subsampling))
        if self.qtables is not None:
            put("qtables", parse_qtables(self.qtables))
        self._check_tune()
        for name in ("optimize", "progressive", "arithmetic", "lossless"):
            if name == "progressive" and self.tune and self.progressive is None:
                continue  # whichever is smaller
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name}={getattr(self, name)!r}: must be True or False")
        if self.precision is not None or not self.lossless:
            put("precision", check_int("precision", 8 if self.precision is None else self.precision, 2, 16))
        self._check_lossless()
        if self.scans is not None:
            put("scans", parse_script(self.scans))
            put("progressive", is_progressive(self.scans))
        put("restart_rows", check_int("restart_rows", self.restart_rows, 0, MAX_SIDE))
        put("restart_blocks", check_int("restart_blocks", self.restart_blocks, 0, MAX_SIDE))
        if self.restart_rows and self.restart_blocks:
            raise ValueError("restart_rows and restart_blocks: give one of them, not both")
        self._check_targets()
        for name in ("icc_profile", "exif", "xmp"):
            _check_bytes(name, getattr(self, name))
        if isinstance(self.comment, str):
            try:
                put("comment", self.comment.encode())
            except UnicodeEncodeError as error:
                raise ValueError(f"comment: not valid Unicode: {error}") from None
        _check_bytes("comment", self.comment)
        if self.dpi is not None:
            try:
                x, y = self.dpi
            except (TypeError, ValueError) as error:
                raise type(error)(f"dpi={self.dpi!r}: must be a pair (x, y) of integers") from None
            put("dpi", (check_int("dpi[0]", x, 1, 65_535), check_int("dpi[1]", y, 1, 65_535)))

    def _check_tune(self) -> None:
        if not isinstance(self.tune, (str, bool, np.bool_, type(None))):
            raise TypeError(f"tune={self.tune!r}: must be one of {', '.join(map(repr, TUNES))}")
        check_choice("tune", self.tune, TUNES)
        if not self.tune:
            object.__setattr__(self, "tune", None)
            if self.progressive is None:
                object.__setattr__(self, "progressive", False)
            return
        if self.lossless:
            raise ValueError(f"tune={self.tune!r}: lossless files have nothing to tune")
        if self.precision not in (None, 8):
            raise ValueError(f"tune={self.tune!r}: only files of 8 bits can be tuned, not precision={self.precision}")
        if self.qtables is not None:
            raise ValueError(f"tune={self.tune!r}: it has its own tables; give tune or qtables, not both")

    def _check_targets(self) -> None:
        given = [name for name in ("target_bytes", "target_metric") if getattr(self, name) is not None]
        if not given:
            return
        if len(given) > 1:
            raise ValueError("target_bytes and target_metric: give one of them, not both")
        for name in ("lossless", "qtables"):
            if getattr(self, name) is not None and getattr(self, name) is not False:
                raise ValueError(f"{given[0]}: it chooses the tables; {name} leaves it nothing to choose")
        if self.target_bytes is not None:
            object.__setattr__(self, "target_bytes", check_int("target_bytes", self.target_bytes, 1, 1 << 62))
        else:
            object.__setattr__(self, "target_metric", parse_target_metric(self.target_metric))

    def _check_lossless(self) -> None:
        if not self.lossless:
            for name, value in (("predictor", self.predictor), ("point_transform", self.point_transform)):
                if value:
                    raise ValueError(f"{name}={value!r}: only lossless files have one; pass lossless=True")
            if self.precision not in (8, 12):
                raise ValueError(f"precision={self.precision}: must be 8 or 12, or 2..16 with lossless=True")
            return
        if self.predictor is not None:
            object.__setattr__(self, "predictor", check_int("predictor", self.predictor, 1, 7))
        largest = 15 if self.precision is None else self.precision - 1
        object.__setattr__(self, "point_transform", check_int("point_transform", self.point_transform, 0, largest))
        for name in ("progressive", "arithmetic", "scans", "qtables", "restart_blocks"):
            if (value := getattr(self, name)) is not None and value is not False and value != 0:
                raise ValueError(f"{name}: lossless files have none; restarts go by restart_rows")
        if self.subsampling is not None and set(self.subsampling) != {(1, 1)}:
            raise ValueError(f"subsampling={self.subsampling!r}: lossless files are written as 4:4:4")

    def frame(self, height: int, width: int, channels: int) -> Frame:
        """The frame of one image: grey for 1 channel, YCbCr for 3, CMYK for 4."""
        process = (
            Process.PROGRESSIVE if self.progressive else Process.BASELINE if self.precision == 8 else Process.EXTENDED
        )
        tables = 0 if self.qtables is None else len(self.qtables)
        if channels == 1:
            return _frame(height, width, ((1, 1),), 1, process, self.precision)
        if channels == 4:
            sampling = ((1, 1),) * 4 if self.subsampling is None else (*self.subsampling, (1, 1))
            return _frame(height, width, sampling, tables or 1, process, self.precision)
        sampling = SUBSAMPLING["4:2:0"], (1, 1), (1, 1)
        return _frame(height, width, self.subsampling or sampling, tables or 2, process, self.precision)


_COLORS = {1: (ColorSpace.GRAY, (1,)), 3: (ColorSpace.YCBCR, (1, 2, 3)), 4: (ColorSpace.CMYK, tuple(b"CMYK"))}


@lru_cache(maxsize=256)
def _frame(
    height: int, width: int, sampling: tuple[tuple[int, int], ...], tables: int, process: Process, precision: int
) -> Frame:
    """tables: how many quantisation tables there are; component i takes table i, or the last one."""
    color, ids = _COLORS[len(sampling)]
    components = tuple(
        Component(id_, h, v, min(i, tables - 1)) for i, (id_, (h, v)) in enumerate(zip(ids, sampling, strict=True))
    )
    return Frame(height, width, components, process, precision, color)


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """Keyword arguments of `decode`; `api.decode` documents them."""

    mode: str | None = None
    scale: Any = 1
    upsample: str = "fancy"
    apply_exif_orientation: bool = False
    strict: bool = False
    limits: Limits = Limits()
    tables: bytes | None = None
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self):
        check_choice("mode", self.mode, (None, "L", "RGB", "CMYK"))
        check_choice("upsample", self.upsample, ("fancy", "nearest"))
        if type(self.scale) is not int or self.scale != 1:
            object.__setattr__(self, "scale", parse_scale(self.scale))
        if self.crop is not None:
            object.__setattr__(self, "crop", parse_crop(self.crop))
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits={self.limits!r}: must be a jpegjax.Limits")

    @property
    def eighths(self) -> int:
        """The scale times 8, 1..16."""
        return int(8 * self.scale)

    @property
    def partial(self) -> bool:
        """Whether the result is not the whole picture as the file has it."""
        return self.crop is not None or self.scale != 1

    def region(self, height: int, width: int, orientation: int = 1) -> tuple[int, int, int, int]:
        """What `crop` shows of a picture, (x, y, width, height) as the file has it; ValueError where it does not fit.

        height, width: of the scaled picture. orientation: EXIF's 1..8 where it is applied and `crop` means the upright
        picture.
        """
        if self.crop is None:
            return 0, 0, width, height
        x, y, w, h = self.crop
        tall, wide = (width, height) if orientation >= 5 else (height, width)
        if x + w > wide or y + h > tall:
            scaled = "" if self.scale == 1 else f" (scale={self.scale})"
            raise ValueError(f"crop={self.crop}: does not fit in the picture of {wide}×{tall} pixels{scaled}")
        if orientation in (2, 3, 6, 7):
            x = wide - x - w
        if orientation in (3, 4, 7, 8):
            y = tall - y - h
        return (y, x, h, w) if orientation >= 5 else (x, y, w, h)
