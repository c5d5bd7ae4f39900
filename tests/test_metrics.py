"""Picture metrics against scikit-image, float64 references written from the papers, and published numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import pillow, pillow_pixels
from pictures import waves
from PIL import Image
from scipy.ndimage import correlate1d
from scipy.signal import convolve2d
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from jpegjax import metrics

BT601 = np.array([0.299, 0.587, 0.114])
FORMS = ("rgb", "y", "each")
SCIKIT = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
WITH_CHANNEL = ("mse", "psnr", "psnr_b", "ssim", "ms_ssim")
ALL = (*WITH_CHANNEL, "fsim", "fsimc", "psnr_hvs", "psnr_hvs_m", "gmsd", "haarpsi", "vif")
TEACHES: dict[str, Callable[..., jax.Array]] = {
    f"{name} {form}": partial(getattr(metrics, name), channel=form)
    for name in WITH_CHANNEL
    for form in FORMS
    if name != "ms_ssim" or form == "y"  # which takes seconds to compile
} | {name: getattr(metrics, name) for name in ("fsimc", "psnr_hvs_m", "gmsd", "haarpsi", "vif")}


def slowly(names: Iterable[str], *slow: str) -> list[Any]:
    """Names as parameters, those that take seconds to compile marked slow."""
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in names]


def planes(image: np.ndarray, form: str) -> list[np.ndarray]:
    """float64 `[H, W]` of each channel, or of luma."""
    pixels = image.astype(np.float64)
    if pixels.ndim == 2:
        return [pixels]
    return [pixels @ BT601] if form == "y" else list(np.moveaxis(pixels, -1, 0))


def psnr_b_of(reference: list[np.ndarray], image: list[np.ndarray]) -> float:
    """Yim and Bovik 2011, equations 5 to 12 for one block size, over all planes."""
    (height, width), edge, other = image[0].shape, [], []
    for plane in image:
        for x in range(width - 1):
            (edge if (x + 1) % 8 == 0 else other).append((plane[:, x] - plane[:, x + 1]) ** 2)
        for y in range(height - 1):
            (edge if (y + 1) % 8 == 0 else other).append((plane[y] - plane[y + 1]) ** 2)
    d_b, d_bc = (np.concatenate(steps).mean() if steps else 0.0 for steps in (edge, other))
    eta = np.log2(8) / np.log2(min(height, width)) if d_b > d_bc else 0.0
    error = np.mean([(a - b) ** 2 for a, b in zip(reference, image, strict=True)])
    return float(10 * np.log10(255**2 / (error + eta * (d_b - d_bc))))


def ms_ssim_of(x: np.ndarray, y: np.ndarray) -> float:
    """Wang, Simoncelli and Bovik 2003 on float64 planes."""
    window = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))

    def mean(plane: np.ndarray) -> np.ndarray:
        for axis in (0, 1):
            plane = correlate1d(plane, window / window.sum(), axis)
        return plane[5:-5, 5:-5]

    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        a, b = mean(x), mean(y)
        covariance, variances = mean(x * y) - a * b, mean(x * x) - a * a + mean(y * y) - b * b
        similarity = (2 * covariance + 7.65**2) / (variances + 7.65**2)
        if scale == 4:
            similarity *= (2 * a * b + 2.55**2) / (a * a + b * b + 2.55**2)
        product *= max(similarity.mean(), 0) ** weight
        x, y = (np.pad(p, [(0, n % 2) for n in p.shape], mode="edge") for p in (x, y))
        x, y = ((p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4 for p in (x, y))
    return product


def congruency_of(plane: np.ndarray) -> np.ndarray:
    """Kovesi's phase congruency with FSIM's parameters, float64."""
    y, x = np.meshgrid(
        *(np.fft.ifftshift(np.arange(n) / n - 0.5 if n % 2 == 0 else np.linspace(-0.5, 0.5, n)) for n in plane.shape),
        indexing="ij",
    )
    radius, theta = np.sqrt(x * x + y * y), np.arctan2(-y, x)
    radius[0, 0] = 1.0
    spectrum, energy, total = np.fft.fft2(plane), 0.0, 0.0
    for angle in np.deg2rad([0, 45, 90, 135]):
        sine = np.sin(theta) * np.cos(angle) - np.cos(theta) * np.sin(angle)
        cosine = np.cos(theta) * np.cos(angle) + np.sin(theta) * np.sin(angle)
        spread = np.exp(-(np.arctan2(sine, cosine) ** 2) / (2 * (np.pi / 4 / 1.2) ** 2))
        filters = []
        for wavelength in (6, 12, 24, 48):
            radial = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * np.log(0.55) ** 2))
            filters.append(radial / (1 + (radius / 0.45) ** 30) * spread)
            filters[-1][0, 0] = 0
        response = [np.fft.ifft2(spectrum * kernel) for kernel in filters]
        amplitude, whole = np.abs(response).sum(0), np.sum(response, 0)
        mean = whole / (np.abs(whole) + 1e-4)
        aligned = sum((r * mean.conj()).real - np.abs((r * mean.conj()).imag) for r in response)
        inverse = [np.fft.ifft2(kernel).real * np.sqrt(plane.size) for kernel in filters]
        power = np.median(np.abs(response[0]) ** 2) / np.log(2) / (filters[0] ** 2).sum()
        products = sum((inverse[i] * inverse[j]).sum() for i in range(4) for j in range(i + 1, 4))
        tau = np.sqrt((2 * power * (np.square(inverse)).sum() + 4 * power * products) / 2)
        floor = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
        energy, total = energy + np.maximum(aligned - floor, 0), total + amplitude
    return energy / total


def fsim_of(reference: np.ndarray, image: np.ndarray, chroma: float) -> float:
    """Zhang et al. 2011, of RGB; chroma: exponent of the chromatic factor, .03 for FSIMc, 0 for FSIM."""
    factor = max(1, round(min(image.shape[:2]) / 256))
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    mean, scharr = np.full((factor, factor), factor**-2.0), np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
    both = [
        [convolve2d(plane, mean, "same")[::factor, ::factor] for plane in np.moveaxis(p @ yiq.T, -1, 0)]
        for p in (reference, image)
    ]
    slopes = [np.hypot(convolve2d(p[0], scharr, "same"), convolve2d(p[0], scharr.T, "same")) for p in both]
    phases = [congruency_of(p[0]) for p in both]

    def similar(a: np.ndarray, b: np.ndarray, constant: float) -> np.ndarray:
        return (2 * a * b + constant) / (a * a + b * b + constant)

    colour = similar(both[0][1], both[1][1], 200) * similar(both[0][2], both[1][2], 200)
    quality = similar(*phases, 0.85) * similar(*slopes, 160) * (colour.astype(complex) ** chroma).real
    return float((quality * np.maximum(*phases)).sum() / np.maximum(*phases).sum())


@pytest.mark.parametrize(("size", "form"), [((176, 208), "rgb"), ((161, 179), "y"), ((177, 162), "each")])
def test_against_references(size: tuple[int, int], form: str) -> None:
    reference = waves(*size)
    image = pillow_pixels(pillow(reference, quality=30))
    a, b = planes(reference, form), planes(image, form)
    pairs = list(zip(a, b, strict=True))
    together = [(np.stack(a), np.stack(b))]
    expected = {
        "mse": [mean_squared_error(p, q) for p, q in (pairs if form == "each" else together)],
        "psnr": [peak_signal_noise_ratio(p, q, data_range=255) for p, q in (pairs if form == "each" else together)],
        "psnr_b": [psnr_b_of([p], [q]) for p, q in pairs] if form == "each" else [psnr_b_of(a, b)],
        "ssim": [structural_similarity(p, q, data_range=255, **SCIKIT) for p, q in pairs],
        "ms_ssim": [ms_ssim_of(p, q) for p, q in pairs],
    }
    for name, tolerance in {"mse": 1e-3, "psnr": 1e-4, "psnr_b": 1e-4, "ssim": 1e-5, "ms_ssim": 1e-5}.items():
        found = getattr(metrics, name)(reference, image, channel=form)
        value = np.array(expected[name]) if form == "each" else np.mean(expected[name])
        assert found.dtype == jnp.float32 and found.shape == value.shape, name
        np.testing.assert_allclose(found, value, rtol=0, atol=tolerance, err_msg=name)


def test_ssim_equals_scikit_image_in_colour_and_grey() -> None:
    reference = waves(47, 65)
    image = pillow_pixels(pillow(reference, quality=20))
    whole = structural_similarity(reference, image, channel_axis=-1, data_range=255, **SCIKIT)
    assert metrics.ssim(reference, image) == pytest.approx(whole, abs=1e-5)
    grey = reference[..., 1], image[..., 1]
    assert metrics.ssim(*grey) == pytest.approx(structural_similarity(*grey, data_range=255, **SCIKIT), abs=1e-5)


def test_fsim_against_the_definition() -> None:
    for size, chroma in (((65, 78), 0), ((68, 71), 0.03), ((642, 645), 0.03)):  # averaged down by 1, 1 and 3
        reference = waves(*size)
        image = pillow_pixels(pillow(reference, quality=10))
        found = (metrics.fsimc if chroma else metrics.fsim)(reference, image)
        np.testing.assert_allclose(found, fsim_of(reference, image, chroma), atol=1e-4)


def a_batch() -> tuple[np.ndarray, np.ndarray]:
    reference = np.stack([waves(168, 170, seed) for seed in range(3)])
    return reference, np.stack([pillow_pixels(pillow(picture, quality=40)) for picture in reference])


@pytest.mark.parametrize("name", slowly(ALL, "haarpsi", "vif"))
def test_a_batch_is_its_pictures(name: str) -> None:
    reference, image = a_batch()
    metric = getattr(metrics, name)
    found = metric(reference, image)
    assert found.shape == (3,) and found.dtype == jnp.float32
    one = [metric(a, b) for a, b in zip(reference, image, strict=True)]
    assert all(value.shape == () for value in one)
    np.testing.assert_allclose(found, one, rtol=1e-5)


@pytest.mark.parametrize(
    "name", slowly(("mse", "ssim", "fsimc", "psnr_hvs_m", "gmsd", "haarpsi"), "psnr_hvs_m", "haarpsi")
)
def test_kinds_of_pictures_agree(name: str) -> None:
    reference, image = a_batch()
    metric, square = getattr(metrics, name), name == "mse"
    found = metric(reference, image)
    unit = metric(reference / 255, (image / 255).astype(np.float32), 1.0)
    np.testing.assert_allclose(unit * (255**2 if square else 1), found, rtol=1e-4)
    deep = metric(reference.astype(np.uint16) * 257, jnp.asarray(image.astype(np.uint16) * 257), 65535)
    np.testing.assert_allclose(deep / (257**2 if square else 1), found, rtol=1e-4)
    mapped = jax.jit(jax.vmap(metric))(jnp.asarray(reference), image.astype(np.float32))
    np.testing.assert_allclose(mapped, found, rtol=1e-5)
    grey = reference[0, ..., 0], image[0, ..., 0]
    flat = metric(*grey)
    assert flat.shape == () and metric(*(p[..., None] for p in grey)) == flat
    if name in WITH_CHANNEL:
        each = metric(reference, image, channel="each")
        assert each.shape == (3, 3)
        np.testing.assert_allclose(each[0, 0], flat, rtol=1e-5)
        assert metric(*grey, channel="each").shape == (1,)


@pytest.mark.parametrize("size", [(2, 2), (2, 9), (8, 8), (9, 7), (16, 25), (33, 40)])
def test_psnr_b_of_any_size(size: tuple[int, int]) -> None:
    for image in np.random.default_rng(3).integers(0, 256, (12, *size), np.uint8):
        reference = image[::-1]
        found = metrics.psnr_b(reference, image)
        assert found == pytest.approx(psnr_b_of(planes(reference, "y"), planes(image, "y")), abs=1e-4)
        assert found <= metrics.psnr(reference, image) + 1e-4


def test_equal_pictures() -> None:
    picture = waves(168, 170)
    assert metrics.mse(picture, picture) == 0
    assert metrics.psnr(picture, picture) == np.inf
    assert metrics.psnr_b(np.zeros((9, 9)), np.zeros((9, 9))) == np.inf
    blocks = np.kron(waves(4, 4), np.ones((8, 8, 1), np.uint8))
    assert metrics.psnr_b(blocks, blocks) < metrics.psnr_b(blocks[:, 1:], blocks[:, 1:])
    for similarity in (metrics.ssim, metrics.ms_ssim, metrics.fsim, metrics.fsimc):
        assert similarity(picture, picture) == pytest.approx(1, abs=1e-6)


def awkward() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(5)
    noise = random.uniform(0, 255, (2, 164, 162, 3)).astype(np.float32)
    flat, black = np.full_like(noise[0], 77), np.zeros_like(noise[0])
    return {
        "random": (noise[0], noise[1]),
        "equal": (noise[0], noise[0]),
        "flat": (flat, flat),
        "two flat": (flat, flat + 9),
        "black": (black, black),
        "black and white": (black, black + 255),
        "negative": (noise[0], 255 - noise[0]),
        "flat and random": (flat, noise[0]),
    }


@pytest.mark.parametrize("name", slowly(TEACHES, "haarpsi", "vif"))
def test_gradients(name: str) -> None:
    """Finite everywhere, and uphill as steep as finite differences say."""
    metric = TEACHES[name]
    slopes = jax.jit(jax.grad(lambda a, b: metric(a, b).sum(), argnums=(0, 1)))
    for case, (reference, image) in awkward().items():
        for slope in slopes(reference, image):
            assert np.isfinite(slope).all(), case
    reference = waves(164, 162).astype(np.float32)
    image = pillow_pixels(pillow(waves(164, 162), quality=25)).astype(np.float32)
    slope = np.asarray(slopes(reference, image)[1])
    uphill = slope / np.abs(slope).max()
    near = 0.05 if name == "haarpsi" else 0.5  # its coefficients' sizes have a kink at 0
    ahead, behind = (float(metric(reference, image + step * uphill).sum()) for step in (near, -near))
    assert np.vdot(slope, uphill) == pytest.approx((ahead - behind) / (2 * near), rel=0.05)


def test_bad_input_is_named() -> None:
    good = np.zeros((16, 16, 3), np.uint8)
    bad: list[tuple[type[Exception], str, Any, Any, dict[str, Any]]] = [
        (ValueError, r"reference has shape \(16, 16, 3\), image \(16, 15, 3\)", good, good[:, 1:], {}),
        (ValueError, r"reference has shape \(16, 16, 3\), image \(16, 16, 1\)", good, good[..., :1], {}),
        (ValueError, r"image has shape \(16,\)", good, good[0, :, 0], {}),
        (ValueError, r"reference has 4 channels", np.zeros((16, 16, 4)), good, {}),
        (ValueError, r"reference is empty: shape \(0, 16, 16, 3\)", good[None][:0], good[None][:0], {}),
        (ValueError, r"image holds NaN or infinity", good, np.where(good == 0, np.nan, 1.0), {}),
        (ValueError, r"data_range is 0", good, good, {"data_range": 0}),
        (ValueError, r"data_range is nan", good, good, {"data_range": float("nan")}),
        (ValueError, r"channel is 'luma'", good, good, {"channel": "luma"}),
        (TypeError, r"image has element type int64", good, good.astype(np.int64), {}),
        (TypeError, r"reference has element type bool", good > 0, good, {}),
        (TypeError, r"image has element type complex64", good, good.astype(np.complex64), {}),
        (TypeError, r"reference: must be a NumPy or JAX array, not str", "image", good, {}),
    ]
    for name in ALL:
        for error, said, reference, image, words in bad:
            if "channel" in words and name not in WITH_CHANNEL:
                continue
            with pytest.raises(error, match=said):
                getattr(metrics, name)(reference, image, **words)
    with pytest.raises(ValueError, match=r"10×11 are too small: SSIM's 11×11 window needs 11×11"):
        metrics.ssim(good[:10, :11], good[:10, :11])
    with pytest.raises(ValueError, match=r"160×200 are too small: MS-SSIM's fifth scale needs 161×161"):
        metrics.ms_ssim(np.zeros((160, 200)), np.zeros((160, 200)))
    with pytest.raises(ValueError, match="PSNR-B needs 2×2"):
        metrics.psnr_b(np.zeros((1, 9)), np.zeros((1, 9)))


@pytest.mark.parametrize("name", slowly(ALL, "haarpsi", "vif"))
def test_nan_goes_through_jax_arrays(name: str) -> None:
    picture = jnp.zeros((164, 162, 3))
    assert np.isnan(getattr(metrics, name)(picture, picture.at[80, 80].set(jnp.nan)))


@pytest.mark.parametrize("name", ["kodim01", "kodim04", "kodim13", "kodim23"])
def test_numbers_of_kodak(shared: Path, name: str) -> None:
    facts, picture = shared / "facts" / "jpeg-peers-kodak.json", shared / "data" / "kodak" / f"{name}.png"
    if not (facts.is_file() and picture.is_file()):
        pytest.skip("no Kodak")
    reference = np.asarray(Image.open(picture).convert("RGB"))
    rows = json.loads(facts.read_text())["codecs"]["turbo"]["images"][name]
    assert [row[0] for row in rows] == [20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95]
    image = np.stack([pillow_pixels(pillow(reference, quality=row[0])) for row in rows])
    for metric, column, tolerance in (("psnr", 2, 1e-3), ("psnr_y", 3, 1e-3), ("ms_ssim", 4, 1e-4)):
        call = getattr(metrics, metric.removesuffix("_y"))
        words = {"channel": "y"} if metric == "psnr_y" else {}
        found = [call(reference, decoded, **words) for decoded in image]
        np.testing.assert_allclose(found, [row[column] for row in rows], rtol=0, atol=tolerance, err_msg=metric)


def test_published_numbers_of_fsim(shared: Path) -> None:
    folder = shared / "data" / "piq"
    if not folder.is_dir():
        pytest.skip("no pictures with published values")

    def picture(name: str, mode: str) -> np.ndarray:
        with Image.open(folder / name) as opened:
            return np.asarray(opened.convert(mode))

    grey = picture("goldhill.gif", "L"), picture("goldhill_jpeg.gif", "L")
    colour = picture("i01.png", "RGB"), picture("i01_01_5.png", "RGB")
    found = metrics.fsim(*grey), metrics.fsim(*colour), metrics.fsimc(*colour)
    np.testing.assert_allclose(found, (0.89691, 0.93674, 0.92587), rtol=0, atol=2e-5)


def test_listed_names_load() -> None:
    assert set(metrics.__all__) <= set(dir(metrics))
    for name in set(metrics.__all__) - {"BjontegaardDelta", "ssimulacra2"}:
        assert getattr(metrics, name).__name__ == name and getattr(metrics, name).__doc__
        assert getattr(metrics, name) is getattr(metrics, name)
    with pytest.raises(AttributeError, match="no attribute 'lpips'"):
        metrics.lpips  # noqa: B018
