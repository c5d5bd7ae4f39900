"""Thin files, their recovery and its network: experiments/qiu."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax
import jax.numpy as jnp
from flax import nnx
from pictures import waves
from PIL import Image

import jpegjax
from experiments.qiu import evaluate, network, recover, thin, train
from jpegjax.ops.blocks import merge_blocks, split_blocks
from jpegjax.ops.dct import fdct_float
from jpegjax.types import ZIGZAG, Coefficients, Component, Frame

SLOPES = recover.Weights(jump=0.0, slope=1.0, prior=0.0)


def scene(height: int, width: int) -> np.ndarray:
    """Something smooth with edges and a little noise: uint8 [height, width, 3]."""
    noise = np.random.default_rng(5).normal(0, 6, (height, width, 3))
    edge = 50.0 * (np.add.outer(np.arange(height), 2 * np.arange(width)) % 90 < 40)
    return np.clip(0.6 * waves(height, width, 3) + edge[..., None] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("anchors", thin.ANCHORS)
def test_thin_files_are_jpeg_files_that_say_what_is_missing(mode: str, anchors: str):
    """Pillow opens them; what stays is what the plain file has; every byte counts."""
    picture = np.asarray(Image.fromarray(scene(75, 83)).convert(mode))
    plain = jpegjax.encode(picture, quality=60, optimize=True)
    data, dropped, nbytes = thin.thinned(plain, 0.7, anchors)
    assert nbytes == len(plain) and len(data) <= 0.7 * nbytes < len(thin.thinned(plain, 1.0, anchors)[0])
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        assert opened.size == (83, 75) and opened.mode == mode
        assert np.array_equal(np.asarray(opened), jpegjax.decode(data))
    found, told = thin.read(data)
    assert told == dropped and told.anchors == anchors
    before = jpegjax.read_coefficients(plain)
    for mine, theirs in zip(found.planes, before.planes, strict=True):
        missing = told.mask(*mine.shape[1:3])
        assert np.array_equal(mine[0][~missing], theirs[0][~missing])
        zeros = mine.reshape(-1, 64)[:, ZIGZAG[1 : told.count]]
        assert not zeros.any() and missing[..., 0, 0].any() == (anchors != "all")


def test_dc_between_anchors_costs_nothing_but_zero_differences():
    """In the order of the file, 4:2:0 too, each repeats the one before: its differences are zero there."""
    frame = Frame(48, 64, (Component(1, 2, 2), Component(2, 1, 1), Component(3, 1, 1)))
    random = np.random.default_rng(0)
    planes = tuple(random.integers(-400, 400, (1, *frame.blocks(c), 8, 8)).astype(np.int16) for c in range(3))
    dropped = thin.Dropped(1, "half")
    left = thin.drop(Coefficients(planes, (np.ones((8, 8), np.uint16),) * 3, frame), dropped)
    luma, kept = left.planes[0][0, :, :, 0, 0], thin.anchored("half", 6, 8)
    walk = [(2 * y + v, 2 * x + h) for y in range(3) for x in range(4) for v in range(2) for h in range(2)]
    held = luma[0, 0]
    for place in walk:
        held = planes[0][0, place[0], place[1], 0, 0] if kept[place] else held
        assert luma[place] == held
    assert np.array_equal(left.planes[0].reshape(-1, 64)[:, 1:], planes[0].reshape(-1, 64)[:, 1:])
    none = thin.drop(left, thin.Dropped(1, "none")).planes[0][..., 0, 0]
    assert np.unique(none).size == 1 and abs(none.flat[0] - luma.mean()) <= 0.5


def test_wrong_thin_files_are_refused():
    picture = scene(32, 32)
    with pytest.raises(ValueError, match="no thin file"):
        thin.read(jpegjax.encode(picture))
    for comment in (b"thin\0", b"thin\0\x06\x09", b"thin\0\x06\x02\x00", b"thin\0\x00\x01", b"thin\0\x41\x01"):
        with pytest.raises(ValueError, match=r"must be|must end"):
            thin.read(jpegjax.encode(picture, comment=comment))
    with pytest.raises(jpegjax.JpegError):
        thin.read(b"no picture")
    with pytest.raises(ValueError, match="anchors='some'"):
        thin.Dropped(4, "some")
    with pytest.raises(ValueError, match="there are still"):
        thin.thinned(jpegjax.encode(picture), 0.1)


@pytest.mark.parametrize(
    ("anchors", "count", "within"),
    [("quarter", 1, 0), ("quarter", 3, 0), ("half", 3, 0), ("half", 6, 4), ("all", 6, 4)],
)
def test_ramps_come_back_exactly(anchors: str, count: int, within: int):
    """A ramp has no jump of slope, and nothing else of its known part has none; curves may die away from the picture's ends."""
    y, x = np.mgrid[:96, :112]
    ramp = (40 + 0.9 * x + 0.7 * y).astype(np.float32)
    levels = np.asarray(fdct_float(split_blocks(jnp.asarray(ramp - 128)[None])))
    dropped = thin.Dropped(count, anchors)
    left = np.where(dropped.mask(12, 14), 0, levels)
    error = {}
    for steps in (0, 400):
        blocks = recover.recover_blocks(left, np.ones((8, 8)), dropped, SLOPES, steps=steps, tolerance=1e-5)
        error[steps] = np.abs(np.asarray(merge_blocks(jnp.asarray(blocks)))[0] - ramp)
    inside = slice(8 * within, -8 * within or None)
    assert error[400][inside, inside].max() < 0.3 and error[400].max() < 4
    assert error[0][inside, inside].max() > 2


