"""BD-rate and BD-PSNR against SciPy's PCHIP, and against tables computed elsewhere from published curves."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.interpolate import PchipInterpolator

from jpegjax.metrics import bd_psnr, bd_rate

ANCHOR = [(0.25, 28.0), (0.5, 31.0), (1.0, 34.0), (2.0, 38.0)]
TEST = [(0.2, 28.5), (0.4, 31.5), (0.9, 35.0), (1.8, 38.5), (2.5, 39.0)]

RGB = {  # of the table of learned codecs: BD in percent against JPEG and VTM
    "paper-elic2022_mse": (-67.9, -7.0),
    "vtm": (-67.6, 0),
    "compressai-cheng2020-anchor_mse_cuda": (-65.4, 3.7),
    "compressai-mbt2018_mse_cuda": (-61.0, 11),
    "av1": (-62.4, 16),
    "compressai-mbt2018-mean_mse_cuda": (-58.0, 21),
    "bpg_444_x265_ycbcr": (-58.9, 22),
    "compressai-bmshj2018-hyperprior_mse_cuda": (-55.0, 30),
    "shallow-ntc-aggregate": (-49.5, 55),
    "compressai-bmshj2018-factorized_mse_cuda": (-44.5, 68),
    "webp": (-36.2, 79),
    "jpeg2000": (-35.9, 98),
    "jpeg": (0, 208),
}
MS_SSIM = {"cheng2020-anchor": -45.7, "mbt2018-mean": -38.5, "bmshj2018-hyperprior": -35.6}
PEERS = {  # against libjpeg-turbo's default; the last over 60..85
    "turbo_opt": (-5.6, -5.7, -5.7, -6.0, -4.4),
    "moz": (-7.7, 7.3, 0.8, -17.7, -11.5),
    "mozpsnr": (-28.0, -29.5, 7.7, 3.9, 6.7),
    "mozssim": (12.0, 32.6, 1.6, -17.3, -6.9),
    "jpegli444": (-13.5, -13.3, -6.1, -15.5, -14.0),
    "jpegli420": (-17.0, -15.1, -8.1, -20.8, -17.0),
}


def by_scipy(anchor: list, test: list, low: float, high: float) -> float:
    """Percent, from the definition."""
    mean = []
    for curve in (anchor, test):
        rates, quality = np.array(sorted(curve)).T
        mean.append(PchipInterpolator(quality, np.log(rates)).integrate(low, high) / (high - low))
    return float(100 * (np.exp(mean[1] - mean[0]) - 1))


def published(folder: Path, name: str, metric: str) -> list[tuple[float, float]]:
    results = json.loads((folder / "kodak-rd" / f"{name}.json").read_text())
    if name == "shallow-ntc-aggregate":
        results, metric = results["JPEG-like_syn"], "psnr"
    else:
        results = results["results"]
    return list(zip(results["bpp"], results[metric], strict=True))


@pytest.fixture(scope="module")
def facts(shared: Path) -> Path:
    if not (shared / "facts" / "kodak-rd").is_dir():
        pytest.skip("no published curves")
    return shared / "facts"


def test_equals_scipy_and_says_its_range() -> None:
    found = bd_rate(ANCHOR, TEST)
    assert (found.low, found.high) == (28.5, 38.0)
    assert found == pytest.approx(by_scipy(ANCHOR, TEST, 28.5, 38.0), abs=1e-9)
    within = bd_rate(ANCHOR, TEST, interval=(30, 34.5))
    assert within == pytest.approx(by_scipy(ANCHOR, TEST, 30, 34.5), abs=1e-9)
    assert (within.low, within.high) == (30, 34.5)
    assert repr(found) == f"{float(found):+.2f} over [28.5, 38]"
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.low, again.high) == (found, found.low, found.high)
    assert json.dumps({"bd": found}) == json.dumps({"bd": float(found)})


def test_bd_psnr_equals_scipy() -> None:
    found = bd_psnr(np.array(ANCHOR), np.array(TEST)[::-1])
    low, high = np.log(0.25), np.log(2.0)
    mean = [
        PchipInterpolator(*(np.log(r), q)).integrate(low, high) / (high - low)
        for r, q in (np.array(curve).T for curve in (ANCHOR, TEST))
    ]
    assert found == pytest.approx(mean[1] - mean[0], abs=1e-9) and (found.low, found.high) == (0.25, 2.0)


def rising(size: int) -> st.SearchStrategy:
    return arrays.arrays(np.float64, (size, 2), elements=st.floats(0.01, 3)).map(lambda steps: steps.cumsum(0))


@given(st.integers(2, 9).flatmap(rising), st.integers(2, 9).flatmap(rising))
def test_any_rising_curves(anchor: np.ndarray, test: np.ndarray) -> None:
    low, high = max(anchor[0, 1], test[0, 1]), min(anchor[-1, 1], test[-1, 1])
    if low < high:
        found = bd_rate(anchor, test)
        ratio = 1 + by_scipy(anchor.tolist(), test.tolist(), low, high) / 100
        assert 1 + found / 100 == pytest.approx(ratio, rel=1e-6)
        assert (1 + found / 100) * (1 + bd_rate(test, anchor) / 100) == pytest.approx(1)  # there and back
    else:
        with pytest.raises(ValueError, match="no quality in common, and nothing is extrapolated"):
            bd_rate(anchor, test)


@given(st.integers(2, 6).flatmap(rising), st.floats(0.1, 10))
def test_half_the_bits_are_minus_fifty_percent(curve: np.ndarray, factor: float) -> None:
    assert bd_rate(curve, curve * [factor, 1]) == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert bd_psnr(curve, curve + np.array([0, factor])) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        ([], r"two or more points"),
        ([(1, 30)], r"two or more points"),
        ([1, 2], r"two or more points"),
        ([(1, 30, 2), (2, 31, 2)], r"two or more points"),
        ([(1, 30), (2, np.nan)], "NaN or infinity"),
        ([(1, 30), (2, np.inf)], "NaN or infinity"),
        ([(0, 30), (2, 31)], "above 0"),
        ([(-1, 30), (2, 31)], "above 0"),
        ([(1, 30), (2, 31), (3, 30.5)], r"test does not rise from \(2, 31\) to \(3, 30.5\)"),
        ([(1, 30), (1, 31)], r"does not rise"),
        ([(1, 30), (2, 30)], r"does not rise"),
        ([(1, 40), (2, 41)], r"no quality in common.*anchor spans 28..38, test 40..41"),
        ([(1, 38), (2, 41)], r"no quality in common"),
    ],
)
def test_refuses(curve: list, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bd_rate(ANCHOR, curve)


@pytest.mark.parametrize("interval", [(27, 30), (30, 38.5), (34, 30), (30, 30)])
def test_interval_must_be_covered(interval: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"interval"):
        bd_rate(ANCHOR, TEST, interval=interval)


@pytest.mark.parametrize("name", RGB)
def test_table_of_learned_codecs(facts: Path, name: str) -> None:
    curve = published(facts, name, "psnr-rgb")
    for anchor, expected in zip(("jpeg", "vtm"), RGB[name], strict=True):
        assert bd_rate(published(facts, anchor, "psnr-rgb"), curve) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("name", MS_SSIM)
def test_table_of_learned_codecs_in_ms_ssim(facts: Path, name: str) -> None:
    anchor, curve = (
        [(bpp, -10 * np.log10(1 - value)) for bpp, value in published(facts, n, "ms-ssim-rgb")]
        for n in ("vtm", f"compressai-{name}_ms-ssim_cuda")
    )
    assert bd_rate(anchor, curve) == pytest.approx(MS_SSIM[name], abs=0.5)


@pytest.mark.parametrize("name", PEERS)
def test_table_of_peers(facts: Path, name: str) -> None:
    codecs = json.loads((facts / "jpeg-peers-kodak.json").read_text())["codecs"]
    for metric, expected in zip(("psnr", "psnr_y", "ms_ssim_db", "ssimulacra2"), PEERS[name], strict=False):
        anchor, test = ([(p["bpp"], p[metric]) for p in codecs[n]["curve"]] for n in ("turbo", name))
        assert bd_rate(anchor, test) == pytest.approx(expected, abs=0.1)
    assert bd_rate(anchor, test, interval=(60, 85)) == pytest.approx(PEERS[name][-1], abs=0.1)
