"""Operations of a network, counted the same way for all: products of matrices and convolutions, as JAX traces them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import jaxprs_in_params

__all__ = ["macs"]


def _equations(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from _equations(inner)


def macs(function: Callable[..., Any], *arguments: Any) -> int:
    """Multiply-adds of one call: 2 FLOP each. Sums, activations and pooling, a few per cent, are left out.

    A convolution counts all its taps, those on the zeros beyond the border too.
    """
    total = 0
    for equation in _equations(jax.make_jaxpr(function)(*arguments).jaxpr):
        shapes = [v.aval.shape for v in equation.invars]
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(shapes[0][i] for i in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel, numbers = shapes[1], equation.params["dimension_numbers"].rhs_spec
            outputs = kernel[numbers[0]]
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // outputs
    return total
