"""Recipes: the integers that decide how a tuned file is made, one set for each tune, quality and sampling.

data/<tune>.npz ──▶ load_recipe(tune, quality, sampling) ──▶ Recipe ──▶ the tuned encoders of both engines
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...annex_k import (
    CHROMA_QUANTIZATION,
    STANDARD_AC_CHROMA,
    STANDARD_AC_LUMA,
    STANDARD_DC_CHROMA,
    STANDARD_DC_LUMA,
)
from ...kernels.tuned.network import Network
from ...types import HuffmanSpec

__all__ = ["NO_FIELD", "SAMPLINGS", "TABLES", "Recipe", "load_recipe", "recipe_sampling", "standard_rates"]

SAMPLINGS = "4:2:0", "4:2:2", "4:4:4"
"""Those with recipes of their own; 4:4:0 has 4:2:2's with chroma transposed, all others have 4:2:0's."""

NO_FIELD = (0, 234, 64, 0, 0, 0, 0, 0, 0)
"""`Recipe.field` of a picture whose blocks all count alike."""
_LARGEST = {"steps": 255, "weights": 8191, "rates": 65_535, "dc_rates": 65_535}
TABLES = {"steps": (3, 64), "weights": (3, 64), "rates": (2, 256), "dc_rates": (2, 12)}
"""Shapes of a recipe's tables; luma comes first in each."""
_UNSEEN_BITS = 16
_LEARNED = ("ssimulacra2",)
"""Tunes whose field the network takes part in."""


def _symbol_bits(spec: HuffmanSpec) -> np.ndarray:
    """Bits of each symbol with its value bits, 16 and the value bits for symbols without a code: float64 [256]."""
    bits = np.full(256, _UNSEEN_BITS, np.float64)
    bits[list(spec.symbols)] = np.repeat(np.arange(1, 17), list(spec.counts))
    return bits + np.arange(256) % 16


@lru_cache(maxsize=1)
def standard_rates() -> tuple[np.ndarray, np.ndarray]:
    """Bits of Annex K's symbols: float64 ([2, 256] AC, [2, 12] DC), luma and chroma."""
    ac = np.stack([_symbol_bits(STANDARD_AC_LUMA), _symbol_bits(STANDARD_AC_CHROMA)])
    dc = np.stack([_symbol_bits(STANDARD_DC_LUMA), _symbol_bits(STANDARD_DC_CHROMA)])[:, :12]
    return ac, dc


