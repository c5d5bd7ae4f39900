"""The CPU engine: fused numba kernels, one image a thread."""

from __future__ import annotations

from typing import Any

from ...options import DecodeOptions
from . import decode
from .decode import picture_planes, reconstruct
from .encode import encode_image, transform
from .view import decode_view

__all__ = ["decode_image", "encode_image", "picture_planes", "reconstruct", "transform"]


def decode_image(data: bytes | memoryview, options: DecodeOptions) -> tuple[Any, list[tuple[str, int]]]:
    """(pixels, warnings) of one file: uint8 or uint16 [H, W] or [H, W, channels]."""
    return decode_view(data, options) if options.partial else decode.decode_image(data, options)
