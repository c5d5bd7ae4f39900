"""Files made by Pillow, and the scans in a file."""

from __future__ import annotations

import io
import re
import struct

import numpy as np
from PIL import Image

from jpegjax import Limits
from jpegjax.container import Reader

__all__ = [
    "BASE",
    "SOF",
    "SOS",
    "UNLIMITED",
    "entropy_end",
    "icc_profile",
    "patched",
    "pillow_file",
    "scans",
    "with_metadata",
    "with_segments",
]

UNLIMITED = Limits(None, None, None, None, None)


def icc_profile(nbytes: int) -> bytes:
    """What passes for an ICC profile: noise, but for the signature in its header of 128 bytes."""
    noise = np.random.default_rng(nbytes).bytes(nbytes)
    return (noise[:36] + b"acsp" + noise[40:])[:nbytes]


def pillow_file(mode: str = "RGB", size: tuple[int, int] = (40, 24), **options) -> bytes:
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 4), np.uint8)
    bands = {"L": noise[..., 0], "RGB": noise[..., :3], "CMYK": noise}
    out = io.BytesIO()
    Image.fromarray(bands[mode], mode if mode == "CMYK" else None).save(out, "JPEG", **options)
    return out.getvalue()


def with_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """data with (marker, body) segments behind the JFIF marker."""
    parts = [struct.pack(">BBH", 0xFF, code, len(body) + 2) + body for code, body in segments]
    return data[:20] + b"".join(parts) + data[20:]


def with_metadata(jfif: bool, orientation: int = 6, size: tuple[int, int] = (67, 45)) -> bytes:
    """EXIF with the picture's size, XMP, an ICC profile in two segments, a comment; JFIF in front or not."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x8769] = {0xA002: size[0], 0xA003: size[1], 0x9000: b"0230"}
    data = pillow_file(
        size=size, exif=exif.tobytes(), icc_profile=bytes(70_000), comment=b"hello", dpi=(300, 200), xmp=b"<x/>"
    )
    return data if jfif else data[:2] + data[20:]


def entropy_end(data: bytes, position: int, restarts: bool) -> int:
    """Offset of the marker that ends entropy-coded data; among restarts, bytes below SOF0 are passed over (libjpeg)."""
    pattern = rb"\xff[\xc0-\xcf\xd8-\xfe]" if restarts else rb"\xff[\x01-\xcf\xd8-\xfe]"
    found = re.compile(pattern).search(data, position)
    return found.start() if found else len(data)


def scans(data: bytes, **options) -> list:
    """(Scan, position) of every scan of a file."""
    reader, found = Reader(data, UNLIMITED, **options), []
    while (scan := reader.next_scan()) is not None:
        found.append((scan, reader.position))
        reader.resume(entropy_end(data, reader.position, scan.restart_interval > 0))
    return found


BASE = pillow_file(dpi=(72, 72), comment=b"c")
SOF, SOS = BASE.index(b"\xff\xc0"), BASE.index(b"\xff\xda")


def patched(at: int, *values: int) -> bytes:
    """BASE with other bytes from offset `at` on."""
    return BASE[:at] + bytes(values) + BASE[at + len(values) :]
