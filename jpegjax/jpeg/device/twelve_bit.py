"""Pictures of 12 bits a sample on a JAX device: one program a frame, straight from `ops`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ...ops import decode_planes, encode_planes
from ...types import ColorSpace, Frame

__all__ = ["reconstruct", "transform"]

_PROGRAMS = 64


def _sampling(frame: Frame) -> tuple[tuple[int, int], ...]:
    """(h, v) of each component; a single one is never sampled down."""
    return ((1, 1),) if len(frame.components) == 1 else tuple((k.h, k.v) for k in frame.components)


@lru_cache(maxsize=_PROGRAMS)
def _encoder(frame: Frame) -> Any:
    sampling = _sampling(frame)
    return jax.jit(lambda image, tables: encode_planes(image[None], tables, sampling, frame.color, frame.precision))


@lru_cache(maxsize=_PROGRAMS)
def _decoder(frame: Frame, mode: str | None, upsample: str) -> Any:
    sampling, size = _sampling(frame), (frame.height, frame.width)

    def run(planes: Sequence[jax.Array], tables: Sequence[jax.Array]) -> jax.Array:
        return decode_planes(
            [p[None] for p in planes], tables, sampling, size, frame.color, mode, upsample == "fancy", frame.precision
        )[0]

    return jax.jit(run)


def transform(image: Any, frame: Frame, qtables: Sequence[np.ndarray], device: jax.Device) -> list[np.ndarray]:
    """Quantised levels of one image, uint16 [H, W] or [H, W, C]: per component int16 [rows, columns, 8, 8]. Exact."""
    arguments = jax.device_put((image, list(qtables)), device)
    return [np.asarray(p)[0] for p in jax.device_get(_encoder(frame)(*arguments))]


def reconstruct(
    planes: Sequence[np.ndarray],
    frame: Frame,
    qtables: Sequence[np.ndarray],
    mode: str | None,
    upsample: str,
    device: jax.Device,
) -> jax.Array:
    """Pixels of one image's levels on the device: uint16 [H, W] or [H, W, C], values 0..4095. Exact."""
    used = 1 if mode == "L" and frame.color is ColorSpace.YCBCR else len(planes)
    mode = None if mode == "CMYK" else mode
    arguments = jax.device_put((list(planes[:used]), list(qtables[:used])), device)
    return _decoder(frame, mode, upsample)(*arguments)
