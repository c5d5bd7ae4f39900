"""Packing of weights: every bit comes back, damage ends in CorruptStream, and each reduction does what its source says."""

from __future__ import annotations

import heapq
import itertools
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jpegjax import CorruptStream, JpegError
from jpegjax.coding import sequences
from jpegjax.coding.sequences import Cursor
from jpegjax.coding.sequences.bytewise import decode_bytes, encode_bytes
from jpegjax.errors import LimitExceeded
from jpegjax.learned import compress
from jpegjax.learned.compress.leaves import DTYPES


class Small(nnx.Module):
    """Two layers, a normalisation with averages, dropout with a random state."""

    def __init__(self, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.first = nnx.Linear(24, 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(16, 16, rngs=rngs), nnx.Linear(16, 4, rngs=rngs)])

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.layers[1](nnx.relu(self.layers[0](self.drop(self.norm(nnx.relu(self.first(x)))))))


def same(a: Any, b: Any) -> bool:
    """Whether two trees are alike in structure, dtypes, shapes and every bit."""
    if isinstance(a, compress.Factors):
        return isinstance(b, compress.Factors) and a.shape == b.shape and same([a.left, a.right], [b.left, b.right])
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if a is None:
        return b is None
    a = np.asarray(a)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def some(dtype: np.dtype, kind: str, rng: np.random.Generator, shape: tuple[int, ...] = (37, 20)) -> np.ndarray:
    """Arrays of the kinds that the codings are for."""
    values = rng.normal(0, 5, shape)
    if kind == "sparse":
        values *= rng.random(shape) < 0.07
    if kind == "few":
        values = np.rint(values / 4) * 4
    if kind == "slow":
        values = np.cumsum(rng.normal(0, 1, shape), 0)
    if kind == "rows":
        values = np.rint(values / 4) * (rng.random(shape) < rng.uniform(0, 0.5, shape[0])[:, None])
    if kind == "zeros":
        values = np.zeros(shape)
    if kind == "bits":
        return rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0]
    if dtype.kind == "u":
        values = np.abs(values)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind != "b"], ids=str)
def test_every_bit_of_every_type_comes_back(dtype: np.dtype) -> None:
    rng = np.random.default_rng(1)
    tree = {kind: some(dtype, kind, rng) for kind in ("dense", "sparse", "few", "slow", "rows", "zeros", "bits")}
    tree |= {"none": np.zeros((3, 0, 2), dtype), "one": np.ones((), dtype), "far": some(dtype, "zeros", rng, (3000,))}
    tree["far"][1500] = 1
    assert same(tree, compress.unpack(compress.pack(tree)))


def test_bits_of_floats_that_equal_one_another() -> None:
    patterns = np.array([0x80000000, 0, 0x7FC00001, 0xFFC00000, 0x7F800000, 1], np.uint32).view(np.float32)
    tree = {"x": np.tile(patterns, 50), "truth": np.array([[True, False, True]]), "big": np.arange(5, dtype=">f4")}
    found = compress.unpack(compress.pack(tree))
    assert same(tree["x"], found["x"]) and same(tree["truth"], found["truth"])
    np.testing.assert_array_equal(found["big"], np.arange(5))


def test_structures_come_back_and_order_does_not_matter() -> None:
    tree = {"a": [np.arange(3), (1.5, None)], 3: {"x": True, -2: np.float16(2)}, "": [], "factors": None}
    tree["factors"] = compress.low_rank(np.outer(np.arange(6.0), np.ones(4)).reshape(2, 3, 4), rank=1)
    again = dict(reversed(tree.items()))
    assert compress.pack(tree) == compress.pack(again)
    found = compress.unpack(compress.pack(tree))
    assert found[3][-2].dtype == np.float16 and found["a"][1][1] is None and isinstance(found["a"][1], tuple)
    assert same(tree["factors"], found["factors"])


def test_modules_are_restored_with_their_averages() -> None:
    one, other = Small(0), Small(1)
    one(jnp.ones((8, 24)))
    data = compress.pack(one)
    assert compress.restore_into(other, data) is other
    x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(2, 24)
    one.eval(), other.eval()
    np.testing.assert_array_equal(one(x), other(x))
    assert same(compress.unpack(data), compress.unpack(compress.pack(other)))
    paths = {e.path for e in compress.contents(data)}
    assert {"first/kernel", "layers/0/bias", "norm/mean"} <= paths and not any("rngs" in p for p in paths)


def test_trees_are_restored_in_their_own_types() -> None:
    tree = {"a": [jnp.ones(3, jnp.bfloat16), (jnp.zeros((2, 2), jnp.int8),)], "b": 2.0}
    found = compress.restore_into(tree, compress.pack(tree))
    assert isinstance(found["a"][1], tuple) and found["a"][0].dtype == jnp.bfloat16 and found["b"] == 2
    shapes = jax.eval_shape(lambda: tree["a"])
    assert compress.restore_into(shapes, compress.pack(tree["a"]))[0].dtype == jnp.bfloat16


