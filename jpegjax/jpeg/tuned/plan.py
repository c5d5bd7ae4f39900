"""What is decided before any pixel is touched, for the host and for devices alike.

options ──▶ recipe, frame ──▶ Plan ──▶ groups of components, bands, rates of the first pass and, from counts, of the next
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...kernels.tuned.importance import block_factors
from ...kernels.tuned.trellis import EMPTY, Counts
from ...options import EncodeOptions
from ...types import Frame
from ..files import table_slot
from .rates import Rates, pass_rates
from .recipe import TABLES, Recipe, load_recipe, recipe_sampling

__all__ = ["TINY_PIXELS", "Plan", "chosen_recipe", "chosen_sampling", "pass_share", "sized", "tuned_frame"]

TINY_PIXELS = 1 << 14
"""Up to this, headers make progressive files the larger ones always."""
_PASS_MCUS = 512
"""MCUs that suffice to count symbols."""


def chosen_recipe(options: EncodeOptions, channels: int = 3) -> Recipe:
    """The recipe of options.tune at options.quality, which may be a pair for luma and chroma, and for its sampling."""
    tune = options.tune if isinstance(options.tune, str) else "all"
    qualities = options.quality if isinstance(options.quality, tuple) else (options.quality, options.quality)
    sampling = chosen_sampling(options, channels)
    luma, chroma = (load_recipe(tune, quality, sampling) for quality in qualities)
    if luma is chroma:
        return luma
    mixed: dict[str, Any] = {n: np.concatenate([getattr(luma, n)[:1], getattr(chroma, n)[1:]]) for n in TABLES}
    return replace(luma, **mixed)


def chosen_sampling(options: EncodeOptions, channels: int = 3) -> str:
    """The sampling whose recipe a picture takes; grey ones 4:2:0's."""
    return recipe_sampling(options.subsampling) if options.subsampling and channels == 3 else "4:2:0"


def sized(recipe: Recipe, height: int, width: int) -> Recipe:
    """The recipe for a picture of this size: in tiny files a table of its own for Cr is longer than what it saves."""
    return recipe.sharing() if height * width <= TINY_PIXELS else recipe


def tuned_frame(height: int, width: int, channels: int, recipe: Recipe, options: EncodeOptions) -> Frame:
    """The frame of a tuned file; Cb and Cr share a table where theirs are alike.

    Progressive, for Huffman files whose process the options leave open, unless tiny: the trellis reckons with its scans.
    ValueError for CMYK.
    """
    if channels not in (1, 3):
        raise ValueError(f"tune: {channels} channels; only grey and RGB pictures can be tuned")
    tiny = options.progressive is None and height * width <= TINY_PIXELS
    progressive = options.progressive is not False and not options.arithmetic and not tiny
    options = replace(options, progressive=progressive, scans=None)
    steps = recipe.steps if (recipe.steps[1] != recipe.steps[2]).any() else recipe.steps[:2]
    sampling = None if channels == 1 else options.subsampling or recipe.subsampling
    return replace(options, tune=None, refine=0, qtables=steps, subsampling=sampling).frame(height, width, channels)


def pass_share(frame: Frame) -> int:
    """All passes but the last, which only count, look at every so manieth MCU row: 1 to 4."""
    return min(max(frame.mcus[0] * frame.mcus[1] // _PASS_MCUS, 1), 4)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a picture of this frame, grey or YCbCr, is quantised by a recipe.

    The frame is progressive where the trellis is to reckon with progressive scans: then each band has an AC table of its own;
    in sequential files Cb and Cr share all tables.
    """

    frame: Frame
    recipe: Recipe

    @property
    def alone(self) -> bool:
        return len(self.frame.components) == 1

    @property
    def progressive(self) -> bool:
        return self.frame.process.progressive

    @property
    def sampling(self) -> tuple[tuple[int, int], ...]:
        """(h, v), blocks an MCU, of each component; (1, 1) for one alone."""
        return ((1, 1),) if self.alone else tuple((k.h, k.v) for k in self.frame.components)

    @property
    def mcus(self) -> tuple[int, int]:
        """Rows and columns of MCUs."""
        return self.frame.blocks(0) if self.alone else self.frame.mcus

    @property
    def compensate(self) -> bool:
        """Whether luma makes up for what coding did to chroma."""
        return any(self.recipe.compensate) and not self.alone and self.sampling[0] == (self.frame.hmax, self.frame.vmax)

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """Components that are quantised together, group by group."""
        return [(1, 2), (0,)] if self.compensate else [tuple(range(len(self.frame.components)))]

    def factors(self, components: Iterable[int]) -> dict[int, np.ndarray]:
        """What the map of importance makes of the blocks of components, uint16 [rows, columns] each; nothing without one."""
        if self.recipe.importance is None:
            return {}
        found = {c: self.sampling[c] for c in components}
        own = {
            kind: self._factors(next(c for c in found if found[c] == kind)) for kind in dict.fromkeys(found.values())
        }
        return {c: own[kind] for c, kind in found.items()}

    def _factors(self, c: int) -> np.ndarray:
        importance, frame = self.recipe.importance, self.frame
        assert importance is not None
        own = frame.components[c]
        ratios = (1, 1) if self.alone else (frame.vmax / own.v, frame.hmax / own.h)
        starts = [
            np.append((8 * ratio * np.arange(n)).astype(np.int64), side)
            for ratio, n, side in zip(ratios, frame.blocks(c), importance.shape, strict=True)
        ]
        return block_factors(importance, *starts)

    def share(self, left: int) -> int:
        """Of the rows of MCUs every so manieth counts in a pass with so many to follow."""
        return pass_share(self.frame) if left else 1

    def order(self, c: int) -> tuple[int, int]:
        """(h, v) of the groups in whose order DC is predicted: MCUs; progressive, whole rows of blocks, a row of MCUs high.

        A scan of luma's DC alone goes row by row: each block follows its left neighbour.
        """
        h, v = self.sampling[c]
        return (self.frame.blocks(c)[1] if self.progressive else h), v

    def bands(self, c: int) -> tuple[int, ...]:
        """The last zigzag index of each band of component c that is coded by itself."""
        return self.recipe.bands if self.progressive and c == 0 else (63,)

    def first_rates(self, c: int) -> Rates:
        """Of component c's first pass."""
        slot = table_slot(self.frame, c)
        ac = np.tile(self.recipe.rates[slot].astype(np.int32), (len(self.bands(c)), 1))
        ac[:, EMPTY] = 0 if self.progressive else ac[:, 0]
        return Rates(ac, self.recipe.dc_rates[slot].astype(np.int32))

    def next_rates(self, counts: Mapping[int, Counts]) -> dict[int, Rates]:
        """Of the pass behind the one that counted so many symbols of each component of a group.

        Components of one Huffman slot share DC tables, and in sequential files AC tables.
        """
        slots = {c: table_slot(self.frame, c) for c in counts}
        found = {}
        for c, slot in slots.items():
            alike = [counts[k] for k in counts if slots[k] == slot]
            ac = np.sum([k.ac for k in ([counts[c]] if self.progressive else alike)], axis=0)
            found[c] = pass_rates(Counts(ac, np.sum([k.dc for k in alike], axis=0)), self.progressive)
        return found
