"""Pictures to files of divided tiles and back.

    pixels ─▶ YCbCr ─▶ sampling ─▶ tiles ─▶ search ─▶ contexts, mixing coder ─▶ box
                       devices                        host

Magnitudes are rounded up from 0.6 of a step on, and decoded a little above their multiple, where their cell's mean lies.
Every tile is searched by a program of one size, whatever picture and batch it is of: a file depends on the backend alone.
Between backends divisions, bases and levels may differ where rounding in float32 decides; what a file decodes to is integers up
to that rounding as well. The stream itself is integers and the same everywhere.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import ops
from ..container.box import Box, read_box, write_box
from ..errors import CorruptStream, UnsupportedJpeg
from ..options import Limits, check_choice, check_int, check_number
from ..planes import (
    STEPS,
    SUBSAMPLINGS,
    Frame,
    check_memory,
    check_steps,
    decoded,
    devices_of,
    images_of,
    quality_step,
    sampled,
    shown,
)
from ..run.devices import Devices
from ..run.flow import Call, singly
from ..run.threads import submit
from .basis import KINDS
from .search import LEAST, SHAPES, TILE, Choice, offered, search, stacked
from .stream import Plane, read_planes, write_planes

__all__ = ["BASES", "USystemOptions", "decode", "encode", "parts", "quality_step"]

KIND = "u-system"
BASES = {"adaptive": ("dct", "v1", "v2", "u3"), **{kind: (kind,) for kind in KINDS}}
"""What a rectangle's basis is chosen from: one of each degree beside the DCT, or a single one."""
PARTITIONS = ("rate", "fit")

_CHUNK = 32  # tiles that one run searches
_SAMPLES = 1 << 14  # that one run turns back
_LAMBDA, _EPSILON, _ROUNDING = 0.15, 0.1, 0.4
_FIT = 1.0
"""Root mean squared error of the bilinear fit, in steps, above which `partition="fit"` divides."""
_ABOVE = 0.03, 0.05, 0.06
"""Where levels 1, 2 and more are decoded above their multiple of the step."""
_NBYTES = 40  # of working memory for one sample


