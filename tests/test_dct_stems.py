"""First layers on DCT blocks: what they give before any training, and where their inputs come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pictures import waves
from scipy.fft import idctn

import jpegjax
from jpegjax.learned.dct.blocks import dequantised
from jpegjax.learned.dct.published import LateStem, PatchStem, UpsampledStem
from jpegjax.learned.dct.stems import BlockStem, RGBStem, inverse_weights
from jpegjax.learned.layers.dense import depth_to_space

RNGS = nnx.Rngs(0)


def random_blocks(rows: int = 2, columns: int = 3, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(0, 60, (2, rows, columns, 64)), jnp.float32)


def scaled_pixels(blocks: jax.Array, side: int) -> np.ndarray:
    """scipy's DCT of side points of the lowest frequencies, or of all with zeros behind: float64 [N, side·R, side·C]."""
    n, rows, columns, _ = blocks.shape
    square = np.zeros((n, rows, columns, max(side, 8), max(side, 8)))
    square[..., :8, :8] = np.asarray(blocks, np.float64).reshape(n, rows, columns, 8, 8)
    pixels = idctn(square[..., :side, :side], axes=(-2, -1), norm="ortho") * side / 8
    return pixels.swapaxes(2, 3).reshape(n, rows * side, columns * side)


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
def test_stems_begin_as_scaled_inverse_transforms(side: int):
    blocks = random_blocks()
    found = BlockStem(side, unit=32.0, rngs=RNGS)(blocks)
    assert found.shape == (2, 2 * side, 3 * side, 1)
    np.testing.assert_allclose(found[..., 0], scaled_pixels(blocks, side) / 32, atol=2e-5)


@pytest.mark.parametrize(("side", "repeat", "cell"), [(8, 1, 2), (8, 1, 8), (4, 2, 1), (8, 2, 4), (1, 8, 2)])
def test_cells_and_repetitions_are_moves_of_pixels(side: int, repeat: int, cell: int):
    blocks = random_blocks()
    found = BlockStem(side, repeat=repeat, cell=cell, rngs=RNGS)(blocks)
    pixels = scaled_pixels(blocks, side).repeat(repeat, 1).repeat(repeat, 2)
    assert found.shape[-1] == cell * cell and found.shape[1] == pixels.shape[1] // cell
    np.testing.assert_allclose(depth_to_space(found, cell)[..., 0], pixels, atol=1e-3)


def test_weights_are_orthonormal_where_nothing_is_scaled():
    np.testing.assert_allclose(inverse_weights(8) @ inverse_weights(8).T, np.eye(64), atol=1e-12)
    flat = np.zeros(64)
    flat[0] = 8 * 40
    for side in (1, 2, 4, 8, 16):
        np.testing.assert_allclose(flat @ inverse_weights(side), 40, atol=1e-12)


def test_random_stems_differ_and_have_the_same_strength():
    stem, known = BlockStem(initial="random", rngs=nnx.Rngs(1)), BlockStem(rngs=RNGS)
    found, wanted = (np.asarray(s.dense.kernel[...]) for s in (stem, known))
    assert abs(found - wanted).max() > 0.1 and abs(found.std() / wanted.std() - 1) < 0.05


def test_all_of_a_stem_is_trained_and_its_first_step_is_finite():
    stem = RGBStem(unit=64.0, rngs=RNGS)
    planes = tuple(random_blocks(*size) for size in ((2, 4), (1, 2), (1, 2)))
    gradient = nnx.grad(lambda model: jnp.mean(model(planes) ** 2))(stem)
    leaves = jax.tree.leaves(nnx.state(gradient, nnx.Param))
    assert len(leaves) == 8 and all(np.isfinite(x).all() and np.abs(x).max() > 0 for x in leaves)


@pytest.mark.parametrize("upsample", ["nearest", "fancy"])
@pytest.mark.parametrize(("sampling", "factor"), [("4:4:4", (1, 1)), ("4:2:0", (2, 2)), ("4:2:2", (1, 2))])
def test_rgb_is_the_decoders(sampling: str, factor: tuple[int, int], upsample: Any):
    """Beside this library's own decoder into floats; away from black and white, where it clamps."""
    file = jpegjax.encode(np.clip(waves(64, 96, 1), 50, 200), quality=92, subsampling=sampling)
    stem = RGBStem(((1, 1), factor, factor), fancy=upsample == "fancy", rngs=RNGS)
    found = stem(dequantised(jpegjax.read_coefficients(file)))[0] + 128
    shown = np.asarray(jpegjax.decode(file, upsample=upsample, dtype="float32"))
    assert found.shape == shown.shape and shown.min() > 1 and shown.max() < 254
    np.testing.assert_allclose(found, shown, atol=2e-3)
    assert abs(np.asarray(found) - jpegjax.decode(file, upsample=upsample)).max() < 3  # libjpeg's integers


