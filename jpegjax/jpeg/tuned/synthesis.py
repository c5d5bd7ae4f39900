"""By how much the picture of a file is off, as its coefficients see it.

coefficients ─▶ inverse DCT ─▶ chroma upsampled ─▶ (restored) ─▶ colour ─▶ clamp ─▶ squared error ─▶ its slope by coefficients
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...ops import idct_float, merge_blocks
from ...ops.color import INVERSE
from ...ops.dct import BASIS
from ...ops.planes import sampling_ratios
from ...ops.sampling import upsample_float
from ...run.devices import Devices
from ...run.flow import Call, singly
from ...run.windows import Window, padded, windows
from ...types import Frame

__all__ = ["Network", "Picture", "curvatures", "slopes"]

ALIGN = 32
"""Pixels that windows start at multiples of: those of the largest chroma block."""
WINDOW = 768
"""Pixels a side of the largest window: what bounds memory."""
MARGIN = 32
"""Pixels around what is kept of a window that chroma's filter and blocks need."""

Steps = Callable[[Sequence[np.ndarray], tuple[int, int]], np.ndarray]


class Network(NamedTuple):
    """A restorer, as programs take it.

    function: (*static, state, planes, steps, sampling) → planes float32 [1, h, w, 3]: Y, Cb, Cr less 128, zeros for the chroma
        of grey ones. static: hashable. state: a pytree of arrays. steps: of tables [8, 8] and of how many luma samples a chroma
        sample stands for, down and across: what the function is to know of them. margin: pixels on every side that a pixel and
        its slope depend on, a multiple of 32.
    """

    function: Callable[..., jax.Array]
    static: tuple[Any, ...]
    state: Any
    steps: Steps
    margin: int


class Picture(NamedTuple):
    """A picture and its file's coefficients so far.

    image: uint8 [H, W] or [H, W, 3]. tables: [8, 8] of each component. levels: int16 [rows, columns, 8, 8] of each.
    """

    image: np.ndarray
    frame: Frame
    tables: Sequence[np.ndarray]
    levels: Sequence[np.ndarray]


@lru_cache
def _energies(h: int, v: int) -> np.ndarray:
    """Squared samples of each DCT basis function once upsampled: float64 [8, 8]."""
    basis = np.zeros((8, 8, 24, 24), np.float32)
    basis[..., 8:16, 8:16] = np.einsum("vy,ux->vuyx", BASIS, BASIS)
    return np.square(np.asarray(upsample_float(jnp.asarray(basis), h, v), np.float64)).sum((2, 3))


def curvatures(frame: Frame) -> list[np.ndarray]:
    """How the squared error of pixels bends over coefficients of each component, by plain decoders: float64 [8, 8]."""
    if len(frame.components) == 1:
        return [np.ones((8, 8))]
    return [np.square(INVERSE[:, c]).sum() * _energies(*ratio) for c, ratio in enumerate(_ratios(frame))]


def _extended(plane: jax.Array, high: jax.Array, wide: jax.Array) -> jax.Array:
    """A plane [h, w] of which `high` rows and `wide` columns are real: its last ones again and again."""
    rows, columns = (jnp.arange(side) for side in plane.shape)
    again = plane[jnp.minimum(rows, high - 1)][:, jnp.minimum(columns, wide - 1)]
    return jnp.where((rows < high)[:, None] & (columns < wide), plane, again)


