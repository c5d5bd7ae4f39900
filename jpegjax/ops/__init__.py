"""What are the numbers? Pure JAX functions: batched over leading axes, safe under jit, vmap, grad and sharding.

Each operation stands beside its inverse and says whether it is *exact* (integers, equal to libjpeg's "islow" path bit
for bit on every backend) or *float* (the same mathematics without rounding, differentiable):

    color     RGB ↔ YCbCr, RGB → grey                   exact and float
    sampling  edge padding, chroma down- and upsampling  exact and float
    blocks    planes ↔ blocks                            both
    dct       forward and inverse 8×8 DCT                exact (islow) and float (orthonormal)
    dft       DFT and DCT of planes and n×n blocks       float
    quant     quantisation, tables by quality            exact and float
    bits      quantised blocks ↔ entropy-coded bytes     exact
    planes    pixels ↔ quantised coefficients            exact, the composition of all
    precise   quantised coefficients → pixels            float, with points in their bins
    simulate  pixels → pixels after coding               exact and float, both differentiable
    rate      coefficients → bits of their file          float, an estimate

Nothing imports JAX until a name is used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "blocks": ("merge_blocks", "split_blocks"),
    "color": (
        "rgb_to_gray",
        "rgb_to_ycbcr",
        "rgb_to_ycbcr_float",
        "ycbcr_to_rgb",
        "ycbcr_to_rgb_float",
    ),
    "dct": ("fdct_float", "fdct_islow", "fdct_islow_planes", "idct_float", "idct_islow", "idct_islow_planes"),
    "dft": (
        "bin_magnitudes",
        "block_dct",
        "block_dft",
        "block_idct",
        "block_idft",
        "idft",
        "keep_largest",
        "pack_spectrum",
        "rdft",
        "unpack_spectrum",
    ),
    "planes": ("decode_planes", "encode_planes"),
    "precise": ("precise_pixels", "precise_planes"),
    "quant": ("dequantise", "dequantise_float", "quality_table", "quantise", "quantise_float"),
    "rate": ("estimate_bits",),
    "sampling": ("downsample", "downsample_float", "pad_plane", "upsample", "upsample_float"),
    "simulate": ("encoder_coefficients", "simulate_images", "soft_clip", "soft_round"),
}
_WHERE = {name: home for home, names in _HOME.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
