"""The network that predicts the field of the tuned encoder: shapes, training, its labels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax.numpy as jnp
from flax import nnx

from experiments.tuning import field_cnn
from jpegjax.jpeg.tuned.encode import raw_blocks, tuned_planes
from jpegjax.jpeg.tuned.recipe import load_recipe
from jpegjax.kernels.tuned.field import strength_field

SIDE = 12  # blocks


def labels(seed: int, count: int = 4) -> dict[str, np.ndarray]:
    """Crops whose errors cost 4 times as much where the first feature is positive."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, SIDE, SIDE, field_cnn.FEATURES)).astype(np.float32)
    error = random.gamma(1, 1, features.shape[:3]).astype(np.float32)
    cost = np.where(features[..., 0] > 0, 4, 1)
    noise = random.normal(size=error.shape)
    return {
        "features": features, "formula": np.zeros_like(error),
        "error": error, "loss": (cost * error + noise).astype(np.float32),
    }  # fmt: skip


def test_shape_and_start():
    """One number a block for any size; before training that is the formula."""
    net = field_cnn.FieldNet(rngs=nnx.Rngs(0))
    formula = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)
    found = field_cnn.predict(net, jnp.ones((2, 5, 7, field_cnn.FEATURES)), jnp.asarray(formula))
    np.testing.assert_allclose(found, formula, atol=1e-6)
    assert 10_000 < field_cnn.parameter_count(net) < 50_000


@pytest.mark.slow
def test_training_finds_costs():
    """The loss falls, the costs behind noise of either sign come out, 4 and 1, and once more the very same."""
    data, losses, nets = labels(0), [], []
    for _ in range(2):
        net = field_cnn.FieldNet(8, rngs=nnx.Rngs(0))
        losses.append(field_cnn.train(net, data, 400, batch=4, rate=1e-2))
        nets.append(net)
    assert losses[0] == losses[1]
    assert np.mean(losses[0][-10:]) < losses[0][0] - 0.5
    other = labels(1)
    found = np.exp2(np.asarray(field_cnn.predict(nets[0], other["features"], other["formula"])))
    dear, cheap = (np.median(found[sign * other["features"][..., 0] > 0.3]) for sign in (1, -1))
    assert 2.5 < dear < 5
    assert 0.6 < cheap < 1.5


def test_levels_with_a_given_field():
    """With the recipe's own field the levels are the encoder's; with a stronger one more of them remain."""
    y, x = np.mgrid[:96, :112]
    random = np.random.default_rng(5)
    image = (128 + 60 * np.sin(x / 5) * np.cos(y / 7))[..., None] + random.normal(0, 12, (96, 112, 3))
    image = np.clip(image, 0, 255).astype(np.uint8)
    recipe = load_recipe("ssimulacra2", 60)
    picture, samples, formula = field_cnn.prepare(image, recipe)
    assert formula.shape == (12, 14)
    raw = raw_blocks(samples[0], 12, 14)
    own = strength_field(samples[0], 12, 14, recipe.field, recipe.network, raw, recipe.steps[0])
    found = field_cnn.tuned_levels(picture, samples, recipe, own)
    for a, b in zip(found, tuned_planes(image, picture.frame, recipe), strict=True):
        np.testing.assert_array_equal(a, b)
    strong, weak = (
        field_cnn.tuned_levels(picture, samples, recipe, np.full((12, 14), f, np.uint16)) for f in (1024, 64)
    )
    assert np.count_nonzero(strong[0]) > np.count_nonzero(weak[0])
    features = field_cnn.block_features(samples, formula, recipe)
    assert features.shape == (12, 14, field_cnn.FEATURES)
    assert bool(jnp.isfinite(features).all())


def test_quantised_field():
    """256 is 1, held to 1/16..16."""
    found = field_cnn.quantise_field(np.array([0.0, 1.0, -0.5, 9.0, -9.0]))
    assert found.dtype == np.uint16
    assert found.tolist() == [256, 512, 181, 4096, 16]
