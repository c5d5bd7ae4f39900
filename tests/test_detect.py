"""Anchors, overlap, matching, suppression and loss of SSD, beside brute force."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jpegjax
from jpegjax.learned.detect.boxes import anchors, boxes_of, iou, matched, offsets_of, suppressed
from jpegjax.learned.detect.losses import detection_loss, hard_negatives


def whole_boxes(random: np.random.Generator, count: int, side: int = 24) -> np.ndarray:
    """Boxes on whole pixels, which a mask holds exactly."""
    corner, size = random.integers(0, side - 8, (count, 2)), random.integers(1, 9, (count, 2))
    return np.concatenate([corner, corner + size], 1).astype(np.float32)


def by_masks(a: np.ndarray, b: np.ndarray, side: int = 24) -> float:
    """Overlap of two boxes on whole pixels, by counting pixels."""
    masks = np.zeros((2, side, side), bool)
    for mask, (left, top, right, bottom) in zip(masks, (a.astype(int), b.astype(int)), strict=True):
        mask[top:bottom, left:right] = True
    return (masks[0] & masks[1]).sum() / max(1, (masks[0] | masks[1]).sum())


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_overlap_counts_pixels(seed: int):
    random = np.random.default_rng(seed)
    a, b = whole_boxes(random, 3), whole_boxes(random, 4)
    wanted = [[by_masks(x, y) for y in b] for x in a]
    np.testing.assert_allclose(iou(a, b), wanted, atol=1e-6)


def test_boxes_without_area_overlap_nothing():
    boxes = np.array([[2, 2, 2, 9], [0, 0, 4, 4], [5, 5, 3, 3]], np.float32)
    assert np.asarray(iou(boxes, boxes)).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_anchors_stand_around_their_places():
    found = anchors(2, 3, 16, [(8, 4), (32, 32)])
    assert found.shape == (12, 4) and found.dtype == np.float32
    assert found[0].tolist() == [4, 6, 12, 10] and found[1].tolist() == [-8, -8, 24, 24]
    assert found[2 * 5].tolist() == [36, 22, 44, 26]  # row 1, column 2: its middle is at (40, 24)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_offsets_lead_to_boxes_and_back(seed: int):
    random = np.random.default_rng(seed)
    boxes, places = whole_boxes(random, 6), whole_boxes(random, 6)
    np.testing.assert_allclose(boxes_of(offsets_of(boxes, places), places), boxes, atol=1e-4)


def test_offsets_are_those_of_the_paper():
    """By hand: 2 pixels to the right of an anchor 20 wide, twice as high."""
    found = offsets_of(np.array([[12.0, 0, 32, 40]], np.float32), np.array([[10.0, 10, 30, 30]], np.float32))
    np.testing.assert_allclose(found, [[2 / 20 / 0.1, 0, 0, np.log(2) / 0.2]], atol=1e-5)
    assert np.isfinite(np.asarray(boxes_of(jnp.full((1, 4), 1e6), jnp.asarray([[0.0, 0, 8, 8]])))).all()


def by_rule(places: np.ndarray, boxes: np.ndarray, classes: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """`matched` with loops."""
    kinds, stood_for = np.zeros(len(places), np.int32), places.copy()
    real = [k for k in range(len(boxes)) if classes[k]]
    overlap = np.array([[by_masks(p, boxes[k]) for k in real] for p in places], np.float32)
    for i in range(len(places)):
        if real and overlap[i].max() >= least:
            k = real[int(overlap[i].argmax())]
            kinds[i], stood_for[i] = classes[k], boxes[k]
    for n, k in enumerate(real):
        i = int(overlap[:, n].argmax())
        kinds[i], stood_for[i] = classes[k], boxes[k]
    return kinds, stood_for


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_anchors_match_as_the_rule_says(seed: int):
    random = np.random.default_rng(seed)
    places, boxes = whole_boxes(random, 12), whole_boxes(random, 5)
    classes = random.integers(0, 3, 5).astype(np.int32)
    found = matched(places, boxes, classes, 0.4)
    wanted = by_rule(places, boxes, classes, 0.4)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def test_without_boxes_all_is_background():
    places = anchors(2, 2, 8, [(8, 8)])
    kinds, stood_for = matched(places, np.zeros((3, 4), np.float32), np.zeros(3, np.int32))
    assert not np.asarray(kinds).any()
    np.testing.assert_array_equal(stood_for, places)
    assert not np.asarray(offsets_of(stood_for, places)).any()


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_doubles_are_suppressed_greedily(seed: int, count: int):
    random = np.random.default_rng(seed)
    boxes, scores = whole_boxes(random, 15), random.random(15)
    kept: list[int] = []
    for i in np.argsort(-scores):
        if len(kept) < count and all(by_masks(boxes[i], boxes[k]) <= 0.3 for k in kept):
            kept.append(int(i))
    assert suppressed(boxes, scores, 0.3, count).tolist() == kept
    assert suppressed(boxes[:0], scores[:0]).tolist() == []


def test_negatives_are_the_hardest_of_each_picture():
    random = np.random.default_rng(1)
    cost, positive = random.random((4, 30)).astype(np.float32), random.random((4, 30)) < 0.1
    positive[2] = False
    found = np.asarray(hard_negatives(jnp.asarray(cost), jnp.asarray(positive), 3))
    for c, p, f in zip(cost, positive, found, strict=True):
        hardest = sorted(np.flatnonzero(~p), key=lambda i: -c[i])[: 3 * p.sum()]
        assert np.flatnonzero(f).tolist() == sorted(hardest)


def test_loss_is_the_papers():
    random = np.random.default_rng(2)
    scores, offsets, targets = random.normal(0, 2, (2, 20, 4)), *random.normal(0, 1.5, (2, 2, 20, 4))
    classes = random.choice(4, (2, 20), p=[0.8, 0.1, 0.05, 0.05])
    cost = np.log(np.exp(scores).sum(-1)) - np.take_along_axis(scores, classes[..., None], -1)[..., 0]
    named = placed = 0.0
    for n in range(2):
        positive = np.flatnonzero(classes[n])
        negative = sorted(np.flatnonzero(classes[n] == 0), key=lambda i: -cost[n, i])[: 3 * len(positive)]
        named += cost[n, [*positive, *negative]].sum()
        away = abs(offsets[n, positive] - targets[n, positive])
        placed += np.where(away < 1, away**2 / 2, away - 0.5).sum()
    single = (jnp.asarray(x, jnp.float32) for x in (scores, offsets))
    found = detection_loss(*single, jnp.asarray(classes, jnp.int32), jnp.asarray(targets, jnp.float32))
    count = (classes > 0).sum()
    np.testing.assert_allclose(found, (named / count, placed / count), rtol=1e-5)
    gradient = jax.grad(lambda s: sum(detection_loss(s, s, jnp.zeros((1, 9), jnp.int32), jnp.zeros((1, 9, 4)))))(
        jnp.ones((1, 9, 4))
    )
    assert not np.asarray(gradient).any()  # no positives, no negatives


def test_experiment_turns_boxes_with_pictures_and_finds_what_is_there():
    """A bright rectangle stays under its box, in pixels and in blocks; AP50 of the truth is 100."""
    pytest.importorskip("grain")
    pytest.importorskip("orbax.checkpoint")
    from experiments.deguerre import data, train
    from jpegjax.learned.dct.stems import BlockStem
    from jpegjax.ops.blocks import split_blocks
    from jpegjax.ops.dct import fdct_float

    height, width = data.SIZE
    boxes = np.array([[[32, 48, 96, 128]], [[400, 16, 624, 64]]] * 3, np.float32)
    pictures = np.zeros((6, height, width), np.float32)
    for picture, ((left, top, right, bottom),) in zip(pictures, boxes.astype(int), strict=True):
        picture[top:bottom, left:right] = 100
    blocks = fdct_float(split_blocks(jnp.asarray(pictures))).reshape(6, height // 8, width // 8, 64)
    from flax import nnx

    (plane,), turned = train.turned((blocks,), jnp.asarray(boxes), jax.random.key(1))
    pixels = np.asarray(BlockStem(rngs=nnx.Rngs(0))(plane))[..., 0]
    (same,), again = train.turned((jnp.asarray(pictures)[..., None],), jnp.asarray(boxes), jax.random.key(1))
    np.testing.assert_array_equal(turned, again)
    np.testing.assert_allclose(same[..., 0], pixels, atol=1e-3)
    assert np.abs(pixels - pictures).max() > 50
    for picture, ((left, top, right, bottom),) in zip(pixels, np.asarray(turned).astype(int), strict=True):
        assert (
            picture[top:bottom, left:right].min() > 99
            and abs(picture.sum() / 100 - (bottom - top) * (right - left)) < 1
        )


def test_precision_is_cocos():
    pytest.importorskip("grain")
    pytest.importorskip("orbax.checkpoint")
    pytest.importorskip("pycocotools", reason="AP needs jpegjax[detect]")
    from experiments.deguerre import data, measure

    boxes = np.zeros((2, data.MOST, 4), np.float32)
    classes = np.zeros((2, data.MOST), np.int32)
    boxes[0, :3] = [[10, 10, 50, 50], [100, 100, 140, 150], [200, 20, 230, 50]]
    boxes[1, :2] = [[10, 10, 50, 50], [300, 300, 420, 420]]
    classes[0, :3], classes[1, :2] = (1, 1, 3), (1, 2)
    part = data.Part(["a", "b"], [b"", b""], boxes, classes)
    truth = [(i, int(classes[i, k]), 0.9, boxes[i, k]) for i in range(2) for k in range(3) if classes[i, k]]
    assert set(measure.average_precision(part, truth).values()) == {100.0}
    # one of three red cells is missed: recall ends at 2/3, after 67 of 101 points
    assert measure.average_precision(part, truth[1:])["red cells"] == round(100 * 67 / 101, 3)
    assert measure.average_precision(part, [])["mean"] == 0.0


def test_detectors_have_a_score_for_each_anchor():
    pytest.importorskip("grain")
    pytest.importorskip("orbax.checkpoint")
    from experiments.deguerre import networks
    from experiments.pistono.cost import macs
    from jpegjax.learned.dct.statistics import BlockStatistics

    statistics = [BlockStatistics(np.zeros(64), np.ones(64), 1)] * 3
    pixels = (jnp.zeros((1, 240, 320, 3)),)
    planes = jnp.zeros((1, 60, 80, 64)), *[jnp.zeros((1, 30, 40, 64))] * 2
    cost = {}
    for name, seen in (("pixels", pixels), ("blocks", planes)):
        model = networks.built(name, 0, statistics)
        model.eval()
        scores, offsets = jax.eval_shape(model, seen)
        assert scores.shape == offsets.shape == (1, len(networks.places()), 4)
        cost[name] = macs(model, seen)
    assert cost["blocks"] < 0.85 * cost["pixels"]


@pytest.mark.slow
def test_experiment_runs_from_files_to_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On pictures of bright rectangles, as the real ones are stored; a minute, of which most is compiling."""
    pytest.importorskip("grain")
    pytest.importorskip("orbax.checkpoint")
    pytest.importorskip("pycocotools", reason="AP needs jpegjax[detect]")
    from experiments.deguerre import __main__ as command
    from experiments.deguerre import data, measure

    folder, random, about = tmp_path / "data" / "bccd", np.random.default_rng(0), {}
    folder.mkdir(parents=True)
    for i in range(24):
        picture, boxes = np.full((480, 640, 3), 60, np.uint8), []
        for x, y in random.permutation([(x, y) for x in (40, 200, 360, 500) for y in (30, 180, 330)])[:5].tolist():
            picture[y : y + 100, x : x + 105] = (220, 120, 120)
            boxes.append([0, x, y, x + 105, y + 100])
        boxes.append([2, 5, 7, 5, 7])  # without area
        (folder / f"{i:02}.jpg").write_bytes(jpegjax.encode(picture, subsampling="4:2:0"))
        about[f"{i:02}"] = {"split": "train" if i < 16 else "test", "boxes": boxes}
    (folder / "boxes.json").write_text(json.dumps({"images": about}))
    monkeypatch.setenv("JPEGJAX_SHARED", str(tmp_path))
    monkeypatch.setattr("experiments.pistono.measure.SEEDS", (0,))
    assert (data.bccd("test").classes > 0).sum() == 5 * 8
    for name in measure.NETWORKS:
        assert measure.piece(name, 0, tmp_path / "work", epochs=60)["ap50"]["red cells"] > 80
    command.main(["--work", str(tmp_path / "work"), "--to", str(tmp_path / "to")])
    report = json.loads((tmp_path / "to" / "deguerre.json").read_text())
    assert set(report["bccd"]) == set(measure.NETWORKS)
    assert min(row["both_ms"] for row in measure.speed(1, 8).values()) > 0
