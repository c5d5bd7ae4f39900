"""SSIMULACRA2 against published scores of libjxl, and against a float64 reference that is written from its definition."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jpegjax.metrics import ssimulacra2
from jpegjax.metrics.recursive_blur import gaussian_recursive, gaussian_taps
from jpegjax.metrics.xyb import _WEIGHTS, Ssimulacra2Reference, ssimulacra2_reference

Array = NDArray[np.float64]
F32 = np.float32


# The definition in float64. The blur runs libjxl's recursion, with its coefficients by the closed forms of the paper.


def recursion_coefficients() -> tuple[int, Array, Array]:
    """Radius, gains and turns by equations (37), (44), (50), (52), (53) and (33) of Charalampidis 2016."""
    sigma = 1.5
    radius = int(np.floor(3.2795 * sigma + 0.2546 + 0.5))
    omega = np.array([1, 3, 5]) * np.pi / (2 * radius)
    sign = np.array([1, -1, 1])
    p = sign / np.tan(omega / 2)
    r = sign * p * p / np.sin(omega)
    rho = np.exp(-(sigma**2) * omega**2 / 2) / radius
    third = np.cross(p, r)
    beta = np.linalg.solve(np.array([p, r, third]), [1, radius**2 - sigma**2, third @ rho])
    return radius, -beta * np.cos(omega * (radius + 1)), -2 * np.cos(omega)


def blur_lines(x: Any, dtype: Any = np.float64) -> Any:
    """Along the first axis, every operation rounded to dtype but a·b + c, which is rounded once."""
    radius, gains, turns = recursion_coefficients()
    gains, turns = gains.astype(dtype), turns.astype(dtype)
    padded = np.pad(x.astype(dtype), ((2 * radius, radius), *[(0, 0)] * (x.ndim - 1)))

    def fused(a: Any, b: Any, c: Any) -> Any:
        return (np.float64(a) * b.astype(np.float64) + c.astype(np.float64)).astype(dtype)

    before, that, out = [np.zeros_like(x[0], dtype)] * 3, [np.zeros_like(x[0], dtype)] * 3, []
    for n in range(1 - radius, len(x)):
        value = padded[n + radius - 1] + padded[n + 3 * radius - 1]
        now = [fused(gains[k], value, -fused(turns[k], before[k], that[k])) for k in range(3)]
        before, that = now, before
        out.append(now[0] + (now[1] + now[2]))
    return np.stack(out[radius - 1 :])


def blur(plane: Array) -> Array:
    return blur_lines(blur_lines(plane.T).T)


def xyb(linear: Array) -> list[Array]:
    matrix = np.array([[0.3, 0.622, 0.078], [0.23, 0.692, 0.078], [0.24342268924547819, 0.20476744424496821, 0]])
    matrix[2, 2] = 1 - matrix[2].sum()
    bias = 0.0037930732552754493
    long, middle, short = np.moveaxis(np.cbrt(linear @ matrix.T + bias) - np.cbrt(bias), -1, 0)
    x, y = (long - middle) / 2, (long + middle) / 2
    return [14 * x + 0.42, y + 0.01, short - y + 0.55]


def norms(errors: Array) -> list[float]:
    errors = np.maximum(errors, 0)
    return [errors.mean(), (errors**4).mean() ** 0.25]


def definition(reference: Any, image: Any, data_range: float = 255) -> float:
    def linear(picture: Any) -> Array:
        srgb = picture.astype(np.float64) / data_range
        return np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)

    def halve(picture: Array) -> Array:
        h, w = picture.shape[:2]
        picture = np.pad(picture, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
        return picture.reshape(-(-h // 2), 2, -(-w // 2), 2, 3).mean((1, 3))

    a, b = linear(reference), linear(image)
    table = []
    for scale in range(6):
        if min(a.shape[:2]) < 8:
            break
        if scale:
            a, b = halve(a), halve(b)
        for p, q in zip(xyb(a), xyb(b), strict=True):
            m, n = blur(p), blur(q)
            covariance = 2 * (blur(p * q) - m * n) + 0.0009
            variance = blur(p * p) - m * m + blur(q * q) - n * n + 0.0009
            edge = (1 + abs(q - n)) / (1 + abs(p - m)) - 1
            maps = [1 - (1 - (m - n) ** 2) * covariance / variance, edge, -edge]
            table.append(np.array([norms(errors) for errors in maps]).T)
    by_channel = np.array(table).reshape(-1, 3, 2, 3).swapaxes(0, 1).ravel()
    total = by_channel @ np.array(_WEIGHTS[: by_channel.size]) * 0.9562382616834844
    total = 2.326765642916932 * total - 0.020884521182843837 * total**2 + 6.248496625763138e-05 * total**3
    return 100 - 10 * total**0.6276336467831387 if total > 0 else 100.0


def pictures(seed: int, height: int, width: int, noise: float) -> tuple[Any, Any]:
    """Smooth colours with texture, and the same with noise: uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (height // 6 + 2, width // 6 + 2, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    a = np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255)
    b = np.clip(a + rng.normal(0, noise, a.shape), 0, 255)
    return a.astype(np.uint8), b.astype(np.uint8)


SIDE = (40, 33)


@pytest.mark.parametrize("size", [(8, 9), SIDE, (61, 130)], ids=str)
@pytest.mark.parametrize("noise", [6, 40])
def test_equals_the_definition(size: tuple[int, int], noise: float) -> None:
    a, b = pictures(3, *size, noise)
    assert float(ssimulacra2(a, b)) == pytest.approx(definition(a, b), abs=0.01)


def test_element_types_and_ranges() -> None:
    a, b = pictures(5, *SIDE, 20)
    want = float(ssimulacra2(a, b))
    for kind, top in [(np.float32, 255), (np.float32, 1), (np.float64, 65535)]:
        scaled = [(p.astype(np.float64) * top / 255).astype(kind) for p in (a, b)]
        assert float(ssimulacra2(*scaled, data_range=top)) == pytest.approx(want, abs=2e-3)
    grey = [np.repeat(p[..., :1], 3, -1) for p in (a, b)]
    assert ssimulacra2(a[..., 0], b[..., 0]) == ssimulacra2(*grey) == ssimulacra2(a[..., :1], b[..., :1])


@pytest.mark.slow
def test_batch_equals_single_and_kept_reference() -> None:
    pairs = [pictures(i, *SIDE, 10 + 20 * i) for i in range(3)]
    a, b = (np.stack(side) for side in zip(*pairs, strict=True))
    single = np.array([ssimulacra2(*pair) for pair in pairs])
    batch = ssimulacra2(a, b)
    assert batch.shape == (3,)
    assert batch.dtype == jnp.float32
    np.testing.assert_allclose(batch, single, atol=1e-2)
    np.testing.assert_allclose(ssimulacra2(ssimulacra2_reference(a), b), single, atol=1e-2)
    kept = ssimulacra2_reference(a[1])
    against_one = jax.jit(jax.vmap(ssimulacra2, in_axes=(None, 0)))(kept, jnp.asarray(b))
    np.testing.assert_allclose(against_one[1], single[1], atol=1e-2)


@pytest.mark.parametrize("size", [(8, 9), SIDE, (61, 130)], ids=str)
def test_equal_pictures_score_100(size: tuple[int, int]) -> None:
    for seed in range(3):
        a, b = pictures(seed, *size, 90)
        assert ssimulacra2(a, a) == ssimulacra2(b, b) == 100


@jax.jit
def slopes(image: jax.Array, reference: jax.Array) -> Any:
    return jax.value_and_grad(lambda y, x: ssimulacra2(x, y), argnums=(0, 1))(image, reference)


@pytest.mark.slow
def test_gradient_equals_differences_of_the_definition() -> None:
    a, b = (p.astype(np.float64) for p in pictures(11, 24, 24, 25))
    direction = np.random.default_rng(1).normal(size=b.shape)
    wants = [
        (definition(a, b + 0.01 * direction) - definition(a, b - 0.01 * direction)) / 0.02,
        (definition(a + 0.01 * direction, b) - definition(a - 0.01 * direction, b)) / 0.02,
    ]
    _, gradients = slopes(F32(b), F32(a))
    for gradient, want in zip(gradients, wants, strict=True):
        assert (np.asarray(gradient, np.float64) * direction).sum() == pytest.approx(want, rel=0.01)


@pytest.mark.parametrize("against", ["itself", "noise", "flat", "black", "white"])
def test_gradients_are_finite(against: str) -> None:
    a = pictures(2, 24, 24, 0)[0].astype(F32)
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


def test_blurs_are_one_filter() -> None:
    x = np.random.default_rng(0).uniform(0, 1, (2, 70, 51)).astype(F32)
    want = np.stack([blur(plane.astype(np.float64)) for plane in x])
    np.testing.assert_allclose(gaussian_taps(jnp.asarray(x)), want, atol=4e-7)
    small = jnp.asarray(x[:, :9, :17])
    blurred = jax.jit(gaussian_recursive)([jnp.asarray(x), small])
    np.testing.assert_allclose(blurred[0], want, atol=4e-6)
    np.testing.assert_allclose(blurred[1], gaussian_taps(small), atol=2e-6)
    # The rounding itself, as far as it is part of the metric: down the columns of an impulse of one row.
    rounding = np.abs(blurred[0] - want).mean()
    emulated = blur_lines(blur_lines(x[0].T, F32).T, F32)
    assert 0.4 < rounding / np.abs(emulated - want[0]).mean() < 2


def test_errors() -> None:
    a = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match=r"7×16 are too small: SSIMULACRA2 needs 8×8"):
        ssimulacra2(a[:7], a[:7])
    with pytest.raises(ValueError, match="must be the same"):
        ssimulacra2(a, a[:9])
    with pytest.raises(ValueError, match="data_range is 0"):
        ssimulacra2(a, a, data_range=0)
    with pytest.raises(TypeError, match="int32"):
        ssimulacra2(a.astype(np.int32), a)
    reference = ssimulacra2_reference(a)
    assert isinstance(reference, Ssimulacra2Reference)
    with pytest.raises(ValueError, match=r"reference has planes of shape \(3, 16, 16\), image needs \(3, 12, 16\)"):
        ssimulacra2(reference, a[:12])
    with pytest.raises(ValueError, match=r"image needs \(2, 3, 16, 16\)"):
        ssimulacra2(reference, np.stack([a, a]))


