"""The network of the field: against plain matrices in int64, host against JAX, and whole files of both engines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import waves

import jpegjax
from jpegjax.jpeg.tuned.encode import encode_tuned
from jpegjax.jpeg.tuned.plan import sized, tuned_frame
from jpegjax.jpeg.tuned.recipe import load_network, load_recipe
from jpegjax.kernels.tuned import network as host
from jpegjax.kernels.tuned.field import strength_field
from jpegjax.kernels.tuned.network import FEATURES, WIDTH, Network, integer_log
from jpegjax.options import EncodeOptions

FIELD = (45, 234, 40, 255, 73, 38, 50, 5600, 0)


def random_network(seed: int, mixes: int) -> Network:
    random = np.random.default_rng(seed)
    inputs = [FEATURES, *[9 * WIDTH] * mixes, WIDTH]
    outputs = [WIDTH] * (mixes + 1) + [1]
    layers = tuple(
        (
            random.integers(-127, 128, (i, o)).astype(np.int8) // np.int8(4),
            random.integers(-9000, 9000, o).astype(np.int32),
        )
        for i, o in zip(inputs, outputs, strict=True)
    )
    return Network(layers, 45, 32, 60)


def expected(network: Network, raw: np.ndarray, logs: np.ndarray, middle: int, step: int) -> np.ndarray:
    """By plain int64 matrices."""
    rows, columns = logs.shape
    x = raw.astype(np.int64).reshape(rows, columns, 64)
    sizes = np.vectorize(lambda v: (integer_log(abs(int(v)) + 8) - 768) >> 4, otypes=[np.int64])(x[..., 1:])
    dc, formula = (x[..., :1] + 8192) >> 6, (np.clip(logs[..., None] - middle, -1024, 1023) + 1024) >> 3
    a = np.clip(np.concatenate([dc, sizes, formula, np.full_like(formula, step)], -1), 0, 255)
    for i, (w, b) in enumerate(network.layers):
        if 0 < i < len(network.layers) - 1:
            padded = np.pad(a, ((1, 1), (1, 1), (0, 0)), "edge")
            a = np.concatenate([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], -1)
        sums = a @ w.astype(np.int64) + b
        assert np.abs(sums).max() < 1 << 24
        a = np.clip(sums >> 6, 0, 255)
    return sums[..., 0] >> 4


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_host_is_the_matrices(seed, rows, columns, mixes):
    random, network = np.random.default_rng(seed), random_network(seed, mixes)
    raw = (random.integers(-8192, 8193, (rows, columns, 8, 8)) >> random.integers(0, 12, (8, 8))).astype(np.int16)
    logs = random.integers(3000, 7500, (rows, columns))
    assert (network.correction(raw, logs, 5200, 90) == expected(network, raw, logs, 5200, 90)).all()


@pytest.mark.parametrize(("rows", "columns", "mixes"), [(1, 1, 1), (5, 9, 2), (12, 7, 2)])
def test_jax_is_the_host(rows, columns, mixes):
    import jax
    import jax.numpy as jnp

    from jpegjax.ops.tuned.network import field_correction

    random, network = np.random.default_rng(rows), random_network(columns, mixes)
    raw = (random.integers(-8192, 8193, (16, 16, 8, 8)) >> random.integers(0, 12, (8, 8))).astype(np.int16)
    logs = random.integers(3000, 7500, (16, 16)).astype(np.int32)
    run = jax.jit(lambda *a: field_correction(network.layers, *a))
    whole = np.asarray(run(raw, logs, *(jnp.int32(x) for x in (rows, columns, 5200, 90))))
    own = network.correction(
        np.ascontiguousarray(raw[:rows, :columns]),
        np.ascontiguousarray(logs[:rows, :columns]).astype(np.int64),
        5200,
        90,
    )
    assert (whole[:rows, :columns] == own).all()


def test_wrong_weights_are_refused():
    layers = list(random_network(0, 1).layers)
    with pytest.raises(ValueError, match="layer 1"):
        Network((layers[0], (layers[1][0][1:], layers[1][1]), layers[2]), 45, 32, 60)
    with pytest.raises(ValueError, match="2\\^24"):
        Network((layers[0], layers[1], (layers[2][0], np.array([1 << 24], np.int32))), 45, 32, 60)


def test_a_network_of_zeros_changes_only_the_power():
    layers = tuple((np.zeros_like(w), np.zeros_like(b)) for w, b in random_network(0, 1).layers)
    plane = np.pad(waves(64, 96)[..., 0], ((0, 0), (0, 64)))
    raw = np.zeros((8, 12, 8, 8), np.int16)
    steps = np.full(64, 16, np.uint16)
    given = strength_field(plane, 8, 12, FIELD, Network(layers, 32, 32, 16), raw, steps)
    assert (given == strength_field(plane, 8, 12, ((32 * 45 + 16 * 32 + 32) >> 6, *FIELD[1:]))).all()


def test_the_shipped_network_takes_part():
    network = load_network()
    assert network is not None and load_recipe("ssimulacra2", 75).network is network
    assert all(load_recipe(tune, 75).network is None for tune in ("psnr", "ms-ssim"))
    assert max(np.abs(w.astype(int)).max() for w, _ in network.layers) <= 127
    assert host.integer_log(256) == 2049 and host.integer_log(1) == 1


@pytest.mark.parametrize("shape", [(40, 56, 3), (67, 121, 3), (50, 75)])
def test_both_engines_make_the_same_file(shape):
    random = np.random.default_rng(shape[1])
    grey = np.resize(waves(64, 96)[..., 0], shape[:2])
    image = (
        grey if len(shape) == 2 else np.clip(grey[..., None] + random.integers(-20, 20, shape), 0, 255).astype(np.uint8)
    )
    files = [
        jpegjax.encode(image, quality=70, tune="ssimulacra2", subsampling="4:2:0", engine=engine)
        for engine in ("host", "xla")
    ]
    assert files[0] == files[1]
    recipe = sized(load_recipe("ssimulacra2", 70), *shape[:2])
    assert encode_tuned(image, recipe) == files[0]
    assert tuned_frame(*shape[:2], 1 if len(shape) == 2 else 3, recipe, EncodeOptions(tune=True)).height == shape[0]
