"""Feature consistency between pictures and their JPEG files: `train.losses.consistency`, experiments/wan."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax
import jax.numpy as jnp
from flax import nnx
from pictures import noise, waves
from PIL import Image
from small_sets import write_cifar10

from experiments.wan import __main__ as command
from experiments.wan import measure
from experiments.wan.network import Network, forward, task, turned
from jpegjax.train.losses.consistency import (
    ResidualMapping,
    TableNorm,
    consistent,
    feature_distance,
    jpeg_pairs,
    log_steps,
    score_distance,
)

PICTURES = np.stack([waves(32, 32), noise(32, 32), waves(32, 32)[::-1]]).astype(np.uint8)


def by_pillow(picture: np.ndarray, quality: int) -> tuple[np.ndarray, list[list[int]]]:
    """Pixels and tables of a file, by libjpeg-turbo."""
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, "JPEG", quality=quality)
    opened = Image.open(stored)
    return np.asarray(opened), list(opened.quantization.values())


def test_pairs_are_what_libjpeg_shows() -> None:
    shown, chosen = jax.jit(jpeg_pairs)(jax.random.key(3), PICTURES)
    assert shown.dtype == jnp.float32 and len(set(np.asarray(chosen).tolist())) > 1
    for picture, pixels, quality in zip(PICTURES, np.asarray(shown), np.asarray(chosen).tolist(), strict=True):
        assert 5 <= quality <= 95
        assert (pixels == by_pillow(picture, quality)[0]).all()


def test_pairs_have_no_gradient() -> None:
    slopes = jax.grad(lambda x: jpeg_pairs(jax.random.key(0), x)[0].sum())(PICTURES.astype(np.float32))
    assert not np.asarray(slopes).any()


def test_steps_are_those_of_files() -> None:
    found = np.asarray(log_steps(jnp.array([75, 0, 10])))
    assert not found[1].any()
    for row, quality in ((0, 75), (2, 10)):
        tables = by_pillow(PICTURES[0], quality)[1]
        for table, half in zip(tables, np.split(found[row], 2), strict=True):  # the order within a table differs
            assert np.allclose(np.sort(half), np.sort(np.log2(table)), atol=1e-6)


def test_distance_is_of_the_features_wanted() -> None:
    random = np.random.default_rng(0)
    wanted, seen = random.normal(size=(2, 4, 3, 5)).astype(np.float32)
    expected = ((wanted - seen) ** 2).mean() / (wanted**2).mean()
    assert float(feature_distance(jnp.array(wanted), jnp.array(seen))) == pytest.approx(expected, rel=1e-5)
    assert not np.asarray(jax.grad(feature_distance)(jnp.array(wanted), jnp.array(seen))).any()


def test_scores_are_compared_as_probabilities() -> None:
    """Against SciPy's entropy, and against the gradient that cross-entropy with those probabilities has."""
    random = np.random.default_rng(0)
    wanted, seen = random.normal(0, 3, (2, 5, 10)).astype(np.float32)
    p, q = (scipy.special.softmax(x.astype(np.float64) / 3, -1) for x in (wanted, seen))
    assert float(score_distance(wanted, seen, 3.0)) == pytest.approx(
        9 * scipy.stats.entropy(p, q, axis=-1).mean(), rel=1e-5
    )
    assert float(score_distance(wanted, wanted)) == pytest.approx(0, abs=1e-6)
    to_wanted, to_seen = jax.grad(score_distance, (0, 1))(jnp.array(wanted), jnp.array(seen), 3.0)
    assert not np.asarray(to_wanted).any()
    assert np.allclose(to_seen, 3 * (q - p) / 5, atol=1e-6)


def test_mapping_is_the_identity_at_first_and_for_pictures_without_a_file() -> None:
    mapping, x = ResidualMapping(6, rngs=nnx.Rngs(0)), jax.random.normal(jax.random.key(0), (3, 4, 4, 6))
    quality = jnp.array([0, 10, 90])
    assert (mapping(x, quality) == x).all()
    mapping.outer.kernel[...] = jnp.ones((6, 6))
    changed = np.asarray((mapping(x, quality) != x).any((1, 2, 3))).tolist()
    assert changed == [False, True, True]


def test_norms_are_mixed_by_the_tables() -> None:
    norm, x = TableNorm(4, rngs=nnx.Rngs(1)), jax.random.normal(jax.random.key(1), (2, 3, 3, 4)) * 3 + 1
    one = nnx.BatchNorm(4, rngs=nnx.Rngs(0))
    assert np.allclose(norm(x, jnp.array([0, 10])), one(x), atol=1e-5), "alike at first, whatever their shares"
    norm.norms[1].bias[...] = jnp.full(4, 7.0)
    share = jax.nn.softmax(norm.share(log_steps(jnp.array([0, 10])) / 8))[:, 1]
    moved = np.asarray(norm(x, jnp.array([0, 10])) - one(x))
    assert np.allclose(moved, 7 * np.asarray(share)[:, None, None, None], atol=1e-5)
    assert abs(float(share[0] - share[1])) > 0.01


