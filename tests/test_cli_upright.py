"""Pictures with an EXIF orientation are turned once, or not at all and it is said. Oracle: the picture that they were made of."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from PIL import Image, features

import jpegjax
from jpegjax.cli.pictures import load, save

BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
"""How a picture is stored of which the orientation says how it is to be turned (Exif 2.3 table 6)."""

FORMATS = {
    "png": ("PNG", {}),
    "jpg": ("JPEG", {"quality": 100, "subsampling": 0}),
    "webp": ("WEBP", {"lossless": True}),
    "avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    "tif": ("TIFF", {}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "mpo": ("MPO", {"quality": 100, "subsampling": 0}),
}


def corners(width: int = 24, height: int = 16) -> Image.Image:
    """Four flat quarters, no two alike."""
    y, x = np.mgrid[:height, :width]
    quarter = 2 * (y >= height // 2) + (x >= width // 2)
    return Image.fromarray(np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250], [240, 240, 240]], np.uint8)[quarter])


def tagged(kind: str, orientation: int, upright: Image.Image) -> tuple[bytes, Image.Image]:
    """(a file of a picture as `orientation` stores it, what is stored)."""
    name, settings = FORMATS[kind]
    stored = upright.transpose(BACK[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    stored.save(out, name, exif=exif, **settings)
    return out.getvalue(), stored


def alike(pixels: np.ndarray, picture: Image.Image) -> bool:
    wanted = np.asarray(picture)
    return pixels.shape == wanted.shape and bool(np.abs(pixels.astype(int) - wanted).mean() < 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [(24, 16), (16, 16)])
def test_every_orientation_of_every_format(kind: str, orientation: int, size: tuple[int, int]) -> None:
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    upright = corners(*size)
    data, stored = tagged(kind, orientation, upright)
    turned = load(data, transpose=True)
    assert alike(turned.pixels, upright) and not any("not applied" in note for note in turned.notes)
    plain = load(data)
    by_reader = kind in ("tif", "tiff")
    assert alike(plain.pixels, upright if by_reader else stored)
    said = [note for note in plain.notes if "orientation" in note]
    wanted = f"TIFF orientation {orientation} applied by its reader" if by_reader else \
        f"EXIF orientation {orientation} not applied (--exif-transpose)"  # fmt: skip
    assert said == ([] if orientation == 1 else [wanted])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_tiff_is_turned_by_us_as_shallow_ones_by_pillow(orientation: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    upright = corners()
    stored = upright.transpose(BACK[orientation]) if orientation > 1 else upright
    out = io.BytesIO()
    deep = np.asarray(stored).astype(np.uint16) * 257
    tifffile.imwrite(out, deep, photometric="rgb", metadata=None, extratags=[(274, 3, 1, orientation, True)])
    for transpose in (False, True):
        found = load(out.getvalue(), transpose=transpose, lossless=True, precision=None).pixels
        assert np.array_equal(found, np.asarray(upright).astype(np.uint16) * 257)
        assert np.array_equal(load(out.getvalue(), transpose=transpose, depth=8).pixels, np.asarray(upright))


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_orientations_that_are_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "JPEG", "WEBP"):
        out = io.BytesIO()
        corners().save(out, kind, exif=exif.tobytes())
        for transpose in (False, True):
            found = load(out.getvalue(), transpose=transpose)
            assert found.pixels.shape == (16, 24, 3) and not found.notes


def test_orientation_of_xmp_alone() -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    out = io.BytesIO()
    corners().transpose(BACK[6]).save(out, "WEBP", lossless=True, xmp=packet)
    assert alike(load(out.getvalue(), transpose=True).pixels, corners())


def test_turned_once_on_the_command_line(run: Run) -> None:
    for kind in ("tif", "png"):
        data, stored = tagged(kind, 6, corners())
        Path(f"x.{kind}").write_bytes(data)
        assert run("encode", f"x.{kind}", "-o", f"{kind}.jpg", "--exif-transpose", "--lossless").code == 0
        assert np.array_equal(jpegjax.decode(f"{kind}.jpg"), np.asarray(corners()))
        said = run("encode", f"x.{kind}", "-o", f"{kind}2.jpg", "--lossless").err
        assert ("not applied" in said) is (kind == "png") and ("applied by its reader" in said) is (kind == "tif")
        assert np.array_equal(jpegjax.decode(f"{kind}2.jpg"), np.asarray(corners() if kind == "tif" else stored))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff", "ppm", "bmp", "npy"])
def test_written_upright(suffix: str, orientation: int) -> None:
    stored = corners().transpose(BACK[orientation]) if orientation > 1 else corners()
    data = save(np.asarray(stored), suffix, bits=8, orientation=orientation, notes=[])
    found = np.load(io.BytesIO(data)) if suffix == "npy" else np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(found, np.asarray(corners()))