def _error(
    function: Callable[..., jax.Array] | None,
    static: tuple[Any, ...],
    size: tuple[int, int],
    ratios: tuple[tuple[int, int], ...],
    fancy: bool,
    coefficients: tuple[jax.Array, ...],
    state: Any,
    steps: jax.Array,
    target: jax.Array,
    inside: jax.Array,
) -> jax.Array:
    """Squared error of a window's pixels, `size` of them, as decoders show them, clamped but not rounded."""
    planes = []
    for blocks, (h, v) in zip(coefficients, ratios, strict=True):
        plane = merge_blocks(idct_float(blocks))
        plane = _extended(plane, -(-inside[0] // v), -(-inside[1] // h))
        planes.append(_extended(upsample_float(plane, h, v, fancy), inside[0], inside[1]))
    zeros = [jnp.zeros_like(planes[0])] * (3 - len(planes))
    shown = jnp.stack(planes + zeros, -1)
    if function is not None:
        h, v = ratios[-1]
        shown = function(*static, state, shown[None], steps[None], jnp.array([[v, h]], jnp.int32))[0]
    if len(planes) == 1:
        shown = shown[..., :1]
    else:
        shown = jnp.einsum("hwc,dc->hwd", shown, jnp.asarray(INVERSE, jnp.float32), precision=lax.Precision.HIGHEST)
    error = jnp.clip(shown + 128, 0, 255) - target.astype(jnp.float32)
    rows, columns = (jnp.arange(side) for side in size)
    counted = (rows < inside[0])[:, None] & (columns < inside[1])
    return jnp.sum(jnp.where(counted[..., None], error, 0) ** 2)


def _slopes(*arguments: Any) -> tuple[jax.Array, ...]:
    """Of `_error` by its coefficients, of quantised levels and tables in their place."""
    *static, levels, tables, state, steps, target, inside = arguments
    coefficients = tuple(x.astype(jnp.float32) * table for x, table in zip(levels, tables, strict=True))
    with jax.default_matmul_precision("highest"):
        return jax.grad(_error, 5)(*static, coefficients, state, steps, target, inside)


def slopes(
    pictures: Sequence[Picture], network: Network | None, devices: Devices
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """(index, of each component float32 [rows, columns, 8, 8]): the slopes of the squared error by coefficients, in order.

    Of decoded pixels, or of what the network makes of them. Every window is a program run of its own: what else is in the
    batch, and how many devices there are, makes no difference.
    """
    margin = MARGIN if network is None else network.margin
    most = max(WINDOW, 4 * margin)
    views = list[tuple[int, Window]]()
    for i, picture in enumerate(pictures):
        height, width = (padded(side, ALIGN) for side in picture.image.shape[:2])
        views += ((i, window) for window in windows(height, width, ALIGN, margin, most))
    found = singly((_call(pictures[i], window, network) for i, window in views), devices)
    for i, own in groupby(zip(views, found, strict=True), key=lambda item: item[0][0]):
        whole = [np.zeros(levels.shape, np.float32) for levels in pictures[i].levels]
        for (_, window), parts in own:
            for out, part, (h, v) in zip(whole, parts, _ratios(pictures[i].frame), strict=True):
                window.keep(out, part, (8 * v, 8 * h))
        yield i, whole


def _ratios(frame: Frame) -> tuple[tuple[int, int], ...]:
    """(h, v): luma samples that one of the component stands for, across and down."""
    if len(frame.components) == 1:
        return ((1, 1),)
    return tuple(sampling_ratios(tuple((k.h, k.v) for k in frame.components)))


def _filled(part: np.ndarray, height: int, width: int) -> np.ndarray:
    """An array [h, w, ...] with zeros behind it."""
    ends = [(0, height - part.shape[0]), (0, width - part.shape[1])]
    return np.pad(part, ends + [(0, 0)] * (part.ndim - 2))


def _call(picture: Picture, window: Window, network: Network | None) -> Call:
    """The program of a window and its arrays."""
    ratios, (height, width) = _ratios(picture.frame), picture.image.shape[:2]
    levels = []
    for found, (h, v) in zip(picture.levels, ratios, strict=True):
        part = window.view(found, (8 * v, 8 * h))
        levels.append(_filled(part, window.h // (8 * v), window.w // (8 * h)))
    target = window.view(picture.image.reshape(height, width, -1), 1)
    inside = np.array(target.shape[:2], np.int32)
    tables = tuple(np.asarray(t, np.float32).reshape(8, 8) for t in picture.tables)
    fancy = picture.frame.samples(len(ratios) - 1)[1] > 2
    h, v = ratios[-1]
    steps = np.zeros((3, 64), np.float32) if network is None else network.steps(tables, (v, h))
    function, known, state = (None, (), ()) if network is None else (network.function, network.static, network.state)
    return (
        _slopes,
        (function, known, (window.h, window.w), ratios, fancy),
        (tuple(levels), tables, state, steps, _filled(target, window.h, window.w), inside),
    )
