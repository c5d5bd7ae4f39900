"""The CPU engine: fused numba kernels, one image a thread."""

from __future__ import annotations

from .decode import decode_image, picture_planes
from .encode import encode_image, transform
from .view import reconstruct

__all__ = ["decode_image", "encode_image", "picture_planes", "reconstruct", "transform"]
