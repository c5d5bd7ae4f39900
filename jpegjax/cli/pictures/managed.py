"""Colours through the ICC profile that a picture carries, to sRGB, by Pillow's LittleCMS."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from .raster import Refused

__all__ = ["to_srgb"]


def to_srgb(pixels: np.ndarray, bits: int, profile: bytes) -> np.ndarray:
    """uint8 RGB of uint8 RGB [H, W, 3] or CMYK [H, W, 4] (255 full ink) by perceptual intent. Refused where that fails."""
    from PIL import ImageCms

    if bits != 8:
        raise Refused(f"{bits} bits a sample: --color-managed takes 8; say --depth 8 too")
    mode = "CMYK" if pixels.shape[2] == 4 else "RGB"
    picture = Image.frombytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise Refused(f"its ICC profile cannot be applied ({error}): leave --color-managed out") from None
    return np.asarray(made)
