"""Maps of importance beside the images that `encode` takes: checked, on the host, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..options import EncodeOptions
from ..types import Array, array_of, is_traced

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Importance", "as_importance", "checked"]

Importance: TypeAlias = "Array | npt.NDArray[np.floating[Any]] | npt.NDArray[np.bool_]"
"""A map [H, W]: what errors cost where they fall."""


def as_importance(
    importance: Any, images: Sequence[Any], single: bool, options: EncodeOptions
) -> list[np.ndarray | None] | None:
    """A map float32 [H, W] or None for each image that is none of the errors among `images`; None where there are none at all.

    Raises:
        TypeError, ValueError: As `encode` says; the message names the map, and what is wrong with it.
    """
    if importance is None:
        return None
    if not options.tune:
        raise ValueError("importance: it steers the trellis of tuned files; pass tune=True too")
    if single:
        maps = [importance]
    elif isinstance(importance, (list, tuple)) or getattr(importance, "ndim", 0) == 3:
        maps = list(importance)
    else:
        raise TypeError(f"importance: must be a list of maps, one for each image, not {type(importance).__name__}")
    if len(maps) != len(images):
        raise ValueError(f"importance: {len(maps)} given for {len(images)} images; one each is needed, or None")
    found: list[np.ndarray | None] = []
    for i, (one, image) in enumerate(zip(maps, images, strict=True)):
        if not isinstance(image, Exception):
            name = "importance" if single else f"importance[{i}]"
            found.append(None if one is None else checked(one, image.shape[:2], name))
    return found


def checked(given: Any, size: tuple[int, ...], name: str) -> np.ndarray:
    """The map of an image of so many rows and columns, float32, C-contiguous; errors as for `as_importance`."""
    found = array_of(name, given)
    if is_traced(found):
        raise TypeError(f"{name}: a traced array (inside jit, grad or vmap) has no values to encode with")
    if found.dtype != np.bool_ and not np.issubdtype(found.dtype, np.floating) and found.dtype.name != "bfloat16":
        raise TypeError(
            f"{name}: dtype {found.dtype}; must be of floats, 1 for what errors cost without a map, or bool"
        )
    if found.shape != tuple(size):
        raise ValueError(f"{name}: shape {found.shape}; must be {tuple(size)}, rows and columns of its image")
    values = np.ascontiguousarray(np.asarray(found).astype(np.float32, copy=False))
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high < np.inf):
        fault = ~(np.isfinite(values) & (values >= 0))
        row, column = (int(k) for k in np.argwhere(fault)[0])
        raise ValueError(
            f"{name}: {values[row, column]} at row {row}, column {column}; values must be finite and not negative"
        )
    return values
