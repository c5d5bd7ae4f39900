"""The Gaussian of SSIMULACRA2 (sigma 1.5, zero beyond the border): libjxl's truncated cosines, two ways.

Charalampidis, "Recursive Implementation of the Gaussian Filter Using Truncated Cosine Functions", IEEE Trans. Signal
Processing 64(14), 2016. The kernel is a sum of three cosines cut off at their common zero, hence 9 taps and also three
recursions of second order. The recursions are undamped: in float32 their rounding errors last to the end of the line. Squared
and rectified, they count in the score (up to 1.4 points on Kodak), and so in every published one.

    gaussian_taps       as a convolution: quick, exact to one rounding
    gaussian_recursive  the recursions in float32 and libjxl's order, rounding as it does where the backend contracts
                        a·b + c to one operation (CPUs with FMA: equal bits); differentiates as the convolution
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["gaussian_recursive", "gaussian_taps", "rounded"]

SIGMA = 1.5
RADIUS = round(3.2795 * SIGMA + 0.2546)
REACH = RADIUS - 1
LANES = 4
"""libjxl computes along a row four outputs at a time, from powers of the recursion."""


def _amplitudes(omega: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Of the three cosines: the Gaussian's spectrum, moved as little as gives unit gain and variance SIGMA²."""
    moments = np.stack([np.ones_like(offset), offset**2]) @ np.cos(np.outer(offset, omega))
    amplitude = np.exp(-0.5 * (SIGMA * omega) ** 2) / RADIUS
    return amplitude + np.linalg.pinv(moments) @ ([1, SIGMA**2] - moments @ amplitude)


_OFFSET = np.arange(-REACH, RADIUS)
_OMEGA = np.pi / (2 * RADIUS) * np.array([1, 3, 5])
_AMPLITUDE = _amplitudes(_OMEGA, _OFFSET)
_TAPS = (np.cos(np.outer(np.arange(RADIUS), _OMEGA)) @ _AMPLITUDE).astype(np.float32)

# y[n] = gain (x[n - N - 1] + x[n + N - 1]) + turn y[n - 1] - y[n - 2], and its powers for outputs n to n + 3.
_gain = -_AMPLITUDE * np.cos(_OMEGA * (RADIUS + 1))
_turn = 2 * np.cos(_OMEGA)
_powers = np.stack([np.ones(3), _turn, _turn**2 - 1, _turn * (_turn**2 - 2), _turn**4 - 3 * _turn**2 + 1], 1)
_INPUT = (_gain[:, None] * _powers[:, :LANES]).astype(np.float32)
_BEFORE = _powers[:, 1:].astype(np.float32)
_BEFORE_THAT = -_powers[:, :LANES].astype(np.float32)

_Line = tuple[jax.Array, jax.Array, jax.Array]
_State = tuple[_Line, _Line]
_Value = Callable[[jax.Array], jax.Array]
_Step = Callable[[_Value, _State, jax.Array], tuple[_State, jax.Array]]


def rounded(product: jax.Array) -> jax.Array:
    """The product, kept from being contracted into a fused multiply-add."""
    return jnp.maximum(product, np.float32(-3e38))


def gaussian_taps(planes: jax.Array) -> jax.Array:
    """The blur of the last two axes as a convolution. planes: float32 [..., H, W]."""
    for axis in (-1, -2):
        size = planes.shape[axis]
        margins = [(0, 0)] * planes.ndim
        margins[axis] = (REACH, REACH)
        padded = jnp.pad(planes, margins)
        at = [lax.slice_in_dim(padded, k, k + size, axis=axis) for k in range(2 * REACH + 1)]
        planes = _TAPS[0] * at[REACH]
        for k in range(1, RADIUS):
            planes += _TAPS[k] * (at[REACH - k] + at[REACH + k])
    return planes


@jax.custom_jvp
def gaussian_recursive(stacks: list[jax.Array]) -> list[jax.Array]:
    """The blur of stacks of planes, each of its own size, as libjxl rounds it. stacks: float32 [P, H, W] each.

    All go through one loop along the longest lines, side by side: a loop's cost is its number of turns."""
    stacks = _abreast(_along_rows, [stack.transpose(2, 0, 1) for stack in stacks])
    stacks = _abreast(_along_columns, [stack.transpose(2, 1, 0) for stack in stacks])
    return [stack.transpose(1, 0, 2) for stack in stacks]


