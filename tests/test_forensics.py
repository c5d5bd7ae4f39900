"""Double compression: features against loops, probabilities against drawing, first qualities of photographs, the doors."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import slopes
from PIL import Image

import jpegjax
from jpegjax import JpegError, UnsupportedJpeg, forensics
from jpegjax.forensics import steps
from jpegjax.forensics.features import BINS, FREQUENCIES
from jpegjax.forensics.steps import first_quality
from jpegjax.forensics.traces import observe
from jpegjax.types import ZIGZAG


def photograph() -> np.ndarray:
    """256×256 pixels that never were JPEG."""
    skimage = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(skimage.astronaut()[100:356, 130:386])


def twice(pixels: np.ndarray, first: int | None, second: int, **how: Any) -> bytes:
    if first is not None:
        pixels = np.asarray(jpegjax.decode(jpegjax.encode(pixels, quality=first)))
    return jpegjax.encode(pixels, quality=second, **how)


def markov_by_loops(blocks: np.ndarray) -> list[float]:
    rows, columns = blocks.shape[:2]
    j = {
        (8 * r + v, 8 * c + u): abs(int(blocks[r, c, v, u]))
        for r in range(rows) for c in range(columns) for v in range(8) for u in range(8)
    }  # fmt: skip
    found: list[float] = []
    for here, there in (((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 0), (1, 1)), ((1, 0), (0, 1))):
        move = there[0] - here[0], there[1] - here[1]
        differences = {}
        for y in range(8 * rows):
            for x in range(8 * columns):
                a, b = (y, x), (y + move[0], x + move[1])
                if a in j and b in j:
                    differences[a] = max(-4, min(4, j[a] - j[b]))
        counts = np.zeros((9, 9))
        for (y, x), d in differences.items():
            after = differences.get((y + move[0], x + move[1]))
            if after is not None:
                counts[d + 4, after + 4] += 1
        found += [n / max(1, row.sum()) for row in counts for n in row]
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000), st.sampled_from([0.5, 2.0, 30.0]))
def test_markov_features_are_those_of_loops(rows: int, columns: int, seed: int, scale: float) -> None:
    blocks = np.random.default_rng(seed).laplace(0, scale, (rows, columns, 8, 8)).astype(np.int16)
    found = forensics.markov_features(blocks)
    assert found.shape == (324,) and found.dtype == np.float64
    np.testing.assert_allclose(found, markov_by_loops(blocks), atol=1e-15)


def test_features_want_blocks_of_integers() -> None:
    for wrong in (np.zeros((4, 4, 8, 8)), np.zeros((4, 64), np.int16)):
        for function in (forensics.markov_features, forensics.histograms):
            with pytest.raises(ValueError, match=r"blocks: .*integers"):
                function(wrong)


def test_histograms_count_magnitudes() -> None:
    blocks = np.random.default_rng(1).laplace(0, 20, (5, 7, 8, 8)).astype(np.int16)
    found = forensics.histograms(blocks)
    assert found.shape == (63, BINS) and (found.sum(1) == 35).all()
    for k, place in enumerate(ZIGZAG[1:]):
        values = np.abs(blocks[:, :, place // 8, place % 8].astype(int)).ravel()
        assert [np.sum(values == m) for m in range(63)] == found[k, :63].tolist() and np.sum(values >= 63) == found[
            k, 63
        ]


def test_normal_share_is_scipys() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.linspace(0, 9, 1001)
    np.testing.assert_allclose(steps._within(x), special.erf(x / np.sqrt(2)), atol=3e-7)


@pytest.mark.parametrize(("first", "second"), [(7, 3), (3, 7), (5, 5), (12, 1), (1, 4), (2, 6)])
def test_predictions_are_what_drawing_gives(first: int, second: int) -> None:
    """Gaussians quantised twice with noise between, a million draws; a small share of them quantised once."""
    random, k = np.random.default_rng(first * 100 + second), 9
    x = random.normal(0, steps._SCALES[k], 1_000_000)
    y = first * np.rint(x / first) + random.normal(0, steps._NOISE, x.shape) if first > 1 else x
    y = np.where(random.random(x.shape) < steps._ASTRAY, x, y)
    drawn = np.bincount(np.minimum(np.abs(np.rint(y / second)), BINS - 1).astype(int), minlength=BINS) / len(x)
    expected = steps._predicted(second)[first - 1, k]
    assert expected.sum() == pytest.approx(1, abs=1e-4)
    # of the noise only what crosses the nearest edge is counted, which with steps of 2 or 3 leaves out some in a thousand
    assert np.abs(drawn - expected).max() < (0.003 if first > 3 else 0.02)


def test_evidence_finds_the_step_of_one_frequency() -> None:
    random = np.random.default_rng(3)
    x = random.laplace(0, 15, 3000)
    for first, second in ((7, 3), (11, 4), (5, 8), (3, 2)):
        y = first * np.rint(x / first) + random.normal(0, 0.35, x.shape)
        counts = [
            np.bincount(np.minimum(np.abs(np.rint(v / second)), BINS - 1).astype(int), minlength=BINS) for v in (x, y)
        ]
        once, again = forensics.step_evidence(np.array(counts), np.array([second, second]))
        assert again.argmax() + 1 == first and again.max() > 20
        assert once[0] == again[0] == 0 and once.max() < 5


@pytest.mark.parametrize(("first", "second"), [(50, 70), (75, 90), (85, 95)])
def test_first_quality_of_a_photograph(first: int, second: int) -> None:
    found = forensics.double_jpeg(twice(photograph(), first, second))
    assert found.doubly
    assert found.first_quality is not None and abs(found.first_quality - first) <= 2
    once = forensics.double_jpeg(twice(photograph(), None, second))
    assert not once.doubly and once.probability < 0.5 and once.first_quality is None


def test_a_finer_first_quality_raises_the_probability() -> None:
    """Of a file made finer before; its quality is the likeliest, though little is left of it."""
    once, again = (jpegjax.read_coefficients(twice(photograph(), first, 75)) for first in (None, 90))
    low, high = (forensics.double_jpeg(jpegjax.write_coefficients(one)).probability for one in (once, again))
    assert low < 0.5 < high
    assert abs(first_quality(observe(again).evidence) - 90) <= 2


def test_the_answer_is_of_the_coefficients_alone(tmp_path: Path) -> None:
    """Other processes of one picture, paths and files in place of bytes; another grid shows nothing."""
    data = twice(photograph(), 60, 85)
    found = forensics.double_jpeg(data)
    (tmp_path / "x.jpg").write_bytes(data)
    for same in (
        jpegjax.transcode(data, progressive=True),
        jpegjax.transcode(data, arithmetic=True),
        tmp_path / "x.jpg",
        io.BytesIO(data),
        memoryview(data),
    ):
        assert forensics.double_jpeg(same) == found
    assert found.as_dict() == {
        "probability": found.probability, "doubly": True, "first_quality": found.first_quality, "blocks": found.blocks,
    }  # fmt: skip
    assert str(found).startswith("compressed twice, first at about quality ") and 64 <= found.blocks <= 1024
    shifted = np.asarray(jpegjax.decode(jpegjax.encode(photograph(), quality=60)))[3:, 5:]
    assert not forensics.double_jpeg(jpegjax.encode(np.ascontiguousarray(shifted), quality=85)).doubly


def test_grey_flat_and_clipped_pictures() -> None:
    grey = np.asarray(Image.fromarray(photograph()).convert("L"))
    found = forensics.double_jpeg(twice(grey, 70, 90))
    assert found.doubly and found.first_quality is not None and abs(found.first_quality - 70) <= 2
    for flat in (np.zeros((64, 64), np.uint8), np.full((64, 64, 3), 255, np.uint8), np.full((65, 71, 3), 99, np.uint8)):
        found = forensics.double_jpeg(jpegjax.encode(flat))
        assert found.probability < 0.9 and np.isfinite(found.probability)


def bad_files() -> dict[str, tuple[bytes, str]]:
    pixels, out = slopes(80, 80), io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(out, "JPEG")
    return {
        "CMYK": (out.getvalue(), "this one is cmyk"),
        "RGB": (jpegjax.encode(pixels, color="RGB"), "this one is rgb"),
        "lossless": (jpegjax.encode(pixels, lossless=True), "lossless files hold samples"),
        "12 bits": (jpegjax.encode(pixels.astype(np.uint16) << 4, precision=12), "this one has 12"),
        "small": (jpegjax.encode(pixels[:48]), "needs 64 blocks of 8×8 pixels; a picture of 80×48 has 60"),
        "luma": (jpegjax.encode(pixels, subsampling=[(1, 1), (2, 2), (2, 2)]), "has it subsampled"),
    }


@pytest.mark.parametrize("name", ["CMYK", "RGB", "lossless", "12 bits", "small", "luma"])
def test_what_has_no_history_is_said(name: str) -> None:
    data, why = bad_files()[name]
    with pytest.raises(UnsupportedJpeg, match=why):
        forensics.double_jpeg(data)


def test_damage_is_a_warning_and_no_file_an_error() -> None:
    data = twice(photograph(), None, 75)
    with pytest.warns(jpegjax.JpegWarning):
        forensics.double_jpeg(data[: len(data) * 3 // 4])
    with pytest.raises(JpegError):
        forensics.double_jpeg(b"text")
    with pytest.raises(TypeError, match="data"):
        forensics.double_jpeg(3)  # type: ignore[arg-type]


def test_history_on_the_command_line(run: Run, tmp_path: Path) -> None:
    Path("twice.jpg").write_bytes(twice(photograph(), 60, 85))
    Path("once.jpg").write_bytes(twice(photograph(), None, 85))
    Path("cut.jpg").write_bytes(twice(photograph(), None, 85)[:-500])
    Path("small.jpg").write_bytes(bad_files()["small"][0])
    Path("cmyk.jpg").write_bytes(bad_files()["CMYK"][0])
    shown = run("info", "--history", "twice.jpg", "once.jpg")
    lines = shown.out.decode().splitlines()
    told = [line.strip() for line in lines if "history:" in line]
    assert shown.code == 0 and len(told) == 2
    assert told[0].startswith("history: compressed twice, first at about quality ")
    assert told[1].startswith("history: no clear trace of an earlier compression (probability 0.")
    assert "history" not in run("info", "twice.jpg").out.decode()
    found = json.loads(run("info", "--history", "--json", "twice.jpg").out)["history"]
    assert found == forensics.double_jpeg(Path("twice.jpg")).as_dict()
    cut = run("info", "--history", "cut.jpg")
    assert cut.code == 0 and b"history: no clear trace" in cut.out and cut.out.count(b"warning") == 1
    bad = run("info", "--history", "small.jpg", "cmyk.jpg", "once.jpg")
    assert bad.code == 1 and b"once.jpg" in bad.out
    assert "needs 64 blocks" in bad.err and "this one is cmyk" in bad.err


def test_weights_round_trip_and_are_named_when_wrong(tmp_path: Path) -> None:
    from flax import nnx

    from jpegjax.forensics import network

    model = network.History(network.HistorySize(width=4, hidden=4), rngs=nnx.Rngs(0))
    path = tmp_path / "own.npz"
    network.write(path, "own", model)
    arguments = (
        np.full((2, 63, 64), 0.01, np.float32), np.ones((2, 63, 128), np.float32), np.full((2, 64), 9, np.float32),
        np.full(2, 100, np.float32),
    )  # fmt: skip
    there, back = model(*arguments), network.load(path)(*arguments)
    np.testing.assert_allclose(there, back, atol=0.02)
    with np.load(path) as stored:
        arrays = dict(stored)
    for change, why in (
        ({"out/bias": np.zeros(3)}, r"out/bias is shape \(3,\)"),
        ({"more": np.zeros(3)}, "more: no such weights"),
        ({"about": np.zeros(3, np.uint8)}, "not weights of the history network"),
    ):
        np.savez(path, **(arrays | change))
        with pytest.raises(ValueError, match=why):
            network.load(path)
    with pytest.raises(ValueError, match="must be one of double"):
        network.named("other")


def test_places_of_qualities_are_the_tables() -> None:
    q75 = np.asarray(jpegjax.info(jpegjax.encode(slopes(16, 16), quality=75)).qtables[0]).reshape(64)
    assert (steps.quality_places()[:, 74] + 1 == q75[FREQUENCIES]).all()
