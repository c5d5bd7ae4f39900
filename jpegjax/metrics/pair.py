"""A picture and its reference: checked, batched, and split into channels for the metrics of this room."""

from __future__ import annotations

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ..run.forks import check_jax
from ..types import array_of

__all__ = ["LUMA", "Channel", "check_channel", "check_pair", "flatten", "pooled"]

Channel = Literal["rgb", "y", "each"]
LUMA = (0.299, 0.587, 0.114)
"""Y of BT.601 in R, G, B (T.871: full range)."""


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


def check_pair(
    reference: Any, image: Any, data_range: float, *, least: int = 1, why: str = ""
) -> tuple[jax.Array, jax.Array, jax.Array, bool]:
    """(reference, image) as `[N, H, W, C]` of their own element type, data_range as float32, and whether a batch came in.

    least: smallest height and width that the metric is defined for, and why, for the message.
    """
    check_jax("metrics")
    arrays = [_picture("reference", reference), _picture("image", image)]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"reference has shape {arrays[0].shape}, image {arrays[1].shape}; they must be the same")
    if not 0 < data_range < float("inf"):
        raise ValueError(f"data_range is {data_range}; it must be positive: 255 for uint8, 1 for images in 0..1")
    shape = arrays[0].shape
    batched = len(shape) == 4
    full = shape if batched else (1, *shape) if len(shape) == 3 else (1, *shape, 1)
    if min(full[1:3]) < least:
        raise ValueError(f"pictures of {full[1]}×{full[2]} are too small: {why} needs {least}×{least} or more")
    x, y = (jnp.asarray(array).reshape(full) for array in arrays)
    return x, y, jnp.float32(data_range), batched


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


def pooled(values: jax.Array, channels: int, channel: Channel) -> jax.Array:
    """Mean of `[N, H, W*C]` over the picture: `[N, C]` for "each", else `[N]`."""
    rows = values.reshape(*values.shape[:2], -1, channels).mean(2) if channel == "each" else values.mean(2)
    return rows.mean(1)
