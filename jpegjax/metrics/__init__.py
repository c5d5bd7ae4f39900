"""How good is it? Metrics of a picture against its reference, and of one rate–distortion curve against another.

    pixels       mse, psnr, psnr_b                 squared error; with a penalty for blocking
    structure    ssim, ms_ssim                     structural similarity, one scale and five
    features     fsim, fsimc                       phase congruency and gradients, luma and colour
    hvs          psnr_hvs, psnr_hvs_m              squared error as the eye sees it, in DCT blocks; with masking
    details      gmsd, haarpsi, vif                gradients (lower is better), wavelets, information
    xyb          ssimulacra2                       perceptual, in XYB; ssimulacra2_reference: a reference's part, once
    visible      butteraugli                       what can be noticed, lower is better; butteraugli_reference, likewise
    bjontegaard  bd_rate, bd_psnr                  curves, on the host in float64

Every picture metric is a pure JAX function in float32: `metric(reference, image, data_range=255)`, safe under jit, vmap
and grad (reverse mode), with finite gradients also where images are equal, flat or black. Pictures are `HW`, `HWC` or `NHWC`
with one channel or three (RGB), uint8, uint16 or floating point, NumPy's or JAX's; samples run from 0 to `data_range`.
One picture gives a scalar, a batch gives `[N]`. Where a metric takes `channel`:

    "rgb"   all channels as they are: errors pooled over them, similarities averaged
    "y"     luma: Y of BT.601, full range (JFIF's), not rounded; of a grey picture its one channel
    "each"  one value a channel, on a last axis of the result

Errors are ValueError (shapes that differ or do not fit, an empty batch, a data_range that is not positive) and TypeError
(element types). NaN or infinity in a NumPy array is a ValueError; JAX arrays are not looked into, there NaN goes through
to the result. Nothing imports JAX until a metric of pictures is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bjontegaard import BjontegaardDelta, bd_psnr, bd_rate
    from .details import gmsd, haarpsi, vif
    from .features import fsim, fsimc
    from .hvs import psnr_hvs, psnr_hvs_m
    from .pixels import mse, psnr, psnr_b
    from .structure import ms_ssim, ssim
    from .visible import butteraugli, butteraugli_reference
    from .xyb import ssimulacra2, ssimulacra2_reference

__all__ = [
    "BjontegaardDelta",
    "bd_psnr",
    "bd_rate",
    "butteraugli",
    "butteraugli_reference",
    "fsim",
    "fsimc",
    "gmsd",
    "haarpsi",
    "ms_ssim",
    "mse",
    "psnr",
    "psnr_b",
    "psnr_hvs",
    "psnr_hvs_m",
    "ssim",
    "ssimulacra2",
    "ssimulacra2_reference",
    "vif",
]

_HOME = {
    "bjontegaard": ("BjontegaardDelta", "bd_psnr", "bd_rate"),
    "details": ("gmsd", "haarpsi", "vif"),
    "features": ("fsim", "fsimc"),
    "hvs": ("psnr_hvs", "psnr_hvs_m"),
    "pixels": ("mse", "psnr", "psnr_b"),
    "xyb": ("ssimulacra2", "ssimulacra2_reference"),
    "structure": ("ms_ssim", "ssim"),
    "visible": ("butteraugli", "butteraugli_reference"),
}
_WHERE = {name: home for home, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
