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

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import attempted
from ...options import EncodeOptions
from ...run.capacity import memory_named
from ...run.devices import Devices
from ...run.threads import run_parallel
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


class _Work:
    """A picture on its way."""

    def __init__(self, image: np.ndarray, frame: Frame, recipe: Recipe):
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
    results: list[Any] = [None] * len(images)
    for group in _groups(images):

        def begun(i: int) -> _Work:
            recipe = recipes[i] if network is None else recipes[i].strengthened(STRENGTH)
            return _Work(np.ascontiguousarray(images[i]), frames[i], recipe)

        works = run_parallel(attempted(begun, stop), group)
        good = [k for k, work in enumerate(works) if isinstance(work, _Work)]
        for _ in range(options.refine):
            with memory_named(devices):
                shown = list(slopes([works[k].picture for k in good], network, devices))
            run_parallel(lambda found: works[good[found[0]]].aim(found[1]), shown)  # noqa: B023

        def written(k: int) -> bytes:
            return write_tuned(works[k].first.planes, frames[group[k]], recipes[group[k]], options)  # noqa: B023

        files = dict(zip(good, run_parallel(attempted(written, stop), good), strict=True))
        for k, i in enumerate(group):
            results[i] = files.get(k, works[k])
    return results


def _groups(images: Sequence[Any]) -> Iterator[list[int]]:
    """Numbers of pictures, so many together that memory is bounded."""
    group, pixels = list[int](), 0
    for i, image in enumerate(images):
        size = image.shape[0] * image.shape[1]
        if group and pixels + size > _PIXELS:
            yield group
            group, pixels = [], 0
        group.append(i)
        pixels += size
    if group:
        yield group