# Scores that libjxl gave to Pillow's JPEG files.


def kodak_rows(shared: Path, names: list[str] | None, qualities: list[int] | None) -> dict[str, list[float]]:
    facts, folder = shared / "facts" / "jpeg-peers-kodak.json", shared / "data" / "kodak"
    if not facts.is_file() or not folder.is_dir():
        pytest.skip(f"no Kodak pictures and scores under {shared}")
    misses = {}
    for name, rows in json.loads(facts.read_text())["codecs"]["turbo"]["images"].items():
        if names and name not in names:
            continue
        picture = Image.open(folder / f"{name}.png").convert("RGB")
        reference = ssimulacra2_reference(np.asarray(picture))
        for quality, *_, score in rows:
            if qualities and quality not in qualities:
                continue
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=int(quality))
            got = float(ssimulacra2(reference, np.asarray(Image.open(file))))
            misses[f"{name} {quality}"] = [got, score]
    return misses


def check_rows(rows: dict[str, list[float]], count: int) -> None:
    assert len(rows) == count
    off = {row: pair for row, pair in rows.items() if abs(pair[0] - pair[1]) > 0.05}
    assert not off


def test_kodak_scores(shared: Path) -> None:
    check_rows(kodak_rows(shared, ["kodim06", "kodim20"], [20, 75, 95]), 6)


@pytest.mark.slow
def test_all_kodak_scores(shared: Path) -> None:
    check_rows(kodak_rows(shared, None, None), 264)
