"""Layers that keep their input compressed between forward and backward pass.

    forward:   y = f(params, x) as ever                 kept: params, compress(x)
    backward:  gradients of f at (params, x̂)            x̂ = decompress(…)

What is exact: y; the gradient by x wherever f is affine in x (dense and convolution layers, averages), since it then depends on
the parameters alone; rectification and largest of 2×2, whose masks are kept as they are, 1 bit and 2 bits a value. What is not:
gradients by parameters, which are taken at x̂; and the gradient by x of what is not affine, such as batch normalisation, which is
taken at x̂ as well, as Evans et al. 2020 do it. So in a network of affine layers, `relu` and `max_pool` every gradient by an
activation is the plain one, and only gradients by parameters have noise.

A table is part of the compiled program, as it decides sizes. To train gently at first, as the paper does, train up to
`FitConfig(stop_at=…)` with one loss and go on in the same folder with the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .codec import TABLES, compress, decompress

__all__ = ["Kept", "jpeg_act", "max_pool", "relu", "residual_nbytes"]

Layer = Callable[[Any, jax.Array], Any]


def jpeg_act(f: Layer, table: str = "gentle") -> Layer:
    """f(params, x) whose reverse pass keeps x compressed, like `jax.checkpoint` keeps inputs and computes anew.

    Args:
        f: (pytree of parameters, activations [N, H, W, C] or [N, F]) → activations. Must not close over traced values.
        table: "gentle" or "strong", see `TABLES`.

    Returns:
        A function with the same values. Its gradient by x is exact where f is affine in x; else it is f's at what is read back,
        as that by params always is.

    Raises:
        ValueError: For another table.
    """
    if table not in TABLES:
        raise ValueError(f"table={table!r}: must be one of {', '.join(TABLES)}")

    @jax.custom_vjp
    def layer(params: Any, x: jax.Array) -> Any:
        return f(params, x)

    def forward(params: Any, x: jax.Array) -> tuple[Any, Any]:
        # Together, so that x is packed and let go before the next layers run.
        out, packed = jax.lax.optimization_barrier((f(params, x), compress(x, table)))
        return out, (params, packed, jax.ShapeDtypeStruct(x.shape, x.dtype))

    def backward(kept: Any, gradient: Any) -> tuple[Any, Any]:
        params, packed, like = kept
        # XLA on CPUs drops barriers before it orders operations; this makes it wait for the gradient with reading back.
        first = jax.tree.leaves(gradient)[0].ravel()[0]
        packed = packed._replace(scales=packed.scales + 0 * first.astype(jnp.float32))
        found: tuple[Any, Any] = jax.vjp(f, params, decompress(packed, like.shape, like.dtype, table))[1](gradient)
        return found

    layer.defvjp(forward, backward)
    return layer


class Kept(nnx.Module):
    """A layer that keeps its input compressed: `jpeg_act` around an NNX module whose variables are all parameters.

    Raises:
        ValueError: The layer has other variables (averages, random keys), which a reverse pass could not change.
    """

    def __init__(self, layer: nnx.Module, table: str = "gentle") -> None:
        others = nnx.to_flat_state(nnx.state(layer, nnx.Not(nnx.Param)))
        if others:
            path = "/".join(map(str, others[0][0]))
            raise ValueError(f"layer: {path} is no parameter; only parameters can be kept for the reverse pass")
        self.layer, self.table = layer, table

    def __call__(self, x: jax.Array) -> Any:
        graph, params = nnx.split(self.layer)
        return jpeg_act(lambda values, inputs: nnx.merge(graph, values)(inputs), self.table)(params, x)


@jax.custom_vjp
def relu(x: jax.Array) -> jax.Array:
    """max(x, 0), any shape; keeps 1 bit a value. The gradient is that of `jax.nn.relu`, bit for bit."""
    return jnp.maximum(x, 0)


def _relu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    out: tuple[jax.Array, jax.Array] = jax.lax.optimization_barrier((jnp.maximum(x, 0), jnp.packbits((x > 0).ravel())))
    return out


def _relu_backward(mask: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    open_ = jnp.unpackbits(mask, count=gradient.size).reshape(gradient.shape)
    return (jnp.where(open_ == 1, gradient, jnp.zeros((), gradient.dtype)),)


relu.defvjp(_relu_forward, _relu_backward)


def _quarters(x: jax.Array) -> jax.Array:
    """[N, H, W, C] → [N, H / 2, W / 2, C, 4], each 2×2 in the order of rows."""
    count, high, wide, channels = x.shape
    x = x.reshape(count, high // 2, 2, wide // 2, 2, channels)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(count, high // 2, wide // 2, channels, 4)


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
    """The largest of each 2×2 of [N, H, W, C], sides even; keeps 2 bits a result.

    The gradient goes to the first of equal ones, as that of `flax.nnx.max_pool` does, bit for bit.
    """
    return _quarters(x).max(-1)


def _pool_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    if x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(f"maps of shape {x.shape}; sides must be even")
    quarters = _quarters(x)
    which = jnp.argmax(quarters, -1).astype(jnp.uint8).ravel()
    which = jnp.pad(which, (0, -which.size % 4)).reshape(-1, 4)
    return quarters.max(-1), jnp.sum(which << np.arange(0, 8, 2, dtype=np.uint8), 1, dtype=jnp.uint8)


def _pool_backward(kept: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    count, high, wide, channels = gradient.shape
    which = (kept[:, None] >> np.arange(0, 8, 2, dtype=np.uint8) & jnp.uint8(3)).ravel()[: gradient.size]
    hit = which.reshape(*gradient.shape, 1) == np.arange(4, dtype=np.uint8)
    quarters = jnp.where(hit, gradient[..., None], jnp.zeros((), gradient.dtype))
    x = quarters.reshape(count, high, wide, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return (x.reshape(count, 2 * high, 2 * wide, channels),)


max_pool.defvjp(_pool_forward, _pool_backward)


def residual_nbytes(f: Callable[..., Any], *arguments: Any) -> int:
    """Bytes that JAX keeps from the forward to the reverse pass of f at these arguments, without the arguments themselves.

    f: differentiable in all arguments, which are pytrees of float arrays. Counted from the arrays that `jax.vjp` holds, each
    buffer once, as they are without compilation; XLA may keep fewer, or compute some anew.
    """
    held = {leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(arguments) if isinstance(leaf, jax.Array)}
    total = 0
    for leaf in jax.tree.leaves(jax.vjp(f, *arguments)[1]):
        if isinstance(leaf, jax.Array) and leaf.unsafe_buffer_pointer() not in held:
            held.add(leaf.unsafe_buffer_pointer())
            total += leaf.nbytes
    return total
