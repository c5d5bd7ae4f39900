"""The discrete Fourier transform of real pictures, with exactly as many real numbers as there are samples.

The spectrum of H×W real samples is conjugate-symmetric, so that half of it says all. `rdft` gives the half that FFT
libraries give, H×(W//2 + 1) complex bins, in whose first and (W even) last columns every bin still has its conjugate.
`pack_spectrum` keeps each bin once, as H×W reals:

    columns 1 … (W-1)//2       √2·Re of the bin; column W - x holds √2·Im of the bin in column x
    column 0, and W/2 if even  rows 0 … H//2: √2·Re; row H - y: √2·Im of the bin in row y
    self-conjugate bins        their only part, Re, unscaled (rows 0 and H/2 of the columns 0 and W/2)

The packing is orthonormal: sums of squares are those of the samples (Parseval), a real's error is the picture's error.
Everything is float, differentiable, and batched over leading axes; sides of any length, 1 included.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .blocks import merge_blocks, split_blocks
from .sampling import pad_plane

__all__ = [
    "bin_magnitudes", "block_dct", "block_dft", "block_idct", "block_idft", "idft", "keep_largest", "pack_spectrum", "rdft",
    "unpack_spectrum",
]  # fmt: skip

_ROOT = math.sqrt(2)
_LAST = np.int32(2**31 - 1)


def rdft(samples: jax.Array) -> jax.Array:
    """Unitary 2-D DFT of real samples [..., H, W]: complex [..., H, W//2 + 1], half of the spectrum. Differentiable."""
    return jnp.fft.rfft2(jnp.asarray(samples), norm="ortho")


def idft(spectrum: jax.Array, width: int | None = None) -> jax.Array:
    """Inverse of `rdft`: complex [..., H, M] → real [..., H, W]. width: W, 2M - 2 or 2M - 1; 2M - 2 by default.

    Differentiable.
    """
    x = jnp.asarray(spectrum)
    width = 2 * x.shape[-1] - 2 if width is None else width
    if width < 1 or width // 2 + 1 != x.shape[-1]:
        raise ValueError(f"width={width}: {x.shape[-1]} columns of bins are those of {2 * x.shape[-1] - 2} or one more")
    return jnp.fft.irfft2(x, s=(x.shape[-2], width), norm="ortho")


def _pack_column(bins: jax.Array) -> jax.Array:
    """Conjugate-symmetric bins [..., H, 1] → reals [..., H, 1]."""
    height = bins.shape[-2]
    last = (height - 1) // 2
    middle = slice(1, last + 1)
    parts = [bins.real[..., :1, :], bins.real[..., middle, :] * _ROOT, bins.real[..., last + 1 : height // 2 + 1, :]]
    return jnp.concatenate([*parts, bins.imag[..., middle, :][..., ::-1, :] * _ROOT], -2)


def _unpack_column(reals: jax.Array) -> jax.Array:
    """Inverse of `_pack_column`."""
    height = reals.shape[-2]
    last = (height - 1) // 2
    re = reals[..., 1 : last + 1, :] / _ROOT
    im = reals[..., height - last :, :][..., ::-1, :] / _ROOT
    pair, centre = lax.complex(re, im), reals[..., last + 1 : height // 2 + 1, :]
    ends = [lax.complex(x, jnp.zeros_like(x)) for x in (reals[..., :1, :], centre)]
    return jnp.concatenate([ends[0], pair, ends[1], jnp.conj(pair)[..., ::-1, :]], -2)


def pack_spectrum(spectrum: jax.Array, width: int) -> jax.Array:
    """`rdft`'s bins, complex [..., H, W//2 + 1], as reals [..., H, W]; width: W. Orthonormal, differentiable."""
    x = jnp.asarray(spectrum)
    last = (width - 1) // 2
    bins = x[..., 1 : last + 1]
    edge = [_pack_column(x[..., width // 2 : width // 2 + 1])] if width % 2 == 0 else []
    return jnp.concatenate([_pack_column(x[..., :1]), bins.real * _ROOT, *edge, bins.imag[..., ::-1] * _ROOT], -1)


def unpack_spectrum(reals: jax.Array) -> jax.Array:
    """Inverse of `pack_spectrum`: reals [..., H, W] → complex [..., H, W//2 + 1], with both of each conjugate pair."""
    x = jnp.asarray(reals)
    width = x.shape[-1]
    last = (width - 1) // 2
    bins = lax.complex(x[..., 1 : last + 1], x[..., width - last :][..., ::-1]) / _ROOT
    edge = [_unpack_column(x[..., width // 2 : width // 2 + 1])] if width % 2 == 0 else []
    return jnp.concatenate([_unpack_column(x[..., :1]), bins, *edge], -1)


def _split(plane: jax.Array, block: int | None) -> jax.Array:
    """[..., H, W] → [..., R, C, n, n], the last row and column repeated up to whole blocks; None: [..., 1, 1, H, W]."""
    x = jnp.asarray(plane)
    if block is None:
        return x[..., None, None, :, :]
    if block < 2 or block % 2:
        raise ValueError(f"block={block}: must be None, for the whole plane, or an even number of samples from 2 on")
    height, width = x.shape[-2:]
    return split_blocks(pad_plane(x, -(-height // block) * block, -(-width // block) * block), block)


def _merge(blocks: jax.Array, height: int, width: int) -> jax.Array:
    return merge_blocks(blocks)[..., :height, :width]


def block_dft(plane: jax.Array, block: int | None = None) -> jax.Array:
    """Packed DFT of real planes [..., H, W] in blocks: reals [..., R, C, n, n], or [..., 1, 1, H, W] for block None.

    block: n, even, from 2 on. Where n does not divide a side, the last row or column is repeated (R = ⌈H/n⌉).
    """
    x = _split(plane, block)
    return pack_spectrum(rdft(x), x.shape[-1])


def block_idft(reals: jax.Array, height: int, width: int) -> jax.Array:
    """Inverse of `block_dft`: [..., R, C, n, m] → [..., height, width], without what padding had added."""
    return _merge(idft(unpack_spectrum(reals), reals.shape[-1]), height, width)


def block_dct(plane: jax.Array, block: int | None = None) -> jax.Array:
    """Orthonormal DCT-II in blocks, else as `block_dft`: the transform that the DFT is compared with."""
    return jax.scipy.fft.dctn(_split(plane, block), type=2, axes=(-2, -1), norm="ortho")


def block_idct(coefficients: jax.Array, height: int, width: int) -> jax.Array:
    """Inverse of `block_dct`."""
    return _merge(jax.scipy.fft.idctn(coefficients, type=2, axes=(-2, -1), norm="ortho"), height, width)


def _alone(length: int) -> np.ndarray:
    """Indices that are their own negatives modulo `length`: bool [length]."""
    return np.arange(length) * 2 % length == 0


def _partner(x: jax.Array) -> jax.Array:
    """The other real of each bin in packed [..., H, W]; the real itself for self-conjugate bins."""
    rows = jnp.concatenate([x[..., :1, :], x[..., :0:-1, :]], -2)
    columns = jnp.concatenate([x[..., :1], x[..., :0:-1]], -1)
    return jnp.where(_alone(x.shape[-1]), rows, columns)


def bin_magnitudes(reals: jax.Array) -> jax.Array:
    """|bin| of the bin that each packed real [..., H, W] belongs to, in the unitary transform's scale."""
    x = jnp.asarray(reals)
    single = _alone(x.shape[-2])[:, None] & _alone(x.shape[-1])
    this, other = jnp.abs(x), jnp.abs(_partner(x))
    # larger first: a fused multiply-add rounds one square only, and a bin's two reals must get the same magnitude
    squares = jnp.square(jnp.maximum(this, other)) + jnp.square(jnp.minimum(this, other))
    return jnp.where(single, this, jnp.sqrt(squares / 2))


def _select(values: jax.Array, rank: jax.Array) -> jax.Array:
    """The value of this rank, from 0 for the smallest, among int32 values [..., N] from 0 on; rank and result: [..., 1].

    Bit by bit from the highest one: 31 counts cost less than a sort.
    """

    def bit(i: jax.Array, found: jax.Array) -> jax.Array:
        candidate = found | (jnp.int32(1) << (30 - i))
        return jnp.where(jnp.sum(values < candidate, -1, keepdims=True, dtype=jnp.int32) <= rank, candidate, found)

    return lax.fori_loop(0, 31, bit, jnp.zeros_like(rank))


def keep_largest(coefficients: jax.Array, fraction: jax.Array | float, paired: bool = True) -> jax.Array:
    """Coefficients [..., R, C, n, m] of planes with all but the largest set to zero: round(fraction·R·C·n·m) reals stay.

    fraction: 0..1, may be traced. paired: packed DFT, where the magnitude is the bin's and its two reals stay or go
    together, so that one real fewer may stay; False: every coefficient for itself (DCT). Ties: the first ones stay.
    Differentiable with respect to the coefficients; which of them stay is constant.
    """
    x = jnp.asarray(coefficients)
    *lead, rows, columns, height, width = x.shape
    size = rows * columns * height * width
    names = jnp.arange(size, dtype=jnp.int32).reshape(rows, columns, height, width)
    if paired:
        names = jnp.minimum(names, _partner(names))
    magnitudes = lax.stop_gradient(bin_magnitudes(x) if paired else jnp.abs(x)).astype(jnp.float32)
    # the bits of floats from 0 on ascend as the floats do
    order = (_LAST - lax.bitcast_convert_type(magnitudes, jnp.int32)).reshape(*lead, size)
    names = jnp.broadcast_to(names.reshape(size), order.shape)
    count = jnp.round(jnp.asarray(fraction, jnp.float32) * size).astype(jnp.int32)
    first = jnp.minimum(count, size - 1)  # the first that goes; its bin's other real goes too
    bound = _select(order, jnp.broadcast_to(first, (*lead, 1)))
    tied = order == bound
    before = first - jnp.sum(order < bound, -1, keepdims=True, dtype=jnp.int32)
    stays = (order < bound) | (tied & (names < _select(jnp.where(tied, names, _LAST), before)))
    return jnp.where((stays | (count >= size)).reshape(x.shape), x, jnp.zeros((), x.dtype))
