"""Butteraugli: how far apart two pictures look, in units of what can just be noticed (J. Alakuijala et al., 2016 to 2022).

The metric of libjxl 0.7's `butteraugli_main`: both pictures go to bands of detail in an opponent colour space (`bands`). Each
band's differences are summed along short lines in all directions, squared, and weighed by what the reference masks: a map of
distances. That of the halved pictures is added. Later versions of libjxl count the lowest band 1.05 times as much and divide by
17.83 in place of 17.8, for values up to 4 % apart.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...types import Array
from ..pair import Size, as_rgb, check_pair, fitted, halved, within
from ..xyb import halve, linear_light
from .bands import Bands, bands_of, eroded, root, shifted

__all__ = ["ButteraugliReference", "butteraugli", "butteraugli_reference"]

_SMALLEST = 8
_NOTICEABLE = 17.8 * math.log(80) / math.log(255)
_ASYMMETRY = 0.8  # below 1: what the image lost counts more than what it gained
_Line = tuple[tuple[int, int], ...]


def _lines(*kinds: tuple[int, _Line]) -> list[tuple[int, _Line]]:
    """(how often they count, halves of lines through a pixel as offsets (dy, dx)), turned and mirrored every way."""
    found: dict[frozenset[_Line], tuple[int, _Line]] = {}
    for count, line in kinds:
        for turned, mirrored in product((False, True), repeat=2):
            way = tuple((dx, dy) if turned else (dy, dx) for dy, dx in ((-y if mirrored else y, x) for y, x in line))
            found.setdefault(frozenset((way, tuple((-dy, -dx) for dy, dx in way))), (count, way))
    return list(found.values())


_SPARSE = _lines(
    (1, ((0, 2), (0, 4))),
    (1, ((2, 2), (3, 3))),
    (1, ((1, 2), (1, 4))),
    (1, ((1, 2), (2, 3))),
    (1, ((1, 2), (2, 4))),
)
_DENSE = _lines(
    (1, ((0, 1), (0, 2), (0, 3), (0, 4))),
    (1, ((1, 1), (2, 2), (3, 3))),
    (1, ((1, 1), (1, 2), (2, 3))),
    (2, ((0, 1), (1, 2), (1, 3), (1, 4))),
)


def _band(gain: float, weight: float, asymmetry: float, bias: float) -> list[float]:
    """(bias, weight of differences, weight of what is much weaker or stronger)."""
    scale = gain / (2 * 3.75 + 1) * bias
    return [bias, scale * math.sqrt(0.5 * weight * asymmetry), scale * math.sqrt(0.33 * weight / asymmetry)]


_ROOT = math.sqrt(_ASYMMETRY)
_DENSE_BANDS = np.array(
    [_band(0.39905817637, 173.5, _ASYMMETRY, 5.0), _band(0.39905817637, 1.10039032555, _ASYMMETRY, 71.7800275169)],
    np.float32,
)
_SPARSE_BANDS = np.array(
    [
        _band(0.611612573796, 6923.99476109, _ROOT, 8051.15833247),
        _band(0.611612573796, 18.7237414387, _ROOT, 4498534.45232),
        _band(0.611612573796, 8246.75321353, 1, 1009002.70582),
        _band(0.611612573796, 37.0819870399, 1, 130262059.556),
    ],
    np.float32,
)
_HIGH = (0.8 * 400.0, 0.8 * 1.50815703118)
_MIDDLE = (2150.0, 10.6195433239, 16.2176043152)
_LOW = (29.2353797994, 0.844626970982, 0.703646627719)
_ACTIVITY = 10
_ROUNDING = 1e-4
"""Distances up to this are rounding errors: so large are they between equal pictures that went through different programs."""


class ButteraugliReference(NamedTuple):
    """All that a distance needs of its reference, by scale: its bands [C, H, W] and what masks errors [H, W].

    size: int32 (height, width) of what counts, where the picture was padded."""

    bands: tuple[Bands, ...]
    masking: tuple[jax.Array, ...]
    size: Any = None


def _aligned(ours: jax.Array, theirs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(|ours|, theirs with the sign turned where ours is negative)."""
    return jnp.abs(ours), jnp.where(ours >= 0, theirs, -theirs)


