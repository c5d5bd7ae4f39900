"""Pictures that are turned, cut and resized as DCT blocks, beside their pixels in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import waves
from scipy.fft import dctn, idctn

import jpegjax
from jpegjax.learned.dct import blocks as ops
from jpegjax.learned.dct.statistics import Normalised, block_statistics

NORM = {"norm": "ortho", "axes": (-2, -1)}


def to_blocks(pixels: np.ndarray, n: int = 8) -> np.ndarray:
    """scipy's DCTs of tiles n×n: float64 [N, H, W] → [N, R, C, n, n]."""
    count, h, w = pixels.shape
    return dctn(pixels.reshape(count, h // n, n, w // n, n).swapaxes(2, 3), **NORM)


def to_pixels(blocks: np.ndarray) -> np.ndarray:
    count, rows, columns, n, _ = blocks.shape
    return idctn(blocks, **NORM).swapaxes(2, 3).reshape(count, rows * n, columns * n)


def planes(seed: int, rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 50, (2, 8 * rows, 8 * columns))


@given(
    st.integers(0, 1000), st.sampled_from([(1, 1), (2, 3)]), st.sampled_from(["mirrored", "upside_down", "transposed"])
)
@settings(max_examples=15, deadline=None)
def test_turned_blocks_are_turned_pixels(seed: int, size: tuple[int, int], name: str):
    turns: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mirrored": lambda x: x[:, :, ::-1], "upside_down": lambda x: x[:, ::-1], "transposed": lambda x: x.swapaxes(1, 2),
    }  # fmt: skip
    pixels = planes(seed, *size)
    with jax.enable_x64(True):
        found = np.asarray(getattr(ops, name)(to_blocks(pixels)))
    np.testing.assert_allclose(to_pixels(found), turns[name](pixels), atol=1e-10)


def test_turned_integers_stay_integers_and_come_back():
    whole = np.random.default_rng(0).integers(-1000, 1000, (2, 3, 5, 8, 8)).astype(np.int16)
    for turn in (ops.mirrored, ops.upside_down, ops.transposed):
        once = turn(whole)
        assert once.dtype == jnp.int16
        assert np.array_equal(turn(once), whole) and not np.array_equal(once, whole)


@pytest.mark.parametrize(("before", "after"), [(8, 1), (8, 2), (8, 4), (8, 8), (8, 32), (4, 16), (16, 2)])
def test_other_blocks_hold_the_same_pixels(before: int, after: int):
    pixels = planes(1, 4, 8)
    with jax.enable_x64(True):
        found = np.asarray(ops.reblocked(to_blocks(pixels, before), after))
    np.testing.assert_allclose(found, to_blocks(pixels, after), atol=1e-10)
    single = ops.reblocked(jnp.asarray(to_blocks(pixels, before), jnp.float32), after)
    np.testing.assert_allclose(single, to_blocks(pixels, after), atol=2e-3)


def test_moved_blocks_are_moved_pixels():
    pixels = planes(3, 2, 3)
    down, across = np.array([1, -1], np.int32), np.array([0, 2], np.int32)
    with jax.enable_x64(True):
        found = to_pixels(np.asarray(ops.moved(to_blocks(pixels), down, across, 4, 2)))
    padded = np.pad(pixels, ((0, 0), (8, 8), (8, 8)))
    for i in range(2):
        y, x = 8 - 4 * down[i], 8 - 4 * across[i]
        np.testing.assert_allclose(found[i], padded[i, y : y + 16, x : x + 24], atol=1e-10)


@pytest.mark.parametrize("factor", [1, 4])
def test_smaller_pictures_are_the_low_frequencies_of_larger_blocks(factor: int):
    pixels = planes(2, 4, 8)
    large = to_blocks(pixels, 8 * factor)[..., :8, :8] / factor
    with jax.enable_x64(True):
        small = np.asarray(ops.resized(to_blocks(pixels), down=factor))
        grown = np.asarray(ops.resized(small, up=factor))
        np.testing.assert_allclose(small, large, atol=1e-10)
        np.testing.assert_allclose(np.asarray(ops.resized(grown, down=factor)), small, atol=1e-10)
    spectrum = np.zeros((2, 4 // factor, 8 // factor, 8 * factor, 8 * factor))
    spectrum[..., :8, :8] = small * factor
    np.testing.assert_allclose(to_pixels(grown), to_pixels(spectrum), atol=1e-10)


def test_sizes_keep_the_level_and_smooth_pictures():
    y, x = np.mgrid[:64, :64]
    smooth = (40 * np.cos(2 * np.pi * y / 64) + 20 * np.sin(2 * np.pi * x / 64) + 10)[None]
    with jax.enable_x64(True):
        half = to_pixels(np.asarray(ops.resized(to_blocks(smooth), down=2)))
        double = to_pixels(np.asarray(ops.resized(to_blocks(smooth), up=2)))
    means = smooth.reshape(1, 32, 2, 32, 2).mean((2, 4))
    assert abs(half - means).max() < 0.7 and abs(half.mean() - 10) < 1e-9
    assert abs(double.reshape(1, 64, 2, 64, 2).mean((2, 4)) - smooth).max() < 0.5


def test_wrong_sizes_are_refused():
    blocks = jnp.zeros((1, 3, 4, 8, 8))
    with pytest.raises(ValueError, match="size=6: must be a multiple or a divisor of the blocks' 8"):
        ops.reblocked(blocks, 6)
    with pytest.raises(ValueError, match="rows and columns must be multiples of 2, not 3×4"):
        ops.reblocked(blocks, 16)
    for up, down in ((2, 2), (0, 1), (2, 3)):
        with pytest.raises(ValueError, match=f"up={up}, down={down}: one of them must be 1"):
            ops.resized(blocks, up, down)


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0"])
def test_turned_and_cut_files_decode_to_turned_and_cut_pixels(sampling: str):
    """Through this library's decoder; pixels next to a cut may see other chroma, and are left out."""
    file = jpegjax.encode(waves(64, 96), quality=95, subsampling=sampling)
    found = jpegjax.read_coefficients(file)
    shown = {"upsample": "nearest", "dtype": "float32"}
    whole = jpegjax.decode(file, **shown)
    cases = (
        (ops.mirrored_picture(found), whole[:, ::-1]),
        (ops.mirrored_picture(found, vertically=True), whole[::-1]),
        (ops.transposed_picture(found), whole.swapaxes(0, 1)),
        (ops.cropped(found, 16, 32, 32, 48), whole[16:48, 32:80]),
        (ops.cropped(found, 48, 80, 16, 16), whole[48:, 80:]),
    )
    for changed, wanted in cases:
        again = jpegjax.decode(jpegjax.write_coefficients(jax.tree.map(np.asarray, changed)), **shown)
        np.testing.assert_allclose(again, wanted, atol=1e-3)


def test_pictures_that_do_not_end_on_the_grid():
    found = jpegjax.read_coefficients(jpegjax.encode(waves(40, 83)))
    with pytest.raises(ValueError, match="width 83 must be a multiple of 16, a whole number of MCUs"):
        ops.mirrored_picture(found)
    with pytest.raises(ValueError, match="height 40 must be a multiple of 16"):
        ops.mirrored_picture(found, vertically=True)
    with pytest.raises(ValueError, match="x, width = 8, 16: the window must lie on the grid of 16 pixels"):
        ops.cropped(found, 0, 8, 16, 16)
    with pytest.raises(ValueError, match="y, height = 32, 16: the window must lie inside the picture's 40 pixels"):
        ops.cropped(found, 32, 0, 16, 16)
    assert ops.cropped(found, 16, 64, 24, 19).frame.blocks(0) == (3, 3)
    assert ops.transposed_picture(found).frame.blocks(1) == (6, 3)


def test_dequantised_blocks_are_the_decoders():
    picture = waves(32, 48)[..., 0]
    found = jpegjax.read_coefficients(jpegjax.encode(picture, quality=80))
    (blocks,) = ops.dequantised(found)
    assert blocks.shape == (1, 4, 6, 64) and blocks.dtype == jnp.float32
    pixels = to_pixels(np.asarray(blocks, np.float64).reshape(1, 4, 6, 8, 8)) + 128
    decoded = jpegjax.decode(jpegjax.encode(picture, quality=80))
    assert abs(np.clip(pixels[0], 0, 255) - decoded).max() <= 1.0


def test_statistics_of_files_in_pieces_are_those_of_all(tmp_path: Path):
    grain = pytest.importorskip("grain")
    from jpegjax.train import Batches, CoefficientBatch, Encoded

    assert grain
    for i in range(7):
        (tmp_path / f"{i}.jpg").write_bytes(jpegjax.encode(waves(48, 64, i), quality=50 + 5 * i))
    source = Batches(Encoded(tmp_path), CoefficientBatch(size=(32, 48), subsampling="4:2:0"), seed=None, rounds=1)
    batches = [batch["coefficients"] for batch in source.stream(0, 3)]
    assert [len(b.planes[0]) for b in batches] == [3, 3, 1]
    found = block_statistics(iter(batches))
    for c, one in enumerate(found):
        values = np.concatenate([np.asarray(ops.dequantised(b)[c], np.float64).reshape(-1, 64) for b in batches])
        assert one.blocks == len(values)
        np.testing.assert_allclose(one.mean, values.mean(0), atol=1e-9)
        np.testing.assert_allclose(one.deviation, values.std(0), atol=1e-9)
    normal = Normalised(found[0])(jnp.concatenate([ops.dequantised(b)[0] for b in batches]))
    seen = found[0].deviation >= 1
    np.testing.assert_allclose(np.asarray(normal).reshape(-1, 64).std(0)[seen], 1, atol=1e-4)
    rare = np.asarray(normal).reshape(-1, 64)[:, ~seen]
    np.testing.assert_allclose(rare.std(0), found[0].deviation[~seen], atol=1e-4)
    assert seen.any() and not seen.all()
    with pytest.raises(ValueError, match="batches: there are none"):
        block_statistics([])
    with pytest.raises(ValueError, match="one has 1 components, those before 3"):
        block_statistics([batches[0], jpegjax.read_coefficients(jpegjax.encode(waves(16, 16)[..., 0]))])
