"""Pictures of 12 bits a sample, or smoothed ones, on JAX devices: one program a frame, straight from `ops`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ...ops import decode_planes, encode_planes
from ...run.devices import Devices
from ...run.flow import Call, singly
from ...types import ColorSpace, Frame

__all__ = ["reconstruct", "sampling_of", "transform"]


def sampling_of(frame: Frame) -> tuple[tuple[int, int], ...]:
    """(h, v) of each component; a single one is never sampled down."""
    return ((1, 1),) if len(frame.components) == 1 else tuple((k.h, k.v) for k in frame.components)


def _encode(
    frame: Frame, smoothing: int, dering: bool, image: jax.Array, tables: Sequence[jax.Array]
) -> list[jax.Array]:
    planes = encode_planes(image[None], tables, sampling_of(frame), frame.color, frame.precision, smoothing, dering)
    return [p[0] for p in planes]


def _decode(
    frame: Frame, mode: str | None, upsample: str, planes: Sequence[jax.Array], tables: Sequence[jax.Array]
) -> jax.Array:
    sampling, size = sampling_of(frame), (frame.height, frame.width)
    return decode_planes(
        [p[None] for p in planes], tables, sampling, size, frame.color, mode, upsample == "fancy", frame.precision
    )[0]


def transform(
    images: Iterable[Any],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    devices: Devices,
    smoothing: int = 0,
    dering: bool = False,
) -> Iterator[list[np.ndarray]]:
    """Quantised levels of each image, [H, W] or [H, W, C]: per component int16 [rows, columns, 8, 8]. Exact.

    Images are uint16 0..4095, or uint8 for frames of 8 bits. smoothing: 0..100, and dering, as `ops.encode_planes` has
    them.
    """
    calls = zip(images, frames, qtables, strict=True)
    return singly(
        ((_encode, (frame, smoothing, dering), (image, list(tables))) for image, frame, tables in calls), devices
    )


def reconstruct(
    planes: Iterable[Sequence[np.ndarray]],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    mode: str | None,
    upsample: str,
    devices: Devices,
    stay: bool,
) -> Iterator[Any]:
    """Pixels of each image's levels: uint16 [H, W] or [H, W, C], values 0..4095, on the devices with `stay`. Exact."""

    def call(levels: Sequence[np.ndarray], frame: Frame, tables: Sequence[np.ndarray]) -> Call:
        used = 1 if mode == "L" and frame.color is ColorSpace.YCBCR else len(levels)
        inks = frame.color in (ColorSpace.CMYK, ColorSpace.YCCK)  # whose RGB is made at the end, pixel by pixel
        static = frame, None if inks or mode == "CMYK" else mode, upsample
        return _decode, static, (list(levels[:used]), list(tables[:used]))

    return singly((call(*parts) for parts in zip(planes, frames, qtables, strict=True)), devices, stay)
