"""Training of the light codec: the loss, fitted tables, the config from folder to a codec that works, what is refused."""

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

from jpegjax.coding import rans
from jpegjax.learned import weights
from jpegjax.learned.codec import count_symbols, decode_all, encode_all
from jpegjax.learned.layers.density import gaussian_bits, trained_bits
from jpegjax.learned.light import Light, LightSize
from jpegjax.learned.tables import LEVELS, REACH, fitted
from jpegjax.train import FitConfig, configs
from jpegjax.train.losses.rate_distortion import rate_distortion, train_light

SIZE = LightSize(width=8, latents=32, hyper=8, features=8, hidden=16, encoder=1, decoder=1, deep=8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight pictures, two of which the rule of `split` holds out: numbers 31 and 33."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (*range(6), *_held()):
        Image.fromarray(waves(256, 272, number)).save(folder / f"{number}.png")
    return folder


def _held() -> list[int]:
    from jpegjax.train.pictures import _fraction

    return [n for n in range(6, 400) if _fraction(f"{n}.png") < 0.05][:2]


def _config(tmp_path: Path, **given: Any) -> FitConfig:
    settings: dict[str, Any] = {
        "steps": 4,
        "batch": 8,
        "folder": tmp_path / "run",
        "evaluate_every": 2,
        "progress": False,
    }
    return FitConfig(**{**settings, "warmup": 1, "checkpoint_every": 2, **given})


def test_bits_of_training_are_those_of_symbols_and_their_gradient_is_smooth():
    residual, scale = jnp.array([0.0, 0.3, 0.7, 3.2, -1.4]), jnp.array([0.11, 0.3, 0.5, 2.0, 0.8])
    exact = gaussian_bits(jnp.round(residual), scale)

    def total(residual: jax.Array, scale: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.sum(trained_bits(residual, jnp.round(residual), scale, key))

    keys = jax.random.split(jax.random.key(0), 4000)
    assert np.allclose(trained_bits(residual, jnp.round(residual), scale, keys[0]), exact, atol=1e-5)
    by_residual, by_scale = (jax.vmap(jax.grad(total, i), (None, None, 0))(residual, scale, keys) for i in (0, 1))
    expected = jax.grad(lambda s: jnp.sum(gaussian_bits(jnp.round(residual), s)))(scale)
    assert np.allclose(by_scale[0], expected, rtol=1e-4)

    def smooth(residual: jax.Array) -> jax.Array:
        """Of noise, integrated: the mean over offsets."""
        offsets = (jnp.arange(4000) + 0.5) / 4000 - 0.5
        return jnp.mean(gaussian_bits(residual + offsets[:, None], scale), 0).sum()

    assert np.allclose(by_residual.mean(0), jax.grad(smooth)(residual), atol=0.15)


def test_fitted_tables_code_what_they_were_fitted_to():
    """Laplacian symbols: within 1 % of their entropy, and better than the Gaussian of their deviation; without counts, it."""
    random_ = np.random.default_rng(0)
    counts = np.zeros((LEVELS, REACH + 1), np.int64)
    symbols = {}
    for table in (8, 22, 40):
        scale = float(np.sqrt(2) * 0.3 * 1.1**table)
        symbols[table] = np.rint(random_.laplace(0, scale / 2, 60_000)).astype(np.int32)
        np.add.at(counts[table], np.abs(symbols[table]), 1)
    made, plain = fitted(counts), fitted(np.zeros_like(counts))
    for table, values in symbols.items():
        indexes = np.full(len(values), table, np.uint8)
        seen = np.unique(values, return_counts=True)[1] / len(values)
        entropy = -np.sum(seen * np.log2(seen)) * len(values)
        assert made.bits(values, indexes) < 1.01 * entropy + 40
        assert made.bits(values, indexes) < plain.bits(values, indexes)
        assert len(rans.encode([(values, indexes)], made)) * 8 < 1.005 * made.bits(values, indexes) + 300
    assert np.array_equal(made.first[[0, 60]], plain.first[[0, 60]])


@pytest.mark.slow
def test_a_model_goes_on_from_its_own_file(tmp_path: Path):
    model = Light(SIZE, rngs=nnx.Rngs(1))
    for name in ("prior", "hyper"):
        for path, leaf in nnx.to_flat_state(nnx.state(getattr(model, name), nnx.Param)):
            leaf[...] = leaf[...] + 0.02 * jax.random.normal(jax.random.key(hash(path) % 99), leaf.shape)
    weights.write(tmp_path / "a.npz", "a", SIZE, weights.export(model))
    again = weights.trainable(tmp_path / "a.npz")
    pixels = jnp.asarray(waves(64, 64)[None], jnp.float32) / 255
    run = nnx.jit(lambda model: model(pixels, jnp.array([40.0])))
    first, second = run(model), run(again)
    assert abs(float(second.bits[0]) / float(first.bits[0]) - 1) < 0.05
    assert float(jnp.abs(first.pixels - second.pixels).max()) < 0.05


@pytest.mark.parametrize(("metric", "crop"), [("mse", 64), ("ms-ssim", 192)])
@pytest.mark.slow
def test_from_a_folder_of_pictures_to_a_codec(photos: Path, tmp_path: Path, metric: Any, crop: int):
    result = train_light(
        "mine", metric, _config(tmp_path), crop=crop, data=str(photos), size=SIZE, middles=6
    )  # fmt: skip
    assert result.step == 4 and {"bd_rate", "bpp_5", "db_95"} <= set(result.evaluation)
    made = weights.load(tmp_path / "run" / "mine.npz")
    picture = waves(90, 70)
    (decoded,) = decode_all(encode_all([picture], 70, made), [made])
    assert decoded.shape == picture.shape
    assert len(list((tmp_path / "run" / "samples").rglob("*.png"))) >= 2
    counts = count_symbols([picture], (70,), made)
    assert counts.shape == (3 * LEVELS, REACH + 1) and counts.sum() > 0


@pytest.mark.slow
def test_loss_falls(photos: Path, tmp_path: Path):
    config = _config(tmp_path, steps=60, warmup=5, learning_rate=3e-3, log_every=20, evaluate_every=60)
    result = train_light("mine", "mse", config, crop=64, data=str(photos), size=SIZE, middles=4)
    assert result.history[-1]["loss"] < 0.9 * result.history[0]["loss"]


def test_bfloat16_computes_the_entropy_model_in_float32():
    model = Light(SIZE, rngs=nnx.Rngs(0))
    batch = {"pixels": jnp.asarray(np.stack([waves(64, 64, s) for s in range(4)]))}
    loss = nnx.jit(rate_distortion("mse"))
    exact = loss(model, batch, jax.random.key(0))[0]
    for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        if path[0] not in ("hyper", "prior", "gain", "ungain"):
            leaf[...] = leaf[...].astype(jnp.bfloat16)
    coarse, told = loss(model, batch, jax.random.key(0))
    assert coarse.dtype == told["bpp"].dtype == jnp.float32 and abs(float(coarse / exact) - 1) < 0.05


def test_configs_are_listed_and_say_what_to_expect():
    assert {"light", "light_ms_ssim"} <= set(configs.names())
    for name in configs.names():
        text = configs.load(name).__doc__
        assert text and all(f"\n{word}:" in text for word in ("Command", "Time", "Expect"))


def test_what_cannot_be_trained_is_refused(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for crop, metric in ((100, "mse"), (128, "ms-ssim")):
        with pytest.raises(ValueError, match=rf"crop={crop}: must be a multiple of 64 from"):
            train_light("a", metric, _config(tmp_path), crop=crop, data=str(photos))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="folder: must be given"):
        train_light("a", "mse", FitConfig(steps=1), crop=64, data=str(photos))
    monkeypatch.setenv("JPEGJAX_SHARED", str(tmp_path))
    with pytest.raises(ValueError, match=r"data: give data=FOLDER or data=PACK\.zip"):
        train_light("a", "mse", _config(tmp_path), crop=64)
    for number in _held():
        (photos / f"{number}.png").unlink()
    with pytest.raises(ValueError, match="pictures in this part, none has 256×256"):
        train_light("a", "mse", _config(tmp_path), crop=64, data=str(photos))
    with pytest.raises(ValueError, match=r"model='b': must be one of"):
        weights.file_of("b")
