"""Maps of importance: what they make of blocks, both engines alike, what regions gain, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from command_line import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pillow_pixels
from pictures import picture
from PIL import Image

import jpegjax
from jpegjax.jpeg.tuned.plan import Plan, tuned_frame
from jpegjax.jpeg.tuned.recipe import load_recipe
from jpegjax.options import EncodeOptions


def _map(height: int, width: int, low: float = 1 / 8) -> np.ndarray:
    """1 in the middle, less outside."""
    found = np.full((height, width), low, np.float32)
    found[height // 4 : height // 2, width // 4 : width // 2] = 1
    return found


def _photo(height: int = 96, width: int = 112) -> np.ndarray:
    """Texture everywhere, so that every region has something to lose."""
    rng = np.random.default_rng(5)
    coarse = rng.normal(size=(height // 2 + 1, width // 2 + 1, 3)).repeat(2, 0).repeat(2, 1)[:height, :width]
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., None] / 2
    return np.clip(60 + ramp + 25 * coarse + 6 * rng.normal(size=(height, width, 3)), 0, 255).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.sampled_from(["4:4:4", "4:2:0", "4:2:2", "4:4:0", "4:1:1", None]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_blocks_take_the_mean_of_their_pixels(height: int, width: int, sampling: str | None, seed: int) -> None:
    values = np.random.default_rng(seed).choice([0, 0.01, 0.3, 1, 2.5, 20], (height, width)).astype(np.float32)
    options = EncodeOptions(tune=True, subsampling=sampling)
    recipe = load_recipe("all", 75)
    frame = tuned_frame(height, width, 3 if sampling else 1, recipe, options)
    found = Plan(frame, replace(recipe, importance=values)).factors(range(len(frame.components)))
    each = np.floor(np.minimum(values, 16).astype(np.float64) * 256 + 0.5)
    for c, own in found.items():
        part = frame.components[c]
        tall, wide = (8 * frame.vmax // part.v, 8 * frame.hmax // part.h) if sampling else (8, 8)
        assert own.shape == frame.blocks(c)
        for (row, column), value in np.ndenumerate(own):
            mean = each[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide].mean()
            assert value == np.clip(np.floor(mean + 0.5), 4, 4096)


@pytest.mark.parametrize("shape", [(40, 56, 3), (33, 17)])
def test_ones_change_nothing(shape: tuple[int, ...]) -> None:
    image = picture(*shape[:2]) if len(shape) == 3 else picture(*shape[:2])[..., 0].copy()
    plain = jpegjax.encode(image, tune=True, quality=60)
    for ones in (np.ones(shape[:2]), np.ones(shape[:2], bool), jnp.ones(shape[:2], jnp.bfloat16)):
        assert jpegjax.encode(image, tune=True, quality=60, importance=ones) == plain


@pytest.mark.parametrize("options", [{}, {"subsampling": "4:4:4"}, {"tune": "psnr", "progressive": False}])
def test_engines_write_the_same_files(options: dict[str, Any]) -> None:
    images = [_photo(), _photo(64, 80), _photo()[..., 1].copy()]
    maps = [_map(96, 112), None, _map(96, 112, 0) * 3]
    chosen = {"tune": True, "quality": 70, **options}
    files = jpegjax.encode(images, importance=maps, engine="host", **chosen)
    assert files == jpegjax.encode(images, importance=maps, engine="xla", **chosen)
    assert files == [jpegjax.encode(i, importance=m, **chosen) for i, m in zip(images, maps, strict=True)]
    assert files[1] == jpegjax.encode(images[1], **chosen)
    assert files[0] != jpegjax.encode(images[0], **chosen)


@pytest.mark.parametrize("more", [{}, {"refine": 1}])
def test_a_region_gains_at_equal_bytes(more: dict[str, Any]) -> None:
    image, weights = _photo(), _map(96, 112)
    plain = jpegjax.encode(image, tune="psnr", quality=50, **more)
    guided = jpegjax.encode(image, tune="psnr", target_bytes=len(plain), importance=weights, **more)
    assert 0.97 * len(plain) <= len(guided) <= len(plain)
    inside = weights == 1
    plain_db, guided_db = (
        [
            10 * np.log10(255**2 / np.mean((pillow_pixels(f).astype(float) - image)[part] ** 2))
            for part in (inside, ~inside)
        ]
        for f in (plain, guided)
    )
    assert guided_db[0] > plain_db[0] + 0.5 and guided_db[1] < plain_db[1]


def test_a_batch_takes_a_map_for_each() -> None:
    batch = np.stack([_photo(48, 40)] * 2)
    maps = np.stack([_map(48, 40), _map(48, 40, 0.5)])
    files = jpegjax.encode(batch, tune=True, importance=maps)
    assert files == jpegjax.encode(list(batch), tune=True, importance=list(maps)) and files[0] != files[1]
    kept = jpegjax.encode(
        [batch[0], "no image", batch[1]], tune=True, importance=[maps[0], None, maps[1]], errors="return"
    )
    assert isinstance(kept[1], TypeError) and [kept[0], kept[2]] == files


def test_what_is_no_map_is_refused() -> None:
    image = picture(20, 30)
    nan, negative = np.ones((20, 30), np.float32), np.ones((20, 30), np.float32)
    nan[3, 4], negative[5, 6] = np.nan, -0.5
    for importance, kind, said in (
        (np.ones((30, 20)), ValueError, r"importance: shape \(30, 20\); must be \(20, 30\)"),
        (np.ones((20, 30, 1)), ValueError, r"importance: shape \(20, 30, 1\)"),
        (nan, ValueError, "importance: nan at row 3, column 4; values must be finite and not negative"),
        (negative, ValueError, "importance: -0.5 at row 5, column 6"),
        (np.full((20, 30), np.inf), ValueError, "importance: inf at row 0, column 0"),
        (np.ones((20, 30), np.uint8), TypeError, "importance: dtype uint8; must be of floats"),
        ("map.png", TypeError, "importance: must be a NumPy or JAX array, not str"),
    ):
        with pytest.raises(kind, match=said):
            jpegjax.encode(image, tune=True, importance=importance)
    with pytest.raises(ValueError, match="importance: it steers the trellis of tuned files; pass tune=True"):
        jpegjax.encode(image, importance=np.ones((20, 30)))
    with pytest.raises(ValueError, match="importance: 1 given for 2 images"):
        jpegjax.encode([image, image], tune=True, importance=[np.ones((20, 30))])
    with pytest.raises(ValueError, match=r"importance\[1\]: nan at row 3"):
        jpegjax.encode([image, image], tune=True, importance=[None, nan])
    with pytest.raises(TypeError, match="importance: must be a list of maps"):
        jpegjax.encode([image, image], tune=True, importance=np.ones((20, 30)))


def test_a_grey_picture_steers_the_command_line(run: Run) -> None:
    image, levels = _photo(48, 40), np.full((48, 40), 40, np.uint8)
    levels[8:24, 8:24] = 255
    Image.fromarray(image).save("p.png")
    Image.fromarray(levels).save("map.png")
    wanted = jpegjax.encode(image, tune=True, quality=60, importance=levels.astype(np.float32) / np.float32(255))
    words = "encode", "p.png", "-q", "60", "--tune", "all", "--importance"
    answer = run(*words, "map.png", "-o", "a.jpg")
    assert answer.code == 0, answer.err
    assert Path("a.jpg").read_bytes() == wanted
    Path("maps").mkdir()
    Image.fromarray(levels.astype(np.uint16) * 257).save("maps/p.png")
    assert run(*words, "maps", "-o", "b.jpg").code == 0 and Path("b.jpg").read_bytes() == wanted
    Image.fromarray(levels[:9]).save("maps/p.bmp")
    for place, code, said in (
        ("maps", 1, "--importance maps: several pictures named p"),
        ("maps/p.bmp", 1, "--importance maps/p.bmp: shape (9, 40); must be (48, 40)"),
        ("nowhere.png", 2, "--importance nowhere.png: no such file or folder"),
    ):
        answer = run(*words, place, "-o", "c.jpg")
        assert answer.code == code and said in " ".join(answer.err.split())
    answer = run("encode", "p.png", "-o", "d.jpg", "--importance", "map.png")
    assert answer.code == 2 and "give --tune too" in answer.err
