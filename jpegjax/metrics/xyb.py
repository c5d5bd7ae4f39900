"""SSIMULACRA2 v2.1: structural similarity unveiling local and compression-related artefacts (J. Sneyers, 2022/2023).

The metric of libjxl's `tools/ssimulacra2`: both pictures go to XYB, a colour space of opsin absorbances under a cube
root; at six scales, halved in linear light, every channel yields three error maps (SSIM without its double gamma;
ringing: edges that only the image has; blur: edges that only the reference has); the 1-norms and 4-norms of the maps,
weighted, make the score. 100: identical, 90: no difference visible in place, 70: high, 50: medium, 30: low quality.

Most of the 108 weights are zero, and what they would weigh is never computed. The loops over planes keep the stages
apart: XLA would otherwise fuse each into all that read it, compute it as often, and round it differently each time,
so that equal pictures would not score 100.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..types import Array
from .pair import NARROW_CANVAS, Size, as_rgb, check_pair, extended, fitted, halved, within
from .recursive_blur import gaussian_recursive, gaussian_taps, rounded

__all__ = ["Ssimulacra2Reference", "halve", "linear_light", "ssimulacra2", "ssimulacra2_reference"]

_SCALES = 6
_SMALLEST = 8
_C2 = 0.0009
_BIAS = np.float32(0.0037930732552754493)
_ONE = np.float32(1)
_OPSIN = [(r, _ONE - b - r, b) for r, b in np.array([[0.30, 0.078], [0.23, 0.078]], np.float32)] + [
    (r, g, _ONE - r - g) for r, g in np.array([[0.24342268924547819, 0.20476744424496821]], np.float32)
]
_ABOVE = (8.210152774e-01, 7.961564959e-01, 1.624820318e-01, 1.043637593e-02, 2.200248328e-04)
_BELOW = (6.521209011e-03, -5.512498495e-02, 4.987528350e-01, 1.076976492e00, 2.631846970e-01)

# By channel (X, Y, B-Y), scale, norm (1, 4) and map (SSIM, ringing, blur).
_WEIGHTS = (
    0.0, 0.0007376606707406586, 0.0, 0.0, 0.0007793481682867309, 0.0,
    0.0, 0.0004371155730107379, 0.0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752,
    0.0, 0.0016406437456599754, 0.0, 1.8422455520539298, 11.441172603757666, 0.0,
    0.0007989109436015163, 0.000176816438078653, 0.0, 1.8787594979546387, 10.94906990605142, 0.0,
    0.0007289346991508072, 0.9677937080626833, 0.0, 0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053,
    0.0004550992113792063, 0.0, 0.0, 0.0013648766163243398, 0.0, 0.0,
    0.0, 0.0, 0.0, 7.466890328078848, 0.0, 17.445833984131262,
    0.0006235601634041466, 0.0, 0.0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
    225.20515300849274, 0.0, 0.0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
    176.39317598450694, 0.0, 0.0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
    0.0, 0.0, 0.0, 34.77906344483772, 44.835625328877896, 0.0,
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0008680556573291698, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0005313191874358747, 0.0, 0.00016533814161379112, 0.0, 0.0,
    0.0, 0.0, 0.0, 0.0004179171803251336, 0.0017290828234722833, 0.0,
    0.0020827005846636437, 0.0, 0.0, 8.826982764996862, 23.19243343998926, 0.0,
    95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493, 171.2667255897307,
    0.9807858872435379,
    0.0, 0.0, 0.0, 0.0005130064588990679, 0.0, 0.00010854057858411537,
)  # fmt: skip


class Ssimulacra2Reference(NamedTuple):
    """All that a score needs of its reference, by scale: planes and their blurs [3, H, W], blurs of their squares.

    size: int32 (height, width) of what counts, where the picture was padded."""

    planes: tuple[jax.Array, ...]
    means: tuple[jax.Array, ...]
    squares: tuple[jax.Array, ...]
    size: Any = None


def linear_light(srgb: jax.Array) -> jax.Array:
    """sRGB 0..1 to linear light (IEC 61966-2-1), by libjxl's rational function: error up to 5e-7."""
    above, below = (jnp.full_like(srgb, p[0]) for p in (_ABOVE, _BELOW))
    for p, q in zip(_ABOVE[1:], _BELOW[1:], strict=True):
        above, below = above * srgb + p, below * srgb + q
    return jnp.where(srgb > 0.04045, above / below, srgb * (np.float32(1) / np.float32(12.92)))


