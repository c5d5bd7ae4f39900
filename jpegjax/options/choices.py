"""What can be chosen by name: the values, as types that an editor completes and as tuples that a check reads."""

from typing import Literal, get_args

from ..types import ColorSpace

__all__ = [
    "AUTO", "COLORS", "DTYPES", "ENGINES", "ERRORS", "FLIPS", "JPEG_SUFFIXES", "KINDS", "MAX_SIDE", "MODES",
    "RECONSTRUCTIONS", "RESTORES", "ROTATIONS", "SUBSAMPLING", "TARGET_METRICS", "THUMBNAILS", "TRAILERS", "TUNES",
    "UPSAMPLES", "Color", "EncodeColor", "Engine", "Errors", "Flip", "Kind", "Mode", "Reconstruction", "Restore", "Rotation",
    "StreamType", "TargetMetric", "Thumbnail", "Trailers", "Tune", "Upsample",
]  # fmt: skip

Engine = Literal["auto", "host", "xla"]
"""Where it runs: CPU kernels, any JAX device, or host on CPU and xla on accelerators or where a device is named."""
ENGINES: tuple[Engine, ...] = get_args(Engine)

Mode = Literal["L", "RGB", "CMYK"]
"""What a file is decoded to, or an array encoded as; None as the file is, or for L and RGB by the channels."""
MODES: tuple[Mode | None, ...] = (None, *get_args(Mode))

Color = Literal["grey", "YCbCr", "RGB", "CMYK", "YCCK"]
"""What the components of a file are."""
COLORS: dict[Color, ColorSpace] = {
    "grey": ColorSpace.GRAY,
    "YCbCr": ColorSpace.YCBCR,
    "RGB": ColorSpace.RGB,
    "CMYK": ColorSpace.CMYK,
    "YCCK": ColorSpace.YCCK,
}

EncodeColor = Literal["grey", "YCbCr", "RGB", "CMYK"]
"""What a file is written to hold."""

StreamType = Literal[0, 1, 2]
"""A whole file, a stream of tables alone, or a file without tables, as Pillow numbers them (T.81 B.4, B.5)."""

Upsample = Literal["fancy", "nearest"]
"""How chroma grows: libjpeg's triangle filter, or repeated (djpeg -nosmooth)."""
UPSAMPLES: tuple[Upsample, ...] = get_args(Upsample)

Reconstruction = Literal["midpoint", "laplacian"]
"""Where in its bin a coefficient is taken to be: the middle, as libjpeg has it, or the centroid of its frequency's Laplacian."""
RECONSTRUCTIONS: tuple[Reconstruction, ...] = get_args(Reconstruction)

Restore = Literal["auto", "consistent"] | bool
"""Whether a network puts back what quantisation took: in all files, in those encoded for it, or within quantisation's cells."""
RESTORES: tuple[Restore, ...] = (False, True, "auto", "consistent")

DTYPES = ("uint8", "uint16", "float32")
"""What pixels can be decoded to, whatever the file's bits."""

Tune = Literal["psnr", "ms-ssim", "ssimulacra2", "butteraugli", "restored"] | bool
"""What a tuned file is the smallest for: a measure, the restored picture, or True for a panel of measures, of photographs and
drawings alike."""
REFINED: tuple[Tune, ...] = ("psnr", "restored")
"""Tunes that `refine` goes with: those for squared error."""
TUNES: tuple[Tune | None, ...] = (None, False, True, "psnr", "ms-ssim", "ssimulacra2", "butteraugli", "restored")

TargetMetric = Literal["ssimulacra2", "butteraugli", "psnr", "psnr-hvs-m", "ssim", "ms-ssim", "haarpsi"]
TARGET_METRICS: dict[str, tuple[int, int]] = {
    "ssimulacra2": (0, 100),
    "butteraugli": (0, 100),
    "psnr": (0, 100),
    "psnr-hvs-m": (0, 100),
    "ssim": (0, 1),
    "ms-ssim": (0, 1),
    "haarpsi": (0, 1),
}
"""Metrics that a file can be made to reach, each with the range of its values."""

Errors = Literal["raise", "return"]
"""What becomes of errors that single items of a list meet: the first is raised, or each takes the place of its result."""
ERRORS: tuple[Errors, ...] = get_args(Errors)

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise."""
ROTATIONS: tuple[Rotation, ...] = get_args(Rotation)

Thumbnail = Literal["keep", "update"]
Flip = Literal["horizontal", "vertical", "transpose", "transverse"]
"""Left and right change places, top and bottom; about the main diagonal, about the other one."""
THUMBNAILS: tuple[Thumbnail | None, ...] = (None, *get_args(Thumbnail))
FLIPS: tuple[Flip | None, ...] = (None, *get_args(Flip))

Kind = Literal["comments", "exif", "icc", "xmp", "iptc", "jfxx", "adobe", "other"]
"""Kinds of APPn and COM segments; JFIF's and Adobe's belong to "other" where they are not written anew."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Trailers = Literal["keep", "drop"]
"""What becomes of what stands behind the first picture of a file."""
TRAILERS: tuple[Trailers, ...] = get_args(Trailers)

SUBSAMPLING = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1), "4:1:0": (4, 2)}
"""Sampling factors (h, v) of luma, chroma's being (1, 1)."""
AUTO = "auto"
"""The sampling that fits each picture."""
MAX_SIDE = 65_535
"""Pixels a side that a frame header can say."""
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".jif"})
"""Of names of JPEG files, in lower case."""
