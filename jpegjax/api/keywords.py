"""Keywords of the public functions with their types, for checkers and editors; what they mean stands in the functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypedDict

from ..options import (
    Color,
    EncodeColor,
    Engine,
    Flip,
    GainMap,
    Kind,
    Limits,
    Mode,
    Reconstruction,
    Restore,
    Rotation,
    StreamType,
    TargetMetric,
    Thumbnail,
    Trailers,
    Tune,
    Upsample,
)
from ..types import ColorSpace, Device, Scan
from .beside import Importance
from .inputs import Source

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..container import JpegInfo

__all__ = ["DecodeKeywords", "EncodeKeywords", "ReadKeywords", "RestoreKeywords", "TranscodeKeywords", "WriteKeywords"]


class _Coding(TypedDict, total=False):
    optimize: bool
    scans: str | Sequence[Scan] | None
    restart_rows: int
    restart_blocks: int


class _Embedded(TypedDict, total=False):
    icc_profile: bytes | None
    exif: bytes | None
    xmp: bytes | None
    comment: bytes | str | None
    dpi: tuple[float, float] | None


class EncodeKeywords(_Coding, _Embedded, total=False):
    """Of `encode`."""

    quality: int | tuple[int, int] | Literal["keep"]
    subsampling: str | int | Sequence[tuple[int, int]] | None
    qtables: npt.ArrayLike | Mapping[int, npt.ArrayLike] | Literal["keep"] | None
    qslots: str | int | Sequence[int] | None
    color: EncodeColor | ColorSpace | None
    smoothing: int
    like: Source | JpegInfo | None
    progressive: bool | None
    arithmetic: bool
    tune: Tune | None
    dering: bool | None
    refine: int
    importance: Importance | Sequence[Importance | None] | None
    target_bytes: int | None
    target_metric: tuple[TargetMetric, float] | None
    precision: int | None
    mode: Mode | None
    lossless: bool
    predictor: int | None
    point_transform: int
    streamtype: StreamType
    gain_map: GainMap | Sequence[GainMap | None] | None
    engine: Engine
    device: Device | None


class WriteKeywords(_Coding, _Embedded, total=False):
    """Of `write_coefficients`."""

    progressive: bool
    arithmetic: bool


class ReadKeywords(TypedDict, total=False):
    """Of `read_coefficients`."""

    strict: bool
    limits: Limits
    tables: Source | None
    color: Color | ColorSpace | None
    picture: int


class DecodeKeywords(ReadKeywords, total=False):
    """Of `decode`, but for device, which says what kind of array comes out."""

    mode: Mode | None
    scale: float | str | Fraction
    crop: tuple[int, int, int, int] | None
    upsample: Upsample
    reconstruction: Reconstruction
    restore: Restore
    dtype: npt.DTypeLike | None
    apply_exif_orientation: bool
    engine: Engine


class RestoreKeywords(TypedDict, total=False):
    """Of `restore`, but for device, which says what kind of array comes out."""

    qtables: npt.ArrayLike | None
    quality: int | None
    subsampling: str | Sequence[tuple[int, int]]
    consistent: bool
    dtype: npt.DTypeLike | None
    model: str | None


Region = tuple[int, int, int | None, int | None]
"""(x, y, width, height) in pixels, None for a side that takes all that is left."""


class TranscodeKeywords(_Coding, total=False):
    """Of `transcode`."""

    rotate: Rotation
    flip: Flip | None
    crop: Region | str | None
    roll: tuple[int, int] | None
    wipe: Region | str | None
    drop: tuple[int, int, Source] | tuple[str, Source] | None
    trim: bool | None
    perfect: bool
    grayscale: bool
    color: Color | ColorSpace | None
    progressive: bool | None
    arithmetic: bool | None
    trailer: Trailers
    keep: Literal["all", "none"] | Kind | Sequence[Kind]
    strip: Kind | Sequence[Kind]
    icc_profile: bytes | None
    apply_exif_orientation: bool
    thumbnail: Thumbnail | None
    strict: bool
    limits: Limits
