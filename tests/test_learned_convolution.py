"""Convolutions and normalisation against XLA's own and float64; densities against their integrals."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jpegjax.coding.rans import tables
from jpegjax.learned.layers.convolution import Normalisation, convolve, convolve_transposed, in_bands, normalise
from jpegjax.learned.layers.factorised import FactorisedDensity

NAMES = ("NHWC", "HWIO", "NHWC")


def drawn(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32))


def strided(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, (2, 2), ((2, 2), (2, 2)), dimension_numbers=NAMES)


def transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """By its definition: the transpose of a strided convolution."""
    n, h, w, _ = x.shape
    large = jax.ShapeDtypeStruct((n, 2 * h, 2 * w, kernel.shape[3]), x.dtype)
    return jax.linear_transpose(lambda v: strided(v, kernel.swapaxes(2, 3)), large)(x)[0]


@pytest.mark.parametrize("channels", [(3, 40), (40, 3), (8, 8)])
@pytest.mark.parametrize("ours, theirs", [(lambda x, k: convolve(x, k, 2), strided), (convolve_transposed, transposed)])
def test_convolutions_and_their_gradients_equal_xlas(ours, theirs, channels: tuple[int, int]) -> None:
    x, kernel = drawn(2, 12, 16, channels[0]), drawn(5, 5, *channels)
    expected, back = jax.vjp(theirs, x, kernel)
    found, our_back = jax.vjp(ours, x, kernel)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for mine, other in zip(our_back(expected), back(expected), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5 * float(jnp.max(jnp.abs(other))))


def test_odd_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="even sides"):
        convolve(drawn(1, 7, 8, 2), drawn(5, 5, 2, 2), 2)


def test_bands_see_their_neighbours() -> None:
    x = drawn(2, 12, 5, 3)
    kernel = drawn(3, 3, 3, 4)

    def stage(rows: jax.Array, start: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(rows, kernel, (1, 1), ((0, 0), (1, 1)), dimension_numbers=NAMES)

    np.testing.assert_allclose(in_bands(x, 4, 1, stage), convolve(x, kernel), atol=1e-5)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (2, 64, 64, 8)])
def test_normalisation_and_its_gradients(inverse: bool, shape: tuple[int, ...]) -> None:
    layer = Normalisation(8, inverse=inverse)
    layer.gamma[...] += 0.2 * jnp.abs(drawn(8, 8))
    x = drawn(*shape)
    v = np.asarray(x, np.float64)
    beta, gamma = (np.asarray(part, np.float64) for part in layer.positive())
    root = np.sqrt(beta + np.square(v) @ gamma)
    np.testing.assert_allclose(layer(x), v * root if inverse else v / root, rtol=1e-5, atol=1e-6)

    def plain(x: jax.Array, layer: Normalisation) -> jax.Array:
        return normalise(x, *layer.positive(), inverse=inverse)

    weight = drawn(*shape)
    found = nnx.grad(lambda layer: jnp.sum(weight * layer(x)))(layer)
    expected = nnx.grad(lambda layer: jnp.sum(weight * plain(x, layer)))(layer)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3), found, expected)
    np.testing.assert_allclose(
        jax.grad(lambda x: jnp.sum(weight * layer(x)))(x),
        jax.grad(lambda x: jnp.sum(weight * plain(x, layer)))(x),
        atol=1e-5,
    )


def trained_density() -> FactorisedDensity:
    """Densities of several widths and centres."""
    density = FactorisedDensity(6, rngs=nnx.Rngs(0))
    density.matrices[0][...] += jnp.linspace(0, 4, 6)[:, None, None]
    density.factors[1][...] += 0.5
    return density


def test_densities_integrate_to_one() -> None:
    density = trained_density()
    grid = jnp.arange(-3000, 3001, dtype=jnp.float32)[:, None] * jnp.ones(6)
    np.testing.assert_allclose(jnp.sum(2.0 ** -density.bits(grid), 0), 1, atol=1e-3)


def test_medians_have_half_of_the_mass_below() -> None:
    density = trained_density()
    medians = np.asarray(density.medians())
    below = np.arange(-4000, 0)[:, None] + 0.5 + medians
    np.testing.assert_allclose(np.sum(2.0 ** -np.asarray(density.bits(jnp.asarray(below))), 0), 0.5, atol=1e-3)


def test_tables_cost_what_the_density_says() -> None:
    """Within 0.1 %, over symbols drawn from it."""
    density, random = trained_density(), np.random.default_rng(0)
    medians = np.asarray(density.medians())
    pmfs = density.pmfs(medians)
    made = tables(pmfs)
    for channel, (first, pmf) in enumerate(pmfs):
        symbols = random.choice(np.arange(first, first + len(pmf)), 20000, p=pmf / pmf.sum())
        values = np.zeros((len(symbols), 6), np.float32)
        values[:, channel] = symbols + medians[channel]
        expected = float(density.bits(jnp.asarray(values))[:, channel].sum())
        found = made.bits(symbols, np.full(len(symbols), channel))
        assert found / expected - 1 < 0.001, channel
