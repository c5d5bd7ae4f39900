"""Pictures as planes of components: what this library's own codecs share around their transforms.

pixels ─▶ sampled ─▶ planes ─▶ (a codec's levels, its file) ─▶ planes ─▶ shown ─▶ pixels
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from . import ops
from .errors import CorruptStream, JpegError, LimitExceeded
from .options import ENGINES, MAX_SIDE, Limits, check_choice
from .options.checks import check_bytes
from .run.devices import Devices, local_devices
from .run.engines import pick
from .run.flow import Call, singly
from .run.threads import cores, run_parallel

__all__ = [
    "STEPS",
    "SUBSAMPLINGS",
    "Frame",
    "check_memory",
    "check_steps",
    "decoded",
    "devices_of",
    "images_of",
    "quality_step",
    "reconstructed",
    "sampled",
    "shown",
]

SUBSAMPLINGS = ("4:2:0", "4:4:4")
STEPS = 1 / 16, 4096.0
"""Quantiser steps that there are, in grey levels of an orthonormal transform."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size and components. channels: 1 (grey) or 3 (RGB outside, YCbCr inside). halved: chroma 4:2:0."""

    height: int
    width: int
    channels: int
    halved: bool

    @classmethod
    def of(cls, shape: Sequence[int], subsampling: str) -> Frame:
        """That of pixels [H, W] or [H, W, 3]."""
        color = len(shape) == 3
        return cls(shape[0], shape[1], 3 if color else 1, color and subsampling == "4:2:0")

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each component."""
        half = (self.height + 1) // 2, (self.width + 1) // 2
        full = self.height, self.width
        return [full] + [half if self.halved else full] * (self.channels - 1)

    def steps(self, step: float) -> list[float]:
        """The quantiser's step of each component by luma's: chroma takes as much where its samples stand for four pixels, and
        twice as much where they do not."""
        return [step] + [step if self.halved else 2 * step] * (self.channels - 1)


def quality_step(quality: int) -> float:
    """Quantiser step of a quality 1..100: 16 at 50, and scaled as IJG scales JPEG's tables."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return max(0.16 * scale, 0.16)


def sampled(frame: Frame, pixels: jax.Array) -> list[jax.Array]:
    """Components float32 [h, w], 0..255, of uint8 pixels [H, W] or [H, W, 3]."""
    x = pixels.astype(jnp.float32)
    planes = [x] if frame.channels == 1 else list(jnp.moveaxis(ops.rgb_to_ycbcr_float(x), -1, 0))
    return [
        plane if (h, w) == plane.shape else ops.downsample_float(ops.pad_plane(plane, 2 * h, 2 * w), 2, 2)
        for plane, (h, w) in zip(planes, frame.sizes, strict=True)
    ]


def shown(frame: Frame, planes: Sequence[jax.Array]) -> jax.Array:
    """Pixels uint8 [H, W] or [H, W, 3] of components as `sampled` gives them."""
    full = (frame.height, frame.width)
    planes = [
        plane if size == full else ops.upsample_float(plane, 2, 2)[: full[0], : full[1]]
        for plane, size in zip(planes, frame.sizes, strict=True)
    ]
    x = planes[0] if frame.channels == 1 else ops.ycbcr_to_rgb_float(jnp.stack(planes, -1))
    return jnp.clip(jnp.round(x), 0, 255).astype(jnp.uint8)


def reconstructed(levels: jax.Array, above: jax.Array) -> jax.Array:
    """Levels int32 as float32, those of magnitude 1, 2 and more moved away from 0 by above[1..3]: to their cells' means."""
    return levels.astype(jnp.float32) + jnp.sign(levels).astype(jnp.float32) * above[jnp.minimum(jnp.abs(levels), 3)]


def devices_of(engine: str, device: Any) -> Devices:
    """The devices of an engine: host means those of the CPU. ValueError for an engine that there is not."""
    check_choice("engine", engine, ENGINES)
    return local_devices("cpu" if pick(engine, device) == "host" else device)


def _image(image: Any, name: str) -> Any:
    """The image as a NumPy or JAX array [H, W] or [H, W, 3]; [H, W, 1] loses its axis. TypeError and ValueError name it."""
    if not hasattr(image, "__array__") or not hasattr(image, "dtype"):
        raise TypeError(f"{name}: must be a NumPy or JAX array of uint8, not {type(image).__name__}")
    if image.dtype != np.uint8:
        raise TypeError(f"{name}: dtype {image.dtype}; must be uint8 (values 0..255)")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"{name}: shape {image.shape}; must be [H, W], [H, W, 1] or [H, W, 3] (grey, RGB)")
    if not all(1 <= side <= MAX_SIDE for side in image.shape[:2]):
        raise ValueError(f"{name}: {image.shape[1]}×{image.shape[0]} pixels; each side must be 1..{MAX_SIDE}")
    return image if isinstance(image, jax.Array) else np.asarray(image)


def images_of(images: Any) -> tuple[list[Any], bool]:
    """Images of an argument, each a NumPy or JAX array uint8 [H, W] or [H, W, 3], and whether it was a single one.

    images: one image [H, W], [H, W, 1] or [H, W, 3], a list of them or a batch [N, H, W, C]. TypeError and ValueError name it.
    """
    if not isinstance(images, (list, tuple)) and getattr(images, "ndim", None) != 4:
        return [_image(images, "images")], True
    return [_image(x, f"images[{i}]") for i, x in enumerate(images)], False


def check_steps(steps: Sequence[float]) -> None:
    """CorruptStream for a file's quantiser steps that `STEPS` and `Frame.steps` do not give."""
    if not all(STEPS[0] <= step <= 2 * STEPS[1] for step in steps):
        raise CorruptStream(f"quantiser steps {list(steps)}", 0)


def check_memory(nbytes: int, limits: Limits) -> None:
    """LimitExceeded where decoding takes more than the limits have."""
    if limits.memory is not None and nbytes > limits.memory:
        raise LimitExceeded(f"{nbytes} bytes to decode it; Limits.memory is {limits.memory}", 0)


def decoded(
    data: Any,
    name: str,
    limits: Limits,
    devices: Devices,
    opened: Callable[[Any], T],
    call: Callable[[T], Call],
    stay: bool = False,
) -> Any:
    """Pixels of a file, or a list of those of a list.

    Args:
        data: Bytes or a buffer; a list or tuple of them.
        name: Of `data` in errors.
        limits: TypeError where they are none.
        devices: Where `call` runs, a program run for each picture: its pixels do not depend on the others.
        opened: A file's levels and what else there is to it, on the host; several at once. JpegError for one that is none.
        call: The program that makes pixels of that.
        stay: Pixels stay on their device.

    Raises:
        TypeError: What is no bytes.
        JpegError: The first file's that has one; in a list with a note of its index.
    """
    if not isinstance(limits, Limits):
        raise TypeError(f"limits={limits!r}: must be a jpegjax.Limits")
    single = not isinstance(data, (list, tuple))
    files = [data] if single else list(data)
    for i, file in enumerate(files):
        check_bytes(name if single else f"{name}[{i}]", file)

    def open_one(i: int) -> T:
        try:
            return opened(files[i])
        except JpegError as error:
            if not single:
                error.add_note(f"in {name}[{i}]")
            raise

    group = 2 * max(len(devices), cores())

    def calls() -> Iterator[Call]:
        for start in range(0, len(files), group):
            yield from map(call, run_parallel(open_one, range(start, min(start + group, len(files)))))

    images = list(singly(calls(), devices, stay=stay))
    return images[0] if single else images
