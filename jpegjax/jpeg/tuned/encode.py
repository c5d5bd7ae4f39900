"""Pictures to tuned files on the host: the trellis between the transform and the entropy coder.

image ──▶ planes ──▶ 8·DCT ──▶ trellis passes ──▶ int16 planes ──▶ the smallest script of scans ──▶ bytes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...kernels.dct import fdct_strip
from ...kernels.tuned.field import strength_field
from ...kernels.tuned.trellis import (
    DC_WORK,
    EMPTY,
    RATE_FIELDS,
    WORK,
    ac_bands,
    ac_rates,
    dc_rows,
    pass_rates,
    reciprocals,
)
from ...options import EncodeOptions
from ...run.memory import address, borrow, scratch
from ...run.threads import run_parallel, spare_cores
from ...simd import kernel
from ...types import Frame
from .. import files as entropy
from .planes import Picture
from .recipe import TABLES, Recipe, load_recipe
from .scans import best_script

__all__ = [
    "chosen_recipe", "encode_tuned", "pass_share", "raw_blocks", "run_trellis", "tuned_frame", "tuned_planes",
    "write_tuned",
]  # fmt: skip

_PART_PIXELS = 1 << 17
_PASS_MCUS = 512
"""MCUs that suffice to count symbols."""
_TINY_PIXELS, _SMALL_PIXELS = 1 << 14, 1 << 17
"""Up to these, headers make progressive files the larger ones, always or sometimes."""


@kernel
def _trellis_rows(
    m0, m1, share, raw, out, rows, columns, h, v, field, reciprocal, weight, bands, ac, dc, ac_counts, dc_counts, work
):
    """AC and DC of every `share`-th MCU row among m0..m1-1 of a component, as `ac_bands` and `dc_rows` take them."""
    for m in range(m0, m1):
        row0, row1 = min(m * v, rows), min(m * v + v, rows)
        if m % share or row0 == row1:
            continue
        first = row0 * columns
        part = field + 2 * first if field else field
        ac_bands(
            raw + 128 * first,
            out + 128 * first,
            (row1 - row0) * columns,
            part,
            reciprocal,
            weight,
            bands,
            ac,
            ac_counts,
            work,
        )
        dc_rows(m, m + 1, raw, out, rows, columns, h, v, field, reciprocal, weight, dc, dc_counts, work)


def pass_share(frame: Frame) -> int:
    """All passes but the last, which only count, look at every so manieth MCU row: 1 to 4."""
    return min(max(frame.mcus[0] * frame.mcus[1] // _PASS_MCUS, 1), 4)


class _Rates:
    """What the symbols of a component cost, and how often they occurred in the last pass.

    In progressive files each band has an AC table of its own; in sequential ones Cb and Cr share all tables.
    """

    def __init__(self, recipe: Recipe, slot: int, bands: tuple[int, ...], progressive: bool):
        self.bands, self.progressive = np.array(bands, np.int64), progressive
        prior = recipe.rates[slot].astype(np.int32)
        prior[EMPTY] = 0 if progressive else prior[0]
        self._set(np.tile(prior, (len(bands), 1)), recipe.dc_rates[slot].astype(np.int32))

    def _set(self, ac: np.ndarray, dc: np.ndarray) -> None:
        self.tables, self.dc = np.empty((len(ac), RATE_FIELDS), np.int32), dc
        for rates, table in zip(ac, self.tables, strict=True):
            ac_rates(rates, table)

    def counters(self) -> tuple[np.ndarray, np.ndarray]:
        """Zeros for the AC and DC counts of a pass."""
        return np.zeros((len(self.bands), 257), np.int64), np.zeros(257, np.int64)

    def update(self, ac_counts: np.ndarray, dc_counts: np.ndarray) -> None:
        self._set(*pass_rates(ac_counts, dc_counts, self.progressive))


def run_trellis(
    raws: Mapping[int, np.ndarray], planes: Sequence[np.ndarray], frame: Frame, recipe: Recipe, field: np.ndarray | None
) -> None:
    """All passes over the components of `raws`. field: uint16 [rows, columns] of component 0, or None."""
    alone, progressive = len(frame.components) == 1, frame.process.progressive
    high = frame.blocks(0)[0] if alone else frame.mcus[0]
    reciprocal, weight = reciprocals(recipe.steps), recipe.weights.astype(np.int32)
    slots = {c: entropy.table_slot(frame, c) for c in raws}
    rates = {
        c: _Rates(recipe, s, recipe.bands if progressive and c == 0 else (63,), progressive) for c, s in slots.items()
    }
    parts = min(spare_cores(), high, max(1, frame.height * frame.width // _PART_PIXELS))
    cuts = [i * high // parts for i in range(parts + 1)]

    def work(part: int, share: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        counted = {}
        for c, raw in raws.items():
            rows, columns = frame.blocks(c)
            h, v = (1, 1) if alone else (frame.components[c].h, frame.components[c].v)
            memory = scratch("trellis", max(WORK, DC_WORK * v * columns))
            counted[c] = rates[c].counters()
            _trellis_rows(
                cuts[part], cuts[part + 1], share, address(raw), address(planes[c]), rows, columns, h, v,
                address(field) if field is not None and c == 0 else 0, address(reciprocal[c]), address(weight[c]),
                rates[c].bands, address(rates[c].tables), rates[c].dc, *counted[c], address(memory),
            )  # fmt: skip
        return counted

    for left in range(recipe.passes - 1, -1, -1):
        share = pass_share(frame) if left else 1
        counted = run_parallel(partial(work, share=share), range(parts))
        if left == 0:
            break
        for c, s in slots.items():
            alike = [k for k in slots if slots[k] == s]
            ac = np.sum([part[k][0] for part in counted for k in ([c] if progressive else alike)], axis=0)
            rates[c].update(ac, np.sum([part[k][1] for part in counted for k in alike], axis=0))


def raw_blocks(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """8·DCT, int16 [rows, columns, 8, 8], of samples uint8 [.., stride], each row 64 bytes longer than its blocks."""
    out = borrow((rows, columns, 8, 8), np.int16)
    fdct_strip(address(plane), plane.shape[1], rows, columns, address(out))
    return out


def tuned_planes(image: np.ndarray, frame: Frame, recipe: Recipe) -> list[np.ndarray]:
    """Quantised coefficients of an image: per component int16 [rows, columns, 8, 8] in natural order, real blocks only.

    image: uint8 [H, W] or [H, W, 3], C-contiguous. frame: grey or YCbCr, of the image's size, progressive where the
    trellis is to reckon with progressive scans.
    """
    picture = Picture(image, frame)
    count = len(frame.components)
    samples = [picture.component(c, recipe.chroma) for c in range(count)]
    luma = raw_blocks(samples[0], *frame.blocks(0)) if recipe.network else None
    field = strength_field(samples[0], *frame.blocks(0), recipe.field, recipe.network, luma, recipe.steps[0])
    planes = [borrow((*frame.blocks(c), 8, 8), np.int16) for c in range(count)]
    whole = range(count)
    groups = [whole]
    if (
        any(recipe.compensate)
        and count == 3
        and (frame.components[0].h, frame.components[0].v) == (frame.hmax, frame.vmax)
    ):
        groups = [whole[1:], whole[:1]]
    for group in groups:
        if len(groups) > 1 and group[0] == 0:
            picture.compensate(planes[1:], list(recipe.steps[1:]), recipe.compensate)
            luma = None
        raws = {c: luma if c == 0 and luma is not None else raw_blocks(samples[c], *frame.blocks(c)) for c in group}
        run_trellis(raws, planes, frame, recipe, field)
    return planes


def tuned_frame(height: int, width: int, channels: int, recipe: Recipe, options: EncodeOptions) -> Frame:
    """The frame of a tuned file; Cb and Cr share a table where theirs are alike.

    Progressive, for Huffman files whose process the options leave open, unless tiny: the trellis reckons with its scans.
    ValueError for CMYK.
    """
    if channels not in (1, 3):
        raise ValueError(f"tune: {channels} channels; only grey and RGB pictures can be tuned")
    tiny = options.progressive is None and height * width <= _TINY_PIXELS
    progressive = options.progressive is not False and not options.arithmetic and not tiny
    options = replace(options, progressive=progressive, scans=None)
    steps = recipe.steps if (recipe.steps[1] != recipe.steps[2]).any() else recipe.steps[:2]
    sampling = recipe.subsampling if options.subsampling is None else options.subsampling
    return replace(options, tune=None, qtables=steps, subsampling=sampling).frame(height, width, channels)


def encode_tuned(image: np.ndarray, recipe: Recipe, options: EncodeOptions = EncodeOptions(tune=True)) -> bytes:  # noqa: B008
    """The tuned file of one image, uint8 [H, W] or [H, W, 3].

    Of the options, those on subsampling, process, scans, restarts and metadata count; progressive None is whichever of
    the two processes makes the smaller file. ValueError for CMYK.
    """
    image = np.ascontiguousarray(image)
    frame = tuned_frame(image.shape[0], image.shape[1], image.shape[2] if image.ndim == 3 else 1, recipe, options)
    return write_tuned(tuned_planes(image, frame, recipe), frame, recipe, options)


def write_tuned(planes: list[np.ndarray], frame: Frame, recipe: Recipe, options: EncodeOptions) -> bytes:
    """The file of `tuned_planes`: progressive ones by the scans that cost least, small ones sequential if that is less."""
    tables = [recipe.steps[c] for c in range(len(frame.components))]

    def write(progressive: bool) -> bytes:
        plain = replace(options, tune=None, optimize=True, progressive=progressive)
        if progressive and options.scans is None and not options.arithmetic:
            plain = replace(plain, scans=best_script(planes, frame, recipe.bands))
        return entropy.encode_image(planes, frame, tables, plain)

    if options.progressive is not None:
        return write(options.progressive)
    pixels = frame.height * frame.width
    processes = (False,) if pixels <= _TINY_PIXELS else (True, False) if pixels <= _SMALL_PIXELS else (True,)
    return min(map(write, processes), key=len)


def chosen_recipe(options: EncodeOptions) -> Recipe:
    """The recipe of options.tune at options.quality, which may be a pair for luma and chroma."""
    tune = options.tune if isinstance(options.tune, str) else "all"
    qualities = options.quality if isinstance(options.quality, tuple) else (options.quality, options.quality)
    luma, chroma = (load_recipe(tune, quality) for quality in qualities)
    if luma is chroma:
        return luma
    mixed: dict[str, Any] = {n: np.concatenate([getattr(luma, n)[:1], getattr(chroma, n)[1:]]) for n in TABLES}
    return replace(luma, **mixed)