@dataclass(frozen=True, eq=False)
class Recipe:
    """What both engines execute for one image.

    steps: uint16 [3, 64], natural order, 1..255: tables of Y, Cb and Cr.
    weights: uint16 [3, 64], natural order, 0..8191, 6 fractional bits: what a squared error of one step costs, in bits
        (index 0: DC).
    rates: uint16 [2, 256], 7 fractional bits: what AC symbols of luma and chroma cost in the first pass, value bits
        included.
    dc_rates: uint16 [2, 12], 7 fractional bits: what DC categories cost in the first pass.
    field: (power, c, w0, w1, w2, w3, share, middle, drawn) of `field.strength_field`; power and drawn 0 for none.
    chroma: "box" averages as libjpeg, "lsq" fits the decoder's triangle filter.
    compensate: how much of an error in Cb and Cr luma makes up for, 256 is 1: (122, 59) for all that it adds to
        brightness, (0, 0) for nothing. passes: trellis passes, each with the code
        lengths of the one before. subsampling: where the caller names none. bands: the last zigzag index of each band
        of luma that the trellis takes to be coded by itself in progressive files, rising to 63. network: what it adds to
        the field where that has a power, None for nothing. dering: let samples of luma at the range's ends overshoot.
    importance: float32 [H, W] of the image's size, what errors cost where they fall, as a multiple; None for 1 everywhere.
    """

    steps: np.ndarray
    weights: np.ndarray
    rates: np.ndarray
    dc_rates: np.ndarray
    field: tuple[int, ...] = NO_FIELD
    chroma: str = "box"
    compensate: tuple[int, int] = (0, 0)
    passes: int = 2
    subsampling: str = "4:2:0"
    bands: tuple[int, ...] = (2, 9, 63)
    network: Network | None = None
    dering: bool = True
    importance: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, shape in TABLES.items():
            given = np.asarray(getattr(self, name))
            if given.shape != shape or given.dtype.kind not in "iu":
                raise ValueError(f"{name}: {given.dtype} {given.shape}; must be integers {shape}")
            low = int(name == "steps")
            if given.min() < low or given.max() > _LARGEST[name]:
                raise ValueError(f"{name}: values {given.min()}..{given.max()}; must be {low}..{_LARGEST[name]}")
            array = given.astype(np.uint16)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "field", tuple(int(x) for x in self.field))
        power, c, *weights, share, middle, drawn = self.field if len(self.field) == 9 else (0,) * 9
        if not (c >= 1 and all(0 <= x <= 255 for x in (power, *weights, share, drawn)) and 0 <= middle <= 16_383):
            raise ValueError(
                f"field={self.field!r}: must be power, c >= 1, four weights, share, middle to 16383, drawn; others to 255"
            )
        if (power or drawn) and not 0 < sum(weights) * ((1 << 24) // c) < 1 << 31:
            raise ValueError(f"field={self.field!r}: one weight must be above 0, and their sum over c below 128")
        object.__setattr__(self, "compensate", tuple(int(x) for x in self.compensate))
        if len(self.compensate) != 2 or not all(0 <= x <= 255 for x in self.compensate):
            raise ValueError(f"compensate={self.compensate!r}: must be two gains 0..255")
        if self.chroma not in ("box", "lsq"):
            raise ValueError(f"chroma={self.chroma!r}: must be 'box' or 'lsq'")
        object.__setattr__(self, "bands", tuple(int(k) for k in self.bands))
        if [*self.bands] != sorted({*self.bands} | {63}) or self.bands[0] < 1:
            raise ValueError(f"bands={self.bands!r}: must rise from 1 or more to 63")
        if self.passes < 1:
            raise ValueError(f"passes={self.passes}: must be at least 1")

    @classmethod
    def from_floats(cls, steps: Any, weights: Any, rates: Any = None, dc_rates: Any = None, **others: Any) -> Recipe:
        """A recipe of rounded and clipped numbers.

        steps: [3, 64]. weights: [3, 64], bits per squared step. rates, dc_rates: [2, 256] and [2, 12], bits, Annex K's
        code lengths by default. others: the remaining fields as they are.
        """
        ac, dc = standard_rates()

        def fixed(values: Any, one: int, low: int, high: int) -> np.ndarray:
            return np.clip(np.rint(np.asarray(values, np.float64) * one), low, high).astype(np.uint16)

        return cls(
            fixed(steps, 1, 1, 255), fixed(weights, 64, 0, 8191), fixed(ac if rates is None else rates, 128, 0, 65_535),
            fixed(dc if dc_rates is None else dc_rates, 128, 0, 65_535), **others,
        )  # fmt: skip

    def sharing(self) -> Recipe:
        """This recipe with one table for Cb and Cr, the geometric mean of theirs, and errors that cost what they did."""
        own = self.steps[1:].astype(np.int64)
        square = own[0] * own[1]
        mean = np.floor(np.sqrt(square)).astype(np.int64)
        mean += square > mean * (mean + 1)
        weights = np.minimum((self.weights[1:] * mean**2 + own**2 // 2) // own**2, _LARGEST["weights"])
        return replace(
            self, steps=np.stack([self.steps[0], mean, mean]), weights=np.concatenate([self.weights[:1], weights])
        )

    def strengthened(self, factor: float) -> Recipe:
        """This recipe with errors that cost so many times as much: larger files by the same tables."""
        return replace(self, weights=np.minimum(np.rint(self.weights * factor), _LARGEST["weights"]).astype(np.uint16))


_U, _V = np.meshgrid(np.arange(8), np.arange(8))
_R = (_U + _V).reshape(64) / 14


def _built_in(tune: str, quality: float) -> Recipe:
    """A recipe by formula, for tunes without data."""
    scale = max(50 / quality if quality < 50 else 2 - quality / 50, 0)
    r = _R
    if tune == "psnr":
        d = max(0.8, 20 * scale**0.9)
        luma = d * (1 + 0.28 * r)
        gain = 3.63 * (0.3 / 3.63) ** (r * 0.9)  # energy of a chroma basis after triangle upsampling
        weight = np.stack([np.ones(64), 1.086 * gain, 0.825 * gain])
        steps = np.stack([luma, *(d / np.sqrt(w) * 1.1 for w in weight[1:])])
        steps = np.clip(np.rint(steps), 1, 255)
        return Recipe.from_floats(steps, weight * steps**2 / (0.1 * d * d), chroma="lsq", compensate=(122, 59))
    d = 4.5 * (2 * scale) ** 0.85
    luma = np.maximum(d * (1 + 7.85 * r**0.784), 1)
    luma[0] *= 0.84
    if tune == "ms-ssim":
        chroma = np.maximum(CHROMA_QUANTIZATION * (2 * d / 17), 1)
        steps = np.clip(np.rint(np.stack([luma, chroma, chroma])), 1, 255)
        return Recipe.from_floats(steps, np.full((3, 64), 1 / 0.12), field=(32, 234, 40, 24, 8, 4, 0, 0, 0))
    chroma = d * (1 + 13.6 * r**0.784)
    chroma[0] *= 0.84
    steps = np.clip(np.rint(np.stack([luma, 0.78 * chroma, 0.88 * chroma])), 1, 255)
    return Recipe.from_floats(steps, np.full((3, 64), 1 / 0.084), field=(45, 234, 40, 24, 8, 4, 0, 0, 0))


@lru_cache(maxsize=4)
def _data(tune: str) -> dict[str, np.ndarray] | None:
    path = Path(__file__).parent / "data" / f"{tune}.npz"
    if not path.is_file():
        return None
    with np.load(path) as stored:
        return dict(stored)


def recipe_sampling(factors: Sequence[tuple[int, int]]) -> str:
    """Whose recipe a file takes: "4:4:0" or one of SAMPLINGS, by how chroma is halved. factors: (h, v) of Y, Cb, Cr."""
    h, v = (max(f) // max(f[1:]) for f in zip(*factors, strict=True))
    return {(1, 1): "4:4:4", (2, 1): "4:2:2", (1, 2): "4:4:0"}.get((h, v), "4:2:0")


def _transposed(recipe: Recipe) -> Recipe:
    """The recipe with rows and columns of chroma's tables exchanged, for 4:4:0."""
    turned = np.arange(64).reshape(8, 8).T.reshape(64)
    given: dict[str, Any] = {"steps": recipe.steps, "weights": recipe.weights}
    tables: dict[str, Any] = {n: np.concatenate([table[:1], table[1:, turned]]) for n, table in given.items()}
    return replace(recipe, subsampling="4:4:0", **tables)


@lru_cache(maxsize=256)
def load_recipe(tune: str, quality: float, sampling: str = "4:2:0") -> Recipe:
    """The shipped recipe of a tune (its name, "all" for True) at a quality 1..100, fractions in 1/256.

    Between the qualities that the data hold, steps, weights, rates and field are interpolated in integers. sampling: one of
    SAMPLINGS or "4:4:0".
    """
    if sampling == "4:4:0":
        return _transposed(load_recipe(tune, quality, "4:2:2"))
    stored = _data(tune)
    if stored is None:
        return replace(_built_in(tune, quality), subsampling=sampling)
    own = "_" + sampling.replace(":", "")  # of arrays that are not 4:2:0's
    stored = {name: stored.get(name + own, array) for name, array in stored.items()}
    at = round(256 * quality)
    knots = 256 * stored["quality"].astype(np.int64)
    i = int(np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2))
    gap = int(knots[i + 1] - knots[i])
    part = min(max((at - int(knots[i])) * 256 // gap, 0), 256)

    def blend(name: str) -> np.ndarray:
        a, b = (stored[name][k].astype(np.int64) for k in (i, i + 1))
        return a * (256 - part) + b * part

    def between(name: str) -> np.ndarray:
        return (blend(name) + 128) >> 8

    exact = blend("steps")
    # steps change one by one, not all where part is ½; what rounding does to one must not change what its errors cost
    steps = (exact + 64 + np.arange(192).reshape(3, 64) * 79 % 128) >> 8
    weights = np.minimum(between("weights") * (256 * steps) ** 2 // exact**2, _LARGEST["weights"])
    recipe = Recipe(
        steps, weights, between("rates"), between("dc_rates"), tuple(between("field").tolist()),
        str(stored["chroma"]), tuple(stored["compensate"].tolist()), int(stored["passes"]), sampling,
        network=load_network() if tune in _LEARNED else None,
    )  # fmt: skip
    return replace(recipe, bands=tuple(stored["bands"].tolist())) if "bands" in stored else recipe


@lru_cache(maxsize=1)
def load_network() -> Network | None:
    """The shipped network, or None without data."""
    path = Path(__file__).parent / "data" / "field_network.npz"
    if not path.is_file():
        return None
    with np.load(path) as stored:
        count = sum(name.startswith("w") for name in stored)
        layers = tuple((stored[f"w{i}"], stored[f"b{i}"]) for i in range(count))
        return Network(layers, *(int(stored[name]) for name in ("power", "share", "slope")))
