"""Compressed activations: the codec against SciPy and its bounds, exact gradients bit for bit, what JAX keeps in bytes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegjax.train.activations import (
    TABLES,
    Kept,
    compress,
    decompress,
    jpeg_act,
    max_pool,
    nbytes,
    relu,
    residual_nbytes,
)
from jpegjax.train.activations.codec import _blocks, _maps, _product, _transform
from jpegjax.types import ZIGZAG


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Maps as a network has them after rectification: neighbours alike, many zeros, channels of different size."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    if len(shape) == 4:
        for axis in (1, 2):
            x = x + np.roll(x, 1, axis) + np.roll(x, 2, axis)
    return (np.maximum(x, 0) * rng.uniform(0.01, 10, shape[-1])).astype(np.float32)


def bits(x: Any) -> bytes:
    return np.asarray(x).tobytes()


def test_transform_of_whole_blocks_is_scipys() -> None:
    x = np.random.default_rng(0).normal(size=(2, 16, 24, 3)).astype(np.float32)
    found = np.asarray(_product(_blocks(jnp.asarray(x)), _transform(8), _transform(8))).reshape(2, 2, 3, 3, 8, 8)
    blocks = x.astype(np.float64).reshape(2, 2, 8, 3, 8, 3).transpose(0, 1, 3, 5, 2, 4)
    np.testing.assert_allclose(found, scipy.fft.dctn(blocks, axes=(-2, -1), norm="ortho"), atol=2e-6)


def test_transforms_of_small_maps_are_scipys_side_by_side() -> None:
    x = np.random.default_rng(0).normal(size=(8, 4, 2, 1))
    found = np.asarray(_product(_blocks(jnp.asarray(x, jnp.float32)), _transform(4), _transform(2)))
    assert found.shape == (1, 1, 8, 8)
    pictures = x.reshape(2, 4, 4, 2)
    expected = scipy.fft.dctn(pictures, axes=(2, 3), norm="ortho").transpose(2, 0, 3, 1)
    np.testing.assert_allclose(found[0, 0], expected.reshape(8, 8), atol=2e-6)


@pytest.mark.parametrize(
    "shape", [(2, 32, 32, 3), (3, 5, 9, 2), (7, 4, 4, 3), (5, 1, 2, 4), (9, 7, 7, 1), (1, 17, 3, 2)]
)
def test_blocks_and_maps_are_inverses(shape: tuple[int, ...]) -> None:
    x = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    assert bits(_maps(_blocks(x), shape)) == bits(x)


def reference(x: np.ndarray, table: str) -> np.ndarray:
    """The codec for maps of whole blocks in float64, by its description."""
    scales = np.abs(x).max((0, 1, 2)).astype(np.float64)
    n, h, w, c = x.shape
    whole = np.rint(x.astype(np.float64) / scales * 127)
    blocks = whole.reshape(n, h // 8, 8, w // 8, 8, c).transpose(0, 1, 3, 5, 2, 4)
    spectrum = scipy.fft.dctn(blocks, axes=(-2, -1), norm="ortho").reshape(-1, c, 64)
    out = np.zeros_like(spectrum)
    counts = TABLES[table]
    limits = [127] * counts[0] + [7] * counts[1] + [1] * counts[2]
    for place, limit in zip(ZIGZAG, limits, strict=False):
        for channel in range(c):
            values = spectrum[:, channel, place]
            shift = 0
            while np.abs(values).max() > (limit + 0.49) * 2**shift:
                shift += 1
            out[:, channel, place] = np.rint(values / 2**shift) * 2**shift
            assert np.abs(np.rint(values / 2**shift)).max() <= limit
    back = scipy.fft.idctn(out.reshape(blocks.shape), axes=(-2, -1), norm="ortho")
    return back.transpose(0, 1, 4, 2, 5, 3).reshape(x.shape) * scales / 127


@pytest.mark.parametrize("table", TABLES)
def test_codec_against_its_description(table: str) -> None:
    x = smooth((4, 16, 16, 5))
    found = np.asarray(decompress(compress(jnp.asarray(x), table), x.shape, x.dtype, table))
    # Coefficients of whole numbers are often halfway between two levels (multiples of 1/8 of the mean): rounded to either.
    off = np.abs(found - reference(x, table)) > 1e-4 * np.abs(x).max((0, 1, 2))
    assert off.mean() < 0.2
    error = np.linalg.norm(found - x) / np.linalg.norm(x)
    assert error < {"gentle": 0.06, "strong": 0.25}[table]


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(3, 8, 8, 2), (2, 5, 3, 3), (9, 2, 2, 4), (6, 7)]),
    st.floats(-30, 30),
    st.sampled_from(sorted(TABLES)),
    st.integers(0, 1000),
)
def test_any_numbers_stay_near(shape: tuple[int, ...], size: float, table: str, seed: int) -> None:
    """Heavy tails, any size, channels of zeros: finite, zero stays zero, and the error of each channel is bounded."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_cauchy(shape) * 2.0**size).astype(np.float32)
    x[..., 0] = 0
    found = np.asarray(decompress(compress(jnp.asarray(x), table), shape, x.dtype, table))
    assert np.isfinite(found).all() and not found[..., 0].any()
    assert (np.abs(found - x) <= 8.1 * np.abs(x).max(tuple(range(x.ndim - 1)))).all()