@gaussian_recursive.defjvp
def _(primals: tuple[list[jax.Array]], tangents: tuple[list[jax.Array]]) -> tuple[list[jax.Array], list[jax.Array]]:
    return gaussian_recursive(*primals), list(map(gaussian_taps, *tangents))


def _abreast(recursion: Callable[[jax.Array], jax.Array], stacks: list[jax.Array]) -> list[jax.Array]:
    """A recursion along the first axis of arrays of different shapes."""
    longest = max(stack.shape[0] for stack in stacks)
    flat = [stack.reshape(stack.shape[0], -1) for stack in stacks]
    joined = jnp.concatenate([jnp.pad(lines, ((0, longest - len(lines)), (0, 0))) for lines in flat], axis=1)
    ends = np.cumsum([lines.shape[1] for lines in flat])[:-1]
    parts = jnp.split(recursion(joined), ends, axis=1)
    return [part[: stack.shape[0]].reshape(stack.shape) for part, stack in zip(parts, stacks, strict=True)]


def _line(component: Callable[[int], jax.Array]) -> _Line:
    return component(0), component(1), component(2)


def _sum(line: _Line) -> jax.Array:
    return line[0] + (line[1] + line[2])


def _loops(x: jax.Array, *steps: tuple[_Step, range]) -> jax.Array:
    """Runs the loops of a recursion over x [L, ...], one after the other from output -REACH, where all is zero.

    The run-up is part of the loop: with the zeros known, the compiler would contract other products."""
    padded = jnp.pad(x, ((RADIUS + 1 + REACH, REACH + LANES), (0, 0)))

    def value(n: jax.Array) -> jax.Array:
        """x[n - N - 1] + x[n + N - 1]."""
        first = lax.dynamic_index_in_dim(padded, n + REACH, keepdims=False)
        return first + lax.dynamic_index_in_dim(padded, n + REACH + 2 * RADIUS, keepdims=False)

    zeros = (jnp.zeros(x.shape[1:], jnp.float32),) * 3
    state, outputs = (zeros, zeros), []
    for step, over in steps:
        state, y = lax.scan(partial(step, value), state, jnp.array(over, jnp.int32))
        outputs.append(y.reshape(-1, *x.shape[1:]))
    return jnp.concatenate(outputs)[REACH : REACH + len(x)]


def _along_columns(x: jax.Array) -> jax.Array:
    """The vertical recursion of [H, ...]."""

    def step(value: _Value, state: _State, n: jax.Array) -> tuple[_State, jax.Array]:
        before, that = state
        s = value(n)
        y = _line(lambda k: _INPUT[k, 0] * s + (_BEFORE[k, 0] * before[k] - that[k]))
        return (y, before), _sum(y)

    return _loops(x, (step, range(-REACH, len(x))))


def _along_rows(x: jax.Array) -> jax.Array:
    """The horizontal recursion of [W, ...], whose operations have another order."""

    def lane(state: _State, values: list[jax.Array], k: int, j: int) -> jax.Array:
        """Component k of output n + j, by the inputs of outputs n to n + j."""
        before, that = state
        y = rounded(_INPUT[k, j] * values[0])
        for i in range(1, j + 1):
            y = _INPUT[k, j - i] * values[i] + y
        return _BEFORE[k, j] * before[k] + (_BEFORE_THAT[k, j] * that[k] + y)

    def one(value: _Value, state: _State, n: jax.Array) -> tuple[_State, jax.Array]:
        values = [value(n)]
        y = _line(lambda k: lane(state, values, k, 0))
        return (y, state[0]), _sum(y)

    def four(value: _Value, state: _State, n: jax.Array) -> tuple[_State, jax.Array]:
        values = [value(n + j) for j in range(LANES)]
        y = [_line(lambda k, j=j: lane(state, values, k, j)) for j in range(LANES)]  # type: ignore[misc]
        return (y[3], y[2]), jnp.stack([_sum(line) for line in y])

    # libjxl: one by one up to 8, then by fours; also to the very end here, where it takes the last few one by one.
    return _loops(x, (one, range(-REACH, 2 * LANES)), (four, range(2 * LANES, len(x), LANES)))