def test_recovery_keeps_what_is_known_and_the_range():
    """Known coefficients stay as sent; pixels leave 0..255 less than without the range; both errors fall."""
    picture = np.where(scene(96, 112)[..., 0] > 120, 255, 0).astype(np.uint8)
    plain = jpegjax.read_coefficients(jpegjax.encode(picture, quality=80))
    dropped = thin.Dropped(6, "half")
    left = thin.drop(plain, dropped)
    free, held = (recover.recover_blocks(left.planes[0], left.qtables[0], dropped, rounds=n) for n in (1, 3))
    known = ~dropped.mask(12, 14)
    for blocks in (free, held):
        again = np.asarray(fdct_float(jnp.asarray(blocks - 128)))[0]
        sent = plain.planes[0][0] * plain.qtables[0].astype(np.float32)
        np.testing.assert_allclose(again[known], sent[known], atol=0.01)
    outside = [np.square(np.clip(b, 0, 255) - b).sum() for b in (free, held)]
    errors = [np.square(np.clip(merge_blocks(jnp.asarray(b))[0], 0, 255) - picture).mean() for b in (free, held)]
    shown = np.square(jpegjax.decode(jpegjax.write_coefficients(left)).astype(float) - picture).mean()
    assert outside[1] < 0.7 * outside[0] and errors[1] < errors[0] < shown


def test_network_starts_at_the_recovery_and_stays_in_the_cells():
    """Untrained it changes little; whatever its weights, known coefficients move by half a step at most; files keep weights."""
    plain = jpegjax.read_coefficients(jpegjax.encode(scene(90, 107)[..., 0], quality=50))
    coefficients, dropped = thin.read(thin.write(plain, thin.Dropped(7)))
    model = network.Refiner(8, 1, rngs=nnx.Rngs(3))
    recovered, refined = recover.recover(coefficients, dropped), network.refine(model, coefficients, dropped)
    assert refined[0].shape == recovered[0].shape == (1, 90, 107)
    assert np.abs(refined[0].astype(int) - recovered[0]).mean() < 4
    model.out.kernel[...] *= 1000
    blocks = recover.recover_blocks(coefficients.planes[0], coefficients.qtables[0], dropped)
    changed = network.refined_blocks(model, blocks, coefficients.qtables[0], dropped)
    change = np.abs(np.asarray(fdct_float(jnp.asarray(changed - blocks))))[0]
    known = ~dropped.mask(*change.shape[:2])
    halves = np.broadcast_to(coefficients.qtables[0] / 2, change.shape)
    assert (change[known] <= halves[known] + 0.01).all() and change[~known].max() > 100


