"""Channels taken out of networks, and decoders of their own on a model's streams: compress.channels, weights, kim."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax
import jax.numpy as jnp
from flax import nnx
from pictures import astronaut, waves
from PIL import Image

from experiments.kim import __main__ as command
from experiments.kim import prune, tune
from jpegjax.learned import shipped, weights
from jpegjax.learned.codec import decode_all, encode_all
from jpegjax.learned.compress import Place, importance, kept, sliced
from jpegjax.learned.light import SYNTHESIS, Light, LightSize

SMALL = LightSize(width=16, latents=24, hyper=8, features=8, hidden=8, encoder=1, decoder=2, deep=12)
RANDOM = np.random.default_rng(0)


def test_importance_is_the_share_of_the_squared_norm() -> None:
    arrays = {"a": RANDOM.normal(size=(5, 8)), "b": RANDOM.normal(size=(4, 3)), "c": RANDOM.normal(size=4)}
    found = importance(arrays, [Place("a", 1, 2), Place("b", 0), Place("c", 0)])
    a, b = arrays["a"] ** 2, arrays["b"] ** 2
    expected = [(a[:, c].sum() + a[:, 4 + c].sum()) / a.sum() + b[c].sum() / b.sum() for c in range(4)]
    assert np.allclose(found, expected)


def test_the_first_of_equal_channels_stay() -> None:
    assert kept(np.array([1.0, 3, 1, 2, 1]), 3).tolist() == [0, 1, 3]


@pytest.mark.parametrize("count", [0, 4])
def test_counts_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count={count}: must be 1 to 3"):
        kept(np.ones(3), count)


def test_unlike_channels_are_named() -> None:
    arrays = {"a": np.ones((2, 3)), "b": np.ones((2, 4)), "c": np.ones(3)}
    with pytest.raises(ValueError, match="b: 4 channels, where the arrays before have 3"):
        importance(arrays, [Place("a", 1), Place("b", 1)])
    with pytest.raises(ValueError, match="a: axis 1 of 3 does not go into 2 groups"):
        importance(arrays, [Place("a", 1, 2)])
    with pytest.raises(ValueError, match="none of the arrays has two axes"):
        importance(arrays, [Place("c", 0)])


def test_groups_lie_behind_one_another() -> None:
    found = sliced({"a": np.arange(12).reshape(2, 6)}, [Place("a", 1, 2)], np.array([0, 2]))
    assert found["a"].tolist() == [[0, 2, 3, 5], [6, 8, 9, 11]]


@pytest.fixture(scope="module")
def model() -> Light:
    """With weights that leave nothing at zero."""
    made = Light(SMALL, rngs=nnx.Rngs(0))
    for leaf in shipped.leaves(made).values():
        leaf[...] = leaf[...] + 0.1 * jnp.asarray(RANDOM.normal(size=leaf.shape), jnp.float32)
    return made


def test_a_pruned_decoder_is_the_whole_one_with_channels_silenced(model: Light) -> None:
    """Weights of what goes are zeros in the whole one: the same pixels, but for the order of sums."""
    small = prune.pruned(model, 10, 7)
    silenced = nnx.clone(model)
    arrays = {path: np.asarray(leaf[...]) for path, leaf in shipped.leaves(model).items()}
    for places, count in prune._together(SMALL, 10, 7):
        gone = np.setdiff1d(np.arange(len(importance(arrays, places))), kept(importance(arrays, places), count))
        for path, axis, groups in places:
            leaf = shipped.leaves(silenced)[path]
            size = leaf.shape[axis] // groups
            value = np.moveaxis(np.array(leaf[...]), axis, 0)
            for group in range(groups):
                value[group * size + gone] = 0
            leaf[...] = jnp.asarray(np.moveaxis(value, 0, axis))
    y, quality = jnp.asarray(RANDOM.normal(size=(2, 3, 4, 24)), jnp.float32), jnp.array([20.0, 80.0])
    a, b = small.synthesise(y, quality), silenced.synthesise(y, quality)
    assert float(jnp.abs(a - b).max()) < 1e-4 * float(jnp.abs(a).max())
    assert small.size.decoded == 10 and small.size.deep == 7
    assert prune.synthesis_macs(small) < prune.synthesis_macs(model)


def test_students_keep_what_the_encoder_has_too(model: Light) -> None:
    learner = prune.student(model)
    paths = set(shipped.leaves(learner))
    assert {path.partition("/")[0] for path in paths} == set(SYNTHESIS)
    y, quality = jnp.asarray(RANDOM.normal(size=(1, 2, 2, 24)), jnp.float32), jnp.array([50.0])
    assert (learner(y, quality) == model.synthesise(y, quality)).all()
    learner.out.bias[...] = learner.out.bias[...] + 1
    assert (prune.whole(model, learner).synthesise(y, quality) == learner(y, quality)).all()
    assert not (model.synthesise(y, quality) == learner(y, quality)).any(), "the model itself is left as it is"


def test_loss_is_of_the_teachers_symbols(model: Light) -> None:
    pixels = np.stack([waves(64, 64), waves(64, 64)[::-1]]).astype(np.uint8)
    value, logged = tune.loss(model)(prune.student(model), {"pixels": pixels}, jax.random.key(0))
    quality = 1 + 99 * (jnp.arange(2) + jax.random.uniform(jax.random.key(0), (2,))) / 2
    shown = model(jnp.asarray(pixels, jnp.float32) / 255, quality).pixels
    error = np.asarray(((shown - pixels / np.float32(255)) ** 2).mean((1, 2, 3)))
    weight = 60 * 400 ** ((np.asarray(quality) - 1) / 99)
    assert float(value) == pytest.approx(float((error * np.sqrt(weight)).mean()), rel=1e-4)
    assert float(logged["psnr"]) == pytest.approx(float((-10 * np.log10(error)).mean()), rel=1e-4)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that ships with the decoder of a few channels, not tuned."""
    teacher = weights.trainable(weights.file_of("light"))
    small = prune.pruned(teacher, 32, 48)
    own, arrays = weights.export(small), weights.read(weights.file_of("light")).arrays
    mixed = {k: own[k] if k in own and k.partition("/")[0] in SYNTHESIS else v for k, v in arrays.items()}
    path = tmp_path_factory.mktemp("fast") / "fast.jxw"
    weights.write(path, "fast", small.size, mixed, "light")
    return path


