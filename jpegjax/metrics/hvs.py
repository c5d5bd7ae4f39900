"""Squared error as the eye sees it: PSNR-HVS and PSNR-HVS-M, of luma in 8×8 DCT blocks."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..types import Array
from .pair import Size, check_pair, flatten, within
from .pixels import decibels

__all__ = ["psnr_hvs", "psnr_hvs_m"]

BLOCK = 8
_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)  # fmt: skip
SENSITIVITY = (25.735088 / _STEPS).astype(np.float32)
"""How well each frequency is seen: the authors' six digits are those of the luma table of T.81 Annex K, turned over."""
MASKING = (100 / _STEPS**2).astype(np.float32)
"""How strongly each frequency hides others; that of the mean does not."""
_AC = 1 - np.eye(1, BLOCK * BLOCK, dtype=np.float32).reshape(BLOCK, BLOCK)
DCT = np.cos(np.pi / 16 * np.outer(np.arange(BLOCK), 2 * np.arange(BLOCK) + 1)) / 2
DCT[0] /= np.sqrt(2)
DCT = DCT.astype(np.float32)
"""Orthonormal, [frequency, sample]."""
_FLAT = 1e-6  # squared grey levels a block, below which its frequencies are rounding


def psnr_hvs(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """PSNR of luma with errors weighted by the eye's contrast sensitivity, in dB (Egiazarian et al., VPQM 2006).

    10 log10(data_range² / MSE), the squared errors those of the DCT coefficients of the 8×8 blocks from the top left, each
    weighted by the sensitivity to its frequency. Rows and columns that fill no block do not count, as in the authors'
    programme.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range. Of RGB, luma as BT.601 has it, full range, not rounded.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32 in dB; equal pictures give +inf, and there the gradient is 0: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 8; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, masked=False)


def psnr_hvs_m(reference: Array, image: Array, data_range: float | None = None) -> jax.Array:
    """`psnr_hvs` less the errors that a block's own contrast hides, in dB (Ponomarenko et al., VPQM 2007).

    Each coefficient's error but the mean's is lowered by what the block masks: the root of its weighted energy, less where
    the energy sits in an edge between its quarters, of whichever of both pictures masks more. The authors' `psnrhvsm.m`,
    which takes one grey plane; what turns colour into luma of 16..235 gives about 1.3 dB more.

    Args:
        reference: The picture to compare with: [H, W], [H, W, C] or [N, H, W, C] with C 1 (grey) or 3 (RGB); uint8, uint16
            or floating point, NumPy or JAX; samples 0..data_range. Of RGB, luma as BT.601 has it, full range, not rounded.
        image: The picture to judge, of the same shape.
        data_range: What the samples run up to: 1 for pictures in 0..1. None means 255; uint16 needs it said (4095, 65535).

    Returns:
        float32 in dB; +inf where no error is seen, and there the gradient is 0: a scalar for one picture, [N] for a batch.

    Raises:
        TypeError: The samples are of another type.
        ValueError: The shapes differ or do not fit; height or width is below 8; data_range is not positive; a NumPy
            array holds NaN or infinity.
    """
    return _measure(reference, image, data_range, masked=True)


def _measure(reference: Any, image: Any, data_range: float | None, *, masked: bool) -> jax.Array:
    x, y, peak, size, batched = check_pair(reference, image, data_range, least=BLOCK, why="an 8×8 block")
    values = _psnr_hvs(x, y, peak, size, masked=masked)
    return values if batched else values[0]


def _blocks(planes: jax.Array) -> jax.Array:
    """`[N, H, W]` as `[N, H/8, 8, W/8, 8]`, whole blocks alone."""
    n, rows, columns = planes.shape[0], planes.shape[1] // BLOCK, planes.shape[2] // BLOCK
    return planes[:, : rows * BLOCK, : columns * BLOCK].reshape(n, rows, BLOCK, columns, BLOCK)


def _dct(blocks: jax.Array) -> jax.Array:
    """`[N, R, C, 8, 8]` of blocks, frequencies last."""
    return jnp.einsum("ui,vj,nricj->nrcuv", DCT, DCT, blocks, precision=lax.Precision.HIGHEST)


def _mask(blocks: jax.Array, coefficients: jax.Array) -> jax.Array:
    """`[N, R, C]`: what a block's contrast hides, in units of coefficients."""
    n, rows, _, columns, _ = blocks.shape
    quarters = blocks.reshape(n, rows, 2, 4, columns, 2, 4)
    inside = jnp.square(quarters - quarters.mean((3, 6), keepdims=True)).sum((2, 3, 5, 6))
    squares = jnp.square(coefficients) * _AC
    whole, energy = squares.sum((3, 4)), (squares * MASKING).sum((3, 4))
    flat = whole < _FLAT
    # sums of squares, times 16/15 and 64/63: the authors take unbiased variances
    square = energy * inside * np.float32(16 * 63 / (15 * 64)) / jnp.where(flat, 1, whole)
    none = flat | (square == 0)  # where the root has no finite slope
    return jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, square))) / 32


@partial(jax.jit, static_argnames="masked")
def _psnr_hvs(x: jax.Array, y: jax.Array, peak: jax.Array, size: Size, *, masked: bool) -> jax.Array:
    (a, _), (b, _) = flatten(x, "y"), flatten(y, "y")
    first, difference = _blocks(a * (255 / peak)), _blocks((b - a) * (255 / peak))
    errors = _dct(difference)
    if masked:
        coefficients = _dct(first)
        hidden = jnp.maximum(_mask(first, coefficients), _mask(first + difference, coefficients + errors))
        errors = jnp.abs(errors) - hidden[..., None, None] * (_AC / MASKING)
        errors = jnp.where(errors < 0, 0, errors)  # which lets NaN through, as XLA's maximum on CPUs does not
    seen = jnp.square(errors * SENSITIVITY).sum((3, 4))
    if size is None:
        mean = seen.mean((1, 2))
    else:
        rows, columns = size[0] // BLOCK, size[1] // BLOCK
        mean = within(seen, jnp.stack([rows, columns])).sum((1, 2)) / (rows * columns).astype(jnp.float32)
    return decibels(mean / BLOCK**2, jnp.float32(255))
