"""Pictures to learned streams and back: any size, many at once, on any device.

    pixels ─▶ windows ─▶ floats ─▶ per part: indexes (integers), symbols = round(floats − means) ─▶ rANS ─▶ box
    box ─▶ rANS ⇄ per part: indexes ─▶ symbols ─▶ windows ─▶ pixels

A picture's maps are its own, whatever windows they are computed in: windows of at most `WINDOW` pixels a side overlap by what
the networks see, so there are no seams, and large pictures take bounded memory. Programs run over batches of windows of
one shape, on all devices; each picture has a stream of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..coding import rans
from ..errors import CorruptStream
from ..options import Limits
from ..run.devices import Devices, local_devices
from ..run.mesh import mapped
from ..run.threads import run_parallel
from .parts import SKIP, Model
from .streams import Header, read_stream, write_stream
from .weights import Loaded

__all__ = ["WINDOW", "decode_all", "encode_all"]

WINDOW = 1024
"""Pixels a side of the largest window."""
BATCH = 16
"""Windows of the largest batch on one device."""
_GROUP = 1 << 24  # pixels of pictures that are worked on together

Map = np.ndarray[Any, Any]
"""A picture's map, [H / pitch, W / pitch, C]."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Where a program looks, [y, y + h) × [x, x + w) in pixels, and the core of it that is kept, in pixels of the picture."""

    y: int
    x: int
    h: int
    w: int
    core: tuple[int, int, int, int]  # y0, y1, x0, x1

    def view(self, array: np.ndarray, pitch: int) -> np.ndarray:
        """What the window sees of a map of that pitch."""
        y, x = self.y // pitch, self.x // pitch
        return array[y : y + self.h // pitch, x : x + self.w // pitch]

    def keep(self, whole: np.ndarray, found: np.ndarray, pitch: int) -> None:
        """Puts the core of a program's result where it belongs."""
        y0, y1, x0, x1 = (side // pitch for side in self.core)
        y, x = self.y // pitch, self.x // pitch
        whole[y0:y1, x0:x1] = found[y0 - y : y1 - y, x0 - x : x1 - x]


def _spans(side: int, align: int, margin: int) -> list[tuple[int, int, int, int]]:
    """(start, length, core start, core end) of windows along a side, a multiple of align; all of one length."""
    if side <= WINDOW:
        return [(0, side, 0, side)]
    inner = WINDOW - 2 * margin
    count = math.ceil((side - 2 * margin) / inner)
    starts = [min(k * inner, side - WINDOW) // align * align for k in range(count)]
    ends = [*(start + margin for start in starts[1:]), side]
    return [(s, WINDOW, 0 if k == 0 else ends[k - 1], ends[k]) for k, s in enumerate(starts)]


def _windows(height: int, width: int, align: int, margin: int) -> list[_Window]:
    return [
        _Window(y, x, h, w, (y0, y1, x0, x1))
        for y, h, y0, y1 in _spans(height, align, margin)
        for x, w, x0, x1 in _spans(width, align, margin)
    ]


def _floats(graph: Any, state: Any, quality: jax.Array, pixels: jax.Array) -> Any:
    return nnx.merge(graph, state).floats(pixels, quality)


def _indexes(graph: Any, part: int, state: Any, quality: jax.Array, *symbols: jax.Array) -> jax.Array:
    return nnx.merge(graph, state).indexes(part, tuple(s.astype(jnp.float32) for s in symbols), quality)


def _symbols(graph: Any, part: int, state: Any, quality: jax.Array, floats: jax.Array, *symbols: jax.Array) -> Any:
    """Indexes uint8, and the symbols int16 that they are of; 0 where nothing is coded."""
    model, known = nnx.merge(graph, state), tuple(s.astype(jnp.float32) for s in symbols)
    indexes = model.indexes(part, known, quality)
    found = jnp.clip(jnp.round(floats - model.means(part, known, quality, jnp.float32)), -rans.LARGEST, rans.LARGEST)
    return indexes, jnp.where(indexes == SKIP, 0, found).astype(jnp.int16)


def _pixels(graph: Any, kind: Any, state: Any, quality: jax.Array, *symbols: jax.Array) -> jax.Array:
    return nnx.merge(graph, state).pixels(tuple(s.astype(jnp.float32) for s in symbols), quality, kind)


class _Programs:
    """Runs a model's programs over windows of pictures."""

    def __init__(self, model: Loaded, devices: Devices) -> None:
        self.model, self.devices = model, devices

    def run(
        self, function: Any, static: tuple[Any, ...], items: Sequence[tuple[int, _Window, tuple[np.ndarray, ...]]]
    ) -> Iterator[tuple[Any, ...]]:
        """Results, as tuples of NumPy arrays, of (quality, window, its arrays), in order."""
        for _, alike in groupby(items, key=lambda item: (item[1].h, item[1].w)):
            yield from self._alike(function, static, list(alike))

    def _alike(self, function: Any, static: tuple[Any, ...], items: list[Any]) -> Iterator[tuple[Any, ...]]:
        area = items[0][1].h * items[0][1].w
        most = max(1, min(BATCH, WINDOW * WINDOW // area))
        at = 0
        while at < len(items):
            each = min(most, 1 << (-(-(len(items) - at) // len(self.devices)) - 1).bit_length())
            used = self.devices[: len(items) - at]
            batch = items[at : at + each * len(used)]
            at += len(batch)
            full = batch + batch[-1:] * (each * len(used) - len(batch))
            run, sharding = mapped(function, used, self.model.graph, *static, split=True, whole=True)
            quality = np.array([q for q, _, _ in full], np.int32)
            arrays = [np.stack(part) for part in zip(*(views for _, _, views in full), strict=True)]
            result = run(self.model.state, *jax.device_put((quality, *arrays), sharding))
            leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(result)]
            yield from (tuple(leaf[i] for leaf in leaves) for i in range(len(batch)))


class _Picture:
    """A picture on its way: its size, its padded size, its windows, and its maps of symbols."""

    def __init__(self, height: int, width: int, quality: int, model: Any) -> None:
        align = model.pitches[0]
        self.height, self.width, self.quality = height, width, quality
        self.padded = -(-height // align) * align, -(-width // align) * align
        self.windows = _windows(*self.padded, align, model.margin)
        self.symbols = [self.empty(m, model, np.int16) for m in range(len(model.pitches))]

    def empty(self, number: int, model: Any, dtype: Any) -> Map:
        """A map without content."""
        pitch = model.pitches[number]
        return np.zeros((self.padded[0] // pitch, self.padded[1] // pitch, model.channels[number]), dtype)

    def coded(self, array: Map, pitch: int) -> Map:
        """The places of a map that lie in the picture, those that are coded."""
        return array[: -(-self.height // pitch), : -(-self.width // pitch)]


def _encode_group(
    images: Sequence[np.ndarray], pictures: Sequence[_Picture], programs: _Programs
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Of each picture, (symbols, indexes) part by part."""
    model: Model = nnx.merge(programs.model.graph, programs.model.state)
    padded = [
        np.pad(image, ((0, p.padded[0] - p.height), (0, p.padded[1] - p.width), (0, 0)), mode="edge")
        for image, p in zip(images, pictures, strict=True)
    ]
    order = [(i, w) for i, p in enumerate(pictures) for w in p.windows]
    floats = [[p.empty(m, model, np.float32) for m in range(len(model.pitches))] for p in pictures]
    items = [(pictures[i].quality, w, (w.view(padded[i], 1),)) for i, w in order]
    for (i, w), found in zip(order, programs.run(_floats, (), items), strict=True):
        for whole, part, pitch in zip(floats[i], found, model.pitches, strict=True):
            w.keep(whole, part, pitch)
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in pictures]
    for part, number in enumerate(model.parts):
        pitch = model.pitches[number]
        indexes = [p.empty(number, model, np.uint8) for p in pictures]
        symbols = [p.empty(number, model, np.int16) for p in pictures]
        items = [
            (pictures[i].quality, w, (w.view(floats[i][number], pitch), *_views(pictures[i], w, model)))
            for i, w in order
        ]
        for (i, w), (index, symbol) in zip(order, programs.run(_symbols, (part,), items), strict=True):
            w.keep(indexes[i], index, pitch)
            w.keep(symbols[i], symbol, pitch)
        for i, p in enumerate(pictures):
            mine = p.coded(symbols[i], pitch)
            kept = p.coded(p.symbols[number], pitch)
            kept += mine
            parts[i].append((mine.ravel().astype(np.int32), p.coded(indexes[i], pitch).ravel()))
    return parts


def _views(picture: _Picture, window: _Window, model: Any) -> tuple[np.ndarray, ...]:
    return tuple(window.view(s, pitch) for s, pitch in zip(picture.symbols, model.pitches, strict=True))


def _decode_group(
    pictures: Sequence[_Picture], decoders: Sequence[rans.Decoder], programs: _Programs, kind: Any
) -> list[np.ndarray]:
    """Pixels uint8 [H, W, 3] of each picture."""
    model: Model = nnx.merge(programs.model.graph, programs.model.state)
    order = [(i, w) for i, p in enumerate(pictures) for w in p.windows]
    for part, number in enumerate(model.parts):
        pitch = model.pitches[number]
        indexes = [p.empty(number, model, np.uint8) for p in pictures]
        items = [(pictures[i].quality, w, _views(pictures[i], w, model)) for i, w in order]
        for (i, w), (index,) in zip(order, programs.run(_indexes, (part,), items), strict=True):
            w.keep(indexes[i], index, pitch)

        def read(i: int, indexes: list[Map] = indexes, number: int = number, pitch: int = pitch) -> None:
            kept, index = (pictures[i].coded(a, pitch) for a in (pictures[i].symbols[number], indexes[i]))
            kept += decoders[i].read(np.ascontiguousarray(index).ravel()).reshape(kept.shape).astype(np.int16)

        run_parallel(read, range(len(pictures)))
    for decoder in decoders:
        decoder.finish()
    pixels = [np.empty((*p.padded, 3), np.uint8) for p in pictures]
    items = [(pictures[i].quality, w, _views(pictures[i], w, model)) for i, w in order]
    for (i, w), (found,) in zip(order, programs.run(_pixels, (kind,), items), strict=True):
        w.keep(pixels[i], found, 1)
    return [x[: p.height, : p.width] for x, p in zip(pixels, pictures, strict=True)]


def _groups(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Indexes of pictures that are worked on together, those of one size side by side."""
    group: list[int] = []
    pixels = 0
    for i in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        if group and pixels + math.prod(sizes[i]) > _GROUP:
            yield group
            group, pixels = [], 0
        group.append(i)
        pixels += math.prod(sizes[i])
    if group:
        yield group


def encode_all(images: Sequence[np.ndarray], quality: int, model: Loaded, device: Any = None) -> list[bytes]:
    """Streams of pictures.

    Args:
        images: uint8 [H, W] or [H, W, 3] each, sides 1..65535.
        quality: 1..100.
        model: Of `weights.load` or `weights.named`.
        device: As `run.devices.local_devices` takes it.

    Returns:
        A stream for each.
    """
    programs = _Programs(model, local_devices(device))
    shown: Model = nnx.merge(model.graph, model.state)
    streams: list[bytes] = [b""] * len(images)
    for group in _groups([image.shape[:2] for image in images]):
        pictures = [_Picture(*images[i].shape[:2], quality, shown) for i in group]
        colour = [images[i] if images[i].ndim == 3 else np.repeat(images[i][..., None], 3, -1) for i in group]
        parts = _encode_group(colour, pictures, programs)
        payloads = run_parallel(lambda part: rans.encode(part, model.tables), parts)
        for i, payload in zip(group, payloads, strict=True):
            height, width = images[i].shape[:2]
            header = Header(height, width, 1 if images[i].ndim == 2 else 3, model.name, model.digest, quality)
            streams[i] = write_stream(header, payload)
    return streams


def decode_all(
    files: Sequence[bytes | memoryview], find: Any, *, device: Any = None, kind: str = "float32", limits: Limits = Limits()
) -> list[np.ndarray]:
    """Pictures of streams: inverse of `encode_all`.

    Args:
        files: The streams.
        find: The model of a `Header`; raises CorruptStream where it is not here.
        device: As for `encode_all`.
        kind: What means and pixels are computed in, "float32" or "bfloat16"; symbols do not depend on it.
        limits: For files from strangers.

    Returns:
        uint8 [H, W] or [H, W, 3] each.

    Raises:
        CorruptStream: A stream is damaged, cut, or of another model; says what and where.
        UnsupportedJpeg: A stream of another version.
        LimitExceeded: Beyond `limits`.
    """
    read = [read_stream(data, limits) for data in files]
    models = [find(header) for header, _, _ in read]
    devices, images = local_devices(device), [np.empty(0, np.uint8)] * len(files)
    for model in dict.fromkeys(models):
        own = [i for i, m in enumerate(models) if m is model]
        shown: Model = nnx.merge(model.graph, model.state)
        for group in _groups([(read[i][0].height, read[i][0].width) for i in own]):
            pictures, decoders = [], []
            for i in (own[k] for k in group):
                header, payload, offset = read[i]
                pictures.append(_Picture(header.height, header.width, header.quality, shown))
                decoders.append(rans.Decoder(payload, model.tables, offset))
            found = _decode_group(pictures, decoders, _Programs(model, devices), jnp.dtype(kind))
            for i, pixels in zip((own[k] for k in group), found, strict=True):
                images[i] = pixels if read[i][0].channels == 3 else _grey(pixels)
    return images


def _grey(pixels: np.ndarray) -> np.ndarray:
    """The mean of three channels that were one."""
    total = pixels.astype(np.uint16).sum(-1)
    return ((total + 1) // 3).astype(np.uint8)


def unknown_model(header: Header, here: Sequence[str]) -> CorruptStream:
    """The error for a stream whose model is not here."""
    return CorruptStream(
        f"the stream is of model {header.model!r} ({header.digest.hex()}), which is not here; there are: {', '.join(here)}", 0
    )
