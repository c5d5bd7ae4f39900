"""Is it the same? Files and pixels compared with libjpeg-turbo, which Pillow brings along."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, features

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ..options import SUBSAMPLING, EncodeOptions
from ..types import ColorSpace

__all__ = ["compare", "psnr_db", "turbo_decode", "turbo_encode", "turbo_version"]

_XMP = 65_504  # bytes of a packet that Pillow writes; it knows no extended XMP
_PILLOW_SAMPLING = {SUBSAMPLING[name]: number for number, name in enumerate(("4:4:4", "4:2:2", "4:2:0"))}


def turbo_version() -> str | None:
    """libjpeg-turbo's version in this Pillow, None for one built on another libjpeg."""
    return features.version("libjpeg_turbo") if features.check("libjpeg_turbo") else None


def _picture(image: np.ndarray) -> Image.Image:
    if image.ndim == 3 and image.shape[2] == 4:
        return Image.frombytes("CMYK", image.shape[1::-1], image.tobytes())
    return Image.fromarray(image)


def turbo_encode(image: np.ndarray, options: EncodeOptions) -> bytes | None:
    """libjpeg-turbo's file of an image; None where Pillow has no way to ask for the process or the sampling."""
    rgb_sampled = options.color is ColorSpace.RGB and options.subsampling not in (None, ((1, 1),) * 3)
    long_xmp = len(options.metadata.xmp or b"") > _XMP
    if options.picks_sampling or options.lossless or options.arithmetic or options.qslots or rgb_sampled or long_xmp:
        return None
    settings: dict = {"optimize": options.optimize, "progressive": options.progressive}
    if options.color is ColorSpace.RGB:
        settings["keep_rgb"] = True
    if options.subsampling or image.shape[2:] == (3,):
        plain = (1, 1) if options.color is ColorSpace.RGB else SUBSAMPLING["4:2:0"]
        luma, *chroma = options.subsampling or (plain, (1, 1), (1, 1))
        if luma not in _PILLOW_SAMPLING or (image.ndim == 3 and any(c != (1, 1) for c in chroma)):
            return None
        settings["subsampling"] = _PILLOW_SAMPLING[luma]
    if options.qtables is not None:
        settings["qtables"] = [table.tolist() for table in options.qtables]
    else:
        luma_chroma = options.quality if isinstance(options.quality, tuple) else (options.quality, options.quality)
        if luma_chroma[0] == luma_chroma[1] or image.ndim == 2:
            settings["quality"] = luma_chroma[0]
        else:
            bases = zip((LUMA_QUANTIZATION, CHROMA_QUANTIZATION), luma_chroma, strict=True)
            settings["qtables"] = [quality_table(base, quality).tolist() for base, quality in bases]
    optional = {
        "comment": options.metadata.comment,
        "exif": options.metadata.exif,
        "xmp": options.metadata.xmp,
        "dpi": options.metadata.dpi,
        "icc_profile": options.metadata.icc_profile,
        "smooth": options.smoothing,
        "restart_marker_rows": options.restart.rows,
        "restart_marker_blocks": options.restart.blocks,
    }
    settings.update({name: value for name, value in optional.items() if value})
    out = io.BytesIO()
    _picture(image).save(out, "JPEG", **settings)
    return out.getvalue()


def turbo_decode(data: bytes) -> np.ndarray:
    """libjpeg-turbo's pixels of a file: uint8 [H, W] or [H, W, 3]."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def compare(image: np.ndarray, data: bytes, pixels: np.ndarray, options: EncodeOptions) -> tuple[str, bool]:
    """(verdict in words, whether all that can be compared is the same) of a file and the pixels decoded from it.

    "identical" means bytes and pixels; "same pixels" that Pillow has no way to write such a file.
    """
    theirs, their_pixels = turbo_encode(image, options), turbo_decode(data)
    if theirs is not None and theirs != data:
        both = min(len(theirs), len(data))
        differ = np.frombuffer(theirs, np.uint8, both) != np.frombuffer(data, np.uint8, both)
        return f"bytes differ from offset {int(differ.argmax()) if differ.any() else both} on", False
    if their_pixels.shape != pixels.shape:
        return f"pixels {pixels.shape} instead of {their_pixels.shape}", False
    if options.lossless and not options.point_transform and not np.array_equal(image, pixels):
        return f"{np.count_nonzero(image != pixels)} samples of the picture are lost", False
    if not np.array_equal(their_pixels, pixels):
        return f"{np.count_nonzero(their_pixels != pixels)} samples differ", False
    return ("identical" if theirs is not None else "same pixels"), True


def psnr_db(reference: np.ndarray, image: np.ndarray, peak: int = 255) -> float:
    """Peak signal-to-noise ratio over all samples; infinite for equal images."""
    difference = reference.astype(np.int32 if peak == 255 else np.int64) - image
    error = np.mean(np.square(difference, out=difference), dtype=np.float64)
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))
