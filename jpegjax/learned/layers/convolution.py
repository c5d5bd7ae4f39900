"""Convolutions of the published codecs and their divisive normalisation: maths as functions, and the modules that own weights.

Tensors are [N, H, W, C], kernels [k, k, inputs, outputs], borders are zeros. XLA's own convolution is near a CPU's peak where
its stride is 1 or 2, but a dilated one multiplies zeros. So the transposed convolution, and with it the gradient of a strided
one, is made of small convolutions, one for each pixel of 2×2 cells. On a CPU large layers go in pieces that stay in its cache:
pictures and bands of rows one after the other, with the same result. That is two to three times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .dense import depth_to_space
from .quantise import at_least

__all__ = [
    "Convolution",
    "Normalisation",
    "Transposed",
    "cells",
    "convolve",
    "convolve_transposed",
    "in_bands",
    "inner_rows",
    "normalise",
]

_NAMES = ("NHWC", "HWIO", "NHWC")
_PEDESTAL = 2.0**-36
"""Added before a square root is taken of what must not be negative, so that its gradient stays finite."""
_LEAST_BETA = 1e-6


_BAND = 32
"""Rows of a piece at most."""
_PIXELS = 2048
"""Pixels that are normalised together."""
_NARROW = 32
"""Fewer outputs than this would leave a convolution's registers empty."""


def _correlate(x: jax.Array, kernel: jax.Array, stride: int, rows: int, columns: int) -> jax.Array:
    """With so many rows and columns of zeros beyond each border."""
    borders = ((rows, rows), (columns, columns))
    return jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, borders, dimension_numbers=_NAMES)


def _same(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return _correlate(x, kernel, stride, *(side // 2 for side in kernel.shape[:2]))


def cells(kernel: jax.Array) -> jax.Array:
    """What a 5×5 transposed convolution of stride 2 does to 2×2 cells: [5, 5, I, O] → [3, 3, I, 2·2·O], correlated.

    Row 2a + p of the result takes row a + t of the input times row p + 2 − 2t of the kernel, t = −1, 0, 1.
    """
    inputs, outputs = kernel.shape[2:]
    pairs = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0))).reshape(3, 2, 3, 2, inputs, outputs)[::-1, :, ::-1]
    return pairs.transpose(0, 2, 4, 1, 3, 5).reshape(3, 3, inputs, 4 * outputs)


def _narrow(x: jax.Array, taps: jax.Array) -> jax.Array:
    """A 3×3 convolution inside x: one product that is nine times as wide as the result, and nine shifted parts of it added."""
    n, h, w, inputs = x.shape
    products = (x @ taps.transpose(2, 0, 1, 3).reshape(inputs, -1)).reshape(n, h, w, 9, -1)
    parts = [products[:, i : h - 2 + i, j : w - 2 + j, 3 * i + j] for i in range(3) for j in range(3)]
    return jnp.asarray(sum(parts))


def _up(x: jax.Array, kernel: jax.Array, rows: int = 1) -> jax.Array:
    """The transposed convolution; rows: of zeros beyond the border, 0 where x has its neighbours' rows already."""
    taps, outputs = cells(kernel), kernel.shape[3]
    x = jnp.pad(x, ((0, 0), (rows, rows), (1, 1), (0, 0)))
    if outputs < _NARROW:
        return depth_to_space(_narrow(x, taps), 2)
    parts = taps.reshape(3, 3, -1, 2, 2, outputs)
    made = [jnp.stack([_correlate(x[:, p:, q:], parts[p:, q:, :, p, q], 1, 0, 0) for q in (0, 1)], 3) for p in (0, 1)]
    n, height, width = made[0].shape[:3]
    return jnp.stack(made, 2).reshape(n, 2 * height, 2 * width, outputs)


def _up_in_pieces(x: jax.Array, kernel: jax.Array) -> jax.Array:
    band = math.gcd(x.shape[1], _BAND)
    return jax.lax.map(lambda one: in_bands(one[None], band, 1, lambda piece, _: _up(piece, kernel, 0))[0], x)


