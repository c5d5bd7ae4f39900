"""Pictures smoothed before they are coded, as cjpeg -smooth and Pillow's smooth do it: the same bytes, on both engines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cjpeg, pillow
from pictures import deep_picture, picture

import jpegjax
from jpegjax.ops.sampling import downsample, smooth_downsample

SAMPLINGS = ["2x2", "1x1", "2x1", "1x2", "4x1", "4x2", "2x2,2x1,1x2", "2x1,1x2,1x1", "1x1,2x2,1x1", "4x1,1x2,1x2"]


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_smoothed_files_are_cjpegs(sampling: str) -> None:
    for i, (height, width) in enumerate([(1, 1), (2, 3), (8, 8), (9, 17), (16, 16), (17, 15), (31, 33), (40, 70)]):
        image = picture(height, width)
        for smoothing in (1, 10 * i + 7, 100):
            wanted = cjpeg(image, "-smooth", str(smoothing), "-sample", sampling)
            assert jpegjax.encode(image, smoothing=smoothing, subsampling=sampling) == wanted, (
                height,
                width,
                smoothing,
            )


@pytest.mark.needs("cjpeg")
@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 100), st.sampled_from(SAMPLINGS), st.booleans())
def test_smoothed_files_of_any_size_are_cjpegs(
    height: int, width: int, smoothing: int, sampling: str, rgb: bool
) -> None:
    image = picture(height, width)
    words = ["-smooth", str(smoothing), "-sample", sampling, *(["-rgb"] if rgb else [])]
    color = "RGB" if rgb else "YCbCr"
    assert jpegjax.encode(image, smoothing=smoothing, subsampling=sampling, color=color) == cjpeg(image, *words)


@pytest.mark.needs("cjpeg")
def test_smoothing_goes_with_grey_progressive_arithmetic_and_restarts() -> None:
    image = picture(35, 50)
    for options, words in (
        ({"color": "grey"}, ("-grayscale",)),
        ({"color": "grey", "subsampling": "2x2"}, ("-grayscale", "-sample", "2x2")),
        ({"progressive": True}, ("-progressive",)),
        ({"arithmetic": True, "restart_rows": 1}, ("-arithmetic", "-restart", "1")),
        ({"optimize": True, "quality": 30}, ("-optimize", "-quality", "30")),
    ):
        assert jpegjax.encode(image, smoothing=40, **options) == cjpeg(image, "-smooth", "40", *words), words


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_smoothed_files_are_pillows_on_both_engines(engine: str) -> None:
    images = [picture(33, 40), picture(17, 23, 1)]
    ours = jpegjax.encode(images, smoothing=50, engine=engine)
    assert ours == [pillow(image, smooth=50) for image in images]
    inks = picture(12, 30, 4)
    assert jpegjax.encode(inks, mode="CMYK", smoothing=50) == pillow(inks, smooth=50)
    assert jpegjax.encode(images[0], smoothing=0, engine=engine) == pillow(images[0])


@pytest.mark.slow
def test_smoothing_of_12_bits_is_the_same_on_both_engines() -> None:
    for channels, sampling in ((1, None), (3, "2x2"), (3, "4x1,1x2,1x2")):
        image = deep_picture(27, 35)
        image = image if channels == 3 else np.ascontiguousarray(image[..., 0])
        options = {"precision": 12, "smoothing": 70, "subsampling": sampling, "quality": 95}
        files = [jpegjax.encode(image, engine=engine, **options) for engine in ("host", "xla")]
        assert files[0] == files[1]
        plain = jpegjax.encode(image, **(options | {"smoothing": 0}))
        assert (files[0] == plain) is (sampling == "4x1,1x2,1x2")  # no component is at 1:1 or 2:2


def test_the_weights_are_those_of_the_formula() -> None:
    """Each pixel takes smoothing/1024 of each neighbour; cells are means of such pixels."""
    x = picture(12, 20, 1).astype(np.int64)
    padded = np.pad(x, 1, "edge")
    near = sum(padded[i : i + 12, j : j + 20] for i in range(3) for j in range(3)) - x
    for smoothing in (33, 100):
        exact = x + (near - 8 * x) * smoothing / 1024
        assert np.abs(np.asarray(smooth_downsample(x, 1, 1, smoothing)) - exact).max() <= 0.5
        cells = exact.reshape(6, 2, 10, 2).mean((1, 3))
        assert np.abs(np.asarray(smooth_downsample(x, 2, 2, smoothing)) - cells).max() <= 0.5 + 1e-9
        assert np.array_equal(smooth_downsample(x, 2, 1, smoothing), downsample(x, 2, 1))


@pytest.mark.parametrize("options", [{"tune": True}, {"lossless": True}])
def test_smoothing_is_refused_where_nothing_does_it(options: dict) -> None:
    with pytest.raises(ValueError, match="smoothing: "):
        jpegjax.encode(picture(8, 8), smoothing=10, **options)
    for wrong in (-1, 101):
        with pytest.raises(ValueError, match=r"smoothing=-?\d+: must be 0\.\.100"):
            jpegjax.encode(picture(8, 8), smoothing=wrong)
