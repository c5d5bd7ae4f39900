"""The panel of the tuning experiments: BD-rates picture by picture, FSIMc's fast twin, the line-up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import waves

from experiments.tuning import crops, panel_report, peers
from experiments.tuning.panel import rates
from experiments.tuning.panel.features import Features
from jpegjax import metrics

WORST = {
    "gmsd": lambda error: error,
    "butteraugli_3": lambda error: 8 * error,
    "butteraugli_max": lambda error: 30 * error,
    "psnr": lambda error: 20 - 30 * math.log10(error),
    "psnr_hvs_m": lambda error: 20 - 30 * math.log10(error),
    "ssimulacra2": lambda error: 100 - 200 * error,
}
"""Scores that fall or rise with an error, 0..1; the others are likenesses, 1 − error."""


def points(factor: float, errors: np.ndarray) -> list[dict[str, float]]:
    """A curve whose files take `factor` over the root of the error."""
    return [
        {
            "quality": 20 + 70 * k / (len(errors) - 1),
            "bpp": factor * e**-0.5,
            **{m: WORST.get(m, lambda error: 1 - error)(e) for m in rates.METRICS},
        }
        for k, e in enumerate(errors)
    ]


ERRORS = np.geomspace(0.3, 0.003, 12)


@pytest.mark.parametrize("metric", rates.METRICS)
def test_a_curve_of_smaller_files_is_so_much_better_on_every_metric(metric):
    found = rates.rate(points(1, ERRORS), points(0.8, ERRORS), metric)
    assert found is not None
    assert found.percent == pytest.approx(-20)
    assert found.share == pytest.approx(1)
    assert found.dropped == 0


@pytest.mark.parametrize("metric", rates.METRICS)
def test_lifted_scores_rise_as_errors_shrink(metric):
    lifted = [rates.METRICS[metric].lifted(p[metric]) for p in points(1, ERRORS)]
    assert (np.diff(lifted) > 0).all()


def test_points_that_a_smaller_file_equals_are_dropped():
    assert rates.rising([(3.0, 7.0), (1.0, 5.0), (2.0, 4.0), (2.5, 5.0), (3.0, 6.0), (4.0, math.inf)]) == [
        (1, 5),
        (3, 7),
    ]
    bent = points(1, ERRORS)
    bent[5] = {**bent[5], "ssimulacra2": bent[4]["ssimulacra2"] - 1}
    found = rates.rate(points(1, ERRORS), bent, "ssimulacra2")
    assert found is not None
    assert found.dropped == 1
    assert abs(found.percent) < 2


def test_curves_that_hardly_meet_are_left_out_and_counted():
    apart = points(0.8, np.geomspace(0.01, 0.0001, 12))
    whole = points(1, ERRORS)
    assert rates.rate(whole, apart, "psnr") is None
    assert rates.rate(whole, whole[:3], "psnr") is None
    assert rates.rate(whole, whole[:6], "psnr") is None
    found = rates.summary([rates.rate(whole, points(0.5, ERRORS), "psnr"), None])
    assert (found["pictures"], found["left_out"]) == (1, 1)
    assert found["mean_percent"] == pytest.approx(-50)
    assert rates.summary([None])["mean_percent"] is None


def test_equal_quality_takes_medians_of_the_plain_curves_numbers():
    plain = [points(1, ERRORS)[2:5] for _ in range(3)]
    tuned = [points(factor, ERRORS) for factor in (0.5, 0.7, 0.9)]
    rows = rates.equal_quality(plain, tuned)
    assert [row["quality"] for row in rows] == [p["quality"] for p in plain[0]]
    for row in rows:
        assert row["bytes_ratio"] == pytest.approx(0.7)
        assert row["ssimulacra2_more"] == pytest.approx(0)
        assert row["butteraugli_3_ratio"] == pytest.approx(1)
    with pytest.raises(KeyError):
        rates.equal_quality([points(1, ERRORS)], [points(1, ERRORS)[:4]])


def test_fast_fsimc_is_the_metric():
    picture = waves(96, 80, 3)
    noise = np.random.default_rng(5).normal(0, 9, picture.shape)
    for image in (picture, np.clip(picture + noise, 0, 255).astype(np.uint8), np.roll(picture, 1, 0)):
        assert Features(picture).score(image) == pytest.approx(float(metrics.fsimc(picture, image)), abs=2e-5)


def test_the_line_up_has_an_anchor_both_peers_and_every_tune():
    known = peers.tunes()
    encoders = peers.line_up("4:4:4", known)
    assert [e.kind for e in encoders] == ["pillow", *peers.PEERS, *["tune"] * len(known)]
    assert len({e.label for e in encoders}) == len(encoders)
    assert known["tune=True"] is True
    assert {e.sampling for e in encoders[1:]} == {"4:4:4"}
    plain, tuned = (e.encode(waves(48, 64, 3), 50) for e in (encoders[0], encoders[3]))
    assert plain[:2] == tuned[:2] == b"\xff\xd8"


def test_a_missing_peer_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("JPEGJAX_CJPEGLI", "/nowhere/cjpegli")
    peers.tool.cache_clear()
    with pytest.raises(FileNotFoundError, match="cmake"):
        peers.tool("jpegli")


def test_tables_name_every_metric_and_what_was_left_out():
    whole, less = points(1, ERRORS), points(0.8, ERRORS)
    by_metric = {m: rates.summary([rates.rate(whole, less, m), None]) for m in rates.METRICS}
    found = {
        "machine": {"cpu": "a processor", "cores": 2},
        "pictures": ["one", "two"],
        "kinds": ["text", "text"],
        "peers": {},
        "set": "graphics",
        "command": "a command",
        "commit": "0" * 12,
        "bd_rate": {"all": {"tune=True": by_metric}},
        "won": {"tune=True": {m: {"mozjpeg": [1, 2]} for m in rates.METRICS}},
        "equal_quality": {"all": {"tune=True": rates.equal_quality([whole], [less])}},
    }
    text = panel_report.markdown(found)
    assert text.count("**-20.0**") == len(rates.METRICS)
    assert text.count("1 pictures left out") == len(rates.METRICS)
    assert "| tune=True: bytes ratio | 0.80 |" in text


def test_the_closest_size_is_found():
    sizes = {q: bytes(q * q) for q in range(1, 101)}

    def encode(picture: np.ndarray, quality: int) -> bytes:
        return sizes[quality]

    for wanted, quality in ((0, 1), (1, 1), (2500, 50), (2549, 50), (2551, 51), (10**6, 100)):
        assert crops.closest(encode, np.zeros((8, 8, 3), np.uint8), wanted) == (quality, sizes[quality])
