"""The door of the differentiable JPEG layer: checks what comes in, lays it out as a batch, and compiles once a shape."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args, overload

import numpy as np

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION
from ..options import MAX_SIDE, check_choice, parse_subsampling
from ..run.forks import check_jax
from ..types import Array, array_of

if TYPE_CHECKING:
    import jax
    import numpy.typing as npt

__all__ = ["simulate"]

Forward = Literal["exact", "smooth"]
Gradient = Literal["straight-through", "soft"]
FORWARD: tuple[Forward, ...] = get_args(Forward)
GRADIENT: tuple[Gradient, ...] = get_args(Gradient)
LARGEST_STEP = 65_535


class _Keywords(TypedDict, total=False):
    subsampling: str | Sequence[tuple[int, int]]
    qtables: Any
    forward: Forward
    gradient: Gradient
    exponent: int


@overload
def simulate(
    images: Array,
    quality: npt.ArrayLike | jax.Array = 75,
    *,
    bits: Literal[False] = False,
    **options: Unpack[_Keywords],
) -> jax.Array: ...
@overload
def simulate(
    images: Array, quality: npt.ArrayLike | jax.Array = 75, *, bits: Literal[True], **options: Unpack[_Keywords]
) -> tuple[jax.Array, jax.Array]: ...
def simulate(
    images: Array,
    quality: npt.ArrayLike | jax.Array = 75,
    *,
    subsampling: str | Sequence[tuple[int, int]] = "4:2:0",
    qtables: Any = None,
    forward: Forward = "exact",
    gradient: Gradient = "straight-through",
    exponent: int = 5,
    bits: bool = False,
) -> Any:
    """JPEG as a layer: what a decoder shows of images, differentiable in images, quality and tables.

    Safe under jit, vmap, grad and sharding. A NaN stays where it is, and is coded as 0. These are plain files: what `encode`
    chooses by search (tune, dering) takes no part, for choices have no gradient.

    Args:
        images: [H, W], [H, W, C] or [N, H, W, C], C 1 (grey) or 3 (RGB), sides 1..65,535, values 0..255: uint8 or floating
            point, NumPy, JAX or traced. Floats that all lie within 0..1 earn a UserWarning where they are not traced.
        quality: IJG quality 1..100, clipped when traced, a scalar or [N]. Integers take libjpeg's integer tables. Floats
            take tables without rounding, which have a gradient; exact ones those of the nearest integer with this gradient.
        subsampling: Chroma sampling: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:1:0, or cjpeg's 2x2. As for `encode`; grey
            ignores it.
        qtables: Steps 1..65,535 in natural order in place of quality, clipped when traced: [T, 8, 8] or [T, 64], or [8, 8]
            or [64] for T = 1, or [N, T, 8, 8] or [N, T, 64] per image, T 1..4. Component i takes table min(i, T − 1).
        forward: "exact" gives decode(encode(images)) bit for bit, images and tables rounded to integers. "smooth" is above
            45 dB to it at qualities 10..95: float transform, triangle filter and clamps, rounding x to
            round(x) + (x − round(x))^exponent (Shin and Song 2017, whose 3 falls short of 45 dB); pixels, colour, chroma and
            which way a coefficient near a half goes keep the encoder's integer roundings, as constants.
        gradient: "straight-through": roundings and clamps have slope 1. "soft": they have the smooth form's slopes.
        exponent: Odd, from 1; 1 does not round at all.
        bits: Also estimate the size of the files, alike for all forms and differentiable.

    Returns:
        Images of the same shape and dtype, values 0..255; smooth ones of uint8 are float32. With bits a pair of them and the
        estimate in bits, float32 [N], or a scalar for a single image.

    Raises:
        TypeError: An argument is of the wrong type. The message names it, its value and what is allowed.
        ValueError: A shape does not fit, or a value that is known (not traced) is out of range.
    """
    check_jax("simulate")
    check_choice("forward", forward, FORWARD)
    check_choice("gradient", gradient, GRADIENT)
    if not isinstance(bits, bool):
        raise TypeError(f"bits={bits!r}: must be True or False")
    try:
        power = operator.index(exponent)
    except TypeError:
        raise TypeError(f"exponent={exponent!r}: must be an odd integer from 1") from None
    if power < 1 or power % 2 == 0:
        raise ValueError(f"exponent={power}: must be an odd integer from 1")
    sampling = parse_subsampling(subsampling)
    images = _images(images)
    batch = images.shape[0] if images.ndim == 4 else None
    if images.ndim == 2 or images.shape[-1] == 1:
        sampling = ((1, 1),)
    setting = _quality(quality, batch) if qtables is None else _qtables(qtables, batch)
    return _compiled()(
        images, setting, sampling, forward == "exact", gradient == "straight-through", power, qtables is not None, bits
    )


def _images(images: Any) -> Any:
    images = array_of("images", images)
    if images.dtype != np.uint8 and not _is_float(images.dtype):
        raise TypeError(f"images: dtype {images.dtype}; must be uint8 or floating, values 0..255")
    if images.ndim not in (2, 3, 4) or (images.ndim > 2 and images.shape[-1] not in (1, 3)):
        raise ValueError(f"images: shape {images.shape}; must be [H, W], [H, W, C] or [N, H, W, C] with C 1 or 3")
    height, width = images.shape[:2] if images.ndim < 4 else images.shape[1:3]
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(f"images: {width}×{height} pixels; each side must be 1..{MAX_SIDE}")
    from ..metrics.pair import within_unit

    if within_unit(images):
        warnings.warn(
            "images: values lie within 0..1 and are taken as 0..255: multiply by 255", UserWarning, stacklevel=3
        )
    return images


def _is_float(dtype: Any) -> bool:
    import jax.numpy as jnp

    return jnp.issubdtype(dtype, jnp.floating)


def _values(name: str, value: Any, low: int, high: int) -> Any:
    """The argument as an array of int32 or float32 (float64); ValueError where values are known and out of range."""
    import jax
    import jax.numpy as jnp

    if isinstance(value, (list, tuple)):
        value = jnp.stack([jnp.asarray(x) for x in value]) if len(value) else jnp.zeros(0)
    try:
        array = jnp.asarray(value)
    except TypeError:
        raise TypeError(f"{name}: must be numbers {low}..{high}, not {type(value).__name__}") from None
    if not (_is_float(array.dtype) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"{name}: must be numbers {low}..{high}, not {array.dtype}")
    if not isinstance(array, jax.core.Tracer) and array.size:
        known = np.asarray(array, np.float64)
        if not (known.min() >= low and known.max() <= high):
            raise ValueError(f"{name}: values {known.min():g}..{known.max():g}; must be {low}..{high}")
    return array if _is_float(array.dtype) else array.astype(jnp.int32)


def _quality(quality: Any, batch: int | None) -> Any:
    array = _values("quality", quality, 1, 100)
    if array.shape not in ((), (batch,)):
        wanted = "a scalar" if batch is None else f"a scalar or [{batch}], one for each image"
        raise ValueError(f"quality: shape {array.shape}; must be {wanted}")
    return array


def _qtables(qtables: Any, batch: int | None) -> Any:
    array = _values("qtables", qtables, 1, LARGEST_STEP)
    if array.ndim and array.shape[-1] == 64:
        array = array.reshape(*array.shape[:-1], 8, 8)
    if array.ndim == 2:
        array = array[None]
    per_image = array.ndim == 4 and batch is not None and array.shape[0] == batch
    if array.shape[-2:] != (8, 8) or not (array.ndim == 3 or per_image) or not 1 <= array.shape[-3] <= 4:
        lead = "" if batch is None else f" or [{batch}, T, 8, 8]"
        raise ValueError(
            f"qtables: shape {np.shape(qtables)}; must be [T, 8, 8]{lead} (or 64 in place of 8, 8), T 1..4"
        )
    return array


@cache
def _compiled() -> Any:
    import jax

    return jax.jit(_run, static_argnums=tuple(range(2, 8)))


def _run(images: Any, setting: Any, *static: Any) -> Any:
    """`_simulated`, laid out over devices as the images are."""
    import jax

    run = partial(_simulated, static=static)
    sharding = jax.typeof(images).sharding
    mesh, spec = sharding.mesh, sharding.spec
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    explicit = tuple(name for name, kind in kinds if kind is jax.sharding.AxisType.Explicit)
    if not explicit:
        return run(images, setting)
    by_image = sharding.update(spec=jax.P(spec[0]) if images.ndim == 4 else jax.P())
    layout = (sharding, by_image) if static[-1] else sharding
    return jax.sharding.auto_axes(run, axes=explicit, out_sharding=layout)(images, setting)


def _simulated(images: Any, setting: Any, static: tuple[Any, ...]) -> Any:
    import jax.numpy as jnp

    from .. import ops

    sampling, exact, through, exponent, tables_given, bits = static
    dtype = jnp.promote_types(images.dtype, jnp.float32)
    shape = images.shape
    lead = shape[0] if len(shape) == 4 else 1
    height, width = shape[-3:-1] if len(shape) > 2 else shape
    batch = images.astype(dtype).reshape(lead, height, width, 1 if len(sampling) == 1 else 3)
    if tables_given:
        tables = jnp.clip(setting.astype(dtype), 1, LARGEST_STEP)
        steps = [tables[..., min(i, tables.shape[-3] - 1), :, :] for i in range(len(sampling))]
    else:
        bases = (LUMA_QUANTIZATION, CHROMA_QUANTIZATION, CHROMA_QUANTIZATION)[: len(sampling)]
        steps = [_steps(base.reshape(8, 8), setting, exact).astype(dtype) for base in bases]
    shown = ops.simulate_images(batch, steps, sampling, exact=exact, through=through, exponent=exponent).reshape(shape)
    shown = shown.astype(images.dtype if exact or images.dtype != jnp.uint8 else dtype)
    if not bits:
        return shown
    estimate = ops.estimate_bits(ops.encoder_coefficients(batch, steps, sampling))
    return shown, estimate if len(shape) == 4 else estimate[0]


def _steps(base: np.ndarray, quality: Any, exact: bool) -> Any:
    import jax.numpy as jnp
    from jax import lax

    from .. import ops

    if jnp.issubdtype(quality.dtype, jnp.integer):
        return ops.quality_table(base, quality)
    smooth = ops.quality_table(base, quality, rounded=False)
    if not exact:
        return smooth
    integer = ops.quality_table(base, jnp.round(quality).astype(jnp.int32)).astype(smooth.dtype)
    return smooth + lax.stop_gradient(integer - smooth)