def test_sizes_are_those_said() -> None:
    for table, size in (("gentle", 40), ("strong", 29)):
        blocks, channels = 2 * 4 * 4, 16
        frequencies = sum(TABLES[table])
        assert nbytes((2, 32, 32, 16), table) == blocks * channels * size + channels * (4 + frequencies)
    assert nbytes((10, 30)) == 300 + 120
    with pytest.raises(ValueError, match="table='hard': must be one of gentle, strong"):
        compress(jnp.zeros((1, 8, 8, 1)), "hard")
    with pytest.raises(ValueError, match="must be"):
        compress(jnp.zeros(3))
    with pytest.raises(ValueError, match="table='hard'"):
        jpeg_act(lambda p, x: x, "hard")


def cosine(a: Any, b: Any) -> float:
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("kind", ["convolution", "dense"])
def test_gradients_of_affine_layers(kind: str) -> None:
    """By x equal bit for bit to the plain layer's; by the kernel near to it; by the bias equal up to the order of sums."""
    rngs = nnx.Rngs(0)
    layer: Any = nnx.Conv(6, 10, (3, 3), rngs=rngs) if kind == "convolution" else nnx.Linear(40, 10, rngs=rngs)
    x = jnp.asarray(smooth((8, 16, 16, 6) if kind == "convolution" else (32, 40)))
    weights = jnp.asarray(np.random.default_rng(1).normal(size=layer(x).shape), jnp.float32)
    graph, params = nnx.split(layer)

    def plain(values: Any, inputs: jax.Array) -> Any:
        return nnx.merge(graph, values)(inputs)

    def total(f: Any) -> Any:
        return jax.jit(jax.grad(lambda v, i: jnp.sum(f(v, i) * weights), (0, 1)))(params, x)

    (own, by_x), (expected, exact) = total(jpeg_act(plain, "strong")), total(plain)
    assert bits(by_x) == bits(exact)
    assert cosine(own["kernel"][...], expected["kernel"][...]) > 0.98
    np.testing.assert_allclose(own["bias"][...], expected["bias"][...], rtol=1e-4, atol=1e-4)
    kept = Kept(layer, "strong")
    assert bits(kept(x)) == bits(layer(x))
    assert bits(jax.grad(lambda i: jnp.sum(kept(i) * weights))(x)) == bits(
        jax.grad(lambda i: jnp.sum(layer(i) * weights))(x)
    )