def _tiles(frame: Frame) -> list[tuple[int, int]]:
    """(rows, columns) of tiles of each component."""
    return [(-(-h // TILE), -(-w // TILE)) for h, w in frame.sizes]


def _forward(frame: Frame, pixels: jax.Array, steps: jax.Array) -> jax.Array:
    """Tiles float32 [T, TILE, TILE] of all components in order, over their steps, of uint8 pixels [H, W] or [H, W, 3]."""
    found = []
    for c, (plane, (rows, columns)) in enumerate(zip(sampled(frame, pixels), _tiles(frame), strict=True)):
        plane = ops.pad_plane(plane - 128, rows * TILE, columns * TILE) / steps[c]
        found.append(ops.split_blocks(plane, TILE).reshape(-1, TILE, TILE))
    return jnp.concatenate(found)


def _inverse(h: int, w: int, levels: jax.Array, kinds: jax.Array, steps: jax.Array) -> jax.Array:
    """Samples float32 [n, h, w], less their middle, of levels int32 [n, h, w] in bases int32 [n] at steps float32 [n]."""
    above = jnp.asarray((0.0, *_ABOVE), jnp.float32)[jnp.minimum(jnp.abs(levels), 3)]
    above = above.at[:, 0, 0].set(0)
    reals = (levels.astype(jnp.float32) + jnp.sign(levels).astype(jnp.float32) * above) * steps[:, None, None]
    exact = jax.lax.Precision.HIGHEST
    rows = jnp.einsum("nij,njx->nix", reals, jnp.asarray(stacked(w))[kinds], precision=exact)
    return jnp.einsum("niy,nix->nyx", jnp.asarray(stacked(h))[kinds], rows, precision=exact)


def _backward(frame: Frame, planes: tuple[jax.Array, ...]) -> jax.Array:
    """Pixels uint8 [H, W] or [H, W, 3] of whole tiles' samples, less their middle."""
    return shown(frame, [plane[:h, :w] + 128 for plane, (h, w) in zip(planes, frame.sizes, strict=True)])


@dataclass(frozen=True, slots=True)
class USystemOptions:
    """Keyword arguments of `encode`, which documents them; validated when made, `step` is then a number."""

    quality: int = 75
    step: float | None = None
    basis: str = "adaptive"
    partition: str = "rate"
    epsilon: float | None = None
    subsampling: str = "4:2:0"

    def __post_init__(self) -> None:
        quality = check_int("quality", self.quality, 1, 100)
        check_choice("basis", self.basis, tuple(BASES))
        check_choice("partition", self.partition, PARTITIONS)
        check_choice("subsampling", self.subsampling, SUBSAMPLINGS)
        step = check_number("step", quality_step(quality) if self.step is None else self.step, *STEPS)
        object.__setattr__(self, "step", step)
        if self.epsilon is not None:
            check_number("epsilon", self.epsilon, 0, math.inf)

    def steps(self, frame: Frame) -> np.ndarray:
        """The step of each component, float32."""
        assert self.step is not None
        return np.array(frame.steps(self.step), np.float32)

    def controls(self) -> tuple[np.ndarray, Choice]:
        """(controls, choice) of `search`."""
        assert self.step is not None
        fitted = self.partition == "fit"
        epsilon = (_FIT if fitted else _EPSILON) if self.epsilon is None else self.epsilon / self.step
        return np.array([_LAMBDA, epsilon, _ROUNDING, fitted], np.float32), offered(BASES[self.basis])


def encode(
    images: Any,
    *,
    quality: int = 75,
    step: float | None = None,
    basis: str = "adaptive",
    partition: str = "rate",
    epsilon: float | None = None,
    subsampling: str = "4:2:0",
    engine: str = "auto",
    device: Any = None,
) -> bytes | list[bytes]:
    """Files of images in rectangles of many shapes.

    images: uint8, NumPy or JAX: one image [H, W], [H, W, 1] or [H, W, 3] (RGB) gives bytes; a list of them or a batch
        [N, H, W, C] gives a list. Sides 1..65,535.
    quality: 1..100, see `quality_step`. step: the quantiser's step in grey levels of the unitary transform, 1/16..4096, in
        place of quality. It is that of luma; chroma takes as much with 4:2:0, whose samples stand for four pixels, and
        twice as much with 4:4:4.
    basis: "adaptive", for each rectangle the cheapest of `BASES`, or one for all: "dct", or U or V of a degree, "u1" to "v3".
        "dct" takes half a per cent fewer bytes than "adaptive" on photographs and drawings: the DCT in rectangles is what gains.
    partition: "rate": divided where that makes error and bits together less. "fit": where a bilinear least-squares fit errs by
        more than epsilon, the root mean squared error in grey levels: one step unless given. With "rate", rectangles that
        are fitted within epsilon, a tenth of the step unless given, stay whole. subsampling: "4:2:0" or "4:4:4".
    engine: "xla" (the devices named, all local ones by default), "host" (those of the CPU), or "auto". device: a
        jax.Device, platform name, Mesh or Sharding.

    TypeError and ValueError name the argument, its value and what is allowed.
    """
    options = USystemOptions(quality, step, basis, partition, epsilon, subsampling)
    batch, single = images_of(images)
    devices = devices_of(engine, device)
    frames = [Frame.of(image.shape, options.subsampling) for image in batch]
    forward: list[Call] = [(_forward, (f,), (image, options.steps(f))) for image, f in zip(batch, frames, strict=True)]
    pending = []
    for frame, tiles in zip(frames, singly(forward, devices), strict=True):
        parts = list(singly(_searches(tiles, options), devices))
        found = [np.concatenate(part)[: len(tiles)] for part in zip(*parts, strict=True)]
        pending.append(submit(_file, frame, options.steps(frame), found))
    files = [future.result() for future in pending]
    return files[0] if single else files


def _searches(tiles: np.ndarray, options: USystemOptions) -> Iterator[Call]:
    """Runs of _CHUNK tiles, zeros behind the last."""
    for start in range(0, len(tiles), _CHUNK):
        chunk = np.zeros((_CHUNK, TILE, TILE), np.float32)
        part = tiles[start : start + _CHUNK]
        chunk[: len(part)] = part
        yield search, (), (chunk, *options.controls())


def _file(frame: Frame, steps: np.ndarray, found: Sequence[np.ndarray]) -> bytes:
    planes: list[Plane] = []
    at = 0
    for rows, columns in _tiles(frame):
        parts = [x[at : at + rows * columns].reshape(rows, columns, *x.shape[1:]) for x in found]
        planes.append((parts[0], parts[1], parts[2]))
        at += rows * columns
    params = struct.pack(f">B{len(steps)}f", frame.halved, *steps.tolist())
    payload = write_planes(planes, frame.halved)
    return write_box(Box(KIND, frame.height, frame.width, frame.channels, params, (payload,)))


def _open(data: Any, limits: Limits) -> tuple[Frame, list[Plane], np.ndarray]:
    """(frame, planes, steps) of a file."""
    box = read_box(data, limits)
    if box.kind != KIND:
        raise UnsupportedJpeg(f"a box of kind {box.kind!r}, not {KIND!r}", 5)
    if box.channels not in (1, 3):
        raise CorruptStream(f"{box.channels} channels; a U-system file has 1 or 3", 0)
    layout = struct.Struct(f">B{box.channels}f")
    if len(box.params) != layout.size or len(box.payloads) != 1:
        raise CorruptStream(f"{len(box.params)} bytes of parameters and {len(box.payloads)} payloads do not fit", 0)
    halved, *steps = layout.unpack(box.params)
    if halved > (box.channels == 3):
        raise CorruptStream(f"sampling {halved} is none of this codec's", 0)
    check_steps(steps)
    frame = Frame(box.height, box.width, box.channels, bool(halved))
    tiles = _tiles(frame)
    check_memory(_NBYTES * sum(rows * columns for rows, columns in tiles) * TILE * TILE, limits)
    return frame, read_planes(box.payloads[0], tiles, frame.halved), np.array(steps, np.float32)


def parts(data: Any, limits: Limits = Limits()) -> list[Plane]:
    """What a file holds of each component: levels int32 [R, C, 32, 32] of its tiles, and of each cell of 4×4 samples the
    rectangle's shape and basis, int8 [R, C, 8, 8], numbers into `search.SHAPES` and `basis.KINDS`. Errors as for `decode`."""
    return _open(data, limits)[1]


def _grid(x: np.ndarray, h: int, w: int) -> np.ndarray:
    """A view [R, C, n, m, h, w] of [R, C, n·h, m·w]."""
    rows, columns, height, width = x.shape
    return x.reshape(rows, columns, height // h, h, width // w, w).swapaxes(3, 4)


def _samples(planes: Sequence[Plane], steps: np.ndarray, devices: Devices) -> list[np.ndarray]:
    """Samples float32 [H, W] of whole tiles, less their middle: rectangles of a shape together, _SAMPLES at a time."""
    out = [np.empty(levels.shape, np.float32) for levels, _, _ in planes]
    places, calls = [], []
    for number, (h, w) in enumerate(SHAPES):
        marks = [_grid(shape, h // LEAST, w // LEAST)[..., 0, 0] == number for _, shape, _ in planes]
        where = [np.nonzero(mark) for mark in marks]
        levels = np.concatenate([_grid(p[0], h, w)[at] for p, at in zip(planes, where, strict=True)])
        if not len(levels):
            continue
        kinds = np.concatenate(
            [_grid(p[2], h // LEAST, w // LEAST)[..., 0, 0][at] for p, at in zip(planes, where, strict=True)]
        )
        counts = [len(at[0]) for at in where]
        scale = np.repeat(steps, counts)
        size = _SAMPLES // (h * w)
        whole = -(-len(levels) // size) * size
        levels.resize((whole, h, w)), kinds.resize(whole), scale.resize(whole)
        places.append((h, w, where, counts, whole // size))
        for at in range(0, whole, size):
            part = slice(at, at + size)
            calls.append((_inverse, (h, w), (levels[part], kinds[part].astype(np.int32), scale[part])))
    results = singly(calls, devices)
    for h, w, spots, counts, runs in places:
        found = np.concatenate([next(results) for _ in range(runs)])
        ends = np.cumsum([0, *counts])
        for i, plane in enumerate(out):
            _grid(plane, h, w)[spots[i]] = found[ends[i] : ends[i + 1]]
    return [x.swapaxes(1, 2).reshape(TILE * len(x), -1) for x in out]


def decode(data: Any, *, limits: Limits = Limits(), engine: str = "auto", device: Any = None) -> Any:
    """Pixels of files that `encode` wrote: uint8 [H, W] or [H, W, 3] (RGB).

    data: bytes or a buffer; a list of them gives a list. limits: pixels, pixels_per_byte and memory count.
    engine, device: as for `encode`; where a device is named the pixels stay there as jax.Array.

    Raises CorruptStream, UnsupportedJpeg or LimitExceeded, all JpegError; in a list the first error, with a note of its index.
    """
    devices = devices_of(engine, device)

    def opened(file: Any) -> tuple[Frame, list[Plane], np.ndarray]:
        return _open(file, limits)

    def call(found: tuple[Frame, list[Plane], np.ndarray]) -> Call:
        frame, planes, steps = found
        return _backward, (frame,), (tuple(_samples(planes, steps, devices)),)

    return decoded(data, "data", limits, devices, opened, call, stay=device is not None)
