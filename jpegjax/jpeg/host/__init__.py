"""The CPU engine: fused numba kernels, one image a thread."""

from __future__ import annotations

from .coefficients import read_coefficients, read_rows, write_coefficients
from .decode import SmallDecoder, check_picture, decode_image, in_one_scan, small_decoder
from .encode import PlainCoder, are_plain, encode_image, transform
from .groups import GROUPED_PIXELS, SMALL_PIXELS, in_groups
from .precise import component_planes
from .view import reconstruct

__all__ = [
    "GROUPED_PIXELS", "SMALL_PIXELS", "PlainCoder", "SmallDecoder", "are_plain", "check_picture", "component_planes",
    "decode_image", "encode_image", "in_groups", "in_one_scan", "read_coefficients", "read_rows", "reconstruct",
    "small_decoder", "transform", "write_coefficients",
]  # fmt: skip
