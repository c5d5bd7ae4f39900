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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import ops
from .coding.spectrum import MAX_LEVEL, decode_spectrum, encode_spectrum
from .container.box import Box, read_box, write_box
from .errors import CorruptStream, UnsupportedJpeg
from .options import Limits, check_choice, check_int, check_number
from .planes import (
    STEPS,
    SUBSAMPLINGS,
    Frame,
    check_memory,
    check_steps,
    decoded,
    devices_of,
    images_of,
    quality_step,
    reconstructed,
    sampled,
    shown,
)
from .run.flow import Call, singly
from .run.threads import submit

__all__ = ["DftOptions", "decode", "encode", "quality_step"]

KIND = "dft"
MAX_BLOCK = 128

_ROUNDING = 1 / 3
_ABOVE = (
    0.05,
    0.09,
    0.13,
)  # where levels 1, 2 and more are decoded above their multiple (means over photographs, not Kodak)
_NBYTES = 24  # of working memory for one sample


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a program depends on. block: n, or None for the whole plane."""

    frame: Frame
    block: int | None

    @property
    def shapes(self) -> list[tuple[int, int, int, int]]:
        """[R, C, n, m] of each component's levels."""
        n = self.block
        return [(1, 1, h, w) if n is None else (-(-h // n), -(-w // n), n, n) for h, w in self.frame.sizes]


def _forward(plan: _Plan, keeps: bool, pixels: jax.Array, controls: jax.Array) -> tuple[jax.Array, ...]:
    """Levels int32 [R, C, n, m] per component of uint8 pixels [H, W] or [H, W, 3].

    controls: float32, the threshold, the fraction kept, and the components' steps. keeps: whether the fraction counts.
    """
    levels = []
    for c, plane in enumerate(sampled(plan.frame, pixels)):
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
    for c, (q, size) in enumerate(zip(levels, plan.frame.sizes, strict=True)):
        reals = reconstructed(q, jnp.asarray((0.0, *_ABOVE), jnp.float32)) * steps[c]
        planes.append(ops.block_idft(reals, *size) + 128)
    return shown(plan.frame, planes)


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
        step = check_number("step", quality_step(quality) if self.step is None else self.step, *STEPS)
        object.__setattr__(self, "step", step)
        if self.keep is not None:
            check_number("keep", self.keep, 0, 1)
        if self.threshold is not None:
            check_number("threshold", self.threshold, 0, math.inf)
        if self.block is not None and check_int("block", self.block, 2, MAX_BLOCK) % 2:
            raise ValueError(
                f"block={self.block}: must be None, for the whole picture, or an even number 2..{MAX_BLOCK}"
            )
        check_choice("subsampling", self.subsampling, SUBSAMPLINGS)

    def plan(self, shape: Sequence[int]) -> _Plan:
        """The plan of an image of this shape."""
        return _Plan(Frame.of(shape, self.subsampling), self.block)

    def steps(self, plan: _Plan) -> list[float]:
        """The step of each component."""
        assert self.step is not None
        return plan.frame.steps(self.step)


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
    batch, single = images_of(images)
    devices = devices_of(engine, device)
    plans = [options.plan(image.shape) for image in batch]

    def call(image: Any, plan: _Plan) -> Call:
        controls = np.array([threshold or 0, 1 if keep is None else keep, *options.steps(plan)], np.float32)
        return _forward, (plan, keep is not None), (image, controls)

    levels = singly(map(call, batch, plans), devices)
    pending = [submit(_file, plan, options.steps(plan), found) for plan, found in zip(plans, levels, strict=True)]
    files = [future.result() for future in pending]
    return files[0] if single else files


def _file(plan: _Plan, steps: Sequence[float], levels: Sequence[np.ndarray]) -> bytes:
    params = struct.pack(f">BB{len(steps)}f", plan.block or 0, plan.frame.halved, *steps)
    payloads = tuple([encode_spectrum(q) for q in levels])
    frame = plan.frame
    return write_box(Box(KIND, frame.height, frame.width, frame.channels, params, payloads))


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
    check_steps(steps)
    plan = _Plan(Frame(box.height, box.width, box.channels, bool(halved)), block or None)
    check_memory(_NBYTES * sum(math.prod(shape) for shape in plan.shapes), limits)
    levels = [decode_spectrum(p, shape) for p, shape in zip(box.payloads, plan.shapes, strict=True)]
    return plan, levels, np.array(steps, np.float32)


def decode(data: Any, *, limits: Limits = Limits(), engine: str = "auto", device: Any = None) -> Any:
    """Pixels of files that `encode` wrote: uint8 [H, W] or [H, W, 3] (RGB).

    data: bytes or a buffer; a list of them gives a list. limits: pixels, pixels_per_byte and memory count.
    engine, device: as for `encode`; where a device is named the pixels stay there as jax.Array.

    Raises CorruptStream, UnsupportedJpeg or LimitExceeded, all JpegError; in a list the first error, with a note of its index.
    """

    def opened(file: Any) -> tuple[_Plan, list[np.ndarray], np.ndarray]:
        return _open(file, limits)

    def call(found: tuple[_Plan, list[np.ndarray], np.ndarray]) -> Call:
        plan, levels, steps = found
        return _backward, (plan,), (tuple(levels), steps)

    return decoded(data, "data", limits, devices_of(engine, device), opened, call, stay=device is not None)
