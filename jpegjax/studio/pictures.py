"""Files of any kind as pictures to encode: 8 bits, grey or RGB, upright, within bounds; what was changed is noted."""

from __future__ import annotations

import io
import threading
import unicodedata
import warnings
from typing import Any

import numpy as np

from .. import Limits, decode
from ..errors import JpegError, JpegWarning
from .bounds import Bounds, Refused, megabytes

__all__ = ["FORMATS", "SUFFIXES", "plain_name", "read_picture"]

FORMATS = ("PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
"""Of Pillow's readers those that are taken: nothing that starts other programs or reads other files."""
SUFFIXES = frozenset({
    ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".pnm", ".pbm", ".jp2", ".j2k", ".jpg", ".jpeg",
    ".jpe", ".jfif",
})  # fmt: skip
_CATCHING = threading.Lock()  # warnings are the process's, not a thread's
_GREY = ("1", "L", "LA", "La")


def plain_name(name: str, longest: int = 120) -> str:
    """A name as it may be shown and saved: its last part, without what is not printed or what systems forbid in names."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = "".join("\ufffd" if unicodedata.category(c)[0] == "C" or c in '<>:"|?*' else c for c in last).strip(" .")
    if len(kept) > longest:
        stem, dot, suffix = kept.rpartition(".")
        kept = f"{stem[: longest - 12]}…{dot}{suffix[:10]}" if dot else kept[:longest]
    return kept or "picture"


def _jpeg(data: bytes, bounds: Bounds) -> tuple[np.ndarray, list[str]]:
    how: dict[str, Any] = {
        "apply_exif_orientation": True, "limits": Limits(pixels=bounds.pixels), "dtype": "uint8",
    }  # fmt: skip
    notes = []
    with _CATCHING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = np.asarray(decode(data, **how))
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            pixels = np.asarray(decode(data, mode="RGB", **how))
            notes.append("CMYK became RGB without its profile")
    return pixels, [*dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, JpegWarning)), *notes]


def _deep(picture: Any) -> tuple[Any, list[str]]:
    """A picture of 16-bit grey or floats as 8 bits."""
    samples = np.asarray(picture).astype(np.float64)
    if not np.isfinite(samples).all():
        raise Refused("holds samples that are no numbers")
    high = 65535.0 if picture.mode.startswith("I;16") or samples.max(initial=0) > 255 else 255.0
    from PIL import Image

    grey = np.clip(samples * (255.0 / high) + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(grey), [f"more than 8 bits a sample ({picture.mode}) became 8"]


def _other(data: bytes, bounds: Bounds) -> tuple[np.ndarray, list[str]]:
    from PIL import Image, ImageOps

    notes = []
    with _CATCHING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            _check_size(width, height, bounds)
            if getattr(opened, "is_animated", False):
                notes.append("first frame only")
            upright = ImageOps.exif_transpose(opened)
            picture = upright if upright is not None else opened
            if picture.mode.startswith(("I", "F")):
                picture, more = _deep(picture)
                notes += more
            if picture.has_transparency_data:
                both = picture.convert("RGBA")
                if np.asarray(both.getchannel("A")).min() < 255:
                    notes.append("transparency became white")
                    white = Image.new("RGBA", both.size, (255, 255, 255, 255))
                    both = Image.alpha_composite(white, both)
                picture = both.convert("L" if picture.mode in _GREY else "RGB")
            elif picture.mode not in ("L", "RGB"):
                notes += [] if picture.mode in ("1", "P") else [f"mode {picture.mode} became RGB"]
                picture = picture.convert("L" if picture.mode in _GREY else "RGB")
            return np.array(picture), notes


def _check_size(width: int, height: int, bounds: Bounds) -> None:
    if width * height > bounds.pixels:
        raise Refused(f"{width}×{height} pixels; at most {bounds.pixels / 1e6:g} million are taken", 413)
    if max(width, height) > 65_535:
        raise Refused(f"{width}×{height} pixels; each side is at most 65535", 413)


def read_picture(data: bytes, bounds: Bounds) -> tuple[np.ndarray, list[str]]:
    """(uint8 [H, W] or [H, W, 3], upright; notes on what the file has and the pixels have not).

    Raises:
        Refused: It is no picture that is read here, is damaged beyond reading, or is over the bounds.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise Refused("the file is empty")
    if len(data) > bounds.upload_nbytes:
        raise Refused(f"{megabytes(len(data))}; at most {megabytes(bounds.upload_nbytes)} are taken", 413)
    try:
        pixels, notes = _jpeg(data, bounds) if data[:2] == b"\xff\xd8" else _other(data, bounds)
    except (Refused, JpegError):
        raise
    except UnidentifiedImageError:
        raise Refused(f"not a picture that is read here: JPEG, {', '.join(FORMATS)} are") from None
    except Image.DecompressionBombError as error:
        raise Refused(str(error), 413) from None
    except MemoryError:
        raise Refused("too large for the memory that there is", 413) from None
    except Exception as error:  # Pillow's readers raise many kinds for damaged files
        raise Refused(f"cannot be read: {error}") from None
    return np.ascontiguousarray(pixels), notes
