"""By how much the picture of a file is off, as its coefficients see it.

coefficients ─▶ inverse DCT ─▶ chroma upsampled ─▶ (restored) ─▶ colour ─▶ clamp ─▶ squared error ─▶ its slope by coefficients
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
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
    ratios = sampling_ratios(tuple((k.h, k.v) for k in frame.components))
    return [np.square(INVERSE[:, c]).sum() * _energies(*ratio) for c, ratio in enumerate(ratios)]


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


class _View(NamedTuple):
    picture: int
    window: Window


def slopes(
    pictures: Sequence[Picture], network: Network | None, devices: Devices
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """(index, of each component float32 [rows, columns, 8, 8]): the slopes of the squared error by coefficients, in order.

    Of decoded pixels, or of what the network makes of them. Every window is a program run of its own: what else is in the
    batch, and how many devices there are, makes no difference.
    """
    margin = MARGIN if network is None else network.margin
    most = max(WINDOW, 4 * margin)

    def tiles(image: np.ndarray) -> list[Window]:
        height, width = image.shape[:2]
        return windows(padded(height, ALIGN), padded(width, ALIGN), ALIGN, margin, most)

    views = [_View(i, window) for i, picture in enumerate(pictures) for window in tiles(picture.image)]
    found = singly((_call(pictures[view.picture], view.window, network) for view in views), devices)
    whole: list[np.ndarray] = []
    for k, (view, parts) in enumerate(zip(views, found, strict=True)):
        picture = pictures[view.picture]
        if not whole:
            whole = [np.zeros(levels.shape, np.float32) for levels in picture.levels]
        y0, y1, x0, x1 = view.window.core
        for out, part, (h, v) in zip(whole, parts, _ratios(picture.frame), strict=True):
            core = out[y0 // (8 * v) : y1 // (8 * v), x0 // (8 * h) : x1 // (8 * h)]
            r, c = (y0 - view.window.y) // (8 * v), (x0 - view.window.x) // (8 * h)
            core[:] = part[r : r + core.shape[0], c : c + core.shape[1]]
        if k + 1 == len(views) or views[k + 1].picture != view.picture:
            yield view.picture, whole
            whole = []


def _ratios(frame: Frame) -> tuple[tuple[int, int], ...]:
    """(h, v): luma samples that one of the component stands for, across and down."""
    if len(frame.components) == 1:
        return ((1, 1),)
    return tuple(sampling_ratios(tuple((k.h, k.v) for k in frame.components)))


def _call(picture: Picture, window: Window, network: Network | None) -> Call:
    """The program of a window and its arrays."""
    ratios, (height, width) = _ratios(picture.frame), picture.image.shape[:2]
    levels = []
    for found, (h, v) in zip(picture.levels, ratios, strict=True):
        y, x, rows, columns = window.y // (8 * v), window.x // (8 * h), window.h // (8 * v), window.w // (8 * h)
        part = found[y : y + rows, x : x + columns]
        levels.append(np.pad(part, ((0, rows - part.shape[0]), (0, columns - part.shape[1]), (0, 0), (0, 0))))
    image = picture.image.reshape(height, width, -1)
    target = image[window.y : window.y + window.h, window.x : window.x + window.w]
    inside = np.array(target.shape[:2], np.int32)
    target = np.pad(target, ((0, window.h - inside[0]), (0, window.w - inside[1]), (0, 0)))
    tables = tuple(np.asarray(t, np.float32).reshape(8, 8) for t in picture.tables)
    fancy = picture.frame.samples(len(ratios) - 1)[1] > 2
    h, v = ratios[-1]
    steps = np.zeros((3, 64), np.float32) if network is None else network.steps(tables, (v, h))
    function, known, state = (None, (), ()) if network is None else (network.function, network.static, network.state)
    return (
        _slopes,
        (function, known, (window.h, window.w), ratios, fancy),
        (tuple(levels), tables, state, steps, target, inside),
    )
