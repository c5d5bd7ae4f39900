"""What Butteraugli sees of a picture: responses to light, split into four bands of detail, and where these mask errors.

The stages of libjxl's `lib/jxl/butteraugli`, in float32 and with the constants of version 0.7. Blurs are Gaussians cut at
2.25 sigma, whose weights inside the picture sum to 1. The loops over planes keep the stages apart: XLA would otherwise fuse
each into all that read it, and compute it as often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..pair import Size, extended, within

__all__ = ["Bands", "bands_of", "eroded", "root", "shifted"]

_LIGHT = np.array([[0.29956550340058319, 0.63373087833825936, 0.077705617820981968],
                   [0.22158691104574774, 0.69391388044116142, 0.0987313588422],
                   [0.02, 0.02, 0.20480129041026129]], np.float32)  # fmt: skip
_DARK = np.array([1.7557483643287353, 1.7557483643287353, 12.226454707163354], np.float32)[:, None, None]
_SHARP, _LOW, _MIDDLE, _HIGH, _MASKING = 1.2, 7.15593339443, 3.22489901262, 1.56416327805, 2.7  # sigmas, in pixels
_MASK_GAIN, _MASK_BIAS = 6.19424080439, 6.19424080439 * 12.61050594197
_FAR = 1e30


class Bands(NamedTuple):
    """Of pictures [..., 3, H, W], by channels X (red against green), Y and B. activity: what masks errors, blurred."""

    low: jax.Array  # [..., 3, H, W]
    middle: jax.Array  # [..., 3, H, W]
    high: jax.Array  # [..., 2, H, W]
    highest: jax.Array  # [..., 2, H, W]
    activity: jax.Array  # [..., H, W]


def root(x: jax.Array) -> jax.Array:
    """Square root of x >= 0, whose slope at 0 is 0."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def shifted(plane: jax.Array, reach: int, beyond: float = 0.0) -> Callable[[int, int], jax.Array]:
    """(dy, dx) to the plane [H, W] of what lies so far below and to the right, up to reach; `beyond` outside."""
    height, width = plane.shape
    padded = jnp.pad(plane, reach, constant_values=beyond)
    return lambda dy, dx: padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]


def _taps(sigma: float) -> np.ndarray:
    """Of a Gaussian cut at 2.25 sigma, centre first, all of which sum to 1."""
    taps = np.exp(-0.5 * (np.arange(int(2.25 * sigma) + 1) / sigma) ** 2)
    return (taps / (2 * taps.sum() - 1)).astype(np.float32)


def _along(taps: np.ndarray, axis: int, line: jax.Array, mode: str = "constant") -> jax.Array:
    """Sums weighted by symmetric taps along an axis."""
    reach, size = len(taps) - 1, line.shape[axis]
    margins = [(0, 0)] * line.ndim
    margins[axis] = (reach, reach)
    padded = jnp.pad(line, margins, mode=mode)
    at = [lax.slice_in_dim(padded, k, k + size, axis=axis) for k in range(2 * reach + 1)]
    total = taps[0] * at[reach]
    for k in range(1, reach + 1):
        total += taps[k] * (at[reach - k] + at[reach + k])
    return total


def _each(function: Callable[[jax.Array], jax.Array], planes: jax.Array) -> jax.Array:
    """Planes [..., H, W], one after the other."""
    return lax.map(function, planes.reshape(-1, *planes.shape[-2:])).reshape(planes.shape)


def _blur(planes: jax.Array, sigma: float, size: Size) -> jax.Array:
    taps = _taps(sigma)
    planes = within(planes, size)
    for axis in (-1, -2):
        length = planes.shape[axis]
        inside = np.arange(length) < (length if size is None else size[axis])
        gain = 1 / jnp.maximum(_along(taps, 0, jnp.asarray(inside, jnp.float32)), taps[-1])
        planes = _each(partial(_along, taps, axis), planes) * (gain if axis == -1 else gain[:, None])
    return planes


def _sharp_blur(planes: jax.Array, size: Size) -> jax.Array:
    """The blur of extended planes [..., H, W] that takes them as mirrored, as libjxl does where five taps suffice."""
    taps = _taps(_SHARP)

    def along(axis: int, plane: jax.Array) -> jax.Array:
        # repeating the first and the last value is mirroring, but for the second value beyond the end
        last = plane.shape[axis] - 1 if size is None else size[axis] - 1
        place = np.arange(plane.shape[axis]) if axis == -1 else np.arange(plane.shape[axis])[:, None]
        before, behind = jnp.roll(plane, 1, axis), jnp.roll(plane, -1, axis)
        missed = jnp.where(place == 0, behind - plane, 0) + jnp.where(place == last, before - plane, 0)
        return _along(taps, axis, plane, "edge") + taps[2] * missed

    for axis in (-1, -2):
        planes = _each(partial(along, axis), planes)
    return planes


