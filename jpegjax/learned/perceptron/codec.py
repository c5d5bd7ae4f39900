"""Pictures to files of perceptrons' activations and back, on any JAX device.

    pixels ─▶ YCbCr ─▶ sampling ─▶ blocks ─▶ hidden units ─▶ quantise ─▶ levels ─▶ box
                               device                           │         host

By a quality, all units are quantised by the same step in grey levels of their blocks (which is least squared error at a given
rate, or weighted error where a model's grains are weighted), with a dead zone as in `jpegjax.dft`; units whose levels are all 0
go unsent. By `bits`, as in the literature: k units of 2^b − 1 levels each over the unit's own reach. One network serves all
planes.

The decoder's weights are the package's or one's own, told by name and digest; or they come with the stream, and count.
Levels are integers, and nothing else decides how they are read. A picture is a program run of its own: its file depends on the
backend alone, and so do its pixels, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import ops
from ...errors import CorruptStream
from ...options import Limits, check_choice, check_int
from ...planes import SUBSAMPLINGS, Frame, check_memory, decoded, images_of, quality_step, reconstructed, sampled
from ...planes import shown as pixels_of
from ...run.devices import local_devices
from ...run.flow import Call, singly
from ...run.threads import submit
from .levels import MOST, decode_levels, encode_levels
from .network import UNIT, PerceptronSize, hidden, shown
from .streams import BITS, Header, Payload, read_stream, write_stream
from .weights import LoadedPerceptron, available, named, packed, unpacked

__all__ = ["PerceptronOptions", "decode_all", "encode_all", "quality_step", "read_levels"]

_ROUNDING = 1 / 3
_ABOVE = (0.05, 0.09, 0.13)  # where levels 1, 2 and more are decoded above their multiple, as in the DFT codec
_NBYTES = 32  # of working memory for one sample


@dataclass(frozen=True, slots=True)
class PerceptronOptions:
    """How a picture is coded; validated when made: TypeError, ValueError name the option, its value and what is allowed.

    quality: 1..100, see `quality_step`; without bits. bits: 4..8 for each activation, no dead zone, in place of quality. units:
    the first so many, 1.. those of the model; None for all. subsampling: of chroma, "4:2:0" or "4:4:4". weights: "shared",
    told by name, or "sent" in the file.
    """

    quality: int = 50
    bits: int | None = None
    units: int | None = None
    subsampling: str = "4:2:0"
    weights: str = "shared"

    def __post_init__(self) -> None:
        check_int("quality", self.quality, 1, 100)
        if self.bits is not None:
            check_int("bits", self.bits, *BITS)
        if self.units is not None:
            check_int("units", self.units, 1, 256)
        check_choice("subsampling", self.subsampling, SUBSAMPLINGS)
        check_choice("weights", self.weights, ("shared", "sent"))

    def units_of(self, size: PerceptronSize) -> int:
        """How many units of a network are coded. ValueError where it has fewer than asked for."""
        if self.units is not None and not 1 + size.mean <= self.units <= size.units:
            raise ValueError(f"units={self.units}: must be {1 + size.mean}..{size.units}, which the model has")
        return self.units or size.units

    @property
    def step(self) -> float:
        """In grey levels; 0 where bits count."""
        return 0.0 if self.bits else quality_step(self.quality)

    def plan(self, shape: Sequence[int], size: PerceptronSize) -> _Plan:
        """The plan of an image of this shape."""
        return _Plan(Frame.of(shape, self.subsampling), size)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a program depends on."""

    frame: Frame
    size: PerceptronSize

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """(rows, columns) of blocks of each component."""
        return [(-(-h // self.size.block), -(-w // self.size.block)) for h, w in self.frame.sizes]


Weights = dict[str, Any]


def _forward(plan: _Plan, pixels: jax.Array, weights: Weights, steps: jax.Array, controls: jax.Array) -> Any:
    """Levels int32 [R, C, k] per component of uint8 pixels [H, W] or [H, W, 3].

    steps: float32 [components, k], in activations. controls: float32, what is added before rounding down, and the largest level.
    """
    n, levels = plan.size.block, []
    for c, (plane, (rows, columns)) in enumerate(zip(sampled(plan.frame, pixels), plan.blocks, strict=True)):
        blocks = ops.split_blocks(ops.pad_plane(plane, rows * n, columns * n), n).reshape(rows, columns, n * n)
        a = (hidden(plan.size, weights, (blocks - UNIT) / UNIT) - weights["centre"]) / steps[c]
        found = jnp.minimum(jnp.floor(jnp.abs(a) + controls[0]), controls[1])
        levels.append((jnp.sign(a) * found).astype(jnp.int32))
    return tuple(levels)


def _backward(plan: _Plan, levels: tuple[Any, ...], weights: Weights, steps: jax.Array, above: jax.Array) -> jax.Array:
    """Pixels uint8 [H, W] or [H, W, 3] of levels. above: float32 [4], by how much levels 0, 1, 2 and more are larger."""
    n, planes = plan.size.block, []
    for c, (q, (height, width), (rows, columns)) in enumerate(zip(levels, plan.frame.sizes, plan.blocks, strict=True)):
        blocks = shown(plan.size, weights, weights["centre"] + reconstructed(q, above) * steps[c])
        planes.append(ops.merge_blocks(blocks.reshape(rows, columns, n, n))[:height, :width] * UNIT + UNIT)
    return pixels_of(plan.frame, planes)


def _floats(model: LoadedPerceptron) -> Weights:
    return {name: value.astype(np.float32) for name, value in model.arrays.items() if name not in ("reach", "grain")}


def _steps(plan: _Plan, model: LoadedPerceptron, bits: int, step: float) -> np.ndarray:
    """Float32 [components, k]: of b bits, or of a step in grey levels; of full chroma twice that, for samples stand for less."""
    if bits:
        steps = np.broadcast_to(
            model.arrays["reach"].astype(np.float32) / ((1 << bits - 1) - 1), (plan.frame.channels, plan.size.units)
        )
        return np.ascontiguousarray(steps)
    each = np.array(plan.frame.steps(step), np.float32)
    return each[:, None] * model.arrays["grain"].astype(np.float32)


def encode_all(
    images: Sequence[Any], options: PerceptronOptions = PerceptronOptions(), model: LoadedPerceptron | None = None
) -> list[bytes]:
    """Files of pictures.

    images: uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB), NumPy or JAX, sides 1..65,535. model: default `weights.DEFAULT`.

    Raises TypeError and ValueError, which name the argument, its value and what is allowed.
    """
    model = named() if model is None else model
    if "encoder" not in model.arrays:
        raise ValueError("model: has a decoder alone")
    units = options.units_of(model.size)
    batch, _ = images_of(list(images))
    plans = [options.plan(x.shape, model.size) for x in batch]
    bits, step = options.bits or 0, options.step
    most = (1 << bits - 1) - 1 if bits else MOST
    controls = np.array([0.5 if bits else _ROUNDING, most], np.float32)
    weights = _floats(model)

    def call(image: Any, plan: _Plan) -> Call:
        return _forward, (plan,), (image, weights, _steps(plan, model, bits, step), controls)

    def file(plan: _Plan, found: Sequence[np.ndarray]) -> bytes:
        return _file(plan, options, model, [q[:, :, :units] for q in found])

    levels = singly(map(call, batch, plans), local_devices())
    return [future.result() for future in [submit(file, plan, q) for plan, q in zip(plans, levels, strict=True)]]


def _file(plan: _Plan, options: PerceptronOptions, model: LoadedPerceptron, levels: Sequence[np.ndarray]) -> bytes:
    used = np.concatenate([np.flatnonzero(q.any((0, 1))) for q in levels])
    units = max(1 + model.size.mean, 1 + int(used.max(initial=0)))
    sent, frame = options.weights == "sent", plan.frame
    header = Header(
        frame.height, frame.width, frame.channels, frame.halved, options.bits or 0, units, options.step, model.name,
        model.digest, replace(model.size, units=units) if sent else None,
    )  # fmt: skip
    payloads = [encode_levels(q[:, :, :units]) for q in levels]
    return write_stream(header, [packed(model, units), *payloads] if sent else payloads)


def _model(header: Header, payloads: Sequence[Payload], models: Sequence[LoadedPerceptron]) -> LoadedPerceptron:
    """The model of a file: its own, one of `models`, or one of the package's. CorruptStream where it is none of them."""
    if header.size is not None:
        return unpacked(header.size, *payloads[0])
    own = [model for model in models if model.digest == header.digest]
    if not own and header.model in available() and named(header.model).digest == header.digest:
        own = [named(header.model)]
    if not own:
        here = ", ".join([*available(), *(model.name for model in models)])
        raise CorruptStream(
            f"a file of model {header.model} ({header.digest.hex()}), which is not here; here: {here}", 0
        )
    return own[0]


def read_levels(
    data: bytes | memoryview, models: Sequence[LoadedPerceptron] = (), *, limits: Limits = Limits()
) -> list[np.ndarray]:
    """Levels int32 [R, C, k] of each component of a file, k all units of its network. Arguments, errors: as `decode_all`."""
    return list(_open(data, models, limits)[1][0])


def _open(data: Any, models: Sequence[LoadedPerceptron], limits: Limits) -> tuple[_Plan, tuple[Any, ...]]:
    """(plan, what `_backward` takes) of a file."""
    header, payloads = read_stream(data, limits)
    model = _model(header, payloads, models)
    plan = _Plan(Frame(header.height, header.width, header.channels, header.halved), model.size)
    check_memory(_NBYTES * sum(rows * columns for rows, columns in plan.blocks) * model.size.samples, limits)
    if not 1 <= header.units <= model.size.units:
        raise CorruptStream(f"{header.units} units; the network has 1..{model.size.units}", 0)
    levels = []
    for (payload, at), (rows, columns) in zip(payloads[-header.channels :], plan.blocks, strict=True):
        found = np.zeros((rows, columns, model.size.units), np.int32)
        found[:, :, : header.units] = decode_levels(payload, at, (rows, columns, header.units))
        levels.append(found)
    above = np.array((0.0, *((0.0,) * 3 if header.bits else _ABOVE)), np.float32)
    weights = {name: value for name, value in _floats(model).items() if not name.startswith("encoder")}
    return plan, (tuple(levels), weights, _steps(plan, model, header.bits, header.step), above)


def decode_all(
    files: Sequence[Any], models: Sequence[LoadedPerceptron] = (), *, limits: Limits = Limits()
) -> list[np.ndarray]:
    """Pixels of files that `encode_all` wrote: uint8 [H, W] or [H, W, 3] (RGB).

    files: bytes or buffers. models: of one's own that they may be of, beside the package's. limits: pixels, pixels_per_byte and
    memory count.

    Raises CorruptStream, UnsupportedJpeg or LimitExceeded, all JpegError: the first error, with a note of its index.
    """

    def opened(file: Any) -> tuple[_Plan, tuple[Any, ...]]:
        return _open(file, models, limits)

    def call(found: tuple[_Plan, tuple[Any, ...]]) -> Call:
        plan, arrays = found
        return _backward, (plan,), arrays

    images: list[np.ndarray] = decoded(list(files), "files", limits, local_devices(), opened, call)
    return images
