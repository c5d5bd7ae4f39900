"""Training under a constraint: what is pruned stays pruned, weights of one centroid move together; files of shipped weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from training import config

from jpegjax.learned import compress, shipped, weights
from jpegjax.learned.compress.tied import named
from jpegjax.train import Arrays, fit


class Net(nnx.Module):
    def __init__(self, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.first = nnx.Linear(12, 20, rngs=rngs)
        self.norm = nnx.BatchNorm(20, rngs=rngs)
        self.last = nnx.Linear(20, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(nnx.relu(self.norm(self.first(x))))


def loss(model: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    return jnp.mean((model(batch["x"]) - batch["y"]) ** 2), {}


def tied_loss(tied: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    found: tuple[jax.Array, dict[str, jax.Array]] = tied.run(loss, batch, key)
    return found


def rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 12)).astype(np.float32)
    return {"x": x, "y": np.tanh(x[:, :3] - x[:, 3:6])}


def kernel(model: Any, path: str) -> np.ndarray:
    return np.asarray(named(model)[path][...])


def test_pruning_ends_at_its_densities_and_at_the_largest_weights() -> None:
    tied = compress.Pruned(Net(), {"first/kernel": 0.25, "last/kernel": 0.5}, begin=2, end=12, every=5)
    result = fit(tied, tied_loss, Arrays(rows()), config(steps=20, ema=0.0))
    inner, model = result.model.model, result.model.dense()
    for path, count in (("first/kernel", 60), ("last/kernel", 30)):
        mask = np.asarray(result.model.masks[path][...])
        assert mask.sum() == count
        np.testing.assert_array_equal(kernel(model, path), np.where(mask, kernel(inner, path), 0))
    np.testing.assert_array_equal(kernel(model, "first/bias"), kernel(inner, "first/bias"))
    assert float(jnp.abs(model.norm.mean[...]).max()) > 0, "averages of the normalisation are the model's own"
    with pytest.raises(ValueError, match="third/kernel: no such parameter; there are first/bias"):
        compress.Pruned(Net(), {"third/kernel": 0.5})
    with pytest.raises(ValueError, match="first/kernel: a density of 0"):
        compress.Pruned(Net(), {"first/kernel": 0.0})


def test_masks_follow_the_schedule() -> None:
    """Without any training: the density after each call, and that the mask is NumPy's of the same density."""
    tied = compress.Pruned(Net(), {"first/kernel": 0.1}, begin=1, end=9, every=4)
    value, densities = kernel(tied.model, "first/kernel"), []
    for _ in range(12):
        tied.run(lambda model: None)
        densities.append(float(jnp.mean(tied.masks["first/kernel"][...], dtype=jnp.float32)))
    half = round((0.1 + 0.9 * 0.125) * 240) / 240
    np.testing.assert_allclose(densities, [1] * 5 + [half] * 4 + [0.1] * 3, rtol=1e-6)
    np.testing.assert_array_equal(tied.masks["first/kernel"][...], compress.magnitude_mask(value, 0.1))


def test_masked_weights_have_no_gradient() -> None:
    tied = compress.Pruned(Net(), {"first/kernel": 0.3}, end=0)
    tied.run(lambda model: None)
    batch = jax.tree.map(jnp.asarray, rows())
    gradient = nnx.grad(lambda t: tied_loss(t, batch, jax.random.key(0))[0])(tied)
    mask = np.asarray(tied.masks["first/kernel"][...])
    found = np.asarray(gradient["model"]["first"]["kernel"][...])
    assert (found[~mask] == 0).all() and (found[mask] != 0).all()


def test_centroids_have_the_sum_of_their_weights_gradients() -> None:
    model = Net()
    book = compress.kmeans(kernel(model, "first/kernel"), 5, keep_zero=False)
    tied = compress.Shared(model, {"first/kernel": book})
    dense, batch = tied.dense(), jax.tree.map(jnp.asarray, rows())
    np.testing.assert_array_equal(kernel(dense, "first/kernel"), book.dense())
    gradient = nnx.grad(lambda t: tied_loss(t, batch, jax.random.key(0))[0])(tied)
    plain = np.asarray(nnx.grad(lambda m: loss(m, batch, jax.random.key(0))[0])(dense)["first"]["kernel"][...])
    sums = [plain[book.indexes == k].astype(np.float64).sum() for k in range(len(book.codebook))]
    np.testing.assert_allclose(gradient["centroids"]["first/kernel"][...], sums, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"last/kernel: indexes of shape \(12, 20\)"):
        compress.Shared(model, {"last/kernel": book})


def test_shared_weights_stay_shared_and_pruned_ones_stay_zero() -> None:
    model = Net()
    pruned = kernel(model, "first/kernel") * compress.magnitude_mask(kernel(model, "first/kernel"), 0.5)
    tied = compress.Shared(model, {"first/kernel": compress.kmeans(pruned, 8)})
    before = float(tied_loss(tied, jax.tree.map(jnp.asarray, rows()), jax.random.key(0))[0])
    result = fit(tied, tied_loss, Arrays(rows()), config(steps=40, ema=0.0))
    found = kernel(result.model.dense(), "first/kernel")
    np.testing.assert_array_equal(found == 0, pruned == 0)
    assert len(np.unique(found)) <= 8 and not np.isin(found[pruned != 0], pruned).all()
    assert float(result.history[-1]["loss"]) < before
    data = compress.pack(result.model.dense())
    entry = next(e for e in compress.contents(data) if e.path == "first/kernel")
    assert "codebook" in entry.coding and entry.bits < 4.5
    again = compress.restore_into(Net(3), data)
    np.testing.assert_array_equal(kernel(again, "first/kernel"), found)


def test_weights_of_either_kind_of_file(tmp_path: Path) -> None:
    arrays = shipped.read_arrays(weights.file_of("light"))
    old, new = tmp_path / "a.npz", tmp_path / "b.jxw"
    some = {name: arrays[name] for name in list(arrays)[:9]}
    for path in (old, new):
        shipped.write_arrays(path, some)
        found = shipped.read_arrays(path)
        assert found.keys() == some.keys()
        assert all(found[n].tobytes() == some[n].tobytes() and found[n].dtype == some[n].dtype for n in some)
    assert new.stat().st_size < old.stat().st_size
    new.write_bytes(new.read_bytes()[:-9] + b"damaged!!")
    with pytest.raises(ValueError, match=r"b\.jxw: not weights of a learned codec .*checksum"):
        weights.load(new)
    new.write_bytes(compress.pack([np.zeros(3)]))
    with pytest.raises(ValueError, match="no arrays by name"):
        weights.load(new)