def test_factors_are_restored_as_their_product() -> None:
    kernel = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    factors = compress.low_rank(kernel, rank=3)
    found = compress.restore_into({"k": jnp.zeros((12, 8))}, compress.pack({"k": factors}))
    np.testing.assert_array_equal(found["k"], factors.dense())
    np.testing.assert_allclose(factors.dense(), factors.left @ factors.right, atol=1e-5)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"a": np.ones(3, np.float32)}, "the file has no b"),
        ({"a": np.ones(3, np.float32), "b": np.ones(2, np.float32), "c": np.ones(1)}, "no place for c"),
        ({"a": np.ones(4, np.float32), "b": np.ones(2, np.float32)}, r"a: float32 \(4,\) in the file; float32 \(3,\)"),
        ({"a": np.ones(3, np.float16), "b": np.ones(2, np.float32)}, "a: float16"),
        ([np.ones(3)], "the file has no a, b"),
    ],
)
def test_what_does_not_fit_is_named(stored: Any, said: str) -> None:
    target = {"a": jnp.ones(3), "b": jnp.ones(2)}
    with pytest.raises(ValueError, match=said):
        compress.restore_into(target, compress.pack(stored))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"a": [1, "text"]}, "a/1: a str"),
        ({"a": {"b": np.array([1j])}}, "a/b: dtype complex128"),
        ({"a": jax.random.key(0)}, "a: a random key"),
        ({(1, 2): 1}, "the tree: key"),
        (np.array([object()]), "the tree: dtype object"),
    ],
)
def test_what_cannot_be_packed_is_named(tree: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        compress.pack(tree)


def test_claims_beyond_the_limit_are_refused() -> None:
    data = compress.pack({"zeros": np.zeros((1 << 20,), np.float32)})
    assert len(data) < 100
    with pytest.raises(LimitExceeded, match="max_nbytes leaves 1000000"):
        compress.unpack(data, max_nbytes=1_000_000)


def test_foreign_and_cut_files_are_refused() -> None:
    data = compress.pack({"a": np.arange(100)})
    assert compress.is_packed(data) and not compress.is_packed(b"PK\3\4")
    for bad in (b"", b"PK\3\4" + data, data[:-1], data[:20], data + b"\0"):
        with pytest.raises(CorruptStream):
            compress.unpack(bad)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_behind_a_right_checksum_ends_in_an_error_or_in_arrays(data: st.DataObject) -> None:
    """A few bytes changed, cut or put in, and the checksum made right again."""
    body = bytearray(_MIXED[:-4])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(13, len(body) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "put"]))
        if kind == "set":
            body[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del body[at : at + data.draw(st.integers(1, 8))]
        else:
            body[at:at] = data.draw(st.binary(min_size=1, max_size=4))
    bad = bytes(body) + zlib.crc32(bytes(body)).to_bytes(4, "big")
    try:
        compress.contents(bad, max_nbytes=1 << 20)
    except JpegError as error:
        assert str(error)


def _mixed() -> bytes:
    rng = np.random.default_rng(3)
    f2 = np.dtype(np.float16)
    tree = {
        "planes": some(f2, "dense", rng), "sparse": some(f2, "sparse", rng), "few": [some(f2, "few", rng)],
        "rows": some(f2, "rows", rng, (300, 64)), "slow": some(np.dtype(np.int32), "slow", rng),
        "truth": np.array([True, False]), 3: None,
        "factors": compress.low_rank(rng.normal(size=(5, 4)), rank=2), "narrow": np.arange(4, dtype=np.uint8),
        "mantissa": np.repeat(np.arange(64, dtype=np.uint16), 8) * 257,
    }  # fmt: skip
    return compress.pack(tree)


_MIXED = _mixed()


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        arrays.arrays(np.uint8, arrays.array_shapes(max_dims=1, max_side=300)),
        arrays.arrays(np.uint8, st.integers(0, 300), elements=st.sampled_from([0, 1, 255])),
    ),
    st.booleans(),
)
def test_sequences_come_back(symbols: np.ndarray, known: bool) -> None:
    contexts = (symbols ^ 3) & 7 if known else None
    data = sequences.encode(symbols, contexts)
    cursor = Cursor(memoryview(data))
    np.testing.assert_array_equal(sequences.decode(cursor, symbols.size, contexts), symbols)
    assert cursor.at == len(data)


