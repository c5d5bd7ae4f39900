"""What a page's program depends on: the frame's sampling and colour and, for decoding, what shall come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ...errors import UnsupportedJpeg
from ...ops.sampling import is_fancy
from ...types import ColorSpace, Frame, HuffmanSpec

__all__ = ["Coded", "Coding", "Spec", "Tables", "decode_spec", "encode_spec"]

Tables: TypeAlias = Mapping[tuple[int, int], HuffmanSpec]
"""Huffman tables by kind (0 DC, 1 AC) and slot."""

_INKS = ("CMYK", "RGB")  # RGB is made of inks at the end, pixel by pixel


@dataclass(frozen=True, slots=True)
class Spec:
    """What a program depends on besides the page's size.

    hmax, vmax: the frame's largest factors; each (h, v) divides them. sampling: (h, v) per component that takes part.
    mode: what to make of the colour, None for nothing, and fancy: per component, whether chroma is filtered (decoding only).
    dering: let the first component overshoot (encoding only).
    """

    hmax: int
    vmax: int
    sampling: tuple[tuple[int, int], ...]
    color: ColorSpace
    mode: str | None = None
    fancy: tuple[bool, ...] = ()
    dering: bool = False

    @property
    def channels(self) -> int:
        """Channels of the pixels."""
        if self.mode is not None:
            return 3 if self.mode == "RGB" else 1
        return {ColorSpace.GRAY: 1, ColorSpace.CMYK: 4, ColorSpace.YCCK: 4}.get(self.color, 3)


@dataclass(frozen=True, slots=True)
class Coding:
    """How a scan of all components is coded. slots: the Huffman tables, 0 or 1, of each component; interval: MCUs between
    restarts, 0 for none. tables: None for the best of each picture."""

    slots: tuple[int, ...]
    interval: int
    tables: Tables | None


@dataclass(frozen=True, slots=True)
class Coded:
    """The data of a scan, None where a level is out of baseline JPEG's range, and the tables that they are coded by."""

    data: bytes | None
    tables: Tables


def encode_spec(frame: Frame, dering: bool = False) -> Spec:
    """The encoding program of a frame."""
    return Spec(frame.hmax, frame.vmax, tuple((c.h, c.v) for c in frame.components), frame.color, dering=dering)


def decode_spec(frame: Frame, mode: str | None, upsample: str) -> Spec:
    """The decoding program of a frame, with only those components that `mode` needs. Raises UnsupportedJpeg."""
    hmax, vmax = frame.hmax, frame.vmax
    if any(hmax % c.h or vmax % c.v for c in frame.components):
        raise UnsupportedJpeg("sampling factors that do not divide the largest ones")
    count = 1 if mode == "L" and frame.color is ColorSpace.YCBCR else len(frame.components)
    sampling = tuple((c.h, c.v) for c in frame.components[:count])
    fancy = tuple(
        upsample == "fancy" and is_fancy(hmax // h, vmax // v, frame.samples(c)[1]) for c, (h, v) in enumerate(sampling)
    )
    natural = {ColorSpace.GRAY: ("L",), ColorSpace.CMYK: _INKS, ColorSpace.YCCK: _INKS}.get(frame.color, ("RGB",))
    return Spec(hmax, vmax, sampling, frame.color, None if mode in natural else mode, fancy)