def _mixed(rgb: jax.Array) -> jax.Array:
    """Absorbances of the three receptors. rgb: [..., 3, H, W] in nits."""
    r, g, b = (rgb[..., c, None, :, :] for c in range(3))
    red, green, blue = (jnp.asarray(_LIGHT[:, c, None, None]) for c in range(3))
    return red * r + (green * g + (blue * b + _DARK))


def _opsin(rgb: jax.Array, size: Size) -> jax.Array:
    """X, Y and B of light in nits, [..., 3, H, W]: absorbances by the slope of the response to the blurred picture."""
    rgb = extended(rgb[..., None], size)[..., 0]
    before = jnp.maximum(_mixed(_sharp_blur(rgb, size)), _DARK)
    slope = (19.245013259874995 * jnp.log(before + 9.9710635769299145) - 23.16046239805755) / before
    mixed = jnp.maximum(_mixed(rgb) * jnp.maximum(slope, 1e-4), _DARK)
    long, middle, short = (mixed[..., c, :, :] for c in range(3))
    return jnp.stack([long - middle, long + middle, short], -3)


def _shrunk(x: jax.Array, by: float) -> jax.Array:
    """Nearer to 0, which it stays within `by` of it."""
    return jnp.maximum(x - by, 0) + jnp.minimum(x + by, 0)


def _grown(x: jax.Array, by: float) -> jax.Array:
    """Farther from 0, or doubled where that is less."""
    return x + jnp.clip(x, -by, by)


def _bent(x: jax.Array, at: float) -> jax.Array:
    """Of a lower slope beyond `at`."""
    inside = jnp.clip(x, -at, at)
    return inside + 0.724216145665 * (x - inside)


def _two(planes: jax.Array) -> tuple[jax.Array, jax.Array]:
    return planes[..., 0, :, :], planes[..., 1, :, :]


def bands_of(rgb: jax.Array, size: Size) -> Bands:
    """The bands of pictures in linear light. rgb: float32 [..., 3, H, W] in nits."""
    xyb = _opsin(rgb, size)
    low = _blur(xyb, _LOW, size)
    rest = xyb - low
    middle = _blur(rest, _MIDDLE, size)
    x, y = _two(rest - middle)
    rest = jnp.stack([x * (0.653020556257 + (1 - 0.653020556257) * 46 / (y * y + 46)), y], -3)
    high = _blur(rest, _HIGH, size)

    low = jnp.stack(
        [
            32.2217497012 * low[..., 0, :, :],
            13.7697791434 * low[..., 1, :, :],
            47.504615728 * (low[..., 2, :, :] - 0.362267051518 * low[..., 1, :, :]),
        ],
        -3,
    )
    middle = jnp.stack(
        [_shrunk(middle[..., 0, :, :], 0.29), _grown(middle[..., 1, :, :], 0.1), middle[..., 2, :, :]], -3
    )
    (x, y), (high_x, high_y) = _two(rest), _two(high)
    high_y = _bent(high_y, 28.4691806922)
    highest = jnp.stack([_shrunk(x - high_x, 0.04), 2.69313763794 * _bent(y - high_y, 5.19175294647)], -3)
    high = jnp.stack([_shrunk(high_x, 1.5), _grown(2.155 * high_y, 0.132)], -3)

    x, y = _two(high + highest)
    strength = root(jnp.square(2.5 * x) + jnp.square(0.4 * y))
    activity = jnp.sqrt(_MASK_GAIN * strength + _MASK_BIAS) - np.float32(np.sqrt(_MASK_BIAS))
    return Bands(low, middle, high, highest, _blur(activity, _MASKING, size))


def eroded(activity: jax.Array, size: Size) -> jax.Array:
    """A weighted mean of the three smallest of a value, its double (twice) and its eight neighbours at distance 3. [H, W]."""
    inside = within(jnp.ones_like(activity), size) > 0
    at = shifted(jnp.where(inside, activity, _FAR), 3, _FAR)
    return _mean_of_smallest(activity, [at(dy, dx) for dy in (-3, 0, 3) for dx in (-3, 0, 3) if dy or dx])


def _mean_of_smallest(value: jax.Array, others: Sequence[jax.Array]) -> jax.Array:
    least, second, third = value, 2 * value, 2 * value
    for other in others:
        least, other = jnp.minimum(least, other), jnp.maximum(least, other)
        second, other = jnp.minimum(second, other), jnp.maximum(second, other)
        third = jnp.minimum(third, other)
    return 0.45 * least + 0.3 * second + 0.25 * third
