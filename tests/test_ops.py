"""ops against the fact sheet's butterflies in plain numpy, against float64 mathematics, and against libjpeg-turbo."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from islow import forward_islow, inverse_islow
from pictures import ripples

from jpegjax import ops
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from jpegjax.types import Coefficients, ColorSpace, Component, Frame, register_pytree

RNG = np.random.default_rng(2)
SAMPLINGS = {
    "grey": ((1, 1),),
    "4:4:4": ((1, 1),) * 3,
    "4:2:2": ((2, 1), (1, 1), (1, 1)),
    "4:2:0": ((2, 2), (1, 1), (1, 1)),
    "4:4:0": ((1, 2), (1, 1), (1, 1)),
    "4:1:1": ((4, 1), (1, 1), (1, 1)),
    "3x1": ((3, 1), (1, 1), (3, 1)),
}

FORWARD, INVERSE, QUANTISE = jax.jit(ops.fdct_islow), jax.jit(ops.idct_islow), jax.jit(ops.quantise)


def basis64():
    u, x = np.mgrid[:8, :8]
    return np.cos((2 * x + 1) * u * np.pi / 16) * np.where(u == 0, np.sqrt(1 / 8), 0.5)


def test_forward_dct_equals_butterflies_and_float64():
    blocks = np.concatenate([RNG.integers(0, 256, (2000, 8, 8)), RNG.choice([0, 255], (2000, 8, 8))])
    got = np.asarray(FORWARD(blocks.astype(np.uint8)))
    assert (got == forward_islow(blocks)).all()
    exact = 8 * basis64() @ (blocks - 128.0) @ basis64().T
    assert abs(got - exact).max() < 2


def test_forward_dct_axes_may_stand_in_front():
    blocks = RNG.integers(0, 256, (5, 8, 8), np.uint8)
    front = jax.jit(ops.fdct_islow, static_argnames="axes")(np.moveaxis(blocks, 0, -1), axes=(0, 1))
    assert (np.moveaxis(np.asarray(front), -1, 0) == np.asarray(FORWARD(blocks))).all()


@pytest.mark.parametrize("scale", [3, 60, 1000, 32768])
def test_inverse_dct_equals_butterflies_wrapping_and_saturating(scale):
    blocks = RNG.integers(-scale, scale, (4000, 8, 8))
    blocks[::3] *= RNG.random((len(blocks[::3]), 8, 8)) < 0.1
    blocks[::5, 1:] = 0
    blocks[::7].reshape(-1, 64)[:, 1:] = 0
    got = np.asarray(INVERSE(blocks.astype(np.int16)))
    assert (got == inverse_islow(blocks)).all()


def test_inverse_dct_is_close_to_float64():
    blocks = RNG.integers(-60, 60, (4000, 8, 8))
    exact = basis64().T @ blocks.astype(float) @ basis64() + 128
    assert abs(np.asarray(INVERSE(blocks.astype(np.int16))) - np.clip(exact, 0, 255)).max() < 1


def test_float_transforms_invert_and_are_orthonormal():
    x = RNG.normal(size=(3, 4, 8, 8)).astype(np.float32)
    coefficients = ops.fdct_float(x)
    np.testing.assert_allclose(coefficients, basis64() @ x @ basis64().T, atol=1e-5)
    np.testing.assert_allclose(ops.idct_float(coefficients), x, atol=1e-5)
    spectrum = ops.rdft(x)
    assert spectrum.shape == (3, 4, 8, 5)
    np.testing.assert_allclose(ops.idft(spectrum), x, atol=1e-5)
    np.testing.assert_allclose(spectrum, np.fft.fft2(x, norm="ortho")[..., :5], atol=1e-5)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 10, 16, 99, 255, 256, 1000, 4097, 8191, 32767, 65535])
def test_quantise_equals_integer_division(step):
    x = np.arange(-32768, 32768)
    q = 8 * step
    want = np.sign(x) * ((abs(x) + q // 2) // q)
    assert (np.asarray(QUANTISE(x.astype(np.int32), np.uint16(step))) == want).all()


def test_dequantise_wraps_at_16_bits():
    levels = np.array([1, -1, 2047, -2048, 32767], np.int16)
    assert np.asarray(ops.dequantise(levels, np.uint16(65535))).tolist() == [-1, 1, -2047, 2048, -32767]


def test_quality_tables_equal_libjpeg():
    for base in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION):
        got = np.asarray(jax.jit(ops.quality_table)(base, jnp.arange(1, 101)))
        assert (got == [quality_table(base, q) for q in range(1, 101)]).all()


def test_colour_equals_the_sheet_on_a_dense_grid():
    levels = np.unique(np.r_[0:256:5, 0:4, 126:131, 252:256])
    r, g, b = (c.ravel() for c in np.meshgrid(levels, levels, levels))
    want = np.stack([
        (19595 * r + 38470 * g + 7471 * b + 32768) >> 16,
        (-11059 * r - 21709 * g + 32768 * b + 8421375) >> 16,
        (32768 * r - 27439 * g - 5329 * b + 8421375) >> 16,
    ], -1)  # fmt: skip
    rgb = np.stack([r, g, b], -1).astype(np.uint8)
    assert (np.asarray(ops.rgb_to_ycbcr(rgb)) == want).all()
    assert (np.asarray(ops.rgb_to_gray(rgb)) == want[:, 0]).all()
    y, cb, cr = r, g - 128, b - 128
    want = np.stack([
        y + ((91881 * cr + 32768) >> 16),
        y + ((-22554 * cb - 46802 * cr + 32768) >> 16),
        y + ((116130 * cb + 32768) >> 16),
    ], -1).clip(0, 255)  # fmt: skip
    assert (np.asarray(ops.ycbcr_to_rgb(rgb)) == want).all()
    assert (np.asarray(ops.ycbcr_to_rgb(rgb.T, axis=0)) == want.T).all()
    np.testing.assert_allclose(ops.rgb_to_ycbcr_float(rgb.astype(np.float32)), ops.rgb_to_ycbcr(rgb), atol=0.51)
    back = ops.ycbcr_to_rgb_float(ops.rgb_to_ycbcr_float(rgb.astype(np.float32)))
    np.testing.assert_allclose(back, rgb, atol=1e-3)


def test_downsampling_alternates_its_bias():
    x = RNG.integers(0, 256, (2, 12, 24))
    pairs = x[..., 0::2] + x[..., 1::2]
    assert (np.asarray(ops.downsample(x, 2, 1)) == (pairs + np.arange(12) % 2) // 2).all()
    fours = pairs[:, 0::2] + pairs[:, 1::2]
    assert (np.asarray(ops.downsample(x, 2, 2)) == (fours + 1 + np.arange(12) % 2) // 4).all()
    assert (np.asarray(ops.downsample(x, 1, 2)) == (x[:, 0::2] + x[:, 1::2] + 1) // 2).all()
    thirds = x.reshape(2, 12, 8, 3).sum(-1)
    assert (np.asarray(ops.downsample(x, 3, 1)) == (thirds + 1) // 3).all()


@pytest.mark.parametrize("size", [(1, 1), (5, 2), (3, 3), (7, 6)])
def test_fancy_upsampling_sample_by_sample(size):
    s = RNG.integers(0, 256, size)
    rows, columns = size

    def at(y, x):
        return int(s[min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)])

    both, wide, tall = (np.zeros((rows * v, columns * h), int) for h, v in ((2, 2), (2, 1), (1, 2)))
    for y in range(rows * 2):
        ny, fy = y // 2, y // 2 + (1 if y % 2 else -1)
        for x in range(columns):
            tall[y, x] = (3 * at(ny, x) + at(fy, x) + 1 + y % 2) // 4
        for x in range(columns * 2):
            nx, fx = x // 2, x // 2 + (1 if x % 2 else -1)
            near, far = (3 * at(ny, k) + at(fy, k) for k in (nx, min(max(fx, 0), columns - 1)))
            both[y, x] = (3 * near + far + (7 if x % 2 else 8)) // 16
            if y < rows:
                wide[y, x] = (3 * at(y, nx) + at(y, fx) + 1 + x % 2) // 4
    if columns <= 2:
        both, wide = s.repeat(2, 0).repeat(2, 1), s.repeat(2, 1)
    upsample = jax.jit(ops.upsample, static_argnums=(1, 2, 3))
    assert (np.asarray(upsample(s, 2, 2)) == both).all()
    assert (np.asarray(upsample(s, 2, 1)) == wide).all()
    assert (np.asarray(upsample(s, 1, 2)) == tall).all()
    assert (np.asarray(upsample(s, 4, 1)) == s.repeat(4, 1)).all()
    assert (np.asarray(upsample(s, 2, 2, False)) == s.repeat(2, 0).repeat(2, 1)).all()


def test_blocks_round_trip():
    x = RNG.integers(0, 256, (2, 3, 24, 16))
    blocks = ops.split_blocks(x)
    assert blocks.shape == (2, 3, 3, 2, 8, 8)
    assert (blocks[1, 2, 1, 1] == x[1, 2, 8:16, 8:16]).all()
    assert (ops.merge_blocks(blocks) == x).all()
    with pytest.raises(ValueError, match="multiples of 8"):
        ops.split_blocks(x[..., 1:])


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_planes_have_real_blocks_and_survive_the_round_trip(sampling):
    height, width = 37, 51
    image = ripples(height, width)[None]
    image = image if len(sampling) > 1 else image[..., 0]
    tables = [np.ones(64, np.uint16)] * len(sampling)
    planes = jax.jit(ops.encode_planes, static_argnums=2)(image, tables, sampling)
    color = ColorSpace.YCBCR if len(sampling) > 1 else ColorSpace.GRAY
    frame = Frame(height, width, tuple(Component(i, h, v) for i, (h, v) in enumerate(sampling)), color=color)
    assert [p.shape for p in planes] == [(1, *frame.blocks(c), 8, 8) for c in range(len(sampling))]
    assert {p.dtype for p in planes} == {np.dtype(np.int16)}
    decode = jax.jit(ops.decode_planes, static_argnums=(2, 3, 4))
    back = np.asarray(decode(planes, tables, sampling, (height, width), color))
    assert back.shape == image.shape
    smooth = abs(back.astype(int) - image)[:, :, : width // 2]
    assert smooth.mean() < (2 if sampling in (SAMPLINGS["grey"], SAMPLINGS["4:4:4"]) else 30)


def test_vmap_and_jit_give_the_same_integers():
    images = np.stack([ripples(19, 34, seed=i) for i in range(3)])
    tables = [LUMA_QUANTIZATION, CHROMA_QUANTIZATION, CHROMA_QUANTIZATION]
    encode = jax.jit(lambda x: ops.encode_planes(x, tables, SAMPLINGS["4:2:0"]))
    for a, b in zip(encode(images), jax.vmap(encode)(images[:, None]), strict=True):
        assert (a == b[:, 0]).all()


def test_float_ops_have_finite_gradients():
    def loss(image, quality):
        steps = ops.quality_table(jnp.asarray(LUMA_QUANTIZATION).reshape(8, 8), quality, rounded=False)
        y = ops.downsample_float(ops.rgb_to_ycbcr_float(image)[..., 0], 2, 2)
        levels = ops.quantise_float(ops.fdct_float(ops.split_blocks(y - 128)), steps)
        return jnp.sum(ops.idct_float(ops.dequantise_float(levels, steps / 2)) ** 2) + jnp.sum(jnp.tanh(levels))

    image = jnp.asarray(ripples(32, 32), jnp.float32)
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    for quality in (1.0, 30.0, 50.0, 99.0, 100.0):
        gradients = gradient(image, quality)
        assert all(bool(jnp.isfinite(g).all()) for g in gradients)


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="images: must be uint8"):
        ops.encode_planes(np.zeros((1, 8, 8, 3)), [LUMA_QUANTIZATION] * 3, SAMPLINGS["4:2:0"])
    with pytest.raises(ValueError, match="must divide"):
        ops.encode_planes(np.zeros((1, 8, 8, 3), np.uint8), [LUMA_QUANTIZATION] * 3, ((3, 1), (2, 1), (1, 1)))
    with pytest.raises(TypeError, match="int16"):
        ops.idct_islow(np.zeros((8, 8), np.int32))


def test_coefficients_are_a_pytree():
    register_pytree()
    register_pytree()
    frame = Frame(8, 8, (Component(1, 1, 1),), color=ColorSpace.GRAY)
    tree = Coefficients((np.ones((1, 1, 1, 8, 8), np.int16),), (np.ones((8, 8), np.uint16),), frame)
    doubled = jax.tree.map(lambda x: x * 2, tree)
    assert doubled.frame is frame and doubled.planes[0].sum() == 128 and doubled.qtables[0].sum() == 128


def test_importing_ops_does_not_import_jax():
    code = "import sys, jpegjax.ops; assert 'jax' not in sys.modules; assert 'fdct_islow' in dir(jpegjax.ops)"
    subprocess.run([sys.executable, "-c", code], check=True)
