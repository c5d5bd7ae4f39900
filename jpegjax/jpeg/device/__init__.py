"""The transform half on any JAX device, bit-identical to libjpeg-turbo's "islow" path.

Images of any sizes travel as pages of MCUs (`pages`, `programs`); batches that already lie on a device as one array
stay there (`resident`), and on accelerators their bits are coded there too (`entropy`). All run the same page program
over all devices asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import jax
import numpy as np

from ...options import DecodeOptions
from ...run.capacity import memory_named
from ...run.devices import Devices, local_devices
from ...types import Frame
from . import precise, scans, twelve_bit
from .jobs import Decode, Encode, through_pages
from .pages import Item
from .scans import Source
from .specs import Coded, Coding, decode_spec, encode_spec

__all__ = [
    "Coded", "Coding", "Source", "code_batch", "decode_batch", "local_devices", "reconstruct_batch", "transform_batch",
]  # fmt: skip


def transform_batch(
    images: Sequence[Any],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    device: Any = None,
    smoothing: int = 0,
    dering: bool = False,
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """(image's index, quantised levels per component) of each image, as images become complete.

    images: uint8 [H, W], [H, W, 3] or [H, W, 4], NumPy or JAX, any sizes; or one array [N, H, W] or [N, H, W, C]. JAX
    images of one size are transformed where they lie. Those of 12 bits are uint16 and go one by one to one device, as all
    do with smoothing (0..100). dering: let luma overshoot; grey and YCbCr of 8 bits alone.
    frames: GRAY, YCBCR (pixels are RGB), RGB or CMYK. qtables: per image and
    component uint16 [64], natural order. device: None for all local devices, a Device, Mesh, Sharding or a platform.
    Levels: C-contiguous int16 [rows, columns, 8, 8], real blocks only. Exact.
    """
    frames = [_alone(frame) for frame in frames]
    if smoothing or any(frame.precision != 8 for frame in frames):
        return enumerate(twelve_bit.transform(images, frames, qtables, local_devices(device)[:1], smoothing, dering))
    items = [Item(i, f, q) for i, (f, q) in enumerate(zip(frames, qtables, strict=True))]
    specs = [encode_spec(frame, dering) for frame in frames]
    devices = _devices_of(images, frames, device)
    if devices is not None:
        from .resident import transform

        found = transform(images, items, specs[0], devices)
        if found is not None:
            return found
    sources = (np.asarray(jax.device_get(image)) for image in images)
    return through_pages(Encode, sources, specs, items, local_devices(device))


def _alone(frame: Frame) -> Frame:
    """The frame; one of a single component without its factors, which mean nothing there: the same programs serve it."""
    if len(frame.components) > 1 or (frame.hmax, frame.vmax) == (1, 1):
        return frame
    return replace(frame, components=(replace(frame.components[0], h=1, v=1),))


def _devices_of(images: Sequence[Any], frames: Sequence[Frame], device: Any) -> Devices | None:
    """The devices that JAX images of one frame go to or lie on; None for any others."""
    some = [images] if isinstance(images, jax.Array) else images  # iterating over one would slice it
    if len(set(frames)) != 1 or not all(isinstance(image, jax.Array) for image in some):
        return None
    return local_devices(device) if device is not None else tuple(sorted(some[0].devices(), key=lambda d: d.id))


def code_batch(
    images: Sequence[Any],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    coding: Coding,
    device: Any = None,
    *,
    dering: bool = False,
    always: bool = False,
) -> Iterator[tuple[int, Coded]] | None:
    """(image's index, its scan's data) of each image, entropy-coded where it lies; None where that is the host's to do.

    It is where images are not JAX's or differ in their frames, where one is huge or memory short of it, and on CPUs unless
    `always`.
    Arguments as for `transform_batch`. Exact: the data are `coding.sequential`'s.
    """
    frames = [_alone(frame) for frame in frames]
    devices = _devices_of(images, frames, device)
    if devices is None or (devices[0].platform == "cpu" and not always):
        return None
    from . import entropy

    if not entropy.fits(frames[0]):
        return None
    items = [Item(i, f, q) for i, (f, q) in enumerate(zip(frames, qtables, strict=True))]
    return entropy.code(images, items, encode_spec(frames[0], dering), coding, devices)


def reconstruct_batch(
    planes: Iterable[Sequence[np.ndarray] | None],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    *,
    mode: str | None = None,
    upsample: str = "fancy",
    device: Any = None,
    options: DecodeOptions | None = None,
) -> Iterator[tuple[int, Any]]:
    """(image's index, pixels) of each image, as images become complete.

    planes: per image and component int16 [rows, columns, 8, 8], real blocks only; an iterator is read as pages fill, and may
    give None, for images of 8 bits that are not in floats: they are left out.
    qtables: per image and component uint16 [64]. mode: None, "L", "RGB" or "CMYK". upsample: "fancy" or "nearest".
    device: None for all local devices and NumPy results; else as for `transform_batch`, with jax.Array results there.
    Pixels: uint8, uint16 for 12 bits: [H, W], [H, W, 3] or [H, W, 4]. Exact.
    options: of which those that say so are made in floats, one by one, and are as they say; mode and upsample are theirs then.
    """
    every = cast("Iterable[Sequence[np.ndarray]]", planes)
    if options is not None and any(options.precise(frame.precision) for frame in frames):
        return _reconstruct_precise(list(every), frames, qtables, options, device)
    if any(frame.precision != 8 for frame in frames):
        return _reconstruct_any(list(every), frames, qtables, mode, upsample, device)
    specs = [decode_spec(frame, mode, upsample) for frame in frames]
    items = [Item(i, f, q[: len(s.sampling)]) for i, (f, q, s) in enumerate(zip(frames, qtables, specs, strict=True))]
    devices = local_devices(device)
    if device is None:
        return through_pages(Decode, planes, specs, items, devices)
    if len(items) > 3 and len(set(frames)) == 1:
        from .resident import reconstruct

        found = reconstruct(planes, items, specs[0], devices)
        if found is not None:
            return found
    return _placed(through_pages(Decode, planes, specs, items, devices), devices)


def decode_batch(
    sources: Iterable[Source | None],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    nbytes: int,
    *,
    mode: str | None = None,
    upsample: str = "fancy",
    device: Any = None,
    always: bool = False,
) -> Iterator[tuple[int, Any]] | None:
    """(image's index, pixels) of images of one frame whose scans are decoded on the devices; None where that is the host's to do.

    It is for all where a device has no memory for one, or by `scans.chosen` of nbytes, what the scans have, unless `always`; and
    for those whose data are damaged, where None stands for pixels.
    sources: data and headers of scans of all components, of 8 bits and by Huffman codes; an iterator is read as batches fill,
    and may give None to leave an image out. The rest as for `reconstruct_batch`.
    """
    devices = local_devices(device)
    if not always and not scans.chosen(nbytes, devices):
        return None
    alone = [_alone(frame) for frame in frames]
    items = [Item(i, f, q) for i, (f, q) in enumerate(zip(alone, qtables, strict=True))]
    return scans.decode(sources, items, decode_spec(alone[0], mode, upsample), devices, device is not None)


def _placed(found: Iterator[tuple[int, np.ndarray]], devices: Devices) -> Iterator[tuple[int, jax.Array]]:
    """Pixels on the first of the devices."""
    for i, pixels in found:
        with memory_named(devices):
            there = jax.device_put(pixels, devices[0])
        yield i, there


def _reconstruct_precise(
    planes: Sequence[Sequence[np.ndarray]],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    options: DecodeOptions,
    device: Any,
) -> Iterator[tuple[int, Any]]:
    """`reconstruct_batch` with some images in floats; where uint8 is asked for, those of 8 bits may be libjpeg's."""
    floats = [i for i, frame in enumerate(frames) if options.precise(frame.precision)]
    others = [i for i, frame in enumerate(frames) if not options.precise(frame.precision)]

    def of(which: Sequence[int]) -> tuple[list, list, list]:
        return [planes[i] for i in which], [frames[i] for i in which], [qtables[i] for i in which]

    found = precise.reconstruct(*of(floats), options, local_devices(device), device is not None)
    yield from zip(floats, found, strict=True)
    if others:
        exact = reconstruct_batch(*of(others), mode=options.mode, upsample=options.upsample, device=device)
        yield from ((others[k], pixels) for k, pixels in exact)


def _reconstruct_any(
    planes: Sequence[Sequence[np.ndarray]],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    mode: str | None,
    upsample: str,
    device: Any,
) -> Iterator[tuple[int, Any]]:
    """`reconstruct_batch` with some images of 12 bits, which go one by one to the first device."""
    shallow = [i for i, frame in enumerate(frames) if frame.precision == 8]
    deep = [i for i, frame in enumerate(frames) if frame.precision != 8]

    def of(which: Sequence[int]) -> tuple[list, list, list]:
        return [planes[i] for i in which], [frames[i] for i in which], [qtables[i] for i in which]

    target = local_devices(device)[:1]
    yield from zip(deep, twelve_bit.reconstruct(*of(deep), mode, upsample, target, device is not None), strict=True)
    if shallow:
        for k, pixels in reconstruct_batch(*of(shallow), mode=mode, upsample=upsample, device=device):
            yield shallow[k], pixels