@jax.custom_jvp
def _root(x: jax.Array) -> jax.Array:
    """Cube root of x > 0 less that of the bias, with libjxl's Newton iterations for x^(-1/3): 6 ulp."""
    third = np.float32(1 / 3)
    exponent = lax.bitcast_convert_type(x, jnp.int32) >> 23
    r = lax.bitcast_convert_type(0x54800000 - exponent * 0x002AAAAA, jnp.float32)
    for _ in range(3):
        r = rounded(np.float32(4 / 3) * r) - third * x * ((r * r) * (r * r))
    r = third * (r - x * ((r * r) * (r * r))) + r
    return (r * r) * x - np.cbrt(_BIAS)


@_root.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    y = _root(*primals)
    return y, tangents[0] / (3 * jnp.square(y + np.cbrt(_BIAS)))


def _xyb(rgb: jax.Array) -> jax.Array:
    """Linear RGB to X, Y and B-Y, each brought to about 0..1. rgb: [3, H, W]."""
    r, g, b = rgb

    def response(row: jax.Array) -> jax.Array:
        # Positive even for colours outside the gamut, so that the root has a slope.
        return _root(jnp.maximum(row[0] * r + (row[1] * g + (row[2] * b + _BIAS)), 1e-6))

    long, middle, short = lax.map(response, jnp.array(_OPSIN))
    y = 0.5 * (long + middle)
    return jnp.stack([rounded(0.5 * (long - middle) * 14) + 0.42, y + 0.01, (short - y) + 0.55])


def halve(planes: jax.Array, size: Size) -> jax.Array:
    """Means of 2×2 pixels, the last row or column of an odd size repeated. planes: [..., H, W]."""
    planes = extended(planes[..., None], size)[..., 0]
    rows, columns = planes.shape[-2:]
    planes = jnp.pad(planes, [*[(0, 0)] * (planes.ndim - 2), (0, rows % 2), (0, columns % 2)], mode="edge")
    top, bottom = planes[..., 0::2, :], planes[..., 1::2, :]
    return (((top[..., 0::2] + top[..., 1::2]) + bottom[..., 0::2]) + bottom[..., 1::2]) * 0.25


def _weights(height: int, width: int, /) -> np.ndarray:
    """[channel, scale, norm, map], for as many scales as the size has.

    libjxl halves while the scale before has 8 pixels both ways, and reads the list of weights without gaps: a size
    with fewer than six scales weighs other maps than a large one. Scores follow it there as well."""
    scales = 1
    while scales < _SCALES and min(height, width) > (_SMALLEST - 1) << (scales - 1):
        scales += 1
    return np.array(_WEIGHTS[: 18 * scales], np.float32).reshape(3, scales, 2, 3)


class _Plan(NamedTuple):
    """How a score is summed. weights: [3, scales, 2, 3], maybe traced; used: which of them are not 0, as far as is known."""

    weights: Any
    used: np.ndarray


def _plan(shape: tuple[int, ...], weights: Any) -> _Plan:
    """Of a picture of this shape [H, W]; or of a narrow one on a canvas, whose weights are given, 0 for the scales it lacks."""
    if weights is not None:
        return _Plan(weights, np.ones((3, _SCALES, 2, 3), bool))
    static = _weights(*shape)
    return _Plan(static, static != 0)


def _given_weights(size: Size, canvas: tuple[int, ...]) -> np.ndarray | None:
    """What `_plan` is to be told: the canvas of narrow pictures serves sizes of all numbers of scales."""
    if size is None or min(canvas) != NARROW_CANVAS:
        return None
    weights = _weights(int(size[0]), int(size[1]))
    return np.pad(weights, [(0, 0), (0, _SCALES - weights.shape[1]), (0, 0), (0, 0)])


