"""Classification from coefficients: experiments/pistono."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

import jax
import jax.numpy as jnp
from flax import nnx
from pictures import waves
from small_sets import write_cifar10

import jpegjax
from experiments.pistono import __main__ as command
from experiments.pistono import data, digits, measure, networks, train
from experiments.pistono.cost import macs
from jpegjax.learned.dct.blocks import dequantised
from jpegjax.learned.dct.stems import BlockStem


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 and MNIST in small: 200 pictures of ten brightnesses, as the real ones are stored."""
    folder = tmp_path / "data"
    labels = write_cifar10(folder / "cifar10")
    grey = {
        f"x_{p}": (25 * labels[f"y_{p}"][:, None, None] + np.zeros((1, 28, 28))).astype(np.uint8)
        for p in ("train", "test")
    }
    np.savez(folder / "mnist.npz", **grey, **labels)
    monkeypatch.setenv("JPEGJAX_SHARED", str(tmp_path))
    return tmp_path


def test_multiply_adds_are_those_of_the_text_book():
    def work(x: jax.Array, kernel: jax.Array, dense: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.einsum("nhwc,cd->nhwd", jax.jit(jax.nn.relu)(y), dense)

    found = macs(work, jnp.zeros((2, 16, 8, 3)), jnp.zeros((3, 5, 3, 7)), jnp.zeros((7, 4)))
    assert found == 2 * 8 * 4 * (3 * 5 * 3 * 7 + 7 * 4)


def test_networks_cost_no_more_than_the_one_on_pixels():
    planes = jnp.zeros((1, 4, 4, 64)), jnp.zeros((1, 2, 2, 64)), jnp.zeros((1, 2, 2, 64))
    cost = {}
    for name in networks.MODELS:
        model = networks.built(name, 0)
        model.eval()
        found = (jnp.zeros((1, 32, 32, 3)),) if name.endswith("pixels") else planes
        cost[name] = macs(model, found)
        assert jax.eval_shape(model, found).shape == (1, 10)
    # 3×3 layers at 32×32, 16×16, 8×8 and 4×4, and the last dense one
    whole = 1024 * 27 * 16 + 256 * 144 * 32 + 64 * 288 * 64 + 16 * 576 * 64 + 640
    assert cost["pixels"] == whole <= 4e6
    assert max(cost.values()) == whole
    stems = 16 * 64 * 64 + 2 * 4 * 64 * 64
    assert cost["stem"] == stems + 1024 * 9 * 16 + 256 * 162 * 32 + 64 * 288 * 64 + 16 * 576 * 64 + 640


def test_pictures_are_varied_in_blocks_as_in_pixels():
    """Luma in blocks, mirrored and moved, then an inverse DCT, beside luma in pixels, mirrored and moved by the same key."""
    files = data.files(np.stack([waves(32, 32, i) for i in range(16)]))
    planes = dequantised(data.batched(files))
    stem = BlockStem(rngs=nnx.Rngs(0))
    key = jax.random.key(3)
    before, after = stem(planes[0]), [stem(p) for p in train.varied(planes, key)]
    (wanted,) = train.varied((before,), key)
    assert np.abs(wanted - before).max() > 50
    np.testing.assert_allclose(after[0], wanted, atol=1e-3)
    chroma = stem(planes[1])
    for i in range(16):  # chroma moves half as far
        shifts = [
            np.roll(c, (y, x), (0, 1)) for c in (chroma[i], chroma[i, :, ::-1]) for y in (-2, 0, 2) for x in (-2, 0, 2)
        ]
        inner = [np.abs(np.asarray(s - after[1][i]))[2:-2, 2:-2].max() for s in shifts]
        assert min(inner) < 1e-3


def test_stems_begin_as_the_decoder():
    """What the tower sees at first: luma in cells of its own pixels, chroma's pixels beside them."""
    files = data.files(np.stack([waves(32, 32, i) for i in range(2)]))
    planes = dequantised(data.batched(files))
    model = networks.built("cells", 0)
    seen = np.asarray(model.luma(planes[0])) * networks.UNIT + 128
    luma = np.stack([jpegjax.decode(file, mode="L") for file in files]).astype(np.float32)
    cells = luma.reshape(2, 16, 2, 16, 2).transpose(0, 1, 3, 2, 4).reshape(2, 16, 16, 4)
    assert np.abs(np.clip(seen, 0, 255) - cells).max() <= 1.01


def test_a_piece_is_made_once_and_learns(sets: Path):
    found = measure.piece("cells", 0, sets / "work", epochs=40, count=200)
    assert found["accuracy"] > 60 and found["mflop"] < 6.8
    stored = sets / "work" / "cells-0.json"
    stored.write_text(json.dumps({**found, "accuracy": 12.5}))
    assert measure.piece("cells", 0, sets / "work")["accuracy"] == 12.5


def test_digits_are_counted_and_learned(sets: Path):
    found = digits.digits(0, 40, 200, 100)
    assert {way: row["macs"] for way, row in found.items()} == {
        "pixels": 132_352,
        "first 10": 21_760,
        "all 64": 132_352,
    }
    assert min(row["accuracy"] for row in found.values()) > 60


def test_the_report_says_what_pieces_say(sets: Path, monkeypatch: pytest.MonkeyPatch):
    work = sets / "work"
    work.mkdir()
    for i, name in enumerate(measure.NETWORKS):
        for seed in measure.SEEDS:
            one = {"accuracy": 70.0 - i - seed, "mflop": 6.0 - i, "epochs": 2, "seconds": 1.0}
            (work / f"{name}-{seed}.json").write_text(json.dumps(one))
    for seed in measure.SEEDS:
        ways = {way: {"accuracy": 97.0 - i, "macs": 100 - 20 * i} for i, way in enumerate(digits.WAYS)}
        (work / f"mnist-{seed}.json").write_text(json.dumps(ways))
    command.main(["--work", str(work), "--to", str(sets / "to")])
    report = json.loads((sets / "to" / "pistono.json").read_text())
    assert report["cifar10"]["stem"]["to_pixels"] == {"mean": -2.0, "deviation": 0.0, "seeds": [-2.0] * 3}
    assert report["cifar10"]["stem"]["accuracy"]["deviation"] == 1.0
    assert report["literature"][0]["measured"].startswith("MNIST -1.00 points at 80 instead of 100 multiply-adds")
    assert "| stem | 4.00 | 67.00 ± 1.00 | -2.00 ± 0.00 |" in (sets / "to" / "pistono.md").read_text()
    assert (sets / "to" / "pistono.png").is_file()
    (work / "stem-2.json").unlink()
    (work / "pixels-0.json").unlink()
    for seed in measure.SEEDS:
        (work / f"cells-{seed}.json").unlink()
    command.main(["--work", str(work), "--to", str(sets / "to"), "--stored"])
    report = json.loads((sets / "to" / "pistono.json").read_text())
    assert report["cifar10"]["stem"]["to_pixels"]["seeds"] == [-2.0] and "cells" not in report["cifar10"]
    assert report["cifar10"]["stem"]["accuracy"]["seeds"] == [68.0, 67.0]


def test_speed_is_measured_for_each(sets: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure, "SPEED_BATCH", 25)
    found = measure.speed(("pixels", "cells"), rounds=1, count=50)
    assert found["pixels"]["times_pixels"] == 1.0
    for row in found.values():
        assert min(row.values()) > 0 and row["both_us"] > 0
