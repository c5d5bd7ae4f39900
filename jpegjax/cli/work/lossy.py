"""What jpegoptim's --max and --size do: a picture coded again in fewer bytes, which is not without loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...container import JpegInfo
from ...errors import JpegError
from ...jpeg import codec
from ...jpeg.transcode import transcode
from ...options import DecodeOptions, EncodeOptions, TranscodeOptions
from ...types import ColorSpace

__all__ = ["NO_AIM", "Aim", "coded_again"]

_COLORS = {ColorSpace.GRAY, ColorSpace.YCBCR, ColorSpace.CMYK, ColorSpace.YCCK}


@dataclass(frozen=True, slots=True)
class Aim:
    """What a file shall have at most: an IJG quality; bytes, or percent of its own (size_percent)."""

    quality: int | None = None
    size_nbytes: int | None = None
    size_percent: int | None = None

    def nbytes(self, source_nbytes: int) -> int | None:
        return self.size_nbytes if self.size_percent is None else source_nbytes * self.size_percent // 100


NO_AIM = Aim()


def coded_again(
    data: bytes, found: JpegInfo, plain: bytes, options: TranscodeOptions, aim: Aim
) -> tuple[bytes, str | None]:
    """(the file that meets the aim, or comes nearest; what was done to it, None where it had met the aim).

    plain: what was made of the file without loss. Sampling, metadata and process stay. JpegError, ValueError.
    """
    size = aim.nbytes(len(data))
    above = aim.quality is not None and (found.quality or 100) > aim.quality
    if not above and (size is None or len(plain) <= size):
        return plain, None
    if found.color not in _COLORS:
        return plain, f"not coded with loss: {found.color.value}"
    pixels = _pixels(data, options)
    made: dict[int, bytes] = {}

    def at(quality: int) -> bytes:
        if quality not in made:
            file, _ = transcode([data], options, [_coded(pixels, quality, found)])[0]
            if isinstance(file, ValueError):
                raise file
            made[quality] = file
        return made[quality]

    best = aim.quality if above and aim.quality is not None else min(found.quality or 100, 100)
    if size is not None and len(at(best)) > size:
        best = _largest(lambda quality: len(at(quality)) <= size, 1, best)
    result = at(best)
    if len(result) >= len(plain) and (size is None or len(plain) <= size):
        return plain, f"quality {best} would take {len(result)} bytes: left without loss"
    missed = f", {len(result)} bytes at the least" if size is not None and len(result) > size else ""
    return result, f"with loss, at quality {best}{missed}"


def _largest(fits: Any, low: int, high: int) -> int:
    """The largest number that fits, by halving; `low` where none does."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _pixels(data: bytes, options: TranscodeOptions) -> np.ndarray:
    pixels, _ = codec.decode([data], DecodeOptions(limits=options.limits), "host", None)[0]
    if isinstance(pixels, JpegError):
        raise pixels
    return np.asarray(pixels)


def _coded(pixels: np.ndarray, quality: int, found: JpegInfo) -> bytes:
    sampling = tuple((k.h, k.v) for k in found.components)
    kept = sampling[:3] if sampling[3:] in ((), ((1, 1),)) and len(sampling) > 1 else None
    coded = EncodeOptions(quality=quality, subsampling=kept, precision=12 if found.precision == 12 else None)
    return codec.encode([pixels], coded, "host", None)[0]
