"""Restoring pictures: windows that overlap by what the network sees, in batches, on all devices.

planes of a picture ─▶ padded ─▶ windows ─▶ network ─▶ (held to the cells) ─▶ colour ─▶ cores of windows ─▶ pixels
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding

from ...ops.color import FORWARD, INVERSE
from ...run.capacity import memory_named
from ...run.devices import Devices, local_devices
from ...run.engines import pick
from ...run.mesh import mapped
from ...run.windows import Window, padded, windows
from .model import Restorer, Seen, block_steps, from_blocks, to_blocks
from .weights import LoadedRestorer

__all__ = [
    "SLOPE_MARGIN", "Decoded", "devices_of", "placed", "planes_by", "planes_of", "restored", "steps_by", "steps_of",
]  # fmt: skip

ALIGN = 32
"""Pixels that windows start at multiples of: those of the largest chroma block."""
SLOPE_MARGIN = 96
"""Pixels about a pixel that what it changes depends on: what the network sees, of what it sees of that, see `Restorer.margin`."""
WINDOW_PIXELS = 1 << 20
"""Of all windows of a batch on one device: what bounds memory."""


class Decoded(NamedTuple):
    """A picture as it was decoded.

    Attributes:
        planes: float32 [H, W, 1 or 3]: grey, or Y, Cb, Cr at full size, about 0..255 with chroma about 128.
        tables: A quantisation table of each plane, [8, 8], natural order.
        sampling: (down, across): luma samples that a chroma sample stands for, 1, 2 or 4; (1, 1) for grey.
    """

    planes: np.ndarray
    tables: tuple[np.ndarray, ...]
    sampling: tuple[int, int]


def devices_of(engine: str, device: Any) -> Devices:
    """Where the network runs for an engine and a device as the doors take them: "host" means JAX's CPU."""
    return local_devices("cpu" if pick(engine, device) == "host" else device)


def placed(pictures: Sequence[np.ndarray], devices: Devices) -> list[jax.Array]:
    """Pictures on the first of the devices."""
    return [jax.device_put(picture, devices[0]) for picture in pictures]


def planes_of(pixels: np.ndarray) -> np.ndarray:
    """`Decoded.planes` of pixels [H, W, 1 or 3], 0..255."""
    planes = pixels.astype(np.float32)
    if planes.shape[2] == 3:
        planes = planes @ FORWARD.T.astype(np.float32)
        planes[..., 1:] += 128
    return planes


def steps_of(picture: Decoded) -> np.ndarray:
    """`Seen.steps` of a picture, float32 [3, 64]."""
    return steps_by(picture.tables, picture.sampling)


def steps_by(tables: Sequence[np.ndarray], sampling: tuple[int, int]) -> np.ndarray:
    """`Seen.steps` by tables and sampling as `Decoded` has them, float32 [3, 64]."""
    steps = np.zeros((3, 64), np.float32)
    for k, table in enumerate(tables):
        steps[k] = block_steps(table, *((1, 1) if k == 0 else sampling))
    return steps


def planes_by(graph: Any, state: Any, planes: jax.Array, steps: jax.Array, sampling: jax.Array) -> jax.Array:
    """Planes of `Seen` restored, for programs of others: differentiable, as `nnx.split` gives the model."""
    return nnx.merge(graph, state)(Seen(planes, steps, sampling))


def restored(
    pictures: Sequence[Decoded],
    model: LoadedRestorer,
    devices: Devices,
    *,
    dtype: str = "uint8",
    luma: bool = False,
    consistent: bool = False,
) -> list[np.ndarray]:
    """Pixels of pictures, [H, W, 3] or [H, W], 0..255 (uint16: 0..65535).

    Args:
        pictures: Of any sizes; those alike share batches.
        model: From `weights`.
        devices: Where it runs; the pictures are spread over them.
        dtype: uint8 or uint16, rounded, or float32, clipped.
        luma: The luma of colour pictures alone.
        consistent: Hold every coefficient to its quantisation cell: of chroma, of the mean over what a sample stands for.
    """
    out = [np.empty(p.planes.shape[:2] if _grey(p, luma) else p.planes.shape, dtype) for p in pictures]
    work = ((i, window, seen) for i, picture in enumerate(pictures) for window, seen in _windows(picture, luma))
    for _, alike in groupby(work, key=lambda item: _kind(pictures[item[0]], item[1], luma, consistent)):
        for i, window, pixels in _run(alike, pictures, model, devices, (dtype, luma, consistent)):
            window.keep(out[i], pixels, 1)
    return out


def _grey(picture: Decoded, luma: bool) -> bool:
    return luma or picture.planes.shape[2] == 1


def _kind(picture: Decoded, window: Window, luma: bool, consistent: bool) -> tuple[Any, ...]:
    """What windows of one batch share."""
    grey = _grey(picture, luma)
    return window.h, window.w, grey, picture.sampling if consistent and not grey else None


class _View(NamedTuple):
    planes: np.ndarray
    steps: np.ndarray
    sampling: np.ndarray
    tables: np.ndarray


