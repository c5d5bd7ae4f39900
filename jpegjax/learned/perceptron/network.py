"""Perceptrons n²–k–n² on blocks of n×n samples, the earliest networks that compressed pictures (Cottrell et al. 1987).

    block ──less its mean──▶ dense ─▶ f ─▶ k activations ─▶ dense ─▶ g ──and the mean──▶ block
          └───────────────── mean: activation 0 ──────────────────────────┘

Samples are −1..1 here, (sample − 128) / 128. f and g are linear, tanh or the logistic function; g's logistic range 0..1 stands
for −1..1. Linear ones trained to the least squared error span the same space as the KLT (Bourlard and Kamp 1988; Baldi and
Hornik 1989). Units come in order: those that matter most first, so that any first few make a picture (nested dropout, Rippel et
al. 2014).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

__all__ = ["BLOCKS", "TRANSFERS", "UNIT", "Perceptron", "PerceptronSize", "hidden", "shown"]

BLOCKS = (4, 8, 16)
"""Sides of blocks."""
TRANSFERS = {"linear": lambda x: x, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
MIDDLES = {"linear": 0.0, "tanh": 0.0, "sigmoid": 0.5}
"""Where their ranges have their middles, which is taken off before the next layer: training is three times as fast for it."""
UNIT = 128.0
"""Grey levels in one unit of a network's samples, which are around grey 128."""

Weights = Mapping[str, Any]
"""encoder [n², k], encoder_bias [k], decoder [k, n²], decoder_bias [n²]; k less 1 where the mean goes apart."""


@dataclass(frozen=True, slots=True)
class PerceptronSize:
    """What a network is made of. ValueError, TypeError for what there is not.

    block: n, 4, 8 or 16. units: k, 1..n², the mean among them. hidden, output: transfer functions. mean: whether a block's mean
    goes apart, as activation 0.
    """

    block: int = 8
    units: int = 64
    hidden: str = "linear"
    output: str = "linear"
    mean: bool = True

    def __post_init__(self) -> None:
        if type(self.block) is not int or self.block not in BLOCKS:
            raise ValueError(f"block={self.block!r}: must be one of {', '.join(map(str, BLOCKS))}")
        if type(self.mean) is not bool:
            raise TypeError(f"mean={self.mean!r}: must be True or False")
        if type(self.units) is not int or not 1 + self.mean <= self.units <= self.samples:
            raise ValueError(f"units={self.units!r}: must be an integer {1 + self.mean}..{self.samples}")
        for name, transfer in (("hidden", self.hidden), ("output", self.output)):
            if transfer not in TRANSFERS:
                raise ValueError(f"{name}={transfer!r}: must be one of {', '.join(TRANSFERS)}")

    @property
    def samples(self) -> int:
        """n²."""
        return self.block * self.block

    @property
    def dense(self) -> int:
        """Units of the dense layers."""
        return self.units - self.mean

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each array of `Weights`."""
        n, k = self.samples, self.dense
        return {"encoder": (n, k), "encoder_bias": (k,), "decoder": (k, n), "decoder_bias": (n,)}


def _dot(x: jax.Array, kernel: Any) -> jax.Array:
    return jnp.dot(x, kernel, precision=jax.lax.Precision.HIGHEST)


def hidden(size: PerceptronSize, weights: Weights, x: jax.Array) -> jax.Array:
    """Activations [..., k] of blocks [..., n²], −1..1. Differentiable."""
    mean = x.mean(-1, keepdims=True)
    inside = x - mean if size.mean else x
    a = TRANSFERS[size.hidden](_dot(inside, weights["encoder"]) + weights["encoder_bias"])
    return jnp.concatenate([mean, a], -1) if size.mean else a


def shown(size: PerceptronSize, weights: Weights, a: jax.Array) -> jax.Array:
    """Blocks [..., n²], about −1..1, of activations [..., k]. Differentiable."""
    inside = a[..., size.mean :] - MIDDLES[size.hidden]
    y = TRANSFERS[size.output](_dot(inside, weights["decoder"]) + weights["decoder_bias"])
    y = 2 * (y - 0.5) if size.output == "sigmoid" else y
    return y + a[..., :1] if size.mean else y


class Perceptron(nnx.Module):
    """The model, for training."""

    def __init__(self, size: PerceptronSize, *, rngs: nnx.Rngs) -> None:
        self.size = size
        first = nnx.initializers.orthogonal()
        shapes = size.shapes
        encoder = first(rngs.params(), shapes["encoder"], jnp.float32)
        # logistic units have a quarter of the slope, at each end that has them
        self.encoder = nnx.Param(
            encoder * (0.5 if size.hidden == "sigmoid" else 0.25 if size.hidden == "tanh" else 1.0)
        )
        self.encoder_bias = nnx.Param(jnp.zeros(shapes["encoder_bias"], jnp.float32))
        slope = {"linear": 1.0, "tanh": 4.0, "sigmoid": 8.0}[size.hidden] * (2.0 if size.output == "sigmoid" else 1.0)
        self.decoder = nnx.Param(encoder.T * slope)
        self.decoder_bias = nnx.Param(jnp.zeros(shapes["decoder_bias"], jnp.float32))

    @property
    def weights(self) -> dict[str, jax.Array]:
        """The arrays, as the functions take them."""
        return {name: getattr(self, name)[...] for name in self.size.shapes}

    def __call__(self, x: jax.Array, keep: jax.Array | None = None, centre: Any = 0.0) -> jax.Array:
        """Blocks [N, n²] again. keep: int32 [N], how many units of each count; the others stand at `centre` [k]."""
        a = hidden(self.size, self.weights, x)
        if keep is not None:
            a = jnp.where(jnp.arange(self.size.units) < keep[:, None], a, centre)
        return shown(self.size, self.weights, a)
