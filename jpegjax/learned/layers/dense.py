"""The layers of the light codec: maths as plain functions, and the NNX modules that own their weights.

All tensors are [N, H, W, C] (channels last). A dense layer is a 1×1 convolution, a matrix product; space is mixed by 3×3
depthwise convolutions written as nine shifted multiply-adds, which XLA fuses, forwards and backwards.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

__all__ = [
    "KNOTS",
    "Block",
    "Dense",
    "Depthwise",
    "Knots",
    "depth_to_space",
    "depthwise",
    "hard_swish",
    "neighbours",
    "product",
    "space_to_depth",
]

KNOTS = 13
"""Qualities at which a table by quality is learned; between them it is linear."""

_SHIFTS = [(dy, dx) for dy in range(3) for dx in range(3)]


def space_to_depth(x: jax.Array, n: int) -> jax.Array:
    """[N, n·H, n·W, C] → [N, H, W, n·n·C], channels by row, column and channel of the pixel. Inverse: `depth_to_space`."""
    b, h, w, c = x.shape
    return x.reshape(b, h // n, n, w // n, n, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // n, w // n, n * n * c)


def depth_to_space(x: jax.Array, n: int) -> jax.Array:
    """Inverse of `space_to_depth`."""
    b, h, w, c = x.shape
    return x.reshape(b, h, w, n, n, c // (n * n)).transpose(0, 1, 3, 2, 4, 5).reshape(b, h * n, w * n, c // (n * n))


def neighbours(x: jax.Array) -> list[jax.Array]:
    """The nine neighbours of every place, zeros beyond the border: views of one padded tensor, row by row."""
    h, w = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, dy : dy + h, dx : dx + w] for dy, dx in _SHIFTS]


def _weighted(x: jax.Array, kernel: jax.Array) -> jax.Array:
    total = jnp.zeros_like(x)
    for tap, view in zip(kernel, neighbours(x), strict=True):
        total = total + tap * view
    return total


@jax.custom_vjp
def depthwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Each channel correlated with its own 3×3 kernel: [N, H, W, C], [9, C] → [N, H, W, C]."""
    return _weighted(x, kernel)


def _depthwise_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _weighted(x, kernel), (x, kernel)


def _depthwise_backward(kept: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    return _weighted(g, kernel[::-1]), jnp.stack([jnp.sum(view * g, (0, 1, 2)) for view in neighbours(x)])


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """[N, H, W, C] @ [C, D]; the gradient of the kernel is summed up picture by picture, which the CPU does faster."""
    return x @ kernel


def _product_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return x @ kernel, (x, kernel)


def _product_backward(kept: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    rows = (part.reshape(len(x), -1, part.shape[-1]) for part in (x, g))
    return g @ kernel.T, jnp.sum(jnp.einsum("brc,brd->bcd", *rows), 0)


product.defvjp(_product_forward, _product_backward)


def hard_swish(x: jax.Array) -> jax.Array:
    """x · clip(x / 4 + 1/2, 0, 1): a swish without exponentials (Howard et al. 2019, arXiv:1905.02244, narrower)."""
    return x * jnp.clip(0.25 * x + 0.5, 0, 1)


def _uniform(rngs: nnx.Rngs, shape: tuple[int, ...], fan_in: int, gain: float) -> jax.Array:
    limit = gain * (3 / fan_in) ** 0.5
    return jax.random.uniform(rngs.params(), shape, jnp.float32, -limit, limit)


class Dense(nnx.Module):
    """A 1×1 convolution: [..., inputs] → [..., outputs].

    Args:
        inputs: Channels in.
        outputs: Channels out.
        rngs: Where weights come from.
        gain: Of the initial weights' deviation over 1/√inputs; 0 starts with zeros.
        weights: float32 [inputs, outputs], to start from in their place.
    """

    def __init__(
        self, inputs: int, outputs: int, *, rngs: nnx.Rngs, gain: float = 1.0, weights: np.ndarray | None = None
    ) -> None:
        made = _uniform(rngs, (inputs, outputs), inputs, gain) if weights is None else jnp.asarray(weights, jnp.float32)
        self.kernel = nnx.Param(made)
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel[...].astype(x.dtype) + self.bias[...].astype(x.dtype)


class Depthwise(nnx.Module):
    """A 3×3 depthwise convolution that starts as `centre` times the identity: [N, H, W, C] → the same."""

    def __init__(self, channels: int, centre: float = 1.0) -> None:
        self.kernel = nnx.Param(jnp.zeros((9, channels)).at[4].set(centre))

    def __call__(self, x: jax.Array) -> jax.Array:
        return depthwise(x, self.kernel[...].astype(x.dtype))


class Block(nnx.Module):
    """x + narrow(hard_swish(wide(depthwise(x)))), [N, H, W, C] → the same; it starts near the identity."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs, expand: int = 2) -> None:
        self.mix = Depthwise(channels)
        self.wide = Dense(channels, expand * channels, rngs=rngs)
        self.narrow = Dense(expand * channels, channels, rngs=rngs, gain=0.3)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.narrow(hard_swish(self.wide(self.mix(x))))


class Knots(nnx.Module):
    """A vector for each quality, [N] of 1..100 → [N, 1, 1, C]: learned at `KNOTS` qualities, linear between them.

    Args:
        channels: C.
        start: What it begins with: of qualities [KNOTS], values [KNOTS] or [KNOTS, C].
        pace: How many times faster than other weights it learns.
    """

    def __init__(
        self, channels: int, start: Callable[[np.ndarray], np.ndarray] = np.zeros_like, pace: float = 1.0
    ) -> None:
        at = np.asarray(start(1 + np.arange(KNOTS) * 99 / (KNOTS - 1)), np.float32).reshape(KNOTS, -1)
        self.table = nnx.Param(jnp.asarray(np.broadcast_to(at / pace, (KNOTS, channels))))
        self.pace = pace

    def __call__(self, quality: jax.Array) -> jax.Array:
        t = (quality - 1) * ((KNOTS - 1) / 99)
        near = jnp.clip(1 - jnp.abs(t[:, None] - jnp.arange(KNOTS)), 0, 1)  # weights of the knots: [N, KNOTS]
        return (near @ (self.pace * self.table[...]))[:, None, None, :]
