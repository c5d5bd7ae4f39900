"""What can be done to pictures while they are DCT blocks: mirror, transpose, cut, resize, change the blocks' size. All linear.

Blocks are [..., R, C, n, n]: R×C of them, natural order ([v, u]), orthonormal DCT-II. Mirroring and transposing move numbers and
turn signs, exact in any dtype, quantised or not; the others multiply by constant matrices. RGB-no-more (Park and Johnson, CVPR
2023, arXiv:2211.16421) augments its training data so. Blocks change size as Jiang and Feng have it ("The spatial relationship
of DCT coefficients between a block and its sub-blocks", IEEE Transactions on Signal Processing 50(5), 2002), pictures by keeping
the low frequencies, as Dugad and Ahuja ("A fast scheme for image size change in the compressed domain", IEEE Transactions on
Circuits and Systems for Video Technology 11(4), 2001).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...types import Array, Coefficients, Frame

__all__ = [
    "basis", "cropped", "dequantised", "mirrored", "mirrored_picture", "moved", "reblocked", "resized", "transposed",
    "transposed_picture", "upside_down",
]  # fmt: skip


@cache
def basis(n: int) -> np.ndarray:
    """Orthonormal n-point DCT-II: float64 [n, n], row u is frequency u (T.81 A.3.3 for n = 8)."""
    u, x = np.mgrid[:n, :n]
    made = np.cos((2 * x + 1) * u * np.pi / (2 * n)) * np.sqrt(np.where(u == 0, 1, 2) / n)
    made.flags.writeable = False
    return made


def dequantised(coefficients: Coefficients) -> tuple[jax.Array, ...]:
    """Of each component float32 [N, R, C, 64], natural order: the orthonormal DCT of its samples less their centre, 128.

    Values are about −1024..1024 at 8 bits. Differentiable in the tables.
    """
    found = []
    for plane, table in zip(coefficients.planes, coefficients.qtables, strict=True):
        n, rows, columns = plane.shape[:3]
        steps = jnp.asarray(table).astype(jnp.float32).reshape(-1, 1, 1, 64)
        found.append(jnp.asarray(plane).reshape(n, rows, columns, 64).astype(jnp.float32) * steps)
    return tuple(found)


def _alternating(x: jax.Array, axis: int) -> jax.Array:
    """Odd frequencies of an axis with their signs turned: the block is mirrored along it."""
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    signs = np.where(np.arange(x.shape[axis]) % 2, -1, 1).reshape(shape)
    return x * jnp.asarray(signs, x.dtype)


def mirrored(blocks: Array) -> jax.Array:
    """Left and right exchanged: [..., R, C, n, n] → the same. Exact in any signed dtype."""
    return _alternating(jnp.flip(jnp.asarray(blocks), -3), -1)


def upside_down(blocks: Array) -> jax.Array:
    """Top and bottom exchanged: [..., R, C, n, n] → the same. Exact in any signed dtype."""
    return _alternating(jnp.flip(jnp.asarray(blocks), -4), -2)


def transposed(blocks: Array) -> jax.Array:
    """Rows and columns of the picture exchanged: [..., R, C, n, n] → [..., C, R, n, n]. Exact in any dtype."""
    return jnp.asarray(blocks).swapaxes(-4, -3).swapaxes(-2, -1)


def _whole(frame: Frame, height: bool, width: bool) -> None:
    """ValueError where sides that are turned do not end on the grid: their filling would come to lie inside the picture."""
    for name, side, step, turned in (
        ("height", frame.height, 8 * frame.vmax, height),
        ("width", frame.width, 8 * frame.hmax, width),
    ):
        if turned and side % step:
            raise ValueError(
                f"coefficients: {name} {side} must be a multiple of {step}, a whole number of MCUs; crop first"
            )


def mirrored_picture(coefficients: Coefficients, vertically: bool = False) -> Coefficients:
    """Pictures with left and right exchanged, or top and bottom. Exact.

    Raises:
        ValueError: The width, or the height, is no whole number of MCUs.
    """
    _whole(coefficients.frame, vertically, not vertically)
    turn = upside_down if vertically else mirrored
    return replace(coefficients, planes=tuple(turn(p) for p in coefficients.planes))


def transposed_picture(coefficients: Coefficients) -> Coefficients:
    """Pictures with rows and columns exchanged; sampling factors and tables turn with them. Exact, for any size."""
    frame = coefficients.frame
    components = tuple(replace(k, h=k.v, v=k.h) for k in frame.components)
    turned = replace(frame, height=frame.width, width=frame.height, components=components)
    tables = tuple(jnp.asarray(q).swapaxes(-2, -1) for q in coefficients.qtables)
    return Coefficients(tuple(transposed(p) for p in coefficients.planes), tables, turned)


def cropped(coefficients: Coefficients, y: int, x: int, height: int, width: int) -> Coefficients:
    """The window of pixels y..y + height, x..x + width of pictures. Exact.

    Args:
        coefficients: Of N pictures.
        y, x: Corner of the window, on the grid of MCUs: multiples of 8·vmax and 8·hmax pixels.
        height, width: Of the window: whole MCUs too, or up to the picture's own end.

    Raises:
        ValueError: The window is not on the grid, or not inside the picture.
    """
    frame = coefficients.frame
    for name, start, length, side, step in (
        ("y, height", y, height, frame.height, 8 * frame.vmax),
        ("x, width", x, width, frame.width, 8 * frame.hmax),
    ):
        if start < 0 or length < 1 or start + length > side:
            raise ValueError(f"{name} = {start}, {length}: the window must lie inside the picture's {side} pixels")
        if start % step or (length % step and start + length != side):
            raise ValueError(f"{name} = {start}, {length}: the window must lie on the grid of {step} pixels")
    window = replace(frame, height=height, width=width)
    planes = []
    for c, (plane, k) in enumerate(zip(coefficients.planes, frame.components, strict=True)):
        rows, columns = window.blocks(c)
        top, left = y * k.v // (8 * frame.vmax), x * k.h // (8 * frame.hmax)
        planes.append(plane[:, top : top + rows, left : left + columns])
    return Coefficients(tuple(planes), coefficients.qtables, window)


@cache
def _joining(n: int, count: int) -> np.ndarray:
    """One block's DCT of n·count samples from the DCTs of `count` blocks of n, beside each other: orthogonal float64."""
    return basis(n * count) @ np.kron(np.eye(count), basis(n).T)