def test_another_decoder_reads_and_writes_the_same_streams(fast: Path) -> None:
    image = astronaut()[:128, :192]
    base, other = weights.named("light"), weights.load(fast)
    assert (other.digest, other.name) == (base.digest, "fast") and other.own != base.own and other != base
    stream, same = (encode_all([image], 40, m)[0] for m in (base, other))
    header = len(base.name) - len(other.name)
    assert len(stream) - header == len(same) and stream[-64:-4] == same[-64:-4]  # a checksum is last
    pixels = {m.name: decode_all([stream], [m])[0] for m in (base, other)}
    assert (decode_all([same], [base])[0] == pixels["light"]).all()
    assert (decode_all([same])[0] == pixels["light"]).all(), "without it, the one that ships reads its streams"
    assert 0 < np.abs(pixels["light"].astype(int) - pixels["fast"]).mean() < 40
    assert fast.stat().st_size < weights.file_of("light").stat().st_size / 3


def test_only_decoders_go_on_a_base(tmp_path: Path) -> None:
    stored = weights.read(weights.file_of("light"))
    arrays = {**stored.arrays, "gain/table": stored.arrays["gain/table"] + 1}
    with pytest.raises(ValueError, match="other: gain/table: not as in light"):
        weights.write(tmp_path / "x.jxw", "other", stored.size, arrays, "light")


def test_a_base_of_another_digest_is_refused(fast: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fast.jxw"
    path.write_bytes(fast.read_bytes())
    monkeypatch.setattr(weights, "file_of", lambda name: weights.shipped.file_of("light-ms-ssim", "jpegjax.learned"))
    with pytest.raises(ValueError, match="a decoder for light of another digest"):
        weights.load(path)


@pytest.mark.slow
def test_experiment_runs_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(60):
        Image.fromarray(np.roll(astronaut()[:320, :320], 31 * i, 1)).save(pictures / f"{i}.png")
    (tmp_path / "data" / "kodak").mkdir(parents=True)
    Image.fromarray(astronaut()[:128, :192]).save(tmp_path / "data" / "kodak" / "01.png")
    monkeypatch.setattr(command, "SHARED", tmp_path)
    monkeypatch.setattr(command, "QUALITIES", (12, 48, 84))
    words = ["--steps", "3", "--data", str(pictures), "--work", str(tmp_path / "kim"), "--to", str(tmp_path)]
    command.main(words)
    report = json.loads((tmp_path / "kim.json").read_text())
    assert report["steps"] == 3 and report["found"]["macs"] < 0.5 and "lost" in report["validation"]
    assert weights.load(tmp_path / "kim" / "light-fast.jxw").digest == weights.named("light").digest
