"""Pillow's own tests of its JPEG plug-in (Tests/test_file_jpeg.py), call by call; PILLOW.md says what passes and what differs.

Each test has the name of Pillow's. `save` is `encode`, `open` and `load` are `info` and `decode`; what Pillow keeps in
`im.info` is in `info(...).metadata`. Pictures of Pillow's that are at hand are read, others made by formula.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import djpeg, pillow, pillow_pixels
from PIL import Image
from pillow_suite import HOPPER, Load, difference, quietly

import jpegjax
from jpegjax import CorruptJpeg, JpegWarning

LUMA = [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87,
        80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92,
        95, 98, 112, 100, 103, 99]  # fmt: skip
CHROMA = [17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66]
CHROMA = [n for i in range(4) for n in (*CHROMA[4 * i : 4 * i + 4], *[99] * 4)][:32]
CHROMA = [*CHROMA[:24], 47, 66, *[99] * 38]


def test_sanity(load: Load) -> None:
    data = load("hopper.jpg")
    pixels = jpegjax.decode(data)
    assert pixels.shape == (128, 128, 3) and np.array_equal(pixels, pillow_pixels(data))


@pytest.mark.parametrize("size", [(1, 0), (0, 1), (0, 0)])
def test_zero(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"each side must be 1\.\.65535"):
        jpegjax.encode(np.zeros((*size, 3), np.uint8))


def test_cmyk(load: Load) -> None:
    def check(pixels: np.ndarray) -> None:
        c, m, y, k = pixels[0, 0] / 255
        assert c == 0 and m > 0.8 and y > 0.8 and k == 0
        assert pixels[-1, -1, 3] / 255 > 0.9

    pixels = jpegjax.decode(load("pil_sample_cmyk.jpg"))
    check(pixels)
    check(jpegjax.decode(jpegjax.encode(pixels, mode="CMYK")))


def test_rgb() -> None:
    plain, kept = jpegjax.encode(HOPPER), jpegjax.encode(HOPPER, color="RGB")
    assert [k.id for k in jpegjax.info(plain).components] == [1, 2, 3]
    assert bytes(k.id for k in jpegjax.info(kept).components) == b"RGB"
    assert difference(HOPPER, jpegjax.decode(plain)) < 17 and difference(HOPPER, jpegjax.decode(kept)) < 12


def test_optimize() -> None:
    plain, fitted = jpegjax.encode(HOPPER), jpegjax.encode(HOPPER, optimize=True)
    assert jpegjax.encode(HOPPER, optimize=False) == plain and len(plain) >= len(fitted)
    assert np.array_equal(jpegjax.decode(plain), jpegjax.decode(fitted))


@pytest.mark.parametrize("side", [512, pytest.param(4096, marks=pytest.mark.slow)])
def test_optimize_large_buffer(side: int) -> None:
    image = np.broadcast_to(np.array([0x33, 0x33, 0xFF], np.uint8), (side, side, 3))
    assert jpegjax.encode(image, optimize=True) == pillow(np.ascontiguousarray(image), optimize=True)


def test_progressive() -> None:
    plain, several = jpegjax.encode(HOPPER), jpegjax.encode(HOPPER, progressive=True)
    assert jpegjax.encode(HOPPER, progressive=False) == plain and len(plain) >= len(several)
    assert not jpegjax.info(plain).process.progressive and jpegjax.info(several).process.progressive
    assert np.array_equal(jpegjax.decode(plain), jpegjax.decode(several))


@pytest.mark.parametrize("side", [512, pytest.param(4096, marks=pytest.mark.slow)])
def test_progressive_large_buffer(side: int) -> None:
    image = np.broadcast_to(np.array([0x33, 0x33, 0xFF], np.uint8), (side, side, 3))
    assert jpegjax.encode(image, progressive=True) == pillow(np.ascontiguousarray(image), progressive=True)


def test_progressive_large_buffer_highest_quality() -> None:
    image = np.random.default_rng(1).integers(0, 256, (255, 255, 3), np.uint8)
    assert jpegjax.encode(image, progressive=True, quality=100) == pillow(image, progressive=True, quality=100)


def test_progressive_cmyk_buffer() -> None:
    image = np.random.default_rng(2).integers(0, 256, (256, 256, 4), np.uint8)
    ours = jpegjax.encode(image, mode="CMYK", progressive=True, quality=94)
    assert ours == pillow(image, progressive=True, quality=94)


def test_progressive_compat() -> None:
    with pytest.raises(TypeError, match="progression"):
        jpegjax.encode(HOPPER, progression=True)


def test_quality() -> None:
    files = [jpegjax.encode(HOPPER, quality=quality) for quality in (75, 50, 1)]
    assert files[0] == jpegjax.encode(HOPPER) and len(files[0]) >= len(files[1]) > len(files[2])
    assert files[2] == pillow(HOPPER, quality=0)
    with pytest.raises(ValueError, match=r"quality=0: must be 1\.\.100"):
        jpegjax.encode(HOPPER, quality=0)


def test_smooth() -> None:
    assert jpegjax.encode(HOPPER, smoothing=100) == pillow(HOPPER, smooth=100)


def test_subsampling() -> None:
    def sampling(**options: Any) -> list[tuple[int, int]]:
        return [(k.h, k.v) for k in jpegjax.info(jpegjax.encode(HOPPER, **options)).components]

    for names, luma in (
        ((0, "4:4:4"), (1, 1)),
        ((1, "4:2:2"), (2, 1)),
        ((2, "4:2:0", None), (2, 2)),
        (("4:1:1",), (4, 1)),
    ):
        for name in names:
            assert sampling(subsampling=name) == [luma, (1, 1), (1, 1)]
    for name in (None, 0, "4:4:4"):
        assert sampling(color="RGB", subsampling=name) == [(1, 1)] * 3
    for name in (3, -1, "1:1:1"):
        with pytest.raises(ValueError, match="subsampling="):
            jpegjax.encode(HOPPER, subsampling=name)


def test_mp(load: Load) -> None:
    found = jpegjax.info(load("pil_sample_rgb.jpg"))
    assert len(found.pictures) <= 1 and found.gain_map is None and not found.trailers


def test_quality_keep(load: Load) -> None:
    for name in ("hopper.jpg", "hopper_gray.jpg", "pil_sample_cmyk.jpg"):
        data = load(name)
        out = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            image.save(out, "JPEG", quality="keep", comment=b"")
            mode = "CMYK" if image.mode == "CMYK" else None
        ours = jpegjax.encode(jpegjax.decode(data), mode=mode, quality="keep", like=data)
        assert np.array_equal(jpegjax.info(ours).qtables, jpegjax.info(data).qtables)
        assert mode == "CMYK" or ours == out.getvalue()  # the black of a YCCK file keeps its table, too


@pytest.mark.parametrize("name", ["junk_jpeg_header.jpg", "jpeg_ff00_header.jpg"])
def test_junk_jpeg_header_and_ff00_jpeg_header(load: Load, name: str) -> None:
    with pytest.warns(JpegWarning, match="bytes skipped before a marker"):
        assert np.array_equal(jpegjax.decode(load(name)), pillow_pixels(load(name)))


def test_truncated_jpeg_should_read_all_the_data(load: Load) -> None:
    assert quietly(load("truncated_jpeg.jpg")).any()
    with pytest.warns(JpegWarning) as seen:
        jpegjax.decode(load("truncated_jpeg.jpg"))
    assert str(seen[0].message).startswith("data end without a marker")


def test_truncated_jpeg_throws_oserror(load: Load) -> None:
    for _ in range(2):
        with pytest.raises(CorruptJpeg):
            jpegjax.decode(load("truncated_jpeg.jpg"), strict=True)


def test_qtables(load: Load) -> None:
    data = load("hopper.jpg")
    pixels, tables = jpegjax.decode(data), jpegjax.info(data).qtables
    again = jpegjax.encode(pixels, qtables=tables[:2], subsampling=0)
    assert np.array_equal(jpegjax.info(again).qtables, tables)
    for given in ([LUMA, CHROMA], (LUMA, CHROMA), {0: LUMA, 1: CHROMA}):
        assert (
            jpegjax.encode(pixels, qtables=given) == pillow(pixels, qtables=given) == jpegjax.encode(pixels, quality=50)
        )
    bounds = [255, 1] * 32
    assert jpegjax.info(jpegjax.encode(pixels, qtables=[bounds])).qtables[0].tolist() == bounds
    for n, name in (
        (1, "hopper_gray.jpg"),
        *((n, "pil_sample_rgb.jpg") for n in (1, 2, 3)),
        (4, "pil_sample_cmyk.jpg"),
    ):
        picture = jpegjax.decode(load(name))
        mode = "CMYK" if picture.shape[2:] == (4,) else None
        file = jpegjax.encode(picture, mode=mode, qtables=[[n] * 64] * n)
        assert len({k.tq for k in jpegjax.info(file).components}) == n
        kept = jpegjax.encode(picture, mode=mode, qtables="keep", like=file)
        assert np.array_equal(jpegjax.info(kept).qtables, jpegjax.info(file).qtables)
    for wrong in ("a", "web_low", [], [1, 2, 3, 4, 5], [1], [[1, 2, 3, 4]]):
        with pytest.raises(ValueError, match="qtables: "):
            jpegjax.encode(pixels, qtables=wrong)


def test_load_16bit_qtables(load: Load) -> None:
    tables = jpegjax.info(load("hopper_16bit_qtables.jpg")).qtables
    assert tables[0].size == 64 and tables[0].max() > 255


def test_save_multiple_16bit_qtables(load: Load) -> None:
    data = load("hopper_16bit_qtables.jpg")
    again = jpegjax.encode(jpegjax.decode(data), qtables="keep", like=data)
    assert np.array_equal(jpegjax.info(again).qtables, jpegjax.info(data).qtables)


def test_save_single_16bit_qtable(load: Load) -> None:
    data = load("hopper_16bit_qtables.jpg")
    first = jpegjax.info(data).qtables[0]
    again = jpegjax.info(jpegjax.encode(jpegjax.decode(data), qtables={0: first}))
    assert {k.tq for k in again.components} == {0} and np.array_equal(again.qtables[0], first)


def test_save_low_quality_baseline_qtables() -> None:
    assert max(q.max() for q in jpegjax.info(jpegjax.encode(HOPPER, quality=10)).qtables) <= 255


@pytest.mark.parametrize(
    ("blocks", "rows", "markers"), [(0, 0, 0), (1, 0, 15), (3, 0, 5), (8, 0, 1), (0, 1, 3), (0, 2, 1)]
)
def test_restart_markers(blocks: int, rows: int, markers: int) -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    data = jpegjax.encode(image, restart_blocks=blocks, restart_rows=rows, subsampling=0)
    assert len(re.findall(b"\xff[\xd0-\xd7]", data)) == markers


@pytest.mark.needs("djpeg")
def test_load_djpeg(load: Load) -> None:
    assert np.array_equal(jpegjax.decode(load("hopper.jpg")), djpeg(load("hopper.jpg")))


def test_MAXBLOCK_scaling() -> None:
    data = jpegjax.encode(
        np.random.default_rng(3).integers(0, 256, (128, 128, 3), np.uint8), quality=100, optimize=True
    )
    for more in ({}, {"progressive": True}, {"optimize": True}):
        assert jpegjax.info(jpegjax.encode(jpegjax.decode(data), quality="keep", like=data, **more)).quality == 100


def test_bad_mpo_header(load: Load) -> None:
    data = load("sugarshack_bad_mpo_header.jpg")
    assert any("MP Index is damaged" in message for message, _ in jpegjax.info(data).warnings)
    with pytest.warns(UserWarning, match="malformed MPO file"):
        theirs = pillow_pixels(data)
    assert np.array_equal(quietly(data), theirs)


def test_save_correct_modes() -> None:
    for image, mode in ((HOPPER[..., 0], "L"), (HOPPER[..., :1], "L"), (HOPPER, "RGB")):
        assert jpegjax.encode(image) == jpegjax.encode(image, mode=mode)
    assert jpegjax.encode(np.zeros((20, 20, 4), np.uint8), mode="CMYK") == pillow(np.zeros((20, 20, 4), np.uint8))


def test_save_wrong_modes() -> None:
    for channels in (2, 4):  # LA, RGBA
        with pytest.raises(ValueError, match="shape"):
            jpegjax.encode(np.zeros((20, 20, channels), np.uint8))


def test_photoshop(load: Load) -> None:
    found = jpegjax.info(load("exif-200dpcm.jpg")).metadata.photoshop
    assert 0x03ED in [resource.number for resource in found]
    assert not jpegjax.info(load("app13.jpg")).metadata.photoshop
    for name in ("photoshop-200dpi-broken.jpg", "app13.jpg"):
        assert np.array_equal(quietly(load(name)), pillow_pixels(load(name)))


def test_jpeg_magic_number() -> None:
    with pytest.raises(CorruptJpeg, match="no JPEG stream"):
        jpegjax.info(b"\xff" * 4097)


def test_separate_tables() -> None:
    whole, tables, image = (jpegjax.encode(HOPPER, streamtype=n) for n in range(3))
    assert [whole, tables, image] == [pillow(HOPPER, streamtype=n) for n in range(3)]
    assert np.array_equal(jpegjax.decode(image, tables=tables), jpegjax.decode(whole))


def test_every_test_of_pillows_has_a_row() -> None:
    """The table has each test of this file, under Pillow's name, and says of each whether it passes."""
    rows = re.findall(r"^\| `(test_\w+)` \| (\w+) \|", (Path(__file__).parent / "PILLOW.md").read_text(), re.M)
    here = [
        name
        for path in Path(__file__).parent.glob("test_pillow_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    ]
    named = {name for name, verdict in rows if verdict in ("passes", "differs")}
    joined = {"test_junk_jpeg_header_and_ff00_jpeg_header", "test_dpi_of_exif", "test_every_test_of_pillows_has_a_row"}
    assert set(here) - joined <= named
    assert {verdict for _, verdict in rows} <= {"passes", "differs", "none", "missing"} and len(rows) == len(dict(rows))
