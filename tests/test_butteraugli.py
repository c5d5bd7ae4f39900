"""Butteraugli against values of libjxl's tool, recorded and live, and its numba twin of the parameter search."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import program
from PIL import Image

from experiments.tuning.panel.butteraugli import Butteraugli
from jpegjax.metrics import butteraugli, butteraugli_reference
from jpegjax.metrics.visible import distances

F32 = np.float32


def picture(height: int, width: int, shift: int = 0) -> np.ndarray:
    """Ramps, chirps and hard edges in colour."""
    y, x = np.mgrid[:height, :width]
    return (np.stack([3 * x + y + shift, x * x // 16 + 2 * y, x * y // 9 + 5 * shift], -1) % 256).astype(np.uint8)


def worn(image: np.ndarray, step: int) -> np.ndarray:
    """Fewer levels, and a pattern of ±3."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    pattern = (x * 5 + y * 11) % 7 - 3
    return np.clip(image.astype(int) // step * step + step // 2 + pattern[..., None], 0, 255).astype(np.uint8)


def flat(level: int) -> np.ndarray:
    return np.full((40, 40, 3), level, np.uint8)


def with_dot() -> np.ndarray:
    image = flat(120)
    image[20, 20] = 200
    return image


LARGE = picture(67, 90), worn(picture(67, 90), 48)
# (maximum, 3-norm) by `butteraugli_main a.png b.png --intensity_target NITS`, libjxl 0.7.0 (Debian 0.7.0-10+deb12u1)
RECORDED = {
    "8x8": (picture(8, 8), worn(picture(8, 8), 24), 80, (1.7498213053, 1.346329)),
    "9x14": (picture(9, 14), worn(picture(9, 14), 24), 80, (2.3118793964, 1.542211)),
    "15x15, the smallest that is halved": (picture(15, 15), worn(picture(15, 15), 24), 80, (3.7510781288, 2.821196)),
    "31x200": (picture(31, 200), worn(picture(31, 200), 16), 80, (3.884786129, 2.193579)),
    "100x141": (picture(100, 141), worn(picture(100, 141), 4), 80, (1.9913334846, 1.212991)),
    "coarse": (*LARGE, 80, (17.3868904114, 9.764971)),
    "the other way round": (*LARGE[::-1], 80, (10.7314443588, 5.868287)),
    "bright": (*LARGE, 250, (27.9728431702, 15.131918)),
    "grey": (LARGE[0][..., 1], LARGE[1][..., 1], 80, (20.8026599884, 12.412683)),
    "levels": (flat(120), flat(130), 80, (20.6003398895, 20.600013)),
    "a dot": (flat(120), with_dot(), 80, (6.8593521118, 3.012791)),
    "black and white": (flat(0), flat(255), 80, (407.5067138672, 407.503729)),
}


def both(a: Any, b: Any, **options: Any) -> list[float]:
    return [float(butteraugli(a, b, norm=norm, **options)) for norm in ("max", 3)]


@pytest.mark.parametrize("name", RECORDED)
def test_equals_recorded_values_of_libjxl(name: str) -> None:
    a, b, nits, want = RECORDED[name]
    assert both(a, b, intensity_target=nits) == pytest.approx(want, rel=2e-4)


def tool(folder: Path, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """(maximum, 3-norm) that libjxl's tool prints."""
    files = [str(folder / name) for name in ("a.png", "b.png")]
    for file, pixels in zip(files, (a, b), strict=True):
        Image.fromarray(pixels).save(file)
    path = program("butteraugli_main")
    assert path
    done = subprocess.run([path, *files], capture_output=True, text=True, check=True, timeout=60)
    first, _, last = done.stdout.split()
    return float(first), float(last)


@pytest.mark.needs("butteraugli_main")
def test_equals_the_tool(tmp_path: Path) -> None:
    a, b, _, want = RECORDED["100x141"]
    if tool(tmp_path, a, b) != pytest.approx(want, rel=1e-3):
        pytest.skip("butteraugli_main of another version of libjxl than 0.7")
    rng = np.random.default_rng(5)
    for height, width, quality in ((64, 97, 20), (113, 70, 60), (17, 40, 90)):
        coarse = rng.integers(0, 256, (height // 6 + 2, width // 6 + 2, 3), np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        a = np.clip(np.asarray(smooth) + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
        file = tmp_path / "b.jpg"
        Image.fromarray(a).save(file, quality=quality)
        b = np.asarray(Image.open(file))
        assert both(a, b) == pytest.approx(tool(tmp_path, a, b), rel=1e-3)


@pytest.mark.slow
def test_the_search_has_the_same_metric() -> None:
    a, b = picture(61, 83), worn(picture(61, 83), 20)
    assert Butteraugli(a).scores(b) == pytest.approx(both(a, b), rel=1e-4)
    assert Butteraugli(a).scores(a) == pytest.approx((0, 0), abs=1e-3)


def test_element_types_ranges_and_channels() -> None:
    a, b = picture(40, 33), worn(picture(40, 33), 30)
    want = float(butteraugli(a, b))
    for kind, top in [(np.float32, 255), (np.float32, 1), (np.float64, 65535)]:
        scaled = [(p.astype(np.float64) * top / 255).astype(kind) for p in (a, b)]
        assert float(butteraugli(*scaled, data_range=top)) == pytest.approx(want, rel=1e-4)
    grey = [np.repeat(p[..., :1], 3, -1) for p in (a, b)]
    assert butteraugli(a[..., 0], b[..., 0]) == butteraugli(*grey) == butteraugli(a[..., :1], b[..., :1])
    assert float(butteraugli(a, b, norm=math.inf)) == float(butteraugli(a, b, norm="max"))


@pytest.mark.slow
def test_batches_padding_and_kept_references_change_nothing() -> None:
    pairs = [(picture(40, 33, i), worn(picture(40, 33, i), 10 + 20 * i)) for i in range(3)]
    a, b = (np.stack(side) for side in zip(*pairs, strict=True))
    single = np.array([butteraugli(*pair) for pair in pairs])  # padded to a canvas; batches are not
    batch = butteraugli(a, b)
    assert batch.shape == (3,)
    assert batch.dtype == jnp.float32
    np.testing.assert_allclose(batch, single, rtol=1e-4)
    np.testing.assert_allclose(butteraugli(butteraugli_reference(a), b), single, rtol=1e-4)
    kept = butteraugli_reference(a[1])
    np.testing.assert_allclose(butteraugli(kept, b[1]), single[1], rtol=1e-4)
    against_one = jax.jit(jax.vmap(butteraugli, in_axes=(None, 0)))(kept, jnp.asarray(b))
    np.testing.assert_allclose(against_one[1], single[1], rtol=1e-4)
    assert float(butteraugli(kept, a[1])) == 0
    with pytest.raises(ValueError, match=r"reference has planes of shape \(3, 40, 33\), image needs \(3, 12, 33\)"):
        butteraugli(kept, a[1, :12])
    with pytest.raises(ValueError, match=r"image needs \(3, 3, 40, 33\)"):
        butteraugli(kept, a)


@pytest.mark.parametrize("size", [(8, 9), (40, 33)], ids=str)
def test_equal_pictures_are_at_no_distance(size: tuple[int, int]) -> None:
    for image in (picture(*size), np.full((*size, 3), 255, np.uint8)):
        assert both(image, image) == [0, 0]


@jax.jit
def slopes(image: jax.Array, reference: jax.Array) -> Any:
    return jax.value_and_grad(lambda y, x: butteraugli(x, y), argnums=(0, 1))(image, reference)


@pytest.mark.slow
def test_gradient_equals_differences() -> None:
    a, b = (p.astype(F32) for p in (picture(24, 24), worn(picture(24, 24), 30)))
    rng = np.random.default_rng(1)
    (_, gradients), step = slopes(b, a), 0.01
    for k in range(2):
        direction = np.sign(gradients[k]) * rng.uniform(0, 1, a.shape).astype(F32)  # all slopes add up: no cancellation
        moves = [[p + sign * step * direction * (i == k) for i, p in enumerate((b, a))] for sign in (1, -1)]
        want = (slopes(*moves[0])[0] - slopes(*moves[1])[0]) / (2 * step)
        assert (np.asarray(gradients[k], np.float64) * direction).sum() == pytest.approx(float(want), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("against", ["itself", "noise", "flat", "black", "white"])
def test_gradients_are_finite(against: str) -> None:
    a = picture(10, 12).astype(F32)  # too small to be halved: compiles in half the time
    other = {
        "itself": a,
        "noise": np.random.default_rng(0).uniform(0, 255, a.shape).astype(F32),
        "flat": np.full_like(a, 77),
        "black": np.zeros_like(a),
        "white": np.full_like(a, 255),
    }[against]
    for pair in ((a, other), (other, a), (other, other)):
        value, gradients = slopes(*pair)
        assert np.isfinite(value)
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        if pair[0] is pair[1]:
            assert value == 0
            assert not any(gradient.any() for gradient in gradients)


def test_lines_are_sixteen_with_repetition() -> None:
    """As in libjxl: through the pixel, four pixels far, no two of a kind but for eight nearly straight ones, twice each."""
    for lines, points in ((distances._SPARSE, {2}), (distances._DENSE, {3, 4})):
        assert sum(count for count, _ in lines) == 16
        halves = [half for _, line in lines for half in (line, tuple((-y, -x) for y, x in line))]
        assert len(set(halves)) == len(halves)
        assert {len(half) for half in halves} == points
        assert all(max(map(abs, half[-1])) in (3, 4) for half in halves)


def test_errors() -> None:
    a = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match=r"7×16 are too small: Butteraugli needs 8×8"):
        butteraugli(a[:7], a[:7])
    with pytest.raises(ValueError, match=r'norm is 2; it must be 3, "max" or infinity'):
        butteraugli(a, a, norm=2)
    with pytest.raises(ValueError, match="intensity_target is 0; it must be positive"):
        butteraugli(a, a, intensity_target=0)
    with pytest.raises(TypeError, match="int32"):
        butteraugli(a.astype(np.int32), a)
