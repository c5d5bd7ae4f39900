"""The transforms of the DFT codec against NumPy and SciPy: packing, blocks, what is kept."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegjax import ops

RNG = np.random.default_rng(5)
SIDES = [1, 2, 3, 4, 7]


def noise(*shape: int) -> np.ndarray:
    return RNG.normal(scale=60, size=shape).astype(np.float32)


@pytest.mark.parametrize("height", SIDES)
@pytest.mark.parametrize("width", SIDES)
def test_packing_is_orthonormal_for_every_parity(height, width):
    x = noise(2, height, width)
    spectrum, reals = jax.jit(lambda x: (s := ops.rdft(x), ops.pack_spectrum(s, width)))(x)
    np.testing.assert_allclose(spectrum, np.fft.rfft2(x, norm="ortho"), atol=1e-3)
    assert reals.shape == x.shape and reals.dtype == np.float32
    bins, back = jax.jit(lambda r: (b := ops.unpack_spectrum(r), ops.idft(b, width)))(reals)
    np.testing.assert_allclose(bins, spectrum, atol=1e-4)
    np.testing.assert_allclose(back, x, atol=1e-4)
    # the transform's matrix is orthogonal: as many independent reals as samples, and Parseval
    matrix = np.asarray(jax.jit(ops.block_dft)(np.eye(height * width, dtype=np.float32).reshape(-1, height, width)))
    matrix = matrix.reshape(height * width, -1)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(height * width), atol=1e-5)


def test_packed_reals_stand_where_the_docstring_says():
    x = noise(6, 8)
    full, reals = np.fft.fft2(x, norm="ortho"), np.asarray(jax.jit(ops.block_dft)(x))[0, 0]
    root = np.sqrt(2)
    np.testing.assert_allclose(reals[:, 1:4], root * full.real[:, 1:4], atol=1e-3)
    np.testing.assert_allclose(reals[:, 5:], root * full.imag[:, 3:0:-1], atol=1e-3)
    for column in (0, 4):
        np.testing.assert_allclose(reals[[0, 3], column], full.real[[0, 3], column], atol=1e-3)
        np.testing.assert_allclose(reals[1:3, column], root * full.real[1:3, column], atol=1e-3)
        np.testing.assert_allclose(reals[4:, column], root * full.imag[2:0:-1, column], atol=1e-3)
    np.testing.assert_allclose(np.sort(jax.jit(ops.bin_magnitudes)(reals), None), np.sort(abs(full), None), atol=1e-3)


@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([None, 2, 4, 6, 8, 16, 32]), st.sampled_from(["dft", "dct"])
)
@settings(max_examples=8, deadline=None)
def test_blocks_invert_at_any_size(height, width, block, kind):
    x = np.random.default_rng(height * 41 + width).uniform(0, 255, (height, width)).astype(np.float32)
    forward, inverse = (ops.block_dft, ops.block_idft) if kind == "dft" else (ops.block_dct, ops.block_idct)
    reals = jax.jit(forward, static_argnums=1)(x, block)
    n = block or 1
    wanted = (-(-height // n), -(-width // n), n, n) if block else (1, 1, height, width)
    assert reals.shape == wanted
    assert block is not None or reals.size == height * width
    np.testing.assert_allclose(jax.jit(inverse, static_argnums=(1, 2))(reals, height, width), x, atol=1e-3)
    padded = np.pad(x, ((0, -height % n), (0, -width % n)), mode="edge").astype(float)
    np.testing.assert_allclose(np.sum(np.square(reals, dtype=float)), np.sum(padded**2), rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 2, 8, 8), (1, 1, 7, 9), (1, 1, 1, 6), (2, 2, 4, 6)])
@pytest.mark.parametrize("fraction", [0, 0.1, 0.37, 1])
def test_keep_largest_keeps_whole_bins_and_no_more(shape, fraction):
    reals = noise(2, *shape)
    kept = np.asarray(jax.jit(ops.keep_largest)(reals, fraction))
    count = round(fraction * reals[0].size)
    for before, after in zip(reals, kept, strict=True):
        stays = after != 0
        assert max(0, count - 1) <= stays.sum() <= count and (after[stays] == before[stays]).all()
        magnitudes = np.asarray(jax.jit(ops.bin_magnitudes)(before))
        if stays.any() and not stays.all():
            assert magnitudes[stays].min() >= magnitudes[~stays].max()
        bins, wanted = (np.asarray(jax.jit(ops.unpack_spectrum)(x)) for x in (after, before))
        assert np.isin(bins, [0]).sum() + (bins == wanted).sum() == bins.size  # no bin lost one half
    alone = np.asarray(jax.jit(ops.keep_largest, static_argnames="paired")(reals, fraction, paired=False))
    assert ((alone != 0).sum((1, 2, 3, 4)) == count).all()


def test_ties_keep_their_count():
    impulse = np.zeros((16, 16), np.float32)
    impulse[0, 0] = 16
    keep = jax.jit(ops.keep_largest)
    assert np.count_nonzero(keep(jax.jit(ops.block_dft)(impulse), 0.25)) <= 64
    assert np.count_nonzero(keep(jnp.ones((1, 1, 16, 16)), 0.25)) in (63, 64)


def test_transforms_under_jit_vmap_and_grad():
    x = noise(3, 12, 10)
    direct = np.concatenate([jax.jit(ops.block_dft, static_argnums=1)(p[None], 4) for p in x])
    np.testing.assert_allclose(jax.jit(jax.vmap(lambda p: ops.block_dft(p, 4)))(x), direct, atol=1e-4)

    def loss(p):
        return jnp.sum(jnp.square(ops.block_idft(ops.keep_largest(ops.block_dft(p, 4), 0.2), 12, 10) - p))

    value, slope = jax.jit(jax.value_and_grad(loss))(x)
    slope = np.asarray(slope)
    assert np.isfinite(slope).all() and abs(slope).max() > 0
    # the loss is quadratic while the kept bins stay the same: its gradient along x is twice its value
    np.testing.assert_allclose(np.sum(slope * x), 2 * float(value), rtol=1e-3)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="block=7"):
        ops.block_dft(noise(8, 8), 7)
    with pytest.raises(ValueError, match="width=11"):
        ops.idft(ops.rdft(noise(8, 8)), 11)