def _doubling(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.platform_dependent(x, kernel, cpu=_up_in_pieces, default=_up)


def _kernel_gradient(large: jax.Array, small: jax.Array, kernel: jax.Array) -> jax.Array:
    """Of a convolution of stride 2 that makes `small` from `large`."""
    (found,) = jax.linear_transpose(lambda k: _same(large, k, 2), kernel)(small)
    return found


def _swapped(kernel: jax.Array) -> jax.Array:
    return kernel.swapaxes(2, 3)


@jax.custom_vjp
def _halved(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _same(x, kernel, 2)


def _halved_backward(kept: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    return _doubling(g, _swapped(kernel)), _kernel_gradient(x, g, kernel)


_halved.defvjp(lambda x, kernel: (_same(x, kernel, 2), (x, kernel)), _halved_backward)


@jax.custom_vjp
def _doubled(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _doubling(x, kernel)


def _doubled_backward(kept: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    return _same(g, _swapped(kernel), 2), _swapped(_kernel_gradient(g, x, _swapped(kernel)))


_doubled.defvjp(lambda x, kernel: (_doubling(x, kernel), (x, kernel)), _doubled_backward)


def convolve(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """Correlation with half the kernel beyond the border, as torch's `Conv2d(padding=k // 2)` has it.

    Args:
        x: [N, H, W, inputs].
        kernel: [k, k, inputs, outputs], of x's type: any odd k with stride 1, 5 with stride 2.
        stride: 1 or 2.

    Returns:
        [N, H / stride, W / stride, outputs].

    Raises:
        ValueError: Stride 2 and a side that is odd, or a kernel of another size.
    """
    if stride == 1:
        return _same(x, kernel, 1)
    if kernel.shape[0] != 5 or x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(f"stride 2: x must have even sides and the kernel 5×5 taps, not {x.shape} and {kernel.shape}")
    return _halved(x, kernel)


def convolve_transposed(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of stride 2, as torch's `ConvTranspose2d(5, stride=2, padding=2, output_padding=1)` has it.

    Args:
        x: [N, H, W, inputs].
        kernel: [5, 5, inputs, outputs], of x's type.

    Returns:
        [N, 2H, 2W, outputs].
    """
    return _doubled(x, kernel)


def in_bands(x: jax.Array, band: int, border: int, stage: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
    """What a stage makes of a tensor, band of rows by band of rows.

    Args:
        x: [N, H, W, C].
        band: Rows of a band; divides H.
        border: Rows that a stage sees above and below it, zeros beyond x.
        stage: (rows of x, number of the band's first row) → the rows that belong to the band.
    """
    n, height = x.shape[:2]
    padded = jnp.pad(x, ((0, 0), (border, border), (0, 0), (0, 0)))

    def one(start: jax.Array) -> jax.Array:
        return stage(jax.lax.dynamic_slice_in_dim(padded, start, band + 2 * border, 1), start)

    made = jax.lax.map(one, jnp.arange(0, height, band))
    return made.swapaxes(0, 1).reshape(n, made.shape[0] * made.shape[2], *made.shape[3:])


def inner_rows(x: jax.Array, first: jax.Array, height: int) -> jax.Array:
    """x with zeros in the rows that are beyond the border: its rows are number first, first + 1, ... of `height`."""
    rows = first + jnp.arange(x.shape[1])
    return jnp.where(((rows >= 0) & (rows < height))[:, None, None], x, 0)


def _uniform(rngs: nnx.Rngs, shape: tuple[int, ...], fan_in: int) -> jax.Array:
    limit = fan_in**-0.5
    return jax.random.uniform(rngs.params(), shape, jnp.float32, -limit, limit)


class Convolution(nnx.Module):
    """`convolve` and a bias. Weights begin uniform, as torch's do, with 1 / √(3·inputs·k²) of deviation."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs, size: int = 5, stride: int = 2) -> None:
        self.kernel = nnx.Param(_uniform(rngs, (size, size, inputs, outputs), size * size * inputs))
        self.bias = nnx.Param(_uniform(rngs, (outputs,), size * size * inputs))
        self.stride = stride

    def __call__(self, x: jax.Array) -> jax.Array:
        return convolve(x, self.kernel[...].astype(x.dtype), self.stride) + self.bias[...].astype(x.dtype)

    def within(self, x: jax.Array) -> jax.Array:
        """Of a band, forwards alone: x has its neighbours' rows, so that there are fewer in the result."""
        kernel = self.kernel[...].astype(x.dtype)
        return _correlate(x, kernel, self.stride, 0, kernel.shape[1] // 2) + self.bias[...].astype(x.dtype)


class Transposed(nnx.Module):
    """`convolve_transposed` and a bias."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(_uniform(rngs, (5, 5, inputs, outputs), 25 * outputs))
        self.bias = nnx.Param(_uniform(rngs, (outputs,), 25 * outputs))

    def __call__(self, x: jax.Array) -> jax.Array:
        return convolve_transposed(x, self.kernel[...].astype(x.dtype)) + self.bias[...].astype(x.dtype)

    def within(self, x: jax.Array) -> jax.Array:
        """Of a band, forwards alone: x has a row of its neighbours above and below."""
        return _up(x, self.kernel[...].astype(x.dtype), 0) + self.bias[...].astype(x.dtype)


def normalise(x: jax.Array, beta: jax.Array, gamma: jax.Array, *, inverse: bool = False) -> jax.Array:
    """Generalised divisive normalisation, x_i / √(β_i + Σ_j γ_ji x_j²), or times the root where inverse.

    J. Ballé, V. Laparra and E. P. Simoncelli, "Density modeling of images using a generalized normalization
    transformation", 2016, arXiv:1511.06281; the inverse: arXiv:1611.01704.

    Args:
        x: [..., C].
        beta: [C], positive.
        gamma: [C, C] of from, to; not negative.
        inverse: Whether to multiply; it is no exact inverse.
    """
    energy = (x * x) @ gamma.astype(x.dtype) + beta.astype(x.dtype)
    return x * (jnp.sqrt(energy) if inverse else jax.lax.rsqrt(energy))


def _pixels_together(count: int) -> int:
    """The largest divisor up to `_PIXELS`; all, where there is none that is worth it."""
    return next((n for n in range(min(count, _PIXELS), _PIXELS // 8, -1) if count % n == 0), count)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalised(x: jax.Array, beta: jax.Array, gamma: jax.Array, inverse: bool) -> jax.Array:
    """`normalise`, in pieces on a CPU."""

    def whole(x: jax.Array) -> jax.Array:
        return normalise(x, beta, gamma, inverse=inverse)

    def pieces(x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        together = _pixels_together(x.size // channels)
        return jax.lax.map(whole, x.reshape(-1, together, channels)).reshape(x.shape)

    return jax.lax.platform_dependent(x, cpu=pieces, default=whole)


def _normalised_backward(
    inverse: bool, kept: tuple[jax.Array, jax.Array, jax.Array], g: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    def whole(x: jax.Array, g: jax.Array, beta: jax.Array, gamma: jax.Array) -> tuple[jax.Array, ...]:
        """Gradients of a piece; those of β and γ in float32, to be added up."""
        gamma = gamma.astype(x.dtype)
        squares = x * x
        energy = squares @ gamma + beta.astype(x.dtype)
        scale = jnp.sqrt(energy) if inverse else jax.lax.rsqrt(energy)
        by_energy = g * x * (scale / energy) * (0.5 if inverse else -0.5)
        pixels = tuple(range(x.ndim - 1))
        by_gamma = jnp.tensordot(squares, by_energy, (pixels, pixels), preferred_element_type=jnp.float32)
        return g * scale + 2 * x * (by_energy @ gamma.T), jnp.sum(by_energy.astype(jnp.float32), pixels), by_gamma

    def pieces(x: jax.Array, g: jax.Array, beta: jax.Array, gamma: jax.Array) -> tuple[jax.Array, ...]:
        channels = x.shape[-1]
        shape = (-1, _pixels_together(x.size // channels), channels)

        def add(sums: Any, piece: Any) -> tuple[Any, jax.Array]:
            by_x, *more = whole(piece[0], piece[1], beta, gamma)
            return tuple(a + b for a, b in zip(sums, more, strict=True)), by_x

        start = jnp.zeros(beta.shape, jnp.float32), jnp.zeros(gamma.shape, jnp.float32)
        sums, by_x = jax.lax.scan(add, start, (x.reshape(shape), g.reshape(shape)))
        return by_x.reshape(x.shape), *sums

    x, beta, gamma = kept
    by_x, by_beta, by_gamma = jax.lax.platform_dependent(x, g, beta, gamma, cpu=pieces, default=whole)
    return by_x, by_beta.astype(beta.dtype), by_gamma.astype(gamma.dtype)


_normalised.defvjp(
    lambda x, beta, gamma, inverse: (_normalised(x, beta, gamma, inverse), (x, beta, gamma)), _normalised_backward
)


class Normalisation(nnx.Module):
    """`normalise` whose β ≥ 1e-6 and γ ≥ 0 are squares of what is learned, with a pedestal (Ballé 2018, arXiv:1802.00847).

    At a bound gradients pass only where they lead back inside. It starts with β = 1 and γ = 0.1 times the identity.
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        self.beta = nnx.Param(jnp.sqrt(jnp.ones(channels) + _PEDESTAL))
        self.gamma = nnx.Param(jnp.sqrt(0.1 * jnp.eye(channels) + _PEDESTAL))
        self.inverse = inverse

    def positive(self) -> tuple[jax.Array, jax.Array]:
        """β and γ."""
        beta = at_least(self.beta[...], (_LEAST_BETA + _PEDESTAL) ** 0.5) ** 2 - _PEDESTAL
        return beta, at_least(self.gamma[...], _PEDESTAL**0.5) ** 2 - _PEDESTAL

    def __call__(self, x: jax.Array) -> jax.Array:
        return _normalised(x, *self.positive(), self.inverse)
