"""What others make of pictures and files: Pillow, and libjpeg-turbo's own cjpeg, djpeg and jpegtran."""

from __future__ import annotations

import io
import shutil
import subprocess
from functools import cache
from unittest import mock

import numpy as np
from PIL import Image, ImageFile

__all__ = ["cjpeg", "djpeg", "jpegtran", "pillow", "pillow_pixels", "pnm", "program", "psnr"]


def pillow(image: np.ndarray | Image.Image, **options: object) -> bytes:
    """Pillow's file of a picture: uint8 [H, W], [H, W, 3] or CMYK [H, W, 4]."""
    if isinstance(image, np.ndarray):
        inks = image.shape[2:] == (4,)
        image = Image.frombytes("CMYK", image.shape[1::-1], image.tobytes()) if inks else Image.fromarray(image)
    out = io.BytesIO()
    # optimised and progressive files must fit Pillow's buffer at once
    with mock.patch.object(ImageFile, "MAXBLOCK", 16 * image.width * image.height + (1 << 16)):
        image.save(out, "JPEG", **options)
    return out.getvalue()


def pillow_pixels(data: bytes, mode: str | None = None) -> np.ndarray:
    """Pixels of a file by Pillow, as they are or converted to a mode."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image if mode is None else image.convert(mode))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB between two 8-bit pictures."""
    return float(10 * np.log10(255**2 / np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)))


def pnm(image: np.ndarray) -> bytes:
    """A PGM or PPM file of uint8 [H, W] or [H, W, 3]."""
    head = b"P%d\n%d %d\n255\n" % (6 if image.ndim == 3 else 5, image.shape[1], image.shape[0])
    return head + np.ascontiguousarray(image).tobytes()


@cache
def program(name: str) -> str | None:
    """Path of cjpeg, djpeg or jpegtran, or libjxl's butteraugli_main; None where it is missing or not theirs."""
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run([path, "-version"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    says = b"intensity_target" if name == "butteraugli_main" else b"libjpeg-turbo"
    return path if says in done.stderr + done.stdout else None


def _ran(name: str, data: bytes, words: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    path = program(name)
    assert path, f"{name} is not installed: the test lacks its mark `needs`"
    return subprocess.run([path, *words], input=data, capture_output=True, check=False, timeout=600)


def cjpeg(image: np.ndarray, *words: str) -> bytes | None:
    """The file that cjpeg writes of uint8 [H, W] or [H, W, 3]; None where it refuses."""
    done = _ran("cjpeg", pnm(image), words)
    return done.stdout if done.returncode == 0 else None


def jpegtran(data: bytes, *words: str) -> bytes | None:
    """The file that jpegtran makes of another; None where it refuses or warns."""
    done = _ran("jpegtran", data, words)
    return done.stdout if done.returncode == 0 else None


def djpeg(data: bytes, *words: str) -> np.ndarray:
    """The pixels that djpeg makes of a file; it may warn."""
    with Image.open(io.BytesIO(_ran("djpeg", data, (*words, "-pnm")).stdout)) as image:
        return np.asarray(image)
