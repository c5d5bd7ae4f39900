"""PSNR-HVS, PSNR-HVS-M, GMSD, HaarPSI and VIF against psnr_hvsm, piq and published numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_oracles import PAIRS
from PIL import Image

from experiments.tuning.panel.structure import Panel
from jpegjax import metrics

# psnr_hvs, psnr_hvs_m, gmsd, haarpsi, vif by psnr_hvsm 0.3.0 and piq 0.8.0: python tests/metric_oracles.py
VALUES = {
    "waves, coarse": (34.83984, 38.26805, 0.01006194, 0.9687605, 0.6253407),
    "waves, a little noise": (45.39046, 55.44436, 0.001038917, 0.996263, 0.8920025),
    "slopes, noise": (30.43739, 35.22658, 0.02285676, 0.9172024, 0.442956),
    "drawing, coarse": (19.07718, 25.00341, 0.1200755, 0.7732759, 0.2385157),
    "drawing, noise": (38.02023, 41.13114, 0.01050917, 0.9795657, 0.8696687),
    "waves, more contrast": (20.35038, 20.49725, 0.01569366, 0.9132056, 1.142591),
}


def test_against_libraries() -> None:
    for name, (reference, image) in PAIRS.items():
        hvs, hvs_m, deviation, similarity, information = VALUES[name]
        assert metrics.psnr_hvs(reference, image) == pytest.approx(hvs, abs=3e-4), name
        assert metrics.psnr_hvs_m(reference, image) == pytest.approx(hvs_m, abs=3e-4), name
        assert metrics.gmsd(reference, image) == pytest.approx(deviation, rel=1e-5), name
        assert metrics.haarpsi(reference, image) == pytest.approx(similarity, abs=2e-4), name
        assert metrics.vif(reference, image) == pytest.approx(information, rel=3e-5), name


def test_published_numbers(shared: Path) -> None:
    """VIF and HaarPSI of the authors' MATLAB programmes, as piq's tests give them; PSNR-HVS and PSNR-HVS-M of i01_01_5 as
    they come with TID2013, of its luma in 16..235."""
    folder = shared / "data" / "piq"
    if not folder.is_dir():
        pytest.skip("no pictures with published values")

    def picture(name: str, mode: str) -> np.ndarray:
        with Image.open(folder / name) as opened:
            return np.asarray(opened.convert(mode))

    grey = picture("goldhill.gif", "L"), picture("goldhill_jpeg.gif", "L")
    colour = picture("i01.png", "RGB"), picture("i01_01_5.png", "RGB")
    assert metrics.vif(*(p.astype(np.float32) for p in grey)) == pytest.approx(0.2665, abs=5e-5)
    assert metrics.vif(*(p @ np.float32([0.299, 0.587, 0.114]) for p in colour)) == pytest.approx(0.3147, abs=5e-5)
    assert metrics.haarpsi(*colour) == pytest.approx(0.71706527, abs=1e-6)
    luma = [np.rint(16 + p @ np.array([65.481, 128.553, 24.966]) / 255).astype(np.uint8) for p in colour]
    assert metrics.psnr_hvs(*luma) == pytest.approx(25.826093, abs=1e-4)
    assert metrics.psnr_hvs_m(*luma) == pytest.approx(29.354118, abs=1e-4)


def test_what_fills_no_block_does_not_count() -> None:
    reference, image = PAIRS["slopes, noise"]
    inside = reference[:72, :88], image[:72, :88]
    for metric in (metrics.psnr_hvs, metrics.psnr_hvs_m):
        assert metric(reference, image) == pytest.approx(float(metric(*inside)), abs=1e-4)
        assert (
            metric(inside[0][:8, :8], np.where(np.arange(15)[:, None, None] < 8, reference[:15, :15], 0)[:8, :8])
            == np.inf
        )


def test_errors_hide_in_contrast_and_not_in_edges() -> None:
    """The masking of PSNR-HVS-M: as much as the energy of a block allows, less where all of it is one edge."""
    rng = np.random.default_rng(1)
    flat = np.full((64, 64), 128.0)
    busy = flat + rng.normal(0, 30, flat.shape)
    edge = flat + np.where(np.arange(64) % 8 < 4, -60, 60)
    grain = rng.normal(0, 3, flat.shape)
    gains = [float(metrics.psnr_hvs_m(p, p + grain) - metrics.psnr_hvs(p, p + grain)) for p in (flat, busy, edge)]
    assert gains[0] < gains[2] < gains[1]
    shift = flat + 5  # of the mean: nothing hides it
    assert metrics.psnr_hvs_m(busy, busy + 5) == pytest.approx(float(metrics.psnr_hvs_m(flat, shift)), abs=1e-3)


def test_perfect_and_worthless() -> None:
    picture = PAIRS["waves, coarse"][0]
    flat = np.full_like(picture, 90)
    for metric, perfect in ((metrics.gmsd, 0), (metrics.haarpsi, 1), (metrics.vif, 1)):
        assert metric(picture, picture) == perfect
        assert metric(flat, flat) == metric(np.zeros_like(flat), np.zeros_like(flat)) == perfect
    assert metrics.psnr_hvs(picture, picture) == metrics.psnr_hvs_m(flat, flat) == np.inf
    assert metrics.vif(picture, flat) == 0
    assert metrics.vif(flat, picture) == 1  # it has nothing to lose
    assert metrics.haarpsi(picture, flat) < 0.3 < metrics.haarpsi(picture, PAIRS["waves, coarse"][1])
    assert metrics.gmsd(picture, flat) > 0.1


def test_sizes_they_need() -> None:
    with pytest.raises(ValueError, match=r"40×64 are too small: VIF's fourth scale needs 41×41"):
        metrics.vif(np.zeros((40, 64)), np.zeros((40, 64)))
    with pytest.raises(ValueError, match=r"7×64 are too small: an 8×8 block needs 8×8"):
        metrics.psnr_hvs_m(np.zeros((7, 64)), np.zeros((7, 64)))
    one = np.zeros((1, 1), np.uint8)
    assert metrics.gmsd(one, one + 9) == 0 and 0 < metrics.haarpsi(one, one + 9) < 1


@pytest.mark.slow
def test_the_search_measures_the_same() -> None:
    """The panel in numba, which the search of recipes uses."""
    for reference, image in PAIRS.values():
        first, second = (np.tile(picture, (3, 3, 1))[:181, :203] for picture in (reference, image))
        found = Panel(first).scores(second)
        for name in ("psnr_hvs_m", "gmsd", "haarpsi", "vif"):
            assert found[name] == pytest.approx(float(getattr(metrics, name)(first, second)), rel=2e-5), name
        assert found["ssim"] == pytest.approx(float(metrics.ssim(first, second, channel="y")), abs=1e-5)
        assert found["ms_ssim_rgb"] == pytest.approx(float(metrics.ms_ssim(first, second, channel="rgb")), abs=1e-5)