def test_rectification_and_pooling_are_exact() -> None:
    """Ties and zeros among the values: gradients as those of JAX and Flax, bit for bit."""
    x = jnp.asarray(np.random.default_rng(0).integers(-2, 3, (3, 6, 10, 5)), jnp.float32)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), jnp.float32)

    def by_x(f: Any, by: jax.Array) -> jax.Array:
        return jax.jit(jax.grad(lambda v: jnp.sum(f(v) * by)))(x)

    assert bits(relu(x)) == bits(jax.nn.relu(x)) and bits(by_x(relu, weights)) == bits(by_x(jax.nn.relu, weights))
    plain = lambda v: nnx.max_pool(v, (2, 2), (2, 2))  # noqa: E731
    halves = weights[:, ::2, ::2]
    assert bits(max_pool(x)) == bits(plain(x)) and bits(by_x(max_pool, halves)) == bits(by_x(plain, halves))
    assert residual_nbytes(relu, x) == -(-x.size // 8) and residual_nbytes(max_pool, x) == -(-x.size // 16)
    with pytest.raises(ValueError, match="sides must be even"):
        jax.grad(lambda v: max_pool(v).sum())(x[:, 1:])


class Net(nnx.Module):
    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.layers = nnx.List([nnx.Conv(a, b, (3, 3), rngs=rngs) for a, b in ((3, 8), (8, 8))])
        self.last = nnx.Linear(8 * 16, 4, rngs=rngs)


def forward(net: Net, x: jax.Array, kept: bool) -> jax.Array:
    rectify, halve = (relu, max_pool) if kept else (jax.nn.relu, lambda v: nnx.max_pool(v, (2, 2), (2, 2)))
    wrapped = (lambda layer: Kept(layer, "gentle")) if kept else (lambda layer: layer)
    for layer in net.layers:
        x = rectify(halve(wrapped(layer)(x)))
    found: jax.Array = wrapped(net.last)(x.reshape(len(x), -1))
    return found


def test_a_network_keeps_less_and_its_input_gradient_is_the_plain_one() -> None:
    net, x = Net(), jnp.asarray(smooth((16, 16, 16, 3)))
    graph, params = nnx.split(net)

    def loss(values: Any, inputs: jax.Array, kept: bool) -> jax.Array:
        return jnp.mean(forward(nnx.merge(graph, values), inputs, kept) ** 2)

    found, plain = (jax.jit(jax.grad(lambda v, i, k=k: loss(v, i, k), (0, 1)))(params, x) for k in (True, False))
    assert bits(found[1]) == bits(plain[1])
    pairs = zip(jax.tree.leaves(found[0]), jax.tree.leaves(plain[0]), strict=True)
    assert min(cosine(a, b) for a, b in pairs) > 0.99
    sizes = [residual_nbytes(lambda v, i, k=k: loss(v, i, k), params, x) for k in (True, False)]
    assert sizes[1] > 5 * sizes[0]


def test_layers_with_other_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="layer: mean is no parameter"):
        Kept(nnx.BatchNorm(3, rngs=nnx.Rngs(0)))


def test_normalisation_is_near() -> None:
    """Not affine in x, so that its gradient is taken at what is read back."""
    x = jnp.asarray(smooth((8, 16, 16, 4)))
    weights = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), jnp.float32)

    def normal(gain: jax.Array, v: jax.Array) -> jax.Array:
        return gain * (v - v.mean((0, 1, 2))) * jax.lax.rsqrt(v.var((0, 1, 2)) + 1e-5)

    found, plain = (
        jax.grad(lambda v, f=f: jnp.sum(f(jnp.ones(4), v) * weights))(x) for f in (jpeg_act(normal), normal)
    )
    assert cosine(found, plain) > 0.99


def test_compiled_chains_need_less_memory() -> None:
    """XLA's own count, from the second layer of two lengths on: what one more layer costs."""

    def temporary(count: int, kept: bool) -> int:
        graph, params = nnx.split(nnx.List([nnx.Conv(16, 16, (3, 3), rngs=nnx.Rngs(0)) for _ in range(count)]))

        def loss(values: Any, x: jax.Array) -> jax.Array:
            for layer in nnx.merge(graph, values):
                x = relu(Kept(layer, "strong")(x)) if kept else nnx.relu(layer(x))
            return jnp.mean(x**2)

        x = jax.ShapeDtypeStruct((16, 32, 32, 16), jnp.float32)
        analysis = jax.jit(jax.grad(loss)).lower(params, x).compile().memory_analysis()
        return int(analysis.temp_size_in_bytes)

    kept, plain = (temporary(10, k) - temporary(6, k) for k in (True, False))
    assert plain > 3 * kept


def test_bfloat16_stays_bfloat16() -> None:
    x = jnp.asarray(smooth((4, 8, 8, 3)), jnp.bfloat16)
    f = jpeg_act(lambda p, v: p * v)
    by_p, by_x = jax.grad(lambda p, v: f(p, v).sum(), (0, 1))(jnp.full(3, 2, jnp.bfloat16), x)
    assert by_p.dtype == by_x.dtype == jnp.bfloat16 and (by_x == 2).all()
