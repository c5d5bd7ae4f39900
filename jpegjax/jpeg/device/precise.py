"""Coefficients to pixels in floats on JAX devices: one program a frame, straight from `ops`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ...kernels.precise.points import points_of
from ...ops import precise_pixels, precise_planes
from ...ops.planes import sampling_ratios
from ...ops.sampling import is_fancy
from ...options import DecodeOptions
from ...run.devices import Devices
from ...run.flow import Call, singly
from ...types import ColorSpace, Frame
from .twelve_bit import sampling_of

__all__ = ["reconstruct"]


def _decode(
    frame: Frame,
    mode: str | None,
    fancy: bool,
    layout: tuple[str, float],
    planes: Sequence[jax.Array],
    tables: Sequence[jax.Array],
    shifts: Sequence[jax.Array],
) -> jax.Array:
    size = frame.height, frame.width
    channels = precise_planes(
        [p[None] for p in planes], tables, shifts, sampling_of(frame), size, fancy, frame.precision, clipped=True
    )
    return precise_pixels(channels, frame.color, mode, frame.precision, *layout)[0]


def reconstruct(
    planes: Iterable[Sequence[np.ndarray]],
    frames: Sequence[Frame],
    qtables: Sequence[Sequence[np.ndarray]],
    options: DecodeOptions,
    devices: Devices,
    stay: bool,
) -> Iterator[Any]:
    """Pixels of each image's levels as `options` want them, on the devices with `stay`; RGB of inks too.

    planes: as for `reconstruct_batch`, of all components, whose statistics count even where the picture is grey.
    """

    def call(levels: Sequence[np.ndarray], frame: Frame, tables: Sequence[np.ndarray]) -> Call:
        dtype, scale = options.layout(frame.precision)
        used = 1 if options.mode == "L" and frame.color is ColorSpace.YCBCR else len(levels)
        fancy, filtered = options.upsample == "fancy", []
        for c, (h, v) in enumerate(sampling_ratios(sampling_of(frame))[:used]):
            grows = fancy and is_fancy(h, v, frame.samples(c)[1])
            filtered.append((grows and h == 2, grows and v == 2))
        shifts = [s.astype(np.float32) for s in points_of(levels, options.reconstruction, filtered)]
        static = frame, options.mode, fancy, (dtype.name, scale)
        return _decode, static, (list(levels[:used]), list(tables[:used]), shifts)

    return singly((call(*parts) for parts in zip(planes, frames, qtables, strict=True)), devices, stay)