def test_half_pictures_have_all_of_halved_chroma():
    planes = random_blocks(2, 4), random_blocks(1, 2, 1), random_blocks(1, 2, 2)
    stem = RGBStem(side=4, rngs=RNGS)
    assert stem(planes).shape == (2, 8, 16, 3)
    half = [scaled_pixels(planes[0], 4), scaled_pixels(planes[1], 8), scaled_pixels(planes[2], 8)]
    red = half[0] + 1.402 * half[2]
    np.testing.assert_allclose(stem(planes)[..., 0], red, atol=1e-3)


def test_wrong_stems_are_refused():
    with pytest.raises(ValueError, match="side=3: must be one of 1, 2, 4, 8, 16"):
        BlockStem(3, rngs=RNGS)
    with pytest.raises(ValueError, match="repeat=1, cell=3: 8 · repeat / cell"):
        BlockStem(cell=3, rngs=RNGS)
    with pytest.raises(ValueError, match="side=4: must be alike down and across"):
        RGBStem(((1, 1), (1, 2), (1, 2)), side=4, rngs=RNGS)
    with pytest.raises(ValueError, match="must be of three components"):
        RGBStem(((1, 1),), rngs=RNGS)
    with pytest.raises(ValueError, match="patch=12: must be a power of two"):
        PatchStem(32, patch=12, rngs=RNGS)
    with pytest.raises(ValueError, match="width=30: must be a multiple of 4"):
        PatchStem(30, rngs=RNGS)


@pytest.mark.parametrize("factor", [1, 2])
def test_published_stems_have_the_published_shapes(factor: int):
    planes = tuple(random_blocks(*size) for size in ((4, 8), (4 // factor, 8 // factor), (4 // factor, 8 // factor)))
    rngs = nnx.Rngs(0)
    for growing in ("repeat", "deconvolution"):
        kind: Any = growing
        assert UpsampledStem(96, factor=factor, growing=kind, rngs=rngs)(planes).shape == (2, 4, 8, 96)
    late = LateStem(48, 32, factor=factor, rngs=rngs)(planes)
    assert late.shape == (2, 4 // factor, 8 // factor, 80)
    for patch, size in ((4, (8, 16)), (16, (2, 4)), (32, (1, 2))):
        for embedding in ("grouped", "concatenated"):
            how: Any = embedding
            stem = PatchStem(64, patch=patch, factor=factor, embedding=how, rngs=rngs)
            assert stem(planes).shape == (2, *size, 64)


def test_a_place_sees_its_own_blocks_only():
    """1×1 layers over blocks reach 8 pixels, or a chroma block's 16; a patch no further than itself."""
    planes = random_blocks(4, 4), random_blocks(2, 2, 1), random_blocks(2, 2, 2)
    for stem in (UpsampledStem(16, rngs=nnx.Rngs(0)), PatchStem(16, patch=8, rngs=nnx.Rngs(0))):
        stem.eval()
        before = stem(planes)
        changed = stem((planes[0].at[0, 1, 1].add(100), *planes[1:])) - before
        assert np.argwhere(np.abs(changed).max(-1) > 0).tolist() == [[0, 1, 1]]
        changed = stem((planes[0], planes[1].at[0, 1, 0].add(100), planes[2])) - before
        assert np.argwhere(np.abs(changed).max(-1) > 0).tolist() == [[0, y, x] for y in (2, 3) for x in (0, 1)]


def test_patches_keep_all_that_blocks_hold():
    """With an orthogonal layer, tokens have the blocks' energy, whatever the size of a patch."""
    planes = random_blocks(4, 4), random_blocks(2, 2, 1), random_blocks(2, 2, 2)
    energy = sum(float(jnp.sum(p.astype(jnp.float32) ** 2)) for p in planes)
    for patch in (4, 8, 16, 32):
        stem = PatchStem(3 * patch * patch // 2, patch=patch, rngs=nnx.Rngs(0))
        stem.layers[0].kernel[...] = jnp.eye(3 * patch * patch // 2)
        np.testing.assert_allclose(float(jnp.sum(stem(planes) ** 2)), energy, rtol=1e-4)


def test_files_feed_stems(tmp_path: Path):
    """The example of the package's docstring: what `CoefficientBatch` reads, a stem takes."""
    pytest.importorskip("grain")
    from jpegjax.train import Batches, CoefficientBatch, Encoded

    for i in range(4):
        (tmp_path / f"{i}.jpg").write_bytes(jpegjax.encode(waves(64, 64, i), quality=80))
    files = Batches(Encoded(tmp_path), CoefficientBatch(size=32, subsampling="4:2:0"), rounds=1)
    stem = RGBStem(unit=64.0, rngs=nnx.Rngs(0))
    shapes = [stem(dequantised(batch["coefficients"])).shape for batch in files.stream(0, 2)]
    assert shapes == [(2, 32, 32, 3)] * 2