def _windows(picture: Decoded, luma: bool) -> Iterator[tuple[Window, _View]]:
    height, width, count = picture.planes.shape
    tall, wide = padded(height, ALIGN), padded(width, ALIGN)
    steps, tables = steps_of(picture), np.ones((3, 64), np.float32)
    for k, table in enumerate(picture.tables):
        tables[k] = np.asarray(table, np.float32).reshape(64)
    sampling = np.array(picture.sampling, np.int32)
    used = 1 if luma else count
    for window in windows(tall, wide, ALIGN, Restorer.margin):
        view = np.zeros((window.h, window.w, 3), np.float32)
        part = picture.planes[window.y : window.y + window.h, window.x : window.x + window.w, :used]
        view[..., :used] = np.pad(
            part, ((0, window.h - part.shape[0]), (0, window.w - part.shape[1]), (0, 0)), mode="edge"
        )
        view[..., :used] -= 128
        y0, y1, x0, x1 = window.core
        core = (min(y0, height), min(y1, height), min(x0, width), min(x1, width))
        yield Window(window.y, window.x, window.h, window.w, core), _View(view, steps, sampling, tables)


def _run(
    items: Iterator[tuple[int, Window, _View]],
    pictures: Sequence[Decoded],
    model: LoadedRestorer,
    devices: Devices,
    settings: tuple[str, bool, bool],
) -> Iterator[tuple[int, Window, np.ndarray]]:
    """(picture, window, its pixels) of windows that are alike, a batch at a time."""
    dtype, luma, consistent = settings
    batch: list[tuple[int, Window, _View]] = []
    weights: dict[Devices, Any] = {}
    more = True
    while more:
        found = next(items, None)
        more = found is not None
        if found is not None:
            batch.append(found)
        if not batch:
            return
        window = batch[0][1]
        each = max(1, WINDOW_PIXELS // (window.h * window.w))
        if more and len(batch) < each * len(devices):
            continue
        picture = pictures[batch[0][0]]
        grey = _grey(picture, luma)
        cells = picture.sampling if consistent and not grey else (1, 1)
        used = devices[: len(batch)]
        count = 1 << (-(-len(batch) // len(used)) - 1).bit_length()  # few sizes, few programs
        full = batch + batch[-1:] * (count * len(used) - len(batch))
        run, sharding = mapped(
            _pixels, used, model.graph, dtype, grey, cells if consistent else None, split=True, whole=True
        )
        views = [np.stack(part) for part in zip(*(view for _, _, view in full), strict=True)]
        with memory_named(used):
            if used not in weights:
                weights[used] = jax.device_put(model.state, NamedSharding(sharding.mesh, jax.P()))
            pixels = np.asarray(run(weights[used], *jax.device_put(tuple(views), sharding)))
        for (i, window, _), result in zip(batch, pixels, strict=False):
            yield i, window, result
        batch = []


def _pixels(
    graph: Any,
    dtype: str,
    grey: bool,
    cells: tuple[int, int] | None,
    state: Any,
    planes: jax.Array,
    steps: jax.Array,
    sampling: jax.Array,
    tables: jax.Array,
) -> jax.Array:
    """Pixels of windows: [N, h, w, 3], or [N, h, w] of grey. cells: hold them to their cells; chroma's sampling."""
    with jax.default_matmul_precision("highest"):  # accelerators are quicker with less, but then differ
        return _exactly(nnx.merge(graph, state), dtype, grey, cells, Seen(planes, steps, sampling), tables)


def _exactly(
    model: Restorer, dtype: str, grey: bool, cells: tuple[int, int] | None, seen: Seen, tables: jax.Array
) -> jax.Array:
    planes = seen.planes
    shown = model.restored_luma(seen) if grey else model(seen)
    if cells is not None:
        parts = [_held(shown[..., :1], planes[..., :1], tables[:, :1], (1, 1))]
        if not grey:
            parts.append(_held(shown[..., 1:], planes[..., 1:], tables[:, 1:], cells))
        shown = jnp.concatenate(parts, -1)
    if not grey:
        shown = jnp.einsum("nhwc,dc->nhwd", shown, jnp.asarray(INVERSE, jnp.float32))
    shown = jnp.clip(shown + 128, 0, 255)
    if dtype != "float32":
        shown = jnp.floor(shown * (257 if dtype == "uint16" else 1) + 0.5).astype(dtype)
    return shown[..., 0] if grey else shown


def _held(shown: jax.Array, planes: jax.Array, tables: jax.Array, sampling: tuple[int, int]) -> jax.Array:
    """Planes whose changes stay within half a step of every coefficient, of means over what a sample stands for."""
    n, h, w, c = planes.shape
    down, across = sampling
    change = (shown - planes).reshape(n, h // down, down, w // across, across, c).mean((2, 4))
    blocks, half = to_blocks(change), 0.5 * tables[:, None, None]
    back = from_blocks(jnp.clip(blocks, -half, half) - blocks)
    return shown + jnp.repeat(jnp.repeat(back, down, 1), across, 2)
