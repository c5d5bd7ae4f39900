"""A picture and its reference: checked, batched, padded to one of few sizes, and split into channels for this room.

XLA compiles for each shape. Single pictures that the host holds are therefore padded to one of `CANVASES`, their last row and
column repeated, and their true size goes along as numbers: 12 programs a metric serve every size. Traced arrays, batches and
what lies on an accelerator keep their own shape. What is padded never counts in a value.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..run.forks import check_jax
from ..types import array_of

__all__ = [
    "LUMA", "NARROW_CANVAS", "Channel", "Pair", "as_rgb", "check_channel", "check_pair", "check_range", "extended", "fitted",
    "flatten", "halved", "held", "on_canvas", "pooled", "within", "within_unit",
]  # fmt: skip

Channel = Literal["rgb", "y", "each"]
LUMA = (0.299, 0.587, 0.114)
"""Y of BT.601 in R, G, B (T.871: full range)."""

CANVASES = (
    (128, 256), (256, 128), (256, 256), (512, 512), (512, 768), (768, 512), (128, 4096), (4096, 128), (1024, 1024),
    (1536, 2048), (2048, 1536), (4096, 4096),
)  # fmt: skip
"""(height, width) that pictures are padded to, by area. Multiples of 128, so that they can be halved five times and more."""
NARROW, NARROW_CANVAS = 112, 128
"""Pictures with a side up to 112 have canvases of their own, with one of 128: SSIMULACRA2 scores them by other weights."""
_LARGE, _SPARSE = 1 << 22, 8

Size = jax.Array | np.ndarray | None
"""int32 (height, width) of what counts in a padded array, which may be traced; None where all of it does."""


class Pair(NamedTuple):
    """reference and image as `[N, H, W, C]` of their own element type; size: see `Size`; batched: whether N came in."""

    reference: Any
    image: Any
    peak: Any
    size: Size
    batched: bool


def _picture(name: str, given: Any) -> Any:
    array = array_of(name, given)
    kind = array.dtype
    if kind not in (np.uint8, np.uint16) and not jnp.issubdtype(kind, jnp.floating):
        raise TypeError(f"{name} has element type {kind}; metrics take uint8, uint16 or floating point")
    if array.ndim not in (2, 3, 4):
        raise ValueError(f"{name} has shape {array.shape}; metrics take HW, HWC or NHWC")
    if array.ndim > 2 and array.shape[-1] not in (1, 3):
        raise ValueError(f"{name} has {array.shape[-1]} channels (shape {array.shape}); metrics take 1, or 3 in RGB")
    if 0 in array.shape:
        raise ValueError(f"{name} is empty: shape {array.shape}")
    if isinstance(array, np.ndarray) and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return array


def held(array: Any) -> bool:
    """Whether the host holds the array: NumPy's, or JAX's on a single CPU device and not traced."""
    if isinstance(array, jax.core.Tracer) or not isinstance(array, jax.Array):
        return isinstance(array, np.ndarray)
    devices = array.devices()
    return len(devices) == 1 and next(iter(devices)).platform == "cpu"


def within_unit(*arrays: Any) -> bool:
    """Whether all arrays are floating point, can be looked at (are not traced) and lie within 0..1, and not all are 0."""
    if not all(jnp.issubdtype(a.dtype, jnp.floating) and not isinstance(a, jax.core.Tracer) for a in arrays):
        return False
    ends = [(float(jax.device_get(a.min())), float(jax.device_get(a.max()))) for a in arrays]
    return all(low >= 0 and high <= 1 for low, high in ends) and any(high > 0 for _, high in ends)


def check_range(data_range: float | None, *arrays: Any) -> float:
    """data_range, or where it is None what the arrays' element types say: 255 for uint8 and floating point.

    ValueError for uint16, which says nothing, and for a range that is not positive. UserWarning where the range was not
    given and floating point samples that are not traced all lie within 0..1.
    """
    if data_range is None:
        if any(array.dtype == np.uint16 for array in arrays):
            raise ValueError("data_range: must be given for uint16: 4095 for 12 bits, 65535 for 16")
        if within_unit(*arrays):
            message = "samples lie within 0..1 and are taken as 0..255: give data_range=1, or 255 if they are so dark"
            warnings.warn(message, UserWarning, stacklevel=5)
        return 255.0
    if not 0 < data_range < float("inf"):
        raise ValueError(f"data_range is {data_range}; it must be positive: 255 for uint8, 1 for images in 0..1")
    return data_range


def _canvas(height: int, width: int) -> tuple[int, int] | None:
    """The smallest that holds a picture of this size, or None: none does, or it would be large and nearly empty."""
    narrow = min(height, width) <= NARROW
    for tall, wide in CANVASES:
        if tall >= height and wide >= width and (min(tall, wide) == NARROW_CANVAS) == narrow:
            area = tall * wide
            return None if area > _LARGE and area > _SPARSE * height * width else (tall, wide)
    return None


def on_canvas(picture: np.ndarray, canvas: tuple[int, ...] | None = None) -> tuple[np.ndarray, Size]:
    """(`[H, W, C]` with its last row and column repeated up to a canvas, its size), or (the picture, None) where none fits."""
    height, width = picture.shape[:2]
    canvas = canvas or _canvas(height, width)
    if canvas is None:
        return picture, None
    size = np.array((height, width), np.int32)
    if (height, width) == canvas:
        return picture, size
    padded = np.empty((*canvas, *picture.shape[2:]), picture.dtype)
    padded[:height, :width] = picture
    padded[:height, width:] = picture[:, -1:]
    padded[height:] = padded[height - 1]
    return padded, size


def check_pair(
    reference: Any, image: Any, data_range: float | None, *, least: int = 1, why: str = "", padded: bool = True
) -> Pair:
    """What metrics compute with, from what they are given.

    data_range: see `check_range`. least: smallest height and width that the metric is defined for, and why, for the message.
    padded: single pictures that the host holds go on a canvas.
    """
    check_jax("metrics")
    arrays = [_picture("reference", reference), _picture("image", image)]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"reference has shape {arrays[0].shape}, image {arrays[1].shape}; they must be the same")
    peak = np.float32(check_range(data_range, *arrays))
    shape = arrays[0].shape
    batched = len(shape) == 4
    full = shape if batched else (1, *shape) if len(shape) == 3 else (1, *shape, 1)
    if min(full[1:3]) < least:
        raise ValueError(f"pictures of {full[1]}×{full[2]} are too small: {why} needs {least}×{least} or more")
    if not batched and all(map(held, arrays)):
        a, b = (np.asarray(array).reshape(full[1:]) for array in arrays)
        size = None
        if padded:
            (a, size), (b, _) = on_canvas(a), on_canvas(b)
        return Pair(a[None], b[None], peak, size, False)
    x, y = (jnp.asarray(array).reshape(full) for array in arrays)
    return Pair(x, y, peak, None, batched)


def as_rgb(images: Any) -> Any:
    """`[N, H, W, 3]` of pictures of one channel or three."""
    if images.shape[3] == 3:
        return images
    return (np if isinstance(images, np.ndarray) else jnp).broadcast_to(images, (*images.shape[:3], 3))


def fitted(image: Any, planes: tuple[int, ...], size: Any, batched: bool) -> Any:
    """`[N, H, W, C]` on the canvas of a reference kept as planes of this shape, `[3, H, W]`, batched `[N, 3, H, W]`, which
    count up to size; ValueError where the image is of another."""
    needed = (*image.shape[: int(batched)], 3, *image.shape[1:3])
    theirs = planes
    if size is not None:
        theirs = needed if isinstance(size, jax.core.Tracer) else (3, *size.tolist())
    if theirs != needed or (size is not None and batched):
        raise ValueError(f"reference has planes of shape {theirs}, image needs {needed}")
    if size is None:
        return image
    if held(image):
        return on_canvas(np.asarray(image)[0], planes[-2:])[0][None]
    margins = [(0, 0), *((0, c - s) for c, s in zip(planes[-2:], image.shape[1:3], strict=True)), (0, 0)]
    return jnp.pad(image, margins, mode="edge")


def check_channel(channel: Channel) -> None:
    """ValueError unless `channel` is one of the three forms."""
    if channel not in get_args(Channel):
        raise ValueError(f'channel is {channel!r}; it must be "rgb", "y" or "each"')


def flatten(image: jax.Array, channel: Channel) -> tuple[jax.Array, int]:
    """float32 `[N, H, W*C]` of `[N, H, W, C]`, and C: 1 where luma is asked for. Neighbours in x are C apart."""
    n, height, width, channels = image.shape
    if channel == "y" and channels == 3:
        r, g, b = jnp.moveaxis(image, -1, 0).astype(jnp.float32)  # planes first: reads a channel apart are slow in sums
        return LUMA[0] * r + LUMA[1] * g + LUMA[2] * b, 1
    return image.astype(jnp.float32).reshape(n, height, width * channels), channels


def within(values: jax.Array, size: Size, step: int = 1) -> jax.Array:
    """`[..., H, W*step]` with 0 in place of what lies outside a size."""
    if size is None:
        return values
    height, width = values.shape[-2:]
    inside = (np.arange(height) < size[0])[:, None] & (np.arange(width) < size[1] * step)
    return jnp.where(inside, values, 0)


def extended(planes: jax.Array, size: Size) -> jax.Array:
    """`[..., H, W, C]` whose last row and column of a size are repeated to the ends."""
    if size is None:
        return planes
    for axis in (-3, -2):
        length, last = planes.shape[axis], lax.dynamic_slice_in_dim(planes, size[axis + 3] - 1, 1, axis)
        beyond = np.arange(length).reshape(-1, *[1] * (-axis - 1)) >= size[axis + 3]
        planes = jnp.where(beyond, last, planes)
    return planes


def halved(size: Size) -> Size:
    """The size of 2×2 means, an odd last row or column counting alone."""
    return None if size is None else (size + 1) // 2


def pooled(values: jax.Array, channels: int, channel: Channel, size: Size = None) -> jax.Array:
    """Mean of `[N, H, W*C]` over the picture: `[N, C]` for "each", else `[N]`."""
    if size is None:
        rows = values.reshape(*values.shape[:2], -1, channels).mean(2) if channel == "each" else values.mean(2)
        return rows.mean(1)
    count = (size[0] * size[1]).astype(jnp.float32)
    values = within(values, size, channels)
    if channel == "each":
        return values.reshape(*values.shape[:2], -1, channels).sum(2).sum(1) / count
    return values.sum(2).sum(1) / (count * channels)
