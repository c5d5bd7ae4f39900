"""Training of the restoration network: what it is trained on, its loss, and the way from a folder to weights that restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pictures import waves
from PIL import Image

import jpegjax
from jpegjax.learned.restoring import weights
from jpegjax.learned.restoring.model import Restorer, RestorerSize, Seen, _added_up, _convolved, from_blocks, to_blocks
from jpegjax.train import FitConfig
from jpegjax.train.pictures import Files
from jpegjax.train.restoration import Quantised, gain_loss, planes_of, target_of, train_restorer

SIZE = RestorerSize(stages=1, width=8, hidden=8, chroma=8, chroma_hidden=8, tables=8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight pictures, two of which the rule of `split` holds out."""
    from jpegjax.train.pictures import _fraction

    held = [n for n in range(6, 400) if _fraction(f"{n}.png") < 0.05][:2]
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (*range(6), *held):
        Image.fromarray(waves(256, 272, number)).save(folder / f"{number}.png")
    return folder


def test_samples_depend_on_their_number_and_the_seed_alone(photos: Path) -> None:
    source, again = Quantised(Files(photos), 64, seed=3), Quantised(Files(photos), 64, seed=3)
    batches = [next(s.stream(5, 4)) for s in (source, again)]
    for name in ("planes", "steps", "sampling", "target"):
        np.testing.assert_array_equal(batches[0][name], batches[1][name])
    assert batches[0]["planes"].shape == batches[0]["target"].shape == (4, 64, 64, 3)
    assert batches[0]["steps"].shape == (4, 3, 64)
    with pytest.raises(ValueError, match="size=40: must be a multiple of 16"):
        Quantised(Files(photos), 40)


def test_planes_are_those_of_the_decoder() -> None:
    from jpegjax.ops.color import INVERSE

    picture = np.clip(waves(64, 96, 1), 40, 200)  # away from the ends, where decoders clamp
    for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:4:0"):
        file = jpegjax.encode(picture, quality=90, subsampling=sampling)
        planes, steps, factors = planes_of(jpegjax.read_coefficients(file))
        rgb = (planes + np.array([128, 0, 0])) @ INVERSE.T
        shown = jpegjax.decode(file, dtype="float32")
        assert np.abs(np.clip(rgb, 0, 255) - shown).max() < 0.05
        assert steps.shape == (3, 64) and tuple(factors) == tuple(
            {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2), "4:4:0": (2, 1)}[sampling]
        )


def test_blocks_are_orthonormal_and_come_back() -> None:
    planes = jnp.asarray(np.random.default_rng(0).normal(size=(2, 16, 24, 3)), jnp.float32)
    blocks = to_blocks(planes)
    np.testing.assert_allclose(from_blocks(blocks), planes, atol=1e-5)
    np.testing.assert_allclose(jnp.sum(blocks**2), jnp.sum(planes**2), rtol=1e-5)


