"""Pictures to learned streams and back: any size, many at once, on any device.

    pixels ─▶ windows ─▶ floats ─▶ per part: indexes (integers), symbols = round(floats − means) ─▶ rANS ─▶ box
    box ─▶ rANS ⇄ per part: indexes ─▶ symbols ─▶ windows ─▶ pixels

A picture's maps are its own, whatever windows they are computed in: these overlap by what the networks see, so there are no
seams, and large pictures take bounded memory. Programs run over batches of windows of one shape, on all devices; each
picture has a stream of its own. Both ways take up to 32 bytes of memory a pixel, and some 200 MB for a window's programs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..coding import rans
from ..errors import CorruptStream, JpegError, LimitExceeded
from ..options import Limits
from ..run.devices import local_devices
from ..run.threads import batches, run_parallel
from ..run.windows import Window, padded, windows
from . import programs as steps
from .parts import SKIP, Loaded, Model
from .streams import Header, read_stream, write_stream
from .tables import REACH, counted
from .weights import available, named

__all__ = ["count_symbols", "decode_all", "encode_all", "read_symbols"]

_GROUP = 1 << 24  # pixels of pictures that are worked on together
_NBYTES = 32  # of working memory for one pixel, both ways

Map = np.ndarray[Any, Any]
"""A picture's map, [H / pitch, W / pitch, C]."""