def _pyramid(image: jax.Array, data_range: jax.Array, scales: int, size: Size) -> list[jax.Array]:
    """XYB planes [3, H, W] of an [H, W, 3] picture, scale by scale; 0 outside its size."""
    planes = image.transpose(2, 0, 1)
    rgb = lax.map(lambda plane: linear_light(plane.astype(jnp.float32) * (1 / data_range)), planes)
    pyramid = [within(_xyb(rgb), size)]
    for _ in range(1, scales):
        rgb, size = halve(rgb, size), halved(size)
        pyramid.append(within(_xyb(rgb), size))
    return pyramid


def _similar(planes: jax.Array, used: np.ndarray) -> jax.Array:
    """Of the channels [3, H, W] at a scale, those whose SSIM has a weight; used: [channel, norm, map]."""
    return jnp.concatenate([planes[c : c + 1] for c in range(3) if used[c, :, 0].any()] or [planes[:0]])


def _blurs(stacks: list[list[jax.Array]]) -> list[list[jax.Array]]:
    """Blurs of lists of stacks, by scale. At the largest scale rounding is no matter: there SSIM has but 4-norms."""
    joined = [jnp.concatenate(group) for group in stacks]
    blurred = [lax.map(gaussian_taps, joined[0]), *(gaussian_recursive(joined[1:]) if joined[1:] else [])]
    ends = [np.cumsum([len(stack) for stack in group])[:-1] for group in stacks]
    return [jnp.split(blur, end) for blur, end in zip(blurred, ends, strict=True)]


def _mean(maps: jax.Array, size: Size) -> jax.Array:
    """Means of maps [C, H, W] that are 0 outside the size."""
    if size is None:
        return maps.mean(2).mean(1)
    height, width = size[0].astype(jnp.float32), size[1].astype(jnp.float32)
    return (maps.sum(2) / width).sum(1) / height


def _weighted(errors: jax.Array, weight: Any, used: np.ndarray, size: Size) -> jax.Array | float:
    """1-norms and 4-norms of the positive parts of maps [C, H, W], weighted [C, norm], summed; a 4-norm of 0 has slope 0."""
    if not used.any():
        return 0.0
    errors = within(jnp.maximum(errors, 0), size)
    power = _mean(jnp.square(jnp.square(errors)), size)
    fourth = jnp.where(power > 0, jnp.sqrt(jnp.sqrt(jnp.where(power > 0, power, 1))), 0)
    return (weight[:, 0] * _mean(errors, size) + weight[:, 1] * fourth).sum()


def _reference(image: jax.Array, data_range: jax.Array, size: Size, weights: Any) -> Ssimulacra2Reference:
    used = _plan(image.shape[:2], weights).used
    planes = _pyramid(image, data_range, used.shape[1], size)
    blurs = _blurs([[a, jnp.square(_similar(a, used[:, s]))] for s, a in enumerate(planes)])
    means, squares = zip(*blurs, strict=True)
    return Ssimulacra2Reference(tuple(planes), means, squares, size)


def _score(reference: Ssimulacra2Reference, image: jax.Array, data_range: jax.Array, weights: Any) -> jax.Array:
    weights, used = _plan(image.shape[:2], weights)
    size = reference.size
    planes = _pyramid(image, data_range, used.shape[1], size)
    stacks = []
    for scale, (a, b) in enumerate(zip(reference.planes, planes, strict=True)):
        p, q = _similar(a, used[:, scale]), _similar(b, used[:, scale])
        stacks.append([b, jnp.square(q), p * q])
    blurs = _blurs(stacks)
    total = jnp.float32(0)
    for scale, (a, mean_a, square_a, b, (mean_b, square_b, product)) in enumerate(
        zip(*reference[:3], planes, blurs, strict=True)
    ):
        weight, use = weights[:, scale], used[:, scale]
        edge = jnp.abs(a - mean_a)
        excess = (jnp.abs(b - mean_b) - edge) / (1 + edge)
        total += _weighted(excess, weight[..., 1], use[..., 1], size)
        total += _weighted(-excess, weight[..., 2], use[..., 2], size)
        mean_a, mean_b = _similar(mean_a, use), _similar(mean_b, use)
        likeness = 1 - jnp.square(mean_a - mean_b)
        covariance = 2 * (product - mean_a * mean_b) + _C2
        variance = (square_a - mean_a * mean_a) + (square_b - mean_b * mean_b) + _C2
        channels = np.flatnonzero(use[..., 0].any(1))
        total += _weighted(1 - likeness * covariance / variance, weight[channels, :, 0], use[channels, :, 0], size)
        size = halved(size)
    total *= 0.9562382616834844
    error = 2.326765642916932 * total - 0.020884521182843837 * total**2 + 6.248496625763138e-5 * total**3
    positive = error > 0
    return jnp.where(positive, 100 - 10 * jnp.where(positive, error, 1) ** 0.6276336467831387, 100)


