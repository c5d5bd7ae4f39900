"""What restoration is measured with: experiments/restoration."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from oracles import pillow_pixels
from pictures import waves
from PIL import Image

import jpegjax
from experiments.restoration import drawn, grey, kodak, measure, plate
from experiments.tuning.drawn import apart
from jpegjax import metrics


def stepped(height: int, width: int) -> np.ndarray:
    """Every column of 8×8 blocks 4 above the one before, flat within: [H, W]."""
    return np.tile(4.0 * (np.arange(width) // 8), (height, 1))


def test_blocking_by_hand() -> None:
    """16×24: two edges across of 16 rows, squared step 16; one down of 24 columns, step 0; nothing elsewhere.

    Mean step over the 2·16 + 24 = 56 edges: 16 · 32 / 56 = 64 / 7; η = log2 8 / log2 16 = 3/4.
    """
    image = stepped(16, 24)
    assert measure.blocking(image) == pytest.approx(0.75 * 64 / 7)
    mse = 9.0
    assert measure.psnr_b(image + 3, image) == pytest.approx(10 * math.log10(255**2 / (mse + 48 / 7)))
    assert measure.psnr(image + 3, image) == pytest.approx(10 * math.log10(255**2 / mse))


def test_blocking_of_parts_of_blocks_by_hand() -> None:
    """16×20, counted as 16 (20/8 − 1) + 20 (16/8 − 1) = 44 edges, as published: both steps of 16 over them, 16 · 32 / 44."""
    assert measure.blocking(stepped(16, 20)) == pytest.approx(0.75 * 16 * 32 / 44)


def test_blocking_ignores_steps_inside() -> None:
    image = stepped(16, 24)[:, 3:19]
    assert measure.blocking(image) == 0
    assert measure.psnr_b(image, image) == math.inf


def test_blocking_of_whole_blocks_is_the_library_s() -> None:
    picture = waves(64, 96, 3)[..., 1]
    (file,) = measure.shown([measure.plain_file(picture, 10)], "plain")
    assert measure.blocking(file) > 0
    assert measure.psnr_b(picture, file) == pytest.approx(float(metrics.psnr_b(picture, file)), abs=1e-4)


def test_luma_is_rgb2ycbcr_s() -> None:
    """Values of MATLAB's documentation: black 16, white 235, and the primaries."""
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(measure.studio_luma(colours), [[16, 235, 81, 145, 41]])


