"""The published codecs against CompressAI, their streams against themselves on every path, their training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pictures import waves

from jpegjax import CorruptStream, codecs
from jpegjax.learned import published, weights
from jpegjax.learned.codec import decode_all, encode_all, read_symbols
from jpegjax.learned.layers.integers import ACTIVATION, WEIGHT
from jpegjax.learned.published import Published, export, load_compressai, rate_distortion, save

KINDS = {"factorized": published.Factorized, "hyperprior": published.Hyperprior, "mean-scale": published.MeanScale}
ONE_BY_DEFAULT = ["mean-scale", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("factorized", "hyperprior"))]
THEIRS = {
    "factorized": "FactorizedPrior",
    "hyperprior": "ScaleHyperprior",
    "mean-scale": "MeanScaleHyperprior",
}


def small(kind: str) -> Published:
    """A tiny model whose symbols are not all zero."""
    model = KINDS[kind](16, 24, 3, rngs=nnx.Rngs(0))
    model.analysis.down[-1].kernel[...] *= 300
    if isinstance(model, published.Hyperprior):
        model.hyper_synthesis.layers[-1].bias[...] += jnp.linspace(0, 8, len(model.hyper_synthesis.layers[-1].bias))
    return model


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_parameters_are_as_many_as_compressai_has() -> None:
    """CompressAI 1.2.6's counts, without three quantiles for each channel that has a density."""
    expected = {
        (published.factorized, 1): 2998147, (published.factorized, 6): 7030531, (published.hyperprior, 1): 5075843,
        (published.hyperprior, 6): 11816323, (published.mean_scale, 1): 7028003, (published.mean_scale, 5): 17561699,
    }  # fmt: skip
    for (make, quality), count in expected.items():
        model: Published = nnx.eval_shape(lambda make=make, quality=quality: make(quality, rngs=nnx.Rngs(0)))
        found = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
        quantiles = 3 * model.density.biases[0].shape[0]
        assert found + quantiles == count, (make.__name__, quality)


@pytest.mark.parametrize("make", [published.factorized, published.hyperprior, published.mean_scale])
def test_other_qualities_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="quality=9"):
        make(9, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("kind", ONE_BY_DEFAULT)
def test_streams_give_back_symbols_and_pixels(kind: str) -> None:
    """Through the codec: alone and together, on one device and on eight, the symbols that the networks make."""
    model = small(kind)
    loaded = export(model, kind)
    pictures = [waves(64, 128), waves(50, 100, 3)]
    files = encode_all(pictures, 3, loaded)
    read = read_symbols(files, [loaded])
    for data, maps in zip(files, read, strict=True):
        (alone,) = read_symbols([data], [loaded], device=jax.devices()[0])
        assert all(map(np.array_equal, maps, alone)) and np.ptp(maps[-1]) > 2
    pixels = jnp.asarray(pictures[0][None], jnp.float32) / 255
    y, medians = model.analysis(pixels), model.density.medians()
    if not isinstance(model, published.Hyperprior):
        expected = [y - medians]
    else:
        z = jnp.round(model.hyper(y) - medians)
        expected = [z, y - model.means(z, medians)]
    for found, wanted in zip(read[0], expected, strict=True):
        assert np.mean(found[None] != np.asarray(jnp.round(wanted))) < 0.001  # sums in another order round otherwise
    for picture, decoded in zip(pictures, decode_all(files, [loaded]), strict=True):
        assert decoded.shape == picture.shape


@pytest.mark.parametrize("kind", KINDS)
def test_models_go_through_a_file(kind: str, tmp_path: Path) -> None:
    """The same digest, hence the same streams; through the codec by its path."""
    loaded, path = export(small(kind), kind), tmp_path / "own.npz"
    save(path, loaded)
    again = weights.load(path)
    assert again == loaded and again.name == kind
    data = codecs.get("learned").encode(waves(40, 40), quality=3, model=str(path))
    assert same(read_symbols([data], [loaded])[0], read_symbols([data], [again])[0])
    with np.load(path) as stored:
        arrays = dict(stored) | {"medians": np.zeros(3, np.float32)}
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"own\.npz: not weights of a published codec"):
        weights.load(path)


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, first, second))


@pytest.mark.slow
def test_many_channels_take_several_streams() -> None:
    model = published.Factorized(8, 300, 6, rngs=nnx.Rngs(0))
    model.analysis.down[-1].kernel[...] *= 300
    loaded = export(model, "wide")
    assert len(loaded.tables) == 2
    (data,) = encode_all([waves(40, 40)], 6, loaded)
    (maps,) = read_symbols([data], [loaded])
    assert np.any(maps[0][..., :255]) and np.any(maps[0][..., 255:])
    with pytest.raises(CorruptStream, match="which is not here"):
        decode_all([data])


