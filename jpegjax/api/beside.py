"""What goes with the images that `encode` takes: gain maps, coded and put behind their files, and maps of importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..container.behind import with_gain_map
from ..options import EncodeOptions, GainMap
from ..types import Array, array_of, is_traced
from .inputs import Result

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Importance", "as_gain_maps", "as_importance", "attached", "checked"]

Maps = Sequence[GainMap | None]


def as_gain_maps(gain_map: Any, images: Sequence[Any], single: bool, options: EncodeOptions) -> Maps | None:
    """A gain map or None for each image; None where there are none at all."""
    if gain_map is None:
        return None
    if not isinstance(gain_map, GainMap) if single else not isinstance(gain_map, (list, tuple)):
        wanted = "a jpegjax.GainMap" if single else "a list of jpegjax.GainMap, one for each image"
        raise TypeError(f"gain_map: must be {wanted}, not {type(gain_map).__name__}")
    maps = [gain_map] if single else list(gain_map)
    if len(maps) != len(images):
        raise ValueError(f"gain_map: {len(maps)} given for {len(images)} images; one each is needed, or None")
    for name in ("target_bytes", "streamtype"):
        if getattr(options, name):
            raise ValueError(f"gain_map and {name}: give one of them, not both")
    for i, (one, image) in enumerate(zip(maps, images, strict=True)):
        if one is None:
            continue
        name = "gain_map" if single else f"gain_map[{i}]"
        if not isinstance(one, GainMap):
            raise TypeError(f"{name}: must be a jpegjax.GainMap or None, not {type(one).__name__}")
        shape = getattr(image, "shape", None)  # an item that is no image is an error of its own
        if shape is not None:
            (h, w), (height, width) = one.pixels.shape[:2], shape[:2]
            if abs(w * height - h * width) > width + height:
                raise ValueError(
                    f"{name}: {w}×{h} pixels have not the proportions of the image, which has {width}×{height}"
                )
    return maps


def attached(results: Sequence[Result], maps: Maps, engine: str, device: Any) -> list[Result]:
    """Results with the gain maps behind their files; errors stay as they are."""
    from ..jpeg.codec import encode

    out = list(results)
    for i, ((file, found), one) in enumerate(zip(results, maps, strict=True)):
        if one is None or not isinstance(file, bytes):
            continue
        options = EncodeOptions(quality=one.quality, subsampling="4:4:4", optimize=True)
        try:
            out[i] = with_gain_map(file, encode([one.pixels], options, engine, device, True)[0], one.metadata), found
        except ValueError as error:
            out[i] = error, ()
    return out


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