def _both_ways(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    """matrix · x · matrixᵀ on the last two axes."""
    weights, exact = jnp.asarray(matrix, x.dtype), lax.Precision.HIGHEST
    return jnp.matmul(jnp.matmul(weights, x, precision=exact), weights.T, precision=exact)


def _tiles(blocks: jax.Array, count: int) -> jax.Array:
    """[..., R, C, n, n] → [..., R/count, C/count, count·n, count·n], blocks of a tile side by side."""
    *lead, rows, columns, n, _ = blocks.shape
    if rows % count or columns % count:
        raise ValueError(f"blocks: rows and columns must be multiples of {count}, not {rows}×{columns}")
    x = blocks.reshape(*lead, rows // count, count, columns // count, count, n, n)
    return (
        jnp.moveaxis(x, -4, -5).swapaxes(-3, -2).reshape(*lead, rows // count, columns // count, count * n, count * n)
    )


def _untiled(tiles: jax.Array, count: int) -> jax.Array:
    """Inverse of `_tiles`."""
    *lead, rows, columns, side, _ = tiles.shape
    n = side // count
    x = tiles.reshape(*lead, rows, columns, count, n, count, n).swapaxes(-3, -2)
    return jnp.moveaxis(x, -5, -4).reshape(*lead, rows * count, columns * count, n, n)


def reblocked(blocks: Array, size: int) -> jax.Array:
    """The same pixels in blocks of another size: [..., R, C, n, n] → [..., R·n/size, C·n/size, size, size].

    An orthogonal map; nothing is lost. blocks: floating.

    Raises:
        ValueError: size is neither a multiple nor a divisor of n, or the blocks do not fill larger ones.
    """
    blocks = jnp.asarray(blocks)
    n = blocks.shape[-1]
    if size < 1 or (size % n and n % size):
        raise ValueError(f"size={size}: must be a multiple or a divisor of the blocks' {n}")
    if size >= n:
        return _both_ways(_joining(n, size // n), _tiles(blocks, size // n))
    return _untiled(_both_ways(_joining(size, n // size).T, blocks), n // size)


def resized(blocks: Array, up: int = 1, down: int = 1) -> jax.Array:
    """Pictures of another size: [..., R, C, n, n] → [..., R·up/down, C·up/down, n, n].

    Down: `down`² blocks become one of the lowest n×n of their n·down frequencies. Up: a block's frequencies become the lowest
    of n·up, the others zero. Flat pictures keep their level; what was made larger comes back by the inverse. Powers of two are
    what JPEG needs; any whole factor works. blocks: floating.

    Raises:
        ValueError: Both factors are above 1, one is below 1, or R and C are no multiples of `down`.
    """
    blocks = jnp.asarray(blocks)
    n = blocks.shape[-1]
    if min(up, down) < 1 or max(up, down) > min(up, down) > 1 or up == down != 1:
        raise ValueError(f"up={up}, down={down}: one of them must be 1, the other at least 1")
    if down > 1:
        return reblocked(blocks, n * down)[..., :n, :n] / down
    pads = [(0, 0)] * (blocks.ndim - 2) + [(0, n * (up - 1))] * 2
    return reblocked(jnp.pad(blocks * up, pads), n)


def moved(blocks: Array, down: Array, across: Array, step: int, most: int = 1) -> jax.Array:
    """Each picture moved by a number of steps of its own, grey (128) coming in at the border: [N, R, C, n, n] → the same.

    Blocks are taken apart into those of step×step, which are moved, and put together again: exact but for rounding. With steps of
    half a block it is what random crops of padded pictures do to pixels. blocks: floating, such as dequantised.

    Args:
        blocks: Of N pictures.
        down, across: int32 [N], steps of each picture, −most..most; negative is up or to the left.
        step: Samples to a step, a divisor of n.
        most: Steps at most.
    """
    small = reblocked(blocks, step)
    padded = jnp.pad(small, ((0, 0), (most, most), (most, most), (0, 0), (0, 0)))

    def one(picture: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
        return lax.dynamic_slice(picture, (most - y, most - x, *[jnp.zeros_like(y)] * 2), small.shape[1:])

    return reblocked(jax.vmap(one)(padded, jnp.asarray(down), jnp.asarray(across)), jnp.shape(blocks)[-1])