def test_the_plain_row_is_the_published_one(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classic5 at quality 10: PSNR, SSIM and PSNR-B as published, to their last digit."""
    monkeypatch.setenv("JPEGJAX_SHARED", str(shared))
    found = grey.scored(measure.classic5(), 10, "plain")
    for value, published, near in zip(
        found, grey.PUBLISHED["Classic5"]["JPEG, published"][10], (0.01, 0.001, 0.01), strict=True
    ):
        assert value == pytest.approx(published, abs=near)


def test_gains_are_told_of_the_worst_picture() -> None:
    """Laplacian points against midpoints, of grey and of colour, as scored by hand."""
    images = {"a": waves(64, 64, 3), "b": waves(72, 64, 3)[8:]}
    encode = partial(measure.plain_file, quality=20)
    row = measure.gain_row(images, encode, "laplacian")
    gains = []
    for picture in images.values():
        ways = [jpegjax.decode(encode(picture), reconstruction=r) for r in ("laplacian", "midpoint")]
        errors = [np.square(picture.astype(float) - way).mean() for way in ways]
        gains.append(10 * np.log10(errors[1] / errors[0]))
    assert row["all"]["gains"] == pytest.approx(gains, abs=2e-4)
    assert row["all"]["least"] == pytest.approx(min(gains), abs=2e-4)
    assert row["all"]["of"] == "ab"[int(np.argmin(gains))]
    assert set(row) == {"all", "luma"}
    assert set(measure.gain_row({"a": images["a"][..., 0]}, encode, "laplacian")) == {"all"}
    assert "| 20 |" in "\n".join(measure.gain_table({"20": row}))


def test_drawings_are_pictures_and_make_twenty() -> None:
    held = sum(map(len, apart.DRAWINGS.values())) + len(apart.REAL)
    assert held + len(drawn.DRAWINGS) == 20
    for draw in drawn.DRAWINGS:
        pixels = draw()
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.std() > 20
        np.testing.assert_array_equal(pixels, draw())


def test_scenes_lie_in_their_pictures(kodak: list[Path]) -> None:
    sizes = {"article": (560, 600)}
    for path in kodak:
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size
    for scene in plate.SCENES:
        width, height = sizes[scene.picture]
        assert 0 <= scene.left <= width - plate.CROP[0]
        assert 0 <= scene.top <= height - plate.CROP[1]


def test_a_plate_shows_original_before_and_after() -> None:
    images = {"waves": waves(128, 128, 3), "slopes": waves(128, 128, 3)[::-1].copy()}
    scenes = [plate.Scene("waves", "waves", 8, 16), plate.Scene("slopes", "slopes", 0, 40)]
    columns = [plate.Kind("quality 10", partial(measure.plain_file, quality=10))]
    sheet = np.asarray(plate.plate(scenes, images, columns))
    width, height = plate.CROP
    files = [measure.plain_file(image, 10) for image in images.values()]
    (_, file), (_, restored) = (measure.shown(files, way) for way in ("plain", "restored"))
    top = 2 * height + plate.CAPTION + plate.GAP + plate.CAPTION
    for column, pixels in enumerate((images["slopes"], file, restored)):
        left = column * (2 * width + plate.GAP)
        part = sheet[top : top + 2 * height, left : left + 2 * width]
        np.testing.assert_array_equal(part[::2, ::2], pixels[40 : 40 + height, :width])
        np.testing.assert_array_equal(part[1::2, 1::2], pixels[40 : 40 + height, :width])
    assert not np.array_equal(file, restored)


def test_kodak_curves_and_their_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bits, gains and rates of a curve, by hand, with another decoder for a restorer; tables and the plot are written."""
    pytest.importorskip("matplotlib")
    picture = waves(192, 192, 3)
    monkeypatch.setattr(kodak.scores, "score", lambda a, b: dict.fromkeys(kodak.scores.METRICS, measure.psnr(a, b)))
    monkeypatch.setitem(measure.WAYS, "restored", {"reconstruction": "laplacian"})
    monkeypatch.setattr(kodak.evaluate, "ANCHOR_QUALITIES", (20, 50, 95))
    monkeypatch.setattr(kodak, "QUALITIES", (20, 50, 95))
    monkeypatch.setattr(kodak, "TUNED_QUALITIES", (20, 70))
    monkeypatch.setitem(kodak.FILES, kodak.ARITHMETIC, {"tune": "psnr"})
    monkeypatch.setattr(kodak, "PEERS", {})
    said: list[str] = []
    found = kodak.evaluated([picture], [kodak.PLAIN, kodak.ARITHMETIC], said.append)
    one, other = (found["curves"][f"tune='psnr'{kind}, restored"] for kind in ("", ", arithmetic"))
    for point, smaller in zip(one, other, strict=True):
        assert smaller["psnr"] == point["psnr"] and 0.8 * point["bpp"] < smaller["bpp"] < point["bpp"]
    after = found["curves"]["Pillow, restored"]
    for point in after:
        file = measure.plain_file(picture, int(point["quality"]))
        assert point["bpp"] == pytest.approx(8 * len(file) / 192**2)
        shown = jpegjax.decode(file, reconstruction="laplacian")
        assert point["psnr"] == pytest.approx(measure.psnr(picture, shown))
        gain = measure.psnr(picture, shown) - measure.psnr(picture, pillow_pixels(file))
        row = found["gains"]["Pillow, restored"][str(int(point["quality"]))]["psnr"]
        assert row["mean"] == pytest.approx(gain, abs=1e-4)
        assert row["worse"] == (gain < 0)
    assert len(said) == 2
    text = "\n".join(kodak.lines({"pictures": ["waves"], **found}))
    assert "Pillow, restored" in text
    kodak.draw(found["curves"], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