def test_weights_come_back(tmp_path: Path):
    model = network.Refiner(8, 1, rngs=nnx.Rngs(3))
    network.save(tmp_path / "w.npz", model)
    again = network.load(tmp_path / "w.npz")
    for a, b in zip(jax.tree.leaves(nnx.state(model)), jax.tree.leaves(nnx.state(again)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    with np.load(tmp_path / "w.npz") as stored:
        arrays = dict(stored)
    arrays["front/kernel"] = arrays["front/kernel"][:5]
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(ValueError, match="another model"):
        network.load(tmp_path / "w.npz")


def test_loss_is_minus_psnr():
    """Of crops, some of them mirrored: what is known and what is missing moves with the pixels."""
    crops = {
        "recovered": np.full((6, 16, 24), 100, np.float16), "original": np.full((6, 16, 24), 110, np.uint8),
        "table": np.full((6, 8, 8), 9, np.float32), "lost": np.full(6, 5, np.uint8),
        "kept": np.broadcast_to(np.eye(2, 3, dtype=bool), (6, 2, 3)),
    }  # fmt: skip
    seen = []

    def model(blocks: jax.Array, table: jax.Array, missing: jax.Array) -> jax.Array:
        seen.append(np.asarray(missing))
        return blocks + 10 - 1

    value, shown = train.loss(model, crops, jax.random.key(0))
    assert np.isclose(-10 * value, 10 * np.log10(255**2 / 1.01), atol=1e-3) and np.isclose(
        shown["psnr_db"], -10 * value
    )
    assert np.isclose(shown["gain_db"], 10 * np.log10(100.01 / 1.01), atol=1e-3)
    (missing,) = seen
    assert (missing.reshape(6, 6, 64)[..., ZIGZAG[1:5]]).all() and not missing.reshape(6, 6, 64)[..., ZIGZAG[5:]].any()
    dc = ~missing[..., 0, 0]
    assert len({d.tobytes() for d in dc}) > 1 and (dc.sum((1, 2)) == 2).all()


@pytest.mark.slow
def test_training_gains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From photographs in a folder to weights to figures: a few steps beat continuity on pictures held out."""
    monkeypatch.setattr(train, "QUALITIES", (50,))
    monkeypatch.setattr(train, "HELD_SIDE", 64)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(np.roll(scene(72, 80), 9 * number, 1)).save(folder / f"{number}.png")
    found = train.run(
        folder=str(tmp_path / "run"), data=str(folder), steps=60, batch=4, crop=64, count=32, held=1, width=16, depth=1,
        learning_rate=1e-2, evaluate_every=60,
    )  # fmt: skip
    assert found.evaluation["gain_db"] > 0.1
    model = network.load(tmp_path / "run" / "qiu.npz")
    for picture in (scene(72, 80), scene(72, 80)[..., 0]):
        row = evaluate.measure(picture, 50, "half", model)
        assert row["share"] <= 0.6 and row["same_bytes"]["nbytes"] <= row["network"]["nbytes"] < row["plain"]["nbytes"]
        assert row["shown"]["psnr"] < row["continuity"]["psnr"] < row["plain"]["psnr"]
    assert row["continuity"]["psnr"] < row["network"]["psnr"] < row["plain"]["psnr"]  # of grey; no chroma was trained


def test_plain_files_of_the_same_bytes():
    """The largest that fits, by trying all."""
    picture = scene(64, 64)[..., 0]
    sizes = {q: len(jpegjax.encode(picture, quality=q, optimize=True)) for q in range(1, 101)}
    data, quality = evaluate.plain_within(picture, sizes[40])
    assert len(data) <= sizes[40] and quality >= 40 and sizes[quality + 1] > sizes[40]
    with pytest.raises(ValueError, match="no plain file"):
        evaluate.plain_within(picture, 50)