class _Picture:
    """A picture on its way: its size, its padded size, its windows, and its maps of symbols."""

    def __init__(self, size: tuple[int, int], quality: int, model: Model) -> None:
        align = model.pitches[0]
        self.height, self.width = size
        self.quality = quality
        self.padded = padded(self.height, align), padded(self.width, align)
        self.windows = windows(*self.padded, align, model.margin)
        self.symbols = [self.empty(m, model, np.int16) for m in range(len(model.pitches))]

    def empty(self, number: int, model: Model, dtype: Any) -> Map:
        """A map without content."""
        pitch = model.pitches[number]
        return np.zeros((self.padded[0] // pitch, self.padded[1] // pitch, model.channels[number]), dtype)

    def coded(self, array: Map, pitch: int) -> Map:
        """The places of a map that lie in the picture, those that are coded."""
        return array[: -(-self.height // pitch), : -(-self.width // pitch)]


def _encode_group(
    images: Sequence[np.ndarray], pictures: Sequence[_Picture], run: steps.Programs
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Of each picture, (symbols, indexes) part by part, those alone that are coded."""
    model: Model = nnx.merge(run.model.graph, run.model.state)
    whole = [
        np.pad(image, ((0, p.padded[0] - p.height), (0, p.padded[1] - p.width), (0, 0)), mode="edge")
        for image, p in zip(images, pictures, strict=True)
    ]
    order = [(i, w) for i, p in enumerate(pictures) for w in p.windows]
    floats = [[p.empty(m, model, np.float32) for m in range(len(model.pitches))] for p in pictures]
    items: list[steps.Item] = [(pictures[i].quality, w, (w.view(whole[i], 1),)) for i, w in order]
    for (i, w), found in zip(order, run.run(steps.floats, (), items), strict=True):
        for into, part, pitch in zip(floats[i], found, model.pitches, strict=True):
            w.keep(into, part, pitch)
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in pictures]
    for part, number in enumerate(model.parts):
        pitch = model.pitches[number]
        indexes = [p.empty(number, model, np.uint8) for p in pictures]
        symbols = [p.empty(number, model, np.int16) for p in pictures]
        items = [
            (pictures[i].quality, w, (w.view(floats[i][number], pitch), *_views(pictures[i], w, model)))
            for i, w in order
        ]
        for (i, w), (index, symbol) in zip(order, run.run(steps.symbols, (part,), items), strict=True):
            w.keep(indexes[i], index, pitch)
            w.keep(symbols[i], symbol, pitch)
        for i, p in enumerate(pictures):
            mine = p.coded(symbols[i], pitch)
            kept = p.coded(p.symbols[number], pitch)
            kept += mine
            index = p.coded(indexes[i], pitch)
            parts[i].append((mine[index != SKIP].astype(np.int32), index[index != SKIP]))
    return parts


def _views(picture: _Picture, window: Window, model: Model) -> tuple[np.ndarray, ...]:
    return tuple(window.view(s, pitch) for s, pitch in zip(picture.symbols, model.pitches, strict=True))


def _read_group(pictures: Sequence[_Picture], decoders: Sequence[list[rans.Decoder]], run: steps.Programs) -> None:
    """Fills the pictures' maps of symbols from their streams."""
    model: Model = nnx.merge(run.model.graph, run.model.state)
    order = [(i, w) for i, p in enumerate(pictures) for w in p.windows]
    for part, number in enumerate(model.parts):
        pitch = model.pitches[number]
        indexes = [p.empty(number, model, np.uint8) for p in pictures]
        items = [(pictures[i].quality, w, _views(pictures[i], w, model)) for i, w in order]
        for (i, w), (index,) in zip(order, run.run(steps.indexes, (part,), items), strict=True):
            w.keep(indexes[i], index, pitch)

        reader = [own[model.streams[part]] for own in decoders]

        def read(
            i: int, indexes: list[Map] = indexes, number: int = number, pitch: int = pitch, reader: Any = reader
        ) -> None:
            kept, index = (pictures[i].coded(a, pitch) for a in (pictures[i].symbols[number], indexes[i]))
            coded = index != SKIP
            kept[coded] = reader[i].read(index[coded])

        run_parallel(read, range(len(pictures)))
    for own in decoders:
        for decoder in own:
            decoder.finish()


def _render_group(pictures: Sequence[_Picture], run: steps.Programs, kind: Any) -> list[np.ndarray]:
    """Pixels uint8 [H, W, 3] of each picture's symbols."""
    model: Model = nnx.merge(run.model.graph, run.model.state)
    order = [(i, w) for i, p in enumerate(pictures) for w in p.windows]
    pixels = [np.empty((*p.padded, 3), np.uint8) for p in pictures]
    items = [(pictures[i].quality, w, _views(pictures[i], w, model)) for i, w in order]
    for (i, w), (found,) in zip(order, run.run(steps.pixels, (kind,), items), strict=True):
        w.keep(pixels[i], found, 1)
    return [x[: p.height, : p.width] for x, p in zip(pixels, pictures, strict=True)]


def _groups(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Indexes of pictures that are worked on together, those of one size side by side."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    return batches(((i, math.prod(sizes[i])) for i in order), _GROUP)


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
    run = steps.Programs(model, local_devices(device))
    shown: Model = nnx.merge(model.graph, model.state)
    streams: list[bytes] = [b""] * len(images)
    for group in _groups([(image.shape[0], image.shape[1]) for image in images]):
        pictures = [_Picture((images[i].shape[0], images[i].shape[1]), quality, shown) for i in group]
        colour = [images[i] if images[i].ndim == 3 else np.repeat(images[i][..., None], 3, -1) for i in group]
        parts = _encode_group(colour, pictures, run)
        for i, payloads in zip(group, run_parallel(lambda p: _payloads(p, shown, model.tables), parts), strict=True):
            height, width = images[i].shape[:2]
            header = Header(height, width, 1 if images[i].ndim == 2 else 3, model.name, model.digest, quality)
            streams[i] = write_stream(header, payloads)
    return streams


def _payloads(parts: list[tuple[np.ndarray, np.ndarray]], model: Model, tables: Sequence[rans.Tables]) -> list[bytes]:
    """The streams of a picture's parts."""
    return [
        rans.encode([p for p, own in zip(parts, model.streams, strict=True) if own == stream], one)
        for stream, one in enumerate(tables)
    ]


def count_symbols(
    images: Sequence[np.ndarray], qualities: Sequence[int], model: Loaded, device: Any = None
) -> np.ndarray:
    """How often symbols of each size come under each table when pictures are encoded: what `weights.export` fits tables to.

    Args:
        images: uint8 [H, W, 3] each.
        qualities: 1..100, all of which are tried.
        model, device: As for `encode_all`.

    Returns:
        int64 [tables, REACH + 1].
    """
    run, shown = steps.Programs(model, local_devices(device)), nnx.merge(model.graph, model.state)
    counts = np.zeros((len(model.tables[0]), REACH + 1), np.int64)
    for quality in qualities:
        for group in _groups([(image.shape[0], image.shape[1]) for image in images]):
            pictures = [_Picture((images[i].shape[0], images[i].shape[1]), quality, shown) for i in group]
            for parts in _encode_group([images[i] for i in group], pictures, run):
                counted(parts, counts)
    return counts


def decode_all(
    files: Sequence[bytes | memoryview],
    models: Sequence[Loaded] = (),
    *,
    device: Any = None,
    kind: str = "float32",
    limits: Limits = Limits(),
) -> list[np.ndarray]:
    """Pictures of streams: inverse of `encode_all`.

    Args:
        files: The streams.
        models: Besides the package's own, those that streams may be of.
        device: As for `encode_all`.
        kind: What means and pixels are computed in, "float32" or "bfloat16"; symbols do not depend on it.
        limits: For files from strangers.

    Returns:
        uint8 [H, W] or [H, W, 3] each.

    Raises:
        CorruptStream: A stream is damaged, cut, or of a model that is not here; says what and where.
        UnsupportedJpeg: A stream of another version.
        LimitExceeded: Beyond `limits`.
    """
    images = [np.empty(0, np.uint8)] * len(files)
    for own, headers, pictures, run in _read(files, models, device, limits):
        found = _render_group(pictures, run, jnp.dtype(kind))
        for i, header, pixels in zip(own, headers, found, strict=True):
            images[i] = pixels if header.channels == 3 else _grey(pixels)
    return images


def read_symbols(
    files: Sequence[bytes | memoryview], models: Sequence[Loaded] = (), *, device: Any = None, limits: Limits = Limits()
) -> list[list[np.ndarray]]:
    """What streams hold, without making pixels of it: integers for networks that look at compressed pictures.

    Args:
        files, models, device, limits: As for `decode_all`.

    Returns:
        Of each stream its maps, int16 [H / pitch, W / pitch, C]: z's and y's, the same on every machine.

    Raises:
        CorruptStream, UnsupportedJpeg, LimitExceeded: As `decode_all`.
    """
    maps: list[list[np.ndarray]] = [[] for _ in files]
    for own, _, pictures, _ in _read(files, models, device, limits):
        for i, picture in zip(own, pictures, strict=True):
            maps[i] = picture.symbols
    return maps


def _read(
    files: Sequence[bytes | memoryview], models: Sequence[Loaded], device: Any, limits: Limits
) -> Iterator[tuple[list[int], list[Header], list[_Picture], steps.Programs]]:
    """Streams with their symbols read, in groups of one model: which files these are, headers, pictures, programs."""
    opened, decoders, wanted = [], [], []
    for i, data in enumerate(files):
        try:
            header, payloads = read_stream(data, limits)
            pixels = header.height * header.width
            if limits.memory is not None and _NBYTES * pixels > limits.memory:
                raise LimitExceeded(
                    f"decoding {header.width}×{header.height} pixels takes {_NBYTES * pixels >> 20} MiB; "
                    f"Limits.memory is {limits.memory >> 20} MiB"
                )
            wanted.append(_find(header, models))
            tables = wanted[-1].tables
            if len(payloads) != len(tables):
                raise CorruptStream(f"{len(payloads)} payloads; model {header.model} has {len(tables)} streams", 0)
            decoders.append([rans.Decoder(data, t, at) for (data, at), t in zip(payloads, tables, strict=True)])
        except JpegError as error:
            raise _noted(error, i, files) from None
        opened.append(header)
    for model in dict.fromkeys(wanted):
        mine = [i for i, m in enumerate(wanted) if m == model]
        run, shown = steps.Programs(model, local_devices(device)), nnx.merge(model.graph, model.state)
        for group in _groups([(opened[i].height, opened[i].width) for i in mine]):
            own = [mine[k] for k in group]
            headers = [opened[i] for i in own]
            pictures = [_Picture((h.height, h.width), h.quality, shown) for h in headers]
            try:
                _read_group(pictures, [decoders[i] for i in own], run)
            except CorruptStream as error:
                raise (_noted(error, own[0], files) if len(own) == 1 else error) from None
            yield own, headers, pictures, run


def _noted(error: JpegError, index: int, files: Sequence[Any]) -> JpegError:
    """The error, with a note of its index in a list."""
    if len(files) > 1:
        error.add_note(f"file {index} of {len(files)}")
    return error


def _grey(pixels: np.ndarray) -> np.ndarray:
    """The mean of three channels that were one."""
    total = pixels.astype(np.uint16).sum(-1)
    return ((total + 1) // 3).astype(np.uint8)


def _find(header: Header, models: Sequence[Loaded]) -> Loaded:
    """The model that a stream is of. CorruptStream where it is not here."""
    here = {model.digest: model for model in models}
    if header.digest in here:
        return here[header.digest]
    shipped = []
    for name in sorted(available(), key=lambda name: name != header.model):
        shipped.append(named(name))
        if shipped[-1].digest == header.digest:
            return shipped[-1]
    known = ", ".join(f"{m.name} ({m.digest.hex()})" for m in (*models, *shipped)) or "none"
    raise CorruptStream(
        f"the stream is of model {header.model} ({header.digest.hex()}), which is not here; here: {known}", 0
    )
