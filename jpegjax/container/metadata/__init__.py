"""What stands beside the picture, in APPn and COM segments: EXIF, XMP, ICC profiles, density, comments."""

from __future__ import annotations

from .exif import ORIENTATION, read_orientation, resized_exif, upright_exif
from .extended import xmp_bodies
from .kinds import (
    ADOBE_PREFIX,
    EXIF_PREFIX,
    ICC_PREFIX,
    JFIF_PREFIX,
    XMP_PREFIX,
    finer_kind,
    is_adobe,
    is_jfif,
    segment_kind,
)
from .read import Metadata, orientation_of, read_metadata
from .thumbnail import exif_thumbnail, with_thumbnail
from .xmp import read_xmp_orientation, resized_xmp, upright_xmp

__all__ = [
    "ADOBE_PREFIX", "EXIF_PREFIX", "ICC_PREFIX", "JFIF_PREFIX", "ORIENTATION", "XMP_PREFIX", "Metadata", "exif_thumbnail",
    "finer_kind", "is_adobe",
    "is_jfif", "orientation_of", "read_metadata", "read_orientation", "read_xmp_orientation", "resized_exif",
    "resized_xmp",
    "segment_kind", "upright_exif", "upright_xmp", "with_thumbnail",
    "xmp_bodies",
]  # fmt: skip
