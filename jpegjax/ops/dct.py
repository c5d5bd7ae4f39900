"""The 8×8 DCT: libjpeg's integer "islow" transform, and the orthonormal one in floating point.

libjpeg factors each 1-D pass into Loeffler-Ligtenberg-Moschytz butterflies with 13-bit constants and rounds once, at
the end. A pass therefore equals an integer matrix product followed by one rounding shift, and that is how it stands
here: scaled slices and their sum along one axis. The block's axes may be anywhere; with them in front and the blocks
along the last axis each step is plain vector arithmetic. Where the decoder's 16-bit SIMD lanes wrap or saturate, so do
ours, so that corrupt coefficients decode to the same pixels too.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = [
    "fdct_float", "fdct_islow", "fdct_islow_each", "fdct_islow_planes", "idct_float", "idct_islow", "idct_islow_planes",
    "idct_islow_unclamped",
]  # fmt: skip

Axes = tuple[int, int]  # (vertical, horizontal)

# Row u: weights of x[0..3] in output u. Output u is even or odd about the block's middle, which gives x[7..4].
_HALF = np.array(
    [
        [8192, 8192, 8192, 8192],
        [11363, 9633, 6437, 2260],
        [10703, 4433, -4433, -10703],
        [9633, -2259, -11362, -6436],
        [8192, -8192, -8192, 8192],
        [6437, -11362, 2261, 9633],
        [4433, -10704, 10704, -4433],
        [2260, -6436, 9633, -11363],
    ],
    np.int32,
)
_FORWARD = np.concatenate([_HALF, _HALF[:, ::-1] * np.array([[1], [-1]] * 4, np.int32)], 1)

# Row j: weights of (x0+x4, x0-x4, x2, x6) and of (x1, x3, x5, x7, x1+x5, x3+x7) in samples j and 7-j, the latter with
# the second group's sign turned. The sums are inputs because they wrap to 16 bits.
_EVEN = np.array([[8192, 0, 10703, 4433], [0, 8192, 4433, -10704], [0, 8192, -4433, 10704], [8192, 0, -10703, -4433]])
_ODD = np.array(
    [
        [4926, 0, 0, -7373, 6437, 9633],
        [0, 4177, -20995, 0, 9633, -6436],
        [0, -20995, -4176, 0, 6437, 9633],
        [-7373, 0, 0, -4927, 9633, -6436],
    ]
)
_EVEN = np.concatenate([_EVEN, _EVEN[::-1]]).astype(np.int32)
_ODD = np.concatenate([_ODD, -_ODD[::-1]]).astype(np.int32)

_x0, _x1, _x2, _x3, _x4, _x5, _x6, _x7 = np.eye(8, dtype=np.int32)
_INVERSE = _EVEN @ [_x0 + _x4, _x0 - _x4, _x2, _x6] + _ODD @ [_x1, _x3, _x5, _x7, _x1 + _x5, _x3 + _x7]  # both as one


def _weighted(weights: np.ndarray, terms: list[jax.Array], axis: int) -> jax.Array:
    """Σ_k weights[:, k]·terms[k]; the terms have length 1 on `axis`, the result as many as `weights` has rows."""
    shape = [1] * terms[0].ndim
    shape[axis] = len(weights)
    pairs = zip(weights.T, terms, strict=True)
    return reduce(operator.add, [jnp.asarray(w).reshape(shape) * t.astype(jnp.int32) for w, t in pairs])


def _slices(x: jax.Array, axis: int) -> list[jax.Array]:
    return [lax.slice_in_dim(x, k, k + 1, axis=axis % x.ndim) for k in range(8)]


def _descale(x: jax.Array, bits: int) -> jax.Array:
    return (x + (1 << (bits - 1))) >> bits


def fdct_islow(samples: jax.Array, axes: Axes = (-2, -1), precision: int = 8) -> jax.Array:
    """Forward islow DCT of integer samples: int32, 8 × the orthonormal coefficients of samples minus their centre.

    axes: (vertical, horizontal), 8 long each. precision: 8 (samples 0..255) or 12 (0..4095). Exact (jfdctint).
    """
    vertical, horizontal = axes
    if precision == 12:
        x = jnp.asarray(samples).astype(jnp.int32) - 2048
        x = _descale(_weighted(_FORWARD, _slices(x, horizontal), horizontal), 12)
        return _descale(_weighted(_FORWARD, _slices(x, vertical), vertical), 14)
    return fdct_columns(fdct_rows(jnp.asarray(samples), horizontal), vertical)


def fdct_rows(samples: jax.Array, axis: int) -> jax.Array:
    """First pass of `fdct_islow`, over the horizontal axis: int16, 4 × the scale that the second pass ends with."""
    x = (samples.astype(jnp.int32) - 128).astype(jnp.int16)
    return _descale(_weighted(_FORWARD, _slices(x, axis), axis), 11).astype(jnp.int16)


def fdct_columns(x: jax.Array, axis: int) -> jax.Array:
    """Second pass of `fdct_islow`, over the vertical axis: int32."""
    return _descale(_weighted(_FORWARD, _slices(x, axis), axis), 15)


def fdct_islow_each(samples: Sequence[Sequence[jax.Array]], places: np.ndarray) -> jax.Array:
    """`fdct_islow` as one expression: int32 [n, …] of integers 0..255, samples[row][column] […], in natural order's places [n].

    Each coefficient comes from all 64 samples, the first pass over each row again and again: 72 products instead of 16,
    but where memory is slow and arithmetic is not, a compiler makes one loop of it. Exact.
    """
    shape = len(places), *[1] * samples[0][0].ndim
    across, down = _FORWARD[places % 8].T, _FORWARD[places // 8].T

    def total(weights: np.ndarray, terms: Sequence[jax.Array]) -> jax.Array:
        return reduce(operator.add, [jnp.asarray(w).reshape(shape) * t for w, t in zip(weights, terms, strict=True)])

    rows = [_descale(total(across, [x[None].astype(jnp.int32) for x in row]), 11) for row in samples]
    # weights but the first frequency's add up to zero, so that the samples' centre matters to the DC alone
    return _descale(total(down, rows), 15) - np.where(places == 0, 8192, 0).astype(np.int32).reshape(shape)


def _inverse_pass(x: jax.Array, axis: int) -> jax.Array:
    x0, x1, x2, x3, x4, x5, x6, x7 = _slices(x, axis)
    even = _weighted(_EVEN, [x0 + x4, x0 - x4, x2, x6], axis)
    return even + _weighted(_ODD, [x1, x3, x5, x7, x1 + x5, x3 + x7], axis)


def idct_islow(coefficients: jax.Array, axes: Axes = (-2, -1), precision: int = 8) -> jax.Array:
    """Inverse islow DCT of dequantised coefficients: samples, level-shifted and clamped.

    axes: (vertical, horizontal), 8 long each. precision 8: int16 to uint8 0..255; 12: int32 to uint16 0..4095.
    Exact (jidctint as x86-64 SIMD computes it: int16 sums wrap, both passes saturate to int16, and a block whose rows
    1..7 are all zero takes 4·DC modulo 2^16 as its first pass; 12 bits as the C code does with 64-bit sums).
    """
    vertical, horizontal = axes
    x = jnp.asarray(coefficients)
    wanted = jnp.int16 if precision == 8 else jnp.int32
    if x.dtype != wanted:
        raise TypeError(f"coefficients: must be {np.dtype(wanted)} at {precision} bits, not {x.dtype}")
    if precision == 12:
        return _idct_deep(x, vertical, horizontal)
    return idct_rows(idct_columns(x, vertical, idct_is_flat(x, axes)), horizontal)


def idct_islow_unclamped(coefficients: jax.Array, axes: Axes = (-2, -1)) -> jax.Array:
    """`idct_islow` before its clamps, less 128: int32, of integers with which no 16-bit lane wraps or saturates. Exact."""
    vertical, horizontal = axes
    columns = _descale(_inverse_pass(jnp.asarray(coefficients), vertical), 11)
    return _descale(_inverse_pass(columns, horizontal), 18)


def _idct_deep(x: jax.Array, vertical: int, horizontal: int) -> jax.Array:
    """`idct_islow` at 12 bits. A pass is linear up to its rounding, so that digits of 12 bits stand in for wide sums."""
    low, middle, high = (_inverse_pass(digit, vertical) for digit in (x & 4095, (x >> 12) & 4095, x >> 24))
    columns = (high << 12) + middle + _descale(low, 12)
    # of a row's sum only bits 17..30 count, which 32 bits hold however it wraps
    samples = ((_descale(_inverse_pass(columns, horizontal), 17) + 8192) & 16383) - 8192
    return jnp.clip(samples + 2048, 0, 4095).astype(jnp.uint16)


def idct_is_flat(x: jax.Array, axes: Axes) -> jax.Array:
    """Whether all rows but the first are zero in each block: bool, both axes of length 1."""
    vertical, horizontal = axes
    rows = reduce(operator.or_, _slices(x, vertical)[1:])
    return reduce(operator.or_, _slices(rows, horizontal)) == 0


def idct_columns(x: jax.Array, axis: int, flat: jax.Array) -> jax.Array:
    """First pass of `idct_islow`, over the vertical axis: int16."""
    y = jnp.clip(_descale(_inverse_pass(x, axis), 11), -32768, 32767).astype(jnp.int16)
    return jnp.where(flat, _slices(x, axis)[0] * jnp.int16(4), y)


def idct_rows(x: jax.Array, axis: int) -> jax.Array:
    """Second pass of `idct_islow`, over the horizontal axis: uint8."""
    return (jnp.clip(_descale(_inverse_pass(x, axis), 18), -128, 127) + 128).astype(jnp.uint8)


def _wide_product(weights: np.ndarray, x: jax.Array, horizontal: bool) -> jax.Array:
    """int32 product of `weights` and each block of int16-range [..., R, 8, C, 8] along one axis.

    Two float32 products of 8-bit digits, whose sums stay below 2^24 and so are exact in any order: matrix units do them.
    """
    *lead, rows, _, columns, _ = x.shape
    high = (x + 128) >> 8
    digits = (digit.astype(jnp.float32) for digit in (high, x - (high << 8)))
    matrix = jnp.asarray(weights, jnp.float32)
    exact = lax.Precision.HIGHEST
    if horizontal:
        upper, lower = (jnp.matmul(digit, matrix.T, precision=exact) for digit in digits)
    else:
        matrix = jnp.broadcast_to(matrix, (*lead, rows, 8, 8))
        flat = (digit.reshape(*lead, rows, 8, 8 * columns) for digit in digits)
        upper, lower = (jnp.matmul(matrix, digit, precision=exact).reshape(x.shape) for digit in flat)
    return (upper.astype(jnp.int32) << 8) + lower.astype(jnp.int32)


def fdct_islow_planes(samples: jax.Array) -> jax.Array:
    """`fdct_islow` of planes that stay planes, as matrix products: integers 0..255 [..., R, 8, C, 8] → int32 alike. Exact."""
    x = (samples - 128).astype(jnp.float32)
    weights = jnp.asarray(_FORWARD.T, jnp.float32)
    rows = jnp.matmul(x, weights, precision=lax.Precision.HIGHEST).astype(jnp.int32)
    return _descale(_wide_product(_FORWARD, _descale(rows, 11), False), 15)


def idct_islow_planes(coefficients: jax.Array) -> jax.Array:
    """`idct_islow` of planes that stay planes, as matrix products: int32 [..., R, 8, C, 8] → int32 0..255 alike. Exact.

    For coefficients that an encoder makes of samples: they are at most twice as large as the samples' own, a norm of 2048
    a block, with which no 16-bit lane wraps or saturates.
    """
    columns = _descale(_wide_product(_INVERSE, coefficients, False), 11)
    return jnp.clip(_descale(_wide_product(_INVERSE, columns, True), 18), -128, 127) + 128


_u, _x = np.mgrid[:8, :8]
BASIS = np.cos((2 * _x + 1) * _u * np.pi / 16) * np.where(_u == 0, np.sqrt(1 / 8), 1 / 2)
"""Orthonormal 8-point DCT-II: float64, row u is frequency u."""


def _separable(x: jax.Array, matrix: np.ndarray, axes: Axes) -> jax.Array:
    moved = jnp.moveaxis(jnp.asarray(x), axes, (-2, -1))
    weights = jnp.asarray(matrix, moved.dtype)
    exact = lax.Precision.HIGHEST
    moved = jnp.matmul(jnp.matmul(weights, moved, precision=exact), weights.T, precision=exact)
    return jnp.moveaxis(moved, (-2, -1), axes)


def fdct_float(samples: jax.Array, axes: Axes = (-2, -1)) -> jax.Array:
    """Orthonormal 8×8 DCT-II of float samples (no level shift). Differentiable (T.81 A.3.3)."""
    return _separable(samples, BASIS, axes)


def idct_float(coefficients: jax.Array, axes: Axes = (-2, -1)) -> jax.Array:
    """Inverse of `fdct_float`: orthonormal 8×8 DCT-III. Differentiable (T.81 A.3.3)."""
    return _separable(coefficients, BASIS.T, axes)
