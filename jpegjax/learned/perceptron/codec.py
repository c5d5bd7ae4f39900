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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import ops
from ...annex_k import quality_scale
from ...errors import CorruptStream, JpegError, LimitExceeded
from ...options import MAX_SIDE, Limits, check_choice, check_int
from ...run.devices import local_devices
from ...run.flow import Call, singly
from ...run.threads import cores, run_parallel, submit
from .levels import MOST, decode_levels, encode_levels
from .network import UNIT, PerceptronSize, hidden, shown
from .streams import BITS, Header, Payload, read_stream, write_stream
from .weights import LoadedPerceptron, available, named, packed, unpacked

__all__ = ["PerceptronOptions", "decode_all", "encode_all", "quality_step", "read_levels"]

_ROUNDING = 1 / 3
_ABOVE = (0.05, 0.09, 0.13)  # where levels 1, 2 and more are decoded above their multiple, as in the DFT codec
_NBYTES = 32  # of working memory for one sample


def quality_step(quality: int) -> float:
    """Quantiser step of a quality 1..100 in grey levels: 16 at 50, and scaled as IJG scales JPEG's tables."""
    return max(0.16 * quality_scale(quality), 0.16)


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
        check_choice("subsampling", self.subsampling, ("4:2:0", "4:4:4"))
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
        color = len(shape) == 3
        return _Plan(shape[0], shape[1], 3 if color else 1, color and self.subsampling == "4:2:0", size)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a program depends on. halved: chroma 4:2:0."""

    height: int
    width: int
    channels: int
    halved: bool
    size: PerceptronSize

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each component."""
        half = (self.height + 1) // 2, (self.width + 1) // 2
        full = self.height, self.width
        return [full] + [half if self.halved else full] * (self.channels - 1)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """(rows, columns) of blocks of each component."""
        return [(-(-h // self.size.block), -(-w // self.size.block)) for h, w in self.sizes]


Weights = dict[str, Any]


def _forward(plan: _Plan, pixels: jax.Array, weights: Weights, steps: jax.Array, controls: jax.Array) -> Any:
    """Levels int32 [R, C, k] per component of uint8 pixels [H, W] or [H, W, 3].

    steps: float32 [components, k], in activations. controls: float32, what is added before rounding down, and the largest level.
    """
    x = pixels.astype(jnp.float32)
    planes = [x] if plan.channels == 1 else list(jnp.moveaxis(ops.rgb_to_ycbcr_float(x), -1, 0))
    n, levels = plan.size.block, []
    for c, (plane, (height, width), (rows, columns)) in enumerate(zip(planes, plan.sizes, plan.blocks, strict=True)):
        if (height, width) != (plan.height, plan.width):
            plane = ops.downsample_float(ops.pad_plane(plane, 2 * height, 2 * width), 2, 2)
        blocks = ops.split_blocks(ops.pad_plane(plane, rows * n, columns * n), n).reshape(rows, columns, n * n)
        a = (hidden(plan.size, weights, (blocks - UNIT) / UNIT) - weights["centre"]) / steps[c]
        found = jnp.minimum(jnp.floor(jnp.abs(a) + controls[0]), controls[1])
        levels.append((jnp.sign(a) * found).astype(jnp.int32))
    return tuple(levels)


def _backward(plan: _Plan, levels: tuple[Any, ...], weights: Weights, steps: jax.Array, above: jax.Array) -> jax.Array:
    """Pixels uint8 [H, W] or [H, W, 3] of levels. above: float32 [4], by how much levels 0, 1, 2 and more are larger."""
    n, planes = plan.size.block, []
    for c, (q, (height, width), (rows, columns)) in enumerate(zip(levels, plan.sizes, plan.blocks, strict=True)):
        moved = q.astype(jnp.float32) + jnp.sign(q).astype(jnp.float32) * above[jnp.minimum(jnp.abs(q), 3)]
        blocks = shown(plan.size, weights, weights["centre"] + moved * steps[c])
        plane = ops.merge_blocks(blocks.reshape(rows, columns, n, n))[:height, :width] * UNIT + UNIT
        if (height, width) != (plan.height, plan.width):
            plane = ops.upsample_float(plane, 2, 2)[: plan.height, : plan.width]
        planes.append(plane)
    x = planes[0] if plan.channels == 1 else ops.ycbcr_to_rgb_float(jnp.stack(planes, -1))
    return jnp.clip(jnp.round(x), 0, 255).astype(jnp.uint8)


def _floats(model: LoadedPerceptron) -> Weights:
    return {name: value.astype(np.float32) for name, value in model.arrays.items() if name not in ("reach", "grain")}


def _steps(plan: _Plan, model: LoadedPerceptron, bits: int, step: float) -> np.ndarray:
    """Float32 [components, k]: of b bits, or of a step in grey levels; of full chroma twice that, for samples stand for less."""
    if bits:
        steps = np.broadcast_to(
            model.arrays["reach"].astype(np.float32) / ((1 << bits - 1) - 1), (plan.channels, plan.size.units)
        )
        return np.ascontiguousarray(steps)
    each = np.full(plan.channels, step if plan.halved else 2 * step, np.float32)
    each[0] = step
    return each[:, None] * model.arrays["grain"].astype(np.float32)


def _pixels(image: Any, name: str) -> Any:
    """The image as a NumPy or JAX array [H, W] or [H, W, 3]. TypeError, ValueError."""
    if not hasattr(image, "__array__") or not hasattr(image, "dtype"):
        raise TypeError(f"{name}: must be a NumPy or JAX array of uint8, not {type(image).__name__}")
    if image.dtype != np.uint8:
        raise TypeError(f"{name}: dtype {image.dtype}; must be uint8 (values 0..255)")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"{name}: shape {image.shape}; must be [H, W] or [H, W, 3] (grey, RGB)")
    if not all(1 <= side <= MAX_SIDE for side in image.shape[:2]):
        raise ValueError(f"{name}: {image.shape[1]}×{image.shape[0]} pixels; each side must be 1..{MAX_SIDE}")
    return image if isinstance(image, jax.Array) else np.asarray(image)


def encode_all(
    images: Sequence[Any], options: PerceptronOptions = PerceptronOptions(), model: LoadedPerceptron | None = None
) -> list[bytes]:
    """Files of pictures.

    images: uint8 [H, W] or [H, W, 3] (RGB), NumPy or JAX, sides 1..65,535. model: default: the package's `weights.DEFAULT`.

    Raises TypeError and ValueError, which name the argument, its value and what is allowed.
    """
    model = named() if model is None else model
    if "encoder" not in model.arrays:
        raise ValueError("model: has a decoder alone")
    units = options.units_of(model.size)
    batch = [_pixels(image, f"images[{i}]") for i, image in enumerate(images)]
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
    sent = options.weights == "sent"
    header = Header(
        plan.height, plan.width, plan.channels, plan.halved, options.bits or 0, units, options.step, model.name,
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
    plan = _Plan(header.height, header.width, header.channels, header.halved, model.size)
    samples = sum(rows * columns for rows, columns in plan.blocks) * model.size.samples
    if limits.memory is not None and _NBYTES * samples > limits.memory:
        raise LimitExceeded(f"{_NBYTES * samples} bytes to decode it; Limits.memory is {limits.memory}", 0)
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
    if not isinstance(limits, Limits):
        raise TypeError(f"limits={limits!r}: must be a jpegjax.Limits")
    for i, file in enumerate(files):
        if not isinstance(file, (bytes, bytearray, memoryview)):
            raise TypeError(f"files[{i}]: must be bytes, not {type(file).__name__}")
    devices = local_devices()
    group = 2 * max(len(devices), cores())

    def open_one(i: int) -> Any:
        try:
            return _open(files[i], models, limits)
        except JpegError as error:
            error.add_note(f"in files[{i}]")
            raise

    def calls() -> Iterator[Call]:
        for start in range(0, len(files), group):
            for plan, arrays in run_parallel(open_one, range(start, min(start + group, len(files)))):
                yield _backward, (plan,), arrays

    return list(singly(calls(), devices))
