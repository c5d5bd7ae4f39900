"""Perceptrons on blocks as an experiment: experiments/block_networks."""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax.numpy as jnp
import optax
import scipy.fft
from flax import nnx
from pictures import astronaut, waves
from PIL import Image

import jpegjax
from experiments.block_networks import data, measure, studies, train
from jpegjax.annex_k import LUMA_QUANTIZATION
from jpegjax.learned.perceptron import weights
from jpegjax.learned.perceptron.codec import PerceptronOptions, encode_all, read_levels
from jpegjax.learned.perceptron.network import Perceptron, PerceptronSize
from jpegjax.train import Arrays, FitConfig, fit


@pytest.fixture(scope="module")
def blocks() -> np.ndarray:
    return data.blocks(astronaut()[..., 1], 4)


def lost(blocks: np.ndarray, units: int) -> float:
    """Mean squared error of the best projection on `units` directions, by singular values."""
    x = blocks - blocks.mean(0)
    return float((np.linalg.svd(x.astype(float), compute_uv=False)[units:] ** 2).sum() / x.size)


def test_blocks_are_cut_row_by_row():
    plane = np.arange(9 * 13).reshape(9, 13)
    found = data.blocks(plane, 4)
    assert found.shape == (6, 16)
    np.testing.assert_array_equal(found[4].reshape(4, 4), plane[4:8, 4:8])


def test_planes_are_the_codecs():
    """Against Pillow's YCbCr, whose chroma is halved by means of four."""
    picture = waves(30, 41)
    seen = np.asarray(Image.fromarray(picture).convert("YCbCr")).astype(float)
    y, *chroma = data.planes(picture)
    assert abs(y - seen[..., 0]).max() <= 1
    for plane, whole in zip(chroma, (seen[..., 1], seen[..., 2]), strict=True):
        halves = whole[:30, :40].reshape(15, 2, 20, 2).mean((1, 3))
        assert plane.shape == (15, 20) and abs(plane - halves).max() <= 1.5


def test_transforms_are_those_of_the_text_book(blocks: np.ndarray):
    rows, middle = train.klt(blocks, 5)
    x = blocks - middle
    assert np.mean((x - x @ rows.T @ rows) ** 2) == pytest.approx(lost(blocks, 5))
    cosines, middle = train.dct(blocks, 5)
    x = blocks - middle
    spectrum = np.sort(scipy.fft.dctn(x.reshape(-1, 4, 4), axes=(1, 2), norm="ortho").reshape(-1, 16).var(0))
    assert np.mean((x - x @ cosines.T @ cosines) ** 2) == pytest.approx(spectrum[:-5].sum() / 16)
    assert np.mean((x - x @ cosines.T @ cosines) ** 2) >= lost(blocks, 5)
    np.testing.assert_allclose(train.cosines(8) @ train.cosines(8).T, np.eye(64), atol=1e-12)


def test_a_transform_as_a_network_is_itself(blocks: np.ndarray):
    found = train.klt(blocks, 4)
    model = train.as_network("klt", found, blocks)
    error = 255**2 / 10 ** (train.kept(_network(model), [blocks]) / 10)
    assert error == pytest.approx(lost(blocks, 4), rel=2e-3)


def _network(model: weights.LoadedPerceptron) -> Perceptron:
    made = Perceptron(model.size, rngs=nnx.Rngs(0))
    for name in model.size.shapes:
        getattr(made, name)[...] = jnp.asarray(model.arrays[name], jnp.float32)
    return made


@pytest.mark.parametrize(("transfer", "most"), [("linear", 0.05), ("tanh", 0.4), ("sigmoid", 0.4)])
def test_training_comes_to_the_klt(blocks: np.ndarray, transfer: str, most: float):
    """What `fit` finds in some seconds, against the bound."""
    model, told = train.trained(PerceptronSize(4, 4, transfer), blocks, steps=1200, batch=256, nested=False, rate=1e-2)
    bound = 10 * np.log10(255**2 / lost(blocks, 4))
    assert (
        -0.1 < bound - train.kept(model, [blocks]) < most
    )  # the mean of each block goes exactly, which is a little more
    assert told["curve"][0]["psnr"] < told["psnr"] and told["steps"] == 1200


def test_units_come_in_order(blocks: np.ndarray):
    model, _ = train.trained(PerceptronSize(4, 16), blocks, steps=2000, batch=256, rate=5e-3)
    for units in (2, 4, 8):
        bound = 10 * np.log10(255**2 / lost(blocks, units))
        assert abs(bound - train.kept(model, [blocks], units)) < 0.35


