"""The DFT codec: pictures to files of quantised half-spectra and back, on any JAX device.

    pixels ─▶ YCbCr ─▶ sampling ─▶ DFT of n×n blocks, packed ─▶ threshold ─▶ quantise ─▶ contexts, QM-coder ─▶ box
                                  device                                             │            host

Re and Im are quantised alike, with one step for all frequencies of a component (least squared error at a given rate) and
a dead zone: |x| becomes ⌊|x|/step + 1/3⌋, decoded a little above its multiple of the step, where the cell's mean lies.
Magnitude and phase would take 1 to 2 % fewer bits by first-order entropies (experiments/dft.py), but the signs of Re and Im,
coded under their neighbours', are worth 2 to 3 %, and one quantiser serves self-conjugate bins too.

Every image is a program run of its own on one device, whatever batch it came in and however many devices there are:
its file depends on the backend alone. Between backends levels may differ by one where rounding in the FFT decides; what a
file decodes to is integers up to that rounding as well.
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

from . import ops
from .coding.spectrum import MAX_LEVEL, decode_spectrum, encode_spectrum
from .container.box import Box, read_box, write_box
from .errors import CorruptStream, JpegError, LimitExceeded, UnsupportedJpeg
from .options import ENGINES, MAX_SIDE, Limits, check_choice, check_int
from .run.devices import Devices, local_devices
from .run.engines import pick
from .run.flow import Call, singly
from .run.threads import cores, run_parallel, submit

__all__ = ["DftOptions", "decode", "encode", "quality_step"]

KIND = "dft"
MAX_BLOCK = 128
STEPS = 1 / 16, 4096.0
"""Steps that there are, in grey levels of the unitary transform."""

_ROUNDING = 1 / 3
_ABOVE = (
    0.05,
    0.09,
    0.13,
)  # where levels 1, 2 and more are decoded above their multiple (means over photographs, not Kodak)
_NBYTES = 24  # of working memory for one sample


def quality_step(quality: int) -> float:
    """Quantiser step of a quality 1..100: 16 at 50, and scaled as IJG scales JPEG's tables."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return max(0.16 * scale, 0.16)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a program depends on. block: n, or None for the whole plane. halved: chroma 4:2:0."""

    height: int
    width: int
    channels: int
    block: int | None
    halved: bool

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each component."""
        half = (self.height + 1) // 2, (self.width + 1) // 2
        full = self.height, self.width
        return [full] + [half if self.halved else full] * (self.channels - 1)

    @property
    def shapes(self) -> list[tuple[int, int, int, int]]:
        """[R, C, n, m] of each component's levels."""
        n = self.block
        return [(1, 1, h, w) if n is None else (-(-h // n), -(-w // n), n, n) for h, w in self.sizes]


def _forward(plan: _Plan, keeps: bool, pixels: jax.Array, controls: jax.Array) -> tuple[jax.Array, ...]:
    """Levels int32 [R, C, n, m] per component of uint8 pixels [H, W] or [H, W, 3].

    controls: float32, the threshold, the fraction kept, and the components' steps. keeps: whether the fraction counts.
    """
    x = pixels.astype(jnp.float32)
    planes = [x] if plan.channels == 1 else list(jnp.moveaxis(ops.rgb_to_ycbcr_float(x), -1, 0))
    levels = []
    for c, (plane, (height, width)) in enumerate(zip(planes, plan.sizes, strict=True)):
        if (height, width) != (plan.height, plan.width):
            plane = ops.downsample_float(ops.pad_plane(plane, 2 * height, 2 * width), 2, 2)
        reals = ops.block_dft(plane - 128, plan.block)
        if keeps:
            reals = ops.keep_largest(reals, controls[1])
        reals = jnp.where(ops.bin_magnitudes(reals) >= controls[0], reals, 0)
        sizes = jnp.minimum(jnp.floor(jnp.abs(reals) / controls[2 + c] + _ROUNDING), MAX_LEVEL / 4)
        levels.append((jnp.sign(reals) * sizes).astype(jnp.int32))
    return tuple(levels)


def _backward(plan: _Plan, levels: tuple[jax.Array, ...], steps: jax.Array) -> jax.Array:
    """Pixels uint8 [H, W] or [H, W, 3] of levels; steps: float32, one a component."""
    planes = []
    for c, (q, (height, width)) in enumerate(zip(levels, plan.sizes, strict=True)):
        above = jnp.asarray((0.0, *_ABOVE), jnp.float32)[jnp.minimum(jnp.abs(q), 3)]
        reals = (q.astype(jnp.float32) + jnp.sign(q).astype(jnp.float32) * above) * steps[c]
        plane = ops.block_idft(reals, height, width) + 128
        if (height, width) != (plan.height, plan.width):
            plane = ops.upsample_float(plane, 2, 2)[: plan.height, : plan.width]
        planes.append(plane)
    x = planes[0] if plan.channels == 1 else ops.ycbcr_to_rgb_float(jnp.stack(planes, -1))
    return jnp.clip(jnp.round(x), 0, 255).astype(jnp.uint8)


def _devices(engine: str, device: Any) -> Devices:
    """The devices of an engine: host means those of the CPU."""
    check_choice("engine", engine, ENGINES)
    return local_devices("cpu" if pick(engine, device) == "host" else device)


def _number(name: str, value: Any, low: float, high: float) -> float:
    """The value as float; TypeError or ValueError naming the argument and its range."""
    if isinstance(value, (bool, str, bytes)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}={value!r}: must be a number {low:g}..{high:g}, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name}={value}: must be {low:g}..{high:g}")
    return float(value)


def _image(image: Any, name: str) -> Any:
    """The image as a NumPy or JAX array [H, W] or [H, W, 3]."""
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


@dataclass(frozen=True, slots=True)
class DftOptions:
    """Keyword arguments of `encode`, which documents them; validated when made, `step` is then a number."""

    quality: int = 75
    step: float | None = None
    keep: float | None = None
    threshold: float | None = None
    block: int | None = 16
    subsampling: str = "4:2:0"

    def __post_init__(self) -> None:
        quality = check_int("quality", self.quality, 1, 100)
        step = _number("step", quality_step(quality) if self.step is None else self.step, *STEPS)
        object.__setattr__(self, "step", step)
        if self.keep is not None:
            _number("keep", self.keep, 0, 1)
        if self.threshold is not None:
            _number("threshold", self.threshold, 0, math.inf)
        if self.block is not None and check_int("block", self.block, 2, MAX_BLOCK) % 2:
            raise ValueError(
                f"block={self.block}: must be None, for the whole picture, or an even number 2..{MAX_BLOCK}"
            )
        check_choice("subsampling", self.subsampling, ("4:2:0", "4:4:4"))

    def plan(self, shape: Sequence[int]) -> _Plan:
        """The plan of an image of this shape."""
        color = len(shape) == 3
        return _Plan(shape[0], shape[1], 3 if color else 1, self.block, color and self.subsampling == "4:2:0")

    def steps(self, plan: _Plan) -> list[float]:
        """The step of each component."""
        assert self.step is not None
        return [self.step] + [self.step if plan.halved else 2 * self.step] * (plan.channels - 1)


def encode(
    images: Any,
    *,
    quality: int = 75,
    step: float | None = None,
    keep: float | None = None,
    threshold: float | None = None,
    block: int | None = 16,
    subsampling: str = "4:2:0",
    engine: str = "auto",
    device: Any = None,
) -> bytes | list[bytes]:
    """Files of images by their half-spectra.

    images: uint8, NumPy or JAX: one image [H, W], [H, W, 1] or [H, W, 3] (RGB) gives bytes; a list of them or a batch
        [N, H, W, C] gives a list. Sides 1..65,535.
    quality: 1..100, see `quality_step`. step: the quantiser's step in grey levels of the unitary transform, 1/16..4096, in
        place of quality. It is that of luma; chroma takes as much with 4:2:0, whose samples stand for four pixels, and
        twice as much with 4:4:4.
    keep: the fraction 0..1 of each component's reals that may be coded, largest bins first. threshold: the least magnitude
        of a bin, in the unitary transform's scale, from 0 on. What they leave is quantised all the same.
    block: n for blocks of n×n samples, even, 2..128; None for the whole picture. subsampling: "4:2:0" or "4:4:4".
    engine: "xla" (the devices named, all local ones by default), "host" (those of the CPU), or "auto". device: a
        jax.Device, platform name, Mesh or Sharding.

    TypeError and ValueError name the argument, its value and what is allowed.
    """
    options = DftOptions(quality, step, keep, threshold, block, subsampling)
    single = not isinstance(images, (list, tuple)) and getattr(images, "ndim", None) != 4
    batch = [_image(images, "images")] if single else [_image(x, f"images[{i}]") for i, x in enumerate(images)]
    devices = _devices(engine, device)
    plans = [options.plan(image.shape) for image in batch]

    def call(image: Any, plan: _Plan) -> Call:
        controls = np.array([threshold or 0, 1 if keep is None else keep, *options.steps(plan)], np.float32)
        return _forward, (plan, keep is not None), (image, controls)

    levels = singly(map(call, batch, plans), devices)
    pending = [submit(_file, plan, options.steps(plan), found) for plan, found in zip(plans, levels, strict=True)]
    files = [future.result() for future in pending]
    return files[0] if single else files


def _file(plan: _Plan, steps: Sequence[float], levels: Sequence[np.ndarray]) -> bytes:
    params = struct.pack(f">BB{len(steps)}f", plan.block or 0, plan.halved, *steps)
    payloads = tuple([encode_spectrum(q) for q in levels])
    return write_box(Box(KIND, plan.height, plan.width, plan.channels, params, payloads))


def _open(data: Any, limits: Limits) -> tuple[_Plan, list[np.ndarray], np.ndarray]:
    """(plan, levels, steps) of a file."""
    box = read_box(data, limits)
    if box.kind != KIND:
        raise UnsupportedJpeg(f"a box of kind {box.kind!r}, not {KIND!r}", 5)
    if box.channels not in (1, 3):
        raise CorruptStream(f"{box.channels} channels; a DFT file has 1 or 3", 0)
    layout = struct.Struct(f">BB{box.channels}f")
    if len(box.params) != layout.size or len(box.payloads) != box.channels:
        raise CorruptStream(f"{len(box.params)} bytes of parameters and {len(box.payloads)} payloads do not fit", 0)
    block, halved, *steps = layout.unpack(box.params)
    if block == 1 or block % 2 or block > MAX_BLOCK or halved > (box.channels == 3):
        raise CorruptStream(f"blocks of {block} and sampling {halved} are none of this codec's", 0)
    if not all(STEPS[0] <= step <= 2 * STEPS[1] for step in steps):
        raise CorruptStream(f"quantiser steps {steps}", 0)
    plan = _Plan(box.height, box.width, box.channels, block or None, bool(halved))
    samples = sum(math.prod(shape) for shape in plan.shapes)
    if limits.memory is not None and _NBYTES * samples > limits.memory:
        raise LimitExceeded(f"{_NBYTES * samples} bytes to decode it; Limits.memory is {limits.memory}", 0)
    levels = [decode_spectrum(p, shape) for p, shape in zip(box.payloads, plan.shapes, strict=True)]
    return plan, levels, np.array(steps, np.float32)


def decode(data: Any, *, limits: Limits = Limits(), engine: str = "auto", device: Any = None) -> Any:
    """Pixels of files that `encode` wrote: uint8 [H, W] or [H, W, 3] (RGB).

    data: bytes or a buffer; a list of them gives a list. limits: pixels, pixels_per_byte and memory count.
    engine, device: as for `encode`; where a device is named the pixels stay there as jax.Array.

    Raises CorruptStream, UnsupportedJpeg or LimitExceeded, all JpegError; in a list the first error, with a note of its index.
    """
    if not isinstance(limits, Limits):
        raise TypeError(f"limits={limits!r}: must be a jpegjax.Limits")
    single = not isinstance(data, (list, tuple))
    files = [data] if single else list(data)
    for i, file in enumerate(files):
        if not isinstance(file, (bytes, bytearray, memoryview)):
            raise TypeError(f"data{'' if single else f'[{i}]'}: must be bytes, not {type(file).__name__}")
    devices = _devices(engine, device)

    def open_one(i: int) -> Any:
        try:
            return _open(files[i], limits)
        except JpegError as error:
            if not single:
                error.add_note(f"in data[{i}]")
            raise

    group = 2 * max(len(devices), cores())

    def calls() -> Iterator[Call]:
        for start in range(0, len(files), group):
            for plan, levels, steps in run_parallel(open_one, range(start, min(start + group, len(files)))):
                yield _backward, (plan,), (tuple(levels), steps)

    images = list(singly(calls(), devices, stay=device is not None))
    return images[0] if single else images
