"""Metrics of pictures of many sizes: few programs, the same values, and what is said of samples that look wrong."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jpegjax import metrics
from jpegjax.metrics.pair import CANVASES

RNG = np.random.default_rng(11)
SIMPLE = {
    "mse": metrics.mse,
    "psnr": metrics.psnr,
    "psnr each": lambda a, b: metrics.psnr(a, b, channel="each"),
    "psnr_b": metrics.psnr_b,
    "psnr_b each": lambda a, b: metrics.psnr_b(a, b, channel="each"),
    "ssim": metrics.ssim,
    "fsim": metrics.fsim,
    "fsimc": metrics.fsimc,
}
DETAILS = {name: getattr(metrics, name) for name in ("psnr_hvs_m", "gmsd", "haarpsi", "vif")}
MULTISCALE = {"ms_ssim": metrics.ms_ssim, "ms_ssim each": lambda a, b: metrics.ms_ssim(a, b, channel="each")}
PERCEPTUAL = {
    "ssimulacra2": metrics.ssimulacra2,
    "reference": lambda a, b: metrics.ssimulacra2(metrics.ssimulacra2_reference(a), b),
    "butteraugli": metrics.butteraugli,
}


def pictures(height: int, width: int, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Two uint8 pictures that resemble each other."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    steps = RNG.normal(0, 6, shape)
    first = np.clip(np.cumsum(steps, 0) + np.cumsum(steps, 1) + 128, 0, 255)
    return first.astype(np.uint8), np.clip(first + RNG.normal(0, 9, shape), 0, 255).astype(np.uint8)


@pytest.fixture
def compiled() -> Iterator[Callable[[], int]]:
    """How many programs XLA has compiled since the last call."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "Finished XLA compilation" in record.getMessage():
                found.append(record.getMessage())

    logger, handler = logging.getLogger("jax._src.dispatch"), Handler()
    logger.addHandler(handler)
    before, propagate = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

    def count() -> int:
        number = len(found)
        found.clear()
        return number

    yield count
    logger.removeHandler(handler)
    logger.setLevel(before)
    logger.propagate = propagate


def by_shape(metric: Callable) -> Callable:
    """The metric compiled for the shapes themselves."""
    return jax.jit(metric)


@pytest.mark.parametrize(
    ("height", "width", "channels"),
    [
        (60, 61, 3),
        *(pytest.param(*s, marks=pytest.mark.slow) for s in ((161, 300, 1), (13, 120, 3), (97, 113, 3), (520, 300, 3))),
    ],
)
def test_padded_values_are_those_of_the_size_itself(height, width, channels):
    first, second = pictures(height, width, channels)
    for name, metric in {**SIMPLE, **(MULTISCALE if min(height, width) >= 161 else {})}.items():
        held, own = np.asarray(metric(first, second)), np.asarray(by_shape(metric)(first, second))
        np.testing.assert_allclose(held, own, rtol=2e-6, err_msg=name)
        equal = np.asarray(metric(first, first))
        if name.startswith(("ssim", "ms_ssim", "fsim")):
            assert (equal == 1).all(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (14, 200), (112, 113), (113, 113), (160, 700), (301, 255), (40, 600)]
)
def test_padded_distances_in_sight_are_those_of_the_size_itself(height, width):
    first, second = pictures(height, width)
    for name, metric in PERCEPTUAL.items():
        np.testing.assert_allclose(
            metric(first, second), by_shape(metric)(first, second), rtol=1e-5, atol=1e-4, err_msg=name
        )
        assert float(metric(first, first)) == (0 if name == "butteraugli" else 100)


def test_many_sizes_compile_few_programs(compiled):
    """Of mse and psnr, which compile fast, over 1,000 sizes; those of the others hang on the same canvases."""
    for height, width in RNG.integers(1, 500, (1000, 2)):
        first = np.zeros((height, width, 3), np.uint8)
        metrics.mse(first, first)
    assert 0 < compiled() <= 12
    assert len(CANVASES) <= 12


