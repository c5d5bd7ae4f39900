"""Gain maps: what turns a picture into its rendition of higher dynamic range (Ultra HDR 1.1, ISO 21496-1)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checks import check_flag, check_int
from .choices import MAX_SIDE

__all__ = ["GainMap", "GainMapMetadata"]

Channels = float | tuple[float, float, float]


def _number(name: str, value: Any, low: float = -math.inf) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r}: must be a number") from None
    if not math.isfinite(number) or number < low:
        raise ValueError(
            f"{name}={value!r}: must be {'finite' if low == -math.inf else f'finite and at least {low:g}'}"
        )
    return number


def _channels(name: str, value: Any) -> Channels:
    """A float, or three where the channels differ."""
    if not isinstance(value, (list, tuple)):
        return _number(name, value)
    if len(value) != 3:
        raise ValueError(f"{name}={value!r}: must be one number or three, for R, G and B")
    red, green, blue = (_number(f"{name}[{i}]", v) for i, v in enumerate(value))
    return red if red == green == blue else (red, green, blue)


def _three(value: Channels) -> tuple[float, float, float]:
    return value if isinstance(value, tuple) else (value, value, value)


@dataclass(frozen=True, slots=True)
class GainMapMetadata:
    """What the values of a gain map mean (Ultra HDR 1.1; ISO 21496-1 says the same).

    A pixel v in 0..1 of the map stands for a gain of 2^(gain_min + (gain_max - gain_min)·v^(1/gamma)); the linear HDR
    picture is (SDR + offset_sdr)·gain - offset_hdr.

    Args:
        gain_max: Log2 of the largest gain of HDR over SDR. This and the next four: one number, or three for R, G and B.
        gain_min: Log2 of the smallest.
        gamma: Exponent that the map was coded with, above 0.
        offset_sdr: Added to the SDR picture before the gain.
        offset_hdr: Taken off the HDR picture behind it.
        hdr_capacity_min: Log2 of the display's boost from which on the map has an effect, at least 0.
        hdr_capacity_max: Log2 of the boost at which it has all its effect; None for the largest of gain_max.
        base_is_hdr: The first picture is the HDR rendition, and the map leads from it to SDR.

    Raises:
        TypeError: A value is no number.
        ValueError: A value is out of range.
    """

    gain_max: Channels
    gain_min: Channels = 0.0
    gamma: Channels = 1.0
    offset_sdr: Channels = 1 / 64
    offset_hdr: Channels = 1 / 64
    hdr_capacity_min: float = 0.0
    hdr_capacity_max: float | None = None
    base_is_hdr: bool = False

    def __post_init__(self) -> None:
        for name in ("gain_max", "gain_min", "gamma", "offset_sdr", "offset_hdr"):
            object.__setattr__(self, name, _channels(name, getattr(self, name)))
        if any(low > high for low, high in zip(_three(self.gain_min), _three(self.gain_max), strict=True)):
            raise ValueError(f"gain_min={self.gain_min!r}: must not be above gain_max={self.gain_max!r}")
        if min(_three(self.gamma)) <= 0:
            raise ValueError(f"gamma={self.gamma!r}: must be above 0")
        low = _number("hdr_capacity_min", self.hdr_capacity_min, 0)
        high = max(_three(self.gain_max)) if self.hdr_capacity_max is None else self.hdr_capacity_max
        high = _number("hdr_capacity_max", high)
        if not high > low:
            raise ValueError(f"hdr_capacity_max={high!r}: must be above hdr_capacity_min={low!r}")
        object.__setattr__(self, "hdr_capacity_min", low)
        object.__setattr__(self, "hdr_capacity_max", high)
        check_flag("base_is_hdr", self.base_is_hdr)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


@dataclass(frozen=True, slots=True, eq=False)
class GainMap:
    """A gain map for `encode`, which writes it behind the picture (Ultra HDR 1.1).

    Args:
        pixels: uint8 [h, w], or [h, w, 3] for a gain of each channel. Of the picture's proportions; a quarter of its sides
            is usual.
        metadata: What the values mean.
        quality: IJG quality 1..100 of the map.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A shape or the quality is out of range.
    """

    pixels: np.ndarray
    metadata: GainMapMetadata
    quality: int = 90

    def __post_init__(self) -> None:
        if not hasattr(self.pixels, "__array__"):
            raise TypeError(f"gain_map.pixels: must be an array of uint8, not {type(self.pixels).__name__}")
        pixels = np.ascontiguousarray(self.pixels)
        if pixels.dtype != np.uint8:
            raise TypeError(f"gain_map.pixels: dtype {pixels.dtype}; must be uint8 (values 0..255)")
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise ValueError(f"gain_map.pixels: shape {pixels.shape}; must be [h, w] or [h, w, 3]")
        if not all(1 <= side <= MAX_SIDE for side in pixels.shape[:2]):
            raise ValueError(f"gain_map.pixels: shape {pixels.shape}; each side must be 1..{MAX_SIDE}")
        if not isinstance(self.metadata, GainMapMetadata):
            raise TypeError(f"gain_map.metadata: must be a GainMapMetadata, not {type(self.metadata).__name__}")
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "quality", check_int("gain_map.quality", self.quality, 1, 100))