def _along_lines(
    ours: jax.Array, theirs: jax.Array, bands: np.ndarray, lines: list[tuple[int, _Line]], size: Size
) -> jax.Array:
    """Squared sums of differences along lines, over planes [P, H, W] summed. bands: of each plane, see `_band`."""

    def differences(given: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        u, v, (bias, both, one) = given
        a, b = _aligned(u, v)
        apart = both * (a - b) + one * (jnp.maximum(0.55 * a - b, 0) - jnp.maximum(b - 1.05 * a, 0))
        apart /= bias + 0.5 * (a + jnp.abs(b))
        return within(jnp.where(u >= 0, apart, -apart), size)

    def squares(total: jax.Array, plane: jax.Array) -> tuple[jax.Array, None]:
        at = shifted(plane, 4)
        for count, line in lines:
            total += count * jnp.square(plane + sum(at(dy, dx) + at(-dy, -dx) for dy, dx in line))
        return total, None

    planes = lax.map(differences, (ours, theirs, jnp.asarray(bands)))
    return lax.scan(squares, jnp.zeros_like(planes[0]), planes)[0]


def _weighted(weights: tuple[float, ...], planes: jax.Array) -> jax.Array:
    """Weighted sum of planes [C, H, W]; term by term, for a reduction of so few is slow."""
    total = weights[0] * planes[0]
    for weight, plane in zip(weights[1:], planes[1:], strict=True):
        total += weight * plane
    return total


def _distances(ours: Bands, masking: jax.Array, theirs: Bands, size: Size) -> jax.Array:
    """The map [H, W] of a scale."""
    first, second = (jnp.concatenate([bands.high, bands.middle[:2]]) for bands in (ours, theirs))
    other = _along_lines(ours.highest, theirs.highest, _DENSE_BANDS, _DENSE, size)
    other += _along_lines(first, second, _SPARSE_BANDS, _SPARSE, size)
    a, b = _aligned(ours.high, theirs.high)
    beyond = jnp.maximum(0.4 * a - b, 0) + jnp.maximum(b - a, 0)
    other += _weighted(_HIGH, _ASYMMETRY * jnp.square(a - b) + jnp.square(beyond) / _ASYMMETRY)
    other += _weighted(_MIDDLE, jnp.square(ours.middle - theirs.middle))
    other += _ACTIVITY * jnp.square(ours.activity - theirs.activity)
    low = _weighted(_LOW, jnp.square(ours.low - theirs.low))
    low_mask = 1 + 0.505054525019 / (3.87449418804 * masking + 0.20025578522)
    other_mask = 1 + 2.5485944793 / (0.451936922203 * masking + 0.829591754942)
    distances = root(low * jnp.square(low_mask) + other * jnp.square(other_mask)) / _NOTICEABLE
    return jnp.where(distances > _ROUNDING, distances, 0)


def _mean(values: jax.Array, size: Size) -> jax.Array:
    """Of [H, W] that is 0 outside the size."""
    if size is None:
        return values.mean(1).mean()
    height, width = size[0].astype(jnp.float32), size[1].astype(jnp.float32)
    return (values.sum(1) / width).sum() / height


def _norms(distances: jax.Array, size: Size) -> jax.Array:
    """(the mean of the 3-, 6- and 12-norm, the maximum) of a map."""
    distances = within(distances, size)
    most = distances.max()
    # over the maximum: the 12th power of small or large distances is out of range
    scale = lax.stop_gradient(jnp.where(most > 0, most, 1))
    third = (distances / scale) ** 3
    powers = (third, jnp.square(third), jnp.square(jnp.square(third)))
    total = jnp.float32(0)
    for exponent, power in zip((3, 6, 12), powers, strict=True):
        mean = _mean(power, size)
        total += jnp.where(mean > 0, jnp.where(mean > 0, mean, 1) ** (1 / exponent), 0)
    return jnp.stack([total * scale / 3, most])


def _sizes(shape: tuple[int, ...], size: Size) -> list[Size]:
    """Of the scales that pictures [..., H, W] are compared at: the halved one where it is large enough, or may be."""
    return [size, halved(size)] if min(shape[-2:]) >= 2 * _SMALLEST - 1 else [size]


def _spectra(images: jax.Array, data_range: jax.Array, nits: jax.Array, size: Size) -> tuple[Bands, ...]:
    """Bands of pictures [P, H, W, 3] in float32, by scale."""
    planes = jnp.moveaxis(images, -1, -3).reshape(-1, *images.shape[1:3])
    linear = lax.map(lambda plane: nits * linear_light(plane * (1 / data_range)), planes)
    linear = linear.reshape(-1, 3, *images.shape[1:3])
    sizes = _sizes(linear.shape, size)
    pyramid = [linear, *(halve(linear, size) for _ in sizes[1:])]
    return tuple(bands_of(rgb, at) for rgb, at in zip(pyramid, sizes, strict=True))


def _first(bands: Bands) -> Bands:
    return jax.tree.map(lambda x: x[0], bands)


def _kept(spectra: tuple[Bands, ...], size: Size) -> ButteraugliReference:
    """Of spectra whose first picture is the reference."""
    ours = tuple(map(_first, spectra))
    sizes = _sizes(ours[0].low.shape, size)
    masking = tuple(eroded(bands.activity, at) for bands, at in zip(ours, sizes, strict=True))
    return ButteraugliReference(ours, masking, size)


def _score(reference: ButteraugliReference, theirs: tuple[Bands, ...]) -> jax.Array:
    size = reference.size
    sizes = _sizes(theirs[0].low.shape, size)
    maps = [_distances(*scale) for scale in zip(reference.bands, reference.masking, theirs, sizes, strict=True)]
    distances = maps[0]
    if len(maps) > 1:
        height, width = distances.shape
        coarse = jnp.repeat(jnp.repeat(maps[1], 2, 0), 2, 1)[:height, :width]
        half = 0.5 if size is None else jnp.where(size.min() >= 2 * _SMALLEST - 1, 0.5, 0)
        distances = (1 - 0.3 * half) * distances + half * coarse
    return _norms(distances, size)


@jax.jit
def _references(images: jax.Array, data_range: jax.Array, nits: jax.Array, size: Size) -> ButteraugliReference:
    return lax.map(lambda image: _kept(_spectra(image[None], data_range, nits, size), size), images)


@jax.jit
def _scores(references: ButteraugliReference, images: jax.Array, data_range: jax.Array, nits: jax.Array) -> jax.Array:
    def pair(given: tuple[ButteraugliReference, jax.Array]) -> jax.Array:
        reference, image = given
        spectra = _spectra(image[None], data_range, nits, reference.size)
        return _score(reference, tuple(map(_first, spectra)))

    return lax.map(pair, (references, images))


@jax.jit
def _pairs(references: jax.Array, images: jax.Array, data_range: jax.Array, nits: jax.Array, size: Size) -> jax.Array:
    # One pair at a time, and no more of them in memory; both pictures of it side by side: half as much to compile.
    def pair(given: tuple[jax.Array, jax.Array]) -> jax.Array:
        spectra = _spectra(jnp.stack(given), data_range, nits, size)
        return _score(_kept(spectra, size), tuple(jax.tree.map(lambda x: x[1], bands) for bands in spectra))

    return lax.map(pair, (references, images))


def _samples(images: Any) -> Any:
    """float32 `[N, H, W, 3]`, so that one program serves all element types."""
    return as_rgb(images).astype(np.float32)


def _nits(intensity_target: float) -> np.float32:
    if not 0 < intensity_target < float("inf"):
        raise ValueError(f"intensity_target is {intensity_target}; it must be positive: nits of white, 80 by default")
    return np.float32(intensity_target)


def butteraugli(
    reference: Array | ButteraugliReference,
    image: Array,
    data_range: float | None = None,
    *,
    norm: float | Literal["max"] = 3,
    intensity_target: float = 80,
) -> jax.Array:
    """Butteraugli distance of sRGB pictures, lower is better: 0 for equal ones, 1 about what can just be noticed.

    The values of `butteraugli_main`, libjxl 0.7, within 0.1 %; distances up to 1e-4 count as 0. Not symmetric. The gradient is
    with respect to `image` and `reference` alike; where pictures are equal it is 0.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey, counts as R = G = B) or 3
            (RGB); uint8, uint16 or floating point, NumPy or JAX; samples 0..data_range. In its place
            `butteraugli_reference` of it, made with the same data_range and intensity_target, which saves half of the work.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
        norm: How the map of distances becomes one. 3: the mean of its 3-, 6- and 12-norm, what the tool calls 3-norm, each
            the p-th root of the mean p-th power. "max" or infinity: its maximum, the tool's first number.
        intensity_target: Luminance of white, in nits.

    Returns:
        float32: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 8; data_range or intensity_target is not
            positive; norm is another; a NumPy array holds NaN or infinity.
    """
    if norm not in (3, "max", math.inf):
        raise ValueError(f'norm is {norm!r}; it must be 3, "max" or infinity')
    which, nits = int(norm != 3), _nits(intensity_target)
    if not isinstance(reference, ButteraugliReference):
        a, b, peak, size, batched = check_pair(reference, image, data_range, least=_SMALLEST, why="Butteraugli")
        scores = _pairs(_samples(a), _samples(b), peak, nits, size)[:, which]
        return scores if batched else scores[0]
    _, b, peak, _, batched = check_pair(image, image, data_range, least=_SMALLEST, why="Butteraugli", padded=False)
    b = fitted(b, reference.bands[0].low.shape, reference.size, batched)
    kept = reference if batched else jax.tree.map(lambda x: x[None], reference)
    scores = _scores(kept, _samples(b), peak, nits)[:, which]
    return scores if batched else scores[0]


def butteraugli_reference(
    reference: Array, data_range: float | None = None, *, intensity_target: float = 80
) -> ButteraugliReference:
    """What `butteraugli` needs of a reference that many images are compared with.

    Args:
        reference: The picture, as `butteraugli` takes it.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).
        intensity_target: Luminance of white, in nits.

    Returns:
        A pytree, batched if a batch came in; about 60 bytes a pixel.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shape does not fit; height or width is below 8; data_range or intensity_target is not positive; a
            NumPy array holds NaN or infinity.
    """
    a, _, peak, size, batched = check_pair(reference, reference, data_range, least=_SMALLEST, why="Butteraugli")
    result = _references(_samples(a), peak, _nits(intensity_target), size)
    return result if batched else jax.tree.map(lambda x: x[0], result)
