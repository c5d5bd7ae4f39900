"""Files of a given size or quality: where they land, in how many files, and what is out of reach."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import astronaut
from PIL import Image

import jpegjax
from jpegjax.jpeg import codec, targets


def photo() -> np.ndarray:
    return astronaut()[20:276, 60:380]


def grey() -> np.ndarray:
    return pytest.importorskip("skimage.data").camera()[::2, ::2].copy()


@pytest.fixture
def encodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Files that are made, call by call."""
    counts: list[int] = []
    for name in ("encode_planned", "encode_recipes"):
        made = getattr(codec, name)

        def counting(images, *rest, made=made, **named):
            counts.append(len(images))
            return made(images, *rest, **named)

        monkeypatch.setattr(codec, name, counting)
    return counts


@pytest.mark.parametrize("picture", [photo, grey])
@pytest.mark.parametrize("bpp", [0.3, 0.8, 1.6, 2.4])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"tune": "psnr"}, {"tune": True}], ids=str)
def test_bytes_land_within_a_percent_below(picture, bpp: float, options, encodes) -> None:
    image = picture()
    target = int(image.shape[0] * image.shape[1] * bpp / 8)
    data = jpegjax.encode(image, target_bytes=target, **options)
    assert 0.99 * target <= len(data) <= target
    assert len(encodes) <= 8
    assert np.asarray(Image.open(io.BytesIO(data))).shape == image.shape


@settings(max_examples=25, deadline=None)
@given(st.integers(4500, 60_000))
def test_no_size_is_exceeded_and_few_are_missed(target: int) -> None:
    data = jpegjax.encode(photo(), target_bytes=target)
    assert 0.985 * target <= len(data) <= target


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("psnr", 33.0, 33.05),
        ("psnr", 38.5, 38.55),
        ("ssim", 0.93, 1 - 0.07 * 10**-0.01),
        ("ssim", 0.95, 1 - 0.05 * 10**-0.01),
        ("psnr-hvs-m", 44.0, 44.1),
        ("haarpsi", 0.95, 1 - 0.05 * 10**-0.01),
    ],
)
@pytest.mark.parametrize("tune", [None, "ssimulacra2"])
def test_metrics_land_just_above(name: str, value: float, most: float, tune, encodes) -> None:
    from jpegjax import metrics

    image = photo()
    data = jpegjax.encode(image, target_metric=(name, value), tune=tune)
    reached = float(getattr(metrics, name.replace("-", "_"))(image, np.asarray(Image.open(io.BytesIO(data)))))
    assert value - 1e-5 <= reached <= most + 1e-5
    assert len(encodes) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("score", range(40, 95, 5))
@pytest.mark.parametrize("tune", [None, True, "ssimulacra2"])
def test_ssimulacra2_lands_within_three_tenths_above(score: int, tune, encodes) -> None:
    from jpegjax.metrics import ssimulacra2

    image = photo()
    data = jpegjax.encode(image, target_metric=("ssimulacra2", score), tune=tune)
    assert score <= float(ssimulacra2(image, np.asarray(Image.open(io.BytesIO(data))))) <= score + 0.3
    assert len(encodes) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("distance", [0.6, 1, 1.6, 3])
@pytest.mark.parametrize("tune", [None, True])
def test_butteraugli_lands_within_two_percent_below(distance: float, tune, encodes) -> None:
    from jpegjax.metrics import butteraugli

    image = photo()
    data = jpegjax.encode(image, target_metric=("butteraugli", distance), tune=tune)
    reached = float(butteraugli(image, np.asarray(Image.open(io.BytesIO(data)))))
    assert 0.98 * distance - 1e-4 <= reached <= distance + 1e-4
    assert len(encodes) <= 8


@pytest.mark.slow
def test_ms_ssim_lands_just_above() -> None:
    from jpegjax.metrics import ms_ssim

    image = photo()
    data = jpegjax.encode(image, target_metric=("ms-ssim", 0.98))
    assert 0.98 <= float(ms_ssim(image, np.asarray(Image.open(io.BytesIO(data))))) <= 1 - 0.02 * 10**-0.01


def test_each_picture_of_a_batch_is_searched_for_alone() -> None:
    images = [photo(), grey(), photo()[:, ::-1].copy()]
    alone = [jpegjax.encode(image, target_bytes=12_000, tune="psnr") for image in images]
    assert jpegjax.encode(images, target_bytes=12_000, tune="psnr") == alone


def test_both_engines_find_the_same_files() -> None:
    image = photo()[:96, :96].copy()
    host, device = (
        jpegjax.encode(image, target_bytes=2500, engine=engine, optimize=True) for engine in ("host", "xla")
    )
    assert host == device


def test_tables_are_those_of_the_ijg_scale_about() -> None:
    for quality in (1, 10, 50, 75, 90, 100):
        luma, chroma = targets._tables(256 * quality, 0)
        plain = Image.open(io.BytesIO(jpegjax.encode(photo(), quality=quality))).quantization
        for got, want in ((luma, plain[0]), (chroma, plain[1])):
            assert np.abs(got.astype(int) - want).max() <= 1
    steps = [np.concatenate(targets._tables(n, 0)).astype(int) for n in range(256, 25_601, 64)]
    assert all((b <= a).all() for a, b in pairwise(steps))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"target_bytes": 300}, r"target_bytes=300: out of reach; qualities 1 to 100 give [\d,]+ to [\d,]+"),
        ({"target_bytes": 10**7}, r"target_bytes=10000000: out of reach"),
        (
            {"target_metric": ("psnr", 80)},
            r"target_metric=\('psnr', 80.0\): out of reach; qualities 1 to 100 give \d\d.\d+ to",
        ),
        ({"target_metric": ("psnr", 3)}, r"target_metric=\('psnr', 3.0\): out of reach"),
    ],
)
def test_what_is_out_of_reach_is_refused_with_the_range(target, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        jpegjax.encode(photo(), **target)
    if "target_bytes" in target:
        low, high = (int(x.replace(",", "")) for x in re.findall(r"give ([\d,]+) to ([\d,]+)", str(caught.value))[0])
        assert not low <= target["target_bytes"] <= high
    with pytest.raises(ValueError, match=r"item 1: target"):
        jpegjax.encode([photo(), photo()[:16, :16]], target_bytes=9000)


def test_cmyk_has_no_metric_but_a_size() -> None:
    cmyk = np.concatenate([photo(), photo()[..., :1]], 2)
    with pytest.raises(ValueError, match="no metric takes CMYK"):
        jpegjax.encode(cmyk, mode="CMYK", target_metric=("psnr", 40))
    assert 0.99 * 20_000 <= len(jpegjax.encode(cmyk, mode="CMYK", target_bytes=20_000)) <= 20_000


def test_twelve_bits_have_targets() -> None:
    deep = photo().astype(np.uint16) * 16
    assert 0.99 * 20_000 <= len(jpegjax.encode(deep, precision=12, target_bytes=20_000)) <= 20_000