def test_a_new_size_compiles_nothing(compiled):
    for metric in (metrics.ssim, metrics.fsim, metrics.fsimc, metrics.psnr_b):
        metric(*pictures(200, 190))
        compiled()
        for height, width in ((201, 180), (170, 199), (190, 200)):
            metric(*pictures(height, width))
        assert compiled() == 0, metric


@pytest.mark.slow
def test_many_sizes_of_every_metric(compiled):
    """1,000 sizes from 8 to 1,500: at most 12 programs each."""
    for name, metric in {**SIMPLE, **DETAILS, **MULTISCALE, **PERCEPTUAL}.items():
        metric(*pictures(200, 200))
        compiled()
        number = 0
        for height, width in RNG.integers(
            {"ms_ssim": 161, "ms_ssim each": 161, "vif": 41}.get(name, 11), 1500, (1000, 2)
        ):
            if height * width > 400_000 and number % 10:
                number += 1
                continue  # all sizes, most of the large ones left out for time's sake
            number += 1
            first = np.zeros((height, width, 3), np.uint8)
            metric(first, first)
        assert compiled() <= (24 if name == "reference" else 12), name


def test_large_and_nearly_empty_pictures_keep_their_size():
    first, second = pictures(2, 5000)
    np.testing.assert_allclose(metrics.mse(first, second), by_shape(metrics.mse)(first, second), rtol=2e-6)


def test_a_reference_goes_with_its_size_alone():
    first, second = pictures(60, 61)
    reference = metrics.ssimulacra2_reference(first)
    with pytest.raises(ValueError, match=r"reference has planes of shape \(3, 60, 61\), image needs \(3, 60, 60\)"):
        metrics.ssimulacra2(reference, second[:, :60])
    with pytest.raises(ValueError, match=r"image needs \(1, 3, 60, 61\)"):
        metrics.ssimulacra2(reference, second[None])


def test_two_constants_are_alike():
    for shape in ((8, 8), (64, 48, 3), (300, 200), (700, 900)):
        flat = np.full(shape, 77, np.uint8)
        assert float(metrics.fsim(flat, flat)) == 1
        assert float(metrics.fsimc(flat, flat)) == 1
        batch = flat.reshape(1, *shape[:2], -1)
        assert float(metrics.fsim(batch, batch)[0]) == 1


EVERY = [metrics.mse, metrics.psnr, metrics.psnr_b, metrics.ssim, metrics.fsim, metrics.fsimc]


@pytest.mark.parametrize("metric", EVERY)
def test_sixteen_bits_need_their_range(metric):
    deep = np.zeros((16, 16), np.uint16)
    for pair in ((deep, deep), (jnp.asarray(deep), jnp.asarray(deep)), (deep, deep.astype(np.uint8))):
        with pytest.raises(ValueError, match="data_range: must be given for uint16: 4095 for 12 bits, 65535 for 16"):
            metric(*pair)
        metric(*pair, 4095)


def test_floats_that_look_like_0_to_1():
    dim = RNG.random((16, 16))
    for pair in ((dim, dim), (jnp.asarray(dim, jnp.float32),) * 2, (dim[None, ..., None],) * 2):
        with pytest.warns(UserWarning, match="lie within 0..1 and are taken as 0..255: give data_range=1"):
            metrics.psnr(*pair)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            metrics.psnr(*pair, 1)
            metrics.psnr(*pair, 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics.psnr(dim * 200, dim)
        metrics.psnr(dim * 0, dim * 0)
        jax.jit(metrics.psnr)(dim, dim)
        metrics.psnr((dim * 255).astype(np.uint8), dim)


def test_arrays_of_other_makes():
    """Big-endian, strided, transposed, read-only: the values of plain copies."""
    first, second = pictures(40, 50)
    plain = float(metrics.ssim(first, second))
    frozen = first.copy()
    frozen.flags.writeable = False
    for other in (frozen, np.asfortranarray(first), first[::-1][::-1], jnp.asarray(first)):
        assert float(metrics.ssim(other, second)) == plain
    deep = first.astype(">u2"), second.astype(">u2")
    assert float(metrics.ssim(*deep, 255)) == pytest.approx(plain, abs=1e-6)
    assert float(metrics.ssim(first.astype(">f4"), second.astype(">f8"))) == pytest.approx(plain, abs=1e-6)