@jax.jit
def _references(images: jax.Array, data_range: jax.Array, size: Size, weights: Any) -> Ssimulacra2Reference:
    return lax.map(lambda image: _reference(image, data_range, size, weights), images)


@jax.jit
def _scores(references: Ssimulacra2Reference, images: jax.Array, data_range: jax.Array, weights: Any) -> jax.Array:
    return lax.map(lambda pair: _score(pair[0], pair[1], data_range, weights), (references, images))


@jax.jit
def _pairs(references: jax.Array, images: jax.Array, data_range: jax.Array, size: Size, weights: Any) -> jax.Array:
    # One picture at a time, and no more of them in memory: a batch at once is slower on CPUs.
    def pair(given: tuple[jax.Array, jax.Array]) -> jax.Array:
        return _score(_reference(given[0], data_range, size, weights), given[1], data_range, weights)

    return lax.map(pair, (references, images))


def ssimulacra2(reference: Array | Ssimulacra2Reference, image: Array, data_range: float | None = None) -> jax.Array:
    """SSIMULACRA2 score, version 2.1, of sRGB pictures: 100 for equal ones, 30 low quality, below 0 very poor.

    Sizes below about 113 pixels are scored at fewer than six scales, as by libjxl. Not symmetric. The gradient is with
    respect to `image` and `reference` alike; where pictures are equal it is 0.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey, counts as R = G = B) or 3
            (RGB); uint8, uint16 or floating point, NumPy or JAX; samples 0..data_range. In its place
            `ssimulacra2_reference` of it, made with the same data_range, which saves a third of the work.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 8; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    if not isinstance(reference, Ssimulacra2Reference):
        a, b, peak, size, batched = check_pair(reference, image, data_range, least=_SMALLEST, why="SSIMULACRA2")
        scores = _pairs(as_rgb(a), as_rgb(b), peak, size, _given_weights(size, a.shape[1:3]))
        return scores if batched else scores[0]
    _, b, peak, _, batched = check_pair(image, image, data_range, least=_SMALLEST, why="SSIMULACRA2", padded=False)
    weights = None
    if reference.size is not None:
        weights = _given_weights(np.array(b.shape[1:3]), reference.planes[0].shape[-2:])
    b = fitted(b, reference.planes[0].shape, reference.size, batched)
    scores = _scores(reference if batched else jax.tree.map(lambda x: x[None], reference), as_rgb(b), peak, weights)
    return scores if batched else scores[0]


def ssimulacra2_reference(reference: Array, data_range: float | None = None) -> Ssimulacra2Reference:
    """What `ssimulacra2` needs of a reference that many images are compared with.

    Args:
        reference: The picture, as `ssimulacra2` takes it.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        A pytree, batched if a batch came in; about 40 bytes a pixel and channel.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shape does not fit; height or width is below 8; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    a, _, peak, size, batched = check_pair(reference, reference, data_range, least=_SMALLEST, why="SSIMULACRA2")
    result = _references(as_rgb(a), peak, size, _given_weights(size, a.shape[1:3]))
    return result if batched else jax.tree.map(lambda x: x[0], result)
