"""The CPU engine: fused numba kernels, one image a thread."""

from __future__ import annotations

from .decode import decode_image, decode_images, picture_planes
from .encode import are_plain, encode_image, encode_images, transform
from .groups import SMALL_PIXELS, in_groups
from .view import reconstruct

__all__ = [
    "SMALL_PIXELS", "are_plain", "decode_image", "decode_images", "encode_image", "encode_images", "in_groups",
    "picture_planes", "reconstruct", "transform",
]  # fmt: skip
