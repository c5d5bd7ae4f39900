"""Our own calls that several benchmarks time. Runs in older checkouts too, whose rooms have other names."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

import jpegjax

__all__ = ["MODES", "TUNES", "stage_calls", "xla_calls"]

TUNES: dict[str, Any] = {
    "psnr": "psnr",
    "ms-ssim": "ms-ssim",
    "ssimulacra2": "ssimulacra2",
    "butteraugli": "butteraugli",
    "all-round": True,
}
MODES: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "4:2:0": {"subsampling": "4:2:0"},
    "4:4:0": {"subsampling": "4:4:0"},
    "4:1:1": {"subsampling": "4:1:1"},
    "grey": {},
    "optimize": {"optimize": True},
    "progressive": {"progressive": True},
    "progressive 4:4:4": {"progressive": True, "subsampling": "4:4:4"},
    "restart_rows=1": {"restart_rows": 1},
    "restart_blocks=8": {"restart_blocks": 8},
}
"""Settings by name; "grey" is for grey pictures."""


def room(name: str, former: str) -> ModuleType:
    """A module by its name in the house, or by the one that it had before the house was built."""
    try:
        return importlib.import_module(f"jpegjax.{name}")
    except ModuleNotFoundError:
        return importlib.import_module(f"jpegjax.{former}")


def _plans(images: Sequence[np.ndarray], quality: int) -> list[tuple[Any, Any]]:
    from jpegjax.options import EncodeOptions

    codec = room("jpeg.codec", "engine.codec")
    return [codec.plan(image.shape, EncodeOptions(quality=quality)) for image in images]


def _planes(blocks: Sequence[jpegjax.Coefficients]) -> list[list[np.ndarray]]:
    return [[np.ascontiguousarray(plane[0]) for plane in c.planes] for c in blocks]


def stage_calls(images: Sequence[np.ndarray], quality: int) -> dict[str, Callable[[int], object]]:
    """The host engine's halves and its fused whole; each call takes the index of a picture."""
    host = room("jpeg.host", "engine.host")
    plans = _plans(images, quality)
    files = [jpegjax.encode(image, quality=quality, engine="host") for image in images]
    blocks = [jpegjax.read_coefficients(data) for data in files]
    planes = _planes(blocks)
    return {
        "encode, whole": lambda i: jpegjax.encode(images[i], quality=quality, engine="host"),
        "encode, transform": lambda i: host.transform(images[i], *plans[i]),
        "encode, entropy": lambda i: jpegjax.write_coefficients(blocks[i]),
        "decode, whole": lambda i: jpegjax.decode(files[i], engine="host"),
        "decode, entropy": lambda i: jpegjax.read_coefficients(files[i]),
        "decode, transform": lambda i: host.reconstruct(planes[i], *plans[i]),
    }


def xla_calls(images: Sequence[np.ndarray]) -> dict[str, Callable[[], object]]:
    """The xla engine over all pictures, 4:2:0 q75: whole files, and its transform half from host memory to host memory.

    A transform's results are dropped as they come; where "kept", all live to the end, which pays for their page faults.
    """
    device = room("jpeg.device", "engine.xla")
    plans = _plans(images, 75)
    frames, tables = [p[0] for p in plans], [p[1] for p in plans]
    files = jpegjax.encode(list(images), engine="host")
    planes = _planes(jpegjax.read_coefficients(files))
    return {
        "encode, whole": lambda: jpegjax.encode(list(images), engine="xla"),
        "encode, transform": lambda: deque(device.transform_batch(images, frames, tables), maxlen=0),
        "encode, transform kept": lambda: list(device.transform_batch(images, frames, tables)),
        "decode, whole": lambda: jpegjax.decode(files, engine="xla"),
        "decode, transform": lambda: deque(device.reconstruct_batch(planes, frames, tables), maxlen=0),
        "decode, transform kept": lambda: list(device.reconstruct_batch(planes, frames, tables)),
    }