@pytest.mark.parametrize("taps", [4, 2])
def test_gradients_of_patches_added_up_are_the_convolutions(taps: int) -> None:
    random = np.random.default_rng(taps)
    x, kernel, g = (
        jnp.asarray(random.normal(size=s), jnp.float32) for s in ((2, 12, 16, 3), (taps, taps, 3, 5), (2, 12, 16, 5))
    )

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return _convolved(x, kernel, (taps // 2, (taps - 1) // 2))

    for own, exact in zip(jax.vjp(_added_up, x, kernel)[1](g), jax.vjp(plain, x, kernel)[1](g), strict=True):
        np.testing.assert_allclose(own, exact, rtol=1e-5, atol=1e-4)


def test_loss_is_finite_where_nothing_is_lost_and_zero_where_nothing_changes() -> None:
    model = Restorer(SIZE, rngs=nnx.Rngs(0))
    flat = np.full((32, 32, 3), 128, np.uint8)
    planes, steps, sampling = planes_of(jpegjax.read_coefficients(jpegjax.encode(flat)))
    batch: Any = {
        "planes": planes[None],
        "steps": steps[None],
        "sampling": sampling[None],
        "target": target_of(flat)[None],
    }
    loss, shown = jax.jit(gain_loss)(model, batch, jax.random.key(0))
    assert np.isfinite(loss) and np.isfinite(list(shown.values())).all()
    still = nnx.clone(model)
    for stage in (*still.luma, still.coarse, still.fine):
        stage.synthesis[...] = jnp.zeros_like(stage.synthesis[...])
    loss, _ = jax.jit(gain_loss)(still, {**batch, "target": batch["target"] + 3.0}, jax.random.key(0))
    assert abs(loss) < 1e-3


def test_the_standard_size_is_what_the_card_says() -> None:
    model = Restorer(rngs=nnx.Rngs(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))) == 300_064
    assert model.macs() < 25_000 and model.macs(colour=False) < 19_000


def test_grey_pictures_keep_empty_chroma() -> None:
    model = Restorer(SIZE, rngs=nnx.Rngs(1))
    planes, steps, sampling = planes_of(jpegjax.read_coefficients(jpegjax.encode(waves(32, 48, 2)[..., 0])))
    shown = model(Seen(jnp.asarray(planes)[None], jnp.asarray(steps)[None], jnp.asarray(sampling)[None]))
    assert not np.asarray(shown[..., 1:]).any() and np.asarray(shown[..., 0]).any()


def test_greys_of_colour_pictures_stay_grey() -> None:
    picture = np.repeat(waves(64, 160, 2)[..., :1], 3, 2)
    picture[:16, :16] = (200, 30, 90)
    file = jpegjax.encode(picture, quality=40, subsampling="4:4:4")
    planes, steps, sampling = planes_of(jpegjax.read_coefficients(file))
    shown = Restorer(SIZE, rngs=nnx.Rngs(1))(Seen(*(jnp.asarray(x)[None] for x in (planes, steps, sampling))))
    changed = np.asarray(jnp.abs(shown[0, ..., 1:] - planes[..., 1:]).max(2)) > 0
    assert changed[:32, :32].any() and not changed[:, 32:].any() and not changed[32:].any()


@pytest.mark.slow
def test_chroma_learns_alone(photos: Path, tmp_path: Path) -> None:
    first = Restorer(SIZE, rngs=nnx.Rngs(0))
    config = FitConfig(steps=3, batch=8, folder=tmp_path / "run", warmup=1, progress=False)
    last = train_restorer("own", config, crop=64, data=str(photos), size=SIZE, chroma=True).model
    for name in ("tables", "luma", "cell", "coarse", "fine"):
        pairs = zip(*(jax.tree.leaves(nnx.state(getattr(m, name), nnx.Param)) for m in (first, last)), strict=True)
        alike = [np.array_equal(a, b) for a, b in pairs]
        assert all(alike) if name in ("tables", "luma", "cell") else not any(alike), name


@pytest.mark.slow
def test_from_a_folder_to_weights_that_restore(photos: Path, tmp_path: Path) -> None:
    config = FitConfig(
        steps=4, batch=8, folder=tmp_path / "run", evaluate_every=2, checkpoint_every=2, warmup=1, progress=False
    )
    result = train_restorer("own", config, crop=64, data=str(photos), size=SIZE)
    assert result.step == 4 and np.isfinite(result.evaluation["gain"])
    stored = tmp_path / "run" / "own.npz"
    again = weights.trainable(stored)
    for (_, a), (_, b) in zip(
        nnx.to_flat_state(nnx.state(again)), nnx.to_flat_state(nnx.state(result.model)), strict=True
    ):
        np.testing.assert_allclose(a[...], b[...], rtol=2e-3, atol=1e-5)
    shown = jpegjax.restore(waves(40, 50, 1), quality=50, model=str(stored))
    assert shown.shape == (40, 50, 3) and shown.dtype == np.uint8
