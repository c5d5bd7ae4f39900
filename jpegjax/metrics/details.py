"""Gradients, wavelets and information: GMSD, HaarPSI, and VIF in the pixel domain."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..types import Array
from .features import opponents, similar
from .pair import Size, check_pair, flatten, halved, within
from .structure import gaussian, gaussian_window

__all__ = ["gmsd", "haarpsi", "vif"]

GRADIENT_CONSTANT = 170.0
HAAR_CONSTANT, HAAR_SLOPE = 30.0, 4.2
HAAR_SCALES = 3
VIF_TAPS = (17, 9, 5, 3)
"""Of the windows at each scale, finest first; σ is a fifth of them."""
VIF_LEAST = 41  # below which the coarsest scale holds no window
NOISE = 2.0
"""Variance of what the eye adds, in squared grey levels."""
_NOTHING = 1e-10


def gmsd(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """Gradient magnitude similarity deviation of luma, from 0; lower is better (Xue, Zhang, Mou and Bovik 2014).

    Standard deviation, n − 1 below, of (2ab + T) / (a² + b² + T) over the picture, a and b the Prewitt gradients of both at
    half their size, T = 170. Halved by 2×2 means and with zeros around, as the authors' programme has it.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range. Of RGB, luma as BT.601 has it, full range, not rounded.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32, 0 for equal pictures, and there the gradient is 0: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; data_range is not positive; a NumPy array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, _gmsd)


def haarpsi(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """Haar wavelet-based perceptual similarity, 0..1 (Reisenhofer, Bosse, Kutyniok and Wiegand 2018).

    Sizes of Haar coefficients of the two finer scales are compared, in both directions, with C = 30, weighted by those of
    the third, and pooled through a logistic of slope 4.2; of colour pictures I and Q (YIQ) join as a third map. At half
    the size, by 2×2 means, and with zeros around, as the authors' programme has it. Where neither picture has a
    coefficient (both black) the similarity is averaged evenly.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32, 1 for equal pictures: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; data_range is not positive; a NumPy array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, _haarpsi)


def vif(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """Visual information fidelity of luma in the pixel domain, from 0 (Sheikh and Bovik 2006; the authors' `vifp_mscale`).

    The part of the reference's information that the image keeps, after a noise of variance 2 in the eye, by local gain and
    noise in Gaussian windows of 17, 9, 5 and 3 taps over four scales, whole windows only. Not symmetric; more contrast
    than the reference's can give more than 1. A flat reference has nothing to lose: 1.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range. Of RGB, luma as BT.601 has it, full range, not rounded.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32, 1 for equal pictures: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 41 (the fourth scale then holds no window);
            data_range is not positive; a NumPy array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, _vif, least=VIF_LEAST, why="VIF's fourth scale")


def _measure(reference: Any, image: Any, data_range: float | None, core: Any, **limits: Any) -> jax.Array:
    x, y, peak, size, batched = check_pair(reference, image, data_range, **limits)
    values = core(x, y, peak, size)
    return values if batched else values[0]


def _luma(x: jax.Array, y: jax.Array, peak: jax.Array) -> jax.Array:
    """`[2, N, H, W]` in 0..255."""
    return jnp.stack([flatten(x, "y")[0], flatten(y, "y")[0]]) * (255 / peak)


def _viewed(planes: jax.Array, size: Size) -> jax.Array:
    """2×2 means of `[..., H, W]`, zeros beyond the picture's end."""
    planes = within(planes, size)
    height, width = planes.shape[-2:]
    planes = jnp.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(0, height % 2), (0, width % 2)])
    return planes.reshape(*planes.shape[:-2], (height + 1) // 2, 2, (width + 1) // 2, 2).mean((-3, -1))


def _around(planes: jax.Array, before: int, behind: int) -> jax.Array:
    return jnp.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(before, behind)] * 2)


@jax.jit
def _gmsd(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size) -> jax.Array:
    padded = _around(_viewed(_luma(x, y, peak), size), 1, 1)
    across = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    down = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    square = (jnp.square(across[..., 2:] - across[..., :-2]) + jnp.square(down[..., 2:, :] - down[..., :-2, :])) / 9
    apart = 1 - similar(_root(square), GRADIENT_CONSTANT)
    size = halved(size)
    count = float(apart[0].size) if size is None else (size[0] * size[1]).astype(jnp.float32)
    mean = within(apart, size).sum((-2, -1), keepdims=True) / count
    return _root(within(jnp.square(apart - mean), size).sum((-2, -1)) / jnp.maximum(count - 1, 1))


def _root(x: jax.Array) -> jax.Array:
    """Square root, its slope at 0 taken as 0."""
    return jnp.where(x == 0, 0, jnp.sqrt(jnp.where(x == 0, 1, x)))


def _haar(planes: jax.Array) -> list[jax.Array]:
    """Sizes of coefficients `[2 directions, ..., h, w]` of each scale, finest first, of `[..., h, w]` with zeros around."""
    height, width = planes.shape[-2:]
    last = 1 << (HAAR_SCALES - 1)
    sums = _around(planes, last - 1, last)  # of `half`² samples, from the sample on
    found = []
    for scale in range(HAAR_SCALES):
        half = 1 << scale
        start = last - half

        def corner(y: int, x: int, sums: jax.Array = sums, start: int = start) -> jax.Array:
            return sums[..., start + y : start + y + height, start + x : start + x + width]

        a, b, c, d = corner(0, 0), corner(0, half), corner(half, 0), corner(half, half)
        found.append(jnp.abs(jnp.stack([a + b - c - d, a - b + c - d])) * np.float32(0.5 / half))
        sums = sums[..., :-half, :-half] + sums[..., :-half, half:] + sums[..., half:, :-half] + sums[..., half:, half:]
    return found


