"""Analysis by synthesis: the encoder looks at what its file will show, and aims every coefficient anew.

levels ─▶ the picture that is shown ─▶ slope of its error by coefficients ─▶ where each should lie ─▶ trellis ─▶ levels
  ▲                                                                                                            │
  └────────────────────────────────────────────────── rounds ──────────────────────────────────────────────────┘

A trellis takes the error of a coefficient for its distance to the picture's own. But decoders clamp and filter, and a restorer
changes all of it. Near the levels that there are the error is still about a parabola over each coefficient, and its slope
tells where the lowest point is: Newton's step, with the curvature that plain decoders have. The trellis then weighs bits against
distances to those points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import attempted
from ...options import EncodeOptions
from ...run.capacity import memory_named
from ...run.devices import Devices
from ...run.threads import batches, run_parallel
from ...types import Frame
from .encode import First, first_levels, run_trellis, write_tuned
from .recipe import Recipe
from .synthesis import Network, Picture, curvatures, slopes

__all__ = ["encode_refined"]

STRENGTH = 1.4
"""Behind a network, how much more an error may cost than without rounds, in bits: of three rounds at 0.35 to 2.3 bits a pixel,
the best of 1, 1.25, 1.4, 1.5 and 2 on pictures of the validation part."""
_PIXELS = 1 << 24
"""Of the pictures that are refined together."""
_FARTHEST = 16_383
"""Largest size of 8·DCT that the trellis takes."""


class _Item(NamedTuple):
    """A picture, uint8 [H, W] or [H, W, 3], NumPy or JAX, and how it is quantised."""

    image: Any
    frame: Frame
    recipe: Recipe


class _Work:
    """A picture on its way."""

    def __init__(self, image: Any, frame: Frame, recipe: Recipe):
        image = np.ascontiguousarray(image)
        self.recipe: Recipe = recipe
        self.first: First = first_levels(image, frame, recipe)
        tables = [np.asarray(recipe.steps[c], np.float32).reshape(8, 8) for c in range(len(frame.components))]
        self.picture = Picture(image, frame, tables, self.first.planes)

    def aim(self, found: Sequence[np.ndarray]) -> None:
        """New levels, for the slopes of the error at those that there are."""
        raws = {}
        bends = curvatures(self.picture.frame)
        for c, (levels, table, slope, bend) in enumerate(
            zip(self.picture.levels, self.picture.tables, found, bends, strict=True)
        ):
            wanted = levels * table - slope * (0.5 / bend).astype(np.float32)
            raws[c] = np.clip(np.rint(8 * wanted), -_FARTHEST, _FARTHEST).astype(np.int16)
        run_trellis(self.first.plan, raws, self.first.planes, self.first.field)

    def file(self, options: EncodeOptions) -> bytes:
        return write_tuned(self.first.planes, self.picture.frame, self.recipe, options)


def encode_refined(
    images: Sequence[Any],
    frames: Sequence[Frame],
    recipes: Sequence[Recipe],
    options: EncodeOptions,
    network: Network | None,
    devices: Devices,
    stop: bool = False,
) -> list[Any]:
    """Tuned files of images, uint8 [H, W] or [H, W, 3], NumPy or JAX, after `options.refine` rounds.

    The error is that of decoded pixels, or of what the network makes of them. Pictures are shown on the devices, and quantised
    and coded on the host. Arguments otherwise as for `codec.encode_recipes`.
    """
    if network is not None:
        recipes = [recipe.strengthened(STRENGTH) for recipe in recipes]
    items = [
        (_Item(image, frame, recipe), image.shape[0] * image.shape[1])
        for image, frame, recipe in zip(images, frames, recipes, strict=True)
    ]
    results = list[Any]()
    for group in batches(items, _PIXELS):
        results += _refined(group, options, network, devices, stop)
    return results


def _refined(
    items: Sequence[_Item], options: EncodeOptions, network: Network | None, devices: Devices, stop: bool
) -> list[Any]:
    """The files of pictures that are refined together."""
    begun = run_parallel(attempted(lambda item: _Work(*item), stop), items)
    works = [work for work in begun if isinstance(work, _Work)]
    for _ in range(options.refine):
        with memory_named(devices):
            shown = [found for _, found in slopes([work.picture for work in works], network, devices)]
        run_parallel(lambda pair: pair[0].aim(pair[1]), list(zip(works, shown, strict=True)))
    files = iter(run_parallel(attempted(lambda work: work.file(options), stop), works))
    return [next(files) if isinstance(work, _Work) else work for work in begun]
