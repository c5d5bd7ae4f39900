"""jpegjax.simulate: exact forward against encode and decode, gradients against finite differences, devices, bad input."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jpegjax

RNG = np.random.default_rng(11)
SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "3x1,1x1,3x1", "1x1,2x2,1x1"]


def photo(height, width, channels=3, seed=0):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([128 + 90 * np.sin(x / (5 + 3 * i) + i) * np.cos(y / (7 - i)) for i in range(channels)], -1)
    return np.clip(waves + random.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


def through_file(image, **options):
    shown = jpegjax.decode(jpegjax.encode(image, **options))
    return shown.reshape(image.shape)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2))


def kodak(shared: Path, *numbers: int) -> list[np.ndarray]:
    paths = [shared / "data" / "kodak" / f"kodim{i:02}.png" for i in numbers]
    if not all(path.is_file() for path in paths):
        pytest.skip("no Kodak images in the shared folder")
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(8, 8), (37, 51)])
def test_exact_is_decode_of_encode(sampling, size):
    image = photo(*size)
    for quality in (1, 10, 33, 50, 75, 92, 100):
        expected = through_file(image, quality=quality, subsampling=sampling)
        assert (np.asarray(jpegjax.simulate(image, quality, subsampling=sampling)) == expected).all(), quality
    floats = jpegjax.simulate(image.astype(np.float32), 33, subsampling=sampling)
    assert floats.dtype == jnp.float32
    assert (np.asarray(floats) == through_file(image, quality=33, subsampling=sampling)).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 1), (7, 9), (16, 16), (1, 40), (40, 1), (17, 33)])
def test_exact_at_small_and_odd_sizes(size):
    image = photo(*size)
    assert (np.asarray(jpegjax.simulate(image, 60)) == through_file(image, quality=60)).all()
    for grey in (image[..., 0], image[..., :1]):
        shown = jpegjax.simulate(grey, 60)
        assert shown.dtype == jnp.uint8 and (np.asarray(shown) == through_file(grey, quality=60)).all()


@pytest.mark.parametrize("kind", ["noise", "black and white", "lines", "checkers"])
def test_exact_on_extreme_images(kind):
    y, x = np.mgrid[:64, :64]
    image = {
        "noise": RNG.integers(0, 256, (64, 64, 3)),
        "black and white": 255 * RNG.integers(0, 2, (64, 64, 3)),
        "lines": np.stack([255 * (x % 2), 255 * (y % 2), 255 * (x // 8 % 2)], -1),
        "checkers": np.stack([255 * ((x + y) % 2), 255 * ((x // 4 + y // 4) % 2), 255 * ((x // 3 + y) % 2)], -1),
    }[kind].astype(np.uint8)
    tables = [np.full((8, 8), steps) for steps in (1, 37, 255, 700, 1999, 2049, 65_535)]
    tables.append(RNG.integers(1, 3000, (8, 8)))
    for table in tables:
        for sampling in ("4:4:4", "4:2:0"):
            expected = through_file(image, qtables=[table], subsampling=sampling)
            assert (np.asarray(jpegjax.simulate(image, qtables=table, subsampling=sampling)) == expected).all()