def _huffman_bits(counts: list[int]) -> int:
    """The least bits of any prefix code, by merging the two rarest (Huffman 1952)."""
    heap, total = [c for c in counts if c], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


def test_huffman_codes_are_near_to_the_shortest() -> None:
    """The code of all ones is left free, as in JPEG, which costs a little."""
    symbols = np.minimum(np.random.default_rng(0).geometric(0.3, 5000), 200).astype(np.uint8)
    spec, data = encode_bytes(symbols)
    np.testing.assert_array_equal(decode_bytes(data, spec, symbols.size), symbols)
    least = _huffman_bits(np.bincount(symbols).tolist()) / 8
    assert least <= len(data) < 1.01 * least + 8
    for bad in (data[:-1], data + b"\0"):
        with pytest.raises(CorruptStream):
            decode_bytes(bad, spec, symbols.size)


def test_sizes_are_near_to_the_entropy() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.05, (300, 400)).astype(np.float16)
    words = dense.view(np.uint16)
    counts = np.bincount(words.ravel() >> 10 & 31)
    share = counts[counts > 0] / dense.size
    exponents = -(share * np.log2(share)).sum()
    assert len(compress.pack(dense)) * 8 / dense.size < 11 + exponents + 0.02
    pruned = np.where(rng.random((300, 400)) < 0.08, np.rint(rng.normal(0, 3, (300, 400))), 0)
    pruned = (np.clip(pruned, -7, 7) + 0.0).astype(np.float32)  # without −0.0
    counts = np.bincount(pruned.astype(int).ravel() + 7)
    share = counts[counts > 0] / pruned.size
    entropy = -(share * np.log2(share)).sum()
    assert len(compress.pack(pruned)) * 8 / pruned.size < 1.05 * entropy + 0.02


def test_rows_of_unequal_density_cost_less() -> None:
    """Against the entropy where each row's density is known."""
    rng = np.random.default_rng(0)
    density = np.repeat([0.005, 0.02, 0.3], 200)
    kernel = (rng.random((600, 300)) < density[:, None]).astype(np.float32)
    entropy = -(density * np.log2(density) + (1 - density) * np.log2(1 - density)).sum() * 300
    data = compress.pack(kernel)
    assert compress.contents(data)[0].coding == "codebook, rows"
    assert len(data) * 8 < 1.05 * entropy + 600 * 3


def test_table_for_people() -> None:
    kernel = np.zeros((50, 40), np.float32)
    kernel[::7, ::3] = 1.5
    data = compress.pack({"k": kernel, "b": np.zeros(0, np.float32)})
    _, entry = compress.contents(data)
    assert (entry.different, entry.nbytes_plain) == (1, 8000) and entry.density == 8 * 14 / 2000
    assert sum(e.nbytes for e in compress.contents(data)) < len(data) < 300
    lines = compress.shown(compress.contents(data)).splitlines()
    assert len(lines) == 4 and "50×40" in lines[2] and "5.6 %" in lines[2]


def test_low_rank_is_the_best_of_its_rank() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 4, 10)).astype(np.float32)
    values = np.linalg.svd(kernel.reshape(12, 10).astype(np.float64), compute_uv=False)
    for rank in (1, 4, 10):
        error = np.sum((compress.low_rank(kernel, rank=rank).dense() - kernel).astype(np.float64) ** 2)
        np.testing.assert_allclose(error, np.sum(values[rank:] ** 2), rtol=1e-4, atol=1e-9)
    shares = np.cumsum(values**2) / np.sum(values**2)
    assert compress.low_rank(kernel, energy=0.9).rank == 1 + int(np.argmax(shares >= 0.9))
    assert compress.low_rank(kernel, energy=1.0).rank == 10
    for bad in ({}, {"rank": 0}, {"rank": 11}, {"energy": 0.0}, {"rank": 1, "energy": 0.5}):
        with pytest.raises(ValueError, match=r"rank|energy"):
            compress.low_rank(kernel, **bad)


def test_kmeans_of_few_values_is_as_good_as_any_split() -> None:
    """Six values, three centroids: against all splits into runs, where the start is near to the best."""
    values = np.array([-3.0, -2.9, 0.1, 0.2, 4.0, 4.2])
    found = compress.kmeans(values, 3)
    best = min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(values, cuts))
        for cuts in itertools.combinations(range(1, 6), 2)
    )
    np.testing.assert_allclose(((found.dense() - values) ** 2).sum(), best)


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.float32, st.integers(1, 60), elements=st.floats(-10, 10, width=32)), st.integers(2, 9))
def test_kmeans_settles(values: np.ndarray, count: int) -> None:
    """Every value has the nearest centroid, zeros stay, and there are no more centroids than asked for."""
    found = compress.kmeans(values, count)
    assert len(found.codebook) <= count and (found.dense()[values == 0] == 0).all()
    moved = values[values != 0]
    if len(moved):
        book = found.codebook[found.codebook != 0] if (values == 0).any() else found.codebook
        error = np.abs(found.dense()[values != 0].astype(np.float64) - moved)
        assert (error <= np.abs(book.astype(np.float64)[:, None] - moved).min(0, initial=np.inf) + 1e-5).all()