def batch() -> dict[str, Any]:
    return {"images": PICTURES, "labels": np.array([1, 2, 3])}


def test_loss_is_of_pictures_and_their_files() -> None:
    """Against the same put together by hand, with a model without state."""

    class Model(nnx.Module):
        def __init__(self) -> None:
            self.weight = nnx.Param(jax.random.normal(jax.random.key(0), (3, 10)) / 100)

    def seen(model: Any, pictures: jax.Array, quality: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        assert quality.shape == (6,)
        features = pictures.mean((1, 2))
        return features @ model.weight[...], [features]

    model, key = Model(), jax.random.key(5)
    plain, _ = consistent(seen, task, weight=0)(model, batch(), key)
    value, logged = consistent(seen, task, weight=2.5)(model, batch(), key)
    softened, also = consistent(seen, task, weight=0, score_weight=1e5)(model, batch(), key)
    files, _ = jpeg_pairs(jax.random.split(key)[0], PICTURES)
    scores = [np.asarray(x, np.float64).mean((1, 2)) @ np.asarray(model.weight[...]) for x in (PICTURES, files)]
    both = [float(task(jnp.asarray(s, jnp.float32), batch()).mean()) for s in scores]
    a, b = (np.asarray(x, np.float64).mean((1, 2)) for x in (PICTURES, files))
    distance = ((a - b) ** 2).mean() / (a**2).mean()
    assert float(plain) == pytest.approx(np.mean(both), rel=1e-4)
    assert float(value) == pytest.approx(np.mean(both) + 2.5 * distance, rel=1e-4)
    apart = float(score_distance(*(jnp.asarray(s, jnp.float32) for s in scores)))
    assert float(softened) == pytest.approx(np.mean(both) + 1e5 * apart, rel=0.03)
    assert float(also["scores"]) == pytest.approx(apart, rel=0.03) and apart > 1e-5
    assert {k: float(v) for k, v in logged.items()} == pytest.approx(
        {"clean": both[0], "coded": both[1], "distance": distance}, rel=1e-3
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"quality": (0, 50)},
        {"quality": (60, 50)},
        {"weight": -1.0},
        {"weight": np.inf},
        {"score_weight": -0.1},
        {"temperature": 0.0},
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(changes))}="):
        consistent(forward, task, **changes)


def test_pictures_are_turned_and_moved_whole() -> None:
    found = np.asarray(turned(jax.random.key(2), jnp.asarray(np.repeat(PICTURES[:1], 40, 0))))
    padded = np.pad(PICTURES[0].astype(np.float32), ((4, 4), (4, 4), (0, 0)), constant_values=128)
    flipped = np.pad(PICTURES[0, :, ::-1].astype(np.float32), ((4, 4), (4, 4), (0, 0)), constant_values=128)
    kinds = set()
    for one in found:
        where = [
            (k, y, x) for k, p in enumerate((padded, flipped)) for y in range(9) for x in range(9)
            if (p[y : y + 32, x : x + 32] == one).all()
        ]  # fmt: skip
        assert where
        kinds.add(where[0][0])
    assert kinds == {0, 1}


@pytest.mark.slow
def test_experiment_runs_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / "data" / "cifar10")
    monkeypatch.setenv("JPEGJAX_SHARED", str(tmp_path))
    monkeypatch.setattr(measure, "SEEDS", (0, 1))
    monkeypatch.setattr(measure, "EPOCHS", 2)
    monkeypatch.setattr(measure.summed, "__defaults__", ((0, 1), False))
    monkeypatch.setattr(measure.piece, "__defaults__", (2, 128))
    words = ["--work", str(tmp_path / "work"), "--to", str(tmp_path / "to")]
    command.main(["--piece", "of features, mapped", "1", *words])
    command.main(words)
    report = json.loads((tmp_path / "to" / "wan.json").read_text())
    assert set(report["ways"]) == set(measure.WAYS)
    rows = (tmp_path / "to" / "wan.md").read_text().splitlines()
    assert len([row for row in rows if row.startswith("|")]) == 2 + len(measure.WAYS)
    assert report["ways"]["augmentation"]["gain_low"]["mean"] == 0
    assert (tmp_path / "to" / "wan.png").stat().st_size > 5000


def test_forms_of_the_network() -> None:
    quality = jnp.array([0, 50, 5])
    for form in ("plain", "mapped", "tables"):
        scores, found = Network(form, rngs=nnx.Rngs(0))(jnp.asarray(PICTURES, jnp.float32), quality)
        assert scores.shape == (3, 10) and [x.shape for x in found] == [(3, 4, 4, 96), (3, 10)]