def test_momentum_is_that_of_the_text_book(blocks: np.ndarray):
    x = {"blocks": blocks[:64]}
    model = Perceptron(PerceptronSize(4, 4), rngs=nnx.Rngs(0))
    config = FitConfig(
        steps=3, batch=64, optimizer="momentum", learning_rate=0.1, schedule="constant", ema=0.0, clip=None, devices=1,
        progress=False,
    )  # fmt: skip
    found = fit(model, train.loss(False), Arrays(x), config).model
    graph, params = nnx.split(model)

    def loss(params):
        return train.loss(False)(nnx.merge(graph, params), x, None)[0]

    speed = None
    for _ in range(3):
        slope = nnx.to_pure_dict(nnx.grad(lambda p: loss(p))(params))
        speed = slope if speed is None else {k: slope[k] + 0.9 * speed[k] for k in slope}
        plain = nnx.to_pure_dict(params)
        nnx.replace_by_pure_dict(params, {k: plain[k] - 0.1 * speed[k] for k in plain})
    for name, value in nnx.to_pure_dict(params).items():
        np.testing.assert_allclose(getattr(found, name)[...], value, atol=1e-5)
    with pytest.raises(ValueError, match="weight_decay"):
        FitConfig(steps=3, optimizer="momentum", weight_decay=0.1)
    with pytest.raises(ValueError, match="optimizer='sgd'"):
        FitConfig(steps=3, optimizer="sgd")
    assert optax.__version__


def test_errors_weigh_as_annex_k_says():
    error = np.random.default_rng(0).normal(size=(5, 8, 8))
    spectrum = scipy.fft.dctn(error, axes=(1, 2), norm="ortho").reshape(5, 64)
    wanted = ((spectrum * 16 / LUMA_QUANTIZATION) ** 2).sum(1)
    flat = error.reshape(5, 64)
    np.testing.assert_allclose(((flat @ train.visible()) * flat).sum(1), wanted, rtol=1e-4)
    deviations = np.array([1.0, 10.0, 40.0])
    x = deviations[:, None] / 128 * np.where(np.arange(64) % 2, 1, -1)
    assert np.asarray(train.activity_weights(jnp.asarray(x, jnp.float32))).tolist() == [2, 1, 0.5]


def _huffman_bits(values: np.ndarray) -> int:
    """Of the shortest prefix code, by merging the two rarest again and again."""
    heap = np.unique(values, return_counts=True)[1].tolist()
    heapq.heapify(heap)
    total = len(values) if len(heap) == 1 else 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


def test_huffman_bytes_are_those_of_the_best_prefix_codes(blocks: np.ndarray):
    picture = astronaut()[:96, :128, 1]
    model = train.as_network("klt", train.klt(blocks, 4), blocks)
    (file,) = encode_all([picture], PerceptronOptions(bits=5), model)
    levels = read_levels(file, [model])
    best = sum(-(-_huffman_bits(levels[0][..., i].ravel()) // 8) for i in range(4))
    tables = sum(16 + len(np.unique(levels[0][..., i])) for i in range(4))
    # T.81 keeps the code of ones free, which costs little
    assert best + tables <= measure.huffman_nbytes(levels, 4) <= 1.02 * best + tables + 4
    row = measure.coded(model, [np.kron(picture, np.ones((2, 2), np.uint8))], PerceptronOptions(bits=5))
    assert row["bpp"] < row["bpp_huffman"] < row["bpp_raw"] and row["bpp_raw"] == 4 * 5 / 16


def test_jpeg_of_as_many_bytes():
    picture = astronaut()[:200, :200]
    found = measure.jpeg_within(picture, 9000)
    assert found["nbytes"] <= 9000 < len(jpegjax.encode(picture, quality=found["quality"] + 1, optimize=True))
    assert measure.jpeg_within(picture, 1)["quality"] == 1


def test_psnr_has_one_mse_at_a_fixed_peak():
    picture = astronaut()[..., 0]
    found = studies.paradox(picture, np.roll(picture, 1, 0))
    psnr = [row["psnr"] for row in found["rows"]]
    mse = [row["mse"] for row in found["rows"]]
    assert max(psnr) - min(psnr) < 1e-3 and max(mse) / min(mse) == pytest.approx(255**2)
    fixed = [row["psnr at peak 255"] for row in found["rows"]]
    for i in (1, 2):  # a decibel of PSNR is a factor of MSE, and nothing else is
        assert 10 ** ((fixed[i] - fixed[0]) / 10) == pytest.approx(mse[0] / mse[i], rel=1e-4)
    assert found["spread"] == pytest.approx(0.0023, abs=1e-4)


def test_levenberg_marquardt_comes_to_the_klt(blocks: np.ndarray):
    pytest.importorskip("optimistix")
    from experiments.block_networks import rules

    few = blocks[::64]
    model, told = rules.levenberg_marquardt(PerceptronSize(4, 3, mean=False), few, 15)
    assert told["steps"] <= 15
    assert abs(10 * np.log10(255**2 / lost(few, 3)) - train.kept(model, [few])) < 0.05


def test_packs_give_blocks_of_their_training_part(tmp_path: Path):
    for i in range(40):
        Image.fromarray(waves(40, 48, i)).save(tmp_path / f"{i}.png")
    found = data.of_packs((4, 8), count=5, most=300, paths=(tmp_path,))
    assert {n: b.shape for n, b in found.items()} == {4: (300, 16), 8: (found[8].shape[0], 64)}
    again = data.of_packs((4, 8), count=5, most=300, paths=(tmp_path,))
    np.testing.assert_array_equal(found[4], again[4])