@pytest.mark.parametrize("kind", KINDS)
def test_bands_equal_whole_networks(kind: str) -> None:
    model = small(kind)
    pixels = jnp.asarray(noise((2, 64, 192, 3)))
    y = nnx.jit(lambda model: model.analysis(pixels))(model)
    banded, made, whole = nnx.jit(
        lambda model: (model.analysis.in_bands(pixels), model.synthesis.in_bands(y), model.synthesis(y))
    )(model)
    np.testing.assert_allclose(banded, y, atol=1e-4 * float(jnp.max(jnp.abs(y))))
    np.testing.assert_allclose(made, whole, rtol=1e-4, atol=1e-4)


def exact_levels(model: Any, symbols: np.ndarray) -> np.ndarray:
    """What levels must be, in int64: dilate and correlate as the definition has it."""
    x = np.clip(symbols.astype(np.int64), -255, 255)
    for number, layer in enumerate(model.hyper_synthesis.layers):
        kernel = np.rint(np.clip(np.asarray(layer.kernel[...], np.float64) * WEIGHT, -127, 127)).astype(np.int64)
        bias = np.rint(np.asarray(layer.bias[...], np.float64) * WEIGHT * layer.unit).astype(np.int64)
        n, h, w, _ = x.shape
        if layer.up:
            sums = np.zeros((n, 2 * h + 3, 2 * w + 3, kernel.shape[3]), np.int64)
            for dy in range(5):
                for dx in range(5):
                    sums[:, dy : dy + 2 * h : 2, dx : dx + 2 * w : 2] += x @ kernel[dy, dx]
            sums = sums[:, 2 : 2 + 2 * h, 2 : 2 + 2 * w]
        else:
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            sums = sum(padded[:, a : a + h, b : b + w] @ kernel[a, b] for a in range(3) for b in range(3))
        sums = sums + bias
        if number == 2:
            break
        x = np.clip((sums * (ACTIVATION // layer.unit) + WEIGHT // 2) // WEIGHT, 0, 255)
    grid = 0.11 * (160 / 0.11) ** (np.arange(64) / 63)
    edges = np.ceil(np.sqrt(grid[1:] * grid[:-1]) * WEIGHT * ACTIVATION)
    return np.searchsorted(edges, sums[..., : model.latents], side="right").astype(np.uint8)


@pytest.mark.parametrize("kind", ["hyperprior", "mean-scale"])
def test_levels_are_the_same_integers_on_every_path(kind: str) -> None:
    model: Any = small(kind)
    symbols = np.random.default_rng(1).integers(-300, 300, (4, 2, 3, 16)).astype(np.float32)
    expected = exact_levels(model, symbols)
    assert len(np.unique(expected)) > 20
    graph, weights = nnx.split(model)

    def levels(x: jax.Array) -> jax.Array:
        return nnx.merge(graph, weights).levels(x)

    assert np.array_equal(levels(jnp.asarray(symbols)), expected)
    assert np.array_equal(jax.jit(levels)(symbols), expected)
    assert np.array_equal(jax.jit(levels)(symbols[2:3]), expected[2:3])
    assert np.array_equal(jax.vmap(lambda x: levels(x[None])[0])(jnp.asarray(symbols)), expected)


def test_a_layer_whose_sums_are_not_exact_is_refused() -> None:
    model: Any = small("hyperprior")
    model.hyper_synthesis.layers[2].bias[3] = 1e5
    with pytest.raises(ValueError, match="hyper synthesis, layer 2: output 3 can reach"):
        export(model, "large")


@pytest.mark.slow
def test_training_lowers_the_loss() -> None:
    import optax

    model = published.MeanScale(8, 12, 3, rngs=nnx.Rngs(0))
    graph, weights = nnx.split(model)
    optimiser = optax.adam(3e-3)
    batch = {"pixels": np.tile((noise((2, 1, 1, 3)) * 255).astype(np.uint8), (1, 64, 64, 1))}
    loss = rate_distortion()

    @jax.jit
    def step(weights: Any, state: Any, key: jax.Array) -> tuple[Any, ...]:
        def value(w: Any) -> tuple[jax.Array, Any]:
            return loss(nnx.merge(graph, w), batch, key)

        (found, more), slopes = jax.value_and_grad(value, has_aux=True)(weights)
        change, state = optimiser.update(slopes, state, weights)
        return optax.apply_updates(weights, change), state, found, more, slopes

    state = optimiser.init(weights)
    seen = []
    for number in range(12):
        weights, state, found, more, slopes = step(weights, state, jax.random.key(number))
        seen.append(float(found))
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(slopes))
    assert seen[-1] < 0.8 * seen[0] and float(more["bpp"]) > 0


@pytest.mark.slow
def test_loss_of_bfloat16_networks_is_in_float32_and_near() -> None:
    model = small("mean-scale")
    batch = {"pixels": (noise((2, 64, 64, 3)) * 255).astype(np.uint8)}
    graph, weights = nnx.split(model)

    def found(dtype: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        loss = rate_distortion(dtype=dtype)
        return jax.jit(lambda w: loss(nnx.merge(graph, w), batch, jax.random.key(0)))(weights)

    (exact, _), (near, more) = found(jnp.float32), found(jnp.bfloat16)
    assert near.dtype == more["bpp"].dtype == jnp.float32
    assert abs(float(near / exact) - 1) < 0.03


def test_similarity_takes_the_place_of_the_squared_error() -> None:
    model = small("factorized")
    batch = {"pixels": (noise((2, 64, 64, 3)) * 255).astype(np.uint8)}
    loss = rate_distortion(lambda x, y: 1 - jnp.mean((x - y) ** 2, (1, 2, 3)))
    found, more = nnx.jit(lambda model: loss(model, batch, jax.random.key(0)))(model)
    assert float(found) == pytest.approx(8.73 * (1 - float(more["similarity"])) + float(more["bpp"]), rel=1e-5)


@pytest.fixture(scope="module")
def compressai() -> Any:
    pytest.importorskip("torch")
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip("compressai", reason="CompressAI is the oracle of these tests: pip install compressai")
            import compressai.models

            return compressai.models


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_networks_equal_compressai(kind: str, compressai: Any) -> None:
    """Networks, densities and float scales to 1e-4; its medians are ours here."""
    import torch

    torch.manual_seed(0)
    theirs = getattr(compressai, THEIRS[kind])(16, 24).eval()
    ours: Any = KINDS[kind](16, 24, 3, rngs=nnx.Rngs(1))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.01 * torch.rand_like(parameter)
    load_compressai(ours, {name: value.numpy() for name, value in theirs.state_dict().items()})
    pixels = noise((2, 64, 128, 3))

    def channels_last(x: Any) -> np.ndarray:
        return x.numpy().transpose(0, 2, 3, 1)

    def near(mine: jax.Array, other: Any) -> None:
        np.testing.assert_allclose(mine, channels_last(other), rtol=1e-4, atol=1e-4)

    with torch.no_grad():
        y = theirs.g_a(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
        near(ours.analysis(jnp.asarray(pixels)), y)
        near(ours.synthesis(jnp.asarray(channels_last(y))), theirs.g_s(y))
        coded = y
        if kind != "factorized":
            coded = theirs.h_a(torch.abs(y) if kind == "hyperprior" else y)
            near(ours.hyper(jnp.asarray(channels_last(y))), coded)
            found = ours.hyper_synthesis.floats(jnp.asarray(channels_last(coded)))
            near(jax.nn.relu(found) if kind == "hyperprior" else found, theirs.h_s(coded))
        theirs.entropy_bottleneck.quantiles[:, 0, 1] = torch.from_numpy(np.array(ours.density.medians()))
        values, likelihood = theirs.entropy_bottleneck(coded * 20)
        near(ours.density.bits(jnp.asarray(channels_last(values))), -torch.log2(likelihood))


@pytest.mark.filterwarnings("ignore")
def test_integer_scales_are_near_compressais(compressai: Any) -> None:
    import torch

    torch.manual_seed(0)
    theirs = compressai.ScaleHyperprior(16, 24).eval()
    with torch.no_grad():
        for parameter in theirs.h_s.parameters():
            parameter *= 3
    ours: Any = published.Hyperprior(16, 24, 3, rngs=nnx.Rngs(1))
    load_compressai(ours, {name: value.numpy() for name, value in theirs.state_dict().items()})
    symbols = np.random.default_rng(0).integers(-3, 4, (1, 4, 4, 16)).astype(np.float32)
    with torch.no_grad():
        scales = theirs.h_s(torch.from_numpy(symbols.transpose(0, 3, 1, 2).copy())).numpy().transpose(0, 2, 3, 1)
    found = np.maximum(np.asarray(ours.hyper_synthesis.sums(jnp.asarray(symbols))) / (WEIGHT * ACTIVATION), 0)
    assert np.abs(found - scales).mean() < 0.05 * scales.mean()


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(KeyError, match=r"g_a\.0\.weight: not among the arrays"):
        load_compressai(small("factorized"), {})
    with pytest.raises(ValueError, match="size or quality differ"):
        load_compressai(small("factorized"), {"g_a.0.weight": np.zeros((8, 3, 5, 5), np.float32)})