def test_kmeans_weighs_errors() -> None:
    values = np.array([0.0, 1.0], np.float32)
    one = compress.kmeans(values, 1, weights=np.array([1.0, 3.0]), keep_zero=False)
    np.testing.assert_allclose(one.codebook, [0.75])
    with pytest.raises(ValueError, match="no place for the other values"):
        compress.kmeans(values, 1)
    with pytest.raises(TypeError, match="floats"):
        compress.kmeans(np.arange(3), 2)
    with pytest.raises(ValueError, match="finite"):
        compress.kmeans(np.array([np.nan]), 2)


def test_linear_rounds_to_the_nearest_level() -> None:
    values = np.linspace(-1, 0.7, 101).astype(np.float32)
    found = compress.linear(values, 4)
    assert np.abs(found.dense() - values).max() <= 0.5 / 7 + 1e-6 and len(found.codebook) <= 15
    assert compress.linear(np.array([0.0, 0.3, -0.9]), 3).dense()[0] == 0
    other = compress.linear(values, 1, symmetric=False)
    np.testing.assert_allclose(other.codebook, [-1, 0.7], rtol=1e-6)
    assert compress.linear(ml_dtypes.bfloat16(values), 8).dense().dtype == ml_dtypes.bfloat16


def test_masks_keep_the_largest() -> None:
    values = np.array([[3.0, -4.0], [0.1, 0.0], [-0.2, 2.0]])
    np.testing.assert_array_equal(compress.magnitude_mask(values, 0.5), [[True, True], [False, False], [False, True]])
    assert compress.magnitude_mask(values, 0.01).sum() == 1
    found = [float(compress.cubic_density(step, 10, 20, 0.1)) for step in (0, 10, 15, 20, 99)]
    np.testing.assert_allclose(found, [1, 1, 0.1 + 0.9 / 8, 0.1, 0.1], rtol=1e-6)


def test_allocation_against_all_choices() -> None:
    """Where the choices are convex, a greedy step's end is the best of all with so many bytes."""
    rng = np.random.default_rng(0)
    choices = {}
    for name in "abc":
        saved = np.cumsum(rng.integers(1, 50, 4))
        damage = np.cumsum(np.sort(rng.random(4)) * np.diff(saved, prepend=0))
        choices[name] = [compress.Choice(300 - int(s), float(d)) for s, d in zip(saved, damage, strict=True)]
    for budget in (600, 700, 780):
        found = compress.allocate(choices, budget)
        nbytes = sum(choices[n][k].nbytes for n, k in found.items())
        damage = sum(choices[n][k].damage for n, k in found.items())
        assert nbytes <= budget
        for others in itertools.product(range(4), repeat=3):
            picked = [choices[n][k] for n, k in zip("abc", others, strict=True)]
            assert sum(c.nbytes for c in picked) > nbytes or sum(c.damage for c in picked) >= damage - 1e-12
    with pytest.raises(ValueError, match="the smallest choices"):
        compress.allocate(choices, 1)
    made = compress.sensitivities({"a": [1, 2]}, lambda name, k: (10 * k, 5.0 - k), 3.0)
    assert made == {"a": [(10, 1.0), (20, 0.0)]}


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.int32, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9), elements=st.one_of(
        st.integers(-70, 70), st.sampled_from([63, 64, -64, -65, 255, 256, -(2**30) + 1, 2**30 - 1]))),
    st.booleans(),
)  # fmt: skip
def test_integers_come_back(values: np.ndarray, known: bool) -> None:
    contexts = (np.arange(values.size) % 5).astype(np.uint8).reshape(values.shape) if known else None
    data = sequences.encode_integers(values, contexts)
    cursor = Cursor(memoryview(data))
    np.testing.assert_array_equal(sequences.decode_integers(cursor, values.shape, contexts), values)
    assert cursor.at == len(data)
    if len(data):
        with pytest.raises(CorruptStream):
            sequences.decode_integers(Cursor(memoryview(data[:-1])), values.shape, contexts)


def test_integers_within_limits() -> None:
    with pytest.raises(ValueError, match=r"values: 1073741824; at most"):
        sequences.encode_integers(np.array([3, 2**30]))
    with pytest.raises(ValueError, match=r"contexts: shape \(2,\); values have \(3,\)"):
        sequences.encode_integers(np.arange(3), np.zeros(2, np.uint8))
