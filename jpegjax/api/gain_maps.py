"""Gain maps beside the images that `encode` takes: checked, coded, and put behind their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..container.behind import with_gain_map
from ..options import EncodeOptions, GainMap
from .inputs import Result

__all__ = ["as_gain_maps", "attached"]

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
