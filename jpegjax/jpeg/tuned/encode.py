"""Pictures to tuned files on the host: the trellis between the transform and the entropy coder.

image ──▶ planes ──▶ 8·DCT ──▶ trellis passes ──▶ int16 planes ──▶ the smallest script of scans ──▶ bytes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ...container.mark import MARK
from ...container.write import opening
from ...kernels.dct import fdct_strip
from ...kernels.tuned.dering import dering
from ...kernels.tuned.field import strength_field
from ...kernels.tuned.importance import weighted
from ...kernels.tuned.trellis import NO_FIELD, Blocks, Costs, Counts, ac_tables, reciprocals, trellis_rows, work_bytes
from ...options import EncodeOptions
from ...run.memory import address, borrow, scratch
from ...run.threads import run_parallel, spare_cores
from ...types import Frame
from .. import files as entropy
from .plan import TINY_PIXELS, Plan, tuned_frame
from .planes import Picture
from .recipe import Recipe
from .scans import best_script

__all__ = ["First", "encode_tuned", "first_levels", "raw_blocks", "run_trellis", "tuned_planes", "write_tuned"]

MARKED = "restored"
"""The tune whose files are for a restorer, and say so."""
_PART_PIXELS = 1 << 17
_SMALL_PIXELS = 1 << 17
"""Up to this, headers make progressive files the larger ones sometimes."""


def run_trellis(
    plan: Plan, raws: Mapping[int, np.ndarray], planes: Sequence[np.ndarray], field: np.ndarray | None
) -> None:
    """All passes over the components of `raws`. field: uint16 [rows, columns] of component 0 without the map of importance, or
    None."""
    frame, recipe = plan.frame, plan.recipe
    scale, weight = reciprocals(recipe.steps), recipe.weights.astype(np.int32)
    bands = {c: np.array(plan.bands(c), np.int64) for c in raws}
    fields = {c: NO_FIELD if field is None or c else field for c in raws}
    fields |= {c: weighted(None if c else field, own) for c, own in plan.factors(raws).items()}
    blocks = {c: Blocks(raw, planes[c], fields[c], *plan.order(c)) for c, raw in raws.items()}
    rates = {c: plan.first_rates(c) for c in raws}
    high = plan.mcus[0]
    parts = min(spare_cores(), high, max(1, frame.height * frame.width // _PART_PIXELS))
    cuts = [i * high // parts for i in range(parts + 1)]

    def work(part: int, share: int, costs: Mapping[int, Costs]) -> dict[int, Counts]:
        counted = {}
        for c, own in blocks.items():
            memory = scratch("trellis", work_bytes(own.v, own.raw.shape[1]))
            counted[c] = Counts(np.zeros((len(bands[c]), 257), np.int64), np.zeros(257, np.int64))
            trellis_rows(cuts[part], cuts[part + 1], share, own, costs[c], counted[c], memory)
        return counted

    for left in range(recipe.passes - 1, -1, -1):
        costs = {c: Costs(scale[c], weight[c], bands[c], ac_tables(r.ac), r.dc) for c, r in rates.items()}
        counted = run_parallel(partial(work, share=plan.share(left), costs=costs), range(parts))
        if left:
            whole = {c: Counts(*(np.sum(x, axis=0) for x in zip(*(p[c] for p in counted), strict=True))) for c in raws}
            rates = plan.next_rates(whole)


def raw_blocks(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """8·DCT, int16 [rows, columns, 8, 8], of samples uint8 [.., stride], each row 64 bytes longer than its blocks."""
    out = borrow((rows, columns, 8, 8), np.int16)
    fdct_strip(address(plane), plane.shape[1], rows, columns, address(out))
    return out


class First(NamedTuple):
    """A picture as it was quantised, and what quantising it once more takes: what `run_trellis` takes but the raw blocks."""

    plan: Plan
    planes: list[np.ndarray]
    field: np.ndarray | None


def tuned_planes(image: np.ndarray, frame: Frame, recipe: Recipe) -> list[np.ndarray]:
    """Quantised coefficients of an image: per component int16 [rows, columns, 8, 8] in natural order, real blocks only.

    image: uint8 [H, W] or [H, W, 3], C-contiguous. frame: grey or YCbCr, of the image's size, progressive where the
    trellis is to reckon with progressive scans.
    """
    return first_levels(image, frame, recipe).planes


def first_levels(image: np.ndarray, frame: Frame, recipe: Recipe) -> First:
    """`tuned_planes` and what they were made by."""
    plan, picture = Plan(frame, recipe), Picture(image, frame)
    count = len(frame.components)
    samples = [picture.component(c, recipe.chroma) for c in range(count)]
    luma = raw_blocks(samples[0], *frame.blocks(0)) if recipe.network else None
    field = strength_field(samples[0], *frame.blocks(0), recipe.field, recipe.network, luma, recipe.steps[0])
    planes = [borrow((*frame.blocks(c), 8, 8), np.int16) for c in range(count)]
    for group in plan.groups:
        if plan.compensate and 0 in group:
            picture.compensate(planes[1:], list(recipe.steps[1:]), recipe.compensate)
            luma = None
        raws = {c: luma if c == 0 and luma is not None else raw_blocks(samples[c], *frame.blocks(c)) for c in group}
        if 0 in group and recipe.dering:
            dering(samples[0], raws[0], recipe.steps[0])
        run_trellis(plan, raws, planes, field)
    return First(plan, planes, field)


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
        plain = replace(options, tune=None, refine=0, optimize=True, progressive=progressive)
        if progressive and options.scans is None and not options.arithmetic:
            plain = replace(plain, scans=best_script(planes, frame))
        mark = MARK if options.tune == MARKED else b""
        return opening(frame.color, plain.metadata) + mark + entropy.body(planes, frame, tables, plain)

    if options.progressive is not None:
        return write(options.progressive)
    pixels = frame.height * frame.width
    processes = (False,) if pixels <= TINY_PIXELS else (True, False) if pixels <= _SMALL_PIXELS else (True,)
    return min(map(write, processes), key=len)
