"""CompressAI's weights in our modules, without CompressAI: arrays by the names of its state dictionaries.

    model.load_state_dict(…) in torch ─▶ {name: tensor.numpy()} ─▶ load_compressai(ours, arrays)

Networks and densities then give what CompressAI's give. Integer scales are near its scales, within what 8-bit weights and
activations allow, since it trained without them. Its medians (`quantiles`) are left out: they are solved for.
J. Bégaint et al., "CompressAI", 2020, arXiv:2011.03029.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from .models import Hyperprior, Published

__all__ = ["load_compressai"]

_CONVOLUTION, _TRANSPOSED = (2, 3, 1, 0), (2, 3, 0, 1)
"""Axes of [out, in, k, k] and of [in, out, k, k] as our kernels have them."""


def _layers(name: str, ours: Sequence[Any], order: tuple[int, ...], step: int) -> Iterator[tuple[nnx.Param, str, Any]]:
    for i, layer in enumerate(ours):
        yield layer.kernel, f"{name}.{step * i}.weight", order
        yield layer.bias, f"{name}.{step * i}.bias", None


def _norms(name: str, ours: Sequence[Any]) -> Iterator[tuple[nnx.Param, str, Any]]:
    for i, layer in enumerate(ours):
        yield layer.beta, f"{name}.{2 * i + 1}.beta", None
        yield layer.gamma, f"{name}.{2 * i + 1}.gamma", (1, 0)


def _pairs(model: Published) -> Iterator[tuple[nnx.Param, str, Any]]:
    """Our parameter, CompressAI's name, and the order of its axes in ours; None where the values are merely reshaped."""
    yield from _layers("g_a", model.analysis.down, _CONVOLUTION, 2)
    yield from _norms("g_a", model.analysis.norms)
    yield from _layers("g_s", model.synthesis.up, _TRANSPOSED, 2)
    yield from _norms("g_s", model.synthesis.norms)
    density = model.density
    for kind, group in (("matrix", density.matrices), ("bias", density.biases), ("factor", density.factors)):
        for i, value in enumerate(group):
            yield value, f"entropy_bottleneck._{kind}{i}", None
    if isinstance(model, Hyperprior):
        yield from _layers("h_a", model.hyper_analysis.layers, _CONVOLUTION, 2)
        layers = list(model.hyper_synthesis.layers)
        yield from _layers("h_s", layers[:2], _TRANSPOSED, 2)
        yield layers[2].kernel, "h_s.4.weight", _CONVOLUTION
        yield layers[2].bias, "h_s.4.bias", None


def load_compressai(model: Published, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a model the weights of CompressAI's bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean.

    Args:
        model: Ours of the same architecture and size.
        arrays: CompressAI's state dictionary, as NumPy arrays.

    Raises:
        KeyError: A name is missing: another architecture.
        ValueError: A shape differs: another size.
    """
    for ours, name, order in _pairs(model):
        if name not in arrays:
            raise KeyError(
                f"{name}: not among the arrays; they are of another architecture than {type(model).__name__}"
            )
        theirs = np.asarray(arrays[name], np.float32)
        theirs = theirs.reshape(ours.shape) if order is None and theirs.size == ours.size else theirs
        theirs = theirs if order is None else theirs.transpose(order)
        if theirs.shape != ours.shape:
            raise ValueError(
                f"{name}: is {theirs.shape} in our order of axes, but the model has {ours.shape}; size or quality differ"
            )
        ours[...] = jnp.asarray(theirs)
