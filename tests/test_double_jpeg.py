"""The experiment on double compression: splits by picture, pairs of files, a network that learns from traces."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("optax")
pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jpegjax
from experiments.double_jpeg import evaluate, markov, samples, train
from jpegjax.annex_k import LUMA_QUANTIZATION, quality_table
from jpegjax.forensics.features import FREQUENCIES
from jpegjax.forensics.network import HistorySize
from jpegjax.forensics.traces import Traces


def shared() -> None:
    if not (samples.SHARED / "data" / "q_tables.npz").is_file():
        pytest.skip("no data of DJPEG's tables: set JPEGJAX_SHARED")


def test_the_machine_learns_what_pictures_share_and_nothing_else() -> None:
    """Told apart where a feature tells; by chance where only the picture tells, as its patches are never on both sides."""
    pytest.importorskip("sklearn")
    random, of = np.random.default_rng(0), np.repeat(np.arange(60), 2)
    noise = random.normal(size=(2, len(of), 5))
    shift = np.array([2.5, 0, 0, 0, 0])
    assert min(markov.accuracies(noise[0], noise[1] + shift, of, 3)) > 0.85
    assert abs(np.mean(markov.accuracies(noise[0], noise[1], of, 5)) - 0.5) < 0.15
    for seed in range(5):
        test = markov._split(of, seed, 1 / 3)
        assert test.sum() == 40 and (test[::2] == test[1::2]).all()


def test_a_pair_is_one_picture_with_the_second_table() -> None:
    shared()
    pixels = np.random.default_rng(1).integers(0, 256, (96, 112, 3), np.uint8)
    first, second = samples.tables()[[300, 90]]
    once, twice = samples.pair(samples.Recipe(pixels, first, second, ("4:4:4", "4:2:2")))
    assert once == jpegjax.encode(pixels, qtables=[second, second], subsampling="4:2:2") != twice
    for data in (once, twice):
        found = jpegjax.info(data)
        assert found.subsampling == "4:2:2" and (np.asarray(found.qtables[0]).reshape(8, 8) == second).all()


def test_tables_are_the_ijgs_where_they_are_said_to_be() -> None:
    shared()
    for quality in (1, 30, 75, 100):
        assert (samples.tables()[quality].reshape(64) == quality_table(LUMA_QUANTIZATION, quality)).all()
    held = samples.held_tables()
    assert held.sum() == 107 and not held[:101].any()
    recipes = samples.Recipes("held")
    assert not held[recipes.free].any()
    one, same, other = recipes[3], recipes[3], recipes[4]
    assert (one.pixels == same.pixels).all() and (one.first == same.first).all()
    assert min(one.pixels.shape[:2]) >= 96 and not np.array_equal(one.first, one.second)
    assert one.pixels.shape != other.pixels.shape or (one.pixels != other.pixels).any()


def made(count: int, seed: int) -> dict[str, np.ndarray]:
    """Traces of which evidence for a step of 5 tells the twice compressed ones, nine times out of ten."""
    random = np.random.default_rng(seed)
    double = random.integers(0, 2, count).astype(np.float32)
    evidence = random.normal(-3, 1, (count, 63, 128)).astype(np.float32)
    told = np.where(random.random(count) < 0.9, double, 1 - double)
    evidence[:, :, 4] += 20 * told[:, None].astype(np.float32)
    return {
        "shares": random.dirichlet(np.ones(64), (count, 63)).astype(np.float16), "evidence": evidence,
        "table": np.full((count, 64), 12, np.float32), "blocks": np.full(count, 500, np.float32), "double": double,
    }  # fmt: skip


def test_the_network_learns_and_says_true_probabilities() -> None:
    data, held = made(800, 0), made(1000, 1)
    model, log = train.train(data, held, HistorySize(width=8, hidden=8), 0, steps=120, batch=64)
    assert log["held"]["held_accuracy"] > 0.87
    rows = evaluate.calibration(model, held)
    assert sum(row["files"] for row in rows) == 1000
    assert all(abs(row["said"] - row["true"]) < 0.1 for row in rows if row["files"] > 100)
    assert {name for name, _ in log["history"][0].items()} >= {"accuracy", "loss"}


def test_shares_within_reach() -> None:
    evidence = np.full((63, 128), -50, np.float32)
    evidence[np.arange(63), quality_table(LUMA_QUANTIZATION, 62)[FREQUENCIES] - 1] = 30
    one = Traces(np.zeros((63, 64)), evidence, np.ones(64), np.ones(()))
    assert evaluate.within([one], 60) == [True] and evaluate.within([one], 59) == [False]
