"""Networks whose every number is an integer, so that all machines agree on every result.

Weights are integers within ±127 (128ths), activations 0..255 (32nds), ReLU and clip alone between layers. Integers stand in
float32 and no sum reaches 2^24, so a sum is exact in any order, fused or not, on any device; `checked` holds exported
weights to that. Training runs the same functions on weights that are rounded with a straight-through gradient, so what
ships is what was trained (facts of integer networks for entropy models: Ballé et al. 2019, "Integer networks for data
compression with latent-variable models").
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .convolution import cells
from .dense import Knots, depth_to_space, depthwise, neighbours
from .quantise import round_through

__all__ = [
    "ACTIVATION", "EXACT", "LARGEST", "WEIGHT", "IntegerConvolution", "IntegerDense", "IntegerDepthwise", "Rows", "activate",
    "check_sums", "magnitude",
]  # fmt: skip

WEIGHT, ACTIVATION = 128, 32
"""What 1.0 is as a weight and as an activation; sums have the unit 1 / (WEIGHT · ACTIVATION)."""
EXACT = 1 << 24
LARGEST = 255
"""The greatest magnitude of an activation."""
_MAGNITUDES = np.minimum(np.rint(ACTIVATION * np.log2(1 + np.arange(256))), 255).astype(np.float32)


def _through(x: jax.Array, exact: jax.Array) -> jax.Array:
    """`exact`, with the gradient of x."""
    return x + jax.lax.stop_gradient(exact - x)


def activate(sums: jax.Array) -> jax.Array:
    """Activations 0..255 of sums: rounded half up, clipped; the gradient passes where nothing is clipped."""
    x = sums * (1 / WEIGHT)
    return jnp.clip(_through(x, jnp.floor(x + 0.5)), 0, 255)


def magnitude(symbols: jax.Array) -> jax.Array:
    """Activation of a symbol's size: 32 log2(1 + |s|), by an integer table; differentiable almost everywhere."""
    size = jnp.minimum(jnp.abs(symbols), 255)
    exact = jnp.asarray(_MAGNITUDES)[jax.lax.stop_gradient(size).astype(jnp.int32)]
    return _through(jnp.minimum(ACTIVATION * jnp.log2(1 + size), 255), exact)


class Rows(nnx.Module):
    """What `Knots` becomes when a model is exported: a vector for each quality 1..100, looked up, so that it is exact.

    Args:
        rows: float32 [100, C].
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.table = nnx.Param(jnp.asarray(rows))

    def __call__(self, quality: jax.Array) -> jax.Array:
        return self.table[...][quality.astype(jnp.int32) - 1][:, None, None, :]


class IntegerDense(nnx.Module):
    """Sums of a 1×1 layer: activations [N, H, W, inputs] → [N, H, W, outputs], with biases by quality.

    The product takes the highest precision: inputs and weights have 8 bits, but sums need float32's 24.
    """

    def __init__(
        self, inputs: int, outputs: int, *, rngs: nnx.Rngs, gain: float = 1.0,
        start: Callable[[np.ndarray], np.ndarray] = np.zeros_like, pace: float = 1.0,
    ) -> None:  # fmt: skip
        limit = gain * (3 / inputs) ** 0.5
        self.kernel = nnx.Param(jax.random.uniform(rngs.params(), (inputs, outputs), jnp.float32, -limit, limit))
        self.bias: Knots | Rows = Knots(outputs, start, pace)

    def __call__(self, x: jax.Array, quality: jax.Array) -> jax.Array:
        weights = round_through(jnp.clip(self.kernel[...] * WEIGHT, -127, 127))
        bias = round_through(self.bias(quality) * (WEIGHT * ACTIVATION))
        return jnp.matmul(x, weights, precision="highest") + bias


class IntegerDepthwise(nnx.Module):
    """Sums of a 3×3 depthwise layer, zeros beyond the border; it starts as the identity."""

    def __init__(self, channels: int) -> None:
        self.kernel = nnx.Param(jnp.zeros((9, channels)).at[4].set(0.9))

    def __call__(self, x: jax.Array) -> jax.Array:
        return depthwise(x, round_through(jnp.clip(self.kernel[...] * WEIGHT, -127, 127)))


class IntegerConvolution(nnx.Module):
    """Sums of a 3×3 convolution, or of the 5×5 transposed one of stride 2, zeros beyond the border.

    Neighbours side by side and one matrix product: fast convolutions of a device need not be exact.

    Args:
        inputs, outputs: Channels.
        rngs: Where weights come from: uniform, of a trained network's size at the start.
        up: Whether it is the transposed one.
        unit: What 1.0 is in the input: ACTIVATION, or 1 for symbols.
    """

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs, up: bool = False, unit: int = ACTIVATION) -> None:
        size, fan_in = (5, 25 * outputs) if up else (3, 9 * inputs)
        limit = fan_in**-0.5
        shape = (size, size, inputs, outputs)
        self.kernel = nnx.Param(jax.random.uniform(rngs.params(), shape, jnp.float32, -limit, limit))
        self.bias = nnx.Param(jax.random.uniform(rngs.params(), (outputs,), jnp.float32, -limit, limit))
        self.up, self.unit = up, unit

    def integers(self) -> tuple[jax.Array, jax.Array]:
        """(weights as a 3×3 convolution has them, bias of the sums), whole numbers in float32."""
        weights = round_through(jnp.clip(self.kernel[...] * WEIGHT, -127, 127))
        bias = round_through(self.bias[...] * (WEIGHT * self.unit))
        return (cells(weights), jnp.tile(bias, 4)) if self.up else (weights, bias)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Sums, [N, H, W, outputs] or [N, 2H, 2W, outputs], in the unit 1 / (WEIGHT · unit), of x: ±255."""
        weights, bias = self.integers()
        columns = jnp.concatenate(neighbours(x), -1)
        sums = jnp.matmul(columns, weights.reshape(columns.shape[-1], -1), precision="highest") + bias
        return depth_to_space(sums, 2) if self.up else sums


def check_sums(name: str, weights: np.ndarray, bias: np.ndarray) -> None:
    """Whether no sum of a layer can reach 2^24: float32 holds all below exactly, in any order of terms.

    Args:
        name: Of the layer, for the message.
        weights: Whole numbers, [..., outputs].
        bias: [outputs].

    Raises:
        ValueError: A sum can; says which and how large.
    """
    reach = LARGEST * np.abs(np.asarray(weights, np.float64)).reshape(-1, len(bias)).sum(0) + np.abs(bias)
    worst = int(np.argmax(reach))
    if reach[worst] >= EXACT:
        raise ValueError(
            f"{name}: output {worst} can reach {reach[worst]:.0f}, but only sums below {EXACT} are exact on every machine; "
            "train with smaller weights there"
        )
