"""The U-system codec: tiles divided into rectangles, each in piecewise polynomials or the DCT, on any JAX device.

    basis     the orthonormal systems on 2^m samples
    search    which division, bases and levels; batched over tiles, JAX
    stream    all of that as bytes; host
    codec     pictures to files and back

After Zhang 2021 (non-uniform rectangular partition and the U-system), whose division by the error of a bilinear fit alone is
`partition="fit"`.
"""

from __future__ import annotations

from .codec import BASES, USystemOptions, decode, encode, parts, quality_step

__all__ = ["BASES", "USystemOptions", "decode", "encode", "parts", "quality_step"]