@jax.jit
def _haarpsi(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size) -> jax.Array:
    luma, chroma = opponents(jnp.moveaxis(jnp.stack([x, y]).astype(jnp.float32) * (255 / peak), -1, -3), chromatic=True)
    *finer, coarse = _haar(_viewed(luma, size))
    weights = within(coarse.max(1), halved(size))  # of [2 directions, 2 pictures, N, h, w]
    # how much is lost, from 0 to 1, as exactly 0 where both are the same
    lost = sum(1 - similar(jnp.moveaxis(scale, 1, 0), HAAR_CONSTANT) for scale in finer) / 2
    if chroma is not None:
        padded = _around(_viewed(chroma, size), 0, 1)
        means = (padded[..., :-1, :-1] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., 1:, 1:]) / 4
        similarity = similar(jnp.moveaxis(jnp.abs(means), 1, 0), HAAR_CONSTANT)
        lost = jnp.concatenate([lost, 1 - similarity.mean(0, keepdims=True)])
        weights = jnp.concatenate([weights, weights.mean(0, keepdims=True)])
    total = weights.sum((0, 2, 3))
    # two black pictures have no coefficients: every pixel counts alike
    even = within(jnp.ones_like(weights), halved(size))
    weights = jnp.where((total == 0)[:, None, None], even, weights)
    # the logistic's mean and its inverse, with what is lost against none lost as the variable: exact at 1
    one = np.float32(np.exp(HAAR_SLOPE))
    steps = -one * jnp.expm1(-HAAR_SLOPE * lost) / (1 + one * jnp.exp(-HAAR_SLOPE * lost))
    mean = (steps * weights).sum((0, 2, 3)) / weights.sum((0, 2, 3))
    return jnp.square(1 + (jnp.log1p(-mean / one) - jnp.log1p(mean)) / HAAR_SLOPE)


def _gathered(moments: tuple[jax.Array, ...], axis: int, weights: np.ndarray) -> tuple[jax.Array, ...]:
    """Means, variances and covariance of pairs, gathered along an axis over whole windows.

    About each window's centre: of equal samples they are exactly 0, which E[x²] - E[x]² in float32 is not.
    """
    reach = len(weights) // 2
    length = moments[0].shape[axis] - 2 * reach
    x0, y0 = (lax.slice_in_dim(m, reach, reach + length, axis=axis) for m in moments[:2])

    def add(k: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        x, y, xx, yy, xy = (lax.dynamic_slice_in_dim(m, k, length, axis) for m in moments)
        p, q = x - x0, y - y0
        terms = p, q, xx + p * p, yy + q * q, xy + p * q
        return tuple(s + jnp.asarray(weights)[k] * term for s, term in zip(sums, terms, strict=True))

    # a loop, as the program written out takes seconds to compile
    x, y, xx, yy, xy = lax.fori_loop(0, len(weights), add, (jnp.zeros_like(x0),) * 5)
    return x0 + x, y0 + y, xx - x * x, yy - y * y, xy - x * y


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _spread(x: jax.Array, y: jax.Array, taps: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(variance of x, of y, covariance) in whole Gaussian windows of `[N, H, W]`; reverse mode only, as `gaussian_window`."""
    return _spread_forward(x, y, taps)[0]


def _spread_forward(x: jax.Array, y: jax.Array, taps: int) -> tuple[Any, Any]:
    moments: tuple[jax.Array, ...] = (x, y, *[jnp.zeros_like(x)] * 3)
    for axis in (2, 1):
        moments = _gathered(moments, axis, gaussian(taps, taps / 5))
    return moments[2:], (x, y, *moments[:2])


def _spread_backward(taps: int, kept: Any, slopes: Any) -> tuple[jax.Array, jax.Array]:
    x, y, mean_x, mean_y = kept
    xx, yy, xy = slopes

    def spread(values: jax.Array) -> jax.Array:
        return gaussian_window(_around(values, taps - 1, taps - 1), 1, taps, taps / 5)

    even = spread(xy)
    return (
        2 * (x * spread(xx) - spread(xx * mean_x)) + y * even - spread(xy * mean_y),
        2 * (y * spread(yy) - spread(yy * mean_y)) + x * even - spread(xy * mean_x),
    )


_spread.defvjp(_spread_forward, _spread_backward)


@jax.jit
def _vif(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size) -> jax.Array:
    a, b = _luma(x, y, peak) - 128  # smaller numbers; the mean does not matter
    kept = whole = jnp.float32(0)
    for scale, taps in enumerate(VIF_TAPS):
        if scale:
            a, b = (gaussian_window(plane, 1, taps, taps / 5)[:, ::2, ::2] for plane in (a, b))
            size = None if size is None else (size - taps + 2) // 2
        xx, yy, xy = _spread(a, b, taps)
        none = (xx < _NOTHING) | (yy < _NOTHING) | (xy <= 0)
        gain = jnp.where(none, 0, xy) / jnp.where(none, 1, xx + _NOTHING)
        distortion = yy - gain * xy
        distortion = jnp.where(distortion < _NOTHING, _NOTHING, distortion)
        windows = None if size is None else size - (taps - 1)
        both = (
            jnp.log1p(jnp.square(gain) * jnp.where(none, 0, xx) / (distortion + NOISE)),
            jnp.log1p(jnp.where(xx < _NOTHING, 0, xx) / NOISE),
        )
        kept, whole = (s + within(m, windows).sum(2).sum(1) for s, m in zip((kept, whole), both, strict=True))
    return jnp.where(whole == 0, 1 + kept, kept / jnp.where(whole == 0, 1, whole))
